/* The arena: zeroed, aligned pieces up to a limit, all given back at once. */
#include "base/arena.h"

#include "support/test_alloc.h"
#include "support/unit.h"

static bool is_zero(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i])
            return false;
    return true;
}

static void pieces_are_zeroed_and_aligned(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_arena arena = kci_arena_of(&alloc, 1 << 20);
    (void)state;
    for (size_t size = 0; size < 700; size++) {
        uint8_t *piece = kci_arena_take(&arena, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        assert_true(is_zero(piece, size));
        memset(piece, 0xEE, size);
    }
    kci_arena_reset(&arena);
    assert_false(arena.failed);
    assert_int_equal(arena.used, 0);
    assert_int_equal(memory.live_blocks, 1);
    uint8_t *piece = kci_arena_take(&arena, 600); /* memory that was used before */
    assert_true(is_zero(piece, 600));
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

/* A hostile count is refused before any memory is asked for. */
static void the_limit_holds_before_allocating(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_arena arena = kci_arena_of(&alloc, 1000);
    (void)state;
    assert_false(arena.failed);
    assert_null(kci_arena_take(&arena, 1001));
    assert_true(arena.failed);
    assert_null(kci_arena_take(&arena, SIZE_MAX));
    assert_null(kci_arena_array(&arena, SIZE_MAX / 4, 8));
    assert_null(kci_arena_text(&arena, (struct kci_str){ "x", SIZE_MAX }));
    assert_int_equal(memory.count, 0);
    size_t taken = 0;
    while (kci_arena_take(&arena, 16))
        taken += 16;
    assert_int_equal(taken, 992);
    assert_int_equal(arena.used, 992);
    kci_arena_destroy(&arena);
}

/* The last pieces of every block are still the arena's own. */
static void large_pieces_get_blocks_of_their_own(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_arena arena = kci_arena_of(&alloc, SIZE_MAX);
    (void)state;
    for (size_t size = 1; size < 2000000; size *= 3) {
        uint8_t *small = kci_arena_take(&arena, 1), *large = kci_arena_take(&arena, size);
        assert_true(small && large);
        memset(large, 1, size);
    }
    kci_arena_reset(&arena); /* the newest block is too large to be kept */
    assert_int_equal(memory.live_blocks, 0);
    assert_non_null(kci_arena_take(&arena, 1));
    kci_arena_destroy(&arena);
    kci_arena_destroy(NULL);
    assert_int_equal(memory.live_blocks, 0);
}

static void text_is_copied_and_terminated(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_arena arena = kci_arena_of(&alloc, 1000);
    (void)state;
    assert_string_equal(kci_arena_text(&arena, (struct kci_str){ "topic and more", 5 }), "topic");
    assert_string_equal(kci_arena_text(&arena, kci_str_of(NULL)), "");
    kci_arena_destroy(&arena);
}

static void out_of_memory_leaves_a_usable_arena(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        struct kci_arena arena = kci_arena_of(&alloc, SIZE_MAX);
        size_t granted = 0;
        for (int i = 0; i < 200; i++)
            granted += kci_arena_take(&arena, 1000) ? 1 : 0;
        assert_true(granted >= 199);
        assert_int_equal(arena.used, granted * 1008);
        kci_arena_destroy(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_and_aligned),        cmocka_unit_test(the_limit_holds_before_allocating),
        cmocka_unit_test(large_pieces_get_blocks_of_their_own), cmocka_unit_test(text_is_copied_and_terminated),
        cmocka_unit_test(out_of_memory_leaves_a_usable_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
