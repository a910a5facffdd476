/* DeleteGroups and OffsetDelete: tombstones first, then the answer.
 *
 * A group that is deleted leaves the registry at once, so that nobody joins what is going away; should its tombstones
 * not reach the log, the partition is read again and the group is back.  Offsets are removed when their tombstones are
 * in. */
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_records.h"

#define COMPARED_MAX                                                                                                   \
    1000 /* so many groups of a request are looked at for repetitions: each is compared with those before */

/* ---- DeleteGroups ---- */

struct deletion { /* of all groups of one request */
    struct mb_request *request;
    struct kci_delete_groups_response response; /* in the request's arena */
    size_t unfinished; /* groups whose tombstones are under way, and 1 while there may be more */
    const struct kci_alloc *alloc;
};

struct group_deletion {          /* of one */
    struct mb_group_write write; /* first */
    struct deletion *all;
    int32_t index; /* in the response */
};

static void finish_deletion(struct deletion *all, int64_t now)
{
    if (--all->unfinished)
        return;
    const struct kci_alloc *alloc = all->alloc;
    for (int32_t i = 0; i < all->response.results_count; i++)
        if (all->response.results[i].error_code)
            all->response.results[i].error_message = kci_str_of(kci_error_text(all->response.results[i].error_code));
    mb_request_answer(all->request, &all->response, now);
    kci_alloc_free(alloc, all);
}

static void group_deleted(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct group_deletion *op = (struct group_deletion *)write;
    struct deletion *all = op->all;
    if (error && write->groups && write->groups->partitions[write->partition].loads == write->loads)
        mb_groups_reload(write->groups, write->partition, now);
    all->response.results[op->index].error_code = mb_group_answer_append_error(error);
    kci_alloc_free(write->alloc, op);
    finish_deletion(all, now);
}

static int16_t delete_group(struct deletion *all, int32_t index, int64_t now)
{
    struct mb_request *request = all->request;
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct kci_str group_id = all->response.results[index].group_id;
    int16_t error = mb_groups_route(request, group_id, now);
    if (error)
        return error;
    struct mb_group *group = mb_groups_find(groups, group_id);
    if (!group)
        return KCI_GROUP_ID_NOT_FOUND;
    if (!mb_group_is_empty(group))
        return KCI_NON_EMPTY_GROUP;
    struct group_deletion *op = kci_alloc_zero(all->alloc, 1, sizeof *op);
    if (!op)
        return KCI_UNKNOWN_SERVER_ERROR;
    op->all = all;
    op->index = index;
    struct mb_group_records records = mb_group_records_of(all->alloc);
    const struct mb_offset_topic *topic;
    for (size_t at = 0; (topic = mb_offsets_next_topic(group, &at));) {
        int32_t partition;
        for (size_t place = 0; mb_offsets_next(topic, &place, &partition);)
            mb_group_records_no_offset(&records, group_id, topic->name, partition);
    }
    mb_modern_records_forget(&records, group);
    int32_t partition = group->partition;
    mb_groups_remove(group, now);
    all->unfinished++;
    mb_group_write_begin(&op->write, groups, partition, group_deleted);
    mb_group_records_append(&records, request->cluster, partition, mb_group_write_finish, &op->write, now);
    return all->response.results[index].error_code;
}

/* Kafka answers a group once. */
static bool is_repeated(const struct kci_delete_groups_request *body, int32_t i)
{
    for (int32_t k = 0; k < i && k < COMPARED_MAX; k++)
        if (kci_str_equal(body->groups_names[k], body->groups_names[i]))
            return true;
    return false;
}

void mb_handle_delete_groups(struct mb_request *request, int64_t now)
{
    const struct kci_delete_groups_request *body = request->body;
    const struct kci_alloc *alloc = mb_cluster_alloc(request->cluster);
    struct deletion *all = kci_alloc_zero(alloc, 1, sizeof *all);
    if (all)
        all->response.results =
            kci_arena_array(&request->arena, (size_t)body->groups_names_count, sizeof *all->response.results);
    if (!all || !all->response.results) {
        kci_alloc_free(alloc, all);
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    all->request = request;
    all->alloc = alloc;
    all->unfinished = 1;
    for (int32_t i = 0; i < body->groups_names_count; i++) {
        if (is_repeated(body, i))
            continue;
        int32_t index = all->response.results_count++;
        all->response.results[index].group_id = body->groups_names[i];
        all->response.results[index].error_code = delete_group(all, index, now);
    }
    finish_deletion(all, now);
}

/* ---- OffsetDelete ---- */

typedef struct kci_offset_delete_response__offset_delete_response_topic topic_out;

struct offset_deletion {
    struct mb_group_write write; /* first */
    struct mb_request *request;
    struct kci_offset_delete_response response; /* in the request's arena */
};

static void offsets_deleted(struct mb_group_write *write, int16_t error, int64_t now)
{
    struct offset_deletion *op = (struct offset_deletion *)write;
    const struct kci_alloc *alloc = write->alloc;
    const struct kci_offset_delete_request *body = op->request->body;
    struct mb_group *group = !error ? mb_groups_find(write->groups, body->group_id) : NULL;
    for (int32_t t = 0; group && t < op->response.topics_count; t++)
        for (int32_t p = 0; p < op->response.topics[t].partitions_count; p++)
            if (!op->response.topics[t].partitions[p].error_code)
                mb_offsets_remove(group, op->response.topics[t].name,
                                  op->response.topics[t].partitions[p].partition_index);
    if (error)
        op->response = (struct kci_offset_delete_response){ .error_code = mb_group_answer_append_error(error) };
    mb_request_answer(op->request, &op->response, now);
    kci_alloc_free(alloc, op);
}

/* A result for each partition, tombstones for those that have an offset. False: no memory. */
static bool sort_out(struct offset_deletion *op, const struct mb_group *group, struct mb_group_records *records)
{
    const struct kci_offset_delete_request *body = op->request->body;
    struct kci_arena *arena = &op->request->arena;
    struct kci_offset_delete_response *response = &op->response;
    response->topics = kci_arena_array(arena, (size_t)body->topics_count, sizeof *response->topics);
    if (!response->topics)
        return false;
    for (int32_t t = 0; t < body->topics_count; t++) {
        struct kci_str name = body->topics[t].name;
        int32_t exist = mb_cluster_topic_partitions(op->request->cluster, name);
        bool subscribed = mb_group_subscribed(group, name);
        if (!body->topics[t].partitions_count)
            continue; /* nothing was asked of it, so nothing is said */
        topic_out *out = &response->topics[response->topics_count++];
        out->name = name;
        out->partitions_count = body->topics[t].partitions_count;
        out->partitions = kci_arena_array(arena, (size_t)out->partitions_count, sizeof *out->partitions);
        if (!out->partitions)
            return false;
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            int32_t index = body->topics[t].partitions[p].partition_index;
            bool exists = index >= 0 && index < exist;
            out->partitions[p].partition_index = index;
            out->partitions[p].error_code = !exists      ? KCI_UNKNOWN_TOPIC_OR_PARTITION
                                            : subscribed ? KCI_GROUP_SUBSCRIBED_TO_TOPIC
                                                         : KCI_NONE;
            if (exists && !subscribed && mb_offsets_get(group, name, index))
                mb_group_records_no_offset(records, group->id, name, index);
        }
    }
    return true;
}

void mb_handle_offset_delete(struct mb_request *request, int64_t now)
{
    const struct kci_offset_delete_request *body = request->body;
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    struct kci_offset_delete_response failure = { .error_code = mb_groups_route(request, body->group_id, now) };
    const struct mb_group *group = mb_groups_find(groups, body->group_id);
    if (body->group_id.size == 0)
        failure.error_code = KCI_INVALID_GROUP_ID; /* offsets can be committed under it all the same */
    else if (!failure.error_code && !group)
        failure.error_code = KCI_GROUP_ID_NOT_FOUND;
    else if (!failure.error_code && group->state != MB_GROUP_EMPTY && !mb_group_of_consumers(group))
        failure.error_code = KCI_NON_EMPTY_GROUP; /* what it subscribes to cannot be known */
    struct offset_deletion *op = failure.error_code ? NULL : kci_alloc_zero(groups->alloc, 1, sizeof *op);
    struct mb_group_records records = mb_group_records_of(groups->alloc);
    if (op) {
        op->request = request;
        op->write.alloc = groups->alloc;
    }
    if (!op || !sort_out(op, group, &records)) {
        kci_alloc_free(groups->alloc, op);
        mb_group_records_discard(&records);
        if (!failure.error_code)
            failure.error_code = KCI_UNKNOWN_SERVER_ERROR;
        mb_request_answer(request, &failure, now);
        return;
    }
    if (mb_group_records_empty(&records)) {
        mb_request_answer(request, &op->response, now);
        kci_alloc_free(groups->alloc, op);
        return;
    }
    mb_group_write_begin(&op->write, groups, group->partition, offsets_deleted);
    mb_group_records_append(&records, request->cluster, group->partition, mb_group_write_finish, &op->write, now);
}
