/* What a store of log_store.c is made of, shared with log_recover.c, which fills it from what is on disk. */
#ifndef MB_CORE_LOG_FILES_H
#define MB_CORE_LOG_FILES_H

#include "mockbroker/core/log_store.h"

#define MB_LOG_DIRECTORY_BYTES_MAX 300 /* "broker-100/" + topic (249) + "-2147483647" */

struct mb_log_segment {
    int64_t base_offset;
    int64_t first_timestamp_ms; /* of its first batch; -1: empty */
    uint64_t size;              /* bytes of whole batches */
    uint32_t index_entries;     /* that its offset index will have */
    uint32_t unindexed_bytes;   /* since the last of them */
    bool has_index;             /* index files are on disk */
    bool unsynced;              /* it was full before it was synced */
};

struct mb_log_store {
    const struct kci_alloc *alloc;
    const struct kci_storage *storage;
    char directory[MB_LOG_DIRECTORY_BYTES_MAX];
    struct mb_log_segment *segments; /* rising base offsets */
    size_t count, capacity;
    int64_t write_file; /* of the last segment; 0: not open */
    int64_t read_file;  /* 0: none */
    int64_t read_base;  /* of the segment that read_file belongs to */
    int64_t unsynced;   /* records in the last segment, and in those that say so */
    int64_t start;      /* what the first segment is called: the log begins there, its first batch perhaps behind it */
    int64_t stray;      /* while recovering: a snapshot that no segment begins at; -1: none */
    bool broken;        /* a failed append could not be undone */
};

/* Below return 0 or an errno value. */
int mb_log_files_add(struct mb_log_store *store, int64_t base_offset, uint64_t size);
int mb_log_files_open(struct mb_log_store *store, int64_t base_offset, bool create, int64_t *file, uint64_t *size);
/* Index of the segment that holds `offset`: the last one that begins at or below it. */
size_t mb_log_files_find(const struct mb_log_store *store, int64_t offset);
/* Segment i, and the files that lie next to it. */
void mb_log_files_remove(struct mb_log_store *store, size_t i);
void mb_log_files_remove_snapshot(const struct mb_log_store *store, int64_t offset);

#endif
