/* A bump allocator with a ceiling: what decoding one frame may cost is decided before it begins.  Everything taken from
 * an arena lives until reset or destroy; nothing is freed singly. */
#ifndef KCI_BASE_ARENA_H
#define KCI_BASE_ARENA_H

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdbool.h>

struct kci_arena {
    const struct kci_alloc *alloc; /* borrowed */
    struct kci_arena_block *block; /* newest block; owned */
    size_t used;                   /* bytes handed out since the last reset, each piece rounded up to the alignment */
    size_t limit;                  /* most bytes that may be handed out */
    bool failed;                   /* something was not to be had since the last reset: a copy made here has holes */
};

static inline struct kci_arena kci_arena_of(const struct kci_alloc *alloc, size_t limit)
{
    return (struct kci_arena){ alloc, NULL, 0, limit, false };
}
/* size bytes, zeroed, aligned for any type; NULL when over the limit or out of memory. */
void *kci_arena_take(struct kci_arena *arena, size_t size);
/* count elements, zeroed; NULL as above or when the product overflows. */
void *kci_arena_array(struct kci_arena *arena, size_t count, size_t element_size);
/* A NUL-terminated copy. */
char *kci_arena_text(struct kci_arena *arena, struct kci_str text);
/* Forget everything but keep one block for reuse. */
void kci_arena_reset(struct kci_arena *arena);
void kci_arena_destroy(struct kci_arena *arena);

#endif
