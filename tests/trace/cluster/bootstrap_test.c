/* Brokers come, move and go: whom a client asks then, and when it begins again at its bootstrap servers. */
#include "support/metadata_story.h"

/* An answer without brokers comes from a broker that is just starting: nobody is forgotten. */
static void test_no_brokers(void **state)
{
    (void)state;
    begin(2);
    script_topic(&peer, "t", 2);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.brokers = 0;
    peer.topics[0].partitions = 0;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_string_equal(kci_cluster_node_text(sc.cluster, 2), "b2:9092");
    peer.brokers = 2;
    peer.topics[0].partitions = 3;
    script_advance(&peer, 2000);
    assert_int_equal(t->partition_count, 3);
    script_cluster_destroy(&sc);
}

/* A broker moved to another address: the old connection ends and the next request goes to the new one. */
static void test_moved_broker(void **state)
{
    struct script_call call, second;
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_call_init(&call);
    script_call_init(&second);
    script_call(&sc, 1, &call);
    struct script_conn *old = script_conn_to(&peer, "b1:9092");
    assert_non_null(script_pending(&peer, old, KCI_API_HEARTBEAT));
    kci_cluster_node_hint(sc.cluster, 1, kci_str_of("new"), 9999, kci_str_of(NULL), peer.now);
    kci_cluster_call(sc.cluster, 1, &second.call, peer.now);
    script_settle(&peer);
    assert_int_equal(old->state, SCRIPT_CLOSED_BY_CLIENT);
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    assert_true(call.maybe_applied);
    script_answer_heartbeat(&peer, script_take_at(&peer, "new:9999", KCI_API_HEARTBEAT), 0);
    assert_int_equal(second.error, KC_OK);
    script_cluster_destroy(&sc);
}

/* All known brokers are gone, and the cluster lives elsewhere now: the bootstrap servers lead there (KIP-899). */
static void test_rebootstrap(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    struct script_call call;
    script_call_init(&call);
    script_call(&sc, 1, &call);
    assert_null(script_conn_to(&peer, "boot:9092")); /* it has done its work */
    peer.auto_connect = false;
    script_close(&peer, script_conn_to(&peer, "b1:9092"), "connection reset by peer");
    assert_int_equal(call.error, KC_ERR_TRANSPORT);
    for (size_t i = 0; i < 50 && !(script_resolving(&peer) && strcmp(script_resolving(&peer), "boot") == 0); i++) {
        if (script_resolving(&peer))
            script_resolved(&peer, 0, "no such host");
        script_advance(&peer, 20);
    }
    assert_string_equal(script_resolving(&peer), "boot");
    peer.auto_connect = true;
    peer.brokers = 2;
    peer.topics[0].epoch = 7;
    peer.topics[0].leader_shift = 1;
    script_advance(&peer, 1500);
    assert_int_equal(t->partitions[0].leader, 2);
    script_cluster_destroy(&sc);
}

/* The same, forbidden by metadata.recovery.strategy=none. */
static void test_no_rebootstrap(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    sc.settings.metadata_recovery_rebootstrap = false;
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_connect = false;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    for (size_t i = 0; i < 500; i++) {
        if (script_resolving(&peer)) {
            assert_string_equal(script_resolving(&peer), "b1");
            script_resolved(&peer, 0, "no such host");
        }
        script_advance(&peer, 20);
    }
    script_cluster_destroy(&sc);
}

/* A broker says that the client must bootstrap again (KIP-1102): the brokers known so far are not asked any more. */
static void test_told_to_rebootstrap(void **state)
{
    struct kci_metadata_response response;
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_metadata = false;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    struct script_request *r = script_take_at(&peer, "b1:9092", KCI_API_METADATA);
    kci_codec_init(&kci_metadata_response_schema, &response);
    response.error_code = KCI_REBOOTSTRAP_REQUIRED;
    script_answer(&peer, r, &response);
    script_advance(&peer, 300);
    script_answer_metadata(&peer, script_take_at(&peer, "boot:9092", KCI_API_METADATA));
    script_settle(&peer);
    assert_int_equal(sc.metadata_events, 2);
    script_cluster_destroy(&sc);
}

/* No answer for the whole trigger time, though connections come up: bootstrap again. */
static void test_rebootstrap_trigger(void **state)
{
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "boot:9092";
    sc.settings.metadata_recovery_rebootstrap_trigger_ms = 40000;
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    peer.auto_metadata = false; /* b1 takes requests and never answers */
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 59000);
    assert_null(script_conn_to(&peer, "boot:9092"));
    script_advance(&peer, 3000); /* the second time-out is after the trigger */
    assert_non_null(script_conn_to(&peer, "boot:9092"));
    script_cluster_destroy(&sc);
}
/* bootstrap.servers that cannot be read are refused at creation, with the entry. */
static void test_bad_bootstrap(void **state)
{
    kc_error error;
    (void)state;
    begin(1);
    sc.settings.bootstrap_servers = "b1:9092,b2";
    assert_int_equal(script_cluster_try(&sc, &error), KC_ERR_CONFIG);
    assert_string_equal(error.text, "bootstrap.servers: \"b2\": the port is missing: host:port is expected");
    assert_int_equal(sc.memory.live_blocks, 0);
    script_peer_destroy(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_brokers),          cmocka_unit_test(test_moved_broker),
        cmocka_unit_test(test_rebootstrap),         cmocka_unit_test(test_no_rebootstrap),
        cmocka_unit_test(test_told_to_rebootstrap), cmocka_unit_test(test_rebootstrap_trigger),
        cmocka_unit_test(test_bad_bootstrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
