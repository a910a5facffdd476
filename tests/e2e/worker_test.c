/* Workers against a cluster: order of each key, nothing skipped, poison records put aside, partitions that move, memory
 * that has a limit, and an end in time.  Handlers that must not go on wait for a gate that the test opens. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include "support/unit.h"

#include "support/patience.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITIONS = 3, KEYS = 40, RECORDS_MAX = 3000 };

static kc_mock *cluster;
static kc_config *config;
static kc_error error;

/* What the handlers saw; record i has key i % KEYS and the number i as value. */
static _Atomic int handled[RECORDS_MAX];
static _Atomic int last_of_key[KEYS];
static _Atomic int disorder, in_total;

/* Handlers wait while it is shut. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_shut;
static int inside; /* handlers that wait */

static void set_shut(bool shut)
{
    pthread_mutex_lock(&mutex);
    is_shut = shut;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void pass_gate(void)
{
    pthread_mutex_lock(&mutex);
    inside++;
    pthread_cond_broadcast(&changed);
    while (is_shut)
        pthread_cond_wait(&changed, &mutex);
    inside--;
    pthread_mutex_unlock(&mutex);
}

static void wait_for_one_inside(void)
{
    pthread_mutex_lock(&mutex);
    while (inside == 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static int number_of(const kc_work *work)
{
    int number; /* no asserts here: they belong to the test's own thread */
    memcpy(&number, work->record->value.data, sizeof number);
    return number;
}

static kc_verdict note(void *context, kc_work *work)
{
    int number = number_of(work);
    (void)context;
    if (atomic_exchange(&last_of_key[number % KEYS], number) >= number)
        atomic_fetch_add(&disorder, 1);
    atomic_fetch_add(&handled[number], 1);
    atomic_fetch_add(&in_total, 1);
    return KC_WORK_DONE;
}

static kc_verdict note_behind_gate(void *context, kc_work *work)
{
    pass_gate();
    return note(context, work);
}

static void produce(const char *topic, int from, int count)
{
    kc_producer *producer;
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    for (int i = from; i < from + count; i++) {
        char key[12];
        kc_record record = KC_RECORD_INIT;
        record.topic = topic;
        record.key = (kc_bytes){ key, (size_t)snprintf(key, sizeof key, "k%d", i % KEYS) };
        record.value = (kc_bytes){ &i, sizeof i };
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    }
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    kc_producer_close(producer, WAIT_MS);
}

static kc_worker_options options_of(kc_handler_fn handle)
{
    static const char *const topics[] = { "t" };
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    options.config = config;
    options.topics = topics;
    options.topic_count = 1;
    options.handle = handle;
    options.commit_interval_ms = 50;
    options.drain_ms = WAIT_MS;
    return options;
}

static kc_worker *start(const kc_worker_options *options)
{
    kc_worker *worker;
    if (kc_worker_start(&worker, options, &error) != KC_OK)
        fail_msg("%s", error.text);
    return worker;
}

static kc_worker_stats stats_of(const kc_worker *worker)
{
    kc_worker_stats stats;
    kc_worker_get_stats(worker, &stats);
    return stats;
}

/* Nothing to wait for but time: the condition is looked at until it holds. */
#define UNTIL(worker, condition)                                                                                       \
    while (!(condition))                                                                                               \
    assert_int_equal(kc_worker_wait((worker), 5, &error), KC_ERR_TIMED_OUT)

/* The sum over the partitions of what the group has committed. */
static int64_t committed_of(const char *topic)
{
    kc_consumer *consumer;
    kc_topic_partition offsets[PARTITIONS];
    int64_t sum = 0;
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    for (int i = 0; i < PARTITIONS; i++)
        offsets[i] = (kc_topic_partition){ .topic = topic, .partition = i };
    assert_int_equal(kc_consumer_committed(consumer, offsets, PARTITIONS, WAIT_MS, &error), KC_OK);
    for (int i = 0; i < PARTITIONS; i++)
        sum += offsets[i].offset > 0 ? offsets[i].offset : 0;
    kc_consumer_close(consumer, WAIT_MS);
    return sum;
}

static void assert_all_committed(const char *topic, int64_t expected)
{
    assert_int_equal(committed_of(topic), expected);
}

/* Four threads, forty keys: each key in its order, each record once, everything committed at the end. */
static void keys_keep_their_order(void **state)
{
    (void)state;
    produce("t", 0, RECORDS_MAX);
    kc_worker_options options = options_of(note);
    kc_worker *worker = start(&options);
    UNTIL(worker, atomic_load(&in_total) >= RECORDS_MAX);
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
    assert_int_equal(atomic_load(&disorder), 0);
    for (int i = 0; i < RECORDS_MAX; i++)
        assert_int_equal(atomic_load(&handled[i]), 1);
    assert_all_committed("t", RECORDS_MAX);
}

static kc_verdict stop_at_700(void *context, kc_work *work)
{
    if (number_of(work) != 700)
        return note(context, work);
    snprintf(work->reason, KC_WORK_REASON_BYTES, "disk full");
    return KC_WORK_STOP;
}

/* A handler stops in the middle: who starts next gets every record that was not done; none is skipped. */
static void after_a_stop_nothing_is_missing(void **state)
{
    (void)state;
    produce("t", 0, 1000);
    kc_worker_options options = options_of(stop_at_700);
    kc_worker *worker = start(&options);
    assert_int_equal(kc_worker_wait(worker, WAIT_MS, &error), KC_ERR_STATE);
    assert_non_null(strstr(error.text, "disk full"));
    kc_worker_close(worker, WAIT_MS);
    assert_int_equal(atomic_load(&handled[700]), 0);
    for (int i = 0; i < KEYS; i++) /* what comes again is not out of order */
        atomic_store(&last_of_key[i], -1);
    options.handle = note;
    worker = start(&options);
    UNTIL(worker, atomic_load(&handled[700]) == 1 && atomic_load(&in_total) >= 1000);
    for (int i = 0; i < 1000; i++)
        UNTIL(worker, atomic_load(&handled[i]) >= 1);
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
    assert_int_equal(atomic_load(&disorder), 0);
    assert_all_committed("t", 1000);
}

static _Atomic int attempts_of_5, surprises;

static kc_verdict poisoned_by_5(void *context, kc_work *work)
{
    if (number_of(work) != 5)
        return note(context, work);
    bool as_expected = strcmp(work->topic, "t") == 0 && (int)work->attempt == atomic_fetch_add(&attempts_of_5, 1) + 1 &&
                       strcmp(work->record->topic, work->attempt > 2 ? "t.retry" : "t") == 0;
    atomic_fetch_add(&surprises, !as_expected);
    snprintf(work->reason, KC_WORK_REASON_BYTES, "attempt %u: no such customer", work->attempt);
    return KC_WORK_RETRY;
}

static bool header_is(const kc_record_view *view, const char *expected_name, const char *expected)
{
    for (uint32_t i = 0; i < view->header_count; i++) {
        kc_bytes name, value;
        assert_int_equal(kc_record_view_header(view, i, &name, &value), KC_OK);
        if (name.size == strlen(expected_name) && memcmp(name.data, expected_name, name.size) == 0)
            return value.size == strlen(expected) && memcmp(value.data, expected, value.size) == 0;
    }
    return false;
}

static void assert_dead_letter(int number)
{
    kc_consumer *consumer;
    kc_records *records = NULL;
    kc_record_view view;
    kc_topic_partition dead = { "t.dead", 0, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    assert_int_equal(kc_consumer_assign(consumer, &dead, 1, &error), KC_OK);
    assert_int_equal(kc_consumer_poll(consumer, &records, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_records_count(records), 1);
    assert_true(kc_records_next(records, &view));
    assert_memory_equal(view.value.data, &number, sizeof number);
    assert_true(header_is(&view, KC_HEADER_TOPIC, "t"));
    assert_true(header_is(&view, KC_HEADER_ATTEMPTS, "3"));
    assert_true(header_is(&view, KC_HEADER_CAUSE, "attempt 3: no such customer"));
    assert_true(header_is(&view, KC_HEADER_GROUP, "g"));
    kc_records_release(records);
    kc_consumer_close(consumer, WAIT_MS);
}

/* A record that always fails is tried in place, then from the retry topic, then it is in the dead-letter topic with the
 * cause; all others are handled, and the group has passed it. */
static kc_err refuse_object(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    (void)context, (void)record, (void)bytes, (void)out;
    return KC_ERR_SERIALIZATION;
}

static void poison_is_put_aside(void **state)
{
    static const kc_retry_step retries[] = { { NULL, 1 }, { "t.retry", 20 } };
    static const kc_deserializer reader = { "refuses", NULL, refuse_object, NULL };
    (void)state;
    produce("t", 0, 100);
    kc_worker_options options = options_of(poisoned_by_5);
    kc_config *typed = kc_config_copy(config); /* of an application that uses types elsewhere: bytes stay bytes here */
    assert_int_equal(kc_config_set(typed, "value.serializer", "uuid", &error), KC_OK);
    kc_config_set_value_deserializer(typed, &reader);
    options.config = typed;
    options.retries = retries;
    options.retry_count = 2;
    options.dead_topic = "t.dead";
    kc_worker *worker = start(&options);
    UNTIL(worker, stats_of(worker).dead == 1 && atomic_load(&in_total) == 99);
    assert_int_equal(stats_of(worker).retried, 2);
    assert_int_equal(stats_of(worker).processed, 99);
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
    assert_int_equal(atomic_load(&attempts_of_5), 3);
    assert_int_equal(atomic_load(&surprises), 0);
    kc_config_destroy(typed);
    assert_dead_letter(5);
    assert_all_committed("t", 100);
    assert_all_committed("t.retry", 1);
}

/* Where a failed record has nowhere to go, the worker stops in front of it, and says so. */
static void without_a_dead_topic_it_stops(void **state)
{
    (void)state;
    produce("t", 5, 1);
    atomic_store(&attempts_of_5, 0);
    kc_worker_options options = options_of(poisoned_by_5);
    kc_worker *worker = start(&options);
    assert_int_equal(kc_worker_wait(worker, WAIT_MS, &error), KC_ERR_STATE);
    assert_non_null(strstr(error.text, "attempt 1: no such customer"));
    kc_worker_close(worker, WAIT_MS);
    assert_all_committed("t", 0);
}

/* A second member joins while handlers run: what is open is handled and committed before its partitions go, so no
 * record is handled twice, and none is forgotten. */
static void rebalance_drains(void **state)
{
    (void)state;
    produce("t", 0, 1000);
    set_shut(true);
    kc_worker_options options = options_of(note_behind_gate);
    options.open_records = 200;
    kc_worker *first = start(&options);
    wait_for_one_inside();
    kc_worker *second = start(&options);
    set_shut(false);
    produce("t", 1000, 1000);
    UNTIL(first, stats_of(first).partitions && stats_of(second).partitions && atomic_load(&in_total) >= 2000);
    for (int i = 0; i < 2000; i++)
        UNTIL(first, atomic_load(&handled[i]) >= 1);
    bool committed_all = stats_of(first).commit_failures + stats_of(second).commit_failures == 0;
    assert_int_equal(kc_worker_close(first, WAIT_MS), KC_OK);
    UNTIL(second, committed_of("t") == 2000); /* what is given back without a commit comes to the other again */
    assert_int_equal(kc_worker_close(second, WAIT_MS), KC_OK);
    for (int i = 0; committed_all && i < 2000; i++)
        assert_int_equal(atomic_load(&handled[i]), 1);
    assert_true(!committed_all || atomic_load(&disorder) == 0);
    assert_all_committed("t", 2000);
}

/* Handlers stand still: no more is fetched than open_records, partitions are paused, and it all goes on afterwards. */
static void slow_handlers_pause_partitions(void **state)
{
    (void)state;
    produce("t", 0, 2000);
    set_shut(true);
    kc_worker_options options = options_of(note_behind_gate);
    options.open_records = 50;
    kc_worker *worker = start(&options);
    UNTIL(worker, stats_of(worker).paused == PARTITIONS && stats_of(worker).open > 0); /* each is told on its own */
    assert_in_range(stats_of(worker).open, 1, 50);
    assert_int_equal(stats_of(worker).processed, 0);
    set_shut(false);
    while (atomic_load(&in_total) < 2000) {
        assert_int_equal(kc_worker_wait(worker, 1, &error), KC_ERR_TIMED_OUT);
        assert_in_range(stats_of(worker).open, 0, 50);
    }
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
    assert_int_equal(atomic_load(&disorder), 0);
    assert_all_committed("t", 2000);
}

static _Atomic int stores_closed;

static int never_seen(void *context, kc_bytes id)
{
    (void)context;
    (void)id;
    return 0;
}

static void close_store(void *context)
{
    (void)context;
    pthread_mutex_lock(&mutex);
    atomic_fetch_add(&stores_closed, 1);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

/* A handler hangs: close returns all the same and says so; when the handler returns, everything is freed. */
static void close_returns_in_time(void **state)
{
    kc_seen_store store = { "s", NULL, never_seen, never_seen, close_store };
    (void)state;
    produce("t", 0, 100);
    set_shut(true);
    atomic_store(&stores_closed, 0);
    kc_worker_options options = options_of(note_behind_gate);
    options.seen = &store;
    kc_worker *worker = start(&options);
    wait_for_one_inside();
    assert_int_equal(kc_worker_close(worker, 300), KC_ERR_TIMED_OUT);
    assert_int_equal(atomic_load(&stores_closed), 0);
    set_shut(false);
    pthread_mutex_lock(&mutex);
    while (atomic_load(&stores_closed) == 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static kc_verdict closes_itself(void *context, kc_work *work)
{
    kc_worker *worker = atomic_load((_Atomic(kc_worker *) *)context);
    if (worker &&
        (kc_worker_close(worker, 0) != KC_ERR_IN_CALLBACK || kc_worker_wait(worker, 0, NULL) != KC_ERR_IN_CALLBACK))
        return KC_WORK_STOP;
    return worker ? note(context, work) : KC_WORK_RETRY;
}

/* What a handler cannot do is an error, no deadlock. */
static void a_handler_cannot_close(void **state)
{
    static const kc_retry_step retries[] = { { NULL, 5 }, { NULL, 1000 }, { NULL, 10000 } };
    _Atomic(kc_worker *) mine = NULL;
    (void)state;
    produce("t", 0, 3);
    kc_worker_options options = options_of(closes_itself);
    options.context = &mine;
    options.retries = retries;
    options.retry_count = 3;
    kc_worker *worker = start(&options);
    atomic_store(&mine, worker);
    UNTIL(worker, atomic_load(&in_total) == 3);
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
}

/* Each key is a piece of work: with a store, what comes twice is handled once. */
static void seen_is_handled_once(void **state)
{
    kc_seen_store store;
    (void)state;
    assert_int_equal(kc_seen_in_memory(&store, 1000), KC_OK);
    produce("t", 0, KEYS);
    produce("t", 0, KEYS);
    kc_worker_options options = options_of(note);
    options.seen = &store;
    kc_worker *worker = start(&options);
    UNTIL(worker, stats_of(worker).processed + stats_of(worker).duplicates == 2 * KEYS);
    assert_int_equal(stats_of(worker).duplicates, KEYS);
    assert_int_equal(kc_worker_close(worker, WAIT_MS), KC_OK);
    assert_int_equal(atomic_load(&in_total), KEYS);
    assert_all_committed("t", 2 * KEYS);
}

static int set_up(void **state)
{
    char text[200];
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 1;
    options.topics = "t:3:1 t.retry:3:1 t.dead:1:1";
    (void)state;
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    kc_config_set(config, "heartbeat.interval.ms", "100", NULL);
    for (int i = 0; i < RECORDS_MAX; i++)
        atomic_store(&handled[i], 0);
    for (int i = 0; i < KEYS; i++)
        atomic_store(&last_of_key[i], -1);
    atomic_store(&disorder, 0);
    atomic_store(&in_total, 0);
    set_shut(false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kc_config_destroy(config);
    kc_mock_stop(cluster);
    return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(keys_keep_their_order), STORY(after_a_stop_nothing_is_missing),
        STORY(poison_is_put_aside),   STORY(without_a_dead_topic_it_stops),
        STORY(rebalance_drains),      STORY(slow_handlers_pause_partitions),
        STORY(close_returns_in_time), STORY(a_handler_cannot_close),
        STORY(seen_is_handled_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
