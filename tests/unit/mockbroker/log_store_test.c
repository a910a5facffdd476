/* The files of a log: what a damaged one leaves, and where the log goes on behind it. */
#include "mockbroker/core/log_store.h"
#include "protocol/records.h"
#include "support/memory_storage.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct memory_storage disk;
static struct kci_storage storage;
static struct mb_log_store *store;
static const struct mb_log_roll roll = { .segment_bytes = 1, .segment_ms = INT64_MAX }; /* each batch has its own */

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    alloc = test_alloc_counting(&memory);
    storage = memory_storage_of(&disk);
    store = mb_log_store_new(&alloc, &storage, "t-0");
    return store ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mb_log_store_destroy(store);
    memory_storage_free(&disk);
    assert_int_equal(memory.live_blocks, 0);
    return 0;
}

/* A batch of one record at `offset`. */
static struct kci_writer batch_at(int64_t offset)
{
    struct kci_writer w = kci_writer_of(&alloc, 1024);
    struct kci_batch_header header = { .base_offset = offset,
                                       .leader_epoch = -1,
                                       .magic = 2,
                                       .producer_id = -1,
                                       .producer_epoch = -1,
                                       .base_sequence = -1,
                                       .base_timestamp_ms = 1000,
                                       .max_timestamp_ms = 1000 };
    struct kci_record record = { .value = { (const uint8_t *)"v", 1 } };
    assert_int_equal(kci_batch_write(&w, &header, &record, 1, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    return w;
}

static void append(int64_t offset)
{
    struct kci_writer w = batch_at(offset);
    uint32_t position;
    assert_int_equal(mb_log_store_append(store, w.data, (uint32_t)w.size, offset, 0, 1000, &roll, &position), 0);
    assert_int_equal(position, 0);
    kci_writer_destroy(&w);
}

static int64_t read_at(int64_t offset)
{
    uint8_t header[KCI_BATCH_HEADER_BYTES];
    return mb_log_store_read(store, offset, 0, header, sizeof header) == 0 ? (int64_t)kci_be64(header) : -1;
}

static char found[200]; /* base offsets of the batches that recovery has seen */

static bool note(void *owner, const uint8_t *batch, uint32_t size, uint32_t position)
{
    size_t used = strlen(found);
    (void)owner;
    (void)size;
    (void)position;
    snprintf(found + used, sizeof found - used, "%lld ", (long long)kci_be64(batch));
    return true;
}

/* A new life after a crash. */
static uint64_t recover(void)
{
    uint64_t torn;
    mb_log_store_destroy(store);
    store = mb_log_store_new(&alloc, &storage, "t-0");
    assert_non_null(store);
    found[0] = '\0';
    assert_int_equal(mb_log_store_recover(store, false, note, NULL, &torn), 0);
    return torn;
}

static void damage(const char *path)
{
    struct memory_file *file = memory_find(&disk, path);
    assert_non_null(file);
    file->data[file->size - 1] ^= 1;
}

static void each_batch_in_its_file(void **state)
{
    (void)state;
    append(0);
    append(50);
    append(100);
    assert_int_equal(recover(), 0);
    assert_string_equal(found, "0 50 100 ");
    for (int64_t offset = 0; offset <= 100; offset += 50)
        assert_int_equal(read_at(offset), offset);
}

/* Compaction has left a hole, and of the segment behind it nothing is whole: what a leader has in the hole is written
 * into a segment with a name of its own, not into one that says that it begins behind. */
static void the_log_goes_on_in_a_hole(void **state)
{
    (void)state;
    append(0);
    append(100);
    damage("t-0/00000000000000000100.log");
    assert_true(recover() > 0);
    assert_string_equal(found, "0 ");
    append(60);
    assert_int_equal(read_at(60), 60);
    assert_int_equal(read_at(0), 0);
    append(100);
    assert_int_equal(recover(), 0);
    assert_string_equal(found, "0 60 100 ");
}

/* ... or it was the only one. */
static void nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(mb_log_store_reset(store, 100), 0);
    append(100);
    damage("t-0/00000000000000000100.log");
    assert_true(recover() > 0);
    assert_string_equal(found, "");
    append(60);
    assert_int_equal(recover(), 0);
    assert_string_equal(found, "60 ");
    assert_int_equal(read_at(60), 60);
}

/* What is behind a damaged file is not a log. */
static void behind_a_damaged_file(void **state)
{
    (void)state;
    for (int64_t offset = 0; offset < 4; offset++)
        append(offset);
    damage("t-0/00000000000000000001.log");
    assert_true(recover() > 0);
    assert_string_equal(found, "0 ");
    append(1);
    append(2);
    assert_int_equal(recover(), 0);
    assert_string_equal(found, "0 1 2 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_batch_in_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_goes_on_in_a_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(behind_a_damaged_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
