/* Patterns: what matches, what does not, what is refused, and that no pattern and no name is slow. */
#include "base/pattern.h"

#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

static struct test_alloc memory;

static bool matches(const char *text, const char *name)
{
    struct kci_alloc alloc = test_alloc_counting(&memory);
    char why[200] = "";
    struct kci_pattern *pattern = kci_pattern_compile(&alloc, text, why, sizeof why);
    if (!pattern)
        fail_msg("%s: %s", text, why);
    bool first = kci_pattern_match(pattern, kci_str_of(name));
    assert_int_equal(kci_pattern_match(pattern, kci_str_of(name)), first); /* nothing of the first one is left */
    kci_pattern_destroy(pattern);
    assert_int_equal(memory.live_blocks, 0);
    return first;
}

/* One row: a pattern, names that match, names that do not. */
static void what_matches(void **state)
{
    static const struct {
        const char *pattern, *yes[5], *no[6];
    } rows[] = {
        { "orders", { "orders" }, { "", "order", "orders2", "xorders" } },
        { "orders-.*", { "orders-", "orders-eu" }, { "orders", "my-orders-eu" } },
        { "^orders\\..+$", { "orders.a" }, { "orders.", "ordersXa" } },
        { "a|bc|d", { "a", "bc", "d" }, { "ab", "abc", "b", "" } },
        { "(a|b)c", { "ac", "bc" }, { "a", "bcc", "abc" } },
        { "x(?:ab)*y", { "xy", "xaby", "xababy" }, { "xay", "xabay" } },
        { "[a-c_]+", { "abc", "_" }, { "", "d", "a-c" } },
        { "[^0-9]", { "a", "-" }, { "5", "ab" } },
        { "[]x]", { "]", "x" }, { "[" } },
        { "[a\\-z]", { "a", "-", "z" }, { "b", "\\" } },
        { "[a-]", { "a", "-" }, { "b" } },
        { "\\d{3}", { "123" }, { "12", "1234", "abc" } },
        { "a{2,}", { "aa", "aaaa" }, { "", "a" } },
        { "a{1,3}b?", { "a", "aaab" }, { "b", "aaaa" } },
        { "a{0}", { "" }, { "a" } },
        { "\\w+\\s\\S", { "ab_9 x" }, { "ab x y", "ab  " } },
        { "[\\d.]+", { "1.2" }, { "1a" } },
        { "\\D\\W", { "a-" }, { "1-", "aa" } },
        { "(?i)Orders[x-z]", { "oRDERSX", "orderSy" }, { "orders1" } },
        { "(|a)b", { "b", "ab" }, { "a", "aab" } },
        { "(a|)b", { "b", "ab" }, { "a" } },
        { "a||b", { "", "a", "b" }, { "ab" } },
        { "()", { "" }, { "a" } },
        { "(a*)*", { "", "aaa" }, { "b", "aab" } },
        { "((a?)*b|c)+", { "b", "aabcab" }, { "a", "ca" } },
        { "a.*?b", { "ab", "axxb", "abab" }, { "aba" } },
        { "a$b", { NULL }, { "ab", "a" } },
        { "(^a|b)c", { "ac", "bc" }, { "aac" } },
        { "\\.\\*\\(\\)", { ".*()" }, { "a*()" } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int k = 0; k < 5 && rows[i].yes[k]; k++)
            if (!matches(rows[i].pattern, rows[i].yes[k]))
                fail_msg("%s should match \"%s\"", rows[i].pattern, rows[i].yes[k]);
        for (int k = 0; k < 6 && rows[i].no[k]; k++)
            if (matches(rows[i].pattern, rows[i].no[k]))
                fail_msg("%s should not match \"%s\"", rows[i].pattern, rows[i].no[k]);
    }
}

static void expect_refused(const char *text, const char *part)
{
    struct kci_alloc alloc = test_alloc_counting(&memory);
    char why[200] = "";
    assert_null(kci_pattern_compile(&alloc, text, why, sizeof why));
    if (!strstr(why, part))
        fail_msg("\"%.40s\": \"%s\" does not say \"%s\"", text, why, part);
    assert_int_equal(memory.live_blocks, 0);
}

/* The text says what is wrong, and where. */
static void what_is_refused(void **state)
{
    char deep[KCI_PATTERN_BYTES_MAX + 2];
    (void)state;
    expect_refused("a(b", "not closed");
    expect_refused("a)b", ") at position 1");
    expect_refused("[ab", "not closed");
    expect_refused("[z-a]", "backwards");
    expect_refused("*a", "nothing to repeat at position 0");
    expect_refused("a**", "nothing to repeat at position 2");
    expect_refused("a{2,1}", "not a count");
    expect_refused("a{x}", "count of 0 to 1000");
    expect_refused("a{9999}", "count of 0 to 1000");
    expect_refused("a\\", "ends behind");
    expect_refused("\\1", "\\1 at position 1");
    expect_refused("\\p{L}", "\\p");
    expect_refused("(?!__).*", "(?!");
    expect_refused("(?<n>a)", "(?<");
    expect_refused("a++", "possessive");
    expect_refused("[[:alpha:]]", "not supported");
    expect_refused("((a{1000}){1000}){1000}", "repeats too much");
    expect_refused("(((((){1000}){1000}){1000}){1000}){1000}", "repeats too much");
    memset(deep, '(', sizeof deep - 2);
    deep[sizeof deep - 2] = 0;
    expect_refused(deep, "groups in one another");
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    expect_refused(deep, "longer than");
}

/* What hangs a backtracking matcher for years takes its turn here. */
static void nothing_is_slow(void **state)
{
    char name[4096];
    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_false(matches("(a*)*b", name));
    assert_false(matches("(a|aa)+b", name));
    assert_true(matches("(.*)(.*)(.*)(.*)(.*)", name));
}

/* The n-th allocation fails, for all n: refused, and nothing is left. */
static void each_allocation_may_fail(void **state)
{
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        struct kci_alloc alloc = test_alloc_counting(&memory);
        char why[200];
        struct kci_pattern *pattern = kci_pattern_compile(&alloc, "(ab{20,40}|c)+[x-z]", why, sizeof why);
        if (!pattern)
            assert_string_equal(why, "out of memory");
        kci_pattern_destroy(pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matches),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(nothing_is_slow),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
