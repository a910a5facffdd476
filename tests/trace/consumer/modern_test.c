/* Membership by the KIP-848 protocol: what is said to the coordinator, and what the application is told, in which
 * order. */
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

static void prepare(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_protocol_consumer = 1;
}

static void begin(void)
{
    prepare();
    script_consumer_create(&sc);
}

static void expect_state(const char *state)
{
    assert_string_equal(kci_consumer_group_state(sc.core), state);
}

/* The partitions that a heartbeat says are owned: "01", "" for none, "-" when it does not say. */
static const char *owned(const struct kci_consumer_group_heartbeat_request *r)
{
    static char text[SC_PARTITIONS + 1];
    size_t n = 0;
    if (r->topic_partitions_count < 0)
        return "-";
    for (int32_t t = 0; t < r->topic_partitions_count; t++)
        for (int32_t p = 0; p < r->topic_partitions[t].partitions_count; p++)
            text[n++] = (char)('0' + r->topic_partitions[t].partitions[p]);
    text[n] = 0;
    return text;
}

/* A member with these partitions, all of it acknowledged; notes are cleared. */
static void join(const char *partitions)
{
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, partitions);
    script_poll_all(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    expect_state("STABLE");
    script_poll_all(&sc);
    sc.seen[0] = 0;
}

/* From nothing to records: the join says everything, on_assigned comes before records, then what is owned is said. */
static void test_first_join(void **state)
{
    char id[64];
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    sc.committed[0] = 1;
    script_subscribe(&sc);
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT)); /* not before the first poll */
    script_poll(&sc);
    expect_state("JOINING");
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 0);
    assert_int_equal(r->member_id.size, 22); /* made here */
    snprintf(id, sizeof id, "%.*s", (int)r->member_id.size, r->member_id.data);
    assert_int_equal(r->rebalance_timeout_ms, 300000);
    assert_int_equal(r->subscribed_topic_names_count, 1);
    assert_true(kci_str_equal(r->subscribed_topic_names[0], kci_str_of("t")));
    assert_null(r->subscribed_topic_regex.data);
    assert_null(r->server_assignor.data);
    assert_null(r->instance_id.data);
    assert_string_equal(owned(r), "");
    script_answer_modern(&sc, KCI_NONE, 1, "0");
    assert_noted(&sc, "");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0)");
    r = script_modern_beat(&sc); /* at once: only what changed */
    assert_int_equal(r->member_epoch, 1);
    assert_true(kci_str_equal(r->member_id, kci_str_of(id)));
    assert_string_equal(owned(r), "0");
    assert_int_equal(r->subscribed_topic_names_count, -1);
    assert_int_equal(r->rebalance_timeout_ms, -1);
    expect_state("STABLE");
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_seen(&sc, "t-0:1 t-0:2");
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
    script_advance(&peer, 5000); /* the interval that the coordinator named */
    r = script_modern_beat(&sc);
    assert_string_equal(owned(r), "-");
    assert_int_equal(r->member_epoch, 1);
    script_consumer_end(&sc);
}

/* Who asks for committed offsets says which member it is, and at which epoch; refused, it looks where it stands and
 * asks again. */
static void test_offsets_are_asked_for_as_a_member(void **state)
{
    const int16_t errors[] = { KCI_STALE_MEMBER_EPOCH, KCI_UNKNOWN_MEMBER_ID };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin();
        script_append(&sc, 0, 3);
        sc.committed[0] = 1;
        sc.manual2 = KCI_API_OFFSET_FETCH;
        script_subscribe(&sc);
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, "0");
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
        struct script_request *asked = script_pending(&peer, NULL, KCI_API_OFFSET_FETCH);
        const struct kci_offset_fetch_request *r = asked->message;
        assert_int_equal(r->groups[0].member_id.size, 22);
        assert_int_equal(r->groups[0].member_epoch, 1);
        struct kci_offset_fetch_response__offset_fetch_response_group group = { .group_id = r->groups[0].group_id,
                                                                                .error_code = errors[i] };
        struct kci_offset_fetch_response refused = { .groups = &group, .groups_count = 1 };
        script_answer(&peer, asked, &refused);
        assert_int_equal(script_modern_beat(&sc)->member_epoch, 1); /* at once */
        script_answer_modern(&sc, KCI_NONE, 2, NULL);
        sc.manual2 = -1;
        script_advance(&peer, 1000);
        assert_seen(&sc, "assigned(t-0) t-0:1 t-0:2");
        script_consumer_end(&sc);
    }
}

/* Nothing to have is told, too: once. */
static void test_empty_assignment(void **state)
{
    (void)state;
    begin();
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, "");
    assert_seen(&sc, "assigned()");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    assert_seen(&sc, "");
    script_consumer_end(&sc);
}

/* One partition goes, one comes.  The order: commit of what polls returned, on_revoked while it is still ours but not
 * returned any more, on_assigned, what is owned is said.  What stays is read all along. */
static void test_reconcile_order(void **state)
{
    (void)state;
    prepare();
    sc.settings.enable_auto_commit = true;
    script_consumer_create(&sc);
    peer.topics[0].partitions = 3;
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 1);
    join("01");
    script_append(&sc, 0, 1);
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 2, "12");
    script_answer_commit(&sc, KCI_NONE); /* the automatic one of the interval */
    assert_int_equal(sc.committed[0], 2);
    script_append(&sc, 1, 1);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* the application may still work on records */
    assert_seen(&sc, "revoked(t-0) assigned(t-2) t-1:1");   /* all was committed already: nothing to wait for */
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_string_equal(owned(r), "12");
    assert_int_equal(r->member_epoch, 2);
    script_consumer_end(&sc);
}

/* The automatic commit before partitions go carries the epoch of now; the callback waits for its answer. */
static void test_commit_before_revoke(void **state)
{
    (void)state;
    prepare();
    sc.settings.enable_auto_commit = true;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    join("0");
    script_poll_all(&sc);
    sc.settings.auto_commit_interval_ms = 60000;
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    script_answer_commit(&sc, KCI_NONE);
    script_append(&sc, 0, 1);
    script_advance(&peer, 5000);
    assert_seen(&sc, "t-0:2");
    script_answer_modern(&sc, KCI_NONE, 7, "");
    script_append(&sc, 0, 1);
    script_poll(&sc);
    assert_noted(&sc, "");
    expect_state("PREPARING");
    const struct kci_offset_commit_request *r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 7);
    assert_int_equal(r->topics[0].partitions[0].committed_offset, 3);
    script_answer_commit(&sc, KCI_NONE);
    script_poll_all(&sc);
    assert_noted(&sc, "revoked(t-0) assigned()");
    script_consumer_end(&sc);
}

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

/* No answer, or "elsewhere": the next one goes to whoever is the coordinator then, and says everything once more. */
static void test_coordinator_moves(void **state)
{
    (void)state;
    begin();
    join("0");
    script_advance(&peer, 5000);
    sc.coordinator = 2;
    script_answer_modern(&sc, KCI_NOT_COORDINATOR, 0, NULL);
    script_advance(&peer, 200);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 1);
    assert_int_equal(r->subscribed_topic_names_count, 1);
    assert_int_equal(r->rebalance_timeout_ms, 300000);
    assert_string_equal(owned(r), "0");
    script_answer_modern(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS, 0, NULL);
    script_advance(&peer, 1500);
    script_answer_modern(&sc, KCI_NONE, 1, "0"); /* the same: nothing is told */
    assert_seen(&sc, "");
    expect_state("STABLE");
    script_consumer_end(&sc);
}

/* Unsubscribe: on_revoked, then the epoch that says farewell; -2 keeps the place of a static member. */
static void expect_leave(const char *instance, int32_t epoch)
{
    kc_err code = KC_OK;
    prepare();
    sc.settings.group_instance_id = instance;
    script_consumer_create(&sc);
    join("0");
    kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 10000000);
    script_step(&peer);
    struct kci_consumer_event event;
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_REVOKED);
    kci_consumer_event_done(sc.core, &event, peer.now);
    script_step(&peer);
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
    expect_leave(NULL, -1);
    expect_leave("me", -2);
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
    { FENCED, "UNJOINED", KC_ERR_TIMED_OUT }, /* it says farewell all the same */
    { REFUSED, "FAILED", KC_ERR_TIMED_OUT },
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

/* What only the user can repair is told by poll, and tried again with the polls that follow. */
static void test_refused(void **state)
{
    static const int16_t errors[] = { KCI_GROUP_AUTHORIZATION_FAILED, KCI_INVALID_REQUEST,
                                      KCI_GROUP_MAX_SIZE_REACHED,     KCI_UNSUPPORTED_ASSIGNOR,
                                      KCI_UNRELEASED_INSTANCE_ID,     KCI_UNSUPPORTED_VERSION };
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        prepare();
        sc.settings.group_instance_id = "me";
        script_consumer_create(&sc);
        script_subscribe(&sc);
        script_poll(&sc);
        script_answer_modern(&sc, errors[i], 0, NULL);
        assert_int_equal(script_poll(&sc), errors[i]);
        if (errors[i] == KCI_UNSUPPORTED_VERSION)
            assert_non_null(strstr(sc.last_text, "group.protocol=classic"));
        assert_int_equal(script_poll(&sc), KC_OK); /* once */
        script_advance(&peer, 1500);
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, "0");
        sc.seen[0] = 0;
        assert_seen(&sc, "assigned(t-0)");
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

/* Version 0: the coordinator makes the id, and it is kept. */
static void test_version_0(void **state)
{
    (void)state;
    begin();
    peer.version_max[KCI_API_CONSUMER_GROUP_HEARTBEAT] = 0;
    script_subscribe(&sc);
    script_poll(&sc);
    struct script_request *r = script_expect(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    assert_int_equal(((const struct kci_consumer_group_heartbeat_request *)r->message)->member_id.size, 0);
    struct kci_consumer_group_heartbeat_response response;
    kci_codec_init(&kci_consumer_group_heartbeat_response_schema, &response);
    response.member_id = kci_str_of("theirs");
    response.member_epoch = 1;
    response.heartbeat_interval_ms = 5000;
    script_answer(&peer, r, &response);
    script_advance(&peer, 5000);
    assert_true(kci_str_equal(script_modern_beat(&sc)->member_id, kci_str_of("theirs")));
    script_answer_modern(&sc, KCI_UNKNOWN_MEMBER_ID, 0, NULL);
    script_poll(&sc);
    assert_true(kci_str_equal(script_modern_beat(&sc)->member_id, kci_str_of("theirs")));
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

/* A new list of topics is told at once, without leaving what we have. */
static void test_subscription_changes(void **state)
{
    const char *topics[] = { "t", "u" };
    kc_error error;
    (void)state;
    begin();
    join("0");
    assert_int_equal(kci_consumer_subscribe(sc.core, topics, 2, peer.now, &error), KC_OK);
    script_step(&peer);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->subscribed_topic_names_count, 2);
    assert_string_equal(owned(r), "-");
    assert_int_equal(r->member_epoch, 1);
    assert_seen(&sc, "");
    script_consumer_end(&sc);
}

/* Commits carry the member epoch; one that is behind is sent again with the new one. */
static void test_stale_epoch(void **state)
{
    struct kci_operation *operation;
    kc_topic_partition item = { "t", 0, 5, -1, NULL, KC_OK };
    const struct kci_partition_list *items;
    kc_error error;
    kc_err code;
    (void)state;
    begin();
    join("0");
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now, peer.now + 9000000, &error),
                     KC_OK);
    script_step(&peer);
    const struct kci_offset_commit_request *r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 1);
    script_answer_commit(&sc, KCI_STALE_MEMBER_EPOCH);
    assert_false(kci_consumer_operation_done(sc.core, operation, &items, &code, &error));
    script_answer_modern(&sc, KCI_NONE, 2, NULL); /* a refused commit asks at once where we stand */
    script_advance(&peer, 200);
    r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(r->generation_id_or_member_epoch, 2);
    script_answer_commit(&sc, KCI_NONE);
    assert_true(kci_consumer_operation_done(sc.core, operation, &items, &code, &error));
    assert_int_equal(code, KC_OK);
    assert_int_equal(sc.committed[0], 5);
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* A commit that still waits when its partition is revoked is refused: behind the next owner's it would take back what
 * that one committed. */
static void test_commit_over_revocation(void **state)
{
    struct kci_operation *gone, *stays;
    kc_topic_partition items[] = { { "t", 0, 5, -1, NULL, KC_OK }, { "t", 1, 6, -1, NULL, KC_OK } };
    kc_error error;
    kc_err code;
    (void)state;
    begin();
    join("01");
    script_advance(&peer, 5000);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &gone, items, 1, peer.now, peer.now + 99000000, &error), KC_OK);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &stays, items + 1, 1, peer.now, peer.now + 99000000, &error),
                     KC_OK);
    script_step(&peer);
    script_answer_modern(&sc, KCI_NONE, 2, "1");
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS); /* of the first; the second waits behind it */
    script_poll_all(&sc);
    assert_noted(&sc, "revoked(t-0) assigned()");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    script_advance(&peer, 1500);
    assert_true(kci_consumer_operation_done(sc.core, gone, NULL, &code, &error));
    assert_int_equal(code, KC_ERR_REBALANCE_IN_PROGRESS);
    script_answer_commit(&sc, KCI_NONE);
    assert_true(kci_consumer_operation_done(sc.core, stays, NULL, &code, &error));
    assert_int_equal(code, KC_OK);
    kci_consumer_operation_end(sc.core, gone);
    kci_consumer_operation_end(sc.core, stays);
    script_consumer_end(&sc);
}

/* A pattern that the coordinator matches: the assignment names a topic that only its id is known of. */
static void test_remote_pattern(void **state)
{
    kc_error error;
    (void)state;
    begin();
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "t.*", true, peer.now, &error), KC_OK);
    script_step(&peer);
    script_poll(&sc);
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_true(kci_str_equal(r->subscribed_topic_regex, kci_str_of("t.*")));
    assert_int_equal(r->subscribed_topic_names_count, 0);
    script_append(&sc, 1, 1);
    script_answer_modern(&sc, KCI_NONE, 1, "1");
    assert_seen(&sc, "assigned(t-1)"); /* metadata was asked by id meanwhile */
    script_answer_modern(&sc, KCI_NONE, 1, NULL);
    assert_seen(&sc, "t-1:0");
    script_subscribe(&sc); /* back to a list: the pattern is taken back */
    r = script_modern_beat(&sc);
    assert_true(kci_str_equal(r->subscribed_topic_regex, kci_str_of("")));
    assert_int_equal(r->subscribed_topic_names_count, 1);
    script_answer_modern(&sc, KCI_INVALID_REGULAR_EXPRESSION, 0, NULL);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-1) !INVALID_REGULAR_EXPRESSION");
    script_consumer_end(&sc);
}

/* The same on a broker that cannot: said at once. */
static void test_remote_pattern_old_broker(void **state)
{
    kc_error error;
    (void)state;
    begin();
    peer.version_max[KCI_API_CONSUMER_GROUP_HEARTBEAT] = 0;
    assert_int_equal(kci_consumer_subscribe_pattern(sc.core, "t.*", true, peer.now, &error), KC_OK);
    script_step(&peer);
    assert_int_equal(script_poll(&sc), KC_ERR_UNSUPPORTED_VERSION);
    assert_non_null(strstr(sc.last_text, "patterns matched by the broker"));
    script_consumer_end(&sc);
}

/* A topic is deleted and made anew under its name: the old one is revoked, the new one assigned. */
static void test_topic_made_anew(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 1);
    join("0");
    peer.topics[0].id.b[0] ^= 0x55;
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NONE, 2, "0");
    script_poll_all(&sc);
    /* What goes does not wait until the name of the other is known. */
    assert_noted(&sc, "revoked(t-0) assigned() assigned(t-0)");
    script_answer_modern(&sc, KCI_NONE, 2, NULL);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_join),
        cmocka_unit_test(test_offsets_are_asked_for_as_a_member),
        cmocka_unit_test(test_empty_assignment),
        cmocka_unit_test(test_reconcile_order),
        cmocka_unit_test(test_commit_before_revoke),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_fenced_in_callback),
        cmocka_unit_test(test_coordinator_moves),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_leave_while_joining),
        cmocka_unit_test(test_close_in_every_state),
        cmocka_unit_test(test_poll_interval),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_old_broker),
        cmocka_unit_test(test_version_0),
        cmocka_unit_test(test_instance_fenced),
        cmocka_unit_test(test_subscription_changes),
        cmocka_unit_test(test_stale_epoch),
        cmocka_unit_test(test_commit_over_revocation),
        cmocka_unit_test(test_remote_pattern),
        cmocka_unit_test(test_remote_pattern_old_broker),
        cmocka_unit_test(test_topic_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
