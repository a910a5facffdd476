/* Where records go: Kafka's own vectors for keys, and a sticky choice that is uniform over partitions with a leader. */
#include "producer/internal.h"
#include "support/unit.h"

enum { COUNT = 12, DRAWS = 60000 };

static struct kci_settings settings;

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

/* The partition that records without key go to now. */
static int32_t sticky(const struct kci_topic *topic)
{
    return (int32_t)(uint32_t)atomic_load(&topic->sticky);
}

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
    static struct kci_producer producer = { .settings = &settings };
    struct kci_topic topic;
    size_t hits[COUNT] = { 0 };
    (void)state;
    make(&topic);
    producer.seed = 5;
    atomic_store(&partitions[3].available, false);
    for (int i = 0; i < DRAWS; i++) {
        kci_partitioner_switch(&producer, &topic, atomic_load(&topic.sticky), 0);
        hits[sticky(&topic)]++;
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
    static struct kci_producer producer = { .settings = &settings };
    struct kci_topic topic;
    (void)state;
    make(&topic);
    uint64_t seen = atomic_load(&topic.sticky);
    kci_partitioner_switch(&producer, &topic, seen, 0);
    uint64_t chosen = atomic_load(&topic.sticky);
    assert_int_equal(chosen >> 32, 1);
    kci_partitioner_switch(&producer, &topic, seen, 0);
    assert_int_equal(atomic_load(&topic.sticky), chosen);
    for (size_t i = 0; i < COUNT; i++)
        atomic_store(&partitions[i].available, false);
    kci_partitioner_switch(&producer, &topic, chosen, 0);
    assert_in_range(sticky(&topic), 0, COUNT - 1);
}

static void count_draws(struct kci_producer *producer, struct kci_topic *topic, size_t *hits, int64_t now)
{
    memset(hits, 0, COUNT * sizeof *hits);
    for (int i = 0; i < DRAWS; i++) {
        kci_partitioner_switch(producer, topic, atomic_load(&topic->sticky), now);
        hits[sticky(topic)]++;
    }
}

/* KIP-794: queues of 0, 3 and 1 batches are drawn like 4 : 1 : 3; what is learned of queues is a millisecond old at
 * most. */
static void test_adaptive(void **state)
{
    static struct kci_settings adaptive = { .partitioner_adaptive = true };
    static struct kci_producer producer = { .settings = &adaptive, .seed = 7, .batch_aim = 1000 };
    struct kci_topic topic;
    size_t hits[COUNT];
    (void)state;
    make(&topic);
    atomic_store(&topic.count, 3);
    atomic_store(&partitions[1].backlog, 3000);
    atomic_store(&partitions[2].backlog, 1000);
    count_draws(&producer, &topic, hits, 1000000);
    assert_in_range(hits[0], DRAWS * 4 / 8 * 95 / 100, DRAWS * 4 / 8 * 105 / 100);
    assert_in_range(hits[1], DRAWS * 1 / 8 * 95 / 100, DRAWS * 1 / 8 * 105 / 100);
    assert_in_range(hits[2], DRAWS * 3 / 8 * 95 / 100, DRAWS * 3 / 8 * 105 / 100);
    for (int i = 0; i < 3; i++)
        atomic_store(&partitions[i].backlog, 0);
    count_draws(&producer, &topic, hits, 1100000);
    for (int i = 0; i < 3; i++)
        assert_in_range(hits[i], DRAWS / 3 * 95 / 100, DRAWS / 3 * 105 / 100);
}

/* Eleven long queues and one short: most draws are refused, and the exact way by adding up gives the same shares. */
static void test_adaptive_by_adding_up(void **state)
{
    static struct kci_settings adaptive = { .partitioner_adaptive = true };
    static struct kci_producer producer = { .settings = &adaptive, .seed = 7, .batch_aim = 1000 };
    struct kci_topic topic;
    size_t hits[COUNT];
    (void)state;
    make(&topic);
    for (int i = 1; i < COUNT; i++)
        atomic_store(&partitions[i].backlog, 99000);
    count_draws(&producer, &topic, hits, 1000000);
    assert_in_range(hits[0], DRAWS * 100 / 111 * 97 / 100, DRAWS * 100 / 111 * 103 / 100);
    for (int i = 1; i < COUNT; i++)
        assert_in_range(hits[i], DRAWS / 111 * 80 / 100, DRAWS / 111 * 120 / 100);
}

/* Only partitions of our rack while one of them can be sent to; then any that can. */
static void test_rack(void **state)
{
    static struct kci_producer producer = { .settings = &settings, .seed = 7 };
    struct kci_topic topic;
    size_t hits[COUNT];
    (void)state;
    make(&topic);
    atomic_store(&partitions[4].near, true);
    atomic_store(&partitions[5].near, true);
    atomic_store(&topic.near_count, 2);
    count_draws(&producer, &topic, hits, 0);
    assert_int_equal(hits[4] + hits[5], DRAWS);
    assert_in_range(hits[4], DRAWS * 45 / 100, DRAWS * 55 / 100);
    atomic_store(&partitions[4].available, false);
    count_draws(&producer, &topic, hits, 0);
    assert_int_equal(hits[5], DRAWS);
    atomic_store(&partitions[5].available, false);
    count_draws(&producer, &topic, hits, 0);
    assert_int_equal(hits[4] + hits[5], 0);
    for (int i = 0; i < COUNT; i++)
        if (i != 4 && i != 5)
            assert_in_range(hits[i], DRAWS / 10 * 9 / 10, DRAWS / 10 * 11 / 10);
}

/* A broker that cannot take what is ready is avoided after partitioner.availability.timeout.ms, and no longer than it
 * is stuck. */
static void test_availability_timeout(void **state)
{
    static struct kci_settings impatient = { .partitioner_availability_timeout_ms = 10 };
    static struct kci_producer producer = { .settings = &impatient, .seed = 7 };
    struct kci_target slow = { .stuck_since = KCI_NEVER }, fast = { .stuck_since = KCI_NEVER };
    struct kci_topic topic;
    (void)state;
    make(&topic);
    kci_list_init(&producer.topic_list);
    kci_list_push(&producer.topic_list, &topic.link);
    for (int i = 0; i < COUNT; i++)
        partitions[i].target = i < 3 ? &slow : &fast;
    assert_int_equal(kci_partitioner_stuck(&producer, &slow, true, 5000), 15000);
    assert_int_equal(kci_partitioner_stuck(&producer, &slow, true, 14000), 15000);
    assert_true(atomic_load(&partitions[0].available));
    assert_true(kci_partitioner_stuck(&producer, &slow, true, 15000) == KCI_NEVER);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(atomic_load(&partitions[i].available), i >= 3);
    assert_true(kci_partitioner_stuck(&producer, &slow, false, 16000) == KCI_NEVER);
    assert_true(atomic_load(&partitions[0].available));
    assert_int_equal(kci_partitioner_stuck(&producer, &slow, true, 20000), 30000);
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
        cmocka_unit_test(test_adaptive),
        cmocka_unit_test(test_adaptive_by_adding_up),
        cmocka_unit_test(test_rack),
        cmocka_unit_test(test_availability_timeout),
        cmocka_unit_test(test_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
