/* XXH32: four lanes of 4 bytes each take turns over 16-byte stripes, are folded into one word, which then takes the
 * rest in words and bytes and is scrambled.  Frame headers are a few bytes long; block checksums, where a writer adds
 * them, are the only long input. */
#include "protocol/xxh32.h"

#define PRIME1 0x9E3779B1u
#define PRIME2 0x85EBCA77u
#define PRIME3 0xC2B2AE3Du
#define PRIME4 0x27D4EB2Fu
#define PRIME5 0x165667B1u

static uint32_t rotate_left(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t word_at(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

uint32_t kci_xxh32(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t hash = PRIME5, lanes[4] = { PRIME1 + PRIME2, PRIME2, 0, 0u - PRIME1 };
    size_t left = size;
    if (left >= 16) {
        for (; left >= 16; left -= 16, p += 16)
            for (int i = 0; i < 4; i++)
                lanes[i] = rotate_left(lanes[i] + word_at(p + 4 * i) * PRIME2, 13) * PRIME1;
        hash =
            rotate_left(lanes[0], 1) + rotate_left(lanes[1], 7) + rotate_left(lanes[2], 12) + rotate_left(lanes[3], 18);
    }
    hash += (uint32_t)size;
    for (; left >= 4; left -= 4, p += 4)
        hash = rotate_left(hash + word_at(p) * PRIME3, 17) * PRIME4;
    for (; left; left--, p++)
        hash = rotate_left(hash + *p * PRIME5, 11) * PRIME1;
    hash = (hash ^ hash >> 15) * PRIME2;
    hash = (hash ^ hash >> 13) * PRIME3;
    return hash ^ hash >> 16;
}
