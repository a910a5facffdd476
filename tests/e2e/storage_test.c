/* A data directory as a user relies on it: what was acknowledged is there after an orderly end, after kill -9 in the
 * middle of writing, and after a disk that was full; and the full disk itself is told, not suffered. */
#define _GNU_SOURCE /* mkdtemp */
#include <kclient/kclient.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/patience.h"
#include "support/process.h"

#define TOPIC       "orders"
#define RECORDS_MAX 20000

static struct process broker;
static char directory[64];
static kc_error error;

/* What became of each record of a producer, by its number; -1: not acknowledged. */
static struct fates {
    int64_t offsets[RECORDS_MAX];
    atomic_int acknowledged, failed;
    char text[500]; /* of the first failure */
} fates;

static void start_broker(void)
{
    process_start_and_wait(
        &broker, (const char *[]){ "--brokers", "3", "--listen", "127.0.0.1:0", "--data-dir", directory, NULL });
}

static void stop_broker(void)
{
    static char text[65536];
    assert_int_equal(process_stop(&broker, SIGTERM, text, sizeof text), 0);
}

static void set_up_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/mockbroker-data-XXXXXX");
    assert_non_null(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static kc_config *config_of(const char *const *pairs)
{
    char bootstrap[200];
    const char *at = strstr(broker.line, "\"bootstrap\":\"");
    kc_config *config = kc_config_new();
    snprintf(bootstrap, sizeof bootstrap, "%.*s", (int)strcspn(at + 13, "\""), at + 13);
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s", error.text);
    return config;
}

static void create_topic(int32_t partitions)
{
    kc_admin *admin;
    kc_config *config = config_of(PAIRS("client.id=story"));
    const char *configs[] = { "min.insync.replicas=2" };
    kc_new_topic topic = {
        .name = TOPIC, .partitions = partitions, .replication_factor = 3, .configs = configs, .config_count = 1
    };
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    if (kc_admin_create_topic(admin, &topic, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_admin_close(admin);
    kc_config_destroy(config);
}

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].code == KC_OK) {
            *(int64_t *)deliveries[i].opaque = deliveries[i].offset;
            fates.acknowledged++;
        } else if (fates.failed++ == 0) {
            snprintf(fates.text, sizeof fates.text, "%s: %s", kc_err_name(deliveries[i].code), deliveries[i].text);
        }
    }
}

static kc_producer *start_producer(const char *const *pairs)
{
    kc_producer *producer;
    kc_config *config = config_of(pairs);
    memset(fates.offsets, -1, sizeof fates.offsets);
    fates.acknowledged = fates.failed = 0;
    kc_config_set_delivery(config, on_delivery, NULL, 0);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return producer;
}

/* A record whose value is its number and some ballast. */
static kc_err send_number(kc_producer *producer, int number)
{
    static char value[200];
    kc_record record = KC_RECORD_INIT;
    memcpy(value, &number, sizeof number);
    record.topic = TOPIC;
    record.partition = 0;
    record.value = (kc_bytes){ value, sizeof value };
    record.opaque = &fates.offsets[number];
    return kc_producer_send(producer, &record, 1, NULL, &error);
}

static kc_consumer *start_reader(const char *const *pairs)
{
    kc_consumer *consumer;
    kc_config *config = config_of(pairs);
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return consumer;
}

/* Everything acknowledged is in the log of partition 0, at the offset that was told. Returns the end of the log. */
static int64_t expect_acknowledged(void)
{
    int64_t low, high = -1;
    int found = 0;
    kc_topic_partition all = { .topic = TOPIC, .offset = KC_OFFSET_BEGINNING, .leader_epoch = -1 };
    kc_consumer *consumer = start_reader(PAIRS("client.id=reader"));
    if (kc_consumer_watermarks(consumer, TOPIC, 0, &low, &high, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
    assert_int_equal(low, 0);
    assert_int_equal(kc_consumer_assign(consumer, &all, 1, &error), KC_OK);
    for (int64_t next = 0; next < high;) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, WAIT_MS, &error) != KC_OK)
            fail_msg("%s", error.text);
        assert_non_null(records); /* nothing for so long: it hangs */
        while (kc_records_next(records, &view)) {
            int number;
            memcpy(&number, view.value.data, sizeof number);
            assert_int_equal(view.offset, next);
            found += fates.offsets[number] == view.offset;
            next++;
        }
        kc_records_release(records);
    }
    kc_consumer_close(consumer, WAIT_MS);
    assert_int_equal(found, fates.acknowledged);
    return high;
}

/* The next value that the group gets; it commits what it took. */
static int read_one(const char *group)
{
    char pair[50];
    const char *topic = TOPIC;
    int number = -1;
    kc_records *records = NULL;
    kc_record_view view;
    snprintf(pair, sizeof pair, "group.id=%s", group);
    kc_consumer *consumer =
        start_reader(PAIRS(pair, "auto.offset.reset=earliest", "max.poll.records=1", "enable.auto.commit=false"));
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, NULL, &error), KC_OK);
    for (int64_t begun = now_ms(); !records; be_patient(begun))
        if (kc_consumer_poll(consumer, &records, 1000, &error) != KC_OK)
            fail_msg("%s", error.text);
    assert_true(kc_records_next(records, &view));
    memcpy(&number, view.value.data, sizeof number);
    kc_records_release(records);
    if (kc_consumer_commit(consumer, NULL, 0, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    return number;
}

/* Topics, records and committed offsets are the same after an orderly end, and after none; then life goes on. */
static void everything_survives(void **state)
{
    int sent = 0, seen = 0;
    (void)state;
    set_up_directory();
    start_broker();
    create_topic(1);
    for (int life = 0; life < 4; life++) {
        kc_producer *producer = start_producer(PAIRS("client.id=story"));
        for (int i = 0; i < 50; i++)
            assert_int_equal(send_number(producer, sent++), KC_OK);
        if (kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
            fail_msg("%s", error.text);
        kc_producer_close(producer, WAIT_MS);
        assert_int_equal(fates.acknowledged, 50);
        assert_int_equal(expect_acknowledged(), sent);
        assert_int_equal(read_one("readers"), seen++);
        if (life % 2)
            process_kill(&broker);
        else
            stop_broker();
        start_broker();
        assert_int_equal(expect_acknowledged(), sent);
        assert_int_equal(read_one("readers"), seen++);
    }
    stop_broker();
    remove_directory();
}

/* kill -9 in the middle of a stream of records: all that was acknowledged before is there. */
static void killed_while_writing(void **state)
{
    (void)state;
    set_up_directory();
    start_broker();
    create_topic(1);
    kc_producer *producer = start_producer(PAIRS("batch.size=2000", "linger.ms=1"));
    int sent = 0;
    while (sent < RECORDS_MAX && send_number(producer, sent) == KC_OK)
        if (++sent == RECORDS_MAX / 2) {
            if (kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
                fail_msg("%s", error.text);
            assert_int_equal(fates.acknowledged, sent);
        } else if (sent == RECORDS_MAX / 4 * 3) {
            process_kill(&broker);
        }
    assert_int_equal(sent, RECORDS_MAX);
    assert_int_equal(kc_producer_close(producer, 0), KC_ERR_TIMED_OUT);
    for (int64_t begun = now_ms(); fates.failed + fates.acknowledged < sent;)
        be_patient(begun);
    assert_true(fates.failed > 0);
    start_broker();
    assert_true(expect_acknowledged() >= RECORDS_MAX / 2);
    assert_int_equal(read_one("readers"), 0); /* the group's log is fine, too */
    stop_broker();
    remove_directory();
}

/* The disk is full: records fail with an error that names storage, the broker says which file, and answers on; what was
 * acknowledged is there when the disk has room again, and writing goes on. */
static void full_disk(void **state)
{
    static char text[65536];
    (void)state;
    set_up_directory();
    process_file_bytes_max = 200 * 1024;
    start_broker();
    process_file_bytes_max = 0;
    create_topic(1);
    kc_producer *producer = start_producer(PAIRS("batch.size=4000", "max.request.size=8000", "linger.ms=0", "acks=all",
                                                 "enable.idempotence=false", "retries=0"));
    int sent = 0;
    while (sent < 5000 && !fates.failed && send_number(producer, sent) == KC_OK)
        sent++;
    kc_producer_flush(producer, WAIT_MS, &error);
    kc_producer_close(producer, WAIT_MS);
    assert_in_range(fates.acknowledged, 100, 1200);
    assert_int_equal(fates.acknowledged + fates.failed, sent);
    if (!strstr(fates.text, "STORAGE"))
        fail_msg("the failure does not name storage: %s", fates.text);
    expect_acknowledged(); /* reading goes on */
    assert_int_equal(process_stop(&broker, SIGTERM, text, sizeof text), 0);
    if (!strstr(text, TOPIC))
        fail_msg("the broker does not say what could not be written: \"%s\"", text);

    start_broker(); /* there is room again */
    expect_acknowledged();
    int more = 0;
    int64_t end = expect_acknowledged();
    producer = start_producer(PAIRS("client.id=story"));
    while (more < 100 && send_number(producer, more) == KC_OK)
        more++;
    if (kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_producer_close(producer, WAIT_MS);
    assert_int_equal(fates.acknowledged, 100);
    assert_int_equal(expect_acknowledged(), end + 100);
    stop_broker();
    remove_directory();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_survives),
        cmocka_unit_test(killed_while_writing),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
