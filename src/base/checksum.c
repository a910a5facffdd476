/* Three checksums and the choice of the fastest CRC-32C that this processor has.
 *
 * The tables are constants: each of a CRC's eight 256-entry tables (slicing by 8: eight bytes per step, one look-up
 * each) is linear in its index over GF(2), so it is spelled as its values at 1, 2, 4 ... 128 and the compiler combines
 * them.  No initialisation, hence no lock.  The instruction-set versions stand in crc32c_hardware.c. */
#include "base/checksum.h"

#include "base/crc32c_hardware.h"

#include <stdatomic.h>

#define ENTRY(i, a, b, c, d, e, f, g, h)                                                                               \
    (((i)&1 ? (a) : 0u) ^ ((i)&2 ? (b) : 0u) ^ ((i)&4 ? (c) : 0u) ^ ((i)&8 ? (d) : 0u) ^ ((i)&16 ? (e) : 0u) ^         \
     ((i)&32 ? (f) : 0u) ^ ((i)&64 ? (g) : 0u) ^ ((i)&128 ? (h) : 0u))
#define FOUR(i, ...)                                                                                                   \
    ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), ENTRY(i + 2, __VA_ARGS__), ENTRY(i + 3, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                                                                \
    FOUR(i, __VA_ARGS__), FOUR(i + 4, __VA_ARGS__), FOUR(i + 8, __VA_ARGS__), FOUR(i + 12, __VA_ARGS__)
#define SIXTY_FOUR(i, ...)                                                                                             \
    SIXTEEN(i, __VA_ARGS__), SIXTEEN(i + 16, __VA_ARGS__), SIXTEEN(i + 32, __VA_ARGS__), SIXTEEN(i + 48, __VA_ARGS__)
#define TABLE(...)                                                                                                     \
    {                                                                                                                  \
        SIXTY_FOUR(0, __VA_ARGS__), SIXTY_FOUR(64, __VA_ARGS__), SIXTY_FOUR(128, __VA_ARGS__),                         \
            SIXTY_FOUR(192, __VA_ARGS__)                                                                               \
    }

/* Row k, index i: the CRC of byte i followed by k zero bytes. */
typedef const uint32_t crc_tables[8][256];

static crc_tables castagnoli = {
    /* reflected polynomial 0x82f63b78 */
    TABLE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
    TABLE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
    TABLE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
    TABLE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
    TABLE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
    TABLE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
    TABLE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
    TABLE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};
static crc_tables ieee = {
    /* reflected polynomial 0xedb88320 */
    TABLE(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320),
    TABLE(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b),
    TABLE(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80),
    TABLE(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b),
    TABLE(0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092),
    TABLE(0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8),
    TABLE(0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2),
    TABLE(0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da),
};

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint32_t crc_by_table(crc_tables t, uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = crc ^ little32(p), high = little32(p + 4);
        crc = t[7][low & 255] ^ t[6][low >> 8 & 255] ^ t[5][low >> 16 & 255] ^ t[4][low >> 24] ^ t[3][high & 255] ^
              t[2][high >> 8 & 255] ^ t[1][high >> 16 & 255] ^ t[0][high >> 24];
    }
    for (; size; size--, p++)
        crc = crc >> 8 ^ t[0][(crc ^ *p) & 255];
    return ~crc;
}

uint32_t kci_crc32c_table(uint32_t crc, const void *data, size_t size)
{
    return crc_by_table(castagnoli, crc, data, size);
}

uint32_t kci_crc32(uint32_t crc, const void *data, size_t size)
{
    return crc_by_table(ieee, crc, data, size);
}

static uint32_t choose_then_compute(uint32_t crc, const void *data, size_t size);

/* Begins at the function that replaces it: the first caller looks at the processor.  Several may do so at once; all
 * store the same answer. */
static _Atomic kci_crc32c_function best = choose_then_compute;

static kci_crc32c_function choose(const char **kind)
{
    kci_crc32c_function hardware = kci_crc32c_hardware_find(kind);
    if (!hardware)
        *kind = "table";
    return hardware ? hardware : kci_crc32c_table;
}

static uint32_t choose_then_compute(uint32_t crc, const void *data, size_t size)
{
    const char *kind;
    kci_crc32c_function chosen = choose(&kind);
    atomic_store_explicit(&best, chosen, memory_order_relaxed);
    return chosen(crc, data, size);
}

uint32_t kci_crc32c(uint32_t crc, const void *data, size_t size)
{
    return atomic_load_explicit(&best, memory_order_relaxed)(crc, data, size);
}

const char *kci_crc32c_kind(void)
{
    const char *kind;
    choose(&kind);
    return kind;
}

uint32_t kci_murmur2(const void *data, size_t size)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *p = data;
    uint32_t h = 0x9747b28c ^ (uint32_t)size;
    for (; size >= 4; size -= 4, p += 4) {
        uint32_t k = little32(p) * m;
        h = h * m ^ (k ^ k >> 24) * m;
    }
    if (size == 3)
        h ^= (uint32_t)p[2] << 16;
    if (size >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (size >= 1)
        h = (h ^ p[0]) * m;
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}
