/* Where records go: Kafka's own vectors for keys, and a sticky choice that is uniform over partitions with a leader. */
#include "producer/internal.h"
#include "support/unit.h"

enum { COUNT = 12, DRAWS = 60000 };

/* PROTOCOL section 6: the partition of each key among twelve. */
static void test_keys(void **state)
{
    static const struct {
        const char *key;
        int32_t partition;
    } vectors[] = {
        { "21", 0 },
        { "foobar", 6 },
        { "a-little-bit-long-string", 8 },
        { "a-little-bit-longer-string", 11 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5 },
        { "abc", 3 },
        { "", 9 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        kc_record record = KC_RECORD_INIT;
        record.key = (kc_bytes){ vectors[i].key, strlen(vectors[i].key) };
        assert_int_equal(kci_partitioner_by_key(&record, COUNT), vectors[i].partition);
    }
}

static struct kci_partition partitions[COUNT], *array[COUNT];

static void make(struct kci_topic *topic)
{
    memset(topic, 0, sizeof *topic);
    memset(partitions, 0, sizeof partitions);
    for (size_t i = 0; i < COUNT; i++) {
        array[i] = &partitions[i];
        atomic_store(&partitions[i].available, true);
    }
    atomic_store(&topic->partitions, array);
    atomic_store(&topic->count, COUNT);
}

/* Every partition is drawn about equally often, and never one without a leader. */
static void test_sticky_is_uniform(void **state)
{
    static struct kci_producer producer;
    struct kci_topic topic;
    size_t hits[COUNT] = { 0 };
    (void)state;
    make(&topic);
    producer.seed = 5;
    atomic_store(&partitions[3].available, false);
    for (int i = 0; i < DRAWS; i++) {
        kci_partitioner_switch(&producer, &topic, atomic_load(&topic.sticky));
        hits[kci_partitioner_sticky(&topic)]++;
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (i == 3)
            assert_int_equal(hits[i], 0);
        else
            assert_in_range(hits[i], DRAWS / 11 * 9 / 10, DRAWS / 11 * 11 / 10);
    }
}

/* A choice that another thread has made already stands; without any leader some partition is chosen all the same. */
static void test_switch_once(void **state)
{
    static struct kci_producer producer;
    struct kci_topic topic;
    (void)state;
    make(&topic);
    uint64_t seen = atomic_load(&topic.sticky);
    kci_partitioner_switch(&producer, &topic, seen);
    uint64_t chosen = atomic_load(&topic.sticky);
    assert_int_equal(chosen >> 32, 1);
    kci_partitioner_switch(&producer, &topic, seen);
    assert_int_equal(atomic_load(&topic.sticky), chosen);
    for (size_t i = 0; i < COUNT; i++)
        atomic_store(&partitions[i].available, false);
    kci_partitioner_switch(&producer, &topic, chosen);
    assert_in_range(kci_partitioner_sticky(&topic), 0, COUNT - 1);
}

/* Sequences are 31 bits: 2^31-1 is followed by 0. */
static void test_sequence(void **state)
{
    (void)state;
    assert_int_equal(kci_sequence_add(0, 5), 5);
    assert_int_equal(kci_sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(kci_sequence_add(INT32_MAX - 2, 10), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sticky_is_uniform),
        cmocka_unit_test(test_switch_once),
        cmocka_unit_test(test_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
