/* Quantiles within 3 %, over nine orders of magnitude, in fixed memory. */
#include "base/histogram.h"
#include "support/unit.h"

static struct kci_histogram h;

static void expect_near(uint64_t got, uint64_t wanted)
{
    assert_in_range(got, wanted, wanted + wanted / 32 + 1);
}

static void quantiles_of_a_line(void **state)
{
    (void)state;
    h = (struct kci_histogram){ .count = 0 };
    for (uint64_t i = 1; i <= 100000; i++)
        kci_histogram_add(&h, i);
    expect_near(kci_histogram_quantile(&h, 0.5), 50000);
    expect_near(kci_histogram_quantile(&h, 0.99), 99000);
    expect_near(kci_histogram_quantile(&h, 0.001), 100);
    assert_int_equal(kci_histogram_quantile(&h, 1), 100000);
    assert_int_equal(h.max, 100000);
}

/* Each value, alone, is found again: no bucket is skipped or counted twice. */
static void every_order_of_magnitude(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < UINT64_C(1) << 40; value = value * 9 / 8 + 1) {
        h = (struct kci_histogram){ .count = 0 };
        kci_histogram_add(&h, value);
        kci_histogram_add(&h, UINT64_C(1) << 40);
        expect_near(kci_histogram_quantile(&h, 0.5), value);
    }
}

static void limits(void **state)
{
    (void)state;
    h = (struct kci_histogram){ .count = 0 };
    assert_int_equal(kci_histogram_quantile(&h, 0.5), 0);
    kci_histogram_add(&h, UINT64_MAX); /* beyond the last bucket */
    kci_histogram_add(&h, 0);
    assert_int_equal(h.max, UINT64_MAX);
    assert_int_equal(kci_histogram_quantile(&h, 0.5), 0);
    assert_true(kci_histogram_quantile(&h, 1) >= (UINT64_C(1) << 41) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(quantiles_of_a_line),
                                        cmocka_unit_test(every_order_of_magnitude), cmocka_unit_test(limits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
