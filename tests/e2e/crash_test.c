/* mockbroker is killed (SIGKILL) again and again while a producer writes with acks=all.  Whatever was acknowledged is
 * there afterwards, once and in order: what a process has written survives its death. */
#define _GNU_SOURCE /* mkdtemp */
#include <kclient/kclient.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"
#include "support/process.h"

enum { ROUNDS = 6, SEND_AT_ONCE = 100, AHEAD_MAX = 100000 /* records without a fate */ };

struct value {
    int32_t round, number;
};

static _Atomic int acknowledged; /* of this round: they come in order, so this many from the first */
static _Atomic int failures;

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        if (deliveries[i].code)
            atomic_fetch_add(&failures, 1);
        else
            atomic_fetch_add(&acknowledged, 1);
}

static kc_config *config_of(const struct process *process)
{
    char bootstrap[200] = "";
    kc_error error;
    kc_config *config = kc_config_new();
    assert_int_equal(sscanf(strstr(process->line, "\"bootstrap\":"), "\"bootstrap\":\"%199[^\"]", bootstrap), 1);
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    return config;
}

static void start(struct process *process, char *directory)
{
    process_start_and_wait(process, (const char *[]){ "--brokers", "3", "--listen", "127.0.0.1:0", "--control", "off",
                                                      "--log", "error", "--data-dir", directory, "--topic",
                                                      "t:1:3:segment.bytes=2000000,flush.messages=1000", NULL });
}

/* Write until `wanted` are acknowledged. How many were sent. */
static int write_until(kc_producer *producer, int round, int wanted)
{
    struct value values[SEND_AT_ONCE];
    kc_record records[SEND_AT_ONCE];
    kc_error error;
    int number = 0;
    for (int64_t begun = now_ms(); atomic_load(&acknowledged) < wanted; be_patient(begun)) {
        if (number - atomic_load(&acknowledged) > AHEAD_MAX) /* the broker has not run for a while */
            continue;
        for (int i = 0; i < SEND_AT_ONCE; i++) {
            values[i] = (struct value){ round, number++ };
            records[i] = (kc_record)KC_RECORD_INIT;
            records[i].topic = "t";
            records[i].opaque = values; /* asks for a report */
            records[i].value = (kc_bytes){ &values[i], sizeof values[i] };
        }
        if (kc_producer_send(producer, records, SEND_AT_ONCE, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
        if (atomic_load(&failures))
            fail_msg("%d records failed", atomic_load(&failures));
    }
    return number;
}

/* Write until `wanted` are acknowledged, then kill the broker in the middle of the rest. How many were acknowledged. */
static int write_and_kill(struct process *process, int round, int wanted)
{
    kc_error error;
    kc_producer *producer;
    kc_config *config = config_of(process);
    atomic_store(&acknowledged, 0);
    atomic_store(&failures, 0);
    kc_config_set_delivery(config, on_delivery, NULL, 1);
    assert_int_equal(kc_config_set(config, "acks", "all", &error), KC_OK);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    int sent = write_until(producer, round, wanted);
    process_kill(process);
    kc_producer_close(producer, 0); /* the rest fails, or was written and not acknowledged */
    for (int64_t begun = now_ms(); atomic_load(&acknowledged) + atomic_load(&failures) < sent;)
        be_patient(begun);
    kc_config_destroy(config);
    return atomic_load(&acknowledged);
}

/* Read all; every round's numbers rise one by one, and reach what was acknowledged. */
static void expect_all(struct process *process, const int *expected)
{
    kc_error error;
    kc_consumer *consumer;
    int next[ROUNDS] = { 0 }, round = 0;
    kc_config *config = config_of(process);
    kc_topic_partition partition = { .topic = "t", .partition = 0, .offset = 0 };
    assert_int_equal(kc_config_set(config, "auto.offset.reset", "earliest", &error), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    if (kc_consumer_assign(consumer, &partition, 1, &error) != KC_OK)
        fail_msg("%s", error.text);
    bool complete = false;
    for (int64_t begun = now_ms(), idle = 0; idle < 2; be_patient(begun)) {
        kc_records *records;
        kc_record_view view;
        struct value value;
        bool any = false;
        if (kc_consumer_poll(consumer, &records, 200, &error) != KC_OK)
            fail_msg("%s", error.text);
        while (kc_records_next(records, &view)) {
            assert_int_equal(view.value.size, sizeof value);
            memcpy(&value, view.value.data, sizeof value);
            assert_in_range(value.round, round, ROUNDS - 1);
            round = value.round;
            assert_int_equal(value.number, next[round]++);
            any = true;
        }
        kc_records_release(records);
        complete = true;
        for (int i = 0; i < ROUNDS; i++)
            complete = complete && next[i] >= expected[i];
        idle = complete && !any ? idle + 1 : 0; /* what was written beyond that is looked at, too */
    }
    kc_consumer_close(consumer, WAIT_MS);
    kc_config_destroy(config);
}

static void what_was_acknowledged_survives_kills(void **state)
{
    char directory[] = "/tmp/mockbroker-crash-XXXXXX", command[100], text[1000];
    int expected[ROUNDS];
    struct process process;
    (void)state;
    assert_non_null(mkdtemp(directory));
    for (int round = 0; round < ROUNDS; round++) {
        start(&process, directory);
        expected[round] = write_and_kill(&process, round, 3000 + 7919 * round);
        assert_true(expected[round] >= 3000);
    }
    start(&process, directory);
    expect_all(&process, expected);
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
