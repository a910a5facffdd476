/* UTF-8 to UTF-16, unit by unit.  hash = unit + 31 * hash, in 32 bits.  A byte that is not part of valid UTF-8 counts
 * as U+FFFD, which is what Java's decoder puts in its place. */
#include "mockbroker/core/java_string.h"

#define REPLACEMENT 0xFFFDu

/* The code point that begins at text.data[*at]; moves on. */
static uint32_t next_point(struct kci_str text, size_t *at)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const uint8_t *p = (const uint8_t *)text.data + *at;
    size_t left = text.size - *at;
    size_t size = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    (*at)++;
    if (size <= 1)
        return size ? p[0] : REPLACEMENT;
    uint32_t point = p[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if (i >= left || p[i] >> 6 != 2)
            return REPLACEMENT;
        point = point << 6 | (p[i] & 0x3Fu);
    }
    if (point < smallest[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return REPLACEMENT;
    *at += size - 1;
    return point;
}

int32_t mb_java_string_hash(struct kci_str text)
{
    uint32_t hash = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t point = next_point(text, &at);
        if (point >= 0x10000) {
            hash = 31 * hash + (0xD800 + ((point - 0x10000) >> 10));
            point = 0xDC00 + ((point - 0x10000) & 0x3FF);
        }
        hash = 31 * hash + point;
    }
    return (int32_t)hash;
}

size_t mb_java_string_length(struct kci_str text)
{
    size_t length = 0;
    for (size_t at = 0; at < text.size;)
        length += next_point(text, &at) >= 0x10000 ? 2 : 1;
    return length;
}
