/* What bindings use: deliveries that are polled, records that come packed in one block; and a thousand producers made
 * and closed without a trace. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include "support/unit.h"

#include "support/own_costs.h"
#include "support/patience.h"
#include "support/waiters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static kc_mock *cluster;

static int setup(void **state)
{
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    char text[200];
    (void)state;
    options.topics = "t:3";
    options.config = "auto.create.topics.enable=false";
    if (kc_mock_start(&cluster, &options, text, sizeof text))
        fail_msg("%s", text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kc_mock_stop(cluster);
    return 0;
}

static kc_producer *create(const char *pair, int polled)
{
    kc_config *config = kc_config_new();
    kc_error error;
    kc_producer *made = NULL;
    assert_int_equal(kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), &error), KC_OK);
    if (pair && kc_config_set_pair(config, pair, &error))
        fail_msg("%s", error.text);
    if (polled)
        kc_config_set_delivery_polled(config, 1);
    if (kc_producer_create(&made, config, &error))
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return made;
}

/* One packed record at `at`; returns its end. */
static uint8_t *pack(uint8_t *at, int32_t partition, uint64_t opaque, const char *key, const char *value,
                     const char *header)
{
    int32_t key_size = key ? (int32_t)strlen(key) : -1, value_size = value ? (int32_t)strlen(value) : -1;
    int32_t name_size = header ? (int32_t)strlen(header) + 1 : 0, none = -1;
    int64_t timestamp = KC_TIMESTAMP_NOW;
    uint32_t headers = header ? 1 : 0, size = 36;
    uint8_t *start = at;
    memcpy(at + 4, &partition, 4);
    memcpy(at + 8, &timestamp, 8);
    memcpy(at + 16, &opaque, 8);
    memcpy(at + 24, &key_size, 4);
    memcpy(at + 28, &value_size, 4);
    memcpy(at + 32, &headers, 4);
    at += 36;
    if (key)
        memcpy(at, key, (size_t)key_size), at += key_size;
    if (value)
        memcpy(at, value, (size_t)value_size), at += value_size;
    if (header) {
        memcpy(at, &name_size, 4);
        memcpy(at + 4, &none, 4);
        memcpy(at + 8, header, (size_t)name_size);
        at += 8 + name_size;
    }
    size = (uint32_t)(at - start);
    memcpy(start, &size, 4);
    return at;
}

/* A thousand records in one call, in order; each delivery is polled with its opaque and its offset. */
static void test_packed_and_polled(void **state)
{
    static uint8_t block[100000];
    static kc_delivery deliveries[64];
    kc_producer *producer = create(NULL, 1);
    uint8_t *at = block;
    size_t accepted, seen = 0;
    kc_error error;
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        char value[20];
        snprintf(value, sizeof value, "value %d", (int)i);
        at = pack(at, 1, i + 1, i % 2 ? "key" : NULL, i % 3 ? value : NULL, i % 5 ? NULL : "origin");
    }
    if (kc_producer_send_packed(producer, "t", block, (size_t)(at - block), &accepted, &error))
        fail_msg("%s", error.text);
    assert_int_equal(accepted, 1000);
    while (seen < 1000) {
        size_t count = kc_producer_poll_deliveries(producer, deliveries, 64, WAIT_MS);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_int_equal(deliveries[i].code, KC_OK);
            assert_string_equal(deliveries[i].topic, "t");
            assert_int_equal(deliveries[i].partition, 1);
            assert_int_equal(deliveries[i].offset, seen);
            assert_int_equal((uintptr_t)deliveries[i].opaque, seen + 1);
        }
    }
    assert_int_equal(kc_producer_poll_deliveries(producer, deliveries, 64, 0), 0);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

/* A block whose sizes do not add up is refused at that place; what stands before it was taken. Every damaged byte is
 * tried: nothing is read beyond the block. */
static void test_damaged_block(void **state)
{
    uint8_t good[200];
    kc_producer *producer = create("max.block.ms=20", 0); /* a damaged partition number is waited for */
    uint8_t *second = pack(good, 0, 1, "k", "v", "h"), *end = pack(second, 0, 2, "key", "value", "header");
    size_t size = (size_t)(end - good), accepted;
    kc_error error;
    (void)state;
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    for (size_t cut = 1; cut < size; cut++) { /* the block ends with its memory, so that a tool sees any step beyond */
        uint8_t *block = malloc(cut);
        memcpy(block, good, cut);
        kc_err err = kc_producer_send_packed(producer, "t", block, cut, &accepted, &error);
        assert_int_equal(err, cut == (size_t)(second - good) ? KC_OK : KC_ERR_ARGUMENT);
        assert_int_equal(accepted, cut >= (size_t)(second - good));
        free(block);
    }
    for (size_t i = (size_t)(second - good); i < size; i++) {
        uint8_t *block = malloc(size);
        memcpy(block, good, size);
        block[i] ^= 0x80;
        kc_producer_send_packed(producer, "t", block, size, &accepted, &error);
        assert_true(accepted >= 1);
        free(block);
    }
    assert_int_equal(kc_producer_send_packed(producer, NULL, good, size, NULL, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_send_packed(producer, "t", NULL, 0, NULL, &error), KC_OK);
    kc_producer_close(producer, WAIT_MS);
}

/* Failures are polled with their text; purging is reported there like all else. */
static void test_polled_failures(void **state)
{
    kc_delivery deliveries[8];
    kc_producer *producer = create("linger.ms=60000", 1);
    kc_record record = KC_RECORD_INIT;
    kc_error error;
    (void)state;
    record.topic = "t";
    record.partition = 2;
    record.value = (kc_bytes){ "v", 1 };
    for (int i = 0; i < 3; i++)
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_purge(producer, 0), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_purge(producer, 4), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_purge(producer, KC_PURGE_QUEUED), KC_OK);
    for (size_t seen = 0; seen < 3;) {
        size_t count = kc_producer_poll_deliveries(producer, deliveries, 2, WAIT_MS);
        assert_in_range(count, 1, 2);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_int_equal(deliveries[i].code, KC_ERR_PURGED);
            assert_int_equal(deliveries[i].traits & KC_MAYBE_APPLIED, 0);
            assert_non_null(strstr(deliveries[i].text, "purged by the application"));
        }
    }
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

static kc_delivery last;

static void *poll_long(void *context)
{
    return (void *)(uintptr_t)kc_producer_poll_deliveries(context, &last, 1, -1);
}

/* A poll without time-out learns of what a close gives up, and does not keep the close from returning. */
static void test_close_ends_a_poll(void **state)
{
    kc_producer *producer = create("linger.ms=0", 1);
    kc_record record = KC_RECORD_INIT;
    pthread_t thread;
    void *polled;
    kc_error error;
    (void)state;
    record.topic = "t";
    record.partition = 0;
    record.value = (kc_bytes){ "v", 1 };
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    kc_mock_broker_kill(cluster, 1);
    assert_int_equal(pthread_create(&thread, NULL, poll_long, producer), 0);
    wait_for_waiters(producer, 1);
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, 200), KC_ERR_TIMED_OUT);
    pthread_join(thread, &polled);
    assert_int_equal((uintptr_t)polled, 1);
    assert_int_equal(last.code, KC_ERR_CLOSED);
}

static void *send_one(void *context)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = "t";
    record.value = (kc_bytes){ "v", 1 };
    return (void *)(intptr_t)kc_producer_send(context, &record, 1, NULL, NULL);
}

/* While 100,000 deliveries are not polled, send waits; a close lets it go. */
static void test_close_lets_go_who_waits_for_polls(void **state)
{
    enum { QUEUE_MAX = 100000, AT_ONCE = 1000 };
    static kc_record records[AT_ONCE];
    kc_producer *producer = create(NULL, 1);
    pthread_t thread;
    kc_error error;
    void *code;
    (void)state;
    for (int i = 0; i < AT_ONCE; i++) {
        records[i] = (kc_record)KC_RECORD_INIT;
        records[i].topic = "t";
        records[i].value = (kc_bytes){ "v", 1 };
    }
    for (int i = 0; i < QUEUE_MAX; i += AT_ONCE)
        if (kc_producer_send(producer, records, AT_ONCE, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    assert_int_equal(pthread_create(&thread, NULL, send_one, producer), 0);
    wait_for_waiters(producer, 1);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    pthread_join(thread, &code);
    assert_int_equal((intptr_t)code, KC_ERR_CLOSED);
}

/* Producers come and go, each after a record or two: no descriptor, thread or memory stays. KCLIENT_PRODUCERS says how
 * many; 150 by default. */
static void test_many_lives(void **state)
{
    int lives = own_turns("KCLIENT_PRODUCERS", 150), descriptors = 0, threads = 0;
    long base = 0;
    (void)state;
    for (int i = 0; i < lives; i++) {
        if (i == lives / 3) {
            descriptors = own_descriptors();
            threads = own_threads();
            base = own_resident();
        }
        kc_producer *producer = create(i % 2 ? "compression.type=lz4" : NULL, i % 3 == 0);
        kc_record record = KC_RECORD_INIT;
        kc_error error;
        record.topic = "t";
        record.value = (kc_bytes){ "v", 1 };
        if (i % 4 == 0 && kc_producer_send_sync(producer, &record, NULL, &error))
            fail_msg("%s", error.text);
        assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    }
    /* the broker in this process may close its ends of connections a moment later */
    for (int64_t begun = now_ms(); own_descriptors() > descriptors || own_threads() > threads;)
        be_patient(begun);
    assert_true(!OWN_MEMORY_TELLS || own_resident() - base <= 8 * MEBI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packed_and_polled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_polled_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_ends_a_poll, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_lets_go_who_waits_for_polls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_lives, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
