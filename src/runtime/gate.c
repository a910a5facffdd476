/* A counter that only rises, and threads that wait for it to do so.
 *
 *      application: seen = now(gate); look at the state; nothing there: wait(gate, seen, until)
 *      I/O thread:  change the state; open(gate)
 *
 * No wake is lost: `seen` was read before the state, so an open in between makes wait return at once.  Opening with
 * nobody waiting is one atomic addition and one load: a waiter announces itself before it looks at the counter, the
 * opener looks for waiters after it has raised it, both sequentially consistent, so at least one sees the other. */
#include "runtime/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct kci_gate {
    const struct kci_alloc *alloc; /* borrowed */
    _Atomic uint64_t counter;
    _Atomic uint32_t waiters; /* threads inside kci_gate_wait */
    pthread_mutex_t mutex;    /* held to look at the counter before sleeping, and to wake */
    pthread_cond_t opened;    /* on the monotonic clock */
};

static bool condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes))
        return false;
#ifndef __APPLE__ /* has only relative waits, see sleep_until */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    bool ok = pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

struct kci_gate *kci_gate_new(const struct kci_alloc *alloc)
{
    struct kci_gate *gate = kci_alloc_zero(alloc, 1, sizeof *gate);
    if (!gate)
        return NULL;
    gate->alloc = alloc;
    atomic_init(&gate->counter, 0);
    atomic_init(&gate->waiters, 0);
    if (pthread_mutex_init(&gate->mutex, NULL)) {
        kci_alloc_free(alloc, gate);
        return NULL;
    }
    if (!condition_init(&gate->opened)) {
        pthread_mutex_destroy(&gate->mutex);
        kci_alloc_free(alloc, gate);
        return NULL;
    }
    return gate;
}

void kci_gate_destroy(struct kci_gate *gate)
{
    if (!gate)
        return;
    pthread_cond_destroy(&gate->opened);
    pthread_mutex_destroy(&gate->mutex);
    kci_alloc_free(gate->alloc, gate);
}

uint64_t kci_gate_now(struct kci_gate *gate)
{
    return atomic_load(&gate->counter);
}

/* With the mutex held. Returns false once the time has come. */
static bool sleep_until(struct kci_gate *gate, int64_t until_us)
{
    if (until_us == KCI_NEVER) {
        pthread_cond_wait(&gate->opened, &gate->mutex);
        return true;
    }
#ifdef __APPLE__
    int64_t left = until_us - kci_clock_us();
    struct timespec t = { (time_t)(left / 1000000), (long)(left % 1000000 * 1000) };
    return left > 0 && pthread_cond_timedwait_relative_np(&gate->opened, &gate->mutex, &t) != ETIMEDOUT;
#else
    if (until_us < 0)
        return false;
    struct timespec t = { (time_t)(until_us / 1000000), (long)(until_us % 1000000 * 1000) };
    return pthread_cond_timedwait(&gate->opened, &gate->mutex, &t) != ETIMEDOUT;
#endif
}

void kci_gate_wait(struct kci_gate *gate, uint64_t seen, int64_t until_us)
{
    if (atomic_load(&gate->counter) != seen)
        return;
    atomic_fetch_add(&gate->waiters, 1);
    pthread_mutex_lock(&gate->mutex);
    while (atomic_load(&gate->counter) == seen && sleep_until(gate, until_us))
        ;
    pthread_mutex_unlock(&gate->mutex);
    atomic_fetch_sub(&gate->waiters, 1);
}

void kci_gate_open(struct kci_gate *gate)
{
    atomic_fetch_add(&gate->counter, 1);
    if (atomic_load(&gate->waiters) == 0)
        return;
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}
