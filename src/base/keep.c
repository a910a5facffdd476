/* Blocks that are kept.
 *
 *      | 16      | room                |       room: rounded up to a sixteenth of its power of two, so that
 *      | header  | the caller's bytes  |       blocks of nearly one size can stand in for each other
 *
 * Blocks below KEEP_BYTES_MIN are passed through: malloc is good at them.  Of the kept ones the last freed that fits is
 * taken, for it is the most likely to be in a cache.  When the limit is passed, the one that has lain longest goes first:
 * sizes that nobody asks for any more age out.
 *
 * With few blocks (KCI_KEEP_BLOCKS_MAX) a list is enough.  Nobody allocates or frees below while the lock is held. */
#include "base/keep.h"

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define KEEP_BYTES_MIN ((size_t)32 << 10)
#define STEPS          16 /* sizes per power of two */
#define SLACK          16 /* a block may be larger than asked for by this part */

struct kci_keep_block {
    size_t room;                  /* bytes behind this header */
    struct kci_keep_block *older; /* while kept */
};

_Static_assert(sizeof(struct kci_keep_block) % _Alignof(max_align_t) == 0, "what follows is aligned for any type");

static size_t room_for(size_t size)
{
    size_t step = KEEP_BYTES_MIN / STEPS;
    if (size < KEEP_BYTES_MIN)
        return size;
    while (step * STEPS * 2 <= size && step < SIZE_MAX / STEPS / 4)
        step *= 2;
    return size > SIZE_MAX - step ? size : (size + step - 1) / step * step;
}

/* May this block be given to who asks for so much? A little more is fine. */
static bool fits(const struct kci_keep_block *block, size_t room)
{
    return block->room >= room && block->room - room <= room / SLACK;
}

static struct kci_keep_block *take_kept(struct kci_keep *keep, size_t room)
{
    kci_lock_take(&keep->lock);
    struct kci_keep_block **at = &keep->newest, *block;
    while ((block = *at) && !fits(block, room))
        at = &block->older;
    if (block) {
        *at = block->older;
        keep->count--;
        atomic_fetch_sub(&keep->bytes, block->room);
    }
    kci_lock_release(&keep->lock);
    return block;
}

/* Take off the oldest while there is more than is allowed; what comes off is a list, for the caller to free. */
static struct kci_keep_block *cut(struct kci_keep *keep, size_t bytes_max, size_t count_max)
{
    struct kci_keep_block **at = &keep->newest, *rest;
    size_t bytes = 0, count = 0;
    while (*at && count < count_max && bytes + (*at)->room <= bytes_max) {
        bytes += (*at)->room;
        count++;
        at = &(*at)->older;
    }
    rest = *at;
    *at = NULL;
    atomic_store(&keep->bytes, bytes);
    keep->count = count;
    return rest;
}

static size_t free_all(struct kci_keep *keep, struct kci_keep_block *block)
{
    size_t bytes = 0;
    while (block) {
        struct kci_keep_block *older = block->older;
        bytes += block->room;
        ASAN_UNPOISON_MEMORY_REGION(block + 1, block->room);
        kci_alloc_free(keep->under, block);
        block = older;
    }
    return bytes;
}

size_t kci_keep_drop(struct kci_keep *keep)
{
    if (kci_keep_bytes(keep) == 0)
        return 0;
    kci_lock_take(&keep->lock);
    struct kci_keep_block *all = cut(keep, 0, 0);
    kci_lock_release(&keep->lock);
    return free_all(keep, all);
}

static void *take(struct kci_keep *keep, size_t size)
{
    size_t room = room_for(size);
    struct kci_keep_block *block = room >= KEEP_BYTES_MIN ? take_kept(keep, room) : NULL;
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block + 1, block->room);
        return block + 1;
    }
    if (room > SIZE_MAX - sizeof *block)
        return NULL;
    block = kci_alloc_new(keep->under, sizeof *block + room);
    if (!block && kci_keep_drop(keep))
        block = kci_alloc_new(keep->under, sizeof *block + room);
    if (!block)
        return NULL;
    block->room = room;
    return block + 1;
}

static void give_back(struct kci_keep *keep, struct kci_keep_block *block)
{
    if (block->room < KEEP_BYTES_MIN || block->room > keep->bytes_max) {
        kci_alloc_free(keep->under, block);
        return;
    }
    ASAN_POISON_MEMORY_REGION(block + 1, block->room);
    kci_lock_take(&keep->lock);
    block->older = keep->newest;
    keep->newest = block;
    size_t bytes = atomic_fetch_add(&keep->bytes, block->room) + block->room;
    keep->count++;
    struct kci_keep_block *rest = NULL;
    if (bytes > keep->bytes_max || keep->count > KCI_KEEP_BLOCKS_MAX)
        rest = cut(keep, keep->bytes_max, KCI_KEEP_BLOCKS_MAX);
    kci_lock_release(&keep->lock);
    free_all(keep, rest);
}

static void *resize(void *context, void *data, size_t size)
{
    struct kci_keep *keep = context;
    struct kci_keep_block *block = data ? (struct kci_keep_block *)data - 1 : NULL;
    if (!block)
        return take(keep, size);
    if (size == 0) {
        give_back(keep, block);
        return NULL;
    }
    if (fits(block, room_for(size)))
        return data;
    void *other = take(keep, size);
    if (!other)
        return NULL;
    memcpy(other, data, size < block->room ? size : block->room);
    give_back(keep, block);
    return other;
}

void kci_keep_init(struct kci_keep *keep, const struct kci_alloc *under, size_t bytes_max,
                   const struct kci_lock_ops *lock_ops)
{
    *keep = (struct kci_keep){ .face = { resize, keep }, .under = under, .bytes_max = bytes_max };
    kci_lock_init(&keep->lock, lock_ops);
}
