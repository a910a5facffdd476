/* What is particular to each format: the bytes that Java writes, what Java accepts, what it rejects.  Input that our
 * own writer never makes is spelled out here, or made with the codec's library. */
#include "protocol/compress.h"
#include "protocol/xxh32.h"

#include "support/counted_heap.h"
#include <stdio.h>

static struct kci_writer pack(int codec, int32_t level, const void *data, size_t size)
{
    struct kci_writer w = kci_writer_of(&heap, (size_t)1 << 30);
    struct kci_compressor *c = kci_compressor_new(&heap);
    assert_int_equal(kci_compress(c, codec, level, &(struct kci_iov){ data, size }, 1, &w), KCI_COMPRESS_OK);
    kci_compressor_destroy(c);
    return w;
}

/* Decompress and compare; the result of decompression, or -1 when the bytes differ. */
static int unpack(int codec, const void *data, size_t size, const char *expected)
{
    uint8_t *plain;
    size_t got;
    enum kci_compress_result result = kci_decompress(NULL, codec, data, size, &heap, 1 << 20, &plain, &got);
    if (result != KCI_COMPRESS_OK)
        return (int)result;
    bool same = got == strlen(expected) && memcmp(plain, expected, got) == 0;
    kci_alloc_free(&heap, plain);
    return same ? KCI_COMPRESS_OK : -1;
}

static void require(int codec)
{
    if (!kci_codec_built_in(codec))
        skip();
}

/* ---- gzip ---- */

static void gzip_members_may_follow_each_other(void **state)
{
    (void)state;
    require(KCI_CODEC_GZIP);
    struct kci_writer w = pack(KCI_CODEC_GZIP, 9, "one ", 4), two = pack(KCI_CODEC_GZIP, 1, "two", 3);
    assert_memory_equal(w.data, "\x1f\x8b\x08", 3);
    size_t first = w.size;
    kci_writer_bytes(&w, two.data, two.size);
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, w.size, "one two"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, w.size - 1, ""), KCI_COMPRESS_CORRUPT);
    w.size = first; /* what is no member is ignored, as in Java */
    kci_writer_bytes(&w, "\0\0\0\0", 4);
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, w.size, "one "), KCI_COMPRESS_OK);
    w.data[first - 1] ^= 1; /* the size in the trailer */
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, first, ""), KCI_COMPRESS_CORRUPT);
    w.data[first - 1] ^= 1;
    w.data[first - 5] ^= 1; /* the CRC in the trailer */
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, first, ""), KCI_COMPRESS_CORRUPT);
    kci_writer_destroy(&w);
    kci_writer_destroy(&two);
}

/* Where no level is asked for, the result lies between those of zlib's levels 1 and 6; and a compressor that is used
 * again does not forget how it searches. */
static void gzip_without_a_level(void **state)
{
    static char text[100000];
    uint32_t x = 1;
    (void)state;
    require(KCI_CODEC_GZIP);
    for (size_t at = 0; at + 32 < sizeof text; x = x * 1103515245 + 12345)
        at += (size_t)snprintf(text + at, 32, "partition %u offset %u; ", x >> 28, x >> 20);
    size_t size = strlen(text);
    struct kci_writer quick = pack(KCI_CODEC_GZIP, 1, text, size), six = pack(KCI_CODEC_GZIP, 6, text, size);
    struct kci_writer w = kci_writer_of(&heap, (size_t)1 << 30);
    struct kci_compressor *c = kci_compressor_new(&heap);
    assert_int_equal(kci_compress(c, KCI_CODEC_GZIP, KCI_LEVEL_DEFAULT, &(struct kci_iov){ text, size }, 1, &w),
                     KCI_COMPRESS_OK);
    size_t once = w.size;
    assert_true(once > six.size && once < quick.size);
    assert_int_equal(kci_compress(c, KCI_CODEC_GZIP, KCI_LEVEL_DEFAULT, &(struct kci_iov){ text, size }, 1, &w),
                     KCI_COMPRESS_OK);
    assert_int_equal(w.size, 2 * once);
    assert_memory_equal(w.data, w.data + once, once);
    kci_compressor_destroy(c);
    kci_writer_destroy(&w);
    kci_writer_destroy(&quick);
    kci_writer_destroy(&six);
}

static void gzip_headers_may_carry_a_name(void **state)
{
    (void)state;
    require(KCI_CODEC_GZIP);
    struct kci_writer w = pack(KCI_CODEC_GZIP, KCI_LEVEL_DEFAULT, "hello", 5), named = kci_writer_of(&heap, 1000);
    kci_writer_bytes(&named, w.data, 10);
    named.data[3] = 0x08; /* FNAME */
    kci_writer_bytes(&named, "records.bin", 12);
    kci_writer_bytes(&named, w.data + 10, w.size - 10);
    assert_int_equal(unpack(KCI_CODEC_GZIP, named.data, named.size, "hello"), KCI_COMPRESS_OK);
    kci_writer_destroy(&w);
    kci_writer_destroy(&named);
}

/* Levels out of range are those at the end of the range. */
static void levels_are_clamped(void **state)
{
    static const int32_t levels[] = { INT32_MIN + 1, -200000, -1, 0, 3, 9, 17, 22, 1000, INT32_MAX };
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++)
        for (size_t i = 0; i < sizeof levels / sizeof *levels && kci_codec_built_in(codec); i++) {
            struct kci_writer w = pack(codec, levels[i], "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32);
            assert_int_equal(unpack(codec, w.data, w.size, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), KCI_COMPRESS_OK);
            kci_writer_destroy(&w);
        }
}

/* The size at the end of a member is a hint: 4 GiB behind a few bytes cost no memory, and are no error either, since
 * members may follow each other. */
static void gzip_sizes_are_not_believed(void **state)
{
    (void)state;
    require(KCI_CODEC_GZIP);
    struct kci_writer w = pack(KCI_CODEC_GZIP, KCI_LEVEL_DEFAULT, "hello", 5);
    kci_writer_bytes(&w, "\xff\xff\xff\x7f", 4); /* what follows the last member is not looked at, but as a hint */
    memory.largest = 0;
    assert_int_equal(unpack(KCI_CODEC_GZIP, w.data, w.size, "hello"), KCI_COMPRESS_OK);
    assert_true(memory.largest < 100 << 10);
    kci_writer_destroy(&w);
}

/* ---- snappy ---- */

#define XERIAL "\x82SNAPPY\0\0\0\0\1\0\0\0\1"

static void snappy_is_written_in_blocks_of_32_kib(void **state)
{
    static char data[70000];
    (void)state;
    require(KCI_CODEC_SNAPPY);
    struct kci_writer w = pack(KCI_CODEC_SNAPPY, KCI_LEVEL_DEFAULT, data, sizeof data);
    struct kci_reader r = kci_reader_of(w.data, w.size);
    static const size_t sizes[] = { 32768, 32768, 70000 - 65536 };
    assert_memory_equal(kci_reader_take(&r, 16), XERIAL, 16);
    for (int i = 0; i < 3; i++) {
        int32_t size = kci_reader_i32(&r);
        struct kci_reader block = kci_reader_of(kci_reader_take(&r, (size_t)size), (size_t)size);
        assert_int_equal(kci_reader_uvarint(&block), sizes[i]); /* a snappy block begins with its plain size */
    }
    assert_true(!r.failed && kci_reader_left(&r) == 0);
    kci_writer_destroy(&w);
}

/* "hello" as a snappy block: plain size 5, then a literal of 5 bytes. */
#define HELLO "\x05\x10hello"

static void snappy_is_read_with_and_without_frame(void **state)
{
    (void)state;
    require(KCI_CODEC_SNAPPY);
    static const char framed[] = XERIAL "\0\0\0\7" HELLO, joined[] = XERIAL "\0\0\0\7" HELLO XERIAL "\0\0\0\7" HELLO;
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, HELLO, 7, "hello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, framed, sizeof framed - 1, "hello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, joined, sizeof joined - 1, "hellohello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, framed, 16, ""), KCI_COMPRESS_OK);
}

/* Sizes that lie: of a block in the frame, and of the plain bytes in a block. */
static void snappy_sizes_are_checked(void **state)
{
    (void)state;
    require(KCI_CODEC_SNAPPY);
    static const char negative[] = XERIAL "\xff\xff\xff\xff" HELLO, beyond[] = XERIAL "\0\0\0\x08" HELLO,
                      empty[] = XERIAL "\0\0\0\0", four_gib[] = XERIAL "\0\0\0\x06\xff\xff\xff\xff\x0f\0";
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, negative, sizeof negative - 1, ""), KCI_COMPRESS_CORRUPT);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, beyond, sizeof beyond - 1, ""), KCI_COMPRESS_CORRUPT);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, empty, sizeof empty - 1, ""), KCI_COMPRESS_CORRUPT);
    size_t before = memory.count;
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, four_gib, sizeof four_gib - 1, ""), KCI_COMPRESS_CORRUPT);
    assert_int_equal(unpack(KCI_CODEC_SNAPPY, "\xff\xff\xff\x07hello", 9, ""), KCI_COMPRESS_CORRUPT);
    assert_int_equal(memory.count, before); /* nothing was allocated for them */
}

/* ---- lz4 ---- */

/* A frame around one stored block "hello", from a descriptor; hc < 0: the right one. */
static size_t lz4_frame(uint8_t *out, uint8_t flg, uint8_t bd, int hc, const char *extra)
{
    struct kci_writer w = kci_writer_fixed(out, 100);
    kci_writer_bytes(&w, "\x04\x22\x4d\x18", 4);
    kci_writer_i8(&w, (int8_t)flg);
    kci_writer_i8(&w, (int8_t)bd);
    if (flg & 8)
        kci_writer_bytes(&w, "\5\0\0\0\0\0\0\0", 8);
    kci_writer_i8(&w, (int8_t)(hc < 0 ? (int)(kci_xxh32(out + 4, w.size - 4) >> 8) : hc));
    kci_writer_bytes(&w, "\5\0\0\x80hello", 9);
    if (flg & 16) {
        uint32_t sum = kci_xxh32("hello", 5);
        for (int i = 0; i < 4; i++)
            kci_writer_i8(&w, (int8_t)(sum >> 8 * i));
    }
    kci_writer_bytes(&w, "\0\0\0\0", 4);
    kci_writer_bytes(&w, extra, strlen(extra));
    return w.size;
}

static void lz4_is_written_as_java_writes_it(void **state)
{
    static uint8_t data[100000];
    (void)state;
    require(KCI_CODEC_LZ4);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 3 ^ i >> 5);
    struct kci_writer w = pack(KCI_CODEC_LZ4, KCI_LEVEL_DEFAULT, data, sizeof data);
    assert_memory_equal(w.data, "\x04\x22\x4d\x18\x60\x40\x82", 7);
    assert_memory_equal(w.data + w.size - 4, "\0\0\0\0", 4);
    kci_writer_destroy(&w);
    w = pack(KCI_CODEC_LZ4, KCI_LEVEL_DEFAULT, "tiny", 4); /* does not shrink: stored */
    assert_memory_equal(w.data + 7, "\4\0\0\x80tiny\0\0\0\0", 12);
    kci_writer_destroy(&w);
}

static void lz4_descriptors_are_checked(void **state)
{
    uint8_t f[100];
    (void)state;
    require(KCI_CODEC_LZ4);
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x60, 0x40, -1, ""), "hello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x60, 0x70, -1, ""), "hello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x68, 0x40, -1, ""), "hello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x70, 0x40, -1, ""), "hello"), KCI_COMPRESS_OK);
    /* a content checksum, and whatever follows the frame, is not looked at */
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x64, 0x40, -1, "abcdefg"), "hello"), KCI_COMPRESS_OK);
    /* dependent blocks, another version, reserved bits, a dictionary, block sizes that do not exist */
    static const uint8_t bad[][2] = { { 0x40, 0x40 }, { 0xa0, 0x40 }, { 0x20, 0x40 }, { 0x62, 0x40 },
                                      { 0x61, 0x40 }, { 0x60, 0x30 }, { 0x60, 0xc0 }, { 0x60, 0x41 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, bad[i][0], bad[i][1], -1, ""), ""),
                         KCI_COMPRESS_CORRUPT);
}

/* The checksum of the descriptor must be right, or wrong in the one way of the oldest message format. */
static void lz4_header_checksums_are_checked(void **state)
{
    uint8_t f[100];
    (void)state;
    require(KCI_CODEC_LZ4);
    int over_magic_too = (int)(kci_xxh32("\x04\x22\x4d\x18\x60\x40", 6) >> 8 & 0xff);
    for (int hc = 0; hc < 256; hc++) {
        int expected = hc == 0x82 || hc == over_magic_too ? KCI_COMPRESS_OK : KCI_COMPRESS_CORRUPT;
        assert_int_equal(unpack(KCI_CODEC_LZ4, f, lz4_frame(f, 0x60, 0x40, hc, ""), "hello"), expected);
    }
}

static void lz4_blocks_are_checked(void **state)
{
    uint8_t f[100];
    (void)state;
    require(KCI_CODEC_LZ4);
    size_t size = lz4_frame(f, 0x70, 0x40, -1, "");
    f[12] ^= 1; /* a byte of the block: its checksum notices */
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, size, ""), KCI_COMPRESS_CORRUPT);
    size = lz4_frame(f, 0x60, 0x40, -1, "");
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, size - 4, ""), KCI_COMPRESS_CORRUPT); /* no end mark */
    memcpy(f + 7, "\0\0\0\x80\0\0\0\0", 8); /* a stored block of no bytes, and no other */
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, 15, ""), KCI_COMPRESS_OK);
}

/* Frames may announce blocks of 4 MiB; memory is taken for what the bytes of a block can unfold to. */
static void lz4_block_sizes_cost_no_memory(void **state)
{
    uint8_t f[100];
    (void)state;
    require(KCI_CODEC_LZ4);
    size_t size = lz4_frame(f, 0x60, 0x70, -1, "");
    memcpy(f + 7, "\6\0\0\0\x50hello", 10); /* one block of a literal run */
    memset(f + 17, 0, 4);
    assert_true(size <= 21);
    assert_int_equal(unpack(KCI_CODEC_LZ4, f, 21, "hello"), KCI_COMPRESS_OK);
    assert_true(memory.largest <= 6 * 255);
}

/* A block larger than its frame announces. */
static void lz4_blocks_keep_to_the_size_of_the_frame(void **state)
{
    static uint8_t f[100000], big[65537];
    (void)state;
    require(KCI_CODEC_LZ4);
    memset(big, 'x', sizeof big);
    for (uint8_t bd = 0x40; bd < 0x60; bd += 0x10) {
        lz4_frame(f, 0x60, bd, -1, "");
        memcpy(f + 7, "\1\0\1\x80", 4); /* 65,537 bytes, stored */
        memcpy(f + 11, big, sizeof big);
        memset(f + 11 + sizeof big, 0, 4);
        uint8_t *plain = NULL;
        size_t got;
        assert_int_equal(kci_decompress(NULL, KCI_CODEC_LZ4, f, 15 + sizeof big, &heap, 1 << 20, &plain, &got),
                         bd == 0x40 ? KCI_COMPRESS_CORRUPT : KCI_COMPRESS_OK);
        kci_alloc_free(&heap, plain);
    }
}

/* ---- zstd ---- */

/* A frame of one raw block "hello": magic, descriptor (single segment, 1 byte of content size), size, block header. */
#define ZSTD_HELLO "\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello"
/* The same without content size, demanding a window of 128 MiB. */
#define ZSTD_WINDOW "\x28\xb5\x2f\xfd\0\x88\x29\0\0hello"

static void zstd_frames_may_follow_each_other(void **state)
{
    static const char frames[] = ZSTD_HELLO "\x50\x2a\x4d\x18\3\0\0\0xyz" ZSTD_WINDOW;
    (void)state;
    require(KCI_CODEC_ZSTD);
    assert_int_equal(unpack(KCI_CODEC_ZSTD, frames, sizeof frames - 1, "hellohello"), KCI_COMPRESS_OK);
    assert_int_equal(unpack(KCI_CODEC_ZSTD, frames, sizeof frames - 2, ""), KCI_COMPRESS_CORRUPT);
    struct kci_writer w = pack(KCI_CODEC_ZSTD, KCI_LEVEL_DEFAULT, "hello", 5);
    assert_memory_equal(w.data, "\x28\xb5\x2f\xfd", 4);
    kci_writer_destroy(&w);
}

/* A window of 128 MiB is only a promise of the writer; it costs nothing here. */
static void zstd_windows_cost_no_memory(void **state)
{
    (void)state;
    require(KCI_CODEC_ZSTD);
    assert_int_equal(unpack(KCI_CODEC_ZSTD, ZSTD_WINDOW, sizeof ZSTD_WINDOW - 1, "hello"), KCI_COMPRESS_OK);
    assert_true(memory.peak_bytes < 600 << 10);
}

/* A content size of 2^62 bytes over 5 bytes of content. */
static void zstd_content_sizes_are_not_believed(void **state)
{
    static const char lie[] = "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x40\x29\0\0hello";
    (void)state;
    require(KCI_CODEC_ZSTD);
    assert_int_equal(unpack(KCI_CODEC_ZSTD, lie, sizeof lie - 1, ""), KCI_COMPRESS_CORRUPT);
    assert_true(memory.largest < 1 << 20);
    static const char small[] = "\x28\xb5\x2f\xfd\x20\x04\x29\0\0hello";
    assert_int_equal(unpack(KCI_CODEC_ZSTD, small, sizeof small - 1, ""), KCI_COMPRESS_CORRUPT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, counted_heap_setup, nothing_leaked)
    const struct CMUnitTest tests[] = {
        TEST(gzip_members_may_follow_each_other),
        TEST(gzip_without_a_level),
        TEST(gzip_headers_may_carry_a_name),
        TEST(gzip_sizes_are_not_believed),
        TEST(levels_are_clamped),
        TEST(snappy_is_written_in_blocks_of_32_kib),
        TEST(snappy_is_read_with_and_without_frame),
        TEST(snappy_sizes_are_checked),
        TEST(lz4_is_written_as_java_writes_it),
        TEST(lz4_descriptors_are_checked),
        TEST(lz4_header_checksums_are_checked),
        TEST(lz4_blocks_are_checked),
        TEST(lz4_block_sizes_cost_no_memory),
        TEST(lz4_blocks_keep_to_the_size_of_the_frame),
        TEST(zstd_frames_may_follow_each_other),
        TEST(zstd_windows_cost_no_memory),
        TEST(zstd_content_sizes_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
