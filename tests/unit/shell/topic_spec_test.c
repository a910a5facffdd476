/* NAME[:PARTITIONS[:RF[:key=value,...]]], cut into its parts. */
#include "mockbroker/topic_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *parse(struct mb_topic_spec *spec, const char *text)
{
    return mb_topic_spec_parse(spec, text, strlen(text));
}

static void every_part_may_be_left_out(void **state)
{
    struct mb_topic_spec spec;
    (void)state;
    assert_null(parse(&spec, "orders"));
    assert_string_equal(spec.name, "orders");
    assert_int_equal(spec.partitions, -1);
    assert_int_equal(spec.replication_factor, -1);
    assert_null(parse(&spec, "orders:12"));
    assert_int_equal(spec.partitions, 12);
    assert_null(parse(&spec, "orders:12:3"));
    assert_int_equal(spec.replication_factor, 3);
    assert_int_equal(spec.config_count, 0);
    assert_null(parse(&spec, "orders:12:3:"));
    assert_int_equal(spec.config_count, 0);
}

/* A comma within a value is told from one between configs by what follows it. */
static void configs_with_lists_in_them(void **state)
{
    struct mb_topic_spec spec;
    (void)state;
    assert_null(parse(&spec, "t:1:1:cleanup.policy=compact,delete,retention.ms=5,x=,y=a,b,c"));
    assert_int_equal(spec.config_count, 4);
    assert_string_equal(spec.configs[0], "cleanup.policy=compact,delete");
    assert_string_equal(spec.configs[1], "retention.ms=5");
    assert_string_equal(spec.configs[2], "x=");
    assert_string_equal(spec.configs[3], "y=a,b,c");
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const bad[] = { "",          ":3",      "t:0",      "t:-1",       "t:x", "t:3x", "t:99999999999",
                                       "t:1:99999", "t:1:1:x", "t:1:1:=x", "t:1:1:,a=b", "t::1" };
    struct mb_topic_spec spec;
    char text[MB_TOPIC_SPEC_MAX + 10];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(parse(&spec, bad[i]));
    memset(text, 'x', sizeof text);
    assert_string_equal(mb_topic_spec_parse(&spec, text, sizeof text), "too long");
    size_t used = 0;
    memcpy(text, "t:1:1:", used = 6);
    for (int i = 0; i <= MB_TOPIC_SPEC_CONFIGS_MAX; i++, used += 4)
        memcpy(text + used, "a=b,", 4);
    assert_string_equal(mb_topic_spec_parse(&spec, text, used - 1), "too many configs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_may_be_left_out),
        cmocka_unit_test(configs_with_lists_in_them),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
