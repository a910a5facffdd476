/* Stories of limits: memory, time, sizes, wrong arguments, the end of the producer, and an allocator that fails. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    return 0;
}

static kc_err append(kc_record *record, struct kci_producer_wait *why, kc_error *error)
{
    size_t accepted;
    kc_err err = kci_producer_append(sp.producer, record, 1, &accepted, sp.peer.now, sp.peer.now / 1000, why, error);
    sp.sent += accepted;
    return err;
}

static kc_record record_of(const void *value, size_t size)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = "t";
    record.partition = 0;
    record.value = (kc_bytes){ value, size };
    record.opaque = (void *)(uintptr_t)sp.sent;
    return record;
}

/* buffer.memory holds: what does not fit is refused, and taken when an answer made room. */
static void test_memory_is_a_ceiling(void **state)
{
    static char value[1000];
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.buffer_memory = 200000;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    size_t base = sp.memory.live_bytes;
    script_fault(&sp, SCRIPT_HOLD, 0);
    for (;;) {
        kc_record record = record_of(value, sizeof value);
        if (append(&record, &why, &error))
            break;
        script_settle(&sp.peer);
    }
    assert_int_equal(error.code, KC_ERR_QUEUE_FULL);
    assert_int_equal(why.what, KCI_WAIT_MEMORY);
    assert_in_range(sp.sent, 150, 200);
    assert_in_range(sp.memory.live_bytes - base, 100000, 200000 + 20000);
    size_t notified = sp.notified;
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, 0);
    assert_true(sp.notified > notified);
    kc_record record = record_of(value, sizeof value);
    assert_int_equal(append(&record, &why, &error), KC_OK);
    script_settle(&sp.peer);
    script_producer_destroy(&sp);
}

/* A broker that takes connections and never answers: whatever is sent for ten minutes, with records that expire and
 * connections that are given up and made again, memory stays below buffer.memory and 8 MB. */
static void test_memory_without_answers(void **state)
{
    static char value[1000];
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.buffer_memory = 2 << 20;
    sp.settings.delivery_timeout_ms = 30000;
    sp.settings.delivery_every_record = false;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    size_t late = 0, refused = 0;
    for (int second = 0; second < 600; second++) {
        for (int i = 0; i < 8; i++)
            if (sp.fault_first == sp.fault_count) {
                sp.fault_first = sp.fault_count = 0;
                script_fault(&sp, SCRIPT_SILENCE, 0);
            }
        for (int i = 0; i < 100; i++) {
            kc_record record = record_of(value, sizeof value);
            record.partition = i % 3;
            record.opaque = NULL;
            refused += append(&record, &why, &error) != KC_OK;
        }
        sp.fate_count = 0;
        script_advance(&sp.peer, 1000);
        if (second == 300)
            late = sp.memory.peak_bytes;
    }
    assert_true(refused > 1000);
    assert_true(sp.memory.peak_bytes <= (size_t)(2 + 8) << 20);
    assert_true(sp.memory.peak_bytes <= late + 65536); /* the second half took nothing more */
    kci_producer_abandon(sp.producer);
    sp.fate_count = 0;
    script_settle(&sp.peer);
    assert_int_equal(kci_producer_pending(sp.producer), 0);
    sp.sent = sp.fate_count = 0; /* fates were not kept */
    script_producer_destroy(&sp);
}

/* Memory is short while everything lingers: the sender does not wait for linger. */
static void test_short_memory_ends_linger(void **state)
{
    static char value[3000];
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.buffer_memory = 100000;
    sp.settings.linger_ms = 60000;
    sp.settings.batch_size = 1 << 20;
    script_producer_create(&sp);
    script_send(&sp, 1, "x");
    for (;;) {
        kc_record record = record_of(value, sizeof value);
        if (append(&record, &why, &error))
            break;
    }
    script_settle(&sp.peer);
    script_advance(&sp.peer, 10);
    assert_int_equal(sp.fate_count, sp.sent);
    script_producer_destroy(&sp);
}

/* Memory that an application thread frees (by compressing what it filled) is offered to those who wait, though no
 * answer comes. */
static void test_memory_freed_by_compression(void **state)
{
    static char large[150000], small[1000];
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.buffer_memory = 400000;
    sp.settings.max_request_size = 300000;
    sp.settings.compression_type = KCI_CODEC_GZIP;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "first"); /* until it is answered the partition's next batch grows */
    while (kci_pool_used_bytes(&sp.producer->pool) < 280000) {
        kc_record record = record_of(small, sizeof small);
        assert_int_equal(append(&record, &why, &error), KC_OK);
    }
    kc_record record = record_of(large, sizeof large);
    record.partition = 1;
    assert_int_equal(append(&record, &why, &error), KC_ERR_QUEUE_FULL);
    script_settle(&sp.peer);
    size_t notified = sp.notified;
    while (kci_pool_used_bytes(&sp.producer->pool) > 200000) {
        kc_record more = record_of(small, sizeof small);
        assert_int_equal(append(&more, &why, &error), KC_OK);
    }
    script_advance(&sp.peer, 10);
    assert_true(sp.notified > notified);
    record = record_of(large, sizeof large);
    record.partition = 1;
    assert_int_equal(append(&record, &why, &error), KC_OK);
    script_producer_destroy(&sp);
}

/* A record as large as max.request.size allows spans chunks and arrives whole; one byte beyond is refused at once. */
static void test_large_records(void **state)
{
    static char value[(1 << 20) + 1];
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    memset(value, 'v', sizeof value);
    kc_record record = record_of(value, (1 << 20) - 200);
    assert_int_equal(append(&record, &why, &error), KC_OK);
    script_settle(&sp.peer);
    assert_int_equal(sp.logs[0].end, 2);
    record = record_of(value, (1 << 20));
    assert_int_equal(append(&record, &why, &error), KC_ERR_RECORD_TOO_LARGE);
    assert_int_equal(why.what, KCI_WAIT_NOTHING);
    assert_non_null(strstr(error.text, "max.request.size"));
    record = record_of(value, SIZE_MAX / 2);
    assert_int_equal(append(&record, &why, &error), KC_ERR_RECORD_TOO_LARGE);
    script_producer_destroy(&sp);
}

/* What is wrong with a record is said, and nothing of it is taken. */
static void test_wrong_arguments(void **state)
{
    static const kc_header nameless = { NULL, { "x", 1 } };
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    kc_record wrong[7];
    for (size_t i = 0; i < 7; i++)
        wrong[i] = record_of("x", 1);
    wrong[0].topic = NULL;
    wrong[1].topic = "";
    wrong[2].partition = -3;
    wrong[3].timestamp_ms = -7;
    wrong[4].key = (kc_bytes){ NULL, 5 };
    wrong[5].value = (kc_bytes){ NULL, 5 };
    wrong[6].headers = &nameless;
    wrong[6].header_count = 1;
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(append(&wrong[i], &why, &error), KC_ERR_ARGUMENT);
        assert_int_equal(why.what, KCI_WAIT_NOTHING);
    }
    kc_record three[3] = { record_of("x", 1), wrong[5], record_of("z", 1) };
    size_t accepted;
    assert_int_equal(kci_producer_append(sp.producer, three, 3, &accepted, sp.peer.now, 1, &why, &error),
                     KC_ERR_ARGUMENT);
    assert_int_equal(accepted, 1);
    sp.sent += accepted;
    script_producer_destroy(&sp);
}

/* A topic that does not exist: append says what it waits for; the explanation names the broker's word. */
static void test_unknown_topic(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    char text[300];
    (void)state;
    script_producer_create(&sp);
    kc_record record = record_of("x", 1);
    record.topic = "nowhere";
    assert_int_equal(append(&record, &why, &error), KC_ERR_QUEUE_FULL);
    assert_int_equal(why.what, KCI_WAIT_METADATA);
    script_advance(&sp.peer, 3000);
    assert_int_equal(append(&record, &why, &error), KC_ERR_QUEUE_FULL);
    kci_producer_explain(sp.producer, "nowhere", text, sizeof text, sp.peer.now);
    assert_non_null(strstr(text, "UNKNOWN_TOPIC_OR_PARTITION of topic nowhere"));
    script_topic(&sp.peer, "nowhere", 1); /* it is created at last: who waits is told */
    size_t notified = sp.notified;
    script_advance(&sp.peer, 3000);
    assert_true(sp.notified > notified);
    int32_t count;
    assert_int_equal(kci_producer_partitions(sp.producer, "nowhere", &count, &error), KC_OK);
    assert_int_equal(count, 1);
    script_producer_destroy(&sp);
}

/* A topic that we may not write to fails at once, and works when the permission is there. */
static void test_forbidden_topic(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    script_producer_create(&sp);
    assert_int_equal(script_queue(&sp, 0, "x", &why, &error), KC_ERR_QUEUE_FULL);
    script_advance(&sp.peer, 200);
    assert_int_equal(script_queue(&sp, 0, "x", &why, &error), KC_ERR_TOPIC_AUTHORIZATION_FAILED);
    sp.peer.topics[0].error = 0;
    script_advance(&sp.peer, 2000);
    script_send(&sp, 0, "x");
    script_fates_are(&sp, "x=0");
    script_producer_destroy(&sp);
}

/* A partition beyond the count: append waits for it, and gets it when the topic has grown. */
static void test_partition_appears(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    assert_int_equal(script_queue(&sp, 5, "x", &why, &error), KC_ERR_QUEUE_FULL);
    assert_int_equal(why.what, KCI_WAIT_PARTITION);
    assert_int_equal(why.partition_count, 3);
    sp.peer.topics[0].partitions = 8;
    script_advance(&sp.peer, 2000);
    script_send(&sp, 5, "x");
    script_log_is(&sp, 5, "x");
    script_producer_destroy(&sp);
}

/* No broker answers: after delivery.timeout.ms the record fails, with the reason, and surely was not written. */
static void test_expires_in_the_queue(void **state)
{
    (void)state;
    sp.settings.delivery_timeout_ms = 5000;
    sp.settings.request_timeout_ms = 4000;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.peer.auto_connect = false;
    script_close(&sp.peer, script_conn_to(&sp.peer, "b1:9092"), "reset");
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 4999);
    script_fates_are(&sp, "w=0");
    script_advance(&sp.peer, 1);
    script_fates_are(&sp, "w=0 a=TIMED_OUT");
    assert_non_null(strstr(sp.fates[1].text, "timed out after 5.0 s: 0 attempts"));
    assert_int_equal(kci_producer_pending(sp.producer), 0);
    script_producer_destroy(&sp);
}

/* An answer never comes: the fate is told in time, as unsure; the bytes stay untouched until the request has ended
 * (CVE-2026-35554), and what is sent meanwhile lies elsewhere. */
static void test_expires_in_flight(void **state)
{
    (void)state;
    sp.settings.delivery_timeout_ms = 5000;
    sp.settings.request_timeout_ms = 30000;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    struct script_conn *conn = script_conn_to(&sp.peer, "b1:9092");
    conn->take = 100; /* the socket takes a part of the request and then nothing */
    script_send(&sp, 0, "aaaaaaaaaaaaaaaaaaaaaaa");
    assert_true(conn->full);
    size_t sent = conn->size;
    script_advance(&sp.peer, 5000);
    script_fates_are(&sp, "w=0 aaaaaaaaaaaaaaaaaaaaaaa=TIMED_OUT?");
    uint64_t ticket = kci_producer_flush(sp.producer);
    assert_true(kci_producer_flushed(sp.producer, ticket));
    for (int i = 0; i < 20; i++)
        script_send(&sp, 0, "bbbbbbbbbbbbbbbbbbbbbbb");
    conn->take = SIZE_MAX;
    script_sent(&sp.peer, conn); /* the rest goes out after all: still the first record's bytes */
    assert_true(conn->size > sent);
    script_advance(&sp.peer, 1000);
    assert_string_equal(sp.logs[0].values[1], "aaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(sp.logs[0].end, 22);
    script_producer_destroy(&sp);
}

/* Expired while it waited to be sent again: what follows arrives, once, whatever became of the first. */
static void test_expires_between_attempts(void **state)
{
    (void)state;
    for (int applied = 0; applied < 2; applied++) {
        script_producer_init(&sp);
        sp.settings.delivery_timeout_ms = 1000;
        sp.settings.retry_backoff_ms = sp.settings.retry_backoff_max_ms = 900;
        script_producer_create(&sp);
        script_warm_up(&sp, 1);
        script_fault(&sp, applied ? SCRIPT_APPLY_THEN_ERROR : SCRIPT_ERROR, KCI_REQUEST_TIMED_OUT);
        script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
        script_send(&sp, 0, "a");
        script_advance(&sp.peer, 500);
        script_send(&sp, 0, "b");
        script_advance(&sp.peer, 5000);
        script_log_is(&sp, 0, applied ? "w a b" : "w b");
        script_fates_are(&sp, applied ? "w=0 a=TIMED_OUT? b=2" : "w=0 a=TIMED_OUT? b=1");
        script_send(&sp, 0, "c");
        script_advance(&sp.peer, 3000);
        script_log_is(&sp, 0, applied ? "w a b c" : "w b c");
        script_producer_destroy(&sp);
    }
}

/* retries=2 means three attempts. */
static void test_retries_are_counted(void **state)
{
    (void)state;
    sp.settings.retries = 2;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    for (int i = 0; i < 3; i++)
        script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 10000);
    script_fates_are(&sp, "w=0 a=NOT_ENOUGH_REPLICAS");
    assert_non_null(strstr(sp.fates[1].text, "after 3 attempts"));
    script_producer_destroy(&sp);
}

/* close: no new records, what lingers is sent. */
static void test_close(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.linger_ms = 60000;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    kci_producer_close(sp.producer);
    assert_int_equal(script_queue(&sp, 0, "b", &why, &error), KC_ERR_CLOSED);
    script_settle(&sp.peer);
    script_fates_are(&sp, "a=0");
    script_producer_destroy(&sp);
}

/* Giving up: every record has its fate, and says whether it may have been written. */
static void test_abandon(void **state)
{
    (void)state;
    sp.settings.linger_ms = 10;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 20);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 20); /* in flight */
    script_send(&sp, 1, "c");     /* lingers */
    kci_producer_abandon(sp.producer);
    script_settle(&sp.peer);
    script_fates_are(&sp, "a=0 b=CLOSED? c=CLOSED");
    assert_int_equal(kci_producer_pending(sp.producer), 0);
    script_producer_destroy(&sp);
}

/* Destroyed with everything under way. */
static void test_destroy_reports(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, 0);
    for (int i = 0; i < 30; i++)
        script_send(&sp, i % 3, "x");
    script_producer_destroy(&sp); /* checks that each has one fate */
    assert_int_equal(sp.fates[0].code, KC_ERR_CLOSED);
}

/* Purge: what was never sent and what was are given up by themselves; each record is reported once, in order, with what
 * became of it; and the producer goes on afterwards, in order and without duplicates. */
static void test_purge(void **state)
{
    (void)state;
    for (uint32_t which = KC_PURGE_QUEUED; which <= (KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT); which++) {
        script_producer_init(&sp);
        sp.settings.max_in_flight_requests_per_connection = 1;
        script_producer_create(&sp);
        script_warm_up(&sp, 1);
        script_fault(&sp, SCRIPT_HOLD, 0);
        script_send(&sp, 0, "sent");
        script_send(&sp, 0, "queued");
        script_send(&sp, 1, "other");
        kci_producer_purge(sp.producer, which);
        script_settle(&sp.peer);
        bool in_flight = which & KC_PURGE_IN_FLIGHT, queued = which & KC_PURGE_QUEUED;
        assert_int_equal(sp.fate_count, 1 + (in_flight ? 1 : 0) + (queued ? 1 + (in_flight ? 1 : 0) : 0));
        script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, 0);
        script_send(&sp, 0, "later");
        script_advance(&sp.peer, 2000);
        assert_int_equal(sp.fate_count, sp.sent);
        for (size_t i = 0; i < sp.fate_count; i++) {
            const struct script_fate *fate = &sp.fates[i];
            bool purged = (fate->number == 1 && in_flight) || ((fate->number == 2 || fate->number == 3) && queued);
            assert_int_equal(fate->code, purged ? KC_ERR_PURGED : KC_OK);
            assert_int_equal(fate->traits & KC_MAYBE_APPLIED, purged && fate->number == 1 ? KC_MAYBE_APPLIED : 0);
        }
        script_log_is(&sp, 0, queued ? "w sent later" : "w sent queued later");
        script_log_is(&sp, 1, queued ? "" : "other");
        if (which < (KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT))
            script_producer_destroy(&sp);
    }
    script_producer_destroy(&sp);
}

/* Ten thousand partitions with a record each fit into the default buffer.memory; all together, with all that is known
 * of the partitions, takes no more than 8 MB beyond it. They are given up without a word lost. */
static void test_many_partitions(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.peer.topics[0].partitions = 10000;
    sp.settings.delivery = NULL;
    sp.settings.linger_ms = 1000;
    sp.settings.buffer_memory = 32 << 20;
    script_producer_create(&sp);
    assert_int_equal(script_queue(&sp, 0, "x", &why, &error), KC_ERR_QUEUE_FULL);
    script_settle(&sp.peer);
    for (int32_t p = 0; p < 10000; p++) {
        assert_int_equal(script_queue(&sp, p, "x", &why, &error), KC_OK);
        sp.sent = 0;
    }
    script_settle(&sp.peer);
    assert_int_equal(kci_producer_pending(sp.producer), 10000);
    assert_true(sp.memory.peak_bytes <= (size_t)(32 + 8) << 20);
    kci_producer_abandon(sp.producer);
    script_settle(&sp.peer);
    assert_int_equal(kci_producer_pending(sp.producer), 0);
    script_producer_destroy(&sp);
}

/* Allocation n fails, for every n: whatever was accepted has exactly one fate, nothing leaks, nothing crashes. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        struct kci_producer_wait why;
        kc_error error;
        script_producer_init(&sp);
        sp.settings.compression_type = fail_at % 2 ? KCI_CODEC_NONE : KCI_CODEC_GZIP;
        sp.settings.linger_ms = 5;
        sp.batch_bytes_max = 85; /* batches of four are split */
        sp.memory.fail_at = fail_at;
        if (script_producer_try(&sp, &error)) {
            assert_int_equal(error.code, KC_ERR_NO_MEMORY);
            script_peer_destroy(&sp.peer);
            assert_int_equal(sp.memory.live_blocks, 0);
            continue;
        }
        for (int i = 0; i < 8; i++) {
            if (i == 6)
                script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, 0);
            for (int k = 0; k < 4; k++)
                script_queue(&sp, i % 3, "x", &why, &error);
            script_advance(&sp.peer, 300);
        }
        script_advance(&sp.peer, 10000);
        size_t count = sp.memory.count;
        script_producer_destroy(&sp);
        if (count < fail_at)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_memory_is_a_ceiling, setup),
        cmocka_unit_test_setup(test_memory_without_answers, setup),
        cmocka_unit_test_setup(test_short_memory_ends_linger, setup),
        cmocka_unit_test_setup(test_memory_freed_by_compression, setup),
        cmocka_unit_test_setup(test_large_records, setup),
        cmocka_unit_test_setup(test_wrong_arguments, setup),
        cmocka_unit_test_setup(test_unknown_topic, setup),
        cmocka_unit_test_setup(test_forbidden_topic, setup),
        cmocka_unit_test_setup(test_partition_appears, setup),
        cmocka_unit_test_setup(test_expires_in_the_queue, setup),
        cmocka_unit_test_setup(test_expires_in_flight, setup),
        cmocka_unit_test_setup(test_expires_between_attempts, setup),
        cmocka_unit_test_setup(test_retries_are_counted, setup),
        cmocka_unit_test_setup(test_close, setup),
        cmocka_unit_test_setup(test_abandon, setup),
        cmocka_unit_test_setup(test_destroy_reports, setup),
        cmocka_unit_test_setup(test_purge, setup),
        cmocka_unit_test_setup(test_many_partitions, setup),
        cmocka_unit_test_setup(test_every_allocation_fails, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
