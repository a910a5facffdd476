/* Checksums against published values, against a bit-by-bit reference, and each version against the others. */
#include "base/checksum.h"
#include "base/crc32c_hardware.h"

#include "support/unit.h"

static uint32_t bit_by_bit(uint32_t polynomial, const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

static void fill(uint8_t *data, size_t size)
{
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (uint8_t)(x >> 24);
    }
}

/* The values that other implementations publish. */
static void known_values(void **state)
{
    (void)state;
    assert_int_equal(kci_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(kci_crc32c(0, "Some String", 11), 608512271);
    assert_int_equal(kci_crc32(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(kci_crc32c(0, NULL, 0), 0);
    assert_int_equal(kci_crc32(0, NULL, 0), 0);
}

/* Whatever the instruction set, the size and the alignment: the same CRC as one bit at a time. */
static void every_version_agrees(void **state)
{
    static const char *const kinds[] = { "avx512", "sse4.2", "arm64" };
    static uint8_t data[5200];
    (void)state;
    fill(data, sizeof data);
    for (size_t size = 0; size < 1200; size++) {
        assert_int_equal(kci_crc32c_table(0, data + size % 9, size), bit_by_bit(0x82F63B78, data + size % 9, size));
        assert_int_equal(kci_crc32(0, data + size % 9, size), bit_by_bit(0xEDB88320, data + size % 9, size));
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        kci_crc32c_function version = kci_crc32c_hardware_named(kinds[i]);
        for (size_t size = 0; version && size < 5000; size++) {
            const uint8_t *at = data + size % 67;
            assert_int_equal(version((uint32_t)size * 77, at, size), kci_crc32c_table((uint32_t)size * 77, at, size));
        }
    }
    assert_null(kci_crc32c_hardware_named("none"));
}

/* A batch lies in many chunks: extending piece by piece equals the whole. */
static void pieces_equal_the_whole(void **state)
{
    static uint8_t data[3000];
    (void)state;
    fill(data, sizeof data);
    uint32_t whole = kci_crc32c(0, data, sizeof data), whole32 = kci_crc32(0, data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut += 7) {
        assert_int_equal(kci_crc32c(kci_crc32c(0, data, cut), data + cut, sizeof data - cut), whole);
        assert_int_equal(kci_crc32(kci_crc32(0, data, cut), data + cut, sizeof data - cut), whole32);
    }
}

static void the_kind_is_one_of_ours(void **state)
{
    const char *kind = kci_crc32c_kind();
    (void)state;
    assert_true(strcmp(kind, "table") == 0 || kci_crc32c_hardware_named(kind) != NULL);
}

/* Java's partitioner: the same key must land on the same partition for every client. */
static void murmur2_places_keys_as_java_does(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
        int partition_of_12;
    } rows[] = {
        { "21", -973932308, 0 },
        { "foobar", -790332482, 6 },
        { "a-little-bit-long-string", -985981536, 8 },
        { "a-little-bit-longer-string", -1486304829, 11 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5 },
        { "abc", 479470107, 3 },
        { "", 275646681, 9 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t hash = kci_murmur2(rows[i].key, strlen(rows[i].key));
        assert_int_equal((int32_t)hash, rows[i].hash);
        assert_int_equal((hash & 0x7fffffff) % 12, rows[i].partition_of_12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(every_version_agrees),
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(the_kind_is_one_of_ours),
        cmocka_unit_test(murmur2_places_keys_as_java_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
