/* The memory ceiling of a consumer.
 *
 * A fetch reserves before it is sent, so that what a broker may answer has its place already; the reservation becomes
 * the true size of the frame when it arrives.  Bytes come back when the last view on them is released, on whatever
 * thread.
 *
 * Who finds no room sets `waiting` and looks again: either it sees the bytes that came back meanwhile, or the one who
 * gave them back sees the flag.  One of the two always holds.
 *
 * Responses and decompressed batches lie in blocks that are kept for the next ones (base/keep.h).  What is kept is within
 * the ceiling, and the first to go when somebody finds no room.
 *
 * Records are read on any thread, also when the consumer is closed, and each visit calls its interceptors.  Who calls
 * some counts himself before he looks whether that is over; who closes says so before he looks at the count: he frees
 * nothing before those inside have left.  An interceptor may close the consumer itself: its own visit does not count. */
#include "consumer/shared.h"

#define KEPT_PART 16 /* of the ceiling may lie ready for the next bytes */

struct kci_shared *kci_shared_new(const struct kci_alloc *alloc, int64_t limit, const struct kci_lock_ops *lock_ops,
                                  void (*wake)(void *), void *wake_context)
{
    struct kci_shared *shared = kci_alloc_zero(alloc, 1, sizeof *shared);
    if (!shared)
        return NULL;
    shared->alloc = alloc;
    atomic_init(&shared->references, 1);
    shared->limit = limit;
    kci_lock_init(&shared->lock, lock_ops);
    kci_keep_init(&shared->keep, alloc, (size_t)(limit / KEPT_PART), lock_ops);
    shared->wake = wake;
    shared->wake_context = wake_context;
    return shared;
}

struct kci_shared *kci_shared_ref(struct kci_shared *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void kci_shared_release(struct kci_shared *shared)
{
    if (shared && atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1) {
        kci_keep_drop(&shared->keep);
        kci_alloc_free(shared->alloc, shared);
    }
}

void kci_shared_detach(struct kci_shared *shared)
{
    kci_lock_take(&shared->lock);
    shared->wake = NULL;
    kci_lock_release(&shared->lock);
    atomic_store(&shared->hushed, true);
}

/* ---- interceptors ---- */

static _Thread_local struct kci_visit *innermost; /* that this thread is inside of */

bool kci_shared_visit(struct kci_shared *shared, struct kci_visit *visit)
{
    *visit = (struct kci_visit){ shared, innermost };
    innermost = visit;
    atomic_fetch_add(&shared->visits, 1);
    return !atomic_load(&shared->hushed);
}

void kci_shared_unvisit(struct kci_shared *shared, struct kci_visit *visit)
{
    innermost = visit->outer;
    atomic_fetch_sub(&shared->visits, 1);
}

bool kci_shared_hush(struct kci_shared *shared)
{
    int32_t own = 0;
    atomic_store(&shared->hushed, true);
    for (const struct kci_visit *visit = innermost; visit; visit = visit->outer)
        own += visit->shared == shared;
    return atomic_load(&shared->visits) == own;
}

int64_t kci_shared_reserve(struct kci_shared *shared, int64_t least, int64_t want, int64_t spare)
{
    int64_t used = atomic_load(&shared->used);
    for (;;) {
        int64_t room = shared->limit - spare - used - (int64_t)kci_keep_bytes(&shared->keep);
        if (room < least && kci_keep_drop(&shared->keep))
            continue;
        if (room < least) {
            if (atomic_exchange(&shared->waiting, true))
                return 0;
            used = atomic_load(&shared->used); /* bytes may have come back before the flag was seen */
            if (shared->limit - spare - used < least)
                return 0;
            continue;
        }
        int64_t take = want < room ? want : room;
        if (atomic_compare_exchange_weak(&shared->used, &used, used + take))
            return take; /* `waiting` stays: it may be that of another node, which asked for more */
    }
}

int64_t kci_shared_reserve_all(struct kci_shared *shared, int64_t least)
{
    kci_keep_drop(&shared->keep);
    return kci_shared_reserve(shared, least, INT64_MAX, 0);
}

int64_t kci_shared_held(const struct kci_shared *shared)
{
    return atomic_load(&shared->used) + (int64_t)kci_keep_bytes(&shared->keep);
}

void kci_shared_count(struct kci_shared *shared, int64_t bytes)
{
    atomic_fetch_add(&shared->used, bytes);
}

void kci_shared_give_back(struct kci_shared *shared, int64_t bytes)
{
    if (bytes == 0)
        return;
    atomic_fetch_sub(&shared->used, bytes);
    if (!atomic_load(&shared->waiting) || !atomic_exchange(&shared->waiting, false))
        return;
    kci_lock_take(&shared->lock);
    if (shared->wake)
        shared->wake(shared->wake_context);
    kci_lock_release(&shared->lock);
}
