/* What a group of the consumer protocol refuses, and how the other APIs see it (PROTOCOL 4.5 to 4.7). */
#include "support/group848_story.h"

static int16_t beat_with(struct client *conn, int16_t version,
                         void (*change)(struct kci_consumer_group_heartbeat_request *))
{
    static struct kci_str topic = { "t", 1 };
    struct kci_consumer_group_heartbeat_request body;
    kci_codec_init(&kci_consumer_group_heartbeat_request_schema, &body);
    body.group_id = kci_str_of("g");
    body.member_id = kci_str_of("m");
    body.rebalance_timeout_ms = 1000;
    body.subscribed_topic_names = &topic;
    body.subscribed_topic_names_count = 1;
    body.topic_partitions_count = 0;
    change(&body);
    const struct kci_consumer_group_heartbeat_response *answer =
        client_call(conn, KCI_API_CONSUMER_GROUP_HEARTBEAT, version, &body);
    if (answer->error_code)
        assert_true(answer->error_message.size > 0);
    return answer->error_code;
}

static struct kci_consumer_group_heartbeat_request__topic_partitions something = { .partitions_count = 0 };

static void no_group(struct kci_consumer_group_heartbeat_request *r)
{
    r->group_id = NAME("");
}
static void no_member(struct kci_consumer_group_heartbeat_request *r)
{
    r->member_id = NAME("");
}
static void no_instance(struct kci_consumer_group_heartbeat_request *r)
{
    r->instance_id = NAME("");
}
static void no_rack(struct kci_consumer_group_heartbeat_request *r)
{
    r->rack_id = NAME("");
}
static void no_timeout(struct kci_consumer_group_heartbeat_request *r)
{
    r->rebalance_timeout_ms = -1;
}
static void no_owned(struct kci_consumer_group_heartbeat_request *r)
{
    r->topic_partitions_count = -1;
}
static void no_topics(struct kci_consumer_group_heartbeat_request *r)
{
    r->subscribed_topic_names_count = -1;
}
static void some_owned(struct kci_consumer_group_heartbeat_request *r)
{
    r->topic_partitions = &something;
    r->topic_partitions_count = 1;
}
static void static_without_instance(struct kci_consumer_group_heartbeat_request *r)
{
    r->member_epoch = -2;
}
static void strange_epoch(struct kci_consumer_group_heartbeat_request *r)
{
    r->member_epoch = -3;
}
static void strange_assignor(struct kci_consumer_group_heartbeat_request *r)
{
    r->server_assignor = NAME("sticky");
}
static void unknown_group(struct kci_consumer_group_heartbeat_request *r)
{
    r->member_epoch = 1;
}
static void leaves_unknown_group(struct kci_consumer_group_heartbeat_request *r)
{
    r->member_epoch = -1;
}
static void first_without_member(struct kci_consumer_group_heartbeat_request *r)
{
    no_member(r);
    r->member_epoch = 5;
}

/* Each check, and that nothing is made by a request that fails. */
static void bad_requests_are_refused(void **unused)
{
    static const struct {
        void (*change)(struct kci_consumer_group_heartbeat_request *);
        int16_t error;
    } rows[] = {
        { no_group, KCI_INVALID_REQUEST },
        { no_member, KCI_INVALID_REQUEST },
        { no_instance, KCI_INVALID_REQUEST },
        { no_rack, KCI_INVALID_REQUEST },
        { no_timeout, KCI_INVALID_REQUEST },
        { no_owned, KCI_INVALID_REQUEST },
        { some_owned, KCI_INVALID_REQUEST },
        { no_topics, KCI_INVALID_REQUEST },
        { static_without_instance, KCI_INVALID_REQUEST },
        { strange_epoch, KCI_INVALID_REQUEST },
        { first_without_member, KCI_INVALID_REQUEST },
        { strange_assignor, KCI_UNSUPPORTED_ASSIGNOR },
        { unknown_group, KCI_GROUP_ID_NOT_FOUND },
        { leaves_unknown_group, KCI_GROUP_ID_NOT_FOUND },
    };
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_coordinator(&s, "g");
    struct client *conn = group_connect(&s, 1, "c");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_code(beat_with(conn, 1, rows[i].change), rows[i].error);
    assert_code(members_describe(conn, "g")->error_code, KCI_GROUP_ID_NOT_FOUND);
    assert_code(beat_with(conn, 0, no_member), KCI_NONE); /* v0: the coordinator makes the id */
    assert_true(members_describe(conn, "g")->members[0].member_id.size > 20);
    assert_code(members_describe(conn, "")->error_code, KCI_INVALID_GROUP_ID);
    world_close(&s);
}

/* group.consumer.max.size: who is in may stay and come back, nobody else comes in. */
static void a_full_group_is_full(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, "group.consumer.max.size=1");
    group_topic(&s, "t", 1);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
    member_join(&a);
    assert_code(member_call(&b, 0, SAYS_ALL), KCI_GROUP_MAX_SIZE_REACHED);
    member_join(&a);
    assert_int_equal(a.epoch, 2);
    world_close(&s);
}

static int16_t commit(struct member *m, int32_t epoch, int32_t partition, int16_t version)
{
    struct group_client c = { .s = m->s, .conn = m->conn, .group = m->group, .member_id = m->id, .generation = epoch };
    return group_commit_with(&c, "t", partition, 7, "", version);
}

static int16_t fetch(struct member *m, struct kci_str id, int32_t epoch)
{
    struct kci_offset_fetch_request__offset_fetch_request_group g = {
        .group_id = m->group, .member_id = id, .member_epoch = epoch, .topics_count = -1
    };
    struct kci_offset_fetch_request body = { .groups = &g, .groups_count = 1 };
    const struct kci_offset_fetch_response *answer = client_call(m->conn, KCI_API_OFFSET_FETCH, 9, &body);
    return answer->groups[0].error_code;
}

/* Offsets are committed and fetched by members at their epoch; an epoch later, only what one had all the time. */
static void offsets_are_fenced_by_the_epoch(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 4);
    struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t"), *both[] = { &a, &b };
    member_join(&a);
    assert_code(commit(&a, 2, 0, 9), KCI_NONE);
    assert_code(commit(&a, 2, 0, 8), KCI_UNSUPPORTED_VERSION);
    assert_code(commit(&a, 3, 0, 9), KCI_STALE_MEMBER_EPOCH);
    assert_code(commit(&a, 1, 0, 9), KCI_STALE_MEMBER_EPOCH);
    assert_code(commit(&a, -1, 0, 9), KCI_STALE_MEMBER_EPOCH);
    assert_code(commit(&b, 2, 0, 9), KCI_UNKNOWN_MEMBER_ID);
    assert_code(fetch(&a, a.id, 2), KCI_NONE);
    assert_code(fetch(&a, a.id, 1), KCI_STALE_MEMBER_EPOCH);
    assert_code(fetch(&a, b.id, 2), KCI_UNKNOWN_MEMBER_ID);
    assert_code(fetch(&a, (struct kci_str){ NULL, 0 }, -1), KCI_NONE);
    member_join(&b);
    members_beat(both, 2, 4);
    assert_owns(&a, "0 1");
    assert_int_equal(a.epoch, 3);
    assert_code(commit(&a, 2, 0, 9), KCI_NONE);               /* it has had it since epoch 2 */
    assert_code(commit(&a, 2, 3, 9), KCI_STALE_MEMBER_EPOCH); /* that is b's now */
    assert_code(commit(&b, 2, 3, 9), KCI_STALE_MEMBER_EPOCH); /* that is b's only since epoch 3 */
    assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
    assert_code(commit(&a, 3, 0, 9), KCI_UNKNOWN_MEMBER_ID);
    assert_code(member_call(&b, -1, SAYS_NOTHING), KCI_NONE);
    assert_code(commit(&a, -1, 0, 9), KCI_NONE); /* nobody is in: as an administrator does */
    world_close(&s);
}

static void list(struct client *conn, const char *type, const char *id, const char *state)
{
    struct kci_str filter = kci_str_of(type);
    struct kci_list_groups_request body = { .types_filter = &filter, .types_filter_count = 1 };
    const struct kci_list_groups_response *answer = client_call(conn, KCI_API_LIST_GROUPS, 5, &body);
    assert_int_equal(answer->groups_count, id ? 1 : 0);
    if (!id)
        return;
    assert_str(answer->groups[0].group_id, id);
    assert_str(answer->groups[0].group_state, state);
    assert_str(answer->groups[0].protocol_type, "consumer");
}

/* The APIs of the classic protocol keep out, those of administrators know both kinds. */
static void two_kinds_of_groups(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct member a = member_of(&s, 1, "new", "a", "t");
    struct group_client old = group_client_of(&s, 1, "old", "o"), wrong = group_client_of(&s, 1, "new", "w");
    member_join(&a);
    group_settle_one(&old);
    list(a.conn, "consumer", "new", "Stable");
    list(a.conn, "Classic", "old", "Stable");
    list(a.conn, "share", NULL, NULL);
    wrong.protocol_type = "connect"; /* consumers may come in: group_mixed_test.c */
    assert_code(group_join_error(&wrong), KCI_INCONSISTENT_GROUP_PROTOCOL);
    wrong.member_id = a.id;
    wrong.generation = 2;
    assert_code(group_beat(&wrong), KCI_UNKNOWN_MEMBER_ID);
    wrong.member_id = kci_str_of("nobody");
    assert_code(group_leave(&wrong), KCI_UNKNOWN_MEMBER_ID);
    assert_code(group_describe(&wrong)->error_code, KCI_GROUP_ID_NOT_FOUND);
    assert_str(group_describe(&wrong)->group_state, "Dead");
    assert_code(members_describe(a.conn, "old")->error_code, KCI_GROUP_ID_NOT_FOUND);
    struct member late = member_of(&s, 1, "old", "late", "t");
    assert_code(member_call(&late, 0, SAYS_ALL), KCI_GROUP_ID_NOT_FOUND);
    struct kci_delete_groups_request body = { .groups_names = &a.group, .groups_names_count = 1 };
    const struct kci_delete_groups_response *deleted = client_call(a.conn, KCI_API_DELETE_GROUPS, 2, &body);
    assert_code(deleted->results[0].error_code, KCI_NON_EMPTY_GROUP);
    assert_code(group_commit(&old, "t", 0, 5), KCI_NONE);
    assert_code(group_leave(&old), KCI_NONE);
    member_join(&late); /* empty now: it changes its kind, and keeps its offsets */
    assert_int_equal(group_committed(&old, "t", 0), 5);
    list(a.conn, "classic", NULL, NULL);
    world_close(&s);
}

static void offsets_of_subscribed_topics_are_kept(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    struct member a = member_of(&s, 1, "g", "a", "t");
    a.topic_count = -1;
    a.regex = kci_str_of("[st]");
    member_join(&a);
    member_beat(&a);
    assert_code(commit(&a, 2, 0, 9), KCI_NONE);
    struct kci_offset_delete_request__offset_delete_request_partition p = { .partition_index = 0 };
    struct kci_offset_delete_request__offset_delete_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_delete_request body = { .group_id = a.group, .topics = &t, .topics_count = 1 };
    const struct kci_offset_delete_response *answer = client_call(a.conn, KCI_API_OFFSET_DELETE, 0, &body);
    assert_code(answer->topics[0].partitions[0].error_code, KCI_GROUP_SUBSCRIBED_TO_TOPIC);
    for (int i = 0; i < 8 * 24 * 360; i++) { /* longer than offsets.retention.minutes */
        world_pass(&s, 10000);
        member_beat(&a);
    }
    struct group_client c = group_client_of(&s, 1, "g", "c");
    assert_int_equal(group_committed(&c, "t", 0), 7);
    assert_code(member_call(&a, -1, SAYS_NOTHING), KCI_NONE);
    world_pass(&s, 3600 * 1000);
    assert_int_equal(group_committed(&c, "t", 0), -1);
    assert_code(members_describe(a.conn, "g")->error_code, KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(a_full_group_is_full),
        cmocka_unit_test(offsets_are_fenced_by_the_epoch),
        cmocka_unit_test(two_kinds_of_groups),
        cmocka_unit_test(offsets_of_subscribed_topics_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
