/* What each error of JoinGroup, SyncGroup and Heartbeat does to a classic member, eager and cooperative: what polls
 * bring until it joins again, as whom it does so, and whether the coordinator is looked for. */
#include "consumer/member_data.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

struct row {
    int16_t error;
    bool at_once; /* the next JoinGroup waits for no back-off */
    bool sought;  /* the coordinator is looked for again */
    /* For "range" and "cooperative-sticky": what the next polls bring; and what the JoinGroup that follows says, as
     * "member id/generation:partitions owned". NULL: there is none. */
    struct {
        const char *noted, *said;
    } eager, cooperative;
    const char *group_instance_id;
};

#define EACH_POLL   "!FENCED_INSTANCE_ID !FENCED_INSTANCE_ID" /* only closing helps */
#define PASSES      { "", "me/1:" }, { "", "me/1:0" }, NULL
#define FROM_2      { "", "me/2:" }, { "", "me/2:0" }, NULL
#define GONE(id)    { "", id "/-1:" }, { "lost(t-0)", id "/-1:" }, NULL
#define REFUSED(by) { "!" by, "me/-1:" }, { "!" by " lost(t-0)", "me/-1:" }, NULL
#define FENCED      { EACH_POLL, NULL }, { "lost(t-0) " EACH_POLL, NULL }, "i"

static size_t sent(int16_t api)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == api;
    return count;
}

static void begin(const char *strategy, const char *group_instance_id)
{
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = strategy;
    sc.settings.group_instance_id = group_instance_id;
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0)");
    assert_int_equal(sent(KCI_API_FIND_COORDINATOR), 1);
}

/* A rebalance begins and the member's JoinGroup waits for its answer. */
static void begin_rejoin(bool cooperative, const char *group_instance_id)
{
    begin(cooperative ? "cooperative-sticky" : "range", group_instance_id);
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    assert_noted(&sc, cooperative ? "" : "revoked(t-0)");
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
}

/* What the JoinGroup that waits says: see struct row. */
static void expect_said(const char *expected, const char *error)
{
    struct script_request *r = script_pending(&peer, NULL, KCI_API_JOIN_GROUP);
    if (!r != !expected)
        fail_msg("%s: %s", error, r ? "joins again" : "does not join again");
    if (!r)
        return;
    struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
    struct kci_member member = { 0 };
    char text[100];
    const struct kci_join_group_request *join = r->message;
    assert_true(kci_member_data_read(join->protocols[0].metadata, &arena, &member));
    snprintf(text, sizeof text, "%.*s/%d:", (int)join->member_id.size, join->member_id.data ? join->member_id.data : "",
             (int)member.generation);
    for (int32_t t = 0; t < member.owned_count; t++)
        for (int32_t p = 0; p < member.owned[t].partition_count; p++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%d", (int)member.owned[t].partitions[p]);
    kci_arena_destroy(&arena);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: says \"%s\" instead of \"%s\"", error, text, expected);
}

/* The error was answered a moment ago: polls bring what the row says, the member joins again as the row says, and
 * whoever joins gets its partition. */
static void expect_row(const struct row *row, bool cooperative)
{
    const char *name = kci_error_name(row->error);
    const char *noted = cooperative ? row->cooperative.noted : row->eager.noted;
    const char *said = cooperative ? row->cooperative.said : row->eager.said;
    script_poll(&sc);
    if (said && !script_waits(&sc, KCI_API_JOIN_GROUP) == row->at_once)
        fail_msg("%s: %s", name, row->at_once ? "waits to join" : "joins at once");
    script_advance(&peer, 2000); /* any back-off is over */
    script_poll(&sc);
    if (strcmp(sc.seen, noted) != 0)
        fail_msg("%s, %s: noted \"%s\" instead of \"%s\"", name, cooperative ? "cooperative" : "eager", sc.seen, noted);
    sc.seen[0] = 0;
    if (sent(KCI_API_FIND_COORDINATOR) != (row->sought ? 2 : 1))
        fail_msg("%s: the coordinator was asked for %zu times", name, sent(KCI_API_FIND_COORDINATOR));
    expect_said(said, name);
    if (said) {
        bool kept = said[strlen(said) - 1] == '0';
        script_answer_join(&sc, KCI_NONE, 2, "other");
        script_answer_sync(&sc, KCI_NONE, "0");
        script_poll(&sc);
        assert_noted(&sc, kept ? "assigned()" : "assigned(t-0)");
    }
    assert_string_equal(kci_consumer_group_state(sc.core), row->group_instance_id ? "FAILED" : "STABLE");
    script_consumer_end(&sc);
}

static const struct row join_rows[] = {
    { KCI_COORDINATOR_LOAD_IN_PROGRESS, false, false, PASSES },
    { KCI_REBALANCE_IN_PROGRESS, false, false, PASSES },
    { KCI_NOT_COORDINATOR, false, true, PASSES },
    { KCI_COORDINATOR_NOT_AVAILABLE, false, true, PASSES },
    { KCI_MEMBER_ID_REQUIRED, true, false, PASSES },
    { KCI_UNKNOWN_MEMBER_ID, true, false, GONE("") },
    { KCI_FENCED_INSTANCE_ID, false, false, FENCED },
    { KCI_GROUP_AUTHORIZATION_FAILED, false, false, REFUSED("GROUP_AUTHORIZATION_FAILED") },
    { KCI_INVALID_SESSION_TIMEOUT, false, false, REFUSED("INVALID_SESSION_TIMEOUT") },
    { KCI_GROUP_MAX_SIZE_REACHED, false, false, REFUSED("GROUP_MAX_SIZE_REACHED") },
    { KCI_UNSUPPORTED_VERSION, false, false, REFUSED("UNSUPPORTED_VERSION") },
    { KCI_INVALID_GROUP_ID, false, false, REFUSED("INVALID_GROUP_ID") },
    { KCI_INCONSISTENT_GROUP_PROTOCOL, false, false, REFUSED("INCONSISTENT_GROUP_PROTOCOL") },
};

/* An error of JoinGroup: what passes costs nothing, who is unknown begins anew, what the user has to repair is told. */
static void test_join(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof join_rows / sizeof join_rows[0]; i++)
        for (int cooperative = 0; cooperative < 2; cooperative++) {
            begin_rejoin(cooperative, join_rows[i].group_instance_id);
            script_answer_join(&sc, join_rows[i].error, -1, "");
            expect_row(&join_rows[i], cooperative);
        }
}

static const struct row sync_rows[] = {
    { KCI_REBALANCE_IN_PROGRESS, true, false, FROM_2 },
    { KCI_NOT_COORDINATOR, false, true, FROM_2 },
    { KCI_COORDINATOR_NOT_AVAILABLE, false, true, FROM_2 },
    { KCI_COORDINATOR_LOAD_IN_PROGRESS, false, true, FROM_2 },
    { KCI_UNKNOWN_SERVER_ERROR, false, true, FROM_2 },
    { KCI_UNKNOWN_MEMBER_ID, false, false, GONE("") },
    { KCI_ILLEGAL_GENERATION, false, false, GONE("me") },
    { KCI_FENCED_INSTANCE_ID, false, false, FENCED },
    { KCI_GROUP_AUTHORIZATION_FAILED, false, false, REFUSED("GROUP_AUTHORIZATION_FAILED") },
    { KCI_INCONSISTENT_GROUP_PROTOCOL, false, false, REFUSED("INCONSISTENT_GROUP_PROTOCOL") },
};

/* An error of SyncGroup: the generation that was just joined is kept unless the coordinator does not know it. */
static void test_sync(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sync_rows / sizeof sync_rows[0]; i++)
        for (int cooperative = 0; cooperative < 2; cooperative++) {
            begin_rejoin(cooperative, sync_rows[i].group_instance_id);
            script_answer_join(&sc, KCI_NONE, 2, "other");
            script_answer_sync(&sc, sync_rows[i].error, "");
            expect_row(&sync_rows[i], cooperative);
        }
}

#define LOST(id) { "lost(t-0)", id "/-1:" }, { "lost(t-0)", id "/-1:" }, NULL
#define STAYS    { "", NULL }, { "", NULL }, NULL

static const struct row beat_rows[] = {
    { KCI_REBALANCE_IN_PROGRESS, true, false, { "revoked(t-0)", "me/1:" }, { "", "me/1:0" }, NULL },
    { KCI_ILLEGAL_GENERATION, true, false, LOST("me") },
    { KCI_UNKNOWN_MEMBER_ID, true, false, LOST("") },
    { KCI_FENCED_INSTANCE_ID, false, false, { "lost(t-0) " EACH_POLL, NULL }, { "lost(t-0) " EACH_POLL, NULL }, "i" },
    { KCI_NOT_COORDINATOR, false, true, STAYS },
    { KCI_COORDINATOR_NOT_AVAILABLE, false, true, STAYS },
    { KCI_GROUP_AUTHORIZATION_FAILED,
      false,
      false,
      { "!GROUP_AUTHORIZATION_FAILED", NULL },
      { "!GROUP_AUTHORIZATION_FAILED", NULL },
      NULL },
};

/* An error of Heartbeat: nothing happens behind the application's back, the next poll tells and joins. */
static void test_heartbeat(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof beat_rows / sizeof beat_rows[0]; i++)
        for (int cooperative = 0; cooperative < 2; cooperative++) {
            begin(cooperative ? "cooperative-sticky" : "range", beat_rows[i].group_instance_id);
            script_advance(&peer, 3000);
            script_beat(&sc, beat_rows[i].error);
            script_advance(&peer, 500);
            assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
            assert_noted(&sc, "");
            expect_row(&beat_rows[i], cooperative);
        }
}

/* A heartbeat that was sent before the member began to join again hears of the rebalance only then: it is in it. */
static void test_a_rebalance_is_heard_of_late(void **state)
{
    (void)state;
    begin("range", NULL);
    script_advance(&peer, 3000);
    assert_true(script_waits(&sc, KCI_API_HEARTBEAT));
    script_subscribe(&sc);
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0)");
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_poll(&sc);
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0)");
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    script_consumer_end(&sc);
}

/* What a former coordinator says of a former generation harms the present one no more. */
static void test_an_old_generation_is_refused_late(void **state)
{
    static const int16_t errors[] = { KCI_UNKNOWN_MEMBER_ID, KCI_ILLEGAL_GENERATION, KCI_FENCED_INSTANCE_ID };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin("range", "i");
        assert_int_equal(kci_consumer_commit_async(sc.core, NULL, 0, NULL, NULL, peer.now, NULL), KC_OK);
        script_advance(&peer, 3000);
        struct script_request *old = script_pending(&peer, NULL, KCI_API_HEARTBEAT);
        assert_non_null(old);
        sc.coordinator = 2;
        script_answer_commit(&sc, KCI_NOT_COORDINATOR);
        script_subscribe(&sc);
        script_poll(&sc);
        script_advance(&peer, 1000);
        assert_string_equal(script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->conn->address, "b2:9092");
        script_answer_join(&sc, KCI_NONE, 2, "other");
        script_answer_sync(&sc, KCI_NONE, "0");
        script_poll(&sc);
        assert_noted(&sc, "commit(NOT_COORDINATOR:t-0) revoked(t-0) assigned(t-0)");
        script_beat(&sc, errors[i]);
        script_advance(&peer, 1000);
        script_poll(&sc);
        assert_noted(&sc, "");
        assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
        script_consumer_end(&sc);
    }
}

/* No heartbeat is answered, until a time-out says that the coordinator is to be looked for: there the membership goes
 * on, or turns out to be over. */
static void test_silence(void **state)
{
    static const struct {
        int32_t request_timeout_ms;
        int64_t found_out_ms; /* after the join */
        int16_t then;         /* the answer of the new coordinator */
        const char *noted;
    } cases[] = {
        { 120000, 45000, KCI_NONE, "" }, /* session.timeout.ms */
        { 120000, 45000, KCI_UNKNOWN_MEMBER_ID, "lost(t-0)" },
        { 30000, 33000, KCI_NONE, "" }, /* the request that was sent after 3 s */
        { 30000, 33000, KCI_UNKNOWN_MEMBER_ID, "lost(t-0)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script_consumer_init(&sc, &peer);
        sc.settings.request_timeout_ms = cases[i].request_timeout_ms;
        script_consumer_create(&sc);
        script_join(&sc, 1, "0");
        sc.coordinator = 2;
        script_advance(&peer, cases[i].found_out_ms - 1);
        assert_int_equal(sent(KCI_API_FIND_COORDINATOR), 1);
        assert_int_equal(sent(KCI_API_HEARTBEAT), 1);
        script_advance(&peer, 200);
        assert_int_equal(sent(KCI_API_FIND_COORDINATOR), 2);
        script_advance(&peer, 1000);
        sc.seen[0] = 0;
        script_poll(&sc);
        assert_noted(&sc, ""); /* silence alone costs nothing */
        assert_int_equal(sent(KCI_API_HEARTBEAT), 2);
        assert_string_equal(script_pending(&peer, NULL, KCI_API_HEARTBEAT)->conn->address, "b2:9092");
        script_beat(&sc, cases[i].then);
        script_poll(&sc);
        assert_noted(&sc, cases[i].noted);
        expect_said(cases[i].then ? "/-1:" : NULL, "silence");
        script_consumer_end(&sc);
    }
}

/* The coordinator speaks of another kind of group, or of an assignor that was not offered or not agreed upon: nothing
 * is assigned by such an answer, and poll says what is wrong. */
static void test_another_protocol(void **state)
{
    static const struct {
        bool at_sync;
        const char *leader, *type, *name;
    } cases[] = {
        { false, "other", "connect", NULL },   { false, "me", "connect", NULL },   { false, "other", NULL, "mine" },
        { false, "me", NULL, "mine" },         { true, "other", "connect", NULL }, { true, "me", "connect", NULL },
        { true, "other", NULL, "roundrobin" }, { true, "me", NULL, "roundrobin" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script_consumer_init(&sc, &peer);
        sc.settings.partition_assignment_strategy = "range,roundrobin"; /* range it is */
        script_consumer_create(&sc);
        script_subscribe(&sc);
        script_poll(&sc);
        for (int sync = 0; sync <= cases[i].at_sync; sync++) {
            sc.protocol_type = sync == cases[i].at_sync ? cases[i].type : NULL;
            sc.protocol_name = sync == cases[i].at_sync ? cases[i].name : NULL;
            if (sync)
                script_answer_sync(&sc, KCI_NONE, "0");
            else
                script_answer_join(&sc, KCI_NONE, 1, cases[i].leader);
        }
        if (!cases[i].at_sync && script_waits(&sc, KCI_API_SYNC_GROUP))
            fail_msg("case %zu: synchronises", i);
        script_poll(&sc);
        assert_noted(&sc, "!INCONSISTENT_GROUP_PROTOCOL");
        script_advance(&peer, 2000);
        sc.protocol_type = sc.protocol_name = NULL;
        script_poll(&sc);
        expect_said(cases[i].at_sync ? "me/-1:" : "/-1:", "another protocol");
        script_answer_join(&sc, KCI_NONE, 2, cases[i].leader);
        script_answer_sync(&sc, KCI_NONE, "0");
        script_poll(&sc);
        assert_noted(&sc, "assigned(t-0)");
        script_consumer_end(&sc);
    }
}

/* While a JoinGroup waits, a heartbeat tells that the membership is over: what a cooperative member still owned is lost
 * by the next poll, whatever is answered to the JoinGroup, before it or after it. */
static void test_over_while_joining(void **state)
{
    (void)state;
    for (int answered_first = 0; answered_first < 2; answered_first++) {
        begin("cooperative-sticky", NULL);
        script_advance(&peer, 3000);
        script_subscribe(&sc);
        script_poll(&sc);
        assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
        script_beat(&sc, KCI_ILLEGAL_GENERATION);
        if (answered_first)
            script_answer_join(&sc, KCI_NONE, 3, "other");
        script_poll(&sc);
        assert_noted(&sc, "lost(t-0)");
        script_answer_join(&sc, KCI_NONE, 4, "other");
        script_answer_sync(&sc, KCI_NONE, "0");
        script_poll(&sc);
        assert_noted(&sc, "assigned(t-0)");
        assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_sync),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_a_rebalance_is_heard_of_late),
        cmocka_unit_test(test_an_old_generation_is_refused_late),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_another_protocol),
        cmocka_unit_test(test_over_while_joining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
