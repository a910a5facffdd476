/* Produce requests: which batches go together, and their bytes around the batches, by hand: records are referred to
 * where they lie, and the rest is a few dozen bytes per topic.
 *
 *   transactional_id  null         v3-v8: int16 -1            v9+: uvarint 0
 *   acks int16, timeout int32
 *   topics            array        v3-v8: int32 count         v9+: uvarint count + 1
 *     name            string       v3-v8: int16 size          v9: uvarint size + 1      v13: topic id, 16 bytes
 *     partitions      array        as above
 *       index int32
 *       records       bytes        v3-v8: int32 size          v9+: uvarint size + 1     one batch, by reference
 *       tags                                                  v9+: 0
 *     tags                                                    v9+: 0
 *   tags                                                      v9+: 0
 *
 * One request holds at most one batch of a partition (Kafka's rule for v3+), as many partitions of the broker as are
 * ready, and at most max.request.size bytes unless a single batch is larger. */
#include "producer/internal.h"

#include <assert.h>

enum { VERSION_MIN = 3, VERSION_ZSTD = 7, VERSION_FLEXIBLE = 9, VERSION_TOPIC_ID = 13, VERSION_MAX = 13 };

/* ---- memory of requests ---- */

static struct kci_produce *request_new(struct kci_producer *producer)
{
    struct kci_list *node = kci_list_pop(&producer->idle_requests);
    struct kci_produce *request;
    if (node) {
        request = KCI_CONTAINER(node, struct kci_produce, link);
    } else {
        request = kci_alloc_zero(producer->alloc, 1, sizeof *request);
        if (!request)
            return NULL;
        request->producer = producer;
        request->frame = kci_writer_of(producer->alloc, (size_t)KCI_REQUEST_BATCHES_MAX * (KCI_TOPIC_NAME_MAX + 64));
    }
    request->batch_count = request->piece_count = 0;
    request->frame.size = 0;
    request->frame.failed = false;
    return request;
}

void kci_request_destroy_all(struct kci_producer *producer)
{
    for (struct kci_list *node; (node = kci_list_pop(&producer->idle_requests)) != NULL;) {
        struct kci_produce *request = KCI_CONTAINER(node, struct kci_produce, link);
        if (producer->plant == KCI_PLANT_LEAK) /* planted defect */
            continue;
        kci_alloc_free(producer->alloc, request->batches);
        kci_alloc_free(producer->alloc, request->pieces);
        kci_writer_destroy(&request->frame);
        kci_alloc_free(producer->alloc, request);
    }
}

/* Room for one more element. */
static bool reserve(const struct kci_alloc *alloc, void **array, size_t *capacity, size_t needed, size_t element)
{
    if (needed <= *capacity)
        return true;
    size_t larger = *capacity ? *capacity * 2 : 32;
    while (larger < needed)
        larger *= 2;
    void *moved = kci_alloc_resize(alloc, *array, larger * element);
    if (!moved)
        return false;
    *array = moved;
    *capacity = larger;
    return true;
}

static bool add_batch(struct kci_produce *request, struct kci_batch *batch)
{
    void *array = request->batches;
    if (!reserve(request->producer->alloc, &array, &request->batch_capacity, request->batch_count + 1,
                 sizeof(struct kci_batch *)))
        return false;
    request->batches = array;
    request->batches[request->batch_count++] = batch;
    return true;
}

/* ---- bytes ---- */

static void put_count(struct kci_writer *w, int16_t version, int32_t count)
{
    if (version >= VERSION_FLEXIBLE)
        kci_writer_uvarint(w, (uint32_t)count + 1);
    else
        kci_writer_i32(w, count);
}

static void put_tags(struct kci_writer *w, int16_t version)
{
    if (version >= VERSION_FLEXIBLE)
        kci_writer_uvarint(w, 0);
}

static void put_topic(struct kci_writer *w, int16_t version, const struct kci_topic *topic)
{
    size_t size = strlen(topic->name);
    if (version >= VERSION_TOPIC_ID) {
        kci_writer_bytes(w, topic->info->id.b, sizeof topic->info->id.b);
        return;
    }
    if (version >= VERSION_FLEXIBLE)
        kci_writer_uvarint(w, (uint32_t)size + 1);
    else
        kci_writer_i16(w, (int16_t)size);
    kci_writer_bytes(w, topic->name, size);
}

/* The frame bytes since `from` become a piece; its address is filled in when the frame has stopped moving. */
static void close_piece(struct kci_produce *request, size_t *from)
{
    request->pieces[request->piece_count++] = (struct kci_iov){ NULL, request->frame.size - *from };
    *from = request->frame.size;
}

static bool put_batch(struct kci_produce *request, int16_t version, const struct kci_batch *batch, size_t *from)
{
    struct kci_writer *w = &request->frame;
    void *array = request->pieces;
    if (!reserve(request->producer->alloc, &array, &request->piece_capacity,
                 request->piece_count + batch->chunk_count + 2, sizeof(struct kci_iov)))
        return false;
    request->pieces = array;
    bool astray = request->producer->plant == KCI_PLANT_CROSS_TALK && batch->partition->index > 0; /* planted defect */
    kci_writer_i32(w, batch->partition->index - astray);
    if (version >= VERSION_FLEXIBLE)
        kci_writer_uvarint(w, batch->bytes + 1);
    else
        kci_writer_i32(w, (int32_t)batch->bytes);
    close_piece(request, from);
    request->piece_count += kci_batch_pieces(batch, request->pieces + request->piece_count);
    put_tags(w, version);
    return true;
}

/* Topics in order of first appearance, their partitions likewise; request->batches is brought into that order. */
static struct kci_topic *group_by_topic(struct kci_produce *request, int32_t *topic_count)
{
    struct kci_topic *first = NULL, **last = &first;
    *topic_count = 0;
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_partition *partition = request->batches[i]->partition;
        struct kci_topic *topic = partition->topic;
        if (topic->gather_count == 0) {
            topic->gather_last = &topic->gather_first;
            topic->gather_next = NULL;
            *last = topic;
            last = &topic->gather_next;
            ++*topic_count;
        }
        partition->gather_next = NULL;
        partition->gather_batch = request->batches[i];
        *topic->gather_last = partition;
        topic->gather_last = &partition->gather_next;
        topic->gather_count++;
    }
    return first;
}

static bool encode(struct kci_produce *request, int16_t version)
{
    const struct kci_settings *settings = request->producer->settings;
    struct kci_writer *w = &request->frame;
    size_t from = 0, n = 0;
    bool ok = true;
    int32_t topic_count;
    struct kci_topic *topics = group_by_topic(request, &topic_count);
    if (version >= VERSION_FLEXIBLE)
        kci_writer_uvarint(w, 0);
    else
        kci_writer_i16(w, -1);
    kci_writer_i16(w, (int16_t)settings->acks);
    kci_writer_i32(w, settings->request_timeout_ms);
    put_count(w, version, topic_count);
    for (struct kci_topic *topic = topics; topic; topic = topic->gather_next) {
        put_topic(w, version, topic);
        put_count(w, version, topic->gather_count);
        for (struct kci_partition *partition = topic->gather_first; partition; partition = partition->gather_next) {
            request->batches[n++] = partition->gather_batch;
            ok = ok && put_batch(request, version, partition->gather_batch, &from);
        }
        put_tags(w, version);
        topic->gather_count = 0;
    }
    put_tags(w, version);
    if (!ok || w->failed)
        return false;
    assert(n == request->batch_count);
    if (w->size > from)
        close_piece(request, &from);
    const uint8_t *at = w->data;
    for (size_t i = 0; i < request->piece_count; i++) {
        if (request->pieces[i].data)
            continue;
        request->pieces[i].data = at;
        at += request->pieces[i].size;
    }
    return true;
}

/* ---- choosing and sending ---- */

/* Take batches of partitions that this broker leads, until the request is full or nothing is ready. */
static void gather(struct kci_producer *producer, struct kci_target *target, struct kci_produce *request, int64_t now)
{
    size_t limit = (size_t)producer->settings->max_request_size, used = KCI_REQUEST_OVERHEAD;
    while (request->batch_count < KCI_REQUEST_BATCHES_MAX && !kci_list_empty(&target->ready)) {
        struct kci_partition *partition = KCI_CONTAINER(kci_list_pop(&target->ready), struct kci_partition, lane_link);
        size_t overhead = strlen(partition->topic->name) + KCI_REQUEST_OVERHEAD, bytes;
        size_t room = request->batch_count == 0 ? SIZE_MAX : used + overhead < limit ? limit - used - overhead : 0;
        struct kci_batch *batch = kci_lane_take(producer, partition, room, &bytes, now);
        if (batch && add_batch(request, batch)) {
            used += bytes + overhead;
            continue;
        }
        if (!bytes && !batch) { /* nothing there after all */
            partition->lane = KCI_LANE_IDLE;
            kci_lane_update(producer, partition, now);
            continue;
        }
        kci_list_push_front(&target->ready, &partition->lane_link); /* first in the next request */
        break;
    }
}

/* Out of memory, or no version: the batches stay, for later. */
static void give_up(struct kci_produce *request, int64_t now)
{
    struct kci_producer *producer = request->producer;
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_batch *batch = request->batches[i];
        batch->retry_at = now + (int64_t)producer->settings->retry_backoff_ms * 1000;
        batch->partition->lane = KCI_LANE_IDLE;
        kci_lane_update(producer, batch->partition, now);
    }
    kci_list_push(&producer->idle_requests, &request->link);
}

static void fail_for_version(struct kci_producer *producer, struct kci_produce *request, int32_t node, int64_t now)
{
    struct kci_cause *cause =
        kci_cause_new(producer->alloc, now, "broker %d (%s) speaks no version of Produce that we do%s", (int)node,
                      kci_cluster_node_text(producer->cluster, node),
                      producer->settings->compression_type == KCI_CODEC_ZSTD ? " and that allows zstd" : "");
    for (size_t i = 0; i < request->batch_count; i++)
        kci_fate_fail(producer, request->batches[i], KC_ERR_NO_VERSION, cause);
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_partition *partition = request->batches[i]->partition;
        kci_fate_settle(producer, partition);
        partition->lane = KCI_LANE_IDLE;
        kci_lane_update(producer, partition, now);
    }
    kci_cause_release(cause);
    kci_list_push(&producer->idle_requests, &request->link);
}

/* A batch is in a request from here until the call is done. */
static void launch(struct kci_producer *producer, struct kci_produce *request, int32_t node, int16_t version,
                   int64_t now)
{
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_batch *batch = request->batches[i];
        batch->partition->waiting--;
        batch->partition->in_flight++;
        kci_batch_move(batch, KCI_BATCH_IN_FLIGHT);
        batch->in_request = true;
        batch->attempts++;
        batch->partition->topic->used_at = now;
    }
    kci_count(&producer->counters.batches_sent, request->batch_count);
    kci_count(&producer->counters.requests, 1);
    kci_counts_launched(producer, request, now);
    kci_list_push(&producer->requests, &request->link);
    request->call = (struct kci_call){ .api = KCI_API_PRODUCE,
                                       .version_min = version,
                                       .version_max = version,
                                       .body = request->pieces,
                                       .body_count = request->piece_count,
                                       .timeout_ms = producer->settings->request_timeout_ms,
                                       .in_order = producer->idempotent,
                                       .no_reply = producer->settings->acks == 0,
                                       .done = kci_response_done,
                                       .owner = request };
    kci_cluster_call(producer->cluster, node, &request->call, now);
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_partition *partition = request->batches[i]->partition;
        partition->lane = KCI_LANE_IDLE;
        kci_lane_update(producer, partition, now);
    }
}

/* True if a request went out. */
static bool send_one(struct kci_producer *producer, struct kci_target *target, int64_t now)
{
    struct kci_produce *request = request_new(producer);
    if (!request)
        return false;
    int16_t min = producer->settings->compression_type == KCI_CODEC_ZSTD ? VERSION_ZSTD : VERSION_MIN;
    int16_t version = kci_cluster_node_version(producer->cluster, target->node, KCI_API_PRODUCE, min, VERSION_MAX);
    gather(producer, target, request, now);
    if (request->batch_count == 0) {
        kci_list_push(&producer->idle_requests, &request->link);
        return false;
    }
    if (version < 0) {
        fail_for_version(producer, request, target->node, now);
        return false;
    }
    for (size_t i = 0; i < request->batch_count; i++) {
        struct kci_batch *batch = request->batches[i];
        const struct kci_topic_info *info = batch->partition->topic->info;
        if (version >= VERSION_TOPIC_ID && kci_uuid_is_zero(&info->id))
            version = VERSION_TOPIC_ID - 1;
        kci_sequence_assign(producer, batch->partition, batch);
        kci_batch_finish_header(batch);
    }
    if (!encode(request, version)) {
        give_up(request, now);
        return false;
    }
    launch(producer, request, target->node, version, now);
    return true;
}

void kci_request_drain(struct kci_producer *producer, int64_t now)
{
    producer->avoid_at = KCI_NEVER;
    KCI_LIST_EACH(link, &producer->targets)
    {
        struct kci_target *target = KCI_CONTAINER(link, struct kci_target, link);
        bool connected = true;
        while (!kci_list_empty(&target->ready)) {
            connected = kci_cluster_node_ready(producer->cluster, target->node, now); /* begins to connect */
            if (!connected || !kci_identity_ready(producer, now) || !send_one(producer, target, now))
                break;
        }
        int64_t at = kci_partitioner_stuck(producer, target, !connected, now);
        if (at < producer->avoid_at)
            producer->avoid_at = at;
    }
}
