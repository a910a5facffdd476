/* What each error of ConsumerGroupHeartbeat does to a KIP-848 member, in each state in which its answer may come: what
 * polls return, which callbacks run, and what the next heartbeat says. */
#include "support/modern_story.h"

/* When the error comes. */
enum when {
    JOINING,       /* in answer to the join */
    STABLE,        /* nothing else is going on */
    PREPARING,     /* the automatic commit before a revocation is under way */
    YIELDING,      /* on_revoked runs */
    ASSIGNING,     /* on_assigned runs */
    ACKNOWLEDGING, /* in answer to what is owned now */
    WHENS
};

static const char *const when_names[] = { "joining", "stable", "preparing", "yielding", "assigning", "acknowledging" };

enum effect {
    SEEK,   /* look for the coordinator, tell it everything: still a member */
    WAIT,   /* the same one is asked again after a pause: still a member */
    REJOIN, /* what is owned is lost; a join with the same id */
    REFUSE, /* the same, and a poll tells the error: the next one tries again */
    TELL,   /* a poll tells the error, and nothing else changes: still a member */
    END     /* what is owned is lost, each poll tells the error, and there is no join any more (PROTOCOL 3.6: fatal) */
};

static const struct row {
    int16_t error;
    enum effect effect;
} rows[] = {
    { KCI_COORDINATOR_NOT_AVAILABLE, SEEK },
    { KCI_NOT_COORDINATOR, SEEK },
    { KCI_COORDINATOR_LOAD_IN_PROGRESS, WAIT },
    { KCI_UNKNOWN_MEMBER_ID, REJOIN },
    { KCI_FENCED_MEMBER_EPOCH, REJOIN },
    { KCI_TOPIC_AUTHORIZATION_FAILED, TELL },
    { KCI_UNKNOWN_SERVER_ERROR, REFUSE },
    { KCI_UNRELEASED_INSTANCE_ID, END },
    { KCI_UNSUPPORTED_ASSIGNOR, END },
    { KCI_INVALID_REGULAR_EXPRESSION, REFUSE },
    { KCI_GROUP_MAX_SIZE_REACHED, END },
    { KCI_INVALID_REQUEST, END },
    { KCI_UNSUPPORTED_VERSION, END },
    { KCI_GROUP_AUTHORIZATION_FAILED, END },
    { KCI_FENCED_INSTANCE_ID, END },
};
#define ROWS (sizeof rows / sizeof rows[0])

/* What the callbacks are, and the member epoch if the membership stays. */
static const struct {
    const char *stays, *ends;
    int32_t epoch;
} stories[WHENS] = {
    [JOINING] = { "", "", 0 },
    [STABLE] = { "", "lost(t-1,t-0)", 1 },
    [PREPARING] = { "", "lost(t-1,t-0)", 2 },
    [YIELDING] = { "revoked(t-0) assigned()", "revoked(t-0) lost(t-1)", 2 },
    [ASSIGNING] = { "assigned(t-0,t-1)", "assigned(t-0,t-1) lost(t-0,t-1)", 1 },
    [ACKNOWLEDGING] = { "assigned(t-0,t-1)", "assigned(t-0,t-1) lost(t-0,t-1)", 1 },
};

static int16_t error_in_event;
static char id[64]; /* of the member, as the heartbeat says that the error answers */

static void answer_with(int16_t error)
{
    struct kci_str said = script_modern_beat(&sc)->member_id;
    snprintf(id, sizeof id, "%.*s", (int)said.size, said.data);
    script_answer_modern(&sc, error, 0, NULL);
}

static void fail_in_event(struct script_consumer *story, const struct kci_consumer_event *event)
{
    if (!error_in_event || event->kind == KCI_EVENT_COMMITTED)
        return;
    int16_t error = error_in_event;
    error_in_event = KCI_NONE;
    script_advance(story->peer, 5000);
    answer_with(error);
}

/* The commit is put off again and again: on one connection, a heartbeat behind it would be answered behind it. */
static void beat_while_committing(void)
{
    for (int i = 0; i < 1000 && !script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT); i++) {
        if (script_waits(&sc, KCI_API_OFFSET_COMMIT))
            script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
        script_advance(&peer, 10);
    }
    expect_state("PREPARING");
}

/* Up to the heartbeat that gets this error, and its answer. */
static void get_there(enum when when, int16_t error)
{
    prepare();
    sc.settings.group_instance_id = "me";
    sc.settings.enable_auto_commit = when == PREPARING;
    sc.settings.auto_commit_interval_ms = 3600000; /* none but the one before a revocation */
    sc.in_event = fail_in_event;
    script_consumer_create(&sc);
    if (when == STABLE || when == PREPARING || when == YIELDING) {
        script_append(&sc, 0, 1);
        join("01");
        script_advance(&peer, 5000);
    } else {
        script_subscribe(&sc);
        script_poll(&sc);
    }
    if (when == PREPARING || when == YIELDING)
        script_answer_modern(&sc, KCI_NONE, 2, "1");
    if (when == ASSIGNING || when == ACKNOWLEDGING)
        script_answer_modern(&sc, KCI_NONE, 1, "01");
    if (when == YIELDING || when == ASSIGNING)
        error_in_event = error;
    if (when > STABLE)
        script_poll(&sc);
    if (when == PREPARING) {
        beat_while_committing();
    }
    if (when != YIELDING && when != ASSIGNING)
        answer_with(error);
}

static size_t sought(void)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == KCI_API_FIND_COORDINATOR;
    return count;
}

static bool is_member_still(const struct row *row)
{
    return row->effect == SEEK || row->effect == WAIT || row->effect == TELL;
}

/* The next heartbeat: as the member that we were, a join under the same id, or none. */
static void expect_next(const struct row *row, enum when when)
{
    struct script_request *next = script_pending(&peer, NULL, KCI_API_CONSUMER_GROUP_HEARTBEAT);
    if (row->effect == END) {
        assert_null(next);
        expect_state("FAILED");
        return;
    }
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    bool stays = is_member_still(row);
    assert_int_equal(r->member_epoch, stays ? stories[when].epoch : 0);
    assert_true(kci_str_equal(r->member_id, kci_str_of(id)));
    assert_int_equal(r->subscribed_topic_names_count, 1); /* nobody knows what the coordinator has heard */
    assert_int_equal(r->rebalance_timeout_ms, 300000);
    if (!stays || when == JOINING)
        assert_string_equal(owned(r), "");
    assert_int_equal(sought(), row->effect == SEEK ? 2 : 1);
}

static void expect_effect(const struct row *row, enum when when)
{
    bool stays = is_member_still(row);
    const char *story = stays ? stories[when].stays : stories[when].ends;
    const char *name = kci_error_name(row->error);
    char noted[200];
    int polls = when == YIELDING || when == ASSIGNING ? 3 : 2; /* the one that ran the callback, too */
    int told = row->effect == REFUSE || row->effect == TELL ? 1 : row->effect == END ? polls : 0;
    snprintf(noted, sizeof noted, "%s", story);
    for (int i = 0; i < told; i++)
        snprintf(noted + strlen(noted), sizeof noted - strlen(noted), "%s!%s", noted[0] ? " " : "", name);
    get_there(when, row->error);
    script_poll(&sc);
    script_advance(&peer, 2500); /* the pause is over */
    script_poll(&sc);
    if (strcmp(sc.seen, noted) != 0)
        fail_msg("%s, %s: \"%s\", expected \"%s\"", name, when_names[when], sc.seen, noted);
    sc.seen[0] = 0;
    expect_next(row, when);
    script_consumer_end(&sc);
}

/* Every error in every state of a member. */
static void test_every_error_in_every_state(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + ROWS; row++)
        for (enum when when = JOINING; when < WHENS; when++)
            expect_effect(row, when);
}

/* The answer to a farewell: whatever it says, the member is gone, nothing is lost any more, and nobody joins. */
static void test_every_error_of_a_farewell(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        struct kci_consumer_event event;
        kc_err code = KC_ERR_TIMED_OUT;
        begin();
        join("01");
        kci_consumer_begin_leave(sc.core, false, peer.now, peer.now + 10000000);
        script_step(&peer);
        kci_consumer_next_event(sc.core, &event, peer.now);
        sc_run_event_(&sc, &event);
        assert_noted(&sc, "revoked(t-0,t-1)");
        assert_int_equal(script_modern_beat(&sc)->member_epoch, -1);
        script_answer_modern(&sc, row->error, 0, NULL);
        script_advance(&peer, 2500);
        if (!kci_consumer_left(sc.core, &code))
            fail_msg("%s: has not left", kci_error_name(row->error));
        assert_int_equal(code, KC_OK);
        expect_state("IDLE");
        kci_consumer_next_event(sc.core, &event, peer.now);
        assert_int_equal(event.kind, KCI_EVENT_NONE);
        assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT));
        script_consumer_end(&sc);
    }
}

/* A static member whose application does not poll keeps its place: -2 under the same ids.  The poll that comes at last
 * tells of the loss and joins, and what the place holds is there again. */
static void test_static_member_polls_too_late(void **state)
{
    (void)state;
    prepare();
    sc.settings.group_instance_id = "me";
    sc.settings.max_poll_interval_ms = 20000;
    script_consumer_create(&sc);
    join("01");
    for (int i = 0; i < 4; i++) {
        script_advance(&peer, 5000);
        if (script_modern_beat(&sc)->member_epoch == 1)
            script_answer_modern(&sc, KCI_NONE, 1, NULL);
    }
    const struct kci_consumer_group_heartbeat_request *r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, -2);
    assert_true(kci_str_equal(r->instance_id, kci_str_of("me")));
    answer_with(KCI_NONE);
    script_advance(&peer, 60000);
    assert_false(script_waits(&sc, KCI_API_CONSUMER_GROUP_HEARTBEAT)); /* silence, until a poll comes */
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0,t-1)");
    r = script_modern_beat(&sc);
    assert_int_equal(r->member_epoch, 0);
    assert_true(kci_str_equal(r->member_id, kci_str_of(id)));
    assert_true(kci_str_equal(r->instance_id, kci_str_of("me")));
    script_answer_modern(&sc, KCI_NONE, 3, "01");
    assert_seen(&sc, "assigned(t-0,t-1)");
    script_consumer_end(&sc);
}

/* A commit that is refused because of who sends it: the heartbeat finds out at once where the member stands.  One that
 * is only behind is sent again with the new epoch, one of a member that is unknown fails. */
static void test_commit_as_a_stranger(void **state)
{
    static const struct {
        int16_t error, beat; /* the answers to the commit, and to the heartbeat that follows */
        kc_err code;         /* of the commit; OK: it was sent again */
        const char *noted;
        int32_t epoch; /* of the next heartbeat */
    } cases[] = {
        { KCI_STALE_MEMBER_EPOCH, KCI_NONE, KC_OK, "", 2 },
        { KCI_STALE_MEMBER_EPOCH, KCI_FENCED_MEMBER_EPOCH, KC_ERR_UNKNOWN_MEMBER_ID, "lost(t-0,t-1)", 0 },
        { KCI_UNKNOWN_MEMBER_ID, KCI_NONE, KC_ERR_UNKNOWN_MEMBER_ID, "", 2 },
        { KCI_UNKNOWN_MEMBER_ID, KCI_UNKNOWN_MEMBER_ID, KC_ERR_UNKNOWN_MEMBER_ID, "lost(t-0,t-1)", 0 },
    };
    const kc_topic_partition item = { "t", 0, 5, -1, NULL, KC_OK };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kci_operation *operation;
        kc_err code = KC_OK;
        kc_error error;
        begin();
        join("01");
        assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + 9000000, &error), KC_OK);
        script_step(&peer);
        script_answer_commit(&sc, cases[i].error);
        assert_int_equal(script_modern_beat(&sc)->member_epoch, 1); /* at once */
        script_answer_modern(&sc, cases[i].beat, 2, NULL);
        script_advance(&peer, 200);
        if (cases[i].code == KC_OK) /* sent again */
            script_answer_commit(&sc, KCI_NONE);
        script_poll(&sc);
        script_advance(&peer, 5000);
        assert_noted(&sc, cases[i].noted);
        assert_int_equal(script_modern_beat(&sc)->member_epoch, cases[i].epoch);
        assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
        if (code != cases[i].code)
            fail_msg("row %zu: the commit returns %s", i, kc_err_name(code));
        kci_consumer_operation_end(sc.core, operation);
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_in_every_state),
        cmocka_unit_test(test_every_error_of_a_farewell),
        cmocka_unit_test(test_static_member_polls_too_late),
        cmocka_unit_test(test_commit_as_a_stranger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
