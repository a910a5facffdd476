/* The broker inside the test process: several clusters at once, steered from several threads. */
#include <mockbroker/mockbroker.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNKNOWN_TOPIC_OR_PARTITION 3
#define TOPIC_ALREADY_EXISTS       36
#define CLUSTERS                   4
#define CALLERS                    4

static kc_mock *start(int32_t brokers, const char *topics)
{
    char text[300];
    kc_mock *mock;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = brokers;
    options.topics = topics;
    if (kc_mock_start(&mock, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    return mock;
}

/* Leaders move when their broker goes, and a broker comes back on its port. */
static void brokers_go_and_come_back(void **state)
{
    kc_mock_partition view;
    (void)state;
    kc_mock *mock = start(3, "orders:2:3  events");
    char before[200];
    snprintf(before, sizeof before, "%s", kc_mock_bootstrap(mock));
    assert_int_equal(kc_mock_describe(mock, "orders", 0, &view), 0);
    assert_int_equal(view.isr_count, 3);
    int32_t leader = view.leader, epoch = view.leader_epoch;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(round % 2 ? kc_mock_broker_kill(mock, leader) : kc_mock_broker_stop(mock, leader), 0);
        assert_int_equal(kc_mock_describe(mock, "orders", 0, &view), 0);
        assert_true(view.leader != leader && view.leader > 0 && view.leader_epoch > epoch);
        assert_int_equal(kc_mock_broker_start(mock, leader), 0);
        leader = view.leader;
        epoch = view.leader_epoch;
    }
    assert_string_equal(kc_mock_bootstrap(mock), before);
    assert_int_equal(kc_mock_move_leader(mock, "orders", 0, leader % 3 + 1), 0);
    assert_int_equal(kc_mock_describe(mock, "orders", 0, &view), 0);
    assert_int_equal(view.leader, leader % 3 + 1);
    assert_true(kc_mock_broker_stop(mock, 4) > 0);
    kc_mock_stop(mock);
}

/* What HTTP can ask for, C can: replicas, elections and groups are steered, too. */
static void replicas_are_steered(void **state)
{
    static const int32_t first[] = { 1, 2 }, other[] = { 3, 1 };
    kc_mock_partition view;
    (void)state;
    kc_mock *mock = start(3, "orders:1:3");
    assert_int_equal(kc_mock_set_isr(mock, "orders", 0, first, 2), 0);
    assert_int_equal(kc_mock_describe(mock, "orders", 0, &view), 0);
    assert_int_equal(view.isr_count, 2);
    assert_int_equal(kc_mock_reassign(mock, "orders", 0, other, 2), 0);
    assert_true(kc_mock_reassign(mock, "orders", 0, other, 0) > 0);
    assert_true(kc_mock_elect(mock, "nothing", 0, 0) > 0);
    assert_int_equal(kc_mock_truncate(mock, "orders", 0, 1, 0), 0);
    assert_int_equal(kc_mock_broker_pause(mock, 2), 0);
    assert_int_equal(kc_mock_clock_advance(mock, 10000), 0);
    assert_int_equal(kc_mock_broker_resume(mock, 2), 0);
    assert_true(kc_mock_broker_pause(mock, 4) > 0);
    assert_int_equal(kc_mock_group_rebalance(mock, "nobody"), 69); /* GROUP_ID_NOT_FOUND */
    assert_int_equal(kc_mock_group_kick(mock, "nobody", "me"), 69);
    assert_int_equal(kc_mock_fault_switch(mock, 1, 1), -1);
    kc_mock_stop(mock);
}

static void topics(void **state)
{
    kc_mock_partition view;
    (void)state;
    kc_mock *mock = start(1, "orders:2");
    assert_int_equal(kc_mock_create_topic(mock, "new", 3, 1), 0);
    assert_int_equal(kc_mock_create_topic(mock, "new", 3, 1), TOPIC_ALREADY_EXISTS);
    assert_int_equal(kc_mock_describe(mock, "new", 2, &view), 0);
    assert_int_equal(kc_mock_describe(mock, "new", 3, &view), UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(kc_mock_delete_topic(mock, "new"), 0);
    assert_int_equal(kc_mock_delete_topic(mock, "new"), UNKNOWN_TOPIC_OR_PARTITION);
    kc_mock_stop(mock);
}

struct caller {
    kc_mock *mock;
    int number;
    int failures; /* told at the end: cmocka's asserts belong to the main thread */
};

static void *give_orders(void *argument)
{
    struct caller *caller = argument;
    kc_mock_partition view;
    char name[20];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "topic-%d-%d", caller->number, i);
        caller->failures += kc_mock_create_topic(caller->mock, name, 2, 1) != 0;
        caller->failures += kc_mock_describe(caller->mock, name, 1, &view) != 0 || view.leader < 1;
        caller->failures += kc_mock_delete_topic(caller->mock, name) != 0;
    }
    return NULL;
}

/* Orders may come from any thread; each is done when its call returns. */
static void orders_from_several_threads(void **state)
{
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    (void)state;
    kc_mock *mock = start(2, NULL);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ mock, i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, give_orders, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].failures, 0);
    }
    kc_mock_stop(mock);
}

/* A start that fails says why and leaves nothing behind. */
static void failures_have_a_reason(void **state)
{
    static const struct {
        int32_t brokers;
        const char *listen, *topics, *config, *data_dir, *expected;
    } bad[] = {
        { 0, "127.0.0.1:0", NULL, NULL, NULL, "brokers" },
        { 101, "127.0.0.1:0", NULL, NULL, NULL, "brokers" },
        { 1, "127.0.0.1", NULL, NULL, NULL, "not HOST:PORT" },
        { 2, "127.0.0.1:65535", NULL, NULL, NULL, "port above 65535" },
        { 1, "127.0.0.1:0", "a b:0", NULL, NULL, "number of partitions" },
        { 1, "127.0.0.1:0", "a:1:2", NULL, NULL, "a:1:2" },
        { 1, "127.0.0.1:0", NULL, "no.such=1", NULL, "no.such" },
        { 1, "127.0.0.1:0", NULL, NULL, "/dev/null/x", "/dev/null/x: not a directory" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[300] = "";
        kc_mock *mock = NULL;
        kc_mock_options options = KC_MOCK_OPTIONS_INIT;
        options.brokers = bad[i].brokers;
        options.listen = bad[i].listen;
        options.topics = bad[i].topics;
        options.config = bad[i].config;
        options.data_dir = bad[i].data_dir;
        assert_int_not_equal(kc_mock_start(&mock, &options, text, sizeof text), 0);
        assert_null(mock);
        if (!strstr(text, bad[i].expected))
            fail_msg("\"%s\" is not in: %s", bad[i].expected, text);
        assert_int_not_equal(kc_mock_start(&mock, &options, NULL, 0), 0);
    }
    kc_mock_stop(NULL);
}

/* Clusters know nothing of each other. */
static void several_clusters_in_one_process(void **state)
{
    kc_mock *clusters[CLUSTERS];
    (void)state;
    for (int i = 0; i < CLUSTERS; i++)
        clusters[i] = start(2, i % 2 ? "odd" : "even");
    for (int i = 0; i < CLUSTERS; i++) {
        kc_mock_partition view;
        assert_int_equal(kc_mock_describe(clusters[i], i % 2 ? "odd" : "even", 0, &view), 0);
        assert_int_equal(kc_mock_describe(clusters[i], i % 2 ? "even" : "odd", 0, &view), UNKNOWN_TOPIC_OR_PARTITION);
    }
    for (int i = 0; i < CLUSTERS; i++)
        kc_mock_stop(clusters[i]);
}

/* Faults, clock and journal: texts go in, counts and texts come out, and nonsense says what is wrong. */
static void faults_clock_and_journal(void **state)
{
    char text[600];
    int32_t id = 0;
    (void)state;
    kc_mock *mock = start(2, "orders");
    assert_int_equal(kc_mock_fault_add(mock, "{\"action\":\"explode\"}", &id, text, sizeof text), -1);
    assert_non_null(strstr(text, "disconnect"));
    assert_int_equal(
        kc_mock_fault_add(mock, "[{\"action\":\"barrier\"},{\"action\":\"silence\"}]", &id, text, sizeof text), 0);
    assert_int_equal(kc_mock_fault_hits(mock, id), 0);
    assert_int_equal(kc_mock_fault_held(mock, id), 0);
    assert_int_equal(kc_mock_fault_release(mock, id, -1), 0);
    assert_int_equal(kc_mock_fault_release(mock, id + 1, -1), -1); /* no barrier */
    char *all = kc_mock_faults(mock, 0);
    assert_non_null(strstr(all, "\"never_fired\":[1,2]"));
    kc_mock_text_free(all);
    assert_int_equal(kc_mock_fault_remove(mock, id), 0);
    assert_int_equal(kc_mock_fault_remove(mock, id), -1);
    assert_int_equal(kc_mock_fault_hits(mock, id), -1);
    assert_null(kc_mock_faults(mock, id));

    assert_int_equal(kc_mock_clock_freeze(mock), 0);
    int64_t before = kc_mock_clock_now_ms(mock);
    assert_int_equal(kc_mock_clock_advance(mock, 7 * 86400000), 0);
    assert_true(kc_mock_clock_now_ms(mock) == before + 7 * 86400000);
    assert_int_equal(kc_mock_clock_advance(mock, -1), -1);
    assert_int_equal(kc_mock_clock_rate(mock, 0), -1);
    assert_int_equal(kc_mock_clock_rate(mock, 60), 0);
    assert_int_equal(kc_mock_clock_resume(mock), 0);

    assert_null(kc_mock_requests(mock, NULL, text, sizeof text));
    assert_non_null(strstr(text, "off"));
    assert_int_equal(kc_mock_journal(mock, 1), -1);
    assert_int_equal(kc_mock_journal(mock, 1 << 20), 0);
    char *none = kc_mock_requests(mock, "{\"api\":\"Produce\"}", text, sizeof text);
    assert_string_equal(none, "");
    kc_mock_text_free(none);
    assert_int_equal(kc_mock_verify(mock, "{\"count\":0}", text, sizeof text), 0);
    assert_int_equal(kc_mock_verify(mock, "{\"min\":1}", text, sizeof text), 1);
    assert_non_null(strstr(text, "0 requests match"));
    assert_int_equal(kc_mock_verify(mock, "{}", text, sizeof text), -1);
    assert_int_equal(kc_mock_reset(mock), 0);
    assert_int_equal(kc_mock_delete_topic(mock, "orders"), UNKNOWN_TOPIC_OR_PARTITION);
    kc_mock_stop(mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brokers_go_and_come_back),
        cmocka_unit_test(replicas_are_steered),
        cmocka_unit_test(topics),
        cmocka_unit_test(several_clusters_in_one_process),
        cmocka_unit_test(orders_from_several_threads),
        cmocka_unit_test(failures_have_a_reason),
        cmocka_unit_test(faults_clock_and_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
