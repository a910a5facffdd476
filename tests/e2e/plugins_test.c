/* Plug-ins by name and by function, on the way through a producer, a broker and a consumer: what each sees and does,
 * and that none of them harms the others. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

static kc_mock *cluster;

static int start_cluster(void **state)
{
    char text[200];
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    (void)state;
    options.brokers = 3;
    options.topics = "orders:4:1 audit:1:1 watched:2:1 turns:4:1";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    kc_mock_stop(cluster);
    return 0;
}

static kc_config *config_of(const char *const *pairs)
{
    kc_error error;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), &error), KC_OK);
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s", error.text);
    return config;
}
#define CONFIG(...) config_of((const char *const[]){ __VA_ARGS__, NULL })

/* The config goes with the call. */
static kc_producer *producer_of(kc_config *config)
{
    kc_error error;
    kc_producer *producer;
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return producer;
}

static kc_consumer *consumer_of(kc_config *config, const char *topic)
{
    kc_error error;
    kc_consumer *consumer;
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, NULL, &error), KC_OK);
    return consumer;
}

static kc_record text_record(const char *key, const char *value)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = "orders";
    record.key = (kc_bytes){ key, key ? strlen(key) : 0 };
    record.value = (kc_bytes){ value, strlen(value) };
    return record;
}

static void send_all(kc_producer *producer, int count)
{
    kc_error error;
    for (int i = 0; i < count; i++) {
        kc_record record = text_record("key", "value");
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
    }
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
}

/* Visit at least `wanted` records. */
static void visit(kc_consumer *consumer, int wanted, void (*see)(const kc_record_view *view))
{
    kc_error error;
    for (int64_t begun = now_ms(); wanted > 0; be_patient(begun)) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 200, &error) != KC_OK)
            fail_msg("%s", error.text);
        for (; kc_records_next(records, &view); wanted--)
            if (see)
                see(&view);
        kc_records_release(records);
    }
}

/* interceptor.classes=latency on both sides: every record is measured, and the header is there for others to read. */
static void see_stamp(const kc_record_view *view)
{
    kc_bytes name, value;
    int64_t sent_at = 0;
    assert_int_equal(kc_record_view_header(view, view->header_count - 1, &name, &value), KC_OK);
    assert_int_equal(name.size, strlen("kclient.sent_at_us"));
    assert_memory_equal(name.data, "kclient.sent_at_us", name.size);
    assert_int_equal(kc_int64_from(value, &sent_at), KC_OK);
    assert_true(sent_at / 1000 - view->timestamp_ms < WAIT_MS && view->timestamp_ms - sent_at / 1000 < WAIT_MS);
}

static void latency_is_measured_from_send_to_visit(void **state)
{
    kc_latency_stats stats;
    (void)state;
    kc_producer *producer = producer_of(CONFIG("interceptor.classes=latency"));
    send_all(producer, 500);
    kc_producer_close(producer, WAIT_MS);
    kc_consumer *consumer =
        consumer_of(CONFIG("group.id=l", "auto.offset.reset=earliest", "interceptor.classes=latency"), "orders");
    visit(consumer, 500, see_stamp);
    assert_int_equal(kc_consumer_get_latency(consumer, &stats), KC_OK);
    assert_int_equal(stats.measured, 500);
    assert_int_equal(stats.unstamped, 0);
    assert_true(stats.max_us > 0 && stats.p50_us <= stats.p99_us && stats.p99_us <= stats.max_us);
    assert_true(stats.max_us < (uint64_t)WAIT_MS * 1000 && stats.mean_us <= stats.max_us);
    kc_consumer_close(consumer, WAIT_MS);
    consumer = consumer_of(CONFIG("group.id=l2"), "orders");
    assert_int_equal(kc_consumer_get_latency(consumer, &stats), KC_ERR_STATE);
    kc_consumer_close(consumer, WAIT_MS);
}

/* interceptor.classes=audit: one line of JSON in audit.topic per record, from the first one on, also for a record that
 * was refused; the delivery function sees its own opaque pointers. */
static int audited, refused_lines;
static _Atomic(int) own_opaques;

static void see_line(const kc_record_view *view)
{
    char line[1100];
    assert_int_equal(kc_string_from(view->value, line, sizeof line), KC_OK);
    assert_non_null(strstr(line, "\"client\":\"cashier\",\"topic\":\"orders\",\"partition\":"));
    if (strstr(line, "\"result\":\"SERIALIZATION\""))
        refused_lines++;
    else
        assert_non_null(strstr(line, "\"result\":\"OK\",\"key_hash\":\""));
    audited++;
}

static void count_own(const kc_delivery *deliveries, size_t count, void *context)
{
    for (size_t i = 0; i < count; i++)
        own_opaques += deliveries[i].opaque == context;
}

static void audit_writes_a_line_per_record(void **state)
{
    kc_error error;
    (void)state;
    kc_config *config = CONFIG("interceptor.classes=audit", "audit.topic=audit", "client.id=cashier",
                               "value.serializer=org.apache.kafka.common.serialization.StringSerializer");
    kc_config_set_delivery(config, count_own, &own_opaques, 0);
    kc_producer *producer = producer_of(config);
    for (int i = 0; i < 300; i++) {
        kc_record record = text_record("key", i == 100 ? "no \xff UTF-8" : "value");
        record.opaque = &own_opaques;
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), i == 100 ? KC_ERR_SERIALIZATION : KC_OK);
    }
    kc_record record = text_record("key", "sync");
    assert_int_equal(kc_producer_send_sync(producer, &record, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(own_opaques, 299);
    kc_consumer *consumer = consumer_of(CONFIG("group.id=a", "auto.offset.reset=earliest"), "audit");
    visit(consumer, 301, see_line);
    assert_int_equal(audited, 301);
    assert_int_equal(refused_lines, 1);
    kc_consumer_close(consumer, WAIT_MS);
}

static _Atomic(int) logged;
static void count_log(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    if (strcmp(facility, "audit") == 0 && level == 6 && strstr(text, "\"offset\":"))
        logged++;
}

static void audit_goes_to_the_log_function(void **state)
{
    kc_error error;
    kc_producer *producer;
    (void)state;
    kc_config *config = CONFIG("interceptor.classes=audit", "audit.log=true");
    kc_config_set_log(config, count_log, NULL, 6);
    producer = producer_of(config);
    send_all(producer, 50);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(logged, 50);
    config = CONFIG("interceptor.classes=audit"); /* neither topic nor log */
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "audit.topic"));
    kc_config_destroy(config);
}

/* ---- the user's own ---- */

struct watcher {
    _Atomic(int) sent, acknowledged, failed, closed, configured;
    kc_producer *own; /* to send to from on_send */
    _Atomic(int) recursion_refused, recursion_taken;
    char client[64];
};

static kc_err watch_send(void *context, kc_record *record)
{
    (void)record;
    ((struct watcher *)context)->sent++;
    return KC_OK;
}
static kc_err always_fail(void *context, kc_record *record)
{
    ((struct watcher *)context)->sent++;
    record->value = (kc_bytes){ "spoiled", 7 };
    return KC_ERR_ARGUMENT;
}
static kc_err send_again(void *context, kc_record *record)
{
    struct watcher *watcher = context;
    kc_error error;
    kc_record copy = *record;
    kc_err err = kc_producer_send(watcher->own, &copy, 1, NULL, &error);
    watcher->recursion_refused += err == KC_ERR_IN_CALLBACK;
    watcher->recursion_taken += err == KC_OK;
    return KC_OK;
}
static void watch_ack(void *context, const kc_delivery *delivery)
{
    struct watcher *watcher = context;
    watcher->acknowledged++;
    watcher->failed += delivery->code != KC_OK;
}
static void watch_close(void *context)
{
    ((struct watcher *)context)->closed++;
}
static kc_err watch_configure(void *context, const kc_config *config)
{
    struct watcher *watcher = context;
    watcher->configured++;
    return kc_config_get(config, "client.id", watcher->client, sizeof watcher->client);
}
static kc_err refuse_configure(void *context, const kc_config *config)
{
    (void)config;
    ((struct watcher *)context)->configured++;
    return KC_ERR_ARGUMENT;
}

static void see_value(const kc_record_view *view)
{
    assert_int_equal(view->value.size, 5);
    assert_memory_equal(view->value.data, "value", 5);
}

/* One that fails, one that sends to its own producer: the record goes on as it was, the others see it, each fate is
 * told once, and close is called once. */
static void a_bad_interceptor_harms_nobody(void **state)
{
    struct watcher first = { 0 }, failing = { 0 }, again = { 0 }, last = { 0 };
    kc_error error;
    (void)state;
    kc_config *config = CONFIG("client.id=me");
    const kc_producer_interceptor chain[] = {
        { "first", &first, watch_send, watch_ack, watch_close, watch_configure },
        { "failing", &failing, always_fail, watch_ack, watch_close, watch_configure },
        { "again", &again, send_again, NULL, watch_close, NULL },
        { "last", &last, watch_send, watch_ack, watch_close, watch_configure },
    };
    for (size_t i = 0; i < sizeof chain / sizeof *chain; i++)
        assert_int_equal(kc_config_add_producer_interceptor(config, &chain[i]), KC_OK);
    kc_producer *producer = again.own = producer_of(config);
    assert_string_equal(first.client, "me");
    for (int i = 0; i < 20; i++) {
        kc_record record = text_record(NULL, "value");
        record.topic = "watched";
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    kc_record nowhere = text_record(NULL, "value");
    nowhere.topic = "watched";
    nowhere.timestamp_ms = -7;
    nowhere.partition = 0;
    assert_int_equal(kc_producer_send(producer, &nowhere, 1, NULL, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    const struct watcher *all[] = { &first, &failing, &last };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(all[i]->sent, 21);
        assert_int_equal(all[i]->acknowledged, 21);
        assert_int_equal(all[i]->failed, 1);
        assert_int_equal(all[i]->closed, 1);
        assert_int_equal(all[i]->configured, 1);
    }
    assert_int_equal(again.recursion_refused, 21);
    assert_int_equal(again.recursion_taken, 0);
    assert_int_equal(again.closed, 1);
    kc_consumer *consumer = consumer_of(CONFIG("group.id=w", "auto.offset.reset=earliest"), "watched");
    visit(consumer, 20, see_value);
    kc_consumer_close(consumer, WAIT_MS);
}

/* A refused configuration: no producer; closed are those that had been configured, and nobody else. */
static void configure_may_refuse(void **state)
{
    struct watcher good = { 0 }, plain = { 0 }, bad = { 0 }, never = { 0 };
    kc_error error;
    kc_producer *producer;
    kc_consumer *consumer;
    (void)state;
    kc_config *config = CONFIG("interceptor.classes=latency", "group.id=g");
    const kc_producer_interceptor chain[] = {
        { "good", &good, NULL, NULL, watch_close, watch_configure },
        { "plain", &plain, NULL, NULL, watch_close, NULL },
        { "bad", &bad, NULL, NULL, watch_close, refuse_configure },
        { "never", &never, NULL, NULL, watch_close, watch_configure },
    };
    for (size_t i = 0; i < sizeof chain / sizeof *chain; i++)
        assert_int_equal(kc_config_add_producer_interceptor(config, &chain[i]), KC_OK);
    kc_consumer_interceptor picky = {
        .name = "picky", .context = &bad, .close = watch_close, .configure = refuse_configure
    };
    assert_int_equal(kc_config_add_consumer_interceptor(config, &picky), KC_OK);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "interceptor bad"));
    assert_true(good.closed == 1 && plain.closed == 0 && bad.closed == 0 && never.closed == 0);
    assert_true(good.configured == 1 && bad.configured == 1 && never.configured == 0);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "interceptor picky"));
    kc_config_destroy(config);
}

/* ---- serializers and partitioners by name ---- */

static int numbers_seen;
static void see_number(const kc_record_view *view)
{
    int64_t number;
    assert_int_equal(kc_int64_from(view->value, &number), KC_OK);
    assert_int_equal(number % 4, view->partition); /* taken in turns */
    numbers_seen++;
}

static void names_choose_serializer_and_partitioner(void **state)
{
    kc_error error;
    (void)state;
    kc_producer *producer =
        producer_of(CONFIG("key.serializer=string", "value.serializer=LongSerializer",
                           "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner"));
    for (int64_t i = 0; i < 40; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = "turns";
        record.key = (kc_bytes){ "k", 1 };
        record.value = (kc_bytes){ &i, sizeof i };
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    kc_record wrong = text_record("k", "four");
    wrong.topic = "turns";
    assert_int_equal(kc_producer_send(producer, &wrong, 1, NULL, &error), KC_ERR_SERIALIZATION);
    assert_non_null(strstr(error.text, "serializer long"));
    kc_producer_close(producer, WAIT_MS);
    kc_consumer *consumer =
        consumer_of(CONFIG("group.id=t", "auto.offset.reset=earliest", "value.deserializer=long"), "turns");
    visit(consumer, 40, see_number);
    assert_int_equal(numbers_seen, 40);
    kc_consumer_close(consumer, WAIT_MS);
}

/* ---- serializers and deserializers of one's own ---- */

/* What the application works with; over the wire it is "x,y" in text. */
struct point {
    int x, y;
};

static kc_err write_point(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    struct point point;
    char text[40];
    (void)context, (void)topic;
    if (object.size != sizeof point)
        return KC_ERR_ARGUMENT;
    memcpy(&point, object.data, sizeof point);
    return kc_buffer_append(out, text, (size_t)snprintf(text, sizeof text, "%d,%d", point.x, point.y));
}

static kc_consumer *reader; /* that the deserializer belongs to */

static kc_err read_point(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    struct point point;
    char text[40];
    kc_records *none;
    (void)context;
    assert_int_equal(kc_consumer_poll(reader, &none, 0, NULL),
                     KC_ERR_IN_CALLBACK); /* what waits for a poll is refused */
    if (kc_string_from(bytes, text, sizeof text) != KC_OK || sscanf(text, "%d,%d", &point.x, &point.y) != 2)
        return KC_ERR_SERIALIZATION;
    assert_string_equal(record->topic, "turns");
    return kc_buffer_append(out, &point, sizeof point);
}

static int closed_deserializers;

static void count_close(void *context)
{
    (void)context;
    closed_deserializers++;
}

static void send_turn(kc_producer *producer, const void *data, size_t size)
{
    kc_error error;
    kc_record record = text_record(NULL, "");
    record.topic = "turns";
    record.partition = 3;
    record.value = (kc_bytes){ data, size };
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
}

/* A type of one's own goes in and comes out. A record that is none stops its partition with an error that says where,
 * until the application steps over it; nothing is lost or repeated. */
static void a_type_of_ones_own(void **state)
{
    kc_error error;
    kc_topic_partition place = { "turns", 3, 0, -1, NULL, KC_OK };
    const struct point points[] = { { 1, 2 }, { -3, 4 } };
    kc_serializer writer = { "point", NULL, write_point, NULL };
    kc_deserializer by = { "point", NULL, read_point, count_close };
    size_t count = 0, seen = 0;
    (void)state;
    kc_config *config = CONFIG("client.id=writer");
    kc_config_set_value_serializer(config, &writer);
    kc_producer *typed = producer_of(config), *untyped = producer_of(CONFIG("client.id=foreigner"));
    send_turn(typed, &points[0], sizeof points[0]);
    send_turn(untyped, "no point", 8);
    send_turn(typed, &points[1], sizeof points[1]);
    kc_producer_close(typed, WAIT_MS);
    kc_producer_close(untyped, WAIT_MS);

    config = CONFIG("client.id=reader");
    kc_config_set_value_deserializer(config, &by);
    assert_int_equal(kc_consumer_create(&reader, config, &error), KC_OK);
    kc_config_destroy(config);
    assert_int_equal(kc_consumer_assign(reader, &place, 1, &error), KC_OK);
    for (int64_t begun = now_ms(); seen < 2; be_patient(begun)) {
        kc_records *records;
        kc_record_view view;
        kc_err result = kc_consumer_poll(reader, &records, 200, &error);
        if (result == KC_ERR_SERIALIZATION) {
            assert_int_equal(seen, 1);
            assert_int_equal(kc_consumer_failed(reader, &place, 1, &count), KC_OK);
            assert_int_equal(count, 1);
            assert_string_equal(place.topic, "turns");
            assert_int_equal(place.offset, 1);
            assert_int_equal(place.code, KC_ERR_SERIALIZATION);
            assert_int_equal(kc_consumer_seek(reader, "turns", place.partition, place.offset + 1, &error), KC_OK);
            continue;
        }
        assert_int_equal(result, KC_OK);
        while (kc_records_next(records, &view))
            assert_memory_equal(view.value.data, &points[seen++], sizeof points[0]);
        kc_records_release(records);
    }
    assert_int_equal(count, 1);
    kc_consumer_close(reader, WAIT_MS);
    assert_int_equal(closed_deserializers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(latency_is_measured_from_send_to_visit, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(audit_writes_a_line_per_record, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(audit_goes_to_the_log_function, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(a_bad_interceptor_harms_nobody, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(configure_may_refuse, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(names_choose_serializer_and_partitioner, start_cluster, stop_cluster),
        cmocka_unit_test_setup_teardown(a_type_of_ones_own, start_cluster, stop_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
