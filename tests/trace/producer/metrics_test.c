/* Stories of numbers: what a producer counts is what happened, for it as a whole, per broker and per topic. */
#include "support/script_producer.h"

static struct script_producer sp;
static kc_metrics m;
static struct kci_metrics_room room;
static char names[(KCI_METRICS_TOPICS_MAX + 1) * KCI_METRICS_NAME_BYTES];
static kc_broker_metrics brokers[KCI_METRICS_BROKERS_MAX + 1];
static kc_api_metrics apis[KCI_METRICS_APIS_MAX];
static kc_topic_metrics topics[KCI_METRICS_TOPICS_MAX + 1];

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    return 0;
}

static void look(void)
{
    m = (kc_metrics){ .role = "producer" };
    room = (struct kci_metrics_room){ .brokers = brokers, .topics = topics, .apis = apis, .names = names };
    kci_producer_metrics_need(sp.producer, &room);
    assert_true(room.topic_capacity <= KCI_METRICS_TOPICS_MAX + 1);
    kci_producer_metrics(sp.producer, &m, &room, sp.peer.now);
}

static const kc_broker_metrics *broker(int32_t id)
{
    for (size_t i = 0; i < m.broker_count; i++)
        if (m.brokers[i].id == id)
            return &m.brokers[i];
    fail_msg("no broker %d", (int)id);
    return NULL;
}

static const kc_api_metrics *api(const char *name)
{
    for (size_t i = 0; i < m.api_count; i++)
        if (strcmp(m.apis[i].api, name) == 0)
            return &m.apis[i];
    fail_msg("no API %s", name);
    return NULL;
}

static const kc_topic_metrics *topic(const char *name)
{
    for (size_t i = 0; i < m.topic_count; i++)
        if (strcmp(m.topics[i].topic, name) == 0)
            return &m.topics[i];
    fail_msg("no topic %s", name);
    return NULL;
}

/* What arrives is counted once: records, batches, requests, connections, bytes; and nothing is left in flight. */
static void test_what_arrives(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_send(&sp, 0, "b");
    script_send(&sp, 2, "c");
    look();
    assert_int_equal(m.records_queued, 3);
    assert_int_equal(m.records_sent, 3);
    assert_int_equal(m.records_pending, 0);
    assert_int_equal(m.records_failed + m.records_retried + m.batches_retried, 0);
    assert_int_equal(m.batches, 3);
    assert_int_equal(m.produce_requests, 3);
    assert_int_equal(m.produce_records, 3);
    assert_int_equal(m.bytes_sent, m.batch_bytes);
    assert_int_equal(m.batch_bytes, m.batch_bytes_plain);
    assert_true(m.batch_bytes_max >= 61 && (double)m.batch_bytes_max >= m.batch_size_avg);
    assert_int_equal(m.queue_time.count, 3);
    assert_int_equal(topic("t")->records, 3);
    assert_int_equal(topic("t")->batches, 3);
    assert_int_equal(m.all.requests, m.all.responses);
    assert_int_equal(m.all.requests_in_flight, 0);
    assert_int_equal(m.all.request_latency.count, m.all.responses);
    uint64_t requests = 0, bytes = 0, made = 0, kinds = 0;
    for (size_t i = 0; i < m.broker_count; i++) {
        requests += m.brokers[i].requests;
        bytes += m.brokers[i].bytes_out;
        made += m.brokers[i].connections_made;
    }
    assert_int_equal(requests, m.all.requests);
    assert_int_equal(bytes, m.all.bytes_out);
    assert_int_equal(made, m.all.connections_made);
    for (size_t i = 0; i < m.api_count; i++)
        kinds += m.apis[i].requests;
    assert_int_equal(kinds, m.all.requests);
    assert_int_equal(api("Produce")->requests, 3);
    assert_int_equal(api("Produce")->latency.count, 3);
    assert_int_equal(api("InitProducerId")->requests, 1);
    assert_int_equal(broker(KC_BROKER_BOOTSTRAP)->connections, 0); /* closed: the brokers are known */
    assert_true(broker(KC_BROKER_BOOTSTRAP)->connections_closed == 1 && m.metadata_updates >= 1);
    script_producer_destroy(&sp);
}

/* Time that passes between request and answer is the latency, time before the request is that in the queue. */
static void test_times(void **state)
{
    (void)state;
    sp.settings.linger_ms = 40;
    script_producer_create(&sp);
    script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 40);
    look();
    assert_int_equal(m.all.requests_in_flight, 1);
    assert_int_equal(m.records_pending, 1);
    assert_int_equal(m.queue_time.max_us, 40000);
    script_advance(&sp.peer, 700);
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, KCI_NONE);
    look();
    assert_int_equal(m.all.request_latency.max_us, 700000);
    assert_int_equal(api("Produce")->latency.max_us, 700000);
    assert_int_equal(api("Metadata")->latency.max_us, 0); /* each kind has its own */
    assert_int_equal(m.all.requests_in_flight, 0);
    assert_true(m.record_send_rate > 0 && m.record_send_rate <= 1);
    script_producer_destroy(&sp);
}

/* An attempt that fails is a retry of its topic; a connection that breaks is one of its broker; a record that is given
 * up is a failure. */
static void test_retries_and_failures(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_ENOUGH_REPLICAS);
    script_fault(&sp, SCRIPT_CLOSE, KCI_NONE);
    script_send(&sp, 0, "b");
    script_advance(&sp.peer, 5000);
    script_fates_are(&sp, "a=0 b=1");
    look();
    assert_int_equal(m.records_retried, 2);
    assert_int_equal(topic("t")->records_retried, 2);
    assert_int_equal(m.batches_retried, 2);
    assert_int_equal(m.batches, 2); /* retries are the same batch */
    assert_int_equal(broker(1)->connection_failures, 1);
    assert_int_equal(broker(1)->request_failures, 1);
    assert_int_equal(api("Produce")->request_failures, 1);
    assert_int_equal(broker(1)->connections_made, 2);
    assert_int_equal(broker(1)->connections, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_INVALID_RECORD);
    script_send(&sp, 0, "c");
    look();
    assert_int_equal(m.records_failed, 1);
    assert_int_equal(topic("t")->records_failed, 1);
    assert_int_equal(m.records_sent, 2);
    script_producer_destroy(&sp);
}

/* Topics beyond the limit are counted together, and the sum stays exact. */
static void test_more_topics_than_are_counted_apart(void **state)
{
    static char text[KCI_METRICS_TOPICS_MAX + 10][16];
    (void)state;
    script_producer_create(&sp);
    int32_t count;
    for (size_t i = 0; i < KCI_METRICS_TOPICS_MAX + 5; i++) {
        snprintf(text[i], sizeof text[i], "x%zu", i);
        kci_producer_partitions(sp.producer, text[i], &count, NULL);
    }
    script_step(&sp.peer);
    look();
    assert_int_equal(m.topic_count, KCI_METRICS_TOPICS_MAX); /* nothing was sent to the others yet */
    script_send(&sp, 0, "a");                                /* "t" is beyond the limit */
    look();
    assert_int_equal(m.topic_count, KCI_METRICS_TOPICS_MAX + 1);
    assert_int_equal(topic("")->records, 1);
    assert_int_equal(m.records_sent, 1);
    script_producer_destroy(&sp);
}

/* A snapshot whose arrays are too small, because something came since they were made, leaves out what does not fit. */
static void test_room_that_is_too_small(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    m = (kc_metrics){ .role = "producer" };
    room = (struct kci_metrics_room){ .brokers = brokers, .broker_capacity = 1 };
    kci_producer_metrics(sp.producer, &m, &room, sp.peer.now);
    assert_int_equal(m.broker_count, 1);
    assert_int_equal(m.api_count, 0);
    assert_int_equal(m.topic_count, 0);
    assert_int_equal(m.records_sent, 1);
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_arrives, setup),
        cmocka_unit_test_setup(test_times, setup),
        cmocka_unit_test_setup(test_retries_and_failures, setup),
        cmocka_unit_test_setup(test_more_topics_than_are_counted_apart, setup),
        cmocka_unit_test_setup(test_room_that_is_too_small, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
