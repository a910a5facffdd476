/* XXH32 against values that its reference implementation gives. */
#include "protocol/xxh32.h"

#include "support/unit.h"

static void known_values(void **state)
{
    static const uint8_t lz4_descriptor[] = { 0x60, 0x40 };
    (void)state;
    assert_int_equal(kci_xxh32(NULL, 0), 0x02CC5D05);
    assert_int_equal(kci_xxh32("a", 1), 0x550D7456);
    assert_int_equal(kci_xxh32("abc", 3), 0x32D153FF);
    assert_int_equal(kci_xxh32("Nobody inspects the spammish repetition", 39), 0xE2293B2F);
    assert_int_equal(kci_xxh32(lz4_descriptor, 2) >> 8 & 0xff, 0x82);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_values) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
