/* Stories of delegation tokens: who gets one, how long it lives, who sees it, what it is good for, and what is left of it
 * when the cluster has started again. */
#include "support/memory_storage.h"
#include "support/sasl_story.h"

#include "base/checksum.h"

#define HOUR   (3600 * (int64_t)SECOND)
#define DAY    (24 * HOUR)
#define DAY_MS (DAY / 1000)
#define TOKENS "delegation.token.secret.key=of-the-cluster "
#define PLAIN  SASL_PLAIN_ONLY TOKENS

typedef struct kci_create_delegation_token_response token_answer;
typedef struct kci_describe_delegation_token_response tokens_answer;

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 1, PLAIN);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

struct create_of {
    int64_t lifetime_ms;
    struct kci_str owner_type, owner;
    const char *renewer_type, *renewer; /* type NULL: User; name NULL: no renewer */
    struct kci_str renewer_bytes;       /* instead of renewer, when it is no text */
};

static token_answer *create(struct client *client, struct create_of of)
{
    struct kci_create_delegation_token_request request;
    struct kci_create_delegation_token_request__creatable_renewers renewer = {
        .principal_type = kci_str_of(of.renewer_type ? of.renewer_type : "User"),
        .principal_name = of.renewer_bytes.data ? of.renewer_bytes : kci_str_of(of.renewer ? of.renewer : "")
    };
    kci_codec_init(&kci_create_delegation_token_request_schema, &request);
    request.max_lifetime_ms = of.lifetime_ms ? of.lifetime_ms : -1;
    request.owner_principal_type = of.owner_type;
    request.owner_principal_name = of.owner;
    request.renewers = &renewer;
    request.renewers_count = of.renewer || of.renewer_bytes.data ? 1 : 0;
    return client_call(client, KCI_API_CREATE_DELEGATION_TOKEN, 3, &request);
}

static token_answer *create_for(struct client *client, const char *owner)
{
    return create(client, (struct create_of){ .owner_type = NAME("User"), .owner = kci_str_of(owner) });
}

static struct kci_renew_delegation_token_response *renew(struct client *client, struct kci_bytes hmac, int64_t ms)
{
    struct kci_renew_delegation_token_request request = { .hmac = hmac, .renew_period_ms = ms };
    return client_call(client, KCI_API_RENEW_DELEGATION_TOKEN, 2, &request);
}

static struct kci_expire_delegation_token_response *expire(struct client *client, struct kci_bytes hmac, int64_t ms)
{
    struct kci_expire_delegation_token_request request = { .hmac = hmac, .expiry_time_period_ms = ms };
    return client_call(client, KCI_API_EXPIRE_DELEGATION_TOKEN, 2, &request);
}

/* owner NULL: all */
static tokens_answer *describe(struct client *client, const char *owner)
{
    struct kci_describe_delegation_token_request request;
    struct kci_describe_delegation_token_request__describe_delegation_token_owner one = {
        .principal_type = NAME("User"), .principal_name = kci_str_of(owner)
    };
    kci_codec_init(&kci_describe_delegation_token_request_schema, &request);
    request.owners = owner ? &one : NULL;
    request.owners_count = owner ? 1 : -1;
    return client_call(client, KCI_API_DESCRIBE_DELEGATION_TOKEN, 3, &request);
}

static struct sasl_scram bearer(const token_answer *token, char password[200])
{
    sasl_base64(&world, password, token->hmac.data, token->hmac.size);
    return (struct sasl_scram){ .kind = MB_SHA_256,
                                .name = kci_arena_text(&world.arena, token->token_id),
                                .password = password,
                                .extensions = ",tokenauth=true" };
}

static int64_t wall_ms(void)
{
    return (world.now + WORLD_EPOCH_US) / 1000;
}

/* ---- making ---- */

static void test_lifetimes(void **state)
{
    static const struct {
        int64_t asked, expires, ends;
    } rows[] = {
        { -1, DAY_MS, 7 * DAY_MS }, { -9, DAY_MS, 7 * DAY_MS },         { 1, 1, 1 },
        { DAY_MS, DAY_MS, DAY_MS }, { DAY_MS + 1, DAY_MS, DAY_MS + 1 }, { INT64_MAX, DAY_MS, 7 * DAY_MS },
    };
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        token_answer *token = create(anna, (struct create_of){ .lifetime_ms = rows[i].asked });
        assert_int_equal(token->error_code, 0);
        assert_int_equal(token->issue_timestamp_ms, wall_ms());
        assert_int_equal(token->expiry_timestamp_ms - token->issue_timestamp_ms, rows[i].expires);
        assert_int_equal(token->max_timestamp_ms - token->issue_timestamp_ms, rows[i].ends);
        assert_int_equal(token->token_id.size, 22);
        assert_int_equal(token->hmac.size, 64);
        assert_true(kci_str_equal(token->principal_name, NAME("anna")));
        assert_true(kci_str_equal(token->token_requester_principal_name, NAME("anna")));
    }
    assert_int_equal(describe(anna, NULL)->tokens_count, 6);
}

/* Settings of an own cluster, so large that they would go over the end of time. */
static void test_the_largest_lifetime(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 1,
               PLAIN "delegation.token.max.lifetime.ms=9223372036854775807 "
                     "delegation.token.expiry.time.ms=9223372036854775807");
    struct client *anna = sasl_client(&world, "|anna|secret");
    token_answer *token = create(anna, (struct create_of){ .lifetime_ms = INT64_MAX });
    assert_int_equal(token->max_timestamp_ms, INT64_MAX);
    assert_int_equal(token->expiry_timestamp_ms, INT64_MAX);
    assert_int_equal(renew(anna, token->hmac, INT64_MAX)->expiry_timestamp_ms, INT64_MAX);
    assert_int_equal(expire(anna, token->hmac, INT64_MAX)->expiry_timestamp_ms, INT64_MAX);
}

static void test_who_gets_none(void **state)
{
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    token_answer *token = create(anna, (struct create_of){ .renewer_type = "Group", .renewer = "x" });
    assert_int_equal(token->error_code, KCI_INVALID_PRINCIPAL_TYPE);
    assert_int_equal(token->issue_timestamp_ms, -1);
    assert_int_equal(token->hmac.size, 0);
    token = create(anna, (struct create_of){ .owner = NAME("x") }); /* an owner of no type */
    assert_int_equal(token->error_code, KCI_UNKNOWN_SERVER_ERROR);
    /* no secret, no tokens; who is wrong besides hears of that first */
    world_close(&world);
    world_open(&world, 1, SASL_PLAIN_ONLY);
    anna = sasl_client(&world, "|anna|secret");
    assert_int_equal(create(anna, (struct create_of){ .lifetime_ms = 1 })->error_code,
                     KCI_DELEGATION_TOKEN_AUTH_DISABLED);
    token = create(anna, (struct create_of){ .renewer_type = "Group", .renewer = "x" });
    assert_int_equal(token->error_code, KCI_INVALID_PRINCIPAL_TYPE);
    assert_int_equal(renew(anna, sasl_bytes("x"), 1)->error_code, KCI_DELEGATION_TOKEN_AUTH_DISABLED);
    assert_int_equal(expire(anna, sasl_bytes("x"), 1)->error_code, KCI_DELEGATION_TOKEN_AUTH_DISABLED);
    assert_int_equal(describe(anna, NULL)->error_code, KCI_DELEGATION_TOKEN_AUTH_DISABLED);
    /* nobody is authenticated: not even who has a secret */
    world_close(&world);
    world_open(&world, 1, TOKENS);
    struct client *client = world_client(&world, 1);
    token = create(client, (struct create_of){ .renewer_type = "Group", .renewer = "x" });
    assert_int_equal(token->error_code, KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
    assert_int_equal(renew(client, sasl_bytes("x"), 1)->expiry_timestamp_ms, -1);
    assert_int_equal(expire(client, sasl_bytes("x"), 1)->error_code, KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
    assert_int_equal(describe(client, NULL)->error_code, KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
}

/* ---- living ---- */

static void test_renewing(void **state)
{
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret"), *bert = sasl_client(&world, "|bert|geheim");
    token_answer *token = create(anna, (struct create_of){ .renewer = "bert" });
    token_answer *own = create(anna, (struct create_of){ .lifetime_ms = DAY_MS });
    int64_t begin = wall_ms();
    world_at(&world, HOUR);
    assert_int_equal(renew(bert, token->hmac, -1)->expiry_timestamp_ms, wall_ms() + DAY_MS);
    assert_int_equal(renew(bert, token->hmac, 5000)->expiry_timestamp_ms, wall_ms() + 5000);
    assert_int_equal(renew(anna, token->hmac, 30 * DAY_MS)->expiry_timestamp_ms, wall_ms() + DAY_MS);
    assert_int_equal(renew(anna, own->hmac, -1)->expiry_timestamp_ms, begin + DAY_MS); /* not beyond its end */
    assert_int_equal(renew(bert, own->hmac, -1)->error_code, KCI_DELEGATION_TOKEN_OWNER_MISMATCH);
    assert_int_equal(expire(bert, own->hmac, -1)->error_code, KCI_DELEGATION_TOKEN_OWNER_MISMATCH);
    assert_int_equal(renew(anna, sasl_bytes("x"), -1)->error_code, KCI_DELEGATION_TOKEN_NOT_FOUND);
    assert_int_equal(expire(anna, (struct kci_bytes){ own->hmac.data, 63 }, -1)->error_code,
                     KCI_DELEGATION_TOKEN_NOT_FOUND);
    for (int day = 1; day < 7; day++) { /* kept alive to its very end */
        world_at(&world, day * DAY);
        assert_int_equal(renew(bert, token->hmac, -1)->error_code, 0);
    }
    assert_int_equal(renew(bert, token->hmac, -1)->expiry_timestamp_ms, begin + 7 * DAY_MS);
}

/* A token that has expired is there until the next purge, and can be removed, not renewed. */
static void test_expiring(void **state)
{
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    token_answer *token = create(anna, (struct create_of){ .lifetime_ms = -1 }), *other = create_for(anna, "anna");
    assert_int_equal(expire(anna, token->hmac, 5000)->expiry_timestamp_ms, wall_ms() + 5000);
    world_at(&world, 5 * SECOND);
    assert_int_equal(renew(anna, token->hmac, 5000)->error_code, 0); /* in its last millisecond */
    world_at(&world, 10 * SECOND + MS);
    assert_int_equal(renew(anna, token->hmac, 5000)->error_code, KCI_DELEGATION_TOKEN_EXPIRED);
    assert_int_equal(expire(anna, token->hmac, 5000)->error_code, KCI_DELEGATION_TOKEN_EXPIRED);
    assert_int_equal(describe(anna, NULL)->tokens_count, 2);
    world_at(&world, HOUR - 1);
    assert_int_equal(describe(anna, NULL)->tokens_count, 2);
    world_at(&world, HOUR);
    assert_int_equal(describe(anna, NULL)->tokens_count, 1);
    assert_int_equal(expire(anna, other->hmac, -1)->expiry_timestamp_ms, wall_ms());
    assert_int_equal(describe(anna, NULL)->tokens_count, 0);
    assert_int_equal(expire(anna, other->hmac, -1)->error_code, KCI_DELEGATION_TOKEN_NOT_FOUND);
}

static void test_reset(void **state)
{
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    create(anna, (struct create_of){ .lifetime_ms = -1 });
    mb_cluster_reset(world.cluster, world.now);
    assert_int_equal(describe(anna, NULL)->tokens_count, 0);
}

/* ---- rights ---- */

static void allow(int8_t type, struct kci_str name, int8_t operation)
{
    struct mb_acl_of acl = { .type = type,
                             .pattern = MB_ACL_LITERAL,
                             .operation = operation,
                             .permission = MB_ACL_ALLOW,
                             .name = name,
                             .principal = NAME("User:bert"),
                             .host = NAME("*") };
    assert_true(mb_acls_add(&world.cluster->acls, &acl));
}

/* With an authorizer one makes and sees one's own; others' need a right on the token, or on their user. */
static void test_rights(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 1, PLAIN "authorizer.class.name=standard");
    struct client *anna = sasl_client(&world, "|anna|secret"), *bert = sasl_client(&world, "|bert|geheim");
    token_answer *first = create(anna, (struct create_of){ .lifetime_ms = -1 });
    token_answer *second = create(anna, (struct create_of){ .renewer = "carl" });
    assert_int_equal(second->error_code, 0);
    assert_int_equal(describe(anna, NULL)->tokens_count, 2);
    assert_int_equal(describe(bert, NULL)->tokens_count, 0);
    allow(MB_ACL_DELEGATION_TOKEN, first->token_id, MB_ACL_DESCRIBE);
    assert_int_equal(describe(bert, NULL)->tokens_count, 1);
    allow(MB_ACL_USER, NAME("User:anna"), MB_ACL_DESCRIBE_TOKENS);
    assert_int_equal(describe(bert, NULL)->tokens_count, 2);
    assert_int_equal(describe(bert, "anna")->tokens_count, 2);
    assert_int_equal(describe(bert, "carl")->tokens_count, 1); /* who may renew it counts */
    assert_int_equal(describe(bert, "bert")->tokens_count, 0);
    token_answer *refused = create_for(bert, "anna");
    assert_int_equal(refused->error_code, KCI_DELEGATION_TOKEN_AUTHORIZATION_FAILED);
    assert_true(kci_str_equal(refused->principal_name, NAME("anna")));
    assert_true(kci_str_equal(refused->token_requester_principal_name, NAME("bert")));
    allow(MB_ACL_USER, NAME("User:anna"), MB_ACL_CREATE_TOKENS);
    token_answer *made = create_for(bert, "anna");
    assert_int_equal(made->error_code, 0);
    assert_int_equal(describe(anna, NULL)->tokens_count, 3);
    assert_int_equal(renew(bert, made->hmac, -1)->error_code, KCI_DELEGATION_TOKEN_OWNER_MISMATCH); /* it is hers */
    assert_int_equal(renew(anna, made->hmac, -1)->error_code, 0);
}

/* ---- what it is good for ---- */

/* Its bearer is its owner, in a session that ends with it, and makes no tokens. */
static void test_a_bearer(void **state)
{
    char password[200], wrong[] = "d3Jvbmc=";
    (void)state;
    world_close(&world);
    world_open(&world, 1, SASL_ALL TOKENS "connections.max.reauth.ms=7200000");
    struct client *anna = sasl_client(&world, "|anna|secret");
    token_answer *token = create_for(anna, "dora");
    for (int kind = MB_SHA_256; kind <= MB_SHA_512; kind++) {
        struct sasl_scram scram = bearer(token, password);
        scram.kind = (enum mb_digest_kind)kind;
        struct client *client = world_client(&world, 1);
        login_answer *answer = sasl_scram(client, &scram);
        assert_told(answer, 0, "");
        assert_true(sasl_scram_proven(&world, &scram, answer->auth_bytes));
        assert_int_equal(answer->session_lifetime_ms, 7200000);
        assert_string_equal(((struct mb_connection *)client->user)->sasl->known.principal, "User:dora");
        assert_int_equal(create_for(client, "dora")->error_code, KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
        assert_int_equal(describe(client, NULL)->error_code, KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
        scram.password = wrong;
        assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
        scram.password = password;
        scram.extensions = NULL;
        assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
    }
    world_at(&world, 23 * HOUR); /* an hour of it is left */
    struct sasl_scram scram = bearer(token, password);
    struct client *client = world_client(&world, 1);
    assert_int_equal(sasl_scram(client, &scram)->session_lifetime_ms, HOUR / 1000);
    world_at(&world, 24 * HOUR - 1);
    assert_true(sasl_is_heard(client));
    world_at(&world, 24 * HOUR);
    assert_false(sasl_is_heard(client));
    client = world_client(&world, 1); /* not purged yet: it gets in, for nothing */
    assert_int_equal(sasl_scram(client, &scram)->error_code, 0);
    assert_false(sasl_is_heard(client));
    world_at(&world, 25 * HOUR);
    assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
}

/* ---- limits ---- */

static void test_storage(void **state)
{
    static struct memory_storage disk;
    struct kci_storage storage = memory_storage_of(&disk);
    struct mb_options options = { .brokers = 1, .storage = &storage, .config = PLAIN };
    (void)state;
    world_close(&world);
    world_open_with(&world, options);
    token_answer *token = create(sasl_client(&world, "|anna|secret"), (struct create_of){ .renewer = "b c%\n" });
    token_answer kept = *token;
    uint8_t hmac[64];
    char id[23];
    memcpy(hmac, token->hmac.data, 64);
    snprintf(id, sizeof id, "%.*s", 22, token->token_id.data);
    world_close(&world);
    world_open_with(&world, options);
    struct client *anna = sasl_client(&world, "|anna|secret");
    tokens_answer *found = describe(anna, NULL);
    assert_int_equal(found->tokens_count, 1);
    assert_true(kci_str_equal(found->tokens[0].token_id, kci_str_of(id)));
    assert_memory_equal(found->tokens[0].hmac.data, hmac, 64);
    assert_int_equal(found->tokens[0].issue_timestamp, kept.issue_timestamp_ms);
    assert_int_equal(found->tokens[0].expiry_timestamp, kept.expiry_timestamp_ms);
    assert_int_equal(found->tokens[0].max_timestamp, kept.max_timestamp_ms);
    assert_int_equal(found->tokens[0].renewers_count, 1);
    assert_true(kci_str_equal(found->tokens[0].renewers[0].principal_name, NAME("b c%\n")));
    world_close(&world);
    options.config = SASL_PLAIN_ONLY "delegation.token.secret.key=another";
    world_open_with(&world, options);
    anna = sasl_client(&world, "|anna|secret");
    found = describe(anna, NULL);
    assert_int_equal(found->tokens_count, 1);
    assert_memory_not_equal(found->tokens[0].hmac.data, hmac, 64);
    world_close(&world);
    memory_storage_free(&disk);
    world_open(&world, 1, PLAIN); /* for the teardown */
}

/* There are so many tokens and no more; one less, and there is room for one. */
static void test_too_many(void **state)
{
    const struct mb_token_of of = { .owner = NAME("User:anna"), .requester = NAME("User:anna") };
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    while (world.cluster->tokens.count < MB_TOKENS_MAX)
        assert_non_null(mb_tokens_add(world.cluster, &of));
    assert_int_equal(create(anna, (struct create_of){ 0 })->error_code, KCI_UNKNOWN_SERVER_ERROR);
    mb_tokens_remove(world.cluster, KCI_CONTAINER(world.cluster->tokens.all.next, struct mb_token, link));
    assert_int_equal(create(anna, (struct create_of){ 0 })->error_code, 0);
}

/* A connection has room for a name of so many bytes: the bearer of a longer one is nobody. */
static void test_owners_that_are_too_long(void **state)
{
    char password[200], owner[MB_PRINCIPAL_BYTES_MAX];
    (void)state;
    world_close(&world);
    world_open(&world, 1, SASL_ALL TOKENS);
    struct client *anna = sasl_client(&world, "|anna|secret");
    for (size_t more = 0; more < 2; more++) {
        size_t size = MB_PRINCIPAL_BYTES_MAX - strlen("User:") - 1 + more;
        memset(owner, 'x', size);
        owner[size] = '\0';
        token_answer *token = create_for(anna, owner);
        assert_int_equal(token->error_code, 0);
        struct sasl_scram scram = bearer(token, password);
        struct client *client = world_client(&world, 1);
        assert_int_equal(sasl_scram(client, &scram)->error_code, more ? KCI_SASL_AUTHENTICATION_FAILED : 0);
        if (!more)
            assert_string_equal(((struct mb_connection *)client->user)->sasl->known.principal + strlen("User:"), owner);
    }
}

/* Without a secret there are no tokens, whatever was stored: else everybody could calculate their HMACs. */
static void test_a_secret_that_is_gone(void **state)
{
    static struct memory_storage disk;
    struct kci_storage storage = memory_storage_of(&disk);
    struct mb_options options = { .brokers = 1, .storage = &storage, .config = SASL_ALL TOKENS };
    char password[200], id[MB_TOKEN_ID_SIZE + 1];
    uint8_t hmac[MB_DIGEST_BYTES_MAX];
    (void)state;
    world_close(&world);
    world_open_with(&world, options);
    token_answer *token = create(sasl_client(&world, "|anna|secret"), (struct create_of){ 0 });
    snprintf(id, sizeof id, "%.*s", MB_TOKEN_ID_SIZE, token->token_id.data);
    world_close(&world);
    options.config = SASL_ALL;
    world_open_with(&world, options);
    mb_hmac_of(MB_SHA_512, (struct kci_bytes){ (const uint8_t *)"", 0 }, kci_str_of(id), hmac);
    token_answer known = { .token_id = kci_str_of(id), .hmac = { hmac, sizeof hmac } };
    struct sasl_scram scram = bearer(&known, password);
    assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
    world_close(&world);
    memory_storage_free(&disk);
    world_open(&world, 1, PLAIN); /* for the teardown */
}

/* A renewer in the file who is no principal would be read past its end: such a file is refused. */
static void test_a_renewer_that_is_none(void **state)
{
    static struct memory_storage disk;
    struct kci_storage storage = memory_storage_of(&disk);
    struct mb_options options = { .brokers = 1, .storage = &storage, .config = PLAIN };
    struct mb_cluster *cluster = NULL;
    char text[300], crc[9];
    (void)state;
    world_close(&world);
    world_open_with(&world, options);
    assert_int_equal(create(sasl_client(&world, "|anna|secret"), (struct create_of){ .renewer = "bert" })->error_code,
                     0);
    world_close(&world);
    struct memory_file *file = memory_find(&disk, "cluster-metadata");
    file->data[file->size] = '\0'; /* there is room for one */
    char *end = (char *)file->data + file->size - 13, *renewer = strstr((char *)file->data, "User:bert%00");
    assert_non_null(renewer);
    renewer[4] = '.';
    snprintf(crc, sizeof crc, "%08x", kci_crc32c(0, file->data, file->size - 13));
    memcpy(end + 4, crc, 8);
    struct mb_options broken = world.options;
    broken.config = PLAIN;
    assert_int_equal(mb_cluster_create(&cluster, &broken, 0, text, sizeof text), -1);
    assert_non_null(strstr(text, "not understood"));
    memory_storage_free(&disk);
    world_open(&world, 1, PLAIN); /* for the teardown */
}

static void test_names_that_are_too_long(void **state)
{
    enum { SIZE = MB_TOKEN_TEXT_MAX };
    static char name[SIZE + 1];
    (void)state;
    memset(name, 'x', SIZE);
    struct client *anna = sasl_client(&world, "|anna|secret");
    struct create_of of = { .renewer = name };
    assert_int_equal(create(anna, of)->error_code, KCI_UNKNOWN_SERVER_ERROR);
    name[SIZE - 30] = '\0';
    assert_int_equal(create(anna, of)->error_code, 0);
    assert_int_equal(describe(anna, NULL)->tokens[0].renewers[0].principal_name.size, SIZE - 30);
}

/* A NUL ends a principal: nobody is what is before one, and nobody else what is behind it. */
static void test_names_with_a_nul(void **state)
{
    (void)state;
    struct client *anna = sasl_client(&world, "|anna|secret");
    struct create_of rows[] = {
        { .owner_type = NAME("User"), .owner = { "bert\0x", 6 } },
        { .owner_type = { "User\0", 5 }, .owner = NAME("bert") },
        { .renewer_bytes = { "bert\0", 5 } },
        { .renewer_bytes = { "\0\0x", 3 } },
        { .renewer_bytes = { "x\0User:bert", 11 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        token_answer *answer = create(anna, rows[i]);
        assert_non_null(answer);
        assert_int_equal(answer->error_code, KCI_UNKNOWN_SERVER_ERROR);
    }
    assert_int_equal(create(anna, (struct create_of){ .renewer_bytes = NAME("bert") })->error_code, 0);
    tokens_answer *found = describe(anna, NULL);
    assert_int_equal(found->tokens_count, 1);
    assert_int_equal(found->tokens[0].renewers_count, 1);
}

/* Out of memory at every place: the request is answered, or its connection ends, and no half of a token is left. */
static void test_memory(void **state)
{
    struct kci_create_delegation_token_request request;
    (void)state;
    kci_codec_init(&kci_create_delegation_token_request_schema, &request);
    request.max_lifetime_ms = -1;
    request.owner_principal_type = NAME("User");
    request.owner_principal_name = NAME("dora");
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        assert_true(n < 100);
        struct client *anna = sasl_client(&world, "|anna|secret");
        client_queue(anna, KCI_API_CREATE_DELEGATION_TOKEN, 3, &request);
        world.memory.count = 0;
        world.memory.fail_at = n;
        client_push(anna, 0);
        failed = world.memory.count >= n;
        world.memory.fail_at = 0;
        client_push(anna, 0);
        assert_true(anna->closed || client_answer(anna, KCI_API_CREATE_DELEGATION_TOKEN, 3));
    }
    tokens_answer *found = describe(sasl_client(&world, "|anna|secret"), NULL);
    for (int32_t i = 0; i < found->tokens_count; i++)
        assert_true(kci_str_equal(found->tokens[i].principal_name, NAME("dora")));
    assert_true(found->tokens_count >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(test_lifetimes),
        STORY(test_the_largest_lifetime),
        STORY(test_who_gets_none),
        STORY(test_renewing),
        STORY(test_expiring),
        STORY(test_reset),
        STORY(test_rights),
        STORY(test_a_bearer),
        STORY(test_storage),
        STORY(test_names_that_are_too_long),
        STORY(test_names_with_a_nul),
        STORY(test_a_renewer_that_is_none),
        STORY(test_too_many),
        STORY(test_owners_that_are_too_long),
        STORY(test_a_secret_that_is_gone),
        STORY(test_memory),
#undef STORY
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
