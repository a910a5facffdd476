/* The memory ceiling: reserved, given back, and who is woken. */
#include "consumer/shared.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;

static void count_wake(void *context)
{
    ++*(int *)context;
}

/* All, a part, or nothing; whoever got nothing is woken once when bytes come back. */
static void test_reserve(void **state)
{
    int woken = 0;
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_shared *shared = kci_shared_new(&alloc, 100, NULL, count_wake, &woken);
    assert_int_equal(kci_shared_reserve(shared, 10, 60, 0), 60);
    assert_int_equal(kci_shared_reserve(shared, 10, 60, 0), 40);
    assert_int_equal(kci_shared_reserve(shared, 10, 60, 0), 0);
    kci_shared_give_back(shared, 5);
    kci_shared_give_back(shared, 5);
    assert_int_equal(woken, 1);
    assert_int_equal(kci_shared_reserve(shared, 10, 60, 5), 0); /* 5 must stay free */
    kci_shared_give_back(shared, 10);
    assert_int_equal(woken, 2);
    assert_int_equal(kci_shared_reserve(shared, 10, 60, 5), 15);
    assert_int_equal(atomic_load(&shared->used), 95);
    kci_shared_release(shared);
    assert_int_equal(memory.live_blocks, 0);
}

/* One finds no room, another that asks for less does: the first is still woken when bytes come back. */
static void test_who_finds_room_leaves_the_wake_to_who_does_not(void **state)
{
    int woken = 0;
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_shared *shared = kci_shared_new(&alloc, 100, NULL, count_wake, &woken);
    assert_int_equal(kci_shared_reserve(shared, 70, 70, 0), 70);
    assert_int_equal(kci_shared_reserve(shared, 60, 60, 0), 0);
    assert_int_equal(kci_shared_reserve(shared, 10, 10, 0), 10);
    kci_shared_give_back(shared, 70);
    assert_int_equal(woken, 1);
    kci_shared_give_back(shared, 10);
    assert_int_equal(woken, 1);
    kci_shared_release(shared);
    assert_int_equal(memory.live_blocks, 0);
}

/* After the consumer is gone nobody is woken, and the last holder frees. */
static void test_detached(void **state)
{
    int woken = 0;
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_shared *shared = kci_shared_new(&alloc, 100, NULL, count_wake, &woken);
    kci_shared_ref(shared);
    assert_int_equal(kci_shared_reserve(shared, 100, 100, 0), 100);
    assert_int_equal(kci_shared_reserve(shared, 1, 1, 0), 0);
    kci_shared_detach(shared);
    kci_shared_release(shared);
    kci_shared_give_back(shared, 100);
    assert_int_equal(woken, 0);
    kci_shared_release(shared);
    assert_int_equal(memory.live_blocks, 0);
}

/* Who closes waits for interceptors on other threads, and not for the one that it was called from. */
static void test_hushed(void **state)
{
    struct kci_visit outer, inner, late;
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_shared *shared = kci_shared_new(&alloc, 100, NULL, NULL, NULL);
    struct kci_shared *other = kci_shared_new(&alloc, 100, NULL, NULL, NULL);
    assert_true(kci_shared_visit(shared, &outer));
    assert_true(kci_shared_visit(other, &inner));
    assert_true(kci_shared_hush(shared));
    atomic_fetch_add(&shared->visits, 1); /* another thread */
    assert_false(kci_shared_hush(shared));
    atomic_fetch_sub(&shared->visits, 1);
    kci_shared_unvisit(other, &inner);
    kci_shared_unvisit(shared, &outer);
    assert_true(kci_shared_hush(shared));
    assert_false(kci_shared_visit(shared, &late));
    kci_shared_unvisit(shared, &late);
    kci_shared_release(shared);
    kci_shared_release(other);
    assert_int_equal(memory.live_blocks, 0);
}

/* Blocks that are kept count, are the first to go where room is wanted, and are nobody's when all is asked for. */
static void test_what_is_kept_makes_room(void **state)
{
    const int64_t limit = 4 << 20, block = limit / 16;
    int woken = 0;
    (void)state;
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    struct kci_shared *shared = kci_shared_new(&alloc, limit, NULL, count_wake, &woken);
    const struct kci_alloc *face = &shared->keep.face;
    kci_alloc_free(face, kci_alloc_new(face, (size_t)block + 1)); /* more than the part that may be kept */
    assert_int_equal(kci_shared_held(shared), 0);
    kci_alloc_free(face, kci_alloc_new(face, (size_t)block));
    assert_int_equal(kci_shared_held(shared), block);
    assert_int_equal(kci_shared_reserve(shared, 1, limit, 0), limit - block); /* a part does */
    assert_int_equal(kci_shared_reserve(shared, block, block, 0), block);     /* now it must go */
    assert_int_equal(kci_shared_held(shared), limit);
    assert_int_equal(kci_shared_reserve(shared, 1, 1, 0), 0);
    kci_shared_give_back(shared, limit);
    assert_int_equal(woken, 1);
    kci_alloc_free(face, kci_alloc_new(face, (size_t)block));
    assert_int_equal(kci_shared_reserve_all(shared, 1), limit);
    kci_alloc_free(face, kci_alloc_new(face, (size_t)block));
    kci_shared_release(shared);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reserve), cmocka_unit_test(test_detached),
                                        cmocka_unit_test(test_hushed), cmocka_unit_test(test_what_is_kept_makes_room),
                                        cmocka_unit_test(test_who_finds_room_leaves_the_wake_to_who_does_not) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
