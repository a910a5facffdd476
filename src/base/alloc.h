/* Memory comes from whoever creates an engine: malloc in production, a counting, poisoning or failing allocator in
 * tests. Must be safe from several threads (frames are released on application threads). */
#ifndef KCI_BASE_ALLOC_H
#define KCI_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kci_alloc {
    /* realloc's contract: block NULL allocates, size 0 frees and returns NULL; NULL otherwise means out of memory and
     * leaves `block` as it was.  Results are aligned for any type. */
    void *(*resize)(void *context, void *block, size_t size);
    void *context; /* handed back to resize */
};

static inline void *kci_alloc_new(const struct kci_alloc *alloc, size_t size)
{
    return alloc->resize(alloc->context, NULL, size ? size : 1);
}

/* Zeroed array of count elements; NULL when out of memory or when the product overflows. */
static inline void *kci_alloc_zero(const struct kci_alloc *alloc, size_t count, size_t element_size)
{
    if (element_size && count > SIZE_MAX / element_size)
        return NULL;
    void *block = kci_alloc_new(alloc, count * element_size);
    return block ? memset(block, 0, count * element_size) : NULL;
}

static inline void *kci_alloc_resize(const struct kci_alloc *alloc, void *block, size_t size)
{
    return alloc->resize(alloc->context, block, size ? size : 1);
}

/* Free; NULL is fine. */
static inline void kci_alloc_free(const struct kci_alloc *alloc, const void *block)
{
    if (block)
        alloc->resize(alloc->context, (void *)(uintptr_t)block, 0);
}

#endif
