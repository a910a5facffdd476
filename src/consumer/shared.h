/* What outlives a consumer: the memory ceiling, and who is to be told when bytes come back.  Held by the consumer, by
 * every fetched response and by every kc_records, whichever goes last. */
#ifndef KCI_CONSUMER_SHARED_H
#define KCI_CONSUMER_SHARED_H

#include "base/alloc.h"
#include "base/keep.h"
#include "base/lock.h"
#include <kclient/plugin.h>
#include <stdbool.h>

struct kci_shared {
    const struct kci_alloc *alloc; /* borrowed; outlives all kc_records */
    _Atomic int32_t references;
    _Atomic int64_t used;                        /* bytes in flight, queued, decompressed, or held by a kc_records */
    _Atomic int64_t made;                        /* the share of it that judging made: decompressed bytes and runs */
    int64_t limit;                               /* bytes; fetch.memory.max */
    struct kci_keep keep;                        /* what frames and decompressed bytes lie in */
    _Atomic bool waiting;                        /* the fetcher found no room and wants to be woken */
    struct kci_lock lock;                        /* guards wake and wake_context */
    void (*wake)(void *);                        /* NULL once the consumer is gone */
    void *wake_context;                          /* handed back to wake */
    _Atomic bool hushed;                         /* the consumer closes: no interceptor may be called any more */
    _Atomic int32_t visits;                      /* threads that are inside interceptors, or about to look at hushed */
    const kc_consumer_interceptor *interceptors; /* of the settings; not touched once hushed and without visits */
    size_t interceptor_count;
};

/* One reference, or NULL: out of memory. */
struct kci_shared *kci_shared_new(const struct kci_alloc *alloc, int64_t limit, const struct kci_lock_ops *lock_ops,
                                  void (*wake)(void *), void *wake_context);
struct kci_shared *kci_shared_ref(struct kci_shared *shared);
void kci_shared_release(struct kci_shared *shared); /* any thread; NULL is fine */
/* The consumer goes: nobody is woken from now on, and no interceptor called. */
void kci_shared_detach(struct kci_shared *shared);

/* A thread is about to call interceptors; false: it must not.  Ends with kci_shared_unvisit(), called in any case. */
struct kci_visit {
    const struct kci_shared *shared;
    struct kci_visit *outer; /* of the same thread: interceptors may read records */
};
bool kci_shared_visit(struct kci_shared *shared, struct kci_visit *visit);
void kci_shared_unvisit(struct kci_shared *shared, struct kci_visit *visit);
/* No interceptor is called from now on. true: and none runs, but those that this thread is inside of. */
bool kci_shared_hush(struct kci_shared *shared);

/* Take up to `want` bytes and leave `spare` free, but nothing if that permits fewer than `least`; returns what was
 * taken. When nothing is, the wake function is called once bytes come back. */
int64_t kci_shared_reserve(struct kci_shared *shared, int64_t least, int64_t want, int64_t spare);
/* All that is left, and at least `least`; as above. */
int64_t kci_shared_reserve_all(struct kci_shared *shared, int64_t least);
/* What the ceiling holds now: bytes in use, and blocks that are kept. */
int64_t kci_shared_held(const struct kci_shared *shared);
/* Count bytes that exist already, whatever the limit says. */
void kci_shared_count(struct kci_shared *shared, int64_t bytes);
/* Give bytes back. Any thread. */
void kci_shared_give_back(struct kci_shared *shared, int64_t bytes);

#endif
