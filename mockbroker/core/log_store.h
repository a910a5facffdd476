/* The files of one replica: segments "<20 digits>.log" in a directory, append-only, and small files next to them. */
#ifndef MB_CORE_LOG_STORE_H
#define MB_CORE_LOG_STORE_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/storage.h"

#define MB_INDEX_ENTRY_BYTES 8 /* of an offset index */

struct mb_log_store;
struct mb_producers;

/* When to begin a new segment, and when to sync; from the topic's configuration. */
struct mb_log_roll {
    int64_t segment_bytes;
    int64_t segment_ms; /* between the first batch of a segment and the one to be written, by their timestamps */
    int32_t index_interval_bytes;         /* of the log between two entries of its offset index; see log_index.c */
    int32_t index_bytes;                  /* of an offset index at most; 0: no limit */
    int64_t flush_records;                /* sync when so many were appended; 0: never */
    const struct mb_producers *producers; /* of the replica, for the files that tell of them; NULL: there are none */
};

/* `directory` is copied. NULL: out of memory. Opens nothing yet. */
struct mb_log_store *mb_log_store_new(const struct kci_alloc *alloc, const struct kci_storage *storage,
                                      const char *directory);
/* Closes the files; they stay. NULL is fine. */
void mb_log_store_destroy(struct mb_log_store *store);
/* All below return 0 or an errno value; on failure the files are as before (or the store says EIO until it is reset).
 */
int mb_log_store_append(struct mb_log_store *store, const uint8_t *batch, uint32_t size, int64_t base_offset,
                        int32_t last_delta, int64_t timestamp_ms, const struct mb_log_roll *roll, uint32_t *position);
/* Read size bytes of the batch that begins at base_offset. */
int mb_log_store_read(struct mb_log_store *store, int64_t base_offset, uint32_t position, uint8_t *out, uint32_t size);
/* Cut everything from the batch at base_offset, which lies at `position` of its segment; the log goes on at `offset`,
 * which is that, or lies in a hole before it. */
int mb_log_store_truncate(struct mb_log_store *store, int64_t offset, int64_t base_offset, uint32_t position);
/* Remove segments whose every offset is below `offset` (never the last one). */
void mb_log_store_drop_below(struct mb_log_store *store, int64_t offset);
/* Where the segment that holds `offset` ends, for retention by whole segments: the base offset of the next one, -1: it
 * is the last. */
int64_t mb_log_store_next_segment(const struct mb_log_store *store, int64_t offset);
/* Segments from the oldest: the base offset of segment i, -1: there are not so many. *has_index: recovery has found its
 * index files, or mb_log_store_indexed() said so. */
int64_t mb_log_store_segment(const struct mb_log_store *store, size_t i, bool *has_index);
void mb_log_store_indexed(struct mb_log_store *store, int64_t base_offset);
/* Write a whole small file into the directory. */
int mb_log_store_put(struct mb_log_store *store, const char *name, const void *data, size_t size);
/* A segment is written anew (compaction): begin, append to *file, then let it take the place of the old one; size 0:
 * the segment goes, or is an empty file when it is the first. abandon: it was not meant so. */
int mb_log_store_rewrite(struct mb_log_store *store, int64_t base_offset, int64_t *file);
int mb_log_store_rewrite_append(struct mb_log_store *store, int64_t file, const void *data, size_t size);
int mb_log_store_rewritten(struct mb_log_store *store, int64_t base_offset, int64_t file, uint64_t size);
void mb_log_store_abandon(struct mb_log_store *store, int64_t base_offset, int64_t file);
/* Appended records that were not synced yet. */
bool mb_log_store_is_dirty(const struct mb_log_store *store);
/* Empty; the log begins at `offset` from now on, wherever its first batch is. */
int mb_log_store_reset(struct mb_log_store *store, int64_t offset);
int mb_log_store_sync(struct mb_log_store *store);

/* Look at what is there. For every whole batch with a good CRC, in order: each(owner, bytes, size, position); what
 * follows the first bad one is cut off (*torn_bytes says how much). each() returns false to stop and cut there.
 * `clean`: the files were closed in an orderly way: each() sees headers only, and nothing else is read. */
int mb_log_store_recover(struct mb_log_store *store, bool clean,
                         bool (*each)(void *owner, const uint8_t *batch, uint32_t size, uint32_t position), void *owner,
                         uint64_t *torn_bytes);

#endif
