/* Rebalances: begun by who comes, goes, or falls silent; ended by everybody's return or by time. */
#include "support/group_story.h"

/* Two members join, the leader hands out the work, both get their part and live on heartbeats. */
static void two_members_share_the_work(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    group_settle_two(&a, &b);
    struct group_client *all[] = { &a, &b };
    group_pass_beating(all, 2, 60000);
    assert_code(group_beat(&a), KCI_NONE);
    assert_code(group_beat(&b), KCI_NONE);
    assert_assigned(group_sync(&b, NULL, 0), "B"); /* asking again is fine */
    world_close(&s);
}

/* A third member comes: the others hear of it with their heartbeats, join again, and generation 2 begins when all are
 * in. */
static void a_newcomer_rebalances(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b"),
                        c = group_client_of(&s, 1, "g", "c");
    group_settle_two(&a, &b);
    assert_null(group_join(&c));
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_code(group_sync(&b, NULL, 0)->error_code, KCI_REBALANCE_IN_PROGRESS);
    assert_null(group_join(&b));
    assert_null(group_joined(&c));
    const struct kci_join_group_response *lead = group_join(&a);
    assert_non_null(lead); /* the last one: at once */
    assert_int_equal(lead->generation_id, 2);
    assert_int_equal(lead->members_count, 3);
    assert_true(kci_str_equal(lead->leader, a.member_id));
    assert_int_equal(group_joined(&b)->generation_id, 2);
    assert_int_equal(group_joined(&c)->generation_id, 2);
    struct group_part parts[] = { { a.member_id, "A2" }, { c.member_id, "C2" } };
    assert_assigned(group_sync(&a, parts, 2), "A2");
    assert_assigned(group_sync(&b, NULL, 0), ""); /* the leader forgot it */
    assert_assigned(group_sync(&c, NULL, 0), "C2");
    world_close(&s);
}

/* Who leaves is gone at once; the leader's place goes to the oldest that joins. */
static void a_leaver_rebalances(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    group_settle_two(&a, &b);
    assert_code(group_leave(&a), KCI_NONE);
    assert_code(group_beat(&a), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_leave(&a), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_beat(&b), KCI_REBALANCE_IN_PROGRESS);
    const struct kci_join_group_response *lead = group_join(&b);
    assert_int_equal(lead->generation_id, 2);
    assert_true(kci_str_equal(lead->leader, b.member_id));
    assert_code(group_leave(&b), KCI_NONE); /* in the middle of it */
    assert_str(group_describe(&b)->group_state, "Empty");
    world_close(&s);
}

/* A member that crashed is removed when its session is over, not earlier. */
static void a_silent_member_is_removed(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    group_settle_two(&a, &b);
    struct group_client *living[] = { &b };
    group_pass_beating(living, 1, 9900);
    assert_code(group_beat(&b), KCI_NONE);
    world_pass(&s, 200);
    assert_code(group_beat(&b), KCI_REBALANCE_IN_PROGRESS);
    const struct kci_join_group_response *lead = group_join(&b);
    assert_int_equal(lead->members_count, 1);
    assert_code(group_beat(&a), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* A member that beats but does not join again is waited for until the rebalance timeout, then removed. */
static void a_slow_member_is_removed_after_the_rebalance_timeout(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b"),
                        c = group_client_of(&s, 1, "g", "c");
    a.rebalance_ms = b.rebalance_ms = c.rebalance_ms = 20000;
    group_settle_two(&a, &b);
    assert_null(group_join(&c));
    assert_null(group_join(&a));
    struct group_client *slow[] = { &b };
    group_pass_beating(slow, 1, 19000);
    assert_code(group_beat(&b), KCI_REBALANCE_IN_PROGRESS);
    assert_null(group_joined(&a));
    world_pass(&s, 1000);
    assert_int_equal(group_joined(&a)->members_count, 2);
    assert_non_null(group_joined(&c));
    assert_code(group_beat(&b), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* A newcomer that waits for five minutes is given up: its client may long have joined anew. */
static void a_newcomer_is_not_parked_for_ever(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    a.rebalance_ms = b.rebalance_ms = 1800000;
    a.session_ms = b.session_ms = 600000;
    group_settle_one(&a);
    assert_null(group_join(&b));
    world_pass(&s, 299000);
    assert_null(group_joined(&b));
    world_pass(&s, 1000);
    assert_code(group_joined(&b)->error_code, KCI_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_join(&a)->members_count, 1);
    world_close(&s);
}

/* A member that joined but never asks for its assignment is removed after the rebalance timeout, although it beats. */
static void who_does_not_sync_is_removed(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    a.rebalance_ms = b.rebalance_ms = 20000;
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&a));
    assert_non_null(group_joined(&b));
    struct group_part parts[] = { { a.member_id, "A" }, { b.member_id, "B" } };
    assert_assigned(group_sync(&a, parts, 2), "A");
    struct group_client *all[] = { &a, &b };
    group_pass_beating(all, 2, 19000);
    assert_code(group_beat(&b), KCI_NONE);
    group_pass_beating(all, 2, 2000);
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_code(group_beat(&b), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

/* A leader that dies before it brings the assignment does not keep the others waiting for ever. */
static void a_dead_leader_is_replaced(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&a));
    assert_non_null(group_joined(&b));
    assert_null(group_sync(&b, NULL, 0));
    world_pass(&s, 10100); /* a's session; b waits for us and needs no heartbeat */
    const struct kci_sync_group_response *answer = group_synced(&b);
    assert_code(answer->error_code, KCI_REBALANCE_IN_PROGRESS);
    const struct kci_join_group_response *lead = group_join(&b);
    assert_true(kci_str_equal(lead->leader, b.member_id));
    assert_int_equal(lead->generation_id, 2);
    world_close(&s);
}

/* SyncGroup and Heartbeat: wrong member, wrong generation, wrong protocol, each with its error and in this order. */
static void strangers_and_the_past_are_refused(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a"), b = group_client_of(&s, home, "g", "b");
    group_settle_two(&a, &b);
    struct group_client x = a;
    x.protocols[0] = "sticky";
    assert_code(group_sync(&x, NULL, 0)->error_code, KCI_INCONSISTENT_GROUP_PROTOCOL);
    x.generation--;
    assert_code(group_sync(&x, NULL, 0)->error_code, KCI_ILLEGAL_GENERATION);
    assert_code(group_beat(&x), KCI_ILLEGAL_GENERATION);
    x.member_id = kci_str_of("nobody");
    assert_code(group_sync(&x, NULL, 0)->error_code, KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_beat(&x), KCI_UNKNOWN_MEMBER_ID);
    x.instance_id = kci_str_of("no-such-instance");
    assert_code(group_beat(&x), KCI_UNKNOWN_MEMBER_ID);
    x.group = kci_str_of("no-such-group");
    x.conn = group_connect(&s, group_coordinator(&s, "no-such-group"), "x");
    assert_code(group_beat(&x), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_leave(&x), KCI_UNKNOWN_MEMBER_ID);
    x.conn = group_connect(&s, group_coordinator(&s, "no-such-group") % 3 + 1, "x");
    assert_code(group_beat(&x), KCI_NOT_COORDINATOR);
    assert_code(group_sync(&x, NULL, 0)->error_code, KCI_NOT_COORDINATOR);
    assert_code(group_leave(&x), KCI_NOT_COORDINATOR);
    x.group = kci_str_of("");
    assert_code(group_beat(&x), KCI_INVALID_GROUP_ID);
    assert_code(group_leave(&x), KCI_INVALID_GROUP_ID);
    x.protocol_type = NULL;
    assert_code(group_sync(&x, NULL, 0)->error_code, KCI_INCONSISTENT_GROUP_PROTOCOL); /* v5 must say both */
    world_close(&s);
}

/* A member that did not get its answer asks again: the same generation, without a rebalance, unless it leads or
 * changed. */
static void joining_again_is_idempotent(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&a));
    assert_non_null(group_joined(&b));
    assert_int_equal(group_join(&a)->members_count, 2); /* Completing: the leader gets its list again */
    assert_int_equal(group_join(&b)->members_count, 0);
    struct group_part parts[] = { { a.member_id, "A" }, { b.member_id, "B" } };
    assert_assigned(group_sync(&a, parts, 2), "A");
    assert_int_equal(group_join(&b)->generation_id, 1); /* Stable, a follower, unchanged */
    assert_assigned(group_sync(&b, NULL, 0), "B");
    b.metadata = "changed";
    assert_null(group_join(&b));
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_int_equal(group_join(&a)->generation_id, 2);
    assert_int_equal(group_joined(&b)->generation_id, 2);
    struct group_part again[] = { { a.member_id, "A" }, { b.member_id, "B" } };
    assert_assigned(group_sync(&a, again, 2), "A");
    assert_null(group_join(&a)); /* a leader that joins wants a rebalance */
    assert_code(group_beat(&b), KCI_REBALANCE_IN_PROGRESS);
    world_close(&s);
}

/* v0-2 leave one member, with the result at the top. */
static void old_clients_leave_alone(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    group_settle_two(&a, &b);
    for (int16_t version = 0; version <= 2; version++) {
        struct kci_leave_group_request body = { .group_id = a.group, .member_id = a.member_id };
        const struct kci_leave_group_response *answer = client_call(a.conn, KCI_API_LEAVE_GROUP, version, &body);
        assert_code(answer->error_code, version == 0 ? KCI_NONE : KCI_UNKNOWN_MEMBER_ID);
    }
    assert_code(group_beat(&b), KCI_REBALANCE_IN_PROGRESS);
    world_close(&s);
}

/* A member that leaves while it waits for its JoinGroup, by another connection, leaves nobody hanging. */
static void who_is_removed_while_waiting_is_told(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = group_client_of(&s, 1, "g", "a"), b = group_client_of(&s, 1, "g", "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    struct group_client admin = a;
    admin.conn = group_connect(&s, 1, "admin");
    assert_code(group_leave(&admin), KCI_NONE);
    assert_code(group_joined(&a)->error_code, KCI_UNKNOWN_MEMBER_ID);
    world_pass(&s, 6000);
    assert_int_equal(group_joined(&b)->members_count, 1);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_members_share_the_work),
        cmocka_unit_test(a_newcomer_rebalances),
        cmocka_unit_test(a_leaver_rebalances),
        cmocka_unit_test(a_silent_member_is_removed),
        cmocka_unit_test(a_slow_member_is_removed_after_the_rebalance_timeout),
        cmocka_unit_test(a_newcomer_is_not_parked_for_ever),
        cmocka_unit_test(who_does_not_sync_is_removed),
        cmocka_unit_test(a_dead_leader_is_replaced),
        cmocka_unit_test(strangers_and_the_past_are_refused),
        cmocka_unit_test(joining_again_is_idempotent),
        cmocka_unit_test(old_clients_leave_alone),
        cmocka_unit_test(who_is_removed_while_waiting_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
