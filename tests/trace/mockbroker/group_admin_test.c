/* Looking at groups and taking them away; who coordinates. */
#include "mockbroker/core/txn_registry.h"
#include "support/group_story.h"

static const struct kci_list_groups_response *list(struct client *conn, const char *state, const char *type)
{
    struct kci_str states = kci_str_of(state), types = kci_str_of(type);
    struct kci_list_groups_request body = { .states_filter = &states,
                                            .states_filter_count = state ? 1 : 0,
                                            .types_filter = &types,
                                            .types_filter_count = type ? 1 : 0 };
    return client_call(conn, KCI_API_LIST_GROUPS, 5, &body);
}

static int16_t delete_group(struct client *conn, const char *group)
{
    struct kci_str name = kci_str_of(group);
    struct kci_delete_groups_request body = { .groups_names = &name, .groups_names_count = 1 };
    const struct kci_delete_groups_response *answer = client_call(conn, KCI_API_DELETE_GROUPS, 3, &body);
    assert_true(kci_str_equal(answer->results[0].group_id, name));
    return answer->results[0].error_code;
}

/* ListGroups: every broker tells of its own groups; filters do not care about upper and lower case. */
static void groups_are_listed_where_they_live(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a");
    group_settle_one(&a);
    struct group_client simple = group_client_of(&s, group_coordinator(&s, "h"), "h", "x");
    assert_code(group_commit(&simple, "t", 0, 1), KCI_NONE);
    const struct kci_list_groups_response *answer = list(a.conn, "stable", "CLASSIC");
    assert_code(answer->error_code, KCI_NONE);
    assert_int_equal(answer->groups_count, 1);
    assert_str(answer->groups[0].group_id, "g");
    assert_str(answer->groups[0].protocol_type, "consumer");
    assert_str(answer->groups[0].group_state, "Stable");
    assert_str(answer->groups[0].group_type, "classic");
    assert_int_equal(list(a.conn, "PreparingRebalance", NULL)->groups_count, 0);
    assert_int_equal(list(a.conn, NULL, "consumer")->groups_count, 0);
    answer = list(simple.conn, "Empty", NULL);
    assert_int_equal(answer->groups_count, 1);
    assert_str(answer->groups[0].protocol_type, "");
    int32_t total = 0;
    for (int32_t broker = 1; broker <= 3; broker++)
        total += list(group_connect(&s, broker, "x"), NULL, NULL)->groups_count;
    assert_int_equal(total, 2);
    world_close(&s);
}

/* DescribeGroups: state, members with host and client id; metadata and protocol only when the group is stable. */
static void a_description_follows_the_state(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "client-a");
    const struct kci_describe_groups_response__described_group *seen = group_describe(&a);
    assert_code(seen->error_code, KCI_GROUP_ID_NOT_FOUND);
    assert_str(seen->error_message, "Group g not found.");
    assert_str(seen->group_state, "Dead");
    struct kci_describe_groups_request body = { .groups = &a.group,
                                                .groups_count = 1,
                                                .include_authorized_operations = true };
    const struct kci_describe_groups_response *old = client_call(a.conn, KCI_API_DESCRIBE_GROUPS, 5, &body);
    assert_code(old->groups[0].error_code, KCI_NONE);
    assert_str(old->groups[0].group_state, "Dead");

    assert_null(group_join(&a));
    struct group_client admin = a;
    admin.conn = group_connect(&s, home, "admin");
    seen = group_describe(&admin);
    assert_str(seen->group_state, "PreparingRebalance");
    assert_str(seen->protocol_type, "consumer");
    assert_str(seen->protocol_data, "");
    world_pass(&s, 3000);
    assert_non_null(group_joined(&a));
    assert_str(group_describe(&admin)->group_state, "CompletingRebalance");
    struct group_part part = { a.member_id, "A" };
    assert_assigned(group_sync(&a, &part, 1), "A");
    seen = group_describe(&admin);
    assert_str(seen->group_state, "Stable");
    assert_str(seen->protocol_data, "range");
    assert_int_equal(seen->members_count, 1);
    assert_true(kci_str_equal(seen->members[0].member_id, a.member_id));
    assert_str(seen->members[0].client_id, "client-a");
    assert_str(seen->members[0].client_host, "/127.0.0.1");
    assert_memory_equal(seen->members[0].member_metadata.data, "m", 1);
    assert_memory_equal(seen->members[0].member_assignment.data, "A", 1);
    assert_int_equal(seen->authorized_operations, INT32_MIN);
    old = client_call(a.conn, KCI_API_DESCRIBE_GROUPS, 5, &body);
    assert_int_equal(old->groups[0].authorized_operations, 3400);
    struct group_client lost = a;
    lost.conn = group_connect(&s, home % 3 + 1, "lost");
    assert_code(group_describe(&lost)->error_code, KCI_NOT_COORDINATOR);
    world_close(&s);
}

/* DeleteGroups: only what is empty; afterwards it and its offsets never were. */
static void an_empty_group_can_be_deleted(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    group_topic(&s, "t", 1);
    int32_t home = group_coordinator(&s, "g");
    struct group_client a = group_client_of(&s, home, "g", "a");
    assert_code(delete_group(a.conn, "g"), KCI_GROUP_ID_NOT_FOUND);
    group_settle_one(&a);
    assert_code(group_commit(&a, "t", 0, 1), KCI_NONE);
    assert_code(delete_group(a.conn, "g"), KCI_NON_EMPTY_GROUP);
    assert_code(group_leave(&a), KCI_NONE);
    assert_code(delete_group(group_connect(&s, home % 3 + 1, "lost"), "g"), KCI_NOT_COORDINATOR);
    assert_code(delete_group(a.conn, "g"), KCI_NONE);
    assert_int_equal(group_committed(&a, "t", 0), -1);
    assert_code(delete_group(a.conn, "g"), KCI_GROUP_ID_NOT_FOUND);
    world_close(&s);
}

/* OffsetDelete: refused for topics that a member subscribes to. */
static void offsets_can_be_deleted_unless_subscribed(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 1, NULL);
    group_topic(&s, "t", 1);
    group_topic(&s, "u", 1);
    struct group_client a = group_client_of(&s, 1, "g", "a");
    a.metadata = "\x00\x03\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x00";
    a.raw_size = 13; /* version 3, topics [t], no user data, the rest left out */
    group_settle_one(&a);
    assert_code(group_commit(&a, "t", 0, 1), KCI_NONE);
    assert_code(group_commit(&a, "u", 0, 2), KCI_NONE);
    struct kci_offset_delete_request__offset_delete_request_partition p[] = { { .partition_index = 0 },
                                                                              { .partition_index = 1 } };
    struct kci_offset_delete_request__offset_delete_request_topic t[] = {
        { .name = kci_str_of("t"), .partitions = p, .partitions_count = 1 },
        { .name = kci_str_of("u"), .partitions = p, .partitions_count = 2 },
    };
    struct kci_offset_delete_request body = { .group_id = a.group, .topics = t, .topics_count = 2 };
    const struct kci_offset_delete_response *answer = client_call(a.conn, KCI_API_OFFSET_DELETE, 0, &body);
    assert_code(answer->error_code, KCI_NONE);
    assert_code(answer->topics[0].partitions[0].error_code, KCI_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_code(answer->topics[1].partitions[0].error_code, KCI_NONE);
    assert_code(answer->topics[1].partitions[1].error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(group_committed(&a, "t", 0), 1);
    assert_int_equal(group_committed(&a, "u", 0), -1);
    body.group_id = kci_str_of("nope");
    answer = client_call(a.conn, KCI_API_OFFSET_DELETE, 0, &body);
    assert_code(answer->error_code, KCI_GROUP_ID_NOT_FOUND);
    struct group_client worker = group_client_of(&s, 1, "w", "w"); /* not consumers: what they read is not known */
    worker.protocol_type = "connect";
    group_settle_one(&worker);
    body.group_id = worker.group;
    answer = client_call(a.conn, KCI_API_OFFSET_DELETE, 0, &body);
    assert_code(answer->error_code, KCI_NON_EMPTY_GROUP);
    world_close(&s);
}

/* FindCoordinator: every version and every broker name the same one; other kinds of keys are answered as on a broker
 * without their coordinators. */
static void every_broker_knows_the_coordinator(void **unused)
{
    struct world s;
    (void)unused;
    world_open(&s, 3, NULL);
    struct kci_str keys[] = { kci_str_of("g"), kci_str_of("another"), kci_str_of("") };
    int32_t home = group_coordinator(&s, "g");
    assert_int_equal(mb_cluster_topic_partitions(s.cluster, kci_str_of("__consumer_offsets")), 50);
    for (int32_t broker = 1; broker <= 3; broker++) {
        struct client *conn = group_connect(&s, broker, "x");
        for (int16_t version = 0; version <= 3; version++) {
            struct kci_find_coordinator_request body = { .key = keys[0] };
            const struct kci_find_coordinator_response *answer =
                client_call(conn, KCI_API_FIND_COORDINATOR, version, &body);
            assert_code(answer->error_code, KCI_NONE);
            assert_int_equal(answer->node_id, home);
            assert_int_equal(answer->port, 9091 + home);
        }
        for (int16_t version = 4; version <= 6; version++) {
            struct kci_find_coordinator_request body = { .coordinator_keys = keys, .coordinator_keys_count = 3 };
            const struct kci_find_coordinator_response *answer =
                client_call(conn, KCI_API_FIND_COORDINATOR, version, &body);
            assert_int_equal(answer->coordinators_count, 3);
            assert_int_equal(answer->coordinators[0].node_id, home);
            assert_true(kci_str_equal(answer->coordinators[1].key, keys[1]));
            assert_code(answer->coordinators[2].error_code, KCI_NONE);
            body.key_type = 1;
            answer = client_call(conn, KCI_API_FIND_COORDINATOR, version, &body);
            assert_code(answer->coordinators[0].error_code, KCI_NONE);
            assert_int_equal(
                answer->coordinators[0].node_id,
                world_look(&s, "__transaction_state", mb_txns_home_of(s.cluster->transactions, keys[0])).leader);
            body.key_type = 2;
            answer = client_call(conn, KCI_API_FIND_COORDINATOR, version, &body);
            assert_code(answer->coordinators[0].error_code, KCI_INVALID_REQUEST);
        }
    }
    world_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_listed_where_they_live),
        cmocka_unit_test(a_description_follows_the_state),
        cmocka_unit_test(an_empty_group_can_be_deleted),
        cmocka_unit_test(offsets_can_be_deleted_unless_subscribed),
        cmocka_unit_test(every_broker_knows_the_coordinator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
