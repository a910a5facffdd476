/* What a producer takes from the machine: memory while no broker answers, nothing after it was closed, and a fair share
 * of buffer.memory for each of its threads. mockbroker is a process of its own, so that what is measured is ours.
 *
 * KCLIENT_SILENT_TURNS=600 (a tenth of a second each) and KCLIENT_CREATIONS=10000 make the stories as long as one
 * likes. */
#define _GNU_SOURCE /* mkstemp */
#include <kclient/kclient.h>

#include "support/unit.h"

#include "support/own_costs.h"
#include "support/patience.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct process broker;
static char bootstrap[64];

static void broker_start(const char *faults)
{
    char path[] = "/tmp/kclient_faults_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, faults, strlen(faults)), strlen(faults));
    close(fd);
    process_start_and_wait(&broker, (const char *const[]){ "--listen", "127.0.0.1:0", "--control", "off", "--topic",
                                                           "t:4:1", "--faults", path, NULL });
    unlink(path);
    broker_bootstrap(&broker, bootstrap, sizeof bootstrap);
}

static kc_producer *create(const char *const *pairs)
{
    kc_config *config = kc_config_new();
    kc_error error;
    kc_producer *made = NULL;
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error))
            fail_msg("%s", error.text);
    if (kc_producer_create(&made, config, &error))
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return made;
}

static kc_record record_of(const void *value, size_t size)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = "t";
    record.value = (kc_bytes){ value, size };
    return record;
}

/* The broker takes every request and answers none: buffer.memory is filled again and again, requests time out,
 * connections are given up and made anew. The process never holds more than buffer.memory and 8 MB. */
static void a_broker_that_never_answers(void **state)
{
    static char value[1000];
    static const char *const pairs[] = { "buffer.memory=8388608", "request.timeout.ms=100", "delivery.timeout.ms=105",
                                         "linger.ms=0",           "max.block.ms=0",         NULL };
    kc_error error;
    long most = 0, base = own_resident(), full = 0;
    (void)state;
    broker_start("{\"match\":{\"api\":\"Produce\"},\"action\":{\"type\":\"silence\",\"when\":\"before\"}}");
    kc_producer *producer = create(pairs);
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    for (int turn = 0; turn < own_turns("KCLIENT_SILENT_TURNS", 10); turn++) {
        kc_record record = record_of(value, sizeof value);
        kc_err err = KC_OK;
        for (int i = 0; i < 20000 && err == KC_OK; i++) /* where this takes long, the first ones expire meanwhile */
            err = kc_producer_send(producer, &record, 1, NULL, &error);
        assert_true(err == KC_OK || err == KC_ERR_QUEUE_FULL);
        full += err == KC_ERR_QUEUE_FULL;
        most = own_resident() > most ? own_resident() : most;
        assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK); /* all have expired */
        most = own_resident() > most ? own_resident() : most;
    }
    kc_metrics *metrics;
    assert_int_equal(kc_producer_metrics(producer, &metrics, &error), KC_OK);
    assert_int_equal(metrics->records_sent, 0);
    assert_true(metrics->records_failed > 8 * 1000);
    assert_int_equal(metrics->buffer_exhausted, full);
    kc_metrics_release(metrics);
    kc_producer_close(producer, 0);
    if (OWN_MEMORY_TELLS)
        assert_in_range((size_t)(most - base), 0, (size_t)(16 * MEBI));
    broker_stop(&broker);
}

/* Producers come and go, most of them unused, some with records, some closed with records under way: memory and
 * descriptors are those of before. */
static void nothing_is_left_of_those_that_were_closed(void **state)
{
    static const char *const pairs[] = { "linger.ms=0", NULL };
    kc_error error;
    long base = 0;
    int fds = 0, count = own_turns("KCLIENT_CREATIONS", 150);
    (void)state;
    broker_start("[]");
    for (int turn = 0; turn < count; turn++) {
        kc_producer *producer = create(pairs);
        for (int i = 0; turn % 10 == 0 && i < 10; i++) {
            kc_record record = record_of("value", 5);
            if (kc_producer_send(producer, &record, 1, NULL, &error))
                fail_msg("%s", error.text);
        }
        kc_err closed = kc_producer_close(producer, turn % 20 == 0 ? WAIT_MS : 0);
        assert_true(closed == KC_OK || (closed == KC_ERR_TIMED_OUT && turn % 20 == 10));
        if (turn == count / 3) {
            base = own_resident();
            fds = own_descriptors();
        }
    }
    /* a close that gave up may leave the last steps to a thread of its own */
    int64_t begun = now_ms();
    while (own_descriptors() > fds)
        be_patient(begun);
    if (OWN_MEMORY_TELLS)
        assert_in_range((size_t)(own_resident() > base ? own_resident() - base : 0), 0, (size_t)(4 * MEBI));
    broker_stop(&broker);
}

static kc_producer *shared;
static _Atomic bool over;
static _Atomic long small_sent;

static void *send_small(void *context)
{
    static char value[1000];
    (void)context;
    while (!atomic_load(&over)) {
        kc_record record = record_of(value, sizeof value);
        kc_error error;
        if (kc_producer_send(shared, &record, 1, NULL, &error))
            fail_msg("%s", error.text);
        atomic_fetch_add(&small_sent, 1);
    }
    return NULL;
}

/* Three threads keep the memory full with small records; a fourth needs most of it at once, and gets it each time. */
static void a_large_record_gets_its_turn(void **state)
{
    static char large[1000000];
    static const char *const pairs[] = { "buffer.memory=1500000", "linger.ms=0", "max.block.ms=240000", NULL };
    kc_error error;
    pthread_t threads[3];
    (void)state;
    broker_start("[]");
    shared = create(pairs);
    assert_int_equal(kc_producer_ready(shared, "t", WAIT_MS, &error), KC_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_small, NULL), 0);
    for (int i = 0; i < 20; i++) {
        kc_record record = record_of(large, sizeof large);
        if (kc_producer_send(shared, &record, 1, NULL, &error))
            fail_msg("%s", error.text);
        long seen = atomic_load(&small_sent);
        int64_t begun = now_ms();
        while (atomic_load(&small_sent) == seen) /* and the others go on */
            be_patient(begun);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(kc_producer_flush(shared, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_close(shared, WAIT_MS), KC_OK);
    broker_stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_never_answers),
        cmocka_unit_test(nothing_is_left_of_those_that_were_closed),
        cmocka_unit_test(a_large_record_gets_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
