/* The production allocator behind struct kci_alloc: the C library's, safe from all threads. */
#include "runtime/runtime.h"

#include <stdlib.h>

static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size == 0) {
        free(block); /* realloc(p, 0) is not free everywhere */
        return NULL;
    }
    return realloc(block, size);
}

const struct kci_alloc *kci_heap_alloc(void)
{
    static const struct kci_alloc alloc = { resize, NULL };
    return &alloc;
}
