/* Words for stories about groups: join, sync, beat, leave, commit. The newest version is spoken unless a test says
 * otherwise. */
#ifndef TEST_SUPPORT_GROUP_STORY_H
#define TEST_SUPPORT_GROUP_STORY_H

#include "support/mock_world.h"

#define assert_code(actual, code) assert_string_equal(kci_error_name(actual), kci_error_name(code))
#define assert_str(actual, text)                                                                                       \
    do {                                                                                                               \
        struct kci_str actual_ = (actual);                                                                             \
        if (!kci_str_equal(actual_, kci_str_of(text)))                                                                 \
            fail_msg("%.*s is not %s", (int)actual_.size, actual_.data ? actual_.data : "null", text);                 \
    } while (0)

struct group_client {
    struct world *s;
    struct client *conn;
    struct kci_str group, member_id, instance_id; /* instance_id.data NULL: dynamic */
    int32_t generation;
    int32_t session_ms, rebalance_ms;
    const char *protocols[4]; /* NULL-terminated; the metadata is "<protocol>:<metadata>" */
    const char *metadata;     /* raw metadata instead, when set together with raw_size */
    size_t raw_size;
    const char *protocol_type;
    int16_t join_version;
};

static inline void world_pass(struct world *s, int64_t ms)
{
    world_at(s, s->now + ms * MS);
}

static inline struct client *group_connect(struct world *s, int32_t broker, const char *client_id)
{
    struct client *client = world_client(s, broker);
    client->id = client_id;
    return client;
}

/* The client goes away without a word. */
static inline void client_hang_up(struct client *client)
{
    const struct kci_engine *engine = &client->world->engine;
    client->closed = true;
    engine->ops->on_close(engine->self, client->conn, client->user, "the test hung up", client->world->now);
    world_step(client->world);
}

static inline struct group_client group_client_of(struct world *s, int32_t broker, const char *group,
                                                  const char *client_id)
{
    return (struct group_client){
        .s = s,
        .conn = group_connect(s, broker, client_id),
        .group = kci_str_of(group),
        .member_id = kci_str_of(""),
        .generation = -1,
        .session_ms = 10000,
        .rebalance_ms = 60000,
        .protocols = { "range" },
        .metadata = "m",
        .protocol_type = "consumer",
        .join_version = 9,
    };
}

/* The broker that coordinates the group, by asking broker 1. */
static inline int32_t group_coordinator(struct world *s, const char *group)
{
    struct client *conn = group_connect(s, 1, "finder");
    struct kci_str key = kci_str_of(group);
    struct kci_find_coordinator_request body = { .coordinator_keys = &key, .coordinator_keys_count = 1 };
    const struct kci_find_coordinator_response *answer = client_call(conn, KCI_API_FIND_COORDINATOR, 6, &body);
    assert_code(answer->coordinators[0].error_code, KCI_NONE);
    return answer->coordinators[0].node_id;
}

static inline void group_send_join(struct group_client *c)
{
    struct kci_join_group_request body = {
        .group_id = c->group,
        .session_timeout_ms = c->session_ms,
        .rebalance_timeout_ms = c->rebalance_ms,
        .member_id = c->member_id,
        .group_instance_id = c->instance_id,
        .protocol_type = kci_str_of(c->protocol_type),
    };
    struct kci_join_group_request__join_group_request_protocol protocols[4] = { { .tags = { 0 } } };
    for (; c->protocols[body.protocols_count] && body.protocols_count < 4; body.protocols_count++) {
        struct kci_bytes metadata = { (const uint8_t *)c->metadata, c->raw_size ? c->raw_size : strlen(c->metadata) };
        protocols[body.protocols_count].name = kci_str_of(c->protocols[body.protocols_count]);
        protocols[body.protocols_count].metadata = metadata;
    }
    body.protocols = protocols;
    client_send(c->conn, KCI_API_JOIN_GROUP, c->join_version, &body);
}

/* The answer, if it has come; on success the client takes over id and generation. */
static inline const struct kci_join_group_response *group_joined(struct group_client *c)
{
    const struct kci_join_group_response *answer = client_answer(c->conn, KCI_API_JOIN_GROUP, c->join_version);
    if (answer && (answer->error_code == KCI_NONE || answer->error_code == KCI_MEMBER_ID_REQUIRED))
        c->member_id = answer->member_id;
    if (answer && answer->error_code == KCI_NONE)
        c->generation = answer->generation_id;
    return answer;
}

/* Join, with the second request that KIP-394 asks for; NULL: parked. */
static inline const struct kci_join_group_response *group_join(struct group_client *c)
{
    group_send_join(c);
    const struct kci_join_group_response *answer = group_joined(c);
    if (!answer || answer->error_code != KCI_MEMBER_ID_REQUIRED)
        return answer;
    group_send_join(c);
    return group_joined(c);
}

static inline int16_t group_join_error(struct group_client *c)
{
    const struct kci_join_group_response *answer = group_join(c);
    assert_non_null(answer);
    return answer->error_code;
}

struct group_part { /* of the leader's assignment */
    struct kci_str member_id;
    const char *assignment;
};

static inline void group_send_sync(struct group_client *c, const struct group_part *parts, int32_t count)
{
    struct kci_sync_group_request__sync_group_request_assignment list[64] = { { .tags = { 0 } } };
    for (int32_t i = 0; i < count; i++) {
        list[i].member_id = parts[i].member_id;
        list[i].assignment = (struct kci_bytes){ (const uint8_t *)parts[i].assignment, strlen(parts[i].assignment) };
    }
    struct kci_sync_group_request body = {
        .group_id = c->group,
        .generation_id = c->generation,
        .member_id = c->member_id,
        .group_instance_id = c->instance_id,
        .protocol_type = kci_str_of(c->protocol_type),
        .protocol_name = kci_str_of(c->protocols[0]),
        .assignments = list,
        .assignments_count = count,
    };
    client_send(c->conn, KCI_API_SYNC_GROUP, 5, &body);
}

static inline const struct kci_sync_group_response *group_synced(struct group_client *c)
{
    return client_answer(c->conn, KCI_API_SYNC_GROUP, 5);
}

static inline const struct kci_sync_group_response *group_sync(struct group_client *c, const struct group_part *parts,
                                                               int32_t count)
{
    group_send_sync(c, parts, count);
    return group_synced(c);
}

static inline void assert_assigned(const struct kci_sync_group_response *answer, const char *assignment)
{
    assert_non_null(answer);
    assert_code(answer->error_code, KCI_NONE);
    assert_int_equal(answer->assignment.size, strlen(assignment));
    assert_memory_equal(answer->assignment.data, assignment, strlen(assignment));
}

static inline void group_send_beat(struct group_client *c)
{
    struct kci_heartbeat_request body = { .group_id = c->group,
                                          .generation_id = c->generation,
                                          .member_id = c->member_id,
                                          .group_instance_id = c->instance_id };
    client_send(c->conn, KCI_API_HEARTBEAT, 4, &body);
}

/* NULL: it has not come. */
static inline const struct kci_heartbeat_response *group_beaten(struct group_client *c)
{
    return client_answer(c->conn, KCI_API_HEARTBEAT, 4);
}

static inline int16_t group_beat(struct group_client *c)
{
    group_send_beat(c);
    const struct kci_heartbeat_response *answer = group_beaten(c);
    assert_non_null(answer);
    return answer->error_code;
}

/* Everybody beats while time passes, so that no session ends. */
static inline void group_pass_beating(struct group_client **clients, int count, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += 1000) {
        world_pass(clients[0]->s, ms - passed < 1000 ? ms - passed : 1000);
        for (int i = 0; i < count; i++)
            group_beat(clients[i]);
    }
}

static inline int16_t group_leave(struct group_client *c)
{
    struct kci_leave_group_request__member_identity who = { .member_id = c->member_id,
                                                            .group_instance_id = c->instance_id };
    struct kci_leave_group_request body = { .group_id = c->group, .members = &who, .members_count = 1 };
    const struct kci_leave_group_response *answer = client_call(c->conn, KCI_API_LEAVE_GROUP, 5, &body);
    if (answer->error_code)
        return answer->error_code;
    assert_int_equal(answer->members_count, 1);
    return answer->members[0].error_code;
}

/* Commit by topic name (v9). */
static inline void group_send_commit(struct group_client *c, const char *topic, int32_t partition, int64_t offset,
                                     const char *metadata, int16_t version)
{
    struct kci_offset_commit_request__offset_commit_request_partition p = {
        .partition_index = partition,
        .committed_offset = offset,
        .commit_timestamp = -1,
        .committed_leader_epoch = version >= 6 ? 5 : -1,
        .committed_metadata = kci_str_of(metadata),
    };
    struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of(topic),
                                                                        .partitions = &p,
                                                                        .partitions_count = 1 };
    struct kci_offset_commit_request body = { .group_id = c->group,
                                              .generation_id_or_member_epoch = c->generation,
                                              .member_id = c->member_id,
                                              .retention_time_ms = -1,
                                              .topics = &t,
                                              .topics_count = 1 };
    if (version >= 7)
        body.group_instance_id = c->instance_id;
    client_send(c->conn, KCI_API_OFFSET_COMMIT, version, &body);
}

static inline int16_t group_commit_with(struct group_client *c, const char *topic, int32_t partition, int64_t offset,
                                        const char *metadata, int16_t version)
{
    group_send_commit(c, topic, partition, offset, metadata, version);
    const struct kci_offset_commit_response *answer = client_answer(c->conn, KCI_API_OFFSET_COMMIT, version);
    assert_non_null(answer);
    return answer->topics[0].partitions[0].error_code;
}

static inline int16_t group_commit(struct group_client *c, const char *topic, int32_t partition, int64_t offset)
{
    return group_commit_with(c, topic, partition, offset, "note", 9);
}

static inline void group_send_fetch_all(struct group_client *c)
{
    struct kci_offset_fetch_request__offset_fetch_request_group g = { .group_id = c->group,
                                                                      .member_epoch = -1,
                                                                      .topics_count = -1 };
    struct kci_offset_fetch_request body = { .groups = &g, .groups_count = 1, .require_stable = true };
    client_send(c->conn, KCI_API_OFFSET_FETCH, 9, &body);
}

/* NULL: it has not come. */
static inline const struct kci_offset_fetch_response__offset_fetch_response_group *
group_fetched_all(struct group_client *c)
{
    const struct kci_offset_fetch_response *answer = client_answer(c->conn, KCI_API_OFFSET_FETCH, 9);
    if (!answer)
        return NULL;
    assert_int_equal(answer->groups_count, 1);
    return &answer->groups[0];
}

static inline const struct kci_offset_fetch_response__offset_fetch_response_group *
group_fetch_all(struct group_client *c)
{
    group_send_fetch_all(c);
    const struct kci_offset_fetch_response__offset_fetch_response_group *answer = group_fetched_all(c);
    assert_non_null(answer);
    return answer;
}

/* The committed offset, or -1; commits that are under way are not waited for. */
static inline int64_t group_committed(struct group_client *c, const char *topic, int32_t partition)
{
    struct kci_offset_fetch_request__offset_fetch_request_topics t = { .name = kci_str_of(topic),
                                                                       .partition_indexes = &partition,
                                                                       .partition_indexes_count = 1 };
    struct kci_offset_fetch_request__offset_fetch_request_group g = {
        .group_id = c->group, .member_epoch = -1, .topics = &t, .topics_count = 1
    };
    struct kci_offset_fetch_request body = { .groups = &g, .groups_count = 1 };
    const struct kci_offset_fetch_response *answer = client_call(c->conn, KCI_API_OFFSET_FETCH, 9, &body);
    assert_code(answer->groups[0].error_code, KCI_NONE);
    assert_code(answer->groups[0].topics[0].partitions[0].error_code, KCI_NONE);
    return answer->groups[0].topics[0].partitions[0].committed_offset;
}

static inline const struct kci_describe_groups_response__described_group *group_describe(struct group_client *c)
{
    struct kci_describe_groups_request body = { .groups = &c->group, .groups_count = 1 };
    const struct kci_describe_groups_response *answer = client_call(c->conn, KCI_API_DESCRIBE_GROUPS, 6, &body);
    return &answer->groups[0];
}

static inline void group_topic(struct world *s, const char *name, int32_t partitions)
{
    world_topic(s, name, partitions, 1, NULL);
}

/* `a` leads, `b` follows, both have their assignments "A" and "B". */
static inline void group_settle_two(struct group_client *a, struct group_client *b)
{
    assert_null(group_join(a));
    assert_null(group_join(b));
    world_pass(a->s, 6000); /* the initial delay, extended once */
    const struct kci_join_group_response *lead = group_joined(a);
    assert_non_null(lead);
    assert_int_equal(lead->members_count, 2);
    assert_non_null(group_joined(b));
    struct group_part parts[] = { { a->member_id, "A" }, { b->member_id, "B" } };
    assert_null(group_sync(b, NULL, 0));
    assert_assigned(group_sync(a, parts, 2), "A");
    assert_assigned(group_synced(b), "B");
}

/* One member with assignment "A". */
static inline void group_settle_one(struct group_client *a)
{
    assert_null(group_join(a));
    world_pass(a->s, 6000);
    assert_non_null(group_joined(a));
    struct group_part part = { a->member_id, "A" };
    assert_assigned(group_sync(a, &part, 1), "A");
}

#endif
