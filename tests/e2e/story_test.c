/* Producer, consumer and three brokers in one process, over real sockets and threads: what a user does all day. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

#define TOPIC      "orders"
#define PARTITIONS 4

static kc_mock *start_cluster(const char *topics)
{
    char text[200];
    kc_mock *cluster;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 3;
    options.topics = topics;
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    return cluster;
}

static kc_config *config_of(kc_mock *cluster, const char *const *pairs)
{
    kc_error error;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), &error), KC_OK);
    for (; pairs && *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s", error.text);
    return config;
}
#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static kc_producer *start_producer(const kc_config *config)
{
    kc_error error;
    kc_producer *producer;
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    return producer;
}

static kc_consumer *start_member(const kc_config *config, const kc_rebalance_listener *listener)
{
    kc_error error;
    kc_consumer *consumer;
    const char *topic = TOPIC;
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, listener, &error), KC_OK);
    return consumer;
}

static void send_numbers(kc_producer *producer, int from, int to)
{
    for (int i = from; i < to; i++) {
        kc_error error;
        kc_record record = KC_RECORD_INIT;
        record.topic = TOPIC;
        record.key = (kc_bytes){ &i, sizeof i };
        record.value = (kc_bytes){ &i, sizeof i };
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
    }
}

static void flush(kc_producer *producer)
{
    kc_error error;
    if (kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* One poll; marks what came. Returns how many records were new. */
static int take(kc_consumer *consumer, unsigned char *seen, int count)
{
    kc_error error;
    kc_records *records;
    kc_record_view view;
    int fresh = 0;
    if (kc_consumer_poll(consumer, &records, 200, &error) != KC_OK)
        fail_msg("%s", error.text);
    while (kc_records_next(records, &view)) {
        int number;
        assert_int_equal(view.value.size, sizeof number);
        memcpy(&number, view.value.data, sizeof number);
        assert_in_range(number, 0, count - 1);
        fresh += seen[number] == 0;
        if (seen[number] < 255)
            seen[number]++;
    }
    kc_records_release(records);
    return fresh;
}

static void take_until(kc_consumer **members, size_t member_count, unsigned char *seen, int count, int wanted)
{
    int got = 0;
    for (int64_t begun = now_ms(); got < wanted; be_patient(begun))
        for (size_t i = 0; i < member_count; i++)
            got += take(members[i], seen, count);
}

static void a_group_of_one_reads_what_was_produced_once(void **state)
{
    enum { COUNT = 20000 };
    static unsigned char seen[COUNT];
    (void)state;
    kc_mock *cluster = start_cluster(TOPIC ":4:3");
    kc_config *config = config_of(cluster, PAIRS("group.id=readers", "auto.offset.reset=earliest"));
    kc_producer *producer = start_producer(config);
    send_numbers(producer, 0, COUNT);
    flush(producer);
    kc_consumer *consumer = start_member(config, NULL);
    take_until(&consumer, 1, seen, COUNT, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

static void count_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)partitions;
    *(size_t *)context = count;
}

/* A second member takes half, and gives it back when it closes; committed records do not come again. */
static void members_share_the_partitions(void **state)
{
    enum { COUNT = 3000 };
    static unsigned char seen[COUNT];
    size_t shares[2] = { 0, 0 };
    (void)state;
    kc_mock *cluster = start_cluster(TOPIC ":4:3");
    kc_config *config =
        config_of(cluster, PAIRS("group.id=readers", "auto.offset.reset=earliest", "heartbeat.interval.ms=100"));
    kc_producer *producer = start_producer(config);
    kc_rebalance_listener listeners[2] = { { .context = &shares[0], .on_assigned = count_assigned },
                                           { .context = &shares[1], .on_assigned = count_assigned } };
    kc_consumer *members[2] = { start_member(config, &listeners[0]), NULL };
    send_numbers(producer, 0, 1000);
    take_until(members, 1, seen, COUNT, 1000);
    assert_int_equal(shares[0], PARTITIONS);
    members[1] = start_member(config, &listeners[1]);
    for (int64_t begun = now_ms(); shares[0] != 2 || shares[1] != 2; be_patient(begun)) {
        take(members[0], seen, COUNT);
        take(members[1], seen, COUNT);
    }
    send_numbers(producer, 1000, 2000);
    take_until(members, 2, seen, COUNT, 1000);
    assert_int_equal(kc_consumer_close(members[1], WAIT_MS), KC_OK);
    send_numbers(producer, 2000, 3000);
    take_until(members, 1, seen, COUNT, 1000);
    assert_int_equal(shares[0], PARTITIONS);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1); /* every rebalance was orderly: nothing twice */
    kc_consumer_close(members[0], WAIT_MS);
    kc_producer_close(producer, WAIT_MS);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

/* Brokers are killed and come back while records are produced: each is in the log exactly once. */
static void idempotence_holds_over_killed_brokers(void **state)
{
    enum { COUNT = 30000 };
    static unsigned char seen[COUNT];
    (void)state;
    kc_mock *cluster = start_cluster(TOPIC ":4:3");
    kc_config *config = config_of(cluster, PAIRS("group.id=readers", "auto.offset.reset=earliest"));
    kc_producer *producer = start_producer(config);
    for (int i = 0; i < 6; i++) {
        send_numbers(producer, i * COUNT / 6, (i + 1) * COUNT / 6);
        if (i % 2 == 0)
            assert_int_equal(kc_mock_broker_kill(cluster, i / 2 + 1), 0);
        else
            assert_int_equal(kc_mock_broker_start(cluster, i / 2 + 1), 0);
    }
    flush(producer);
    int64_t in_log = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        kc_mock_partition partition;
        assert_int_equal(kc_mock_describe(cluster, TOPIC, p, &partition), 0);
        in_log += partition.log_end; /* a leader that has just taken over learns the high watermark a moment later */
    }
    assert_int_equal(in_log, COUNT);
    kc_consumer *consumer = start_member(config, NULL);
    take_until(&consumer, 1, seen, COUNT, COUNT);
    kc_consumer_close(consumer, WAIT_MS);
    kc_producer_close(producer, WAIT_MS);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

static void every_codec_is_read_as_written(void **state)
{
    static const char *const codecs[] = { "compression.type=none", "compression.type=gzip", "compression.type=snappy",
                                          "compression.type=lz4", "compression.type=zstd" };
    enum { EACH = 2000, COUNT = EACH * 5 };
    static unsigned char seen[COUNT];
    (void)state;
    kc_mock *cluster = start_cluster(TOPIC ":4:3");
    for (int i = 0; i < 5; i++) {
        kc_config *config = config_of(cluster, PAIRS(codecs[i]));
        kc_producer *producer = start_producer(config);
        send_numbers(producer, i * EACH, (i + 1) * EACH);
        flush(producer);
        kc_producer_close(producer, WAIT_MS);
        kc_config_destroy(config);
    }
    kc_config *config = config_of(cluster, PAIRS("group.id=readers", "auto.offset.reset=earliest"));
    kc_consumer *consumer = start_member(config, NULL);
    take_until(&consumer, 1, seen, COUNT, COUNT);
    kc_consumer_close(consumer, WAIT_MS);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

static atomic_int delivered, failed;
static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_add(deliveries[i].code == KC_OK ? &delivered : &failed, 1);
        if (deliveries[i].code == KC_OK)
            assert_true(deliveries[i].offset >= 0 && deliveries[i].partition >= 0 && deliveries[i].timestamp_ms > 0);
    }
}

/* The cluster goes away for good: every record still gets its fate, and says that it failed. */
static void every_record_gets_a_fate_when_the_cluster_is_gone(void **state)
{
    (void)state;
    atomic_store(&delivered, 0);
    atomic_store(&failed, 0);
    kc_mock *cluster = start_cluster(TOPIC ":4:3");
    kc_config *config = config_of(cluster, PAIRS("delivery.timeout.ms=1500", "request.timeout.ms=500", "linger.ms=5"));
    kc_config_set_delivery(config, on_delivery, NULL, 1);
    kc_producer *producer = start_producer(config);
    send_numbers(producer, 0, 1000);
    flush(producer); /* on a loaded machine, delivery.timeout.ms may be over before a record is written */
    assert_int_equal(atomic_load(&delivered) + atomic_load(&failed), 1000);
    kc_mock_stop(cluster);
    send_numbers(producer, 1000, 2000);
    flush(producer);
    assert_int_equal(atomic_load(&delivered) + atomic_load(&failed), 2000);
    assert_true(atomic_load(&failed) >= 1000);
    assert_int_equal(kc_producer_pending(producer), 0);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    kc_config_destroy(config);
}

static void seek_assign_and_commit_without_a_group(void **state)
{
    kc_error error;
    int64_t position, low, high;
    (void)state;
    kc_mock *cluster = start_cluster(TOPIC ":1:3");
    kc_config *config = config_of(cluster, PAIRS("group.id=by-hand", "enable.auto.commit=false"));
    kc_producer *producer = start_producer(config);
    send_numbers(producer, 0, 100);
    flush(producer);
    kc_consumer *consumer;
    kc_topic_partition where = { TOPIC, 0, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    assert_int_equal(kc_consumer_assign(consumer, &where, 1, &error), KC_OK);
    assert_int_equal(kc_consumer_watermarks(consumer, TOPIC, 0, &low, &high, WAIT_MS, &error), KC_OK);
    assert_int_equal(low, 0);
    assert_int_equal(high, 100);
    assert_int_equal(kc_consumer_seek(consumer, TOPIC, 0, 90, &error), KC_OK);
    unsigned char seen[100] = { 0 };
    take_until(&consumer, 1, seen, 100, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], i >= 90);
    assert_int_equal(kc_consumer_position(consumer, TOPIC, 0, &position, WAIT_MS, &error), KC_OK);
    assert_int_equal(position, 100);
    where.offset = 42;
    where.metadata = "half of 42";
    assert_int_equal(kc_consumer_commit(consumer, &where, 1, WAIT_MS, &error), KC_OK);
    where.offset = 0;
    where.metadata = NULL;
    assert_int_equal(kc_consumer_committed(consumer, &where, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(where.offset, 42);
    assert_string_equal(where.metadata, "half of 42");
    assert_int_equal(kc_consumer_committed(consumer, &where, 1, WAIT_MS, &error),
                     KC_OK); /* asked with its own answer */
    assert_string_equal(where.metadata, "half of 42");
    assert_int_equal(kc_consumer_seek(consumer, TOPIC, 7, 0, &error), KC_ERR_STATE);
    kc_consumer_close(consumer, WAIT_MS);
    kc_producer_close(producer, WAIT_MS);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

static void topics_are_created_and_described(void **state)
{
    kc_error error;
    kc_admin *admin;
    kc_cluster *picture;
    (void)state;
    kc_mock *cluster = start_cluster(NULL);
    kc_config *config = config_of(cluster, NULL);
    kc_new_topic topic = { .name = TOPIC, .partitions = 5, .replication_factor = 2 };
    const char *name = TOPIC;
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    assert_int_equal(kc_admin_create_topic(admin, &topic, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_admin_create_topic(admin, &topic, WAIT_MS, &error), KC_ERR_TOPIC_ALREADY_EXISTS);
    assert_non_null(strstr(error.text, TOPIC));
    assert_int_equal(kc_admin_describe(admin, &name, 1, WAIT_MS, &picture, &error), KC_OK);
    assert_int_equal(picture->broker_count, 3);
    assert_int_equal(picture->topic_count, 1);
    assert_int_equal(picture->topics[0].partition_count, 5);
    assert_int_equal(picture->topics[0].partitions[0].replica_count, 2);
    kc_cluster_release(picture);
    topic.name = "too-many";
    topic.replication_factor = 7;
    assert_int_equal(kc_admin_create_topic(admin, &topic, WAIT_MS, &error), KC_ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(kc_admin_delete_topic(admin, TOPIC, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_admin_delete_topic(admin, TOPIC, WAIT_MS, &error), KC_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    kc_admin_close(admin);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_of_one_reads_what_was_produced_once),
        cmocka_unit_test(members_share_the_partitions),
        cmocka_unit_test(idempotence_holds_over_killed_brokers),
        cmocka_unit_test(every_codec_is_read_as_written),
        cmocka_unit_test(every_record_gets_a_fate_when_the_cluster_is_gone),
        cmocka_unit_test(seek_assign_and_commit_without_a_group),
        cmocka_unit_test(topics_are_created_and_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
