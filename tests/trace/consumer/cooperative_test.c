/* The cooperative protocol (KIP-429): what the application is told, in which order, and that what it keeps is read all
 * along. */
#include "consumer/member_data.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(const char *strategy)
{
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = strategy;
    script_consumer_create(&sc);
}

static void expect_state(const char *state)
{
    assert_string_equal(kci_consumer_group_state(sc.core), state);
}

/* A heartbeat tells of a rebalance. */
static void disturb(void)
{
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
}

/* What the member said of itself in the JoinGroup that waits: "generation:partitions", like "1:0,1". */
static void expect_said(const char *assignor, const char *expected)
{
    struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
    struct kci_member member = { 0 };
    char text[100];
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_true(kci_str_equal(join->protocols[0].name, kci_str_of(assignor)));
    assert_true(kci_member_data_read(join->protocols[0].metadata, &arena, &member));
    snprintf(text, sizeof text, "%d:", (int)member.generation);
    for (int32_t t = 0; t < member.owned_count; t++)
        for (int32_t p = 0; p < member.owned[t].partition_count; p++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", t || p ? "," : "",
                     (int)member.owned[t].partitions[p]);
    assert_string_equal(text, expected);
    kci_arena_destroy(&arena);
}

/* One of two partitions goes to another member: reading goes on while all join; then the one is revoked while it is
 * still owned, nothing is added (told all the same), and all join again. What stays keeps its position. */
static void test_a_partition_goes(void **state)
{
    (void)state;
    begin("cooperative-sticky");
    script_append(&sc, 0, 1);
    script_join(&sc, 1, "01");
    assert_seen(&sc, "assigned(t-0,t-1) t-0:0");
    disturb();
    script_poll(&sc);
    assert_noted(&sc, ""); /* nothing is revoked before the join */
    expect_said("cooperative-sticky", "1:0,1");
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:1"); /* JoinGroup is still parked */
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:2"); /* and so is SyncGroup */
    script_answer_sync(&sc, KCI_NONE, "0");
    expect_state("YIELDING");
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-1) assigned()");
    script_poll(&sc);
    expect_said("cooperative-sticky", "2:0");
    script_answer_join(&sc, KCI_NONE, 3, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "assigned() t-0:3");
    expect_state("STABLE");
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_consumer_end(&sc);
}

/* A partition comes: only that is told, only that looks for its committed offset. */
static void test_a_partition_comes(void **state)
{
    (void)state;
    begin("cooperative-sticky");
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 2);
    sc.committed[1] = 1;
    script_join(&sc, 1, "0");
    assert_seen(&sc, "assigned(t-0) t-0:0 t-0:1");
    disturb();
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "01");
    assert_seen(&sc, "assigned(t-1) t-1:1");
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* Once the assignment is there, nothing more is returned of what goes. */
static void test_nothing_of_what_goes(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    sc.settings.max_poll_records = 1;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0) t-0:0");
    disturb();
    script_poll(&sc);
    assert_noted(&sc, "t-0:1");
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "");
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0) assigned()");
    script_consumer_end(&sc);
}

/* The automatic commit comes before the join, and covers what is kept too; none is sent while we join. */
static void test_commit_before_the_join(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    sc.settings.enable_auto_commit = true;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    script_join(&sc, 1, "0");
    assert_seen(&sc, "assigned(t-0) t-0:0 t-0:1");
    disturb();
    script_poll(&sc);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(sc.committed[0], 2);
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:2");
    script_advance(&peer, 6000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned()");
    script_advance(&peer, 6000);
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(sc.committed[0], 3);
    script_consumer_end(&sc);
}

/* A topic leaves the subscription: its partitions are revoked before the join, the others stay. */
static void test_topic_unsubscribed(void **state)
{
    const char *u = "u";
    (void)state;
    begin("cooperative-sticky");
    script_topic(&peer, "u", 1);
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0)");
    assert_int_equal(kci_consumer_subscribe(sc.core, &u, 1, peer.now, NULL), KC_OK);
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0)");
    expect_said("cooperative-sticky", "1:");
    script_consumer_end(&sc);
}

/* The coordinator forgot us while we joined: everything kept is lost, then we join anew. */
static void expect_lost(bool at_sync, int16_t error)
{
    begin("cooperative-sticky");
    script_join(&sc, 1, "01");
    assert_noted(&sc, "assigned(t-0,t-1)");
    disturb();
    script_poll(&sc);
    if (at_sync) {
        script_answer_join(&sc, KCI_NONE, 2, "other");
        script_answer_sync(&sc, error, "");
        script_advance(&peer, 2000);
    } else {
        script_answer_join(&sc, error, -1, "");
    }
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0,t-1)");
    expect_said("cooperative-sticky", "-1:");
    script_answer_join(&sc, KCI_NONE, 3, "other");
    script_answer_sync(&sc, KCI_NONE, "1");
    assert_seen(&sc, "assigned(t-1)");
    script_consumer_end(&sc);
}

static void test_lost_while_joining(void **state)
{
    (void)state;
    expect_lost(false, KCI_UNKNOWN_MEMBER_ID);
    expect_lost(true, KCI_UNKNOWN_MEMBER_ID);
    expect_lost(true, KCI_ILLEGAL_GENERATION);
}

/* A heartbeat ends the membership between the assignment and the poll that would take it: all is lost, also what was
 * to be revoked. */
static void test_lost_before_yielding(void **state)
{
    (void)state;
    begin("cooperative-sticky");
    script_join(&sc, 1, "01");
    assert_noted(&sc, "assigned(t-0,t-1)");
    disturb();
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_UNKNOWN_MEMBER_ID);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0,t-1)");
    script_consumer_end(&sc);
}

/* Closing in the middle of a rebalance: others decide about the partitions, so they are lost, not revoked. */
static void test_leave_while_joining(void **state)
{
    kc_err code = KC_OK;
    struct kci_consumer_event event;
    (void)state;
    begin("cooperative-sticky");
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0)");
    disturb();
    script_poll(&sc);
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
    kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 5000000);
    script_step(&peer);
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_LOST);
    assert_int_equal(event.partitions.count, 1);
    kci_consumer_event_done(sc.core, &event, peer.now);
    script_step(&peer);
    script_answer_leave(&sc);
    assert_true(kci_consumer_left(sc.core, &code));
    script_consumer_end(&sc);
}

/* One assignor of the list is not cooperative: all are given back before the join, so that a group can change over
 * member by member. */
static void test_mixed_list_is_eager(void **state)
{
    (void)state;
    begin("range,cooperative-sticky");
    script_join(&sc, 1, "01");
    assert_noted(&sc, "assigned(t-0,t-1)");
    disturb();
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0,t-1)");
    expect_said("range", "1:");
    script_consumer_end(&sc);
}

/* "sticky" gives everything back too, and says in its user data what it had. */
static void test_sticky_remembers(void **state)
{
    static const uint8_t user_data[] = { 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4 };
    struct kci_member member = { 0 };
    (void)state;
    begin("sticky");
    struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
    script_join(&sc, 4, "1");
    disturb();
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-1) revoked(t-1)");
    expect_said("sticky", "4:");
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_true(kci_member_data_read(join->protocols[0].metadata, &arena, &member));
    assert_int_equal(member.user_data.size, sizeof user_data);
    assert_memory_equal(member.user_data.data, user_data, sizeof user_data);
    kci_arena_destroy(&arena);
    script_consumer_end(&sc);
}

static unsigned owned;    /* partitions that the application holds, by its callbacks */
static size_t rebalances; /* that it saw to their end */

static void account(struct script_consumer *s, const struct kci_consumer_event *event)
{
    (void)s;
    for (size_t i = 0; i < event->partitions.count; i++) {
        unsigned bit = 1u << event->partitions.items[i].partition;
        assert_int_equal(owned & bit, event->kind == KCI_EVENT_ASSIGNED ? 0 : bit);
        owned ^= bit;
    }
    rebalances += event->kind == KCI_EVENT_ASSIGNED;
}

/* Answer the oldest request to the coordinator; false: none waits. It takes partition 1 away and gives it back. */
static bool answer_oldest(void)
{
    static const char *const rounds[] = { "01", "0", "0", "01" };
    struct script_request *r = NULL;
    script_pending(&peer, NULL, KCI_API_JOIN_GROUP); /* takes in what was sent */
    for (size_t i = peer.request_first; i < peer.request_count && !r; i++)
        if (!peer.requests[i].taken && peer.requests[i].conn->state == SCRIPT_OPEN &&
            peer.requests[i].header.api_key != KCI_API_FETCH)
            r = &peer.requests[i];
    if (r && !script_in_order_(&peer, r)) /* no memory for a connection of its own: it waits behind a Fetch */
        return false;
    switch (r ? r->header.api_key : -1) {
    case KCI_API_JOIN_GROUP:
        script_answer_join(&sc, KCI_NONE, 1 + (int32_t)rebalances, "other");
        return true;
    case KCI_API_SYNC_GROUP:
        script_answer_sync(&sc, KCI_NONE, rounds[rebalances < 3 ? rebalances : 3]);
        return true;
    case KCI_API_HEARTBEAT:
        script_beat(&sc, rebalances == 1 || rebalances == 3 ? KCI_REBALANCE_IN_PROGRESS : KCI_NONE);
        return true;
    default:
        return false;
    }
}

/* Out of memory at every place: told later, but told; nothing is given twice, nothing leaks. */
static void test_out_of_memory(void **state)
{
    const char *topic = "t";
    (void)state;
    for (size_t n = 1; n < 300; n++) {
        script_consumer_init(&sc, &peer);
        sc.settings.partition_assignment_strategy = "cooperative-sticky";
        sc.in_event = account;
        owned = 0;
        rebalances = 0;
        struct kci_consumer_options options = {
            .alloc = &sc.alloc, .settings = &sc.settings, .transport = script_peer_transport(&peer), .seed = 1
        };
        sc.memory.fail_at = n;
        if (kci_consumer_create(&sc.core, &options, NULL) == KC_OK) {
            script_peer_attach(&peer, kci_consumer_engine(sc.core));
            if (kci_consumer_subscribe(sc.core, &topic, 1, peer.now, NULL) == KC_OK) {
                for (int i = 0; i < 60; i++) {
                    while (answer_oldest())
                        continue;
                    script_poll_all(&sc);
                    script_advance(&peer, 1000);
                }
                if (rebalances != 4 || owned != 3)
                    fail_msg("allocation %zu failed, and then: %s", n, sc.seen);
            }
        }
        script_consumer_end(&sc);
    }
}

/* ---- as the leader ---- */

/* What a member says that reads "t" and owns these partitions of it since this generation. */
static struct kci_bytes metadata_of(const char *has, int32_t generation, uint8_t *buffer, size_t size)
{
    struct kci_writer w = kci_writer_fixed(buffer, size);
    kci_writer_i16(&w, 3);
    kci_writer_i32(&w, 1); /* topics */
    kci_writer_i16(&w, 1);
    kci_writer_bytes(&w, "t", 1);
    kci_writer_i32(&w, 4); /* the assignor's user data */
    kci_writer_i32(&w, generation);
    kci_writer_i32(&w, 1); /* owned */
    kci_writer_i16(&w, 1);
    kci_writer_bytes(&w, "t", 1);
    kci_writer_i32(&w, (int32_t)strlen(has));
    for (; *has; has++)
        kci_writer_i32(&w, *has - '0');
    kci_writer_i32(&w, generation);
    kci_writer_i16(&w, -1); /* rack */
    assert_false(w.failed);
    return (struct kci_bytes){ buffer, w.size };
}

/* We lead; the other member owns what `others` says. */
static void answer_join_as_leader(int32_t generation, const char *others, int32_t since, bool skip_assignment)
{
    uint8_t buffer[200];
    struct script_request *r = script_expect(&sc, KCI_API_JOIN_GROUP);
    const struct kci_join_group_request *request = r->message;
    struct kci_join_group_response response;
    struct kci_join_group_response__join_group_response_member members[2];
    kci_codec_init(&kci_join_group_response_schema, &response);
    for (int i = 0; i < 2; i++)
        kci_codec_init(&kci_join_group_response__join_group_response_member_schema, &members[i]);
    response.generation_id = generation;
    response.protocol_name = request->protocols[0].name;
    response.member_id = response.leader = members[0].member_id = kci_str_of("me");
    response.skip_assignment = skip_assignment;
    members[0].metadata = request->protocols[0].metadata;
    members[1].member_id = kci_str_of("other");
    members[1].metadata = metadata_of(others, since, buffer, sizeof buffer);
    response.members = members;
    response.members_count = 2;
    script_answer(&peer, r, &response);
}

static int32_t assignments_in_sync(void)
{
    return ((const struct kci_sync_group_request *)script_pending(&peer, NULL, KCI_API_SYNC_GROUP)->message)
        ->assignments_count;
}

/* Quiet heartbeats for this long. */
static void quiet(int seconds)
{
    for (int i = 0; i < seconds / 3; i++) {
        script_advance(&peer, 3000);
        if (script_waits(&sc, KCI_API_HEARTBEAT))
            script_beat(&sc, KCI_NONE);
    }
}

/* A partition is to go from the other member to us, and the other one never joins again: a static member that died
 * after it gave the partition up and was back within its session begins no rebalance.  The leader does not leave the
 * partition without an owner: after a session's time it has all join once more. */
static void test_a_transfer_that_does_not_end(void **state)
{
    (void)state;
    begin("cooperative-sticky");
    script_subscribe(&sc);
    script_poll(&sc);
    answer_join_as_leader(2, "01", 1, false);
    assert_int_equal(assignments_in_sync(), 2);
    script_answer_sync(&sc, KCI_NONE, "");
    assert_seen(&sc, "assigned()");
    quiet(42);
    script_poll(&sc);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP)); /* it may still come */
    quiet(6);
    script_poll(&sc);
    answer_join_as_leader(3, "0", 2, false);
    script_answer_sync(&sc, KCI_NONE, "1");
    assert_seen(&sc, "assigned(t-1)");
    quiet(90); /* all have an owner: that was it */
    script_poll(&sc);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_consumer_end(&sc);
}

/* The static leader itself was away, and is told that the assignment stands (KIP-814): it assigns nothing, has one
 * rebalance follow in case that it died in the middle of a transfer, and watches the topics as before. */
static void test_the_leader_is_back(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = "i";
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    script_consumer_create(&sc);
    script_subscribe(&sc);
    script_poll(&sc);
    answer_join_as_leader(2, "1", 2, true);
    assert_int_equal(assignments_in_sync(), 0);
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned(t-0)");
    quiet(48);
    script_poll(&sc);
    answer_join_as_leader(3, "1", 2, false);
    assert_int_equal(assignments_in_sync(), 2);
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned()");
    script_consumer_end(&sc);
}

/* The same without a rebalance in between: partitions are added, and the leader that is back sees to them. */
static void test_the_leader_is_back_and_watches(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = "i"; /* eager: nothing is given up by halves, so no rebalance follows by itself */
    sc.settings.metadata_max_age_ms = 20000;
    script_consumer_create(&sc);
    script_subscribe(&sc);
    script_poll(&sc);
    answer_join_as_leader(2, "1", 2, true);
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned(t-0)");
    quiet(60);
    script_poll(&sc);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    peer.topics[0].partitions = 3;
    quiet(30);
    script_poll(&sc);
    assert_seen(&sc, "revoked(t-0)");
    answer_join_as_leader(3, "1", 2, false);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_partition_goes),     cmocka_unit_test(test_a_partition_comes),
        cmocka_unit_test(test_nothing_of_what_goes), cmocka_unit_test(test_commit_before_the_join),
        cmocka_unit_test(test_topic_unsubscribed),   cmocka_unit_test(test_lost_while_joining),
        cmocka_unit_test(test_lost_before_yielding), cmocka_unit_test(test_leave_while_joining),
        cmocka_unit_test(test_mixed_list_is_eager),  cmocka_unit_test(test_sticky_remembers),
        cmocka_unit_test(test_out_of_memory),        cmocka_unit_test(test_a_transfer_that_does_not_end),
        cmocka_unit_test(test_the_leader_is_back),   cmocka_unit_test(test_the_leader_is_back_and_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
