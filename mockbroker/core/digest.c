/* Written out here instead of asked of a library: loading libcrypto would cost mockbroker half of its start and of its
 * memory, for two hash functions that guard nothing but tests.
 *
 *      message | 0x80 | 0 ... | length in bits          cut in blocks of 64 (128) bytes, each stirred into 8 words
 *      HMAC = H(key ^ opad | H(key ^ ipad | text))       both halves begin with a block of the key: digested once
 *
 * The vectors of FIPS 180-4, RFC 4231 and RFC 7914 are in the test. */
#include "mockbroker/core/digest.h"

/* The first 64 (32) bits of the fractional parts of the cube roots of the first 80 (64) primes: those of SHA-256 are
 * the upper halves of those of SHA-512. */
static const uint64_t roots[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};
/* The square roots of the first 8 primes, likewise. */
static const uint64_t begin[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static inline uint32_t turn32(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static inline uint64_t turn64(uint64_t x, int by)
{
    return x >> by | x << (64 - by);
}

static void stir_small(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = kci_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t low = turn32(w[i - 15], 7) ^ turn32(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = turn32(w[i - 2], 17) ^ turn32(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one =
            s[7] + (turn32(s[4], 6) ^ turn32(s[4], 11) ^ turn32(s[4], 25)) + choice + (uint32_t)(roots[i] >> 32) + w[i];
        uint32_t two = (turn32(s[0], 2) ^ turn32(s[0], 13) ^ turn32(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static void stir_large(uint64_t state[8], const uint8_t *block)
{
    uint64_t w[80], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = kci_be64(block + 8 * i);
    for (int i = 16; i < 80; i++) {
        uint64_t low = turn64(w[i - 15], 1) ^ turn64(w[i - 15], 8) ^ w[i - 15] >> 7;
        uint64_t high = turn64(w[i - 2], 19) ^ turn64(w[i - 2], 61) ^ w[i - 2] >> 6;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 80; i++) {
        uint64_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint64_t one = s[7] + (turn64(s[4], 14) ^ turn64(s[4], 18) ^ turn64(s[4], 41)) + choice + roots[i] + w[i];
        uint64_t two = (turn64(s[0], 28) ^ turn64(s[0], 34) ^ turn64(s[0], 39)) + majority;
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static size_t block_size(enum mb_digest_kind kind)
{
    return kind == MB_SHA_256 ? 64 : 128;
}

static void stir(struct mb_digest *digest, const uint8_t *block)
{
    if (digest->kind == MB_SHA_256)
        stir_small(digest->state.small, block);
    else
        stir_large(digest->state.large, block);
}

size_t mb_digest_size(enum mb_digest_kind kind)
{
    return kind == MB_SHA_256 ? 32 : 64;
}

void mb_digest_begin(struct mb_digest *digest, enum mb_digest_kind kind)
{
    memset(digest, 0, sizeof *digest);
    digest->kind = kind;
    for (int i = 0; i < 8; i++) {
        if (kind == MB_SHA_256)
            digest->state.small[i] = (uint32_t)(begin[i] >> 32);
        else
            digest->state.large[i] = begin[i];
    }
}

void mb_digest_add(struct mb_digest *digest, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t whole = block_size(digest->kind);
    digest->total += size;
    while (size) {
        size_t room = whole - digest->used, part = size < room ? size : room;
        memcpy(digest->block + digest->used, at, part);
        digest->used += part;
        at += part;
        size -= part;
        if (digest->used == whole) {
            stir(digest, digest->block);
            digest->used = 0;
        }
    }
}

void mb_digest_end(struct mb_digest *digest, uint8_t out[MB_DIGEST_BYTES_MAX])
{
    size_t whole = block_size(digest->kind), length = whole / 8; /* bytes in which the length is written */
    uint64_t bits = digest->total * 8;
    digest->block[digest->used++] = 0x80;
    memset(digest->block + digest->used, 0, whole - digest->used);
    if (digest->used > whole - length) {
        stir(digest, digest->block);
        memset(digest->block, 0, whole);
    }
    kci_put64(digest->block + whole - 8, bits);
    stir(digest, digest->block);
    for (int i = 0; i < 8; i++) {
        if (digest->kind == MB_SHA_256)
            kci_put32(out + 4 * i, digest->state.small[i]);
        else
            kci_put64(out + 8 * i, digest->state.large[i]);
    }
}

void mb_digest_of(enum mb_digest_kind kind, const void *data, size_t size, uint8_t out[MB_DIGEST_BYTES_MAX])
{
    struct mb_digest digest;
    mb_digest_begin(&digest, kind);
    mb_digest_add(&digest, data, size);
    mb_digest_end(&digest, out);
}

void mb_hmac_begin(struct mb_hmac *hmac, enum mb_digest_kind kind, struct kci_bytes key)
{
    uint8_t block[MB_DIGEST_BLOCK_MAX] = { 0 };
    size_t whole = block_size(kind);
    if (key.size > whole)
        mb_digest_of(kind, key.data, key.size, block);
    else if (key.size)
        memcpy(block, key.data, key.size);
    for (size_t i = 0; i < whole; i++)
        block[i] ^= 0x36;
    mb_digest_begin(&hmac->inner, kind);
    mb_digest_add(&hmac->inner, block, whole);
    for (size_t i = 0; i < whole; i++)
        block[i] ^= 0x36 ^ 0x5c;
    mb_digest_begin(&hmac->outer, kind);
    mb_digest_add(&hmac->outer, block, whole);
}

void mb_hmac_add(struct mb_hmac *hmac, const void *data, size_t size)
{
    mb_digest_add(&hmac->inner, data, size);
}

void mb_hmac_end(struct mb_hmac *hmac, uint8_t out[MB_DIGEST_BYTES_MAX])
{
    uint8_t inner[MB_DIGEST_BYTES_MAX];
    mb_digest_end(&hmac->inner, inner);
    mb_digest_add(&hmac->outer, inner, mb_digest_size(hmac->outer.kind));
    mb_digest_end(&hmac->outer, out);
}

void mb_hmac_of(enum mb_digest_kind kind, struct kci_bytes key, struct kci_str text, uint8_t out[MB_DIGEST_BYTES_MAX])
{
    struct mb_hmac hmac;
    mb_hmac_begin(&hmac, kind, key);
    mb_hmac_add(&hmac, text.data, text.size);
    mb_hmac_end(&hmac, out);
}

void mb_hmac_hi(enum mb_digest_kind kind, struct kci_str password, struct kci_bytes salt, int32_t iterations,
                uint8_t out[MB_DIGEST_BYTES_MAX])
{
    static const uint8_t one[] = { 0, 0, 0, 1 };
    struct mb_hmac keyed, hmac;
    uint8_t u[MB_DIGEST_BYTES_MAX];
    mb_hmac_begin(&keyed, kind, (struct kci_bytes){ (const uint8_t *)password.data, password.size });
    hmac = keyed;
    mb_hmac_add(&hmac, salt.data, salt.size);
    mb_hmac_add(&hmac, one, sizeof one);
    mb_hmac_end(&hmac, u);
    memcpy(out, u, mb_digest_size(kind));
    for (int32_t i = 1; i < iterations; i++) {
        hmac = keyed;
        mb_hmac_add(&hmac, u, mb_digest_size(kind));
        mb_hmac_end(&hmac, u);
        for (size_t k = 0; k < mb_digest_size(kind); k++)
            out[k] ^= u[k];
    }
}

/* ---- base64 ---- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t mb_base64_print(struct kci_bytes bytes, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        three |= left > 2 ? (uint32_t)bytes.data[i + 2] : 0;
        char four[4] = { letters[three >> 18], letters[three >> 12 & 63], left > 1 ? letters[three >> 6 & 63] : '=',
                         left > 2 ? letters[three & 63] : '=' };
        memcpy(out + size, four, sizeof four);
        size += sizeof four;
    }
    return size;
}

void mb_base64_write(struct kci_writer *w, struct kci_bytes bytes)
{
    char four[4];
    for (size_t i = 0; i < bytes.size; i += 3) {
        mb_base64_print((struct kci_bytes){ bytes.data + i, bytes.size - i < 3 ? bytes.size - i : 3 }, four);
        kci_writer_bytes(w, four, sizeof four);
    }
}

bool mb_base64_read(struct kci_str text, uint8_t *out, size_t *size)
{
    size_t room = *size, count = 0;
    uint32_t bits = 0;
    *size = 0;
    if (text.size % 4)
        return false;
    size_t padding = text.size && text.data[text.size - 1] == '=' ? 1 + (text.data[text.size - 2] == '=') : 0;
    for (size_t i = 0; i < text.size - padding; i++) {
        const char *letter = text.data[i] ? strchr(letters, text.data[i]) : NULL;
        if (!letter)
            return false;
        bits = bits << 6 | (uint32_t)(letter - letters);
        if (i % 4 == 0)
            continue;
        if (count < room)
            out[count] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        count++;
    }
    *size = count;
    return true;
}
