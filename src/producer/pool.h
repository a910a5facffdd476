/* buffer.memory as a pool of equal chunks: what batches are made of.  Taken by application threads (once per chunk,
 * never per record), given back by the sender in bulk; any thread.
 *
 * Where a producer has more partitions than the memory has chunks, a batch may begin in a small one: an eighth of a
 * chunk, cut for the purpose.  Ten thousand partitions with a few records each are then 20 MB, not 165.
 *
 * Chunks are obtained from the allocator in slabs when first needed and kept until the pool ends; the last one given
 * back is the first one taken, because it is still in the processor's cache. */
#ifndef KCI_PRODUCER_POOL_H
#define KCI_PRODUCER_POOL_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/lock.h"

#define KCI_CHUNK_BYTES     (16384u + 512u) /* a whole batch of the default batch.size, with its own bookkeeping */
#define KCI_CHUNK_BYTES_MIN 2048u           /* with a tiny buffer.memory */
#define KCI_SLAB_CHUNKS     15u             /* chunks per allocation: about 250 KB */
#define KCI_CUT_PIECES      8u              /* small chunks made of one */

/* Somebody who waits for memory, in the order of arrival; memory of its own. */
struct kci_pool_place {
    struct kci_list link; /* in pool->line */
    size_t wants;         /* chunks that its last try asked for and did not get; 0: not known */
};

struct kci_cut; /* a chunk that was cut into small ones */

struct kci_chunk {
    struct kci_chunk *next; /* in a rope, or in a free list */
    struct kci_cut *cut;    /* what this small chunk is a piece of; NULL: a whole one */
    uint32_t start, end;    /* the bytes in use are data[start .. end) */
    uint8_t data[];
};

struct kci_pool {
    struct kci_lock lock;          /* guards all below */
    const struct kci_alloc *alloc; /* borrowed */
    size_t chunk_bytes;            /* of one chunk, with its head */
    size_t limit;                  /* most chunks in use, except for forced takes */
    size_t used;                   /* chunks handed out, or cut with a piece handed out */
    bool wide;                     /* there are so many partitions that batches shall begin small when memory fills */
    struct kci_cut *cuts;          /* those with a free piece */
    struct kci_chunk *free;        /* last given first */
    size_t free_count;
    void **slabs; /* allocations to free in the end; owned array */
    size_t slab_count, slab_capacity;
    bool starved;         /* a take failed and nobody was told of room since */
    size_t starved_for;   /* most chunks that a failed take asked for */
    struct kci_list line; /* of those who wait: what the first one wants is kept for it */
};

void kci_pool_init(struct kci_pool *pool, const struct kci_alloc *alloc, const struct kci_lock_ops *lock_ops,
                   int64_t buffer_memory);
void kci_pool_destroy(struct kci_pool *pool);
/* Bytes that fit into one chunk. */
static inline uint32_t kci_pool_chunk_data(const struct kci_pool *pool)
{
    return (uint32_t)(pool->chunk_bytes - sizeof(struct kci_chunk));
}
/* Bytes that fit into this one. */
uint32_t kci_pool_room(const struct kci_pool *pool, const struct kci_chunk *chunk);
/* How many partitions there are that may have a batch at a time. Any thread. */
void kci_pool_expect(struct kci_pool *pool, size_t partitions);

enum kci_pool_result { KCI_POOL_OK = 0, KCI_POOL_FULL, KCI_POOL_NO_MEMORY };
enum kci_pool_right {
    KCI_POOL_FAIR,    /* leaves what the first one in the line wants */
    KCI_POOL_FORCED,  /* the ceiling does not count (a batch that is split in two needs both halves for a moment) */
    KCI_POOL_IN_TURN, /* is the first one in the line */
};
/* Take count chunks, chained, start = end = 0; all or none.  FULL: the ceiling is reached, and `starved` is set. */
enum kci_pool_result kci_pool_take(struct kci_pool *pool, size_t count, enum kci_pool_right right,
                                   struct kci_chunk **out);
/* One chunk for the beginning of a batch that needs `size` bytes: small if that is enough and memory fills. */
enum kci_pool_result kci_pool_take_first(struct kci_pool *pool, size_t size, enum kci_pool_right right,
                                         struct kci_chunk **out);
/* Wait behind all who wait already (PROTOCOL 2.3): so a large take is not overtaken for ever by small ones. Any thread;
 * the place stays where it is until it is left. */
void kci_pool_line_enter(struct kci_pool *pool, struct kci_pool_place *place);
/* true: somebody else is the first one now, and should be told. */
bool kci_pool_line_leave(struct kci_pool *pool, struct kci_pool_place *place);
/* KCI_POOL_IN_TURN or KCI_POOL_FAIR; place NULL: fair. */
enum kci_pool_right kci_pool_right(struct kci_pool *pool, const struct kci_pool_place *place);
/* Give back a chain of count chunks. Only its first one may be small. */
void kci_pool_give(struct kci_pool *pool, struct kci_chunk *first, struct kci_chunk *last, size_t count);
bool kci_pool_starved(struct kci_pool *pool);
/* True if somebody waits and there is room now: what the first one asked for, and if `patient` an eighth of the whole
 * at least. Says so once: the caller must tell those who wait. */
bool kci_pool_relieve(struct kci_pool *pool, bool patient);
size_t kci_pool_used_bytes(struct kci_pool *pool);

#endif
