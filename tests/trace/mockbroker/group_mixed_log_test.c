/* Mixed groups (KIP-848, "migration") and the log: what a restarted broker, or the next coordinator, reads of one; what
 * cannot be written has not happened; and an empty one goes with its last offset. */
#include "support/group_mixed_story.h"
#include "support/memory_storage.h"

/* The mixed group is read again by a restarted broker, with what its classic members offer; and so is the classic group
 * that it becomes. */
static void a_restart_keeps_a_mixed_group(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g");
    struct classic x = classic_of(&s, home, "x"), *classics[] = { &x };
    classic_settle(&x, "0123", NULL, NULL);
    struct member a = member_of(&s, home, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    beat_all(members, 1, classics, 1, 4);
    assert_has(&x, "0 1");
    static char id[100];
    snprintf(id, sizeof id, "%.*s", (int)x.c.member_id.size, x.c.member_id.data);
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    home = group_coordinator(&s, "g");
    x.c.s = a.s = &s;
    x.c.conn = group_connect(&s, home, "x");
    a.conn = group_connect(&s, home, "a");
    x.c.member_id = kci_str_of(id);
    assert_code(group_beat(&x.c), KCI_NONE);
    member_beat(&a);
    const struct kci_sync_group_response *synced = group_sync(&x.c, NULL, 0);
    assert_code(synced->error_code, KCI_NONE);
    classic_take(&x, synced->assignment);
    assert_has(&x, "0 1");
    struct classic y = classic_of(&s, home, "y");
    y.c.protocols[0] = "sticky"; /* what x offers is known */
    y.c.protocols[1] = NULL;
    classic_speak(&y);
    y.c.instance_id = kci_str_of("two");
    assert_code(group_join_error(&y.c), KCI_INCONSISTENT_GROUP_PROTOCOL);
    assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
    assert_str(group_describe(&x.c)->group_state, "PreparingRebalance");
    int32_t epoch = x.c.generation;
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 3, .storage = &storage });
    home = group_coordinator(&s, "g");
    x.c.s = &s;
    x.c.conn = group_connect(&s, home, "x");
    const struct kci_describe_groups_response__described_group *seen = group_describe(&x.c);
    assert_str(seen->group_state, "Stable"); /* as it was written: with its target, and without the rebalance */
    assert_int_equal(seen->members_count, 1);
    classic_take(&x, seen->members[0].member_assignment);
    assert_has(&x, "0 1");
    assert_code(group_beat(&x.c), epoch == x.c.generation ? KCI_NONE : KCI_ILLEGAL_GENERATION);
    world_close(&s);
    memory_storage_free(&files);
}

/* The coordinator moves while a classic member has yet to give something up: the next one knows who has what. */
static void a_move_in_the_middle(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g"), next = home % 3 + 1;
    struct classic x = classic_of(&s, home, "x"), *classics[] = { &x };
    classic_settle(&x, "0123", NULL, NULL);
    struct member a = member_of(&s, home, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
    classic_speak(&x);
    assert_code(group_join(&x.c)->error_code, KCI_NONE); /* told what it keeps; it has not given up the rest */
    for (int32_t p = 0; p < mb_cluster_topic_partitions(s.cluster, kci_str_of("__consumer_offsets")); p++) {
        int16_t error = mb_cluster_move_leader(s.cluster, kci_str_of("__consumer_offsets"), p, next, s.now);
        assert_true(error == KCI_NONE || error == KCI_ELECTION_NOT_NEEDED); /* it leads some already */
    }
    assert_code(group_beat(&x.c), KCI_NOT_COORDINATOR);
    assert_code(group_sync(&x.c, NULL, 0)->error_code, KCI_NOT_COORDINATOR);
    x.c.conn = group_connect(&s, next, "x");
    a.conn = group_connect(&s, next, "a");
    member_beat(&a);
    assert_owns(&a, ""); /* they are x's still */
    const struct kci_sync_group_response *synced = group_sync(&x.c, NULL, 0);
    assert_code(synced->error_code, KCI_NONE);
    classic_take(&x, synced->assignment);
    assert_has(&x, "0 1");
    assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&x);
    member_beat(&a);
    assert_owns(&a, "2 3");
    beat_all(members, 1, classics, 1, 2);
    world_pass(&s, 10100); /* and its session is its own after the move, too */
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* A group of the consumer protocol that nobody is in any more goes with its last offset. */
static void an_empty_group_goes_with_its_offsets(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "offsets.retention.minutes=1440");
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x");
    struct member a = member_of(&s, 1, "g", "a", "t");
    member_join(&a);
    world_pass(&s, 2000);
    classic_rejoin(&x);
    assert_code(group_commit(&x.c, "t", 0, 7), KCI_NONE);
    assert_code(group_leave(&x.c), KCI_NONE);
    assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
    assert_str(members_describe(a.conn, "g")->group_state, "Empty");
    world_pass(&s, (int64_t)23 * 3600 * 1000);
    assert_int_equal(group_committed(&x.c, "t", 0), 7);
    world_pass(&s, (int64_t)2 * 3600 * 1000);
    assert_int_equal(group_committed(&x.c, "t", 0), -1);
    assert_code(members_describe(a.conn, "g")->error_code, KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

/* The log takes nothing: no upgrade has happened, the classic members are as before. */
static void an_upgrade_that_is_not_written(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, "min.insync.replicas=3");
    group_topic(&s, "t", 4);
    int32_t home = group_coordinator(&s, "g"), other = home % 3 + 1;
    struct classic x = classic_of(&s, home, "x"), *classics[] = { &x };
    classic_settle(&x, "0123", NULL, NULL);
    struct member a = member_of(&s, home, "g", "a", "t"), *members[] = { &a };
    assert_code(mb_cluster_broker_stop(s.cluster, other, false, s.now), KCI_NONE);
    assert_code(member_call(&a, 0, SAYS_ALL), KCI_COORDINATOR_NOT_AVAILABLE);
    world_pass(&s, 100);
    assert_code(group_beat(&x.c), KCI_NONE);
    assert_str(group_describe(&x.c)->group_state, "Stable");
    assert_code(mb_cluster_broker_start(s.cluster, other, s.now), KCI_NONE);
    world_pass(&s, 1000);
    assert_code(group_beat(&x.c), KCI_NONE);
    member_join(&a);
    beat_all(members, 1, classics, 1, 4);
    assert_owns(&a, "2 3");
    assert_code(mb_cluster_broker_stop(s.cluster, other, false, s.now), KCI_NONE);
    assert_code(group_leave(&x.c), KCI_COORDINATOR_NOT_AVAILABLE); /* nor does who cannot be written leave */
    world_pass(&s, 100);
    assert_code(group_beat(&x.c), KCI_NONE);
    struct classic y = classic_of(&s, home, "y");
    y.c.instance_id = kci_str_of("two");
    classic_speak(&y);
    assert_code(group_join_error(&y.c), KCI_COORDINATOR_NOT_AVAILABLE);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_keeps_a_mixed_group),
        cmocka_unit_test(a_move_in_the_middle),
        cmocka_unit_test(an_empty_group_goes_with_its_offsets),
        cmocka_unit_test(an_upgrade_that_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
