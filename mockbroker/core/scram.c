/* Three messages of four, since the first one of the server is what the client's second one answers:
 *
 *      n,[a=AUTHORIZATION],[m=...,]n=NAME,r=NONCE[,ext=value]...        what is behind the second comma is "bare"
 *      r=NONCE+ours,s=SALT,i=ITERATIONS
 *      c=CHANNEL,r=NONCE+ours[,ext=value]...,p=PROOF
 *      v=SIGNATURE
 *
 *      AuthMessage = bare , server-first , client-final without its proof and extensions
 *      PROOF = ClientKey ^ HMAC(H(ClientKey), AuthMessage)       SIGNATURE = HMAC(ServerKey, AuthMessage)
 *
 * Both HMACs are fed while the messages pass, so that none of them is kept, however long it is: only the nonce is, to
 * be compared.  What is refused here is what Kafka's patterns refuse: the channel is not looked at, names are ASCII. */
#include "mockbroker/core/scram.h"

#include <stdio.h>
#include <strings.h>

#define OUR_NONCE_CHARACTERS 26 /* 130 bits and more */

/* ---- reading ---- */

static bool is_value(struct kci_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == 0 || (unsigned char)text.data[i] > 0x7f || text.data[i] == ',')
            return false;
    return text.size > 0;
}

static bool is_nonce(struct kci_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ',')
            return false;
    return text.size > 0;
}

/* "=2C" or "=3D" */
static bool is_escape(struct kci_str text, size_t i)
{
    return text.size - i >= 3 && (memcmp(text.data + i, "=2C", 3) == 0 || memcmp(text.data + i, "=3D", 3) == 0);
}

static bool is_name(struct kci_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '=' && !is_escape(text, i))
            return false;
    return is_value(text);
}

static bool decode_name(struct kci_str name, char user[MB_SCRAM_NAME_BYTES + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c == '=') {
            c = name.data[i + 1] == '2' ? ',' : '=';
            i += 2;
        }
        if (size == MB_SCRAM_NAME_BYTES)
            return false;
        user[size++] = c;
    }
    user[size] = '\0';
    return true;
}

/* Take `prefix` off the front. */
static bool take(struct kci_str *rest, const char *prefix)
{
    size_t size = strlen(prefix);
    if (rest->size < size || memcmp(rest->data, prefix, size) != 0)
        return false;
    rest->data += size;
    rest->size -= size;
    return true;
}

/* Take what is before the next comma, or all. */
static struct kci_str take_value(struct kci_str *rest)
{
    const char *comma = rest->size ? memchr(rest->data, ',', rest->size) : NULL;
    struct kci_str value = { rest->data, comma ? (size_t)(comma - rest->data) : rest->size };
    rest->data += value.size;
    rest->size -= value.size;
    return value;
}

/* ",name=value": [A-Za-z]+ and a value */
static bool take_extension(struct kci_str *rest, struct kci_str *name, struct kci_str *value)
{
    if (!take(rest, ","))
        return false;
    struct kci_str field = take_value(rest);
    const char *equals = field.size ? memchr(field.data, '=', field.size) : NULL;
    if (!equals)
        return false;
    *name = (struct kci_str){ field.data, (size_t)(equals - field.data) };
    *value = (struct kci_str){ equals + 1, field.size - name->size - 1 };
    for (size_t i = 0; i < name->size; i++) {
        char c = name->data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return name->size > 0;
}

bool mb_scram_read_first(struct kci_bytes message, struct mb_scram_first *first)
{
    struct kci_str rest = { (const char *)message.data, message.size }, name, value;
    memset(first, 0, sizeof *first);
    if (!take(&rest, "n,"))
        return false;
    if (take(&rest, "a=")) {
        first->authorization = take_value(&rest);
        if (!is_name(first->authorization))
            return false;
    }
    if (!take(&rest, ","))
        return false;
    if (take(&rest, "m=") && (!is_value(take_value(&rest)) || !take(&rest, ",")))
        return false;
    if (!take(&rest, "n="))
        return false;
    first->name = take_value(&rest);
    if (!is_name(first->name) || !take(&rest, ",r="))
        return false;
    first->nonce = take_value(&rest);
    first->extensions = rest;
    while (rest.size) {
        if (!take_extension(&rest, &name, &value) || !is_value(value))
            return false;
        if (kci_str_equal(name, kci_str_of("tokenauth")))
            first->by_token = value.size == 4 && strncasecmp(value.data, "true", 4) == 0;
    }
    return is_nonce(first->nonce) && decode_name(first->name, first->user);
}

/* ---- the exchange ---- */

static void say(struct mb_scram *scram, const void *data, size_t size)
{
    mb_hmac_add(&scram->client, data, size);
    mb_hmac_add(&scram->server, data, size);
}

static void begin_signatures(struct mb_scram *scram, const struct mb_scram_secret *secret)
{
    uint8_t key[MB_DIGEST_BYTES_MAX];
    size_t size = mb_digest_size(scram->kind);
    mb_hmac_of(scram->kind, secret->salted_password, kci_str_of("Client Key"), key);
    mb_digest_of(scram->kind, key, size, scram->stored_key);
    mb_hmac_begin(&scram->client, scram->kind, (struct kci_bytes){ scram->stored_key, size });
    mb_hmac_of(scram->kind, secret->salted_password, kci_str_of("Server Key"), key);
    mb_hmac_begin(&scram->server, scram->kind, (struct kci_bytes){ key, size });
}

bool mb_scram_begin(struct mb_scram *scram, const struct kci_alloc *alloc, const struct mb_scram_first *first,
                    const struct mb_scram_secret *secret, struct kci_prng *prng, struct kci_writer *w)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char number[24];
    size_t start = w->size;
    mb_scram_forget(scram, alloc);
    scram->kind = secret->kind;
    scram->nonce = kci_alloc_new(alloc, first->nonce.size + OUR_NONCE_CHARACTERS);
    if (!scram->nonce)
        return false;
    memcpy(scram->nonce, first->nonce.data, first->nonce.size);
    scram->nonce_size = first->nonce.size + OUR_NONCE_CHARACTERS;
    for (size_t i = first->nonce.size; i < scram->nonce_size; i++)
        scram->nonce[i] = digits[kci_prng_below(prng, sizeof digits - 1)];
    begin_signatures(scram, secret);
    say(scram, "n=", 2);
    say(scram, first->name.data, first->name.size);
    say(scram, ",r=", 3);
    say(scram, first->nonce.data, first->nonce.size);
    say(scram, first->extensions.data, first->extensions.size);
    kci_writer_bytes(w, "r=", 2);
    kci_writer_bytes(w, scram->nonce, scram->nonce_size);
    kci_writer_bytes(w, ",s=", 3);
    mb_base64_write(w, secret->salt);
    snprintf(number, sizeof number, ",i=%d", secret->iterations);
    kci_writer_bytes(w, number, strlen(number));
    if (w->failed)
        return false;
    say(scram, ",", 1);
    say(scram, w->data + start, w->size - start);
    return true;
}

/* c=CHANNEL,r=NONCE[,ext=value]...,p=PROOF */
static bool read_final(struct kci_bytes message, struct kci_str *channel, struct kci_str *nonce, struct kci_str *proof)
{
    struct kci_str rest = { (const char *)message.data, message.size }, name;
    size_t none = 0;
    if (!take(&rest, "c="))
        return false;
    *channel = take_value(&rest);
    if (!mb_base64_read(*channel, NULL, &none) || !take(&rest, ",r="))
        return false;
    *nonce = take_value(&rest);
    do {
        if (!take_extension(&rest, &name, proof) || (rest.size && !is_value(*proof)))
            return false;
    } while (rest.size);
    return is_nonce(*nonce) && kci_str_equal(name, kci_str_of("p"));
}

enum mb_scram_verdict mb_scram_finish(struct mb_scram *scram, struct kci_bytes message, struct kci_writer *w)
{
    struct kci_str channel, nonce, proof;
    uint8_t key[MB_DIGEST_BYTES_MAX], signature[MB_DIGEST_BYTES_MAX];
    size_t size = mb_digest_size(scram->kind), proof_size = sizeof key;
    if (!read_final(message, &channel, &nonce, &proof) || !mb_base64_read(proof, key, &proof_size) ||
        !kci_str_equal(nonce, (struct kci_str){ scram->nonce, scram->nonce_size }))
        return MB_SCRAM_REFUSED;
    if (proof_size != size)
        return MB_SCRAM_BROKEN;
    say(scram, ",c=", 3);
    say(scram, channel.data, channel.size);
    say(scram, ",r=", 3);
    say(scram, nonce.data, nonce.size);
    mb_hmac_end(&scram->client, signature);
    for (size_t i = 0; i < size; i++)
        key[i] ^= signature[i];
    mb_digest_of(scram->kind, key, size, signature);
    if (memcmp(signature, scram->stored_key, size) != 0)
        return MB_SCRAM_REFUSED;
    mb_hmac_end(&scram->server, signature);
    kci_writer_bytes(w, "v=", 2);
    mb_base64_write(w, (struct kci_bytes){ signature, size });
    return w->failed ? MB_SCRAM_BROKEN : MB_SCRAM_PROVEN;
}

void mb_scram_forget(struct mb_scram *scram, const struct kci_alloc *alloc)
{
    kci_alloc_free(alloc, scram->nonce);
    memset(scram, 0, sizeof *scram);
}
