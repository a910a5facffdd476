/* What a consumer takes from the machine: a slow application costs no more than fetch.memory.max, with a thousand
 * partitions and with large records, and nothing is left of those that were closed. mockbroker is a process of its own,
 * so that what is measured is ours.
 *
 * KCLIENT_CREATIONS=10000 makes the second story as long as one likes. */
#define _GNU_SOURCE
#include <kclient/kclient.h>

#include "support/unit.h"

#include "support/own_costs.h"
#include "support/patience.h"

#include <stdlib.h>
#include <string.h>

#define PARTITIONS 1000
#define EACH       20  /* records of each partition of "many", of 500 bytes */
#define LARGE      12  /* records of "large", of 900,000 bytes */
#define HELD_MAX   500 /* sets of records that the application keeps at most */

static struct process broker;
static char bootstrap[64];
static kc_error error;
static char value[900000];

static void broker_start(void)
{
    process_start_and_wait(&broker,
                           (const char *const[]){ "--listen", "127.0.0.1:0", "--control", "off", "--topic",
                                                  "many:1000:1", "--topic", "large:1:1", "--topic", "t:4:1", NULL });
    broker_bootstrap(&broker, bootstrap, sizeof bootstrap);
}

static kc_config *config_with(const char *const *pairs)
{
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error))
            fail_msg("%s", error.text);
    return config;
}

static kc_consumer *create(const char *const *pairs)
{
    kc_config *config = config_with(pairs);
    kc_consumer *made = NULL;
    if (kc_consumer_create(&made, config, &error))
        fail_msg("%s", error.text);
    kc_config_destroy(config);
    return made;
}

static void produce(const char *topic, int32_t partitions, int each, size_t size)
{
    kc_config *config = config_with((const char *const[]){ "buffer.memory=4000000", NULL });
    kc_producer *producer;
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    kc_config_destroy(config);
    for (int32_t p = 0; p < partitions; p++)
        for (int i = 0; i < each; i++) {
            kc_record record = KC_RECORD_INIT;
            record.topic = topic;
            record.partition = p;
            record.value = (kc_bytes){ value, size };
            if (kc_producer_send(producer, &record, 1, NULL, &error))
                fail_msg("%s", error.text);
        }
    assert_int_equal(kc_producer_flush(producer, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_producer_close(producer, WAIT_MS), KC_OK);
}

static void assign(kc_consumer *consumer, const char *topic, int32_t partitions)
{
    static kc_topic_partition items[PARTITIONS];
    for (int32_t p = 0; p < partitions; p++)
        items[p] = (kc_topic_partition){ topic, p, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
    assert_int_equal(kc_consumer_assign(consumer, items, (size_t)partitions, &error), KC_OK);
}

/* The application keeps what it is given until nothing more comes, gives it back, and goes on, until it has read all.
 */
static void read_slowly(const char *topic, int32_t partitions, size_t expected, long ceiling)
{
    char limit[64];
    kc_records *held[HELD_MAX];
    size_t count = 0, seen = 0;
    long base, most = 0;
    snprintf(limit, sizeof limit, "fetch.memory.max=%ld", ceiling);
    kc_consumer *consumer = create((const char *const[]){ limit, "fetch.max.wait.ms=20", NULL });
    base = own_resident();
    assign(consumer, topic, partitions);
    for (int64_t begun = now_ms(); seen < expected;) {
        kc_records *records;
        if (kc_consumer_poll(consumer, &records, 50, &error))
            fail_msg("%s", error.text);
        if (records) {
            seen += kc_records_count(records);
            held[count++] = records;
        }
        most = own_resident() > most ? own_resident() : most;
        if (!records || count == HELD_MAX)
            while (count)
                kc_records_release(held[--count]);
        be_patient(begun);
    }
    while (count)
        kc_records_release(held[--count]);
    assert_int_equal(seen, expected);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
    if (OWN_MEMORY_TELLS)
        assert_in_range((size_t)(most > base ? most - base : 0), 0, (size_t)(ceiling + 8 * MEBI));
}

static void a_slow_application(void **state)
{
    (void)state;
    broker_start();
    produce("many", PARTITIONS, EACH, 500);
    produce("large", 1, LARGE, sizeof value);
    read_slowly("many", PARTITIONS, (size_t)PARTITIONS * EACH, 4 * MEBI);
    read_slowly("large", 1, LARGE, 4 * MEBI);
    broker_stop(&broker);
}

/* Consumers come and go, most of them unused, some with records, some on their way into a group: memory and descriptors
 * are those of before. */
static void nothing_is_left_of_those_that_were_closed(void **state)
{
    const char *topic = "t";
    long base = 0;
    int fds = 0, count = own_turns("KCLIENT_CREATIONS", 150);
    (void)state;
    broker_start();
    produce("t", 4, 5, 100);
    for (int turn = 0; turn < count; turn++) {
        kc_consumer *consumer = create((const char *const[]){ "group.id=g", "enable.auto.commit=false", NULL });
        if (turn % 10 == 0) {
            size_t seen = 0;
            assign(consumer, "t", 4);
            for (int64_t begun = now_ms(); seen < 20; be_patient(begun)) {
                kc_records *records;
                assert_int_equal(kc_consumer_poll(consumer, &records, 1000, &error), KC_OK);
                seen += kc_records_count(records);
                kc_records_release(records);
            }
        } else if (turn % 10 == 5) {
            kc_records *records;
            assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, NULL, &error), KC_OK);
            assert_int_equal(kc_consumer_poll(consumer, &records, 1, &error), KC_OK);
            kc_records_release(records);
        }
        kc_consumer_close(consumer, turn % 20 == 0 ? WAIT_MS : 0);
        if (turn == count / 3) {
            base = own_resident();
            fds = own_descriptors();
        }
    }
    for (int64_t begun = now_ms(); own_descriptors() > fds;)
        be_patient(begun);
    if (OWN_MEMORY_TELLS)
        assert_in_range((size_t)(own_resident() > base ? own_resident() - base : 0), 0, (size_t)(4 * MEBI));
    broker_stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_application),
        cmocka_unit_test(nothing_is_left_of_those_that_were_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
