/* A cluster by configuration: test.mock.num.brokers and nothing else, no address and no process. */
#include <kclient/kclient.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/patience.h"

#define CLIENTS    5
#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static kc_error error;

static kc_config *configured(const char *const *pairs)
{
    kc_config *config = kc_config_new();
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s", error.text);
    return config;
}

static kc_producer *a_producer(const char *const *pairs)
{
    kc_producer *producer;
    kc_config *config = configured(pairs);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return producer;
}

static kc_consumer *a_consumer(const char *const *pairs)
{
    kc_consumer *consumer;
    kc_config *config = configured(pairs);
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return consumer;
}

static void send(kc_producer *producer, const char *topic, const char *value)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = topic;
    record.value = (kc_bytes){ value, strlen(value) };
    if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK ||
        kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* Producer, consumer and admin of one name meet in one cluster: what one writes the other reads in a group, and the
 * third sees the topics. */
static void clients_of_one_name_share_a_cluster(void **state)
{
    kc_admin *admin;
    kc_cluster *view;
    int64_t begun = now_ms();
    (void)state;
    kc_producer *producer =
        a_producer(PAIRS("test.mock.num.brokers=3", "test.mock.cluster=shop", "test.mock.topics=orders:4:3"));
    kc_consumer *consumer = a_consumer(PAIRS("test.mock.num.brokers=3", "test.mock.cluster=shop", "group.id=g",
                                             "auto.offset.reset=earliest", "bootstrap.servers=nobody.invalid:1"));
    kc_config *config = configured(PAIRS("test.mock.num.brokers=3", "test.mock.cluster=shop"));
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    kc_config_destroy(config);

    send(producer, "orders", "one");
    assert_int_equal(kc_consumer_subscribe(consumer, &(const char *){ "orders" }, 1, NULL, &error), KC_OK);
    kc_record_view record = { 0 };
    while (!record.topic) {
        be_patient(begun);
        assert_int_equal(kc_consumer_poll_one(consumer, &record, 100, &error), KC_OK);
    }
    assert_int_equal(record.value.size, 3);
    assert_memory_equal(record.value.data, "one", 3);
    assert_int_equal(kc_admin_describe(admin, &(const char *){ "orders" }, 1, WAIT_MS, &view, &error), KC_OK);
    assert_int_equal(view->broker_count, 3);
    assert_int_equal(view->topics[0].partition_count, 4);
    kc_cluster_release(view);

    /* the cluster ends with the last of them, whoever that is */
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
    kc_admin_close(admin);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
}

/* Without a name each client is alone: a topic of the same name is made anew in each, and begins at offset 0. */
static void clients_without_a_name_are_alone(void **state)
{
    kc_producer *producers[CLIENTS];
    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        producers[i] = a_producer(PAIRS("test.mock.num.brokers=1", "test.mock.config=num.partitions=1"));
    for (int i = 0; i < CLIENTS; i++) {
        kc_record record = KC_RECORD_INIT;
        kc_delivery delivery;
        record.topic = "same";
        record.value = (kc_bytes){ "x", 1 };
        if (kc_producer_send_sync(producers[i], &record, &delivery, &error) != KC_OK)
            fail_msg("%s", error.text);
        assert_int_equal(delivery.offset, 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(kc_producer_close(producers[i], WAIT_MS), KC_OK);
}

/* What cannot be is refused when the client is created, and says which key is wrong. */
static void what_cannot_be_is_refused(void **state)
{
    kc_consumer *consumer;
    (void)state;
    kc_producer *producer = a_producer(PAIRS("test.mock.num.brokers=2", "test.mock.cluster=pair"));
    kc_config *config = configured(PAIRS("test.mock.num.brokers=3", "test.mock.cluster=pair"));
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "test.mock.cluster=pair runs already"));
    kc_config_destroy(config);
    config = configured(PAIRS("test.mock.num.brokers=1", "test.mock.topics=a:b:c"));
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "a:b:c"));
    kc_config_destroy(config);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_of_one_name_share_a_cluster),
        cmocka_unit_test(clients_without_a_name_are_alone),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
