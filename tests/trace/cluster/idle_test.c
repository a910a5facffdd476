/* What a client does when there is nothing to do, and what it does when memory runs out. */
#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;
static struct script_call call;

static void begin(int32_t brokers)
{
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = brokers;
    script_call_init(&call);
}

static void beat(int32_t node)
{
    script_call_init(&call);
    script_call(&sc, node, &call);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    assert_int_equal(call.error, KC_OK);
}

/* Ten idle connections: the client wakes up a handful of times in four minutes, not once per connection and second. */
static void test_sleeps(void **state)
{
    (void)state;
    begin(10);
    script_cluster_create(&sc);
    for (int32_t i = 1; i <= 10; i++)
        beat(i);
    size_t steps = peer.steps;
    script_advance(&peer, 240000);
    assert_in_range(peer.steps - steps, 1, 15);
    script_cluster_destroy(&sc);
}

/* A connection that nobody used for connections.max.idle.ms is closed, without any call failing and without an error to
 * show. */
static void test_idle_close(void **state)
{
    (void)state;
    begin(2);
    sc.settings.metadata_max_age_ms = 24 * 3600 * 1000;
    script_cluster_create(&sc);
    beat(1);
    struct script_conn *b1 = script_conn_to(&peer, "b1:9092");
    script_advance(&peer, 300000);
    beat(1); /* half-way: the time begins anew */
    script_advance(&peer, 539000);
    assert_int_equal(b1->state, SCRIPT_OPEN);
    script_advance(&peer, 2000);
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    assert_string_equal(kci_cluster_node_why(sc.cluster, 1, peer.now), "broker 1 (b1:9092) is not connected");
    assert_false(kci_cluster_connected(sc.cluster));
    beat(1);
    assert_true(kci_cluster_connected(sc.cluster));
    script_cluster_destroy(&sc);
}

/* A request that takes longer than the idle time keeps its connection. */
static void test_busy_is_not_idle(void **state)
{
    (void)state;
    begin(1);
    sc.settings.connections_max_idle_ms = 5000;
    script_cluster_create(&sc);
    beat(1);
    script_call_init(&call);
    call.call.timeout_ms = 60000;
    script_call(&sc, 1, &call);
    script_advance(&peer, 30000);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    assert_int_equal(call.error, KC_OK);
    script_cluster_destroy(&sc);
}

/* -1: never. */
static void test_never_idle(void **state)
{
    (void)state;
    begin(1);
    sc.settings.connections_max_idle_ms = -1;
    script_cluster_create(&sc);
    beat(1);
    script_advance(&peer, 3600 * 1000);
    assert_int_equal(script_conn_to(&peer, "b1:9092")->state, SCRIPT_OPEN);
    script_cluster_destroy(&sc);
}

/* The broker closes an idle connection: not a failure, and the next request connects at once. */
static void test_broker_closes_idle(void **state)
{
    (void)state;
    begin(1);
    script_cluster_create(&sc);
    beat(1);
    script_advance(&peer, 60000);
    script_close(&peer, script_conn_to(&peer, "b1:9092"), "closed by peer");
    assert_string_equal(kci_cluster_node_why(sc.cluster, 1, peer.now), "broker 1 (b1:9092) is not connected");
    beat(1);
    script_cluster_destroy(&sc);
}

/* A broker that accepts, greets and hangs up does not make the client spin. */
static void test_no_reconnect_storm(void **state)
{
    (void)state;
    begin(1);
    script_cluster_create(&sc);
    beat(1);
    size_t before = peer.conn_count;
    for (int64_t end = peer.now + 10 * 1000000; peer.now < end; script_advance(&peer, 1)) {
        kci_cluster_node_ready(sc.cluster, 1, peer.now);
        struct script_conn *c = script_conn_to(&peer, "b1:9092");
        if (c && peer.conn_count < SCRIPT_CONNS)
            script_close(&peer, c, "closed by peer");
    }
    assert_in_range(peer.conn_count - before, 20, 255);
    script_cluster_destroy(&sc);
}

/* ---- memory
 * ---------------------------------------------------------------------------------------------------------------- */

/* Connect, learn of a topic, make two calls; whatever fails for lack of memory, calls come back, nothing leaks, nothing
 * hangs, and a client that survived works once there is memory again. */
static bool story(void)
{
    struct script_call other;
    const struct kci_topic_info *topic;
    kc_error error;
    size_t fail_at = sc.memory.fail_at;
    script_peer_init(&peer);
    sc.settings = script_settings();
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = 2;
    script_topic(&peer, "t", 3);
    kc_err created = script_cluster_try(&sc, &error);
    if (created) {
        assert_int_equal(created, KC_ERR_NO_MEMORY);
        assert_int_equal(error.code, KC_ERR_NO_MEMORY);
        script_peer_destroy(&peer);
        return fail_at != 0;
    }
    topic = kci_cluster_want_topic(sc.cluster, kci_str_of("t"), peer.now);
    script_call_init(&call);
    script_call_init(&other);
    script_call(&sc, KCI_NODE_ANY, &call);
    script_call(&sc, 2, &other);
    for (int i = 0; i < 400 && (!call.done || !other.done); i++) {
        struct script_request *r = script_pending(&peer, NULL, KCI_API_HEARTBEAT);
        if (r)
            script_answer_heartbeat(&peer, r, 0);
        script_advance(&peer, 20);
    }
    assert_int_equal(call.done, 1);
    assert_int_equal(other.done, 1);
    if (call.error && call.error != KC_ERR_NO_MEMORY && call.error != KC_ERR_TRANSPORT)
        fail_msg("%s: %s", kc_err_name(call.error), call.text);
    if (!topic)
        topic = kci_cluster_want_topic(sc.cluster, kci_str_of("t"), peer.now);
    script_advance(&peer, 3000);
    assert_non_null(topic);
    assert_int_equal(topic->partition_count, 3);
    for (size_t i = 0; i < 3; i++) { /* the failure may come as late as here */
        script_call_init(&call);
        script_call(&sc, 2, &call);
        if (script_pending(&peer, NULL, KCI_API_HEARTBEAT))
            script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
        script_advance(&peer, 200);
        assert_int_equal(call.done, 1);
        if (call.error == KC_OK)
            break;
    }
    assert_int_equal(call.error, KC_OK);
    kci_cluster_destroy(sc.cluster, peer.now);
    script_peer_destroy(&peer);
    return sc.memory.count >= fail_at;
}

static void test_out_of_memory(void **state)
{
    size_t n = 0;
    (void)state;
    memset(&sc, 0, sizeof sc);
    sc.peer = &peer;
    sc.alloc = test_alloc_counting(&sc.memory);
    TEST_ALLOC_EACH_FAILURE(&sc.memory)
    {
        story();
        n++;
    }
    assert_in_range(n, 20, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeps),
        cmocka_unit_test(test_idle_close),
        cmocka_unit_test(test_busy_is_not_idle),
        cmocka_unit_test(test_never_idle),
        cmocka_unit_test(test_broker_closes_idle),
        cmocka_unit_test(test_no_reconnect_storm),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
