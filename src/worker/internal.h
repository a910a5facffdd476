/* What the files of the worker layer share.
 *
 *   poll.c   the one thread that uses the consumer: polls, commits, ends        worker.c  the public functions
 *   deal.c   hands the records of a poll to the threads                        hand.c    a thread: handler, retries
 *   part.c   partitions: assigned, paused, drained, revoked, lost              settings.c  checks and copies options
 *
 * Ownership: the polling thread owns partitions, the queue of each partition (progress.h), free jobs and lots that are
 * not dealt to the end.  A hand owns a job from its queue until the mark is finished; then the job is the polling
 * thread's again. A job that was sent on is the delivery function's meanwhile. Fields are the polling thread's unless
 * they are atomic or say otherwise. */
#ifndef KCI_WORKER_INTERNAL_H
#define KCI_WORKER_INTERNAL_H

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "cluster/cluster.h"
#include "runtime/runtime.h"
#include "worker/onward.h"
#include "worker/progress.h"
#include <kclient/producer.h>

/* What one poll returned; alive while a job points into it. */
struct kci_lot {
    struct kci_lot *next; /* of those not dealt to the end */
    kc_records *records;
    uint64_t number;        /* rises */
    _Atomic uint32_t users; /* jobs, and the polling thread while it deals */
};

struct kci_part {
    struct kci_list link; /* in worker->parts, or in worker->leaving */
    char *topic;          /* owned */
    int32_t partition;
    int32_t delay_ms; /* of a retry topic; -1: it is none */
    struct kci_progress progress;
    int64_t dealt_to;  /* offset of the last record that was dealt; -1: none */
    int64_t committed; /* position of the last commit; -1: none */
    uint64_t
        stale_through;    /* records of lots up to this number are not ours any more: before a seek or an assignment */
    int64_t due_us;       /* retry topic: nothing is read before this time; 0: now */
    bool crowded;         /* too much is open: see kci_parts_update */
    bool paused;          /* what the consumer was told */
    _Atomic bool dropped; /* hands skip its jobs */
};

struct kci_job {
    struct kci_mark mark; /* first: advance returns it */
    struct kci_job *next; /* in a hand's queue, or in the list of free ones */
    struct kci_part *part;
    struct kci_lot *lot;
    kc_record_view view;
};

enum kci_count {
    KCI_COUNT_PROCESSED,
    KCI_COUNT_RETRIED,
    KCI_COUNT_DEAD,
    KCI_COUNT_DUPLICATES,
    KCI_COUNT_DROPPED,
    KCI_COUNT_SEEN_FAILURES,
    KCI_COUNT_COMMITS,
    KCI_COUNT_COMMIT_FAILURES,
    KCI_COUNTS
};

struct kci_job_queue {
    struct kci_job *first, *last;
};

/* A thread that runs the handler. */
struct kci_hand {
    kc_worker *worker;
    struct kci_thread *thread;
    struct kci_gate *gate; /* opened when a job is queued, or the thread should look up */
    struct kci_lock lock;
    struct kci_job_queue queue;        /* under the lock */
    struct kci_job_queue dealt;        /* the polling thread's: what goes into the queue next */
    _Atomic uint64_t finished;         /* jobs that left the hand */
    uint64_t queued;                   /* jobs given to it, in all */
    uint64_t finished_at_look;         /* `finished` when the polling thread looked last */
    int64_t busy_since;                /* microseconds: since then it has finished nothing; 0: has nothing to do */
    struct kci_onward onward;          /* the thread's */
    struct kci_past past;              /* the thread's: of the record that it handles */
    char reason[KC_WORK_REASON_BYTES]; /* the thread's: what the handler said */
};

/* A checked copy of kc_worker_options. */
struct kci_worker_settings {
    struct kci_arena arena;                       /* of all texts and arrays */
    kc_config *consumer_config, *producer_config; /* producer_config NULL: no producer is needed */
    const char **topics;                          /* those of the options, then those of the retries, each once */
    size_t topic_count;
    kc_retry_step *retries;
    size_t retry_count;
    const char *dead_topic, *id_header, *group;
    uint32_t threads, open_records;
    kc_handler_fn handle;
    void *context;
    kc_seen_store seen; /* contains NULL: none */
    int32_t commit_interval_ms, drain_ms;
};

struct kc_worker {
    struct kci_worker_settings settings;
    kc_producer *producer; /* NULL: nothing is ever sent on */
    kc_consumer *consumer;
    struct kci_lock consumer_lock; /* over consumer_awake, and while the consumer is woken */
    bool consumer_awake;           /* may be woken: it lives */
    struct kci_thread *poll_thread;
    struct kci_hand *hands; /* settings.threads of them */
    struct kci_job *jobs;   /* settings.open_records of them */
    struct kci_job *free_jobs;
    size_t free_count;
    struct kci_lot *lots, **lots_end; /* not dealt to the end, in order */
    uint64_t lot_number;              /* of the last one */
    uint64_t spread;                  /* records without a key take turns */
    struct kci_list parts;            /* struct kci_part: ours */
    struct kci_list leaving;          /* not ours any more, with jobs under way */
    struct kci_map by_name;           /* topic NUL partition -> struct kci_part in `parts` */
    struct kci_part *last_part;       /* the last that was looked up */
    size_t part_count;
    int64_t commit_at;        /* microseconds */
    bool ending;              /* nothing is dealt any more: all partitions are paused */
    struct kci_gate *gate;    /* a job was finished while the polling thread drains, or a thread ended, or close came */
    _Atomic int wake_in;      /* wake the polling thread when so many more jobs are finished; <= 0: do not */
    _Atomic bool draining;    /* tell the gate of every finished job */
    _Atomic bool halted;      /* failed or stopped: no record is handled any more */
    _Atomic bool closing;     /* kc_worker_close() was called */
    _Atomic int64_t close_at; /* microseconds: its deadline */
    _Atomic bool poll_ended;
    _Atomic uint32_t hands_ended;
    _Atomic bool hands_stop; /* the threads end when their queues are empty */
    struct kci_lock failure_lock;
    kc_error failure; /* under failure_lock; code KC_OK: none */
    _Atomic uint64_t counts[KCI_COUNTS];
    _Atomic uint64_t open_now, parts_now, paused_now; /* for the statistics */
    _Atomic int64_t stuck_ms;
    kc_err close_result;  /* the polling thread's until it ended */
    struct kci_door door; /* of those in kc_worker_wait() */
    uint32_t generation;  /* of the process that started it: see kci_process_generation() */
};

/* ---- settings.c ---- */
kc_err kci_worker_settings_copy(struct kci_worker_settings *to, const kc_worker_options *from, kc_error *error);
void kci_worker_settings_free(struct kci_worker_settings *settings);

/* ---- worker.c ---- */
static inline void kci_worker_count(kc_worker *worker, enum kci_count what, uint64_t add)
{
    atomic_fetch_add_explicit(&worker->counts[what], add, memory_order_relaxed);
}
/* The first failure counts: no record is handled any more. Any thread. */
void kci_worker_fail(kc_worker *worker, kc_err code, const char *text);
/* Let the polling thread look up. Any thread. */
void kci_worker_wake(kc_worker *worker);

/* ---- poll.c ---- */
void kci_poll_run(void *worker);
/* Commit what is done of these partitions, and wait for the answer. */
kc_err kci_poll_commit_now(kc_worker *worker, struct kci_list *parts, int64_t until);

/* What there is to commit of these partitions, in *out (yours; NULL: nothing); `all`: also what was sent before, whose
 * answer may not have come. false: no memory, and everything is still to be said. */
bool kci_poll_gather(const struct kci_alloc *alloc, struct kci_list *parts, bool all, kc_topic_partition **out,
                     size_t *count);

/* ---- deal.c ---- */
/* Take a poll's records over; false: no memory, and they are still the caller's. */
bool kci_deal_add(kc_worker *worker, kc_records *records);
/* Hand out as much as there are free jobs for. */
void kci_deal(kc_worker *worker, int64_t now);
/* The thread for a key that is not null. */
uint32_t kci_deal_choose(kc_bytes key, uint32_t threads);
/* Forget what was not handed out. */
void kci_deal_forget(kc_worker *worker);
/* One user less. Any thread. */
void kci_lot_leave(struct kci_lot *lot);

/* ---- part.c ---- */
struct kci_part *kci_part_find(kc_worker *worker, const char *topic, int32_t partition);
/* The log begins anew, by a reset or because the topic was made anew: what is open of it counts no more. NULL: no
 * memory, which the worker fails with. */
struct kci_part *kci_part_restart(kc_worker *worker, struct kci_part *part, uint64_t lot_number);
/* Take the finished jobs of all partitions back. Returns how many are open in those that are ours. */
size_t kci_parts_collect(kc_worker *worker);
/* Tell the consumer which partitions to pause and which to resume. */
void kci_parts_update(kc_worker *worker, int64_t now);
/* When a delayed partition is due. */
int64_t kci_parts_deadline(const kc_worker *worker);
kc_rebalance_listener kci_parts_listener(kc_worker *worker);
/* The end: nothing is ours any more. */
void kci_parts_release_all(kc_worker *worker);
void kci_parts_free(kc_worker *worker);

/* ---- hand.c ---- */
void kci_hand_run(void *hand);
/* Queue what was dealt to it. */
void kci_hand_push(struct kci_hand *hand);
/* The producer's delivery function. */
void kci_hand_delivered(const kc_delivery *deliveries, size_t count, void *worker);
/* The worker whose hand this thread is, or NULL. */
const kc_worker *kci_hand_here(void);

#endif
