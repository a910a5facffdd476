/* What holds for every codec: what goes in comes out, budgets are kept, broken input is an error, memory may end
 * anywhere. What is particular to one format stands in compress_formats_test.c. */
#include "protocol/compress.h"

#include "base/prng.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#define EACH_CODEC(codec) for (int codec = KCI_CODEC_NONE; codec < KCI_CODEC_COUNT; codec++)

enum content { ZEROS, NOISE, TEXT, CONTENTS };

static uint8_t *make(enum content content, size_t size)
{
    static const char words[] = "offset partition topic record batch broker leader epoch ";
    uint8_t *data = malloc(size + 1);
    struct kci_prng prng;
    kci_prng_seed(&prng, size);
    for (size_t i = 0; i < size; i++)
        data[i] = content == ZEROS   ? 0
                  : content == NOISE ? (uint8_t)kci_prng_next(&prng)
                                     : (uint8_t)words[(i + kci_prng_below(&prng, 3)) % (sizeof words - 1)];
    return data;
}

/* One compressed form of `size` bytes, in memory of alloc. */
static struct kci_writer pack(const struct kci_alloc *alloc, int codec, const uint8_t *data, size_t size)
{
    struct kci_writer w = kci_writer_of(alloc, (size_t)1 << 30);
    struct kci_compressor *c = kci_compressor_new(alloc);
    assert_int_equal(kci_compress(c, codec, KCI_LEVEL_DEFAULT, &(struct kci_iov){ data, size }, 1, &w),
                     KCI_COMPRESS_OK);
    kci_compressor_destroy(c);
    return w;
}

static void codecs_have_kafkas_names(void **state)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    (void)state;
    EACH_CODEC(codec)
    {
        assert_string_equal(kci_codec_name(codec), names[codec]);
        assert_int_equal(kci_codec_of(kci_str_of(names[codec])), codec);
    }
    assert_string_equal(kci_codec_name(5), "unknown");
    assert_string_equal(kci_codec_name(-1), "unknown");
    assert_int_equal(kci_codec_of(kci_str_of("lz")), -1);
    assert_int_equal(kci_codec_of(kci_str_of(NULL)), -1);
    assert_true(kci_codec_built_in(KCI_CODEC_NONE));
    assert_false(kci_codec_built_in(5));
    assert_false(kci_codec_built_in(-1));
}

/* Sizes around the blocks of the formats, all kinds of content, in one piece and in many, at several levels, with one
 * compressor for all: and always exactly within the budget. */
static void everything_comes_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 60, 1000, 32767, 32768, 32769, 65535, 65536, 65537, 200000, 1 << 20 };
    static const int32_t levels[] = { KCI_LEVEL_DEFAULT, 1, 12 };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_compressor *c = kci_compressor_new(&alloc);
    struct kci_iov pieces[70];
    (void)state;
    EACH_CODEC(codec)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < CONTENTS; kind++)
            for (int level = 0; level < (sizes[s] < 100000 ? 3 : 1); level++) {
                size_t size = sizes[s], count = 0, at = 0;
                uint8_t *data = make((enum content)kind, size), *plain;
                struct kci_writer w = kci_writer_of(&alloc, (size_t)1 << 30);
                if (!kci_codec_built_in(codec))
                    continue;
                kci_writer_bytes(&w, "before", 6);
                for (size_t step = level == 0 ? size : size / 60 + 1; at < size; at += pieces[count++].size)
                    pieces[count] = (struct kci_iov){ data + at, size - at < step ? size - at : step };
                pieces[count++] = (struct kci_iov){ NULL, 0 }; /* an empty piece is nothing special */
                assert_int_equal(kci_compress(c, codec, levels[level], pieces, count, &w), KCI_COMPRESS_OK);
                assert_memory_equal(w.data, "before", 6);
                assert_int_equal(
                    kci_decompress(kind == ZEROS ? NULL : c, codec, w.data + 6, w.size - 6, &alloc, size, &plain, &at),
                    KCI_COMPRESS_OK);
                assert_int_equal(at, size);
                assert_memory_equal(plain, data, size);
                kci_alloc_free(&alloc, plain);
                kci_writer_destroy(&w);
                free(data);
            }
    kci_compressor_destroy(c);
    kci_compressor_destroy(NULL);
    assert_int_equal(memory.live_blocks, 0);
}

/* One byte less than needed is too little, whatever the codec knew beforehand. */
static void the_budget_is_exact(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    EACH_CODEC(codec)
    for (size_t size = 1; size < 300000; size = size * 5 + 1)
        for (int kind = 0; kind < CONTENTS && kci_codec_built_in(codec); kind++) {
            uint8_t *data = make((enum content)kind, size), *plain = NULL;
            struct kci_writer w = pack(&alloc, codec, data, size);
            size_t got = 0;
            assert_int_equal(kci_decompress(NULL, codec, w.data, w.size, &alloc, size - 1, &plain, &got),
                             KCI_COMPRESS_TOO_LARGE);
            assert_int_equal(kci_decompress(NULL, codec, w.data, w.size, &alloc, 0, &plain, &got),
                             KCI_COMPRESS_TOO_LARGE);
            assert_null(plain);
            kci_writer_destroy(&w);
            free(data);
        }
    assert_int_equal(memory.live_blocks, 0);
}

/* 64 MiB of zeros fit in few bytes. With a budget of 1 MiB they cost 1 MiB and the library's contexts, not more. */
static void bombs_cost_their_budget_at_most(void **state)
{
    enum { BOMB = 64 << 20, BUDGET = 1 << 20, CONTEXTS = 256 << 10 };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    uint8_t *data = calloc(1, BOMB), *plain;
    size_t got;
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_writer w = pack(&alloc, codec, data, BOMB);
        size_t before = memory.live_bytes;
        memory.peak_bytes = memory.live_bytes;
        assert_true(w.size < BOMB / 15);
        assert_int_equal(kci_decompress(NULL, codec, w.data, w.size, &alloc, BUDGET, &plain, &got),
                         KCI_COMPRESS_TOO_LARGE);
        assert_int_equal(memory.live_bytes, before);
        assert_true(memory.peak_bytes - before <= 2 * BUDGET + CONTEXTS); /* 2: growing copies the block once */
        assert_true(memory.largest >= BUDGET || codec == KCI_CODEC_SNAPPY);
        kci_writer_destroy(&w);
        memory.largest = 0;
    }
    free(data);
    assert_int_equal(memory.live_blocks, 0);
}

/* Cut anywhere, it is an error or, where the format has no end mark, less: never more, never a crash. */
static void cut_input_is_never_the_whole(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++)
        for (int kind = 0; kind < CONTENTS && kci_codec_built_in(codec); kind++) {
            size_t size = 1500, got, at_block_end = 0;
            uint8_t *data = make((enum content)kind, size), *plain;
            struct kci_writer w = pack(&alloc, codec, data, size);
            for (size_t cut = 0; cut < w.size; cut++) {
                uint8_t *copy = memcpy(malloc(cut + 1), w.data, cut); /* so that a sanitizer sees an overrun */
                enum kci_compress_result result = kci_decompress(NULL, codec, copy, cut, &alloc, 1 << 20, &plain, &got);
                if (result == KCI_COMPRESS_OK) {
                    assert_int_equal(got, 0);
                    at_block_end++;
                    kci_alloc_free(&alloc, plain);
                } else {
                    assert_int_equal(result, KCI_COMPRESS_CORRUPT);
                }
                free(copy);
            }
            assert_int_equal(at_block_end, codec == KCI_CODEC_SNAPPY || codec == KCI_CODEC_ZSTD ? 1 : 0);
            kci_writer_destroy(&w);
            free(data);
        }
    assert_int_equal(memory.live_blocks, 0);
}

/* Any byte replaced by any of several others: nothing worse than an error or other bytes, within the budget; and the
 * contexts work on afterwards. */
static void damaged_input_does_no_harm(void **state)
{
    enum { SIZE = 700, BUDGET = 100000 };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_compressor *c = kci_compressor_new(&alloc);
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++) {
        uint8_t *data = make(TEXT, SIZE), *plain;
        size_t got, errors = 0;
        if (!kci_codec_built_in(codec))
            continue;
        struct kci_writer w = pack(&alloc, codec, data, SIZE);
        for (size_t at = 0; at < w.size; at++) {
            static const uint8_t masks[] = { 0x01, 0x10, 0x80, 0xff };
            for (size_t i = 0; i < sizeof masks; i++) {
                w.data[at] ^= masks[i];
                enum kci_compress_result result =
                    kci_decompress(c, codec, w.data, w.size, &alloc, BUDGET, &plain, &got);
                w.data[at] ^= masks[i];
                errors += result != KCI_COMPRESS_OK ? 1 : 0;
                if (result == KCI_COMPRESS_OK) {
                    assert_true(got <= BUDGET);
                    kci_alloc_free(&alloc, plain);
                }
            }
        }
        assert_true(errors > w.size / 4);
        assert_int_equal(kci_decompress(c, codec, w.data, w.size, &alloc, BUDGET, &plain, &got), KCI_COMPRESS_OK);
        assert_memory_equal(plain, data, SIZE);
        kci_alloc_free(&alloc, plain);
        kci_writer_destroy(&w);
        free(data);
    }
    kci_compressor_destroy(c);
    assert_int_equal(memory.live_blocks, 0);
}

/* Allocation n fails, for all n: an error, the writer keeps what it had, nothing leaks. */
static void out_of_memory_is_an_error(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    uint8_t *data = make(TEXT, 100000);
    (void)state;
    EACH_CODEC(codec)
    for (int32_t level = 9; kci_codec_built_in(codec) && level < 11; level++) /* lz4: both of its compressors */
        TEST_ALLOC_EACH_FAILURE(&memory)
        {
            struct kci_iov pieces[] = { { data, 50000 }, { data + 50000, 50000 } };
            struct kci_writer w = kci_writer_of(&alloc, (size_t)1 << 30);
            struct kci_compressor *c = kci_compressor_new(&alloc);
            enum kci_compress_result packed = KCI_COMPRESS_NO_MEMORY, unpacked = KCI_COMPRESS_NO_MEMORY;
            uint8_t *plain;
            size_t got;
            if (c)
                packed = kci_compress(c, codec, level, pieces, 2, &w);
            assert_true(packed == KCI_COMPRESS_OK || (packed == KCI_COMPRESS_NO_MEMORY && w.size == 0));
            if (packed == KCI_COMPRESS_OK)
                unpacked = kci_decompress(c, codec, w.data, w.size, &alloc, 100000, &plain, &got);
            if (unpacked == KCI_COMPRESS_OK) {
                assert_memory_equal(plain, data, 100000);
                kci_alloc_free(&alloc, plain);
            }
            assert_true(unpacked == KCI_COMPRESS_OK || unpacked == KCI_COMPRESS_NO_MEMORY);
            kci_compressor_destroy(c);
            kci_writer_destroy(&w);
        }
    free(data);
}

/* What does not fit the writer is refused; the writer has failed and keeps its old bytes. */
static void a_full_writer_is_too_large(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_compressor *c = kci_compressor_new(&alloc);
    uint8_t *data = make(NOISE, 100000), buffer[5000];
    (void)state;
    EACH_CODEC(codec)
    for (int fixed = 0; fixed < 2 && kci_codec_built_in(codec); fixed++) {
        struct kci_writer w = fixed ? kci_writer_fixed(buffer, sizeof buffer) : kci_writer_of(&alloc, 5000);
        kci_writer_bytes(&w, "before", 6);
        assert_int_equal(kci_compress(c, codec, KCI_LEVEL_DEFAULT, &(struct kci_iov){ data, 100000 }, 1, &w),
                         KCI_COMPRESS_TOO_LARGE);
        assert_true(w.failed && w.size == 6);
        assert_memory_equal(w.data, "before", 6);
        assert_true(kci_compress(c, codec, KCI_LEVEL_DEFAULT, NULL, 0, &w) != KCI_COMPRESS_OK);
        kci_writer_destroy(&w);
    }
    kci_compressor_destroy(c);
    free(data);
    assert_int_equal(memory.live_blocks, 0);
}

static void unknown_codecs_and_impossible_sizes_are_refused(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_writer w = kci_writer_of(&alloc, 100);
    struct kci_compressor *c = kci_compressor_new(&alloc);
    struct kci_iov huge[] = { { NULL, INT32_MAX }, { NULL, 1 } };
    uint8_t *plain;
    size_t got;
    (void)state;
    assert_int_equal(kci_compress(c, 5, 1, NULL, 0, &w), KCI_COMPRESS_UNKNOWN);
    assert_int_equal(kci_decompress(c, 7, NULL, 0, &alloc, 1, &plain, &got), KCI_COMPRESS_UNKNOWN);
    assert_int_equal(kci_compress(c, KCI_CODEC_NONE, 1, huge, 2, &w), KCI_COMPRESS_TOO_LARGE);
    assert_int_equal(kci_decompress(c, KCI_CODEC_NONE, (uint8_t *)"", (size_t)INT32_MAX + 1, &alloc, 1, &plain, &got),
                     KCI_COMPRESS_CORRUPT);
    kci_compressor_destroy(c);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_have_kafkas_names),
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(the_budget_is_exact),
        cmocka_unit_test(bombs_cost_their_budget_at_most),
        cmocka_unit_test(cut_input_is_never_the_whole),
        cmocka_unit_test(damaged_input_does_no_harm),
        cmocka_unit_test(out_of_memory_is_an_error),
        cmocka_unit_test(a_full_writer_is_too_large),
        cmocka_unit_test(unknown_codecs_and_impossible_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
