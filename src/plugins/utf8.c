/* UTF-8, by the table of RFC 3629: what the first byte says about the second one; all others are 80..BF.
 *
 *   first    second   bytes
 *   00..7F            1
 *   C2..DF   80..BF   2       C0, C1 would be longer than need be
 *   E0       A0..BF   3
 *   E1..EF   80..BF   3       but ED only 80..9F: beyond are surrogates
 *   F0       90..BF   4
 *   F1..F3   80..BF   4
 *   F4       80..8F   4       beyond is no Unicode */
#include "plugins/utf8.h"

#include <stdint.h>
#include <string.h>

#define EIGHT_ASCII UINT64_C(0x8080808080808080)

static size_t length_of(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

static bool second_fits(uint8_t first, uint8_t second)
{
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

bool kci_utf8_valid(const void *text, size_t size)
{
    const uint8_t *p = text;
    for (size_t i = 0; i < size;) {
        uint64_t eight;
        if (size - i >= sizeof eight && (memcpy(&eight, p + i, sizeof eight), !(eight & EIGHT_ASCII))) {
            i += sizeof eight; /* the usual case: plain ASCII */
            continue;
        }
        size_t length = length_of(p[i]);
        if (length == 0 || length > size - i || (length > 1 && !second_fits(p[i], p[i + 1])))
            return false;
        for (size_t k = 2; k < length; k++)
            if ((p[i + k] & 0xC0) != 0x80)
                return false;
        i += length;
    }
    return true;
}
