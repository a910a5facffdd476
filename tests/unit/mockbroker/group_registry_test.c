/* The registry of groups: which appends may still change what is in memory. */
#include "mockbroker/core/group_registry.h"
#include "support/group_story.h"

struct ended {
    struct mb_group_write write; /* first */
    int calls;
    int16_t error;
};

static void end(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct ended *ended = (struct ended *)write;
    (void)now;
    ended->calls++;
    ended->error = error;
}

/* An append that began before its partition was loaded anew must not be applied: the log has told already, perhaps
 * more. */
static void an_append_from_before_a_move_is_not_applied(void **unused)
{
    struct world s;
    struct ended before = { .calls = 0 }, after = { .calls = 0 };
    (void)unused;
    world_open(&s, 3, NULL);
    struct mb_groups *groups = mb_cluster_groups(s.cluster);
    group_coordinator(&s, "g"); /* makes the topic */
    int32_t partition = mb_groups_partition_of(groups, kci_str_of("g"));
    mb_group_write_begin(&before.write, groups, partition, end);
    mb_groups_on_leader(groups, partition, groups->partitions[partition].broker, s.now);
    mb_group_write_begin(&after.write, groups, partition, end);
    mb_group_write_finish(&before, KCI_NONE, s.now);
    mb_group_write_finish(&after, KCI_NONE, s.now);
    assert_int_equal(before.calls, 1);
    assert_code(before.error, KCI_NOT_LEADER_OR_FOLLOWER);
    assert_code(after.error, KCI_NONE);
    world_close(&s);
}

/* An append that outlives the coordinator ends without it. */
static void an_append_may_outlive_the_coordinator(void **unused)
{
    struct world s;
    struct ended late = { .calls = 0 };
    (void)unused;
    world_open(&s, 1, NULL);
    group_coordinator(&s, "g");
    struct mb_groups *groups = mb_groups_create(s.cluster);
    mb_groups_on_leader(groups, 0, 1, s.now);
    mb_group_write_begin(&late.write, groups, 0, end);
    mb_groups_destroy(groups, s.now);
    mb_group_write_finish(&late, KCI_NONE, s.now);
    assert_int_equal(late.calls, 1);
    assert_null(late.write.groups);
    assert_int_not_equal(late.error, KCI_NONE);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(an_append_from_before_a_move_is_not_applied),
                                        cmocka_unit_test(an_append_may_outlive_the_coordinator) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
