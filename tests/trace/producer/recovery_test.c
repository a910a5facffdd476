/* Stories of what goes wrong on the way and is put right: retries, lost answers, moved leaders, refused sequences. What
 * the log holds in the end is what was sent, once, in order. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    return 0;
}

static void queue(int32_t partition, const char *value)
{
    struct kci_producer_wait why;
    kc_error error;
    assert_int_equal(script_queue(&sp, partition, value, &why, &error), KC_OK);
}

/* The records field of the only batch in a Produce request. */
static struct kci_bytes batch_of(const struct script_request *r)
{
    const struct kci_produce_request *request = r->message;
    return request->topic_data[0].partition_data[0].records;
}

/* A retriable error is retried after the back-off, and a retry is the same bytes. */
static void test_retry_is_byte_identical(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_send(&sp, 0, "a");
    size_t first = sp.peer.request_count - 1;
    script_log_is(&sp, 0, "w");
    script_advance(&sp.peer, 79);
    assert_int_equal(sp.produce_requests, 2); /* 100 ms +- 20 % have not passed */
    script_advance(&sp.peer, 42);
    script_log_is(&sp, 0, "w a");
    script_fates_are(&sp, "w=0 a=1");
    struct kci_bytes one = batch_of(&sp.peer.requests[first]),
                     two = batch_of(&sp.peer.requests[sp.peer.request_count - 1]);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    script_producer_destroy(&sp);
}

/* The answer is lost with the connection: the retry is recognized, nothing is doubled, the offset is the true one. */
static void test_lost_answer(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, 0);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 2000);
    script_log_is(&sp, 0, "w a");
    script_fates_are(&sp, "w=0 a=1");
    assert_int_equal(sp.logs[0].duplicates, 1);
    script_producer_destroy(&sp);
}

/* Without idempotence the same loss makes a duplicate: that is what idempotence is for. */
static void test_lost_answer_without_idempotence(void **state)
{
    (void)state;
    sp.settings.enable_idempotence = false;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, 0);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 2000);
    script_log_is(&sp, 0, "w a a");
    script_fates_are(&sp, "w=0 a=2");
    script_producer_destroy(&sp);
}

/* The broker applied the batch and yet says REQUEST_TIMED_OUT. */
static void test_ambiguous_error(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_APPLY_THEN_ERROR, KCI_REQUEST_TIMED_OUT);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 2000);
    script_log_is(&sp, 0, "a b");
    script_fates_are(&sp, "a=0 b=1");
    script_producer_destroy(&sp);
}

/* Five batches in flight, the connection breaks in the middle: order and count hold. */
static void test_five_in_flight(void **state)
{
    static const char *const values[] = { "a", "b", "c", "d", "e", "f", "g" };
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_HOLD, 0);
    for (size_t i = 0; i < 7; i++)
        script_send(&sp, 0, values[i]);
    struct script_conn *conn = script_held(&sp)->conn;
    script_advance(&sp.peer, 10);
    script_produce_answer(&sp, script_held(&sp), true, 0,
                          false); /* the first is applied; its answer and the others are lost */
    script_close(&sp.peer, conn, "reset");
    script_advance(&sp.peer, 5000);
    script_log_is(&sp, 0, "w a b c d e f g");
    script_fates_are(&sp, "w=0 a=1 b=2 c=3 d=4 e=5 f=6 g=7");
    assert_int_equal(sp.logs[0].duplicates, 1);
    script_producer_destroy(&sp);
}

/* Nothing overtakes: while the first of two has no answer the second is not even sent, since a broker that knows nothing
 * of us would take it although it refused the first. */
static void test_no_overtaking_before_the_first_acknowledgement(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    assert_int_equal(atomic_load(&sp.producer->counters.requests), 1);
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), false, KCI_NOT_LEADER_OR_FOLLOWER);
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "a b");
    script_fates_are(&sp, "a=0 b=1");
    script_producer_destroy(&sp);
}

/* With acks=all a leader that is deposed while it waits for its followers has written: a record that fails after such
 * an answer, and no other, may be in the log for good. With acks=1 the same answer means that nothing was written. */
static void test_a_deposed_leader_may_have_written(void **state)
{
    static const int16_t refusals[] = { KCI_NOT_LEADER_OR_FOLLOWER, KCI_KAFKA_STORAGE_ERROR, KCI_LEADER_NOT_AVAILABLE };
    static const char *const fates[2][3] = { { "w=0 a=TIMED_OUT", "w=0 a=TIMED_OUT", "w=0 a=TIMED_OUT" },
                                             { "w=0 a=TIMED_OUT?", "w=0 a=TIMED_OUT?", "w=0 a=TIMED_OUT" } };
    (void)state;
    for (int all = 0; all < 2; all++)
        for (int i = 0; i < 3; i++) {
            script_producer_init(&sp);
            sp.settings.acks = all ? -1 : 1;
            sp.settings.enable_idempotence = all;
            sp.settings.delivery_timeout_ms = 3000;
            sp.settings.request_timeout_ms = 1000;
            script_producer_create(&sp);
            script_warm_up(&sp, 1);
            script_fault(&sp, SCRIPT_ERROR, refusals[i]);
            for (int n = 0; n < 50; n++)
                script_fault(&sp, SCRIPT_ERROR, KCI_LEADER_NOT_AVAILABLE);
            script_send(&sp, 0, "a");
            script_advance(&sp.peer, 4000);
            script_fates_are(&sp, fates[all][i]);
            script_producer_destroy(&sp);
        }
}

/* NOT_LEADER with a hint (KIP-951): the retry goes to the new leader at once, without back-off. */
static void test_leader_hint(void **state)
{
    (void)state;
    sp.peer.brokers = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "w");
    sp.hint_leader = 2;
    sp.hint_epoch = 9;
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "a");
    script_log_is(&sp, 0, "w a");
    assert_string_equal(sp.peer.requests[sp.peer.request_count - 1].conn->address, "b2:9092");
    kc_producer_stats stats;
    kci_producer_stats(sp.producer, &stats);
    assert_int_equal(stats.leader_changes, 1);
    script_producer_destroy(&sp);
}

/* The hint names a broker that is new, and the answer says where it is: the retry goes there, without metadata. */
static void test_leader_hint_of_a_new_broker(void **state)
{
    (void)state;
    sp.peer.brokers = 1;
    script_producer_create(&sp);
    script_send(&sp, 0, "w");
    sp.peer.auto_metadata = false;
    sp.hint_leader = 3;
    sp.hint_epoch = 9;
    sp.hint_host = "new";
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "a");
    script_log_is(&sp, 0, "w a");
    assert_string_equal(sp.peer.requests[sp.peer.request_count - 1].conn->address, "new:9092");
    assert_null(script_pending(&sp.peer, NULL, KCI_API_METADATA));
    script_producer_destroy(&sp);
}

/* NOT_LEADER without a hint: metadata is asked for, and the retry follows it. */
static void test_leader_moves(void **state)
{
    (void)state;
    sp.peer.brokers = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "w");
    sp.peer.topics[0].leader_shift = 1;
    sp.peer.topics[0].epoch = 6;
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w a");
    script_producer_destroy(&sp);
}

/* A batch in the middle is refused for good while one before it is being retried (KAFKA-14034): it fails, the others
 * arrive in order, once, and the sequences go on. */
static void test_failure_behind_a_retry(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_APPLY_THEN_ERROR, KCI_REQUEST_TIMED_OUT); /* a: applied, not known */
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_RECORD);               /* b: refused */
    script_fault(&sp, SCRIPT_NO_FAULT, 0);                             /* c: behind the gap */
    script_fault(&sp, SCRIPT_HOLD, 0);
    sp.peer.conns[sp.peer.conn_count - 1].silent = true; /* let all three be in flight first */
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 0, "c");
    sp.peer.conns[sp.peer.conn_count - 1].silent = false;
    sp.fault_count--; /* the hold was only a guard */
    script_settle(&sp.peer);
    script_advance(&sp.peer, 5000);
    script_log_is(&sp, 0, "w a c");
    script_fates_are(&sp, "w=0 a=1 b=INVALID_RECORD c=2");
    script_send(&sp, 0, "d");
    script_advance(&sp.peer, 2000);
    script_log_is(&sp, 0, "w a c d");
    script_producer_destroy(&sp);
}

/* A refused batch leaves a gap in the sequences; the next epoch begins by itself. */
static void test_gap_begins_a_new_epoch(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 2);
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_RECORD);
    script_send(&sp, 0, "bad");
    script_send(&sp, 0, "good");
    script_send(&sp, 1, "other");
    script_log_is(&sp, 0, "w good");
    script_log_is(&sp, 1, "w other");
    assert_int_equal(sp.logs[0].epoch, 1);
    assert_int_equal(sp.logs[1].epoch, 0); /* untouched */
    assert_int_equal(sp.id_requests, 1);
    script_producer_destroy(&sp);
}

/* The broker lost our state in a way that makes it refuse the sequence: all outstanding batches are numbered afresh. */
static void test_out_of_order_recovery(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.logs[0].seen[sp.logs[0].seen_count - 1].last = 41; /* as if it remembered another history */
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 3000);
    script_log_is(&sp, 0, "w a b");
    script_fates_are(&sp, "w=0 a=1 b=2");
    assert_int_equal(sp.logs[0].epoch, 1);
    script_producer_destroy(&sp);
}

/* All epochs of an id used up: a new id is asked for. */
static void test_epochs_used_up(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_PRODUCER_EPOCH);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 3000);
    script_log_is(&sp, 0, "w a");
    assert_int_equal(sp.id_requests, 2);
    assert_int_equal(sp.logs[0].producer_id, 101);
    assert_int_equal(sp.logs[0].epoch, 0);
    script_producer_destroy(&sp);
}

/* The id request itself fails for a while: it is repeated with a growing back-off. */
static void test_producer_id_is_retried(void **state)
{
    (void)state;
    sp.id_error = KCI_COORDINATOR_LOAD_IN_PROGRESS;
    sp.id_errors = 3;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_fates_are(&sp, "");
    script_advance(&sp.peer, 500); /* 100 + 200 + 400, each +- 20 %, have not passed */
    script_fates_are(&sp, "");
    script_advance(&sp.peer, 400);
    script_fates_are(&sp, "a=0");
    assert_int_equal(sp.id_requests, 4);
    script_producer_destroy(&sp);
}

/* No permission to write idempotently: what waits fails with the broker's word, and a later record gets its chance. */
static void test_producer_id_refused(void **state)
{
    (void)state;
    sp.id_error = KCI_CLUSTER_AUTHORIZATION_FAILED;
    sp.id_errors = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 150);
    script_fates_are(&sp, "a=CLUSTER_AUTHORIZATION_FAILED");
    assert_non_null(strstr(sp.fates[0].text, "gives no producer id"));
    script_advance(&sp.peer, 500);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 500);
    script_log_is(&sp, 0, "b");
    script_producer_destroy(&sp);
}

/* Too large for the topic: the batch is split, each piece keeps its sequences, and batches stay smaller from then on.
 */
static void test_split(void **state)
{
    (void)state;
    for (int32_t codec = KCI_CODEC_NONE; codec <= KCI_CODEC_GZIP; codec++) {
        script_producer_init(&sp);
        sp.settings.linger_ms = 10;
        sp.settings.batch_size = 300;
        sp.settings.compression_type = codec;
        script_producer_create(&sp);
        script_warm_up(&sp, 0);
        script_send(&sp, 0, "w");
        script_advance(&sp.peer, 20);
        sp.fate_count = 0;
        sp.peer.conns[sp.peer.conn_count - 1].silent = true;
        for (int i = 0; i < 5; i++) { /* the open batch grows behind those in flight */
            char value[16];
            for (int k = 0; k < 40; k++) {
                snprintf(value, sizeof value, "v%03d", i * 40 + k);
                queue(0, value);
            }
            script_settle(&sp.peer);
        }
        sp.batch_bytes_max = codec ? 250 : 700;
        sp.peer.conns[sp.peer.conn_count - 1].silent = false;
        script_settle(&sp.peer);
        script_advance(&sp.peer, 10000);
        assert_int_equal(sp.logs[0].end, 201);
        for (int i = 0; i < 200; i++) {
            char value[16];
            snprintf(value, sizeof value, "v%03d", i);
            assert_string_equal(sp.logs[0].values[i + 1], value);
            assert_int_equal(sp.fates[i].offset, i + 1);
        }
        memmove(sp.fates + 1, sp.fates, 200 * sizeof sp.fates[0]);
        sp.fates[0] = (struct script_fate){ .number = 0 };
        sp.fate_count = 201;
        script_producer_destroy(&sp);
    }
}

/* A flush that waits for a batch waits for the pieces that it is split into. */
static void test_flush_waits_for_pieces(void **state)
{
    (void)state;
    sp.settings.batch_size = 300;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.settings.linger_ms = 1000;
    for (int i = 0; i < 60; i++)
        queue(0, "v"); /* nobody has taken the first full batch: the second grows */
    script_fault(&sp, SCRIPT_NO_FAULT, 0);
    script_fault(&sp, SCRIPT_ERROR, KCI_MESSAGE_TOO_LARGE);
    script_fault(&sp, SCRIPT_HOLD, 0);
    uint64_t ticket = kci_producer_flush(sp.producer);
    script_settle(&sp.peer);
    assert_int_equal(sp.fault_first, 3);
    assert_false(kci_producer_flushed(sp.producer, ticket));
    script_serve_now(&sp, script_held(&sp), true, 0);
    script_advance(&sp.peer, 100);
    assert_true(kci_producer_flushed(sp.producer, ticket));
    assert_int_equal(sp.logs[0].end, 61);
    script_producer_destroy(&sp);
}

/* A single record that is too large fails alone. */
static void test_too_large_alone(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.batch_bytes_max = 80;
    script_send(&sp, 0, "0123456789012345678901");
    script_send(&sp, 0, "x");
    script_advance(&sp.peer, 1000);
    script_fates_are(&sp, "w=0 0123456789012345678901=MESSAGE_TOO_LARGE x=1");
    script_producer_destroy(&sp);
}

/* KIP-467: the broker names the bad record of a batch. */
static void test_record_errors(void **state)
{
    (void)state;
    sp.settings.linger_ms = 10;
    script_producer_create(&sp);
    script_send(&sp, 0, "good");
    queue(0, "bad");
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_advance(&sp.peer, 20);
    struct script_request *r = script_held(&sp);
    struct kci_produce_response__batch_index_and_error_message bad = { .batch_index = 1,
                                                                       .batch_index_error_message =
                                                                           kci_str_of("no key") };
    struct kci_produce_response__partition_produce_response answer;
    struct kci_produce_response__topic_produce_response topic;
    struct kci_produce_response response;
    kci_codec_init(&kci_produce_response__partition_produce_response_schema, &answer);
    kci_codec_init(&kci_produce_response__topic_produce_response_schema, &topic);
    kci_codec_init(&kci_produce_response_schema, &response);
    answer.error_code = KCI_INVALID_RECORD;
    answer.record_errors = &bad;
    answer.record_errors_count = 1;
    topic.topic_id = sp.peer.topics[0].id;
    topic.partition_responses = &answer;
    topic.partition_responses_count = 1;
    response.responses = &topic;
    response.responses_count = 1;
    r->conn->silent = false;
    script_answer(&sp.peer, r, &response);
    script_fates_are(&sp, "good=INVALID_RECORD bad=INVALID_RECORD");
    assert_string_equal(sp.fates[1].text, "no key");
    assert_non_null(strstr(sp.fates[0].text, "another record"));
    script_producer_destroy(&sp);
}

/* An answer that leaves the partition out is no answer; one about strangers is ignored. */
static void test_answer_without_the_partition(void **state)
{
    struct kci_produce_response__partition_produce_response answer;
    struct kci_produce_response__topic_produce_response topic;
    struct kci_produce_response response;
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "a");
    struct script_request *r = script_held(&sp);
    kci_codec_init(&kci_produce_response__partition_produce_response_schema, &answer);
    kci_codec_init(&kci_produce_response__topic_produce_response_schema, &topic);
    kci_codec_init(&kci_produce_response_schema, &response);
    answer.index = 77;
    topic.topic_id = sp.peer.topics[0].id;
    topic.partition_responses = &answer;
    topic.partition_responses_count = 1;
    response.responses = &topic;
    response.responses_count = 1;
    r->conn->silent = false;
    script_answer(&sp.peer, r, &response);
    script_fates_are(&sp, "");
    script_advance(&sp.peer, 1000);
    script_fates_are(&sp, "a=0");
    script_producer_destroy(&sp);
}

/* Bytes that are no Produce response: the connection is dropped, the records arrive over the next. */
static void test_malformed_response(void **state)
{
    uint8_t bytes[12] = { 0, 0, 0, 8 };
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "a");
    struct script_request *r = script_held(&sp);
    script_produce_answer(&sp, r, true, 0, false);
    kci_put32(bytes + 4, (uint32_t)r->header.correlation);
    memset(bytes + 8, 0xFF, 4);
    script_bytes(&sp.peer, r->conn, bytes, sizeof bytes);
    script_advance(&sp.peer, 3000);
    script_log_is(&sp, 0, "w a");
    script_fates_are(&sp, "w=0 a=1");
    script_producer_destroy(&sp);
}

/* Sequence numbers go from 2^31-1 to 0. */
static void test_sequence_wraps(void **state)
{
    (void)state;
    assert_int_equal((int)(((uint32_t)INT32_MAX + 1u) & INT32_MAX), 0);
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_producer_sequence(&sp, 0, INT32_MAX - 1);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 0, "c");
    script_log_is(&sp, 0, "w a b c");
    assert_int_equal(sp.logs[0].epoch, 0);
    assert_int_equal(sp.logs[0].seen[sp.logs[0].seen_count - 1].last, 0);
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_retry_is_byte_identical, setup),
        cmocka_unit_test_setup(test_lost_answer, setup),
        cmocka_unit_test_setup(test_lost_answer_without_idempotence, setup),
        cmocka_unit_test_setup(test_ambiguous_error, setup),
        cmocka_unit_test_setup(test_five_in_flight, setup),
        cmocka_unit_test_setup(test_no_overtaking_before_the_first_acknowledgement, setup),
        cmocka_unit_test(test_a_deposed_leader_may_have_written),
        cmocka_unit_test_setup(test_leader_hint, setup),
        cmocka_unit_test_setup(test_leader_hint_of_a_new_broker, setup),
        cmocka_unit_test_setup(test_leader_moves, setup),
        cmocka_unit_test_setup(test_failure_behind_a_retry, setup),
        cmocka_unit_test_setup(test_gap_begins_a_new_epoch, setup),
        cmocka_unit_test_setup(test_out_of_order_recovery, setup),
        cmocka_unit_test_setup(test_epochs_used_up, setup),
        cmocka_unit_test_setup(test_producer_id_is_retried, setup),
        cmocka_unit_test_setup(test_producer_id_refused, setup),
        cmocka_unit_test_setup(test_split, setup),
        cmocka_unit_test_setup(test_flush_waits_for_pieces, setup),
        cmocka_unit_test_setup(test_too_large_alone, setup),
        cmocka_unit_test_setup(test_record_errors, setup),
        cmocka_unit_test_setup(test_answer_without_the_partition, setup),
        cmocka_unit_test_setup(test_malformed_response, setup),
        cmocka_unit_test_setup(test_sequence_wraps, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
