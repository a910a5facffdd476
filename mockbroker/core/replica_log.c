/* The log of one replica: an index of batches over counted frames.
 *
 *      entries [ first ................... first + count )        one per batch, by rising offset
 *                 |  resident -> |
 *                 on disk only    frame + at + size  ------->  bytes as they came from the wire
 *
 * Batches are not copied: replicas of a partition share the frame of the Produce request, each holds a reference.  A
 * batch of less than COPY_BYTES_MAX, or of less than a PIN_FACTOR-th of its frame, is copied into a chunk instead: what
 * a log keeps must not be many times larger than what it shows, and neighbours in a chunk leave as one piece in a
 * fetch. With a store (files) the frames of old entries are dropped when RESIDENT_BYTES_MAX is exceeded and read back
 * when asked for.
 *
 * Invariants: entries do not overlap and rise; every entry's last offset is < end_offset; start_offset <= end_offset;
 * flushed_offset <= end_offset; an entry before `resident` has no frame unless it was read back; the last epoch starts
 * at or below end_offset. */
#include "mockbroker/core/replica_log.h"

#include "base/cursor.h"
#include "mockbroker/core/log_index.h"
#include "mockbroker/core/log_producers.h"
#include "protocol/records.h"
#include <errno.h>

#define COPY_BYTES_MAX     2048u
#define PIN_FACTOR         64u
#define CHUNK_BYTES_MIN    (8u << 10)
#define CHUNK_BYTES_MAX    (64u << 10)
#define ENTRIES_MIN        16
#define RESIDENT_BYTES_MAX ((uint64_t)8 << 20) /* per replica, with a store only */

void mb_log_init(struct mb_log *log, const struct kci_alloc *alloc, struct mb_log_store *store)
{
    memset(log, 0, sizeof *log);
    log->alloc = alloc;
    log->store = store;
}

void mb_log_destroy(struct mb_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        kci_frame_release(mb_log_entry(log, i)->frame);
    kci_alloc_free(log->alloc, log->entries);
    kci_alloc_free(log->alloc, log->epochs);
    kci_frame_release(log->chunk);
    mb_log_store_destroy(log->store);
    mb_log_init(log, log->alloc, NULL);
}

/* ---- append
 * ---------------------------------------------------------------------------------------------------------- */

static bool new_chunk(struct mb_log *log, uint32_t size)
{
    uint32_t bytes = log->chunk && log->chunk->size < CHUNK_BYTES_MAX ? log->chunk->size * 2 : CHUNK_BYTES_MIN;
    if (log->chunk && log->chunk->size >= CHUNK_BYTES_MAX)
        bytes = CHUNK_BYTES_MAX;
    struct kci_frame *chunk = kci_frame_new(log->alloc, bytes > size ? bytes : size);
    if (!chunk)
        return false;
    kci_frame_release(log->chunk);
    log->chunk = chunk;
    log->chunk_used = 0;
    return true;
}

bool mb_log_place(struct mb_log *log, struct kci_frame *frame, const uint8_t *batch, uint32_t size,
                  struct mb_log_entry *entry)
{
    entry->size = size;
    bool inside = frame && batch >= frame->data && batch + size <= frame->data + frame->size;
    if (inside && size > COPY_BYTES_MAX && size >= frame->size / PIN_FACTOR) {
        entry->frame = kci_frame_ref(frame);
        entry->at = (uint32_t)(batch - frame->data);
        return true;
    }
    if ((!log->chunk || log->chunk->size - log->chunk_used < size) && !new_chunk(log, size))
        return false;
    entry->frame = kci_frame_ref(log->chunk);
    entry->at = log->chunk_used;
    memcpy(log->chunk->data + log->chunk_used, batch, size);
    log->chunk_used += size;
    return true;
}

void mb_log_entry_drop(struct mb_log_entry *entry)
{
    kci_frame_release(entry->frame);
    entry->frame = NULL;
}

static bool make_room(struct mb_log *log)
{
    if (log->first + log->count < log->capacity)
        return true;
    if (log->first > log->capacity / 2) { /* half is gone at the front: slide */
        memmove(log->entries, log->entries + log->first, log->count * sizeof *log->entries);
        log->first = 0;
        return true;
    }
    size_t capacity = log->capacity ? log->capacity * 2 : ENTRIES_MIN;
    struct mb_log_entry *entries = kci_alloc_resize(log->alloc, log->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    log->entries = entries;
    log->capacity = capacity;
    return true;
}

/* Keep the newest batches in memory, the others on disk. */
void mb_log_trim(struct mb_log *log)
{
    while (log->store && log->resident_bytes > RESIDENT_BYTES_MAX && log->resident + 1 < log->count) {
        struct mb_log_entry *entry = mb_log_entry(log, log->resident++);
        if (entry->frame) {
            log->resident_bytes -= entry->size;
            mb_log_entry_drop(entry);
        }
    }
}

/* Segments of a log without files are a thought, but compaction goes by them. */
static void roll_in_mind(struct mb_log *log, const struct mb_log_entry *entry, const struct mb_log_roll *roll)
{
    bool full = log->active_bytes + entry->size > (uint64_t)roll->segment_bytes;
    bool old = entry->max_timestamp_ms > log->active_first_ms &&
               entry->max_timestamp_ms - log->active_first_ms > roll->segment_ms;
    if (log->active_bytes == 0 || full || old) {
        log->active_offset = entry->base_offset;
        log->active_first_ms = entry->max_timestamp_ms;
        log->active_bytes = 0;
    }
    log->active_bytes += entry->size;
}

int64_t mb_log_active(const struct mb_log *log)
{
    if (!log->store)
        return log->active_offset < log->end_offset ? log->active_offset : log->end_offset;
    bool ignored;
    size_t i = 0;
    int64_t base = 0, next;
    while ((next = mb_log_store_segment(log->store, i++, &ignored)) >= 0)
        base = next;
    return base;
}

static void note_flush(struct mb_log *log, const struct mb_log_roll *roll)
{
    bool enough = roll->flush_records > 0 && log->end_offset - log->flushed_offset >= roll->flush_records;
    if (log->store ? !mb_log_store_is_dirty(log->store) : enough)
        log->flushed_offset = log->end_offset;
}

int mb_log_flush(struct mb_log *log)
{
    int error = log->store && mb_log_store_is_dirty(log->store) ? mb_log_store_sync(log->store) : 0;
    if (!error)
        log->flushed_offset = log->end_offset;
    return error;
}

/* Files beside the segment that is full, and what was known of producers before the new one; without them it is as good. */
static void begin_segment(struct mb_log *log, const struct mb_log_roll *roll)
{
    mb_log_index_write(log, roll->producers, roll->index_interval_bytes, false);
    if (roll->producers)
        mb_log_producers_write_snapshot(log->store, roll->producers, mb_log_active(log));
}

int mb_log_append(struct mb_log *log, const struct mb_log_entry *entry, int32_t epoch, const struct mb_log_roll *roll)
{
    if (!make_room(log) || !mb_log_epoch_begin(log, epoch, entry->base_offset))
        return ENOMEM;
    struct mb_log_entry *slot = mb_log_entry(log, log->count);
    *slot = *entry;
    slot->position = 0;
    if (log->store) {
        const uint8_t *bytes = entry->frame->data + entry->at;
        int error = mb_log_store_append(log->store, bytes, entry->size, entry->base_offset, entry->last_delta,
                                        entry->max_timestamp_ms, roll, &slot->position);
        if (error)
            return error;
        if (slot->position == 0 && log->count)
            begin_segment(log, roll);
        log->resident_bytes += entry->size;
    } else {
        roll_in_mind(log, entry, roll);
    }
    kci_frame_ref(slot->frame);
    log->count++;
    log->bytes += entry->size;
    log->end_offset = mb_log_entry_last(slot) + 1;
    note_flush(log, roll);
    mb_log_trim(log);
    return 0;
}

bool mb_log_recovered(struct mb_log *log, const struct mb_log_entry *entry, int32_t epoch)
{
    if (entry->last_delta < 0 || entry->base_offset < log->end_offset || !make_room(log) ||
        !mb_log_epoch_begin(log, epoch, entry->base_offset))
        return false;
    if (!log->count)
        log->start_offset = entry->base_offset;
    *mb_log_entry(log, log->count++) = *entry;
    log->resident = log->count;
    log->bytes += entry->size;
    log->end_offset = log->flushed_offset = mb_log_entry_last(entry) + 1;
    return true;
}

/* ---- reading
 * --------------------------------------------------------------------------------------------------------- */

size_t mb_log_find(const struct mb_log *log, int64_t offset)
{
    size_t low = 0, high = log->count;
    if (high && mb_log_entry(log, high - 1)->base_offset <= offset) /* consumers that keep up read the last batch */
        return mb_log_entry_last(mb_log_entry(log, high - 1)) >= offset ? high - 1 : high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mb_log_entry_last(mb_log_entry(log, middle)) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const uint8_t *mb_log_bytes(struct mb_log *log, size_t i)
{
    struct mb_log_entry *entry = mb_log_entry(log, i);
    if (!entry->frame) {
        struct kci_frame *frame = kci_frame_new(log->alloc, entry->size);
        if (!frame)
            return NULL;
        if (mb_log_store_read(log->store, entry->base_offset, entry->position, frame->data, entry->size) != 0) {
            kci_frame_release(frame);
            return NULL;
        }
        entry->frame = frame;
        entry->at = 0;
        log->resident_bytes += entry->size;
        if (i < log->resident)
            log->resident = i; /* mb_log_trim() begins here the next time */
    }
    return entry->frame->data + entry->at;
}

/* ---- the ends
 * -------------------------------------------------------------------------------------------------------- */

static void forget(struct mb_log *log, struct mb_log_entry *entry)
{
    log->bytes -= entry->size;
    if (log->store && entry->frame)
        log->resident_bytes -= entry->size;
    mb_log_entry_drop(entry);
}

static void epochs_truncate(struct mb_log *log, int64_t end)
{
    while (log->epoch_count && log->epochs[log->epoch_count - 1].start_offset >= end)
        log->epoch_count--;
}

int mb_log_truncate(struct mb_log *log, int64_t offset)
{
    if (offset >= log->end_offset) { /* at the end: only epochs without records go */
        epochs_truncate(log, offset);
        return 0;
    }
    size_t keep = mb_log_find(log, offset);
    const struct mb_log_entry *first_gone = keep < log->count ? mb_log_entry(log, keep) : NULL;
    if (first_gone && first_gone->base_offset < offset) /* else it lies in a hole */
        offset = first_gone->base_offset;
    if (first_gone && log->store) {
        int error = mb_log_store_truncate(log->store, offset, first_gone->base_offset, first_gone->position);
        if (error)
            return error;
    }
    for (size_t i = keep; i < log->count; i++)
        forget(log, mb_log_entry(log, i));
    log->count = keep;
    if (log->resident > keep)
        log->resident = keep;
    log->end_offset = offset > log->start_offset ? offset : log->start_offset;
    if (log->cleaned_offset > log->end_offset)
        log->cleaned_offset = log->end_offset;
    if (log->flushed_offset > log->end_offset)
        log->flushed_offset = log->end_offset;
    epochs_truncate(log, log->end_offset);
    return 0;
}

void mb_log_raise_start(struct mb_log *log, int64_t offset)
{
    if (offset <= log->start_offset)
        return;
    if (offset > log->end_offset)
        offset = log->end_offset;
    size_t gone = mb_log_find(log, offset);
    for (size_t i = 0; i < gone; i++)
        forget(log, mb_log_entry(log, i));
    log->first += gone;
    log->count -= gone;
    log->resident = log->resident > gone ? log->resident - gone : 0;
    log->start_offset = offset;
    if (log->flushed_offset < offset)
        log->flushed_offset = offset;
    size_t old = 0; /* epochs that ended below the start; the last of them moves up to it */
    while (old + 1 < log->epoch_count && log->epochs[old + 1].start_offset <= offset)
        old++;
    if (log->epoch_count) {
        log->epoch_count -= old;
        memmove(log->epochs, log->epochs + old, log->epoch_count * sizeof *log->epochs);
        if (log->epochs[0].start_offset < offset)
            log->epochs[0].start_offset = offset;
    }
    if (log->store)
        mb_log_store_drop_below(log->store, offset);
}

int mb_log_reset(struct mb_log *log, int64_t offset)
{
    int error = log->store ? mb_log_store_reset(log->store, offset) : 0;
    if (error)
        return error;
    for (size_t i = 0; i < log->count; i++)
        forget(log, mb_log_entry(log, i));
    log->first = log->count = log->resident = log->epoch_count = 0;
    log->start_offset = log->end_offset = log->cleaned_offset = log->flushed_offset = offset;
    log->active_bytes = 0;
    return 0;
}

/* ---- leader epochs
 * --------------------------------------------------------------------------------------------------- */

bool mb_log_epoch_begin(struct mb_log *log, int32_t epoch, int64_t start_offset)
{
    /* Epochs in which nothing was written leave no trace, newer ones included: a leader of an earlier epoch may come
     * back before the newer one wrote anything, and then its records stand here. */
    while (log->epoch_count && log->epochs[log->epoch_count - 1].start_offset >= start_offset)
        log->epoch_count--;
    if (epoch <= mb_log_epoch_latest(log))
        return true;
    if (log->epoch_count == log->epoch_capacity) {
        size_t capacity = log->epoch_capacity ? log->epoch_capacity * 2 : 4;
        struct mb_log_epoch *epochs = kci_alloc_resize(log->alloc, log->epochs, capacity * sizeof *epochs);
        if (!epochs)
            return false;
        log->epochs = epochs;
        log->epoch_capacity = capacity;
    }
    log->epochs[log->epoch_count++] = (struct mb_log_epoch){ epoch, start_offset };
    return true;
}

int32_t mb_log_epoch_latest(const struct mb_log *log)
{
    return log->epoch_count ? log->epochs[log->epoch_count - 1].epoch : -1;
}

void mb_log_epoch_end(const struct mb_log *log, int32_t requested, int32_t *epoch, int64_t *end_offset)
{
    *epoch = -1;
    *end_offset = -1;
    if (requested == -1 || !log->epoch_count || requested > mb_log_epoch_latest(log))
        return;
    if (requested < log->epochs[0].epoch) {
        *epoch = requested;
        *end_offset = log->epochs[0].start_offset;
        return;
    }
    size_t i = log->epoch_count - 1;
    while (log->epochs[i].epoch > requested)
        i--;
    *epoch = log->epochs[i].epoch;
    *end_offset = i + 1 < log->epoch_count ? log->epochs[i + 1].start_offset : log->end_offset;
}

int32_t mb_log_epoch_at(const struct mb_log *log, int64_t offset)
{
    for (size_t i = log->epoch_count; i > 0; i--)
        if (log->epochs[i - 1].start_offset <= offset)
            return log->epochs[i - 1].epoch;
    return -1;
}
