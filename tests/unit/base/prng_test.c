/* The generator repeats itself for a seed, and is fair. */
#include "base/prng.h"

#include "support/unit.h"

/* The first outputs for the state 1, 2, 3, 4 as its authors' reference gives them. */
static void it_is_xoshiro(void **state)
{
    static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
    struct kci_prng prng = { { 1, 2, 3, 4 } };
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(kci_prng_next(&prng) == expected[i]);
}

static void a_seed_is_a_stream(void **state)
{
    struct kci_prng a, b, c;
    int same = 0;
    (void)state;
    kci_prng_seed(&a, 1);
    kci_prng_seed(&b, 1);
    kci_prng_seed(&c, 2);
    assert_true(a.s[0] == 0x910A2DEC89025CC1u); /* splitmix64's first output for 1 */
    for (int i = 0; i < 1000; i++) {
        uint64_t x = kci_prng_next(&a);
        assert_true(x == kci_prng_next(&b));
        same += x == kci_prng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void numbers_below_a_bound_are_even(void **state)
{
    struct kci_prng prng;
    int counts[10] = { 0 }, yes = 0;
    (void)state;
    kci_prng_seed(&prng, 99);
    for (int i = 0; i < 100000; i++)
        counts[kci_prng_below(&prng, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 9500, 10500);
    for (int i = 0; i < 10000; i++)
        yes += kci_prng_chance(&prng, 1, 4);
    assert_in_range(yes, 2300, 2700);
    assert_int_equal(kci_prng_below(&prng, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(kci_prng_below(&prng, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_xoshiro),
        cmocka_unit_test(a_seed_is_a_stream),
        cmocka_unit_test(numbers_below_a_bound_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
