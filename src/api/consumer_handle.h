/* The consumer's public handle, as the files of its functions share it. */
#ifndef KCI_API_CONSUMER_HANDLE_H
#define KCI_API_CONSUMER_HANDLE_H

#include "api/builtin.h"
#include "api/config.h"
#include "api/mock_cluster.h"
#include "cluster/cluster.h"
#include "consumer/consumer.h"
#include "runtime/runtime.h"

#define KCI_GRACE_US 50000 /* an I/O thread that is late by more than this is given up on: the call returns anyway */

struct kc_consumer {
    struct kci_consumer *core;
    struct kci_loop *loop;
    struct kci_gate *gate;
    struct kci_settings *settings;
    struct kci_builtin builtin;
    struct kci_mock_cluster *mock;        /* test.mock.num.brokers; NULL: none */
    kc_rebalance_listener listener;       /* of the last subscribe, or of the configuration */
    struct kci_partition_list assignment; /* behind the last kc_consumer_assignment() or _failed() */
    struct kci_partition_list committed;  /* behind the texts of the last kc_consumer_committed() */
    kc_records *one;                      /* behind the last kc_consumer_poll_one(); owned */
    _Atomic uintptr_t owner;              /* the thread that is inside, 0: none */
    int depth;                            /* of calls; > 1 within a callback */
    bool in_callback;
    const struct kci_consumer_event *event; /* whose callback runs; NULL: none */
    struct kci_door door;                   /* of the functions that any thread may call */
    uint32_t generation;                    /* of the process that created it: see kci_process_generation() */
};

/* The calling thread goes in; KC_ERR_ARGUMENT, KC_ERR_FORKED, KC_ERR_STATE: another thread is inside. */
kc_err kci_consumer_handle_enter(kc_consumer *consumer, kc_error *error);
/* As enter, for functions that may wait for what only a later poll could bring: KC_ERR_IN_CALLBACK. */
kc_err kci_consumer_handle_enter_waiting(kc_consumer *consumer, const char *what, kc_error *error);
/* KC_ERR_FORKED in a child of the process that created it. */
kc_err kci_consumer_handle_forked(const kc_consumer *consumer, kc_error *error);
/* Out again. Its second argument, for `return`. */
kc_err kci_consumer_handle_leave(kc_consumer *consumer, kc_err result);
/* When a call that begins at `now` ends; monotonic microseconds. */
static inline int64_t kci_consumer_handle_deadline(int64_t now, int32_t timeout_ms)
{
    return timeout_ms < 0 ? KCI_NEVER : now + (int64_t)timeout_ms * 1000;
}
/* Run the callbacks that are due outside of poll: of commits, and of leaving. */
void kci_consumer_handle_run_events(kc_consumer *consumer);
/* on_commit of the interceptors. */
void kci_consumer_handle_tell_commit(kc_consumer *consumer, const kc_topic_partition *items, size_t count);

#endif
