/* The lock of the core with real threads behind it: nothing counted under it is lost, whichever way they sleep. */
#include "runtime/lock_system.h"
#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS  50000

struct shared {
    struct kci_gate *start; /* opened when all threads are there: alone, a thread meets nobody */
    _Atomic int waiting;
    struct kci_lock locks[2];
    long counts[2]; /* guarded by the lock of the same index */
};

static void *count_up(void *argument)
{
    struct shared *shared = argument;
    atomic_fetch_add(&shared->waiting, 1);
    kci_gate_wait(shared->start, 0, KCI_NEVER);
    for (int i = 0; i < ROUNDS; i++) {
        kci_lock_take(&shared->locks[i % 2]);
        shared->counts[i % 2]++;
        if (i % 64 == 0)
            sched_yield(); /* now and then somebody loses the processor with the lock held: the others sleep */
        kci_lock_release(&shared->locks[i % 2]);
    }
    return NULL;
}

static void count_with(const struct kci_lock_ops *ops)
{
    struct shared shared = { .start = kci_gate_new(kci_heap_alloc()), .counts = { 0, 0 } };
    pthread_t threads[THREADS];
    kci_lock_init(&shared.locks[0], ops);
    kci_lock_init(&shared.locks[1], ops);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &shared), 0);
    while (atomic_load(&shared.waiting) < THREADS)
        sched_yield();
    kci_gate_open(shared.start);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    kci_gate_destroy(shared.start);
    assert_int_equal(shared.counts[0] + shared.counts[1], THREADS * ROUNDS);
    assert_int_equal(atomic_load(&shared.locks[0].word), 0);
}

static void the_platforms_own_way(void **state)
{
    (void)state;
    count_with(kci_lock_system());
}

static void the_portable_way(void **state)
{
    (void)state;
    count_with(&kci_lock_portable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_platforms_own_way),
        cmocka_unit_test(the_portable_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
