/* The chunk pool: one lock, one list.  The lock is taken once per chunk and the chunk carries a hundred records, so
 * there is nothing to win with anything finer.
 *
 * Invariants: used <= limit unless chunks were forced; used + free_count <= chunks obtained.
 * Hysteresis: when the pool ran dry, those who wait are told only when an eighth of it is free again, so that they come
 * back for a good stretch of work instead of once per batch.  Who waits for longer than a moment is told
 * anyway (not `patient`): a slow broker must not turn the eighth into a time-out. */
#include "producer/pool.h"

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
        pool->free = chunk;
    }
    pool->free_count += count;
    return true;
}

static enum kci_pool_result take_locked(struct kci_pool *pool, size_t count, bool force, struct kci_chunk **out)
{
    if (!force && count > pool->limit - (pool->used < pool->limit ? pool->used : pool->limit)) {
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
    return KCI_POOL_OK;
}

enum kci_pool_result kci_pool_take(struct kci_pool *pool, size_t count, bool force, struct kci_chunk **out)
{
    kci_lock_take(&pool->lock);
    enum kci_pool_result result = take_locked(pool, count, force, out);
    kci_lock_release(&pool->lock);
    return result;
}

void kci_pool_give(struct kci_pool *pool, struct kci_chunk *first, struct kci_chunk *last, size_t count)
{
    kci_lock_take(&pool->lock);
    last->next = pool->free;
    pool->free = first;
    pool->free_count += count;
    pool->used -= count;
    kci_lock_release(&pool->lock);
}

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
