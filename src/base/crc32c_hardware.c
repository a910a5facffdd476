/* CRC-32C with the instructions of x86-64 (looked up with cpuid) and arm64.
 *
 * The CRC instructions of arm64 are optional in its first edition, which compilers target by default; a program cannot
 * ask the processor, so Linux tells it in the vector of constants that every process begins with: getauxval reads there
 * and makes no system call, like cpuid.  Elsewhere the compiler's target decides (-march=armv8-a+crc, or Apple's).
 *
 * x86-64 "sse4.2": the crc32 instruction takes 8 bytes per cycle but answers three cycles later, so three runs of the
 * buffer go at once.  Their CRCs are joined by multiplying with x^(8 * bytes that follow) modulo the polynomial, a
 * carry-less product which the next crc32 instruction reduces: crc32(0, a * b) = a * b * x^33 in reflected notation,
 * hence constants x^(8n - 33).
 *
 *      | run 0: n bytes | run 1: n bytes | run 2: n bytes - 8 | 8 | rest
 *        crc0 ------ * x^16n -.-- crc1 * x^8n ---- xor ------>
 *
 * x86-64 "avx512": 256 bytes per step in four 512-bit accumulators; a 128-bit lane moves on by D bits by multiplying
 * its two halves with x^(D + 63) and x^(D - 1) (modulo the polynomial, reflected) and adding what stands there.  The
 * last lane is reduced by two crc32 instructions. */
#include "base/crc32c_hardware.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>

#define SSE42  __attribute__((target("sse4.2,pclmul")))
#define AVX512 __attribute__((target("sse4.2,pclmul,avx512f,vpclmulqdq")))

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* Three runs of n bytes each; by_2n and by_n are x^(16n - 33) and x^(8n - 33). n is a multiple of 8. */
SSE42 static inline uint64_t three_runs(uint64_t crc, const uint8_t *p, size_t n, uint32_t by_2n, uint32_t by_n)
{
    uint64_t crc1 = 0, crc2 = 0;
    const uint8_t *last = p + n - 8;
    for (; p < last; p += 8) {
        crc = _mm_crc32_u64(crc, load64(p));
        crc1 = _mm_crc32_u64(crc1, load64(p + n));
        crc2 = _mm_crc32_u64(crc2, load64(p + 2 * n));
    }
    crc = _mm_crc32_u64(crc, load64(p));
    crc1 = _mm_crc32_u64(crc1, load64(p + n));
    __m128i moved =
        _mm_xor_si128(_mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi64_si128((long long)by_2n), 0),
                      _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc1), _mm_cvtsi64_si128((long long)by_n), 0));
    return _mm_crc32_u64(crc2, load64(p + 2 * n) ^ (uint64_t)_mm_cvtsi128_si64(moved));
}

/* Without the inversions at begin and end. */
SSE42 static inline uint64_t extend_sse42(uint64_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 4080; size -= 4080, p += 4080)
        crc = three_runs(crc, p, 1360, 0x5aa1f3cf, 0x3f70cc6f);
    for (; size >= 1008; size -= 1008, p += 1008)
        crc = three_runs(crc, p, 336, 0xcec3662e, 0xa60ce07b);
    for (; size >= 240; size -= 240, p += 240)
        crc = three_runs(crc, p, 80, 0x878a92a7, 0x39d3b296);
    for (; size >= 72; size -= 72, p += 72)
        crc = three_runs(crc, p, 24, 0xddc0152b, 0xf20c0dfe);
    for (; size >= 8; size -= 8, p += 8)
        crc = _mm_crc32_u64(crc, load64(p));
    uint32_t crc32 = (uint32_t)crc;
    if (size & 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        crc32 = _mm_crc32_u32(crc32, word);
        p += 4;
    }
    if (size & 2) {
        uint16_t word;
        memcpy(&word, p, 2);
        crc32 = _mm_crc32_u16(crc32, word);
        p += 2;
    }
    if (size & 1)
        crc32 = _mm_crc32_u8(crc32, *p);
    return crc32;
}

SSE42 static uint32_t crc_sse42(uint32_t crc, const void *data, size_t size)
{
    return ~(uint32_t)extend_sse42((uint32_t)~crc, data, size);
}

/* x moved on by the distance of the constants, added to y. */
AVX512 static inline __m512i fold512(__m512i x, __m512i by, __m512i y)
{
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(x, by, 0x00), _mm512_clmulepi64_epi128(x, by, 0x11), y,
                                     0x96);
}

#define BY(distance_plus_63, distance_minus_1)                                                                         \
    (long long)((uint64_t)(distance_minus_1) << 32), (long long)((uint64_t)(distance_plus_63) << 32)
#define FOLD_MIN 512 /* bytes from which the set-up pays, measured */

AVX512 static uint32_t crc_avx512(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    if (size < FOLD_MIN)
        return crc_sse42(crc, data, size);
    const __m512i by_2048 = _mm512_broadcast_i32x4(_mm_set_epi64x(BY(0xe9a5d8be, 0x1426a815)));
    const __m512i by_512 = _mm512_broadcast_i32x4(_mm_set_epi64x(BY(0x1c19243b, 0x75bba45b)));
    const __m512i by_lane = _mm512_set_epi64(0, 0, BY(0x3743f7bd, 0x3171d430), BY(0x33ccbbbc, 0xa2158b34),
                                             BY(0xa46ef4aa, 0x6051243f)); /* lanes 2, 1, 0 by 128, 256, 384 bits */
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64), c = _mm512_loadu_si512(p + 128),
            d = _mm512_loadu_si512(p + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    for (p += 256, size -= 256; size >= 256; p += 256, size -= 256) {
        a = fold512(a, by_2048, _mm512_loadu_si512(p));
        b = fold512(b, by_2048, _mm512_loadu_si512(p + 64));
        c = fold512(c, by_2048, _mm512_loadu_si512(p + 128));
        d = fold512(d, by_2048, _mm512_loadu_si512(p + 192));
    }
    d = fold512(fold512(fold512(a, by_512, b), by_512, c), by_512, d);
    for (; size >= 64; p += 64, size -= 64)
        d = fold512(d, by_512, _mm512_loadu_si512(p));
    __m512i rest = _mm512_maskz_mov_epi64(0xC0, d); /* lane 3 stays */
    d = fold512(d, by_lane, rest);
    __m128i lane = _mm_xor_si128(_mm_xor_si128(_mm512_extracti32x4_epi32(d, 0), _mm512_extracti32x4_epi32(d, 1)),
                                 _mm_xor_si128(_mm512_extracti32x4_epi32(d, 2), _mm512_extracti32x4_epi32(d, 3)));
    uint64_t tail =
        _mm_crc32_u64(_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(lane)), (uint64_t)_mm_extract_epi64(lane, 1));
    return ~(uint32_t)extend_sse42(tail, p, size);
}

static bool has_sse42(void)
{
    unsigned a, b, c, d, need = bit_SSE4_2 | bit_PCLMUL;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & need) == need;
}

/* The processor has the instructions and the system saves the 512-bit registers. */
static bool has_avx512(void)
{
    unsigned a, b, c, d, low, high, state = 0xE6; /* xmm, ymm, opmask, zmm */
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & state) == state && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_AVX512F && c & bit_VPCLMULQDQ;
}

static const struct version {
    const char *kind;
    bool (*usable)(void);
    kci_crc32c_function function;
} versions[] = { { "avx512", has_avx512, crc_avx512 }, { "sse4.2", has_sse42, crc_sse42 } };

#elif defined(__aarch64__) && defined(__GNUC__) && (defined(__linux__) || defined(__ARM_FEATURE_CRC32))

/* Written as instructions: not every compiler offers them as functions when its target does not have them. */
static inline uint32_t add8(uint32_t crc, uint64_t word)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t add1(uint32_t crc, uint8_t byte)
{
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
    return crc;
}

static uint32_t crc_arm64(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = add8(crc, word);
    }
    for (; size; size--, p++)
        crc = add1(crc, *p);
    return ~crc;
}

#ifdef __ARM_FEATURE_CRC32
static bool has_crc(void)
{
    return true;
}
#else
#include <sys/auxv.h>
#define HWCAP_CRC32_BIT (1ul << 7) /* of AT_HWCAP: part of Linux's interface for arm64 */

static bool has_crc(void)
{
    return getauxval(AT_HWCAP) & HWCAP_CRC32_BIT;
}
#endif

static const struct version {
    const char *kind;
    bool (*usable)(void);
    kci_crc32c_function function;
} versions[] = { { "arm64", has_crc, crc_arm64 } };

#else

static const struct version {
    const char *kind;
    bool (*usable)(void);
    kci_crc32c_function function;
} versions[] = { { "none", NULL, NULL } };

#endif

kci_crc32c_function kci_crc32c_hardware_named(const char *kind)
{
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (versions[i].usable && strcmp(versions[i].kind, kind) == 0 && versions[i].usable())
            return versions[i].function;
    return NULL;
}

kci_crc32c_function kci_crc32c_hardware_find(const char **kind)
{
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (versions[i].usable && versions[i].usable()) {
            *kind = versions[i].kind;
            return versions[i].function;
        }
    }
    return NULL;
}
