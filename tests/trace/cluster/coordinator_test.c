/* Finding the coordinator of a group or transactional id, and finding it again. */
#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;
static struct kci_coordinator coordinator;

static void begin(int8_t type)
{
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = 3;
    script_cluster_create(&sc);
    kci_coordinator_init(&coordinator, sc.cluster, type, "my-group");
}

static int32_t ask(void)
{
    int32_t node = kci_coordinator_node(&coordinator, peer.now);
    script_settle(&peer);
    return node;
}

static void answer(int32_t node, int16_t error)
{
    script_answer_coordinator(&peer, script_take(&peer, NULL, KCI_API_FIND_COORDINATOR), node, error);
    script_settle(&peer);
}

static void end(void)
{
    kci_coordinator_stop(&coordinator, peer.now);
    script_cluster_destroy(&sc);
}

/* A group's coordinator gets a connection of its own, so that heartbeats do not wait behind fetches from the same
 * broker. */
static void test_found(void **state)
{
    struct script_call call, other;
    (void)state;
    begin(0);
    assert_int_equal(ask(), KCI_NODE_NONE);
    assert_int_equal(kci_coordinator_deadline(&coordinator), KCI_NEVER);
    struct script_request *r = script_pending(&peer, NULL, KCI_API_FIND_COORDINATOR);
    const struct kci_find_coordinator_request *request = r->message;
    assert_int_equal(r->header.version, 6);
    assert_int_equal(request->key_type, 0);
    assert_int_equal(request->coordinator_keys_count, 1);
    assert_true(kci_str_equal(request->coordinator_keys[0], kci_str_of("my-group")));
    answer(2, KCI_NONE);
    int32_t node = ask();
    assert_string_equal(kci_cluster_node_text(sc.cluster, node), "b2:9092");
    assert_int_equal(kci_coordinator_deadline(&coordinator), KCI_NEVER);
    script_call_init(&call);
    script_call_init(&other);
    script_call(&sc, node, &call);
    script_call(&sc, 2, &other);
    struct script_request *first = script_take(&peer, NULL, KCI_API_HEARTBEAT),
                          *second = script_take(&peer, NULL, KCI_API_HEARTBEAT);
    assert_ptr_not_equal(first->conn, second->conn);
    assert_string_equal(first->conn->address, "b2:9092");
    assert_string_equal(second->conn->address, "b2:9092");
    script_close(&peer, first->conn, "gone");
    assert_non_null(strstr(call.text, "broker 2 (b2:9092) closed the connection"));
    end();
}

/* Before version 4 there is one key in the request. */
static void test_old_version(void **state)
{
    (void)state;
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.version_max[KCI_API_FIND_COORDINATOR] = 2;
    script_cluster_create(&sc);
    kci_coordinator_init(&coordinator, sc.cluster, 1, "my-id");
    ask();
    struct script_request *r = script_pending(&peer, NULL, KCI_API_FIND_COORDINATOR);
    const struct kci_find_coordinator_request *request = r->message;
    assert_int_equal(request->key_type, 1);
    assert_true(kci_str_equal(request->key, kci_str_of("my-id")));
    answer(1, KCI_NONE);
    assert_int_equal(ask(), 1); /* a transaction's coordinator shares the broker's connection */
    end();
}

/* It moved: looked up again at once, since the last one was good for a while. */
static void test_moved(void **state)
{
    (void)state;
    begin(1);
    ask();
    answer(1, KCI_NONE);
    script_advance(&peer, 5000);
    kci_coordinator_lost(&coordinator, "NOT_COORDINATOR", peer.now);
    assert_int_equal(ask(), KCI_NODE_NONE);
    answer(3, KCI_NONE);
    assert_int_equal(ask(), 3);
    end();
}

/* Found and lost in turns: the lookups back off. */
static void test_flapping(void **state)
{
    size_t lookups = 0;
    (void)state;
    begin(1);
    for (int64_t end_at = peer.now + 10000000; peer.now < end_at; script_advance(&peer, 5)) {
        if (ask() != KCI_NODE_NONE)
            kci_coordinator_lost(&coordinator, "NOT_COORDINATOR", peer.now);
        if (script_pending(&peer, NULL, KCI_API_FIND_COORDINATOR)) {
            lookups++;
            answer(1, KCI_NONE);
        }
    }
    assert_in_range(lookups, 10, 17);
    end();
}

/* It is not there yet: asked again after the back-off. */
static void test_not_available(void **state)
{
    (void)state;
    begin(0);
    ask();
    answer(0, KCI_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(coordinator.error, KCI_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(ask(), KCI_NODE_NONE);
    assert_null(script_pending(&peer, NULL, KCI_API_FIND_COORDINATOR));
    assert_in_range(kci_coordinator_deadline(&coordinator) - peer.now, 80000, 120000);
    script_advance(&peer, 121);
    ask();
    answer(1, KCI_NONE);
    assert_int_not_equal(ask(), KCI_NODE_NONE);
    assert_int_equal(coordinator.error, KCI_NONE);
    end();
}

/* No authorization is final, until somebody says otherwise. */
static void test_final(void **state)
{
    (void)state;
    begin(0);
    ask();
    answer(0, KCI_GROUP_AUTHORIZATION_FAILED);
    script_advance(&peer, 60000);
    assert_int_equal(ask(), KCI_NODE_NONE);
    assert_null(script_pending(&peer, NULL, KCI_API_FIND_COORDINATOR));
    assert_int_equal(coordinator.error, KCI_GROUP_AUTHORIZATION_FAILED);
    assert_int_equal(kci_coordinator_deadline(&coordinator), KCI_NEVER);
    kci_coordinator_lost(&coordinator, "the user tries again", peer.now);
    ask();
    answer(1, KCI_NONE);
    assert_int_not_equal(ask(), KCI_NODE_NONE);
    end();
}

/* The broker that is asked goes away: asked again elsewhere. */
static void test_lookup_fails(void **state)
{
    (void)state;
    begin(0);
    ask();
    script_close(&peer, script_take(&peer, NULL, KCI_API_FIND_COORDINATOR)->conn, "gone");
    assert_int_equal(ask(), KCI_NODE_NONE);
    script_advance(&peer, 121);
    ask();
    answer(2, KCI_NONE);
    assert_int_not_equal(ask(), KCI_NODE_NONE);
    end();
}

/* An answer that names nobody is as good as none. */
static void test_empty_answer(void **state)
{
    struct kci_find_coordinator_response response;
    (void)state;
    begin(0);
    ask();
    kci_codec_init(&kci_find_coordinator_response_schema, &response);
    script_answer(&peer, script_take(&peer, NULL, KCI_API_FIND_COORDINATOR), &response);
    assert_int_equal(ask(), KCI_NODE_NONE);
    assert_int_equal(coordinator.error, KCI_COORDINATOR_NOT_AVAILABLE);
    end();
}

/* Stopped in mid-lookup: the call is given up and nothing is left. */
static void test_stopped(void **state)
{
    (void)state;
    begin(0);
    ask();
    end();
    assert_false(coordinator.looking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),        cmocka_unit_test(test_old_version),   cmocka_unit_test(test_moved),
        cmocka_unit_test(test_flapping),     cmocka_unit_test(test_not_available), cmocka_unit_test(test_final),
        cmocka_unit_test(test_lookup_fails), cmocka_unit_test(test_empty_answer),  cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
