/* What a person and a program learn from each error of a consumer: the code says whose it is (Kafka's own from -1 up,
 * ours below -1000), the traits what may be done, and the text which partition, which broker, why, and what to do. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(const char *instance_id, bool modern)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_instance_id = instance_id;
    sc.settings.group_protocol_consumer = modern;
    script_consumer_create(&sc);
}

/* The words that a text must have, separated by "|". */
static void expect_words(const char *what, const char *text, const char *words)
{
    char copy[300];
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, "|"); word; word = strtok(NULL, "|"))
        if (!strstr(text, word))
            fail_msg("%s: \"%s\" does not say \"%s\"", what, text, word);
}

/* ---- answers of a coordinator to a classic member ---- */

static void answer_sync_as(int16_t error)
{
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_answer_sync(&sc, error, "0");
}

static void answer_join_as(int16_t error)
{
    script_answer_join(&sc, error, 1, "other");
}

static void answer_beat_as(int16_t error)
{
    answer_sync_as(KCI_NONE);
    script_poll(&sc);
    script_advance(&peer, 3000);
    script_beat(&sc, error);
}

static void answer_lookup_as(int16_t error)
{
    script_answer_coordinator(&peer, script_expect(&sc, KCI_API_FIND_COORDINATOR), 1, error);
    script_step(&peer);
}

static void answer_modern_as(int16_t error)
{
    script_answer_modern(&sc, error, 0, NULL);
}

static const struct told {
    const char *name;
    void (*answer)(int16_t error);
    int16_t error;
    uint32_t traits;
    const char *words;
    int16_t manual; /* API that the test answers */
    bool modern;
} told[] = {
    { "lookup", answer_lookup_as, KCI_GROUP_AUTHORIZATION_FAILED, 0, "coordinator|group \"g\"|READ on the group",
      KCI_API_FIND_COORDINATOR, false },
    { "lookup", answer_lookup_as, KCI_INVALID_GROUP_ID, 0, "coordinator|set another group.id", KCI_API_FIND_COORDINATOR,
      false },
    { "lookup, KIP-848", answer_lookup_as, KCI_GROUP_AUTHORIZATION_FAILED, 0, "coordinator|READ on the group",
      KCI_API_FIND_COORDINATOR, true },
    { "join", answer_join_as, KCI_GROUP_AUTHORIZATION_FAILED, 0, "joining|\"g\"|broker 1 (b1:9092)|READ on the group",
      -1, false },
    { "join", answer_join_as, KCI_INCONSISTENT_GROUP_PROTOCOL, 0, "broker 1|partition.assignment.strategy", -1, false },
    { "join", answer_join_as, KCI_INVALID_SESSION_TIMEOUT, 0, "session.timeout.ms|group.max.session.timeout.ms", -1,
      false },
    { "join", answer_join_as, KCI_INVALID_GROUP_ID, 0, "set another group.id", -1, false },
    { "join", answer_join_as, KCI_GROUP_MAX_SIZE_REACHED, 0, "group.max.size", -1, false },
    { "join", answer_join_as, KCI_FENCED_INSTANCE_ID, KC_FATAL, "broker 1|group.instance.id \"i\"|close this one", -1,
      false },
    { "sync", answer_sync_as, KCI_GROUP_AUTHORIZATION_FAILED, 0, "broker 1|READ on the group", -1, false },
    { "sync", answer_sync_as, KCI_FENCED_INSTANCE_ID, KC_FATAL, "group.instance.id \"i\"|close this one", -1, false },
    { "beat", answer_beat_as, KCI_GROUP_AUTHORIZATION_FAILED, 0, "heartbeat|broker 1|READ on the group", -1, false },
    { "beat", answer_beat_as, KCI_FENCED_INSTANCE_ID, KC_FATAL, "group.instance.id \"i\"|close this one", -1, false },
    { "KIP-848", answer_modern_as, KCI_UNRELEASED_INSTANCE_ID, KC_FATAL,
      "heartbeat|broker 1|group.instance.id \"i\"|session has timed out", -1, true },
    { "KIP-848", answer_modern_as, KCI_UNSUPPORTED_ASSIGNOR, KC_FATAL, "group.remote.assignor", -1, true },
    { "KIP-848", answer_modern_as, KCI_TOPIC_AUTHORIZATION_FAILED, 0, "broker 1|READ on the topic", -1, true },
    { "KIP-848", answer_modern_as, KCI_GROUP_ID_NOT_FOUND, 0, "broker 1|the group anew", -1, true },
};

/* What poll tells of the membership. */
static void test_membership(void **state)
{
    (void)state;
    for (const struct told *row = told; row < told + sizeof told / sizeof told[0]; row++) {
        char what[100];
        snprintf(what, sizeof what, "%s, %s", row->name, kci_error_name(row->error));
        begin("i", row->modern);
        sc.manual = row->manual;
        script_subscribe(&sc);
        script_poll(&sc);
        row->answer(row->error);
        if (script_poll(&sc) != (kc_err)row->error)
            fail_msg("%s: poll returned %s", what, kc_err_name(sc.last_error));
        if (sc.last_traits != row->traits)
            fail_msg("%s: traits %u", what, (unsigned)sc.last_traits);
        expect_words(what, sc.last_text, kci_error_name(row->error));
        expect_words(what, sc.last_text, row->words);
        script_consumer_end(&sc);
    }
}

/* A group that we may not see is told again and again, and when the right is granted, the same polls join. */
static void test_a_right_is_granted(void **state)
{
    (void)state;
    for (int modern = 0; modern < 2; modern++) {
        begin("i", modern);
        sc.manual = KCI_API_FIND_COORDINATOR;
        script_subscribe(&sc);
        script_poll(&sc);
        for (int i = 0; i < 5; i++) {
            answer_lookup_as(KCI_GROUP_AUTHORIZATION_FAILED);
            assert_int_equal(script_poll(&sc), KC_ERR_GROUP_AUTHORIZATION_FAILED);
            assert_int_equal(script_poll(&sc), KC_OK); /* once for each lookup */
            assert_false(script_waits(&sc, KCI_API_FIND_COORDINATOR));
            script_advance(&peer, 1300); /* the back-off */
            script_poll(&sc);
        }
        answer_lookup_as(KCI_NONE);
        script_poll(&sc);
        assert_true(script_waits(&sc, modern ? KCI_API_CONSUMER_GROUP_HEARTBEAT : KCI_API_JOIN_GROUP));
        script_consumer_end(&sc);
    }
}

/* By hand with committed offsets, the same: told, and begun when the right is there. */
static void test_a_right_is_granted_by_hand(void **state)
{
    (void)state;
    begin(NULL, false);
    sc.manual = KCI_API_FIND_COORDINATOR;
    sc.committed[0] = 1;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    answer_lookup_as(KCI_GROUP_AUTHORIZATION_FAILED);
    assert_int_equal(script_poll(&sc), KC_ERR_GROUP_AUTHORIZATION_FAILED);
    expect_words("by hand", sc.last_text, "group \"g\"|READ on the group");
    script_advance(&peer, 1300);
    answer_lookup_as(KCI_NONE);
    script_advance(&peer, 600);
    sc.seen[0] = 0;
    assert_seen(&sc, "t-0:1");
    script_consumer_end(&sc);
}

/* A static member at a broker from before Kafka 2.3: told why, not silence. */
static void test_too_old_for_static_members(void **state)
{
    (void)state;
    begin("i", false);
    peer.version_max[KCI_API_JOIN_GROUP] = 4;
    script_subscribe(&sc);
    assert_int_equal(script_poll(&sc), KC_ERR_UNSUPPORTED_VERSION);
    expect_words("old", sc.last_text, "joining|\"g\"|group.instance.id needs Kafka 2.3");
    assert_int_equal(script_poll(&sc), KC_OK);
    script_advance(&peer, 1500);
    assert_int_equal(script_poll(&sc), KC_ERR_UNSUPPORTED_VERSION); /* with each attempt */
    script_consumer_end(&sc);
}

/* ---- commits and questions ---- */

/* The outcome of an operation that is done; ends it. */
static kc_error outcome(struct kci_operation *operation)
{
    kc_error error = { .code = KC_OK };
    kc_err code = KC_OK;
    assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    assert_int_equal(code, error.code);
    kci_consumer_operation_end(sc.core, operation);
    return error;
}

static struct kci_operation *commit(int64_t for_us)
{
    kc_topic_partition item = { "t", 1, 42, -1, NULL, KC_OK };
    struct kci_operation *operation;
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + for_us, NULL), KC_OK);
    script_step(&peer);
    return operation;
}

/* Each refusal of a commit. */
static void test_commit(void **state)
{
    static const struct {
        int16_t error;
        uint32_t traits;
        const char *words;
    } rows[] = {
        { KCI_OFFSET_METADATA_TOO_LARGE, 0, "offset.metadata.max.bytes" },
        { KCI_INVALID_COMMIT_OFFSET_SIZE, 0, "fewer partitions" },
        { KCI_TOPIC_AUTHORIZATION_FAILED, 0, "READ on the topic" },
        { KCI_GROUP_AUTHORIZATION_FAILED, 0, "READ on the group" },
        { KCI_REBALANCE_IN_PROGRESS, 0, "poll, then commit again" },
        { KCI_ILLEGAL_GENERATION, 0, "poll, which joins again" },
        { KCI_UNKNOWN_MEMBER_ID, 0, "poll, which joins again" },
        { KCI_FENCED_INSTANCE_ID, KC_FATAL, "close this one" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("i", false);
        script_join(&sc, 1, "01");
        struct kci_operation *operation = commit(60000000);
        script_answer_commit(&sc, rows[i].error);
        kc_error error = outcome(operation);
        assert_int_equal(error.code, rows[i].error);
        assert_int_equal(error.traits, rows[i].traits);
        expect_words("commit", error.text, "committing t [1] at offset 42|broker 1 (b1:9092)");
        expect_words("commit", error.text, kci_error_name(rows[i].error));
        expect_words("commit", error.text, rows[i].words);
        script_consumer_end(&sc);
    }
}

/* A commit that cannot be made because there is no membership, whatever ended it. */
static void test_commit_without_membership(void **state)
{
    (void)state;
    begin("i", false);
    script_join(&sc, 1, "01");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_UNKNOWN_MEMBER_ID);
    kc_error error = outcome(commit(60000000));
    assert_int_equal(error.code, KC_ERR_UNKNOWN_MEMBER_ID);
    expect_words("dropped", error.text, "no member|poll");
    script_poll(&sc);
    error = outcome(commit(60000000));
    assert_int_equal(error.code, KC_ERR_REBALANCE_IN_PROGRESS);
    expect_words("joining", error.text, "poll, then commit again");
    script_consumer_end(&sc);

    begin("i", false);
    script_join(&sc, 1, "01");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_FENCED_INSTANCE_ID);
    error = outcome(commit(60000000));
    assert_int_equal(error.code, KC_ERR_UNKNOWN_MEMBER_ID);
    expect_words("fenced", error.text, "group.instance.id \"i\"|close this one");
    script_consumer_end(&sc);
}

/* Time is over: how often it was tried, the last answer, from whom; it may have been done. */
static void test_times_out(void **state)
{
    (void)state;
    begin(NULL, false);
    script_join(&sc, 1, "01");
    struct kci_operation *operation = commit(1000000);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    script_advance(&peer, 1000); /* the second attempt is not answered */
    kc_error error = outcome(operation);
    assert_int_equal(error.code, KC_ERR_TIMED_OUT);
    assert_int_equal(error.traits, KC_RETRIABLE | KC_MAYBE_APPLIED);
    expect_words("late", error.text, "1 attempts|t [1] at offset 42|broker 1 (b1:9092)|COORDINATOR_LOAD_IN_PROGRESS");
    script_consumer_end(&sc);

    begin(NULL, false);
    peer.away = "b";
    operation = commit(1000000);
    script_advance(&peer, 1000);
    error = outcome(operation);
    assert_int_equal(error.code, KC_ERR_TIMED_OUT);
    assert_int_equal(error.traits, KC_RETRIABLE);
    script_consumer_end(&sc);
}

/* What needs the coordinator does not wait for one that is refused: commits and committed offsets say so at once. */
static void test_refused_lookup(void **state)
{
    kc_topic_partition item = { "t", 0, 0, -1, NULL, KC_OK };
    struct kci_operation *operations[2];
    (void)state;
    begin(NULL, false);
    sc.manual = KCI_API_FIND_COORDINATOR;
    operations[0] = commit(60000000);
    assert_int_equal(kci_consumer_begin_committed(sc.core, &operations[1], &item, 1, peer.now + 60000000, NULL), KC_OK);
    script_step(&peer);
    answer_lookup_as(KCI_GROUP_AUTHORIZATION_FAILED);
    for (int i = 0; i < 2; i++) {
        kc_error error = outcome(operations[i]);
        assert_int_equal(error.code, KC_ERR_GROUP_AUTHORIZATION_FAILED);
        assert_int_equal(error.traits, 0);
        expect_words("lookup", error.text, "coordinator|group \"g\"|READ on the group");
    }
    script_advance(&peer, 5000); /* nobody needs it: nobody asks again */
    assert_false(script_waits(&sc, KCI_API_FIND_COORDINATOR));
    struct kci_operation *later = commit(60000000); /* this one asks anew */
    answer_lookup_as(KCI_NONE);
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(outcome(later).code, KC_OK);
    script_consumer_end(&sc);
}

/* Offsets of a topic that is not ours to read. */
static void test_questions(void **state)
{
    kc_topic_partition item = { "t", 0, KC_OFFSET_END, -1, NULL, KC_OK };
    struct kci_operation *operation;
    (void)state;
    begin(NULL, false);
    peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, &item, 1, peer.now + 60000000, NULL), KC_OK);
    script_advance(&peer, 100);
    kc_error error = outcome(operation);
    assert_int_equal(error.code, KC_ERR_TOPIC_AUTHORIZATION_FAILED);
    expect_words("offsets", error.text, "topic \"t\"|READ on the topic");
    script_consumer_end(&sc);

    begin(NULL, false);
    peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    script_assign(&sc, 0, 0);
    assert_int_equal(script_poll(&sc), KC_ERR_TOPIC_AUTHORIZATION_FAILED);
    expect_words("poll", sc.last_text, "topic \"t\"|READ on the topic");
    script_consumer_end(&sc);
}

/* What a Fetch is refused with, the metadata being well: also a right that was taken away meanwhile. */
static void test_fetch(void **state)
{
    static const struct {
        int16_t error;
        kc_err code;
        const char *words;
    } rows[] = {
        { KCI_TOPIC_AUTHORIZATION_FAILED, KC_ERR_TOPIC_AUTHORIZATION_FAILED,
          "fetching t [0] at offset 2|TOPIC_AUTHORIZATION_FAILED|READ on the topic" },
        { KCI_INVALID_REQUEST, KC_ERR_INVALID_REQUEST, "fetching t [0] at offset 2|INVALID_REQUEST" },
        { KCI_CORRUPT_MESSAGE, KC_ERR_CORRUPT, "offset 2 of t [0]|seek past it" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(NULL, false);
        script_append(&sc, 0, 5);
        sc.logs[0].error = rows[i].error;
        script_assign(&sc, 0, 2);
        assert_int_equal(script_poll(&sc), rows[i].code);
        expect_words("fetch", sc.last_text, "broker 1 (b1:9092)");
        expect_words("fetch", sc.last_text, rows[i].words);
        script_consumer_end(&sc);
    }
}

/* Every number has a name, a text that is a sentence or a phrase, and traits that do not contradict each other. */
static void test_codes(void **state)
{
    static const kc_err own[] = {
        KC_ERR_ARGUMENT,      KC_ERR_CONFIG,           KC_ERR_STATE,     KC_ERR_IN_CALLBACK, KC_ERR_UNSUPPORTED,
        KC_ERR_NO_OFFSET,     KC_ERR_TIMED_OUT,        KC_ERR_TRANSPORT, KC_ERR_RESOLVE,     KC_ERR_WOKEN,
        KC_ERR_MALFORMED,     KC_ERR_NOT_KAFKA,        KC_ERR_CORRUPT,   KC_ERR_FENCED,      KC_ERR_CLOSED,
        KC_ERR_FATAL,         KC_ERR_FORKED,           KC_ERR_NO_MEMORY, KC_ERR_QUEUE_FULL,  KC_ERR_NO_VERSION,
        KC_ERR_SERIALIZATION, KC_ERR_RECORD_TOO_LARGE,
    };
    (void)state;
    for (int code = -1; code <= 136; code++) {
        assert_string_not_equal(kc_err_name((kc_err)code), "UNKNOWN_ERROR_CODE");
        assert_true(strlen(kc_err_text((kc_err)code)) > 5);
        assert_false((kc_err_traits((kc_err)code) & KC_RETRIABLE) && (kc_err_traits((kc_err)code) & KC_FATAL));
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        assert_true(own[i] <= -1000); /* ours, by the number */
        assert_string_not_equal(kc_err_name(own[i]), "UNKNOWN_ERROR_CODE");
        assert_true(strlen(kc_err_text(own[i])) > 15);
        assert_false((kc_err_traits(own[i]) & KC_RETRIABLE) && (kc_err_traits(own[i]) & KC_FATAL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_membership),
        cmocka_unit_test(test_a_right_is_granted),
        cmocka_unit_test(test_a_right_is_granted_by_hand),
        cmocka_unit_test(test_too_old_for_static_members),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_commit_without_membership),
        cmocka_unit_test(test_times_out),
        cmocka_unit_test(test_refused_lookup),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
