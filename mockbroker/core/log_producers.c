/* Producers on disk, for Kafka's tools and for a Kafka that is given our directories:
 *
 *      <20 digits>.txnindex   aborted transactions whose markers are in that segment, by the offsets of the markers:
 *                                2  version: 0
 *                                8  producer id   8  first offset   8  last offset (of the marker)
 *                                8  last stable offset once it had ended
 *      <20 digits>.snapshot   what was known of producers before that offset, written when a segment begins there, and at
 *                             the end of a clean life:
 *                                2  version: 1    4  CRC32C of what follows    4  number of producers, then for each
 *                                8  id   2  epoch   4  last sequence   8  last offset   4  records of that batch - 1
 *                                8  timestamp   4  epoch of the coordinator   8  first offset of its transaction, or -1
 *
 * The broker itself never reads them: it reads the headers of all batches at start.  All numbers are big endian. */
#include "mockbroker/core/log_producers.h"

#include "base/checksum.h"
#include "base/cursor.h"

#include <stdio.h>

#define ABORTED_VERSION  0
#define SNAPSHOT_VERSION 1
#define CRC_BEGINS       6 /* behind version and CRC */
#define FILE_BYTES_MAX   ((size_t)64 << 20)

static int put(struct mb_log_store *store, const struct kci_writer *w, int64_t offset, const char *kind)
{
    char name[40];
    snprintf(name, sizeof name, "%020lld.%s", (long long)offset, kind);
    return w->failed ? -1 : mb_log_store_put(store, name, w->data, w->size);
}

int mb_log_producers_write_aborted(struct mb_log_store *store, const struct mb_producers *producers, int64_t base,
                                   int64_t end)
{
    const struct mb_txn_index *index = &producers->transactions;
    struct kci_writer w = kci_writer_of(producers->alloc, FILE_BYTES_MAX);
    for (size_t i = 0; i < index->aborted_count; i++) {
        const struct mb_txn_aborted *aborted = &index->aborted[i];
        if (aborted->last_offset < base || aborted->last_offset >= end)
            continue;
        kci_writer_i16(&w, ABORTED_VERSION);
        kci_writer_i64(&w, aborted->producer_id);
        kci_writer_i64(&w, aborted->first_offset);
        kci_writer_i64(&w, aborted->last_offset);
        kci_writer_i64(&w, aborted->stable);
    }
    int error = w.size || w.failed ? put(store, &w, base, "txnindex") : 0;
    kci_writer_destroy(&w);
    return error;
}

int mb_log_producers_write_snapshot(struct mb_log_store *store, const struct mb_producers *producers, int64_t offset)
{
    size_t count = producers->map.count;
    if (!count)
        return 0;
    struct mb_producer_view *views = kci_alloc_zero(producers->alloc, count, sizeof *views);
    struct kci_writer w = kci_writer_of(producers->alloc, FILE_BYTES_MAX);
    count = views ? mb_producers_list(producers, views, count) : 0;
    kci_writer_i16(&w, SNAPSHOT_VERSION);
    kci_writer_i32(&w, 0); /* the CRC comes in at the end */
    kci_writer_i32(&w, (int32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct mb_producer_view *view = &views[i];
        kci_writer_i64(&w, view->id);
        kci_writer_i16(&w, view->epoch);
        kci_writer_i32(&w, view->last_sequence);
        kci_writer_i64(&w, view->last_offset);
        kci_writer_i32(&w, view->last_delta);
        kci_writer_i64(&w, view->timestamp_ms);
        kci_writer_i32(&w, view->coordinator_epoch);
        kci_writer_i64(&w, view->first_offset);
    }
    if (!w.failed)
        kci_put32(w.data + 2, kci_crc32c(0, w.data + CRC_BEGINS, w.size - CRC_BEGINS));
    int error = views ? put(store, &w, offset, "snapshot") : -1;
    kci_alloc_free(producers->alloc, views);
    kci_writer_destroy(&w);
    return error;
}
