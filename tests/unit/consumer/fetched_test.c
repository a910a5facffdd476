/* Judging fetched bytes: what is readable, what is skipped, what is damaged, and what it costs. */
#include "consumer/record_walk.h"
#include "consumer/records.h"
#include "support/records.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_shared *shared;
static struct kci_writer log_bytes;
static struct kci_aborted aborted[4];
static int32_t aborted_count;
static bool read_committed;

static void begin(int64_t limit)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    shared = kci_shared_new(&alloc, limit, NULL, NULL, NULL);
    log_bytes = kci_writer_of(&alloc, 1 << 28);
    aborted_count = 0;
    read_committed = false;
}

/* A batch of these values ("a b c") at an offset; gaps of `stride` between its records. */
static void batch(int64_t offset, const char *values, int32_t stride, int16_t attributes, int64_t producer_id)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer section = kci_writer_of(&alloc, 1 << 20);
    int32_t delta = 0;
    for (const char *at = values; *at; at += *at == ' ' ? 1 : 0) {
        size_t size = strcspn(at, " ");
        struct kci_record record = { 1000 + delta, { NULL, 0 }, { (const uint8_t *)at, size }, NULL, 0 };
        kci_record_write(&section, &record, 1000, delta);
        header.record_count++;
        header.last_offset_delta = delta;
        delta += stride;
        at += size;
    }
    header.base_offset = offset;
    header.attributes = attributes;
    header.producer_id = producer_id;
    header.base_timestamp_ms = 1000;
    header.max_timestamp_ms = 1000 + delta;
    test_batch_around(&log_bytes, header, section.data, section.size);
    kci_writer_destroy(&section);
}

static void marker(int64_t offset, int64_t producer_id, int16_t type)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer section = kci_writer_of(&alloc, 1 << 20);
    uint8_t key[4] = { 0, 0, 0, (uint8_t)type };
    struct kci_record record = { 0, { key, 4 }, { (const uint8_t *)"\0\0\0\0\0\0", 6 }, NULL, 0 };
    kci_record_write(&section, &record, 0, 0);
    header.record_count = 1;
    header.base_offset = offset;
    header.attributes = KCI_BATCH_CONTROL | KCI_BATCH_TRANSACTIONAL;
    header.producer_id = producer_id;
    test_batch_around(&log_bytes, header, section.data, section.size);
    kci_writer_destroy(&section);
}

static void abort_of(int64_t producer_id, int64_t first_offset)
{
    aborted[aborted_count++] = (struct kci_aborted){ producer_id, first_offset };
}

/* Judge the whole log from an offset; what is readable as "offset:value ...", then why it ended and where the position
 * is. */
static void expect(int64_t from, const char *expected)
{
    struct kci_writer list = kci_writer_of(&alloc, 1000);
    struct kci_frame *frame = kci_frame_new(&alloc, (uint32_t)log_bytes.size);
    char text[500] = "";
    if (log_bytes.size)
        memcpy(frame->data, log_bytes.data, log_bytes.size);
    for (int32_t i = 0; i < aborted_count; i++) {
        kci_writer_i64(&list, aborted[i].producer_id);
        kci_writer_i64(&list, aborted[i].first_offset);
    }
    kci_shared_count(shared, frame->size);
    struct kci_fetched *fetched = kci_fetched_new(shared, frame, frame->size);
    kci_frame_release(frame);
    struct kci_fetch_partition p = { .partition = 3,
                                     .version = 4,
                                     .aborted_count = aborted_count,
                                     .aborted = kci_reader_of(list.data, list.size),
                                     .records = { frame->data, frame->size } };
    struct kci_part_options options = { "topic", 1, 1, from, read_committed, true, false };
    bool malformed;
    struct kci_part *part = kci_part_new(fetched, &p, &options, &malformed);
    kci_fetched_release(fetched);
    struct kci_run *run = NULL;
    enum kci_part_result result;
    int64_t position = from;
    while ((result = kci_part_next(part, shared->limit / 4, &run)) == KCI_PART_RUN) {
        struct kc_records *records = kci_records_new(shared);
        kc_record_view view;
        int32_t epoch;
        assert_true(kci_records_take(records, run, 1000, &position, &epoch));
        assert_int_equal(run->next, run->count);
        kci_run_release(run);
        while (kci_records_next(records, &view))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%lld:%.*s ", (long long)view.offset,
                     (int)view.value.size, (const char *)view.value.data);
        kci_records_release(records);
    }
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s@%lld",
             result == KCI_PART_END   ? "end"
             : result == KCI_PART_BAD ? kci_batch_error_text(part->error)
                                      : "no room",
             (long long)position);
    assert_string_equal(text, expected);
    kci_part_destroy(part);
    kci_writer_destroy(&list);
    kci_writer_destroy(&log_bytes);
    assert_int_equal(atomic_load(&shared->used), 0);
    assert_int_equal(atomic_load(&shared->made), 0);
    kci_shared_release(shared);
    assert_int_equal(memory.live_blocks, 0);
}

/* Records from the offset on; holes that compaction left are no obstacle, the position moves behind the whole batch. */
static void test_offsets(void **state)
{
    (void)state;
    begin(1 << 20);
    batch(10, "a b c", 2, 0, -1);
    batch(20, "d", 1, 0, -1);
    expect(12, "12:b 14:c 20:d end@21");
}

/* A batch that compaction emptied moves the position. */
static void test_empty_batch(void **state)
{
    (void)state;
    begin(1 << 20);
    struct kci_batch_header header = test_batch_header();
    header.base_offset = 5;
    header.last_offset_delta = 4;
    test_batch_around(&log_bytes, header, "", 0);
    expect(5, "end@10");
}

/* Control batches, of whatever type, are not returned and move the position. */
static void test_control(void **state)
{
    (void)state;
    begin(1 << 20);
    batch(0, "a", 1, KCI_BATCH_TRANSACTIONAL, 7);
    marker(1, 7, 1);
    marker(2, 7, 99);
    expect(0, "0:a end@3");
}

/* read_committed: batches of an aborted transaction are skipped up to its marker, and only those. */
static void test_aborted(void **state)
{
    (void)state;
    begin(1 << 20);
    read_committed = true;
    abort_of(8, 4); /* not in order, on purpose */
    abort_of(7, 1);
    batch(0, "before", 1, KCI_BATCH_TRANSACTIONAL, 7);
    batch(1, "x", 1, KCI_BATCH_TRANSACTIONAL, 7);
    batch(2, "other", 1, KCI_BATCH_TRANSACTIONAL, 9);
    batch(3, "plain", 1, 0, 7);
    batch(4, "y", 1, KCI_BATCH_TRANSACTIONAL, 8);
    marker(5, 7, 0);
    batch(6, "after", 1, KCI_BATCH_TRANSACTIONAL, 7);
    batch(7, "z", 1, KCI_BATCH_TRANSACTIONAL, 8);
    marker(8, 8, 0);
    expect(0, "0:before 2:other 3:plain 6:after end@9");
}

/* A batch that is cut off at the end of the response is not there. */
static void test_cut_off(void **state)
{
    (void)state;
    begin(1 << 20);
    batch(0, "a", 1, 0, -1);
    batch(1, "b", 1, 0, -1);
    log_bytes.size -= 3;
    expect(0, "0:a end@1");
}

/* Damage is found at its batch: CRC, and records that do not fit their batch although the CRC is right. */
static void test_damage(void **state)
{
    (void)state;
    begin(1 << 20);
    batch(0, "a", 1, 0, -1);
    batch(1, "b", 1, 0, -1);
    log_bytes.data[log_bytes.size - 2] ^= 1;
    char text[100];
    snprintf(text, sizeof text, "0:a %s@1", kci_batch_error_text(KCI_BATCH_BAD_CRC));
    expect(0, text);

    static const struct {
        int32_t count, last_delta;
        const char *section;
        size_t size;
    } bad[] = {
        { 1, 0, "\x0c\0\0\0\1\2a", 7 },     /* length of 6, the header count is missing */
        { 2, 1, "\x0e\0\0\0\1\2a\0", 8 },   /* two are promised, one is there */
        { 1, 0, "\x0e\0\0\0\1\2a\0\0", 9 }, /* a byte too many */
        { 1, 0, "\x0e\0\0\2\1\2a\0", 8 },   /* delta 1 beyond the last */
        { 1, 0,
          "\x0e\0\0\0\1\x7f"
          "a\0",
          8 },                                            /* a value longer than the record */
        { 1, 0, "\x0e\0\0\0\1\3a\0", 8 },                 /* a size of -2 */
        { 1, 0, "\x10\0\0\0\1\2a\2\1", 9 },               /* a header without name */
        { 1, 0, "\x0e\0\0\0\1\2a\1", 8 },                 /* -1 headers */
        { 1, 0, "\xff\xff\xff\xff\xff\xff", 6 },          /* a varint without end */
        { 1, 0, "\x80\x80\x80\x80\x10", 5 },              /* a length beyond 32 bits */
        { INT32_MAX, INT32_MAX, "\x0e\0\0\0\1\2a\0", 8 }, /* a count that nothing backs */
        { -5, 0, "", 0 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kci_batch_header header = test_batch_header();
        begin(1 << 20);
        header.record_count = bad[i].count;
        header.last_offset_delta = bad[i].last_delta;
        test_batch_around(&log_bytes, header, bad[i].section, bad[i].size);
        snprintf(text, sizeof text, "%s@0", kci_batch_error_text(KCI_BATCH_BAD_RECORDS));
        expect(0, text);
    }
}

/* Messages of the formats v0 and v1 read like any other. */
static void test_legacy(void **state)
{
    (void)state;
    begin(1 << 20);
    test_legacy_message(&log_bytes, 4, 1, 0, 77, test_bytes("k"), test_bytes("one"));
    test_legacy_message(&log_bytes, 5, 0, 0, 0, test_bytes(NULL), test_bytes("two"));
    batch(6, "three", 1, 0, -1);
    expect(4, "4:one 5:two 6:three end@7");
}

/* Random damage to the records section under a right CRC: any verdict, but no byte beyond it is touched. */
static void test_random_damage(void **state)
{
    struct kci_walk walk;
    uint32_t random = 1;
    static const uint8_t good[] = { 0x1e, 0,   2, 0,   4,    'k', 'k', 6, 'v', 'v', 'v', 2,
                                    2,    'n', 4, 'x', 0x0e, 0,   4,   2, 1,   2,   'z', 0 };
    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint8_t *copy = malloc(sizeof good); /* so that a sanitizer sees both ends */
        memcpy(copy, good, sizeof good);
        for (int k = 0; k < 2; k++) {
            random = random * 1664525 + 1013904223;
            copy[(random >> 8) % sizeof good] = (uint8_t)(random >> 24);
        }
        if (kci_record_check(copy, copy + sizeof good, 2, 1, 0, &walk)) {
            kc_record_view view;
            const uint8_t *at = walk.first;
            for (int32_t n = 0; n < walk.count; n++)
                at = kci_walk_record(at, &view);
            assert_ptr_equal(at, copy + sizeof good);
        }
        free(copy);
    }
}

/* No room to decompress while earlier batches are held: it waits, and goes on when they are released. */
static void test_no_room(void **state)
{
    (void)state;
    begin(40000);
    struct kci_writer w = kci_writer_of(&alloc, 1 << 20);
    struct kci_record records[50];
    static uint8_t value[100];
    for (int i = 0; i < 50; i++)
        records[i] = (struct kci_record){ 1, { NULL, 0 }, { value, sizeof value }, NULL, 0 };
    for (int b = 0; b < 8; b++) {
        struct kci_batch_header header = test_batch_header();
        header.base_offset = b * 50;
        header.last_offset_delta = 49;
        header.attributes = KCI_CODEC_GZIP;
        assert_int_equal(kci_batch_write(&w, &header, records, 50, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    }
    struct kci_frame *frame = kci_frame_new(&alloc, (uint32_t)w.size);
    memcpy(frame->data, w.data, w.size);
    kci_shared_count(shared, frame->size);
    struct kci_fetched *fetched = kci_fetched_new(shared, frame, frame->size);
    kci_frame_release(frame);
    struct kci_fetch_partition p = { .version = 4, .records = { frame->data, frame->size } };
    struct kci_part_options options = { "t", 1, 1, 0, false, true, false };
    bool malformed;
    struct kci_part *part = kci_part_new(fetched, &p, &options, &malformed);
    kci_fetched_release(fetched);
    struct kci_run *runs[8];
    size_t held = 0;
    int64_t end = 0;
    for (int turns = 0; turns < 100; turns++) {
        enum kci_part_result result = kci_part_next(part, 10000, &runs[held]);
        if (result == KCI_PART_END)
            break;
        if (result == KCI_PART_RUN) {
            end = runs[held]->batches[runs[held]->count - 1].next_offset;
            held++;
        } else {
            assert_int_equal(result, KCI_PART_NO_ROOM);
            assert_true(held > 0);
            while (held)
                kci_run_release(runs[--held]);
        }
        assert_true(atomic_load(&shared->used) <= 40000);
    }
    assert_int_equal(end, 400);
    while (held)
        kci_run_release(runs[--held]);
    kci_part_destroy(part);
    kci_writer_destroy(&w);
    assert_int_equal(atomic_load(&shared->used), 0);
    kci_shared_release(shared);
    kci_writer_destroy(&log_bytes);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets), cmocka_unit_test(test_empty_batch),   cmocka_unit_test(test_control),
        cmocka_unit_test(test_aborted), cmocka_unit_test(test_cut_off),       cmocka_unit_test(test_damage),
        cmocka_unit_test(test_legacy),  cmocka_unit_test(test_random_damage), cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
