/* TxnOffsetCommit: offsets that count when the producer's transaction commits.  They go into the log of
 * __consumer_offsets as part of the transaction, and wait for its marker (group_txn.c).
 *
 *      partitions that do not exist -> an error of their own
 *      the transaction: up to v4 it must have been told (AddOffsetsToTxn), from v5 on it is told now
 *      the group: member, generation   (PROTOCOL 4.6; nothing of that before v3)
 *      __consumer_offsets, one transactional batch -> waiting -> answer */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_txn.h"
#include "mockbroker/core/java_string.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/txn_add.h"

#define ADDS_SINCE      5
#define ABORTABLE_SINCE 4 /* versions that know TRANSACTION_ABORTABLE */
#define BY_ID_SINCE     6

typedef struct kci_txn_offset_commit_request__txn_offset_commit_request_partition asked_partition;

struct commit {
    struct mb_group_write write; /* first */
    struct mb_request *request;  /* parked; its arena holds the response */
    struct kci_txn_offset_commit_response response;
    int64_t commit_ms;
};

static struct kci_str topic_name(const struct mb_request *request, int32_t topic)
{
    const struct kci_txn_offset_commit_request *body = request->body;
    if (request->header.version >= BY_ID_SINCE)
        return mb_cluster_topic_name(request->cluster, &body->topics[topic].topic_id);
    return body->topics[topic].name;
}

static struct mb_offset offset_of(const struct commit *commit, const asked_partition *asked)
{
    return (struct mb_offset){
        .offset = asked->committed_offset,
        .leader_epoch = commit->request->header.version >= 2 ? asked->committed_leader_epoch : -1,
        .commit_ms = commit->commit_ms,
        .expire_ms = -1,
        .metadata = asked->committed_metadata.data ? asked->committed_metadata : (struct kci_str){ "", 0 },
    };
}

/* Walks the partitions that are (still) without an error. */
struct walk {
    int32_t topic, partition;
    struct kci_str name;
    const asked_partition *asked;
    struct kci_txn_offset_commit_response__txn_offset_commit_response_partition *answer;
};

static bool walk_next(const struct commit *commit, struct walk *walk)
{
    const struct kci_txn_offset_commit_request *body = commit->request->body;
    for (; walk->topic < body->topics_count; walk->topic++, walk->partition = 0)
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
    return false;
}

/* Of a topic of which nothing was sent, nothing is said. */
static void drop_empty(struct kci_txn_offset_commit_response *response)
{
    int32_t kept = 0;
    for (int32_t t = 0; t < response->topics_count; t++)
        if (response->topics[t].partitions_count)
            response->topics[kept++] = response->topics[t];
    response->topics_count = kept;
}

/* Ends it. */
static void finish(struct commit *commit, int16_t error, int64_t now)
{
    const struct kci_alloc *alloc = commit->write.alloc;
    if (error)
        for (struct walk walk = { 0 }; walk_next(commit, &walk);)
            walk.answer->error_code = error;
    drop_empty(&commit->response);
    mb_request_answer(commit->request, &commit->response, now);
    kci_alloc_free(alloc, commit);
}

/* The response with a place for each partition; what does not exist has its error already. False: no memory. */
static bool prepare(struct commit *commit)
{
    struct mb_request *request = commit->request;
    const struct kci_txn_offset_commit_request *body = request->body;
    struct kci_txn_offset_commit_response *response = &commit->response;
    response->topics_count = body->topics_count;
    response->topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response->topics);
    for (int32_t t = 0; response->topics && t < body->topics_count; t++) {
        struct kci_str name = topic_name(request, t);
        int32_t exist = name.data ? mb_cluster_topic_partitions(request->cluster, name) : -1;
        bool may = !name.data || mb_authorize_topic(request, MB_ACL_READ, name);
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
            if (!may)
                response->topics[t].partitions[p].error_code = KCI_TOPIC_AUTHORIZATION_FAILED;
            else if (index < 0 || index >= exist)
                response->topics[t].partitions[p].error_code =
                    name.data ? KCI_UNKNOWN_TOPIC_OR_PARTITION : KCI_UNKNOWN_TOPIC_ID;
        }
    }
    return response->topics != NULL;
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

static int16_t check_modern(const struct commit *commit, const struct mb_group *group, int32_t generation)
{
    const struct kci_txn_offset_commit_request *body = commit->request->body;
    const struct mb_modern_member *member;
    if (generation == -1 && !body->member_id.size && !body->group_instance_id.data)
        return KCI_NONE; /* a producer that commits for whoever reads */
    if (generation < 0 && mb_group_is_empty(group))
        return KCI_NONE;
    int16_t error = mb_modern_check_epoch(group, body->member_id, generation, &member);
    bool another_epoch = error == KCI_STALE_MEMBER_EPOCH || error == KCI_ILLEGAL_GENERATION;
    if (another_epoch && generation >= 0 && generation < member->epoch && held_since(commit, member, generation))
        return KCI_NONE;
    return another_epoch ? KCI_ILLEGAL_GENERATION : error;
}

/* May this client commit for the group now? Refreshes the session of its member. */
static int16_t check_group(const struct commit *commit, const struct mb_group *group, int64_t now)
{
    const struct mb_request *request = commit->request;
    const struct kci_txn_offset_commit_request *body = request->body;
    int32_t generation = request->header.version >= 3 ? body->generation_id_or_member_epoch : -1;
    bool as_member = generation >= 0 || body->member_id.size || body->group_instance_id.data;
    if (!group)
        return generation < 0 ? KCI_NONE : KCI_ILLEGAL_GENERATION;
    if (group->modern)
        return check_modern(commit, group, generation);
    if (!as_member || (generation < 0 && group->state == MB_GROUP_EMPTY))
        return KCI_NONE; /* a producer that commits for whoever reads */
    struct mb_group_member *member = NULL;
    int16_t error = mb_group_member_check(group, body->member_id, body->group_instance_id, &member);
    if (!error && generation != group->generation)
        error = KCI_ILLEGAL_GENERATION;
    if (!error)
        mb_group_member_alive(member, now);
    return error;
}

static void written(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct commit *commit = (struct commit *)write;
    const struct kci_txn_offset_commit_request *body = commit->request->body;
    struct mb_group *group = error ? NULL : mb_groups_obtain(write->groups, body->group_id, now);
    bool kept = group != NULL;
    for (struct walk walk = { 0 }; kept && walk_next(commit, &walk);) {
        struct mb_offset offset = offset_of(commit, walk.asked);
        kept = mb_group_txn_add(group, body->producer_id, walk.name, walk.asked->partition_index, &offset);
        if (commit->request->cluster->options.plant == MB_PLANT_OFFSETS_EARLY) /* planted defect */
            kept = mb_offsets_set(group, walk.name, walk.asked->partition_index, &offset);
    }
    if (!error && !kept)
        mb_groups_reload(write->groups, write->partition, now);
    finish(commit, mb_group_answer_commit_error(error), now);
}

/* The transaction is known to include the group's partition: write. */
static void admitted(void *owner, int16_t error, int64_t now)
{
    struct commit *commit = owner;
    struct mb_request *request = commit->request;
    const struct kci_txn_offset_commit_request *body = request->body;
    if (!error) /* it may have taken a while */
        error = mb_groups_route(request, body->group_id, now);
    if (error) {
        finish(commit, mb_group_answer_append_error(error), now);
        return;
    }
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    const struct mb_group *group = mb_groups_find(groups, body->group_id);
    error = check_group(commit, group, now);
    if (error) {
        finish(commit, error, now);
        return;
    }
    struct mb_group_records records = mb_group_records_of(groups->alloc);
    size_t most = (size_t)mb_cluster_property(request->cluster, "offset.metadata.max.bytes");
    size_t had = group ? group->offset_count : 0, count = 0;
    for (struct walk walk = { 0 }; walk_next(commit, &walk);) {
        struct mb_offset offset = offset_of(commit, walk.asked);
        if (mb_java_string_length(offset.metadata) > most)
            walk.answer->error_code = KCI_OFFSET_METADATA_TOO_LARGE;
        else if (had + count++ >= MB_GROUP_OFFSETS_MAX)
            walk.answer->error_code = KCI_INVALID_COMMIT_OFFSET_SIZE;
        else
            mb_group_records_offset(&records, body->group_id, walk.name, walk.asked->partition_index, &offset);
    }
    if (mb_group_records_empty(&records)) {
        mb_group_records_discard(&records);
        finish(commit, KCI_NONE, now);
        return;
    }
    int32_t home = mb_groups_partition_of(groups, body->group_id);
    records.producer_id = body->producer_id;
    records.producer_epoch = body->producer_epoch;
    mb_group_write_begin(&commit->write, groups, home, written);
    mb_group_records_append(&records, request->cluster, home, mb_group_write_finish, &commit->write, now);
}

static int16_t check(const struct commit *commit, int64_t now)
{
    const struct mb_request *request = commit->request;
    const struct kci_txn_offset_commit_request *body = request->body;
    if (!mb_authorize(request, MB_ACL_WRITE, MB_ACL_TRANSACTIONAL_ID, body->transactional_id))
        return KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (body->group_id.size == 0)
        return KCI_INVALID_GROUP_ID;
    return mb_groups_route(request, body->group_id, now);
}

void mb_handle_txn_offset_commit(struct mb_request *request, int64_t now)
{
    const struct kci_txn_offset_commit_request *body = request->body;
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    int16_t version = request->header.version;
    struct commit *commit = kci_alloc_zero(groups->alloc, 1, sizeof *commit);
    if (commit) {
        commit->request = request;
        commit->write.alloc = groups->alloc;
        commit->commit_ms = mb_cluster_wall_ms(request->cluster, now);
    }
    if (!commit || !prepare(commit)) {
        kci_alloc_free(groups->alloc, commit);
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    struct walk walk = { 0 };
    int16_t error = check(commit, now);
    if (error || !walk_next(commit, &walk)) {
        finish(commit, error, now);
        return;
    }
    struct mb_txn_claim claim = { body->transactional_id, body->producer_id, body->producer_epoch };
    struct mb_txn_ref home = { kci_str_of(MB_OFFSETS_TOPIC), mb_groups_partition_of(groups, body->group_id) };
    const struct mb_topic *topic = mb_topic_find(request->cluster, home.topic);
    const struct mb_partition *partition = topic ? mb_topic_partition(topic, home.partition) : NULL;
    const struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    if (leader && mb_producers_in_transaction(&leader->producers, claim.producer_id, claim.epoch))
        admitted(commit, KCI_NONE, now); /* it is known to be */
    else if (leader && mb_producers_fenced(&leader->producers, claim.producer_id, claim.epoch))
        finish(commit, KCI_INVALID_PRODUCER_EPOCH, now);
    else if (version >= ADDS_SINCE)
        mb_txn_admit(request->cluster, &claim, &home, 1, admitted, commit, now);
    else
        admitted(commit,
                 mb_txn_verify(request->cluster, &claim, &home,
                               version >= ABORTABLE_SINCE ? KCI_TRANSACTION_ABORTABLE : KCI_INVALID_TXN_STATE, now),
                 now);
}
