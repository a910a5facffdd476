/* Log lines reach the table when their level is wanted, whole or visibly cut. */
#include "base/log.h"

#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static char last[2000];
static int lines;

static void keep(void *context, enum kci_log_level level, const char *facility, const char *text)
{
    assert_ptr_equal(context, last);
    snprintf(last, sizeof last, "%d %s %s", (int)level, facility, text);
    lines++;
}

static void lines_are_formatted_and_filtered(void **state)
{
    struct kci_logger logger = { keep, last, KCI_LOG_INFO };
    (void)state;
    lines = 0;
    kci_log(&logger, KCI_LOG_WARN, "conn", "broker %d: %s", 3, "refused");
    assert_string_equal(last, "4 conn broker 3: refused");
    kci_log(&logger, KCI_LOG_INFO, "conn", "up");
    kci_log(&logger, KCI_LOG_DEBUG, "conn", "detail");
    assert_int_equal(lines, 2);
}

static void no_logger_is_fine(void **state)
{
    struct kci_logger silent = { NULL, NULL, KCI_LOG_DEBUG };
    (void)state;
    kci_log(NULL, KCI_LOG_ERROR, "x", "y");
    kci_log(&silent, KCI_LOG_ERROR, "x", "y");
}

static void long_lines_are_cut_visibly(void **state)
{
    struct kci_logger logger = { keep, last, KCI_LOG_INFO };
    char text[1500];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    kci_log(&logger, KCI_LOG_INFO, "f", "%s", text);
    assert_int_equal(strlen(last), 1023 + strlen("6 f "));
    assert_string_equal(last + strlen(last) - 4, "a...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_formatted_and_filtered),
        cmocka_unit_test(no_logger_is_fine),
        cmocka_unit_test(long_lines_are_cut_visibly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
