/* Membership of the consumer protocol (KIP-848): joining, sharing, giving up before getting, leaving. */
#include "support/group848_story.h"

/* The first member gets everything with its first answer; the group moved from epoch 1 to 2. */
static void the_first_member_gets_all(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t");
    member_join(&a);
    assert_int_equal(a.epoch, 2);
    assert_owns(&a, "0 1 2 3");
    world_pass(&s, 5000);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    assert_false(a.told); /* as before */
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(a.conn, "g");
    assert_str(seen->group_state, "Stable");
    assert_str(seen->assignor_name, "uniform");
    assert_int_equal(seen->group_epoch, 2);
    assert_int_equal(seen->assignment_epoch, 2);
    assert_int_equal(seen->members_count, 1);
    assert_str(seen->members[0].client_id, "a");
    assert_str(seen->members[0].assignment.topic_partitions[0].topic_name, "t");
    assert_int_equal(seen->members[0].target_assignment.topic_partitions[0].partitions_count, 4);
    world_close(&s);
}

/* What ConsumerGroupDescribe shows as assigned to the member. */
static void assert_shown(struct client *conn, const char *id, const char *partitions)
{
    const struct kci_consumer_group_describe_response__described_group *group = members_describe(conn, "g");
    char text[100] = "";
    for (int32_t m = 0; m < group->members_count; m++)
        for (int32_t t = 0; t < group->members[m].assignment.topic_partitions_count; t++)
            for (int32_t p = 0; p < group->members[m].assignment.topic_partitions[t].partitions_count; p++)
                if (kci_str_equal(group->members[m].member_id, kci_str_of(id)))
                    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", *text ? " " : "",
                             group->members[m].assignment.topic_partitions[t].partitions[p]);
    assert_string_equal(text, partitions);
}

/* A second member: the first is asked to give up half, and only when it says that it did does the second get it. */
static void what_is_taken_is_given_up_first(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
    member_join(&a);
    world_pass(&s, 5000);
    member_join(&b);
    assert_int_equal(b.epoch, 3);
    assert_owns(&b, "");
    assert_str(members_describe(b.conn, "g")->group_state, "Reconciling");
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    assert_true(a.told); /* fewer, at the old epoch */
    assert_int_equal(a.given_count, 2);
    assert_int_equal(a.epoch, 2);
    assert_shown(b.conn, "a", "0 1 2 3"); /* it has not given up anything yet */
    assert_shown(b.conn, "b", "");
    member_beat(&b);
    assert_owns(&b, "");                                   /* still with a */
    assert_code(member_call(&a, 2, SAYS_OWNED), KCI_NONE); /* it says that it has all four */
    assert_int_equal(a.epoch, 2);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE); /* silence is no release */
    member_beat(&b);
    assert_owns(&b, "");
    member_take(&a);
    assert_code(member_call(&a, 2, SAYS_OWNED), KCI_NONE);
    assert_int_equal(a.epoch, 3);
    assert_shown(b.conn, "a", "0 1");
    member_beat(&b);
    assert_owns(&a, "0 1");
    assert_owns(&b, "2 3");
    assert_shown(b.conn, "b", "2 3");
    assert_str(members_describe(b.conn, "g")->group_state, "Stable");
    world_close(&s);
}

/* A member that leaves is gone at once; the other gets its partitions with its next heartbeat. */
static void a_leaver_leaves_its_partitions(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t"), *both[] = { &a, &b };
    member_join(&a);
    member_join(&b);
    members_beat(both, 2, 4);
    assert_owns(&b, "2 3");
    assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
    assert_int_equal(a.epoch, -1);
    assert_code(member_call(&a, 3, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    member_beat(&b);
    assert_owns(&b, "0 1 2 3");
    assert_int_equal(b.epoch, 4);
    assert_code(member_call(&b, -1, SAYS_NOTHING), KCI_NONE);
    assert_str(members_describe(b.conn, "g")->group_state, "Empty");
    world_close(&s);
}

/* The answer that raised the epoch was lost: the member repeats with its former epoch and is told again, unless it
 * claims what it was never given. */
static void a_lost_answer_is_no_crime(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
    member_join(&b);
    member_join(&a);
    world_pass(&s, 5000);
    member_beat(&a); /* the target had to wait for the assignment interval */
    assert_code(member_call(&b, b.epoch, SAYS_OWNED), KCI_NONE);
    int32_t former = b.epoch;
    member_take(&b);
    assert_code(member_call(&b, former, SAYS_OWNED), KCI_NONE); /* suppose that this answer gets lost */
    assert_true(b.epoch > former);
    assert_code(member_call(&b, former, SAYS_NOTHING), KCI_FENCED_MEMBER_EPOCH);
    assert_code(member_call(&b, former, SAYS_ALL), KCI_NONE);
    assert_true(b.told);
    b.owned[b.owned_count++] = a.owned_count ? a.owned[0] : 1;
    assert_code(member_call(&b, former, SAYS_OWNED), KCI_FENCED_MEMBER_EPOCH);
    assert_code(member_call(&b, b.epoch + 1, SAYS_OWNED), KCI_FENCED_MEMBER_EPOCH);
    member_join(&b); /* as it must after that: same id, epoch 0 */
    assert_int_equal(b.owned_count, 1);
    world_close(&s);
}

/* Silence ends a membership; keeping what must be given up does, too. */
static void time_outs_fence(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
    a.rebalance_ms = 20000;
    member_join(&a);
    member_join(&b);
    world_pass(&s, 5000);
    member_beat(&b);
    for (int i = 0; i < 4; i++) { /* it heartbeats, but gives up nothing */
        assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
        world_pass(&s, 4000);
        member_beat(&b);
        assert_owns(&b, "");
    }
    world_pass(&s, 4100);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    member_beat(&b);
    member_beat(&b);
    assert_owns(&b, "0 1 2 3");
    world_pass(&s, 45100);
    assert_code(member_call(&b, b.epoch, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    assert_str(members_describe(b.conn, "g")->group_state, "Empty");
    world_close(&s);
}

/* Topics that grow, come and go raise the epoch; those that nobody subscribes to do not. */
static void topics_change(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    struct member a = member_of(&s, 1, "g", "a", "t");
    a.topics[a.topic_count++] = kci_str_of("later");
    member_join(&a);
    assert_owns(&a, "0 1");
    group_topic(&s, "other", 9);
    world_pass(&s, 5000);
    member_beat(&a);
    assert_int_equal(a.epoch, 2);
    struct mb_topic *topic = mb_topic_find(s.cluster, kci_str_of("t"));
    char text[100];
    assert_code(mb_topic_grow(topic, 4, NULL, false, text, sizeof text, s.now), KCI_NONE);
    world_pass(&s, 5000);
    member_beat(&a);
    assert_int_equal(a.epoch, 3);
    assert_owns(&a, "0 1 2 3");
    group_topic(&s, "later", 1);
    world_pass(&s, 5000);
    member_beat(&a);
    assert_int_equal(a.given_count, 5);
    assert_code(mb_cluster_delete_topic(s.cluster, kci_str_of("t"), s.now), KCI_NONE);
    assert_code(mb_cluster_delete_topic(s.cluster, kci_str_of("later"), s.now), KCI_NONE);
    world_pass(&s, 5000);
    member_beat(&a);
    assert_int_equal(a.given_count, 0);
    world_close(&s);
}

/* Which assignor runs is voted for; range gives the lower half to the lower id. */
static void the_assignor_is_voted_for(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 5);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t"), *both[] = { &a, &b };
    a.assignor = b.assignor = kci_str_of("range");
    member_join(&b);
    member_join(&a);
    members_beat(both, 2, 4);
    assert_str(members_describe(a.conn, "g")->assignor_name, "range");
    assert_owns(&a, "0 1 2");
    assert_owns(&b, "3 4");
    world_close(&s);
}

/* A changed subscription is a new epoch; an unchanged one is not. */
static void a_subscription_changes(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    group_topic(&s, "u", 3);
    struct member a = member_of(&s, 1, "g", "a", "t");
    member_join(&a);
    world_pass(&s, 5000);
    assert_code(member_call(&a, a.epoch, SAYS_ALL), KCI_NONE);
    assert_int_equal(a.epoch, 2);
    assert_true(a.told); /* a full request is answered in full */
    a.topics[0] = kci_str_of("u");
    assert_code(member_call(&a, a.epoch, SAYS_ALL), KCI_NONE);
    assert_int_equal(a.given_count, 0);
    a.owned_count = 0;
    assert_code(member_call(&a, a.epoch, SAYS_OWNED), KCI_NONE);
    assert_int_equal(a.given_count, 3);
    assert_int_equal(a.epoch, 3);
    world_close(&s);
}

/* Static: the place is kept while the instance is away, nobody else may take it while it is here. */
static void a_static_member_keeps_its_place(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t"), *both[] = { &a, &b };
    a.instance_id = kci_str_of("one");
    member_join(&a);
    member_join(&b);
    members_beat(both, 2, 4);
    int32_t epoch = a.epoch, had = a.owned[0];
    struct member again = member_of(&s, 1, "g", "a2", "t");
    again.instance_id = a.instance_id;
    assert_code(member_call(&again, 0, SAYS_ALL), KCI_UNRELEASED_INSTANCE_ID);
    assert_code(member_call(&again, epoch, SAYS_NOTHING), KCI_FENCED_INSTANCE_ID);
    assert_code(member_call(&a, -2, SAYS_NOTHING), KCI_NONE);
    assert_int_equal(a.epoch, -2);
    world_pass(&s, 5000);
    member_beat(&b);
    assert_int_equal(b.owned_count, 2); /* not more */
    member_join(&again);
    assert_int_equal(again.epoch, epoch);
    assert_int_equal(again.owned_count, 2);
    assert_int_equal(again.owned[0], had);
    assert_code(member_call(&a, epoch, SAYS_NOTHING), KCI_FENCED_INSTANCE_ID);
    assert_code(member_call(&again, -2, SAYS_NOTHING), KCI_NONE);
    for (int i = 0; i < 10; i++) { /* it does not come back in its session */
        world_pass(&s, 5000);
        member_beat(&b);
    }
    assert_owns(&b, "0 1 2 3");
    again.instance_id = kci_str_of("nobody");
    assert_code(member_call(&again, -2, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_member_gets_all),
        cmocka_unit_test(what_is_taken_is_given_up_first),
        cmocka_unit_test(a_leaver_leaves_its_partitions),
        cmocka_unit_test(a_lost_answer_is_no_crime),
        cmocka_unit_test(time_outs_fence),
        cmocka_unit_test(topics_change),
        cmocka_unit_test(the_assignor_is_voted_for),
        cmocka_unit_test(a_subscription_changes),
        cmocka_unit_test(a_static_member_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
