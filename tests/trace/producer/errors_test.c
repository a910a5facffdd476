/* Stories of what a failed record says: its fate (never sent, not written, may have been written), how often it was
 * tried, and the last thing that went wrong, with the broker's name; and that a decision can be made without reading
 * any of it. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    sp.settings.delivery_timeout_ms = 30000;
    sp.settings.request_timeout_ms = 4000;
    return 0;
}

static void says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* The fate of the last record: code, maybe applied or not, and words of the text. */
static void expect_last(kc_err code, bool maybe, const char *first, const char *second)
{
    const struct script_fate *fate = &sp.fates[sp.fate_count - 1];
    assert_true(sp.fate_count > 0);
    assert_int_equal(fate->code, code);
    assert_int_equal(!!(fate->traits & KC_MAYBE_APPLIED), maybe);
    assert_int_equal(fate->offset, -1);
    says(fate->text, "t-0: ");
    says(fate->text, first);
    says(fate->text, second);
}

/* The broker is away from the beginning: nothing was sent, so the record can be sent again without a doubt. */
static void test_never_sent(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "w"); /* the topic is known; then the broker goes */
    sp.peer.auto_connect = false;
    script_close(&sp.peer, script_conn_last(&sp.peer), "connection reset by peer");
    struct kci_producer_wait why;
    assert_int_equal(script_queue(&sp, 0, "a", &why, NULL), KC_OK);
    for (int i = 0; i < 400 && sp.fate_count < 2; i++) { /* every attempt is refused */
        while (sp.peer.resolve_next < sp.peer.resolve_count)
            script_resolved(&sp.peer, 1, "10.0.0.1:9092");
        for (size_t c = 0; c < sp.peer.conn_count; c++)
            if (sp.peer.conns[c].state == SCRIPT_OPENING)
                script_close(&sp.peer, &sp.peer.conns[c], "connection refused");
        script_advance(&sp.peer, 100);
    }
    expect_last(KC_ERR_TIMED_OUT, false,
                "timed out after 30.0 s: 0 attempts, never sent; last: ", "connection refused");
    expect_last(KC_ERR_TIMED_OUT, false, "b1:9092", " ago");
    script_producer_destroy(&sp);
}

/* Sent, and never answered: nobody knows. */
static void test_maybe_written(void **state)
{
    (void)state;
    script_producer_create(&sp);
    for (int i = 0; i < 20; i++)
        script_fault(&sp, SCRIPT_SILENCE, KCI_NONE);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 40000);
    expect_last(KC_ERR_TIMED_OUT, true, "may have been written; last: ", "broker 1 (b1:9092) did not answer Produce");
    assert_true(kc_err_traits(KC_ERR_TIMED_OUT) & KC_RETRIABLE);
    script_producer_destroy(&sp);
}

/* The broker refuses each attempt, and says so: the record is not in the log, and the text has the broker's word. */
static void test_not_written(void **state)
{
    (void)state;
    sp.settings.retries = 2;
    script_producer_create(&sp);
    for (int i = 0; i < 3; i++)
        script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 10000);
    expect_last(KC_ERR_NOT_ENOUGH_REPLICAS, false, "broker 1 (b1:9092) answered NOT_ENOUGH_REPLICAS",
                "after 3 attempts, not written");
    assert_true(sp.fates[0].traits & KC_RETRIABLE);
    script_fault(&sp, SCRIPT_ERROR, KCI_TOPIC_AUTHORIZATION_FAILED);
    script_send(&sp, 0, "b");
    expect_last(KC_ERR_TOPIC_AUTHORIZATION_FAILED, false, "answered TOPIC_AUTHORIZATION_FAILED",
                "after 1 attempt, not written");
    assert_false(sp.fates[1].traits & KC_RETRIABLE);
    script_producer_destroy(&sp);
}

/* One attempt that may have arrived is enough: a clear refusal of a later one does not make it undone. */
static void test_doubt_stays(void **state)
{
    (void)state;
    sp.settings.enable_idempotence = false;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, KCI_NONE);
    script_fault(&sp, SCRIPT_ERROR, KCI_TOPIC_AUTHORIZATION_FAILED);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 10000);
    expect_last(KC_ERR_TOPIC_AUTHORIZATION_FAILED, true, "after 2 attempts, may have been written",
                "TOPIC_AUTHORIZATION_FAILED");
    script_producer_destroy(&sp);
}

/* Nobody leads the partition: the text says so, and for how long. */
static void test_no_leader(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "w");
    kci_lane_leader(sp.producer, kci_topic_partition(kci_topic_find(sp.producer, "t"), 0), KCI_NODE_NONE, 5,
                    sp.peer.now);
    sp.peer.auto_metadata = false; /* and no news come */
    struct kci_producer_wait why;
    assert_int_equal(script_queue(&sp, 0, "a", &why, NULL), KC_OK);
    script_advance(&sp.peer, 31000);
    expect_last(KC_ERR_TIMED_OUT, false, "0 attempts, never sent; last: nobody leads the partition, for 30.0 s",
                "brokers known");
    script_producer_destroy(&sp);
}

/* What ends a record from our own side says that it was us: purge and close, queued or in flight. */
static void test_our_own_doing(void **state)
{
    (void)state;
    sp.settings.linger_ms = 1000;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    kci_producer_purge(sp.producer, KC_PURGE_QUEUED);
    script_settle(&sp.peer);
    expect_last(KC_ERR_PURGED, false, "purged by the application", "never sent");
    script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    kci_producer_purge(sp.producer, KC_PURGE_IN_FLIGHT);
    script_settle(&sp.peer);
    expect_last(KC_ERR_PURGED, true, "purged by the application", "may have been written");
    script_send(&sp, 0, "c");
    kci_producer_abandon(sp.producer);
    script_settle(&sp.peer);
    expect_last(KC_ERR_CLOSED, false, "the producer was closed before an answer came", "never sent");
    script_producer_destroy(&sp);
}

/* Whose error it is can be told from the code: a record that is too large for us is not the broker's refusal. */
static void test_origin(void **state)
{
    static char large[2000];
    kc_error error;
    struct kci_producer_wait why;
    (void)state;
    sp.settings.max_request_size = 1500;
    script_producer_create(&sp);
    script_send(&sp, 0, "w");
    memset(large, 'x', sizeof large - 1);
    kc_record record = KC_RECORD_INIT;
    size_t accepted;
    record.topic = "t";
    record.partition = 0;
    record.value = (kc_bytes){ large, sizeof large - 1 };
    assert_int_equal(kci_producer_append(sp.producer, &record, 1, &accepted, sp.peer.now, 0, &why, &error),
                     KC_ERR_RECORD_TOO_LARGE);
    says(error.text, "max.request.size is 1500"); /* which limit, and its value */
    assert_true(error.code <= -1000);
    assert_false(error.traits & KC_RETRIABLE);
    script_fault(&sp, SCRIPT_ERROR, KCI_MESSAGE_TOO_LARGE);
    script_send(&sp, 0, "a");
    expect_last(KC_ERR_MESSAGE_TOO_LARGE, false, "broker 1 (b1:9092) answered MESSAGE_TOO_LARGE", "not written");
    assert_true(sp.fates[sp.fate_count - 1].code > 0);
    script_producer_destroy(&sp);
}

/* Each code of ours and each of Kafka's has a name and a sentence; those of ours say what to do. */
static void test_every_code_has_words(void **state)
{
    static const kc_err ours[] = {
        KC_ERR_ARGUMENT,         KC_ERR_CONFIG,        KC_ERR_STATE,      KC_ERR_IN_CALLBACK, KC_ERR_UNSUPPORTED,
        KC_ERR_RECORD_TOO_LARGE, KC_ERR_SERIALIZATION, KC_ERR_NO_OFFSET,  KC_ERR_QUEUE_FULL,  KC_ERR_NO_MEMORY,
        KC_ERR_TIMED_OUT,        KC_ERR_TRANSPORT,     KC_ERR_RESOLVE,    KC_ERR_WOKEN,       KC_ERR_PURGED,
        KC_ERR_MALFORMED,        KC_ERR_NOT_KAFKA,     KC_ERR_NO_VERSION, KC_ERR_CORRUPT,     KC_ERR_FENCED,
        KC_ERR_CLOSED,           KC_ERR_FATAL,         KC_ERR_FORKED
    };
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_string_not_equal(kc_err_name(ours[i]), kc_err_name((kc_err)9999));
        assert_true(strlen(kc_err_text(ours[i])) > 20);
        assert_int_equal(!!(kc_err_traits(ours[i]) & KC_FATAL), ours[i] <= -5000 && ours[i] > -6000);
    }
    for (int code = 1; code <= KC_ERR_UNKNOWN_CONTROLLER_ID; code++)
        assert_string_not_equal(kc_err_name((kc_err)code), kc_err_name((kc_err)9999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_never_sent, setup),  cmocka_unit_test_setup(test_maybe_written, setup),
        cmocka_unit_test_setup(test_not_written, setup), cmocka_unit_test_setup(test_doubt_stays, setup),
        cmocka_unit_test_setup(test_no_leader, setup),   cmocka_unit_test_setup(test_our_own_doing, setup),
        cmocka_unit_test_setup(test_origin, setup),      cmocka_unit_test_setup(test_every_code_has_words, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
