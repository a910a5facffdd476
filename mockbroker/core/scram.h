/* The server's half of a SCRAM login (RFC 5802), with the extension of delegation tokens (KIP-48). */
#ifndef MB_CORE_SCRAM_H
#define MB_CORE_SCRAM_H

#include "base/prng.h"
#include "mockbroker/core/digest.h"
#include "mockbroker/core/scram_users.h"

/* client-first-message, as views into it */
struct mb_scram_first {
    struct kci_str authorization;       /* as sent; no data: none */
    struct kci_str name;                /* as sent, with =2C and =3D */
    struct kci_str nonce;               /* the client's */
    struct kci_str extensions;          /* with the leading comma; may be empty */
    bool by_token;                      /* tokenauth=true: the name is that of a delegation token */
    char user[MB_SCRAM_NAME_BYTES + 1]; /* the name, decoded */
};
/* What the server knows of the user. */
struct mb_scram_secret {
    enum mb_digest_kind kind;
    int32_t iterations;
    struct kci_bytes salt, salted_password;
};
/* A login of which the first half is done. Zeroed: none. */
struct mb_scram {
    enum mb_digest_kind kind;
    uint8_t stored_key[MB_DIGEST_BYTES_MAX];
    struct mb_hmac client, server; /* both signatures, over what was said so far */
    char *nonce;                   /* owned: the client's and ours */
    size_t nonce_size;
};
enum mb_scram_verdict {
    MB_SCRAM_PROVEN,
    MB_SCRAM_REFUSED, /* no such message, or not the password */
    MB_SCRAM_BROKEN,  /* a proof of another length, where Kafka says nothing any more; or no memory */
};

/* false: not such a message, or a name that is too long for a user. */
bool mb_scram_read_first(struct kci_bytes message, struct mb_scram_first *first);
/* Write server-first-message. false: no memory. */
bool mb_scram_begin(struct mb_scram *scram, const struct kci_alloc *alloc, const struct mb_scram_first *first,
                    const struct mb_scram_secret *secret, struct kci_prng *prng, struct kci_writer *w);
/* Take client-final-message, write server-final-message. */
enum mb_scram_verdict mb_scram_finish(struct mb_scram *scram, struct kci_bytes message, struct kci_writer *w);
void mb_scram_forget(struct mb_scram *scram, const struct kci_alloc *alloc);

#endif
