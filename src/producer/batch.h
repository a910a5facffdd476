/* A batch from its first record to its fate.  It lives at the head of its own first chunk, so that taking a chunk is
 * all it costs to begin one.  Drawing and rules of its states: batch.c. */
#ifndef KCI_PRODUCER_BATCH_H
#define KCI_PRODUCER_BATCH_H

#include "base/list.h"
#include "producer/encode.h"
#include "producer/pool.h"
#include "protocol/records.h"

struct kci_partition;
struct kci_pool;

enum kci_batch_state {
    KCI_BATCH_FILLING,   /* open: application threads append, under the partition's lock */
    KCI_BATCH_CLOSING,   /* full, in the queue, being compressed by the thread that filled it */
    KCI_BATCH_SEALED,    /* in the queue: bytes are final but for producer id, epoch, sequence and CRC */
    KCI_BATCH_WAITING,   /* the sender's, among the partition's outstanding ones: to be sent, or sent again */
    KCI_BATCH_IN_FLIGHT, /* in a request whose answer is awaited */
    KCI_BATCH_DONE,      /* its fate is known; reported when all before it are */
};

/* Why the last attempt failed; shared by the batches of one request. Sender only. */
struct kci_cause {
    const struct kci_alloc *alloc;
    int32_t references;
    int64_t at; /* microseconds */
    char text[240];
};
struct kci_cause *kci_cause_new(const struct kci_alloc *alloc, int64_t now, const char *format, ...)
    __attribute__((format(printf, 3, 4)));                /* NULL: out of memory, which only costs the text */
struct kci_cause *kci_cause_ref(struct kci_cause *cause); /* NULL is fine */
void kci_cause_release(struct kci_cause *cause);          /* NULL is fine */

/* Per-record memory, only for records that need it: 8 bytes each from index `from` on. */
#define KCI_SIDE_INLINE 8
struct kci_side {
    int32_t from;                   /* index in the batch of entry 0; all before have none */
    int32_t count;                  /* entries */
    struct kci_chunk *first, *last; /* entries beyond the inline ones; from the pool */
    uint64_t own[KCI_SIDE_INLINE];
};
/* Make sure that one more entry fits. */
enum kci_pool_result kci_side_reserve(struct kci_side *side, struct kci_pool *pool, enum kci_pool_right right);
/* Set the entry of record `index`, the newest; a place was reserved. Begins the side if it is empty. */
void kci_side_add(struct kci_side *side, int32_t index, uint64_t value);
/* Reads entries with rising index. */
struct kci_side_reader {
    const struct kci_side *side;
    const struct kci_chunk *chunk;
    uint32_t at; /* bytes into the chunk */
};
struct kci_side_reader kci_side_read(const struct kci_side *side);
/* The value of record `index`; `otherwise` if it has none. Each index once, rising, from 0 or from the side's first. */
uint64_t kci_side_next(struct kci_side_reader *reader, int32_t index, uint64_t otherwise);

/* KIP-467: the broker names the records that it refused. One block. */
struct kci_refused {
    int32_t index;    /* in the batch */
    const char *text; /* in the same block; may be NULL */
};
struct kci_refusal {
    int32_t count;
    struct kci_refused records[];
};

struct kci_batch {
    struct kci_list link; /* queue of the partition, then outstanding, then the producer's done list */
    struct kci_partition *partition;
    struct kci_chunk *first, *last; /* rope; the first holds this struct and the 61 bytes of header */
    uint32_t chunk_count;
    int state;           /* enum kci_batch_state */
    int32_t count;       /* records */
    uint32_t bytes;      /* with header; final once sealed */
    uint32_t filled;     /* bytes when it was closed, before compression: what it adds to the partition's backlog */
    int16_t attributes;  /* codec */
    bool offered;        /* the sender was told that it has the size it was aimed at, and may grow until it is taken */
    bool in_request;     /* a request under way holds iovecs into the chunks: they must not change or be reused */
    bool crc_valid;      /* the header is filled in for this id, epoch and sequence */
    bool sequenced;      /* has id, epoch and sequence: they stay the same until the batch is acknowledged */
    bool maybe_applied;  /* an attempt may have reached the log without our learning it */
    bool reported;       /* its fate was told (it expired) though the request still holds the bytes */
    uint64_t generation; /* of flushes, when it began: flush.c */
    int64_t base_timestamp_ms, max_timestamp_ms;
    int64_t created_at; /* microseconds: first record */
    int64_t retry_at;   /* microseconds: not before; 0: at once */
    int64_t producer_id;
    int32_t base_sequence;
    int16_t producer_epoch;
    int32_t attempts;            /* requests that it was in */
    kc_err code;                 /* fate: KC_OK or why */
    int64_t base_offset;         /* of the first record; -1: not known */
    int64_t log_append_ms;       /* the broker's stamp; -1: the records' own count */
    struct kci_cause *cause;     /* of the last failed attempt; reference, may be NULL */
    struct kci_refusal *refusal; /* owned; may be NULL */
    struct kci_side opaques;
    struct kci_side timestamps; /* only where the records are compressed, differ, and will be reported one by one */
};

/* The batch in a fresh chunk; its header bytes are reserved, *at and *end are where records go. */
struct kci_batch *kci_batch_begin(struct kci_chunk *chunk, uint32_t chunk_data, uint8_t **at, uint8_t **end);
void kci_batch_move(struct kci_batch *batch, enum kci_batch_state state);
/* The 61 bytes. */
uint8_t *kci_batch_header_bytes(const struct kci_batch *batch);
/* Write the whole header with id, epoch and sequence, and the CRC over all. A no-op while crc_valid. */
void kci_batch_finish_header(struct kci_batch *batch);
/* Pieces for a request, header included; returns how many (chunk_count). */
size_t kci_batch_pieces(const struct kci_batch *batch, struct kci_iov *out);
/* Replace the records by their compressed form if that is smaller; gives chunks back that are not needed any more. Uses
 * `scratch` (emptied). Not an error if it fails: the batch is then sent as it is. */
void kci_batch_compress(struct kci_batch *batch, struct kci_pool *pool, struct kci_compressor *compressor, int codec,
                        int32_t level, struct kci_writer *scratch);
/* Free what hangs on it and give all its chunks back, with which the batch itself is gone. */
void kci_batch_free(struct kci_batch *batch, struct kci_pool *pool, const struct kci_alloc *alloc);

/* Walks the plain records of a sealed batch: timestamps for reports, bodies for splitting. */
struct kci_batch_walk {
    const struct kci_chunk *chunk;
    uint32_t at; /* in chunk->data */
};
struct kci_batch_walk kci_batch_walk_begin(const struct kci_batch *batch);
/* The timestamp delta of the next record; skips it. */
int64_t kci_batch_walk_timestamp(struct kci_batch_walk *walk);

#endif
