/* The words of the stories about logins: a client that shakes hands, sends tokens, and knows the client's half of SCRAM. */
#ifndef TEST_SUPPORT_SASL_STORY_H
#define TEST_SUPPORT_SASL_STORY_H

#include "mockbroker/core/sasl.h"
#include "support/mock_world.h"

#define SASL_PLAIN_ONLY "sasl.enabled.mechanisms=PLAIN mock.sasl.users=anna=secret,bert=geheim "
#define SASL_ALL        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512 mock.sasl.users=anna=secret "

typedef struct kci_sasl_handshake_response handshake_answer;
typedef struct kci_sasl_authenticate_response login_answer;

/* NULL: closed */
static inline handshake_answer *sasl_handshake(struct client *client, const char *mechanism, int16_t version)
{
    struct kci_sasl_handshake_request request = { .mechanism = kci_str_of(mechanism) };
    client_send(client, KCI_API_SASL_HANDSHAKE, version, &request);
    return client_answer(client, KCI_API_SASL_HANDSHAKE, version);
}

static inline login_answer *sasl_send(struct client *client, struct kci_bytes token)
{
    struct kci_sasl_authenticate_request request = { .auth_bytes = token };
    client_send(client, KCI_API_SASL_AUTHENTICATE, 2, &request);
    return client_answer(client, KCI_API_SASL_AUTHENTICATE, 2);
}

static inline struct kci_bytes sasl_bytes(const char *text)
{
    return (struct kci_bytes){ (const uint8_t *)text, strlen(text) };
}

static inline login_answer *sasl_token(struct client *client, const char *text)
{
    return sasl_send(client, sasl_bytes(text));
}

/* "authorization|name|password": '|' stands for NUL */
static inline login_answer *sasl_plain_token(struct client *client, const char *text)
{
    char token[300];
    size_t size = strlen(text);
    assert_true(size < sizeof token);
    for (size_t i = 0; i < size; i++)
        token[i] = text[i] == '|' ? '\0' : text[i];
    return sasl_send(client, (struct kci_bytes){ (const uint8_t *)token, size });
}

static inline login_answer *sasl_plain(struct client *client, const char *text)
{
    handshake_answer *answer = sasl_handshake(client, "PLAIN", 1);
    return answer && !answer->error_code ? sasl_plain_token(client, text) : NULL;
}

/* A connection whose user has logged in by PLAIN. */
static inline struct client *sasl_client(struct world *world, const char *text)
{
    struct client *client = world_client(world, 1);
    login_answer *answer = sasl_plain(client, text);
    assert_non_null(answer);
    assert_int_equal(answer->error_code, 0);
    return client;
}

static inline bool sasl_is_heard(struct client *client)
{
    struct kci_metadata_request request;
    kci_codec_init(&kci_metadata_request_schema, &request);
    client_send(client, KCI_API_METADATA, 9, &request);
    return client_answer(client, KCI_API_METADATA, 9) != NULL;
}

#define assert_told(answer, code, text)                                                                                \
    do {                                                                                                               \
        assert_non_null(answer);                                                                                       \
        assert_int_equal((answer)->error_code, code);                                                                  \
        assert_string_equal(kci_arena_text(&world.arena, (answer)->error_message), text);                              \
    } while (0)

/* ---- the client's half of SCRAM ---- */

struct sasl_scram {
    enum mb_digest_kind kind;
    const char *name, *password, *extensions;
    const char *nonce; /* of the last message, for which the proof is right; NULL: the server's */
    char bare[200], server_first[1000], proofless[1000], final[1200];
    uint8_t salted[MB_DIGEST_BYTES_MAX];
};

static inline const char *sasl_scram_mechanism(const struct sasl_scram *scram)
{
    return scram->kind == MB_SHA_256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";
}

static inline login_answer *sasl_scram_first(struct client *client, struct sasl_scram *scram)
{
    char message[220];
    snprintf(scram->bare, sizeof scram->bare, "n=%s,r=clientnonce%s", scram->name,
             scram->extensions ? scram->extensions : "");
    snprintf(message, sizeof message, "n,,%s", scram->bare);
    return sasl_token(client, message);
}

static inline void sasl_say(struct mb_hmac *hmac, const char *text)
{
    mb_hmac_add(hmac, text, strlen(text));
}

static inline void sasl_sign(const struct sasl_scram *scram, struct kci_bytes key, uint8_t out[MB_DIGEST_BYTES_MAX])
{
    struct mb_hmac hmac;
    mb_hmac_begin(&hmac, scram->kind, key);
    sasl_say(&hmac, scram->bare);
    sasl_say(&hmac, ",");
    sasl_say(&hmac, scram->server_first);
    sasl_say(&hmac, ",");
    sasl_say(&hmac, scram->proofless);
    mb_hmac_end(&hmac, out);
}

static inline void sasl_base64(struct world *world, char *out, const uint8_t *bytes, size_t size)
{
    struct kci_writer w = kci_writer_of(&world->alloc, 1000);
    mb_base64_write(&w, (struct kci_bytes){ bytes, size });
    memcpy(out, w.data, w.size);
    out[w.size] = '\0';
    kci_writer_destroy(&w);
}

/* client-final-message as text, for what the server said first; `channel` as it is to be told. */
static inline const char *sasl_scram_final(struct world *world, struct sasl_scram *scram, const login_answer *first,
                                           const char *channel)
{
    size_t size = mb_digest_size(scram->kind), salt_size = 64;
    uint8_t salt[64], key[MB_DIGEST_BYTES_MAX], stored[MB_DIGEST_BYTES_MAX], signature[MB_DIGEST_BYTES_MAX];
    char proof[100];
    int iterations = 0;
    assert_true(first->auth_bytes.size < sizeof scram->server_first);
    memcpy(scram->server_first, first->auth_bytes.data, first->auth_bytes.size);
    scram->server_first[first->auth_bytes.size] = '\0';
    const char *s = strstr(scram->server_first, ",s="), *i = strstr(scram->server_first, ",i=");
    assert_non_null(s);
    assert_int_equal(sscanf(i, ",i=%d", &iterations), 1);
    assert_true(mb_base64_read((struct kci_str){ s + 3, (size_t)(i - s - 3) }, salt, &salt_size));
    mb_hmac_hi(scram->kind, kci_str_of(scram->password), (struct kci_bytes){ salt, salt_size }, iterations,
               scram->salted);
    if (scram->nonce)
        snprintf(scram->proofless, sizeof scram->proofless, "c=%s,r=%s", channel, scram->nonce);
    else
        snprintf(scram->proofless, sizeof scram->proofless, "c=%s,%.*s", channel, (int)(s - scram->server_first),
                 scram->server_first);
    mb_hmac_of(scram->kind, (struct kci_bytes){ scram->salted, size }, NAME("Client Key"), key);
    mb_digest_of(scram->kind, key, size, stored);
    sasl_sign(scram, (struct kci_bytes){ stored, size }, signature);
    for (size_t k = 0; k < size; k++)
        signature[k] ^= key[k];
    sasl_base64(world, proof, signature, size);
    snprintf(scram->final, sizeof scram->final, "%s,p=%s", scram->proofless, proof);
    return scram->final;
}

/* Has the server shown that it knows the password, too? */
static inline bool sasl_scram_proven(struct world *world, struct sasl_scram *scram, struct kci_bytes told)
{
    uint8_t key[MB_DIGEST_BYTES_MAX], signature[MB_DIGEST_BYTES_MAX];
    size_t size = mb_digest_size(scram->kind);
    char text[110] = "v=";
    mb_hmac_of(scram->kind, (struct kci_bytes){ scram->salted, size }, NAME("Server Key"), key);
    sasl_sign(scram, (struct kci_bytes){ key, size }, signature);
    sasl_base64(world, text + 2, signature, size);
    return told.size == strlen(text) && memcmp(told.data, text, told.size) == 0;
}

/* The answer to the last message that was sent; NULL: closed. */
static inline login_answer *sasl_scram(struct client *client, struct sasl_scram *scram)
{
    handshake_answer *answer = sasl_handshake(client, sasl_scram_mechanism(scram), 1);
    if (!answer || answer->error_code)
        return NULL;
    login_answer *first = sasl_scram_first(client, scram);
    if (!first || first->error_code)
        return first;
    return sasl_token(client, sasl_scram_final(client->world, scram, first, "biws"));
}

#endif
