/* Stories of partitions that move, of leaders that are asked for, and of replicas that a test puts into a state. */
#include "support/faulty_disk.h"
#include "support/mock_world.h"

enum { PREFERRED, UNCLEAN };

static int16_t elect(struct client *client, int8_t type, const char *topic, int32_t partition)
{
    struct kci_elect_leaders_request request;
    struct kci_elect_leaders_request__topic_partitions named = { .topic = kci_str_of(topic),
                                                                 .partitions = &partition,
                                                                 .partitions_count = 1 };
    kci_codec_init(&kci_elect_leaders_request_schema, &request);
    request.election_type = type;
    request.topic_partitions = &named;
    request.topic_partitions_count = 1;
    struct kci_elect_leaders_response *response = client_call(client, KCI_API_ELECT_LEADERS, 2, &request);
    if (response->error_code)
        return response->error_code;
    return response->replica_election_results[0].partition_result[0].error_code;
}

/* count -1: cancel */
static int16_t reassign(struct client *client, const char *topic, int32_t partition, int32_t *brokers, int32_t count)
{
    struct kci_alter_partition_reassignments_request request;
    struct kci_alter_partition_reassignments_request__reassignable_partition moved = { .partition_index = partition,
                                                                                       .replicas = brokers,
                                                                                       .replicas_count = count };
    struct kci_alter_partition_reassignments_request__reassignable_topic named = { .name = kci_str_of(topic),
                                                                                   .partitions = &moved,
                                                                                   .partitions_count = 1 };
    kci_codec_init(&kci_alter_partition_reassignments_request_schema, &request);
    request.topics = &named;
    request.topics_count = 1;
    struct kci_alter_partition_reassignments_response *response =
        client_call(client, KCI_API_ALTER_PARTITION_REASSIGNMENTS, 1, &request);
    return response->responses[0].partitions[0].error_code;
}

/* NULL: nothing moves. */
static struct kci_list_partition_reassignments_response__ongoing_partition_reassignment *moving(struct client *client)
{
    struct kci_list_partition_reassignments_request request;
    kci_codec_init(&kci_list_partition_reassignments_request_schema, &request);
    request.topics_count = -1;
    struct kci_list_partition_reassignments_response *response =
        client_call(client, KCI_API_LIST_PARTITION_REASSIGNMENTS, 0, &request);
    return response->topics_count ? &response->topics[0].partitions[0] : NULL;
}

static void write_one(struct world *world, const char *topic)
{
    struct client *client = world_client(world, world_look(world, topic, 0).leader);
    client_produce(client, topic, 0, -1, world_batch(world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
}

static void assert_replicas(struct world *world, const char *topic, const char *expected)
{
    struct mb_partition *partition = world_partition(world, topic, 0);
    char text[64] = "";
    for (int32_t i = 0; i < partition->replica_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d%s ", partition->replicas[i].broker,
                 partition->replicas[i].in_isr ? "" : "!");
    assert_string_equal(text, expected);
}

static void the_preferred_leader_comes_back_on_request(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 3, NULL);
    struct client *client = world_client(&world, 2);
    assert_int_equal(elect(client, PREFERRED, "t", 0), KCI_ELECTION_NOT_NEEDED);
    mb_cluster_broker_stop(world.cluster, 1, true, world.now);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(elect(client, PREFERRED, "t", 0), KCI_PREFERRED_LEADER_NOT_AVAILABLE);
    mb_cluster_broker_start(world.cluster, 1, world.now);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(elect(client, PREFERRED, "t", 0), 0);
    assert_int_equal(world_look(&world, "t", 0).leader, 1);
    assert_int_equal(elect(client, PREFERRED, "t", 7), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(elect(client, 9, "t", 0), KCI_INVALID_REQUEST);
    world_close(&world);
}

static void an_unclean_election_takes_who_lives(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 2, NULL);
    struct client *client = world_client(&world, 3);
    assert_int_equal(elect(client, UNCLEAN, "t", 0), KCI_ELECTION_NOT_NEEDED);
    mb_cluster_broker_stop(world.cluster, 2, false, world.now);
    write_one(&world, "t");
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    assert_int_equal(elect(client, UNCLEAN, "t", 0), KCI_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    mb_cluster_broker_start(world.cluster, 2, world.now);
    assert_int_equal(world_look(&world, "t", 0).leader, -1);
    assert_int_equal(elect(client, UNCLEAN, "t", 0), 0);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(world_look(&world, "t", 0).log_end, 0); /* what only broker 1 had is lost */
    world_close(&world);
}

static void a_partition_moves_while_it_is_written(void **state)
{
    struct world world;
    struct disk_storage disk;
    (void)state;
    disk_storage_init(&disk);
    world_open_with(&world, (struct mb_options){ .brokers = 4, .storage = &disk.face });
    world_topic(&world, "t", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    write_one(&world, "t");
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 3, 4 }, 2), 0);
    world_step(&world);
    assert_replicas(&world, "t", "3 4 ");
    assert_null(moving(client));
    assert_int_equal(world_look(&world, "t", 0).leader, 3);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    write_one(&world, "t");
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 2);
    assert_null(disk_find(&disk, "broker-1/t-0/00000000000000000000.log"));
    assert_non_null(disk_find(&disk, "broker-4/t-0/00000000000000000000.log"));
    /* whoever still asks the old leader is sent away */
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    world_close(&world);
    disk_storage_free(&disk);
}

static void a_move_waits_for_a_broker_that_is_down_even_over_a_restart(void **state)
{
    struct world world;
    struct disk_storage disk;
    (void)state;
    disk_storage_init(&disk);
    for (int round = 0; round < 2; round++) {
        world_open_with(&world, (struct mb_options){ .brokers = 3, .storage = &disk.face });
        struct client *client = world_client(&world, 1);
        if (!round) {
            world_topic(&world, "t", 1, 2, NULL);
            write_one(&world, "t");
            mb_cluster_broker_stop(world.cluster, 3, true, world.now);
            assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 2, 3 }, 2), 0);
            world_step(&world);
            assert_replicas(&world, "t", "2 3! 1 ");
            assert_int_equal(moving(client)->adding_replicas[0], 3);
            assert_int_equal(moving(client)->removing_replicas[0], 1);
            write_one(&world, "t");
        } else { /* after the restart all brokers run */
            world_step(&world);
            assert_null(moving(client));
            assert_replicas(&world, "t", "2 3 ");
            assert_int_equal(world_look(&world, "t", 0).high_watermark, 2);
        }
        world_close(&world);
    }
    disk_storage_free(&disk);
}

static void a_move_can_be_called_off(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    assert_int_equal(reassign(client, "t", 0, NULL, -1), KCI_NO_REASSIGNMENT_IN_PROGRESS);
    mb_cluster_broker_stop(world.cluster, 3, true, world.now);
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 2, 3 }, 2), 0);
    world_step(&world);
    assert_replicas(&world, "t", "2 3! 1 ");
    assert_int_equal(reassign(client, "t", 0, NULL, -1), 0);
    assert_replicas(&world, "t", "1 ");
    assert_null(moving(client));
    write_one(&world, "t");
    world_close(&world);
}

static void followers_with_lag_are_waited_for(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 3, .replication_delay_us = 100 * MS });
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    write_one(&world, "t");
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 2, 3, 1 }, 3), 0);
    assert_replicas(&world, "t", "2! 3! 1 ");
    world_at(&world, SECOND);
    assert_replicas(&world, "t", "2 3 1 ");
    assert_int_equal(world_look(&world, "t", 0).leader, 1); /* it may stay: it is in the target */
    assert_int_equal(elect(client, PREFERRED, "t", 0), 0);
    assert_int_equal(world_look(&world, "t", 0).leader, 2);
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 3 }, 1), 0);
    world_at(&world, 2 * SECOND);
    assert_replicas(&world, "t", "3 ");
    assert_int_equal(world_look(&world, "t", 0).log_end, 1);
    world_close(&world);
}

static void nonsense_is_refused(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    assert_int_equal(reassign(client, "t", 0, NULL, 0), KCI_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 9 }, 1), KCI_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign(client, "t", 0, (int32_t[]){ 2, 2 }, 2), KCI_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign(client, "u", 0, (int32_t[]){ 2 }, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(reassign(client, "t", 5, (int32_t[]){ 2 }, 1), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&world);
}

static void a_replica_is_held_out_of_the_isr(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 2, "min.insync.replicas=2");
    assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 2 }, 1, 0), KCI_INVALID_REQUEST);
    assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1 }, 1, 0), 0);
    struct client *client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_ENOUGH_REPLICAS);
    world_at(&world, 60 * SECOND);
    assert_replicas(&world, "t", "1 2! ");
    assert_int_equal(mb_cluster_set_isr(world.cluster, NAME("t"), 0, (int32_t[]){ 1, 2 }, 2, world.now), 0);
    assert_replicas(&world, "t", "1 2 ");
    write_one(&world, "t");
    world_close(&world);
}

static void a_leader_that_loses_its_tail_takes_the_followers_with_it(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 2, NULL);
    for (int i = 0; i < 4; i++)
        write_one(&world, "t");
    assert_int_equal(mb_cluster_truncate(world.cluster, NAME("t"), 0, 2, 1, world.now), 0); /* a follower: no harm */
    assert_int_equal(mb_partition_replica(world_partition(&world, "t", 0), 2)->log.end_offset, 4);
    assert_replicas(&world, "t", "1 2 ");
    int32_t epoch = world_look(&world, "t", 0).leader_epoch;
    assert_int_equal(mb_cluster_truncate(world.cluster, NAME("t"), 0, 1, 9, world.now), KCI_OFFSET_OUT_OF_RANGE);
    assert_int_equal(mb_cluster_truncate(world.cluster, NAME("t"), 0, 1, 2, world.now), 0);
    assert_int_equal(world_look(&world, "t", 0).log_end, 2);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 2);
    assert_int_equal(world_look(&world, "t", 0).leader_epoch, epoch + 1);
    assert_int_equal(mb_partition_replica(world_partition(&world, "t", 0), 2)->log.end_offset, 2);
    write_one(&world, "t");
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 3);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_preferred_leader_comes_back_on_request),
        cmocka_unit_test(an_unclean_election_takes_who_lives),
        cmocka_unit_test(a_partition_moves_while_it_is_written),
        cmocka_unit_test(a_move_waits_for_a_broker_that_is_down_even_over_a_restart),
        cmocka_unit_test(a_move_can_be_called_off),
        cmocka_unit_test(followers_with_lag_are_waited_for),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_replica_is_held_out_of_the_isr),
        cmocka_unit_test(a_leader_that_loses_its_tail_takes_the_followers_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
