/* Delegation tokens (KIP-48): the store. A token stands for its owner: who knows its HMAC logs in as him by SCRAM. */
#ifndef MB_CORE_TOKENS_H
#define MB_CORE_TOKENS_H

#include "mockbroker/core/request.h"
#include "mockbroker/core/scram.h"

#define MB_TOKENS_MAX       10000                    /* of a cluster */
#define MB_TOKEN_ID_SIZE    (KCI_UUID_TEXT_SIZE - 1) /* characters */
#define MB_TOKEN_TEXT_MAX   8192                     /* bytes of all principals of one token */
#define MB_TOKEN_SALT_BYTES 16

/* Principals are texts like "User:anna". */
struct mb_token_of {
    struct kci_str id;
    struct kci_str owner, requester;
    struct kci_str renewers; /* with a NUL behind each */
    int64_t issued_ms;       /* ms since 1970, like those below */
    int64_t expires_ms;      /* unless it is renewed */
    int64_t ends_ms;         /* whatever is renewed */
};
struct mb_token {
    struct kci_list link;              /* of mb_tokens.all, in order of creation */
    struct mb_token_of of;             /* texts are behind the struct */
    uint8_t hmac[MB_DIGEST_BYTES_MAX]; /* of the id, by delegation.token.secret.key */
    uint8_t salt[MB_TOKEN_SALT_BYTES];
    struct {
        bool known; /* calculated at the first login: it takes milliseconds */
        uint8_t bytes[MB_DIGEST_BYTES_MAX];
    } salted[2]; /* passwords, for SCRAM-SHA-256 and -512 */
};
struct mb_tokens {
    struct kci_list all;
    size_t count;
    struct mb_alarm purge; /* delegation.token.expiry.check.interval.ms */
};

void mb_tokens_init(struct mb_tokens *tokens);
void mb_tokens_clear(struct mb_cluster *cluster);
/* Begin to remove what has expired. */
void mb_tokens_start(struct mb_cluster *cluster, int64_t now);
/* delegation.token.secret.key is set: there may be tokens. */
bool mb_tokens_are_enabled(const struct mb_cluster *cluster);
/* NULL: too many, their principals are too long, or no memory. No id: a new one. */
struct mb_token *mb_tokens_add(struct mb_cluster *cluster, const struct mb_token_of *of);
void mb_tokens_remove(struct mb_cluster *cluster, struct mb_token *token);
struct mb_token *mb_tokens_find(const struct mb_cluster *cluster, struct kci_str id);
struct mb_token *mb_tokens_find_hmac(const struct mb_cluster *cluster, struct kci_bytes hmac);
/* The next of the renewers, from *at = 0 on. false: there is none. */
bool mb_token_renewer(const struct mb_token_of *of, size_t *at, struct kci_str *renewer);
bool mb_token_has_renewer(const struct mb_token *token, struct kci_str principal);
/* What SCRAM asks of who logs in with it: the password is the HMAC in base64. */
struct mb_scram_secret mb_token_secret(struct mb_token *token, enum mb_digest_kind kind);

#endif
