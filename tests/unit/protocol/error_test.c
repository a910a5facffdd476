/* Error codes keep Kafka's numbers and names; what a client may do about each is in their flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>

#include "protocol/error.h"

static void test_every_code_from_minus_one_to_the_last(void **unused)
{
    (void)unused;
    for (int16_t code = -1; code <= 136; code++) {
        const char *name = kci_error_name(code), *text = kci_error_text(code);
        assert_string_not_equal(name, "UNKNOWN_ERROR_CODE");
        for (const char *c = name; *c; c++)
            assert_true(isupper((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        assert_true(strlen(text) > 5 && islower((unsigned char)text[0]) && text[strlen(text) - 1] != '.');
    }
    assert_string_equal(kci_error_name(6), "NOT_LEADER_OR_FOLLOWER");
    assert_string_equal(kci_error_name(136), "CONTROLLER_ID_NOT_REGISTERED");
    assert_int_equal(KCI_UNKNOWN_SERVER_ERROR, -1);
    assert_int_equal(KCI_NONE, 0);
    assert_int_equal(KCI_REBOOTSTRAP_REQUIRED, 129);
}

static void test_a_code_from_the_future(void **unused)
{
    (void)unused;
    static const int16_t codes[] = { INT16_MIN, -2, 137, INT16_MAX };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_string_equal(kci_error_name(codes[i]), "UNKNOWN_ERROR_CODE");
        assert_non_null(kci_error_text(codes[i]));
        assert_int_equal(kci_error_flags(codes[i]), 0);
    }
}

static void test_what_may_be_tried_again(void **unused)
{
    (void)unused;
    static const int16_t again[] = { 2, 7, 14, 15, 16, 19, 20, 41, 51, 70, 71, 75, 78, 88, 89, 106, 122, 123, 133 };
    static const int16_t after_refresh[] = { 3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103 };
    int expected[138] = { 0 };
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        expected[again[i]] = KCI_ERROR_RETRIABLE;
    for (size_t i = 0; i < sizeof after_refresh / sizeof *after_refresh; i++)
        expected[after_refresh[i]] = KCI_ERROR_RETRIABLE | KCI_ERROR_REFRESH;
    for (int16_t code = 0; code <= 137; code++)
        assert_int_equal(kci_error_flags(code), expected[code]);
    assert_int_equal(kci_error_flags(-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_from_minus_one_to_the_last),
        cmocka_unit_test(test_a_code_from_the_future),
        cmocka_unit_test(test_what_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
