/* How a thread sleeps on the word of a struct kci_lock (base/lock.h).
 *
 * Linux: a private futex; the kernel compares the word, so a wake between the caller's look and its sleep is not lost.
 * Elsewhere: a small table of mutex and condition pairs, chosen by the word's address.  The sleeper compares the word
 * with the mutex held and the waker takes the mutex after the word has changed, so a wake is not lost either; two locks
 * may share a pair, therefore it wakes all and sleepers may return early, which the face allows.
 *
 * Memory order is the business of base/lock.h: its exchanges carry acquire and release. */
#ifdef __linux__
#define _GNU_SOURCE /* syscall() */
#endif
#include "runtime/lock_system.h"
#include "runtime/runtime.h"

#include <pthread.h>

#define PORTABLE_PLACES 16 /* more only lowers the chance that two locks in use share a pair */

static struct place {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} places[PORTABLE_PLACES] = {
#define PLACE                                                                                                          \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER                                                            \
    }
#define PLACES_4 PLACE, PLACE, PLACE, PLACE
    PLACES_4, PLACES_4, PLACES_4, PLACES_4
};

static struct place *place_of(const _Atomic int *word)
{
    return &places[((uintptr_t)word >> 4) % PORTABLE_PLACES];
}

static void portable_wait(_Atomic int *word, int expected)
{
    struct place *place = place_of(word);
    pthread_mutex_lock(&place->mutex);
    if (atomic_load_explicit(word, memory_order_relaxed) == expected)
        pthread_cond_wait(&place->changed, &place->mutex);
    pthread_mutex_unlock(&place->mutex);
}

static void portable_wake(_Atomic int *word)
{
    struct place *place = place_of(word);
    pthread_mutex_lock(&place->mutex);
    pthread_cond_broadcast(&place->changed);
    pthread_mutex_unlock(&place->mutex);
}

const struct kci_lock_ops kci_lock_portable = { portable_wait, portable_wake };

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex_wait(_Atomic int *word, int expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0); /* every outcome: look again */
}

static void futex_wake(_Atomic int *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

const struct kci_lock_ops kci_lock_futex = { futex_wait, futex_wake };
#endif

const struct kci_lock_ops *kci_lock_system(void)
{
#ifdef __linux__
    return &kci_lock_futex;
#else
    return &kci_lock_portable;
#endif
}
