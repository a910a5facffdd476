/* A batch: its memory, its states, its header.
 *
 *   first chunk                                        further chunks
 *   [struct kci_batch | header 61 | records ........]->[records ........]->[records ...]
 *
 *                      full, to be compressed        compressed
 *        +---------+ ---------------------> CLOSING -----------> SEALED
 *        | FILLING |                                                |  the sender takes it
 *        +---------+ ---------- full, or linger over -------------->|
 *             |                                                     v
 *             |                        answer: retry         +-> WAITING
 *             |                             +----------------+      |  in a request
 *             |                             |                       v
 *             |                             +------------------ IN_FLIGHT
 *             |                                                     |  acknowledged, refused, expired
 *             +----------- expired, closed -------> DONE <----------+   (from SEALED and WAITING too)
 *
 * Invariants: from the first request on the bytes never change (a retry is byte-identical); the exception is a new
 * sequence after the broker said that it has no place for the old one (sequence.c), which happens with no request under
 * way. While in_request is set the chunks belong to the connection, whatever the state says (a batch that expires in
 * flight is reported at once, and freed when the call is over). */
#include "producer/batch.h"

#include "base/checksum.h"
#include "base/states.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BIT(state) (1u << KCI_BATCH_##state)

static bool has_records(const void *x)
{
    return ((const struct kci_batch *)x)->count > 0;
}
static bool not_in_request(const void *x)
{
    const struct kci_batch *batch = x;
    return batch->count > 0 && !batch->in_request;
}

static const struct kci_state_table states = {
    "batch",
    6,
    {
        [KCI_BATCH_FILLING] = { "filling", BIT(CLOSING) | BIT(SEALED), NULL },
        [KCI_BATCH_CLOSING] = { "closing", BIT(SEALED), has_records },
        [KCI_BATCH_SEALED] = { "sealed", BIT(WAITING) | BIT(DONE), has_records },
        [KCI_BATCH_WAITING] = { "waiting", BIT(IN_FLIGHT) | BIT(DONE), not_in_request },
        [KCI_BATCH_IN_FLIGHT] = { "in flight", BIT(WAITING) | BIT(DONE), has_records },
        [KCI_BATCH_DONE] = { "done", 0, has_records },
    },
};

void kci_batch_move(struct kci_batch *batch, enum kci_batch_state state)
{
    kci_states_move(&states, &batch->state, (int)state, batch);
}

/* ---- causes ---- */

struct kci_cause *kci_cause_new(const struct kci_alloc *alloc, int64_t now, const char *format, ...)
{
    struct kci_cause *cause = kci_alloc_new(alloc, sizeof *cause);
    if (!cause)
        return NULL;
    cause->alloc = alloc;
    cause->references = 1;
    cause->at = now;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause->text, sizeof cause->text, format, arguments);
    va_end(arguments);
    return cause;
}

struct kci_cause *kci_cause_ref(struct kci_cause *cause)
{
    if (cause)
        cause->references++;
    return cause;
}

void kci_cause_release(struct kci_cause *cause)
{
    if (cause && --cause->references == 0)
        kci_alloc_free(cause->alloc, cause);
}

/* ---- side arrays ---- */

static uint32_t side_chunk_room(const struct kci_side *side, const struct kci_pool *pool)
{
    return side->last ? (kci_pool_chunk_data(pool) & ~7u) - side->last->end : 0;
}

enum kci_pool_result kci_side_reserve(struct kci_side *side, struct kci_pool *pool, enum kci_pool_right right)
{
    if (side->count < KCI_SIDE_INLINE || side_chunk_room(side, pool))
        return KCI_POOL_OK;
    struct kci_chunk *chunk;
    enum kci_pool_result result = kci_pool_take(pool, 1, right, &chunk);
    if (result)
        return result;
    if (side->last)
        side->last->next = chunk;
    else
        side->first = chunk;
    side->last = chunk;
    return KCI_POOL_OK;
}

void kci_side_add(struct kci_side *side, int32_t index, uint64_t value)
{
    if (side->count == 0)
        side->from = index;
    assert(index == side->from + side->count);
    if (side->count < KCI_SIDE_INLINE) {
        side->own[side->count++] = value;
        return;
    }
    memcpy(side->last->data + side->last->end, &value, sizeof value);
    side->last->end += (uint32_t)sizeof value;
    side->count++;
}

struct kci_side_reader kci_side_read(const struct kci_side *side)
{
    return (struct kci_side_reader){ side, side->first, 0 };
}

uint64_t kci_side_next(struct kci_side_reader *reader, int32_t index, uint64_t otherwise)
{
    const struct kci_side *side = reader->side;
    int32_t entry = index - side->from;
    uint64_t value;
    if (side->count == 0 || entry < 0 || entry >= side->count)
        return otherwise;
    if (entry < KCI_SIDE_INLINE)
        return side->own[entry];
    if (reader->at == reader->chunk->end) {
        reader->chunk = reader->chunk->next;
        reader->at = 0;
    }
    memcpy(&value, reader->chunk->data + reader->at, sizeof value);
    reader->at += (uint32_t)sizeof value;
    return value;
}

/* ---- memory and bytes ---- */

struct kci_batch *kci_batch_begin(struct kci_chunk *chunk, uint32_t chunk_data, uint8_t **at, uint8_t **end)
{
    struct kci_batch *batch = (void *)chunk->data;
    memset(batch, 0, sizeof *batch);
    chunk->start = (uint32_t)sizeof *batch;
    batch->first = batch->last = chunk;
    batch->chunk_count = 1;
    batch->state = KCI_BATCH_FILLING;
    batch->producer_id = -1;
    batch->base_offset = batch->log_append_ms = -1;
    *at = chunk->data + sizeof *batch + KCI_BATCH_HEADER_BYTES;
    *end = chunk->data + chunk_data;
    return batch;
}

uint8_t *kci_batch_header_bytes(const struct kci_batch *batch)
{
    return batch->first->data + batch->first->start;
}

void kci_batch_finish_header(struct kci_batch *batch)
{
    if (batch->crc_valid)
        return;
    assert(!batch->in_request);
    struct kci_batch_header header = {
        .base_offset = 0,
        .batch_length = (int32_t)(batch->bytes - KCI_BATCH_PREFIX_BYTES),
        .leader_epoch = -1,
        .magic = 2,
        .attributes = batch->attributes,
        .last_offset_delta = batch->count - 1,
        .base_timestamp_ms = batch->base_timestamp_ms,
        .max_timestamp_ms = batch->max_timestamp_ms,
        .producer_id = batch->sequenced ? batch->producer_id : -1,
        .producer_epoch = batch->sequenced ? batch->producer_epoch : -1,
        .base_sequence = batch->sequenced ? batch->base_sequence : -1,
        .record_count = batch->count,
    };
    enum { CRC_AT = 17, CRC_FROM = 21 }; /* the CRC covers everything from the attributes on */
    uint8_t *bytes = kci_batch_header_bytes(batch);
    kci_batch_header_put(bytes, &header);
    uint32_t crc = 0;
    for (const struct kci_chunk *chunk = batch->first; chunk; chunk = chunk->next) {
        uint32_t from = chunk->start + (chunk == batch->first ? CRC_FROM : 0);
        crc = kci_crc32c(crc, chunk->data + from, chunk->end - from);
    }
    kci_put32(bytes + CRC_AT, crc);
    batch->crc_valid = true;
}

size_t kci_batch_pieces(const struct kci_batch *batch, struct kci_iov *out)
{
    size_t count = 0;
    for (const struct kci_chunk *chunk = batch->first; chunk; chunk = chunk->next)
        out[count++] = (struct kci_iov){ chunk->data + chunk->start, chunk->end - chunk->start };
    return count;
}

/* Write `size` bytes over the records section; give back the chunks behind. */
static void replace_records(struct kci_batch *batch, struct kci_pool *pool, const uint8_t *data, size_t size)
{
    struct kci_chunk *chunk = batch->first;
    uint32_t at = chunk->start + KCI_BATCH_HEADER_BYTES, count = 1;
    batch->bytes = (uint32_t)(KCI_BATCH_HEADER_BYTES + size);
    for (;;) {
        size_t piece = kci_pool_room(pool, chunk) - at;
        if (piece > size)
            piece = size;
        memcpy(chunk->data + at, data, piece);
        chunk->end = (uint32_t)(at + piece);
        data += piece;
        size -= piece;
        if (size == 0)
            break;
        chunk = chunk->next;
        at = chunk->start;
        count++;
    }
    if (chunk->next)
        kci_pool_give(pool, chunk->next, batch->last, batch->chunk_count - count);
    chunk->next = NULL;
    batch->last = chunk;
    batch->chunk_count = count;
}

void kci_batch_compress(struct kci_batch *batch, struct kci_pool *pool, struct kci_compressor *compressor, int codec,
                        int32_t level, struct kci_writer *scratch)
{
    struct kci_iov local[70] = { { NULL, 0 } }, *pieces = local;
    size_t plain = batch->bytes - KCI_BATCH_HEADER_BYTES;
    if (batch->chunk_count > sizeof local / sizeof *local &&
        !(pieces = kci_alloc_new(pool->alloc, batch->chunk_count * sizeof *pieces)))
        return;
    size_t count = kci_batch_pieces(batch, pieces);
    pieces[0].data = (const uint8_t *)pieces[0].data + KCI_BATCH_HEADER_BYTES;
    pieces[0].size -= KCI_BATCH_HEADER_BYTES;
    scratch->size = 0;
    scratch->failed = false;
    enum kci_compress_result result = kci_compress(compressor, codec, level, pieces, count, scratch);
    if (pieces != local)
        kci_alloc_free(pool->alloc, pieces);
    if (result != KCI_COMPRESS_OK || scratch->failed || scratch->size >= plain)
        return;
    batch->attributes = (int16_t)codec;
    replace_records(batch, pool, scratch->data, scratch->size);
}

void kci_batch_free(struct kci_batch *batch, struct kci_pool *pool, const struct kci_alloc *alloc)
{
    assert(!batch->in_request);
    kci_cause_release(batch->cause);
    kci_alloc_free(alloc, batch->refusal);
    struct kci_side *sides[] = { &batch->opaques, &batch->timestamps };
    for (size_t i = 0; i < 2; i++) {
        size_t count = 0;
        for (struct kci_chunk *chunk = sides[i]->first; chunk; chunk = chunk->next)
            count++;
        if (count)
            kci_pool_give(pool, sides[i]->first, sides[i]->last, count);
    }
    kci_pool_give(pool, batch->first, batch->last, batch->chunk_count);
}

/* ---- walking ---- */

struct kci_batch_walk kci_batch_walk_begin(const struct kci_batch *batch)
{
    return (struct kci_batch_walk){ batch->first, batch->first->start + KCI_BATCH_HEADER_BYTES };
}

static uint8_t walk_byte(struct kci_batch_walk *walk)
{
    while (walk->at == walk->chunk->end) {
        walk->chunk = walk->chunk->next;
        walk->at = walk->chunk->start;
    }
    return walk->chunk->data[walk->at++];
}

/* Our own bytes: they are what we wrote. */
static uint64_t walk_varint(struct kci_batch_walk *walk, uint32_t *size)
{
    uint64_t value = 0;
    uint8_t byte;
    unsigned shift = 0;
    do {
        byte = walk_byte(walk);
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        ++*size;
    } while (byte & 0x80);
    return value;
}

int64_t kci_batch_walk_timestamp(struct kci_batch_walk *walk)
{
    uint32_t size = 0;
    uint64_t body = walk_varint(walk, &size) >> 1;
    walk_byte(walk);
    size = 1;
    uint64_t delta = walk_varint(walk, &size);
    for (uint64_t left = body - size; left;) {
        uint64_t piece = walk->chunk->end - walk->at;
        if (piece > left)
            piece = left;
        walk->at += (uint32_t)piece;
        left -= piece;
        if (left) {
            walk->chunk = walk->chunk->next;
            walk->at = walk->chunk->start;
        }
    }
    return (int64_t)(delta >> 1) ^ -(int64_t)(delta & 1);
}
