/* Static members (KIP-345): an instance keeps its place over a restart, and there is only one of it. */
#include "support/group_story.h"

static struct group_client static_client_of(struct world *s, int32_t broker, const char *instance)
{
    struct group_client c = group_client_of(s, broker, "g", "client");
    c.instance_id = kci_str_of(instance);
    return c;
}

/* Restarted within its session, a follower gets its assignment back without a rebalance; its former id is fenced. */
static void a_restarted_follower_keeps_its_assignment(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), b = static_client_of(&s, 1, "b"),
                        again = static_client_of(&s, 1, "b");
    group_settle_two(&a, &b);
    client_hang_up(b.conn); /* static members do not leave */
    world_pass(&s, 5000);
    assert_code(group_beat(&a), KCI_NONE);
    const struct kci_join_group_response *answer = group_join(&again);
    assert_non_null(answer); /* no MEMBER_ID_REQUIRED for static members, and no waiting */
    assert_code(answer->error_code, KCI_NONE);
    assert_int_equal(answer->generation_id, 1);
    assert_false(answer->skip_assignment);
    assert_memory_equal(answer->member_id.data, "b-", 2);
    assert_assigned(group_sync(&again, NULL, 0), "B");
    assert_code(group_beat(&a), KCI_NONE);
    struct group_client former = b;
    former.conn = group_connect(&s, 1, "former");
    assert_code(group_beat(&former), KCI_FENCED_INSTANCE_ID);
    assert_code(group_sync(&former, NULL, 0)->error_code, KCI_FENCED_INSTANCE_ID);
    assert_code(group_leave(&former), KCI_FENCED_INSTANCE_ID);
    assert_code(group_join_error(&former), KCI_FENCED_INSTANCE_ID);
    group_topic(&s, "t", 1);
    assert_code(group_commit(&former, "t", 0, 1), KCI_FENCED_INSTANCE_ID);
    assert_code(group_commit(&again, "t", 0, 1), KCI_NONE);
    world_close(&s);
}

/* The leader, too: v9 tells it that it leads and that the assignment stands (KIP-814); older versions hear the former
 * id. */
static void a_restarted_leader_learns_whether_to_assign(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), b = static_client_of(&s, 1, "b"),
                        again = static_client_of(&s, 1, "a"), old = static_client_of(&s, 1, "a");
    group_settle_two(&a, &b);
    const struct kci_join_group_response *answer = group_join(&again);
    assert_true(answer->skip_assignment);
    assert_int_equal(answer->members_count, 2);
    assert_true(kci_str_equal(answer->leader, again.member_id));
    assert_assigned(group_sync(&again, NULL, 0), "A");
    old.join_version = 8;
    answer = group_join(&old);
    assert_int_equal(answer->members_count, 0);
    assert_true(kci_str_equal(answer->leader, again.member_id));
    assert_false(kci_str_equal(answer->leader, old.member_id));
    assert_assigned(group_sync(&old, NULL, 0), "A");
    world_close(&s);
}

/* Two processes with the same instance id: the second fences the first, also in the middle of a rebalance. */
static void the_second_instance_fences_the_first(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), twin = static_client_of(&s, 1, "a");
    assert_null(group_join(&a));
    assert_null(group_join(&twin));
    assert_code(group_joined(&a)->error_code, KCI_FENCED_INSTANCE_ID);
    world_pass(&s, 6000);
    assert_int_equal(group_joined(&twin)->members_count, 1);
    struct group_part part = { twin.member_id, "A" };
    assert_assigned(group_sync(&twin, &part, 1), "A");
    world_close(&s);
}

/* A restart between JoinGroup and SyncGroup: the leader's assignment would name the former id, so it begins anew. */
static void a_restart_while_completing_rebalances(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), b = static_client_of(&s, 1, "b"),
                        again = static_client_of(&s, 1, "b");
    assert_null(group_join(&a));
    assert_null(group_join(&b));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&a));
    assert_non_null(group_joined(&b));
    assert_null(group_join(&again));
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    assert_int_equal(group_join(&a)->generation_id, 2);
    assert_int_equal(group_joined(&again)->generation_id, 2);
    world_close(&s);
}

/* A restart that offers other protocols, so that another one would be chosen, rebalances. */
static void a_restart_that_changes_the_protocol_rebalances(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), again = static_client_of(&s, 1, "a");
    group_settle_one(&a);
    again.protocols[0] = "sticky";
    assert_code(group_join_error(&again), KCI_INCONSISTENT_GROUP_PROTOCOL); /* nobody shares it */
    again.protocols[1] = "range";
    const struct kci_join_group_response *answer = group_join(&again); /* the only member: at once */
    assert_int_equal(answer->generation_id, 2);
    assert_str(answer->protocol_name, "sticky");
    world_close(&s);
}

/* A missing static member is waited for in a rebalance, and kept when it does not come, until its session is over. */
static void a_missing_static_member_is_kept(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), b = static_client_of(&s, 1, "b"),
                        c = group_client_of(&s, 1, "g", "c");
    a.rebalance_ms = b.rebalance_ms = c.rebalance_ms = 8000;
    a.session_ms = b.session_ms = 60000;
    group_settle_two(&a, &b);
    assert_null(group_join(&c));
    assert_null(group_join(&a));
    world_pass(&s, 8000);
    assert_int_equal(group_joined(&a)->members_count, 3); /* b is still one of them */
    assert_int_equal(group_joined(&c)->generation_id, 2);
    world_close(&s);
}

/* kafka-consumer-groups may remove static members by their instance id alone. */
static void an_administrator_removes_by_instance_id(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    struct group_client a = static_client_of(&s, 1, "a"), b = static_client_of(&s, 1, "b");
    group_settle_two(&a, &b);
    struct kci_leave_group_request__member_identity who[] = {
        { .member_id = kci_str_of(""), .group_instance_id = kci_str_of("b") },
        { .member_id = kci_str_of(""), .group_instance_id = kci_str_of("nobody") },
        { .member_id = b.member_id, .group_instance_id = kci_str_of("a") },
        { .member_id = kci_str_of("") },
    };
    struct kci_leave_group_request body = { .group_id = a.group, .members = who, .members_count = 4 };
    const struct kci_leave_group_response *answer =
        client_call(group_connect(&s, 1, "admin"), KCI_API_LEAVE_GROUP, 5, &body);
    assert_code(answer->error_code, KCI_NONE);
    assert_code(answer->members[0].error_code, KCI_NONE);
    assert_code(answer->members[1].error_code, KCI_UNKNOWN_MEMBER_ID);
    assert_code(answer->members[2].error_code, KCI_FENCED_INSTANCE_ID);
    assert_code(answer->members[3].error_code, KCI_UNKNOWN_MEMBER_ID);
    assert_str(answer->members[0].group_instance_id, "b");
    assert_code(group_beat(&a), KCI_REBALANCE_IN_PROGRESS);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restarted_follower_keeps_its_assignment),
        cmocka_unit_test(a_restarted_leader_learns_whether_to_assign),
        cmocka_unit_test(the_second_instance_fences_the_first),
        cmocka_unit_test(a_restart_while_completing_rebalances),
        cmocka_unit_test(a_restart_that_changes_the_protocol_rebalances),
        cmocka_unit_test(a_missing_static_member_is_kept),
        cmocka_unit_test(an_administrator_removes_by_instance_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
