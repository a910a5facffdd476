/* Stories of clients that have to say who they are: by PLAIN, in frames and without, too early, wrongly, again, and for too
 * long.  The answers are those that Apache Kafka 4.3 gives to the same bytes (interop/sasl_test compares). */
#include "mockbroker/core/quota.h"
#include "support/fault_story.h"
#include "support/sasl_story.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 1, SASL_PLAIN_ONLY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct kci_api_versions_response *ask_versions(struct client *client)
{
    struct kci_api_versions_request request;
    kci_codec_init(&kci_api_versions_request_schema, &request);
    request.client_software_name = request.client_software_version = NAME("x");
    client_send(client, KCI_API_API_VERSIONS, 3, &request);
    return client_answer(client, KCI_API_API_VERSIONS, 3);
}

/* Versions, handshake, token: then everything is heard, and a second login is refused without harm. */
static void test_a_login(void **state)
{
    (void)state;
    struct client *client = world_client(&world, 1);
    assert_int_equal(ask_versions(client)->error_code, 0);
    handshake_answer *handshake = sasl_handshake(client, "PLAIN", 1);
    assert_int_equal(handshake->error_code, 0);
    assert_int_equal(handshake->mechanisms_count, 1);
    login_answer *answer = sasl_plain_token(client, "|anna|secret");
    assert_told(answer, 0, "");
    assert_int_equal(answer->auth_bytes.size, 0);
    assert_int_equal(answer->session_lifetime_ms, 0);
    assert_true(sasl_is_heard(client));
    assert_int_equal(sasl_handshake(client, "PLAIN", 1)->error_code, KCI_ILLEGAL_SASL_STATE);
    answer = sasl_plain_token(client, "|anna|secret");
    assert_told(answer, KCI_ILLEGAL_SASL_STATE, "SaslAuthenticate request received after successful authentication");
    assert_true(sasl_is_heard(client));
    assert_true(sasl_is_heard(sasl_client(&world, "anna|anna|secret")));
}

/* After SaslHandshake v0 the tokens are bare frames, and so are their answers; a wrong one just closes. */
static void test_bare_tokens(void **state)
{
    static const uint8_t token[] = "\0\0\0\x0c\0anna\0secret";
    static const uint8_t wrong[] = "\0\0\0\x0c\0anna\0secreT";
    (void)state;
    struct client *client = world_client(&world, 1);
    assert_int_equal(sasl_handshake(client, "PLAIN", 0)->error_code, 0);
    client_bytes(client, token, 16);
    assert_int_equal(client->in_size, 4);
    assert_int_equal(kci_be32(client->in), 0);
    client->in_size = 0;
    assert_true(sasl_is_heard(client));
    client = world_client(&world, 1);
    assert_int_equal(sasl_handshake(client, "PLAIN", 0)->error_code, 0);
    client_bytes(client, wrong, 16);
    assert_int_equal(client->in_size, 0);
    assert_true(client->closed);
}

static void test_tokens_that_are_wrong(void **state)
{
    static const char user[] = "Authentication failed: Invalid username or password";
    static const struct {
        const char *token, *text;
    } rows[] = {
        { "|anna|wrong", user },
        { "|nobody|secret", user },
        { "|anna|secre", user },
        { "|ann|secret", user },
        { "|anna|geheim", user },
        { "bert|anna|secret",
          "Authentication failed: Client requested an authorization id that is different from username" },
        { "||secret", "Authentication failed: username not specified" },
        { "|anna|", "Authentication failed: password not specified" },
        { "", "Invalid SASL/PLAIN response: expected 3 tokens, got 1" },
        { "|anna", "Invalid SASL/PLAIN response: expected 3 tokens, got 2" },
        { "|anna|secret|", "Invalid SASL/PLAIN response: expected 3 tokens, got 4" },
        { "||||||||", "Invalid SASL/PLAIN response: expected 3 tokens, got 4" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client *client = world_client(&world, 1);
        login_answer *answer = sasl_plain(client, rows[i].token);
        assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, rows[i].text);
        assert_true(client->closed);
    }
}

/* Who does not shake hands at all, or for something that is not enabled. */
static void test_who_does_not_shake_hands(void **state)
{
    (void)state;
    struct client *client = world_client(&world, 1);
    assert_false(sasl_is_heard(client));
    assert_true(client->closed);
    client = world_client(&world, 1);
    assert_int_equal(ask_versions(client)->error_code, 0);
    assert_null(ask_versions(client));
    assert_true(client->closed);
    client = world_client(&world, 1);
    assert_null(sasl_plain_token(client, "|anna|secret"));
    assert_true(client->closed);
    static const char *const others[] = { "GSSAPI", "SCRAM-SHA-256", "plain", "" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        client = world_client(&world, 1);
        handshake_answer *answer = sasl_handshake(client, others[i], 1);
        assert_int_equal(answer->error_code, KCI_UNSUPPORTED_SASL_MECHANISM);
        assert_int_equal(answer->mechanisms_count, 1);
        assert_true(kci_str_equal(answer->mechanisms[0], NAME("PLAIN")));
        assert_true(client->closed);
    }
}

/* Between handshake and token, everything else is told that it is out of turn, and is the last. */
static void test_out_of_turn(void **state)
{
    (void)state;
    struct client *client = world_client(&world, 1);
    sasl_handshake(client, "PLAIN", 1);
    handshake_answer *again = sasl_handshake(client, "PLAIN", 1);
    assert_int_equal(again->error_code, KCI_ILLEGAL_SASL_STATE);
    assert_int_equal(again->mechanisms_count, 0);
    assert_true(client->closed);
    client = world_client(&world, 1);
    sasl_handshake(client, "PLAIN", 1);
    assert_int_equal(ask_versions(client)->error_code, KCI_ILLEGAL_SASL_STATE);
    assert_true(client->closed);
    client = world_client(&world, 1);
    sasl_handshake(client, "PLAIN", 1);
    sasl_is_heard(client);
    assert_true(client->closed);
}

/* A connection that is not known yet cannot send what a known one can. */
static void test_a_token_that_is_too_large(void **state)
{
    enum { LIMIT = 524288 };
    char *password = malloc(LIMIT);
    struct kci_sasl_authenticate_request request = { .auth_bytes = { (uint8_t *)password, LIMIT } };
    (void)state;
    memset(password, 'x', LIMIT);
    struct client *client = world_client(&world, 1);
    sasl_handshake(client, "PLAIN", 1);
    client_send(client, KCI_API_SASL_AUTHENTICATE, 2, &request);
    assert_true(client->closed);
    assert_int_equal(client->in_size, 0);
    client = world_client(&world, 1);
    sasl_handshake(client, "PLAIN", 1);
    request.auth_bytes.size = LIMIT - 100;
    login_answer *answer = sasl_send(client, request.auth_bytes);
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, "Invalid SASL/PLAIN response: expected 3 tokens, got 1");
    client = sasl_client(&world, "|anna|secret"); /* who is known can */
    world_topic(&world, "orders", 1, 1, NULL);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .value_bytes = LIMIT + 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    free(password);
}

/* ---- who it is, afterwards ---- */

static int16_t produce(struct client *client)
{
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    struct kci_produce_response__partition_produce_response *answer = client_produced(client);
    return answer ? answer->error_code : -1;
}

/* ACLs and quotas are about the user of the connection. */
static void test_rights_and_quotas(void **state)
{
    struct mb_acl_of acl = { .type = MB_ACL_TOPIC,
                             .pattern = MB_ACL_LITERAL,
                             .operation = MB_ACL_WRITE,
                             .permission = MB_ACL_ALLOW,
                             .name = NAME("orders"),
                             .principal = NAME("User:anna"),
                             .host = NAME("*") };
    struct mb_quota_entity bert = { .part[MB_QUOTA_USER] = { true, NAME("bert") } };
    (void)state;
    world_close(&world);
    world_open(&world, 1, SASL_PLAIN_ONLY "authorizer.class.name=standard super.users=User:bert");
    world_topic(&world, "orders", 1, 1, NULL);
    assert_true(mb_acls_add(&world.cluster->acls, &acl));
    struct client *annas = sasl_client(&world, "|anna|secret"), *berts = sasl_client(&world, "|bert|geheim");
    assert_int_equal(produce(annas), 0);
    assert_int_equal(produce(berts), 0);
    mb_acls_clear(&world.cluster->acls);
    assert_int_equal(produce(annas), KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(produce(berts), 0);
    assert_true(mb_quota_set(world.cluster, &bert, MB_QUOTA_PRODUCE, 1));
    produce(berts); /* far more than a byte: from now on he is not heard for a while */
    assert_int_equal(produce(berts), -1);
    assert_int_equal(produce(annas), KCI_TOPIC_AUTHORIZATION_FAILED);
}

/* The passwords are a property that is never told. */
static void test_passwords_are_not_told(void **state)
{
    struct kci_describe_configs_request request;
    struct kci_describe_configs_request__describe_configs_resource resource;
    struct kci_str key = NAME("mock.sasl.users");
    (void)state;
    kci_codec_init(&kci_describe_configs_request_schema, &request);
    kci_codec_init(&kci_describe_configs_request__describe_configs_resource_schema, &resource);
    resource.resource_type = MB_RESOURCE_BROKER;
    resource.resource_name = NAME("1");
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    request.include_synonyms = true;
    struct client *client = sasl_client(&world, "|anna|secret");
    struct kci_describe_configs_response *answer = client_call(client, KCI_API_DESCRIBE_CONFIGS, 4, &request);
    assert_int_equal(answer->results[0].configs_count, 1);
    assert_true(answer->results[0].configs[0].is_sensitive);
    assert_null(answer->results[0].configs[0].value.data);
    assert_null(answer->results[0].configs[0].synonyms[0].value.data);
}

/* ---- sessions (KIP-368) ---- */

static void open_with_sessions(void)
{
    world_close(&world);
    world_open(&world, 1, SASL_PLAIN_ONLY "connections.max.reauth.ms=60000");
}

static void test_a_session_ends(void **state)
{
    (void)state;
    open_with_sessions();
    struct client *client = world_client(&world, 1);
    assert_int_equal(sasl_plain(client, "|anna|secret")->session_lifetime_ms, 60000);
    world_at(&world, 60 * SECOND - 1);
    assert_true(sasl_is_heard(client));
    world_at(&world, 60 * SECOND);
    assert_false(sasl_is_heard(client));
    assert_true(client->closed);
}

/* Who comes again in time goes on, even a little late, but not twice in a second. */
static void test_a_session_goes_on(void **state)
{
    (void)state;
    open_with_sessions();
    struct client *client = sasl_client(&world, "|anna|secret");
    for (int i = 1; i <= 3; i++) {
        world_at(&world, i * 65 * SECOND);
        login_answer *answer = sasl_plain(client, "|anna|secret");
        assert_told(answer, 0, "");
        assert_int_equal(answer->session_lifetime_ms, 60000);
        assert_true(sasl_is_heard(client));
    }
    world_at(&world, world.now + SECOND - 1);
    assert_int_equal(sasl_handshake(client, "PLAIN", 1)->error_code, KCI_ILLEGAL_SASL_STATE);
    assert_true(sasl_is_heard(client));
    world_at(&world, world.now + 1);
    assert_int_equal(sasl_handshake(client, "PLAIN", 1)->error_code, 0);
    login_answer *answer = sasl_plain_token(client, "|anna|wrong");
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, "Authentication failed: Invalid username or password");
    assert_true(client->closed);
}

static void test_another_one_comes_again(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 1, SASL_ALL "connections.max.reauth.ms=60000");
    struct client *client = sasl_client(&world, "|anna|secret");
    assert_int_equal(sasl_handshake(client, "SCRAM-SHA-256", 1)->error_code, 0); /* it hears of it only then: */
    assert_null(sasl_plain_token(client, "|anna|secret"));
    assert_true(client->closed);
    client = sasl_client(&world, "|anna|secret");
    assert_null(sasl_handshake(client, "GSSAPI", 1));
    assert_true(client->closed);
    open_with_sessions();
    client = sasl_client(&world, "|anna|secret");
    login_answer *answer = sasl_plain(client, "|bert|geheim");
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED,
                "Cannot change principals during re-authentication from User.anna: User.bert");
    assert_true(client->closed);
}

/* ---- faults, memory, the start ---- */

/* Logins meet faults like any request: an error that is told instead of the login, a delay before the bad news. */
static void test_faults(void **state)
{
    (void)state;
    int32_t id =
        world_fault(&world, "{\"match\":{\"api\":\"SaslAuthenticate\"},\"count\":1,\"action\":{\"type\":\"error\","
                            "\"error\":\"SASL_AUTHENTICATION_FAILED\"}}");
    struct client *client = world_client(&world, 1);
    login_answer *answer = sasl_plain(client, "|anna|secret");
    assert_int_equal(answer->error_code, KCI_SASL_AUTHENTICATION_FAILED);
    assert_int_equal(world_hits(&world, id), 1);
    world_fault(&world, "{\"match\":{\"api\":\"SaslAuthenticate\"},\"action\":{\"type\":\"delay\",\"ms\":500,"
                        "\"when\":\"after\"}}");
    client = world_client(&world, 1);
    assert_null(sasl_plain(client, "|anna|wrong"));
    assert_false(client->closed);
    world_at(&world, 500 * MS);
    answer = client_answer(client, KCI_API_SASL_AUTHENTICATE, 2);
    assert_told(answer, KCI_SASL_AUTHENTICATION_FAILED, "Authentication failed: Invalid username or password");
    assert_true(client->closed);
}

/* What waits in the client, with allocation n of the broker failing; true: it did fail. */
static bool push_without(struct client *client, size_t n)
{
    world.memory.count = 0;
    world.memory.fail_at = n;
    client_push(client, 0);
    world.memory.fail_at = 0;
    bool failed = world.memory.count >= n;
    client_push(client, 0);
    return failed;
}

/* Out of memory at every place of a login: it works, or its connection ends. */
static void test_memory(void **state)
{
    static const uint8_t token[] = "\0\0\0\x0c\0anna\0secret";
    struct kci_sasl_handshake_request handshake = { .mechanism = NAME("PLAIN") };
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        world.memory.count = 0;
        world.memory.fail_at = n;
        bool closed = world_client(&world, 1)->closed;
        world.memory.fail_at = 0;
        assert_int_equal(closed, n <= 2); /* the connection, and who is at its other end */
    }
    for (size_t n = 1; n > 0; n++) {
        struct client *client = world_client(&world, 1);
        client_queue(client, KCI_API_SASL_HANDSHAKE, 0, &handshake);
        bool failed = push_without(client, n);
        assert_true(client->closed || client_answer(client, KCI_API_SASL_HANDSHAKE, 0));
        if (!failed)
            break;
        assert_true(n < 100);
    }
    for (size_t n = 1; n > 0; n++) {
        struct client *client = world_client(&world, 1);
        assert_non_null(sasl_handshake(client, "PLAIN", 0));
        kci_writer_bytes(&client->waiting, token, 16);
        bool failed = push_without(client, n);
        assert_int_equal(client->in_size, client->closed ? 0 : 4);
        if (!failed)
            break;
        assert_true(n < 100);
    }
}

static void test_a_start_that_is_refused(void **state)
{
    static const struct {
        const char *config, *text;
    } rows[] = {
        { "sasl.enabled.mechanisms=PLAIN,GSSAPI", "GSSAPI is not spoken here" },
        { "sasl.enabled.mechanisms=OAUTHBEARER", "must be one of" },
        { "sasl.enabled.mechanisms=PLAIN mock.sasl.users=anna", "not a list of name=password" },
        { "sasl.enabled.mechanisms=PLAIN mock.sasl.users==x", "not a list of name=password" },
        { "sasl.enabled.mechanisms=PLAIN mock.sasl.users=anna=x,bert=", "not a list of name=password" },
    };
    char text[300];
    struct mb_cluster *cluster = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mb_options options = { .alloc = &world.alloc, .brokers = 1, .seed = 1, .config = rows[i].config };
        assert_int_equal(mb_cluster_create(&cluster, &options, 0, text, sizeof text), -1);
        if (!strstr(text, rows[i].text))
            fail_msg("\"%s\" does not say \"%s\"", text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(test_a_login),
        STORY(test_bare_tokens),
        STORY(test_tokens_that_are_wrong),
        STORY(test_who_does_not_shake_hands),
        STORY(test_out_of_turn),
        STORY(test_a_token_that_is_too_large),
        STORY(test_rights_and_quotas),
        STORY(test_passwords_are_not_told),
        STORY(test_a_session_ends),
        STORY(test_a_session_goes_on),
        STORY(test_another_one_comes_again),
        STORY(test_faults),
        STORY(test_memory),
        STORY(test_a_start_that_is_refused),
#undef STORY
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
