/* What readers must know of transactions in a log: where they stop, and what they leave out. */
#include "mockbroker/core/txn_index.h"
#include "support/test_alloc.h"
#include "support/unit.h"

/* Two producers whose transactions overlap: the oldest open one holds everybody back, also while the marker that ends
 * it is not replicated. */
static void the_oldest_open_one_is_the_limit(void **unused)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct mb_txn_index index;
    (void)unused;
    mb_txn_index_init(&index, &alloc);
    assert_int_equal(mb_txn_index_last_stable(&index, 5), 5);
    assert_true(mb_txn_index_begin(&index, 1, 5));
    assert_true(mb_txn_index_begin(&index, 2, 8));
    assert_int_equal(mb_txn_index_last_stable(&index, 4), 4);
    assert_int_equal(mb_txn_index_last_stable(&index, 10), 5);
    assert_true(mb_txn_index_end(&index, 1, 10, true, 10));
    assert_int_equal(mb_txn_index_last_stable(&index, 10), 5); /* the marker at 10 is not below 10 */
    assert_int_equal(mb_txn_index_last_stable(&index, 11), 8);
    assert_true(mb_txn_index_end(&index, 2, 11, false, 11));
    assert_int_equal(mb_txn_index_last_stable(&index, 12), 12);
    assert_true(mb_txn_index_end(&index, 3, 12, true, 12)); /* a marker of nothing */
    assert_int_equal(index.aborted_count, 1);
    mb_txn_index_destroy(&index);
    assert_int_equal(memory.live_blocks, 0);
}

/* Ranges that overlap are told, whichever side they hang over; what the log lost is forgotten. */
static void aborted_ranges_are_found(void **unused)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct mb_txn_index index;
    struct mb_txn_aborted found[4];
    (void)unused;
    mb_txn_index_init(&index, &alloc);
    for (int64_t i = 0; i < 10; i++) { /* producer i: batch at 10 i, marker at 10 i + 5 */
        assert_true(mb_txn_index_begin(&index, i % 3, 10 * i));
        assert_true(mb_txn_index_end(&index, i % 3, 10 * i + 5, i % 2 == 0, 10 * i));
    }
    assert_int_equal(index.aborted_count, 5);
    assert_int_equal(mb_txn_index_aborted(&index, 0, 100, found, 4), 5);
    assert_int_equal(mb_txn_index_aborted(&index, 25, 40, found, 4), 1);
    assert_int_equal(found[0].first_offset, 20);
    assert_int_equal(mb_txn_index_aborted(&index, 26, 40, found, 4), 0);
    assert_int_equal(mb_txn_index_aborted(&index, 26, 41, found, 4), 1);
    assert_true(mb_txn_index_is_aborted(&index, 2, 20));
    assert_false(mb_txn_index_is_aborted(&index, 1, 20));
    assert_false(mb_txn_index_is_aborted(&index, 0, 30));
    assert_true(mb_txn_index_is_aborted(&index, 1, 40));
    mb_txn_index_raise_start(&index, 46);
    assert_int_equal(index.aborted_count, 2);
    mb_txn_index_destroy(&index);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_open_one_is_the_limit),
        cmocka_unit_test(aborted_ranges_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
