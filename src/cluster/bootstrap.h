/* bootstrap.servers: "host:port,host:port"; an IPv6 address stands in brackets, "[::1]:9092". */
#ifndef KCI_CLUSTER_BOOTSTRAP_H
#define KCI_CLUSTER_BOOTSTRAP_H

#include "base/bytes.h"

#define KCI_BOOTSTRAP_MAX  1000 /* entries: each costs a node; more is a mistake */
#define KCI_HOST_BYTES_MAX 255  /* of DNS */

struct kci_bootstrap {
    const char *at;       /* what is left of the list */
    struct kci_str entry; /* the last one, as written, without blanks around it; for complaints */
    struct kci_str host;  /* of the last entry, without brackets; a view */
    uint16_t port;
    const char *problem; /* what is wrong with the last entry: static text */
    bool any;            /* an entry was found */
};

static inline struct kci_bootstrap kci_bootstrap_of(const char *list)
{
    return (struct kci_bootstrap){ .at = list };
}
/* 1: the next entry is in host and port; 0: the end; -1: bad, see entry and problem. Empty entries are skipped (a
 * trailing comma is common); a list without any is bad. */
int kci_bootstrap_next(struct kci_bootstrap *b);

/* A host name that may be looked up and shown: not empty, no blanks, no control characters, nothing that ends a name.
 */
bool kci_host_is_clean(struct kci_str host);

#endif
