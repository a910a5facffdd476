/* The user's assignor: what it is shown, what it may give, and what becomes of its failures. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;
static char shown[300];
static kc_err answer;
static bool twice;

/* Notes what it sees and gives every partition of every topic to the first member. */
static kc_err give_all(void *context, const kc_assignor_topic *topics, size_t topic_count,
                       const kc_assignor_member *members, size_t member_count, kc_assignment_plan *plan)
{
    assert_ptr_equal(context, &sc);
    snprintf(shown, sizeof shown, "%s:%d; %s reads %s, says \"%.*s\", has %zu, rack %s", topics[0].name,
             (int)topics[0].partition_count, members[0].id, members[0].topics[0], (int)members[0].user_data.size,
             (const char *)members[0].user_data.data, members[0].owned_count,
             members[0].rack ? members[0].rack : "(none)");
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++)
            assert_int_equal(kc_assignment_give(plan, 0, t, p), KC_OK);
    if (twice)
        assert_int_equal(kc_assignment_give(plan, 0, 0, 0), KC_ERR_ARGUMENT);
    assert_int_equal(member_count, 1);
    return answer;
}

static kc_assignor mine = { "first-takes-all", &sc, 0, { "w=3", 3 }, give_all, NULL };

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = "first-takes-all,range";
    sc.settings.assignors = &mine;
    sc.settings.assignor_count = 1;
    sc.settings.client_rack = "r1";
    answer = KC_OK;
    twice = false;
    script_consumer_create(&sc);
}

static struct kci_str first_member_gets(void)
{
    const struct kci_sync_group_request *request = script_pending(&peer, NULL, KCI_API_SYNC_GROUP)->message;
    assert_int_equal(request->assignments_count, 1);
    return (struct kci_str){ (const char *)request->assignments[0].assignment.data,
                             request->assignments[0].assignment.size };
}

/* It is proposed by its name, among others, and its plan goes to the coordinator. */
static void test_leads(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_int_equal(join->protocols_count, 2);
    assert_true(kci_str_equal(join->protocols[0].name, kci_str_of("first-takes-all")));
    assert_true(kci_str_equal(join->protocols[1].name, kci_str_of("range")));
    script_answer_join(&sc, KCI_NONE, 1, "me");
    script_step(&peer);
    assert_string_equal(shown, "t:2; me reads t, says \"w=3\", has 0, rack r1");
    assert_true(first_member_gets().size > 20); /* two partitions of "t" */
    script_answer_sync(&sc, KCI_NONE, "01");
    assert_seen(&sc, "assigned(t-0,t-1)");
    script_consumer_end(&sc);
}

/* An error, or a partition given twice: poll says so, and the group tries again. */
static void test_fails(void **state)
{
    (void)state;
    begin();
    answer = KC_ERR_SERIALIZATION;
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 1, "me");
    script_poll(&sc);
    assert_noted(&sc, "!SERIALIZATION");
    assert_non_null(strstr(sc.last_text, "first-takes-all"));
    answer = KC_OK;
    twice = true;
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_NONE, 2, "me");
    script_poll(&sc);
    assert_noted(&sc, "!ARGUMENT");
    twice = false;
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_NONE, 3, "me");
    assert_true(script_waits(&sc, KCI_API_SYNC_GROUP));
    script_consumer_end(&sc);
}

/* The application leaves while its assignor runs: nothing of the plan is used. */
static kc_err leave_meanwhile(void *context, const kc_assignor_topic *topics, size_t topic_count,
                              const kc_assignor_member *members, size_t member_count, kc_assignment_plan *plan)
{
    kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 1000000);
    return give_all(context, topics, topic_count, members, member_count, plan);
}

static void test_leaves_meanwhile(void **state)
{
    struct kci_consumer_event event;
    kc_err code;
    (void)state;
    mine.assign = leave_meanwhile;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 1, "me");
    script_advance(&peer, 10);
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_NONE);
    script_answer_leave(&sc);
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_OK);
    assert_false(script_waits(&sc, KCI_API_SYNC_GROUP));
    script_consumer_end(&sc);
    mine.assign = give_all;
}

/* enforce_rebalance: a stable member joins again with its next poll, and says why. */
static void test_enforce_rebalance(void **state)
{
    kc_error error;
    (void)state;
    begin();
    assert_int_equal(kci_consumer_enforce_rebalance(sc.core, NULL, &error), KC_ERR_STATE);
    script_join(&sc, 1, "0");
    assert_int_equal(kci_consumer_enforce_rebalance(sc.core, "weights changed", &error), KC_OK);
    script_poll(&sc);
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_true(kci_str_equal(join->reason, kci_str_of("weights changed")));
    assert_int_equal(kci_consumer_enforce_rebalance(sc.core, "again", &error), KC_OK); /* at it already */
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "01");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0) revoked(t-0) assigned(t-0,t-1)");
    script_poll(&sc);
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leads),
        cmocka_unit_test(test_fails),
        cmocka_unit_test(test_leaves_meanwhile),
        cmocka_unit_test(test_enforce_rebalance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
