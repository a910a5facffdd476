/* A list.  The HMAC comes of the id and the broker's secret, so that neither it nor anything that it proves is on disk:
 * with another secret the same tokens have other passwords, as in Kafka.
 *
 *      issued ---- expires (renewable) ---- ends          in wall-clock time; removed when the purge comes by
 *
 * Until the purge a token that has expired is still shown and still lets its bearer log in, for a session that is over
 * with the next request: so does Kafka. */
#include "mockbroker/core/tokens.h"

#include "mockbroker/core/cluster.h"

#include <stdio.h>

void mb_tokens_init(struct mb_tokens *tokens)
{
    kci_list_init(&tokens->all);
}

static struct mb_token *token_of(struct kci_list *node)
{
    return KCI_CONTAINER(node, struct mb_token, link);
}

void mb_tokens_remove(struct mb_cluster *cluster, struct mb_token *token)
{
    kci_list_remove(&token->link);
    cluster->tokens.count--;
    kci_alloc_free(cluster->alloc, token);
}

void mb_tokens_clear(struct mb_cluster *cluster)
{
    struct kci_list *node;
    while ((node = kci_list_first(&cluster->tokens.all)) != NULL)
        mb_tokens_remove(cluster, token_of(node));
}

static void purge_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    int64_t wall_ms = mb_cluster_wall_ms(cluster, now);
    size_t before = cluster->tokens.count;
    KCI_LIST_EACH(node, &cluster->tokens.all)
    {
        struct mb_token *token = token_of(node);
        if (token->of.expires_ms < wall_ms || token->of.ends_ms < wall_ms)
            mb_tokens_remove(cluster, token);
    }
    if (cluster->tokens.count != before)
        mb_controller_changed(cluster);
    mb_alarm_set(cluster, &cluster->tokens.purge,
                 now + mb_cluster_property(cluster, "delegation.token.expiry.check.interval.ms") * 1000);
}

void mb_tokens_start(struct mb_cluster *cluster, int64_t now)
{
    cluster->tokens.purge.fire = purge_fires;
    cluster->tokens.purge.owner = cluster;
    if (mb_tokens_are_enabled(cluster))
        purge_fires(cluster, now);
}

static struct kci_str secret_of(const struct mb_cluster *cluster)
{
    int row = mb_properties_find(kci_str_of("delegation.token.secret.key"));
    return kci_str_of(mb_properties_text(&cluster->properties, (size_t)row));
}

bool mb_tokens_are_enabled(const struct mb_cluster *cluster)
{
    return secret_of(cluster).size > 0;
}

static struct kci_str keep(char **at, struct kci_str text)
{
    struct kci_str kept = { *at, text.size };
    if (text.size)
        memcpy(*at, text.data, text.size);
    *at += text.size;
    return kept;
}

static void make_id(struct mb_cluster *cluster, char text[KCI_UUID_TEXT_SIZE])
{
    struct kci_uuid id;
    for (size_t i = 0; i < sizeof id.b; i += 8)
        kci_put64(id.b + i, kci_prng_next(&cluster->prng));
    id.b[0] &= 0x7f; /* Kafka avoids a '-' in front, which tools take for an option */
    kci_uuid_print(text, &id);
}

struct mb_token *mb_tokens_add(struct mb_cluster *cluster, const struct mb_token_of *of)
{
    char made[KCI_UUID_TEXT_SIZE];
    struct kci_str id = of->id, secret = secret_of(cluster);
    size_t size = of->owner.size + of->requester.size + of->renewers.size;
    if (size > MB_TOKEN_TEXT_MAX || cluster->tokens.count >= MB_TOKENS_MAX)
        return NULL;
    if (!id.data) {
        make_id(cluster, made);
        id = kci_str_of(made);
    }
    struct mb_token *token = kci_alloc_zero(cluster->alloc, 1, sizeof *token + size + id.size);
    if (!token)
        return NULL;
    char *at = (char *)(token + 1);
    token->of = *of;
    token->of.id = keep(&at, id);
    token->of.owner = keep(&at, of->owner);
    token->of.requester = keep(&at, of->requester);
    token->of.renewers = keep(&at, of->renewers);
    mb_hmac_of(MB_SHA_512, (struct kci_bytes){ (const uint8_t *)secret.data, secret.size }, token->of.id, token->hmac);
    for (size_t i = 0; i < sizeof token->salt; i += 8)
        kci_put64(token->salt + i, kci_prng_next(&cluster->prng));
    kci_list_push(&cluster->tokens.all, &token->link);
    cluster->tokens.count++;
    return token;
}

struct mb_token *mb_tokens_find(const struct mb_cluster *cluster, struct kci_str id)
{
    KCI_LIST_EACH(node, &cluster->tokens.all)
    {
        if (kci_str_equal(token_of(node)->of.id, id))
            return token_of(node);
    }
    return NULL;
}

struct mb_token *mb_tokens_find_hmac(const struct mb_cluster *cluster, struct kci_bytes hmac)
{
    KCI_LIST_EACH(node, &cluster->tokens.all)
    {
        struct mb_token *token = token_of(node);
        if (hmac.size == sizeof token->hmac && memcmp(token->hmac, hmac.data, sizeof token->hmac) == 0)
            return token;
    }
    return NULL;
}

bool mb_token_renewer(const struct mb_token_of *of, size_t *at, struct kci_str *renewer)
{
    struct kci_str all = of->renewers;
    if (*at >= all.size)
        return false;
    const char *nul = memchr(all.data + *at, '\0', all.size - *at);
    size_t end = nul ? (size_t)(nul - all.data) : all.size;
    *renewer = (struct kci_str){ all.data + *at, end - *at };
    *at = end + 1;
    return true;
}

bool mb_token_has_renewer(const struct mb_token *token, struct kci_str principal)
{
    struct kci_str renewer;
    for (size_t at = 0; mb_token_renewer(&token->of, &at, &renewer);)
        if (kci_str_equal(renewer, principal))
            return true;
    return false;
}

struct mb_scram_secret mb_token_secret(struct mb_token *token, enum mb_digest_kind kind)
{
    bool *known = &token->salted[kind - MB_SHA_256].known;
    uint8_t *salted = token->salted[kind - MB_SHA_256].bytes;
    struct kci_bytes salt = { token->salt, sizeof token->salt };
    char password[MB_DIGEST_BYTES_MAX * 2];
    if (!*known) {
        size_t size = mb_base64_print((struct kci_bytes){ token->hmac, sizeof token->hmac }, password);
        mb_hmac_hi(kind, (struct kci_str){ password, size }, salt, MB_SCRAM_ITERATION_MIN, salted);
        *known = true;
    }
    return (struct mb_scram_secret){ kind, MB_SCRAM_ITERATION_MIN, salt, { salted, mb_digest_size(kind) } };
}
