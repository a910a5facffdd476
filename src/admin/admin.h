/* The admin engine: requests that an administrator makes, each retried until its deadline.
 *
 *   application thread: kci_admin_submit(op) ---> [list under a lock] ---> engine step: kci_cluster_call
 *                       waits until op->finished <--------------------------- done: final, or again after the back-off
 *
 * An operation is memory of the submitter, who keeps it until it is finished; it finishes at its deadline at the
 * latest. */
#ifndef KCI_ADMIN_ADMIN_H
#define KCI_ADMIN_ADMIN_H

#include "base/lock.h"
#include "cluster/cluster.h"
#include "cluster/metrics.h"

struct kci_admin;

struct kci_admin_op {
    /* filled in by the submitter */
    int16_t api;
    int16_t version_min, version_max;
    int32_t node;        /* KCI_NODE_ANY, KCI_NODE_CONTROLLER or a broker; not looked at with `group` */
    const char *group;   /* ask its coordinator; NULL: `node`. Lives until finished */
    const void *request; /* struct kci_<api>_request; lives until finished */
    bool once;           /* a failure of the transport is final: not tried again */
    int64_t deadline;    /* monotonic microseconds; KCI_NEVER: none */
    /* Kafka's error code in a decoded response that decides about a retry (NOT_CONTROLLER ...); may be NULL. */
    int16_t (*verdict)(const void *response);

    /* the answer, valid once finished */
    _Atomic bool finished;
    kc_error error;          /* code KC_OK: `response` is there */
    void *response;          /* struct kci_<api>_response in `arena`, views into `frame` */
    int16_t version;         /* of the response */
    struct kci_frame *frame; /* released by kci_admin_op_free */
    struct kci_arena arena;  /* likewise */
    bool maybe_applied;      /* an earlier attempt may have been carried out */

    /* the engine's */
    struct kci_admin *admin;
    struct kci_list link;
    struct kci_call call;
    int64_t retry_at; /* microseconds; KCI_NEVER: a call is under way, or a coordinator is looked for */
    struct kci_coordinator coordinator; /* of group */
    bool seeking;                       /* the coordinator is looked for */
    uint32_t attempts;
    char last[300]; /* why the last attempt failed */
};

struct kci_admin_options {
    const struct kci_alloc *alloc;
    const struct kci_settings *settings; /* borrowed; outlives the engine */
    struct kci_transport transport;
    struct kci_logger logger;
    uint64_t seed;
    const struct kci_lock_ops *lock_ops;
    void (*wake)(void *context);   /* the engine must be stepped */
    void (*notify)(void *context); /* an operation has finished */
    void *context;                 /* of both */
};

/* KC_ERR_CONFIG, KC_ERR_NO_MEMORY. */
kc_err kci_admin_create(struct kci_admin **out, const struct kci_admin_options *options, kc_error *error);
/* Every operation under way finishes with KC_ERR_CLOSED, as does at once what is submitted later.  The I/O thread has
 * ended (or is the caller). */
void kci_admin_shut(struct kci_admin *admin, int64_t now);
/* Nobody waits for an operation any more, unless it was not shut before. */
void kci_admin_destroy(struct kci_admin *admin, int64_t now);
struct kci_engine kci_admin_engine(struct kci_admin *admin);
/* Any thread. The op is zeroed apart from what the submitter fills in. */
void kci_admin_submit(struct kci_admin *admin, struct kci_admin_op *op);
/* The part of a snapshot that every client has; brokers: how many there are to tell of. Any thread. */
void kci_admin_metrics_need(const struct kci_admin *admin, struct kci_metrics_room *room);
void kci_admin_metrics(const struct kci_admin *admin, kc_metrics *out, const struct kci_metrics_room *room,
                       int64_t now);
/* Release the answer of a finished op. */
void kci_admin_op_free(struct kci_admin_op *op);

#endif
