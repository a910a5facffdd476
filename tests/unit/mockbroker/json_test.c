/* The reader of JSON: what is good gives a tree, what is not gives its line and a reason, and never more memory than
 * allowed. */
#include "mockbroker/core/json.h"
#include "support/test_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kci_arena_destroy(&arena);
    return memory.live_blocks ? -1 : 0;
}

static const struct mb_json *parse(const char *text)
{
    char why[200];
    return mb_json_parse(&arena, kci_str_of(text), why, sizeof why);
}

static void good_texts(void **state)
{
    const struct mb_json *root =
        parse(" {\"a\": [1, -20, 2.5, true, null], \"b\\u00e4\\ud83d\\ude00\\n\": {\"c\": \"x\"}} ");
    (void)state;
    assert_non_null(root);
    const struct mb_json *list = mb_json_get(root, "a");
    assert_int_equal(list->count, 5);
    assert_true(list->members->whole && list->members->integer == 1);
    assert_int_equal(list->members->next->integer, -20);
    assert_false(list->members->next->next->whole);
    assert_true(list->members->next->next->number > 2.49 && list->members->next->next->number < 2.51);
    assert_string_equal(mb_json_get(mb_json_get(root, "b\u00e4\U0001F600\n"), "c")->text.data, "x");
    assert_null(mb_json_get(root, "c"));
    assert_true(kci_str_equal(list->raw, kci_str_of("[1, -20, 2.5, true, null]")));
    assert_true(parse("9223372036854775807")->integer == INT64_MAX);
    assert_false(parse("9223372036854775808")->whole);
}

static void bad_texts(void **state)
{
    static const char *const bad[] = { "",       "{",     "[1,]",    "{\"a\":1,}",  "{a:1}",       "01",
                                       "1.",     "+1",    "1e3",     "tru",         "\"a",         "\"\\x\"",
                                       "\"\t\"", "[1] 2", "\"\\u12", "\"\\ud800\"", "\"\\u0000\"", "{\"a\":1,\"a\":2}",
                                       "\"\\",   "-",     "nul" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i]))
            fail_msg("%s was taken", bad[i]);
    char why[100];
    assert_null(mb_json_parse(&arena, kci_str_of("[1,\n2\n3]"), why, sizeof why));
    assert_string_equal(why, "JSON, line 3: a comma or ] is expected");
}

/* Depth and memory end where they are told to. */
static void limits(void **state)
{
    char deep[200];
    (void)state;
    memset(deep, '[', sizeof deep);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    assert_non_null(parse(deep));
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_null(parse(deep));
    char *wide = test_realloc(NULL, 40001);
    for (size_t i = 0; i < 40000; i++)
        wide[i] = i == 0 ? '[' : i % 2 ? '1' : ',';
    wide[40000] = '\0';
    assert_null(parse(wide));
    test_free(wide);
}

static void inclusion(void **state)
{
    const struct mb_json *whole = parse("{\"a\": [{\"x\": 1, \"y\": 2}, 3, 4], \"b\": null}");
    (void)state;
    assert_true(mb_json_includes(whole, parse("{}")));
    assert_true(mb_json_includes(whole, parse("{\"a\": [{\"y\": 2}, 4], \"b\": null}")));
    assert_false(mb_json_includes(whole, parse("{\"a\": [4, 3]}")));
    assert_false(mb_json_includes(whole, parse("{\"c\": null}")));
    assert_false(mb_json_includes(whole, parse("{\"b\": 0}")));
}

static void writing(void **state)
{
    char out[100];
    struct kci_writer w = kci_writer_fixed(out, sizeof out);
    (void)state;
    mb_json_put_string(&w, (struct kci_str){ "a\"\\\n\xff\xc3\xa4", 7 });
    kci_writer_i8(&w, 0);
    assert_string_equal(out, "\"a\\\"\\\\\\u000a\\ufffd\xc3\xa4\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(inclusion, setup, teardown),
        cmocka_unit_test_setup_teardown(writing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
