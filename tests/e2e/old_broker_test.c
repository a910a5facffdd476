/* Against each release that mockbroker plays: an idempotent producer writes, a group reads, commits and goes on there.
 */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

#define TOPIC "t"
#define COUNT 20 /* records, twice */

static kc_error error;

static void write_some(const kc_config *config)
{
    kc_producer *producer;
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    for (int i = 0; i < COUNT; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = TOPIC;
        record.partition = 0;
        record.value = (kc_bytes){ &i, sizeof i };
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    kc_producer_close(producer, WAIT_MS);
}

/* COUNT records from `offset` on come, no earlier ones, and are committed by the close. */
static void read_from(const kc_config *config, int64_t offset)
{
    kc_consumer *consumer;
    const char *topic = TOPIC;
    int64_t begun = now_ms(), next = offset;
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, NULL, &error), KC_OK);
    while (next < offset + COUNT) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 1000, &error) != KC_OK)
            fail_msg("%s", error.text);
        be_patient(begun);
        while (kc_records_next(records, &view))
            assert_int_equal(view.offset, next++);
        kc_records_release(records);
    }
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
}

static void play(const char *release)
{
    char text[200], properties[64];
    kc_mock *cluster;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    snprintf(properties, sizeof properties, "mock.as.version=%s", release);
    options.config = properties;
    options.brokers = 1;
    options.topics = TOPIC ":1:1";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    write_some(config);
    read_from(config, 0);
    write_some(config);
    read_from(config, COUNT);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
}

static void every_release_is_understood(void **state)
{
    static const char *const releases[] = { "2.1", "2.8", "3.3", "3.9", "4.0", "4.1", "4.2", "4.3", "4.4" };
    (void)state;
    for (size_t i = 0; i < sizeof releases / sizeof releases[0]; i++)
        play(releases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_release_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
