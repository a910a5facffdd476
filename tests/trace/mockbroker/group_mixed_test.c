/* Mixed groups (KIP-848, "migration"): consumers change over to the new protocol, and back, one by one, and each
 * partition is with one of them all the time.
 *
 * Members `a`, `b` ... speak the consumer protocol, clients `x`, `y` the classic one. */
#include "support/group_mixed_story.h"

static const char *type_of(const struct kci_consumer_group_describe_response__described_group *seen, struct kci_str id)
{
    for (int32_t i = 0; i < seen->members_count; i++)
        if (kci_str_equal(seen->members[i].member_id, id))
            return seen->members[i].member_type == 0 ? "classic" : "consumer";
    return "none";
}

/* A new member comes into a classic group: nobody loses anything but what it must give up, and the classic members go
 * on with what they know as generations. */
static void a_classic_group_is_upgraded(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), *classics[] = { &x };
    classic_settle(&x, "0123", NULL, NULL);
    assert_int_equal(x.c.generation, 1);
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    assert_int_equal(a.epoch, 2);
    assert_owns(&a, "");
    const struct kci_consumer_group_describe_response__described_group *seen = members_describe(a.conn, "g");
    assert_str(seen->group_state, "Reconciling");
    assert_int_equal(seen->members_count, 2);
    assert_string_equal(type_of(seen, x.c.member_id), "classic");
    assert_string_equal(type_of(seen, a.id), "consumer");
    assert_code(group_describe(&x.c)->error_code, KCI_GROUP_ID_NOT_FOUND); /* that is for classic groups */
    assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&x); /* it still owns all: it is given the smaller assignment, at its old generation */
    assert_int_equal(x.c.generation, 1);
    assert_has(&x, "0 1");
    member_beat(&a);
    assert_owns(&a, "");
    assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&x);
    assert_int_equal(x.c.generation, 2);
    assert_has(&x, "0 1");
    assert_code(group_beat(&x.c), KCI_NONE);
    member_beat(&a);
    assert_owns(&a, "2 3");
    assert_str(members_describe(a.conn, "g")->group_state, "Stable");
    beat_all(members, 1, classics, 1, 4);
    assert_int_equal(x.c.generation, 2);
    world_close(&s);
}

/* An eager member gives up everything before it joins, so it is done in one step. */
static void an_eager_member_is_done_in_one_step(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x");
    x.eager = true;
    classic_settle(&x, "0123", NULL, NULL);
    struct member a = member_of(&s, 1, "g", "a", "t");
    member_join(&a);
    classic_beat(&x);
    assert_int_equal(x.c.generation, 2);
    assert_has(&x, "0 1");
    member_beat(&a);
    assert_owns(&a, "2 3");
    world_close(&s);
}

/* A classic member comes into a group of the consumer protocol, waits for what others have, and is told when it is
 * free. */
static void a_classic_member_joins(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t");
    member_join(&a);
    world_pass(&s, 5000);
    struct classic x = classic_of(&s, 1, "x");
    classic_rejoin(&x);
    assert_int_equal(x.c.generation, 3);
    assert_has(&x, "");
    assert_code(group_beat(&x.c), KCI_NONE); /* nothing has come free */
    assert_code(group_commit(&x.c, "t", 0, 1), KCI_NONE);
    assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
    assert_int_equal(a.given_count, 2);
    assert_code(group_beat(&x.c), KCI_NONE);
    member_take(&a);
    assert_code(member_call(&a, 2, SAYS_OWNED), KCI_NONE);
    assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&x);
    assert_int_equal(x.owned_count, 2);
    assert_code(group_beat(&x.c), KCI_NONE);
    struct classic y = classic_of(&s, 1, "y");
    classic_rejoin(&y);
    struct member *members[] = { &a };
    struct classic *classics[] = { &x, &y };
    beat_all(members, 1, classics, 2, 4);
    assert_int_equal(a.owned_count + x.owned_count + y.owned_count, 4);
    assert_true(y.owned_count > 0);
    assert_str(members_describe(a.conn, "g")->group_state, "Stable");
    world_close(&s);
}

/* The last new member leaves, or is not heard any more: the others are a classic group again, and rebalance. */
static void the_last_new_member_goes(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), *classics[] = { &x };
    classic_settle(&x, "0123", NULL, NULL);
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    for (int way = 0; way < 2; way++) {
        member_join(&a);
        beat_all(members, 1, classics, 1, 4);
        assert_int_equal(x.owned_count, 2);
        int32_t epoch = x.c.generation;
        if (way == 0)
            assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
        for (int i = 0; way == 1 && i < 9; i++) {
            world_pass(&s, 5000);
            assert_code(group_beat(&x.c), i < 8 ? KCI_NONE : KCI_REBALANCE_IN_PROGRESS);
        }
        assert_code(member_call(&a, a.epoch, SAYS_NOTHING), KCI_GROUP_ID_NOT_FOUND);
        assert_code(members_describe(a.conn, "g")->error_code, KCI_GROUP_ID_NOT_FOUND);
        assert_str(group_describe(&x.c)->group_state, "PreparingRebalance");
        assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
        classic_settle(&x, "0123", NULL, NULL);
        assert_int_equal(x.c.generation, epoch + 1);
        assert_str(group_describe(&x.c)->group_state, "Stable");
    }
    world_close(&s);
}

/* A static consumer changes its protocol with a restart, in both directions: its place is its own. */
static void a_static_member_changes_over(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), y = classic_of(&s, 1, "y"), *classics[] = { &y };
    x.c.instance_id = kci_str_of("one");
    classic_settle(&x, "01", &y, "23");
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    a.instance_id = kci_str_of("one");
    member_join(&a); /* no UNRELEASED_INSTANCE_ID: it is a change of the protocol */
    assert_owns(&a, "0 1");
    assert_int_equal(a.epoch, 1); /* the same subscription: no new epoch */
    assert_code(group_beat(&x.c), KCI_FENCED_INSTANCE_ID);
    assert_code(group_beat(&y.c), KCI_NONE);
    beat_all(members, 1, classics, 1, 2);
    assert_has(&y, "2 3");
    struct classic again = classic_of(&s, 1, "x");
    again.c.instance_id = kci_str_of("one");
    classic_speak(&again);
    const struct kci_join_group_response *joined = group_join(&again.c);
    assert_code(joined->error_code, KCI_NONE);
    assert_int_equal(joined->generation_id, 1);
    const struct kci_sync_group_response *synced = group_sync(&again.c, NULL, 0);
    assert_code(synced->error_code, KCI_NONE);
    classic_take(&again, synced->assignment);
    assert_has(&again, "0 1");
    assert_str(group_describe(&again.c)->group_state, "Stable"); /* the last new member: a classic group, in place */
    assert_code(group_beat(&y.c), KCI_NONE);
    assert_code(member_call(&a, 1, SAYS_NOTHING), KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

/* The static consumer speaks the classic protocol now: the group is rebalanced, and the other one hears of it. */
static void the_static_one_is_back_and_all_join(struct world *s, struct classic *other)
{
    struct classic again = classic_of(s, 1, "x");
    again.c.instance_id = kci_str_of("one");
    classic_speak(&again);
    assert_code(group_join(&again.c)->error_code, KCI_NONE);
    assert_str(group_describe(&again.c)->group_state, "PreparingRebalance");
    assert_code(group_beat(&other->c), KCI_REBALANCE_IN_PROGRESS);
}

/* The static consumer is back as a classic one, and the topic is not the one that the targets were made for: nobody leads
 * a group that becomes a classic one, so it is rebalanced at once, or nobody would ever notice. */
static void a_topic_changes_before_the_downgrade(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), y = classic_of(&s, 1, "y"), *classics[] = { &y };
    x.c.instance_id = kci_str_of("one");
    classic_settle(&x, "01", &y, "23");
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    a.instance_id = kci_str_of("one");
    member_join(&a);
    beat_all(members, 1, classics, 1, 2);
    mb_cluster_delete_topic(s.cluster, kci_str_of("t"), s.now);
    group_topic(&s, "t", 4);
    the_static_one_is_back_and_all_join(&s, &y);
    world_close(&s);
}

/* The static consumer was to give half of its partitions to another one, and is back as a classic one: in a classic group
 * that one would never hear that they are free, so the group is rebalanced. */
static void something_is_on_its_way_before_the_downgrade(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t");
    a.instance_id = kci_str_of("one");
    member_join(&a);
    assert_owns(&a, "0 1 2 3");
    struct classic y = classic_of(&s, 1, "y"), *classics[] = { &y };
    classic_rejoin(&y);
    world_pass(&s, 3000);
    member_beat(&a); /* hears what it is to give up, and crashes */
    beat_all(NULL, 0, classics, 1, 1);
    assert_has(&y, "");
    the_static_one_is_back_and_all_join(&s, &y);
    world_close(&s);
}

/* A classic group is being rebalanced when a static member comes back as a consumer, with the topics that it had: nobody
 * is new, and yet there is a new target, since a rebalance has a reason. */
static void an_upgrade_goes_on_with_the_rebalance(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), y = classic_of(&s, 1, "y"), *classics[] = { &x };
    y.c.instance_id = kci_str_of("one");
    classic_settle(&x, "0", &y, "12"); /* nobody has partition 3 */
    classic_speak(&x);
    assert_null(group_join(&x.c)); /* the leader wants another assignment */
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    a.instance_id = kci_str_of("one");
    member_join(&a);
    assert_code(group_joined(&x.c)->error_code, KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&x);
    beat_all(members, 1, classics, 1, 3);
    assert_int_equal(a.epoch, 2);
    assert_owns(&a, "1 2");
    assert_has(&x, "0 3");
    world_close(&s);
}

/* Every check of the four classic requests in a mixed group, in its order. */
static void what_is_wrong_is_refused(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "group.consumer.max.size=3");
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    struct classic x = classic_of(&s, 1, "x"), *classics[] = { &x };
    x.c.instance_id = kci_str_of("one");
    x.c.protocol_type = "connect";
    classic_speak(&x);
    assert_code(group_join_error(&x.c), KCI_INCONSISTENT_GROUP_PROTOCOL);
    x.c.protocol_type = "consumer";
    x.c.raw_size = 1;
    assert_code(group_join_error(&x.c), KCI_UNKNOWN_SERVER_ERROR); /* nothing that can be read */
    x.c.member_id = kci_str_of("who");
    assert_code(group_join_error(&x.c), KCI_UNKNOWN_MEMBER_ID);
    x.c.member_id = kci_str_of("");
    classic_rejoin(&x);
    beat_all(members, 1, classics, 1, 3);
    struct classic y = classic_of(&s, 1, "y");
    classic_speak(&y);
    y.c = x.c;
    y.c.protocols[0] = "sticky";
    y.c.protocols[1] = NULL;
    assert_code(group_join_error(&y.c), KCI_INCONSISTENT_GROUP_PROTOCOL); /* x offers others */
    y.c = x.c;
    y.c.member_id = kci_str_of("who");
    assert_code(group_join_error(&y.c), KCI_FENCED_INSTANCE_ID);
    assert_code(group_beat(&y.c), KCI_FENCED_INSTANCE_ID);
    assert_code(group_sync(&y.c, NULL, 0)->error_code, KCI_FENCED_INSTANCE_ID);
    y.c.instance_id = kci_str_of("two");
    assert_code(group_beat(&y.c), KCI_UNKNOWN_MEMBER_ID);
    y.c = x.c;
    y.c.generation = 1;
    assert_code(group_beat(&y.c), KCI_ILLEGAL_GENERATION);
    assert_code(group_sync(&y.c, NULL, 0)->error_code, KCI_ILLEGAL_GENERATION);
    y.c.generation = 99;
    assert_code(group_commit(&y.c, "t", 0, 1), KCI_ILLEGAL_GENERATION);
    y.c = x.c;
    y.c.protocols[0] = "range";
    assert_code(group_sync(&y.c, NULL, 0)->error_code, KCI_INCONSISTENT_GROUP_PROTOCOL);
    y.c = group_client_of(&s, 1, "g", "a"); /* the new member's id in classic requests */
    y.c.member_id = a.id;
    y.c.generation = a.epoch;
    assert_code(group_beat(&y.c), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_sync(&y.c, NULL, 0)->error_code, KCI_UNKNOWN_MEMBER_ID);
    y.c.member_id = kci_str_of("nobody");
    assert_code(group_leave(&y.c), KCI_UNKNOWN_MEMBER_ID);
    y.c = x.c;
    y.c.member_id = kci_str_of("");
    assert_code(group_leave(&y.c), KCI_NONE); /* by instance alone */
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);
    struct classic rest[] = { classic_of(&s, 1, "r"), classic_of(&s, 1, "r"), classic_of(&s, 1, "r") };
    classic_rejoin(&rest[0]);
    classic_rejoin(&rest[1]);
    classic_speak(&rest[2]);
    assert_code(group_join_error(&rest[2].c), KCI_GROUP_MAX_SIZE_REACHED);
    world_close(&s);
}

/* What cannot be carried over is not upgraded, and stays as it was. */
static void what_cannot_be_upgraded(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct group_client old = group_client_of(&s, 1, "g", "old"), other = group_client_of(&s, 1, "other", "w");
    old.metadata = "?"; /* nothing that can be read */
    group_settle_one(&old);
    other.protocol_type = "connect";
    group_settle_one(&other);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "other", "b", "t");
    assert_code(member_call(&a, 0, SAYS_ALL), KCI_GROUP_ID_NOT_FOUND);
    assert_code(member_call(&b, 0, SAYS_ALL), KCI_GROUP_ID_NOT_FOUND);
    assert_code(group_beat(&old), KCI_NONE);
    assert_code(group_beat(&other), KCI_NONE);
    assert_code(group_leave(&old), KCI_NONE);

    struct classic x = classic_of(&s, 1, "x"); /* a custom assignor with user data */
    classic_speak(&x);
    assert_null(group_join(&x.c));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&x.c));
    struct subscription bytes = assignment_of("0123", "data");
    struct kci_sync_group_request__sync_group_request_assignment part = { .member_id = x.c.member_id,
                                                                          .assignment = { bytes.bytes, bytes.size } };
    struct kci_sync_group_request body = { .group_id = x.c.group,
                                           .generation_id = x.c.generation,
                                           .member_id = x.c.member_id,
                                           .protocol_type = kci_str_of("consumer"),
                                           .protocol_name = kci_str_of(x.c.protocols[0]),
                                           .assignments = &part,
                                           .assignments_count = 1 };
    client_send(x.c.conn, KCI_API_SYNC_GROUP, 5, &body);
    assert_code(group_synced(&x.c)->error_code, KCI_NONE);
    assert_code(member_call(&a, 0, SAYS_ALL), KCI_GROUP_ID_NOT_FOUND);
    assert_code(group_beat(&x.c), KCI_NONE);
    a.regex = kci_str_of("(");
    a.topic_count = -1;
    assert_code(member_call(&a, 0, SAYS_ALL), KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

/* group.consumer.migration.policy, each of its values. */
static void the_policy_decides(void **unused)
{
    static const struct {
        const char *policy;
        bool up, in, down;
    } rows[] = {
        { "disabled", false, false, false },
        { "upgrade", true, true, false },
        { "downgrade", false, true, true },
        { "bidirectional", true, true, true },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world s;
        char config[100];
        snprintf(config, sizeof config, "group.consumer.migration.policy=%s", rows[i].policy);
        world_open(&s, 1, config);
        group_topic(&s, "t", 4);
        struct classic x = classic_of(&s, 1, "x");
        classic_settle(&x, "0123", NULL, NULL);
        struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
        assert_code(member_call(&a, 0, SAYS_ALL), rows[i].up ? KCI_NONE : KCI_GROUP_ID_NOT_FOUND);
        if (!rows[i].up) { /* the group is a classic one still; empty, it becomes one of the consumer protocol */
            assert_code(group_beat(&x.c), KCI_NONE);
            assert_code(group_leave(&x.c), KCI_NONE);
            member_join(&a);
            x = classic_of(&s, 1, "x");
            classic_speak(&x);
            const struct kci_join_group_response *joined = group_join(&x.c);
            assert_code(joined->error_code, rows[i].in ? KCI_NONE : KCI_INCONSISTENT_GROUP_PROTOCOL);
        }
        if (rows[i].in) {
            struct classic *classics[] = { &x };
            member_take(&a);
            beat_all(members, 1, classics, 1, 4);
            assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
            assert_code(members_describe(a.conn, "g")->error_code, rows[i].down ? KCI_GROUP_ID_NOT_FOUND : KCI_NONE);
            assert_code(group_beat(&x.c), rows[i].down ? KCI_REBALANCE_IN_PROGRESS : KCI_NONE);
        }
        world_close(&s);
    }
}

/* In the middle of a classic rebalance: who waits for an answer is told to join again, and finds a mixed group. */
static void an_upgrade_ends_a_rebalance(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct classic x = classic_of(&s, 1, "x"), y = classic_of(&s, 1, "y"), *classics[] = { &x, &y };
    classic_settle(&x, "0123", NULL, NULL);
    classic_speak(&y);
    assert_null(group_join(&y.c)); /* waits for x */
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    const struct kci_join_group_response *told = group_joined(&y.c);
    assert_non_null(told);
    assert_code(told->error_code, KCI_REBALANCE_IN_PROGRESS);
    assert_true(kci_str_equal(told->member_id, y.c.member_id));
    classic_rejoin(&y);
    beat_all(members, 1, classics, 2, 5);
    assert_int_equal(a.owned_count + x.owned_count + y.owned_count, 4);
    assert_str(members_describe(a.conn, "g")->group_state, "Stable");

    struct classic z = classic_of(&s, 1, "z"), v = classic_of(&s, 1, "v"); /* in the first rebalance of all */
    z.c.group = v.c.group = kci_str_of("first");
    classic_speak(&z);
    assert_null(group_join(&z.c));
    struct member b = member_of(&s, 1, "first", "b", "t");
    member_join(&b);
    assert_int_equal(b.owned_count, 2);
    assert_code(group_joined(&z.c)->error_code, KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&z);
    assert_int_equal(z.owned_count, 2);

    v.c.group = kci_str_of("second"); /* and waiting for its assignment */
    classic_speak(&v);
    assert_null(group_join(&v.c));
    world_pass(&s, 6000);
    assert_non_null(group_joined(&v.c));
    struct member c = member_of(&s, 1, "second", "c", "t");
    member_join(&c);
    assert_code(group_sync(&v.c, NULL, 0)->error_code, KCI_REBALANCE_IN_PROGRESS);
    classic_rejoin(&v);
    assert_int_equal(v.owned_count, 2);
    world_close(&s);
}

/* A classic member that goes silent, does not join again when told, or does not ask for its assignment, is out. */
static void classic_time_outs(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), *members[] = { &a };
    member_join(&a);
    world_pass(&s, 2000);
    struct classic x = classic_of(&s, 1, "x"), *classics[] = { &x };
    classic_rejoin(&x);
    beat_all(members, 1, classics, 1, 3);
    assert_int_equal(a.owned_count, 2);
    world_pass(&s, 10100); /* its own session timeout, not the broker's */
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);
    beat_all(members, 1, NULL, 0, 2);
    assert_int_equal(a.owned_count, 4);

    x = classic_of(&s, 1, "x");
    x.c.rebalance_ms = 15000;
    classic_speak(&x);
    assert_code(group_join(&x.c)->error_code, KCI_NONE);
    for (int i = 0; i < 14; i++) { /* it beats, and never asks for its assignment */
        world_pass(&s, 1000);
        if (i % 5 == 4)
            member_beat(&a);
        assert_true(group_beat(&x.c) != KCI_UNKNOWN_MEMBER_ID);
    }
    world_pass(&s, 1100);
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);

    x = classic_of(&s, 1, "x");
    x.c.rebalance_ms = 15000;
    beat_all(members, 1, NULL, 0, 2);
    classic_rejoin(&x);
    beat_all(members, 1, classics, 1, 3);
    a.topics[a.topic_count++] = kci_str_of("later");
    assert_code(member_call(&a, a.epoch, SAYS_ALL), KCI_NONE);
    world_pass(&s, 2000);
    member_beat(&a);
    for (int i = 0; i < 14; i++) { /* it beats, and does not do what it is told */
        assert_code(group_beat(&x.c), KCI_REBALANCE_IN_PROGRESS);
        world_pass(&s, 1000);
        if (i % 5 == 4)
            member_beat(&a);
    }
    world_pass(&s, 1100);
    assert_code(group_beat(&x.c), KCI_UNKNOWN_MEMBER_ID);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_classic_group_is_upgraded),
        cmocka_unit_test(an_eager_member_is_done_in_one_step),
        cmocka_unit_test(a_classic_member_joins),
        cmocka_unit_test(the_last_new_member_goes),
        cmocka_unit_test(a_static_member_changes_over),
        cmocka_unit_test(a_topic_changes_before_the_downgrade),
        cmocka_unit_test(something_is_on_its_way_before_the_downgrade),
        cmocka_unit_test(an_upgrade_goes_on_with_the_rebalance),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(what_cannot_be_upgraded),
        cmocka_unit_test(the_policy_decides),
        cmocka_unit_test(an_upgrade_ends_a_rebalance),
        cmocka_unit_test(classic_time_outs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
