/* Stories of brokers that move to another address: a consumer finds the one that it fetches from, and its group's
 * coordinator, where they are now, and goes on at the offset where it was. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    peer.brokers = 2;
    sc.settings.metadata_max_age_ms = 10000000; /* only a failure asks for metadata */
    script_consumer_create(&sc);
}

/* The broker is gone from its address, with all that was under way on it. */
static void move(int32_t broker, const char *old, const char *new)
{
    peer.hosts[broker] = new;
    peer.away = old;
    for (size_t i = 0; i < peer.conn_count; i++)
        if (peer.conns[i].state == SCRIPT_OPEN && strncmp(peer.conns[i].address, old, strlen(old)) == 0)
            script_close(&peer, &peer.conns[i], "connection reset by peer");
}

/* The leader of a partition moves while a fetch waits there for data. */
static void test_a_leader(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 1, 2); /* led by broker 2 */
    script_assign(&sc, 1, 0);
    assert_seen(&sc, "t-1:0 t-1:1");
    move(2, "b2:", "elsewhere");
    script_advance(&peer, 3000);
    script_append(&sc, 1, 2);
    script_step(&peer);
    assert_seen(&sc, "t-1:2 t-1:3");
    assert_string_equal(script_conn_last(&peer)->address, "elsewhere:9092");
    script_consumer_end(&sc);
}

/* The new leader is a broker that nobody has heard of yet, and the answer says where it is (KIP-951), behind all
 * partitions: it is asked at once, and nobody asks for metadata. */
static void test_a_leader_that_is_new(void **state)
{
    struct kci_fetch_response__node_endpoint endpoint;
    struct kci_fetch_response__fetchable_topic_response topic;
    struct kci_fetch_response__partition_data partition;
    struct kci_fetch_response response;
    (void)state;
    script_consumer_init(&sc, &peer);
    peer.brokers = 1;
    sc.settings.metadata_max_age_ms = 10000000;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1");
    peer.auto_metadata = false;
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    const struct kci_fetch_request *request = r->message;
    kci_codec_init(&kci_fetch_response_schema, &response);
    kci_codec_init(&kci_fetch_response__fetchable_topic_response_schema, &topic);
    kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
    kci_codec_init(&kci_fetch_response__node_endpoint_schema, &endpoint);
    endpoint.node_id = 3;
    endpoint.host = kci_str_of("new");
    endpoint.port = 9092;
    response.node_endpoints = &endpoint;
    topic.topic_id = request->topics[0].topic_id;
    topic.partitions = &partition;
    response.responses = &topic;
    response.node_endpoints_count = topic.partitions_count = response.responses_count = 1;
    partition.error_code = KCI_NOT_LEADER_OR_FOLLOWER;
    partition.current_leader.leader_id = 3;
    partition.current_leader.leader_epoch = 6;
    script_answer(&peer, r, &response);
    r = script_expect(&sc, KCI_API_OFFSET_FOR_LEADER_EPOCH); /* KIP-320: is our position in its log? */
    assert_string_equal(r->conn->address, "new:9092");
    assert_false(script_waits(&sc, KCI_API_METADATA));
    script_consumer_end(&sc);
}

/* The coordinator moves: the member beats at its new address, and stays the member that it is. */
static void test_a_coordinator(void **state)
{
    (void)state;
    begin();
    sc.coordinator = 2;
    script_subscribe(&sc);
    script_join(&sc, 1, "0");
    script_poll(&sc);
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    move(2, "b2:", "elsewhere");
    script_advance(&peer, 6000);
    struct script_request *beat = script_pending(&peer, NULL, KCI_API_HEARTBEAT);
    assert_non_null(beat);
    assert_string_equal(beat->conn->address, "elsewhere:9092");
    script_beat(&sc, KCI_NONE);
    script_poll(&sc);
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leader),
        cmocka_unit_test(test_a_leader_that_is_new),
        cmocka_unit_test(test_a_coordinator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
