/* The coordinator of a KIP-848 group moves or starts again: epochs, members, what they have and what they wait for are
 * in the log. */
#include "support/group848_story.h"
#include "support/memory_storage.h"

static int32_t home_partition(struct world *s, const char *group)
{
    uint32_t hash = 0;
    for (const char *p = group; *p; p++)
        hash = 31 * hash + (uint8_t)*p;
    return (int32_t)(hash & INT32_MAX) % mb_cluster_topic_partitions(s->cluster, kci_str_of("__consumer_offsets"));
}

static int32_t move(struct world *s, const char *group)
{
    int32_t next = group_coordinator(s, group) % 3 + 1;
    assert_code(
        mb_cluster_move_leader(s->cluster, kci_str_of("__consumer_offsets"), home_partition(s, group), next, s->now),
        KCI_NONE);
    return next;
}

/* In the middle of a revocation: the new coordinator still knows who has what, and gives nothing away too early. */
static void a_move_in_the_middle_of_a_revocation(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g");
    struct member a = member_of(&s, home, "g", "a", "t"), b = member_of(&s, home, "g", "b", "t"), *both[] = { &a, &b };
    b.instance_id = kci_str_of("static-b");
    member_join(&a);
    world_pass(&s, 5000);
    member_join(&b);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    assert_int_equal(a.given_count, 2);
    int32_t next = move(&s, "g");
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NOT_COORDINATOR);
    a.conn = group_connect(&s, next, "a");
    b.conn = group_connect(&s, next, "b");
    member_beat(&b);
    assert_owns(&b, "");
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    assert_int_equal(a.epoch, 2);
    member_take(&a);
    assert_code(member_call(&a, 2, SAYS_OWNED), KCI_NONE);
    assert_int_equal(a.epoch, 3);
    members_beat(both, 2, 2);
    assert_owns(&b, "2 3");
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(b.conn, "g");
    assert_str(seen->group_state, "Stable");
    assert_int_equal(seen->group_epoch, 3);
    assert_str(seen->members[1].instance_id, "static-b");
    assert_str(seen->members[1].subscribed_topic_names[0], "t");
    world_close(&s);
}

/* The time to revoke and the sessions begin anew with a move, and end. */
static void time_outs_go_on_after_a_move(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g");
    struct member a = member_of(&s, home, "g", "a", "t"), b = member_of(&s, home, "g", "b", "t");
    a.rebalance_ms = 20000;
    member_join(&a);
    world_pass(&s, 5000);
    member_join(&b);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    a.conn = group_connect(&s, move(&s, "g"), "a");
    world_pass(&s, 20100);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    world_pass(&s, 25000);
    assert_str(members_describe(a.conn, "g")->group_state, "Empty");
    world_close(&s);
}

/* A restart on the files: all as it was, deleted groups stay deleted, a group may change its kind when it is empty. */
static void a_restart_keeps_the_group(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, group_coordinator(&s, "g"), "g", "a", "t");
    struct member gone = member_of(&s, group_coordinator(&s, "gone"), "gone", "x", "t");
    struct member was = member_of(&s, group_coordinator(&s, "was"), "was", "y", "t");
    a.regex = kci_str_of("t.*");
    a.assignor = kci_str_of("range");
    member_join(&a);
    members_beat((struct member *[]){ &a }, 1, 1);
    assert_int_equal(a.epoch, 3); /* with what the pattern matches */
    member_join(&gone);
    assert_code(member_call(&gone, -1, SAYS_NOTHING), KCI_NONE);
    struct kci_delete_groups_request body = { .groups_names = &gone.group, .groups_names_count = 1 };
    const struct kci_delete_groups_response *deleted = client_call(gone.conn, KCI_API_DELETE_GROUPS, 2, &body);
    assert_code(deleted->results[0].error_code, KCI_NONE);
    member_join(&was);
    assert_code(member_call(&was, -1, SAYS_NOTHING), KCI_NONE);
    struct group_client classic = group_client_of(&s, group_coordinator(&s, "was"), "was", "c");
    group_settle_one(&classic);
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    int32_t home = group_coordinator(&s, "g");
    struct member again = member_of(&s, home, "g", "a", "t");
    assert_code(member_call(&again, 3, SAYS_NOTHING), KCI_NONE);
    assert_false(again.told);
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(again.conn, "g");
    assert_str(seen->group_state, "Stable");
    assert_str(seen->assignor_name, "range");
    assert_str(seen->members[0].subscribed_topic_regex, "t.*");
    assert_int_equal(seen->members[0].assignment.topic_partitions[0].partitions_count, 4);
    struct client *conn = group_connect(&s, group_coordinator(&s, "gone"), "x");
    assert_code(members_describe(conn, "gone")->error_code, KCI_GROUP_ID_NOT_FOUND);
    classic = group_client_of(&s, group_coordinator(&s, "was"), "was", "c");
    assert_str(group_describe(&classic)->group_state, "Stable");
    world_close(&s);
    memory_storage_free(&files);
}

/* What cannot be written is not told: the member hears an error, and the group is as the log has it. */
static void what_is_not_written_did_not_happen(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, "min.insync.replicas=3");
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g"), other = home % 3 + 1;
    struct member a = member_of(&s, home, "g", "a", "t"), b = member_of(&s, home, "g", "b", "t");
    member_join(&a);
    assert_code(mb_cluster_broker_stop(s.cluster, other, false, s.now), KCI_NONE);
    assert_code(member_call(&b, 0, SAYS_ALL), KCI_COORDINATOR_NOT_AVAILABLE);
    world_pass(&s, 100);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE); /* that is read, not written */
    assert_int_equal(members_describe(a.conn, "g")->members_count, 1);
    assert_code(mb_cluster_broker_start(s.cluster, other, s.now), KCI_NONE);
    world_pass(&s, 1000);
    member_join(&b);
    assert_int_equal(b.epoch, 3);
    world_close(&s);
}

/* Followers are slow: answers wait for them, also those of heartbeats that change nothing. */
static void answers_wait_for_the_log(void **unused)
{
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .replication_delay_us = 50 * MS });
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g");
    struct member a = member_of(&s, home, "g", "a", "t"), twin = a;
    twin.conn = group_connect(&s, home, "a");
    member_send(&a, 0, SAYS_ALL);
    assert_null(member_answer(&a));
    member_send(&twin, 0, SAYS_ALL); /* the same, again, on another connection */
    assert_null(member_answer(&twin));
    world_pass(&s, 200);
    assert_code(member_answer(&a)->error_code, KCI_NONE);
    assert_code(member_answer(&twin)->error_code, KCI_NONE);
    assert_int_equal(twin.given_count, 4);
    struct member b = member_of(&s, home, "g", "b", "t"), late = a;
    late.conn = group_connect(&s, home, "a");
    member_send(&b, 0, SAYS_ALL);
    member_send(&late, 2, SAYS_NOTHING);
    assert_code(mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), home_partition(&s, "g"),
                                       home % 3 + 1, s.now),
                KCI_NONE);
    world_step(&s);
    assert_code(member_answer(&b)->error_code, KCI_NOT_COORDINATOR);
    assert_code(member_answer(&late)->error_code, KCI_NOT_COORDINATOR);
    member_send(&a, 2, SAYS_NOTHING);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_in_the_middle_of_a_revocation),
        cmocka_unit_test(time_outs_go_on_after_a_move),
        cmocka_unit_test(a_restart_keeps_the_group),
        cmocka_unit_test(what_is_not_written_did_not_happen),
        cmocka_unit_test(answers_wait_for_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
