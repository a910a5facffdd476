/* Stories of SCRAM: users of the start and users that were made, both hashes, and messages that are not what they should
 * be: each is refused as Apache Kafka refuses it. */
#include "support/sasl_story.h"

static struct world world;

#define GENERIC                                                                                                        \
    "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"

static struct sasl_scram annas(enum mb_digest_kind kind)
{
    return (struct sasl_scram){ .kind = kind, .name = "anna", .password = "secret" };
}

/* The server's half is checked, too: it knows what only the password's owner can. */
static void test_logins(void **state)
{
    (void)state;
    for (int kind = MB_SHA_256; kind <= MB_SHA_512; kind++) {
        struct sasl_scram scram = annas((enum mb_digest_kind)kind);
        struct client *client = world_client(&world, 1);
        login_answer *answer = sasl_scram(client, &scram);
        assert_told(answer, 0, "");
        assert_true(sasl_scram_proven(&world, &scram, answer->auth_bytes));
        assert_true(sasl_is_heard(client));
    }
}

/* A first client logs in and makes another user; that one can, then, and cannot any more when it is deleted. */
static void test_a_user_that_is_made(void **state)
{
    static const uint8_t salt[] = "salty and long enough";
    uint8_t salted[MB_DIGEST_BYTES_MAX];
    struct kci_alter_user_scram_credentials_request request;
    struct kci_alter_user_scram_credentials_request__scram_credential_upsertion made = {
        .name = NAME("a,b=c"), .mechanism = MB_SCRAM_SHA_512, .iterations = 5000, .salt = { salt, sizeof salt - 1 }
    };
    struct kci_alter_user_scram_credentials_request__scram_credential_deletion deleted = { .name = NAME("a,b=c"),
                                                                                           .mechanism =
                                                                                               MB_SCRAM_SHA_512 };
    struct sasl_scram scram = { .kind = MB_SHA_512, .name = "a=2Cb=3Dc", .password = "pw" };
    (void)state;
    mb_hmac_hi(MB_SHA_512, NAME("pw"), made.salt, 5000, salted);
    made.salted_password = (struct kci_bytes){ salted, 64 };
    struct client *anna = sasl_client(&world, "|anna|secret"), *client = world_client(&world, 1);
    assert_int_equal(sasl_scram(client, &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
    kci_codec_init(&kci_alter_user_scram_credentials_request_schema, &request);
    request.upsertions = &made;
    request.upsertions_count = 1;
    struct kci_alter_user_scram_credentials_response *altered =
        client_call(anna, KCI_API_ALTER_USER_SCRAM_CREDENTIALS, 0, &request);
    assert_int_equal(altered->results[0].error_code, 0);
    client = world_client(&world, 1);
    assert_int_equal(sasl_scram(client, &scram)->error_code, 0);
    assert_true(sasl_is_heard(client));
    assert_string_equal(((struct mb_connection *)client->user)->sasl->known.principal, "User:a,b=c");
    request.upsertions_count = 0;
    request.deletions = &deleted;
    request.deletions_count = 1;
    altered = client_call(anna, KCI_API_ALTER_USER_SCRAM_CREDENTIALS, 0, &request);
    assert_int_equal(altered->results[0].error_code, 0);
    assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, KCI_SASL_AUTHENTICATION_FAILED);
    assert_true(sasl_is_heard(client)); /* who is in stays in */
}

/* The users of the start outlive a reset. */
static void test_reset(void **state)
{
    struct sasl_scram scram = annas(MB_SHA_256);
    (void)state;
    mb_cluster_reset(world.cluster, world.now);
    assert_int_equal(sasl_scram(world_client(&world, 1), &scram)->error_code, 0);
}

static void test_wrong_passwords(void **state)
{
    struct sasl_scram wrong = annas(MB_SHA_256), nobody = annas(MB_SHA_256), token = annas(MB_SHA_256);
    (void)state;
    wrong.password = "Secret";
    nobody.name = "nobody";
    token.extensions = ",tokenauth=true";
    struct sasl_scram *rows[] = { &wrong, &nobody, &token };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client *client = world_client(&world, 1);
        login_answer *answer = sasl_scram(client, rows[i]);
        assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, GENERIC);
        assert_true(client->closed);
    }
}

static void test_first_messages(void **state)
{
    static const struct {
        const char *message;
        bool right;
    } rows[] = {
        { "n,,n=anna,r=abc", true },
        { "n,a=anna,n=anna,r=abc", true },
        { "n,,m=ext,n=anna,r=abc", true },
        { "n,,n=anna,r=abc,foo=bar,tokenauth=false", true },
        { "", false },
        { "n", false },
        { "n,,", false },
        { "n,,n=anna", false },
        { "n,,r=abc,n=anna", false },
        { "y,,n=anna,r=abc", false },
        { "p=tls-unique,,n=anna,r=abc", false },
        { "n,,n=,r=abc", false },
        { "n,,n=anna,r=", false },
        { "n,a=,n=anna,r=abc", false },
        { "n,,n=an=na,r=abc", false },
        { "n,,n=an=2na,r=abc", false },
        { "n,,n=anna,r=ab c", false },
        { "n,,n=anna,r=abc,", false },
        { "n,,n=anna,r=abc,x=", false },
        { "n,,n=anna,r=abc,=x", false },
        { "n,,n=anna,r=abc,1=2", false },
        { "n,,n=\xc3\xa4nna,r=abc", false },
        { "n,,n=anna,r=abc\n", false },
        { "\xff\xff", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client *client = world_client(&world, 1);
        sasl_handshake(client, "SCRAM-SHA-256", 1);
        login_answer *answer = sasl_token(client, rows[i].message);
        assert_told(answer, rows[i].right ? 0 : KCI_SASL_AUTHENTICATION_FAILED, rows[i].right ? "" : GENERIC);
        assert_int_equal(client->closed, !rows[i].right);
    }
    struct client *client = world_client(&world, 1);
    sasl_handshake(client, "SCRAM-SHA-256", 1);
    login_answer *answer = sasl_token(client, "n,a=bert,n=anna,r=abc");
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED,
                "Authentication failed: Client requested an authorization id that is different from username");
}

/* Names and nonces of half a megabyte: a nonce may be that long, a user is not. */
static void test_huge_messages(void **state)
{
    enum { SIZE = 500000 };
    char *message = malloc(SIZE + 1);
    (void)state;
    memset(message, 'z', SIZE);
    message[SIZE] = '\0';
    memcpy(message, "n,,n=anna,r=", 12);
    struct client *client = world_client(&world, 1);
    sasl_handshake(client, "SCRAM-SHA-256", 1);
    login_answer *answer = sasl_token(client, message);
    assert_told(answer, 0, "");
    assert_true(answer->auth_bytes.size > SIZE - 12);
    memcpy(message, "n,,n=zzzzzzz", 12);
    memcpy(message + SIZE - 6, ",r=abc", 6);
    client = world_client(&world, 1);
    sasl_handshake(client, "SCRAM-SHA-256", 1);
    answer = sasl_token(client, message);
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, GENERIC);
    free(message);
}

/* Who knows the password, and proves it for another nonce than the server's, may be repeating what he once heard. */
static void test_another_nonce(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sasl_scram scram = annas(MB_SHA_256);
        scram.nonce = i ? "clientnonce"
                        : "clientnonce"
                          "abcdefghijklmnopqrstuvwxyz";
        assert_told(sasl_scram(world_client(&world, 1), &scram), KCI_SASL_AUTHENTICATION_FAILED, GENERIC);
    }
}

enum outcome { RIGHT, REFUSED, SILENT };

/* "%n" is the nonce of the server's message, "%p" the right proof */
static void test_final_messages(void **state)
{
    static const struct {
        const char *message;
        enum outcome outcome;
    } rows[] = {
        { "c=biws,r=%n,p=%p", RIGHT },
        { "c=biws,r=%n,x=y,abc=def,p=%p", RIGHT },
        { "c=biws,r=other,p=%p", REFUSED },
        { "c=biws,r=clientnonce,p=%p", REFUSED },
        { "c=biws,r=%nx,p=%p", REFUSED },
        { "c=eSws,r=%n,p=%p", REFUSED }, /* the proof was for another channel */
        { "c=!,r=%n,p=%p", REFUSED },
        { "c=biw,r=%n,p=%p", REFUSED },
        { "c=biws,r=%n", REFUSED },
        { "c=biws,r=%n,x=y", REFUSED },
        { "c=biws,r=%n,p=***", REFUSED },
        { "c=biws,r=%n,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", REFUSED },
        { "c=biws,r=%n,p=AAAA", SILENT },
        { "c=biws,r=%n,p=", SILENT },
        { "c=biws,r=%n,p=%p%p", REFUSED }, /* padding inside */
        { "c=biws,r=%n,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
          SILENT },
        { "c=biws,r=%n,1=y,p=%p", REFUSED },
        { "r=%n,c=biws,p=%p", REFUSED },
        { "n,,n=anna,r=abc", REFUSED },
        { "e=other-error", REFUSED },
        { "", REFUSED },
        { "\xff", REFUSED },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_scram scram = annas(MB_SHA_256);
        char message[600] = "";
        struct client *client = world_client(&world, 1);
        sasl_handshake(client, "SCRAM-SHA-256", 1);
        const char *right = sasl_scram_final(&world, &scram, sasl_scram_first(client, &scram), "biws");
        const char *nonce = strstr(right, ",r=") + 3, *proof = strstr(right, ",p=") + 3;
        for (const char *at = rows[i].message; *at; at++) {
            size_t used = strlen(message);
            if (at[0] == '%' && at[1] == 'n')
                snprintf(message + used, sizeof message - used, "%.*s", (int)(proof - 3 - nonce), nonce);
            else if (at[0] == '%')
                snprintf(message + used, sizeof message - used, "%s", proof);
            else
                snprintf(message + used, sizeof message - used, "%c", *at);
            at += *at == '%';
        }
        login_answer *answer = sasl_token(client, message);
        if (rows[i].outcome == SILENT)
            assert_null(answer);
        else
            assert_told(answer, rows[i].outcome == RIGHT ? 0 : KCI_SASL_AUTHENTICATION_FAILED,
                        rows[i].outcome == RIGHT ? "" : GENERIC);
        assert_int_equal(client->closed, rows[i].outcome != RIGHT);
    }
}

/* One that leaves in the middle leaves nothing behind; the cluster may end meanwhile as well (teardown looks). */
static void test_an_exchange_that_is_left(void **state)
{
    struct sasl_scram scram = annas(MB_SHA_256);
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct client *client = world_client(&world, 1);
        sasl_handshake(client, "SCRAM-SHA-256", 1);
        assert_int_equal(sasl_scram_first(client, &scram)->error_code, 0);
        if (i)
            world.engine.ops->on_close(world.engine.self, client->conn, client->user, "reset", world.now);
        client->closed = client->closed || i;
    }
}

static void test_memory(void **state)
{
    (void)state;
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        assert_true(n < 200);
        struct client *client = world_client(&world, 1);
        sasl_handshake(client, "SCRAM-SHA-256", 1);
        client_queue(client, KCI_API_SASL_AUTHENTICATE, 2,
                     &(struct kci_sasl_authenticate_request){ .auth_bytes = sasl_bytes("n,,n=anna,r=abc") });
        world.memory.count = 0;
        world.memory.fail_at = n;
        client_push(client, 0);
        failed = world.memory.count >= n;
        world.memory.fail_at = 0;
        client_push(client, 0);
        world_step(&world);
        assert_true(client->closed || client_answer(client, KCI_API_SASL_AUTHENTICATE, 2));
    }
}

static int setup(void **state)
{
    (void)state;
    world_open(&world, 1, SASL_ALL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logins),         cmocka_unit_test(test_a_user_that_is_made),
        cmocka_unit_test(test_reset),          cmocka_unit_test(test_wrong_passwords),
        cmocka_unit_test(test_first_messages), cmocka_unit_test(test_huge_messages),
        cmocka_unit_test(test_another_nonce),  cmocka_unit_test(test_final_messages),
        cmocka_unit_test(test_memory),         cmocka_unit_test(test_an_exchange_that_is_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
