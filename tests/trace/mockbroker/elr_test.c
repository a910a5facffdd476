/* Stories of eligible leader replicas (KIP-966): who leads when nobody is in sync, and who must not.  That the answers
 * are those of Apache Kafka is shown by tests/interop/elr_test.py, with the same histories. */
#include "support/disk_story.h"
#include "support/fault_story.h"
#include "support/mock_world.h"

#include "mockbroker/core/alter_configs.h"
#include "mockbroker/core/elr.h"

#define ALL_TAILS "{\"action\":\"lost_tail\"}"

static size_t put_list(char *text, size_t size, const int32_t *brokers, int32_t count)
{
    size_t at = 0;
    for (int32_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%d", i ? "," : "", brokers[i]);
    return at;
}

/* As `kafka-topics --describe` tells it, of partition 0: "Leader 1 Isr 1,2 Elr 3 LastKnownElr ". */
static const char *described(struct world *world, const char *topic)
{
    static char text[200];
    struct kci_describe_topic_partitions_request request;
    struct kci_describe_topic_partitions_request__topic_request one = { .name = kci_str_of(topic) };
    kci_codec_init(&kci_describe_topic_partitions_request_schema, &request);
    request.topics = &one;
    request.topics_count = 1;
    struct client *client = world_client(world, world->cluster->controller);
    struct kci_describe_topic_partitions_response *response =
        client_call(client, KCI_API_DESCRIBE_TOPIC_PARTITIONS, 0, &request);
    struct kci_describe_topic_partitions_response__describe_topic_partitions_response_partition *partition =
        &response->topics[0].partitions[0];
    size_t at = (size_t)snprintf(text, sizeof text, "Leader %d Isr ", partition->leader_id);
    at += put_list(text + at, sizeof text - at, partition->isr_nodes, partition->isr_nodes_count);
    at += (size_t)snprintf(text + at, sizeof text - at, " Elr ");
    at += put_list(text + at, sizeof text - at, partition->eligible_leader_replicas,
                   partition->eligible_leader_replicas_count);
    at += (size_t)snprintf(text + at, sizeof text - at, " LastKnownElr ");
    put_list(text + at, sizeof text - at, partition->last_known_elr, partition->last_known_elr_count);
    return text;
}

#define assert_described(world, text) assert_string_equal(described(world, "t"), text)

static void stop(struct world *world, int32_t broker)
{
    assert_int_equal(mb_cluster_broker_stop(world->cluster, broker, true, world->now), 0);
}

static void kill_one(struct world *world, int32_t broker)
{
    assert_int_equal(mb_cluster_broker_stop(world->cluster, broker, false, world->now), 0);
}

static void start(struct world *world, int32_t broker)
{
    assert_int_equal(mb_cluster_broker_start(world->cluster, broker, world->now), 0);
    world_step(world);
}

/* One record to whoever leads; its error. */
static int16_t write_one(struct world *world, int16_t acks)
{
    struct client *client = world_client(world, world_look(world, "t", 0).leader);
    client_produce(client, "t", 0, acks, world_batch(world, (struct batch_of){ .count = 1 }));
    return client_produced(client)->error_code;
}

/* Brokers leave in an orderly way, the last one too; the first that comes back leads, and nothing committed is lost. */
static void who_left_below_the_minimum_may_lead(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 4, NULL); /* broker 4 is asked: it stays */
    world_topic(&world, "t", 1, 3, "min.insync.replicas=2");
    assert_int_equal(write_one(&world, -1), 0);
    assert_described(&world, "Leader 1 Isr 1,2,3 Elr  LastKnownElr ");
    stop(&world, 3);
    assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr "); /* two are enough */
    assert_int_equal(write_one(&world, -1), 0);
    stop(&world, 1);
    assert_described(&world, "Leader 2 Isr 2 Elr 1 LastKnownElr ");
    assert_int_equal(write_one(&world, -1), KCI_NOT_ENOUGH_REPLICAS);
    assert_int_equal(write_one(&world, 1), 0); /* taken, and not committed */
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 2);
    stop(&world, 2);
    assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 2");
    start(&world, 3); /* it lacks the second record */
    assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 2");
    start(&world, 1);
    /* broker 3 has caught up with it at once, and two are enough */
    assert_described(&world, "Leader 1 Isr 1,3 Elr  LastKnownElr ");
    assert_int_equal(world_look(&world, "t", 0).log_end, 2);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 2);
    start(&world, 2); /* what it alone had was not committed, and goes */
    assert_described(&world, "Leader 1 Isr 1,2,3 Elr  LastKnownElr ");
    assert_int_equal(mb_partition_replica(world_partition(&world, "t", 0), 2)->log.end_offset, 2);
    world_close(&world);
}

/* Readers see nothing that is not committed: also not from the follower that will lead (KIP-392 reads are the same). */
static void the_high_watermark_waits_for_the_minimum(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 2, "min.insync.replicas=2");
    assert_int_equal(write_one(&world, -1), 0);
    stop(&world, 2);
    assert_int_equal(write_one(&world, 1), 0);
    struct client *reader = world_client(&world, 1);
    client_fetch(reader, (struct fetch_of){ .topic = "t", .offset = 1 });
    assert_int_equal(client_fetched(reader)->records.size, 0);
    start(&world, 2);
    client_fetch(reader, (struct fetch_of){ .topic = "t", .offset = 1 });
    assert_true(client_fetched(reader)->records.size > 0);
    assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr ");
    world_close(&world);
}

/* Who was killed may have lost what it had: back again, it is not eligible, and the other is waited for. */
static void who_was_killed_is_not_eligible(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 4, NULL);
    world_topic(&world, "t", 1, 2, "min.insync.replicas=2");
    world_fault(&world, ALL_TAILS);
    assert_int_equal(write_one(&world, -1), 0);
    kill_one(&world, 1);
    assert_described(&world, "Leader 2 Isr 2 Elr 1 LastKnownElr "); /* nobody knows yet how it ended */
    stop(&world, 2);
    assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 2");
    start(&world, 1);
    assert_described(&world, "Leader -1 Isr  Elr 2 LastKnownElr 2");
    start(&world, 2);
    assert_described(&world, "Leader 2 Isr 1,2 Elr  LastKnownElr ");
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    world_close(&world);
}

/* When all were killed nobody is eligible: then who led last is taken, whatever it lost, and nobody else. */
static void who_led_last_leads_when_nobody_is_eligible(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 4, NULL);
    world_topic(&world, "t", 1, 3, "min.insync.replicas=2");
    assert_int_equal(write_one(&world, -1), 0);
    for (int32_t broker = 3; broker >= 1; broker--)
        kill_one(&world, broker);
    assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 1");
    start(&world, 3);
    assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 1");
    start(&world, 1);
    assert_described(&world, "Leader -1 Isr  Elr 2 LastKnownElr 1"); /* broker 2 may have more */
    start(&world, 2);
    assert_described(&world, "Leader 1 Isr 1,2,3 Elr  LastKnownElr ");
    /* one replica, alone: it is always who led last */
    assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("t"), world.now), 0);
    world_topic(&world, "t", 1, 1, NULL);
    kill_one(&world, 1);
    assert_described(&world, "Leader -1 Isr  Elr 1 LastKnownElr 1");
    start(&world, 1);
    assert_described(&world, "Leader 1 Isr 1 Elr  LastKnownElr ");
    world_close(&world);
}

/* An unclean election comes last, by the topic's setting or on request, and forgets who was eligible. */
static void an_unclean_election_comes_last(void **state)
{
    struct world world;
    (void)state;
    for (int requested = 0; requested < 2; requested++) {
        world_open(&world, 4, requested ? NULL : "unclean.leader.election.enable=true");
        world_topic(&world, "t", 1, 3, "min.insync.replicas=2");
        stop(&world, 3);
        assert_int_equal(write_one(&world, -1), 0);
        stop(&world, 2);
        assert_described(&world, "Leader 1 Isr 1 Elr 2 LastKnownElr ");
        start(&world, 3);
        assert_described(&world, "Leader 1 Isr 1,3 Elr  LastKnownElr ");
        assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1 }, 1, world.now), 0);
        assert_described(&world, "Leader 1 Isr 1 Elr 3 LastKnownElr ");
        stop(&world, 3);
        assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1, 2, 3 }, 3, world.now), 0);
        start(&world, 2);
        assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr ");
        stop(&world, 2);
        stop(&world, 1);
        if (requested) {
            start(&world, 3);
            assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 1");
            assert_int_equal(mb_cluster_elect(world.cluster, NAME("t"), 0, true, world.now), 0);
        } else {
            assert_described(&world, "Leader -1 Isr  Elr 1,2 LastKnownElr 1");
            start(&world, 3);
        }
        assert_described(&world, "Leader 3 Isr 3 Elr  LastKnownElr ");
        world_close(&world);
    }
}

/* More than one may leave at a time: all are eligible, also when they are more than are wanted, as in Kafka. */
static void all_that_leave_together_are_eligible(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 4, NULL);
    world_topic(&world, "t", 1, 4, "min.insync.replicas=3");
    assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1, 2 }, 2, world.now), 0);
    assert_described(&world, "Leader 1 Isr 1,2 Elr 3,4 LastKnownElr ");
    assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1 }, 1, world.now), 0);
    assert_described(&world, "Leader 1 Isr 1 Elr 2,3,4 LastKnownElr ");
    /* its log is cut while it runs: it has not all that is committed any more */
    assert_int_equal(write_one(&world, 1), 0);
    assert_int_equal(mb_cluster_truncate(world.cluster, NAME("t"), 0, 2, 0, world.now), 0);
    assert_described(&world, "Leader 1 Isr 1 Elr 3,4 LastKnownElr ");
    world_close(&world);
}

static int16_t alter(struct world *world, int32_t broker, enum mb_alter operation, const char *value)
{
    struct mb_config_change change = { NAME("min.insync.replicas"), kci_str_of(value), (int8_t)operation };
    char text[200];
    int16_t error =
        broker < 0
            ? mb_alter_topic(mb_topic_find(world->cluster, NAME("t")), &change, 1, false, false, text, 200, world->now)
            : mb_alter_broker(world->cluster, broker, &change, 1, false, false, text, 200, world->now);
    world_step(world);
    return error;
}

/* Nobody knows what was committed under another minimum: the eligible are forgotten, and who led last with them. */
static void another_minimum_forgets(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 4, NULL);
    world_topic(&world, "t", 1, 3, "min.insync.replicas=3");
    stop(&world, 3);
    assert_described(&world, "Leader 1 Isr 1,2 Elr 3 LastKnownElr ");
    assert_int_equal(alter(&world, -1, MB_ALTER_SET, "3"), 0); /* nothing new */
    assert_described(&world, "Leader 1 Isr 1,2 Elr 3 LastKnownElr ");
    assert_int_equal(alter(&world, -1, MB_ALTER_SET, "2"), 0);
    assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr ");
    assert_int_equal(alter(&world, -1, MB_ALTER_SET, "3"), 0);
    assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr "); /* not before the ISR changes again */
    stop(&world, 2);
    assert_described(&world, "Leader 1 Isr 1 Elr 2 LastKnownElr ");
    assert_int_equal(alter(&world, 0, MB_ALTER_SET, "1"),
                     0); /* of all brokers: all topics, also those with their own */
    assert_described(&world, "Leader 1 Isr 1 Elr  LastKnownElr ");
    stop(&world, 1);
    assert_described(&world, "Leader -1 Isr  Elr 1 LastKnownElr 1");
    assert_int_equal(alter(&world, -1, MB_ALTER_DELETE, NULL), 0);
    assert_described(&world, "Leader -1 Isr  Elr  LastKnownElr ");
    for (int32_t broker = 1; broker <= 3; broker++)
        start(&world, broker);
    assert_described(&world, "Leader -1 Isr  Elr  LastKnownElr ");
    assert_int_equal(mb_cluster_elect(world.cluster, NAME("t"), 0, true, world.now), 0);
    assert_described(&world, "Leader 1 Isr 1,2,3 Elr  LastKnownElr ");
    world_close(&world);
}

/* One minimum for all brokers, which cannot be taken away. */
static void the_minimum_is_stored_for_all_brokers(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, "min.insync.replicas=2");
    size_t row = (size_t)mb_properties_find(NAME("min.insync.replicas"));
    assert_string_equal(world.cluster->properties.dynamic[row], "2");
    assert_int_equal(alter(&world, 0, MB_ALTER_DELETE, NULL), KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, 1, MB_ALTER_SET, "1"), KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, 1, MB_ALTER_DELETE, NULL), KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, 0, MB_ALTER_SET, "1"), 0);
    assert_string_equal(world.cluster->properties.dynamic[row], "1");
    world_close(&world);
}

static void set_feature(struct world *world, int16_t level)
{
    struct kci_update_features_request request;
    struct kci_update_features_request__feature_update_key one = { .feature = NAME("eligible.leader.replicas.version"),
                                                                   .max_version_level = level };
    kci_codec_init(&kci_update_features_request_schema, &request);
    one.upgrade_type = level ? 1 : 2;
    request.feature_updates = &one;
    request.feature_updates_count = 1;
    struct kci_update_features_response *response =
        client_call(world_client(world, world->cluster->controller), KCI_API_UPDATE_FEATURES, 2, &request);
    assert_int_equal(response->error_code, 0);
}

/* Before 4.1 it is off; then the last one stays in the ISR, and the feature can be switched on and off. */
static void it_is_a_feature(void **state)
{
    static const struct {
        const char *config;
        int16_t max, level;
    } rows[] = {
        { "mock.as.version=3.9", -1, 0 },
        { "mock.as.version=4.0", 1, 0 },
        { "mock.as.version=4.1", 1, 1 },
        { NULL, 1, 1 },
    };
    struct world world;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_open(&world, 1, rows[i].config);
        assert_int_equal(mb_feature_of(world.cluster, MB_FEATURE_ELR).max, rows[i].max);
        assert_int_equal(mb_feature_level(world.cluster, MB_FEATURE_ELR), rows[i].level);
        world_close(&world);
    }
    size_t row = (size_t)mb_properties_find(NAME("min.insync.replicas"));
    world_open(&world, 4, "mock.as.version=4.0");
    world_topic(&world, "t", 1, 2, "min.insync.replicas=2");
    assert_null(world.cluster->properties.dynamic[row]);
    stop(&world, 2);
    assert_described(&world, "Leader 1 Isr 1 Elr  LastKnownElr ");
    kill_one(&world, 1);
    assert_described(&world, "Leader -1 Isr 1 Elr  LastKnownElr ");
    set_feature(&world, 1);
    assert_string_equal(world.cluster->properties.dynamic[row], "1");
    assert_described(&world, "Leader -1 Isr 1 Elr  LastKnownElr ");
    start(&world, 2);
    assert_described(&world, "Leader -1 Isr 1 Elr  LastKnownElr "); /* not in sync, and nobody was eligible */
    start(&world, 1);
    assert_described(&world, "Leader 1 Isr 1,2 Elr  LastKnownElr ");
    stop(&world, 2);
    assert_described(&world, "Leader 1 Isr 1 Elr 2 LastKnownElr ");
    set_feature(&world, 0);
    assert_described(&world, "Leader 1 Isr 1 Elr 2 LastKnownElr "); /* until something changes */
    stop(&world, 1);
    assert_described(&world, "Leader -1 Isr 1 Elr  LastKnownElr ");
    assert_int_equal(alter(&world, 0, MB_ALTER_DELETE, NULL), 0);
    world_close(&world);
}

static void open_on_disk(struct world *world)
{
    world_open_with(world, (struct mb_options){ .brokers = 4, .storage = &disk.face });
}

/* A restart knows who is eligible, who led last and who was killed; after a crash who has less than another is not. */
static void a_restart_knows_who_is_eligible(void **state)
{
    struct world world;
    (void)state;
    for (int crashed = 0; crashed < 2; crashed++) {
        open_on_disk(&world);
        world_topic(&world, "t", 1, 3, "min.insync.replicas=3");
        assert_int_equal(write_one(&world, -1), 0);
        stop(&world, 3);
        kill_one(&world, 2);
        assert_int_equal(write_one(&world, 1), 0);
        stop(&world, 1);
        assert_described(&world, "Leader -1 Isr  Elr 1,2,3 LastKnownElr 1");
        if (crashed)
            disk.broken = true; /* nothing is written on the way out */
        world_close(&world);
        disk.broken = false;
        open_on_disk(&world); /* all brokers start; replicas follow at once */
        assert_described(&world, "Leader 1 Isr 1,2,3 Elr  LastKnownElr ");
        assert_int_equal(world_look(&world, "t", 0).log_end, 2);
        stop(&world, 3);
        world_step(&world);
        world_close(&world);
        open_on_disk(&world);
        assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("t"), world.now), 0);
        world_close(&world);
    }
}

/* Brokers that were down when the topic was made have nothing, and are not eligible; nor is who is no replica any more.
 */
static void who_never_had_it_is_not_eligible(void **state)
{
    static const int32_t moved[] = { 1, 4 };
    struct world world;
    (void)state;
    world_open(&world, 4, NULL);
    stop(&world, 2);
    world_topic(&world, "t", 1, 3, "min.insync.replicas=3");
    assert_described(&world, "Leader 1 Isr 1,3 Elr  LastKnownElr ");
    stop(&world, 3);
    assert_described(&world, "Leader 1 Isr 1 Elr 3 LastKnownElr ");
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("t"), 0, moved, 2, world.now), 0);
    world_step(&world);
    world_at(&world, world.now + SECOND);
    assert_described(&world, "Leader 1 Isr 1,4 Elr  LastKnownElr ");
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_left_below_the_minimum_may_lead),
        cmocka_unit_test(the_high_watermark_waits_for_the_minimum),
        cmocka_unit_test(who_was_killed_is_not_eligible),
        cmocka_unit_test(who_led_last_leads_when_nobody_is_eligible),
        cmocka_unit_test(an_unclean_election_comes_last),
        cmocka_unit_test(all_that_leave_together_are_eligible),
        cmocka_unit_test(another_minimum_forgets),
        cmocka_unit_test(the_minimum_is_stored_for_all_brokers),
        cmocka_unit_test(it_is_a_feature),
        cmocka_unit_test_setup_teardown(a_restart_knows_who_is_eligible, setup, teardown),
        cmocka_unit_test(who_never_had_it_is_not_eligible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
