/* A meter's total is exact and its rate is that of the last one to two windows. */
#include "base/meter.h"
#include "support/unit.h"

#define SECOND ((int64_t)1000000)

static void expect_near(double got, double wanted)
{
    assert_true(got > wanted * 0.99 && got < wanted * 1.01);
}

static void a_steady_stream_has_its_rate(void **state)
{
    struct kci_meter m = { 0 };
    (void)state;
    int64_t now = 5 * SECOND;
    for (int i = 0; i < 1000; i++, now += SECOND / 10)
        kci_meter_add(&m, 20, now);
    assert_int_equal(kci_meter_total(&m), 20000);
    expect_near(kci_meter_rate(&m, now), 200);
}

static void a_rate_follows_a_change_within_two_windows_and_falls_to_nothing(void **state)
{
    struct kci_meter m = { 0 };
    (void)state;
    int64_t now = 0;
    for (int i = 0; i < 100; i++, now += SECOND)
        kci_meter_add(&m, 1000, now);
    for (int i = 0; i < 61; i++, now += SECOND)
        kci_meter_add(&m, 10, now);
    expect_near(kci_meter_rate(&m, now), 10);
    assert_true(kci_meter_rate(&m, now + 6000 * SECOND) < 0.2);
}

static void a_single_event_is_not_a_thousand_per_second(void **state)
{
    struct kci_meter m = { 0 };
    (void)state;
    assert_true(kci_meter_rate(&m, 5) <= 0);
    kci_meter_add(&m, 7, 100);
    expect_near(kci_meter_rate(&m, 100), 7);
    expect_near(kci_meter_rate(&m, 100 + 10 * SECOND), 0.7);
    kci_meter_add(&m, 0, 100 + 60 * SECOND);
    assert_int_equal(kci_meter_total(&m), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_stream_has_its_rate),
        cmocka_unit_test(a_rate_follows_a_change_within_two_windows_and_falls_to_nothing),
        cmocka_unit_test(a_single_event_is_not_a_thousand_per_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
