/* Batches that nobody should send: each lie is noticed, none does harm.  The records section is spelled in bytes. */
#include "protocol/records.h"

#include "base/prng.h"
#include "support/counted_heap.h"
#include "support/records.h"

static volatile size_t touched; /* so that every byte of a view is read */

/* Open and walk to the end: the records seen, or -error of opening, or -KCI_BATCH_BAD_RECORDS of walking. The bytes are
 * copied to a block of their size, so that a sanitizer sees every overrun. */
static int walk(const uint8_t *data, size_t size, size_t plain_max)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    struct kci_str name;
    struct kci_bytes value;
    uint8_t *copy = memcpy(malloc(size ? size : 1), data, size);
    int seen = 0, more = 1;
    enum kci_batch_error error = kci_batch_open(&it, copy, size, &heap, plain_max);
    while (error == KCI_BATCH_OK && (more = kci_batch_next(&it, &view)) > 0) {
        seen++;
        for (size_t i = 0; i < view.key.size; i++)
            touched += view.key.data[i];
        for (size_t i = 0; i < view.value.size; i++)
            touched += view.value.data[i];
        for (int32_t i = 0; i < view.header_count; i++)
            assert_true(kci_record_header_next(&view.headers, &name, &value));
        assert_int_equal(kci_reader_left(&view.headers), 0);
    }
    if (more < 0)
        assert_int_equal(kci_batch_next(&it, &view), -1); /* sticky */
    kci_batch_close(&it);
    free(copy);
    return error != KCI_BATCH_OK ? -(int)error : more < 0 ? -(int)KCI_BATCH_BAD_RECORDS : seen;
}

/* The result of walking a batch with `count` records and this section; followed by `padding` good records, so that the
 * first ones are decoded far from the end. */
static int walk_section(const void *section, size_t size, int32_t count, int padding)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_record filler = { 0, { NULL, 0 }, test_bytes("0123456789"), NULL, 0 };
    struct kci_writer all = kci_writer_of(&heap, 1 << 20), w = kci_writer_of(&heap, 1 << 20);
    kci_writer_bytes(&all, section, size);
    for (int i = 0; i < padding; i++)
        kci_record_write(&all, &filler, 0, count + i);
    header.record_count = count + padding;
    header.last_offset_delta = count + padding - 1;
    test_batch_around(&w, header, all.data, all.size);
    int result = walk(w.data, w.size, 0);
    kci_writer_destroy(&all);
    kci_writer_destroy(&w);
    return result;
}

#define BAD (-(int)KCI_BATCH_BAD_RECORDS)

/* One record in bytes, right or wrong in one place. */
static const struct {
    const char *what, *hex;
    bool good;
} lies[] = {
    { "null key, null value", "0c 00 00 00 01 01 00", true },
    { "key and value", "10 00 00 00 02 61 02 62 00", true },
    { "empty key and value", "0c 00 00 00 00 00 00", true },
    { "one header", "14 00 00 00 01 01 02 02 68 02 76", true },
    { "a header with a null value", "12 00 00 00 01 01 02 02 68 01", true },
    { "a padded varint", "0e 00 00 00 01 8100 00", true },
    { "attributes are ignored", "0c ff 00 00 01 01 00", true },
    { "size too small", "0a 00 00 00 01 01 00", false },
    { "size too large", "0e 00 00 00 01 01 00", false },
    { "size beyond the bytes, and a value up to there", "12 00 00 00 01 06 61", false },
    { "size negative", "01 00 00 00 01 01 00", false },
    { "size of 2 GiB", "feffffff0f 00 00 00 01 01 00", false },
    { "size as a varint of six bytes", "8c8080808000 00 00 00 01 01 00", false },
    { "timestamp as a varint of eleven bytes", "20 00 8080808080808080808000 00 01 01 00", false },
    { "key size -2", "0c 00 00 00 03 01 00", false },
    { "key size beyond the record", "0c 00 00 00 04 01 00", false },
    { "key size of 2 GiB", "14 00 00 00 feffffff0f 01 00", false },
    { "value size -2", "0c 00 00 00 01 03 00", false },
    { "value size beyond the record", "0c 00 00 00 01 04 00", false },
    { "value size of 2 GiB", "14 00 00 00 01 feffffff0f 00", false },
    { "header count -1", "0c 00 00 00 01 01 01", false },
    { "header count without headers", "0c 00 00 00 01 01 02", false },
    { "header count 2^31 - 1", "14 00 00 00 01 01 feffffff0f", false },
    { "header count beyond the record", "0c 00 00 00 8100 01", false },
    { "headers without a count", "12 00 00 00 01 01 00 02 68 01", false },
    { "header name null", "10 00 00 00 01 01 02 01 00", false },
    { "header name beyond the record", "12 00 00 00 01 01 02 04 68 01", false },
    { "header value size -2", "12 00 00 00 01 01 02 02 68 03", false },
    { "header value beyond the record", "12 00 00 00 01 01 02 02 68 02", false },
    { "offset delta negative", "0c 00 00 01 01 01 00", false },
    { "offset delta beyond the last one", "0e 00 00 fe7f 01 01 00", false },
    { "a byte too many in the record", "0e 00 00 00 01 01 00 00", false },
};

/* Close to the end of the bytes and far from it. */
static void each_lie_in_a_record_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size_t size;
        uint8_t *section = test_from_hex(lies[i].hex, &size);
        int alone = walk_section(section, size, 1, 0), padded = walk_section(section, size, 1, 20);
        if ((alone == 1) != lies[i].good || (padded == 21) != lies[i].good)
            fail_msg("%s: alone %d, padded %d", lies[i].what, alone, padded);
        assert_true(lies[i].good || (alone == BAD && padded == BAD));
        free(section);
    }
}

/* More records than announced, fewer, or none where some are: the announcement must be exact. */
static void counts_must_agree_with_the_bytes(void **state)
{
    static const uint8_t two[] = { 0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 2, 1, 1, 0 };
    (void)state;
    assert_int_equal(walk_section(two, sizeof two, 2, 0), 2);
    assert_int_equal(walk_section(two, sizeof two, 1, 0), BAD);
    assert_int_equal(walk_section(two, sizeof two, 3, 0), BAD);
    assert_int_equal(walk_section(two, sizeof two, 0, 0), BAD);
    assert_int_equal(walk_section(two, sizeof two, -1, 0), BAD);
    assert_int_equal(walk_section(two, sizeof two, INT32_MAX, 0), BAD);
    /* the last byte says that a record of no bytes follows */
    static const uint8_t then_nothing[] = {
        0x20, 0, 0, 0, 1, 20, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 0, 0
    };
    assert_int_equal(walk_section(then_nothing, sizeof then_nothing, 2, 0), BAD);
}

static void offsets_must_rise_within_the_batch(void **state)
{
    static const uint8_t same[] = { 0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 0, 1, 1, 0 };
    static const uint8_t falling[] = { 0x0c, 0, 0, 2, 1, 1, 0, 0x0c, 0, 0, 0, 1, 1, 0 };
    (void)state;
    for (int padding = 0; padding < 10; padding += 5) {
        assert_int_equal(walk_section(same, sizeof same, 2, padding), BAD);
        assert_int_equal(walk_section(falling, sizeof falling, 2, padding), BAD);
    }
}

/* The numbers of the header against each other. */
static void headers_must_be_plausible(void **state)
{
    static const uint8_t one[] = { 0x0c, 0, 0, 0, 1, 1, 0 };
    static const struct {
        int64_t base_offset;
        int32_t last_offset_delta, record_count;
        int expected;
    } rows[] = {
        { 0, 0, 1, 1 },
        { INT64_MAX - 1, 0, 1, 1 },
        { INT64_MAX - 6, 5, 1, 1 },
        { INT64_MAX, 0, 1, BAD }, /* there must be an offset after the last one */
        { INT64_MAX - 5, 5, 1, BAD },
        { -1, 0, 1, BAD },
        { 0, -1, 1, BAD },
        { 0, INT32_MIN, 1, BAD },
        { 0, 0, 2, BAD }, /* two records, one offset */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kci_batch_header header = test_batch_header();
        struct kci_writer w = kci_writer_of(&heap, 1000);
        header.base_offset = rows[i].base_offset;
        header.last_offset_delta = rows[i].last_offset_delta;
        header.record_count = rows[i].record_count;
        test_batch_around(&w, header, one, sizeof one);
        assert_int_equal(walk(w.data, w.size, 0), rows[i].expected);
        kci_writer_destroy(&w);
    }
}

/* Two records cannot share the one offset that the header has: seen before any record is. */
static void more_records_than_offsets_are_refused_at_once(void **state)
{
    static const uint8_t two[] = { 0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 2, 1, 1, 0 };
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    struct kci_batch_iterator it;
    (void)state;
    header.record_count = 2;
    test_batch_around(&w, header, two, sizeof two);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_BAD_RECORDS);
    kci_writer_destroy(&w);
}

/* A header that counts more records than its bytes can hold, or backwards, is refused before any record is read. */
static void headers_that_cannot_be_are_refused_at_once(void **state)
{
    static const uint8_t one[] = { 0x0c, 0, 0, 0, 1, 1, 0 };
    static const struct {
        int32_t count, last_offset_delta;
        size_t size;
    } rows[] = { { 2, 1, sizeof one }, { INT32_MAX, INT32_MAX - 1, sizeof one }, { 0, -1, 0 }, { -1, 0, sizeof one } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kci_batch_header header = test_batch_header();
        struct kci_writer w = kci_writer_of(&heap, 1000);
        struct kci_batch_iterator it;
        header.record_count = rows[i].count;
        header.last_offset_delta = rows[i].last_offset_delta;
        test_batch_around(&w, header, one, rows[i].size);
        assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_BAD_RECORDS);
        kci_writer_destroy(&w);
    }
}

/* Timestamps may be anything; their sum wraps as Java's does, without undefined behaviour. */
static void timestamps_may_overflow(void **state)
{
    struct kci_record record = { INT64_MIN, { NULL, 0 }, { NULL, 0 }, NULL, 0 };
    struct kci_batch_header header = test_batch_header();
    struct kci_writer section = kci_writer_of(&heap, 1000), w = kci_writer_of(&heap, 1000);
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    header.base_timestamp_ms = INT64_MAX;
    header.record_count = 1;
    kci_record_write(&section, &record, INT64_MAX, 0);
    test_batch_around(&w, header, section.data, section.size);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 0), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_true(view.timestamp_ms == INT64_MIN);
    kci_batch_close(&it);
    kci_writer_destroy(&section);
    kci_writer_destroy(&w);
}

/* Lengths and format versions that do not exist are told from a batch that is merely cut. */
static void impossible_prefixes_are_told_apart(void **state)
{
    struct kci_batch_header header;
    uint8_t batch[100] = { 0 };
    size_t total;
    static const struct {
        uint32_t length;
        uint8_t magic;
        size_t size;
        enum kci_batch_error expected;
    } rows[] = {
        { 49, 2, 61, KCI_BATCH_OK },
        { 49, 2, 60, KCI_BATCH_PARTIAL },
        { 49, 2, 11, KCI_BATCH_PARTIAL },
        { 49, 2, 0, KCI_BATCH_PARTIAL },
        { 48, 2, 61, KCI_BATCH_BAD_LENGTH },
        { 0, 2, 61, KCI_BATCH_BAD_LENGTH },
        { 13, 0, 12, KCI_BATCH_BAD_LENGTH },
        { UINT32_MAX, 2, 61, KCI_BATCH_BAD_LENGTH },
        { 0x80000000u, 2, 61, KCI_BATCH_BAD_LENGTH },
        { INT32_MAX - 11, 2, 61, KCI_BATCH_BAD_LENGTH },
        { INT32_MAX - 12, 2, 61, KCI_BATCH_PARTIAL },
        { 49, 3, 61, KCI_BATCH_BAD_MAGIC },
        { 49, 255, 17, KCI_BATCH_BAD_MAGIC },
        { 14, 0, 26, KCI_BATCH_OK },
        { 14, 1, 26, KCI_BATCH_BAD_LENGTH },
        { 22, 1, 34, KCI_BATCH_OK },
        { 22, 1, 33, KCI_BATCH_PARTIAL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kci_put32(batch + 8, rows[i].length);
        batch[16] = rows[i].magic;
        struct kci_reader r = kci_reader_of(batch, rows[i].size);
        assert_int_equal(kci_batch_peek(&r, &header, &total), rows[i].expected);
        r.failed = true;
        assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_PARTIAL);
    }
    kci_put32(batch + 8, 49);
    batch[16] = 2;
    struct kci_batch_iterator it;
    assert_int_equal(kci_batch_open(&it, batch, 62, &heap, 0), KCI_BATCH_BAD_LENGTH);
    assert_int_equal(kci_batch_open(&it, batch, 60, &heap, 0), KCI_BATCH_PARTIAL);
}

/* Some records with everything in them, by codec. */
static struct kci_writer a_rich_batch(int codec)
{
    static const struct kci_record_header headers[] = { { { "h", 1 }, { (const uint8_t *)"v", 1 } },
                                                        { { "n", 1 }, { NULL, 0 } } };
    struct kci_record records[12];
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1 << 20);
    for (size_t i = 0; i < 12; i++)
        records[i] =
            (struct kci_record){ 1700000000000 + (int64_t)(i * i), test_bytes(i % 2 ? "key" : NULL),
                                 test_bytes("a value of some length, so that it takes more than a byte or two"),
                                 headers, i % 3 };
    header.attributes = (int16_t)codec;
    assert_int_equal(kci_batch_write(&w, &header, records, 12, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    return w;
}

/* The records cut at every byte, with a length (and CRC) that pretends it is all: never accepted. */
static void cut_records_are_noticed(void **state)
{
    (void)state;
    for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_writer w = a_rich_batch(codec);
        assert_int_equal(walk(w.data, w.size, 1 << 20), 12);
        for (size_t size = KCI_BATCH_HEADER_BYTES; size < w.size; size++) {
            kci_put32(w.data + 8, (uint32_t)(size - KCI_BATCH_PREFIX_BYTES));
            assert_true(walk(w.data, size, 1 << 20) < 0);
        }
        kci_writer_destroy(&w);
    }
}

/* Every byte damaged in several ways, and random damage in several places: an error or other records, nothing worse. */
static void damage_does_no_harm(void **state)
{
    struct kci_prng prng;
    (void)state;
    kci_prng_seed(&prng, 11);
    for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_writer w = a_rich_batch(codec);
        for (size_t at = 0; at < w.size; at++)
            for (int bit = 0; bit < 8; bit++) {
                w.data[at] ^= (uint8_t)(1 << bit);
                walk(w.data, w.size, 1 << 16);
                assert_true(at < 17 || !kci_batch_crc_ok(w.data, w.size));
                w.data[at] ^= (uint8_t)(1 << bit);
            }
        uint8_t *copy = malloc(w.size);
        for (int round = 0; round < 3000; round++) {
            memcpy(copy, w.data, w.size);
            for (uint64_t i = kci_prng_below(&prng, 6) + 1; i; i--)
                copy[KCI_BATCH_HEADER_BYTES + kci_prng_below(&prng, w.size - KCI_BATCH_HEADER_BYTES)] =
                    (uint8_t)kci_prng_next(&prng);
            walk(copy, w.size, 1 << 16);
        }
        free(copy);
        kci_writer_destroy(&w);
    }
}

/* What decompresses to more than allowed, is not compressed data, or names a codec that does not exist. */
static void decompression_is_bounded_and_checked(void **state)
{
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1000);
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_writer rich = a_rich_batch(codec);
        assert_int_equal(walk(rich.data, rich.size, 100), -(int)KCI_BATCH_TOO_LARGE);
        kci_writer_destroy(&rich);
        header.attributes = (int16_t)codec;
        header.record_count = 1;
        w.size = 0;
        test_batch_around(&w, header, "no codec makes such bytes", 25);
        assert_int_equal(walk(w.data, w.size, 1000), -(int)KCI_BATCH_BAD_COMPRESSION);
        w.size = 0;
        test_batch_around(&w, header, "", 0); /* only an empty batch may have no bytes */
        assert_true(walk(w.data, w.size, 1000) < 0);
    }
    for (int16_t codec = 5; codec < 8; codec++) {
        header.attributes = codec;
        w.size = 0;
        test_batch_around(&w, header, "\x0c\0\0\0\1\1\0", 7);
        assert_int_equal(walk(w.data, w.size, 1000), -(int)KCI_BATCH_BAD_CODEC);
    }
    kci_writer_destroy(&w);
}

/* What a broker's look at a batch has to say, the slow way. */
static bool survey_by_walking(const uint8_t *data, size_t size, int32_t count, struct kci_batch_survey *survey)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    int more = 1;
    if (!kci_batch_walk(&it, data, size, count))
        return false;
    *survey = (struct kci_batch_survey){ INT64_MAX, INT64_MIN, 0 };
    for (int32_t i = 0; (more = kci_batch_next(&it, &view)) > 0; i++) {
        if (view.offset != i)
            return false;
        survey->null_keys += view.key.data == NULL;
        survey->timestamp_min_ms =
            view.timestamp_ms < survey->timestamp_min_ms ? view.timestamp_ms : survey->timestamp_min_ms;
        survey->timestamp_max_ms =
            view.timestamp_ms > survey->timestamp_max_ms ? view.timestamp_ms : survey->timestamp_max_ms;
    }
    return more == 0;
}

/* The bytes are copied to a block of their size, so that a sanitizer sees every overrun. */
static bool assert_same_survey(const uint8_t *data, size_t size, int32_t count)
{
    struct kci_batch_survey fast = { 0 }, slow = { 0 };
    uint8_t *copy = memcpy(malloc(size ? size : 1), data, size);
    bool good = kci_batch_survey(copy, size, count, &fast);
    assert_int_equal(good, survey_by_walking(copy, size, count, &slow));
    if (good)
        assert_memory_equal(&fast.timestamp_min_ms, &slow.timestamp_min_ms, 2 * sizeof fast.timestamp_min_ms);
    if (good)
        assert_int_equal(fast.null_keys, slow.null_keys);
    free(copy);
    return good;
}

/* A survey says what walking says: of good records, of every cut, of every flipped bit, and of counts that are wrong.
 */
static void a_survey_and_a_walk_agree(void **state)
{
    enum { COUNT = 20, MANY = 9000 };
    static struct kci_record records[MANY];
    struct kci_record_header headers[2] = { { { "a", 1 }, { (const uint8_t *)"12", 2 } }, { { "b", 1 }, { NULL, 0 } } };
    struct kci_batch_header header = test_batch_header();
    struct kci_writer w = kci_writer_of(&heap, 1 << 20);
    (void)state;
    for (int32_t i = 0; i < MANY; i++) /* timestamps of one to ten bytes, keys of some, headers of some */
        records[i] = (struct kci_record){ i < 30 ? (int64_t)1 << (2 * i) : i,
                                          { i % 3 ? (const uint8_t *)"k" : NULL, i % 3 ? 1 : 0 },
                                          { (const uint8_t *)"v", i % 2 ? 1 : 0 },
                                          headers,
                                          i % 5 ? 0 : 2 };
    assert_int_equal(kci_batch_write(&w, &header, records, MANY, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    assert_true(assert_same_survey(w.data + KCI_BATCH_HEADER_BYTES, w.size - KCI_BATCH_HEADER_BYTES, MANY));
    w.size = 0;
    assert_int_equal(kci_batch_write(&w, &header, records, COUNT, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    uint8_t *section = w.data + KCI_BATCH_HEADER_BYTES;
    size_t size = w.size - KCI_BATCH_HEADER_BYTES;
    assert_true(assert_same_survey(section, size, COUNT));
    for (int32_t count = -1; count < 2 * COUNT; count++)
        assert_int_equal(assert_same_survey(section, size, count), count == COUNT);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(assert_same_survey(section, cut, COUNT));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        section[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_same_survey(section, size, COUNT);
        section[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    kci_writer_destroy(&w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, counted_heap_setup, nothing_leaked)
    const struct CMUnitTest tests[] = {
        TEST(each_lie_in_a_record_is_noticed),
        TEST(counts_must_agree_with_the_bytes),
        TEST(offsets_must_rise_within_the_batch),
        TEST(headers_must_be_plausible),
        TEST(more_records_than_offsets_are_refused_at_once),
        TEST(headers_that_cannot_be_are_refused_at_once),
        TEST(timestamps_may_overflow),
        TEST(impossible_prefixes_are_told_apart),
        TEST(cut_records_are_noticed),
        TEST(damage_does_no_harm),
        TEST(decompression_is_bounded_and_checked),
        TEST(a_survey_and_a_walk_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
