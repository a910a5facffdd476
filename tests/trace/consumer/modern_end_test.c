/* How a membership by the KIP-848 protocol ends, or does not come about: fenced, left, closed in every state, refused. */
#include "support/modern_story.h"

static void expect_lost(int16_t error)
{
    begin();
    script_append(&sc, 0, 1);
    join("0");
    script_advance(&peer, 5000);
    char id[64];
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    snprintf(id, sizeof id, "%.*s", (int)r->member_id.size, r->member_id.data);
    script_answer_modern(&sc, error, 0, NULL);
    expect_state("UNJOINED");
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT)); /* the callback comes first */
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0)");
    r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 0);
    assert_true(kci_str_equal(r->member_id, kci_str_of(id))); /* the same one */
    assert_string_equal(owned(r), "");
    assert_int_equal(r->subscribed_topic_names_count, 1);
    script_answer_modern(&sc, KCI_NONE, 4, "0");
    assert_seen(&sc, "assigned(t-0)");
    script_answer_modern(&sc, KCI_NONE, 4, NULL);
    script_advance(&peer, 600); /* the fetch that was parked is over */
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

/* Fenced, or forgotten: on_lost, then a join with the same id. */
static void test_fenced(void **state)
{
    (void)state;
    expect_lost(KCI_FENCED_MEMBER_EPOCH);
    expect_lost(KCI_UNKNOWN_MEMBER_ID);
    expect_lost(KCI_GROUP_ID_NOT_FOUND); /* the group itself is gone; a join makes it anew */
}

static int16_t error_in_event;
static int events_with_error;

static void fence_in_event(struct script_consumer *story, const struct kci_consumer_event *event)
{
    if (event->kind == KCI_EVENT_COMMITTED || !error_in_event)
        return;
    events_with_error++;
    script_advance(story->peer, 5000);
    script_answer_modern(story, error_in_event, 0, NULL);
    error_in_event = KCI_NONE;
}

/* A callback takes long: heartbeats go on meanwhile.  It ends as no member: what is left is lost, not revoked. */
static void test_fenced_in_callback(void **state)
{
    (void)state;
    begin();
    join("01");
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 2, "1");
    sc.in_event = fence_in_event;
    error_in_event = KCI_FENCED_MEMBER_EPOCH;
    script_poll(&sc);
    assert_int_equal(events_with_error, 1);
    assert_noted(&sc, "revoked(t-0) lost(t-1)");
    assert_int_equal(script_modern_beat(&sc)->member_epoch, 0);
    error_in_event = KCI_UNKNOWN_MEMBER_ID; /* now while on_assigned runs */
    script_answer_modern(&sc, KCI_NONE, 3, "1");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-1) lost(t-1)");
    assert_int_equal(script_modern_beat(&sc)->member_epoch, 0);
    script_consumer_end(&sc);
}

/* Unsubscribe or close: on_revoked, then the epoch that says farewell; -2 keeps the place of a static member. epoch 0:
 * nothing is said. */
static void expect_leave(const char *instance, kc_close_how how, int32_t epoch)
{
    kc_err code = KC_OK;
    prepare();
    sc.settings.group_instance_id = instance;
    script_consumer_create(&sc);
    join("0");
    kci_consumer_leave_as(sc.core, how);
    kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 10000000);
    script_step(&peer);
    struct kci_consumer_event event;
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_REVOKED);
    kci_consumer_event_done(sc.core, &event, peer.now);
    script_step(&peer);
    if (!epoch) {
        assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
        assert_true(kci_consumer_left(sc.core, &code));
        assert_int_equal(code, KC_OK);
        script_consumer_end(&sc);
        return;
    }
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, epoch);
    assert_true(instance ? kci_str_equal(r->instance_id, kci_str_of(instance)) : !r->instance_id.data);
    assert_false(kci_consumer_left(sc.core, &code));
    script_answer_modern(&sc, KCI_NONE, epoch, NULL);
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_OK);
    expect_state("IDLE");
    script_consumer_end(&sc);
}

static void test_leave(void **state)
{
    (void)state;
    expect_leave(NULL, KC_CLOSE_DEFAULT, -1);
    expect_leave("me", KC_CLOSE_DEFAULT, -2);
    expect_leave(NULL, KC_CLOSE_LEAVE, -1); /* KIP-1092 */
    expect_leave("me", KC_CLOSE_LEAVE, -1);
    expect_leave(NULL, KC_CLOSE_REMAIN, 0);
    expect_leave("me", KC_CLOSE_REMAIN, -2);
}

/* Close of a member that was fenced: there is nobody to take leave of, so it does not wait for an answer. */
static void test_close_after_fenced(void **state)
{
    struct kci_consumer_event event;
    kc_err code;
    (void)state;
    begin();
    join("0");
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_UNKNOWN_MEMBER_ID, 0, NULL);
    kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 10000000);
    script_step(&peer);
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_LOST);
    kci_consumer_event_done(sc.core, &event, peer.now);
    script_step(&peer);
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_NONE);
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_OK);
    script_consumer_end(&sc);
}

/* Close while the join is on its way: the coordinator may know us, so it is told. */
static void test_leave_while_joining(void **state)
{
    kc_err code;
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    assert_int_equal(script_modern_beat(&sc)->member_epoch, 0);
    script_expect(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 10000000);
    script_step(&peer);
    assert_int_equal(script_modern_beat(&sc)->member_epoch, -1);
    assert_false(kci_consumer_left(sc.core, &code));
    script_advance(&peer, 11000); /* nobody answers: it ends by its time-out all the same */
    assert_true(kci_consumer_left(sc.core, &code));
    assert_int_equal(code, KC_ERR_TIMED_OUT);
    script_consumer_end(&sc);
}

/* ---- close in every state ---- */

enum reached {
    SUBSCRIBED_NOT,
    POLLED_NOT,
    LOOKING,
    ASKED,
    ANSWERED,
    TOLD,
    QUIET,
    GIVING,
    GIVING_AFTER_COMMIT,
    FENCED,
    REFUSED
};

static const struct {
    enum reached how_far;
    const char *state;
    kc_err code; /* of close, when nobody answers any more */
} closings[] = {
    { SUBSCRIBED_NOT, "IDLE", KC_OK },
    { POLLED_NOT, "UNJOINED", KC_OK },
    { LOOKING, "JOINING", KC_OK }, /* the coordinator does not know us yet */
    { ASKED, "JOINING", KC_ERR_TIMED_OUT },
    { ANSWERED, "STABLE", KC_ERR_TIMED_OUT }, /* the application is to be told what it gets */
    { TOLD, "STABLE", KC_ERR_TIMED_OUT },     /* what is owned is on its way to the coordinator */
    { QUIET, "STABLE", KC_ERR_TIMED_OUT },
    { GIVING, "STABLE", KC_ERR_TIMED_OUT }, /* ... what it loses */
    { GIVING_AFTER_COMMIT, "STABLE", KC_ERR_TIMED_OUT },
    { FENCED, "UNJOINED", KC_OK }, /* the coordinator knows of no member to take leave of */
    { REFUSED, "FAILED", KC_OK },  /* the place is another one's */
};

static void get_there(enum reached how_far)
{
    prepare();
    sc.settings.enable_auto_commit = how_far == GIVING_AFTER_COMMIT;
    sc.settings.group_instance_id = how_far == REFUSED ? "me" : NULL;
    sc.manual = how_far == LOOKING ? KCI_API_FIND_COORDINATOR : sc.manual;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    if (how_far >= POLLED_NOT)
        script_subscribe(&sc);
    if (how_far >= LOOKING)
        script_poll(&sc);
    if (how_far >= ANSWERED)
        script_answer_modern(&sc, KCI_NONE, 1, "0");
    if (how_far >= TOLD)
        script_poll(&sc);
    if (how_far >= QUIET) {
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
        script_poll_all(&sc);
        script_advance(&peer, 5000);
    }
    if (how_far == GIVING || how_far == GIVING_AFTER_COMMIT)
        script_answer_modern(&sc, KCI_NONE, 2, "1");
    if (how_far == FENCED)
        script_answer_modern(&sc, KCI_FENCED_MEMBER_EPOCH, 0, NULL);
    if (how_far == REFUSED)
        script_answer_modern(&sc, KCI_FENCED_INSTANCE_ID, 0, NULL);
}

/* Nobody answers anything: close keeps its time in each state, and waits only where the coordinator has heard of us. */
static void test_close_in_every_state(void **state)
{
    struct kci_consumer_event event;
    kc_err code;
    (void)state;
    for (size_t i = 0; i < sizeof closings / sizeof closings[0]; i++) {
        get_there(closings[i].how_far);
        expect_state(closings[i].state);
        int64_t began = peer.now;
        kci_consumer_begin_leave(sc.core, true, peer.now, peer.now + 500000);
        script_step(&peer);
        while (!kci_consumer_left(sc.core, &code)) {
            kci_consumer_next_event(sc.core, &event, peer.now);
            if (event.kind != KCI_EVENT_NONE)
                sc_run_event_(&sc, &event);
            else
                script_advance(&peer, 10);
            assert_in_range(peer.now - began, 0, 520000);
        }
        if (code != closings[i].code)
            fail_msg("row %zu, %s: close returns %s", i, closings[i].state, kc_err_name(code));
        script_consumer_end(&sc);
    }
}

/* No poll for max.poll.interval.ms: leave at once; the next poll tells of the loss and joins. */
static void test_poll_interval(void **state)
{
    (void)state;
    prepare();
    sc.settings.max_poll_interval_ms = 20000;
    script_consumer_create(&sc);
    join("0");
    for (int i = 0; i < 4; i++) {
        script_advance(&peer, 5000);
        if (script_modern_beat(&sc)->member_epoch == 1)
            script_answer_modern(&sc, KCI_NONE, 1, NULL);
    }
    assert_int_equal(script_modern_beat(&sc)->member_epoch, -1);
    expect_state("UNJOINED");
    script_answer_modern(&sc, KCI_NONE, -1, NULL);
    script_advance(&peer, 60000); /* silence, until a poll comes */
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0)");
    assert_int_equal(script_modern_beat(&sc)->member_epoch, 0);
    script_consumer_end(&sc);
}

/* What PROTOCOL 3.6 calls fatal is told by every poll, as fatal, with what to do, and nothing more is sent; the way out
 * for who does not want to close the consumer is to unsubscribe. */
static void test_fatal(void **state)
{
    static const struct {
        int16_t error;
        const char *advice;
    } errors[] = {
        { KCI_GROUP_AUTHORIZATION_FAILED, "READ on the group" },
        { KCI_INVALID_REQUEST, "" },
        { KCI_GROUP_MAX_SIZE_REACHED, "group.consumer.max.size" },
        { KCI_UNSUPPORTED_ASSIGNOR, "group.consumer.assignors" },
        { KCI_UNRELEASED_INSTANCE_ID, "its session has timed out" },
        { KCI_UNSUPPORTED_VERSION, "group.protocol=classic" },
    };
    const char *t = "t";
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        kc_error error;
        kc_err code = KC_ERR_TIMED_OUT;
        prepare();
        sc.settings.group_instance_id = "me";
        script_consumer_create(&sc);
        script_subscribe(&sc);
        script_poll(&sc);
        script_answer_modern(&sc, errors[i].error, 0, NULL);
        for (int polls = 0; polls < 3; polls++) {
            assert_int_equal(script_poll(&sc), errors[i].error);
            assert_true(sc.last_traits & KC_FATAL);
            assert_non_null(strstr(sc.last_text, errors[i].advice));
            script_advance(&peer, 1500);
        }
        assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
        assert_int_equal(kci_consumer_subscribe(sc.core, &t, 1, peer.now, &error), errors[i].error);
        assert_true(error.traits & KC_FATAL);
        kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 1000000);
        script_advance(&peer, 1000);
        assert_true(kci_consumer_left(sc.core, &code));
        script_subscribe(&sc);
        script_poll(&sc);
        assert_true(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
        script_consumer_end(&sc);
    }
}

/* A broker that does not know the request at all. */
static void test_old_broker(void **state)
{
    (void)state;
    begin();
    peer.version_max[KCI_API_CONSUMER_GROUP_HEARTBEAT] = -1;
    script_subscribe(&sc);
    assert_int_equal(script_poll(&sc), KC_ERR_UNSUPPORTED_VERSION);
    assert_non_null(strstr(sc.last_text, "group.protocol=classic"));
    script_consumer_end(&sc);
}

/* Another consumer has our group.instance.id: the end, and poll says so. */
static void test_instance_fenced(void **state)
{
    (void)state;
    prepare();
    sc.settings.group_instance_id = "me";
    script_consumer_create(&sc);
    join("0");
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_FENCED_INSTANCE_ID, 0, NULL);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0) !FENCED_INSTANCE_ID");
    expect_state("FAILED");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_fenced_in_callback),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_leave_while_joining),
        cmocka_unit_test(test_close_after_fenced),
        cmocka_unit_test(test_close_in_every_state),
        cmocka_unit_test(test_poll_interval),
        cmocka_unit_test(test_fatal),
        cmocka_unit_test(test_old_broker),
        cmocka_unit_test(test_instance_fenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
