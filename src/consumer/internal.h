/* The consumer from inside: the struct that its files share.  Everything in it is under the lock unless it says
 * otherwise. */
#ifndef KCI_CONSUMER_INTERNAL_H
#define KCI_CONSUMER_INTERNAL_H

#include "base/prng.h"
#include "consumer/catalog.h"
#include "consumer/consumer.h"
#include "consumer/fetcher.h"
#include "consumer/group.h"
#include "consumer/operation.h"
#include "consumer/records.h"
#include "consumer/request.h"
#include "consumer/subscription.h"
#include "consumer/tally.h"
#include "consumer/watchdog.h"

struct kci_consumer {
    const struct kci_alloc *alloc;
    const struct kci_settings *settings;
    struct kci_logger logger;
    enum kci_consumer_plant plant;
    struct kci_lock lock;
    void (*wake)(void *);
    void *wake_context;
    void (*notify)(void *);
    void *notify_context;
    int64_t (*wall_ms)(void);        /* the shell's wall clock; NULL: `now` */
    bool wake_wanted, notify_wanted; /* done when the lock is given back */

    struct kci_cluster *cluster; /* the I/O thread's; never touched by the application's functions */
    bool metadata_changed;       /* the I/O thread's: look at topics and leaders again */
    int64_t next_at;             /* when step has something to do; collected anew in each step. Microseconds */
    struct kci_prng prng;

    struct kci_shared *shared;
    struct kci_subscription subscription;
    struct kci_fetcher fetcher;
    struct kci_group group;
    struct kci_catalog catalog;
    struct kci_operations operations;
    struct kci_watchdog watchdog;
    struct kci_list events; /* struct kci_event; owned */
    uint32_t notices;       /* of them, those that nobody waits for: bounded */
    size_t requests;        /* kci_request under way */

    _Atomic bool woken; /* kci_consumer_wakeup() was called */
    bool step_due;      /* a poll has something to set going in the group: no records until the engine has looked */
    bool held_back;     /* the last poll returned nothing because of that: the group may go on as if it lasted */
    bool in_poll;       /* between poll_enter and poll_leave, and no callback runs */
    bool event_runs;    /* the application runs an event */
    bool acks_awaited;  /* max.unacknowledged.records are out: poll returns none before some are acknowledged */
    int64_t last_poll;  /* when the last poll ended, or an event began; microseconds */
    int64_t late_poll;  /* the last_poll whose successor was said to be late; 0: none */
    bool closing;
    char rejoin_reason[200]; /* the application's, of the last kci_consumer_enforce_rebalance() */
    kc_err pending_error;    /* to be reported by poll once; KC_OK: none */
    char pending_text[KCI_WHY_BYTES];
    char why[300];           /* the cluster's account of itself, as of the last trouble */
    kc_consumer_stats stats; /* memory fields are filled in when asked for */
    struct kci_tally tally;  /* what else is counted, for metrics */
};

static inline void kci_consumer_lock(struct kci_consumer *c)
{
    kci_lock_take(&c->lock);
}
/* Give the lock back, then wake and notify whom it concerns. */
void kci_consumer_unlock(struct kci_consumer *c);
/* The engine has something to do: from an application's function. */
static inline void kci_consumer_want_step(struct kci_consumer *c)
{
    c->wake_wanted = true;
}
/* The application should look again. */
static inline void kci_consumer_tell(struct kci_consumer *c)
{
    c->notify_wanted = true;
}
/* Step again at `at` at the latest. */
static inline void kci_consumer_at(struct kci_consumer *c, int64_t at)
{
    if (at < c->next_at)
        c->next_at = at;
}
/* Report an error from the next poll that finds no records. */
void kci_consumer_raise(struct kci_consumer *c, kc_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Time of the next attempt after `attempts` failures, microseconds. */
int64_t kci_consumer_retry_at(struct kci_consumer *c, uint32_t attempts, int64_t now);
/* True once the metadata said anything about the topic. */
static inline bool kci_consumer_known(const struct kci_consumer_topic *topic)
{
    return topic->info && topic->info->known;
}
/* Leader and epoch of a partition as the metadata says; KCI_NODE_NONE: unknown, or none. */
int32_t kci_consumer_leader(const struct kci_consumer_topic *topic, int32_t partition, int32_t *epoch);

/* Why a partition without a leader has none, for people: there is no such topic, no such partition ... */
void kci_consumer_no_leader(const struct kci_consumer_topic *topic, int32_t partition, char *text, size_t size);

/* An event that waits for the application. */
struct kci_event {
    struct kci_list link;
    struct kci_consumer_event face; /* its partitions are owned */
};
/* Queue an event; takes its list and texts, also on failure. false: out of memory. */
bool kci_consumer_queue_event(struct kci_consumer *c, struct kci_consumer_event face);

#define KCI_MS 1000 /* microseconds */

#endif
