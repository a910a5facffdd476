/* SHA-256 and SHA-512 (FIPS 180-4), HMAC (RFC 2104), Hi (RFC 5802, which is PBKDF2 of one block), and base64: what
 * SCRAM and delegation tokens are made of.  Written here because libcrypto would be loaded at every start, for a listener
 * that few ask for: mockbroker has a budget of milliseconds and of memory for that.  Nothing here is secret: do not use
 * it where somebody could measure how long it takes. */
#ifndef MB_CORE_DIGEST_H
#define MB_CORE_DIGEST_H

#include "base/bytes.h"
#include "base/cursor.h"

enum mb_digest_kind { MB_SHA_256 = 1, MB_SHA_512 = 2 }; /* the numbers of the SCRAM mechanisms of the protocol */

#define MB_DIGEST_BYTES_MAX 64  /* of a digest */
#define MB_DIGEST_BLOCK_MAX 128 /* bytes that are digested together */

struct mb_digest {
    enum mb_digest_kind kind;
    union {
        uint32_t small[8]; /* of SHA-256 */
        uint64_t large[8]; /* of SHA-512 */
    } state;
    uint8_t block[MB_DIGEST_BLOCK_MAX]; /* what does not fill a block yet */
    size_t used;                        /* bytes of block */
    uint64_t total;                     /* bytes that came */
};
struct mb_hmac {
    struct mb_digest inner, outer;
};

size_t mb_digest_size(enum mb_digest_kind kind); /* 32 or 64 bytes */
void mb_digest_begin(struct mb_digest *digest, enum mb_digest_kind kind);
void mb_digest_add(struct mb_digest *digest, const void *data, size_t size);
void mb_digest_end(struct mb_digest *digest, uint8_t out[MB_DIGEST_BYTES_MAX]);
void mb_digest_of(enum mb_digest_kind kind, const void *data, size_t size, uint8_t out[MB_DIGEST_BYTES_MAX]);

void mb_hmac_begin(struct mb_hmac *hmac, enum mb_digest_kind kind, struct kci_bytes key);
void mb_hmac_add(struct mb_hmac *hmac, const void *data, size_t size);
void mb_hmac_end(struct mb_hmac *hmac, uint8_t out[MB_DIGEST_BYTES_MAX]);
void mb_hmac_of(enum mb_digest_kind kind, struct kci_bytes key, struct kci_str text, uint8_t out[MB_DIGEST_BYTES_MAX]);
/* The salted password. Costs 2 * iterations digests: milliseconds. */
void mb_hmac_hi(enum mb_digest_kind kind, struct kci_str password, struct kci_bytes salt, int32_t iterations,
                uint8_t out[MB_DIGEST_BYTES_MAX]);

/* Returns the characters that are written: 4 for every 3 bytes that begin. */
size_t mb_base64_print(struct kci_bytes bytes, char *out);
void mb_base64_write(struct kci_writer *w, struct kci_bytes bytes);
/* Bytes in out, as many as fit of *size; *size is then how many there were. false: not base64 with its padding. */
bool mb_base64_read(struct kci_str text, uint8_t *out, size_t *size);

#endif
