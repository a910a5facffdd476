/* Membership: the dance with the coordinator, and what the application is told, in which order. */
#include "consumer/member_data.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
}

static void expect_state(const char *state)
{
    assert_string_equal(kci_consumer_group_state(sc.core), state);
}

/* From nothing to records: join, id required, join again, sync, committed offset, fetch. */
static void test_first_join(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    sc.committed[0] = 1;
    script_subscribe(&sc);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP)); /* not before the first poll */
    script_poll(&sc);
    script_answer_join(&sc, KCI_MEMBER_ID_REQUIRED, -1, "");
    struct script_request *again = script_pending(&peer, NULL, KCI_API_JOIN_GROUP);
    const struct kci_join_group_request *request = again->message;
    assert_true(kci_str_equal(request->member_id, kci_str_of("me")));
    assert_int_equal(request->session_timeout_ms, 45000);
    assert_int_equal(request->rebalance_timeout_ms, 300000);
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_noted(&sc, "");
    assert_seen(&sc, "assigned(t-0) t-0:1 t-0:2");
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* A join parks at the coordinator until all members have come: far beyond request.timeout.ms, for as long as they may
 * work on what they have, and 5 s more. */
static void test_a_join_parks(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_MEMBER_ID_REQUIRED, -1, "");
    struct script_conn *conn = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->conn;
    for (int64_t until = peer.now + 304 * 1000000LL; peer.now < until; script_advance(&peer, 1000))
        script_poll(&sc);
    assert_int_equal(conn->state, SCRIPT_OPEN);
    script_advance(&peer, 2000);
    assert_int_equal(conn->state, SCRIPT_CLOSED_BY_CLIENT);
    script_consumer_end(&sc);
}

/* The assignment was made for an older subscription: it is not taken, and the member joins again. */
static void test_assigned_what_is_not_subscribed(void **state)
{
    const char *other[] = { "u" };
    struct kci_operation *operation; /* waits for a partition that is not there: so topic "t" is still known */
    kc_topic_partition item = { "t", 3, 5, -1, NULL, KC_OK };
    (void)state;
    begin();
    script_topic(&peer, "u", 1);
    assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, &item, 1, peer.now + 60000000, NULL), KC_OK);
    assert_int_equal(kci_consumer_subscribe(sc.core, other, 1, peer.now, NULL), KC_OK);
    script_step(&peer);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_poll_all(&sc);
    assert_noted(&sc, "");
    expect_state("JOINING");
    script_advance(&peer, 500);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "");
    assert_seen(&sc, "assigned()");
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* The leader decodes what all members say, waits for the metadata and assigns by range: here for two. */
static void test_leader_assigns(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    struct script_request *r = script_expect(&sc, KCI_API_JOIN_GROUP);
    const struct kci_join_group_request *request = r->message;
    struct kci_join_group_response response;
    struct kci_join_group_response__join_group_response_member members[3];
    kci_codec_init(&kci_join_group_response_schema, &response);
    for (int i = 0; i < 3; i++)
        kci_codec_init(&kci_join_group_response__join_group_response_member_schema, &members[i]);
    response.generation_id = 7;
    response.protocol_name = kci_str_of("range");
    response.member_id = response.leader = members[0].member_id = kci_str_of("me");
    members[1].member_id = kci_str_of("a");
    members[0].metadata = members[1].metadata = request->protocols[0].metadata;
    members[2].member_id = kci_str_of("broken"); /* a hostile member gets nothing and harms nobody */
    members[2].metadata = (struct kci_bytes){ (const uint8_t *)"\0\3\x7f\xff\xff\xff", 6 };
    response.members = members;
    response.members_count = 3;
    script_answer(&peer, r, &response);
    const struct kci_sync_group_request *sync = script_pending(&peer, NULL, KCI_API_SYNC_GROUP)->message;
    assert_int_equal(sync->assignments_count, 3);
    static const int32_t expected[] = { 1, 0, -1 }; /* "a" sorts before "me" */
    for (int i = 0; i < 3; i++) {
        struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
        struct kci_partition_list list;
        assert_true(kci_member_data_read_assignment(sync->assignments[i].assignment, &peer.alloc, &arena, &list));
        assert_int_equal(list.count, expected[i] >= 0);
        if (expected[i] >= 0)
            assert_int_equal(list.items[0].partition, expected[i]);
        kci_partition_list_free(&peer.alloc, &list);
        kci_arena_destroy(&arena);
    }
    script_answer_sync(&sc, KCI_NONE, "1");
    assert_seen(&sc, "assigned(t-1)");
    script_consumer_end(&sc);
}

/* Heartbeats go on by themselves, without a poll. */
static void test_heartbeats(void **state)
{
    (void)state;
    begin();
    script_join(&sc, 1, "0");
    for (int i = 0; i < 20; i++) {
        script_advance(&peer, 3000);
        script_beat(&sc, KCI_NONE);
    }
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* A rebalance: told by a heartbeat, carried out in the next poll. Revoked before the join, assigned after it. */
static void test_rebalance_order(void **state)
{
    (void)state;
    begin();
    sc.settings.enable_auto_commit = true;
    script_append(&sc, 0, 2);
    script_join(&sc, 1, "0");
    assert_seen(&sc, "assigned(t-0) t-0:0 t-0:1");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP)); /* the application may still work on records */
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    script_poll(&sc);
    assert_noted(&sc, "");
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP)); /* the commit comes first */
    const struct kci_offset_commit_request *commit = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(commit->topics[0].partitions[0].committed_offset, 2);
    assert_int_equal(commit->generation_id_or_member_epoch, 1);
    script_answer_commit(&sc, KCI_NONE);
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0)");
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "");
    assert_seen(&sc, "assigned()"); /* told even if there is nothing */
    script_consumer_end(&sc);
}

/* Revoking: while on_revoked is due, nothing of the partitions is returned any more. */
static void test_nothing_after_revoke(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.max_poll_records = 1;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0) t-0:0");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0)");
    script_consumer_end(&sc);
}

static void expect_lost(int16_t error)
{
    begin();
    sc.settings.enable_auto_commit = true;
    script_append(&sc, 0, 1);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    sc.seen[0] = 0;
    script_advance(&peer, 3000);
    script_beat(&sc, error);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0)");
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* they are somebody else's */
    const struct kci_join_group_request *join = script_pending(&peer, NULL, KCI_API_JOIN_GROUP)->message;
    assert_true(kci_str_equal(join->member_id, kci_str_of(error == KCI_ILLEGAL_GENERATION ? "me" : "")));
    script_consumer_end(&sc);
}

/* The session expired, or the generation is over: lost, not revoked, nothing committed, joined anew. */
static void test_lost(void **state)
{
    (void)state;
    expect_lost(KCI_UNKNOWN_MEMBER_ID);
    expect_lost(KCI_ILLEGAL_GENERATION);
}

/* Another one took our group.instance.id: nothing but close helps. */
static void test_fenced(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = "i";
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    sc.seen[0] = 0;
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_FENCED_INSTANCE_ID);
    script_poll(&sc);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0) !FENCED_INSTANCE_ID !FENCED_INSTANCE_ID");
    script_consumer_end(&sc);
}

/* The coordinator moved: looked for again, and the membership goes on there. */
static void test_coordinator_moves(void **state)
{
    (void)state;
    begin();
    script_join(&sc, 1, "0");
    script_advance(&peer, 3000);
    sc.coordinator = 2;
    script_beat(&sc, KCI_NOT_COORDINATOR);
    script_advance(&peer, 1000);
    struct script_request *r = script_pending(&peer, NULL, KCI_API_HEARTBEAT);
    assert_non_null(r);
    assert_string_equal(r->conn->address, "b2:9092");
    script_beat(&sc, KCI_NONE);
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* No poll for max.poll.interval.ms: the member leaves by itself, and the next poll tells of the loss and joins again.
 */
static void test_max_poll_interval(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.max_poll_interval_ms = 10000;
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    sc.seen[0] = 0;
    for (int i = 0; i < 3; i++) {
        script_advance(&peer, 3000);
        script_beat(&sc, KCI_NONE);
    }
    script_advance(&peer, 1000);
    script_answer_leave(&sc);
    script_advance(&peer, 20000);
    assert_false(script_waits(&sc, KCI_API_HEARTBEAT));
    assert_false(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0)");
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_consumer_end(&sc);
}

/* 80 % of max.poll.interval.ms are over: the application is told once, in time to do something about it; one that says
 * that it is at work has the interval again, but not while the group waits for it. */
static void test_poll_is_late(void **state)
{
    kc_error error;
    (void)state;
    script_consumer_init(&sc, &peer);
    script_want_notices(&sc);
    sc.settings.max_poll_interval_ms = 10000;
    script_consumer_create(&sc);
    assert_int_equal(kci_consumer_keepalive(sc.core, peer.now, &error), KC_ERR_STATE);
    sc.committed[0] = 0;
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    sc.seen[0] = 0;
    for (int i = 0; i < 3; i++) { /* 9 s */
        script_advance(&peer, 3000);
        script_beat(&sc, KCI_NONE);
    }
    script_poll(&sc);
    assert_noted(&sc, "late(group:MAX_POLL_INTERVAL)");
    for (int i = 0; i < 8; i++) { /* 24 s, with a sign of life in time */
        script_advance(&peer, 3000);
        script_beat(&sc, KCI_NONE);
        assert_int_equal(kci_consumer_keepalive(sc.core, peer.now, &error), KC_OK);
    }
    script_poll(&sc);
    assert_noted(&sc, "");
    expect_state("STABLE");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    assert_int_equal(kci_consumer_keepalive(sc.core, peer.now, &error), KC_ERR_REBALANCE_IN_PROGRESS);
    script_consumer_end(&sc);
}

/* Errors of JoinGroup and SyncGroup that pass by themselves. */
static void test_retries(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS, -1, "");
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_NOT_COORDINATOR, -1, "");
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_UNKNOWN_MEMBER_ID, -1, "");
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_NONE, 3, "other");
    script_answer_sync(&sc, KCI_REBALANCE_IN_PROGRESS, "");
    script_answer_join(&sc, KCI_NONE, 4, "other");
    script_answer_sync(&sc, KCI_ILLEGAL_GENERATION, "");
    script_advance(&peer, 2000);
    script_answer_join(&sc, KCI_NONE, 5, "other");
    script_answer_sync(&sc, KCI_NONE, "01");
    assert_seen(&sc, "assigned(t-0,t-1)");
    script_consumer_end(&sc);
}

/* What only the user can repair is an error of poll. */
static void test_refused(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_INCONSISTENT_GROUP_PROTOCOL, -1, "");
    script_poll(&sc);
    assert_noted(&sc, "!INCONSISTENT_GROUP_PROTOCOL");
    expect_state("UNJOINED");
    script_consumer_end(&sc);
}

/* More partitions: the leader notices and asks for a new assignment. */
static void test_partitions_added(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 1, "me");
    script_answer_sync(&sc, KCI_NONE, "01");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0,t-1)");
    peer.topics[0].partitions = 3;
    for (int i = 0; i < 101; i++) {
        script_advance(&peer, 3000);
        if (script_waits(&sc, KCI_API_HEARTBEAT))
            script_beat(&sc, KCI_NONE);
        script_poll(&sc);
    }
    assert_noted(&sc, "revoked(t-0,t-1)");
    script_answer_join(&sc, KCI_NONE, 2, "me");
    const struct kci_sync_group_request *sync = script_pending(&peer, NULL, KCI_API_SYNC_GROUP)->message;
    struct kci_arena arena = kci_arena_of(&peer.alloc, 1 << 20);
    struct kci_partition_list list;
    assert_true(kci_member_data_read_assignment(sync->assignments[0].assignment, &peer.alloc, &arena, &list));
    assert_int_equal(list.count, 3);
    kci_partition_list_free(&peer.alloc, &list);
    kci_arena_destroy(&arena);
    script_consumer_end(&sc);
}

/* A seek in on_assigned decides where reading begins. */
static void seek_to_one(struct script_consumer *s, const struct kci_consumer_event *event)
{
    if (event->kind == KCI_EVENT_ASSIGNED)
        assert_int_equal(kci_consumer_seek(s->core, "t", 0, 1, s->peer->now, NULL), KC_OK);
}

static void test_seek_in_callback(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    sc.in_event = seek_to_one;
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    assert_seen(&sc, "assigned(t-0) t-0:1 t-0:2");
    script_consumer_end(&sc);
}

/* Answer the oldest request to the coordinator; false: none waits. */
static bool answer_oldest(void)
{
    struct script_request *r = NULL;
    script_pending(&peer, NULL, KCI_API_JOIN_GROUP); /* takes in what was sent */
    for (size_t i = peer.request_first; i < peer.request_count && !r; i++)
        if (!peer.requests[i].taken && peer.requests[i].conn->state == SCRIPT_OPEN &&
            peer.requests[i].header.api_key != KCI_API_FETCH)
            r = &peer.requests[i];
    switch (r ? r->header.api_key : -1) {
    case KCI_API_JOIN_GROUP:
        script_answer_join(&sc, KCI_NONE, 1, "me");
        return true;
    case KCI_API_SYNC_GROUP:
        script_answer_sync(&sc, KCI_NONE, "0");
        return true;
    case KCI_API_HEARTBEAT:
        script_beat(&sc, KCI_NONE);
        return true;
    case KCI_API_OFFSET_COMMIT:
        script_answer_commit(&sc, KCI_NONE);
        return true;
    default:
        return false;
    }
}

static void serve_group(void)
{
    for (int i = 0; i < 30; i++) {
        while (answer_oldest())
            continue;
        script_poll_all(&sc);
        script_advance(&peer, 1000);
    }
}

/* Out of memory at every place of a whole membership: it comes later, but it comes; nothing leaks. */
static void test_out_of_memory(void **state)
{
    const char *topic = "t";
    (void)state;
    for (size_t n = 1; n < 260; n++) {
        script_consumer_init(&sc, &peer);
        sc.settings.enable_auto_commit = true;
        script_append(&sc, 0, 2);
        struct kci_consumer_options options = {
            .alloc = &sc.alloc, .settings = &sc.settings, .transport = script_peer_transport(&peer), .seed = 1
        };
        sc.memory.fail_at = n;
        if (kci_consumer_create(&sc.core, &options, NULL) == KC_OK) {
            script_peer_attach(&peer, kci_consumer_engine(sc.core));
            if (kci_consumer_subscribe(sc.core, &topic, 1, peer.now, NULL) == KC_OK) {
                serve_group();
                if (!strstr(sc.seen, "t-0:0 t-0:1") || sc.committed[0] != 2)
                    fail_msg("allocation %zu failed, and then: %s", n, sc.seen);
            }
        }
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_join),
        cmocka_unit_test(test_a_join_parks),
        cmocka_unit_test(test_assigned_what_is_not_subscribed),
        cmocka_unit_test(test_leader_assigns),
        cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_rebalance_order),
        cmocka_unit_test(test_nothing_after_revoke),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_coordinator_moves),
        cmocka_unit_test(test_max_poll_interval),
        cmocka_unit_test(test_poll_is_late),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_partitions_added),
        cmocka_unit_test(test_seek_in_callback),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
