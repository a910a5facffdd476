/* The log of a replica: finding, cutting at both ends, leader epochs, and how bytes are shared. */
#include "mockbroker/core/replica_log.h"
#include "support/test_alloc.h"

#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct mb_log batches;
static const struct mb_log_roll roll = { .segment_bytes = 1 << 30, .segment_ms = INT64_MAX };

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    alloc = test_alloc_counting(&memory);
    mb_log_init(&batches, &alloc, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mb_log_destroy(&batches);
    assert_int_equal(memory.live_blocks, 0);
    return 0;
}

/* A batch of `count` offsets and `size` bytes. */
static void add(int32_t count, uint32_t size, int32_t epoch)
{
    uint8_t bytes[4096];
    struct mb_log_entry entry = { .base_offset = batches.end_offset, .last_delta = count - 1 };
    memset(bytes, (int)batches.end_offset, size);
    assert_true(mb_log_place(&batches, NULL, bytes, size, &entry));
    assert_int_equal(mb_log_append(&batches, &entry, epoch, &roll), 0);
    mb_log_entry_drop(&entry);
}

static void every_offset_finds_its_batch(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 100; i++)
        add(1 + i % 7, 50, 0);
    for (size_t i = 0; i < batches.count; i++)
        for (int64_t at = mb_log_entry(&batches, i)->base_offset; at <= mb_log_entry_last(mb_log_entry(&batches, i));
             at++)
            assert_int_equal(mb_log_find(&batches, at), i);
    assert_int_equal(mb_log_find(&batches, batches.end_offset), batches.count);
    assert_int_equal(mb_log_find(&batches, -5), 0);
}

/* Compaction leaves holes: a cut inside of one is a cut there, not behind it. */
static void a_cut_in_a_hole_is_where_it_was_asked_for(void **state)
{
    (void)state;
    add(10, 100, 0);
    batches.end_offset = 30; /* 10 .. 29 are gone */
    add(10, 100, 0);
    assert_int_equal(mb_log_truncate(&batches, 15), 0);
    assert_int_equal(batches.count, 1);
    assert_int_equal(batches.end_offset, 15);
    add(5, 100, 1);
    assert_int_equal(mb_log_entry(&batches, 1)->base_offset, 15);
}

static void cutting_takes_whole_batches(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 10; i++)
        add(10, 100, i / 5);
    assert_int_equal(mb_log_truncate(&batches, 75), 0);
    assert_int_equal(batches.end_offset, 70);
    assert_int_equal(batches.bytes, 700);
    mb_log_raise_start(&batches, 25);
    assert_int_equal(batches.start_offset, 25);
    assert_int_equal(mb_log_entry(&batches, 0)->base_offset, 20); /* holds 25 */
    assert_int_equal(batches.bytes, 500);
    mb_log_raise_start(&batches, 10);
    assert_int_equal(batches.start_offset, 25);
    mb_log_raise_start(&batches, 1000);
    assert_int_equal(batches.start_offset, 70);
    assert_int_equal(batches.count, 0);
    add(1, 10, 1);
    assert_int_equal(mb_log_entry(&batches, 0)->base_offset, 70);
    assert_int_equal(mb_log_reset(&batches, 500), 0);
    assert_int_equal(batches.start_offset, 500);
    assert_int_equal(batches.end_offset, 500);
    assert_int_equal(batches.bytes, 0);
}

static void epochs_know_where_they_end(void **state)
{
    int32_t epoch;
    int64_t end;
    (void)state;
    add(10, 10, 2); /* 0 .. 9 */
    add(10, 10, 2);
    add(10, 10, 5);                                   /* 20 .. 29 */
    assert_true(mb_log_epoch_begin(&batches, 7, 30)); /* nothing is written in it yet */
    const struct {
        int32_t asked, epoch;
        int64_t end;
    } answers[] = { { -1, -1, -1 }, { 0, 0, 0 },  { 2, 2, 20 }, { 3, 2, 20 },
                    { 5, 5, 30 },   { 6, 5, 30 }, { 7, 7, 30 }, { 8, -1, -1 } };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        mb_log_epoch_end(&batches, answers[i].asked, &epoch, &end);
        assert_int_equal(epoch, answers[i].epoch);
        assert_int_equal(end, answers[i].end);
    }
    assert_int_equal(mb_log_epoch_at(&batches, 19), 2);
    assert_int_equal(mb_log_epoch_at(&batches, 20), 5);
    assert_true(mb_log_epoch_begin(&batches, 9, 30)); /* takes the place of the empty one */
    mb_log_epoch_end(&batches, 7, &epoch, &end);
    assert_int_equal(epoch, 5);
    assert_int_equal(mb_log_truncate(&batches, 20), 0);
    assert_int_equal(mb_log_epoch_latest(&batches), 2);
    mb_log_raise_start(&batches, 10);
    mb_log_epoch_end(&batches, 1, &epoch, &end);
    assert_int_equal(end, 10);
}

/* A leader that wrote nothing leaves no trace: the one before it may come back. */
static void an_empty_epoch_gives_way(void **state)
{
    int32_t epoch;
    int64_t end;
    (void)state;
    add(10, 100, 1);
    assert_true(mb_log_epoch_begin(&batches, 2, 10));
    add(10, 100, 1); /* written by the leader of epoch 1, which leads again as 3 */
    assert_true(mb_log_epoch_begin(&batches, 3, 20));
    mb_log_epoch_end(&batches, 2, &epoch, &end);
    assert_int_equal(epoch, 1);
    assert_int_equal(end, 20);
    assert_int_equal(mb_log_truncate(&batches, 20), 0); /* cuts no record, but the epoch */
    assert_int_equal(mb_log_epoch_latest(&batches), 1);
    assert_int_equal(batches.end_offset, 20);
}

static void replicas_share_the_bytes_of_a_frame(void **state)
{
    struct mb_log follower;
    struct kci_frame *frame = kci_frame_new(&alloc, 100000);
    struct mb_log_entry entry = { .last_delta = 0 };
    (void)state;
    mb_log_init(&follower, &alloc, NULL);
    memset(frame->data, 1, frame->size);
    assert_true(mb_log_place(&batches, frame, frame->data + 100, 50000, &entry));
    assert_ptr_equal(entry.frame, frame);
    assert_int_equal(mb_log_append(&batches, &entry, 0, &roll), 0);
    assert_int_equal(mb_log_append(&follower, &entry, 0, &roll), 0);
    mb_log_entry_drop(&entry);
    kci_frame_release(frame); /* the logs hold it now */
    assert_ptr_equal(mb_log_bytes(&batches, 0), mb_log_bytes(&follower, 0));
    assert_int_equal(mb_log_bytes(&follower, 0)[0], 1);
    mb_log_destroy(&follower);
    assert_int_equal(mb_log_bytes(&batches, 0)[49999], 1);
}

static void small_batches_do_not_pin_large_frames(void **state)
{
    struct kci_frame *frame = kci_frame_new(&alloc, 1 << 20);
    (void)state;
    memset(frame->data, 7, frame->size);
    for (int64_t i = 0; i < 3; i++) {
        struct mb_log_entry entry = { .base_offset = i };
        assert_true(mb_log_place(&batches, frame, frame->data + 1000 * i, 1000, &entry));
        assert_ptr_not_equal(entry.frame, frame);
        assert_int_equal(mb_log_append(&batches, &entry, 0, &roll), 0);
        mb_log_entry_drop(&entry);
    }
    kci_frame_release(frame);
    assert_true(memory.live_bytes < 40000);
    assert_ptr_equal(mb_log_bytes(&batches, 1), mb_log_bytes(&batches, 0) + 1000); /* neighbours */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_offset_finds_its_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_in_a_hole_is_where_it_was_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(cutting_takes_whole_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(epochs_know_where_they_end, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_epoch_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(replicas_share_the_bytes_of_a_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(small_batches_do_not_pin_large_frames, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
