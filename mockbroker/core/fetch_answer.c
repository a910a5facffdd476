/* The answer to a Fetch: a rope.  Fields are encoded into one writer, by hand because the walker copies bytes; batches
 * are referred to where the logs have them, and their frames are held until the socket has taken them.
 *
 *      [throttle, error, session, topics: name, partitions: index, error, watermarks ... size of records]  writer 0 .. a
 *      [batch][batch]...                                                                                   frames
 *      [tags, index, error ...]                                                                            writer a .. b
 *      ...
 *
 * Versions 4 to 18; the layout is that of schema/fetch.schema, which a test compares with. */
#include "mockbroker/core/fetch.h"
#include "mockbroker/core/rack.h"

#define FIRST_FLEXIBLE   12
#define FIRST_WITH_ID    13
#define ANSWER_BYTES_MAX ((size_t)256 << 20) /* of the encoded part */

struct mb_fetch_answer {
    const struct kci_alloc *alloc;
    struct mb_fetch *fetch;
    struct kci_writer w;
    struct kci_iov *batches; /* pieces of records, node after node */
    size_t batch_count, batch_capacity;
    struct kci_frame **frames; /* references held */
    size_t frame_count, frame_capacity;
    struct kci_iov *rope; /* the whole */
    size_t *ends;         /* of the encoded part before the records of each node */
};

static void free_answer(void *owner)
{
    struct mb_fetch_answer *answer = owner;
    for (size_t i = 0; i < answer->frame_count; i++)
        kci_frame_release(answer->frames[i]);
    kci_alloc_free(answer->alloc, answer->frames);
    kci_alloc_free(answer->alloc, answer->batches);
    kci_alloc_free(answer->alloc, answer->rope);
    kci_alloc_free(answer->alloc, answer->ends);
    kci_writer_destroy(&answer->w);
    kci_alloc_free(answer->alloc, answer);
}

struct mb_fetch_answer *mb_fetch_answer_new(struct mb_fetch *fetch)
{
    const struct kci_alloc *alloc = fetch->request->cluster->alloc;
    struct mb_fetch_answer *answer = kci_alloc_zero(alloc, 1, sizeof *answer);
    if (answer) {
        answer->alloc = alloc;
        answer->fetch = fetch;
        answer->w = kci_writer_of(alloc, ANSWER_BYTES_MAX);
    }
    return answer;
}

/* Room for one more element of an array. */
static bool grow(const struct kci_alloc *alloc, void **array, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = kci_alloc_resize(alloc, *array, wanted * element);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

bool mb_fetch_answer_batch(struct mb_fetch_answer *answer, struct mb_fetch_node *node, struct kci_frame *frame,
                           const uint8_t *data, size_t size)
{
    bool same_frame = answer->frame_count && answer->frames[answer->frame_count - 1] == frame;
    if (node->piece_count && same_frame) { /* neighbours in a chunk leave as one piece */
        struct kci_iov *last = &answer->batches[answer->batch_count - 1];
        if ((const uint8_t *)last->data + last->size == data) {
            last->size += size;
            node->bytes += size;
            return true;
        }
    }
    if (!grow(answer->alloc, (void **)&answer->batches, answer->batch_count, &answer->batch_capacity,
              sizeof *answer->batches))
        return false;
    if (!same_frame) {
        if (!grow(answer->alloc, (void **)&answer->frames, answer->frame_count, &answer->frame_capacity,
                  sizeof *answer->frames))
            return false;
        answer->frames[answer->frame_count++] = kci_frame_ref(frame);
    }
    if (!node->piece_count)
        node->first_piece = answer->batch_count;
    answer->batches[answer->batch_count++] = (struct kci_iov){ data, size };
    node->piece_count++;
    node->bytes += size;
    return true;
}

/* ---- encoding
 * -------------------------------------------------------------------------------------------------------- */

static void put_count(struct kci_writer *w, int16_t version, size_t count)
{
    if (version >= FIRST_FLEXIBLE)
        kci_writer_uvarint(w, (uint32_t)count + 1);
    else
        kci_writer_i32(w, (int32_t)count);
}

static void put_string(struct kci_writer *w, int16_t version, struct kci_str text)
{
    if (version >= FIRST_FLEXIBLE)
        kci_writer_uvarint(w, (uint32_t)text.size + 1);
    else
        kci_writer_i16(w, (int16_t)text.size);
    kci_writer_bytes(w, text.data, text.size);
}

static void put_tag(struct kci_writer *w, uint32_t tag, uint32_t size)
{
    kci_writer_uvarint(w, tag);
    kci_writer_uvarint(w, size);
}

static void put_partition_tags(struct kci_writer *w, const struct mb_fetch_node *node)
{
    bool hint = node->leader >= 0 || node->leader_epoch >= 0;
    kci_writer_uvarint(w, (uint32_t)(node->diverging_epoch >= 0) + (uint32_t)hint);
    if (node->diverging_epoch >= 0) {
        put_tag(w, 0, 4 + 8 + 1);
        kci_writer_i32(w, node->diverging_epoch);
        kci_writer_i64(w, node->diverging_end);
        kci_writer_uvarint(w, 0);
    }
    if (hint) {
        put_tag(w, 1, 4 + 4 + 1);
        kci_writer_i32(w, node->leader);
        kci_writer_i32(w, node->leader_epoch);
        kci_writer_uvarint(w, 0);
    }
}

/* As Kafka: none for what does not exist or may not be read, else null unless committed records were read. */
static bool lists_aborted(bool committed, const struct mb_fetch_node *node)
{
    switch (node->error) {
    case KCI_NONE:
        return committed && node->preferred < 0 && node->diverging_epoch < 0;
    case KCI_UNKNOWN_TOPIC_OR_PARTITION:
    case KCI_UNKNOWN_TOPIC_ID:
    case KCI_TOPIC_AUTHORIZATION_FAILED:
        return true;
    default:
        return false;
    }
}

static void put_aborted(struct kci_writer *w, int16_t version, bool committed, const struct mb_fetch_node *node)
{
    size_t count = committed && !node->error ? node->aborted_count : 0;
    if (lists_aborted(committed, node))
        put_count(w, version, count);
    else if (version >= FIRST_FLEXIBLE)
        kci_writer_uvarint(w, 0);
    else
        kci_writer_i32(w, -1);
    for (size_t i = 0; lists_aborted(committed, node) && i < count; i++) {
        kci_writer_i64(w, node->aborted[i].producer_id);
        kci_writer_i64(w, node->aborted[i].first_offset);
        if (version >= FIRST_FLEXIBLE)
            kci_writer_uvarint(w, 0);
    }
}

static void put_partition_head(struct kci_writer *w, int16_t version, bool committed, const struct mb_fetch_node *node)
{
    kci_writer_i32(w, node->index);
    kci_writer_i16(w, node->error);
    kci_writer_i64(w, node->high_watermark);
    kci_writer_i64(w, node->last_stable);
    if (version >= 5)
        kci_writer_i64(w, node->log_start);
    put_aborted(w, version, committed, node);
    if (version >= 11)
        kci_writer_i32(w, node->preferred);
    put_count(w, version, node->bytes);
}

static bool same_topic(const struct mb_fetch_node *a, const struct mb_fetch_node *b, int16_t version)
{
    return version >= FIRST_WITH_ID ? kci_uuid_equal(a->topic_id, b->topic_id) : kci_str_equal(a->topic, b->topic);
}

/* Nodes of one topic follow one another; [i, end) of them are in the answer's next topic. */
static size_t topic_end(const struct mb_fetch *fetch, size_t i, int16_t version, size_t *partitions)
{
    size_t end = i;
    *partitions = 0;
    for (; end < fetch->node_count && same_topic(&fetch->nodes[i], &fetch->nodes[end], version); end++)
        *partitions += !fetch->nodes[end].skip;
    return end;
}

static void put_endpoints(struct kci_writer *w, const struct mb_fetch *fetch)
{
    int32_t ids[MB_BROKERS_MAX];
    struct kci_str hosts[MB_BROKERS_MAX], racks[MB_BROKERS_MAX];
    int32_t ports[MB_BROKERS_MAX];
    uint32_t count = 0, size = 0;
    for (size_t i = 0; i < fetch->node_count; i++) {
        int32_t leader = fetch->nodes[i].skip ? -1 : fetch->nodes[i].leader;
        bool known = leader < 0;
        for (uint32_t k = 0; k < count && !known; k++)
            known = ids[k] == leader;
        if (known || !mb_request_endpoint(fetch->request, leader, &hosts[count], &ports[count]))
            continue;
        racks[count] = mb_broker_rack(fetch->request->cluster, leader);
        size += (uint32_t)(4 + kci_uvarint_size((uint32_t)hosts[count].size + 1) + hosts[count].size + 4 +
                           kci_uvarint_size((uint32_t)racks[count].size + 1) + racks[count].size + 1);
        ids[count++] = leader;
    }
    if (!count || fetch->request->header.version < 16) {
        kci_writer_uvarint(w, 0);
        return;
    }
    kci_writer_uvarint(w, 1);
    put_tag(w, 0, size + (uint32_t)kci_uvarint_size(count + 1));
    kci_writer_uvarint(w, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        kci_writer_i32(w, ids[i]);
        put_string(w, FIRST_FLEXIBLE, hosts[i]);
        kci_writer_i32(w, ports[i]);
        if (racks[i].data)
            put_string(w, FIRST_FLEXIBLE, racks[i]);
        else
            kci_writer_uvarint(w, 0);
        kci_writer_uvarint(w, 0);
    }
}

static void encode(struct mb_fetch_answer *answer)
{
    struct mb_fetch *fetch = answer->fetch;
    struct kci_writer *w = &answer->w;
    int16_t version = fetch->request->header.version;
    bool committed = ((const struct kci_fetch_request *)fetch->request->body)->isolation_level == 1;
    size_t topics = 0, partitions = 0;
    kci_writer_i32(w, fetch->throttle_ms);
    if (version >= 7) {
        kci_writer_i16(w, fetch->error);
        kci_writer_i32(w, fetch->session_id);
    }
    for (size_t i = 0; i<fetch->node_count; topics += partitions> 0)
        i = topic_end(fetch, i, version, &partitions);
    put_count(w, version, topics);
    for (size_t i = 0; i < fetch->node_count;) {
        size_t end = topic_end(fetch, i, version, &partitions);
        if (partitions) {
            if (version >= FIRST_WITH_ID)
                kci_writer_bytes(w, fetch->nodes[i].topic_id->b, sizeof fetch->nodes[i].topic_id->b);
            else
                put_string(w, version, fetch->nodes[i].topic);
            put_count(w, version, partitions);
        }
        for (; i < end; i++) {
            if (!fetch->nodes[i].skip)
                put_partition_head(w, version, committed, &fetch->nodes[i]);
            answer->ends[i] = w->size;
            if (!fetch->nodes[i].skip && version >= FIRST_FLEXIBLE)
                put_partition_tags(w, &fetch->nodes[i]);
        }
        if (partitions && version >= FIRST_FLEXIBLE)
            kci_writer_uvarint(w, 0);
    }
    if (version >= FIRST_FLEXIBLE)
        put_endpoints(w, fetch);
}

void mb_fetch_answer_send(struct mb_fetch_answer *answer, int64_t now)
{
    struct mb_fetch *fetch = answer->fetch;
    struct mb_request *request = fetch->request;
    answer->ends = kci_alloc_zero(answer->alloc, fetch->node_count, sizeof *answer->ends);
    answer->rope = kci_alloc_zero(answer->alloc, answer->batch_count + fetch->node_count + 1, sizeof *answer->rope);
    if (answer->ends && answer->rope)
        encode(answer);
    if (!answer->ends || !answer->rope || answer->w.failed) {
        free_answer(answer);
        mb_request_hang_up(request, "no memory for a fetch answer", now);
        return;
    }
    size_t count = 0, from = 0;
    for (size_t i = 0; i < fetch->node_count; i++) {
        const struct mb_fetch_node *node = &fetch->nodes[i];
        if (!node->piece_count || node->skip)
            continue;
        answer->rope[count++] = (struct kci_iov){ answer->w.data + from, answer->ends[i] - from };
        from = answer->ends[i];
        memcpy(answer->rope + count, answer->batches + node->first_piece, node->piece_count * sizeof *answer->rope);
        count += node->piece_count;
    }
    if (from < answer->w.size)
        answer->rope[count++] = (struct kci_iov){ answer->w.data + from, answer->w.size - from };
    answer->fetch = NULL; /* goes with the request */
    mb_request_answer_rope(request, answer->rope, count, free_answer, answer, now);
}
