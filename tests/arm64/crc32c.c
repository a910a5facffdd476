/* CRC-32C on an arm64 processor: the instructions are found and used though the compiler was not told of them, and they
 * agree with the table and with one bit at a time.  A program without libraries, so that a cross compiler alone can
 * build it; it says what is wrong and ends with 1. */
#include "base/checksum.h"
#include "base/crc32c_hardware.h"

#include <stdio.h>
#include <string.h>

#define BYTES 5200

static uint32_t bit_by_bit(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

int main(void)
{
    static uint8_t data[BYTES];
    uint32_t x = 1;
    for (size_t i = 0; i < BYTES; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (uint8_t)(x >> 24);
    }
    kci_crc32c_function hardware = kci_crc32c_hardware_named("arm64");
    if (!hardware || strcmp(kci_crc32c_kind(), "arm64") != 0) {
        printf("the processor's instructions are not used: %s\n", kci_crc32c_kind());
        return 1;
    }
    for (size_t size = 0; size < BYTES - 70; size++) {
        const uint8_t *at = data + size % 67;
        uint32_t begin = (uint32_t)size * 77;
        if (hardware(begin, at, size) != kci_crc32c_table(begin, at, size) ||
            (size < 300 && kci_crc32c(0, at, size) != bit_by_bit(at, size))) {
            printf("another CRC for %zu bytes\n", size);
            return 1;
        }
    }
    printf("%s %08x\n", kci_crc32c_kind(), (unsigned)kci_crc32c(0, "123456789", 9));
    return kci_crc32c(0, "123456789", 9) == 0xE3069283 ? 0 : 1;
}
