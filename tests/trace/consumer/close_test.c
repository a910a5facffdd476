/* The end: in every state, within its time. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

/* Run events and time until the consumer has left; how long it took, in ms. */
static int64_t leave(bool closing, int32_t timeout_ms, kc_err expected)
{
    struct kci_consumer_event event;
    kc_err code = KC_OK;
    int64_t began = peer.now;
    kci_consumer_begin_leave(sc.core, closing, peer.now, peer.now + timeout_ms * 1000);
    for (;;) {
        script_step(&peer);
        kci_consumer_next_event(sc.core, &event, peer.now);
        if (event.kind != KCI_EVENT_NONE) {
            sc_run_event_(&sc, &event);
            continue;
        }
        if (kci_consumer_left(sc.core, &code))
            break;
        if (peer.now - began > timeout_ms * 1000)
            fail_msg("%s: has not left in time", kci_consumer_group_state(sc.core));
        if (script_waits(&sc, KCI_API_LEAVE_GROUP) && expected == KC_OK)
            script_answer_leave(&sc);
        else if (script_waits(&sc, KCI_API_OFFSET_COMMIT) && expected == KC_OK)
            script_answer_commit(&sc, KCI_NONE);
        else
            script_advance(&peer, 10);
    }
    assert_int_equal(code, expected);
    return (peer.now - began) / 1000;
}

static void begin(bool auto_commit)
{
    script_consumer_init(&sc, &peer);
    sc.settings.enable_auto_commit = auto_commit;
    script_consumer_create(&sc);
}

/* Commit, revoke, leave: in this order. */
static void test_close(void **state)
{
    (void)state;
    begin(true);
    script_append(&sc, 0, 2);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    sc.seen[0] = 0;
    assert_int_equal(leave(true, 1000, KC_OK), 0);
    assert_noted(&sc, "revoked(t-0)");
    assert_int_equal(sc.committed[0], 2);
    script_consumer_end(&sc);
}

/* What the last poll returned is committed by a close, too: whoever closes has worked on it. */
static void test_close_after_one_poll(void **state)
{
    (void)state;
    begin(true);
    script_join(&sc, 1, "0");
    script_append(&sc, 0, 2);
    script_step(&peer);
    sc.seen[0] = 0;
    script_poll(&sc);
    assert_noted(&sc, "t-0:0 t-0:1");
    leave(true, 1000, KC_OK);
    assert_int_equal(sc.committed[0], 2);
    script_consumer_end(&sc);
}

/* A static member does not leave: it comes back. */
static void test_static_member(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = "i";
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    leave(true, 1000, KC_OK);
    for (size_t i = 0; i < peer.request_count; i++)
        assert_int_not_equal(peer.requests[i].header.api_key, KCI_API_LEAVE_GROUP);
    script_consumer_end(&sc);
}

static size_t count_sent(int16_t api)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == api;
    return count;
}

/* The application may say what becomes of the membership (KIP-1092): each wish, of a dynamic member and of a static one.
 * The partitions are given up in any case. */
static void test_as_the_application_wants(void **state)
{
    static const struct {
        const char *instance;
        kc_close_how how;
        size_t leaves;
    } rows[] = {
        { NULL, KC_CLOSE_DEFAULT, 1 }, { NULL, KC_CLOSE_LEAVE, 1 }, { NULL, KC_CLOSE_REMAIN, 0 },
        { "i", KC_CLOSE_DEFAULT, 0 },  { "i", KC_CLOSE_LEAVE, 1 },  { "i", KC_CLOSE_REMAIN, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script_consumer_init(&sc, &peer);
        sc.settings.group_instance_id = rows[i].instance;
        script_consumer_create(&sc);
        script_join(&sc, 1, "0");
        script_poll(&sc);
        sc.seen[0] = 0;
        kci_consumer_leave_as(sc.core, rows[i].how);
        leave(true, 1000, KC_OK);
        assert_noted(&sc, "revoked(t-0)");
        if (count_sent(KCI_API_LEAVE_GROUP) != rows[i].leaves)
            fail_msg("row %zu: %s", i, rows[i].leaves ? "did not leave" : "left");
        script_consumer_end(&sc);
    }
}

/* A static member that owes the group a rebalance does leave: it gave a partition up for the next owner, who gets it
 * when we join again; coming back, it would get its old assignment, and the partition nobody. */
static void test_static_member_owes_a_rebalance(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = "i";
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    script_consumer_create(&sc);
    script_join(&sc, 1, "01");
    script_poll(&sc);
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "1");
    leave(true, 1000, KC_OK);
    assert_int_equal(count_sent(KCI_API_LEAVE_GROUP), 1);
    script_consumer_end(&sc);
}

/* A member with automatic commits that has got one record; its commit of the interval is under way. */
static void begin_with_commit_under_way(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.enable_auto_commit = true;
    sc.settings.heartbeat_interval_ms = 44000;
    sc.settings.request_timeout_ms = 1000;
    script_consumer_create(&sc);
    script_append(&sc, 0, 1);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    script_advance(&peer, 5000);
    assert_true(script_waits(&sc, KCI_API_OFFSET_COMMIT));
}

/* The commit at the end is not left out because one of the interval is under way: that one does not have the records
 * that were returned since. */
static void test_commit_behind_automatic(void **state)
{
    (void)state;
    begin_with_commit_under_way();
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    script_poll_all(&sc);
    sc.seen[0] = 0;
    leave(true, 1000, KC_OK);
    assert_int_equal(sc.committed[0], 2);
    assert_int_equal(count_sent(KCI_API_OFFSET_COMMIT), 2);
    script_consumer_end(&sc);
}

/* A commit that got no answer may arrive after its repetition and after later ones: the last word at the end is all
 * that was read, also when nothing is new. */
static void test_commit_after_unanswered(void **state)
{
    (void)state;
    begin_with_commit_under_way();
    for (int i = 0; i < 300 && count_sent(KCI_API_OFFSET_COMMIT) < 2; i++)
        script_advance(&peer, 10);
    script_answer_commit(&sc, KCI_NONE);
    sc.committed[0] = 0; /* the first one arrives */
    sc.seen[0] = 0;
    leave(true, 1000, KC_OK);
    assert_int_equal(sc.committed[0], 1);
    assert_int_equal(count_sent(KCI_API_OFFSET_COMMIT), 3);
    script_consumer_end(&sc);
}

/* Nobody answers anything: the time-out is kept, whatever is under way. */
static void test_in_every_state(void **state)
{
    (void)state;
    for (int stage = 0; stage < 9; stage++) {
        script_consumer_init(&sc, &peer);
        sc.settings.enable_auto_commit = true;
        peer.auto_connect = stage > 0;
        peer.auto_versions = stage > 1;
        peer.auto_metadata = stage > 2;
        sc.manual = stage == 3 ? KCI_API_FIND_COORDINATOR : -1;
        sc.manual2 = stage == 6 ? KCI_API_OFFSET_FETCH : -1;
        script_consumer_create(&sc);
        script_append(&sc, 0, 2);
        script_subscribe(&sc);
        script_poll(&sc);
        if (stage >= 5)
            script_answer_join(&sc, KCI_NONE, 1, "other");
        if (stage >= 6)
            script_answer_sync(&sc, KCI_NONE, "0");
        if (stage >= 7)
            script_poll_all(&sc);
        if (stage >= 8) {
            script_advance(&peer, 3000);
            script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
            script_poll(&sc); /* waits for its commit */
        }
        leave(true, 500, stage >= 5 ? KC_ERR_TIMED_OUT : KC_OK);
        script_consumer_end(&sc);
    }
}

/* Unsubscribe, then subscribe again: a new membership. */
static void test_unsubscribe(void **state)
{
    (void)state;
    begin(false);
    script_join(&sc, 1, "0");
    leave(false, 1000, KC_OK);
    sc.seen[0] = 0;
    script_poll(&sc);
    assert_noted(&sc, "!STATE");
    script_join(&sc, 2, "1");
    assert_seen(&sc, "assigned(t-1)");
    script_consumer_end(&sc);
}

/* Leaving does not wait behind a JoinGroup that is parked at the coordinator. */
static void test_leave_while_joining(void **state)
{
    (void)state;
    begin(false);
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_MEMBER_ID_REQUIRED, -1, "");
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
    assert_in_range(leave(true, 5000, KC_OK), 0, 1000);
    script_consumer_end(&sc);
}

/* A fetch session is given back: over another connection when a fetch is parked on its own. */
static void test_session_closed(void **state)
{
    struct kci_fetch_response response;
    (void)state;
    begin(false);
    sc.park_fetch = true;
    kc_topic_partition item = { "t", 0, 0, -1, NULL, KC_OK };
    assert_int_equal(kci_consumer_assign(sc.core, &item, 1, peer.now, NULL), KC_OK);
    script_step(&peer);
    kci_codec_init(&kci_fetch_response_schema, &response);
    response.session_id = 77;
    script_answer(&peer, script_expect(&sc, KCI_API_FETCH), &response);
    struct script_request *parked = script_expect(&sc, KCI_API_FETCH);
    kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 5000000);
    script_step(&peer);
    struct script_request *last = script_expect(&sc, KCI_API_FETCH);
    const struct kci_fetch_request *request = last->message;
    assert_int_equal(request->session_id, 77);
    assert_int_equal(request->session_epoch, -1);
    assert_int_equal(request->topics_count, 0);
    assert_ptr_not_equal(last->conn, parked->conn);
    kc_err code;
    assert_false(kci_consumer_left(sc.core, &code));
    response.session_id = 0;
    script_answer(&peer, last, &response);
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_OK);
    script_consumer_end(&sc);
}

/* The broker does not answer: closing does not wait for long, and it is no failure. */
static void test_session_not_closed(void **state)
{
    struct kci_fetch_response response;
    kc_err code;
    (void)state;
    begin(false);
    sc.park_fetch = true;
    script_assign(&sc, 0, 0);
    kci_codec_init(&kci_fetch_response_schema, &response);
    response.session_id = 77;
    script_answer(&peer, script_expect(&sc, KCI_API_FETCH), &response);
    kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 5000000);
    script_advance(&peer, 499);
    assert_false(kci_consumer_left(sc.core, &code));
    script_advance(&peer, 1);
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_OK);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_after_one_poll),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_as_the_application_wants),
        cmocka_unit_test(test_static_member),
        cmocka_unit_test(test_static_member_owes_a_rebalance),
        cmocka_unit_test(test_commit_behind_automatic),
        cmocka_unit_test(test_commit_after_unanswered),
        cmocka_unit_test(test_in_every_state),
        cmocka_unit_test(test_unsubscribe),
        cmocka_unit_test(test_leave_while_joining),
        cmocka_unit_test(test_session_closed),
        cmocka_unit_test(test_session_not_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
