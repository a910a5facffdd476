/* A heap per test that must be empty at its end:
 *
 *      cmocka_unit_test_setup_teardown(test, counted_heap_setup, nothing_leaked)
 *
 * Included by one test file. */
#ifndef TEST_SUPPORT_COUNTED_HEAP_H
#define TEST_SUPPORT_COUNTED_HEAP_H

#include "support/test_alloc.h"
#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc heap;

static int counted_heap_setup(void **state)
{
    (void)state;
    memory = (struct test_alloc){ 0 };
    heap = test_alloc_counting(&memory);
    return 0;
}

static int nothing_leaked(void **state)
{
    (void)state;
    return memory.live_blocks ? -1 : 0;
}

#endif
