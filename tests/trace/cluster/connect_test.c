/* How a client gets from a list of host names to a working connection. */
#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;
static struct script_call call;

static void begin(const char *bootstrap)
{
    script_cluster_init(&sc, &peer);
    sc.settings.bootstrap_servers = bootstrap;
    script_call_init(&call);
}

/* Create the client and make one call to any node. */
static void create_and_call(void)
{
    script_cluster_create(&sc);
    script_call(&sc, KCI_NODE_ANY, &call);
}

/* Resolve, and open the connection that follows. */
static struct script_conn *connect_to(const char *address)
{
    script_resolved(&peer, 1, address);
    struct script_conn *c = script_conn_last(&peer);
    assert_string_equal(c->address, address);
    script_open(&peer, c);
    return c;
}

static void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* The first call resolves the bootstrap server, connects, asks for versions, then for metadata, and is sent. */
static void test_first_call(void **state)
{
    (void)state;
    begin("b1:9092");
    script_cluster_create(&sc);
    assert_null(script_resolving(&peer));
    assert_int_equal(kci_cluster_deadline(sc.cluster), KCI_NEVER);
    script_call(&sc, KCI_NODE_ANY, &call);
    assert_string_equal(script_resolving(&peer), "b1");
    script_resolved(&peer, 1, "10.0.0.1:9092");
    struct script_conn *c = script_conn_last(&peer);
    assert_string_equal(c->address, "10.0.0.1:9092");
    script_open(&peer, c);
    struct script_request *versions = script_take(&peer, c, KCI_API_API_VERSIONS);
    const struct kci_api_versions_request *request = versions->message;
    assert_int_equal(versions->header.version, 3);
    assert_true(kci_str_equal(request->client_software_name, kci_str_of("kclient")));
    assert_true(kci_str_equal(versions->header.client_id, kci_str_of("test")));
    assert_null(script_pending(&peer, c, -1));
    script_answer_versions(&peer, versions);
    script_settle(&peer);
    struct script_request *heartbeat = script_take(&peer, NULL, KCI_API_HEARTBEAT);
    assert_int_equal(heartbeat->header.version, 4);
    script_answer_heartbeat(&peer, heartbeat, 0);
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_OK);
    script_answer_metadata(&peer, script_take(&peer, NULL, KCI_API_METADATA));
    script_cluster_destroy(&sc);
}

/* The client asks for versions; the broker knows no such version, and tells of versions 0 to max (max < 0: of none). */
static void refuse_versions(struct script_conn *c, int16_t asked, int16_t max)
{
    struct kci_api_versions_response__api_version key = { .api_key = KCI_API_API_VERSIONS, .max_version = max };
    struct kci_api_versions_response refusal = { .error_code = KCI_UNSUPPORTED_VERSION,
                                                 .api_keys = &key,
                                                 .api_keys_count = max >= 0,
                                                 .finalized_features_epoch = -1 };
    struct script_request *r = script_take(&peer, c, KCI_API_API_VERSIONS);
    assert_int_equal(r->header.version, asked);
    script_answer_quietly_(&peer, r, 0, &refusal);
    script_settle(&peer);
}

/* A broker that does not know ApiVersions v3 says so in v0 and names its own range; the next question is in that
 * version. */
static void test_older_broker(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("b1:9092");
    refuse_versions(c, 3, 2);
    struct script_request *again = script_take(&peer, c, KCI_API_API_VERSIONS);
    assert_int_equal(again->header.version, 2);
    script_answer_versions(&peer, again);
    script_settle(&peer);
    assert_true(kci_cluster_connected(sc.cluster));
    script_cluster_destroy(&sc);
}

/* A broker that refuses even what it lists is asked for less each time, and that has an end. */
static void test_a_broker_that_refuses_what_it_lists(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("b1:9092");
    for (int16_t version = 3; version >= 0; version--)
        refuse_versions(c, version, 3);
    assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "refused ApiVersions v0: UNSUPPORTED_VERSION");
    script_cluster_destroy(&sc);
}

/* A broker from before KIP-511 refuses without a range: v0 it is. */
static void test_old_broker(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("b1:9092");
    refuse_versions(c, 3, -1);
    struct script_request *again = script_take(&peer, c, KCI_API_API_VERSIONS);
    assert_int_equal(again->header.version, 0);
    peer.version_max[KCI_API_HEARTBEAT] = 2;
    script_answer_versions(&peer, again);
    script_settle(&peer);
    assert_int_equal(script_take(&peer, NULL, KCI_API_HEARTBEAT)->header.version, 2);
    script_cluster_destroy(&sc);
}

/* librdkafka's mock cluster refuses v3 with error 35 and an array in neither the old nor the new form; these are its
 * bytes. It is asked again in v0 on the same connection; who answers that with such bytes too is no broker. */
static void test_refusal_that_does_not_decode(void **state)
{
    static const uint8_t refusal[] = { 0, 0,  0, 17, /* size */
                                       0, 0,  0, 0,  /* correlation id */
                                       0, 35, 1,     /* UNSUPPORTED_VERSION; 1 API */
                                       0, 18, 0, 0,  0, 2, 0, 0, 0, 0 /* ApiVersions 0..2; no throttling */ };
    (void)state;
    for (int again_bad = 0; again_bad <= 1; again_bad++) {
        begin("b1:9092");
        create_and_call();
        struct script_conn *c = connect_to("b1:9092");
        uint8_t bytes[sizeof refusal];
        memcpy(bytes, refusal, sizeof refusal);
        struct script_request *asked = script_take(&peer, c, KCI_API_API_VERSIONS);
        bytes[7] = (uint8_t)asked->header.correlation;
        asked->answered = true;
        script_bytes(&peer, c, bytes, sizeof bytes);
        script_settle(&peer);
        struct script_request *again = script_take(&peer, c, KCI_API_API_VERSIONS);
        assert_int_equal(again->header.version, 0);
        if (again_bad) {
            bytes[7] = (uint8_t)again->header.correlation;
            again->answered = true;
            script_bytes(&peer, c, bytes, sizeof bytes);
            script_advance(&peer, 5000);
            assert_int_equal(call.done, 1);
            expect_text(call.text, "is it a Kafka broker?");
        } else {
            script_answer_versions(&peer, again);
            script_settle(&peer);
            assert_true(kci_cluster_connected(sc.cluster));
        }
        script_cluster_destroy(&sc);
    }
}

/* A broker that hangs up on a version that it does not know is asked again in v0, at once and at the same address. */
static void test_broker_that_hangs_up(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("10.0.0.1:9092");
    script_close(&peer, c, "connection reset by peer");
    struct script_conn *second = script_conn_last(&peer);
    assert_ptr_not_equal(second, c);
    assert_string_equal(second->address, "10.0.0.1:9092");
    script_open(&peer, second);
    struct script_request *again = script_take(&peer, second, KCI_API_API_VERSIONS);
    assert_int_equal(again->header.version, 0);
    script_answer_versions(&peer, again);
    script_settle(&peer);
    assert_true(kci_cluster_connected(sc.cluster));
    script_cluster_destroy(&sc);
}

/* When v0 gets the same, the node backs off, and the text names what this usually is. */
static void test_hangs_up_always(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    script_close(&peer, connect_to("10.0.0.1:9092"), "closed by peer");
    script_open(&peer, script_conn_last(&peer));
    script_close(&peer, script_conn_last(&peer), "closed by peer");
    assert_int_equal(peer.conn_count, 2);
    script_advance(&peer, 30); /* the back-off is 40 ms at least */
    assert_null(script_resolving(&peer));
    script_advance(&peer, 5000);
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_ERR_TIMED_OUT);
    assert_false(call.maybe_applied);
    expect_text(call.text, "timed out after 5.0 s: Heartbeat was not sent");
    expect_text(call.text, "bootstrap server b1:9092");
    script_cluster_destroy(&sc);
}

/* Every address of a host is tried before there is a pause. */
static void test_second_address(void **state)
{
    (void)state;
    begin("localhost:9092");
    create_and_call();
    script_resolved(&peer, 3, "[::1]:9092", "127.0.0.1:9092", "10.0.0.9:9092");
    script_close(&peer, script_conn_last(&peer), "connection refused");
    assert_string_equal(script_conn_last(&peer)->address, "127.0.0.1:9092");
    script_advance(&peer, 60000 / 5); /* this one is a black hole: its time is up after 8 to 12 s */
    assert_int_equal(peer.conns[1].state, SCRIPT_CLOSED_BY_CLIENT);
    assert_string_equal(script_conn_last(&peer)->address, "10.0.0.9:9092");
    script_cluster_destroy(&sc);
}

/* A name that cannot be resolved backs off and is looked up again; a new address is then used. */
static void test_resolver_fails(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    script_resolved(&peer, 0, "no such host");
    assert_null(script_resolving(&peer));
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now),
                "bootstrap server b1:9092 cannot be connected to: its name has no "
                "address: no such host, 0 ms ago");
    script_advance(&peer, 61);
    connect_to("10.0.0.1:9092");
    script_cluster_destroy(&sc);
}

/* Rounds that fail are further and further apart: 50 ms doubling to 1 s, each with a fifth of jitter. */
static void test_backoff_grows(void **state)
{
    static const int64_t base_ms[] = { 50, 100, 200, 400, 800, 1000, 1000, 1000 };
    (void)state;
    begin("b1:9092");
    call.call.timeout_ms = 60000;
    create_and_call();
    for (size_t i = 0; i < sizeof base_ms / sizeof base_ms[0]; i++) {
        script_resolved(&peer, 1, "10.0.0.1:9092");
        script_close(&peer, script_conn_last(&peer), "connection refused");
        assert_null(script_resolving(&peer));
        script_advance(&peer, base_ms[i] * 8 / 10 - 1);
        assert_null(script_resolving(&peer));
        script_advance(&peer, base_ms[i] * 4 / 10 + 2);
        assert_non_null(script_resolving(&peer));
    }
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "(8 attempts)");
    script_cluster_destroy(&sc);
}

/* A broker that answered is trusted again: the next outage begins with the first, short wait. */
static void test_backoff_begins_anew(void **state)
{
    (void)state;
    begin("b1:9092");
    call.call.timeout_ms = 60000;
    create_and_call();
    for (int i = 0; i < 6; i++) {
        script_resolved(&peer, 1, "10.0.0.1:9092");
        script_close(&peer, script_conn_last(&peer), "connection refused");
        script_advance(&peer, 1201); /* reconnect.backoff.max.ms and a fifth of it */
    }
    struct script_conn *c = connect_to("10.0.0.1:9092");
    script_answer_versions(&peer, script_take(&peer, c, KCI_API_API_VERSIONS));
    script_settle(&peer);
    script_answer_heartbeat(&peer, script_take(&peer, c, KCI_API_HEARTBEAT), 0);
    assert_int_equal(call.done, 1);
    script_close(&peer, c, "connection reset");
    script_call(&sc, KCI_NODE_ANY, &call);
    for (int i = 0; i < 3; i++) {
        script_advance(&peer, (i < 2 ? 50 : 100) * 12 / 10 + 1); /* a break alone does not count as a failed attempt */
        assert_non_null(script_resolving(&peer));
        script_resolved(&peer, 1, "10.0.0.1:9092");
        script_close(&peer, script_conn_last(&peer), "connection refused");
        assert_null(script_resolving(&peer));
    }
    script_cluster_destroy(&sc);
}

/* KIP-601: each address has the set-up time for itself, 10 s with a fifth of jitter; the next round has twice that. */
static void test_setup_time(void **state)
{
    (void)state;
    begin("b1:9092");
    call.call.timeout_ms = 200000;
    create_and_call();
    for (int64_t base_ms = 10000; base_ms <= 20000; base_ms *= 2) {
        script_advance(&peer, 2000); /* so long the resolver takes: that is no time of an address */
        script_resolved(&peer, 2, "10.0.0.1:9092", "10.0.0.2:9092");
        for (int i = 0; i < 2; i++) {
            struct script_conn *c = script_conn_last(&peer);
            assert_string_equal(c->address, i ? "10.0.0.2:9092" : "10.0.0.1:9092");
            script_advance(&peer, base_ms * 8 / 10 - 1);
            assert_int_equal(c->state, SCRIPT_OPENING);
            for (int64_t ms = 0; c->state == SCRIPT_OPENING && ms <= base_ms * 4 / 10 + 1; ms++)
                script_advance(&peer, 1);
            assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
        }
        script_advance(&peer, 121);
        assert_non_null(script_resolving(&peer));
    }
    script_cluster_destroy(&sc);
}

/* All bootstrap servers are down: the call ends with its time-out, and the text says what each of them did. */
static void test_all_down(void **state)
{
    (void)state;
    begin("b1:9092,b2:9093,b3:9094");
    create_and_call();
    for (int64_t end = peer.now + 4900 * 1000; peer.now < end; script_advance(&peer, 10))
        while (script_resolving(&peer)) {
            script_resolved(&peer, 1, script_resolving(&peer));
            script_close(&peer, script_conn_last(&peer), "connection refused");
        }
    assert_int_equal(call.done, 0);
    script_advance(&peer, 100);
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_ERR_TIMED_OUT);
    assert_false(call.maybe_applied);
    expect_text(call.text, "no broker known yet");
    expect_text(call.text, "bootstrap server b1:9092 cannot be connected to at b1: connection refused");
    expect_text(call.text, "bootstrap server b2:9093");
    expect_text(call.text, "bootstrap server b3:9094");
    script_cluster_destroy(&sc);
}

/* A black-holed server costs a second, not its whole set-up time: then another one is tried besides. */
static void test_black_hole(void **state)
{
    (void)state;
    begin("b1:9092,b2:9092");
    create_and_call();
    script_resolved(&peer, 1, "hole:9092");
    script_advance(&peer, 990);
    assert_null(script_resolving(&peer));
    script_advance(&peer, 20);
    struct script_conn *c = connect_to("fine:9092");
    script_answer_versions(&peer, script_take(&peer, c, KCI_API_API_VERSIONS));
    script_settle(&peer);
    script_take(&peer, c, KCI_API_HEARTBEAT);
    script_take(&peer, c, KCI_API_METADATA);
    script_cluster_destroy(&sc);
}

/* The port belongs to a web server: the text shows what it said. */
static void test_web_server(void **state)
{
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    (void)state;
    begin("b1:8080");
    create_and_call();
    struct script_conn *c = connect_to("b1:8080");
    script_bytes(&peer, c, page, sizeof page - 1);
    assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now),
                "answered as a web server (\"HTTP/1.1 400 Bad Request");
    script_cluster_destroy(&sc);
}

/* The listener speaks TLS: its alert is recognised, also when it comes byte by byte. */
static void test_tls_server(void **state)
{
    (void)state;
    begin("b1:9093");
    peer.segment = 1;
    create_and_call();
    struct script_conn *c = connect_to("b1:9093");
    script_deliver_(&peer, c, "\x15\x03\x03\x00\x02\x02\x46", 7);
    script_settle(&peer);
    assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "answered with a TLS alert: this is a TLS listener");
    script_cluster_destroy(&sc);
}

/* A call for one broker that is not Kafka comes back with that reason at once: waiting for it would not help. */
static void test_one_broker_is_not_kafka(void **state)
{
    struct script_call second;
    (void)state;
    begin("b1:9092");
    peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = 2;
    create_and_call();
    struct script_conn *b1 = connect_to("b1:9092");
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    script_call_init(&second);
    script_call(&sc, 2, &second);
    script_resolved(&peer, 1, "b2:9092");
    struct script_conn *c = script_conn_last(&peer);
    c->silent = true;
    script_open(&peer, c);
    script_bytes(&peer, c, "220 mail.example.org ESMTP\r\n", 28);
    assert_int_equal(second.done, 1);
    assert_int_equal(second.error, KC_ERR_NOT_KAFKA);
    assert_false(second.maybe_applied);
    expect_text(second.text,
                "broker 2 (b2:9092) answered with text, not with Kafka's protocol (\"220 mail.example.org ESMTP");
    expect_text(second.text, "Heartbeat was not sent");
    script_cluster_destroy(&sc);
}

/* A peer that accepts and then says nothing has the set-up time, no more. */
static void test_mute_server(void **state)
{
    (void)state;
    begin("b1:9092");
    call.call.timeout_ms = 60000;
    create_and_call();
    struct script_conn *c = connect_to("b1:9092");
    script_advance(&peer, 7900);
    assert_int_equal(c->state, SCRIPT_OPEN);
    script_advance(&peer, 4200);
    assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "did not answer ApiVersions in time");
    script_cluster_destroy(&sc);
}

/* Answers to ApiVersions that do not decode, in v3 and then in v0: the connection ends and the text names the field. */
static void test_bad_versions(void **state)
{
    static const uint8_t answer[] = { 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f };
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("b1:9092");
    uint8_t bytes[sizeof answer];
    memcpy(bytes, answer, sizeof answer);
    script_bytes(&peer, c, bytes, sizeof bytes);
    assert_int_equal(c->state, SCRIPT_OPEN);
    bytes[7] = 1; /* correlation id */
    script_bytes(&peer, c, bytes, sizeof bytes);
    assert_int_equal(c->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "bad field api_keys");
    script_cluster_destroy(&sc);
}

/* No socket can be had: backed off like any other failure, and told. */
static void test_no_socket(void **state)
{
    (void)state;
    begin("b1:9092");
    peer.refuse_open = true;
    create_and_call();
    script_resolved(&peer, 2, "1:1", "2:2");
    expect_text(kci_cluster_node_why(sc.cluster, -1000, peer.now), "no socket to be had");
    peer.refuse_open = false;
    script_advance(&peer, 61);
    connect_to("1:1");
    script_cluster_destroy(&sc);
}

/* A listener that wants SASL answers ApiVersions and hangs up on the next request. The text says so, and since no
 * request was ever answered the attempts are further and further apart, though each of them connects. */
static void test_sasl_listener(void **state)
{
    (void)state;
    begin("b1:9094");
    peer.auto_connect = peer.auto_versions = true;
    call.call.timeout_ms = 60000;
    create_and_call();
    for (int64_t end = peer.now + 20000000; peer.now < end; script_advance(&peer, 5))
        if (script_pending(&peer, NULL, -1))
            script_close(&peer, script_pending(&peer, NULL, -1)->conn, "closed by peer");
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    assert_true(call.maybe_applied);
    expect_text(
        call.text,
        "closed the connection (closed by peer) on the first request after ApiVersions: the listener may want SASL");
    assert_in_range(peer.conn_count, 15, 30);
    script_cluster_destroy(&sc);
}

/* A broker that goes away in the middle of an answer is said to have done so, with how much of it came; that is not what
 * a listener with SASL does. */
static void test_closed_in_mid_response(void **state)
{
    (void)state;
    begin("b1:9092");
    peer.auto_connect = peer.auto_versions = true;
    create_and_call();
    struct script_request *heartbeat = script_take(&peer, NULL, KCI_API_HEARTBEAT);
    script_bytes(&peer, heartbeat->conn, "\0\0\0\x64\0\0\0\x01", 8); /* 100 bytes are announced */
    script_close(&peer, heartbeat->conn, "connection reset by peer");
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    assert_true(call.maybe_applied);
    expect_text(call.text, "closed the connection in mid-response: 8 of 104 bytes came (connection reset by peer)");
    assert_null(strstr(call.text, "SASL"));
    script_cluster_destroy(&sc);
}

/* The same in the first answer of all. */
static void test_closed_in_mid_negotiation(void **state)
{
    (void)state;
    begin("b1:9092");
    create_and_call();
    struct script_conn *c = connect_to("10.0.0.1:9092");
    script_bytes(&peer, c, "\0\0\0\x64\0\0\0\0\0\0", 10);
    script_close(&peer, c, "closed by peer");
    char text[400];
    kci_cluster_explain(sc.cluster, text, sizeof text, peer.now);
    expect_text(text, "closed the connection in mid-response: 10 of 104 bytes came (closed by peer)");
    assert_null(strstr(text, "SASL"));
    script_cluster_destroy(&sc);
}

/* The bootstrap server works, but the broker advertises a name that means nothing here (the classic of containers). The
 * call for that broker says so, and the client asks the bootstrap server again about once a second, not more. */
static void test_bad_advertised_name(void **state)
{
    (void)state;
    begin("boot:9092");
    peer.auto_versions = peer.auto_metadata = true;
    call.call.timeout_ms = 20000;
    script_cluster_create(&sc);
    kci_cluster_call(sc.cluster, 1, &call.call, peer.now);
    script_settle(&peer);
    for (int64_t end = peer.now + 20000000; peer.now < end; script_advance(&peer, 5)) {
        if (script_resolving(&peer) && strcmp(script_resolving(&peer), "boot") == 0)
            connect_to("boot:9092");
        else if (script_resolving(&peer))
            script_resolved(&peer, 0, "no such host");
        kci_cluster_node_ready(sc.cluster, 1, peer.now);
    }
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_ERR_RESOLVE);
    expect_text(
        call.text,
        "broker 1 (b1:9092) cannot be connected to: its name has no address: no such host (it is the name that the "
        "broker gives of itself: advertised.listeners)");
    assert_in_range(peer.conn_count, 10, 40);
    script_cluster_destroy(&sc);
}

/* The resolver answers after its time was up: the answer of the old question serves the next round. */
static void test_slow_resolver(void **state)
{
    (void)state;
    begin("b1:9092");
    call.call.timeout_ms = 60000;
    create_and_call();
    script_advance(&peer, 14000);
    assert_int_equal(peer.resolve_count, 1); /* one question, however many rounds */
    connect_to("10.0.0.1:9092");
    script_cluster_destroy(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call),
        cmocka_unit_test(test_a_broker_that_refuses_what_it_lists),
        cmocka_unit_test(test_older_broker),
        cmocka_unit_test(test_old_broker),
        cmocka_unit_test(test_refusal_that_does_not_decode),
        cmocka_unit_test(test_broker_that_hangs_up),
        cmocka_unit_test(test_hangs_up_always),
        cmocka_unit_test(test_second_address),
        cmocka_unit_test(test_resolver_fails),
        cmocka_unit_test(test_backoff_grows),
        cmocka_unit_test(test_backoff_begins_anew),
        cmocka_unit_test(test_setup_time),
        cmocka_unit_test(test_all_down),
        cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_web_server),
        cmocka_unit_test(test_tls_server),
        cmocka_unit_test(test_one_broker_is_not_kafka),
        cmocka_unit_test(test_mute_server),
        cmocka_unit_test(test_bad_versions),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_slow_resolver),
        cmocka_unit_test(test_sasl_listener),
        cmocka_unit_test(test_closed_in_mid_response),
        cmocka_unit_test(test_closed_in_mid_negotiation),
        cmocka_unit_test(test_bad_advertised_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
