/* Batches that the Java client (3.9.1) wrote, of every format with every codec: we read in them what it was told to
 * write. Each holds three records from offset 500 on:
 *
 *      | offset | timestamp | key    | value                      | headers (v2 only)         |
 *      |    500 |    100000 | null   | "a value, a value, a value" | "trace" = "abc", "n" null |
 *      |    501 |    100007 | "key1" | null                       |                           |
 *      |    502 |     99000 | ""     | ""                         |                           | */
#include "protocol/records.h"

#include "support/records.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static const struct {
    int8_t magic;
    int codec;
    const char *hex;
} batches[] = {
    { 0, KCI_CODEC_NONE,
      "00000000000001f400000027d711f09b0000ffffffff00000019612076616c75652c20612076616c75652c20612076616c756500000000"
      "000001f500000012b68f1ab80000000000046b657931ffffffff00000000000001f60000000ee38a687600000000000000000000" },
    { 0, KCI_CODEC_GZIP,
      "00000000000001f6000000610c86cc050001ffffffff000000531f8b08000000000000ff63600001c62f4042fdbae087d90c0cff8100c8"
      "934c54284bcc294dd55140673040b47c051242dbfaa57680b92cd9a9958650ad20d96f4082ef71574619031c000021d6aca96b000000" },
    { 0, KCI_CODEC_SNAPPY,
      "00000000000001f6000000782e0ddb1d0002ffffffff0000006a82534e41505059000000000100000001000000566b000005017001f400"
      "000027d711f09b0000ffffffff00000019612076616c75652c203e09000532280001f500000012b68f1ab8051010046b6579310d3b5800"
      "000001f60000000ee38a687600000000000000000000" },
    { 0, KCI_CODEC_LZ4,
      "00000000000001f6000000734b8e80cf0003ffffffff0000006504224d1860401a5600000011000100fc0e01f400000027d711f09b0000"
      "ffffffff00000019612076616c75652c200900013200b10001f500000012b68f1ab8100053046b6579313b00001e00f004f60000000ee3"
      "8a68760000000000000000000000000000" },
    { 1, KCI_CODEC_NONE,
      "00000000000001f40000002f97388404010000000000000186a0ffffffff00000019612076616c75652c20612076616c75652c20612076"
      "616c756500000000000001f50000001a7418a159010000000000000186a7000000046b657931ffffffff00000000000001f60000001658"
      "8b1dd5010000000000000182b80000000000000000" },
    { 1, KCI_CODEC_GZIP,
      "00000000000001f60000006dc0e7b66d010100000000000186a7ffffffff000000571f8b08000000000000ff63608003fde9162d2c8c10"
      "3663db82ff40006449262a9425e694a6ea28a033a0da403aa44a241646c2b52e07922cd9a99586502340800988c522ba65afc25435ed80"
      "d90b00aa32c6e083000000" },
    { 1, KCI_CODEC_SNAPPY,
      "00000000000001f600000089aa240677010200000000000186a7ffffffff0000007382534e415050590000000001000000010000005f83"
      "0100001901142f973884040109104c0186a0ffffffff00000019612076616c75652c203e0900092a00000132101a7418a1590109340000"
      "000186a7000000046b6579310d430101200200000016588b1dd511262482b80000000000000000" },
    { 1, KCI_CODEC_LZ4,
      "00000000000001f600000083acdbb0c9010300000000000186a7ffffffff0000006d04224d186040825e00000016000100622f97388404"
      "011000fc050186a0ffffffff00000019612076616c75652c200900022a0010003200501a7418a1590900001000a386a7000000046b6579"
      "314300000200940200000016588b1dd52600a082b8000000000000000000000000" },
    { 2, KCI_CODEC_NONE,
      "00000000000001f4000000710000000402f313eb4c00000000000200000000000186a000000000000186a7ffffffffffffffffffffffff"
      "ffff00000003580000000132612076616c75652c20612076616c75652c20612076616c7565040a747261636506616263026e0114000e02"
      "086b65793101000e00cf0f04000000" },
    { 2, KCI_CODEC_GZIP,
      "00000000000001f400000076000000040272243f3300010000000200000000000186a000000000000186a7ffffffffffffffffffffffff"
      "ffff000000031f8b08000000000000ff8b60606060344a54284bcc294dd5514067b07095142526a7b225262533e5318a30f0317164a756"
      "1a3232f0319ce76701ea0500d8a5b4e640000000" },
    { 2, KCI_CODEC_SNAPPY,
      "00000000000001f40000007b0000000402558131f600020000000200000000000186a000000000000186a7ffffffffffffffffffffffff"
      "ffff0000000382534e41505059000000000100000001000000364038580000000132612076616c75652c203e090080040a747261636506"
      "616263026e0114000e02086b65793101000e00cf0f04000000" },
    { 2, KCI_CODEC_LZ4,
      "00000000000001f400000076000000040200f62f1c00030000000200000000000186a000000000000186a7ffffffffffffffffffffffff"
      "ffff0000000304224d1860408236000000fc00580000000132612076616c75652c200900f012040a747261636506616263026e0114000e"
      "02086b65793101000e00cf0f0400000000000000" },
    { 2, KCI_CODEC_ZSTD,
      "00000000000001f4000000740000000402832ad53000040000000200000000000186a000000000000186a7ffffffffffffffffffffffff"
      "ffff0000000328b52ffd0058bc01000403580000000132612076616c75652c20040a747261636506616263026e0114000e02086b657931"
      "01000e00cf0f040000000100444a1d010000" },
};

static void assert_bytes(struct kci_bytes actual, const char *expected)
{
    assert_int_equal(actual.data == NULL, expected == NULL);
    assert_int_equal(actual.size, expected ? strlen(expected) : 0);
    if (actual.size)
        assert_memory_equal(actual.data, expected, actual.size);
}

static void assert_headers(struct kci_record_view *view, int count)
{
    struct kci_str name;
    struct kci_bytes value;
    assert_int_equal(view->header_count, count);
    if (count) {
        assert_true(kci_record_header_next(&view->headers, &name, &value));
        assert_true(kci_str_equal(name, kci_str_of("trace")));
        assert_bytes(value, "abc");
        assert_true(kci_record_header_next(&view->headers, &name, &value));
        assert_true(kci_str_equal(name, kci_str_of("n")));
        assert_bytes(value, NULL);
    }
    assert_false(kci_record_header_next(&view->headers, &name, &value));
}

static void what_java_wrote_is_what_we_read(void **state)
{
    static const char *const keys[] = { NULL, "key1", "" }, *const values[] = { "a value, a value, a value", NULL, "" };
    static const int64_t timestamps[] = { 100000, 100007, 99000 };
    struct test_alloc memory = { 0 };
    struct kci_alloc heap = test_alloc_counting(&memory);
    (void)state;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        size_t size, total;
        int64_t seen = 0;
        uint8_t *data = test_from_hex(batches[i].hex, &size);
        struct kci_reader r = kci_reader_of(data, size);
        struct kci_batch_header header;
        struct kci_batch_iterator it;
        struct kci_record_view view;
        if (!kci_codec_built_in(batches[i].codec)) {
            free(data);
            continue;
        }
        while (kci_batch_peek(&r, &header, &total) ==
               KCI_BATCH_OK) { /* v0 and v1 without codec: a batch for each record */
            assert_int_equal(header.magic, batches[i].magic);
            assert_int_equal(header.attributes & KCI_BATCH_CODEC_MASK, batches[i].codec);
            assert_true(kci_batch_crc_ok(r.at, total));
            assert_int_equal(kci_batch_open(&it, r.at, total, &heap, 10000), KCI_BATCH_OK);
            for (; kci_batch_next(&it, &view) > 0; seen++) {
                assert_true(view.offset == 500 + seen);
                assert_true(view.timestamp_ms == (header.magic ? timestamps[seen] : -1));
                assert_bytes(view.key, keys[seen]);
                assert_bytes(view.value, values[seen]);
                assert_headers(&view, header.magic == 2 && seen == 0 ? 2 : 0);
            }
            assert_false(it.failed);
            kci_batch_close(&it);
            kci_reader_take(&r, total);
        }
        assert_int_equal(seen, 3);
        assert_int_equal(kci_reader_left(&r), 0);
        free(data);
    }
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_java_wrote_is_what_we_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
