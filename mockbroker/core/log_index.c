/* Index files, for Kafka's tools and for a Kafka that is given our directories.
 *
 *      <20 digits>.index        sparse, one entry each index.interval.bytes of the log:
 *                                  4  last offset of a batch, minus the segment's base offset, big endian
 *                                  4  position of that batch in the .log
 *      <20 digits>.timeindex    next to each of these, and for the end of the segment:
 *                                  8  largest timestamp so far
 *                                  4  last offset of the batch that has it, minus the base offset
 *      <20 digits>.txnindex, .snapshot  log_producers.c
 *      leader-epoch-checkpoint  text: "0", the number of epochs, then "<epoch> <start offset>" each
 *
 * The broker itself never reads them: its index has every batch and lies in memory.  So they are written when a segment
 * is closed, at the end of a clean life, and at start where they are missing; never on the way of an append. */
#include "mockbroker/core/log_index.h"

#include "base/cursor.h"
#include "mockbroker/core/log_producers.h"
#include <stdio.h>

#define INDEX_BYTES_MAX  ((size_t)64 << 20)
#define EPOCHS_BYTES_MAX ((size_t)1 << 20)

struct time_entry {
    int64_t timestamp_ms, offset;
};

static void put_time(struct kci_writer *w, const struct time_entry *entry, struct time_entry *written, int64_t base)
{
    if (entry->timestamp_ms <= written->timestamp_ms) /* they rise, or are not written */
        return;
    kci_writer_i64(w, entry->timestamp_ms);
    kci_writer_i32(w, (int32_t)(entry->offset - base));
    *written = *entry;
}

/* The segment of the batches from `base` up to `end`. */
static int write_segment(struct mb_log *log, const struct mb_producers *producers, int64_t base, int64_t end,
                         int32_t interval_bytes)
{
    struct kci_writer offsets = kci_writer_of(log->alloc, INDEX_BYTES_MAX);
    struct kci_writer times = kci_writer_of(log->alloc, INDEX_BYTES_MAX);
    struct time_entry largest = { INT64_MIN, base }, written = { -1, base };
    uint64_t since = 0;
    char name[40];
    for (size_t i = mb_log_find(log, base); i < log->count && mb_log_entry(log, i)->base_offset < end; i++) {
        const struct mb_log_entry *entry = mb_log_entry(log, i);
        if (entry->max_timestamp_ms > largest.timestamp_ms)
            largest = (struct time_entry){ entry->max_timestamp_ms, mb_log_entry_last(entry) };
        if (since > (uint64_t)interval_bytes) {
            kci_writer_i32(&offsets, (int32_t)(mb_log_entry_last(entry) - base));
            kci_writer_i32(&offsets, (int32_t)entry->position);
            put_time(&times, &largest, &written, base);
            since = 0;
        }
        since += entry->size;
    }
    put_time(&times, &largest, &written, base);
    int error = offsets.failed || times.failed ? -1 : 0;
    snprintf(name, sizeof name, "%020lld.index", (long long)base);
    if (!error)
        error = mb_log_store_put(log->store, name, offsets.data, offsets.size);
    snprintf(name, sizeof name, "%020lld.timeindex", (long long)base);
    if (!error)
        error = mb_log_store_put(log->store, name, times.data, times.size);
    if (!error && producers)
        error = mb_log_producers_write_aborted(log->store, producers, base, end);
    if (!error)
        mb_log_store_indexed(log->store, base);
    kci_writer_destroy(&offsets);
    kci_writer_destroy(&times);
    return error;
}

static int write_epochs(struct mb_log *log)
{
    struct kci_writer w = kci_writer_of(log->alloc, EPOCHS_BYTES_MAX);
    char line[48];
    snprintf(line, sizeof line, "0\n%zu\n", log->epoch_count);
    kci_writer_bytes(&w, line, strlen(line));
    for (size_t i = 0; i < log->epoch_count; i++) {
        snprintf(line, sizeof line, "%d %lld\n", log->epochs[i].epoch, (long long)log->epochs[i].start_offset);
        kci_writer_bytes(&w, line, strlen(line));
    }
    int error = w.failed ? -1 : mb_log_store_put(log->store, "leader-epoch-checkpoint", w.data, w.size);
    kci_writer_destroy(&w);
    return error;
}

int mb_log_index_write(struct mb_log *log, const struct mb_producers *producers, int32_t interval_bytes, bool last)
{
    bool has_index, any = false;
    int error =
        last && log->store && producers ? mb_log_producers_write_snapshot(log->store, producers, log->end_offset) : 0;
    int64_t base = mb_log_store_segment(log->store, 0, &has_index);
    for (size_t i = 0; base >= 0 && !error; i++) {
        bool next_has;
        int64_t next = mb_log_store_segment(log->store, i + 1, &next_has);
        if (next < 0 ? last : !has_index) {
            error = write_segment(log, producers, base, next < 0 ? INT64_MAX : next, interval_bytes);
            any = true;
        }
        base = next;
        has_index = next_has;
    }
    return error || !any ? error : write_epochs(log);
}
