/* Java's view of a text: the values were printed by a JVM. */
#include "mockbroker/core/java_string.h"
#include "support/unit.h"

static void hashes_are_those_of_java(void **unused)
{
    static const struct {
        const char *text;
        int32_t hash;
    } known[] = {
        { "", 0 },
        { "abc", 96354 },
        { "polygenelubricants", INT32_MIN },
        { "\xc3\xa9", 233 },                    /* e with acute: one unit */
        { "\xf0\x9f\x98\x80", 1772899 },        /* U+1F600: two units, D83D DE00 */
        { "\xe6\x97\xa5\xe6\x9c\xac", 835047 }, /* two ideographs */
        { "a\xff", 31 * 97 + 0xFFFD },          /* not UTF-8: U+FFFD */
    };
    (void)unused;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(mb_java_string_hash(kci_str_of(known[i].text)), known[i].hash);
}

static void lengths_are_utf16_units(void **unused)
{
    (void)unused;
    assert_int_equal(mb_java_string_length(kci_str_of("")), 0);
    assert_int_equal(mb_java_string_length(kci_str_of("abc")), 3);
    assert_int_equal(mb_java_string_length(kci_str_of("\xc3\xa9")), 1);
    assert_int_equal(mb_java_string_length(kci_str_of("\xf0\x9f\x98\x80")), 2);
    assert_int_equal(mb_java_string_length(kci_str_of("\xf0\x9f")), 2); /* cut off: one for each byte */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hashes_are_those_of_java),
                                        cmocka_unit_test(lengths_are_utf16_units) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
