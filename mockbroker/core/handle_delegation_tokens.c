/* Create, Renew, Expire and DescribeDelegationToken (KIP-48).  A token stands for a user, so that none is given on a
 * connection that did not authenticate, nor on one that authenticated with a token.
 *
 * What is wrong is told in Kafka's order.  Its broker looks at who asks, and for whom; its controller at the rest:
 * whether there is a secret, which token, whether it has expired, whose it is.  Times of what the broker refuses are -1,
 * of what the controller refuses 0. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/sasl.h"
#include "mockbroker/core/tokens.h"

typedef struct kci_create_delegation_token_request create_request;
typedef struct kci_create_delegation_token_response create_response;
typedef struct kci_describe_delegation_token_response__described_delegation_token token_out;
typedef struct kci_describe_delegation_token_response__described_delegation_token_renewer renewer_out;

static bool is_allowed(const struct mb_request *request)
{
    const struct mb_sasl *sasl = request->connection->sasl;
    return sasl && !sasl->known.by_token;
}

static void split(struct kci_str principal, struct kci_str *type, struct kci_str *name)
{
    const char *colon = memchr(principal.data, ':', principal.size);
    *type = (struct kci_str){ principal.data, colon ? (size_t)(colon - principal.data) : 0 };
    *name = (struct kci_str){ principal.data + type->size + 1, principal.size - type->size - 1 };
}

/* "User:anna" in the request's arena. No data: no memory, or a NUL in it: what is behind one would be lost to who logs in
 * as the owner, and be one more renewer. */
static struct kci_str join(struct mb_request *request, struct kci_str type, struct kci_str name)
{
    bool bad = kci_str_has_nul(type) || kci_str_has_nul(name);
    char *text = bad ? NULL : kci_arena_take(&request->arena, type.size + name.size + 2);
    if (!text)
        return (struct kci_str){ NULL, 0 };
    memcpy(text, type.data, type.size);
    text[type.size] = ':';
    memcpy(text + type.size + 1, name.data, name.size);
    return (struct kci_str){ text, type.size + name.size + 1 };
}

/* With a NUL behind each. No data: as above. */
static struct kci_str join_renewers(struct mb_request *request)
{
    const create_request *body = request->body;
    size_t size = 0;
    for (int32_t i = 0; i < body->renewers_count; i++)
        size += body->renewers[i].principal_type.size + body->renewers[i].principal_name.size + 2;
    char *text = kci_arena_take(&request->arena, size + 1), *at = text;
    for (int32_t i = 0; text && i < body->renewers_count; i++) {
        struct kci_str one = join(request, body->renewers[i].principal_type, body->renewers[i].principal_name);
        if (!one.data)
            return one;
        memcpy(at, one.data, one.size);
        at[one.size] = '\0';
        at += one.size + 1;
    }
    return (struct kci_str){ text, size };
}

static bool are_users(const create_request *body)
{
    for (int32_t i = 0; i < body->renewers_count; i++)
        if (!kci_str_equal(body->renewers[i].principal_type, kci_str_of("User")))
            return false;
    return true;
}

/* What the broker refuses before the controller hears of it. */
static int16_t check_create(const struct mb_request *request, struct kci_str owner)
{
    if (!is_allowed(request))
        return KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    if (!kci_str_equal(owner, mb_request_principal(request)) &&
        !mb_authorize(request, MB_ACL_CREATE_TOKENS, MB_ACL_USER, owner))
        return KCI_DELEGATION_TOKEN_AUTHORIZATION_FAILED;
    return are_users(request->body) ? KCI_NONE : KCI_INVALID_PRINCIPAL_TYPE;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void create(struct mb_request *request, create_response *response, struct kci_str owner, int64_t now)
{
    const create_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    int64_t wall_ms = mb_cluster_wall_ms(cluster, now);
    int64_t life_ms = mb_cluster_property(cluster, "delegation.token.max.lifetime.ms");
    if (!mb_tokens_are_enabled(cluster)) {
        response->error_code = KCI_DELEGATION_TOKEN_AUTH_DISABLED;
        return;
    }
    if (body->max_lifetime_ms > 0)
        life_ms = smaller(life_ms, body->max_lifetime_ms);
    struct mb_token_of of = { .owner = owner,
                              .requester = mb_request_principal(request),
                              .renewers = join_renewers(request),
                              .issued_ms = wall_ms,
                              .ends_ms = wall_ms + smaller(life_ms, INT64_MAX - wall_ms) };
    int64_t expiry_ms = mb_cluster_property(cluster, "delegation.token.expiry.time.ms");
    of.expires_ms = smaller(of.ends_ms, wall_ms + smaller(expiry_ms, INT64_MAX - wall_ms));
    struct mb_token *token = of.owner.data && of.renewers.data ? mb_tokens_add(cluster, &of) : NULL;
    if (!token) {
        response->error_code = KCI_UNKNOWN_SERVER_ERROR;
        return;
    }
    response->issue_timestamp_ms = of.issued_ms;
    response->expiry_timestamp_ms = of.expires_ms;
    response->max_timestamp_ms = of.ends_ms;
    response->token_id = token->of.id;
    response->hmac = (struct kci_bytes){ token->hmac, sizeof token->hmac };
    mb_controller_changed(cluster);
}

void mb_handle_create_delegation_token(struct mb_request *request, int64_t now)
{
    const create_request *body = request->body;
    create_response response;
    struct kci_str requester = mb_request_principal(request), owner = requester;
    bool is_new = request->header.version >= 3, of_another = is_new && body->owner_principal_name.size > 0;
    kci_codec_init(&kci_create_delegation_token_response_schema, &response);
    if (of_another && body->owner_principal_type.data)
        owner = join(request, body->owner_principal_type, body->owner_principal_name);
    else if (of_another) /* an owner without a kind is none: so says Kafka, of nobody */
        owner = requester = kci_str_of("User:ANONYMOUS");
    if (owner.data)
        split(owner, &response.principal_type, &response.principal_name);
    if (of_another && body->owner_principal_type.data) { /* as sent, wherever there are colons */
        response.principal_type = body->owner_principal_type;
        response.principal_name = body->owner_principal_name;
    }
    if (is_new)
        split(requester, &response.token_requester_principal_type, &response.token_requester_principal_name);
    if (of_another && !body->owner_principal_type.data)
        response.error_code = KCI_UNKNOWN_SERVER_ERROR;
    else
        response.error_code = check_create(request, owner);
    if (response.error_code)
        response.issue_timestamp_ms = response.expiry_timestamp_ms = response.max_timestamp_ms = -1;
    else
        create(request, &response, owner, now);
    mb_request_answer(request, &response, now);
}

/* ---- renewing and expiring ---- */

static bool may_renew(const struct mb_request *request, const struct mb_token *token)
{
    struct kci_str principal = mb_request_principal(request);
    return kci_str_equal(token->of.owner, principal) || mb_token_has_renewer(token, principal);
}

static bool has_expired(const struct mb_request *request, const struct mb_token *token, int64_t now)
{
    int64_t wall_ms = mb_cluster_wall_ms(request->cluster, now);
    return token->of.ends_ms < wall_ms || token->of.expires_ms < wall_ms;
}

/* It expires after `period_ms`, or at its end. */
static int64_t set_expiry(struct mb_request *request, struct mb_token *token, int64_t period_ms, int64_t now)
{
    int64_t wall_ms = mb_cluster_wall_ms(request->cluster, now);
    token->of.expires_ms = smaller(token->of.ends_ms, wall_ms + smaller(period_ms, INT64_MAX - wall_ms));
    mb_controller_changed(request->cluster);
    return token->of.expires_ms;
}

/* NULL: *error says why. */
static struct mb_token *look_up(const struct mb_request *request, struct kci_bytes hmac, int16_t *error,
                                int64_t *expiry_ms)
{
    *expiry_ms = is_allowed(request) ? 0 : -1;
    struct mb_token *token = mb_tokens_find_hmac(request->cluster, hmac);
    *error = !is_allowed(request)                       ? KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
             : !mb_tokens_are_enabled(request->cluster) ? KCI_DELEGATION_TOKEN_AUTH_DISABLED
             : !token                                   ? KCI_DELEGATION_TOKEN_NOT_FOUND
                                                        : KCI_NONE;
    return *error ? NULL : token;
}

void mb_handle_renew_delegation_token(struct mb_request *request, int64_t now)
{
    const struct kci_renew_delegation_token_request *body = request->body;
    struct kci_renew_delegation_token_response response;
    kci_codec_init(&kci_renew_delegation_token_response_schema, &response);
    struct mb_token *token = look_up(request, body->hmac, &response.error_code, &response.expiry_timestamp_ms);
    int64_t period_ms = mb_cluster_property(request->cluster, "delegation.token.expiry.time.ms");
    if (token && has_expired(request, token, now))
        response.error_code = KCI_DELEGATION_TOKEN_EXPIRED;
    else if (token && !may_renew(request, token))
        response.error_code = KCI_DELEGATION_TOKEN_OWNER_MISMATCH;
    else if (token)
        response.expiry_timestamp_ms = set_expiry(
            request, token, body->renew_period_ms > 0 ? smaller(period_ms, body->renew_period_ms) : period_ms, now);
    mb_request_answer(request, &response, now);
}

void mb_handle_expire_delegation_token(struct mb_request *request, int64_t now)
{
    const struct kci_expire_delegation_token_request *body = request->body;
    struct kci_expire_delegation_token_response response;
    kci_codec_init(&kci_expire_delegation_token_response_schema, &response);
    struct mb_token *token = look_up(request, body->hmac, &response.error_code, &response.expiry_timestamp_ms);
    if (token && !may_renew(request, token)) {
        response.error_code = KCI_DELEGATION_TOKEN_OWNER_MISMATCH;
    } else if (token && body->expiry_time_period_ms < 0) {
        response.expiry_timestamp_ms = mb_cluster_wall_ms(request->cluster, now);
        mb_tokens_remove(request->cluster, token);
        mb_controller_changed(request->cluster);
    } else if (token && has_expired(request, token, now)) {
        response.error_code = KCI_DELEGATION_TOKEN_EXPIRED;
    } else if (token) {
        response.expiry_timestamp_ms = set_expiry(request, token, body->expiry_time_period_ms, now);
    }
    mb_request_answer(request, &response, now);
}

/* ---- describing ---- */

/* Is the principal "type:name"? */
static bool is(struct kci_str principal, struct kci_str type, struct kci_str name)
{
    return principal.size == type.size + 1 + name.size && memcmp(principal.data, type.data, type.size) == 0 &&
           principal.data[type.size] == ':' && memcmp(principal.data + type.size + 1, name.data, name.size) == 0;
}

static bool concerns(const struct mb_token *token, struct kci_str type, struct kci_str name)
{
    struct kci_str renewer;
    for (size_t at = 0; mb_token_renewer(&token->of, &at, &renewer);)
        if (is(renewer, type, name))
            return true;
    return is(token->of.owner, type, name) || is(token->of.requester, type, name);
}

static bool is_asked_for(const struct mb_request *request, const struct mb_token *token)
{
    const struct kci_describe_delegation_token_request *body = request->body;
    for (int32_t i = 0; i < body->owners_count; i++)
        if (concerns(token, body->owners[i].principal_type, body->owners[i].principal_name))
            return true;
    return body->owners_count < 0;
}

/* Those who have to do with it see it; others with a right on the token, or on the tokens of its owner. */
static bool is_shown(const struct mb_request *request, const struct mb_token *token)
{
    struct kci_str type, name;
    split(mb_request_principal(request), &type, &name);
    return is_asked_for(request, token) &&
           (concerns(token, type, name) ||
            mb_authorize(request, MB_ACL_DESCRIBE, MB_ACL_DELEGATION_TOKEN, token->of.id) ||
            mb_authorize(request, MB_ACL_DESCRIBE_TOKENS, MB_ACL_USER, token->of.owner));
}

static bool show(struct mb_request *request, const struct mb_token *token, token_out *out)
{
    struct kci_str renewer;
    int32_t count = 0;
    for (size_t at = 0; mb_token_renewer(&token->of, &at, &renewer);)
        count++;
    kci_codec_init(&kci_describe_delegation_token_response__described_delegation_token_schema, out);
    split(token->of.owner, &out->principal_type, &out->principal_name);
    if (request->header.version >= 3)
        split(token->of.requester, &out->token_requester_principal_type, &out->token_requester_principal_name);
    out->issue_timestamp = token->of.issued_ms;
    out->expiry_timestamp = token->of.expires_ms;
    out->max_timestamp = token->of.ends_ms;
    out->token_id = token->of.id;
    out->hmac = (struct kci_bytes){ token->hmac, sizeof token->hmac };
    out->renewers = kci_arena_array(&request->arena, (size_t)count, sizeof *out->renewers);
    if (!out->renewers)
        return false;
    for (size_t at = 0; mb_token_renewer(&token->of, &at, &renewer);) {
        renewer_out *one = &out->renewers[out->renewers_count++];
        split(renewer, &one->principal_type, &one->principal_name);
    }
    return true;
}

#define OWNERS_MAX 1000 /* asked for at once: each token is compared with each of them */

void mb_handle_describe_delegation_token(struct mb_request *request, int64_t now)
{
    const struct kci_describe_delegation_token_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_describe_delegation_token_response response;
    bool ok = body->owners_count <= OWNERS_MAX;
    kci_codec_init(&kci_describe_delegation_token_response_schema, &response);
    if (!is_allowed(request))
        response.error_code = KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    else if (!mb_tokens_are_enabled(cluster))
        response.error_code = KCI_DELEGATION_TOKEN_AUTH_DISABLED;
    else
        response.tokens = kci_arena_array(&request->arena, cluster->tokens.count, sizeof *response.tokens);
    KCI_LIST_EACH(node, &cluster->tokens.all)
    {
        const struct mb_token *token = KCI_CONTAINER(node, struct mb_token, link);
        if (response.error_code || !ok || !is_shown(request, token))
            continue;
        ok = response.tokens && show(request, token, &response.tokens[response.tokens_count++]);
    }
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a list of tokens, or more than 1000 owners", now);
}
