/* The chunk pool: a ceiling that holds, all or nothing, and who is told of room when. */
#include "producer/pool.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_pool pool;

static void begin(int64_t buffer_memory)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    kci_pool_init(&pool, &alloc, NULL, buffer_memory);
}

static void end(void)
{
    kci_pool_destroy(&pool);
    assert_int_equal(memory.live_blocks, 0);
}

static struct kci_chunk *last_of(struct kci_chunk *chunk)
{
    while (chunk->next)
        chunk = chunk->next;
    return chunk;
}

/* Nothing is obtained before it is needed, and never more than the ceiling. */
static void test_ceiling(void **state)
{
    struct kci_chunk *all = NULL, *chunk;
    size_t count = 0;
    (void)state;
    begin(2 << 20);
    assert_int_equal(memory.live_bytes, 0);
    while (kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk) == KCI_POOL_OK) {
        chunk->next = all;
        all = chunk;
        count++;
    }
    assert_int_equal(count, (2 << 20) / KCI_CHUNK_BYTES);
    assert_true(memory.live_bytes <= (2 << 20) + 4096);
    assert_int_equal(kci_pool_used_bytes(&pool), count * KCI_CHUNK_BYTES);
    assert_true(kci_pool_starved(&pool));
    kci_pool_give(&pool, all, last_of(all), count);
    size_t live = memory.live_bytes;
    assert_int_equal(kci_pool_take(&pool, count, KCI_POOL_FAIR, &chunk), KCI_POOL_OK); /* no new memory for the same */
    assert_int_equal(memory.live_bytes, live);
    kci_pool_give(&pool, chunk, last_of(chunk), count);
    end();
}

/* Several chunks are taken all or not at all. */
static void test_all_or_none(void **state)
{
    struct kci_chunk *a, *b;
    (void)state;
    begin(1 << 20);
    size_t limit = pool.limit;
    assert_int_equal(kci_pool_take(&pool, limit - 2, KCI_POOL_FAIR, &a), KCI_POOL_OK);
    assert_int_equal(kci_pool_take(&pool, 3, KCI_POOL_FAIR, &b), KCI_POOL_FULL);
    assert_int_equal(pool.used, limit - 2);
    assert_int_equal(kci_pool_take(&pool, 2, KCI_POOL_FAIR, &b), KCI_POOL_OK);
    kci_pool_give(&pool, b, b->next, 2);
    assert_int_equal(kci_pool_take(&pool, 5, KCI_POOL_FORCED, &b),
                     KCI_POOL_OK); /* forced: beyond the ceiling for a moment */
    assert_int_equal(pool.used, limit + 3);
    kci_pool_give(&pool, b, last_of(b), 5);
    kci_pool_give(&pool, a, last_of(a), limit - 2);
    end();
}

/* Who waits is told when an eighth is free, or after a while at any room that is enough; and once. */
static void test_relief(void **state)
{
    struct kci_chunk *all, *chunk;
    (void)state;
    begin(2 << 20);
    size_t limit = pool.limit;
    assert_int_equal(kci_pool_take(&pool, limit, KCI_POOL_FAIR, &all), KCI_POOL_OK);
    assert_false(kci_pool_relieve(&pool, false)); /* nobody waits */
    assert_int_equal(kci_pool_take(&pool, 2, KCI_POOL_FAIR, &chunk), KCI_POOL_FULL);
    chunk = all;
    all = all->next;
    kci_pool_give(&pool, chunk, chunk, 1);
    assert_false(kci_pool_relieve(&pool, false)); /* two were asked for */
    chunk = all;
    all = all->next;
    kci_pool_give(&pool, chunk, chunk, 1);
    assert_false(kci_pool_relieve(&pool, true));
    assert_true(kci_pool_relieve(&pool, false));
    assert_false(kci_pool_relieve(&pool, false)); /* said already */
    assert_int_equal(kci_pool_take(&pool, 3, KCI_POOL_FAIR, &chunk), KCI_POOL_FULL);
    for (size_t i = 2; i < limit / 8; i++) {
        assert_false(kci_pool_relieve(&pool, true));
        chunk = all;
        all = all->next;
        kci_pool_give(&pool, chunk, chunk, 1);
    }
    assert_true(kci_pool_relieve(&pool, true));
    end();
}

/* What the first one in the line waits for is kept for it: small takes that come meanwhile get the rest only, so that
 * its room grows with each chunk that comes back. */
static void test_line(void **state)
{
    struct kci_chunk *all, *chunk;
    struct kci_pool_place big, small;
    (void)state;
    begin(2 << 20);
    size_t limit = pool.limit;
    assert_int_equal(kci_pool_take(&pool, limit, KCI_POOL_FAIR, &all), KCI_POOL_OK);
    kci_pool_line_enter(&pool, &big);
    kci_pool_line_enter(&pool, &small);
    assert_int_equal(kci_pool_right(&pool, NULL), KCI_POOL_FAIR);
    assert_int_equal(kci_pool_right(&pool, &big), KCI_POOL_IN_TURN);
    assert_int_equal(kci_pool_right(&pool, &small), KCI_POOL_FAIR);
    assert_int_equal(kci_pool_take(&pool, 3, KCI_POOL_IN_TURN, &chunk), KCI_POOL_FULL);
    for (int i = 0; i < 3; i++) { /* one by one they come back, and newcomers want each */
        chunk = all;
        all = all->next;
        kci_pool_give(&pool, chunk, chunk, 1);
        assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk), KCI_POOL_FULL);
        assert_int_equal(kci_pool_take_first(&pool, 100, KCI_POOL_FAIR, &chunk), KCI_POOL_FULL);
        assert_int_equal(kci_pool_relieve(&pool, false), i == 2); /* told when it is enough for the first one */
    }
    assert_int_equal(kci_pool_take(&pool, 3, KCI_POOL_IN_TURN, &chunk), KCI_POOL_OK);
    kci_pool_give(&pool, chunk, chunk, 1); /* nothing is kept for it any more */
    assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    assert_true(kci_pool_line_leave(&pool, &big)); /* the next one should be told */
    assert_int_equal(kci_pool_right(&pool, &small), KCI_POOL_IN_TURN);
    assert_false(kci_pool_line_leave(&pool, &small));
    end();
}

/* Whoever gives up in the middle of the line, or at its head while it waits, leaves nothing behind. */
static void test_line_given_up(void **state)
{
    struct kci_chunk *all, *chunk;
    struct kci_pool_place a, b, c;
    (void)state;
    begin(2 << 20);
    assert_int_equal(kci_pool_take(&pool, pool.limit, KCI_POOL_FAIR, &all), KCI_POOL_OK);
    kci_pool_line_enter(&pool, &a);
    kci_pool_line_enter(&pool, &b);
    kci_pool_line_enter(&pool, &c);
    assert_int_equal(kci_pool_take(&pool, 5, KCI_POOL_IN_TURN, &chunk), KCI_POOL_FULL);
    assert_false(kci_pool_line_leave(&pool, &b));
    assert_true(kci_pool_line_leave(&pool, &a));
    assert_int_equal(kci_pool_right(&pool, &c), KCI_POOL_IN_TURN);
    chunk = all;
    kci_pool_give(&pool, chunk, chunk, 1);
    assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    assert_false(kci_pool_line_leave(&pool, &c));
    end();
}

/* A tiny buffer.memory makes smaller chunks. */
static void test_tiny(void **state)
{
    (void)state;
    begin(100000);
    assert_int_equal(pool.chunk_bytes, 3072);
    assert_true(pool.limit * pool.chunk_bytes <= 100000);
    end();
    begin(1);
    assert_int_equal(pool.chunk_bytes, KCI_CHUNK_BYTES_MIN);
    assert_int_equal(pool.limit, 2);
    end();
}

/* With more partitions than chunks, batches begin small when memory fills; pieces become whole chunks again. */
static void test_small(void **state)
{
    struct kci_chunk *wholes[64], *smalls[1024], *chunk;
    size_t whole_count = 0, small_count = 0;
    (void)state;
    begin(2 << 20);
    size_t limit = pool.limit;
    assert_int_equal(kci_pool_take_first(&pool, 500, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    assert_null(chunk->cut); /* few partitions: never */
    kci_pool_give(&pool, chunk, chunk, 1);
    kci_pool_expect(&pool, 1000);
    while (kci_pool_take_first(&pool, 500, KCI_POOL_FAIR, &chunk) == KCI_POOL_OK) {
        memset(chunk->data, 0x5A, kci_pool_room(&pool, chunk));
        if (chunk->cut)
            smalls[small_count++] = chunk;
        else
            wholes[whole_count++] = chunk;
    }
    assert_int_equal(whole_count, limit / 8);
    assert_int_equal(small_count, (limit - limit / 8) * KCI_CUT_PIECES);
    assert_true(memory.live_bytes <= (2 << 20) + 4096);
    assert_int_equal(pool.used, limit);
    kci_pool_give(&pool, smalls[3], smalls[3], 1);
    assert_int_equal(kci_pool_take_first(&pool, 5000, KCI_POOL_FAIR, &chunk),
                     KCI_POOL_FULL); /* a piece is not enough */
    assert_int_equal(kci_pool_take_first(&pool, 500, KCI_POOL_FAIR, &smalls[3]), KCI_POOL_OK);
    kci_pool_give(&pool, wholes[0], wholes[0], 1);
    assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &smalls[0]->next), KCI_POOL_OK);
    kci_pool_give(&pool, smalls[0], smalls[0]->next, 2); /* a rope that begins small */
    for (size_t i = 1; i < small_count; i++)
        kci_pool_give(&pool, smalls[i], smalls[i], 1);
    for (size_t i = 1; i < whole_count; i++)
        kci_pool_give(&pool, wholes[i], wholes[i], 1);
    assert_int_equal(pool.used, 0);
    assert_null(pool.cuts);
    assert_int_equal(kci_pool_take(&pool, limit, KCI_POOL_FAIR, &chunk), KCI_POOL_OK); /* all are whole again */
    kci_pool_give(&pool, chunk, last_of(chunk), limit);
    end();
}

/* Out of memory: a slab that cannot be had is tried as a single chunk; then it is an error, and nothing is lost. */
static void test_no_memory(void **state)
{
    struct kci_chunk *chunk;
    (void)state;
    begin(2 << 20);
    memory.limit = 40000;
    assert_int_equal(kci_pool_take(&pool, 1, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    kci_pool_give(&pool, chunk, chunk, 1);
    assert_int_equal(kci_pool_take(&pool, 4, KCI_POOL_FAIR, &chunk), KCI_POOL_NO_MEMORY);
    assert_int_equal(pool.used, 0);
    memory.limit = 0;
    assert_int_equal(kci_pool_take(&pool, 4, KCI_POOL_FAIR, &chunk), KCI_POOL_OK);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceiling),   cmocka_unit_test(test_all_or_none),   cmocka_unit_test(test_relief),
        cmocka_unit_test(test_line),      cmocka_unit_test(test_line_given_up), cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
