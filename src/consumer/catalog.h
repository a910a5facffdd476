/* Questions about topics whose names are not known here: all of the cluster's, for a pattern; those behind ids. */
#ifndef KCI_CONSUMER_CATALOG_H
#define KCI_CONSUMER_CATALOG_H

#include "cluster/cluster.h"

struct kci_consumer;

struct kci_catalog {
    struct kci_call call;   /* Metadata */
    struct kci_arena arena; /* of the request under way */
    bool in_flight;
    bool by_id;         /* it asks for ids, not for all topics */
    bool ids_wanted;    /* the target of the group has ids without names */
    bool all_known;     /* the pattern was held against all topics at least once */
    uint64_t asked_for; /* number of the pattern that the question under way is for */
    int64_t all_at;     /* when all topics are asked for, if there is a pattern; microseconds */
    int64_t not_before; /* back-off */
    uint32_t attempts;  /* in a row that failed or did not bring what was wanted */
};

void kci_catalog_init(struct kci_consumer *c);
void kci_catalog_destroy(struct kci_consumer *c);
void kci_catalog_step(struct kci_consumer *c, int64_t now);
void kci_catalog_want_ids(struct kci_consumer *c, int64_t now);
/* There is a new pattern: hold it against all topics at once. */
void kci_catalog_restart(struct kci_consumer *c);

#endif
