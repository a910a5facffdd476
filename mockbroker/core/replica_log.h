/* The log of one replica: batches in offset order, by reference to the bytes that came from the wire. */
#ifndef MB_CORE_REPLICA_LOG_H
#define MB_CORE_REPLICA_LOG_H

#include "base/alloc.h"
#include "mockbroker/core/log_store.h"
#include "protocol/frame.h"

struct mb_log_entry {
    int64_t base_offset;
    int64_t max_timestamp_ms;
    struct kci_frame *frame; /* one reference is held; NULL: only on disk now */
    uint32_t at;             /* of the batch in frame->data */
    uint32_t size;           /* bytes of the batch */
    uint32_t position;       /* of the batch in its segment file */
    int32_t last_delta;      /* last offset - base_offset */
    int64_t horizon_ms;      /* when the cleaner may drop its tombstones; 0: it has not seen them yet */
};

struct mb_log_epoch {
    int32_t epoch;
    int64_t start_offset; /* first offset that was written in it */
};

struct mb_log {
    const struct kci_alloc *alloc;
    struct mb_log_entry *entries; /* owned; live ones are first .. first + count - 1 */
    size_t first, count, capacity;
    int64_t start_offset; /* first offset that may be read */
    int64_t end_offset;   /* LEO: the next one to be written */
    uint64_t bytes;       /* of the live entries */
    struct mb_log_epoch *epochs;
    size_t epoch_count, epoch_capacity;
    struct kci_frame *chunk; /* where small batches are copied to, so that they do not pin their frames */
    uint32_t chunk_used;
    struct mb_log_store *store; /* files; NULL: memory only */
    size_t resident;            /* entries before this one (counted from first) have no frame */
    uint64_t resident_bytes;    /* of the entries with a frame */
    int64_t active_offset;      /* without files: where the segment begins that the latest batch is in */
    uint64_t active_bytes;      /* of it */
    int64_t active_first_ms;    /* timestamp of its first batch */
    int64_t cleaned_offset;     /* compaction has looked at everything below (compact.c) */
    int64_t flushed_offset;     /* a machine that fails keeps everything below; without files it is a thought */
};

void mb_log_init(struct mb_log *log, const struct kci_alloc *alloc, struct mb_log_store *store);
void mb_log_destroy(struct mb_log *log);

/* Fill frame, at and size of an entry for a batch that lies in `frame`: by reference, or copied when it would pin much
 * more than itself. The entry holds a reference then: release it with mb_log_entry_drop, also after append. false: out
 * of memory. */
bool mb_log_place(struct mb_log *log, struct kci_frame *frame, const uint8_t *batch, uint32_t size,
                  struct mb_log_entry *entry);
void mb_log_entry_drop(struct mb_log_entry *entry);
/* Append; the log takes a reference of its own. 0, or an errno value (nothing changed then). */
int mb_log_append(struct mb_log *log, const struct mb_log_entry *entry, int32_t epoch, const struct mb_log_roll *roll);

/* At start: index a batch that is on disk already. false: it does not follow the one before it, or no memory. */
bool mb_log_recovered(struct mb_log *log, const struct mb_log_entry *entry, int32_t epoch);

static inline struct mb_log_entry *mb_log_entry(const struct mb_log *log, size_t i)
{
    return &log->entries[log->first + i];
}
static inline int64_t mb_log_entry_last(const struct mb_log_entry *entry)
{
    return entry->base_offset + entry->last_delta;
}
/* Index of the first entry whose last offset is >= offset; log->count when there is none. */
size_t mb_log_find(const struct mb_log *log, int64_t offset);
/* The bytes of entry i; loaded from disk when they must be. NULL: they cannot be read. Good until the log changes. */
const uint8_t *mb_log_bytes(struct mb_log *log, size_t i);

/* Sync what was appended. 0 or an errno value. */
int mb_log_flush(struct mb_log *log);

/* With a store: give back memory that reading has taken. */
void mb_log_trim(struct mb_log *log);

/* Remove everything from `offset` on (whole batches). 0 or an errno value. */
int mb_log_truncate(struct mb_log *log, int64_t offset);
/* The first offset of the segment that is written to; it is never compacted. */
int64_t mb_log_active(const struct mb_log *log);
/* Raise the log start; whole batches below it go. */
void mb_log_raise_start(struct mb_log *log, int64_t offset);
/* Empty, to go on at `offset`: a follower that lags behind the leader's start. */
int mb_log_reset(struct mb_log *log, int64_t offset);

/* ---- leader epochs (PROTOCOL 4.2, KIP-101, KIP-279) ---- */
/* Remember that `epoch` begins at `start_offset`. Epochs below or equal to the latest change nothing. */
bool mb_log_epoch_begin(struct mb_log *log, int32_t epoch, int64_t start_offset);
int32_t mb_log_epoch_latest(const struct mb_log *log); /* -1: none */
/* The largest known epoch <= requested and where it ends; -1, -1 when unknown. */
void mb_log_epoch_end(const struct mb_log *log, int32_t requested, int32_t *epoch, int64_t *end_offset);
/* The epoch of the batch at `offset` (-1: none). */
int32_t mb_log_epoch_at(const struct mb_log *log, int64_t offset);

#endif
