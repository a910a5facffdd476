/* Records of __consumer_offsets, against bytes that Kafka 4.3's own classes wrote; and what we make of damaged ones. */
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "support/mock_world.h"

#define OFFSET_KEY                                                                                                     \
    "0001"                                                                                                             \
    "00026731"                                                                                                         \
    "0005746f706963"                                                                                                   \
    "00000007"
#define OFFSET_3 "00030000011f71fb04cb0000000500046e6f74650000018bcfe56800"
#define OFFSET_1 "0001000000000000002a00000000018bcfe568000000018bcfe57610"
#define GROUP_KEY                                                                                                      \
    "0002"                                                                                                             \
    "00026731"
#define GROUP_HEAD   "0008636f6e73756d657200000003000572616e676500036d2d31"
#define GROUP_CLIENT "0006636c69656e74000a2f3132372e302e302e31"
#define GROUP_TAIL   "0000271000000003010203000000020405"
#define GROUP_3                                                                                                        \
    "0003" GROUP_HEAD "0000018bcfe56800"                                                                               \
    "00000001"                                                                                                         \
    "00036d2d31"                                                                                                       \
    "0003692d31" GROUP_CLIENT "0000ea60" GROUP_TAIL

static const char *const group_values[] = {
    "0000" GROUP_HEAD "00000001"
    "00036d2d31" GROUP_CLIENT GROUP_TAIL,
    "0001" GROUP_HEAD "00000001"
    "00036d2d31" GROUP_CLIENT "0000ea60" GROUP_TAIL,
    "0002" GROUP_HEAD "0000018bcfe56800"
    "00000001"
    "00036d2d31" GROUP_CLIENT "0000ea60" GROUP_TAIL,
    GROUP_3,
};

static uint8_t scratch[4][512];

static struct kci_bytes unhex(int place, const char *text)
{
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        scratch[place][i] = (uint8_t)byte;
    }
    return (struct kci_bytes){ scratch[place], n };
}

static void assert_written(const struct mb_group_records *records, const char *text)
{
    struct kci_bytes expected = unhex(0, text);
    assert_false(records->failed);
    assert_int_equal(records->bytes.size, expected.size);
    assert_memory_equal(records->bytes.data, expected.data, expected.size);
}

static void offsets_are_written_as_kafka_does(void **unused)
{
    struct world world;
    (void)unused;
    world_open(&world, 1, NULL);
    struct mb_offset offset = { .offset = 1234567890123,
                                .leader_epoch = 5,
                                .commit_ms = 1700000000000,
                                .expire_ms = -1,
                                .metadata = NAME("note") };
    struct mb_group_records records = mb_group_records_of(&world.alloc);
    mb_group_records_offset(&records, NAME("g1"), NAME("topic"), 7, &offset);
    assert_written(&records, OFFSET_KEY OFFSET_3);
    mb_group_records_discard(&records);
    offset = (struct mb_offset){
        .offset = 42, .commit_ms = 1700000000000, .expire_ms = 1700000003600, .metadata = NAME("")
    };
    records = mb_group_records_of(&world.alloc);
    mb_group_records_offset(&records, NAME("g1"), NAME("topic"), 7, &offset);
    assert_written(&records, OFFSET_KEY OFFSET_1);
    mb_group_records_discard(&records);
    world_close(&world);
}

static void groups_are_written_as_kafka_does(void **unused)
{
    struct world world;
    (void)unused;
    world_open(&world, 1, NULL);
    struct mb_group *group = mb_groups_obtain(mb_cluster_groups(world.cluster), NAME("g1"), world.now);
    struct mb_group_protocol range = { NAME("range"), { (const uint8_t *)"\1\2\3", 3 } };
    struct mb_group_identity who = { .id = NAME("m-1"),
                                     .instance_id = NAME("i-1"),
                                     .client_id = NAME("client"),
                                     .client_host = NAME("/127.0.0.1"),
                                     .session_timeout_ms = 10000,
                                     .rebalance_timeout_ms = 60000,
                                     .protocols = &range,
                                     .protocol_count = 1 };
    struct mb_group_member *member = mb_group_member_add(group, &who, world.now);
    assert_true(mb_group_set_protocol_type(group, NAME("consumer")));
    assert_true(mb_group_set_protocol(group, NAME("range")));
    assert_true(mb_group_copy_bytes(&world.alloc, (struct kci_bytes){ (const uint8_t *)"\4\5", 2 }, &member->proposed));
    group->generation = 3;
    group->state_since_ms = 1700000000000;
    struct mb_group_records records = mb_group_records_of(&world.alloc);
    mb_group_records_group(&records, group, true);
    assert_written(&records, GROUP_KEY GROUP_3);
    mb_group_records_discard(&records);
    mb_group_member_remove(member);
    world_close(&world);
}

static void every_version_is_read(void **unused)
{
    struct mb_group_record record;
    struct mb_group_record_member member;
    (void)unused;
    for (int version = 0; version <= 3; version++) {
        struct kci_record_view view = { .key = unhex(0, GROUP_KEY), .value = unhex(1, group_values[version]) };
        assert_true(mb_group_records_read(&view, &record));
        assert_int_equal(record.kind, MB_GROUP_RECORD_GROUP);
        assert_true(kci_str_equal(record.group, NAME("g1")));
        assert_true(kci_str_equal(record.meta.protocol_type, NAME("consumer")));
        assert_true(kci_str_equal(record.meta.protocol, NAME("range")));
        assert_int_equal(record.meta.generation, 3);
        assert_int_equal(record.meta.state_since_ms, version >= 2 ? 1700000000000 : -1);
        assert_int_equal(mb_group_records_next_member(&record, &member), 1);
        assert_true(kci_str_equal(member.id, NAME("m-1")));
        assert_int_equal(member.instance_id.data != NULL, version == 3);
        assert_int_equal(member.session_timeout_ms, 10000);
        assert_int_equal(member.rebalance_timeout_ms, version >= 1 ? 60000 : 10000);
        assert_int_equal(member.assignment.size, 2);
        assert_int_equal(mb_group_records_next_member(&record, &member), 0);
    }
    struct kci_record_view view = { .key = unhex(0, OFFSET_KEY), .value = unhex(1, OFFSET_3) };
    assert_true(mb_group_records_read(&view, &record));
    assert_int_equal(record.kind, MB_GROUP_RECORD_OFFSET);
    assert_int_equal(record.commit.partition, 7);
    assert_int_equal(record.commit.offset, 1234567890123);
    assert_int_equal(record.commit.leader_epoch, 5);
    assert_int_equal(record.commit.expire_ms, -1);
    view.value = unhex(1, OFFSET_1);
    assert_true(mb_group_records_read(&view, &record));
    assert_int_equal(record.commit.offset, 42);
    assert_int_equal(record.commit.expire_ms, 1700000003600);
    view.value.data = NULL;
    assert_true(mb_group_records_read(&view, &record));
    assert_true(record.tombstone);
}

/* Cut anywhere, or with a version that is not known: refused, and nothing is read beyond the end. */
static void damaged_records_are_refused(void **unused)
{
    struct mb_group_record record;
    struct mb_group_record_member member;
    (void)unused;
    struct kci_record_view whole = { .key = unhex(0, GROUP_KEY), .value = unhex(1, GROUP_3) };
    for (size_t cut = 0; cut < whole.value.size; cut++) {
        struct kci_record_view view = whole;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, whole.value.data, cut);
        view.value = (struct kci_bytes){ copy, cut };
        assert_false(mb_group_records_read(&view, &record) && mb_group_records_next_member(&record, &member) == 1);
        free(copy);
    }
    for (size_t cut = 0; cut < whole.key.size; cut++) {
        struct kci_record_view view = { .key = { whole.key.data, cut }, .value = whole.value };
        assert_false(mb_group_records_read(&view, &record));
    }
    struct kci_record_view view = { .key = unhex(2, GROUP_KEY), .value = unhex(3, "0004" GROUP_HEAD) };
    assert_false(mb_group_records_read(&view, &record)); /* flexible: not ours */
    view.key = unhex(2, "0003"
                        "00026731"); /* a consumer group of KIP-848: somebody else's */
    assert_true(mb_group_records_read(&view, &record));
    assert_int_equal(record.kind, MB_GROUP_RECORD_OTHER);
    view = (struct kci_record_view){ .key = unhex(2, GROUP_KEY), .value = unhex(3, "0001" GROUP_HEAD "7fffffff") };
    assert_false(mb_group_records_read(&view, &record)); /* two billion members */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_written_as_kafka_does),
        cmocka_unit_test(groups_are_written_as_kafka_does),
        cmocka_unit_test(every_version_is_read),
        cmocka_unit_test(damaged_records_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
