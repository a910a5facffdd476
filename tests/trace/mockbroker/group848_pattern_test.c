/* Topic patterns of KIP-848 as Apache Kafka 4.3 treats them: they are held against the topics after a heartbeat, not in it
 * and not often, and the group works with what was found last.  tests/interop/patterns_test.py plays the same to Kafka. */
#include "support/group848_story.h"
#include "support/memory_storage.h"

#include "mockbroker/core/acl.h"

#include <stdlib.h>

static struct member with_pattern(struct world *s, const char *group, const char *id, const char *pattern)
{
    struct member m = member_of(s, group_coordinator(s, group), group, id, "unused");
    m.topic_count = -1;
    m.regex = kci_str_of(pattern);
    return m;
}

static int compare(const void *a, const void *b)
{
    return kci_str_compare(*(const struct kci_str *)a, *(const struct kci_str *)b);
}

/* What the coordinator says the member has: names of topics. */
static void assert_has(const struct member *m, const char *topics)
{
    struct kci_str names[10];
    size_t count = 0;
    char text[300] = "";
    const struct kci_consumer_group_describe_response__described_group *group =
        members_describe(m->conn, m->group.data);
    for (int32_t i = 0; i < group->members_count; i++)
        for (int32_t t = 0; t < group->members[i].assignment.topic_partitions_count; t++)
            if (kci_str_equal(group->members[i].member_id, m->id) && count < 10)
                names[count++] = group->members[i].assignment.topic_partitions[t].topic_name;
    if (count)
        qsort(names, count, sizeof names[0], compare);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", i ? " " : "", (int)names[i].size,
                 names[i].data);
    assert_string_equal(text, topics);
}

/* Of several topics: all that it was told is its own at once. */
static void beat(struct member *m, int64_t after_ms)
{
    world_pass(m->s, after_ms);
    m->owned_count = 0; /* it gives up whatever it is to give up */
    assert_code(member_call(m, m->epoch, SAYS_OWNED), KCI_NONE);
}

static int16_t say(struct member *m, const char *pattern)
{
    m->regex = kci_str_of(pattern);
    m->owned_count = 0;
    return member_call(m, m->epoch, SAYS_ALL);
}

/* The answer that joins knows nothing yet; the next one does.  Whole names are matched. */
static void the_heartbeat_does_not_wait(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "orders-1", 2);
    group_topic(&s, "my-orders-1", 2);
    struct member a = with_pattern(&s, "g", "a", "orders-(?:\\d+|[a-z]*)");
    member_join(&a);
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.given_count, 0);
    member_beat(&a);
    assert_int_equal(a.epoch, 2);
    assert_owns(&a, "0 1");
    /* what matches nothing is no reason for an epoch */
    struct member b = with_pattern(&s, "empty", "b", "no-such-.*");
    member_join(&b);
    members_beat((struct member *[]){ &b }, 1, 3);
    assert_int_equal(b.epoch, 1);
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(b.conn, "empty");
    assert_str(seen->group_state, "Stable");
    assert_str(seen->members[0].subscribed_topic_regex, "no-such-.*");
    /* with names besides, the join brings these at once */
    struct member c = with_pattern(&s, "both", "c", "orders-.*");
    c.topic_count = 1;
    c.topics[0] = kci_str_of("my-orders-1");
    member_join(&c);
    assert_has(&c, "my-orders-1");
    beat(&c, 1000);
    assert_has(&c, "my-orders-1 orders-1");
    world_close(&s);
}

/* Ten seconds lie between two looks, whatever is waiting; a topic that goes is gone at once. */
static void between_two_looks_it_rests(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "a-1", 1);
    group_topic(&s, "b-1", 1);
    struct member a = with_pattern(&s, "g", "a", "a-.*"), b = with_pattern(&s, "g", "b", "b-.*");
    member_join(&a);
    beat(&a, 1000);
    assert_has(&a, "a-1");
    member_join(&b);
    assert_int_equal(b.epoch, 2); /* nobody else is concerned */
    group_topic(&s, "a-2", 1);
    beat(&b, 8900);
    beat(&a, 0);
    assert_has(&a, "a-1");
    assert_has(&b, "");
    beat(&b, 200); /* more than ten seconds since a's first heartbeat: this one looks for both */
    beat(&a, 1000);
    beat(&b, 0);
    assert_has(&a, "a-1 a-2");
    assert_has(&b, "b-1");
    assert_int_equal(b.epoch, 3);
    assert_code(mb_cluster_delete_topic(s.cluster, kci_str_of("a-1"), s.now), KCI_NONE);
    beat(&a, 1000);
    assert_has(&a, "a-2");
    assert_int_equal(a.epoch, 4);
    world_close(&s);
}

/* Who shares a pattern that is known has its topics with the first answer. */
static void a_known_pattern_needs_no_look(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    struct member a = with_pattern(&s, "g", "a", "t"), b = with_pattern(&s, "g", "b", "t"), *both[] = { &a, &b };
    member_join(&a);
    member_beat(&a);
    world_pass(&s, 2000);
    member_join(&b);
    assert_int_equal(b.epoch, 3);
    members_beat(both, 2, 2);
    assert_owns(&a, "0");
    assert_owns(&b, "1");
    world_close(&s);
}

/* The old topics go with the heartbeat that says so; the new ones come soon, because the rest counts from what is known
 * of a pattern, and nothing is any more. */
static void a_pattern_changes(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "a-1", 1);
    group_topic(&s, "b-1", 1);
    struct member a = with_pattern(&s, "g", "a", "a-.*");
    member_join(&a);
    beat(&a, 1000);
    assert_has(&a, "a-1");
    assert_code(say(&a, "b-.*"), KCI_NONE);
    assert_true(a.told);
    assert_int_equal(a.given_count, 0);
    assert_int_equal(a.epoch, 2);
    beat(&a, 100);  /* looks */
    beat(&a, 1000); /* has */
    assert_has(&a, "b-1");
    assert_int_equal(a.epoch, 3);
    assert_code(say(&a, "b-.*"), KCI_NONE); /* says the same */
    assert_int_equal(a.epoch, 3);
    assert_code(say(&a, "(b"), KCI_INVALID_REGULAR_EXPRESSION); /* and it keeps what it has */
    beat(&a, 1000);
    assert_has(&a, "b-1");
    assert_code(say(&a, ""), KCI_NONE);
    assert_has(&a, "");
    beat(&a, 1000);
    assert_int_equal(a.epoch, 4);
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(a.conn, "g");
    assert_str(seen->members[0].subscribed_topic_regex, "");
    world_close(&s);
}

/* The client says that it still has what its pattern no longer says: it is asked to give it up, and keeps it till then. */
static void what_is_in_use_is_given_up_first(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 2);
    struct member a = with_pattern(&s, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
    member_join(&a);
    member_beat(&a);
    a.regex = kci_str_of("u");
    assert_code(member_call(&a, 2, SAYS_ALL), KCI_NONE); /* in use: 0 and 1 */
    assert_true(a.told);
    assert_int_equal(a.given_count, 0);
    assert_has(&a, "t"); /* to be revoked */
    world_pass(&s, 2000);
    member_join(&b);
    assert_owns(&b, "");
    member_take(&a);
    assert_code(member_call(&a, a.epoch, SAYS_OWNED), KCI_NONE);
    member_beat(&b);
    assert_owns(&b, "0 1");
    world_close(&s);
}

/* With the last member its pattern is forgotten; when it comes again, it is looked up at once. */
static void the_last_member_takes_its_pattern_with_it(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    for (int i = 0; i < 3; i++) {
        struct member a = with_pattern(&s, "g", "a", "t");
        member_join(&a);
        beat(&a, 1000);
        assert_has(&a, "t");
        if (i == 0) {
            assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
        } else {
            world_pass(&s, 46000); /* silent too long */
            assert_code(member_call(&a, a.epoch, SAYS_NOTHING), KCI_UNKNOWN_MEMBER_ID);
        }
        assert_str(members_describe(a.conn, "g")->group_state, "Empty");
    }
    world_close(&s);
}

/* Topics that who asks may not see are not found.  What is allowed later is seen with the next look: when a topic is
 * made, or after group.consumer.regex.refresh.interval.ms. */
static void what_may_not_be_seen_is_not_matched(void **unused)
{
    struct world s;
    struct mb_acl_of acl = { .type = MB_ACL_TOPIC,
                             .pattern = MB_ACL_LITERAL,
                             .operation = MB_ACL_DESCRIBE,
                             .permission = MB_ACL_DENY,
                             .name = kci_str_of("t-secret"),
                             .principal = kci_str_of("User:ANONYMOUS"),
                             .host = kci_str_of("*") };
    (void)unused;
    world_open(&s, 1, "authorizer.class.name=standard allow.everyone.if.no.acl.found=true");
    group_topic(&s, "t-public", 1);
    group_topic(&s, "t-secret", 1);
    assert_true(mb_acls_add(&s.cluster->acls, &acl));
    struct member a = with_pattern(&s, "g", "a", "t-.*");
    member_join(&a);
    beat(&a, 1000);
    assert_has(&a, "t-public");
    mb_acls_clear(&s.cluster->acls);
    for (int i = 0; i < 59; i++)
        beat(&a, 10000);
    assert_has(&a, "t-public");
    beat(&a, 10000); /* ten minutes */
    beat(&a, 1000);
    assert_has(&a, "t-public t-secret");
    world_close(&s);
}

/* What was found is in the log: the next coordinator has it, and looks again when ten seconds are over. */
static void the_next_coordinator_knows_what_was_found(void **unused)
{
    static struct memory_storage files;
    struct kci_storage storage = memory_storage_of(&files);
    struct world s;
    (void)unused;
    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    group_topic(&s, "t-1", 2);
    struct member a = with_pattern(&s, "g", "a", "t-.*");
    member_join(&a);
    member_beat(&a);
    assert_owns(&a, "0 1");
    int32_t epoch = a.epoch;
    world_close(&s);

    world_open_with(&s, (struct mb_options){ .brokers = 1, .storage = &storage });
    struct member again = with_pattern(&s, "g", "a", "t-.*"), b = with_pattern(&s, "g", "b", "t-.*");
    again.epoch = epoch;
    member_beat(&again);
    assert_int_equal(again.epoch, epoch); /* no rebalance */
    assert_has(&again, "t-1");
    world_pass(&s, 2000);
    member_join(&b); /* known: there is nothing to wait for */
    assert_int_equal(b.epoch, epoch + 1);
    group_topic(&s, "t-2", 1);
    beat(&again, 20000);
    beat(&b, 0);
    beat(&again, 1000);
    beat(&b, 1000);
    beat(&again, 1000);
    assert_int_equal(members_describe(b.conn, "g")->group_epoch, epoch + 2);
    world_close(&s);
    memory_storage_free(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heartbeat_does_not_wait),
        cmocka_unit_test(between_two_looks_it_rests),
        cmocka_unit_test(a_known_pattern_needs_no_look),
        cmocka_unit_test(a_pattern_changes),
        cmocka_unit_test(what_is_in_use_is_given_up_first),
        cmocka_unit_test(the_last_member_takes_its_pattern_with_it),
        cmocka_unit_test(what_may_not_be_seen_is_not_matched),
        cmocka_unit_test(the_next_coordinator_knows_what_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
