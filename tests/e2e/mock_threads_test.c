/* An embedded cluster is steered by three threads at once while clients use it: every function of the header that any
 * thread may call, again and again.  What they return depends on who is first and is not looked at: the thread sanitizer
 * judges what they touch.  At the end the cluster still does what it is told. */
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

enum { THREADS = 3, ROUNDS = 40, BROKERS = 3 };

static kc_mock *cluster;
static _Atomic bool calm;

static void ignore_log(void *context, int level, const char *text)
{
    atomic_fetch_add((_Atomic size_t *)context, strlen(text) + (size_t)level);
}

/* ---- the threads ---- */

static void steer(int round, int32_t number)
{
    const int32_t brokers[] = { number % BROKERS + 1, (number + 1) % BROKERS + 1 };
    kc_mock_partition seen;
    kc_mock_move_leader(cluster, "t", round % 2, brokers[0]);
    kc_mock_elect(cluster, "t", round % 2, 1);
    kc_mock_reassign(cluster, "u", 0, brokers, 2);
    kc_mock_set_isr(cluster, "t", 0, brokers, 2);
    kc_mock_truncate(cluster, "t", 1, brokers[0], round);
    kc_mock_describe(cluster, "t", round % 2, &seen);
    kc_mock_group_rebalance(cluster, "g");
    kc_mock_group_kick(cluster, "g", "nobody");
    kc_mock_delete_topic(cluster, "u");
    kc_mock_create_topic(cluster, "u", 2, 2);
}

static void come_and_go(int round, int32_t number)
{
    char text[300];
    int32_t broker = number + 1, added;
    if (round % 3 == 0)
        kc_mock_broker_pause(cluster, broker);
    else if (round % 3 == 1)
        kc_mock_broker_stop(cluster, broker);
    else
        kc_mock_broker_kill(cluster, broker);
    kc_mock_broker_resume(cluster, broker);
    kc_mock_broker_start(cluster, broker);
    if (round % 4 == number && kc_mock_broker_add(cluster, &added) == 0)
        kc_mock_broker_decommission(cluster, added, round % 2, text, sizeof text);
}

static void break_and_mend(void)
{
    char text[300];
    int32_t fault = 0;
    kc_mock_fault_add(cluster, "{\"match\": {\"api\": \"Fetch\"}, \"count\": 1, \"action\": \"disconnect\"}", &fault,
                      text, sizeof text);
    kc_mock_fault_hits(cluster, fault);
    kc_mock_fault_held(cluster, fault);
    kc_mock_fault_release(cluster, fault, -1);
    kc_mock_fault_switch(cluster, fault, 0);
    kc_mock_text_free(kc_mock_faults(cluster, 0));
    kc_mock_fault_remove(cluster, fault);
}

static void turn_clock_and_ask(int round)
{
    char text[300];
    kc_mock_clock_freeze(cluster);
    kc_mock_clock_advance(cluster, 5);
    kc_mock_clock_rate(cluster, 2);
    kc_mock_clock_resume(cluster);
    kc_mock_clock_now_ms(cluster);
    kc_mock_journal(cluster, round % 4 ? 1 << 20 : 0);
    kc_mock_text_free(kc_mock_requests(cluster, "{\"api\": \"Metadata\"}", text, sizeof text));
    kc_mock_verify(cluster, "{\"match\": {\"api\": \"Produce\"}, \"count\": 3}", text, sizeof text);
}

static void *use_cluster(void *number)
{
    for (int round = 0; round < ROUNDS; round++) {
        steer(round, (int32_t)(intptr_t)number);
        come_and_go(round, (int32_t)(intptr_t)number);
        break_and_mend();
        turn_clock_and_ask(round);
        if (round % 6 == 5)
            kc_mock_reset(cluster);
        kc_mock_create_topic(cluster, "t", 2, 3);
    }
    return NULL;
}

/* ---- clients ---- */

static void *use_clients(void *context)
{
    kc_config *config = context;
    kc_topic_partition place = { "t", 0, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
    kc_record record = KC_RECORD_INIT;
    kc_producer *producer;
    kc_consumer *consumer;
    record.topic = "t";
    record.value = (kc_bytes){ "v", 1 };
    if (kc_producer_create(&producer, config, NULL) != KC_OK)
        return NULL;
    if (kc_consumer_create(&consumer, config, NULL) == KC_OK) {
        kc_consumer_assign(consumer, &place, 1, NULL);
        while (!atomic_load(&calm)) {
            kc_records *records = NULL;
            kc_producer_send(producer, &record, 1, NULL, NULL);
            kc_consumer_poll(consumer, &records, 1, NULL);
            kc_records_release(records);
        }
        kc_consumer_close(consumer, 0);
    }
    kc_producer_close(producer, 0);
    return NULL;
}

static void a_cluster_that_many_threads_steer(void **state)
{
    static _Atomic size_t logged;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    kc_mock_partition seen;
    char text[300];
    pthread_t threads[THREADS], client;
    (void)state;
    options.brokers = BROKERS;
    options.topics = "t:2:3 u:1:2";
    options.log = ignore_log;
    options.log_context = &logged;
    options.log_level = 7;
    if (kc_mock_start(&cluster, &options, text, sizeof text))
        fail_msg("%s", text);
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    kc_config_set(config, "group.id", "g", NULL);
    kc_config_set(config, "max.block.ms", "10", NULL);
    kc_config_set(config, "retry.backoff.ms", "1", NULL);
    kc_config_set(config, "reconnect.backoff.ms", "1", NULL);
    assert_int_equal(pthread_create(&client, NULL, use_clients, config), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_cluster, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&calm, true);
    pthread_join(client, NULL);
    kc_config_destroy(config);
    assert_int_equal(kc_mock_reset(cluster), 0);
    for (int32_t broker = 1; broker <= BROKERS; broker++) {
        kc_mock_broker_resume(cluster, broker);
        kc_mock_broker_start(cluster, broker);
    }
    assert_int_equal(kc_mock_create_topic(cluster, "last", 1, BROKERS), 0);
    assert_int_equal(kc_mock_describe(cluster, "last", 0, &seen), 0);
    assert_true(seen.leader >= 1);
    kc_mock_stop(cluster);
    assert_true(atomic_load(&logged) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_cluster_that_many_threads_steer) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
