/* Commits: what is committed, in which order, and what becomes of failures. */
#include "consumer/operation.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
}

/* Joined, three records read. */
static void begin_with_records(void)
{
    begin();
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    assert_noted(&sc, "assigned(t-0) t-0:0 t-0:1 t-0:2");
}

static struct kci_operation *commit(int32_t timeout_ms)
{
    struct kci_operation *operation;
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, NULL, 0, peer.now + timeout_ms * 1000, NULL),
                     KC_OK);
    script_step(&peer);
    return operation;
}

static void expect_end(struct kci_operation *operation, kc_err expected)
{
    kc_err code = KC_OK;
    kc_error error;
    assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    if (code != expected)
        fail_msg("%s: %s", kc_err_name(code), error.text);
    kci_consumer_operation_end(sc.core, operation);
}

static int64_t offset_in_commit(void)
{
    const struct kci_offset_commit_request *request = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    return request->topics[0].partitions[0].committed_offset;
}

/* Without a list, a commit says what polls returned: the offset behind the last record. */
static void test_commit_all(void **state)
{
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(1000);
    assert_int_equal(offset_in_commit(), 3);
    script_answer_commit(&sc, KCI_NONE);
    expect_end(operation, KC_OK);
    script_consumer_end(&sc);
}

/* A transient error is retried; the coordinator that moved is found again. */
static void test_retried(void **state)
{
    kc_metrics m = { .role = "consumer" };
    struct kci_metrics_room room = { .brokers = NULL };
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(60000);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    script_advance(&peer, 2000);
    sc.coordinator = 2;
    script_answer_commit(&sc, KCI_NOT_COORDINATOR);
    script_advance(&peer, 2000);
    assert_string_equal(script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->conn->address, "b2:9092");
    script_answer_commit(&sc, KCI_NONE);
    expect_end(operation, KC_OK);
    assert_int_equal(sc.committed[0], 3);
    kci_consumer_metrics(sc.core, &m, &room, peer.now); /* its latency is that of all attempts */
    assert_int_equal(m.commit_latency.count, 1);
    assert_int_equal(m.commit_latency.max_us, 4000000);
    script_consumer_end(&sc);
}

/* Nobody answers: the deadline holds, and the text says what happened. */
static void test_deadline(void **state)
{
    kc_err code;
    kc_error error;
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(5000);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    script_advance(&peer, 4000);
    assert_false(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    script_advance(&peer, 1000);
    assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    assert_int_equal(code, KC_ERR_TIMED_OUT);
    assert_true(error.traits & KC_MAYBE_APPLIED);
    assert_non_null(strstr(error.text, "COORDINATOR_LOAD_IN_PROGRESS"));
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* The group went on without us: the commit is refused, the partitions are lost. */
static void test_fenced_by_generation(void **state)
{
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(5000);
    script_answer_commit(&sc, KCI_ILLEGAL_GENERATION);
    expect_end(operation, KC_ERR_ILLEGAL_GENERATION);
    operation = commit(5000);
    expect_end(operation, KC_ERR_UNKNOWN_MEMBER_ID);
    script_poll(&sc);
    assert_noted(&sc, "lost(t-0)");
    operation = commit(5000);
    assert_null(operation); /* nothing is assigned */
    kc_topic_partition item = { "t", 0, 1, -1, NULL, KC_OK };
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + 1000, NULL), KC_OK);
    script_step(&peer);
    expect_end(operation, KC_ERR_REBALANCE_IN_PROGRESS);
    script_consumer_end(&sc);
}

/* A commit that waits for its next attempt while the group is rebalanced is about partitions that may be somebody
 * else's by now: it is not sent with the new generation, which would take back what the new owner has committed. */
static void test_belongs_to_its_generation(void **state)
{
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(60000);
    const struct kci_offset_commit_request *request = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(request->generation_id_or_member_epoch, 1);
    script_advance(&peer, 3000);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS); /* again after a back-off */
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "0");
    script_poll(&sc);
    assert_string_equal(kci_consumer_group_state(sc.core), "STABLE");
    script_advance(&peer, 2000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    expect_end(operation, KC_ERR_REBALANCE_IN_PROGRESS);
    script_consumer_end(&sc);
}

/* A commit that waits for its next attempt while its topic is deleted and created again is about the old one. */
static void test_belongs_to_its_topic(void **state)
{
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(60000);
    peer.topics[0].id.b[0] ^= 0xff;
    sc.logs[0].error = KCI_UNKNOWN_TOPIC_ID; /* a fetch makes it look at the metadata */
    script_advance(&peer, 2000);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS); /* again after a back-off */
    script_advance(&peer, 2000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    expect_end(operation, KC_ERR_UNKNOWN_TOPIC_ID);
    script_consumer_end(&sc);
}

/* Asynchronous commits: one after the other, never retried; callbacks in order, in the next poll. */
static void test_async_in_order(void **state)
{
    kc_topic_partition item = { "t", 0, 1, -1, NULL, KC_OK };
    (void)state;
    begin_with_records();
    for (item.offset = 1; item.offset <= 3; item.offset++)
        assert_int_equal(kci_consumer_commit_async(sc.core, &item, 1, NULL, NULL, peer.now, NULL), KC_OK);
    script_step(&peer);
    assert_int_equal(offset_in_commit(), 1);
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(offset_in_commit(), 2);
    script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(offset_in_commit(), 3);
    script_answer_commit(&sc, KCI_NONE);
    assert_noted(&sc, "");
    assert_seen(&sc, "commit(NONE:t-0) commit(COORDINATOR_LOAD_IN_PROGRESS:t-0) commit(NONE:t-0)");
    script_consumer_end(&sc);
}

/* Automatic commits claim what polls before the last one returned, for the last one's records are still being worked
 * on. */
static void test_automatic(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.enable_auto_commit = true;
    sc.settings.max_poll_records = 1;
    sc.settings.heartbeat_interval_ms = 44000;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    script_poll(&sc);
    assert_noted(&sc, "assigned(t-0) t-0:0 t-0:1");
    script_advance(&peer, 5000);
    assert_int_equal(offset_in_commit(), 1);
    script_answer_commit(&sc, KCI_NONE);
    script_advance(&peer, 5000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* nothing new */
    script_poll(&sc);
    script_advance(&peer, 5000);
    assert_int_equal(offset_in_commit(), 2);
    script_consumer_end(&sc);
}

/* committed: asked from the coordinator, KC_OFFSET_NONE where there is none. */
static void test_committed(void **state)
{
    kc_topic_partition items[] = { { "t", 1, 0, -1, NULL, KC_OK }, { "t", 0, 0, -1, NULL, KC_OK } };
    const struct kci_partition_list *answer = NULL;
    struct kci_operation *operation;
    kc_err code;
    (void)state;
    begin();
    sc.committed[0] = 42;
    assert_int_equal(kci_consumer_begin_committed(sc.core, &operation, items, 2, peer.now + 1000000, NULL), KC_OK);
    script_step(&peer);
    assert_true(kci_consumer_operation_done(sc.core, operation, &answer, &code, NULL));
    assert_int_equal(code, KC_OK);
    assert_int_equal(answer->items[0].offset, KC_OFFSET_NONE);
    assert_int_equal(answer->items[1].offset, 42);
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* The text that goes with an offset: it is sent again with a retry, the coordinator keeps it, and whoever asks for the
 * committed offset gets it; a commit without one takes it away. */
static void test_metadata(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 2, 5, "half of it", KC_OK }, { "t", 1, 7, -1, NULL, KC_OK } };
    const struct kci_partition_list *answer = NULL;
    struct kci_operation *operation;
    kc_err code;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.heartbeat_interval_ms = 44000;
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, items, 2, peer.now + 60000000, NULL), KC_OK);
        script_step(&peer);
        script_answer_commit(&sc, KCI_COORDINATOR_LOAD_IN_PROGRESS);
        script_advance(&peer, 1500);
        script_answer_commit(&sc, KCI_NONE);
        expect_end(operation, KC_OK);
        kc_topic_partition asked[] = { { "t", 1, 0, -1, "asked with", KC_OK }, { "t", 0, 0, -1, NULL, KC_OK } };
        assert_int_equal(kci_consumer_begin_committed(sc.core, &operation, asked, 2, peer.now + 1000000, NULL), KC_OK);
        script_step(&peer);
        assert_true(kci_consumer_operation_done(sc.core, operation, &answer, &code, NULL));
        assert_int_equal(code, KC_OK);
        assert_int_equal(answer->items[0].offset, 7);
        assert_null(answer->items[0].metadata);
        assert_int_equal(answer->items[1].offset, 2);
        if (round == 0)
            assert_string_equal(answer->items[1].metadata, "half of it");
        else
            assert_null(answer->items[1].metadata);
        kci_consumer_operation_end(sc.core, operation);
        items[0].metadata = NULL;
    }
    script_consumer_end(&sc);
}

/* The automatic commit speaks only when there is progress: nothing after a commit of the application's own, nothing
 * for records that are still to be worked on, then once per step forward; and where the application seeks back, that
 * is where the group stands, as with Java. */
static void test_automatic_has_news(void **state)
{
    kc_topic_partition own = { "t", 0, 3, -1, NULL, KC_OK };
    struct kci_operation *operation;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.enable_auto_commit = true;
    sc.settings.heartbeat_interval_ms = 44000;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &own, 1, peer.now + 1000000, NULL), KC_OK);
    script_step(&peer);
    script_answer_commit(&sc, KCI_NONE);
    expect_end(operation, KC_OK);
    script_poll(&sc);
    script_advance(&peer, 11000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* it is known already */
    script_append(&sc, 0, 2);
    script_advance(&peer, 600);
    script_poll(&sc);
    script_advance(&peer, 6000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* they are being worked on */
    script_poll(&sc);
    script_advance(&peer, 6000);
    assert_int_equal(offset_in_commit(), 5);
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 1, peer.now, NULL), KC_OK);
    script_advance(&peer, 6000);
    assert_int_equal(offset_in_commit(), 1);
    script_consumer_end(&sc);
}

/* Offsets by time and watermarks, from the leaders of two partitions at once. */
static void test_offsets(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 1001, -1, NULL, KC_OK }, { "t", 1, 9999, -1, NULL, KC_OK } };
    const struct kci_partition_list *answer = NULL;
    struct kci_operation *operation;
    kc_err code;
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, items, 2, peer.now + 1000000, NULL), KC_OK);
    script_step(&peer);
    assert_true(kci_consumer_operation_done(sc.core, operation, &answer, &code, NULL));
    assert_int_equal(code, KC_OK);
    assert_int_equal(answer->items[0].offset, 1);
    assert_int_equal(answer->items[1].offset, KC_OFFSET_END);
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* Offsets of what is not there: the text of the time-out says so instead of "no leader". */
static void test_offsets_of_nothing(void **state)
{
    static const struct {
        const char *topic;
        int32_t partition;
        const char *words;
    } cases[] = {
        { "typo", 0, "topic \"typo\"" },
        { "t", 7, "no partition 7 of topic \"t\": it has 2" },
        { "t", 0, "t [0] has no leader" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kc_topic_partition item = { cases[i].topic, cases[i].partition, KC_OFFSET_END, -1, NULL, KC_OK };
        struct kci_operation *operation;
        kc_error error = { 0 };
        kc_err code;
        begin();
        script_topic_row(&peer, kci_str_of("t"))->leaderless = 1;
        assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, &item, 1, peer.now + 1000000, NULL), KC_OK);
        script_step(&peer);
        script_advance(&peer, 1000);
        assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
        assert_int_equal(code, KC_ERR_TIMED_OUT);
        if (!strstr(error.text, cases[i].words))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].words);
        kci_consumer_operation_end(sc.core, operation);
        script_consumer_end(&sc);
    }
}

/* No coordinator: asynchronous commits queue, and go out in order once there is one; a synchronous one behind them
 * waits for its turn. */
static void test_queue(void **state)
{
    kc_topic_partition item = { "t", 0, 1, -1, NULL, KC_OK };
    (void)state;
    begin();
    sc.manual = KCI_API_FIND_COORDINATOR;
    script_assign(&sc, 0, 0);
    for (item.offset = 1; item.offset <= 3; item.offset++)
        assert_int_equal(kci_consumer_commit_async(sc.core, &item, 1, NULL, NULL, peer.now, NULL), KC_OK);
    struct kci_operation *last;
    assert_int_equal(kci_consumer_begin_commit(sc.core, &last, &item, 1, peer.now + 60000000, NULL), KC_OK);
    script_advance(&peer, 3000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    sc.manual = -1;
    script_answer_coordinator(&peer, script_expect(&sc, KCI_API_FIND_COORDINATOR), 1, 0);
    for (int64_t offset = 1; offset <= 4; offset++) {
        script_advance(&peer, 100);
        assert_int_equal(offset_in_commit(), offset);
        script_answer_commit(&sc, KCI_NONE);
    }
    expect_end(last, KC_OK);
    script_poll(&sc);
    assert_noted(&sc, "commit(NONE:t-0) commit(NONE:t-0) commit(NONE:t-0)");
    script_consumer_end(&sc);
}

/* Whoever commits and never lets one out is stopped, not fed with memory. */
static void test_queue_is_bounded(void **state)
{
    kc_topic_partition item = { "t", 0, 1, -1, NULL, KC_OK };
    kc_error error;
    kc_err code = KC_OK;
    uint32_t taken = 0;
    (void)state;
    begin();
    sc.manual = KCI_API_FIND_COORDINATOR;
    while (code == KC_OK && taken <= KCI_COMMITS_WAITING_MAX) {
        code = kci_consumer_commit_async(sc.core, &item, 1, NULL, NULL, peer.now, &error);
        taken += code == KC_OK;
    }
    assert_int_equal(code, KC_ERR_QUEUE_FULL);
    assert_int_equal(taken, KCI_COMMITS_WAITING_MAX);
    script_consumer_end(&sc);
}

/* Given up in the middle: the answer finds nobody, and nothing leaks. */
static void test_given_up(void **state)
{
    (void)state;
    begin_with_records();
    struct kci_operation *operation = commit(60000);
    kci_consumer_operation_end(sc.core, operation);
    script_answer_commit(&sc, KCI_NONE);
    commit(60000);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_all),
        cmocka_unit_test(test_retried),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_fenced_by_generation),
        cmocka_unit_test(test_async_in_order),
        cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_committed),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_offsets_of_nothing),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_automatic_has_news),
        cmocka_unit_test(test_belongs_to_its_generation),
        cmocka_unit_test(test_belongs_to_its_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
