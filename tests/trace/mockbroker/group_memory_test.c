/* Out of memory at every place: each request of the group protocol is handled with the first, second, third ...
 * allocation failing.  Its client gets an answer, or a closed connection, or waits where waiting is right; and the
 * group goes on. */
#include "support/group_story.h"

#define ALLOCATIONS_MAX 400 /* of one request: more would mean that the loop does not end */

struct scene {
    struct world s;
    struct group_client a, b; /* settled members of "g" */
    struct group_client c;    /* a newcomer */
    bool may_wait;            /* the request may stay parked */
};

static void settled(struct scene *scene)
{
    world_open(&scene->s, 1, NULL);
    group_topic(&scene->s, "t", 2);
    scene->a = group_client_of(&scene->s, 1, "g", "a");
    scene->b = group_client_of(&scene->s, 1, "g", "b");
    scene->c = group_client_of(&scene->s, 1, "g", "c");
    scene->b.instance_id = kci_str_of("b");
    group_settle_two(&scene->a, &scene->b);
    assert_code(group_commit(&scene->a, "t", 0, 1), KCI_NONE);
}

/* Whatever happened: a member that nobody has seen before can join, work and leave. */
static void the_group_goes_on(struct scene *scene)
{
    world_pass(&scene->s, 120000); /* all sessions and rebalances are over */
    struct group_client fresh = group_client_of(&scene->s, 1, "g", "fresh");
    const struct kci_join_group_response *joined = group_join(&fresh);
    if (!joined) {
        world_pass(&scene->s, 3000);
        joined = group_joined(&fresh);
    }
    assert_non_null(joined);
    assert_code(joined->error_code, KCI_NONE);
    assert_int_equal(joined->members_count, 1);
    struct group_part part = { fresh.member_id, "F" };
    assert_assigned(group_sync(&fresh, &part, 1), "F");
    assert_code(group_commit(&fresh, "t", 1, 9), KCI_NONE);
    assert_int_equal(group_committed(&fresh, "t", 1), 9);
    assert_code(group_leave(&fresh), KCI_NONE);
}

/* One request with allocation n failing; true: it did fail. */
static bool without(struct scene *scene, size_t n, struct client *conn, int16_t key, int16_t version, const void *body)
{
    client_queue(conn, key, version, body);
    scene->s.memory.count = 0;
    scene->s.memory.fail_at = n;
    client_push(conn, 0);
    scene->s.memory.fail_at = 0;
    bool failed = scene->s.memory.count >= n;
    client_push(conn, 0); /* what there was no room for is read now */
    bool answered = client_answer(conn, key, version) != NULL;
    if (!answered && !conn->closed && !scene->may_wait)
        fail_msg("%s: no answer with allocation %zu failing", kci_api_find(key)->name, n);
    return failed;
}

/* Runs `body` over scenes made anew until no allocation fails any more. */
static void everywhere(bool (*run)(struct scene *scene, size_t n))
{
    static struct scene scene;
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        assert_true(n < ALLOCATIONS_MAX);
        memset(&scene, 0, sizeof scene);
        settled(&scene);
        failed = run(&scene, n);
        the_group_goes_on(&scene);
        world_close(&scene.s);
    }
}

static struct kci_join_group_request join_of(const struct group_client *c,
                                             struct kci_join_group_request__join_group_request_protocol *protocol)
{
    *protocol = (struct kci_join_group_request__join_group_request_protocol){
        .name = kci_str_of("range"), .metadata = { (const uint8_t *)c->metadata, strlen(c->metadata) }
    };
    return (struct kci_join_group_request){ .group_id = c->group,
                                            .session_timeout_ms = 10000,
                                            .rebalance_timeout_ms = 60000,
                                            .member_id = c->member_id,
                                            .group_instance_id = c->instance_id,
                                            .protocol_type = kci_str_of("consumer"),
                                            .protocols = protocol,
                                            .protocols_count = 1 };
}

static bool first_join(struct scene *scene, size_t n)
{
    struct kci_join_group_request__join_group_request_protocol protocol;
    struct kci_join_group_request body = join_of(&scene->c, &protocol);
    return without(scene, n, scene->c.conn, KCI_API_JOIN_GROUP, 9, &body);
}

static bool second_join(struct scene *scene, size_t n)
{
    struct kci_join_group_request__join_group_request_protocol protocol;
    group_send_join(&scene->c);
    assert_code(group_joined(&scene->c)->error_code, KCI_MEMBER_ID_REQUIRED);
    struct kci_join_group_request body = join_of(&scene->c, &protocol);
    scene->may_wait = true;
    return without(scene, n, scene->c.conn, KCI_API_JOIN_GROUP, 9, &body);
}

static bool leader_joins_and_completes(struct scene *scene, size_t n)
{
    struct kci_join_group_request__join_group_request_protocol protocol;
    scene->b.metadata = "changed";
    assert_null(group_join(&scene->b));
    struct kci_join_group_request body = join_of(&scene->a, &protocol);
    scene->may_wait = true;
    return without(scene, n, scene->a.conn, KCI_API_JOIN_GROUP, 9, &body);
}

static bool static_member_returns(struct scene *scene, size_t n)
{
    struct kci_join_group_request__join_group_request_protocol protocol;
    struct group_client again = group_client_of(&scene->s, 1, "g", "b");
    again.instance_id = scene->b.instance_id;
    struct kci_join_group_request body = join_of(&again, &protocol);
    scene->may_wait = true;
    return without(scene, n, again.conn, KCI_API_JOIN_GROUP, 9, &body);
}

static bool leader_syncs(struct scene *scene, size_t n)
{
    assert_null(group_join(&scene->a)); /* a leader that joins begins a rebalance */
    assert_non_null(group_join(&scene->b));
    assert_non_null(group_joined(&scene->a));
    struct kci_sync_group_request__sync_group_request_assignment parts[] = {
        { .member_id = scene->a.member_id, .assignment = { (const uint8_t *)"A", 1 } },
        { .member_id = scene->b.member_id, .assignment = { (const uint8_t *)"B", 1 } },
    };
    struct kci_sync_group_request body = { .group_id = scene->a.group,
                                           .generation_id = scene->a.generation,
                                           .member_id = scene->a.member_id,
                                           .protocol_type = kci_str_of("consumer"),
                                           .protocol_name = kci_str_of("range"),
                                           .assignments = parts,
                                           .assignments_count = 2 };
    return without(scene, n, scene->a.conn, KCI_API_SYNC_GROUP, 5, &body);
}

static bool commits(struct scene *scene, size_t n)
{
    struct kci_offset_commit_request__offset_commit_request_partition p[] = {
        { .partition_index = 0, .committed_offset = 3, .commit_timestamp = -1 },
        { .partition_index = 1, .committed_offset = 4, .commit_timestamp = -1 },
    };
    struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = p,
                                                                        .partitions_count = 2 };
    struct kci_offset_commit_request body = { .group_id = kci_str_of("fresh-group"),
                                              .generation_id_or_member_epoch = -1,
                                              .retention_time_ms = -1,
                                              .topics = &t,
                                              .topics_count = 1 };
    return without(scene, n, scene->c.conn, KCI_API_OFFSET_COMMIT, 9, &body);
}

static bool fetches(struct scene *scene, size_t n)
{
    struct kci_offset_fetch_request__offset_fetch_request_group g = { .group_id = scene->a.group,
                                                                      .member_epoch = -1,
                                                                      .topics_count = -1 };
    struct kci_offset_fetch_request body = { .groups = &g, .groups_count = 1 };
    return without(scene, n, scene->c.conn, KCI_API_OFFSET_FETCH, 9, &body);
}

static bool fetches_as_of_old(struct scene *scene, size_t n)
{
    int32_t index = 0;
    struct kci_offset_fetch_request__offset_fetch_request_topic t = { .name = kci_str_of("t"),
                                                                      .partition_indexes = &index,
                                                                      .partition_indexes_count = 1 };
    struct kci_offset_fetch_request body = { .group_id = scene->a.group, .topics = &t, .topics_count = 1 };
    return without(scene, n, scene->c.conn, KCI_API_OFFSET_FETCH, 1, &body);
}

static bool looks(struct scene *scene, size_t n)
{
    struct kci_describe_groups_request describe = { .groups = &scene->a.group, .groups_count = 1 };
    struct kci_list_groups_request list = { .tags = { 0 } };
    struct client *conn = group_connect(&scene->s, 1, "looks");
    bool failed = without(scene, n, conn, KCI_API_DESCRIBE_GROUPS, 6, &describe);
    return without(scene, n, scene->c.conn, KCI_API_LIST_GROUPS, 5, &list) || failed;
}

static bool leaves(struct scene *scene, size_t n)
{
    struct kci_leave_group_request__member_identity who = { .member_id = scene->a.member_id };
    struct kci_leave_group_request body = { .group_id = scene->a.group, .members = &who, .members_count = 1 };
    return without(scene, n, scene->c.conn, KCI_API_LEAVE_GROUP, 5, &body);
}

static bool deletes(struct scene *scene, size_t n)
{
    struct group_client simple = group_client_of(&scene->s, 1, "simple", "x");
    assert_code(group_commit(&simple, "t", 0, 1), KCI_NONE);
    assert_code(group_commit(&simple, "t", 1, 1), KCI_NONE);
    struct kci_offset_delete_request__offset_delete_request_partition p = { .partition_index = 0 };
    struct kci_offset_delete_request__offset_delete_request_topic t = { .name = kci_str_of("t"),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_delete_request offsets = { .group_id = simple.group, .topics = &t, .topics_count = 1 };
    struct kci_delete_groups_request group = { .groups_names = &simple.group, .groups_names_count = 1 };
    bool failed = without(scene, n, simple.conn, KCI_API_OFFSET_DELETE, 0, &offsets);
    world_pass(&scene->s, 1000);
    failed |= without(scene, n, scene->c.conn, KCI_API_DELETE_GROUPS, 2, &group);
    world_pass(&scene->s, 1000); /* reading the log again, if need be */
    struct client *conn = group_connect(&scene->s, 1, "again");
    const struct kci_delete_groups_response *answer = client_call(conn, KCI_API_DELETE_GROUPS, 2, &group);
    assert_true(answer->results[0].error_code == KCI_NONE || answer->results[0].error_code == KCI_GROUP_ID_NOT_FOUND);
    return failed;
}

/* A timer that cannot be set goes off too early rather than never, and not in the middle of its owner's work. */
static bool everything_fails_for_a_while(struct scene *scene, size_t n)
{
    struct group_client d = group_client_of(&scene->s, 1, "g", "d");
    struct kci_join_group_request__join_group_request_protocol protocol;
    struct kci_join_group_request body = join_of(&d, &protocol);
    body.member_id = kci_str_of("");
    scene->s.memory.fail_on = true;
    scene->may_wait = true;
    bool failed = without(scene, n, d.conn, KCI_API_JOIN_GROUP, 3, &body);
    scene->s.memory.fail_on = false;
    return failed;
}

#define EVERYWHERE(name)                                                                                               \
    static void name##_without_memory(void **unused)                                                                   \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        everywhere(name);                                                                                              \
    }
EVERYWHERE(first_join)
EVERYWHERE(second_join)
EVERYWHERE(leader_joins_and_completes)
EVERYWHERE(static_member_returns)
EVERYWHERE(leader_syncs)
EVERYWHERE(commits)
EVERYWHERE(fetches)
EVERYWHERE(fetches_as_of_old)
EVERYWHERE(looks)
EVERYWHERE(leaves)
EVERYWHERE(deletes)
EVERYWHERE(everything_fails_for_a_while)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_join_without_memory),
        cmocka_unit_test(second_join_without_memory),
        cmocka_unit_test(leader_joins_and_completes_without_memory),
        cmocka_unit_test(static_member_returns_without_memory),
        cmocka_unit_test(leader_syncs_without_memory),
        cmocka_unit_test(commits_without_memory),
        cmocka_unit_test(fetches_without_memory),
        cmocka_unit_test(fetches_as_of_old_without_memory),
        cmocka_unit_test(looks_without_memory),
        cmocka_unit_test(leaves_without_memory),
        cmocka_unit_test(deletes_without_memory),
        cmocka_unit_test(everything_fails_for_a_while_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
