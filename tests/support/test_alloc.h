/* An allocator for tests: counts what lives, remembers the peak, fails on demand, and fills fresh and freed memory with
 * patterns.  One thread.
 *
 *      struct test_alloc state = { 0 };
 *      struct kci_alloc alloc = test_alloc_counting(&state);
 *      ...
 *      assert_int_equal(state.live_blocks, 0);
 *
 * Out of memory at every place: TEST_ALLOC_EACH_FAILURE runs its body with allocation 1, 2, 3 ... failing until a run
 * needs fewer allocations than that, and checks after each run that nothing leaked. */
#ifndef TEST_SUPPORT_TEST_ALLOC_H
#define TEST_SUPPORT_TEST_ALLOC_H

#include "base/alloc.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>

struct test_alloc {
    size_t live_blocks; /* allocated and not yet freed */
    size_t live_bytes;
    size_t peak_bytes; /* most live bytes so far */
    size_t largest;    /* bytes of the largest single request, granted or not */
    size_t count;      /* requests for memory so far (new and resized blocks) */
    size_t fail_at;    /* the request of this number fails, and those after it if `fail_on`; 0: none */
    bool fail_on;      /* from fail_at on, everything fails */
    size_t limit;      /* requests that would take live_bytes above it fail; 0: no limit */
};

/* In front of each block. */
struct test_alloc_head {
    alignas(max_align_t) size_t size; /* bytes asked for */
    size_t mark;                      /* TEST_ALLOC_MARK while alive */
};
#define TEST_ALLOC_MARK ((size_t)0x5ca1ab1e)

static inline void *test_alloc_resize(void *context, void *block, size_t size)
{
    struct test_alloc *state = context;
    struct test_alloc_head *old = block ? (struct test_alloc_head *)block - 1 : NULL, *fresh = NULL;
    size_t old_size = old ? old->size : 0;
    assert(!old || old->mark == TEST_ALLOC_MARK);
    if (size) {
        state->count++;
        if (size > state->largest)
            state->largest = size;
        if (state->fail_at && (state->count == state->fail_at || (state->fail_on && state->count > state->fail_at)))
            return NULL;
        if (state->limit && (size > state->limit || state->live_bytes - old_size > state->limit - size))
            return NULL;
        fresh = malloc(sizeof *fresh + size);
        if (!fresh)
            return NULL;
        fresh->size = size;
        fresh->mark = TEST_ALLOC_MARK;
        memset(fresh + 1, 0xA5, size);
        if (old)
            memcpy(fresh + 1, block, old_size < size ? old_size : size);
        state->live_blocks++;
        state->live_bytes += size;
    }
    if (old) {
        state->live_blocks--;
        state->live_bytes -= old_size;
        memset(old, 0xDD, sizeof *old + old_size);
        free(old);
    }
    if (state->live_bytes > state->peak_bytes)
        state->peak_bytes = state->live_bytes;
    return fresh ? fresh + 1 : NULL;
}

static inline struct kci_alloc test_alloc_counting(struct test_alloc *state)
{
    return (struct kci_alloc){ test_alloc_resize, state };
}

/* One step of the loop below: false when the last run met no failure. */
static inline bool test_alloc_next_failure(struct test_alloc *state, bool first)
{
    size_t fail_at = first ? 1 : state->fail_at + 1;
    bool met = first || state->count >= state->fail_at;
    assert(state->live_blocks == 0);
    *state = (struct test_alloc){ .fail_at = fail_at };
    return met;
}
/* for every n: `state` is reset so that allocation n fails, then the body runs. The body frees what it made. */
#define TEST_ALLOC_EACH_FAILURE(state)                                                                                 \
    for (bool first_ = true; test_alloc_next_failure((state), first_); first_ = false)

#endif
