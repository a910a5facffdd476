/* The chunk pool: one lock, one list.  The lock is taken once per chunk and the chunk carries a hundred records, so
 * there is nothing to win with anything finer.
 *
 * Small chunks are cut from whole ones and become whole again when all pieces are back; a cut one counts as a whole,
 * so the ceiling needs to know nothing of them.
 *
 * Invariants: used <= limit unless chunks were forced; used + free_count <= chunks obtained.
 * Hysteresis: when the pool ran dry, those who wait are told only when an eighth of it is free again, so that they come
 * back for a good stretch of work instead of once per batch.  Who waits for longer than a moment is told
 * anyway (not `patient`): a slow broker must not turn the eighth into a time-out.
 *
 * Those who wait stand in a line (Java's BufferPool is a queue, too). What the first one wants is kept for it, so that
 * newcomers with small records cannot eat up, bit by bit, what a large one waits for. */
#include "producer/pool.h"

#include <assert.h>

#define WIDE_FROM   4 /* one partition per so many chunks */
#define SMALL_ABOVE 8 /* small chunks are made when this part of the memory is used */

/* At the head of a chunk that was cut; the pieces follow. It counts as used until all of them are back. */
struct kci_cut {
    struct kci_cut *next, *previous; /* in pool->cuts, while it has a free piece */
    struct kci_chunk *free;
    uint32_t out; /* pieces handed out */
};

void kci_pool_init(struct kci_pool *pool, const struct kci_alloc *alloc, const struct kci_lock_ops *lock_ops,
                   int64_t buffer_memory)
{
    size_t chunk = KCI_CHUNK_BYTES;
    if (buffer_memory < (int64_t)KCI_CHUNK_BYTES * 32) {
        chunk = (size_t)buffer_memory / 32 & ~(size_t)63;
        if (chunk < KCI_CHUNK_BYTES_MIN)
            chunk = KCI_CHUNK_BYTES_MIN;
    }
    memset(pool, 0, sizeof *pool);
    kci_list_init(&pool->line);
    kci_lock_init(&pool->lock, lock_ops);
    pool->alloc = alloc;
    pool->chunk_bytes = chunk;
    pool->limit = (size_t)buffer_memory / chunk;
    if (pool->limit < 2)
        pool->limit = 2;
}

void kci_pool_destroy(struct kci_pool *pool)
{
    for (size_t i = 0; i < pool->slab_count; i++)
        kci_alloc_free(pool->alloc, pool->slabs[i]);
    kci_alloc_free(pool->alloc, pool->slabs);
    pool->slabs = NULL;
    pool->slab_count = 0;
}

static bool remember_slab(struct kci_pool *pool, void *slab)
{
    if (pool->slab_count == pool->slab_capacity) {
        size_t capacity = pool->slab_capacity ? pool->slab_capacity * 2 : 16;
        void **slabs = kci_alloc_resize(pool->alloc, pool->slabs, capacity * sizeof *slabs);
        if (!slabs)
            return false;
        pool->slabs = slabs;
        pool->slab_capacity = capacity;
    }
    pool->slabs[pool->slab_count++] = slab;
    return true;
}

/* More free chunks from the allocator: a slab, or just one when the ceiling or the allocator leaves no room for more.
 */
static bool grow(struct kci_pool *pool)
{
    size_t have = pool->used + pool->free_count, count = KCI_SLAB_CHUNKS;
    if (have < pool->limit && count > pool->limit - have)
        count = pool->limit - have;
    else if (have >= pool->limit)
        count = 1;
    uint8_t *slab = kci_alloc_new(pool->alloc, count * pool->chunk_bytes);
    if (!slab && count > 1) {
        count = 1;
        slab = kci_alloc_new(pool->alloc, pool->chunk_bytes);
    }
    if (!slab)
        return false;
    if (!remember_slab(pool, slab)) {
        kci_alloc_free(pool->alloc, slab);
        return false;
    }
    for (size_t i = count; i-- > 0;) {
        struct kci_chunk *chunk = (void *)(slab + i * pool->chunk_bytes);
        chunk->next = pool->free;
        chunk->cut = NULL;
        pool->free = chunk;
    }
    pool->free_count += count;
    return true;
}

static struct kci_pool_place *first_in_line(const struct kci_pool *pool)
{
    struct kci_list *link = kci_list_first(&pool->line);
    return link ? KCI_CONTAINER(link, struct kci_pool_place, link) : NULL;
}

static size_t room_of(const struct kci_pool *pool, enum kci_pool_right right)
{
    size_t room = pool->used < pool->limit ? pool->limit - pool->used : 0;
    const struct kci_pool_place *first = first_in_line(pool);
    size_t kept = right == KCI_POOL_FAIR && first ? first->wants : 0;
    return room > kept ? room - kept : 0;
}

static enum kci_pool_result take_locked(struct kci_pool *pool, size_t count, enum kci_pool_right right,
                                        struct kci_chunk **out)
{
    struct kci_pool_place *turn = right == KCI_POOL_IN_TURN ? first_in_line(pool) : NULL;
    if (right != KCI_POOL_FORCED && count > room_of(pool, right)) {
        if (turn)
            turn->wants = count;
        pool->starved = true;
        if (count > pool->starved_for)
            pool->starved_for = count;
        return KCI_POOL_FULL;
    }
    while (pool->free_count < count)
        if (!grow(pool))
            return KCI_POOL_NO_MEMORY;
    struct kci_chunk *last = pool->free;
    *out = last;
    for (size_t i = 1;; i++) {
        last->start = last->end = 0;
        if (i == count)
            break;
        last = last->next;
    }
    pool->free = last->next;
    last->next = NULL;
    pool->free_count -= count;
    pool->used += count;
    if (turn)
        turn->wants = 0;
    return KCI_POOL_OK;
}

/* ---- small ones ---- */

static uint32_t piece_bytes(const struct kci_pool *pool)
{
    return (uint32_t)((pool->chunk_bytes - sizeof(struct kci_cut)) / KCI_CUT_PIECES) & ~7u;
}

uint32_t kci_pool_room(const struct kci_pool *pool, const struct kci_chunk *chunk)
{
    return (uint32_t)((chunk->cut ? piece_bytes(pool) : pool->chunk_bytes) - sizeof *chunk);
}

void kci_pool_expect(struct kci_pool *pool, size_t partitions)
{
    kci_lock_take(&pool->lock);
    pool->wide = pool->chunk_bytes == KCI_CHUNK_BYTES && partitions > pool->limit / WIDE_FROM;
    kci_lock_release(&pool->lock);
}

static void link_cut(struct kci_pool *pool, struct kci_cut *cut)
{
    cut->previous = NULL;
    cut->next = pool->cuts;
    if (pool->cuts)
        pool->cuts->previous = cut;
    pool->cuts = cut;
}

static void unlink_cut(struct kci_pool *pool, struct kci_cut *cut)
{
    if (cut->next)
        cut->next->previous = cut->previous;
    if (cut->previous)
        cut->previous->next = cut->next;
    else
        pool->cuts = cut->next;
}

static void make_cut(struct kci_pool *pool, struct kci_chunk *whole)
{
    struct kci_cut *cut = (void *)whole;
    *cut = (struct kci_cut){ 0 };
    for (uint32_t i = KCI_CUT_PIECES; i-- > 0;) {
        struct kci_chunk *piece = (void *)((uint8_t *)(cut + 1) + (size_t)i * piece_bytes(pool));
        piece->cut = cut;
        piece->next = cut->free;
        cut->free = piece;
    }
    link_cut(pool, cut);
}

static enum kci_pool_result take_small(struct kci_pool *pool, enum kci_pool_right right, struct kci_chunk **out)
{
    if (!pool->cuts) {
        struct kci_chunk *whole;
        enum kci_pool_result result = take_locked(pool, 1, right, &whole);
        if (result)
            return result;
        make_cut(pool, whole);
    }
    struct kci_cut *cut = pool->cuts;
    *out = cut->free;
    cut->free = cut->free->next;
    cut->out++;
    if (!cut->free)
        unlink_cut(pool, cut);
    (*out)->next = NULL;
    (*out)->start = (*out)->end = 0;
    return KCI_POOL_OK;
}

static void give_small(struct kci_pool *pool, struct kci_chunk *piece)
{
    struct kci_cut *cut = piece->cut;
    assert(cut->out > 0);
    if (!cut->free)
        link_cut(pool, cut);
    piece->next = cut->free;
    cut->free = piece;
    if (--cut->out)
        return;
    unlink_cut(pool, cut);
    struct kci_chunk *whole = (void *)cut;
    whole->cut = NULL;
    whole->next = pool->free;
    pool->free = whole;
    pool->free_count++;
    pool->used--;
}

enum kci_pool_result kci_pool_take_first(struct kci_pool *pool, size_t size, enum kci_pool_right right,
                                         struct kci_chunk **out)
{
    kci_lock_take(&pool->lock);
    bool small = pool->wide && size + sizeof(struct kci_chunk) <= piece_bytes(pool) &&
                 (pool->cuts || pool->used >= pool->limit / SMALL_ABOVE);
    enum kci_pool_result result = small ? take_small(pool, right, out) : take_locked(pool, 1, right, out);
    kci_lock_release(&pool->lock);
    return result;
}

/* ---- whole ones ---- */

enum kci_pool_result kci_pool_take(struct kci_pool *pool, size_t count, enum kci_pool_right right,
                                   struct kci_chunk **out)
{
    kci_lock_take(&pool->lock);
    enum kci_pool_result result = take_locked(pool, count, right, out);
    kci_lock_release(&pool->lock);
    return result;
}

void kci_pool_give(struct kci_pool *pool, struct kci_chunk *first, struct kci_chunk *last, size_t count)
{
    kci_lock_take(&pool->lock);
    if (first->cut) {
        struct kci_chunk *rest = first->next;
        give_small(pool, first);
        first = rest;
        count--;
    }
    if (count) {
        last->next = pool->free;
        pool->free = first;
        pool->free_count += count;
        pool->used -= count;
    }
    kci_lock_release(&pool->lock);
}

/* ---- the line ---- */

void kci_pool_line_enter(struct kci_pool *pool, struct kci_pool_place *place)
{
    *place = (struct kci_pool_place){ .wants = 0 };
    kci_lock_take(&pool->lock);
    kci_list_push(&pool->line, &place->link);
    kci_lock_release(&pool->lock);
}

bool kci_pool_line_leave(struct kci_pool *pool, struct kci_pool_place *place)
{
    kci_lock_take(&pool->lock);
    bool was_first = first_in_line(pool) == place;
    kci_list_remove(&place->link);
    bool tell = was_first && !kci_list_empty(&pool->line);
    kci_lock_release(&pool->lock);
    return tell;
}

enum kci_pool_right kci_pool_right(struct kci_pool *pool, const struct kci_pool_place *place)
{
    if (!place)
        return KCI_POOL_FAIR;
    kci_lock_take(&pool->lock);
    bool first = first_in_line(pool) == place;
    kci_lock_release(&pool->lock);
    return first ? KCI_POOL_IN_TURN : KCI_POOL_FAIR;
}

/* ---- who is starved ---- */

bool kci_pool_starved(struct kci_pool *pool)
{
    kci_lock_take(&pool->lock);
    bool starved = pool->starved;
    kci_lock_release(&pool->lock);
    return starved;
}

bool kci_pool_relieve(struct kci_pool *pool, bool patient)
{
    kci_lock_take(&pool->lock);
    size_t room = pool->used < pool->limit ? pool->limit - pool->used : 0, least = pool->starved_for;
    const struct kci_pool_place *first = first_in_line(pool);
    if (first && first->wants) /* the others' turn has not come */
        least = first->wants;
    if (patient && least < pool->limit / 8)
        least = pool->limit / 8;
    bool relieved = pool->starved && room && room >= least;
    if (relieved) {
        pool->starved = false;
        pool->starved_for = 0;
    }
    kci_lock_release(&pool->lock);
    return relieved;
}

size_t kci_pool_used_bytes(struct kci_pool *pool)
{
    kci_lock_take(&pool->lock);
    size_t used = pool->used * pool->chunk_bytes;
    kci_lock_release(&pool->lock);
    return used;
}
