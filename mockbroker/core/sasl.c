/* What Kafka's server does with a connection before it hears it, as a machine:
 *
 *          .--- ApiVersions ---> VERSIONED --.                      SaslHandshake, when sessions end (KIP-368)
 *          |                                 |                     .--------------------------------------------.
 *          |                                 v                     v                                            |
 *      BEGUN ------ SaslHandshake -----> EXCHANGE --- the last message is right ---> DONE --- all requests ---. |
 *                                            |  ^                                     |                       | |
 *                                            |  `-- a message of several --           |<----------------------' |
 *                                            |                                        `-------------------------'
 *                                            `--- anything else ---> FAILED               |
 *                                                                                         `-- other mechanism --> MISMATCHED
 *
 * EXCHANGE takes SaslAuthenticate requests, or bare frames after SaslHandshake v0.  What comes in the wrong state closes
 * the connection: before EXCHANGE without a word, in it with ILLEGAL_SASL_STATE.  Kafka waits 100 ms before it tells of
 * a failure, against those who guess; here it is told at once, since the clock may stand still.
 *
 * A session ends connections.max.reauth.ms after its login, or with the delegation token: from then on the first request
 * that is not SaslHandshake closes the connection.  Who is re-authenticating must stay who he was, by the same mechanism,
 * and may begin once in a second.
 *
 * Users of PLAIN are those of mock.sasl.users; SCRAM asks the store that AlterUserScramCredentials writes, into which
 * mock.sasl.users are put at the start, so that somebody can log in to alter it. */
#include "mockbroker/core/sasl.h"

#include "base/states.h"
#include "mockbroker/core/fault.h"

#include <stdio.h>

#define AGAIN_US   1000000 /* re-authentication begins at most this often */
#define SALT_BYTES 16
#define BIT(state) (UINT32_C(1) << (state))

static const struct kci_state_table states = {
    "sasl",
    6,
    { { "begun", BIT(MB_SASL_VERSIONED) | BIT(MB_SASL_EXCHANGE) | BIT(MB_SASL_FAILED), NULL },
      { "versioned", BIT(MB_SASL_EXCHANGE) | BIT(MB_SASL_FAILED), NULL },
      { "exchange", BIT(MB_SASL_DONE) | BIT(MB_SASL_FAILED), NULL },
      { "done", BIT(MB_SASL_EXCHANGE) | BIT(MB_SASL_MISMATCHED) | BIT(MB_SASL_FAILED), NULL },
      { "mismatched", BIT(MB_SASL_FAILED), NULL },
      { "failed", 0, NULL } },
};

static void move(struct mb_sasl *sasl, enum mb_sasl_state next)
{
    kci_states_move(&states, &sasl->state, (int)next, sasl);
}

/* ---- users ---- */

const char *mb_sasl_mechanism_name(enum mb_sasl_mechanism mechanism)
{
    static const char *const names[] = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512" };
    return names[mechanism];
}

int mb_sasl_mechanism_find(struct kci_str name)
{
    for (int i = 0; i < MB_SASL_MECHANISMS; i++)
        if (kci_str_equal(name, kci_str_of(mb_sasl_mechanism_name((enum mb_sasl_mechanism)i))))
            return i;
    return -1;
}

bool mb_sasl_is_enabled(const struct mb_cluster *cluster, enum mb_sasl_mechanism mechanism)
{
    return cluster->sasl_enabled & BIT(mechanism);
}

static const char *property(const struct mb_cluster *cluster, const char *name)
{
    return mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of(name)));
}

/* The next of "anna=secret,bert=geheim"; false: there is none. */
static bool next_user(const char **at, struct kci_str *name, struct kci_str *password)
{
    if (!**at)
        return false;
    size_t size = strcspn(*at, ",");
    const char *equals = memchr(*at, '=', size);
    *name = (struct kci_str){ *at, equals ? (size_t)(equals - *at) : 0 };
    *password = (struct kci_str){ equals ? equals + 1 : *at, equals ? size - name->size - 1 : 0 };
    *at += size + ((*at)[size] == ',');
    return true;
}

static bool is_password_of(const struct mb_cluster *cluster, struct kci_str name, struct kci_str password)
{
    struct kci_str known, right;
    for (const char *at = property(cluster, "mock.sasl.users"); next_user(&at, &known, &right);)
        if (kci_str_equal(known, name) && kci_str_equal(right, password))
            return true;
    return false;
}

static bool seed_user(struct mb_cluster *cluster, struct kci_str name, struct kci_str password, int8_t mechanism)
{
    uint8_t salt[SALT_BYTES], salted[MB_DIGEST_BYTES_MAX];
    for (size_t i = 0; i < sizeof salt; i += 8)
        kci_put64(salt + i, kci_prng_next(&cluster->prng));
    mb_hmac_hi((enum mb_digest_kind)mechanism, password, (struct kci_bytes){ salt, sizeof salt },
               MB_SCRAM_ITERATION_MIN, salted);
    return mb_scram_users_set(&cluster->scram_users, name, mechanism, MB_SCRAM_ITERATION_MIN,
                              (struct kci_bytes){ salt, sizeof salt },
                              (struct kci_bytes){ salted, mb_digest_size((enum mb_digest_kind)mechanism) });
}

bool mb_sasl_seed(struct mb_cluster *cluster)
{
    struct kci_str name, password;
    bool ok = true;
    for (const char *at = property(cluster, "mock.sasl.users"); next_user(&at, &name, &password);)
        for (int mechanism = MB_SASL_SCRAM_256; mechanism <= MB_SASL_SCRAM_512; mechanism++)
            if (mb_sasl_is_enabled(cluster, (enum mb_sasl_mechanism)mechanism))
                ok &= seed_user(cluster, name, password, (int8_t)mechanism);
    return ok;
}

static bool users_are_right(const struct mb_cluster *cluster, char *text, size_t text_size)
{
    struct kci_str name, password;
    for (const char *at = property(cluster, "mock.sasl.users"); next_user(&at, &name, &password);)
        if (!name.size || name.size > MB_SCRAM_NAME_BYTES || !password.size) {
            snprintf(text, text_size, "mock.sasl.users: not a list of name=password");
            return false;
        }
    return true;
}

bool mb_sasl_start(struct mb_cluster *cluster, char *text, size_t text_size)
{
    const char *mechanisms = property(cluster, "sasl.enabled.mechanisms");
    cluster->sasl_enabled = 0;
    for (const char *at = mechanisms; *at;) {
        struct kci_str name = { at, strcspn(at, ",") };
        int known = mb_sasl_mechanism_find(name);
        if (known >= 0)
            cluster->sasl_enabled |= BIT(known);
        at += name.size + (at[name.size] == ',');
    }
    if (cluster->sasl_enabled && strstr(mechanisms, "GSSAPI")) {
        snprintf(text, text_size, "sasl.enabled.mechanisms: GSSAPI is not spoken here");
        return false;
    }
    if (!users_are_right(cluster, text, text_size))
        return false;
    snprintf(text, text_size, "out of memory");
    return mb_sasl_seed(cluster);
}

/* ---- connections ---- */

bool mb_sasl_open(struct mb_connection *connection)
{
    struct mb_cluster *cluster = connection->cluster;
    if (!cluster->sasl_enabled)
        return true;
    int64_t frame_max = mb_cluster_property(cluster, "sasl.server.max.receive.size");
    connection->sasl = kci_alloc_zero(cluster->alloc, 1, sizeof *connection->sasl);
    if (!connection->sasl)
        return false;
    connection->sasl->session_until = KCI_NEVER;
    connection->sasl->again_at = -1;
    if (connection->splitter.frame_bytes_max > frame_max)
        connection->splitter.frame_bytes_max = (uint32_t)frame_max;
    return true;
}

void mb_sasl_close(struct mb_connection *connection)
{
    if (connection->sasl)
        mb_scram_forget(&connection->sasl->scram, connection->cluster->alloc);
    kci_alloc_free(connection->cluster->alloc, connection->sasl);
    connection->sasl = NULL;
}

bool mb_sasl_is_login(const struct mb_request *request)
{
    const struct mb_sasl *sasl = request->connection->sasl;
    return sasl && (sasl->state != MB_SASL_DONE || request->header.api_key == KCI_API_SASL_AUTHENTICATE);
}

bool mb_sasl_is_over(const struct mb_connection *connection)
{
    return connection->sasl && connection->sasl->state == MB_SASL_FAILED;
}

void mb_sasl_versions_told(struct mb_connection *connection)
{
    if (connection->sasl && connection->sasl->state == MB_SASL_BEGUN)
        move(connection->sasl, MB_SASL_VERSIONED);
}

int64_t mb_sasl_session_ms(const struct mb_sasl *sasl, int64_t now)
{
    if (sasl->state != MB_SASL_DONE || sasl->session_until == KCI_NEVER)
        return 0;
    return sasl->session_until > now ? (sasl->session_until - now) / 1000 : 0;
}

static void begin_session(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    struct mb_sasl *sasl = connection->sasl;
    int64_t limit_ms = mb_cluster_property(cluster, "connections.max.reauth.ms");
    sasl->known = sasl->claimed;
    sasl->session_until = KCI_NEVER;
    connection->splitter.frame_bytes_max = (uint32_t)mb_cluster_property(cluster, "socket.request.max.bytes");
    if (sasl->known.by_token) {
        int64_t left_ms = sasl->known.token_until_ms - mb_cluster_wall_ms(cluster, now);
        if (left_ms < 0)
            left_ms = 0;
        limit_ms = limit_ms && limit_ms < left_ms ? limit_ms : left_ms;
    } else if (!limit_ms) {
        return;
    }
    if (limit_ms < (KCI_NEVER - now) / 1000)
        sasl->session_until = now + limit_ms * 1000;
}

static bool refuse(struct mb_request *request, int64_t now)
{
    struct mb_fault fault = { .match = { .partition = -1 } };
    fault.action.kind = MB_FAULT_ERROR;
    fault.action.error = KCI_ILLEGAL_SASL_STATE;
    move(request->connection->sasl, MB_SASL_FAILED);
    if (request->header.api_key == KCI_API_SASL_HANDSHAKE)
        mb_handle_sasl_handshake(request, now); /* which says that */
    else
        mb_fault_refuse_request(request, &fault, now);
    return false;
}

static bool is_admitted_when_done(struct mb_request *request, int64_t now)
{
    struct mb_sasl *sasl = request->connection->sasl;
    bool handshake = request->header.api_key == KCI_API_SASL_HANDSHAKE;
    if (handshake && sasl->session_until != KCI_NEVER && (sasl->again_at < 0 || now - sasl->again_at >= AGAIN_US)) {
        sasl->again = true;
        sasl->again_at = now;
        return true;
    }
    sasl->again = false;
    if (now < sasl->session_until)
        return true;
    mb_request_hang_up(request, "its session has ended", now);
    return false;
}

bool mb_sasl_admits(struct mb_request *request, int64_t now)
{
    struct mb_sasl *sasl = request->connection->sasl;
    int16_t key = request->header.api_key;
    switch ((enum mb_sasl_state)sasl->state) {
    case MB_SASL_BEGUN:
        if (key == KCI_API_API_VERSIONS || key == KCI_API_SASL_HANDSHAKE)
            return true;
        break;
    case MB_SASL_VERSIONED:
        if (key == KCI_API_SASL_HANDSHAKE)
            return true;
        break;
    case MB_SASL_EXCHANGE:
        return key == KCI_API_SASL_AUTHENTICATE || refuse(request, now);
    case MB_SASL_DONE:
        return is_admitted_when_done(request, now);
    default:
        break;
    }
    mb_request_hang_up(request, "a request before its client has authenticated", now);
    return false;
}

int mb_sasl_choose(struct mb_connection *connection, struct kci_str mechanism, bool raw)
{
    struct mb_sasl *sasl = connection->sasl;
    int chosen = mb_sasl_mechanism_find(mechanism);
    if (!sasl || sasl->state == MB_SASL_FAILED || (sasl->state == MB_SASL_DONE && !sasl->again))
        return KCI_ILLEGAL_SASL_STATE;
    if (chosen < 0 || !mb_sasl_is_enabled(connection->cluster, (enum mb_sasl_mechanism)chosen)) {
        move(sasl, MB_SASL_FAILED);
        return sasl->again ? -1 : KCI_UNSUPPORTED_SASL_MECHANISM;
    }
    if (sasl->again && (enum mb_sasl_mechanism)chosen != sasl->mechanism) {
        move(sasl, MB_SASL_MISMATCHED);
        return KCI_NONE;
    }
    sasl->mechanism = (enum mb_sasl_mechanism)chosen;
    sasl->raw = raw;
    move(sasl, MB_SASL_EXCHANGE);
    return KCI_NONE;
}

/* ---- the mechanisms: NULL, or what is wrong ---- */

static const char *generic(const struct mb_sasl *sasl, char *text, size_t text_size)
{
    snprintf(text, text_size, "Authentication failed during %s due to invalid credentials with SASL mechanism %s",
             sasl->again ? "re-authentication" : "authentication", mb_sasl_mechanism_name(sasl->mechanism));
    return text;
}

static void claim(struct mb_sasl *sasl, struct kci_str user)
{
    memset(&sasl->claimed, 0, sizeof sasl->claimed);
    snprintf(sasl->claimed.principal, sizeof sasl->claimed.principal, "User:%.*s", (int)user.size, user.data);
}

/* authorization NUL name NUL password (RFC 4616) */
static const char *plain(struct mb_connection *connection, struct kci_bytes message, char *text, size_t text_size)
{
    struct kci_str token[4], rest = { (const char *)message.data, message.size };
    size_t count = 0;
    for (bool more = true; more && count < 4; count++) {
        const char *nul = rest.size ? memchr(rest.data, '\0', rest.size) : NULL;
        more = nul != NULL;
        token[count] = (struct kci_str){ rest.data, nul ? (size_t)(nul - rest.data) : rest.size };
        rest.data += token[count].size + more;
        rest.size -= token[count].size + more;
    }
    if (count != 3) {
        snprintf(text, text_size, "Invalid SASL/PLAIN response: expected 3 tokens, got %zu", count);
        return text;
    }
    if (!token[1].size)
        return "Authentication failed: username not specified";
    if (!token[2].size)
        return "Authentication failed: password not specified";
    if (!is_password_of(connection->cluster, token[1], token[2]))
        return "Authentication failed: Invalid username or password";
    if (token[0].size && !kci_str_equal(token[0], token[1]))
        return "Authentication failed: Client requested an authorization id that is different from username";
    claim(connection->sasl, token[1]);
    return NULL;
}

/* false: there is no such user. */
static bool claim_as_user(struct mb_connection *connection, struct kci_str name, struct mb_scram_secret *secret)
{
    const struct mb_scram_credential *credential =
        mb_scram_users_find(&connection->cluster->scram_users, name, (int8_t)secret->kind);
    if (!credential)
        return false;
    secret->iterations = credential->iterations;
    secret->salt = (struct kci_bytes){ credential->salt, credential->salt_size };
    secret->salted_password = (struct kci_bytes){ credential->salted_password, credential->salted_password_size };
    claim(connection->sasl, name);
    return true;
}

/* KIP-48: the name is that of a token, and who has it is its owner. */
static bool claim_as_bearer(struct mb_connection *connection, struct kci_str name, struct mb_scram_secret *secret)
{
    struct mb_identity *claimed = &connection->sasl->claimed;
    struct mb_token *token = mb_tokens_find(connection->cluster, name);
    if (!token || token->of.owner.size >= sizeof claimed->principal || !mb_tokens_are_enabled(connection->cluster))
        return false;
    *secret = mb_token_secret(token, secret->kind);
    memset(claimed, 0, sizeof *claimed);
    memcpy(claimed->principal, token->of.owner.data, token->of.owner.size);
    claimed->by_token = true;
    claimed->token_until_ms = token->of.expires_ms;
    return true;
}

static const char *scram_first(struct mb_connection *connection, struct kci_bytes message, struct kci_writer *w,
                               char *text, size_t text_size)
{
    struct mb_cluster *cluster = connection->cluster;
    struct mb_sasl *sasl = connection->sasl;
    enum mb_digest_kind kind = sasl->mechanism == MB_SASL_SCRAM_256 ? MB_SHA_256 : MB_SHA_512;
    struct mb_scram_first first;
    struct mb_scram_secret secret = { .kind = kind };
    if (!mb_scram_read_first(message, &first))
        return generic(sasl, text, text_size);
    if (!(first.by_token ? claim_as_bearer : claim_as_user)(connection, kci_str_of(first.user), &secret))
        return generic(sasl, text, text_size);
    if (first.authorization.data && !kci_str_equal(first.authorization, kci_str_of(first.user)))
        return "Authentication failed: Client requested an authorization id that is different from username";
    return mb_scram_begin(&sasl->scram, cluster->alloc, &first, &secret, &cluster->prng, w) ? NULL : "";
}

static const char *scram_final(struct mb_connection *connection, struct kci_bytes message, struct kci_writer *w,
                               char *text, size_t text_size)
{
    struct mb_sasl *sasl = connection->sasl;
    enum mb_scram_verdict verdict = mb_scram_finish(&sasl->scram, message, w);
    mb_scram_forget(&sasl->scram, connection->cluster->alloc);
    if (verdict == MB_SCRAM_REFUSED)
        return generic(sasl, text, text_size);
    return verdict == MB_SCRAM_BROKEN ? "" : NULL;
}

/* KIP-368: whoever comes again is the same. */
static const char *recognize(const struct mb_sasl *sasl, char *text, size_t text_size)
{
    const char *before = sasl->known.principal, *after = sasl->claimed.principal;
    if (!sasl->again || strcmp(before, after) == 0)
        return NULL;
    int type_before = (int)strcspn(before, ":"), type_after = (int)strcspn(after, ":");
    snprintf(text, text_size, "Cannot change principals during re-authentication from %.*s.%s: %.*s.%s", type_before,
             before, before + type_before + 1, type_after, after, after + type_after + 1);
    return text;
}

const char *mb_sasl_evaluate(struct mb_connection *connection, struct kci_bytes message, struct kci_writer *w,
                             char *text, size_t text_size, int64_t now)
{
    struct mb_sasl *sasl = connection->sasl;
    const char *wrong;
    bool last = true;
    if (sasl->mechanism == MB_SASL_PLAIN) {
        wrong = plain(connection, message, text, text_size);
    } else if (!sasl->scram.nonce) {
        last = false;
        wrong = scram_first(connection, message, w, text, text_size);
    } else {
        wrong = scram_final(connection, message, w, text, text_size);
    }
    if (!wrong && last)
        wrong = recognize(sasl, text, text_size);
    if (wrong) {
        move(sasl, MB_SASL_FAILED);
    } else if (last) {
        move(sasl, MB_SASL_DONE);
        begin_session(connection, now);
    }
    return wrong;
}

/* ---- bare frames, after SaslHandshake v0 ---- */

bool mb_sasl_takes(struct mb_connection *connection, struct kci_frame *frame, int64_t now)
{
    struct mb_sasl *sasl = connection->sasl;
    const struct kci_alloc *alloc = connection->cluster->alloc;
    char text[MB_SASL_TEXT_MAX];
    if (!sasl->raw || sasl->state != MB_SASL_EXCHANGE)
        return false;
    struct mb_outgoing *outgoing = kci_alloc_zero(alloc, 1, sizeof *outgoing);
    const char *wrong = "";
    if (outgoing) {
        outgoing->body = kci_writer_of(alloc, MB_SASL_ANSWER_MAX);
        kci_writer_i32(&outgoing->body, 0);
        wrong = mb_sasl_evaluate(connection, (struct kci_bytes){ frame->data, frame->size }, &outgoing->body, text,
                                 sizeof text, now);
    }
    kci_frame_release(frame);
    if (outgoing && !wrong && !outgoing->body.failed) {
        kci_frame_finish(&outgoing->body, 0, 0);
        mb_connection_push(connection, outgoing);
        return true;
    }
    if (outgoing)
        mb_outgoing_free(alloc, outgoing);
    mb_connection_hang_up(connection, "SASL authentication failed", now);
    return true;
}
