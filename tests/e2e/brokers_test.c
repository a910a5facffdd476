/* Brokers come, go for good, move, and are killed with what they had not flushed, while a producer writes: nothing that was
 * acknowledged is lost, nothing is there twice. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

enum { PARTITIONS = 4, BURST = 1000, BROKER_ID_NOT_REGISTERED = 102, POLICY_VIOLATION = 44 };

struct writer {
    kc_mock *mock;
    kc_config *config;
    kc_producer *producer;
    int sent;
};

static void begin(struct writer *writer)
{
    char text[300];
    kc_error error;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 3;
    options.topics = "t:4:3:min.insync.replicas=2";
    if (kc_mock_start(&writer->mock, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    writer->sent = 0;
    writer->config = kc_config_new();
    assert_int_equal(kc_config_set(writer->config, "bootstrap.servers", kc_mock_bootstrap(writer->mock), &error),
                     KC_OK);
    if (kc_producer_create(&writer->producer, writer->config, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* Numbers that go on, each with a key of its own; they are on their way when this returns. */
static void write_on(struct writer *writer)
{
    for (int i = 0; i < BURST; i++, writer->sent++) {
        kc_error error;
        kc_record record = KC_RECORD_INIT;
        record.topic = "t";
        record.key = record.value = (kc_bytes){ &writer->sent, sizeof writer->sent };
        if (kc_producer_send(writer->producer, &record, 1, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
    }
}

/* All that was sent is acknowledged now. */
static void settle(struct writer *writer)
{
    kc_error error;
    if (kc_producer_flush(writer->producer, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* Every number is there once. */
static void end(struct writer *writer)
{
    kc_error error;
    kc_consumer *consumer;
    kc_topic_partition partitions[PARTITIONS];
    int got = 0;
    settle(writer);
    unsigned char *seen = calloc((size_t)writer->sent, 1);
    assert_int_equal(kc_config_set(writer->config, "auto.offset.reset", "earliest", &error), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, writer->config, &error), KC_OK);
    for (int32_t p = 0; p < PARTITIONS; p++)
        partitions[p] = (kc_topic_partition){ .topic = "t", .partition = p };
    assert_int_equal(kc_consumer_assign(consumer, partitions, PARTITIONS, &error), KC_OK);
    for (int64_t begun = now_ms(); got < writer->sent; be_patient(begun)) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 200, &error) != KC_OK)
            fail_msg("%s", error.text);
        for (; kc_records_next(records, &view); got++) {
            int number;
            assert_int_equal(view.value.size, sizeof number);
            memcpy(&number, view.value.data, sizeof number);
            assert_in_range(number, 0, writer->sent - 1);
            assert_int_equal(seen[number]++, 0);
        }
        kc_records_release(records);
    }
    int64_t stored = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        kc_mock_partition view;
        assert_int_equal(kc_mock_describe(writer->mock, "t", p, &view), 0);
        stored += view.high_watermark;
    }
    assert_int_equal(stored, writer->sent);
    free(seen);
    kc_consumer_close(consumer, WAIT_MS);
    kc_producer_close(writer->producer, WAIT_MS);
    kc_config_destroy(writer->config);
    kc_mock_stop(writer->mock);
}

/* A new broker takes everything over from the first, then another one from the second. */
static void brokers_come_and_go(void **state)
{
    struct writer writer;
    char why[300];
    (void)state;
    begin(&writer);
    for (int32_t gone = 1; gone <= 2; gone++) {
        int32_t fresh = 0;
        write_on(&writer);
        assert_int_equal(kc_mock_broker_decommission(writer.mock, gone, 0, why, sizeof why), POLICY_VIOLATION);
        assert_non_null(strstr(why, "reassign them first"));
        assert_int_equal(kc_mock_broker_add(writer.mock, &fresh), 0);
        assert_int_equal(fresh, 3 + gone);
        write_on(&writer);
        assert_int_equal(kc_mock_broker_decommission(writer.mock, gone, 1, why, sizeof why), 0);
        write_on(&writer);
        for (int64_t begun = now_ms(); kc_mock_broker_start(writer.mock, gone) != BROKER_ID_NOT_REGISTERED;)
            be_patient(begun);
    }
    assert_int_equal(kc_mock_broker_decommission(writer.mock, 1, 1, NULL, 0), BROKER_ID_NOT_REGISTERED);
    end(&writer);
}

/* Each broker in turn is killed, with all that it had not flushed, which is everything. */
static void killed_brokers_lose_their_tails(void **state)
{
    struct writer writer;
    int32_t fault;
    char why[300];
    (void)state;
    begin(&writer);
    assert_int_equal(kc_mock_fault_add(writer.mock, "{\"match\":{\"topic\":\"t\"},\"action\":\"lost_tail\"}", &fault,
                                       why, sizeof why),
                     0);
    write_on(&writer);
    settle(&writer); /* so that there is something to lose */
    for (int round = 0; round < 6; round++) {
        write_on(&writer);
        assert_int_equal(kc_mock_broker_kill(writer.mock, 1 + round % 3), 0);
        write_on(&writer);
        assert_int_equal(kc_mock_broker_start(writer.mock, 1 + round % 3), 0);
    }
    assert_true(kc_mock_fault_hits(writer.mock, fault) >= 6); /* each held all partitions */
    end(&writer);
}

/* Brokers come back on other ports, as containers do: the producer, which knew them, finds them there. A port that is
 * taken is refused, and the broker stays down. */
static void brokers_move(void **state)
{
    struct writer writer;
    (void)state;
    begin(&writer);
    uint16_t taken = (uint16_t)atoi(strrchr(kc_mock_bootstrap(writer.mock), ':') + 1); /* of broker 3 */
    for (int32_t broker = 1; broker <= 2; broker++) {
        write_on(&writer);
        assert_int_equal(kc_mock_broker_kill(writer.mock, broker), 0);
        assert_int_equal(kc_mock_broker_start_at(writer.mock, broker, taken), -1);
        assert_true(kc_mock_move_leader(writer.mock, "t", 0, broker) > 0);
        assert_int_equal(kc_mock_broker_start_at(writer.mock, broker, 0), 0);
        for (int32_t p = 0; p < PARTITIONS; p++) /* once it is in sync again */
            for (int64_t begun = now_ms(); kc_mock_move_leader(writer.mock, "t", p, broker) != 0;)
                be_patient(begun);
        write_on(&writer);
        settle(&writer);
    }
    end(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brokers_come_and_go),
        cmocka_unit_test(killed_brokers_lose_their_tails),
        cmocka_unit_test(brokers_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
