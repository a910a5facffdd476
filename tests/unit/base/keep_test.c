/* Blocks that are kept: taken again by who asks for about their size, within the limit, and never by two at a time. */
#include "base/keep.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#define KIB ((size_t)1 << 10)

static struct test_alloc memory;
static struct kci_alloc under;
static struct kci_keep keep;

static void begin(size_t bytes_max)
{
    memory = (struct test_alloc){ 0 };
    under = test_alloc_counting(&memory);
    kci_keep_init(&keep, &under, bytes_max, NULL);
}

static void end(void)
{
    kci_keep_drop(&keep);
    assert_int_equal(memory.live_blocks, 0);
}

/* A batch after another of about its size costs one allocation, not two; one of another size has its own. */
static void a_freed_block_is_the_next_of_its_size(void **state)
{
    (void)state;
    begin(1024 * KIB);
    void *first = kci_alloc_new(&keep.face, 100 * KIB);
    kci_alloc_free(&keep.face, first);
    assert_true(kci_keep_bytes(&keep) >= 100 * KIB && kci_keep_bytes(&keep) <= 113 * KIB);
    void *second = kci_alloc_new(&keep.face, 98 * KIB);
    assert_ptr_equal(second, first);
    assert_int_equal(kci_keep_bytes(&keep), 0);
    void *beside = kci_alloc_new(&keep.face, 98 * KIB); /* the block has one user */
    assert_ptr_not_equal(beside, second);
    kci_alloc_free(&keep.face, second);
    void *half = kci_alloc_new(&keep.face, 50 * KIB); /* would waste half of it */
    void *twice = kci_alloc_new(&keep.face, 200 * KIB);
    assert_int_equal(memory.count, 4);
    kci_alloc_free(&keep.face, half);
    kci_alloc_free(&keep.face, twice);
    kci_alloc_free(&keep.face, beside);
    end();
}

/* Small blocks are malloc's affair, and one above the limit is not kept either. */
static void what_is_small_or_too_large_passes(void **state)
{
    (void)state;
    begin(64 * KIB);
    kci_alloc_free(&keep.face, kci_alloc_new(&keep.face, 1000));
    kci_alloc_free(&keep.face, kci_alloc_new(&keep.face, 65 * KIB));
    assert_int_equal(memory.live_blocks, 0);
    assert_null(kci_alloc_new(&keep.face, SIZE_MAX));
    assert_null(kci_alloc_new(&keep.face, SIZE_MAX - 8));
    end();
}

/* At the limit the one that has lain longest goes; so do blocks of a size that nobody asks for any more. */
static void the_oldest_goes_first(void **state)
{
    void *blocks[4];
    (void)state;
    begin(192 * KIB);
    for (int i = 0; i < 4; i++)
        blocks[i] = kci_alloc_new(&keep.face, 64 * KIB);
    for (int i = 0; i < 4; i++)
        kci_alloc_free(&keep.face, blocks[i]);
    assert_int_equal(kci_keep_bytes(&keep), 192 * KIB);
    assert_int_equal(memory.live_blocks, 3);
    assert_ptr_equal(kci_alloc_new(&keep.face, 64 * KIB), blocks[3]);
    assert_ptr_equal(kci_alloc_new(&keep.face, 64 * KIB), blocks[2]);
    assert_ptr_equal(kci_alloc_new(&keep.face, 64 * KIB), blocks[1]);
    kci_alloc_free(&keep.face, blocks[1]);
    kci_alloc_free(&keep.face, blocks[2]);
    kci_alloc_free(&keep.face, blocks[3]);
    void *other = kci_alloc_new(&keep.face, 160 * KIB);
    kci_alloc_free(&keep.face, other);
    assert_int_equal(kci_keep_bytes(&keep), 160 * KIB);
    end();
}

/* However small they are: the list stays short. */
static void the_number_of_kept_blocks_has_a_limit(void **state)
{
    void *blocks[KCI_KEEP_BLOCKS_MAX + 2];
    (void)state;
    begin(SIZE_MAX);
    for (size_t i = 0; i < KCI_KEEP_BLOCKS_MAX + 2; i++)
        assert_non_null(blocks[i] = kci_alloc_new(&keep.face, 32 * KIB));
    for (size_t i = 0; i < KCI_KEEP_BLOCKS_MAX + 2; i++)
        kci_alloc_free(&keep.face, blocks[i]);
    assert_int_equal(memory.live_blocks, KCI_KEEP_BLOCKS_MAX);
    end();
}

/* realloc's contract: bytes stay, growing and shrinking, in place and elsewhere; a failure leaves the block as it is. */
static void a_block_is_resized(void **state)
{
    (void)state;
    begin(1024 * KIB);
    uint8_t *block = kci_alloc_new(&keep.face, 100);
    block[0] = 1, block[99] = 2;
    block = kci_alloc_resize(&keep.face, block, 40 * KIB);
    assert_int_equal(block[0] + block[99], 3);
    block[40 * KIB - 1] = 3;
    assert_ptr_equal(kci_alloc_resize(&keep.face, block, 39 * KIB), block); /* next to nothing to be had */
    block = kci_alloc_resize(&keep.face, block, 400 * KIB);
    assert_int_equal(block[0] + block[99] + block[40 * KIB - 1], 6);
    assert_int_equal(kci_keep_bytes(&keep), 40 * KIB);
    memory.fail_at = memory.count + 1;
    memory.fail_on = true;
    assert_null(kci_alloc_resize(&keep.face, block, 800 * KIB));
    assert_int_equal(block[0] + block[99], 3);
    memory.fail_at = 0;
    block = kci_alloc_resize(&keep.face, block, 100);
    assert_int_equal(block[0] + block[99], 3);
    kci_alloc_free(&keep.face, block);
    end();
}

/* Where memory is short, what is kept is the first to be given up. */
static void what_is_kept_is_given_up_where_memory_is_short(void **state)
{
    (void)state;
    begin(1024 * KIB);
    kci_alloc_free(&keep.face, kci_alloc_new(&keep.face, 512 * KIB));
    memory.limit = 600 * KIB;
    void *block = kci_alloc_new(&keep.face, 256 * KIB);
    assert_non_null(block);
    assert_int_equal(kci_keep_bytes(&keep), 0);
    kci_alloc_free(&keep.face, block);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_freed_block_is_the_next_of_its_size),
        cmocka_unit_test(what_is_small_or_too_large_passes),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(the_number_of_kept_blocks_has_a_limit),
        cmocka_unit_test(a_block_is_resized),
        cmocka_unit_test(what_is_kept_is_given_up_where_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
