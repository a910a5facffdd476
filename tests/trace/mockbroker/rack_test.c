/* Stories of racks (KIP-392) and of leaders that go home. */
#include "support/mock_world.h"

#define SELECTOR "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector mock.racks=a,b,c"
#define DELAY    (100 * MS)

static void fetch_from_rack(struct client *client, const char *rack, int64_t offset, int32_t max_wait_ms)
{
    struct kci_fetch_request request;
    struct kci_fetch_request__fetch_partition partition;
    struct kci_fetch_request__fetch_topic topic = { .topic = NAME("orders"),
                                                    .partitions = &partition,
                                                    .partitions_count = 1 };
    kci_codec_init(&kci_fetch_request_schema, &request);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &partition);
    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = max_wait_ms ? 1 : 0;
    request.max_bytes = 1 << 20;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.rack_id = kci_str_of(rack);
    request.isolation_level = 1;
    client_send(client, KCI_API_FETCH, FETCH_VERSION, &request);
}

/* The leader names the replica in the client's rack, brings no records, and the replica serves them. */
static void a_client_is_sent_to_its_rack(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, SELECTOR);
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *leader = world_client(&world, 1), *follower = world_client(&world, 3);
    client_produce(leader, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 2 }));
    assert_int_equal(client_produced(leader)->error_code, 0);
    fetch_from_rack(leader, "c", 0, 500);
    struct kci_fetch_response__partition_data *sent = client_fetched(leader);
    assert_non_null(sent); /* at once */
    assert_int_equal(sent->preferred_read_replica, 3);
    assert_int_equal(sent->records.size, 0);
    assert_int_equal(sent->high_watermark, 2);
    assert_int_equal(sent->aborted_transactions_count, -1); /* nothing was read */
    fetch_from_rack(follower, "c", 0, 0);
    struct kci_fetch_response__partition_data *served = client_fetched(follower);
    assert_int_equal(served->error_code, 0);
    assert_int_equal(served->preferred_read_replica, -1);
    assert_true(served->records.size > 0);
    assert_int_equal(served->aborted_transactions_count, 0);
    static const char *const stay[] = { "a", "", "nowhere" };
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        fetch_from_rack(leader, stay[i], 0, 0);
        struct kci_fetch_response__partition_data *here = client_fetched(leader);
        assert_int_equal(here->preferred_read_replica, -1);
        assert_true(here->records.size > 0);
    }
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 3, false, world.now), 0); /* who is not there is not named */
    fetch_from_rack(leader, "c", 0, 0);
    assert_int_equal(client_fetched(leader)->preferred_read_replica, -1);
    world_close(&world);
}

/* A follower serves what it knows to be committed, wakes who waits when that grows, and knows nothing of what it has
 * not got. */
static void a_follower_serves_what_it_has(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = DELAY, .config = SELECTOR });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *leader = world_client(&world, 1), *follower = world_client(&world, 2);
    client_produce(leader, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(leader)->error_code, 0);
    world_at(&world, 4 * DELAY);
    fetch_from_rack(follower, "b", 1, 100000);
    assert_null(client_fetched_all(follower)); /* it waits */
    client_produce(leader, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(leader)->error_code, 0);
    assert_null(client_fetched_all(follower));
    world_at(&world, 8 * DELAY);
    assert_true(client_fetched(follower)->records.size > 0);
    fetch_from_rack(follower, "b", 3, 0);
    assert_int_equal(client_fetched(follower)->error_code, KCI_OFFSET_OUT_OF_RANGE);
    world_close(&world);
}

/* Racks are told of in Metadata; without a list there is one for all, or none. */
static void racks_are_told(void **state)
{
    static const struct {
        const char *config, *rack;
    } cases[] = { { "mock.racks=a,b", "a" }, { "broker.rack=here", "here" }, { NULL, NULL } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        struct kci_metadata_request request;
        world_open(&world, 3, cases[i].config);
        struct client *client = world_client(&world, 1);
        kci_codec_init(&kci_metadata_request_schema, &request);
        client_send(client, KCI_API_METADATA, 9, &request);
        struct kci_metadata_response *response = client_answer(client, KCI_API_METADATA, 9);
        struct kci_str rack = response->brokers[2].rack; /* broker 3 */
        assert_true(cases[i].rack ? kci_str_equal(rack, kci_str_of(cases[i].rack)) : rack.data == NULL);
        world_close(&world);
    }
}

/* auto.leader.rebalance.enable: what another broker leads goes back, if its own can. */
static void leaders_go_home(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, "auto.leader.rebalance.enable=true leader.imbalance.check.interval.seconds=60");
    world_topic(&world, "orders", 1, 3, NULL);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, true, world.now), 0);
    world_at(&world, 61 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2); /* nobody at home */
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    world_at(&world, 119 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2);
    world_at(&world, 120 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).leader, 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_sent_to_its_rack),
        cmocka_unit_test(a_follower_serves_what_it_has),
        cmocka_unit_test(racks_are_told),
        cmocka_unit_test(leaders_go_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
