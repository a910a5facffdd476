/* What members tell each other: written and read again, from older and newer clients, and from hostile ones. */
#include "consumer/member_data.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;

static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 1 << 20);
}

static void end(void)
{
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

/* Our subscription: version 3, topics sorted; and the leader understands it. */
static void test_subscription(void **state)
{
    struct kci_subscription s;
    struct kci_member member = { 0 };
    const char *topics[] = { "b", "a" };
    (void)state;
    begin();
    struct kci_writer w = kci_writer_of(&alloc, 1000);
    kci_subscription_init(&s, &alloc, 1);
    assert_true(kci_subscription_set_topics(&s, topics, 2));
    assert_true(kci_member_data_subscription(&w, &s, &arena, -1, NULL, (struct kci_bytes){ NULL, 0 }));
    static const uint8_t expected[] = { 0, 3,   0,    0,    0,    2,    0,    1,    'a',  0,
                                        1, 'b', 0xff, 0xff, 0xff, 0xff, /* user data */
                                        0, 0,   0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    assert_int_equal(w.size, sizeof expected);
    assert_memory_equal(w.data, expected, sizeof expected);
    assert_true(kci_member_data_read((struct kci_bytes){ w.data, w.size }, &arena, &member));
    assert_int_equal(member.topic_count, 2);
    assert_true(kci_member_subscribes(&member, kci_str_of("a")));
    assert_false(kci_member_subscribes(&member, kci_str_of("c")));
    kci_writer_destroy(&w);
    kci_subscription_destroy(&s);
    end();
}

/* A newer version is read as far as we know it; what trails is ignored. Topics need not be sorted. */
static void test_newer_version(void **state)
{
    static const uint8_t data[] = { 0,    9, 0, 0, 0, 2, 0, 1, 'z', 0,    1,    'b', 0xff, 0xff, 0xff,
                                    0xff, 0, 0, 0, 0, 0, 0, 0, 7,   0xff, 0xff, 1,   2,    3 };
    struct kci_member member = { 0 };
    (void)state;
    begin();
    assert_true(kci_member_data_read((struct kci_bytes){ data, sizeof data }, &arena, &member));
    assert_true(kci_member_subscribes(&member, kci_str_of("b")));
    assert_true(kci_member_subscribes(&member, kci_str_of("z")));
    end();
}

/* Hostile bytes: every prefix, every damaged byte, huge and negative counts. Nothing is read beyond, nothing large is
 * allocated. */
static void test_hostile(void **state)
{
    static const uint8_t good[] = { 0, 3,   0, 0, 0, 1, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1,  0,
                                    1, 'a', 0, 0, 0, 1, 0, 0, 0,   0,    0,    0,    0,    5, 0, 1, 'r' };
    (void)state;
    for (size_t size = 0; size < sizeof good; size++) {
        struct kci_member member = { 0 };
        begin();
        uint8_t *copy = malloc(size + 1); /* so that a sanitizer sees the end */
        memcpy(copy, good, size);
        assert_false(kci_member_data_read((struct kci_bytes){ copy, size }, &arena, &member));
        free(copy);
        end();
    }
    for (size_t at = 0; at < sizeof good; at++)
        for (int value = 0; value < 256; value += 3) {
            struct kci_partition_list list = { NULL, 0 };
            struct kci_member member = { 0 };
            begin();
            uint8_t *copy = malloc(sizeof good);
            memcpy(copy, good, sizeof good);
            copy[at] = (uint8_t)value;
            kci_member_data_read((struct kci_bytes){ copy, sizeof good }, &arena, &member);
            if (kci_member_data_read_assignment((struct kci_bytes){ copy, sizeof good }, &alloc, &arena, &list))
                kci_partition_list_free(&alloc, &list);
            assert_true(memory.largest < 1 << 20);
            free(copy);
            end();
        }
}

/* An assignment there and back; empty bytes are an empty assignment; negative partitions and names with NUL are
 * refused. */
static void test_assignment(void **state)
{
    struct kci_group_topic topics[] = { { kci_str_of("a"), 3, NULL }, { kci_str_of("b"), 3, NULL } };
    struct kci_member member = { .id = kci_str_of("m") };
    struct kci_partition_list list;
    (void)state;
    begin();
    struct kci_writer w = kci_writer_of(&alloc, 1000);
    assert_true(kci_member_give(&arena, &member, 0, 2));
    assert_true(kci_member_give(&arena, &member, 1, 0));
    assert_true(kci_member_give(&arena, &member, 1, 1));
    assert_true(kci_member_data_assignment(&w, &member, topics, &arena));
    assert_true(kci_member_data_read_assignment((struct kci_bytes){ w.data, w.size }, &alloc, &arena, &list));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].topic, "a");
    assert_int_equal(list.items[0].partition, 2);
    assert_string_equal(list.items[2].topic, "b");
    assert_int_equal(list.items[2].partition, 1);
    assert_int_equal(list.items[2].offset, KC_OFFSET_NONE);
    kci_partition_list_free(&alloc, &list);
    assert_true(kci_member_data_read_assignment((struct kci_bytes){ NULL, 0 }, &alloc, &arena, &list));
    assert_int_equal(list.count, 0);
    w.data[8] = 0;
    assert_false(kci_member_data_read_assignment((struct kci_bytes){ w.data, w.size }, &alloc, &arena, &list));
    w.data[8] = 'a';
    w.data[13] = 0x80;
    assert_false(kci_member_data_read_assignment((struct kci_bytes){ w.data, w.size }, &alloc, &arena, &list));
    kci_writer_destroy(&w);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscription),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_assignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
