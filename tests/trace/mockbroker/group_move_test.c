/* The coordinator moves, stops, starts again: what was committed is there, who was a member still is. */
#include "support/group_story.h"
#include "support/memory_storage.h"

static int32_t partition_of(struct world *s, const char *group)
{
    int32_t home = group_coordinator(s, group),
            count = mb_cluster_topic_partitions(s->cluster, kci_str_of("__consumer_offsets"));
    uint32_t hash = 0;
    for (const char *p = group; *p; p++)
        hash = 31 * hash + (uint8_t)*p;
    int32_t partition = (int32_t)(hash & INT32_MAX) % count;
    assert_int_equal(world_look(s, "__consumer_offsets", partition).leader, home);
    return partition;
}

/* Leadership of the partition goes to another broker, gracefully: generation, assignments and offsets come along. */
static void a_move_costs_no_rebalance(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g"), next = home % 3 + 1, partition = partition_of(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    b.instance_id = kci_str_of("b");
    group_settle_two(&a, &b);
    assert_code(group_commit(&a, "t", 0, 11), KCI_NONE);

    assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), partition, next, s.now), KCI_NONE);
    assert_code(group_beat(&a), KCI_NOT_COORDINATOR);
    assert_int_equal(group_coordinator(&s, "g"), next);
    a.conn = group_connect(&s, next, "a");
    b.conn = group_connect(&s, next, "b");
    world_pass(&s, 9000); /* sessions began anew with the move */
    assert_code(group_beat(&a), KCI_NONE);
    assert_code(group_beat(&b), KCI_NONE);
    assert_assigned(group_sync(&b, NULL, 0), "B");
    assert_int_equal(group_committed(&a, "t", 0), 11);
    const struct kci_describe_groups_response__described_group *seen = group_describe(&a);
    assert_str(seen->group_state, "Stable");
    assert_int_equal(seen->members_count, 2);
    assert_str(seen->members[1].group_instance_id, "b");
    assert_str(seen->members[0].client_id, "a");
    const struct kci_join_group_response *again = group_join(&b); /* a follower, unchanged */
    assert_int_equal(again->generation_id, 1);
    world_pass(&s, 10100);
    assert_code(group_beat(&a), KCI_UNKNOWN_MEMBER_ID); /* sessions end here as anywhere */
    world_close(&s);
}

/* Who leads is remembered, too, although it need not be the oldest member. */
static void the_leader_still_leads_after_a_move(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    int32_t home = group_coordinator(&s, "g"), next = home % 3 + 1, partition = partition_of(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    a.instance_id = kci_str_of("a");
    a.rebalance_ms = b.rebalance_ms = 8000;
    a.session_ms = 60000;
    group_settle_two(&a, &b);
    b.metadata = "changed";
    assert_null(group_join(&b));
    world_pass(&s, 8000); /* a does not come, and stays a member: it is static */
    const struct kci_join_group_response *lead = group_joined(&b);
    assert_int_equal(lead->members_count, 2);
    assert_true(kci_str_equal(lead->leader, b.member_id));
    struct group_part part = { b.member_id, "B" };
    assert_assigned(group_sync(&b, &part, 1), "B");
    assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), partition, next, s.now), KCI_NONE);
    b.conn = group_connect(&s, next, "b");
    assert_null(group_join(&b)); /* a leader that joins wants a rebalance; a follower would have been answered */
    a.conn = group_connect(&s, next, "a");
    const struct kci_join_group_response *follow = group_join(&a); /* the older one: whoever leads goes on to lead */
    assert_true(kci_str_equal(follow->leader, b.member_id));
    assert_int_equal(follow->members_count, 0);
    world_close(&s);
}

/* The disk is full: commits fail with an error that says so in Kafka's way, nothing that was acknowledged is lost. */
static void a_full_disk_loses_nothing(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    group_topic(&s, "t", 1);
    struct group_client c = group_client_of(&s, 1, "g", "c");
    assert_code(group_commit(&c, "t", 0, 1), KCI_NONE);
    files.append_error = ENOSPC;
    int16_t error = group_commit(&c, "t", 0, 2);
    assert_true(error == KCI_NOT_COORDINATOR || error == KCI_COORDINATOR_NOT_AVAILABLE);
    files.append_error = 0;
    world_pass(&s, 60000);
    world_close(&s);
    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    struct group_client again = group_client_of(&s, group_coordinator(&s, "g"), "g", "c");
    assert_int_equal(group_committed(&again, "t", 0), 1);
    assert_code(group_commit(&again, "t", 0, 3), KCI_NONE);
    world_close(&s);
    memory_storage_free(&files);
}

/* The coordinator is killed while members wait in a rebalance: those on other connections hear of it, nobody hangs. */
static void a_killed_coordinator_is_replaced(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    group_settle_one(&a);
    assert_code(group_commit(&a, "t", 0, 11), KCI_NONE);
    assert_null(group_join(&b));
    assert_code(mb_cluster_broker_stop(s.cluster, home, false, s.now), KCI_NONE);
    world_step(&s);
    assert_true(a.conn->closed && b.conn->closed);
    int32_t other = home % 3 + 1;
    struct client *finder = group_connect(&s, other, "finder");
    struct kci_find_coordinator_request find = { .key = a.group };
    const struct kci_find_coordinator_response *found = client_call(finder, KCI_API_FIND_COORDINATOR, 3, &find);
    assert_code(found->error_code, KCI_NONE);
    assert_int_not_equal(found->node_id, home);
    a.conn = group_connect(&s, found->node_id, "a");
    b.conn = group_connect(&s, found->node_id, "b");
    assert_code(group_beat(&a), KCI_NONE);
    assert_int_equal(group_committed(&a, "t", 0), 11);
    assert_code(group_join_error(&b), KCI_UNKNOWN_MEMBER_ID); /* its join was never in the log */
    b.member_id = kci_str_of("");
    assert_null(group_join(&b));
    assert_int_equal(group_join(&a)->generation_id, 2);
    assert_int_equal(group_joined(&b)->generation_id, 2);
    world_close(&s);
}

/* A parked JoinGroup or SyncGroup hears NOT_COORDINATOR when the leader moves without anything being closed. */
static void who_waits_hears_of_the_move(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    int32_t home = group_coordinator(&s, "g"), partition = partition_of(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&a));
    assert_non_null(group_joined(&b));
    assert_null(group_sync(&b, NULL, 0));
    struct group_client c = group_client_of(&s, home, "g", "c");
    assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), partition, home % 3 + 1, s.now),
                KCI_NONE);
    world_step(&s);
    assert_code(group_synced(&b)->error_code, KCI_NOT_COORDINATOR);
    assert_code(group_join_error(&c), KCI_NOT_COORDINATOR);
    world_close(&s);
}

/* An append that is under way when the leader moves: the client is told to look for the coordinator, and the log
 * decides. */
static void a_commit_under_way_survives_or_not_but_is_answered(void **unused)
{
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .replication_delay_us = 50 * MS });
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g"), partition = partition_of(&s, "g");
    struct group_client c = group_client_of(&s, home, "g", "c");
    struct kci_offset_commit_request__offset_commit_request_partition p = { .committed_offset = 3,
                                                                            .commit_timestamp = -1 };
    struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_commit_request body = { .group_id = c.group,
                                              .generation_id_or_member_epoch = -1,
                                              .retention_time_ms = -1,
                                              .topics = &t,
                                              .topics_count = 1 };
    client_send(c.conn, KCI_API_OFFSET_COMMIT, 9, &body);
    assert_null(client_answer(c.conn, KCI_API_OFFSET_COMMIT, 9));
    assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), partition, home % 3 + 1, s.now),
                KCI_NONE);
    world_step(&s);
    const struct kci_offset_commit_response *answer = client_answer(c.conn, KCI_API_OFFSET_COMMIT, 9);
    assert_non_null(answer);
    assert_code(answer->topics[0].partitions[0].error_code, KCI_NOT_COORDINATOR);
    world_pass(&s, 1000);
    c.conn = group_connect(&s, home % 3 + 1, "c");
    int64_t committed = group_committed(&c, "t", 0);
    assert_true(committed == -1 || committed == 3);
    world_close(&s);
}

/* Too few replicas in sync: commits and assignments fail with an error that makes clients try again, and then they
 * succeed. */
static void too_few_replicas_are_an_error_to_retry(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, "min.insync.replicas=3");
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g"), other = home % 3 + 1;
    struct group_client a = group_client_of(&s, home, "g", "a");
    assert_null(group_join(&a));
    world_pass(&s, 3000);
    assert_non_null(group_joined(&a));
    assert_code(mb_cluster_broker_stop(s.cluster, other, false, s.now), KCI_NONE);
    struct group_part part = { a.member_id, "A" };
    assert_code(group_sync(&a, &part, 1)->error_code, KCI_COORDINATOR_NOT_AVAILABLE);
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_code(mb_cluster_broker_start(s.cluster, other, s.now), KCI_NONE);
    world_pass(&s, 1000);
    assert_non_null(group_join(&a));
    part.member_id = a.member_id;
    assert_assigned(group_sync(&a, &part, 1), "A");
    assert_code(group_commit(&a, "t", 0, 1), KCI_NONE);
    world_close(&s);
}

/* The process ends and starts again on its files. */
static void a_restart_keeps_groups_and_offsets(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    group_topic(&s, "t", 2);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a");
    struct group_client gone = group_client_of(&s, group_coordinator(&s, "gone"), "gone", "x");
    group_settle_one(&a);
    assert_code(group_commit(&a, "t", 0, 5), KCI_NONE);
    assert_code(group_commit(&a, "t", 1, 6), KCI_NONE);
    assert_code(group_commit(&a, "t", 1, 7), KCI_NONE);
    assert_code(group_commit(&gone, "t", 0, 1), KCI_NONE);
    struct kci_delete_groups_request body = { .groups_names = &gone.group, .groups_names_count = 1 };
    const struct kci_delete_groups_response *deleted = client_call(gone.conn, KCI_API_DELETE_GROUPS, 2, &body);
    assert_code(deleted->results[0].error_code, KCI_NONE);
    char id[100];
    snprintf(id, sizeof id, "%.*s", (int)a.member_id.size, a.member_id.data);
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    struct group_client again = group_client_of(&s, group_coordinator(&s, "g"), "g", "a");
    again.member_id = kci_str_of(id);
    again.generation = 1;
    assert_code(group_beat(&again), KCI_NONE);
    assert_int_equal(group_committed(&again, "t", 0), 5);
    assert_int_equal(group_committed(&again, "t", 1), 7);
    assert_assigned(group_sync(&again, NULL, 0), "A");
    assert_code(group_leave(&again), KCI_NONE);
    gone.conn = group_connect(&s, group_coordinator(&s, "gone"), "x");
    gone.s = &s;
    assert_code(group_describe(&gone)->error_code, KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
    memory_storage_free(&files);
}

/* Segments and codec of __consumer_offsets are settings of the brokers; what is compressed there is read again. */
static void the_log_is_written_as_its_settings_say(void **unused)
{
    (void)unused;
    for (int codec = KCI_CODEC_NONE; codec <= KCI_CODEC_ZSTD; codec++) {
        struct world s;
        char config[100];
        snprintf(config, sizeof config, "offsets.topic.compression.codec=%d offsets.topic.segment.bytes=%d", codec,
                 2000000 + codec);
        world_open(&s, 2, config);
        group_topic(&s, "t", 1);
        int32_t home = group_coordinator(&s, "g"), partition = partition_of(&s, "g");
        struct group_client a = group_client_of(&s, home, "g", "a");
        group_settle_one(&a);
        assert_code(group_commit(&a, "t", 0, 11), KCI_NONE);
        const struct mb_partition *of = world_partition(&s, "__consumer_offsets", partition);
        assert_int_equal(of->topic->config.segment_bytes, 2000000 + codec);
        struct mb_log *log = &mb_partition_leader(of)->log;
        assert_true(log->count >= 2);
        for (size_t i = 0; i < log->count; i++)
            assert_int_equal(kci_be16(mb_log_bytes(log, i) + 21) & KCI_BATCH_CODEC_MASK, codec);
        assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), partition, home % 2 + 1, s.now),
                    KCI_NONE);
        assert_int_equal(group_coordinator(&s, "g"), home % 2 + 1);
        a.conn = group_connect(&s, home % 2 + 1, "a");
        assert_code(group_beat(&a), KCI_NONE);
        assert_int_equal(group_committed(&a, "t", 0), 11);
        world_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_costs_no_rebalance),
        cmocka_unit_test(the_log_is_written_as_its_settings_say),
        cmocka_unit_test(the_leader_still_leads_after_a_move),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_killed_coordinator_is_replaced),
        cmocka_unit_test(who_waits_hears_of_the_move),
        cmocka_unit_test(a_commit_under_way_survives_or_not_but_is_answered),
        cmocka_unit_test(too_few_replicas_are_an_error_to_retry),
        cmocka_unit_test(a_restart_keeps_groups_and_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
