/* What each error of OffsetCommit does: what the application is told, whether the commit is sent again, what becomes of
 * the membership. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

struct row {
    int16_t error;                 /* the coordinator's answer for the partition */
    uint32_t traits;               /* of the code, which is the same number */
    bool again;                    /* a synchronous commit goes out once more */
    bool sought;                   /* the coordinator is looked for again */
    const char *noted;             /* by the next polls, what is about the group */
    const char *rejoins_as;        /* the member id of the JoinGroup that follows; NULL: there is none */
    const char *group_instance_id; /* of the member */
};

static const struct row rows[] = {
    { KCI_COORDINATOR_LOAD_IN_PROGRESS, KC_RETRIABLE, true, false, "", NULL, NULL },
    { KCI_UNKNOWN_TOPIC_OR_PARTITION, KC_RETRIABLE, true, false, "", NULL, NULL },
    { KCI_NOT_COORDINATOR, KC_RETRIABLE, true, true, "", NULL, NULL },
    { KCI_COORDINATOR_NOT_AVAILABLE, KC_RETRIABLE, true, true, "", NULL, NULL },
    { KCI_REQUEST_TIMED_OUT, KC_RETRIABLE | KC_MAYBE_APPLIED, true, true, "", NULL, NULL },
    { KCI_OFFSET_METADATA_TOO_LARGE, 0, false, false, "", NULL, NULL },
    { KCI_INVALID_COMMIT_OFFSET_SIZE, 0, false, false, "", NULL, NULL },
    { KCI_GROUP_AUTHORIZATION_FAILED, 0, false, false, "", NULL, NULL },
    { KCI_TOPIC_AUTHORIZATION_FAILED, 0, false, false, "", NULL, NULL },
    { KCI_REBALANCE_IN_PROGRESS, 0, false, false, "revoked(t-0)", "me", NULL },
    { KCI_ILLEGAL_GENERATION, 0, false, false, "lost(t-0)", "me", NULL },
    { KCI_UNKNOWN_MEMBER_ID, 0, false, false, "lost(t-0)", "", NULL },
    { KCI_FENCED_INSTANCE_ID, KC_FATAL, false, false, "lost(t-0) !FENCED_INSTANCE_ID", NULL, "i" },
};
#define ROWS (sizeof rows / sizeof rows[0])

static size_t sent(int16_t api)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == api;
    return count;
}

/* A member that has read three records. */
static void begin(const struct row *row)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = row->group_instance_id;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    assert_noted(&sc, "assigned(t-0) t-0:0 t-0:1 t-0:2");
    assert_int_equal(sent(KCI_API_FIND_COORDINATOR), 1);
}

/* Polls bring `noted`, and the member joins again or does not. */
static void expect_membership(const struct row *row, const char *noted)
{
    script_poll(&sc);
    assert_noted(&sc, noted);
    struct script_request *r = script_pending(&peer, NULL, KCI_API_JOIN_GROUP);
    if (!r != !row->rejoins_as)
        fail_msg("%s: %s", kci_error_name(row->error), r ? "joins again" : "does not join again");
    if (r)
        assert_true(
            kci_str_equal(((const struct kci_join_group_request *)r->message)->member_id, kci_str_of(row->rejoins_as)));
    else
        assert_string_equal(kci_consumer_group_state(sc.core), row->traits & KC_FATAL ? "FAILED" : "STABLE");
    assert_int_equal(sent(KCI_API_FIND_COORDINATOR), row->sought ? 2 : 1);
}

/* A synchronous commit: what may pass is sent again until it does, the rest is told at once. */
static void test_synchronous(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        struct kci_operation *operation;
        kc_err code = KC_OK;
        kc_error error = { 0 };
        begin(row);
        assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, NULL, 0, peer.now + 60000000, NULL), KC_OK);
        script_step(&peer);
        script_answer_commit(&sc, row->error);
        script_advance(&peer, 2000); /* the back-off is over */
        if (script_waits(&sc, KCI_API_OFFSET_COMMIT) != row->again)
            fail_msg("%s: %s", kci_error_name(row->error), row->again ? "not sent again" : "sent again");
        if (row->again)
            script_answer_commit(&sc, KCI_NONE);
        assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
        assert_int_equal(code, row->again ? KC_OK : (kc_err)row->error);
        assert_int_equal(error.traits, row->again ? 0 : row->traits);
        assert_int_equal(sc.committed[0], row->again ? 3 : -1);
        kci_consumer_operation_end(sc.core, operation);
        expect_membership(row, row->noted);
        script_consumer_end(&sc);
    }
}

/* What kc_consumer_commit_why would say of the last asynchronous commit. */
static char told[500];
static uint32_t told_traits;

static void keep_why(struct script_consumer *of, const struct kci_consumer_event *event)
{
    (void)of;
    if (event->kind != KCI_EVENT_COMMITTED)
        return;
    snprintf(told, sizeof told, "%s", event->texts ? event->texts : "");
    told_traits = event->traits;
}

/* An asynchronous one is never sent again, whatever the error is; the membership fares the same. */
static void test_asynchronous(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        char noted[200];
        begin(row);
        assert_int_equal(kci_consumer_commit_async(sc.core, NULL, 0, NULL, NULL, peer.now, NULL), KC_OK);
        script_step(&peer);
        script_answer_commit(&sc, row->error);
        script_advance(&peer, 4000); /* a heartbeat is due, which has to find the coordinator */
        assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
        assert_int_equal(kc_err_traits((kc_err)row->error), row->traits);
        snprintf(noted, sizeof noted, "commit(%s:t-0)%s%s", kci_error_name(row->error), row->noted[0] ? " " : "",
                 row->noted);
        sc.in_event = keep_why;
        expect_membership(row, noted);
        snprintf(noted, sizeof noted,
                 "committing t [0] at offset 3: broker 1 (b1:9092) answered %s: ", kci_error_name(row->error));
        if (!strstr(told, noted) || told_traits != (row->error == KCI_REQUEST_TIMED_OUT ? KC_MAYBE_APPLIED : 0))
            fail_msg("\"%s\" (%x) does not say \"%s\"", told, (unsigned)told_traits, noted);
        script_consumer_end(&sc);
    }
}

/* Nobody answers an asynchronous one: it may have been applied, and it is told so. */
static void test_asynchronous_unanswered(void **state)
{
    (void)state;
    begin(&rows[0]);
    sc.in_event = keep_why;
    assert_int_equal(kci_consumer_commit_async(sc.core, NULL, 0, NULL, NULL, peer.now, NULL), KC_OK);
    script_step(&peer);
    assert_true(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    script_close(&peer, script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->conn, "connection reset");
    script_poll(&sc);
    assert_int_equal(told_traits, KC_MAYBE_APPLIED);
    assert_non_null(strstr(told, "broker 1 (b1:9092)"));
    script_consumer_end(&sc);
}

/* Partitions fare differently: what can never pass decides, and the text names its partition; while all may pass yet,
 * it names the first one that did not. */
static void test_one_of_two(void **state)
{
    static const struct {
        int16_t errors[SC_PARTITIONS];
        kc_err code;
        const char *words;
    } cases[] = {
        { { KCI_UNKNOWN_TOPIC_OR_PARTITION, KCI_OFFSET_METADATA_TOO_LARGE },
          KC_ERR_OFFSET_METADATA_TOO_LARGE,
          "committing t [1] at offset 1: " },
        { { KCI_NONE, KCI_TOPIC_AUTHORIZATION_FAILED },
          KC_ERR_TOPIC_AUTHORIZATION_FAILED,
          "committing t [1] at offset 1: " },
        { { KCI_NONE, KCI_UNKNOWN_TOPIC_OR_PARTITION }, KC_ERR_TIMED_OUT, "last: committing t [1] at offset 1: " },
    };
    const kc_topic_partition items[] = { { "t", 0, 1, -1, NULL, KC_OK }, { "t", 1, 1, -1, NULL, KC_OK } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kci_operation *operation;
        kc_err code = KC_OK;
        kc_error error = { 0 };
        begin(&rows[0]);
        assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, items, 2, peer.now + 1000000, NULL), KC_OK);
        script_step(&peer);
        script_answer_commit_each(&sc, cases[i].errors);
        if (cases[i].code == KC_ERR_TIMED_OUT)
            script_advance(&peer, 1000);
        assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
        assert_int_equal(code, cases[i].code);
        if (!strstr(error.text, cases[i].words))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].words);
        kci_consumer_operation_end(sc.core, operation);
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synchronous),
        cmocka_unit_test(test_asynchronous),
        cmocka_unit_test(test_asynchronous_unanswered),
        cmocka_unit_test(test_one_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
