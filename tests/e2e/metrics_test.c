/* Metrics through the public API: a producer, a consumer in a group and an admin client tell what they did, while
 * another thread takes snapshots of them all the time. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 2000 };

static kc_producer *producer;
static kc_consumer *consumer;
static _Atomic bool over;

static void *look_all_the_time(void *context)
{
    (void)context;
    while (!atomic_load(&over)) {
        kc_metrics *p, *c;
        assert_int_equal(kc_producer_metrics(producer, &p, NULL), KC_OK);
        assert_int_equal(kc_consumer_metrics(consumer, &c, NULL), KC_OK);
        assert_true(p->records_sent <= RECORDS && c->records_consumed <= RECORDS);
        kc_metrics_release(p);
        kc_metrics_release(c);
    }
    return NULL;
}

static kc_config *config_of(const char *bootstrap)
{
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, NULL), KC_OK);
    return config;
}

static void send_all(void)
{
    kc_error error;
    for (int i = 0; i < RECORDS; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = "t";
        record.value = (kc_bytes){ "value", 5 };
        if (kc_producer_send(producer, &record, 1, NULL, &error))
            fail_msg("%s", error.text);
    }
    if (kc_producer_flush(producer, -1, &error))
        fail_msg("%s", error.text);
}

static void read_all(void)
{
    kc_error error;
    for (size_t got = 0; got < RECORDS;) {
        kc_records *records = NULL;
        kc_err err = kc_consumer_poll(consumer, &records, 1000, &error);
        if (err)
            fail_msg("%s", error.text);
        got += records ? kc_records_count(records) : 0;
        kc_records_release(records);
    }
    if (kc_consumer_commit(consumer, NULL, 0, -1, &error))
        fail_msg("%s", error.text);
}

static void expect_text(const kc_metrics *metrics, const char *line)
{
    size_t size = kc_metrics_text(metrics, NULL, 0) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    kc_metrics_text(metrics, text, size);
    if (!strstr(text, line))
        fail_msg("%s is not in:\n%s", line, text);
    free(text);
}

/* Of one kind of request: that it was sent, and how long an answer took. */
static void expect_api(const kc_metrics *metrics, const char *api)
{
    const kc_api_metrics *found = NULL;
    for (size_t i = 0; i < metrics->api_count; i++)
        found = strcmp(metrics->apis[i].api, api) == 0 ? &metrics->apis[i] : found;
    assert_non_null(found);
    assert_true(found->requests >= 1 && found->latency.count >= 1);
}

static void what_the_clients_did_is_what_they_tell(void **state)
{
    kc_error error;
    kc_metrics *p, *c, *a;
    pthread_t looker;
    (void)state;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 2;
    kc_mock *cluster = NULL;
    options.topics = "t:2:1";
    assert_int_equal(kc_mock_start(&cluster, &options, NULL, 0), KC_OK);
    kc_config *config = config_of(kc_mock_bootstrap(cluster));
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "client.id", "m", NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_admin *admin = NULL;
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    const char *topics[] = { "t" };
    assert_int_equal(kc_consumer_subscribe(consumer, topics, 1, NULL, &error), KC_OK);
    assert_int_equal(pthread_create(&looker, NULL, look_all_the_time, NULL), 0);
    send_all();
    read_all();
    kc_cluster *description = NULL;
    assert_int_equal(kc_admin_describe(admin, topics, 1, 60000, &description, &error), KC_OK);
    kc_cluster_release(description);
    atomic_store(&over, true);
    pthread_join(looker, NULL);
    assert_int_equal(kc_producer_metrics(producer, &p, &error), KC_OK);
    assert_int_equal(kc_consumer_metrics(consumer, &c, &error), KC_OK);
    assert_int_equal(kc_admin_metrics(admin, &a, &error), KC_OK);
    kc_producer_close(producer, -1);
    kc_consumer_close(consumer, -1);
    kc_admin_close(admin);
    /* snapshots outlive their clients */
    assert_int_equal(p->records_sent, RECORDS);
    assert_int_equal(p->records_pending, 0);
    assert_int_equal(p->topic_count, 1);
    assert_string_equal(p->topics[0].topic, "t");
    assert_int_equal(p->topics[0].records, RECORDS);
    assert_true(p->broker_count >= 2 && p->all.request_latency.count > 0 && p->all.bytes_out > RECORDS * 5);
    assert_int_equal(c->records_consumed, RECORDS);
    assert_int_equal(c->topics[0].records, RECORDS);
    assert_int_equal(c->assigned_partitions, 2);
    assert_int_equal(c->partition_count, 2);
    int64_t end = 0; /* the other partition may not have been answered for yet */
    for (size_t i = 0; i < 2; i++)
        end += c->partitions[i].end_offset > 0 ? c->partitions[i].end_offset : 0;
    assert_int_equal(end, RECORDS);
    assert_int_equal(c->lag_max, 0);
    assert_true(c->fetches >= 1 && c->fetch_latency.count >= 1 && c->polls >= 1 && c->rebalances >= 1);
    assert_true(c->commits >= 1 && c->since_poll_us >= 0);
    assert_true(a->all.responses >= 2);
    expect_api(p, "Produce");
    expect_api(c, "Fetch");
    expect_api(c, "OffsetCommit");
    expect_api(a, "Metadata");
    assert_true(c->commit_latency.count >= 1 && c->commit_latency.count == c->commits);
    expect_text(p, "\nkc_producer_topic_records_sent_total{client_id=\"m\",topic=\"t\"} 2000\n");
    expect_text(c, "\nkc_consumer_lag_max_records{client_id=\"m\"} 0\n");
    expect_text(a, "\nkc_client_responses_total{client_id=\"m\"} ");
    kc_metrics_release(p);
    kc_metrics_release(c);
    kc_metrics_release(a);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_the_clients_did_is_what_they_tell) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
