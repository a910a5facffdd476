/* OffsetCommit: partitions that do not exist are answered for themselves, the rest goes to the group (PROTOCOL.md 4.6),
 * into the log, and only then into the store and back to the client.  So whoever reads an offset reads a committed one.
 *
 * The request is kept until the log has answered; its own body is the list of what to apply. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/java_string.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/tpset.h"

typedef struct kci_offset_commit_request__offset_commit_request_partition asked_partition;

struct commit {
    struct mb_group_write write; /* first */
    struct mb_request *request;  /* parked; its arena holds the response */
    struct kci_offset_commit_response response;
    int64_t commit_ms, expire_ms; /* of every offset in it */
};

static struct mb_offset offset_of(const struct commit *commit, const asked_partition *asked)
{
    return (struct mb_offset){
        .offset = asked->committed_offset,
        .leader_epoch = commit->request->header.version >= 6 ? asked->committed_leader_epoch : -1,
        .commit_ms = commit->commit_ms,
        .expire_ms = commit->expire_ms,
        .metadata = asked->committed_metadata.data ? asked->committed_metadata : (struct kci_str){ "", 0 },
    };
}

static struct kci_str topic_name(const struct mb_request *request, int32_t topic)
{
    const struct kci_offset_commit_request *body = request->body;
    if (request->header.version >= 10)
        return mb_cluster_topic_name(request->cluster, &body->topics[topic].topic_id);
    return body->topics[topic].name;
}

/* Walks the partitions that are (still) without an error. */
struct walk {
    int32_t topic, partition;
    struct kci_str name;
    const asked_partition *asked;
    struct kci_offset_commit_response__offset_commit_response_partition *answer;
};

static bool walk_next(const struct commit *commit, struct walk *walk)
{
    const struct kci_offset_commit_request *body = commit->request->body;
    for (; walk->topic < body->topics_count; walk->topic++, walk->partition = 0) {
        while (walk->partition < body->topics[walk->topic].partitions_count) {
            int32_t i = walk->partition++;
            walk->answer = &commit->response.topics[walk->topic].partitions[i];
            walk->asked = &body->topics[walk->topic].partitions[i];
            if (walk->answer->error_code)
                continue;
            walk->name = topic_name(commit->request, walk->topic);
            if (walk->name.data) /* by id: it may have been deleted meanwhile */
                return true;
            walk->answer->error_code = KCI_UNKNOWN_TOPIC_ID;
        }
    }
    return false;
}

static void fail_all(const struct commit *commit, int16_t error)
{
    for (struct walk walk = { 0 }; walk_next(commit, &walk);)
        walk.answer->error_code = error;
}

/* The response with a place for each partition; what does not exist has its error already. False: no memory. */
static bool prepare(struct commit *commit)
{
    struct mb_request *request = commit->request;
    const struct kci_offset_commit_request *body = request->body;
    struct kci_offset_commit_response *response = &commit->response;
    response->topics_count = body->topics_count;
    response->topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response->topics);
    if (!response->topics)
        return false;
    for (int32_t t = 0; t < body->topics_count; t++) {
        struct kci_str name = topic_name(request, t);
        int32_t exist = name.data ? mb_cluster_topic_partitions(request->cluster, name) : -1;
        size_t count = (size_t)body->topics[t].partitions_count;
        response->topics[t].name = body->topics[t].name;
        response->topics[t].topic_id = body->topics[t].topic_id;
        response->topics[t].partitions =
            kci_arena_array(&request->arena, count, sizeof *response->topics[t].partitions);
        if (!response->topics[t].partitions)
            return false;
        response->topics[t].partitions_count = (int32_t)count;
        for (size_t p = 0; p < count; p++) {
            int32_t index = body->topics[t].partitions[p].partition_index;
            response->topics[t].partitions[p].partition_index = index;
            if (index < 0 || index >= exist)
                response->topics[t].partitions[p].error_code =
                    name.data ? KCI_UNKNOWN_TOPIC_OR_PARTITION : KCI_UNKNOWN_TOPIC_ID;
        }
    }
    return true;
}

/* Everything that it commits, of what exists (KIP-1251). */
static bool held_since(const struct commit *commit, const struct mb_modern_member *member, int32_t epoch)
{
    for (struct walk walk = { 0 }; walk_next(commit, &walk);) {
        struct mb_tp tp = { .topic = mb_cluster_topic_id(commit->request->cluster, walk.name),
                            .partition = walk.asked->partition_index };
        if (!mb_modern_held_since(member, &tp, epoch))
            return false;
    }
    return true;
}

static int16_t check_modern(const struct commit *commit, const struct mb_group *group)
{
    const struct mb_request *request = commit->request;
    const struct kci_offset_commit_request *body = request->body;
    const struct mb_modern_member *member;
    int32_t epoch = body->generation_id_or_member_epoch;
    if (epoch < 0 && mb_group_is_empty(group))
        return KCI_NONE;
    int16_t error = mb_modern_check_epoch(group, body->member_id, epoch, &member);
    if (member && !member->classic && request->header.version < 9) /* it would not understand STALE_MEMBER_EPOCH */
        return KCI_UNSUPPORTED_VERSION;
    bool another_epoch = error == KCI_STALE_MEMBER_EPOCH || error == KCI_ILLEGAL_GENERATION;
    if (another_epoch && epoch >= 0 && epoch < member->epoch && held_since(commit, member, epoch))
        error = KCI_NONE;
    return error;
}

/* May this client commit for the group now? Refreshes the session of its member. */
static int16_t check(const struct commit *commit, struct mb_group *group, int64_t now)
{
    const struct mb_request *request = commit->request;
    const struct kci_offset_commit_request *body = request->body;
    int32_t generation = body->generation_id_or_member_epoch;
    struct mb_group_member *member = NULL;
    if (!group) { /* who does not use group management may begin one */
        if (generation < 0)
            return KCI_NONE;
        return request->header.version >= 9 ? KCI_GROUP_ID_NOT_FOUND : KCI_ILLEGAL_GENERATION;
    }
    if (request->cluster->options.plant == MB_PLANT_NO_FENCING) /* planted defect */
        return KCI_NONE;
    if (group->modern)
        return check_modern(commit, group);
    if (generation < 0 && group->state == MB_GROUP_EMPTY)
        return KCI_NONE;
    if (generation < 0 && body->member_id.size == 0 && !body->group_instance_id.data)
        return KCI_UNKNOWN_MEMBER_ID; /* an outsider, and the group has members */
    int16_t error = mb_group_member_check(group, body->member_id, body->group_instance_id, &member);
    if (error)
        return error;
    if (generation != group->generation)
        return KCI_ILLEGAL_GENERATION;
    if (group->state == MB_GROUP_COMPLETING) /* the assignment it commits for is no longer its own */
        return KCI_REBALANCE_IN_PROGRESS;
    mb_group_member_alive(member, now);
    return KCI_NONE;
}

/* Gather what may be committed; too large metadata is an error of its partition. Returns how many. */
static size_t gather(struct commit *commit, struct kci_str group_id, const struct mb_group *group,
                     struct mb_group_records *records)
{
    size_t most = (size_t)mb_cluster_property(commit->request->cluster, "offset.metadata.max.bytes");
    size_t count = 0, had = group ? group->offset_count : 0;
    for (struct walk walk = { 0 }; walk_next(commit, &walk);) {
        struct mb_offset offset = offset_of(commit, walk.asked);
        if (mb_java_string_length(offset.metadata) > most) {
            walk.answer->error_code = KCI_OFFSET_METADATA_TOO_LARGE;
        } else if (had + count >= MB_GROUP_OFFSETS_MAX) {
            walk.answer->error_code = KCI_INVALID_COMMIT_OFFSET_SIZE;
        } else {
            mb_group_records_offset(records, group_id, walk.name, walk.asked->partition_index, &offset);
            count++;
        }
    }
    return count;
}

static void answer(struct commit *commit, int64_t now)
{
    const struct kci_alloc *alloc = commit->write.alloc;
    struct kci_offset_commit_response *response = &commit->response;
    int32_t kept = 0;
    for (int32_t t = 0; t < response->topics_count; t++) /* of a topic of which nothing was sent, nothing is said */
        if (response->topics[t].partitions_count || !topic_name(commit->request, t).data)
            response->topics[kept++] = response->topics[t];
    response->topics_count = kept;
    mb_request_answer(commit->request, response, now);
    kci_alloc_free(alloc, commit);
}

static void committed(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct commit *commit = (struct commit *)write;
    const struct kci_offset_commit_request *body = commit->request->body;
    if (error) {
        fail_all(commit, mb_group_answer_commit_error(error));
        answer(commit, now);
        return;
    }
    struct mb_group *group = mb_groups_obtain(write->groups, body->group_id, now);
    bool applied = group != NULL;
    for (struct walk walk = { 0 }; applied && walk_next(commit, &walk);) {
        struct mb_offset offset = offset_of(commit, walk.asked);
        applied = mb_offsets_set(group, walk.name, walk.asked->partition_index, &offset);
    }
    if (!applied)
        mb_groups_reload(write->groups, write->partition, now);
    answer(commit, now);
}

void mb_handle_offset_commit(struct mb_request *request, int64_t now)
{
    const struct kci_offset_commit_request *body = request->body;
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct commit *commit = kci_alloc_zero(groups->alloc, 1, sizeof *commit);
    if (commit) {
        commit->request = request;
        commit->write.alloc = groups->alloc;
        commit->commit_ms = mb_cluster_wall_ms(request->cluster, now);
        bool own_expiry = request->header.version <= 4 && body->retention_time_ms >= 0;
        commit->expire_ms = own_expiry ? commit->commit_ms + body->retention_time_ms : -1;
    }
    if (!commit || !prepare(commit)) {
        kci_alloc_free(groups->alloc, commit);
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    struct walk walk = { 0 };
    if (!walk_next(commit, &walk)) { /* nothing to ask the group for */
        answer(commit, now);
        return;
    }
    struct mb_group *group = NULL;
    int16_t error = mb_groups_route(request, body->group_id, now);
    if (!error) {
        group = mb_groups_find(groups, body->group_id);
        error = check(commit, group, now);
    }
    struct mb_group_records records = mb_group_records_of(groups->alloc);
    if (error)
        fail_all(commit, error);
    if (error || gather(commit, body->group_id, group, &records) == 0) {
        answer(commit, now);
        return;
    }
    int32_t partition = mb_groups_partition_of(groups, body->group_id);
    mb_group_write_begin(&commit->write, groups, partition, committed);
    mb_group_records_append(&records, request->cluster, partition, mb_group_write_finish, &commit->write, now);
}
