/* Message sets of magic 0 and 1: Java's checksums, wrappers and their offsets, and what is not allowed inside them. */
#include "protocol/records.h"
#include "protocol/xxh32.h"

#include "support/counted_heap.h"
#include "support/records.h"

static struct kci_writer writer(void)
{
    return kci_writer_of(&heap, 1 << 20);
}

static const struct kci_bytes null_bytes = { NULL, 0 };

/* Two messages, as the golden batches of all formats have them. */
static struct kci_writer two_messages(int8_t magic, int64_t first, int64_t second)
{
    struct kci_writer w = writer();
    test_legacy_message(&w, first, magic, 0, 283843, test_bytes("key1"), test_bytes("value1"));
    test_legacy_message(&w, second, magic, 0, 1234, test_bytes("key2"), test_bytes("value2"));
    return w;
}

/* A wrapper around a compressed set. */
static struct kci_writer wrap(const struct kci_writer *set, int64_t offset, int8_t magic, int8_t attributes,
                              int64_t timestamp)
{
    struct kci_writer packed = writer(), w = writer();
    struct kci_compressor *c = kci_compressor_new(&heap);
    assert_int_equal(kci_compress(c, attributes & KCI_BATCH_CODEC_MASK, KCI_LEVEL_DEFAULT,
                                  &(struct kci_iov){ set->data, set->size }, 1, &packed),
                     KCI_COMPRESS_OK);
    test_legacy_message(&w, offset, magic, attributes, timestamp, null_bytes,
                        (struct kci_bytes){ packed.data, packed.size });
    kci_compressor_destroy(c);
    kci_writer_destroy(&packed);
    return w;
}

static void assert_view(const struct kci_record_view *view, int64_t offset, int64_t timestamp_ms, const char *key,
                        const char *value)
{
    assert_true(view->offset == offset);
    assert_true(view->timestamp_ms == timestamp_ms);
    assert_int_equal(view->key.data == NULL, key == NULL);
    assert_int_equal(view->key.size, key ? strlen(key) : 0);
    assert_memory_equal(view->key.data, key, view->key.size);
    assert_int_equal(view->value.data == NULL, value == NULL);
    assert_int_equal(view->value.size, value ? strlen(value) : 0);
    assert_memory_equal(view->value.data, value, view->value.size);
    assert_int_equal(view->header_count, 0);
    assert_int_equal(kci_reader_left(&view->headers), 0);
}

/* Open and walk to the end: the records seen, or -error. */
static int walk(const uint8_t *data, size_t size, size_t plain_max)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    int seen = 0, more = 1;
    uint8_t *copy = memcpy(malloc(size + 1), data, size);
    enum kci_batch_error error = kci_batch_open(&it, copy, size, &heap, plain_max);
    while (error == KCI_BATCH_OK && (more = kci_batch_next(&it, &view)) > 0)
        seen++;
    if (more < 0)
        assert_int_equal(kci_batch_next(&it, &view), -1);
    kci_batch_close(&it);
    free(copy);
    return error != KCI_BATCH_OK ? -(int)error : more < 0 ? -(int)KCI_BATCH_BAD_RECORDS : seen;
}

#define BAD (-(int)KCI_BATCH_BAD_RECORDS)

/* Checksums that Kafka's own tests state. The lz4 ones hold because our frames are byte for byte Java's; in magic 0
 * Java writes the wrong header checksum that it always wrote there. */
static void checksums_are_those_of_java(void **state)
{
    static const struct {
        int8_t magic;
        uint32_t plain, lz4;
    } rows[] = { { 0, 1978725405, 66944826 }, { 1, 109425508, 1407303399 } };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct kci_writer set = two_messages(rows[i].magic, 0, 1);
        assert_int_equal(kci_be32(set.data + 12), rows[i].plain);
        if (kci_codec_built_in(KCI_CODEC_LZ4)) {
            struct kci_writer w = wrap(&set, 1, rows[i].magic, KCI_CODEC_LZ4, 283843);
            uint8_t *frame = w.data + (i == 0 ? 26 : 34);
            if (rows[i].magic == 0)
                frame[6] = (uint8_t)(kci_xxh32(frame, 6) >> 8);
            kci_put32(w.data + 12, kci_crc32(0, w.data + 16, w.size - 16));
            assert_int_equal(kci_be32(w.data + 12), rows[i].lz4);
            assert_true(kci_batch_crc_ok(w.data, w.size));
            assert_int_equal(walk(w.data, w.size, 1000), 2);
            kci_writer_destroy(&w);
        }
        kci_writer_destroy(&set);
    }
}

/* Without a codec every message is a batch of one record. */
static void plain_messages_are_batches_of_one(void **state)
{
    (void)state;
    for (int8_t magic = 0; magic < 2; magic++) {
        struct kci_writer w = two_messages(magic, 41, 42);
        test_legacy_message(&w, 43, magic, 0, 7, null_bytes, null_bytes);
        struct kci_reader r = kci_reader_of(w.data, w.size);
        struct kci_batch_header header;
        struct kci_batch_iterator it;
        struct kci_record_view view;
        size_t total;
        for (int64_t offset = 41; offset < 44; offset++) {
            static const char *const keys[] = { "key1", "key2", NULL }, *const values[] = { "value1", "value2", NULL };
            static const int64_t timestamps[] = { 283843, 1234, 7 };
            assert_int_equal(kci_batch_peek(&r, &header, &total), KCI_BATCH_OK);
            assert_true(header.base_offset == offset && header.record_count == -1 && header.magic == magic);
            assert_true(header.producer_id == -1 && header.base_sequence == -1 && header.leader_epoch == -1);
            assert_true(kci_batch_crc_ok(r.at, total));
            assert_int_equal(kci_batch_open(&it, r.at, total, &heap, 0), KCI_BATCH_OK);
            assert_int_equal(kci_batch_next(&it, &view), 1);
            assert_view(&view, offset, magic ? timestamps[offset - 41] : -1, keys[offset - 41], values[offset - 41]);
            assert_int_equal(kci_batch_next(&it, &view), 0);
            kci_batch_close(&it);
            kci_reader_take(&r, total);
        }
        assert_int_equal(kci_reader_left(&r), 0);
        w.data[20] ^= 1;
        assert_false(kci_batch_crc_ok(w.data, 30));
        kci_writer_destroy(&w);
    }
}

/* Offsets inside a wrapper: absolute in magic 0; counted from 0, and possibly with gaps, in magic 1, where the wrapper
 * has the last one's. */
static void wrappers_hold_many_messages(void **state)
{
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec <= KCI_CODEC_LZ4; codec++)
        for (int8_t magic = 0; magic < 2 && kci_codec_built_in(codec); magic++) {
            struct kci_writer set = magic ? two_messages(1, 3, 5) : two_messages(0, 103, 105);
            struct kci_writer w = wrap(&set, 105, magic, (int8_t)codec, 283843);
            struct kci_compressor *c = kci_compressor_new(&heap);
            struct kci_batch_iterator it;
            struct kci_record_view view;
            assert_int_equal(kci_batch_open_with(&it, w.data, w.size, c, &heap, 1000), KCI_BATCH_OK);
            assert_int_equal(kci_batch_next(&it, &view), 1);
            assert_view(&view, 103, magic ? 283843 : -1, "key1", "value1");
            assert_int_equal(kci_batch_next(&it, &view), 1);
            assert_view(&view, 105, magic ? 1234 : -1, "key2", "value2");
            assert_int_equal(kci_batch_next(&it, &view), 0);
            kci_batch_close(&it);
            kci_compressor_destroy(c);
            kci_writer_destroy(&w);
            kci_writer_destroy(&set);
        }
}

/* A wrapper that a producer left at offset 0: its messages count from 0. */
static void a_wrapper_at_offset_zero_counts_from_zero(void **state)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    struct kci_writer set = two_messages(1, 0, 1), w = wrap(&set, 0, 1, KCI_CODEC_GZIP, 5);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 1000), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_true(view.offset == 0);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_true(view.offset == 1);
    kci_batch_close(&it);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);
}

/* Magic 0 knows no other than absolute offsets, whatever the wrapper's is. */
static void offsets_of_magic_0_are_absolute(void **state)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    struct kci_writer set = two_messages(0, 103, 105), w = wrap(&set, 200, 0, KCI_CODEC_GZIP, 5);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 1000), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_true(view.offset == 103);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_true(view.offset == 105);
    kci_batch_close(&it);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);
}

static void log_append_time_is_the_wrappers(void **state)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    struct kci_writer set = two_messages(1, 0, 1);
    struct kci_writer w = wrap(&set, 9, 1, KCI_CODEC_GZIP | KCI_BATCH_LOG_APPEND_TIME, 777);
    assert_int_equal(kci_batch_open(&it, w.data, w.size, &heap, 1000), KCI_BATCH_OK);
    assert_int_equal(kci_batch_next(&it, &view), 1);
    assert_view(&view, 8, 777, "key1", "value1");
    kci_batch_close(&it);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);
}

/* Nested wrappers, mixed formats, offsets that do not rise, an empty set, a null value, zstd: none of these exist. */
static void what_wrappers_may_not_hold(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    struct kci_writer set = two_messages(1, 0, 1), inner = wrap(&set, 1, 1, KCI_CODEC_GZIP, 5);
    struct kci_writer w = wrap(&inner, 1, 1, KCI_CODEC_GZIP, 5);
    assert_int_equal(walk(w.data, w.size, 1000), BAD);
    kci_writer_destroy(&w);

    w = wrap(&set, 1, 0, KCI_CODEC_GZIP, 5); /* magic 1 within magic 0 */
    assert_int_equal(walk(w.data, w.size, 1000), BAD);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);

    set = two_messages(1, 1, 1);
    w = wrap(&set, 1, 1, KCI_CODEC_GZIP, 5);
    assert_int_equal(walk(w.data, w.size, 1000), BAD);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);

    set = writer();
    w = wrap(&set, 1, 1, KCI_CODEC_GZIP, 5);
    assert_int_equal(walk(w.data, w.size, 1000), BAD);
    w.size = 0;
    test_legacy_message(&w, 1, 1, KCI_CODEC_GZIP, 5, null_bytes, null_bytes);
    assert_int_equal(walk(w.data, w.size, 1000), BAD);
    w.size = 0;
    test_legacy_message(&w, 1, 1, KCI_CODEC_ZSTD, 5, null_bytes, test_bytes("x"));
    assert_int_equal(walk(w.data, w.size, 1000), -(int)KCI_BATCH_BAD_CODEC);
    w.size = 0;
    test_legacy_message(&w, 1, 1, KCI_CODEC_GZIP, 5, null_bytes, test_bytes("not gzip"));
    assert_int_equal(walk(w.data, w.size, 1000), -(int)KCI_BATCH_BAD_COMPRESSION);
    kci_writer_destroy(&w);
    kci_writer_destroy(&inner);
}

static void sizes_inside_a_message_are_checked(void **state)
{
    (void)state;
    for (int8_t magic = 0; magic < 2; magic++) {
        size_t key_size_at = magic ? 26 : 18;
        static const uint32_t sizes[] = { 0, 3, 5, 100, INT32_MAX, 0x80000000u, (uint32_t)-2 };
        struct kci_writer w = writer();
        test_legacy_message(&w, 3, magic, 0, 5, test_bytes("key1"), test_bytes("value1"));
        assert_int_equal(walk(w.data, w.size, 0), 1);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            kci_put32(w.data + key_size_at, sizes[i]);
            assert_int_equal(walk(w.data, w.size, 0), BAD);
        }
        kci_put32(w.data + key_size_at, 4);
        kci_put32(w.data + key_size_at + 8, 5); /* a byte left over */
        assert_int_equal(walk(w.data, w.size, 0), BAD);
        kci_put32(w.data + key_size_at + 8, 6);
        kci_put64(w.data, UINT64_MAX); /* offset -1 */
        assert_int_equal(walk(w.data, w.size, 0), BAD);
        kci_writer_destroy(&w);
    }
}

/* Sets inside a wrapper, cut at every byte or damaged in every one: noticed, or harmless. */
static void damage_inside_a_wrapper_does_no_harm(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_SNAPPY))
        skip();
    for (int8_t magic = 0; magic < 2; magic++) {
        struct kci_writer set = two_messages(magic, 0, 1);
        size_t whole = set.size, first = whole / 2; /* both messages are equally long */
        for (set.size = 0; set.size < whole; set.size++) {
            struct kci_writer w = wrap(&set, 1, magic, KCI_CODEC_SNAPPY, 5);
            assert_int_equal(walk(w.data, w.size, 1000), set.size == first ? 1 : BAD);
            kci_writer_destroy(&w);
        }
        set.size = whole;
        for (size_t at = 0; at < whole; at++)
            for (int bit = 0; bit < 8; bit++) {
                set.data[at] ^= (uint8_t)(1 << bit);
                struct kci_writer w = wrap(&set, 1, magic, KCI_CODEC_SNAPPY, 5);
                walk(w.data, w.size, 1000);
                kci_writer_destroy(&w);
                set.data[at] ^= (uint8_t)(1 << bit);
            }
        kci_writer_destroy(&set);
    }
}

static void the_budget_holds_for_wrappers(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    struct kci_writer set = two_messages(1, 0, 1), w = wrap(&set, 1, 1, KCI_CODEC_GZIP, 5);
    assert_int_equal(walk(w.data, w.size, set.size), 2);
    assert_int_equal(walk(w.data, w.size, set.size - 1), -(int)KCI_BATCH_TOO_LARGE);
    kci_writer_destroy(&w);
    kci_writer_destroy(&set);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, counted_heap_setup, nothing_leaked)
    const struct CMUnitTest tests[] = {
        TEST(checksums_are_those_of_java),        TEST(plain_messages_are_batches_of_one),
        TEST(wrappers_hold_many_messages),        TEST(a_wrapper_at_offset_zero_counts_from_zero),
        TEST(offsets_of_magic_0_are_absolute),    TEST(what_wrappers_may_not_hold),
        TEST(log_append_time_is_the_wrappers),    TEST(what_wrappers_may_not_hold),
        TEST(sizes_inside_a_message_are_checked), TEST(damage_inside_a_wrapper_does_no_harm),
        TEST(the_budget_holds_for_wrappers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
