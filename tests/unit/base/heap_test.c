/* Deadlines come out in order, equal ones in the order in which they were set. */
#include "base/heap.h"
#include "base/prng.h"

#include "support/test_alloc.h"
#include "support/unit.h"

#define TIMERS 500

static void timers_come_out_in_order(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_heap heap = kci_heap_of(&alloc);
    struct kci_timer timers[TIMERS] = { 0 };
    struct kci_prng prng;
    (void)state;
    kci_prng_seed(&prng, 7);
    for (int i = 0; i < TIMERS; i++)
        assert_true(kci_heap_set(&heap, &timers[i], (int64_t)kci_prng_below(&prng, 50)));
    for (int i = 0; i < TIMERS; i += 3) /* moved: now the youngest of its deadline */
        assert_true(kci_heap_set(&heap, &timers[i], (int64_t)kci_prng_below(&prng, 50)));
    for (int i = 1; i < TIMERS; i += 5)
        kci_heap_remove(&heap, &timers[i]);
    int64_t last_at = -1;
    uint64_t last_order = 0;
    size_t popped = 0;
    for (struct kci_timer *t; (t = kci_heap_pop_due(&heap, 1000)); popped++) {
        assert_true(t->at > last_at || (t->at == last_at && t->order > last_order));
        assert_int_equal(t->position, 0);
        last_at = t->at;
        last_order = t->order;
    }
    assert_int_equal(popped, TIMERS - TIMERS / 5);
    kci_heap_destroy(&heap);
    assert_int_equal(memory.live_blocks, 0);
}

static void equal_deadlines_fire_in_the_order_of_setting(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_heap heap = kci_heap_of(&alloc);
    struct kci_timer a = { 0 }, b = { 0 }, c = { 0 };
    (void)state;
    kci_heap_set(&heap, &a, 5);
    kci_heap_set(&heap, &b, 5);
    kci_heap_set(&heap, &c, 5);
    kci_heap_set(&heap, &a, 5); /* set again: behind the others */
    assert_ptr_equal(kci_heap_pop_due(&heap, 5), &b);
    assert_ptr_equal(kci_heap_pop_due(&heap, 5), &c);
    assert_ptr_equal(kci_heap_pop_due(&heap, 5), &a);
    assert_null(kci_heap_pop_due(&heap, 5));
    kci_heap_destroy(&heap);
}

static void nothing_fires_before_it_is_due(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_heap heap = kci_heap_of(&alloc);
    struct kci_timer a = { 0 };
    (void)state;
    assert_null(kci_heap_first(&heap));
    kci_heap_remove(&heap, &a); /* fine when not in it */
    kci_heap_set(&heap, &a, 10);
    assert_null(kci_heap_pop_due(&heap, 9));
    assert_ptr_equal(kci_heap_first(&heap), &a);
    assert_ptr_equal(kci_heap_pop_due(&heap, 10), &a);
    kci_heap_set(&heap, &a, INT64_MIN);
    kci_heap_destroy(&heap);
    assert_int_equal(a.position, 0); /* its timers can be set in another heap */
    kci_heap_destroy(NULL);
}

/* Only a timer that is not yet in the heap can meet the end of memory, and then nothing has changed. */
static void out_of_memory_refuses_new_timers_only(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_timer timers[100];
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        struct kci_heap heap = kci_heap_of(&alloc);
        size_t in = 0;
        memset(timers, 0, sizeof timers);
        for (int i = 0; i < 100; i++)
            in += kci_heap_set(&heap, &timers[i], 100 - i) ? 1 : 0;
        assert_int_equal(heap.count, in);
        for (int i = 0; i < 100; i++)
            if (timers[i].position)
                assert_true(kci_heap_set(&heap, &timers[i], i));
        kci_heap_destroy(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_out_in_order),
        cmocka_unit_test(equal_deadlines_fire_in_the_order_of_setting),
        cmocka_unit_test(nothing_fires_before_it_is_due),
        cmocka_unit_test(out_of_memory_refuses_new_timers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
