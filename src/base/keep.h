/* An allocator that keeps large blocks when they are freed, for the next who asks for about that size.
 *
 * A block of hundreds of kilobytes that is made, filled and freed for each batch costs more than the filling: malloc
 * hands such memory back to the system, and each page of the next one is zeroed and mapped again by the kernel. */
#ifndef KCI_BASE_KEEP_H
#define KCI_BASE_KEEP_H

#include "base/alloc.h"
#include "base/lock.h"

#define KCI_KEEP_BLOCKS_MAX 64 /* kept at a time */

struct kci_keep {
    struct kci_alloc face;         /* what users allocate from; blocks of it go back to it, from any thread */
    const struct kci_alloc *under; /* where blocks come from; borrowed */
    struct kci_lock lock;          /* guards what follows */
    struct kci_keep_block *newest; /* kept blocks, the last freed first */
    size_t count;                  /* of them */
    _Atomic size_t bytes;          /* of them; read without the lock */
    size_t bytes_max;              /* limit of `bytes` */
};

/* In place: the face points back into it, so it must not move. bytes_max 0: nothing is kept. */
void kci_keep_init(struct kci_keep *keep, const struct kci_alloc *under, size_t bytes_max,
                   const struct kci_lock_ops *lock_ops);
/* Free what is kept; returns its bytes. What is in use stays so, and can be kept again. Any thread. */
size_t kci_keep_drop(struct kci_keep *keep);
/* Bytes that are kept and in nobody's use. Any thread. */
static inline size_t kci_keep_bytes(const struct kci_keep *keep)
{
    return atomic_load_explicit(&keep->bytes, memory_order_relaxed);
}

#endif
