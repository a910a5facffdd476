/* The waiting times of KIP-580. */
#include "cluster/cluster.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Each attempt doubles the time, up to the maximum; the jitter is within a fifth of it both ways. */
static void test_doubles_within_bounds(void **state)
{
    struct kci_backoff backoff = { 50, 1000 };
    static const int64_t base_ms[] = { 50, 100, 200, 400, 800, 1000, 1000 };
    (void)state;
    for (uint32_t n = 0; n < 7; n++)
        for (uint64_t random = 0; random < 2000000; random += 9973) {
            int64_t us = kci_backoff_us(backoff, n, random);
            assert_in_range(us, base_ms[n] * 800, base_ms[n] * 1200);
        }
    assert_int_equal(kci_backoff_us(backoff, 0, 0), 40000);
    assert_int_equal(kci_backoff_us(backoff, 0, 400000), 60000);
}

/* A first time at or above the maximum makes a constant without jitter. */
static void test_constant(void **state)
{
    struct kci_backoff backoff = { 2000, 1000 };
    (void)state;
    for (uint32_t n = 0; n < 50; n++)
        assert_int_equal(kci_backoff_us(backoff, n, n * 77777), 1000000);
}

/* Neither zero nor any number of attempts goes wrong. */
static void test_limits(void **state)
{
    struct kci_backoff zero = { 0, 1000 }, huge = { 1, INT32_MAX };
    (void)state;
    assert_int_equal(kci_backoff_us(zero, UINT32_MAX, 5), 0);
    assert_in_range(kci_backoff_us(huge, UINT32_MAX, UINT64_MAX), (int64_t)INT32_MAX * 800, (int64_t)INT32_MAX * 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_within_bounds),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
