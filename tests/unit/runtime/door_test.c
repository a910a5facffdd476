/* The door: who closes waits for all that are inside, and nobody else gets in. */
#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROUNDS 500

static void nobody_enters_through_a_shut_door(void **state)
{
    struct kci_door door = { 0 };
    (void)state;
    assert_true(kci_door_enter(&door));
    assert_true(kci_door_enter(&door));
    kci_door_shut(&door);
    assert_false(kci_door_enter(&door));
    kci_door_leave(&door);
    kci_door_leave(&door);
    kci_door_wait(&door); /* at once */
    assert_false(kci_door_enter(&door));
}

struct handle {
    struct kci_door door;
    _Atomic int inside; /* threads that have entered */
    int used;           /* whoever is inside may write: the door orders it before what follows the wait */
};

static void *visit(void *argument)
{
    struct handle *handle = argument;
    assert_true(kci_door_enter(&handle->door));
    if (atomic_fetch_add(&handle->inside, 1) == 0)
        handle->used = 1;
    kci_door_leave(&handle->door);
    return NULL;
}

/* The handle is freed right behind the wait: whoever left must not look at it any more. */
static void a_handle_is_freed_when_all_have_left(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct handle *handle = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *handle);
        pthread_t threads[2];
        assert_non_null(handle);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, visit, handle), 0);
        while (atomic_load(&handle->inside) < 2)
            sched_yield();
        kci_door_wait(&handle->door);
        assert_int_equal(handle->used, 1);
        kci_alloc_free(kci_heap_alloc(), handle);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_enters_through_a_shut_door),
                                        cmocka_unit_test(a_handle_is_freed_when_all_have_left) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
