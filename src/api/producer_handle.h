/* The producer's public handle, as the files of its functions share it. */
#ifndef KCI_API_PRODUCER_HANDLE_H
#define KCI_API_PRODUCER_HANDLE_H

#include "api/builtin.h"
#include "api/config.h"
#include "api/mock_cluster.h"
#include "base/list.h"
#include "cluster/cluster.h"
#include "producer/plug.h"
#include "producer/producer.h"
#include "runtime/runtime.h"

#define KCI_EXPLAIN_TEXT_BYTES 400
#define KCI_POLLED_MAX         ((size_t)100000) /* deliveries that wait to be polled before sending stops: 5.6 MB */

struct kci_polled {          /* producer_polled.c */
    struct kci_lock lock;    /* guards what is not atomic */
    kc_delivery *ring;       /* owned */
    size_t capacity;         /* of ring; 0: deliveries are not polled */
    size_t first, count;     /* in ring */
    struct kci_list texts;   /* of deliveries in the ring, oldest first */
    struct kci_list given;   /* of those that were polled: freed by the next poll */
    _Atomic(size_t) waiting; /* count, for senders */
    _Atomic(bool) closing;   /* polls wait no more */
};

struct kc_producer {
    struct kci_settings *settings; /* owned */
    struct kci_logger logger;
    struct kci_loop *loop;
    struct kci_gate *gate; /* where application threads wait for the sender */
    struct kci_producer *engine;
    uint32_t generation; /* of the process, at creation */
    struct kci_builtin builtin;
    struct kci_mock_cluster *mock;                      /* test.mock.num.brokers; NULL: none */
    bool plugged;                                       /* user functions on the way of a record */
    _Atomic(int32_t) waiters;                           /* calls that wait: they are let go before anything is freed */
    _Atomic(uint64_t) buffer_exhausted, buffer_wait_us; /* of metrics: sends that found no memory, and waited for it */
    _Atomic(int64_t) wall_offset_us, wall_read_at;      /* wall clock = monotonic + offset, as of wall_read_at */

    kc_delivery_fn delivery; /* the user's; NULL: none */
    void *delivery_context;
    struct kci_polled polled;
    struct kci_lock sync_lock; /* guards syncs */
    struct kci_list syncs;     /* of those who wait in kc_producer_send_sync */
    _Atomic(int32_t) sync_count;
};

/* KC_ERR_FORKED in a child of the process that made the handle. */
kc_err kci_handle_forked(const kc_producer *producer, kc_error *error);
/* Monotonic time at which a call with this time-out ends. */
static inline int64_t kci_handle_deadline(int32_t timeout_ms)
{
    return timeout_ms < 0 ? KCI_NEVER : kci_clock_us() + (int64_t)timeout_ms * 1000;
}
/* The delivery function that the engine is given: keeps what send_sync waits for, passes on the rest. */
void kci_handle_deliver(const kc_delivery *deliveries, size_t count, void *producer);
bool kci_polled_init(struct kci_polled *polled); /* false: no memory */
void kci_polled_destroy(struct kci_polled *polled);
/* Keep deliveries for kc_producer_poll_deliveries(). Sender. */
void kci_polled_put(kc_producer *producer, const kc_delivery *deliveries, size_t count);
/* Wait until fewer than KCI_POLLED_MAX deliveries wait to be polled, until *deadline (0: max.block.ms from now). The
 * caller is one of producer->waiters. */
kc_err kci_polled_room(kc_producer *producer, int64_t *deadline, kc_error *error);
/* What stands in the way, asked of the sender; waits a moment at most. */
void kci_handle_explain(kc_producer *producer, const char *topic, char *text, size_t size);
/* max.block.ms is over, or nobody may wait: the error that says so. */
kc_err kci_handle_gave_up(kc_producer *producer, const struct kci_producer_wait *why, bool in_callback,
                          kc_error *error);
/* The number of partitions, waited for until *deadline (0: max.block.ms from now). */
kc_err kci_handle_partitions(kc_producer *producer, const char *topic, int32_t *count, int64_t *deadline,
                             kc_error *error);

#endif
