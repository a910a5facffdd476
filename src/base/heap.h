/* Intrusive binary heap of deadlines: earliest first, ties in order of insertion (so that a simulation is repeatable).
 */
#ifndef KCI_BASE_HEAP_H
#define KCI_BASE_HEAP_H

#include "base/alloc.h"
#include "base/bytes.h"

struct kci_timer {
    int64_t at;      /* microseconds; valid while in the heap */
    uint64_t order;  /* tie-break */
    size_t position; /* 1-based place in the heap; 0: not in it */
};

struct kci_heap {
    const struct kci_alloc *alloc; /* borrowed */
    struct kci_timer **items;      /* owned array; the timers belong to their elements */
    size_t count, capacity;
    uint64_t next_order;
};

static inline struct kci_heap kci_heap_of(const struct kci_alloc *alloc)
{
    return (struct kci_heap){ alloc, NULL, 0, 0, 0 };
}
/* Set or move a timer. false: out of memory (an already set timer always succeeds). */
bool kci_heap_set(struct kci_heap *heap, struct kci_timer *timer, int64_t at);
void kci_heap_remove(struct kci_heap *heap, struct kci_timer *timer); /* fine when not in it */
/* The earliest, or NULL. */
static inline struct kci_timer *kci_heap_first(const struct kci_heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}
/* Take the earliest if it is due at `now`, else NULL. */
struct kci_timer *kci_heap_pop_due(struct kci_heap *heap, int64_t now);
void kci_heap_destroy(struct kci_heap *heap);

#endif
