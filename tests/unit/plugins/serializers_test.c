/* Java's formats: the bytes that its serializers write, and back again; what does not fit is refused. */
#include "plugins/serializers.h"
#include "plugins/utf8.h"
#include "producer/plug.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <kclient/serializer.h>
#include <math.h>

/* What the serializer makes of an object in memory must be these bytes. */
static void expect_bytes(enum kci_format format, const void *object, size_t size, const char *bytes, size_t byte_count)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    kc_serializer serializer = kci_serializers_of(format);
    struct kc_buffer out = { kci_writer_of(&alloc, 1000) };
    assert_int_equal(serializer.serialize(NULL, "t", (kc_bytes){ object, size }, &out), KC_OK);
    assert_int_equal(out.writer.size, byte_count);
    assert_memory_equal(out.writer.data, bytes, byte_count);
    kci_writer_destroy(&out.writer);
}
#define EXPECT(format, object, bytes) expect_bytes(format, &(object), sizeof(object), bytes, sizeof(bytes) - 1)

static void expect_refused(enum kci_format format, const void *object, size_t size)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kc_buffer out = { kci_writer_of(&alloc, 1000) };
    assert_int_equal(kci_serializers_of(format).serialize(NULL, "t", (kc_bytes){ object, size }, &out),
                     KC_ERR_SERIALIZATION);
    assert_int_equal(out.writer.size, 0);
    kci_writer_destroy(&out.writer);
}
#define TEXT(literal) ((kc_bytes){ literal, sizeof(literal) - 1 })

/* The bytes on the left of each pair are what ByteBuffer.putInt and the like write. */
static void numbers_are_big_endian(void **state)
{
    int16_t two = -2;
    int32_t four = 0x01020304;
    int64_t eight = INT64_MIN;
    float single = 1.5f;
    double wide = -0.1;
    (void)state;
    EXPECT(KCI_FORMAT_SHORT, two, "\xff\xfe");
    EXPECT(KCI_FORMAT_INTEGER, four, "\x01\x02\x03\x04");
    EXPECT(KCI_FORMAT_LONG, eight, "\x80\0\0\0\0\0\0\0");
    EXPECT(KCI_FORMAT_FLOAT, single, "\x3f\xc0\0\0");
    EXPECT(KCI_FORMAT_DOUBLE, wide, "\xbf\xb9\x99\x99\x99\x99\x99\x9a");
    two = 0, four = 0, eight = 0, single = 0, wide = 0;
    assert_int_equal(kc_short_from(TEXT("\xff\xfe"), &two), KC_OK);
    assert_int_equal(two, -2);
    assert_int_equal(kc_int32_from(TEXT("\x01\x02\x03\x04"), &four), KC_OK);
    assert_int_equal(four, 0x01020304);
    assert_int_equal(kc_int64_from(TEXT("\x80\0\0\0\0\0\0\0"), &eight), KC_OK);
    assert_int_equal(eight, INT64_MIN);
    assert_int_equal(kc_float_from(TEXT("\x3f\xc0\0\0"), &single), KC_OK);
    assert_true(single == 1.5f);
    assert_int_equal(kc_double_from(TEXT("\xbf\xb9\x99\x99\x99\x99\x99\x9a"), &wide), KC_OK);
    assert_true(wide == -0.1);
    assert_int_equal(kc_float_from(TEXT("\x7f\xc0\0\0"), &single), KC_OK);
    assert_true(isnan(single));
}

/* A long under value.serializer=integer fails in the producer, not in somebody else's consumer; so do bytes of the
 * wrong size on the other side, and nothing is stored. */
static void another_size_is_refused(void **state)
{
    int64_t eight = 7;
    int32_t four = 7;
    double wide = 7;
    (void)state;
    expect_refused(KCI_FORMAT_INTEGER, &eight, 8);
    expect_refused(KCI_FORMAT_LONG, &four, 4);
    expect_refused(KCI_FORMAT_FLOAT, &eight, 8);
    expect_refused(KCI_FORMAT_SHORT, "", 0);
    expect_refused(KCI_FORMAT_UUID, "123e4567-e89b-12d3-a456-426614174000", 36);
    assert_int_equal(kc_int32_from(TEXT("12345"), &four), KC_ERR_SERIALIZATION);
    assert_int_equal(kc_int64_from(TEXT(""), &eight), KC_ERR_SERIALIZATION);
    assert_int_equal(kc_double_from((kc_bytes){ NULL, 0 }, &wide), KC_ERR_SERIALIZATION); /* a tombstone */
    assert_true(four == 7 && eight == 7 && wide == 7);
}

/* Java's UUIDSerializer writes text; upper case is read, too. */
static void uuids_are_text(void **state)
{
    static const char bytes[] = "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\xff";
    uint8_t read[16] = { 0 };
    (void)state;
    expect_bytes(KCI_FORMAT_UUID, bytes, 16, "123e4567-e89b-12d3-a456-4266141740ff", 36);
    assert_int_equal(kc_uuid_from(TEXT("123e4567-e89b-12d3-A456-4266141740FF"), read), KC_OK);
    assert_memory_equal(read, bytes, 16);
    assert_int_equal(kc_uuid_from(TEXT("123e4567-e89b-12d3-a456-4266141740fg"), read), KC_ERR_SERIALIZATION);
    assert_int_equal(kc_uuid_from(TEXT("123e4567xe89b-12d3-a456-4266141740ff"), read), KC_ERR_SERIALIZATION);
    assert_int_equal(kc_uuid_from(TEXT("123e4567-e89b-12d3-a456-4266141740f"), read), KC_ERR_SERIALIZATION);
    assert_memory_equal(read, bytes, 16);
}

/* RFC 3629, at the borders of its table. */
static void strings_must_be_utf8(void **state)
{
    static const char *const good[] = { "",
                                        "plain",
                                        "gr\xc3\xbc\xc3\x9f"
                                        "e",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\xed\x9f\xbf",
                                        "\xf4\x8f\xbf\xbf",
                                        "0123456\xe2\x82\xac"
                                        "0123456789" };
    static const char *const bad[] = { "\x80",
                                       "\xc0\xaf",
                                       "\xc1\xbf",
                                       "\xe0\x9f\xbf",
                                       "\xed\xa0\x80",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xc3",
                                       "\xe2\x82",
                                       "\xf0\x9f\x98",
                                       "\xe2\x28\xa1",
                                       "01234567\xff",
                                       "\xff" };
    char text[16];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(kci_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(kci_utf8_valid(bad[i], strlen(bad[i])));
        expect_refused(KCI_FORMAT_STRING, bad[i], strlen(bad[i]));
    }
    expect_bytes(KCI_FORMAT_STRING, "gr\xc3\xbcn", 5, "gr\xc3\xbcn", 5);
    assert_int_equal(kc_string_from(TEXT("gr\xc3\xbcn"), text, sizeof text), KC_OK);
    assert_string_equal(text, "gr\xc3\xbcn");
    assert_int_equal(kc_string_from(TEXT("0123456789abcdef"), text, sizeof text), KC_ERR_SERIALIZATION);
    assert_int_equal(kc_string_from(TEXT("\xff"), text, sizeof text), KC_ERR_SERIALIZATION);
    assert_string_equal(text, "gr\xc3\xbcn");
}

/* Bytes go through without a function, so they cost nothing. */
static void bytes_need_no_serializer(void **state)
{
    (void)state;
    assert_null(kci_serializers_of(KCI_FORMAT_BYTES).serialize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian),   cmocka_unit_test(another_size_is_refused),
        cmocka_unit_test(uuids_are_text),           cmocka_unit_test(strings_must_be_utf8),
        cmocka_unit_test(bytes_need_no_serializer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
