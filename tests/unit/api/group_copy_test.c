/* Copies of what brokers say of a group: complete, or the arena says that they are not. */
#include "api/group_copy.h"

#include "support/test_alloc.h"
#include "support/unit.h"

#define TEXT(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

/* ConsumerProtocolSubscription and -Assignment, version 0: topic "t"; partition 1 of it. */
static const uint8_t subscription[] = { 0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff };
static const uint8_t assignment[] = { 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff };

static int32_t numbers[] = { 4, 5, 6 };
static struct kci_str wanted[] = { TEXT("orders"), TEXT("payments") };

static struct kci_consumer_group_describe_response__described_group modern(void)
{
    static struct kci_consumer_group_describe_response__topic_partitions topics[] = {
        { .topic_name = TEXT("orders"), .partitions = numbers, .partitions_count = 3 },
        { .topic_name = TEXT("payments"), .partitions = numbers, .partitions_count = 1 },
    };
    static struct kci_consumer_group_describe_response__member members[2];
    for (int i = 0; i < 2; i++)
        members[i] = (struct kci_consumer_group_describe_response__member){
            .member_id = TEXT("m"),
            .instance_id = TEXT("i"),
            .client_id = TEXT("c"),
            .client_host = TEXT("/127.0.0.1"),
            .subscribed_topic_names = wanted,
            .subscribed_topic_names_count = 2,
            .subscribed_topic_regex = TEXT("x.*"),
            .assignment = { .topic_partitions = topics, .topic_partitions_count = 2 },
            .target_assignment = { .topic_partitions = topics, .topic_partitions_count = 1 },
        };
    return (struct kci_consumer_group_describe_response__described_group){
        .group_state = TEXT("Stable"), .assignor_name = TEXT("uniform"), .members = members, .members_count = 2
    };
}

static struct kci_describe_groups_response__described_group classic(void)
{
    static struct kci_describe_groups_response__described_group_member members[2];
    for (int i = 0; i < 2; i++)
        members[i] = (struct kci_describe_groups_response__described_group_member){
            .member_id = TEXT("m"),
            .client_id = TEXT("c"),
            .client_host = TEXT("/127.0.0.1"),
            .member_metadata = { subscription, sizeof subscription },
            .member_assignment = { assignment, sizeof assignment },
        };
    return (struct kci_describe_groups_response__described_group){ .group_state = TEXT("Stable"),
                                                                   .protocol_type = TEXT("consumer"),
                                                                   .protocol_data = TEXT("range"),
                                                                   .members = members,
                                                                   .members_count = 2 };
}

static void expect_modern(const kc_group_description *d)
{
    assert_string_equal(d->state, "Stable");
    assert_string_equal(d->assignor, "uniform");
    assert_int_equal(d->member_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const kc_group_member *m = &d->members[i];
        assert_string_equal(m->member_id, "m");
        assert_string_equal(m->instance_id, "i");
        assert_string_equal(m->client_host, "/127.0.0.1");
        assert_string_equal(m->regex, "x.*");
        assert_int_equal(m->topic_count, 2);
        assert_string_equal(m->topics[1], "payments");
        assert_int_equal(m->assigned_count, 4);
        assert_string_equal(m->assigned[3].topic, "payments");
        assert_int_equal(m->assigned[2].partition, 6);
        assert_int_equal(m->target_count, 3);
    }
}

static void expect_classic(const kc_group_description *d)
{
    assert_string_equal(d->assignor, "range");
    assert_int_equal(d->member_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(d->members[i].topic_count, 1);
        assert_string_equal(d->members[i].topics[0], "t");
        assert_int_equal(d->members[i].assigned_count, 1);
        assert_string_equal(d->members[i].assigned[0].topic, "t");
        assert_int_equal(d->members[i].assigned[0].partition, 1);
    }
}

/* Whatever allocation fails: the copy is whole, or the arena has failed. */
static void without_memory(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    const struct kci_consumer_group_describe_response__described_group of_modern = modern();
    const struct kci_describe_groups_response__described_group of_classic = classic();
    size_t failures = 0, whole = 0;
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        for (int kind = 0; kind < 2; kind++) {
            kc_group_description d = { .group = "g" };
            struct kci_arena arena = kci_arena_of(&alloc, SIZE_MAX);
            if (kind == 0)
                kci_group_copy_modern(&arena, &d, &of_modern);
            else
                kci_group_copy_classic(&arena, &d, &of_classic);
            if (!arena.failed && kind == 0)
                expect_modern(&d);
            if (!arena.failed && kind == 1)
                expect_classic(&d);
            failures += arena.failed;
            whole += !arena.failed;
            kci_arena_destroy(&arena);
        }
    }
    assert_true(failures >= 4 && whole >= failures);
}

/* Bytes of another kind of client are not told, and no failure. */
static void not_a_consumer(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_arena arena = kci_arena_of(&alloc, SIZE_MAX);
    struct kci_describe_groups_response__described_group of = classic();
    kc_group_description d = { .group = "g" };
    (void)state;
    of.members[0].member_metadata = of.members[0].member_assignment = (struct kci_bytes){ (const uint8_t *)"\x07", 1 };
    kci_group_copy_classic(&arena, &d, &of);
    assert_false(arena.failed);
    assert_int_equal(d.members[0].topic_count + d.members[0].assigned_count, 0);
    assert_int_equal(d.members[1].topic_count, 1);
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory),
        cmocka_unit_test(not_a_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
