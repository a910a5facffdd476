/* MESSAGE_TOO_LARGE: the broker did not append the batch, so its records may go in smaller ones (KIP-126;
 * PROTOCOL 2.5).
 *
 * The pieces take the batch's place among the outstanding ones, in order, and share out its sequence numbers, so
 * whatever follows fits behind them. Each record keeps its bytes but for the offset delta; the base timestamp stays.
 * Pieces have batch.size bytes at most, and half of the whole at most.
 * Memory beyond the ceiling is used for the moment in which both exist. The topic's batches grow no further than half
 * of what was refused from now on. */
#include "producer/internal.h"

struct splitting {
    struct kci_producer *producer;
    struct kci_batch *whole;
    struct kci_list pieces;         /* made so far */
    struct kci_batch *piece;        /* being filled; the last of pieces */
    struct kci_rope rope;           /* where its next byte goes */
    struct kci_side_reader opaques; /* of the whole */
    size_t limit;                   /* bytes of a piece, plain */
};

static bool begin_piece(struct splitting *s, int32_t index)
{
    struct kci_chunk *chunk;
    const struct kci_batch *whole = s->whole;
    uint32_t data = kci_pool_chunk_data(&s->producer->pool);
    if (kci_pool_take(&s->producer->pool, 1, KCI_POOL_FORCED, &chunk))
        return false;
    s->piece = kci_batch_begin(chunk, data, &s->rope.at, &s->rope.end);
    s->rope.chunk = chunk;
    s->rope.chunk_data = data;
    s->piece->partition = whole->partition;
    s->piece->created_at = whole->created_at;
    s->piece->generation = whole->generation; /* a flush that waits for the whole waits for its pieces */
    kci_flush_join(s->producer, whole->generation);
    s->piece->base_timestamp_ms = whole->base_timestamp_ms;
    s->piece->max_timestamp_ms = whole->base_timestamp_ms;
    s->piece->sequenced = whole->sequenced;
    s->piece->producer_id = whole->producer_id;
    s->piece->producer_epoch = whole->producer_epoch;
    s->piece->base_sequence = kci_sequence_add(whole->base_sequence, index);
    s->piece->attempts = whole->attempts;
    s->piece->maybe_applied = whole->maybe_applied;
    s->piece->cause = kci_cause_ref(whole->cause);
    s->piece->bytes = KCI_BATCH_HEADER_BYTES;
    kci_list_push(&s->pieces, &s->piece->link);
    return true;
}

static void end_piece(struct splitting *s)
{
    struct kci_batch *piece = s->piece;
    if (!piece)
        return;
    s->rope.chunk->end = (uint32_t)(s->rope.at - s->rope.chunk->data);
    piece->last = s->rope.chunk;
    kci_batch_move(piece, KCI_BATCH_SEALED);
    if (s->producer->settings->compression_type)
        kci_compressing_run(s->producer, piece);
    kci_batch_move(piece, KCI_BATCH_WAITING);
    s->piece = NULL;
}

/* Append one record: its attributes and timestamp as they are, the offset delta afresh, the rest as it is. */
static bool add_record(struct splitting *s, struct kci_reader body, int32_t index)
{
    struct kci_pool *pool = &s->producer->pool;
    int8_t attributes = kci_reader_i8(&body);
    int64_t delta = kci_reader_varlong(&body);
    kci_reader_varint(&body); /* the old offset delta */
    size_t rest = kci_reader_left(&body), left;
    uint8_t head[32];
    if (body.failed)
        return false;
    if (s->piece && s->piece->bytes + rest + sizeof head > s->limit)
        end_piece(s);
    if (!s->piece && !begin_piece(s, index))
        return false;
    struct kci_batch *piece = s->piece;
    size_t size = 1 + kci_encode_size64(kci_zigzag64(delta)) + kci_encode_size32((uint32_t)piece->count << 1) + rest;
    uint8_t *at = head + kci_put_uvarint(head, (uint32_t)size << 1);
    *at++ = (uint8_t)attributes;
    at += kci_put_uvarlong(at, kci_zigzag64(delta));
    at = kci_encode_put32(at, (uint32_t)piece->count << 1);
    size_t whole = (size_t)(at - head) + rest;
    left = (size_t)(s->rope.end - s->rope.at);
    if (whole > left) {
        struct kci_chunk *chunk;
        size_t count = (whole - left + s->rope.chunk_data - 1) / s->rope.chunk_data;
        if (kci_pool_take(pool, count, KCI_POOL_FORCED, &chunk))
            return false;
        s->rope.chunk->next = chunk;
        piece->chunk_count += (uint32_t)count;
        while (piece->last->next)
            piece->last = piece->last->next;
    }
    uint64_t opaque = kci_side_next(&s->opaques, index, 0);
    int64_t stamp = s->whole->base_timestamp_ms + delta;
    if ((opaque || piece->opaques.count) && kci_side_reserve(&piece->opaques, pool, KCI_POOL_FORCED))
        return false;
    if (s->producer->stamps && (opaque || s->producer->stamps_every || piece->timestamps.count) &&
        kci_side_reserve(&piece->timestamps, pool, KCI_POOL_FORCED))
        return false;
    if (opaque || piece->opaques.count)
        kci_side_add(&piece->opaques, piece->count, opaque);
    if (s->producer->stamps && (piece->timestamps.count || (delta && (opaque || s->producer->stamps_every))))
        kci_side_add(&piece->timestamps, piece->count, (uint64_t)stamp);
    kci_rope_put(&s->rope, head, (size_t)(at - head));
    kci_rope_put(&s->rope, body.at, rest);
    piece->bytes += (uint32_t)whole;
    piece->count++;
    if (stamp > piece->max_timestamp_ms)
        piece->max_timestamp_ms = stamp;
    return true;
}

/* All record bytes, plain, in one block. */
static uint8_t *plain_records(struct kci_producer *producer, const struct kci_batch *batch, size_t *size)
{
    size_t stored = batch->bytes - KCI_BATCH_HEADER_BYTES, at = 0;
    uint8_t *block = kci_alloc_new(producer->alloc, stored), *plain = NULL;
    if (!block)
        return NULL;
    for (const struct kci_chunk *chunk = batch->first; chunk; chunk = chunk->next) {
        uint32_t from = chunk->start + (chunk == batch->first ? KCI_BATCH_HEADER_BYTES : 0);
        memcpy(block + at, chunk->data + from, chunk->end - from);
        at += chunk->end - from;
    }
    *size = stored;
    if (batch->attributes == KCI_CODEC_NONE)
        return block;
    if (kci_decompress(NULL, batch->attributes, block, stored, producer->alloc, (size_t)producer->batch_max * 2, &plain,
                       size))
        plain = NULL;
    kci_alloc_free(producer->alloc, block);
    return plain;
}

static void drop_pieces(struct splitting *s)
{
    for (struct kci_list *node; (node = kci_list_pop(&s->pieces)) != NULL;) {
        struct kci_batch *piece = KCI_CONTAINER(node, struct kci_batch, link);
        uint64_t generation = piece->generation;
        kci_batch_free(piece, &s->producer->pool, s->producer->alloc);
        kci_flush_leave(s->producer, generation);
    }
}

/* The pieces instead of the whole. */
static void replace(struct splitting *s)
{
    struct kci_batch *whole = s->whole;
    struct kci_partition *partition = whole->partition;
    struct kci_list *after = &whole->link;
    for (struct kci_list *node; (node = kci_list_pop(&s->pieces)) != NULL;) {
        kci_list_insert_after(after, node);
        after = node;
        partition->waiting++;
    }
    partition->in_flight--;
    kci_list_remove(&whole->link);
    uint64_t generation = whole->generation;
    kci_batch_free(whole, &s->producer->pool, s->producer->alloc);
    kci_flush_leave(s->producer, generation);
}

bool kci_split(struct kci_producer *producer, struct kci_batch *batch, struct kci_cause *cause)
{
    struct splitting s = { .producer = producer, .whole = batch, .opaques = kci_side_read(&batch->opaques) };
    struct kci_topic *topic = batch->partition->topic;
    size_t size = 0;
    kci_list_init(&s.pieces);
    uint8_t *plain = plain_records(producer, batch, &size);
    if (!plain)
        return false;
    /* at most half, so that there is progress even where batch.size is beyond the topic's limit */
    s.limit = size / 2 < producer->batch_aim ? size / 2 : producer->batch_aim;
    uint32_t half = batch->bytes / 2 > producer->batch_aim ? batch->bytes / 2 : producer->batch_aim;
    if (half < atomic_load(&topic->batch_bytes_max))
        atomic_store(&topic->batch_bytes_max, half);
    kci_cause_ref(cause);
    kci_cause_release(batch->cause);
    batch->cause = cause;
    struct kci_reader records = kci_reader_of(plain, size);
    bool ok = true;
    for (int32_t i = 0; ok && i < batch->count; i++) {
        int32_t body = kci_reader_varint(&records);
        const uint8_t *at = body > 0 ? kci_reader_take(&records, (size_t)body) : NULL;
        ok = at && add_record(&s, kci_reader_of(at, (size_t)body), i);
    }
    if (ok) {
        end_piece(&s);
        replace(&s);
        kci_counts_split(producer);
    } else {
        drop_pieces(&s);
    }
    kci_alloc_free(producer->alloc, plain);
    return ok;
}
