/* A coordinator that has taken over knows what may yet be lost with it: the end of its log is not committed while too
 * few replicas are in sync.  What it says of that waits (group_settled.c). */
#include "support/group_mixed_story.h"

#define OFFSETS kci_str_of("__consumer_offsets")

/* Three brokers, of which two must have a record before it counts; all groups have the same coordinator. */
static void open(struct world *s)
{
    world_open_with(s, (struct mb_options){ .brokers = 3,
                                            .config = "min.insync.replicas=2 offsets.topic.num.partitions=1 "
                                                      "group.consumer.migration.policy=bidirectional",
                                            .replication_delay_us = 5000 });
    group_topic(s, "t", 4);
}

/* The coordinator dies when the last record has just been committed: its successor is alone, and has the record, but does
 * not know that it counts. */
static int32_t take_over(struct world *s, int32_t home)
{
    int32_t next = home % 3 + 1, other = next % 3 + 1;
    struct mb_partition_view view;
    assert_code(mb_cluster_broker_stop(s->cluster, other, false, s->now), KCI_NONE);
    struct member late = member_of(s, home, "late", "late", "t");
    member_send(&late, 0, SAYS_ALL);
    while (!member_answer(&late))
        world_pass(s, 1);
    assert_code(mb_cluster_broker_stop(s->cluster, home, false, s->now), KCI_NONE);
    assert_code(mb_cluster_partition(s->cluster, OFFSETS, 0, &view), KCI_NONE);
    assert_int_equal(view.leader, next);
    assert_true(view.high_watermark < view.log_end);
    return next;
}

/* A classic member joins and asks for its part; every answer takes its time here. */
static void enter(struct classic *x)
{
    classic_speak(x);
    if (!group_join(&x->c)) {
        world_pass(x->c.s, 6000);
        assert_code(group_joined(&x->c)->error_code, KCI_NONE);
    }
    group_send_sync(&x->c, NULL, 0);
    world_pass(x->c.s, 1000);
    assert_code(group_synced(&x->c)->error_code, KCI_NONE);
}

/* Nothing is lost in the end: members of all kinds hear that all is well, but not before it is. */
static void nothing_is_said_before_it_counts(void **unused)
{
    struct world s;
    (void)unused;
    open(&s);
    int32_t home = group_coordinator(&s, "g");
    struct classic x = classic_of(&s, home, "x"), y = classic_of(&s, home, "y");
    struct member a = member_of(&s, home, "g", "a", "t");
    y.c.group = kci_str_of("classic");
    enter(&x);
    member_send(&a, 0, SAYS_ALL); /* the group of x is a mixed one from now on */
    world_pass(&s, 1000);
    assert_code(member_answer(&a)->error_code, KCI_NONE);
    enter(&x);
    enter(&y);

    int32_t next = take_over(&s, home);
    a.conn = group_connect(&s, next, "a");
    x.c.conn = group_connect(&s, next, "x");
    y.c.conn = group_connect(&s, next, "y");
    member_send(&a, a.epoch, SAYS_NOTHING);
    group_send_sync(&x.c, NULL, 0);
    group_send_beat(&y.c);
    world_pass(&s, 3000);
    assert_null(member_answer(&a));
    assert_null(group_synced(&x.c));
    assert_null(group_beaten(&y.c));

    assert_code(mb_cluster_broker_start(s.cluster, home, s.now), KCI_NONE);
    world_pass(&s, 1000);
    assert_code(member_answer(&a)->error_code, KCI_NONE);
    assert_code(group_synced(&x.c)->error_code, KCI_NONE);
    assert_code(group_beaten(&y.c)->error_code, KCI_NONE);
    group_send_beat(&x.c);
    assert_non_null(group_beaten(&x.c)); /* and from then on at once */
    world_close(&s);
}

/* The same of offsets: the commit that the dead coordinator took last is told when it counts. */
static void offsets_wait_too(void **unused)
{
    struct world s;
    (void)unused;
    open(&s);
    int32_t home = group_coordinator(&s, "g");
    struct classic x = classic_of(&s, home, "x");
    group_send_commit(&x.c, "t", 0, 7, "note", 9);
    world_pass(&s, 1000);
    const struct kci_offset_commit_response *stored = client_answer(x.c.conn, KCI_API_OFFSET_COMMIT, 9);
    assert_non_null(stored);
    assert_code(stored->topics[0].partitions[0].error_code, KCI_NONE);
    int32_t next = take_over(&s, home);
    x.c.conn = group_connect(&s, next, "x");
    group_send_fetch_all(&x.c);
    world_pass(&s, 3000);
    assert_null(group_fetched_all(&x.c));
    assert_code(mb_cluster_broker_start(s.cluster, home, s.now), KCI_NONE);
    world_pass(&s, 1000);
    const struct kci_offset_fetch_response__offset_fetch_response_group *answer = group_fetched_all(&x.c);
    assert_non_null(answer);
    assert_code(answer->error_code, KCI_NONE);
    assert_int_equal(answer->topics[0].partitions[0].committed_offset, 7);
    world_close(&s);
}

/* Who is unknown hears of it at once: that shows nothing which could be lost. */
static void an_error_does_not_wait(void **unused)
{
    struct world s;
    (void)unused;
    open(&s);
    int32_t next = take_over(&s, group_coordinator(&s, "g"));
    struct member a = member_of(&s, next, "late", "nobody", "t");
    struct classic x = classic_of(&s, next, "x");
    assert_code(member_call(&a, 1, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_before_it_counts),
        cmocka_unit_test(offsets_wait_too),
        cmocka_unit_test(an_error_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
