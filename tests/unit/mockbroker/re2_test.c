/* The RE2 syntax as RE2/J 1.8 reads it: what it said of these patterns was printed by a JVM with Kafka 4.3's jar. */
#include "mockbroker/core/re2.h"
#include "support/test_alloc.h"
#include "support/unit.h"

static void what_is_wrong_is_said_in_its_words(void **unused)
{
    static const struct {
        const char *pattern, *why;
    } rows[] = {
        { "(", "missing closing )" },
        { "(?:", "missing closing )" },
        { "a)", "regexp/syntax: internal error" },
        { "a**", "invalid nested repetition operator" },
        { "a++", "invalid nested repetition operator" },
        { "a{2}{3}", "invalid nested repetition operator" },
        { "{*", "invalid nested repetition operator" },
        { "*a", "missing argument to repetition operator" },
        { "a|*", "missing argument to repetition operator" },
        { "(?i)*", "missing argument to repetition operator" },
        { "(*UTF)a", "missing argument to repetition operator" },
        { "x{3,1}", "invalid repeat count" },
        { "x{1001}", "invalid repeat count" },
        { "x{1001,}", "invalid repeat count" },
        { "(?=a)", "invalid or unsupported Perl syntax" },
        { "(?P=n)", "invalid or unsupported Perl syntax" },
        { "(?x)a", "invalid or unsupported Perl syntax" },
        { "(?-)", "invalid or unsupported Perl syntax" },
        { "(?<!x)y", "invalid named capture" },
        { "(?P<>a)", "invalid named capture" },
        { "(?<n>a)(?P<n>b)", "duplicate capture group name" },
        { "(a)\\1", "invalid escape sequence" },
        { "\\8", "invalid escape sequence" },
        { "\\x4", "invalid escape sequence" },
        { "\\x{110000}", "invalid escape sequence" },
        { "\\q", "invalid escape sequence" },
        { "\\Z", "invalid escape sequence" },
        { "\\C", "invalid escape sequence" },
        { "[a-\\d]", "invalid escape sequence" },
        { "[\\", "trailing backslash at end of expression" },
        { "[", "missing closing ]" },
        { "[[:foo:]]", "invalid character class range" },
        { "[b-a]", "invalid character class range" },
        { "\\p{Foo}", "invalid character class range" },
        { "\\p", "invalid character class range" },
        { "((((a{1000}){1000})))", "expression is too large" }, /* ours: Kafka would run out of memory */
    };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_alloc memory = { 0 };
        struct kci_alloc alloc = test_alloc_counting(&memory);
        const char *why = NULL;
        assert_null(mb_re2_compile(&alloc, kci_str_of(rows[i].pattern), &why));
        assert_string_equal(why, rows[i].why);
        assert_int_equal(memory.live_blocks, 0);
    }
}

/* As long as a pattern may be, and one longer. */
static void a_pattern_has_so_many_bytes(void **unused)
{
    static char pattern[MB_RE2_BYTES_MAX + 1];
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    const char *why;
    (void)unused;
    memset(pattern, 'a', sizeof pattern);
    struct mb_re2 *re2 = mb_re2_compile(&alloc, (struct kci_str){ pattern, MB_RE2_BYTES_MAX }, &why);
    assert_non_null(re2);
    assert_true(mb_re2_match(re2, (struct kci_str){ pattern, MB_RE2_BYTES_MAX }));
    mb_re2_free(re2);
    assert_null(mb_re2_compile(&alloc, (struct kci_str){ pattern, MB_RE2_BYTES_MAX + 1 }, &why));
    assert_string_equal(why, "expression is too large");
    assert_int_equal(memory.live_blocks, 0);
}

/* Of these names; the last one is empty, shown as a quote. */
static const char *const names[] = { "a",        "b",
                                     "c",        "s",
                                     "S",        "k",
                                     "K",        "A",
                                     "0",        "9",
                                     "_",        "-",
                                     ".",        "aa",
                                     "ab",       "ba",
                                     "bb",       "aab",
                                     "aba",      "abab",
                                     "aaaa",     "k9",
                                     "s-",       "a.b",
                                     "a-b",      "b_c",
                                     "Kk",       "sS",
                                     "00",       "9.9",
                                     "aBc",      "orders",
                                     "orders-1", "__consumer_offsets",
                                     "" };

static bool is_among(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == size && memcmp(at, name, size) == 0)
            return true;
    return false;
}

static void the_whole_name_is_matched(void **unused)
{
    static const struct {
        const char *pattern, *matched;
    } rows[] = {
        { "orders-(?:\\d+|[a-z]*)", "orders-1" },
        { "(?i)ORDERS|k", "k K orders" },
        { "(?i-s:s)|K", "s K S" },
        { "(?i)\xc5\xbf", "s S" },                       /* U+017F is an s */
        { "(?i)[^\\x{212A}]", "a b c s S A 0 9 _ - ." }, /* U+212A is a k */
        { "\\Qa.b\\E|a-b", "a.b a-b" },
        { "\\x61\\142", "ab" },
        { "a{0}b|a{2,3}", "b aa" },
        { "(a|b){2}", "aa ab ba bb" },
        { "a{3,}|b{0,3}", "b bb aaaa '" },
        { "(|a)b?", "a b ab '" },
        { "\\pN|\\p{Lu}", "K S A 0 9" },
        { "\\P{Ll}\\p{^Lu}", "Kk 00" },
        { "[\\w\\-]{3}", "aab aba a-b b_c aBc" },
        { "[[:alpha:]]{2}", "aa ab ba bb Kk sS" },
        { "[[:^alnum:]]", "_ - ." },
        { "[]a]|[^]a]b", "a bb" },
        { ".*\\b-\\b.*", "a-b orders-1" },
        { "\\Ba|_", "_" },
        { "^orders$", "orders" },
        { "{a|a{,2}|_", "_" },
        { "(?U)a+?", "a aa aaaa" },
        { "(a*)*", "a aa aaaa '" },
        { "__.*", "__consumer_offsets" },
        { "(?P<x>a)(?<y>b)", "ab" },
        { "\\p{Common}+", "0 9 _ - . 00 9.9" },
    };
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *why;
        struct mb_re2 *re2 = mb_re2_compile(&alloc, kci_str_of(rows[i].pattern), &why);
        assert_non_null(re2);
        for (int twice = 0; twice < 2; twice++)
            for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
                bool expected = is_among(rows[i].matched, names[n][0] ? names[n] : "'");
                if (mb_re2_match(re2, kci_str_of(names[n])) != expected)
                    fail_msg("%s and %s", rows[i].pattern, names[n]);
            }
        mb_re2_free(re2);
    }
    assert_int_equal(memory.live_blocks, 0);
}

/* What makes an engine that backtracks work for years: each byte costs at most one look at each step. */
static void no_pattern_is_slow(void **unused)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    char name[250];
    (void)unused;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_false(mb_re2_matches(&alloc, kci_str_of("(?:(?:[a-z]+)+)+-q"), kci_str_of(name)));
    assert_true(mb_re2_matches(&alloc, kci_str_of("((a?){249}){2}a*"), kci_str_of(name)));
    assert_true(mb_re2_matches(&alloc, kci_str_of("(((a*)*)*|b)*"), kci_str_of(name)));
}

/* Whichever allocation fails: no pattern, no reason, nothing left behind. */
static void memory_gives_out(void **unused)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    const char *why = "?";
    struct mb_re2 *re2 = NULL;
    (void)unused;
    for (size_t n = 1; !re2; n++) {
        memory.fail_at = memory.count + n;
        re2 = mb_re2_compile(&alloc, kci_str_of("(a|b{5,9}|(?P<x>c*))+[a-z]{20}"), &why);
        assert_null(why);
        if (!re2)
            assert_int_equal(memory.live_blocks, 0);
    }
    memory.fail_at = 0;
    mb_re2_free(re2);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_wrong_is_said_in_its_words),
                                        cmocka_unit_test(a_pattern_has_so_many_bytes),
                                        cmocka_unit_test(the_whole_name_is_matched),
                                        cmocka_unit_test(no_pattern_is_slow), cmocka_unit_test(memory_gives_out) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
