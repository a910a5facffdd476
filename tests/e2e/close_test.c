/* Handles that are closed while other threads are inside: those come back, close waits for them, and nobody meets freed
 * memory.  Which of both is first does not matter to any of these stories; the sanitizers look at what is touched. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"
#include "support/waiters.h"
#include "worker/internal.h"

#define TURNS 50

static kc_mock *cluster;
static kc_error error;

static int start(void **state)
{
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    (void)state;
    options.brokers = 2;
    options.topics = "t:2";
    options.config = "auto.create.topics.enable=false";
    return kc_mock_start(&cluster, &options, NULL, 0);
}

static int stop(void **state)
{
    (void)state;
    kc_mock_stop(cluster);
    return 0;
}

static kc_config *config_of(void)
{
    kc_config *config = kc_config_new();
    assert_non_null(config);
    assert_int_equal(kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), &error), KC_OK);
    return config;
}

/* ---- consumer ---- */

static void *wake(void *consumer)
{
    kc_consumer_wakeup(consumer);
    return NULL;
}

/* The way to end a consumer from outside: wake it, and it closes itself, however late the waking thread returns. */
static void who_is_woken_closes_at_once(void **state)
{
    kc_topic_partition place = { "t", 0, 0, -1, NULL, KC_OK };
    (void)state;
    for (int turn = 0; turn < TURNS; turn++) {
        kc_config *config = config_of();
        kc_consumer *consumer;
        kc_records *records;
        pthread_t thread;
        assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
        kc_config_destroy(config);
        assert_int_equal(kc_consumer_assign(consumer, &place, 1, &error), KC_OK);
        assert_int_equal(pthread_create(&thread, NULL, wake, consumer), 0);
        assert_int_equal(kc_consumer_poll(consumer, &records, WAIT_MS, &error), KC_ERR_WOKEN);
        assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
        pthread_join(thread, NULL);
    }
}

static struct {
    _Atomic bool begun, let_go, returned, closed, closed_too_early;
} visit;

static void on_consume(void *context, const kc_record_view *view)
{
    (void)context, (void)view;
    atomic_store(&visit.begun, true);
    while (!atomic_load(&visit.let_go))
        sched_yield();
    atomic_store(&visit.returned, true);
}

static void on_close(void *context)
{
    (void)context;
    atomic_store(&visit.closed_too_early, !atomic_load(&visit.returned));
    atomic_store(&visit.closed, true);
}

static void *read_one(void *records)
{
    kc_record_view view;
    assert_int_equal(kc_records_next(records, &view), 1);
    return NULL;
}

/* An interceptor that runs on another thread is never called into freed memory, nor closed under its feet: close waits
 * for it as long as it may, then returns, and what is left is done when the interceptor comes back. */
static void an_interceptor_is_not_closed_while_it_runs(void **state)
{
    kc_config *config = config_of();
    kc_consumer_interceptor interceptor = { .name = "i", .on_consume = on_consume, .close = on_close };
    kc_topic_partition place = { "t", 0, 0, -1, NULL, KC_OK };
    kc_producer *producer;
    kc_consumer *consumer;
    kc_records *records = NULL;
    kc_record record = KC_RECORD_INIT;
    pthread_t thread;
    (void)state;
    record.topic = "t";
    record.partition = 0;
    record.value = (kc_bytes){ "v", 1 };
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    assert_int_equal(kc_producer_send_sync(producer, &record, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    assert_int_equal(kc_config_add_consumer_interceptor(config, &interceptor), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_config_destroy(config);
    assert_int_equal(kc_consumer_assign(consumer, &place, 1, &error), KC_OK);
    for (int64_t begun = now_ms(); !records; be_patient(begun))
        assert_int_equal(kc_consumer_poll(consumer, &records, 100, &error), KC_OK);
    assert_int_equal(pthread_create(&thread, NULL, read_one, records), 0);
    for (int64_t begun = now_ms(); !atomic_load(&visit.begun);)
        be_patient(begun);
    assert_int_equal(kc_consumer_close(consumer, 0), KC_ERR_TIMED_OUT);
    assert_false(atomic_load(&visit.closed));
    atomic_store(&visit.let_go, true);
    for (int64_t begun = now_ms(); !atomic_load(&visit.closed);)
        be_patient(begun);
    assert_false(atomic_load(&visit.closed_too_early));
    pthread_join(thread, NULL);
    kc_records_release(records);
}

/* ---- producer ---- */

struct asking {
    kc_producer *producer;
    const char *topic; /* NULL: any broker will do */
    kc_err answer;
};

static void *ask(void *context)
{
    struct asking *asking = context;
    int32_t count;
    asking->answer = asking->topic ? kc_producer_partitions(asking->producer, asking->topic, -1, &count, NULL)
                                   : kc_producer_ready(asking->producer, NULL, -1, NULL);
    return NULL;
}

static kc_err answer_of_who_is_met(const char *bootstrap, const char *topic)
{
    struct asking asking = { .topic = topic };
    kc_config *config = config_of();
    pthread_t thread;
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    assert_int_equal(kc_producer_create(&asking.producer, config, &error), KC_OK);
    kc_config_destroy(config);
    assert_int_equal(pthread_create(&thread, NULL, ask, &asking), 0);
    wait_for_waiters(asking.producer, 1);
    assert_int_equal(kc_producer_close(asking.producer, WAIT_MS), KC_OK);
    pthread_join(thread, NULL);
    return asking.answer;
}

/* Who waits without end for a cluster, or for a topic, that does not come is told of the close, which does not wait for
 * him. */
static void who_waits_for_what_never_comes_is_told(void **state)
{
    (void)state;
    assert_int_equal(answer_of_who_is_met("127.0.0.1:1", NULL), KC_ERR_CLOSED);
    assert_int_equal(answer_of_who_is_met(kc_mock_bootstrap(cluster), "missing"), KC_ERR_CLOSED);
}

/* ---- admin ---- */

static void *create_topic(void *admin)
{
    static kc_err answer;
    const kc_new_topic topic = { .name = "new", .partitions = 1, .replication_factor = 1 };
    answer = kc_admin_create_topic(admin, &topic, -1, NULL);
    return &answer;
}

/* A call that waits for the broker comes back, and only then the handle is freed. */
static void an_admin_call_comes_back(void **state)
{
    kc_config *config = config_of();
    kc_admin *admin;
    pthread_t thread;
    void *answer;
    int32_t fault;
    (void)state;
    assert_int_equal(kc_mock_fault_add(cluster, "{\"match\": {\"api\": \"CreateTopics\"}, \"action\": \"barrier\"}",
                                       &fault, error.text, sizeof error.text),
                     0);
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    kc_config_destroy(config);
    assert_int_equal(pthread_create(&thread, NULL, create_topic, admin), 0);
    for (int64_t begun = now_ms(); kc_mock_fault_held(cluster, fault) < 1;)
        be_patient(begun);
    kc_admin_close(admin);
    pthread_join(thread, &answer);
    assert_int_equal(*(kc_err *)answer, KC_ERR_CLOSED);
    assert_int_equal(kc_mock_fault_remove(cluster, fault), 0);
}

/* ---- worker ---- */

static kc_verdict handle(void *context, kc_work *work)
{
    (void)context, (void)work;
    return KC_WORK_DONE;
}

static void *wait_for_end(void *worker)
{
    static kc_err answer;
    answer = kc_worker_wait(worker, -1, NULL);
    return &answer;
}

/* One thread waits for the worker's end, another one brings it about. */
static void a_worker_is_closed_while_it_is_waited_for(void **state)
{
    const char *topic = "t";
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    kc_config *config = config_of();
    kc_worker *worker;
    pthread_t thread;
    void *answer;
    (void)state;
    assert_int_equal(kc_config_set(config, "group.id", "g", &error), KC_OK);
    options.config = config;
    options.topics = &topic;
    options.topic_count = 1;
    options.handle = handle;
    for (int turn = 0; turn < 5; turn++) {
        assert_int_equal(kc_worker_start(&worker, &options, &error), KC_OK);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_end, worker), 0);
        for (int64_t begun = now_ms(); !atomic_load(&worker->door.word);)
            be_patient(begun);
        assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
        pthread_join(thread, &answer);
        assert_int_equal(*(kc_err *)answer, KC_OK);
    }
    kc_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_woken_closes_at_once),
        cmocka_unit_test(an_interceptor_is_not_closed_while_it_runs),
        cmocka_unit_test(who_waits_for_what_never_comes_is_told),
        cmocka_unit_test(an_admin_call_comes_back),
        cmocka_unit_test(a_worker_is_closed_while_it_is_waited_for),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
