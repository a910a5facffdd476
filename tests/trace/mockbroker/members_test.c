/* Stories of brokers that come for the first time, that go for good, and of who is the controller meanwhile. */
#include "support/faulty_disk.h"
#include "support/mock_world.h"

#include "mockbroker/core/view.h"

#define DELAY (10 * MS)

static char why[300];

static int32_t add(struct world *world)
{
    int32_t id = 0;
    assert_int_equal(mb_cluster_broker_add(world->cluster, &id, world->now), 0);
    world_step(world);
    return id;
}

static int16_t decommission(struct world *world, int32_t broker, bool move)
{
    int32_t moving;
    int16_t error = mb_cluster_broker_decommission(world->cluster, broker, move, &moving, why, sizeof why, world->now);
    world_step(world);
    return error;
}

static int16_t write_one(struct world *world, const char *topic)
{
    struct client *client = world_client(world, world_look(world, topic, 0).leader);
    client_produce(client, topic, 0, -1, world_batch(world, (struct batch_of){ .count = 1 }));
    world_at(world, world->now + 5 * DELAY);
    return client_produced(client)->error_code;
}

/* What a client of `broker` is told: how many brokers run, and who is the controller. */
static int32_t told_brokers(struct world *world, int32_t broker, int32_t *controller)
{
    struct kci_metadata_request request = { .topics_count = 0 };
    struct kci_metadata_response *response = client_call(world_client(world, broker), KCI_API_METADATA, 9, &request);
    *controller = response->controller_id;
    return response->brokers_count;
}

static int32_t registered_brokers(struct world *world, int32_t broker)
{
    struct kci_describe_cluster_request request;
    kci_codec_init(&kci_describe_cluster_request_schema, &request);
    request.include_fenced_brokers = true;
    struct kci_describe_cluster_response *response =
        client_call(world_client(world, broker), KCI_API_DESCRIBE_CLUSTER, 2, &request);
    return response->brokers_count;
}

static struct kci_describe_quorum_response__partition_data *quorum(struct world *world, int32_t broker)
{
    struct kci_describe_quorum_request__partition_data partition = { 0 };
    struct kci_describe_quorum_request__topic_data topic = { .topic_name = NAME("__cluster_metadata"),
                                                             .partitions = &partition,
                                                             .partitions_count = 1 };
    struct kci_describe_quorum_request request;
    kci_codec_init(&kci_describe_quorum_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    struct kci_describe_quorum_response *response =
        client_call(world_client(world, broker), KCI_API_DESCRIBE_QUORUM, 2, &request);
    return &response->topics[0].partitions[0];
}

/* A new broker is told of at once, takes its share of new topics, and what is moved to it. */
static void a_broker_is_added(void **state)
{
    struct world world;
    int32_t controller, to[] = { 4, 1 };
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "old", 1, 2, NULL);
    assert_int_equal(write_one(&world, "old"), 0);
    assert_int_equal(add(&world), 4);
    assert_int_equal(told_brokers(&world, 1, &controller), 4);
    assert_int_equal(told_brokers(&world, 4, &controller), 4);
    assert_int_equal(controller, 1);
    assert_int_equal(quorum(&world, 4)->current_voters_count, 4);
    world_topic(&world, "wide", 4, 4, NULL);
    assert_int_equal(world_look(&world, "wide", 3).leader, 4);
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("old"), 0, to, 2, world.now), 0);
    world_step(&world);
    assert_null(mb_partition_replica(world_partition(&world, "old", 0), 2));
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("old"), 0, 4, world.now), 0);
    assert_int_equal(write_one(&world, "old"), 0);
    assert_int_equal(world_look(&world, "old", 0).high_watermark, 2);
    world_close(&world);
}

/* A broker that leads is decommissioned: until the others have everything it goes on, then it is not there any more. */
static void a_broker_is_decommissioned(void **state)
{
    struct world world;
    int32_t controller;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 4, .replication_delay_us = DELAY });
    world_topic(&world, "t", 4, 3, "min.insync.replicas=2");
    for (int i = 0; i < 5; i++)
        assert_int_equal(write_one(&world, "t"), 0);
    assert_int_equal(world_look(&world, "t", 0).leader, 1);
    assert_int_equal(decommission(&world, 1, true), 0);
    assert_int_equal(write_one(&world, "t"), 0);
    world_at(&world, world.now + 1 * SECOND);
    for (int32_t p = 0; p < 4; p++) {
        assert_null(mb_partition_replica(world_partition(&world, "t", p), 1));
        assert_int_equal(world_partition(&world, "t", p)->replica_count, 3);
        assert_int_equal(world_look(&world, "t", p).isr_count, 3);
    }
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 6);
    assert_int_equal(write_one(&world, "t"), 0);
    assert_int_equal(told_brokers(&world, 2, &controller), 3);
    assert_int_equal(controller, 2);
    assert_int_equal(registered_brokers(&world, 2), 3);
    assert_int_equal(quorum(&world, 2)->current_voters_count, 3);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(decommission(&world, 1, true), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(add(&world), 5); /* not 1 again */
    world_topic(&world, "after", 4, 4, NULL);
    assert_null(mb_partition_replica(world_partition(&world, "after", 0), 1));
    world_close(&world);
}

/* What cannot be: each with its reason, and nothing has changed. */
static void what_is_refused(void **state)
{
    struct world world;
    int32_t to[] = { 1, 2, 3 };
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 3, .replication_delay_us = DELAY });
    world_topic(&world, "t", 2, 3, NULL);
    world_topic(&world, "one", 1, 1, NULL);
    assert_int_equal(decommission(&world, 9, true), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(decommission(&world, 2, false), KCI_POLICY_VIOLATION);
    assert_string_equal(why, "broker 2 holds 2 replicas: reassign them first, or ask for them to be moved");
    assert_int_equal(decommission(&world, 2, true), KCI_INVALID_REPLICATION_FACTOR);
    assert_non_null(strstr(why, "has a replica on each broker that stays"));
    assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("t"), world.now), 0);
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("one"), 0, to, 3, world.now), 0);
    assert_int_equal(decommission(&world, 3, true), KCI_REASSIGNMENT_IN_PROGRESS);
    world_at(&world, world.now + 1 * SECOND);
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("one"), 0, to, 1, world.now), 0);
    world_at(&world, world.now + 1 * SECOND);
    assert_int_equal(registered_brokers(&world, 1), 3);
    assert_int_equal(decommission(&world, 3, false), 0); /* they hold nothing */
    assert_int_equal(decommission(&world, 2, false), 0);
    assert_int_equal(registered_brokers(&world, 1), 1);
    assert_int_equal(decommission(&world, 1, true), KCI_POLICY_VIOLATION);
    assert_string_equal(why, "broker 1 is the last one");
    world_close(&world);
}

/* The only copy is on a broker that is down, or the only other broker is: asking says who has to be started, and changes
 * nothing.  Once that one runs, the copy moves and the broker goes. */
static void what_cannot_move_now_is_refused(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(write_one(&world, "t"), 0);
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    assert_int_equal(decommission(&world, 1, true), KCI_LEADER_NOT_AVAILABLE);
    assert_string_equal(why, "t-0 cannot be copied, nobody leads it: start broker 1, which has its records");
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    mb_cluster_broker_stop(world.cluster, 2, false, world.now);
    assert_int_equal(decommission(&world, 1, true), KCI_BROKER_NOT_AVAILABLE);
    assert_string_equal(why, "t-0 waits for broker 2, which is to hold it and does not run: start it");
    assert_int_equal(mb_cluster_broker_start(world.cluster, 2, world.now), 0);
    assert_null(world_partition(&world, "t", 0)->target);
    assert_int_equal(decommission(&world, 1, true), 0);
    world_at(&world, world.now + 1 * SECOND);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    assert_int_equal(registered_brokers(&world, 2), 1);
    world_close(&world);
}

/* The broker dies while it is leaving, with the only copy: who looks or asks again is told what it waits for, and it goes
 * when it has been started and another has the copy. */
static void a_broker_that_dies_while_leaving_waits(void **state)
{
    struct world world;
    int32_t held = 0;
    char text[300];
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = DELAY });
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(write_one(&world, "t"), 0);
    assert_false(mb_view_leaving(world.cluster, 1, &held, text, sizeof text));
    assert_int_equal(decommission(&world, 1, true), 0);
    assert_true(mb_view_leaving(world.cluster, 1, &held, text, sizeof text));
    assert_int_equal(held, 1);
    assert_string_equal(text, "");
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    world_at(&world, world.now + 60 * SECOND);
    assert_true(mb_view_leaving(world.cluster, 1, &held, text, sizeof text));
    assert_int_equal(held, 1);
    assert_string_equal(text, "t-0 cannot be copied, nobody leads it: start broker 1, which has its records");
    assert_int_equal(decommission(&world, 1, true), KCI_LEADER_NOT_AVAILABLE);
    assert_string_equal(why, text);
    mb_cluster_broker_stop(world.cluster, 2, false, world.now);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    assert_int_equal(decommission(&world, 1, true), KCI_BROKER_NOT_AVAILABLE);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 2, world.now), 0);
    world_at(&world, world.now + 1 * SECOND);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    assert_int_equal(registered_brokers(&world, 2), 1);
    world_close(&world);
}

/* The controller dies, and the next one: each time another broker is it, in a higher epoch, and serves. */
static void the_controller_fails_over(void **state)
{
    struct world world;
    int32_t controller;
    (void)state;
    world_open(&world, 3, NULL);
    int32_t epoch = quorum(&world, 3)->leader_epoch;
    for (int32_t dead = 1; dead <= 2; dead++) {
        mb_cluster_broker_stop(world.cluster, dead, false, world.now);
        assert_int_equal(told_brokers(&world, 3, &controller), 3 - dead);
        assert_int_equal(controller, dead + 1);
        assert_int_equal(quorum(&world, 3)->leader_id, dead + 1);
        assert_int_equal(quorum(&world, 3)->leader_epoch, epoch + dead);
        char name[16];
        snprintf(name, sizeof name, "t%d", (int)dead);
        world_topic(&world, name, 1, 1, NULL);
    }
    mb_cluster_broker_start(world.cluster, 1, world.now); /* comes back as one of them */
    told_brokers(&world, 1, &controller);
    assert_int_equal(controller, 3);
    assert_int_equal(quorum(&world, 1)->leader_epoch, epoch + 2);
    world_close(&world);
}

/* A restart finds who was added, who is gone, who was unregistered and who is still leaving; epochs go on. */
static void a_restart_knows_them(void **state)
{
    static struct disk_storage disk;
    struct world world;
    struct kci_unregister_broker_request request = { .broker_id = 3 };
    int32_t controller;
    (void)state;
    disk_storage_init(&disk);
    world_open_with(&world, (struct mb_options){ .brokers = 3, .replication_delay_us = DELAY, .storage = &disk.face });
    assert_int_equal(add(&world), 4);
    assert_int_equal(add(&world), 5);
    assert_int_equal(decommission(&world, 1, false), 0);
    mb_cluster_broker_stop(world.cluster, 3, true, world.now);
    client_call(world_client(&world, 2), KCI_API_UNREGISTER_BROKER, 0, &request);
    int32_t alone[] = { 5 };
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("t"), 0, alone, 1, world.now), 0);
    world_at(&world, world.now + 1 * SECOND);
    assert_int_equal(write_one(&world, "t"), 0);
    assert_int_equal(decommission(&world, 5, true), 0);
    mb_cluster_broker_stop(world.cluster, 5, true, world.now); /* before anybody has copied */
    int32_t epoch = quorum(&world, 2)->leader_epoch;
    world_close(&world);
    world_open_with(&world, (struct mb_options){ .brokers = 3, .storage = &disk.face });
    world_at(&world, world.now + 1);
    assert_int_equal(told_brokers(&world, 2, &controller), 2); /* 2 and 4: what 5 held has moved at once */
    assert_int_equal(controller, 2);
    assert_true(quorum(&world, 2)->leader_epoch > epoch);
    assert_int_equal(registered_brokers(&world, 2), 2);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 3, world.now), 0);
    assert_int_equal(told_brokers(&world, 3, &controller), 3);
    assert_int_equal(add(&world), 6);
    world_close(&world);
    disk_storage_free(&disk);
}

/* Wherever memory ends, nothing is lost: what failed can be asked for again. */
static void memory_ends_anywhere(void **state)
{
    (void)state;
    for (size_t fail_at = 1; fail_at < 80; fail_at++) {
        struct world world;
        int32_t id = 0, moving;
        world_open(&world, 2, NULL);
        world_topic(&world, "t", 2, 2, NULL);
        assert_int_equal(write_one(&world, "t"), 0);
        world.memory.fail_at = world.memory.count + fail_at;
        mb_cluster_broker_add(world.cluster, &id, world.now);
        world_step(&world);
        mb_cluster_broker_decommission(world.cluster, 1, true, &moving, why, sizeof why, world.now);
        world_step(&world);
        world.memory.fail_at = 0;
        if (!id)
            id = add(&world);
        if (mb_cluster_broker(world.cluster, 1))
            assert_int_equal(decommission(&world, 1, true), 0);
        world_at(&world, world.now + 40 * SECOND);
        assert_null(mb_cluster_broker(world.cluster, 1));
        assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
        assert_int_equal(write_one(&world, "t"), 0);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_is_added),
        cmocka_unit_test(a_broker_is_decommissioned),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_cannot_move_now_is_refused),
        cmocka_unit_test(a_broker_that_dies_while_leaving_waits),
        cmocka_unit_test(the_controller_fails_over),
        cmocka_unit_test(a_restart_knows_them),
        cmocka_unit_test(memory_ends_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
