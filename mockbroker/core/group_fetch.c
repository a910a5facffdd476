/* OffsetFetch: what was committed, for one group (v0-7) or several (v8+), by topic name or id (v10), or all there is.
 * "Nothing committed" is offset -1 without an error.
 *
 * What a coordinator has found in its log when it took over may yet be lost: who asks for stable offsets waits until it
 * is committed, and for commits that are under way, as in Kafka. */
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_txn.h"
#include "mockbroker/core/modern.h"

typedef struct kci_offset_fetch_request__offset_fetch_request_group asked_group;
typedef struct kci_offset_fetch_request__offset_fetch_request_topics asked_topic;
typedef struct kci_offset_fetch_response__offset_fetch_response_group group_answer;
typedef struct kci_offset_fetch_response__offset_fetch_response_topics topic_answer;
typedef struct kci_offset_fetch_response__offset_fetch_response_partitions partition_answer;

static void fill(partition_answer *out, int32_t partition, const struct mb_offset *offset, int16_t error)
{
    out->partition_index = partition;
    out->committed_offset = offset ? offset->offset : -1;
    out->committed_leader_epoch = offset ? offset->leader_epoch : -1;
    out->metadata = offset ? offset->metadata : (struct kci_str){ "", 0 };
    out->error_code = error;
}

/* Places for `count` topics (or partitions) of an answer; NULL: no memory. */
static void *places(struct mb_request *request, size_t count, size_t size)
{
    return kci_arena_array(&request->arena, count, size);
}

/* Who asks for stable offsets (KIP-447) shall not begin before what a transaction may be about to commit. */
static int16_t stable(const struct mb_request *request, const struct mb_group *group, struct kci_str topic,
                      int32_t partition)
{
    const struct kci_offset_fetch_request *body = request->body;
    bool asks = request->header.version >= 7 && body->require_stable && group && group->open_offsets.count;
    return asks && mb_group_txn_has(group, topic, partition) ? KCI_UNSTABLE_OFFSET_COMMIT : KCI_NONE;
}

static bool fetch_topic(struct mb_request *request, const struct mb_group *group, const asked_topic *asked,
                        topic_answer *out)
{
    bool by_id = request->header.version >= 10;
    struct kci_str name = by_id ? mb_cluster_topic_name(request->cluster, &asked->topic_id) : asked->name;
    int16_t error = by_id && !name.data ? KCI_UNKNOWN_TOPIC_ID : KCI_NONE;
    out->name = asked->name;
    out->topic_id = asked->topic_id;
    out->partitions = places(request, (size_t)asked->partition_indexes_count, sizeof *out->partitions);
    if (!out->partitions)
        return false;
    out->partitions_count = asked->partition_indexes_count;
    for (int32_t i = 0; i < asked->partition_indexes_count; i++) {
        int32_t partition = asked->partition_indexes[i];
        const struct mb_offset *offset = group && !error ? mb_offsets_get(group, name, partition) : NULL;
        int16_t unstable = error ? error : stable(request, group, name, partition);
        fill(&out->partitions[i], partition, unstable ? NULL : offset, unstable);
    }
    return true;
}

static bool fetch_all(struct mb_request *request, const struct mb_group *group, group_answer *out)
{
    out->topics = places(request, group ? group->topics.count : 0, sizeof *out->topics);
    if (!out->topics)
        return false;
    const struct mb_offset_topic *topic;
    for (size_t at = 0; group && (topic = mb_offsets_next_topic(group, &at));) {
        topic_answer *to = &out->topics[out->topics_count];
        to->name = topic->name;
        to->topic_id = mb_cluster_topic_id(request->cluster, topic->name);
        if (request->header.version >= 10 && kci_uuid_is_zero(&to->topic_id))
            continue; /* it cannot be named */
        to->partitions = places(request, topic->partitions.count, sizeof *to->partitions);
        if (!to->partitions)
            return false;
        const struct mb_offset *offset;
        int32_t partition;
        for (size_t place = 0; (offset = mb_offsets_next(topic, &place, &partition));) {
            int16_t unstable = stable(request, group, topic->name, partition);
            fill(&to->partitions[to->partitions_count++], partition, unstable ? NULL : offset, unstable);
        }
        out->topics_count++;
    }
    return true;
}

static void fetch_group(struct mb_request *request, const asked_group *asked, group_answer *out, int64_t now)
{
    out->group_id = asked->group_id;
    out->error_code = mb_groups_route(request, asked->group_id, now);
    if (out->error_code)
        return;
    const struct mb_group *group = mb_groups_find(mb_cluster_groups(request->cluster), asked->group_id);
    const struct mb_modern_member *member;
    bool done = true;
    if (group && group->modern && (asked->member_id.data || asked->member_epoch >= 0))
        out->error_code = mb_modern_check_epoch(group, asked->member_id, asked->member_epoch, &member);
    if (out->error_code)
        return;
    if (asked->topics_count < 0) {
        done = fetch_all(request, group, out);
    } else {
        out->topics = places(request, (size_t)asked->topics_count, sizeof *out->topics);
        done = out->topics != NULL;
        for (int32_t i = 0; done && i < asked->topics_count; i++, out->topics_count++)
            done = fetch_topic(request, group, &asked->topics[i], &out->topics[i]);
    }
    if (!done) {
        out->topics_count = 0;
        out->error_code = KCI_UNKNOWN_SERVER_ERROR;
    }
}

/* v8+ */
static bool fetch_groups(struct mb_request *request, struct kci_offset_fetch_response *response, int64_t now)
{
    const struct kci_offset_fetch_request *body = request->body;
    response->groups = places(request, (size_t)body->groups_count, sizeof *response->groups);
    if (!response->groups)
        return false;
    response->groups_count = body->groups_count;
    for (int32_t i = 0; i < body->groups_count; i++)
        fetch_group(request, &body->groups[i], &response->groups[i], now);
    return true;
}

/* The one group of v0-7 in the words of v8+. False: no memory. */
static bool ask_single(struct mb_request *request, asked_group *asked)
{
    const struct kci_offset_fetch_request *body = request->body;
    size_t count = body->topics_count < 0 ? 0 : (size_t)body->topics_count;
    *asked = (asked_group){ .group_id = body->group_id, .member_epoch = -1, .topics_count = body->topics_count };
    asked->topics = places(request, count, sizeof *asked->topics);
    for (size_t i = 0; asked->topics && i < count; i++)
        asked->topics[i] = (asked_topic){
            .name = body->topics[i].name,
            .partition_indexes = body->topics[i].partition_indexes,
            .partition_indexes_count = body->topics[i].partition_indexes_count,
        };
    return asked->topics != NULL;
}

/* v0-7. v1 has no place for an error of the group: every partition carries it. */
static bool fetch_single(struct mb_request *request, struct kci_offset_fetch_response *response, int64_t now)
{
    asked_group asked;
    group_answer answer = { 0 };
    if (!ask_single(request, &asked))
        return false;
    fetch_group(request, &asked, &answer, now);
    response->error_code = answer.error_code;
    if (answer.error_code && request->header.version <= 1) {
        struct mb_group *nothing = NULL;
        answer.topics = places(request, (size_t)asked.topics_count, sizeof *answer.topics);
        for (; answer.topics && answer.topics_count < asked.topics_count; answer.topics_count++)
            if (!fetch_topic(request, nothing, &asked.topics[answer.topics_count], &answer.topics[answer.topics_count]))
                return false;
    }
    response->topics_count = answer.topics_count;
    response->topics = places(request, (size_t)answer.topics_count, sizeof *response->topics);
    for (int32_t t = 0; response->topics && t < answer.topics_count; t++) {
        const topic_answer *from = &answer.topics[t];
        struct kci_offset_fetch_response__offset_fetch_response_topic *to = &response->topics[t];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions = places(request, (size_t)from->partitions_count, sizeof *to->partitions);
        for (int32_t p = 0; to->partitions && p < from->partitions_count; p++) {
            to->partitions[p].partition_index = from->partitions[p].partition_index;
            to->partitions[p].committed_offset = from->partitions[p].committed_offset;
            to->partitions[p].committed_leader_epoch = from->partitions[p].committed_leader_epoch;
            to->partitions[p].metadata = from->partitions[p].metadata;
            to->partitions[p].error_code =
                request->header.version <= 1 ? answer.error_code : from->partitions[p].error_code;
        }
        if (!to->partitions)
            return false;
    }
    return response->topics != NULL;
}

static void answer(struct mb_request *request, int64_t now)
{
    struct kci_offset_fetch_response response = { 0 };
    bool done =
        request->header.version >= 8 ? fetch_groups(request, &response, now) : fetch_single(request, &response, now);
    if (done)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for the answer", now);
}

/* ---- waiting ---- */

struct waiting {
    struct mb_group_write write; /* first; there is nothing to write, but the same end of it */
    struct mb_request *request;  /* parked */
    int32_t next;                /* group of it that was not looked at yet */
};

static void await(struct mb_request *request, int32_t next, int64_t now);

static void over(struct mb_group_write *base, int16_t error, int64_t now)
{
    struct waiting *waiting = (struct waiting *)base;
    struct mb_request *request = waiting->request;
    int32_t next = waiting->next;
    kci_alloc_free(base->alloc, waiting);
    if (error) /* the answer says who coordinates now, or nobody */
        answer(request, now);
    else
        await(request, next, now);
}

/* The next partition of the log, of those that the groups from `next` on are in, that is not committed to its end; -1:
 * all are. *next: the group behind. */
static int32_t find_unsettled(struct mb_request *request, int32_t *next, int64_t now)
{
    const struct kci_offset_fetch_request *body = request->body;
    const struct mb_groups *groups = mb_cluster_groups(request->cluster);
    int32_t count = request->header.version >= 8 ? body->groups_count : 1;
    while (*next < count) {
        struct kci_str id = request->header.version >= 8 ? body->groups[*next].group_id : body->group_id;
        int32_t partition = mb_groups_partition_of(groups, id);
        ++*next;
        if (mb_groups_route(request, id, now) == KCI_NONE &&
            !mb_internal_settled(request->cluster, kci_str_of(MB_OFFSETS_TOPIC), partition))
            return partition;
    }
    return -1;
}

static void await(struct mb_request *request, int32_t next, int64_t now)
{
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    int32_t partition = find_unsettled(request, &next, now);
    struct waiting *waiting = partition < 0 ? NULL : kci_alloc_zero(groups->alloc, 1, sizeof *waiting);
    if (partition < 0) {
        answer(request, now);
    } else if (!waiting) {
        mb_request_hang_up(request, "no memory to wait for what is being committed", now);
    } else {
        waiting->request = request;
        waiting->next = next;
        mb_group_write_begin(&waiting->write, groups, partition, over);
        mb_internal_settle(request->cluster, kci_str_of(MB_OFFSETS_TOPIC), partition, mb_group_write_finish,
                           &waiting->write, now);
    }
}

void mb_handle_offset_fetch(struct mb_request *request, int64_t now)
{
    const struct kci_offset_fetch_request *body = request->body;
    if (request->header.version >= 7 && body->require_stable)
        await(request, 0, now);
    else
        answer(request, now);
}
