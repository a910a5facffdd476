/* ListOffsets (PROTOCOL 4.2): the ends of a log, and the first record at or after a time. */
#include "mockbroker/core/cluster.h"

enum {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,
    EARLIEST_LOCAL = -4,
    LATEST_TIERED = -5,
    EARLIEST_PENDING_UPLOAD = -6
};

typedef struct kci_list_offsets_response__list_offsets_partition_response partition_out;

/* The first record in entry i whose time is >= target_ms. false: none, or the batch cannot be read. */
static bool record_at(struct mb_log *log, size_t i, int64_t target_ms, partition_out *out)
{
    const uint8_t *batch = mb_log_bytes(log, i);
    struct kci_batch_iterator it;
    struct kci_record_view view;
    bool found = false;
    if (!batch ||
        kci_batch_open(&it, batch, mb_log_entry(log, i)->size, log->alloc, MB_DECOMPRESSED_BYTES_MAX) != KCI_BATCH_OK)
        return false;
    while (!found && kci_batch_next(&it, &view) == 1)
        if (view.timestamp_ms >= target_ms && view.offset >= log->start_offset) {
            out->timestamp = view.timestamp_ms;
            out->offset = view.offset;
            found = true;
        }
    kci_batch_close(&it);
    return found;
}

static void search(struct mb_log *log, int64_t target_ms, int64_t limit, partition_out *out)
{
    for (size_t i = 0; i < log->count && mb_log_entry_last(mb_log_entry(log, i)) < limit; i++)
        if (mb_log_entry(log, i)->max_timestamp_ms >= target_ms && record_at(log, i, target_ms, out)) {
            out->leader_epoch = mb_log_epoch_at(log, out->offset);
            break;
        }
    mb_log_trim(log);
}

static void find_max(struct mb_log *log, int64_t limit, partition_out *out)
{
    int64_t max = INT64_MIN;
    for (size_t i = 0; i < log->count && mb_log_entry_last(mb_log_entry(log, i)) < limit; i++)
        if (mb_log_entry(log, i)->max_timestamp_ms > max)
            max = mb_log_entry(log, i)->max_timestamp_ms;
    if (max > INT64_MIN)
        search(log, max, limit, out);
}

/* Numbers that are no times came one by one: which does this version know? */
static bool is_known(int64_t timestamp, int version)
{
    static const int since[] = { [-LATEST] = 1,         [-EARLIEST] = 1,      [-MAX_TIMESTAMP] = 7,
                                 [-EARLIEST_LOCAL] = 8, [-LATEST_TIERED] = 9, [-EARLIEST_PENDING_UPLOAD] = 11 };
    return timestamp >= 0 || (timestamp >= EARLIEST_PENDING_UPLOAD && version >= since[-timestamp]);
}

static void answer_partition(struct mb_request *request, struct mb_topic *topic,
                             const struct kci_list_offsets_request__list_offsets_partition *asked, partition_out *out)
{
    const struct kci_list_offsets_request *body = request->body;
    struct mb_partition *partition = topic ? mb_topic_partition(topic, asked->partition_index) : NULL;
    if (!is_known(asked->timestamp, request->header.version))
        out->error_code = KCI_UNSUPPORTED_VERSION;
    else
        out->error_code = partition ? mb_partition_check(partition, request->broker, asked->current_leader_epoch)
                                    : KCI_UNKNOWN_TOPIC_OR_PARTITION;
    if (!out->error_code && (body->isolation_level < 0 || body->isolation_level > 1))
        out->error_code = KCI_UNKNOWN_SERVER_ERROR; /* which is what Kafka makes of it */
    if (out->error_code)
        return;
    struct mb_replica *leader = mb_partition_leader(partition);
    struct mb_log *log = &leader->log;
    int64_t limit = body->isolation_level == 1 ? mb_partition_last_stable(partition) : leader->high_watermark;
    bool known = leader->high_watermark >= partition->epoch_start; /* KIP-207: a new leader may not know the end yet */
    if (!known && asked->timestamp != EARLIEST && asked->timestamp != EARLIEST_LOCAL) {
        out->error_code = request->header.version >= 5 ? KCI_OFFSET_NOT_AVAILABLE : KCI_LEADER_NOT_AVAILABLE;
        return;
    }
    switch (asked->timestamp) {
    case LATEST:
        out->offset = limit;
        out->leader_epoch = partition->leader_epoch;
        break;
    case EARLIEST:
    case EARLIEST_LOCAL:
        out->offset = log->start_offset;
        out->leader_epoch = mb_log_epoch_at(log, log->start_offset);
        break;
    case MAX_TIMESTAMP:
        find_max(log, limit, out);
        break;
    case LATEST_TIERED: /* nothing is tiered */
    case EARLIEST_PENDING_UPLOAD:
        break;
    default:
        search(log, asked->timestamp, limit, out);
        break;
    }
}

/* Java: a request that asks for a partition twice is refused for that partition. */
static bool is_duplicate(const struct kci_list_offsets_request__list_offsets_topic *topic, int32_t p)
{
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (i != p && topic->partitions[i].partition_index == topic->partitions[p].partition_index)
            return true;
    return false;
}

void mb_handle_list_offsets(struct mb_request *request, int64_t now)
{
    const struct kci_list_offsets_request *body = request->body;
    struct kci_list_offsets_response response;
    kci_codec_init(&kci_list_offsets_response_schema, &response);
    response.topics = kci_arena_array(&request->arena, (size_t)body->topics_count, sizeof *response.topics);
    for (int32_t t = 0; response.topics && t < body->topics_count; t++) {
        struct kci_list_offsets_response__list_offsets_topic_response *topic = &response.topics[response.topics_count];
        if (!body->topics[t].partitions_count)
            continue; /* nothing was asked of it, so nothing is said */
        topic->name = body->topics[t].name;
        topic->partitions =
            kci_arena_array(&request->arena, (size_t)body->topics[t].partitions_count, sizeof *topic->partitions);
        response.topics_count++;
        for (int32_t p = 0; topic->partitions && p < body->topics[t].partitions_count; p++, topic->partitions_count++) {
            const struct kci_list_offsets_request__list_offsets_partition *asked = &body->topics[t].partitions[p];
            kci_codec_init(&kci_list_offsets_response__list_offsets_partition_response_schema, &topic->partitions[p]);
            topic->partitions[p].partition_index = asked->partition_index;
            if (body->topics[t].partitions_count <= 1000 && is_duplicate(&body->topics[t], p))
                topic->partitions[p].error_code = KCI_INVALID_REQUEST;
            else
                answer_partition(request, mb_topic_find(request->cluster, topic->name), asked, &topic->partitions[p]);
            if (request->header.version < 4)
                topic->partitions[p].leader_epoch = -1; /* has no place in older answers, and is not ignorable */
        }
    }
    mb_request_answer(request, &response, now);
}
