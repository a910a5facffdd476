/* The public producer over real threads and sockets: what waits keeps its time, what runs in callbacks does not wait,
 * what is closed always returns. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include "support/unit.h"

#include "support/patience.h"
#include "support/waiters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, PER_THREAD = 20000 };

static kc_mock *cluster;
static kc_producer *producer;
static _Atomic long delivered, failed;
static kc_err in_callback[6]; /* what calls from within the callback returned */
static _Atomic int callback_runs;

static void count_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        atomic_fetch_add(deliveries[i].code ? &failed : &delivered, 1);
}

static kc_producer *create(const char *bootstrap, kc_delivery_fn fn, const char *const *pairs)
{
    kc_config *config = kc_config_new();
    kc_error error;
    kc_producer *made = NULL;
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    for (; pairs && *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error))
            fail_msg("%s", error.text);
    kc_config_set_delivery(config, fn, NULL, 1);
    if (kc_producer_create(&made, config, &error))
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return made;
}

static kc_record record_of(const char *topic, const char *value)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = topic;
    record.value = (kc_bytes){ value, strlen(value) };
    return record;
}

static int setup(void **state)
{
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    char text[200];
    (void)state;
    options.topics = "t:3 u:2";
    options.config = "auto.create.topics.enable=false";
    atomic_store(&delivered, 0);
    atomic_store(&failed, 0);
    atomic_store(&callback_runs, 0);
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

/* A record is sent and its fate awaited: offsets rise by one. */
static void test_send_sync(void **state)
{
    kc_error error;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), NULL, NULL);
    for (int64_t i = 0; i < 3; i++) {
        kc_record record = record_of("t", "v");
        kc_delivery delivery;
        record.partition = 1;
        record.opaque = &record;
        assert_int_equal(kc_producer_send_sync(producer, &record, &delivery, &error), KC_OK);
        assert_int_equal(delivery.offset, i);
        assert_int_equal(delivery.partition, 1);
        assert_ptr_equal(delivery.opaque, &record);
        assert_null(delivery.topic);
    }
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

static void *send_many(void *context)
{
    (void)context;
    for (int i = 0; i < PER_THREAD; i++) {
        kc_record record = record_of(i % 2 ? "t" : "u", "some value");
        kc_error error;
        if (kc_producer_send(producer, &record, 1, NULL, &error))
            fail_msg("%s", error.text);
        if (i % 5000 == 4999)
            assert_int_equal(kc_producer_flush(producer, -1, &error), KC_OK);
    }
    return NULL;
}

/* Several threads send and flush at the same time with little memory: all is delivered, once. */
static void many_threads(const char *const *pairs)
{
    pthread_t threads[THREADS];
    producer = create(kc_mock_bootstrap(cluster), count_delivery, pairs);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, send_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(delivered, (long)THREADS * PER_THREAD);
    assert_int_equal(failed, 0);
    int64_t in_log = 0;
    for (int32_t p = 0; p < 5; p++) {
        kc_mock_partition seen;
        assert_int_equal(kc_mock_describe(cluster, p < 3 ? "t" : "u", p < 3 ? p : p - 3, &seen), 0);
        in_log += seen.log_end;
    }
    assert_int_equal(in_log, (long)THREADS * PER_THREAD);
}
static void test_many_threads(void **state)
{
    static const char *const little[] = { "buffer.memory=300000", "batch.size=2000", NULL };
    (void)state;
    many_threads(little);
}
static void test_many_threads_compressing(void **state)
{
    static const char *const little[] = { "buffer.memory=300000", "batch.size=2000", "compression.type=gzip", NULL };
    (void)state;
    many_threads(little);
}

static void call_from_callback(const kc_delivery *deliveries, size_t count, void *context)
{
    kc_record record = record_of("t", "from the callback");
    kc_error error;
    kc_delivery delivery;
    int32_t partitions;
    count_delivery(deliveries, count, context);
    if (atomic_fetch_add(&callback_runs, 1))
        return;
    in_callback[0] = kc_producer_send(producer, &record, 1, NULL, &error);
    in_callback[1] = kc_producer_flush(producer, -1, &error);
    in_callback[2] = kc_producer_send_sync(producer, &record, &delivery, &error);
    in_callback[3] = kc_producer_partitions(producer, "unheard-of", -1, &partitions, &error);
    record.topic = "unknown-topic";
    in_callback[4] = kc_producer_send(producer, &record, 1, NULL, &error);
    kc_health health;
    in_callback[5] = kc_producer_health(producer, &health, &error);
    assert_int_equal(health.state, KC_HEALTH_USABLE);
}

/* From a callback: what need not wait works, what would says so at once. */
static void test_calls_from_a_callback(void **state)
{
    kc_error error;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), call_from_callback, NULL);
    kc_record record = record_of("t", "v");
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    assert_int_equal(in_callback[0], KC_OK);
    assert_int_equal(in_callback[1], KC_ERR_IN_CALLBACK);
    assert_int_equal(in_callback[2], KC_ERR_IN_CALLBACK);
    assert_int_equal(in_callback[3], KC_ERR_QUEUE_FULL);
    assert_int_equal(in_callback[4], KC_ERR_QUEUE_FULL);
    assert_int_equal(in_callback[5], KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(delivered, 2);
}

static _Atomic int closed, may_close;
static void close_from_callback(const kc_delivery *deliveries, size_t count, void *context)
{
    count_delivery(deliveries, count, context);
    while (!atomic_load(&may_close)) /* nobody else is in a call any more */
        sched_yield();
    if (atomic_fetch_add(&callback_runs, 1) == 0) {
        kc_producer_close(producer, 60000);
        atomic_store(&closed, 1);
    }
}

/* close from a callback returns at once; the rest is given up and reported. */
static void test_close_from_a_callback(void **state)
{
    static const char *const lingers[] = { "linger.ms=200", "batch.size=1", NULL };
    kc_error error;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), close_from_callback, lingers);
    kc_record records[2] = { record_of("t", "v"), record_of("u", "v") };
    size_t accepted;
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_ready(producer, "u", WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_send(producer, records, 2, &accepted, &error), KC_OK);
    atomic_store(&may_close, 1);
    int64_t begun = now_ms();
    while (!atomic_load(&closed) || delivered + failed < (long)accepted)
        be_patient(begun);
    assert_int_equal(delivered + failed, (long)accepted);
}

/* No broker anywhere: send keeps max.block.ms, flush and ready theirs, close its own, each with the reason. */
static void test_no_broker(void **state)
{
    static const char *const quick[] = { "max.block.ms=300", NULL };
    kc_error error;
    (void)state;
    producer = create("127.0.0.1:1", count_delivery, quick);
    kc_record record = record_of("t", "v");
    int64_t begin = now_ms();
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_ERR_TIMED_OUT);
    assert_in_range(now_ms() - begin, 300, 300 + SLACK_MS);
    int64_t begun = now_ms();
    do { /* the reason is known as soon as an attempt has failed */
        be_patient(begun);
        begin = now_ms();
        assert_int_equal(kc_producer_ready(producer, NULL, 200, &error), KC_ERR_TIMED_OUT);
        assert_in_range(now_ms() - begin, 200, 200 + SLACK_MS);
    } while (!strstr(error.text, "127.0.0.1:1"));
    assert_int_equal(kc_producer_flush(producer, 1000, &error), KC_OK); /* nothing was queued */
    begin = now_ms();
    assert_int_equal(kc_producer_close(producer, 200), KC_OK);
    assert_true(now_ms() - begin < 200 + SLACK_MS);
}

/* The broker dies with records under way: close returns within its time, and each is reported. */
static void test_close_gives_up(void **state)
{
    kc_error error;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), count_delivery, NULL);
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    kc_mock_broker_kill(cluster, 1);
    for (int i = 0; i < 100; i++) {
        kc_record record = record_of("t", "v");
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    assert_int_equal(kc_producer_flush(producer, 100, &error), KC_ERR_TIMED_OUT);
    assert_non_null(strstr(error.text, "100 records have no fate"));
    assert_int_equal(kc_producer_pending(producer), 100);
    int64_t begin = now_ms();
    assert_int_equal(kc_producer_close(producer, 200), KC_ERR_TIMED_OUT);
    assert_in_range(now_ms() - begin, 200, 200 + SLACK_MS);
    while (failed < 100) /* the reports may come a moment later */
        be_patient(begin);
}

/* One call with more records than memory holds. */
static void *send_too_many(void *context)
{
    enum { TOO_MANY = 5000 };
    static kc_record records[TOO_MANY];
    size_t accepted;
    kc_error error;
    for (int i = 0; i < TOO_MANY; i++)
        records[i] = record_of("t", "a value that takes some memory");
    *(kc_err *)context = kc_producer_send(producer, records, TOO_MANY, &accepted, &error);
    return (void *)accepted;
}

/* A thread that waits in send for memory is let go when another closes the producer. */
static void test_close_lets_waiters_go(void **state)
{
    static const char *const little[] = { "buffer.memory=100000", NULL };
    pthread_t thread;
    void *accepted;
    kc_err err = KC_OK;
    kc_error error;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), count_delivery, little);
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    kc_mock_broker_kill(cluster, 1);
    pthread_create(&thread, NULL, send_too_many, &err);
    wait_for_waiters(producer, 1);
    assert_int_equal(kc_producer_flush(producer, 50, &error), KC_ERR_TIMED_OUT);
    int64_t begin = now_ms();
    assert_int_equal(kc_producer_close(producer, 100), KC_ERR_TIMED_OUT);
    assert_true(now_ms() - begin < 100 + SLACK_MS);
    pthread_join(thread, &accepted);
    assert_int_equal(err, KC_ERR_CLOSED);
    while (failed < (long)(uintptr_t)accepted)
        be_patient(begin);
}

static _Atomic int stuck, release;
static void stick(const kc_delivery *deliveries, size_t count, void *context)
{
    count_delivery(deliveries, count, context);
    atomic_store(&stuck, 1);
    while (!atomic_load(&release))
        sched_yield();
    atomic_store(&stuck, 2);
}

/* A callback that does not return is told by the health, and does not keep close from returning. */
static void test_close_with_a_stuck_callback(void **state)
{
    kc_error error;
    kc_health health;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), stick, NULL);
    assert_int_equal(kc_producer_ready(producer, "t", WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_health(producer, &health, &error), KC_OK);
    assert_int_equal(health.reasons & ~KC_HEALTH_BUSY, 0); /* busy: a loaded machine */
    kc_record record = record_of("t", "v");
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    while (!atomic_load(&stuck))
        sched_yield();
    assert_int_equal(kc_producer_health(producer, &health, &error), KC_OK);
    assert_int_equal(health.reasons, KC_HEALTH_BUSY);
    assert_int_equal(health.state, KC_HEALTH_DEGRADED);
    assert_non_null(strstr(health.text, "a callback keeps it"));
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    int64_t begin = now_ms();
    assert_int_equal(kc_producer_close(producer, 100), KC_ERR_TIMED_OUT);
    assert_true(now_ms() - begin < 100 + SLACK_MS);
    atomic_store(&release, 1); /* it is freed behind our back now */
    while (delivered + failed < 2)
        be_patient(begin);
}

/* A forked child cannot use the parent's producer, and is told so; the parent goes on. */
static void test_fork(void **state)
{
    kc_error error;
    kc_health health;
    int status;
    (void)state;
    producer = create(kc_mock_bootstrap(cluster), count_delivery, NULL);
    kc_record record = record_of("t", "v");
    assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(kc_producer_send(producer, &record, 1, NULL, &error) == KC_ERR_FORKED &&
                      kc_producer_flush(producer, -1, &error) == KC_ERR_FORKED &&
                      kc_producer_health(producer, &health, &error) == KC_ERR_FORKED &&
                      kc_producer_close(producer, -1) == KC_ERR_FORKED
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(delivered, 1);
}

/* Wrong calls are answered, not crashed on. */
static void test_wrong_calls(void **state)
{
    kc_error error;
    kc_producer_stats stats;
    (void)state;
    assert_int_equal(kc_producer_send(NULL, NULL, 0, NULL, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_flush(NULL, 0, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_producer_close(NULL, 0), KC_OK);
    assert_int_equal(kc_producer_pending(NULL), 0);
    kc_producer_get_stats(NULL, &stats);
    assert_int_equal(kc_producer_create(NULL, NULL, &error), KC_ERR_ARGUMENT);
    producer = create(kc_mock_bootstrap(cluster), NULL, NULL);
    assert_int_equal(kc_producer_send(producer, NULL, 0, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_send(producer, NULL, 1, NULL, &error), KC_ERR_ARGUMENT);
    int32_t count;
    assert_int_equal(kc_producer_partitions(producer, "t", WAIT_MS, &count, &error), KC_OK);
    assert_int_equal(count, 3);
    kc_producer_get_stats(producer, &stats);
    assert_int_equal(stats.memory_limit, 32 << 20);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_send_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads_compressing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_from_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_from_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_lets_waiters_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_with_a_stuck_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fork, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_calls, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
