/* What every harness needs: the entry that libFuzzer calls, and a check that stops it. */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include "base/alloc.h"

#include <stdbool.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of our code that does not hold, whatever the input. */
static inline void must(bool holds, const char *promise)
{
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", promise);
        abort();
    }
}

static inline void *fuzz_resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}

static const struct kci_alloc fuzz_alloc = { fuzz_resize, NULL };

#endif
