/* Questions about partitions.
 *
 *   items --sorted by topic--> topics [ name, partitions [ ... ] ]   --answer-->   items, found again by name and number
 *
 * Each answer is held against the items that were asked for: a partition that nobody asked about is ignored, one that
 * is missing stays unanswered (and is asked again by its owner). OffsetFetch has two shapes, a list of groups (8+) and
 * one group; both are made, and the one that the version has is sent.  OffsetFetch and OffsetCommit name topics by id
 * from version 10 on: that is for requests all of whose ids are known. */
#include "consumer/internal.h"

#include <stdlib.h>

#define REQUEST_ARENA_MAX (64u << 20) /* bytes; a request of a million partitions fits */

struct kci_request *kci_request_new(struct kci_consumer *c, size_t count)
{
    struct kci_request *request = kci_alloc_zero(c->alloc, 1, sizeof *request + count * sizeof request->items[0]);
    if (!request)
        return NULL;
    request->consumer = c;
    request->arena = kci_arena_of(c->alloc, REQUEST_ARENA_MAX);
    request->count = count;
    return request;
}

void kci_request_free(struct kci_request *request)
{
    struct kci_consumer *c = request->consumer;
    for (size_t i = 0; i < request->count; i++)
        kci_subscription_topic_done(&c->subscription, request->items[i].topic);
    kci_arena_destroy(&request->arena);
    kci_alloc_free(c->alloc, request);
}

/* A topic that was asked for by id is another one by now, or gone. */
static void look_again(const struct kci_request *request, int64_t now)
{
    for (size_t i = 0; i < request->count; i++)
        if (request->items[i].answered && request->items[i].error == KCI_UNKNOWN_TOPIC_ID) {
            kci_cluster_refresh(request->consumer->cluster, "the coordinator does not know the id of a topic", now);
            return;
        }
}

static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_request *request = call->owner;
    struct kci_consumer *c = request->consumer;
    kci_consumer_lock(c);
    c->requests--;
    request->error = reply->error;
    request->maybe_applied = reply->maybe_applied;
    request->text = reply->text ? reply->text : "";
    request->node = reply->node;
    if (reply->error == KC_OK)
        request->read(request, reply->response);
    else
        kci_cluster_explain(c->cluster, c->why, sizeof c->why, now);
    look_again(request, now);
    request->finish(request, now);
    kci_request_free(request);
    kci_consumer_unlock(c);
}

static bool send(struct kci_request *request, int32_t node, int16_t api, int16_t version_min, int16_t version_max,
                 const void *body, void (*read)(struct kci_request *, const void *), int64_t now)
{
    struct kci_consumer *c = request->consumer;
    if (!body)
        return false;
    request->read = read;
    request->node = node;
    request->call.api = api;
    request->call.version_min = version_min;
    request->call.version_max = version_max;
    request->call.request = body;
    request->call.timeout_ms = c->settings->request_timeout_ms;
    request->call.done = done;
    request->call.owner = request;
    c->requests++;
    kci_cluster_call(c->cluster, node, &request->call, now);
    return true;
}

/* ---- grouping ---- */

static int by_topic(const void *a, const void *b)
{
    const struct kci_request_item *x = a, *y = b;
    if (x->topic->number != y->topic->number)
        return x->topic->number < y->topic->number ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

/* Sort; the number of topics. */
static int32_t sort_items(struct kci_request *request)
{
    int32_t topics = 0;
    qsort(request->items, request->count, sizeof request->items[0], by_topic);
    for (size_t i = 0; i < request->count; i++)
        topics += i == 0 || request->items[i].topic != request->items[i - 1].topic;
    return topics;
}

/* End of the run of items of one topic that begins at i. */
static size_t topic_end(const struct kci_request *request, size_t i)
{
    size_t end = i + 1;
    while (end < request->count && request->items[end].topic == request->items[i].topic)
        end++;
    return end;
}

/* Is it the topic that an answer speaks of: by name, or without one by id? */
static bool names(const struct kci_request_item *item, struct kci_str topic, const struct kci_uuid *id)
{
    return topic.size ? kci_str_equal(item->topic->name, topic)
                      : id && !kci_uuid_is_zero(id) && kci_uuid_equal(&item->topic_id, id);
}

/* The item of an answer, or NULL. `*near` remembers the topic of the last one, since answers come by topic. */
static struct kci_request_item *find_item(struct kci_request *request, struct kci_str topic, const struct kci_uuid *id,
                                          int32_t partition, size_t *near)
{
    size_t first = *near;
    if (first >= request->count || !names(&request->items[first], topic, id)) {
        for (first = 0; first < request->count; first = topic_end(request, first))
            if (names(&request->items[first], topic, id))
                break;
        if (first >= request->count)
            return NULL;
        *near = first;
    }
    size_t low = first, high = topic_end(request, first);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (request->items[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < request->count && request->items[low].partition == partition &&
                 request->items[low].topic == request->items[first].topic;
    return found ? &request->items[low] : NULL;
}

/* Note the ids of the topics; false: one is not known, so versions that name topics by id cannot be used. */
static bool take_ids(struct kci_request *request)
{
    bool all = true;
    for (size_t i = 0; i < request->count; i++) {
        const struct kci_topic_info *info = request->items[i].topic->info;
        request->items[i].topic_id = info ? info->id : (struct kci_uuid){ { 0 } };
        all = all && !kci_uuid_is_zero(&request->items[i].topic_id);
    }
    return all;
}

static void answer(struct kci_request_item *item, int16_t error, int64_t offset, int32_t epoch)
{
    if (!item)
        return;
    item->answered = true;
    item->error = error;
    item->offset = offset;
    item->offset_epoch = epoch;
}

/* ---- ListOffsets ---- */

static void read_list_offsets(struct kci_request *request, const void *response)
{
    const struct kci_list_offsets_response *r = response;
    size_t near = 0;
    for (int32_t t = 0; t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
            const struct kci_list_offsets_response__list_offsets_partition_response *from = &r->topics[t].partitions[p];
            answer(find_item(request, r->topics[t].name, NULL, from->partition_index, &near), from->error_code,
                   from->offset, from->leader_epoch);
        }
}

bool kci_request_list_offsets(struct kci_request *request, int32_t node, int64_t now)
{
    struct kci_consumer *c = request->consumer;
    int32_t topics = sort_items(request);
    struct kci_list_offsets_request *r = kci_arena_take(&request->arena, sizeof *r);
    if (r) {
        r->replica_id = -1;
        r->isolation_level = c->settings->isolation_level == KCI_READ_COMMITTED;
        r->timeout_ms = c->settings->request_timeout_ms;
        r->topics = kci_arena_array(&request->arena, (size_t)topics, sizeof *r->topics);
    }
    bool ok = r && r->topics;
    for (size_t i = 0, end; ok && i < request->count; i = end) {
        end = topic_end(request, i);
        struct kci_list_offsets_request__list_offsets_topic *topic = &r->topics[r->topics_count++];
        topic->name = request->items[i].topic->name;
        topic->partitions = kci_arena_array(&request->arena, end - i, sizeof *topic->partitions);
        ok = topic->partitions;
        for (size_t k = i; ok && k < end; k++)
            topic->partitions[topic->partitions_count++] = (struct kci_list_offsets_request__list_offsets_partition){
                .partition_index = request->items[k].partition,
                .current_leader_epoch = request->items[k].current_epoch,
                .timestamp = request->items[k].number,
                .max_num_offsets = 1,
            };
    }
    /* Version 1 has no isolation level: acceptable only when none is wanted. */
    return send(request, node, KCI_API_LIST_OFFSETS, r && r->isolation_level ? 2 : 1, 11, ok ? r : NULL,
                read_list_offsets, now);
}

/* ---- OffsetForLeaderEpoch ---- */

static void read_epochs(struct kci_request *request, const void *response)
{
    const struct kci_offset_for_leader_epoch_response *r = response;
    size_t near = 0;
    for (int32_t t = 0; t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
            const struct kci_offset_for_leader_epoch_response__epoch_end_offset *from = &r->topics[t].partitions[p];
            answer(find_item(request, r->topics[t].topic, NULL, from->partition, &near), from->error_code,
                   from->end_offset, from->leader_epoch);
        }
}

bool kci_request_epochs(struct kci_request *request, int32_t node, int64_t now)
{
    int32_t topics = sort_items(request);
    struct kci_offset_for_leader_epoch_request *r = kci_arena_take(&request->arena, sizeof *r);
    if (r) {
        r->replica_id = -1;
        r->topics = kci_arena_array(&request->arena, (size_t)topics, sizeof *r->topics);
    }
    bool ok = r && r->topics;
    for (size_t i = 0, end; ok && i < request->count; i = end) {
        end = topic_end(request, i);
        struct kci_offset_for_leader_epoch_request__offset_for_leader_topic *topic = &r->topics[r->topics_count++];
        topic->topic = request->items[i].topic->name;
        topic->partitions = kci_arena_array(&request->arena, end - i, sizeof *topic->partitions);
        ok = topic->partitions;
        for (size_t k = i; ok && k < end; k++)
            topic->partitions[topic->partitions_count++] =
                (struct kci_offset_for_leader_epoch_request__offset_for_leader_partition){
                    .partition = request->items[k].partition,
                    .current_leader_epoch = request->items[k].current_epoch,
                    .leader_epoch = (int32_t)request->items[k].number,
                };
    }
    /* Version 3 permits a client without cluster rights to ask; 2 is for old brokers. */
    return send(request, node, KCI_API_OFFSET_FOR_LEADER_EPOCH, 2, 4, ok ? r : NULL, read_epochs, now);
}

/* ---- OffsetFetch ---- */

static void read_offset_fetch(struct kci_request *request, const void *response)
{
    const struct kci_offset_fetch_response *r = response;
    size_t near = 0;
    request->group_error = r->error_code;
    for (int32_t t = 0; t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
            const struct kci_offset_fetch_response__offset_fetch_response_partition *from = &r->topics[t].partitions[p];
            struct kci_request_item *item = find_item(request, r->topics[t].name, NULL, from->partition_index, &near);
            answer(item, from->error_code, from->committed_offset, from->committed_leader_epoch);
            if (item)
                item->text = from->metadata;
        }
    if (r->groups_count <= 0)
        return;
    const struct kci_offset_fetch_response__offset_fetch_response_group *group = &r->groups[0];
    request->group_error = group->error_code;
    for (int32_t t = 0; t < group->topics_count; t++)
        for (int32_t p = 0; p < group->topics[t].partitions_count; p++) {
            const struct kci_offset_fetch_response__offset_fetch_response_partitions *from =
                &group->topics[t].partitions[p];
            struct kci_request_item *item =
                find_item(request, group->topics[t].name, &group->topics[t].topic_id, from->partition_index, &near);
            answer(item, from->error_code, from->committed_offset, from->committed_leader_epoch);
            if (item)
                item->text = from->metadata;
        }
}

static int32_t *partition_numbers(struct kci_request *request, size_t from, size_t end)
{
    int32_t *numbers = kci_arena_array(&request->arena, end - from, sizeof *numbers);
    for (size_t k = from; numbers && k < end; k++)
        numbers[k - from] = request->items[k].partition;
    return numbers;
}

/* Both shapes of OffsetFetch. */
struct offset_fetch_shapes {
    struct kci_offset_fetch_request request; /* what is sent */
    struct kci_offset_fetch_request__offset_fetch_request_group group;
    struct kci_offset_fetch_request__offset_fetch_request_topic *topics;
    int32_t topics_count;
};

static bool choose_shape(struct kci_call *call, int16_t version)
{
    struct kci_request *owner = call->owner;
    struct offset_fetch_shapes *shapes = owner->shapes;
    struct kci_offset_fetch_request *r = &shapes->request;
    memset(r, 0, sizeof *r);
    r->require_stable = version >= 7; /* the offset of an open transaction is not one yet */
    if (version >= 8) {
        r->groups = &shapes->group;
        r->groups_count = 1;
        return true;
    }
    r->group_id = shapes->group.group_id;
    r->topics = shapes->topics;
    r->topics_count = shapes->topics_count;
    return true;
}

bool kci_request_offset_fetch(struct kci_request *request, int32_t node, int64_t now)
{
    size_t topics = (size_t)sort_items(request);
    struct offset_fetch_shapes *shapes = kci_arena_take(&request->arena, sizeof *shapes);
    if (!shapes)
        return false;
    bool by_id = take_ids(request);
    const struct kci_consumer *c = request->consumer;
    bool as_member = c->group.modern && c->subscription.by_group && c->group.generation >= 0;
    char *member = as_member ? kci_arena_text(&request->arena, kci_group_member_id(&c->group)) : NULL;
    shapes->group.group_id = kci_str_of(c->settings->group_id);
    shapes->group.member_epoch = member ? c->group.generation : -1; /* who was fenced must not take it for its own */
    shapes->group.member_id = kci_str_of(member);
    shapes->group.topics = kci_arena_array(&request->arena, topics, sizeof *shapes->group.topics);
    shapes->topics = kci_arena_array(&request->arena, topics, sizeof *shapes->topics);
    bool ok = shapes->group.topics && shapes->topics && (member || !as_member);
    for (size_t i = 0, end; ok && i < request->count; i = end) {
        end = topic_end(request, i);
        int32_t *numbers = partition_numbers(request, i, end), t = shapes->topics_count++;
        shapes->group.topics_count = shapes->topics_count;
        shapes->topics[t].name = shapes->group.topics[t].name = request->items[i].topic->name;
        shapes->group.topics[t].topic_id = request->items[i].topic_id;
        shapes->topics[t].partition_indexes = shapes->group.topics[t].partition_indexes = numbers;
        shapes->topics[t].partition_indexes_count = shapes->group.topics[t].partition_indexes_count =
            (int32_t)(end - i);
        ok = numbers;
    }
    request->shapes = shapes;
    request->call.prepare = choose_shape;
    return send(request, node, KCI_API_OFFSET_FETCH, 1, by_id ? 10 : 9, ok ? &shapes->request : NULL, read_offset_fetch,
                now);
}

/* ---- OffsetCommit ---- */

static void read_offset_commit(struct kci_request *request, const void *response)
{
    const struct kci_offset_commit_response *r = response;
    size_t near = 0;
    for (int32_t t = 0; t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
            struct kci_request_item *item = find_item(request, r->topics[t].name, &r->topics[t].topic_id,
                                                      r->topics[t].partitions[p].partition_index, &near);
            answer(item, r->topics[t].partitions[p].error_code, item ? item->number : 0, item ? item->epoch : -1);
        }
}

bool kci_request_offset_commit(struct kci_request *request, int32_t node, int64_t now)
{
    struct kci_consumer *c = request->consumer;
    int32_t topics = sort_items(request);
    struct kci_offset_commit_request *r = kci_arena_take(&request->arena, sizeof *r);
    char *member = kci_arena_text(&request->arena, kci_group_member_id(&c->group));
    bool by_id = take_ids(request);
    if (r) {
        r->group_id = kci_str_of(c->settings->group_id);
        r->generation_id_or_member_epoch = request->generation;
        r->member_id = kci_str_of(member);
        r->group_instance_id = kci_str_of(request->generation >= 0 ? c->settings->group_instance_id : NULL);
        r->retention_time_ms = -1;
        r->topics = kci_arena_array(&request->arena, (size_t)topics, sizeof *r->topics);
    }
    if (r && request->generation < 0) /* not a member: a group that is only a place for offsets */
        r->member_id = kci_str_of("");
    bool ok = r && member && r->topics;
    for (size_t i = 0, end; ok && i < request->count; i = end) {
        end = topic_end(request, i);
        struct kci_offset_commit_request__offset_commit_request_topic *topic = &r->topics[r->topics_count++];
        topic->name = request->items[i].topic->name;
        topic->topic_id = request->items[i].topic_id;
        topic->partitions = kci_arena_array(&request->arena, end - i, sizeof *topic->partitions);
        ok = topic->partitions;
        for (size_t k = i; ok && k < end; k++)
            topic->partitions[topic->partitions_count++] =
                (struct kci_offset_commit_request__offset_commit_request_partition){
                    .partition_index = request->items[k].partition,
                    .committed_offset = request->items[k].number,
                    .commit_timestamp = -1,
                    .committed_leader_epoch = request->items[k].epoch,
                    .committed_metadata = kci_str_of(request->items[k].metadata ? request->items[k].metadata : ""),
                };
    }
    return send(request, node, KCI_API_OFFSET_COMMIT, r && r->group_instance_id.data ? 7 : 2, by_id ? 10 : 9,
                ok ? r : NULL, read_offset_commit, now);
}
