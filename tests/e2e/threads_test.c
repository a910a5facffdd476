/* Every public function of a handle that any thread may call is called by three threads at once, while its I/O thread
 * has no rest: metadata is asked for every millisecond, leaders move, a topic is deleted and made anew, the group is
 * rebalanced.  What the calls return depends on who is first and is not looked at: the thread sanitizer judges what they
 * touch, and the end shows that none of them waits for ever. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

enum { THREADS = 3, ROUNDS = 30, SLOTS = 8, TEXT_BYTES = 16384 };

static kc_mock *cluster;
static kc_error error;
static _Atomic bool calm; /* the trouble is over */
static pthread_t troubler;

/* ---- trouble ---- */

static void *trouble(void *context)
{
    (void)context;
    for (int32_t i = 0; !atomic_load(&calm); i++) {
        kc_mock_move_leader(cluster, "t", i % 3, i % 3 + 1);
        kc_mock_group_rebalance(cluster, "g");
        if (i % 4 == 0)
            kc_mock_delete_topic(cluster, "u");
        if (i % 4 == 2)
            kc_mock_create_topic(cluster, "u", 1 + i / 4 % 3, 2);
        sched_yield();
    }
    return NULL;
}

static int begin(void **state)
{
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    (void)state;
    options.brokers = 3;
    options.topics = "t:3:3 u:1:2 dead:1:1";
    options.config = "auto.create.topics.enable=false";
    if (kc_mock_start(&cluster, &options, error.text, sizeof error.text))
        return -1;
    atomic_store(&calm, false);
    return pthread_create(&troubler, NULL, trouble, NULL);
}

static int end(void **state)
{
    (void)state;
    atomic_store(&calm, true);
    pthread_join(troubler, NULL);
    kc_mock_stop(cluster);
    return 0;
}

static kc_config *config_of(const char *const *pairs)
{
    static const char *const restless[] = { "metadata.max.age.ms=1", "retry.backoff.ms=1", "retry.backoff.max.ms=2",
                                            NULL };
    kc_config *config = kc_config_new();
    assert_non_null(config);
    assert_int_equal(kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), &error), KC_OK);
    for (const char *const *pair = restless; *pair; pair++)
        assert_int_equal(kc_config_set_pair(config, *pair, &error), KC_OK);
    for (; pairs && *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error))
            fail_msg("%s", error.text);
    return config;
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The same function on all threads, which know their number; joined. */
static void on_all_threads(void *(*run)(void *number))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void print(kc_metrics *metrics)
{
    char text[TEXT_BYTES];
    if (metrics)
        kc_metrics_text(metrics, text, sizeof text);
    kc_metrics_release(metrics);
}

/* ---- producer ---- */

static kc_producer *producer;

static void deliver(const kc_delivery *deliveries, size_t count, void *context)
{
    kc_health health;
    kc_producer_stats stats;
    (void)deliveries, (void)count, (void)context;
    kc_producer_get_stats(producer, &stats);
    kc_producer_health(producer, &health, NULL);
}

/* One record without headers: see kc_producer_send_packed(). */
static size_t pack(char *block, int32_t partition)
{
    struct {
        uint32_t size;
        int32_t partition;
        int64_t timestamp;
        uint64_t opaque;
        int32_t key, value;
        uint32_t headers;
    } fixed = { 37, partition, KC_TIMESTAMP_NOW, 1, -1, 1, 0 };
    memcpy(block, &fixed, 36);
    block[36] = 'v';
    return 37;
}

static void *use_producer(void *number)
{
    char block[64];
    kc_error why;
    for (int round = 0; round < ROUNDS; round++) {
        kc_record records[3] = { KC_RECORD_INIT, KC_RECORD_INIT, KC_RECORD_INIT };
        int32_t count;
        kc_health health;
        kc_producer_stats stats;
        kc_metrics *metrics = NULL;
        for (int i = 0; i < 3; i++) {
            records[i].topic = i == 1 ? "u" : "t";
            records[i].value = (kc_bytes){ "some value", 10 };
            records[i].opaque = number;
        }
        kc_producer_send(producer, records, 3, NULL, &why);
        kc_producer_send_packed(producer, "t", block, pack(block, round % 3), NULL, &why);
        kc_producer_partitions(producer, round % 2 ? "u" : "t", 1, &count, &why);
        kc_producer_ready(producer, "t", 1, &why);
        kc_producer_ready(producer, NULL, 1, &why);
        kc_producer_health(producer, &health, &why);
        kc_producer_pending(producer);
        kc_producer_get_stats(producer, &stats);
        kc_producer_metrics(producer, &metrics, &why);
        print(metrics);
        kc_producer_flush(producer, 1, &why);
        if (round % 8 == 7)
            kc_producer_send_sync(producer, records, NULL, &why);
        if (round % 16 == 15)
            kc_producer_purge(producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT);
    }
    return NULL;
}

static void a_producer_of_many_threads(const char *const *pairs)
{
    kc_config *config = config_of(pairs);
    kc_config_set_delivery(config, deliver, NULL, 1);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    kc_config_destroy(config);
    on_all_threads(use_producer);
    kc_producer_close(producer, WAIT_MS);
}

static void producer_of_plain_records(void **state)
{
    (void)state;
    a_producer_of_many_threads(
        PAIRS("max.block.ms=100", "linger.ms=1", "delivery.timeout.ms=2000", "request.timeout.ms=1000"));
}

/* Short of memory, with compression and plug-ins. */
static void producer_with_everything(void **state)
{
    (void)state;
    a_producer_of_many_threads(PAIRS("max.block.ms=100", "linger.ms=1", "delivery.timeout.ms=2000",
                                     "request.timeout.ms=1000", "compression.type=lz4", "buffer.memory=65536",
                                     "batch.size=1000", "interceptor.classes=latency,audit", "audit.topic=t",
                                     "partitioner.class=roundrobin"));
}

/* ---- consumer ---- */

static kc_consumer *consumer;
static _Atomic(kc_records *) slots[SLOTS]; /* from the thread that polls to those that read */
static _Atomic bool polled_enough;

static void look(void)
{
    kc_consumer_state state;
    kc_consumer_stats stats;
    kc_latency_stats latency;
    kc_metrics *metrics = NULL;
    kc_consumer_get_state(consumer, "t", 0, &state);
    kc_consumer_get_state(consumer, NULL, 0, &state);
    kc_consumer_get_stats(consumer, &stats);
    kc_consumer_get_latency(consumer, &latency);
    kc_consumer_keepalive(consumer, NULL);
    kc_consumer_metrics(consumer, &metrics, NULL);
    print(metrics);
}

static void read_and_release(kc_records *records)
{
    kc_record_view view, *detached;
    while (kc_records_next(records, &view)) {
        if (kc_record_view_detach(&view, &detached) == KC_OK) {
            kc_consumer_ack(consumer, detached, 1, NULL);
            kc_record_view_free(detached);
        }
    }
    kc_records_rewind(records);
    kc_consumer_ack_records(consumer, records, NULL);
    kc_records_release(records);
}

static void *read_what_was_polled(void *number)
{
    for (int round = 0; !atomic_load(&polled_enough); round++) {
        kc_records *records = atomic_exchange(&slots[round % SLOTS], NULL);
        if (records)
            read_and_release(records);
        look();
        kc_consumer_seek(consumer, "t", 0, 0, NULL); /* mostly refused: the other one is inside */
        if (round % 32 == (int)(uintptr_t)number)
            kc_consumer_wakeup(consumer);
        sched_yield();
    }
    return NULL;
}

static void on_partitions(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context, (void)partitions, (void)count;
    look();
}

static void on_commit(void *context, kc_err code, const kc_topic_partition *offsets, size_t count)
{
    (void)context, (void)code, (void)offsets, (void)count;
}

static void poll_and_hand_over(int round)
{
    kc_records *records = NULL;
    kc_consumer_poll_up_to(consumer, &records, 50, 0, 2, NULL);
    records = atomic_exchange(&slots[round % SLOTS], records);
    kc_records_release(records);
}

/* All that belongs to the thread that polls. */
static void use_consumer(int round)
{
    static const char *const both[] = { "t", "u" };
    const kc_rebalance_listener listener = { NULL, on_partitions, on_partitions, on_partitions };
    kc_topic_partition place = { "t", round % 3, KC_OFFSET_BEGINNING, -1, NULL, KC_OK }, list[8];
    kc_record_view view;
    int64_t low, high;
    size_t count;
    if (round % 12 == 0)
        kc_consumer_subscribe(consumer, both, 2, &listener, NULL);
    else if (round % 12 == 4)
        kc_consumer_subscribe_pattern(consumer, "t|u", &listener, NULL);
    else if (round % 12 == 8 && kc_consumer_unsubscribe(consumer, NULL) == KC_OK)
        kc_consumer_assign(consumer, &place, 1, NULL);
    else if (round % 12 == 11)
        kc_consumer_assign(consumer, NULL, 0, NULL);
    poll_and_hand_over(round);
    kc_consumer_seek(consumer, "t", round % 3, round, NULL);
    kc_consumer_pause(consumer, &place, 1, NULL);
    kc_consumer_position(consumer, "t", round % 3, &low, 1, NULL);
    kc_consumer_resume(consumer, &place, 1, NULL);
    kc_consumer_poll_one(consumer, &view, 1, NULL);
    kc_consumer_enforce_rebalance(consumer, "test", NULL);
    kc_consumer_commit_async(consumer, NULL, 0, on_commit, NULL, NULL);
    kc_consumer_commit(consumer, NULL, 0, 1, NULL);
    kc_consumer_committed(consumer, &place, 1, 1, NULL);
    place.offset = KC_OFFSET_END;
    kc_consumer_offsets_for_times(consumer, &place, 1, 1, NULL);
    for (int i = 0; i < 20; i++) /* of the topic whose id changes */
        kc_consumer_watermarks(consumer, "u", 0, &low, &high, 0, NULL);
    kc_consumer_assignment(consumer, list, 8, &count);
    kc_consumer_failed(consumer, list, 8, &count);
    look();
}

/* Enough, and compressed, so that now and then there is no room for what was fetched. */
static void fill_topic(void)
{
    static const char value[2000];
    kc_config *config =
        config_of(PAIRS("interceptor.classes=latency", "delivery.timeout.ms=60000", "compression.type=lz4"));
    kc_record record = KC_RECORD_INIT;
    record.topic = "t";
    record.value = (kc_bytes){ value, sizeof value };
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    kc_config_destroy(config);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

static void a_consumer_of_many_threads(const char *const *protocol)
{
    pthread_t threads[THREADS - 1];
    kc_config *config =
        config_of(PAIRS("group.id=g", "auto.offset.reset=earliest", "acknowledgement.mode=explicit",
                        "interceptor.classes=latency", "fetch.max.wait.ms=5", "auto.commit.interval.ms=10",
                        "default.api.timeout.ms=1000", "fetch.memory.max=1048576"));
    for (; *protocol; protocol++)
        if (kc_config_set_pair(config, *protocol, &error))
            fail_msg("%s", error.text);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_config_destroy(config);
    atomic_store(&polled_enough, false);
    for (uintptr_t i = 0; i < THREADS - 1; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_what_was_polled, (void *)i), 0);
    for (int round = 0; round < ROUNDS; round++)
        use_consumer(round);
    atomic_store(&polled_enough, true);
    for (int i = 0; i < THREADS - 1; i++)
        pthread_join(threads[i], NULL);
    kc_consumer_close(consumer, 1000);
    for (int i = 0; i < SLOTS; i++)
        kc_records_release(atomic_exchange(&slots[i], NULL)); /* they outlive it */
}

static void consumer_of_the_classic_protocol(void **state)
{
    (void)state;
    fill_topic();
    a_consumer_of_many_threads(PAIRS("group.protocol=classic", "heartbeat.interval.ms=20"));
}

static void consumer_of_the_new_protocol(void **state)
{
    (void)state;
    fill_topic();
    a_consumer_of_many_threads(PAIRS("group.protocol=consumer"));
}

/* ---- admin ---- */

static kc_admin *admin;

static void ask_about_groups(void)
{
    kc_topic_partition offset = { "t", 0, 1, -1, NULL, KC_OK };
    kc_group_list *groups = NULL;
    kc_group_description *description = NULL;
    kc_group_offsets *offsets = NULL;
    kc_admin_list_groups(admin, 200, &groups, NULL);
    kc_group_list_release(groups);
    kc_admin_set_group_offsets(admin, "h", &offset, 1, 200, NULL);
    kc_admin_describe_group(admin, "h", 200, &description, NULL);
    kc_group_description_release(description);
    kc_admin_group_offsets(admin, "h", 200, &offsets, NULL);
    kc_group_offsets_release(offsets);
    kc_admin_delete_group_offsets(admin, "h", &offset, 1, 200, NULL);
    kc_admin_remove_group_member(admin, "h", "m", NULL, 200, NULL);
    kc_admin_delete_group(admin, "h", 200, NULL);
}

static void *use_admin(void *number)
{
    const char *const names[] = { "t", "u" };
    const kc_setting_alteration alteration = { "retention.ms", KC_SETTING_SET, "100000" };
    for (int round = 0; round < ROUNDS / 10; round++) {
        char name[20];
        kc_cluster *found = NULL;
        kc_setting_list *settings = NULL;
        kc_metrics *metrics = NULL;
        snprintf(name, sizeof name, "new-%d", (int)(uintptr_t)number);
        const kc_new_topic topic = { .name = name, .partitions = 2, .replication_factor = 2 };
        kc_admin_create_topic(admin, &topic, 200, NULL);
        kc_admin_describe(admin, round % 2 ? names : NULL, 2, 200, &found, NULL);
        kc_cluster_release(found);
        kc_admin_describe_settings(admin, KC_RESOURCE_TOPIC, "t", NULL, 0, 200, &settings, NULL);
        kc_setting_list_release(settings);
        kc_admin_alter_settings(admin, KC_RESOURCE_TOPIC, "t", &alteration, 1, 0, 200, NULL);
        ask_about_groups();
        kc_admin_metrics(admin, &metrics, NULL);
        print(metrics);
        kc_admin_delete_topic(admin, name, 200, NULL);
    }
    return NULL;
}

static void an_admin_client_of_many_threads(void **state)
{
    kc_config *config = config_of(NULL);
    (void)state;
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    kc_config_destroy(config);
    on_all_threads(use_admin);
    kc_admin_close(admin);
}

/* ---- worker ---- */

static _Atomic(kc_worker *) worker; /* NULL while it starts */

static kc_verdict handle(void *context, kc_work *work)
{
    static _Atomic int turn;
    kc_worker_stats stats;
    (void)context, (void)work;
    kc_worker_get_stats(worker, &stats);
    return atomic_fetch_add(&turn, 1) % 16 ? KC_WORK_DONE : KC_WORK_DEAD;
}

static void *watch_worker(void *number)
{
    (void)number;
    for (int round = 0; round < ROUNDS; round++) {
        kc_worker_stats stats;
        kc_worker_get_stats(worker, &stats);
        kc_worker_wait(worker, 2, NULL);
    }
    return NULL;
}

static void a_worker_of_many_threads(void **state)
{
    const char *topic = "t";
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    kc_worker *started;
    kc_seen_store seen;
    (void)state;
    fill_topic();
    kc_config *config = config_of(PAIRS("group.id=g", "auto.offset.reset=earliest", "heartbeat.interval.ms=20",
                                        "default.api.timeout.ms=1000", "fetch.max.wait.ms=5"));
    assert_int_equal(kc_seen_in_memory(&seen, 100), KC_OK);
    options.config = config;
    options.topics = &topic;
    options.topic_count = 1;
    options.threads = THREADS;
    options.handle = handle;
    options.dead_topic = "dead";
    options.seen = &seen;
    options.open_records = 50;
    options.commit_interval_ms = 5;
    options.drain_ms = 100;
    assert_int_equal(kc_worker_start(&started, &options, &error), KC_OK);
    atomic_store(&worker, started);
    kc_config_destroy(config);
    on_all_threads(watch_worker);
    kc_worker_close(started, WAIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(producer_of_plain_records, begin, end),
        cmocka_unit_test_setup_teardown(producer_with_everything, begin, end),
        cmocka_unit_test_setup_teardown(consumer_of_the_classic_protocol, begin, end),
        cmocka_unit_test_setup_teardown(consumer_of_the_new_protocol, begin, end),
        cmocka_unit_test_setup_teardown(an_admin_client_of_many_threads, begin, end),
        cmocka_unit_test_setup_teardown(a_worker_of_many_threads, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
