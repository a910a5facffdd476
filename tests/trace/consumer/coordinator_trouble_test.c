/* A coordinator that has trouble for a while: it reads its log, its disk fails, its replicas are slow, it says nothing.
 * The member asks again, ever more slowly, and looks for the coordinator where it may have moved; the application sees
 * its records and no error. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

#define TRIES 6

static void answer_coordinator(int16_t error)
{
    script_answer_coordinator(&peer, script_expect(&sc, KCI_API_FIND_COORDINATOR), 1, error);
    script_step(&peer);
}

static void answer_join(int16_t error)
{
    script_answer_join(&sc, error, 1, "other");
}

static void answer_sync(int16_t error)
{
    script_answer_sync(&sc, error, "0");
}

static void answer_commit(int16_t error)
{
    script_answer_commit(&sc, error);
}

static void answer_offset_fetch(int16_t error)
{
    struct script_request *r = script_expect(&sc, KCI_API_OFFSET_FETCH);
    struct kci_offset_fetch_response response;
    struct kci_offset_fetch_response__offset_fetch_response_group group;
    if (!error) {
        script_answer_offset_fetch(&sc, r);
        script_step(&peer);
        return;
    }
    kci_codec_init(&kci_offset_fetch_response_schema, &response);
    kci_codec_init(&kci_offset_fetch_response__offset_fetch_response_group_schema, &group);
    group.group_id = kci_str_of("g");
    group.error_code = error;
    response.groups = &group;
    response.groups_count = 1;
    script_answer(&peer, r, &response);
}

static void subscribe(void)
{
    script_subscribe(&sc);
    script_poll(&sc);
}

static void join(void)
{
    script_join(&sc, 1, "0");
}

static void commit(void)
{
    kc_topic_partition item = { "t", 0, 2, -1, NULL, KC_OK };
    join();
    assert_int_equal(kci_consumer_commit_async(sc.core, &item, 1, NULL, NULL, peer.now, NULL), KC_OK);
    script_step(&peer);
}

static void commit_until_done(void)
{
    static struct kci_operation *operation;
    kc_topic_partition item = { "t", 0, 2, -1, NULL, KC_OK };
    join();
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + 60000000, NULL), KC_OK);
    script_step(&peer);
}

/* Each question that is asked again: 100 ms later, 200, 400, 800, and then every second, by 20 % more or less. */
static void test_back_off(void **state)
{
    static const struct {
        int16_t api, error;
        void (*begin)(void);
        void (*answer)(int16_t error);
    } questions[] = {
        { KCI_API_FIND_COORDINATOR, KCI_COORDINATOR_NOT_AVAILABLE, subscribe, answer_coordinator },
        { KCI_API_JOIN_GROUP, KCI_COORDINATOR_LOAD_IN_PROGRESS, subscribe, answer_join },
        { KCI_API_OFFSET_FETCH, KCI_COORDINATOR_LOAD_IN_PROGRESS, join, answer_offset_fetch },
        { KCI_API_OFFSET_COMMIT, KCI_COORDINATOR_LOAD_IN_PROGRESS, commit_until_done, answer_commit },
        { KCI_API_OFFSET_COMMIT, KCI_REQUEST_TIMED_OUT, commit_until_done, answer_commit },
        { KCI_API_OFFSET_COMMIT, KCI_KAFKA_STORAGE_ERROR, commit_until_done, answer_commit },
    };
    (void)state;
    for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
        int64_t asked_at = 0, expected_ms = 100;
        script_consumer_init(&sc, &peer);
        sc.settings.heartbeat_interval_ms = 44000; /* nothing else on the line */
        sc.manual = questions[q].api;
        script_consumer_create(&sc);
        questions[q].begin();
        for (int i = 0; i < TRIES; i++) {
            for (int ms = 0; ms < 2000 && !script_waits(&sc, questions[q].api); ms++)
                script_advance(&peer, 1);
            int64_t after_ms = (script_pending(&peer, NULL, questions[q].api)->at - asked_at) / 1000;
            if (i > 0 && (after_ms < expected_ms * 8 / 10 - 1 || after_ms > expected_ms * 12 / 10 + 1))
                fail_msg("question %zu, attempt %d: after %lld ms, not %lld", q, i, (long long)after_ms,
                         (long long)expected_ms);
            if (i > 0)
                expected_ms = expected_ms < 500 ? expected_ms * 2 : 1000;
            asked_at = peer.now;
            questions[q].answer(questions[q].error);
            script_poll(&sc); /* and nothing is told */
        }
        assert_null(strchr(sc.seen, '!'));
        for (int ms = 0; ms < 2000 && !script_waits(&sc, questions[q].api); ms++)
            script_advance(&peer, 1);
        questions[q].answer(KCI_NONE);
        script_poll(&sc);
        assert_null(strchr(sc.seen, '!'));
        script_consumer_end(&sc);
    }
}

/* Everything at once, for a member with automatic commits: its log is being read while it joins, the disk fails under
 * the sync (a broker says NOT_COORDINATOR then), committed offsets come late, the leader of the partition has storage
 * trouble; a commit times out in the broker, the next is not answered at all, the third meets a coordinator that has
 * moved.  What the application sees is its assignment and each record once. */
static void test_a_bad_minute(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.enable_auto_commit = true;
    sc.settings.request_timeout_ms = 10000;
    sc.settings.heartbeat_interval_ms = 44000;
    sc.manual = KCI_API_OFFSET_FETCH;
    script_want_notices(&sc);
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    sc.committed[0] = 1;
    sc.logs[0].error = KCI_KAFKA_STORAGE_ERROR;
    subscribe();
    answer_join(KCI_COORDINATOR_LOAD_IN_PROGRESS);
    script_advance(&peer, 500);
    answer_join(KCI_NONE);
    answer_sync(KCI_NOT_COORDINATOR);
    script_advance(&peer, 500);
    script_poll(&sc);
    answer_join(KCI_NONE);
    answer_sync(KCI_NONE);
    script_poll(&sc);
    answer_offset_fetch(KCI_COORDINATOR_LOAD_IN_PROGRESS);
    script_advance(&peer, 500);
    answer_offset_fetch(KCI_NONE);
    script_advance(&peer, 2000);
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0)");
    sc.logs[0].error = KCI_NONE;
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:1 t-0:2");

    for (int ms = 0; ms < 6000 && !script_waits(&sc, KCI_API_OFFSET_COMMIT); ms += 100)
        script_advance(&peer, 100);
    answer_commit(KCI_REQUEST_TIMED_OUT);
    script_advance(&peer, 1500);
    assert_true(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* and nobody answers */
    script_poll(&sc);
    script_advance(&peer, 13000);
    answer_commit(KCI_NOT_COORDINATOR);
    sc.coordinator = 2;
    script_advance(&peer, 1500);
    assert_string_equal(script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->conn->address, "b2:9092");
    answer_commit(KCI_NONE);
    assert_int_equal(sc.committed[0], 3);
    script_append(&sc, 0, 1);
    script_advance(&peer, 1000);
    assert_seen(&sc, "t-0:3");
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    script_consumer_end(&sc);
}

/* An asynchronous commit is told of what happened to it, and that is all that is told. */
static void test_the_function_hears(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
    commit();
    answer_commit(KCI_KAFKA_STORAGE_ERROR);
    assert_seen(&sc, "assigned(t-0) commit(KAFKA_STORAGE_ERROR:t-0)");
    assert_true(kc_err_traits(KC_ERR_KAFKA_STORAGE_ERROR) & KC_RETRIABLE);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_a_bad_minute),
        cmocka_unit_test(test_the_function_hears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
