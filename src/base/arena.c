/* A chain of blocks, newest first; pieces are cut from the newest one.
 *
 *   arena.block -> [prev | size | used |  pieces ...  free ] -> [older block] -> NULL
 *
 * Blocks double from BLOCK_FIRST to BLOCK_MAX, so that small frames cost one small block and large ones few
 * allocations; a piece that does not fit gets a block of its own size.  Only what is handed out is zeroed.  The limit
 * counts pieces, not blocks: the memory behind an arena is at most 2 * limit + BLOCK_MAX. */
#include "base/arena.h"

#include <stdalign.h>

#define BLOCK_FIRST ((size_t)1 << 10)
#define BLOCK_MAX   ((size_t)64 << 10)
/* a larger block is given back on reset: one huge frame must not pin its memory */
#define KEEP_MAX  ((size_t)256 << 10)
#define ALIGNMENT alignof(max_align_t)

struct kci_arena_block {
    struct kci_arena_block *prev; /* older block; owned */
    size_t size;                  /* payload bytes */
    size_t used;                  /* of which handed out */
    alignas(max_align_t) uint8_t data[];
};

/* A new newest block with room for `need` bytes; NULL when out of memory. */
static struct kci_arena_block *add_block(struct kci_arena *arena, size_t need)
{
    size_t size = arena->block ? arena->block->size * 2 : BLOCK_FIRST;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < need)
        size = need;
    if (size > SIZE_MAX - sizeof(struct kci_arena_block))
        return NULL;
    struct kci_arena_block *block = kci_alloc_new(arena->alloc, sizeof *block + size);
    if (!block)
        return NULL;
    block->prev = arena->block;
    block->size = size;
    block->used = 0;
    arena->block = block;
    return block;
}

static void *fail(struct kci_arena *arena)
{
    arena->failed = true;
    return NULL;
}

void *kci_arena_take(struct kci_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return fail(arena);
    size_t rounded = size ? (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    if (rounded > arena->limit - arena->used)
        return fail(arena);
    struct kci_arena_block *block = arena->block;
    if (!block || rounded > block->size - block->used)
        block = add_block(arena, rounded);
    if (!block)
        return fail(arena);
    void *piece = block->data + block->used;
    block->used += rounded;
    arena->used += rounded;
    return memset(piece, 0, rounded);
}

void *kci_arena_array(struct kci_arena *arena, size_t count, size_t element_size)
{
    if (element_size && count > SIZE_MAX / element_size)
        return fail(arena);
    return kci_arena_take(arena, count * element_size);
}

char *kci_arena_text(struct kci_arena *arena, struct kci_str text)
{
    if (text.size == SIZE_MAX)
        return fail(arena);
    char *copy = kci_arena_take(arena, text.size + 1);
    if (copy && text.size)
        memcpy(copy, text.data, text.size);
    return copy;
}

static void free_blocks(struct kci_arena *arena, struct kci_arena_block *block)
{
    while (block) {
        struct kci_arena_block *prev = block->prev;
        kci_alloc_free(arena->alloc, block);
        block = prev;
    }
}

void kci_arena_reset(struct kci_arena *arena)
{
    arena->failed = false;
    struct kci_arena_block *keep = arena->block;
    arena->used = 0;
    if (!keep)
        return;
    if (keep->size > KEEP_MAX) {
        kci_arena_destroy(arena);
        return;
    }
    free_blocks(arena, keep->prev);
    keep->prev = NULL;
    keep->used = 0;
}

void kci_arena_destroy(struct kci_arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena, arena->block);
    arena->block = NULL;
    arena->used = 0;
}
