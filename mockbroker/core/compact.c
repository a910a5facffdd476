/* The cleaner.
 *
 *      [ cleaned ............ | dirty ........... | lag, above the high watermark, active segment ]
 *                             ^ cleaned_offset    ^ end
 *      1. map: key -> offset of its latest record, from the dirty part
 *      2. batches up to `end` are written anew without the records that a later one replaces
 *
 * Offsets never change: a batch keeps its base offset and its last offset, whatever is left in it, and a reader that
 * asks for a hole gets what follows.  A tombstone (no value) replaces like any record and goes itself when
 * delete.retention.ms has passed since it was first seen here; that time is remembered in memory, so a restart lets it
 * live longer, never shorter.  Control batches stay; what their transactions have aborted goes, and what is not below
 * the last stable offset is not looked at.  The last batch of a producer stays, if only as an empty one: its
 * sequence is needed.  With files, whole segments are written anew and take the place of the old ones by a rename.
 *
 * When the keys of the dirty part do not fit in KEYS_BYTES_MAX, as much is cleaned as does. */
#include "mockbroker/core/compact.h"

#include "base/arena.h"
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/map.h"
#include "mockbroker/core/log_index.h"
#include "protocol/records.h"
#include <errno.h>

#define KEYS_BYTES_MAX  ((size_t)128 << 20)
#define PLAIN_BYTES_MAX ((size_t)256 << 20) /* of one batch */
#define CRC_AT          17
#define COVERED_AT      21

struct cleaner {
    struct mb_log *log;
    const struct mb_compaction *with;
    struct kci_map latest; /* key -> int64_t *offset */
    struct kci_arena keys; /* and offsets */
};

/* ---- what can be cleaned
 * --------------------------------------------------------------------------------------------- */

/* Entries before it may be touched; with files, always a whole number of segments. */
static size_t cleanable(const struct mb_log *log, const struct mb_compaction *with)
{
    int64_t active = mb_log_active(log);
    int64_t limit = with->limit < active ? with->limit : active;
    size_t end = 0;
    while (end < log->count && mb_log_entry_last(mb_log_entry(log, end)) < limit &&
           (with->config->compaction_lag_min_ms == 0 ||
            mb_log_entry(log, end)->max_timestamp_ms <= with->wall_ms - with->config->compaction_lag_min_ms))
        end++;
    if (!log->store || end == log->count)
        return end;
    int64_t boundary = 0, next;
    bool ignored;
    for (size_t i = 0; (next = mb_log_store_segment(log->store, i, &ignored)) >= 0; i++)
        if (next <= mb_log_entry(log, end)->base_offset)
            boundary = next;
    while (end && mb_log_entry(log, end - 1)->base_offset >= boundary)
        end--;
    return end;
}

static bool is_worth_it(const struct mb_log *log, const struct mb_compaction *with, size_t end)
{
    uint64_t all = 0, dirty = 0;
    bool overdue = false;
    int64_t max_ms = with->config->compaction_lag_max_ms;
    for (size_t i = 0; i < end; i++) {
        const struct mb_log_entry *entry = mb_log_entry(log, i);
        all += entry->size;
        if (entry->base_offset >= log->cleaned_offset) {
            dirty += entry->size;
            overdue |= max_ms < with->wall_ms && entry->max_timestamp_ms < with->wall_ms - max_ms;
        }
    }
    return dirty && (overdue || (double)dirty > with->config->dirty_ratio_min * (double)all);
}

/* ---- the map
 * --------------------------------------------------------------------------------------------------------- */

static bool note_key(struct cleaner *cleaner, const struct kci_record_view *view)
{
    int64_t *offset = kci_map_get(&cleaner->latest, view->key.data, view->key.size);
    if (offset) {
        *offset = view->offset;
        return true;
    }
    uint8_t *key = kci_arena_take(&cleaner->keys, view->key.size + 1);
    offset = kci_arena_take(&cleaner->keys, sizeof *offset);
    if (!key || !offset)
        return false;
    memcpy(key, view->key.data, view->key.size);
    *offset = view->offset;
    return kci_map_set(&cleaner->latest, key, view->key.size, offset);
}

/* What was aborted replaces nothing, and goes. */
static bool is_aborted(const struct cleaner *cleaner, const struct kci_batch_header *header)
{
    return (header->attributes & KCI_BATCH_TRANSACTIONAL) && !(header->attributes & KCI_BATCH_CONTROL) &&
           mb_txn_index_is_aborted(&cleaner->with->producers->transactions, header->producer_id, header->base_offset);
}

/* false: no room, or the batch cannot be read. */
static bool map_batch(struct cleaner *cleaner, size_t i)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    const uint8_t *batch = mb_log_bytes(cleaner->log, i);
    bool ok = true;
    int more = 0;
    if (!batch || kci_batch_open_with(&it, batch, mb_log_entry(cleaner->log, i)->size, cleaner->with->compressor,
                                      cleaner->log->alloc, PLAIN_BYTES_MAX) != KCI_BATCH_OK)
        return false;
    bool counts = !(it.header.attributes & KCI_BATCH_CONTROL) && !is_aborted(cleaner, &it.header);
    while (ok && counts && (more = kci_batch_next(&it, &view)) == 1)
        if (view.key.data)
            ok = note_key(cleaner, &view);
    kci_batch_close(&it);
    return ok && more == 0;
}

/* ---- one batch
 * ------------------------------------------------------------------------------------------------------- */

struct cleaned {
    struct kci_writer bytes; /* the batch as it is now; empty: it goes */
    bool same;               /* it stays as it is */
    int64_t horizon_ms, max_timestamp_ms;
};

static bool is_wanted(const struct cleaner *cleaner, const struct mb_log_entry *entry,
                      const struct kci_record_view *view, bool *tombstones)
{
    if (!view->key.data)
        return false;
    const int64_t *latest = kci_map_get(&cleaner->latest, view->key.data, view->key.size);
    if (latest && view->offset < *latest)
        return false;
    if (view->value.data)
        return true;
    *tombstones = true;
    return !entry->horizon_ms || cleaner->with->wall_ms < entry->horizon_ms;
}

static void finish_batch(const struct cleaner *cleaner, struct kci_batch_header *header, int32_t kept,
                         const struct kci_writer *records, struct kci_writer *out)
{
    int codec = kept ? header->attributes & KCI_BATCH_CODEC_MASK : KCI_CODEC_NONE;
    struct kci_iov piece = { records->data, records->size };
    header->attributes = (int16_t)((header->attributes & ~KCI_BATCH_CODEC_MASK) | codec);
    header->record_count = kept;
    kci_writer_room(out, KCI_BATCH_HEADER_BYTES);
    if (codec == KCI_CODEC_NONE)
        kci_writer_bytes(out, records->data, records->size);
    else if (!out->failed &&
             kci_compress(cleaner->with->compressor, codec, KCI_LEVEL_DEFAULT, &piece, 1, out) != KCI_COMPRESS_OK)
        out->failed = true;
    if (out->failed)
        return;
    header->batch_length = (int32_t)(out->size - KCI_BATCH_PREFIX_BYTES);
    kci_batch_header_put(out->data, header);
    kci_put32(out->data + CRC_AT, kci_crc32c(0, out->data + COVERED_AT, out->size - COVERED_AT));
}

/* 0 or an errno value. out->bytes is to be destroyed in any case. */
static int clean_batch(struct cleaner *cleaner, const struct mb_log_entry *entry, const uint8_t *batch,
                       struct cleaned *out)
{
    const struct mb_log *log = cleaner->log;
    struct kci_batch_iterator it;
    struct kci_record_view view;
    struct kci_writer records = kci_writer_of(log->alloc, PLAIN_BYTES_MAX);
    int32_t kept = 0, seen = 0;
    bool tombstones = false;
    int more;
    *out = (struct cleaned){ .bytes = kci_writer_of(log->alloc, PLAIN_BYTES_MAX),
                             .same = true,
                             .horizon_ms = entry->horizon_ms,
                             .max_timestamp_ms = entry->max_timestamp_ms };
    if (kci_batch_open_with(&it, batch, entry->size, cleaner->with->compressor, log->alloc, PLAIN_BYTES_MAX) !=
        KCI_BATCH_OK)
        return EIO;
    int64_t newest_ms = INT64_MIN;
    const uint8_t *from = it.records.at;
    bool marker = (it.header.attributes & KCI_BATCH_CONTROL) != 0, aborted = is_aborted(cleaner, &it.header);
    for (; (more = kci_batch_next(&it, &view)) == 1; from = it.records.at, seen++) {
        if (!marker && (aborted || !is_wanted(cleaner, entry, &view, &tombstones)))
            continue;
        kci_writer_bytes(&records, from, (size_t)(it.records.at - from));
        newest_ms = view.timestamp_ms > newest_ms ? view.timestamp_ms : newest_ms;
        kept++;
    }
    struct kci_batch_header header = it.header;
    bool is_last = header.producer_id >= 0 &&
                   mb_producers_last(cleaner->with->producers, header.producer_id) == entry->base_offset;
    if (tombstones && !entry->horizon_ms)
        out->horizon_ms = cleaner->with->wall_ms + cleaner->with->config->delete_retention_ms;
    out->same = more == 0 && kept == seen && (kept || is_last);
    if (more == 0 && !out->same && (kept || is_last)) {
        if (kept && !(header.attributes & KCI_BATCH_LOG_APPEND_TIME))
            header.max_timestamp_ms = newest_ms;
        out->max_timestamp_ms = header.max_timestamp_ms;
        finish_batch(cleaner, &header, kept, &records, &out->bytes);
    }
    kci_batch_close(&it);
    bool failed = records.failed || out->bytes.failed;
    kci_writer_destroy(&records);
    return more < 0 ? EIO : failed ? ENOMEM : 0;
}

/* ---- the log
 * --------------------------------------------------------------------------------------------------------- */

/* The entry is now these bytes: in memory, or (frame NULL) in a file at `position`. */
static void replace_entry(struct mb_log *log, struct mb_log_entry *entry, struct kci_frame *frame, uint32_t size,
                          uint32_t position)
{
    log->bytes = log->bytes - entry->size + size;
    if (log->store && entry->frame)
        log->resident_bytes -= entry->size;
    mb_log_entry_drop(entry);
    entry->frame = frame;
    entry->at = 0;
    entry->size = size;
    entry->position = position;
}

/* Entries from .. to - 1 without those whose size has become 0. How many are left. */
static size_t squeeze(struct mb_log *log, size_t from, size_t to)
{
    size_t kept = from;
    for (size_t i = from; i < to; i++)
        if (mb_log_entry(log, i)->size)
            *mb_log_entry(log, kept++) = *mb_log_entry(log, i);
    memmove(&log->entries[log->first + kept], &log->entries[log->first + to], (log->count - to) * sizeof *log->entries);
    log->count -= to - kept;
    log->resident = 0; /* mb_log_trim() looks at all again */
    return kept;
}

static int clean_in_memory(struct cleaner *cleaner, size_t end)
{
    struct mb_log *log = cleaner->log;
    int error = 0;
    for (size_t i = 0; i < end && !error; i++) {
        struct mb_log_entry *entry = mb_log_entry(log, i);
        struct cleaned cleaned;
        error = clean_batch(cleaner, entry, entry->frame->data + entry->at, &cleaned);
        struct kci_frame *frame = NULL;
        if (!error && !cleaned.same && cleaned.bytes.size) {
            frame = kci_frame_new(log->alloc, (uint32_t)cleaned.bytes.size);
            error = frame ? 0 : ENOMEM;
            if (frame)
                memcpy(frame->data, cleaned.bytes.data, cleaned.bytes.size);
        }
        if (!error) {
            entry->horizon_ms = cleaned.horizon_ms;
            entry->max_timestamp_ms = cleaned.max_timestamp_ms;
            if (!cleaned.same)
                replace_entry(log, entry, frame, (uint32_t)cleaned.bytes.size, 0);
        }
        kci_writer_destroy(&cleaned.bytes);
    }
    squeeze(log, 0, end);
    return error;
}

struct placed { /* of one entry, until its segment has been replaced */
    uint32_t size, position;
    int64_t horizon_ms, max_timestamp_ms;
};

/* Entries from .. to - 1 are one segment. *left: where the next one begins afterwards. */
static int clean_segment(struct cleaner *cleaner, int64_t base, size_t from, size_t to, size_t *left)
{
    struct mb_log *log = cleaner->log;
    struct placed *placed = kci_alloc_zero(log->alloc, to - from + 1, sizeof *placed);
    int64_t file = 0;
    uint64_t size = 0;
    int error = placed ? mb_log_store_rewrite(log->store, base, &file) : ENOMEM;
    for (size_t i = from; i < to && !error; i++) {
        const uint8_t *batch = mb_log_bytes(log, i);
        const struct mb_log_entry *entry = mb_log_entry(log, i);
        struct cleaned cleaned = { .same = true };
        error = batch ? clean_batch(cleaner, entry, batch, &cleaned) : EIO;
        struct placed *to_be = &placed[i - from];
        *to_be = (struct placed){ cleaned.same ? entry->size : (uint32_t)cleaned.bytes.size, (uint32_t)size,
                                  cleaned.horizon_ms, cleaned.max_timestamp_ms };
        if (!error && to_be->size)
            error =
                mb_log_store_rewrite_append(log->store, file, cleaned.same ? batch : cleaned.bytes.data, to_be->size);
        size += to_be->size;
        if (batch)
            kci_writer_destroy(&cleaned.bytes);
        mb_log_trim(log);
    }
    if (!error)
        error = mb_log_store_rewritten(log->store, base, file, size);
    else if (placed)
        mb_log_store_abandon(log->store, base, file);
    for (size_t i = from; i < to && !error; i++) {
        struct mb_log_entry *entry = mb_log_entry(log, i);
        entry->horizon_ms = placed[i - from].horizon_ms;
        entry->max_timestamp_ms = placed[i - from].max_timestamp_ms;
        replace_entry(log, entry, NULL, placed[i - from].size, placed[i - from].position);
    }
    *left = error ? to : squeeze(log, from, to);
    kci_alloc_free(log->alloc, placed);
    return error;
}

static int clean_files(struct cleaner *cleaner, int64_t end_offset)
{
    struct mb_log *log = cleaner->log;
    size_t i = 0;
    int error = 0;
    while (!error && i < log->count && mb_log_entry(log, i)->base_offset < end_offset) {
        int64_t first = mb_log_entry(log, i)->base_offset;
        int64_t next = mb_log_store_next_segment(log->store, first), base = 0, at;
        bool ignored;
        for (size_t k = 0; (at = mb_log_store_segment(log->store, k, &ignored)) >= 0 && at <= first; k++)
            base = at;
        size_t to = i;
        while (to < log->count && mb_log_entry(log, to)->base_offset < next)
            to++;
        error = clean_segment(cleaner, base, i, to, &i);
    }
    if (!error)
        error = mb_log_index_write(log, cleaner->with->producers, cleaner->with->config->index_interval_bytes, false);
    return error;
}

int mb_compact(struct mb_log *log, const struct mb_compaction *compaction)
{
    size_t end = cleanable(log, compaction);
    if (!end || !is_worth_it(log, compaction, end))
        return 0;
    struct cleaner cleaner = { log, compaction, kci_map_of(log->alloc, compaction->seed),
                               kci_arena_of(log->alloc, KEYS_BYTES_MAX) };
    size_t i = 0;
    while (i < end && mb_log_entry(log, i)->base_offset < log->cleaned_offset)
        i++;
    size_t mapped = i;
    for (; mapped < end && map_batch(&cleaner, mapped); mapped++)
        mb_log_trim(log);
    int error = mapped == i ? ENOMEM : 0;
    if (!error) {
        int64_t end_offset = mb_log_entry_last(mb_log_entry(log, mapped - 1)) + 1;
        error = log->store ? clean_files(&cleaner, end_offset) : clean_in_memory(&cleaner, mapped);
        if (!error)
            log->cleaned_offset = end_offset;
    }
    kci_map_destroy(&cleaner.latest);
    kci_arena_destroy(&cleaner.keys);
    return error;
}
