/* Reading and writing wire bytes: Kafka's own varint vectors, and the sticky failure at every edge. */
#include "base/cursor.h"

#include "support/test_alloc.h"
#include "support/unit.h"

struct vector {
    int64_t value;
    size_t size;
    uint8_t bytes[10];
};

static const struct vector varints[] = {
    { 0, 1, { 0x00 } },
    { -1, 1, { 0x01 } },
    { 1, 1, { 0x02 } },
    { 63, 1, { 0x7e } },
    { -64, 1, { 0x7f } },
    { 64, 2, { 0x80, 0x01 } },
    { -65, 2, { 0x81, 0x01 } },
    { 8191, 2, { 0xfe, 0x7f } },
    { -8192, 2, { 0xff, 0x7f } },
    { 8192, 3, { 0x80, 0x80, 0x01 } },
    { 1048575, 3, { 0xfe, 0xff, 0x7f } },
    { 1048576, 4, { 0x80, 0x80, 0x80, 0x01 } },
    { 134217728, 5, { 0x80, 0x80, 0x80, 0x80, 0x01 } },
    { INT32_MAX, 5, { 0xfe, 0xff, 0xff, 0xff, 0x0f } },
    { INT32_MIN, 5, { 0xff, 0xff, 0xff, 0xff, 0x0f } },
};
static const struct vector varlongs[] = {
    { 17179869184, 6, { 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 } },
    { INT64_MAX, 10, { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 } },
    { INT64_MIN, 10, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 } },
};
static const struct vector uvarints[] = {
    { 63, 1, { 0x3f } },
    { 64, 1, { 0x40 } },
    { 8191, 2, { 0xff, 0x3f } },
    { 8192, 2, { 0x80, 0x40 } },
    { 1048576, 3, { 0x80, 0x80, 0x40 } },
    { INT32_MAX, 5, { 0xff, 0xff, 0xff, 0xff, 0x07 } },
    { UINT32_MAX, 5, { 0xff, 0xff, 0xff, 0xff, 0x0f } },
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void varints_are_those_of_kafka(void **state)
{
    uint8_t buffer[64];
    (void)state;
    for (size_t i = 0; i < COUNT(varints) + COUNT(varlongs); i++) {
        const struct vector *v = i < COUNT(varints) ? &varints[i] : &varlongs[i - COUNT(varints)];
        struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
        struct kci_reader r = kci_reader_of(v->bytes, v->size);
        kci_writer_varlong(&w, v->value);
        assert_int_equal(w.size, v->size);
        assert_memory_equal(buffer, v->bytes, v->size);
        assert_true(kci_reader_varlong(&r) == v->value && !r.failed && kci_reader_left(&r) == 0);
        assert_int_equal(kci_uvarlong_size(kci_zigzag64(v->value)), v->size);
    }
    for (size_t i = 0; i < COUNT(varints); i++) {
        struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
        struct kci_reader r = kci_reader_of(varints[i].bytes, varints[i].size);
        kci_writer_varint(&w, (int32_t)varints[i].value);
        assert_memory_equal(buffer, varints[i].bytes, w.size);
        assert_true(kci_reader_varint(&r) == varints[i].value && !r.failed);
        assert_int_equal(kci_uvarint_size(kci_zigzag32((int32_t)varints[i].value)), varints[i].size);
    }
    for (size_t i = 0; i < COUNT(uvarints); i++) {
        struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
        struct kci_reader r = kci_reader_of(uvarints[i].bytes, uvarints[i].size);
        kci_writer_uvarint(&w, (uint32_t)uvarints[i].value);
        assert_int_equal(w.size, uvarints[i].size);
        assert_memory_equal(buffer, uvarints[i].bytes, w.size);
        assert_true(kci_reader_uvarint(&r) == (uint32_t)uvarints[i].value && !r.failed);
    }
}

/* A varint that is cut anywhere, too long or too large is a failure; padding with zero groups is not. */
static void bad_varints_fail(void **state)
{
    static const uint8_t six[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 };
    static const uint8_t too_large[] = { 0xff, 0xff, 0xff, 0xff, 0x10 };
    static const uint8_t eleven[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 };
    static const uint8_t too_large_long[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    static const uint8_t padded[] = { 0x85, 0x80, 0x80, 0x80, 0x00 };
    struct kci_reader r;
    (void)state;
    for (size_t size = 0; size < 5; size++) {
        r = kci_reader_of(varints[13].bytes, size);
        assert_int_equal(kci_reader_uvarint(&r), 0);
        assert_true(r.failed);
    }
    r = kci_reader_of(six, sizeof six);
    assert_true(kci_reader_uvarint(&r) == 0 && r.failed);
    r = kci_reader_of(too_large, sizeof too_large);
    assert_true(kci_reader_uvarint(&r) == 0 && r.failed);
    r = kci_reader_of(eleven, sizeof eleven);
    assert_true(kci_reader_uvarlong(&r) == 0 && r.failed);
    r = kci_reader_of(too_large_long, sizeof too_large_long);
    assert_true(kci_reader_uvarlong(&r) == 0 && r.failed);
    r = kci_reader_of(padded, sizeof padded);
    assert_true(kci_reader_uvarint(&r) == 5 && !r.failed && kci_reader_left(&r) == 0);
}

static void integers_are_big_endian(void **state)
{
    static const uint8_t bytes[] = { 0xfe, 0x01, 0x02, 0x80, 0x00, 0x00, 0x01, 1, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t buffer[sizeof bytes];
    struct kci_reader r = kci_reader_of(bytes, sizeof bytes);
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    (void)state;
    assert_int_equal(kci_reader_i8(&r), -2);
    assert_int_equal(kci_reader_i16(&r), 0x0102);
    assert_int_equal(kci_reader_i32(&r), INT32_MIN + 1);
    assert_true(kci_reader_i64(&r) == 0x0102030405060708);
    kci_writer_i8(&w, -2);
    kci_writer_i16(&w, 0x0102);
    kci_writer_i32(&w, INT32_MIN + 1);
    kci_writer_i64(&w, 0x0102030405060708);
    assert_false(w.failed);
    assert_memory_equal(buffer, bytes, sizeof bytes);
}

/* After the first failure everything reads as nothing, even what would still fit. */
static void a_failed_reader_stays_failed(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4 };
    struct kci_reader r = kci_reader_of(bytes, sizeof bytes);
    (void)state;
    assert_true(kci_reader_i64(&r) == 0 && r.failed);
    assert_int_equal(kci_reader_i8(&r), 0);
    assert_int_equal(kci_reader_uvarint(&r), 0);
    assert_null(kci_reader_take(&r, 0));
    assert_ptr_equal(r.at, bytes);
}

/* An empty view, also the one of Kafka's null, can be read zero bytes from. */
static void nothing_can_be_taken_from_nothing(void **state)
{
    struct kci_reader r = kci_reader_of(NULL, 0);
    (void)state;
    assert_non_null(kci_reader_take(&r, 0));
    assert_null(kci_reader_take(&r, 1));
    assert_true(r.failed);
    r = kci_reader_of("ab", 2);
    assert_null(kci_reader_take(&r, SIZE_MAX));
}

static void a_writer_grows_up_to_its_limit(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_writer w = kci_writer_of(&alloc, 1000);
    (void)state;
    for (int i = 0; i < 1000; i++)
        kci_writer_i8(&w, (int8_t)i);
    assert_false(w.failed);
    assert_int_equal(w.size, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(w.data[i], (uint8_t)i);
    assert_non_null(kci_writer_room(&w, 0));
    kci_writer_i8(&w, 1);
    assert_true(w.failed);
    assert_int_equal(w.size, 1000);
    assert_null(kci_writer_room(&w, 0));
    assert_true(memory.largest <= 1000);
    kci_writer_destroy(&w);
    assert_int_equal(memory.live_blocks, 0);
    kci_writer_uvarlong(&w, UINT64_MAX);
    assert_true(!w.failed && w.size == 10);
    kci_writer_destroy(&w);
    kci_writer_destroy(NULL);
}

/* Large requests are granted in one allocation of their size. */
static void a_large_piece_costs_one_allocation(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_writer w = kci_writer_of(&alloc, SIZE_MAX);
    (void)state;
    assert_non_null(kci_writer_room(&w, 100000));
    assert_int_equal(memory.count, 1);
    assert_int_equal(memory.live_bytes, 100000);
    assert_null(kci_writer_room(&w, SIZE_MAX - 50000));
    assert_true(w.failed);
    kci_writer_destroy(&w);
}

static void a_fixed_writer_never_leaves_its_buffer(void **state)
{
    uint8_t buffer[6] = { 0, 0, 0, 0, 0, 0x77 };
    struct kci_writer w = kci_writer_fixed(buffer, 5);
    (void)state;
    kci_writer_i32(&w, 1);
    kci_writer_i16(&w, 2);
    assert_true(w.failed && w.size == 4);
    kci_writer_i8(&w, 3);
    assert_int_equal(w.size, 4);
    assert_int_equal(buffer[5], 0x77);
    kci_writer_destroy(&w);
    assert_int_equal(buffer[3], 1);
}

static void out_of_memory_is_a_failed_writer(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        struct kci_writer w = kci_writer_of(&alloc, 1 << 20);
        for (int i = 0; i < 500; i++)
            kci_writer_bytes(&w, "0123456789", 10);
        assert_true(w.failed == (memory.count >= memory.fail_at));
        assert_int_equal(w.size % 10, 0);
        kci_writer_destroy(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_are_those_of_kafka),
        cmocka_unit_test(bad_varints_fail),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(a_failed_reader_stays_failed),
        cmocka_unit_test(nothing_can_be_taken_from_nothing),
        cmocka_unit_test(a_writer_grows_up_to_its_limit),
        cmocka_unit_test(a_large_piece_costs_one_allocation),
        cmocka_unit_test(a_fixed_writer_never_leaves_its_buffer),
        cmocka_unit_test(out_of_memory_is_a_failed_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
