/* Partitioners by name: the partitions that librdkafka gives the same keys, and what spreads without looking. */
#include "base/bytes.h"
#include "plugins/partitioners.h"
#include "support/test_alloc.h"
#include "support/unit.h"

enum { COUNT = 12 };

static struct test_alloc memory;
static struct kci_alloc alloc;

static kc_partitioner make(enum kci_partitioner which)
{
    kc_partitioner partitioner;
    alloc = test_alloc_counting(&memory);
    assert_int_equal(kci_partitioners_make(which, &alloc, NULL, 42, &partitioner), KC_OK);
    return partitioner;
}

static int32_t choose(const kc_partitioner *partitioner, const char *topic, const char *key)
{
    kc_record record = KC_RECORD_INIT;
    record.topic = topic;
    if (key)
        record.key = (kc_bytes){ key, strlen(key) };
    return partitioner->partition(partitioner->context, &record, COUNT);
}

/* What rd_kafka_msg_partitioner_consistent, _murmur2 and _fnv1a of librdkafka 2 answer for twelve partitions. */
static void keys_go_where_librdkafka_sends_them(void **state)
{
    static const struct {
        const char *key;
        int32_t crc32, murmur2, fnv1a;
    } vectors[] = {
        { NULL, 0, 9, 3 },
        { "", 0, 9, 3 },
        { "a", 3, 4, 0 },
        { "abc", 6, 3, 11 },
        { "foobar", 5, 6, 0 },
        { "21", 4, 0, 0 },
        { "kafka-key", 9, 5, 11 },
        { "\xff\xfe", 6, 3, 4 },
        { "a-little-bit-long-string", 6, 8, 4 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 1, 5, 10 },
    };
    kc_partitioner consistent = make(KCI_PARTITIONER_CONSISTENT), murmur2 = make(KCI_PARTITIONER_MURMUR2),
                   fnv1a = make(KCI_PARTITIONER_FNV1A), crc32_random = make(KCI_PARTITIONER_CONSISTENT_RANDOM),
                   fnv1a_random = make(KCI_PARTITIONER_FNV1A_RANDOM);
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *key = vectors[i].key;
        assert_int_equal(choose(&consistent, "t", key), vectors[i].crc32);
        assert_int_equal(choose(&murmur2, "t", key), vectors[i].murmur2);
        assert_int_equal(choose(&fnv1a, "t", key), vectors[i].fnv1a);
        /* an empty key counts as none for one of them, and as a key for the other */
        assert_int_equal(choose(&crc32_random, "t", key), key && *key ? vectors[i].crc32 : KC_PARTITION_STICKY);
        assert_int_equal(choose(&fnv1a_random, "t", key), key ? vectors[i].fnv1a : KC_PARTITION_STICKY);
    }
    assert_int_equal(memory.live_blocks, 0);
}

/* Each topic has its own turn, so two topics that are sent to alternately both get all their partitions. */
static void round_robin_takes_turns_per_topic(void **state)
{
    kc_partitioner robin = make(KCI_PARTITIONER_ROUNDROBIN);
    (void)state;
    for (int32_t i = 0; i < 3 * COUNT; i++) {
        assert_int_equal(choose(&robin, "left", "the key is not looked at"), i % COUNT);
        assert_int_equal(choose(&robin, "right", NULL), i % COUNT);
    }
    robin.close(robin.context);
    assert_int_equal(memory.live_blocks, 0);
}

static void random_reaches_all_alike(void **state)
{
    enum { DRAWS = 60000 };
    kc_partitioner any = make(KCI_PARTITIONER_RANDOM);
    size_t hits[COUNT] = { 0 };
    (void)state;
    for (int i = 0; i < DRAWS; i++)
        hits[choose(&any, "t", "key")]++;
    for (size_t i = 0; i < COUNT; i++)
        assert_in_range(hits[i], DRAWS / COUNT * 9 / 10, DRAWS / COUNT * 11 / 10);
    any.close(any.context);
    assert_int_equal(memory.live_blocks, 0);
}

/* Kafka's own rules cost no call. */
static void the_producers_own_rule_needs_no_table(void **state)
{
    (void)state;
    assert_null(make(KCI_PARTITIONER_DEFAULT).partition);
    assert_null(make(KCI_PARTITIONER_STICKY).partition);
    assert_null(make(KCI_PARTITIONER_MURMUR2_RANDOM).partition);
    assert_true(kci_partitioners_spreads(KCI_PARTITIONER_RANDOM));
    assert_false(kci_partitioners_spreads(KCI_PARTITIONER_CONSISTENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_where_librdkafka_sends_them),
        cmocka_unit_test(round_robin_takes_turns_per_topic),
        cmocka_unit_test(random_reaches_all_alike),
        cmocka_unit_test(the_producers_own_rule_needs_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
