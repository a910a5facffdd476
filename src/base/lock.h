/* The one lock of the core: where application threads and the I/O thread of one handle meet.
 *
 *      0 free ---lock---> 1 held ---another waits---> 2 held, someone waits
 *
 * The uncontended path is one atomic exchange, inline; waiting and waking belong to the world and come as a table, so
 * the core links without any thread library.  With ops == NULL (the simulator: one thread) it costs two plain stores.
 */
#ifndef KCI_BASE_LOCK_H
#define KCI_BASE_LOCK_H

#include <stdatomic.h>
#include <stddef.h>

struct kci_lock_ops {
    /* Sleep while *word == expected (may return early). */
    void (*wait)(_Atomic int *word, int expected);
    /* Wake one sleeper on word. */
    void (*wake)(_Atomic int *word);
};

struct kci_lock {
    _Atomic int word;               /* 0, 1 or 2: see above */
    const struct kci_lock_ops *ops; /* NULL: one thread only */
};

static inline void kci_lock_init(struct kci_lock *lock, const struct kci_lock_ops *ops)
{
    atomic_init(&lock->word, 0);
    lock->ops = ops;
}

/* Waits; never held while user code runs. Not recursive. */
static inline void kci_lock_take(struct kci_lock *lock)
{
    int free_word = 0;
    if (!lock->ops) {
        atomic_store_explicit(&lock->word, 1, memory_order_relaxed);
        return;
    }
    if (atomic_compare_exchange_strong_explicit(&lock->word, &free_word, 1, memory_order_acquire, memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        lock->ops->wait(&lock->word, 2);
}

static inline void kci_lock_release(struct kci_lock *lock)
{
    if (!lock->ops)
        atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
    else if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
        lock->ops->wake(&lock->word);
}

#endif
