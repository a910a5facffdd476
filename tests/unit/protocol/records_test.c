/* Batches as Kafka makes them: golden bytes, round trips, and the corners of the format.  What nobody should ever send
 * stands in records_hostile_test.c. */
#include "protocol/records.h"

#include "support/counted_heap.h"
#include "support/records.h"

#define GOLDEN                                                                                                         \
    "000000000000000000000055ffffffff02e58cf1ff00000000000100000000000454c300000000000454c3ffffffffffffffffffffffffff" \
    "ff"                                                                                                               \
    "0000000220000000086b6579310c76616c756531002400e1bf2202086b6579320c76616c75653200"
#define GOLDEN_COMMIT_MARKER                                                                                           \
    "000000000000000200000042000000030240d514e90030000000000000018bcfe568000000018bcfe5680000000000000003e80005ffffff" \
    "ff"                                                                                                               \
    "000000012000000008000000010c00000000000700"

static const struct kci_record two_records[] = {
    { 283843, { (const uint8_t *)"key1", 4 }, { (const uint8_t *)"value1", 6 }, NULL, 0 },
    { 1234, { (const uint8_t *)"key2", 4 }, { (const uint8_t *)"value2", 6 }, NULL, 0 },
};

static void assert_bytes(struct kci_bytes actual, struct kci_bytes expected)
{
    assert_int_equal(actual.data == NULL, expected.data == NULL);
    assert_int_equal(actual.size, expected.size);
    if (actual.size)
        assert_memory_equal(actual.data, expected.data, actual.size);
}

static void assert_record(const struct kci_record_view *view, const struct kci_record *expected)
{
    struct kci_reader headers = view->headers;
    struct kci_str name;
    struct kci_bytes value;
    assert_bytes(view->key, expected->key);
    assert_bytes(view->value, expected->value);
    assert_int_equal(view->header_count, expected->header_count);
    for (size_t i = 0; i < expected->header_count; i++) {
        assert_true(kci_record_header_next(&headers, &name, &value));
        assert_true(kci_str_equal(name, expected->headers[i].name));
        assert_bytes(value, expected->headers[i].value);
    }
    assert_false(kci_record_header_next(&headers, &name, &value));
    assert_false(headers.failed);
}

/* A whole batch: header, CRC, and each record at its offset, then the clean end, again and again. */
static void assert_batch(const uint8_t *data, size_t size, const struct kci_record *records, size_t count)
{
    struct kci_reader r = kci_reader_of(data, size);
    struct kci_batch_header header;
    struct kci_batch_iterator it;
    struct kci_record_view view;
    size_t total;
    assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_OK);
    assert_int_equal(total, size);
    assert_true(kci_batch_crc_ok(data, size));
    assert_int_equal(kci_batch_open(&it, data, size, &heap, 1 << 24), KCI_BATCH_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kci_batch_next(&it, &view), 1);
        assert_true(view.offset == header.base_offset + (int64_t)i);
        assert_true(view.timestamp_ms == records[i].timestamp_ms);
        assert_record(&view, &records[i]);
    }
    assert_int_equal(kci_batch_next(&it, &view), 0);
    assert_int_equal(kci_batch_next(&it, &view), 0);
    kci_batch_close(&it);
}

/* The batch whose CRC Kafka's own tests state: we write it byte for byte, and read it back. */
static void the_golden_batch(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    size_t size;
    uint8_t *golden = test_from_hex(GOLDEN, &size);
    (void)state;
    assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_int_equal(w.size, size);
    assert_memory_equal(w.data, golden, size);
    assert_int_equal(kci_be32(golden + 17), 3851219455);
    assert_batch(golden, size, two_records, 2);
    kci_writer_destroy(&w);
    free(golden);
}

/* Java's lz4 gives the very same bytes as ours for this batch: its CRC is known too. */
static void the_golden_lz4_batch(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_LZ4))
        skip();
    header.attributes = KCI_CODEC_LZ4;
    assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_int_equal(kci_be32(w.data + 17), 2745969314);
    assert_batch(w.data, w.size, two_records, 2);
    kci_writer_destroy(&w);
}

/* The end of a committed transaction: a control batch of one record. */
static void the_golden_commit_marker(void **state)
{
    static const uint8_t key[] = { 0, 0, 0, 1 }, value[] = { 0, 0, 0, 0, 0, 7 };
    const struct kci_record marker = { 1700000000000, { key, sizeof key }, { value, sizeof value }, NULL, 0 };
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    size_t size, total;
    uint8_t *golden = test_from_hex(GOLDEN_COMMIT_MARKER, &size);
    struct kci_reader r = kci_reader_of(golden, size);
    (void)state;
    header.base_offset = 2;
    header.leader_epoch = 3;
    header.producer_id = 1000;
    header.producer_epoch = 5;
    header.attributes = KCI_BATCH_TRANSACTIONAL | KCI_BATCH_CONTROL;
    assert_int_equal(kci_batch_write(&w, &header, &marker, 1, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_int_equal(w.size, size);
    assert_memory_equal(w.data, golden, size);
    assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_OK);
    assert_true(header.producer_id == 1000 && header.producer_epoch == 5 && header.base_sequence == -1);
    assert_true(header.leader_epoch == 3 && header.record_count == 1 && header.last_offset_delta == 0);
    assert_batch(golden, size, &marker, 1);
    kci_writer_destroy(&w);
    free(golden);
}

/* Every codec, from no record to thousands, with nulls, empty fields, headers and long ones. */
static void everything_comes_back(void **state)
{
    enum { MANY = 3000 };
    static const struct kci_record_header headers[] = {
        { { "trace", 5 }, { (const uint8_t *)"0123456789", 10 } },
        { { "", 0 }, { NULL, 0 } },
        { { "empty", 5 }, { (const uint8_t *)"", 0 } },
    };
    static uint8_t text[20000];
    static struct kci_record records[MANY];
    static const size_t counts[] = { 0, 1, 2, 63, 64, 65, MANY };
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < MANY; i++)
        records[i] = (struct kci_record){
            .timestamp_ms = 1700000000000 + (int64_t)(i * i % 977) * (i % 50 == 0 ? 1000000007 : 1) - 400,
            .key = { i % 3 ? text : NULL, i % 3 ? i % 130 : 0 },
            .value = { i % 5 ? text : NULL, i % 5 == 0     ? 0
                                            : i % 400 == 1 ? sizeof text
                                                           : i % 300 },
            .headers = headers,
            .header_count = i % 7 < 4 ? i % 7 : 0,
        };
    for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts && kci_codec_built_in(codec); c++) {
            struct kci_batch_header header = test_batch_header();
            struct kci_writer w = kci_writer_of(&heap, 1 << 24);
            header.attributes = (int16_t)codec;
            header.base_offset = 1000000;
            kci_writer_bytes(&w, "before", 6);
            assert_int_equal(kci_batch_write(&w, &header, records, counts[c], KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
            assert_batch(w.data + 6, w.size - 6, records, counts[c]);
            kci_writer_destroy(&w);
        }
}

/* The same records in one batch (decoded without looking for the end of the bytes) and in batches of one (decoded close
 * to the end): both ways of decoding see the same. */
static void both_ways_of_decoding_agree(void **state)
{
    static uint8_t text[40000];
    static const size_t sizes[] = { 0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 40000 };
    static const int64_t deltas[] = { 0, 63, -64, 64, 8192, -8193, INT32_MAX, INT64_MAX / 2, INT64_MIN / 2 };
    enum { SIZES = 10, DELTAS = 9 };
    (void)state;
    for (size_t k = 0; k < SIZES; k++)
        for (size_t v = 0; v < SIZES; v++) {
            struct kci_record records[DELTAS + 1] = { { 0, { NULL, 0 }, { text, 100 }, NULL, 0 } };
            struct kci_batch_header header = test_batch_header();
            struct kci_writer w = kci_writer_of(&heap, 1 << 24);
            for (size_t d = 0; d < DELTAS; d++)
                records[d + 1] =
                    (struct kci_record){ deltas[d], { text, sizes[k] }, { sizes[v] ? text : NULL, sizes[v] }, NULL, 0 };
            assert_int_equal(kci_batch_write(&w, &header, records, DELTAS + 1, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
            assert_batch(w.data, w.size, records, DELTAS + 1);
            w.size = 0;
            for (size_t d = 0; d <= DELTAS; d++) {
                struct kci_writer section = kci_writer_of(&heap, 1 << 20);
                header.record_count = 1;
                kci_record_write(&section, &records[d], 0, 0);
                test_batch_around(&w, header, section.data, section.size);
                assert_batch(w.data, w.size, &records[d], 1);
                kci_writer_destroy(&section);
                w.size = 0;
            }
            kci_writer_destroy(&w);
        }
}

/* Timestamps: the broker's for all records when the topic says so. */
static void log_append_time_is_the_batchs(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    header.attributes = KCI_BATCH_LOG_APPEND_TIME;
    header.max_timestamp_ms = 5000000;
    assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_int_equal(view.timestamp_ms, 5000000);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_int_equal(view.timestamp_ms, 5000000);
    kci_batch_close(&it);
    kci_writer_destroy(&w);
}

/* Compaction removes records from a batch: gaps in the offsets, at either end too; then the batch is empty but keeps
 * its place and its codec bits. */
static void compacted_batches_have_gaps(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer section = kci_writer_of(&heap, 1000), w = kci_writer_of(&heap, 1000);
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    header.base_offset = 100;
    header.last_offset_delta = 9;
    header.record_count = 2;
    kci_record_write(&section, &two_records[0], 0, 3);
    kci_record_write(&section, &two_records[1], 0, 7);
    test_batch_around(&w, header, section.data, section.size);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_int_equal(view.offset, 103);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_int_equal(view.offset, 107);
    assert_int_equal(kci_batch_next(&it, &view), 0);
    kci_batch_close(&it);

    w.size = 0;
    header.record_count = 0;
    header.attributes = KCI_CODEC_LZ4;
    test_batch_around(&w, header, "", 0);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 0);
    assert_int_equal(it.header.last_offset_delta, 9);
    kci_batch_close(&it);
    kci_writer_destroy(&section);
    kci_writer_destroy(&w);
}

/* The broker sets offset and epoch in place; the CRC does not cover them. */
static void offset_and_epoch_are_not_under_the_crc(void **state)
{
    size_t size, total;
    uint8_t *golden = test_from_hex(GOLDEN, &size);
    struct kci_reader r = kci_reader_of(golden, size);
    struct kci_batch_header header;
    (void)state;
    kci_batch_set_offset(golden, 123456789012, 77);
    assert_true(kci_batch_crc_ok(golden, size));
    assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_OK);
    assert_true(header.base_offset == 123456789012 && header.leader_epoch == 77);
    for (size_t at = 17; at < size; at++) {
        golden[at] ^= 0x40;
        assert_false(kci_batch_crc_ok(golden, size));
        golden[at] ^= 0x40;
    }
    assert_false(kci_batch_crc_ok(golden, 10));
    free(golden);
}

/* A fetch answer holds whole batches and, at its end, a part of one. */
static void batches_are_walked_to_the_cut_one(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 10000);
    size_t total, sizes[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t before = w.size;
        header.base_offset = 2 * i;
        assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
        sizes[i] = w.size - before;
    }
    for (size_t cut = sizes[0] + sizes[1]; cut < w.size; cut++) {
        struct kci_reader r = kci_reader_of(w.data, cut);
        int count = 0;
        while (kci_batch_peek(&r, &header, &total) == KCI_BATCH_OK) {
            assert_true(header.base_offset == 2 * count++);
            kci_reader_take(&r, total);
        }
        assert_int_equal(count, 2);
        assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_PARTIAL);
    }
    kci_writer_destroy(&w);
}

/* Allocation n fails, for all n, when writing and when reading: an error and no leak. */
static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        TEST_ALLOC_EACH_FAILURE(&memory)
        {
            struct kci_batch_header header = test_batch_header();
            struct kci_writer w = kci_writer_of(&heap, 1000);
            struct kci_batch_iterator it;
            header.attributes = (int16_t)codec;
            enum kci_batch_error error = kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT);
            if (error == KCI_BATCH_OK)
                error = kci_batch_open(&it, w.data, w.size, &heap, 1000);
            else
                assert_true(w.failed && w.size == 0);
            assert_true(error == KCI_BATCH_OK || error == KCI_BATCH_NO_MEMORY);
            assert_true(error == KCI_BATCH_OK || memory.count >= memory.fail_at);
            if (error == KCI_BATCH_OK)
                kci_batch_close(&it);
            kci_writer_destroy(&w);
        }
    }
}

static void what_cannot_be_written_is_refused(void **state)
{
    struct kci_batch_header header = test_batch_header();
    uint8_t buffer[96];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    (void)state;
    assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_NO_MEMORY);
    assert_true(w.failed && w.size == 0); /* one byte short */
    w = kci_writer_fixed(buffer, sizeof buffer);
    header.attributes = KCI_CODEC_ZSTD; /* a fixed writer has no allocator to compress with */
    assert_true(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT) != KCI_BATCH_OK);
    header.attributes = 6;
    w = kci_writer_fixed(buffer, sizeof buffer);
    assert_int_equal(kci_batch_write(&w, &header, two_records, 2, KCI_LEVEL_DEFAULT), KCI_BATCH_BAD_CODEC);
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (int error = KCI_BATCH_OK; error <= KCI_BATCH_NO_MEMORY; error++)
        assert_true(strlen(kci_batch_error_text((enum kci_batch_error)error)) > 1);
    assert_string_equal(kci_batch_error_text((enum kci_batch_error)99), "unknown error");
    kci_batch_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, counted_heap_setup, nothing_leaked)
    const struct CMUnitTest tests[] = {
        TEST(the_golden_batch),
        TEST(the_golden_lz4_batch),
        TEST(the_golden_commit_marker),
        TEST(everything_comes_back),
        TEST(both_ways_of_decoding_agree),
        TEST(log_append_time_is_the_batchs),
        TEST(compacted_batches_have_gaps),
        TEST(offset_and_epoch_are_not_under_the_crc),
        TEST(batches_are_walked_to_the_cut_one),
        TEST(out_of_memory_is_an_error),
        TEST(what_cannot_be_written_is_refused),
        TEST(every_error_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
