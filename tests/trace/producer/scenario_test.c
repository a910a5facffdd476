/* Stories that other clients' bug trackers tell: what a broker, a leader change or a quota does in between, and that
 * the log holds each record once and in order all the same.  docs/scenarios.md says which row is which. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    return 0;
}

static struct script_conn *connection(void)
{
    return &sp.peer.conns[sp.peer.conn_count - 1];
}

static struct kci_partition *partition(int32_t index)
{
    return kci_topic_partition(kci_topic_find(sp.producer, "t"), index);
}

/* Produce requests that a connection to this address has carried. */
static size_t requests_to(const char *address)
{
    size_t count = 0;
    for (size_t i = 0; i < sp.peer.request_count; i++)
        count += sp.peer.requests[i].header.api_key == KCI_API_PRODUCE &&
                 strcmp(sp.peer.requests[i].conn->address, address) == 0;
    return count;
}

/* Attempts are 100, 200, 400, 800, 1000, 1000 ms apart, each by -20 % to +20 %. */
static void test_backoff_grows_to_its_limit(void **state)
{
    static const int64_t expected_ms[] = { 100, 200, 400, 800, 1000, 1000 };
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    for (int i = 0; i < 6; i++)
        script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_send(&sp, 0, "a");
    for (int i = 0; i < 6; i++) {
        size_t before = sp.produce_requests;
        int64_t waited = 0;
        for (; sp.produce_requests == before && waited < 2000; waited++)
            script_advance(&sp.peer, 1);
        assert_in_range(waited, expected_ms[i] * 80 / 100, expected_ms[i] * 120 / 100 + 1);
    }
    script_fates_are(&sp, "w=0 a=1");
    script_producer_destroy(&sp);
}

/* Five batches are under way and all five are applied, and the connection breaks before any answer: each retry is
 * recognized, each gets its own offset. */
static void test_all_answers_lost(void **state)
{
    static const char *const values[] = { "a", "b", "c", "d", "e" };
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    connection()->silent = true;
    for (size_t i = 0; i < 5; i++)
        script_send(&sp, 0, values[i]);
    for (int i = 0; i < 5; i++)
        script_produce_answer(&sp, script_held(&sp), true, 0, false);
    script_close(&sp.peer, connection(), "reset");
    script_advance(&sp.peer, 5000);
    script_log_is(&sp, 0, "w a b c d e");
    script_fates_are(&sp, "w=0 a=1 b=2 c=3 d=4 e=5");
    assert_int_equal(sp.logs[0].duplicates, 5);
    script_producer_destroy(&sp);
}

/* NOT_ENOUGH_REPLICAS_AFTER_APPEND, and then the repetition is called a duplicate by an old broker: it is delivered, at
 * an offset that nobody told. */
static void test_duplicate_means_delivered(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_APPLY_THEN_ERROR, KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    script_fault(&sp, SCRIPT_ERROR, KCI_DUPLICATE_SEQUENCE_NUMBER);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 1000);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w a b");
    script_fates_are(&sp, "w=0 a=-1 b=2");
    assert_int_equal(sp.logs[0].epoch, 0);
    script_producer_destroy(&sp);
}

/* The first of two is refused for a while, the second therefore out of order: no new epoch, nothing doubled, no other
 * partition touched. */
static void test_out_of_order_behind_a_retry(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 2);
    connection()->silent = true;
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 0, "c");
    connection()->silent = false;
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_settle(&sp.peer); /* b and c: OUT_OF_ORDER_SEQUENCE_NUMBER */
    script_log_is(&sp, 0, "w");
    script_send(&sp, 1, "other");
    script_advance(&sp.peer, 3000);
    script_log_is(&sp, 0, "w a b c");
    script_fates_are(&sp, "w=0 w=0 other=1 a=1 b=2 c=3");
    assert_int_equal(sp.logs[0].epoch, 0);
    assert_int_equal(sp.logs[1].epoch, 0);
    assert_int_equal(sp.id_requests, 1);
    script_producer_destroy(&sp);
}

/* The leader moves while two batches are under way to the old one: nothing is sent to the new one before both are
 * answered, so nothing overtakes. */
static void test_a_new_leader_waits_for_the_old_one(void **state)
{
    (void)state;
    sp.peer.brokers = 2;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    struct script_conn *old = script_conn_to(&sp.peer, "b1:9092");
    old->silent = true;
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    size_t before = requests_to("b2:9092");
    sp.peer.topics[0].leader_shift = 1;
    sp.peer.topics[0].epoch = 6;
    kci_cluster_refresh(sp.producer->cluster, "the test says so", sp.peer.now);
    script_send(&sp, 0, "c");
    script_advance(&sp.peer, 500);
    assert_int_equal(requests_to("b2:9092"), before);
    script_produce_answer(&sp, script_held(&sp), true, 0, true); /* a was in time */
    script_produce_answer(&sp, script_held(&sp), false, KCI_NOT_LEADER_OR_FOLLOWER, true);
    old->silent = false;
    script_settle(&sp.peer);
    script_advance(&sp.peer, 3000);
    script_log_is(&sp, 0, "w a b c");
    script_fates_are(&sp, "w=0 a=1 b=2 c=3");
    assert_true(requests_to("b2:9092") > before);
    script_producer_destroy(&sp);
}

/* After a hint (KIP-951), metadata of a broker that has not heard of the election does not move the partition back. */
static void test_stale_metadata_does_not_move_it_back(void **state)
{
    (void)state;
    sp.peer.brokers = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "w");
    sp.hint_leader = 2;
    sp.hint_epoch = 9;
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "a");
    size_t old = requests_to("b1:9092");
    kci_cluster_refresh(sp.producer->cluster, "the test says so", sp.peer.now); /* answered with epoch 5: stale */
    script_advance(&sp.peer, 2000);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    assert_int_equal(requests_to("b1:9092"), old);
    script_log_is(&sp, 0, "w a b");
    script_fates_are(&sp, "w=0 a=1 b=2");
    script_producer_destroy(&sp);
}

/* The broker has forgotten the producer (its records are gone or too old) and says so: a batch that surely is not in
 * the log goes again under a new epoch. */
static void test_unknown_producer_recovers(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 2);
    script_fault(&sp, SCRIPT_ERROR, KCI_UNKNOWN_PRODUCER_ID);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 1000);
    script_send(&sp, 0, "b");
    script_log_is(&sp, 0, "w a b");
    script_fates_are(&sp, "w=0 w=0 a=1 b=2");
    assert_int_equal(sp.logs[0].epoch, 1);
    assert_int_equal(sp.logs[1].epoch, 0);
    script_producer_destroy(&sp);
}

/* The same for a batch that an earlier attempt may have written: with new numbers it could be doubled, so it fails and
 * says that it may be there. What follows goes on. */
static void test_unknown_producer_of_an_unsure_batch(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_APPLY_THEN_ERROR, KCI_REQUEST_TIMED_OUT);
    script_fault(&sp, SCRIPT_ERROR, KCI_UNKNOWN_PRODUCER_ID);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 1000);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w a b");
    script_fates_are(&sp, "w=0 a=UNKNOWN_PRODUCER_ID? b=2");
    script_producer_destroy(&sp);
}

/* One batch expires and the next one is refused because of the gap, while the first attempts of both may still wait at the
 * broker, in the buffer of a connection that is gone: with new numbers the second one could be doubled. */
static void test_out_of_order_behind_what_may_come_yet(void **state)
{
    (void)state;
    sp.settings.delivery_timeout_ms = 2000;
    sp.settings.request_timeout_ms = 1000;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    connection()->silent = true;
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 500);
    script_send(&sp, 0, "b");
    sp.peer.auto_connect = false;
    script_close(&sp.peer, connection(), "reset");
    script_advance(&sp.peer, 1600);
    script_fates_are(&sp, "w=0 a=TIMED_OUT?");
    sp.peer.auto_connect = true;
    script_advance(&sp.peer, 300);
    script_fates_are(&sp, "w=0 a=TIMED_OUT? b=OUT_OF_ORDER_SEQUENCE_NUMBER?");
    script_send(&sp, 0, "c");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w c");
    assert_int_equal(sp.logs[0].epoch, 1);
    script_producer_destroy(&sp);
}

/* A broker that lost its memory of us and does not say so (brokers of today): it takes the next sequence, whatever it
 * is, and nothing is lost. */
static void test_lost_state_goes_unnoticed(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    for (int i = 0; i < 3; i++) {
        sp.logs[0].producer_id = -1;
        sp.logs[0].seen_count = 0;
        script_send(&sp, 0, "a");
    }
    script_log_is(&sp, 0, "w a a a");
    assert_int_equal(sp.logs[0].epoch, 0);
    script_producer_destroy(&sp);
}

/* An id that the broker does not map any more: a new one is asked for, and what waits goes under it. */
static void test_id_is_renewed(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 2);
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_PRODUCER_ID_MAPPING);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 3000);
    script_send(&sp, 1, "b"); /* its numbers are good still */
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w a");
    script_log_is(&sp, 1, "w b");
    assert_int_equal(sp.id_requests, 2);
    assert_int_equal(sp.logs[0].producer_id, 101);
    assert_int_equal(sp.logs[1].producer_id, 100);
    script_producer_destroy(&sp);
}

/* Epoch 32767 is the last of an id: the next gap begins a new id. */
static void test_last_epoch(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    partition(0)->producer_epoch = INT16_MAX;
    sp.logs[0].epoch = INT16_MAX;
    script_send(&sp, 0, "a");
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_RECORD);
    script_send(&sp, 0, "bad");
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "w a b");
    assert_int_equal(sp.id_requests, 2);
    assert_int_equal(sp.logs[0].producer_id, 101);
    assert_int_equal(sp.logs[0].epoch, 0);
    script_producer_destroy(&sp);
}

/* A batch whose sequences go over 2^31: its repetition is recognized, too, and the next begins behind it. */
static void test_a_batch_across_the_wrap(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_producer_sequence(&sp, 0, INT32_MAX - 1);
    sp.settings.linger_ms = 5;
    script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, 0);
    for (int i = 0; i < 4; i++) {
        const char *const values[] = { "a", "b", "c", "d" };
        assert_int_equal(script_queue(&sp, 0, values[i], &why, &error), KC_OK);
    }
    script_advance(&sp.peer, 3000);
    script_send(&sp, 0, "e");
    script_advance(&sp.peer, 100);
    script_log_is(&sp, 0, "w a b c d e");
    script_fates_are(&sp, "w=0 a=1 b=2 c=3 d=4 e=5");
    assert_int_equal(sp.logs[0].duplicates, 1);
    assert_int_equal(sp.logs[0].epoch, 0);
    assert_int_equal(sp.logs[0].seen[sp.logs[0].seen_count - 1].last, 2);
    script_producer_destroy(&sp);
}

/* Without idempotence, one request in flight keeps the order over errors. */
static void test_one_in_flight_keeps_order(void **state)
{
    (void)state;
    sp.settings.enable_idempotence = false;
    sp.settings.max_in_flight_requests_per_connection = 1;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 0, "c");
    script_advance(&sp.peer, 5000);
    script_log_is(&sp, 0, "w a b c");
    script_fates_are(&sp, "w=0 a=1 b=2 c=3");
    script_producer_destroy(&sp);
}

/* A quota (KIP-219): nothing goes to that broker until the time is over; it is not a failure and costs no attempt. */
static void test_throttled(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.throttle_ms = 5000;
    script_send(&sp, 0, "a");
    sp.throttle_ms = 0;
    size_t before = sp.produce_requests;
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 4990);
    assert_int_equal(sp.produce_requests, before);
    script_fates_are(&sp, "w=0 a=1");
    script_advance(&sp.peer, 20);
    script_fates_are(&sp, "w=0 a=1 b=2");
    kc_producer_stats stats;
    kci_producer_stats(sp.producer, &stats);
    assert_int_equal(stats.batches_retried, 0);
    script_producer_destroy(&sp);
}

/* The topic is deleted and made again under the same name: the broker does not know the id, the client asks, and goes
 * on in the new topic. */
static void test_recreated_topic(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    sp.peer.topics[0].id.b[15] ^= 0x55;
    sp.peer.topics[0].epoch = 0;
    script_fault(&sp, SCRIPT_ERROR, KCI_UNKNOWN_TOPIC_ID);
    memset(&sp.logs[0], 0, sizeof sp.logs[0]);
    sp.logs[0].producer_id = -1;
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 3000);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 1000);
    script_log_is(&sp, 0, "a b");
    script_fates_are(&sp, "w=0 a=0 b=1");
    const struct kci_produce_request *last = sp.peer.requests[sp.peer.request_count - 1].message;
    assert_memory_equal(last->topic_data[0].topic_id.b, sp.peer.topics[0].id.b, 16);
    script_producer_destroy(&sp);
}

/* What does not fit into one request of max.request.size goes in several; none of them is larger. */
static void test_requests_have_a_limit(void **state)
{
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.settings.max_request_size = 400;
    sp.settings.linger_ms = 10;
    script_producer_create(&sp);
    script_warm_up(&sp, 0);
    script_send(&sp, 0, "w");
    script_advance(&sp.peer, 20);
    size_t before = sp.produce_requests;
    for (int i = 0; i < 12; i++)
        assert_int_equal(script_queue(&sp, i % 3, "0123456789012345678901", &why, &error), KC_OK);
    script_advance(&sp.peer, 100);
    assert_true(sp.produce_requests >= before + 2);
    for (size_t i = 0; i < sp.peer.request_count; i++) {
        const struct kci_produce_request *request = sp.peer.requests[i].message;
        size_t bytes = 0;
        if (sp.peer.requests[i].header.api_key != KCI_API_PRODUCE)
            continue;
        for (int32_t p = 0; p < request->topic_data[0].partition_data_count; p++)
            bytes += request->topic_data[0].partition_data[p].records.size;
        assert_true(bytes <= 400);
    }
    assert_int_equal(sp.logs[0].end + sp.logs[1].end + sp.logs[2].end, 13);
    script_producer_destroy(&sp);
}

/* An answer that names a partition twice: the first word counts. */
static void test_answer_twice(void **state)
{
    struct kci_produce_response__partition_produce_response answers[2];
    struct kci_produce_response__topic_produce_response topic;
    struct kci_produce_response response;
    (void)state;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, 0);
    script_send(&sp, 0, "a");
    struct script_request *r = script_held(&sp);
    kci_codec_init(&kci_produce_response__topic_produce_response_schema, &topic);
    kci_codec_init(&kci_produce_response_schema, &response);
    for (int i = 0; i < 2; i++)
        kci_codec_init(&kci_produce_response__partition_produce_response_schema, &answers[i]);
    answers[0].base_offset = 7;
    answers[1].error_code = KCI_INVALID_RECORD;
    topic.topic_id = sp.peer.topics[0].id;
    topic.partition_responses = answers;
    topic.partition_responses_count = 2;
    response.responses = &topic;
    response.responses_count = 1;
    r->conn->silent = false;
    script_answer(&sp.peer, r, &response);
    script_advance(&sp.peer, 1000);
    script_fates_are(&sp, "a=7");
    script_producer_destroy(&sp);
}

/* A broker that writes what the network has damaged says CORRUPT_MESSAGE: the same bytes go again. */
static void test_damaged_on_the_way(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_CORRUPT_MESSAGE);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 1000);
    script_fates_are(&sp, "w=0 a=1");
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_backoff_grows_to_its_limit, setup),
        cmocka_unit_test_setup(test_all_answers_lost, setup),
        cmocka_unit_test_setup(test_duplicate_means_delivered, setup),
        cmocka_unit_test_setup(test_out_of_order_behind_a_retry, setup),
        cmocka_unit_test_setup(test_a_new_leader_waits_for_the_old_one, setup),
        cmocka_unit_test_setup(test_stale_metadata_does_not_move_it_back, setup),
        cmocka_unit_test_setup(test_unknown_producer_recovers, setup),
        cmocka_unit_test_setup(test_unknown_producer_of_an_unsure_batch, setup),
        cmocka_unit_test_setup(test_out_of_order_behind_what_may_come_yet, setup),
        cmocka_unit_test_setup(test_lost_state_goes_unnoticed, setup),
        cmocka_unit_test_setup(test_id_is_renewed, setup),
        cmocka_unit_test_setup(test_last_epoch, setup),
        cmocka_unit_test_setup(test_a_batch_across_the_wrap, setup),
        cmocka_unit_test_setup(test_one_in_flight_keeps_order, setup),
        cmocka_unit_test_setup(test_throttled, setup),
        cmocka_unit_test_setup(test_recreated_topic, setup),
        cmocka_unit_test_setup(test_requests_have_a_limit, setup),
        cmocka_unit_test_setup(test_answer_twice, setup),
        cmocka_unit_test_setup(test_damaged_on_the_way, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
