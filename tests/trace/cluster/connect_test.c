/* How a client gets from a list of host names to a working connection. */
#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;

/* The first call resolves the bootstrap server, connects, asks for versions, then for metadata, and is sent. */
static void test_first_call(void **state)
{
    struct script_call call;
    (void)state;
    script_cluster_init(&sc, &peer);
    script_cluster_create(&sc);
    assert_null(script_resolving(&peer));
    assert_int_equal(kci_cluster_deadline(sc.cluster), KCI_NEVER);
    script_call_init(&call);
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
    script_answer_metadata(&peer, script_take(&peer, NULL, KCI_API_METADATA));
    script_cluster_destroy(&sc);
}

static void test_automatic(void **state)
{
    struct script_call call;
    (void)state;
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    script_topic(&peer, "t", 3);
    peer.brokers = 3;
    script_cluster_create(&sc);
    const struct kci_topic_info *t = kci_cluster_want_topic(sc.cluster, kci_str_of("t"), peer.now);
    script_settle(&peer);
    assert_true(t->known);
    assert_int_equal(t->partition_count, 3);
    assert_int_equal(t->partitions[2].leader, 3);
    script_call_init(&call);
    script_call(&sc, 3, &call);
    struct script_request *r = script_take(&peer, script_conn_to(&peer, "b3:9092"), KCI_API_HEARTBEAT);
    script_answer_heartbeat(&peer, r, 0);
    assert_int_equal(call.done, 1);
    assert_int_equal(call.error, KC_OK);
    assert_true(call.had_response);
    script_cluster_destroy(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_call),
        cmocka_unit_test(test_automatic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
