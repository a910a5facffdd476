/* Fetch (PROTOCOL 4.2): what may be read, how much of it, and whether to wait for more.
 *
 *      request -> session (fetch_session.c) -> judge every partition -> enough, an error, or no time? -> read -> answer
 *                                                                     `-> wait (fetch_wait.c) -> judge again -^
 *
 * Readable is what lies below the high watermark (read_committed: the last stable offset).  Whole batches only; the
 * first partition that has something gives at least one batch, however large (KIP-74). */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/fetch_session.h"
#include "mockbroker/core/quota.h"
#include "mockbroker/core/rack.h"

#define FIRST_WITH_ID        13
#define FIRST_WITH_ZSTD      10
#define FIRST_WITH_RACK      11
#define FIRST_WITH_HINTS     16 /* where the leader is, for who asked another (KIP-951) */
#define ATTRIBUTES_AT        21
#define PARTITION_HEAD_BYTES 60 /* what an answer says of a partition besides its records, as quotas count it */

/* The replica of this broker that may serve the request: the leader, or, for consumers that know of racks, a follower
 * (KIP-392). NULL: none; `error` is what was found. */
static struct mb_replica *server_of(const struct mb_request *request, const struct mb_partition *partition,
                                    int16_t error)
{
    const struct kci_fetch_request *body = request->body;
    struct mb_replica *replica = mb_partition_replica(partition, request->broker);
    bool follower = error == KCI_NOT_LEADER_OR_FOLLOWER && replica && !replica->failed && partition->leader >= 0 &&
                    request->header.version >= FIRST_WITH_RACK && body->replica_id < 0 &&
                    replica->synced_epoch == partition->leader_epoch;
    return error == KCI_NONE || follower ? replica : NULL;
}

struct mb_partition *mb_fetch_check(struct mb_fetch_node *node)
{
    struct mb_request *request = node->fetch->request;
    const struct kci_uuid *id = request->header.version >= FIRST_WITH_ID ? node->topic_id : NULL;
    struct mb_topic *topic = id ? mb_topic_find_id(request->cluster, id) : mb_topic_find(request->cluster, node->topic);
    struct mb_partition *partition = topic ? mb_topic_partition(topic, node->index) : NULL;
    node->error = KCI_NONE;
    node->high_watermark = node->last_stable = node->log_start = -1;
    node->diverging_epoch = node->leader = node->leader_epoch = node->preferred = -1;
    node->replica = NULL;
    node->diverging_end = -1;
    if (request->cluster->authorizer && topic && !mb_authorize_topic(request, MB_ACL_READ, kci_str_of(topic->name))) {
        node->error = KCI_TOPIC_AUTHORIZATION_FAILED;
        return NULL;
    }
    if (!partition) {
        node->error = !topic && id ? KCI_UNKNOWN_TOPIC_ID : KCI_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    int32_t epoch = node->current_leader_epoch < 0 ? -1 : node->current_leader_epoch;
    node->error = mb_partition_check(partition, request->broker, epoch);
    node->replica = server_of(request, partition, node->error);
    if (node->replica) {
        node->error = KCI_NONE;
        return partition;
    }
    bool elsewhere = node->error == KCI_NOT_LEADER_OR_FOLLOWER || node->error == KCI_FENCED_LEADER_EPOCH;
    if (elsewhere && request->header.version >= FIRST_WITH_HINTS) {
        node->leader = partition->leader;
        node->leader_epoch = partition->leader_epoch;
    }
    return NULL;
}

/* The most that one answer brings: what the client, the broker and the quota allow. */
static uint64_t max_bytes(const struct mb_fetch *fetch)
{
    const struct kci_fetch_request *body = fetch->request->body;
    int64_t most = mb_cluster_property(fetch->request->cluster, "fetch.max.bytes");
    uint64_t room = body->max_bytes < 0 ? 0 : body->max_bytes < most ? (uint64_t)body->max_bytes : (uint64_t)most;
    uint64_t quota = fetch->request->cluster->quotas ? mb_quota_fetch_max(fetch->request) : UINT64_MAX;
    return room < quota ? room : quota;
}

/* What is worth an answer: no more than one may bring. */
static uint64_t min_bytes(const struct mb_fetch *fetch)
{
    const struct kci_fetch_request *body = fetch->request->body;
    uint64_t wanted = body->min_bytes > 0 ? (uint64_t)body->min_bytes : 0;
    if (wanted <= 1 && body->max_bytes > 0 && !fetch->request->cluster->quotas) /* as almost always */
        return wanted;
    return wanted > max_bytes(fetch) ? max_bytes(fetch) : wanted;
}

static int64_t read_limit(const struct mb_fetch *fetch, const struct mb_replica *replica)
{
    const struct kci_fetch_request *body = fetch->request->body;
    return body->isolation_level == 1 ? mb_replica_last_stable(replica) : replica->high_watermark;
}

/* KIP-595: does what the client has read last still agree with the log? */
static void check_divergence(struct mb_fetch_node *node, const struct mb_log *log)
{
    int32_t epoch;
    int64_t end;
    if (node->last_fetched_epoch < 0)
        return;
    mb_log_epoch_end(log, node->last_fetched_epoch, &epoch, &end);
    if (epoch < 0) {
        node->error = KCI_OFFSET_OUT_OF_RANGE;
    } else if (epoch < node->last_fetched_epoch || end < node->offset) {
        node->diverging_epoch = epoch;
        node->diverging_end = end;
    }
}

/* The partition, when records can be read from it. */
static struct mb_partition *judge(struct mb_fetch_node *node)
{
    struct mb_fetch *fetch = node->fetch;
    const struct kci_fetch_request *body = fetch->request->body;
    struct mb_partition *partition = mb_fetch_check(node);
    node->readable = 0;
    if (partition) {
        const struct mb_log *log = &node->replica->log;
        int64_t limit = read_limit(fetch, node->replica);
        check_divergence(node, log);
        if (!node->error && node->diverging_epoch < 0 &&
            (node->offset < log->start_offset || node->offset > log->end_offset))
            node->error = KCI_OFFSET_OUT_OF_RANGE;
        if (!node->error) {
            node->high_watermark = node->replica->high_watermark;
            node->last_stable = mb_replica_last_stable(node->replica);
            node->log_start = log->start_offset;
        }
        uint64_t max = node->bytes_max > 0 ? (uint64_t)node->bytes_max : 0;
        uint64_t enough = fetch->enough > fetch->readable ? fetch->enough - fetch->readable : 0;
        enough = enough < max ? enough : max; /* whether there is more does not matter */
        size_t first = 0;
        if (!node->error && node->replica->broker == partition->leader)
            node->preferred = mb_rack_preferred(partition, body->rack_id, node->offset);
        if (!node->error && node->diverging_epoch < 0 && node->preferred < 0)
            for (size_t i = mb_log_find(log, node->offset);
                 i < log->count && mb_log_entry_last(mb_log_entry(log, i)) < limit &&
                 (!first || node->readable < enough);
                 i++) {
                first = first ? first : mb_log_entry(log, i)->size;
                node->readable += mb_log_entry(log, i)->size;
            }
        if (first > max && !fetch->readable && !fetch->oversize)
            fetch->oversize = first - max;
        if (node->readable > max)
            node->readable = max;
    }
    fetch->readable += node->readable;
    if (!node->error && node->diverging_epoch < 0 && node->preferred < 0)
        return partition;
    fetch->answer_now = true;
    return NULL;
}

static bool judge_all(struct mb_fetch *fetch)
{
    const struct kci_fetch_request *body = fetch->request->body;
    fetch->enough = min_bytes(fetch);
    fetch->readable = fetch->oversize = 0;
    for (size_t i = 0; i < fetch->node_count; i++)
        judge(&fetch->nodes[i]);
    return fetch->answer_now || fetch->error || fetch->node_count == 0 || body->max_wait_ms <= 0 ||
           fetch->readable + fetch->oversize >= fetch->enough;
}

/* ---- reading
 * --------------------------------------------------------------------------------------------------------- */

/* The aborted transactions that overlap what is read, [node->offset, to). false: no memory. */
static bool list_aborted(struct mb_fetch_node *node, const struct mb_replica *leader, int64_t to)
{
    const struct mb_txn_index *index = &leader->producers.transactions;
    const struct kci_fetch_request *body = node->fetch->request->body;
    if (body->isolation_level != 1 || !index->aborted_count)
        return true;
    to -= node->fetch->request->cluster->options.plant == MB_PLANT_ABORTED_EDGE; /* planted defect */
    size_t count = mb_txn_index_aborted(index, node->offset, to, NULL, 0);
    node->aborted = kci_arena_array(&node->fetch->request->arena, count, sizeof *node->aborted);
    node->aborted_count = node->aborted ? count : 0;
    mb_txn_index_aborted(index, node->offset, to, node->aborted, node->aborted_count);
    return node->aborted != NULL || !count;
}

/* Add whole batches of one partition. false: no memory. */
static bool read_node(struct mb_fetch_answer *answer, struct mb_fetch_node *node, uint64_t *room, bool *at_least_one)
{
    struct mb_fetch *fetch = node->fetch;
    struct mb_partition *partition = judge(node);
    if (!partition)
        return true;
    struct mb_log *log = &node->replica->log;
    int64_t limit = read_limit(fetch, node->replica);
    int64_t end = node->offset;
    uint64_t max = node->bytes_max > 0 ? (uint64_t)node->bytes_max : 0;
    for (size_t i = mb_log_find(log, node->offset); i < log->count && mb_log_entry_last(mb_log_entry(log, i)) < limit;
         i++) {
        size_t size = mb_log_entry(log, i)->size;
        if (!*at_least_one && (node->bytes + size > max || size > *room))
            break;
        const uint8_t *batch = mb_log_bytes(log, i);
        if (!batch) {
            node->error = node->bytes ? KCI_NONE : KCI_KAFKA_STORAGE_ERROR;
            break;
        }
        int codec = kci_be16(batch + ATTRIBUTES_AT) & KCI_BATCH_CODEC_MASK;
        if (codec == KCI_CODEC_ZSTD && fetch->request->header.version < FIRST_WITH_ZSTD) {
            node->error = node->bytes ? KCI_NONE : KCI_UNSUPPORTED_COMPRESSION_TYPE;
            break;
        }
        if (!mb_fetch_answer_batch(answer, node, mb_log_entry(log, i)->frame, batch, size))
            return false;
        *room = size < *room ? *room - size : 0;
        *at_least_one = false;
        end = mb_log_entry_last(mb_log_entry(log, i)) + 1;
    }
    mb_log_trim(log);
    return list_aborted(node, node->replica, end);
}

/* The records, and about what stands around them. */
static uint64_t bytes_of(const struct mb_fetch *fetch)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < fetch->node_count; i++)
        bytes += fetch->nodes[i].bytes ? fetch->nodes[i].bytes + PARTITION_HEAD_BYTES : 0;
    return bytes;
}

void mb_fetch_complete(struct mb_fetch *fetch, int64_t now)
{
    struct mb_request *request = fetch->request;
    uint64_t room = max_bytes(fetch);
    bool at_least_one = true;
    struct mb_fetch_answer *answer = mb_request_abandoned(request) ? NULL : mb_fetch_answer_new(fetch);
    bool ok = answer != NULL;
    for (size_t i = 0; ok && i < fetch->node_count; i++)
        ok = read_node(answer, &fetch->nodes[i], &room, &at_least_one);
    if (!answer) {
        mb_request_hang_up(request, "the client has gone, or no memory for an answer", now);
        return;
    }
    if (!ok) {
        fetch->error = KCI_UNKNOWN_SERVER_ERROR;
        fetch->node_count = 0;
    }
    fetch->throttle_ms = mb_quota_at_fetch(request, bytes_of(fetch), now);
    if (fetch->throttle_ms)
        fetch->node_count = 0; /* and the session remembers nothing of what was read */
    else
        mb_fetch_sessions_end(mb_cluster_broker(request->cluster, request->broker)->sessions, fetch);
    mb_fetch_answer_send(answer, now);
}

void mb_handle_fetch(struct mb_request *request, int64_t now)
{
    struct mb_fetch *fetch = kci_arena_take(&request->arena, sizeof *fetch);
    if (!fetch) {
        mb_request_hang_up(request, "no memory for a fetch request", now);
        return;
    }
    fetch->request = request;
    mb_fetch_sessions_begin(mb_cluster_broker(request->cluster, request->broker)->sessions, fetch, now);
    if (fetch->error)
        fetch->node_count = 0;
    if (judge_all(fetch))
        mb_fetch_complete(fetch, now);
    else
        mb_fetch_wait_begin(fetch, now);
}
