/* Broker properties and topic configuration: Kafka's defaults, and a typing error is refused with a reason. */
#include "mockbroker/core/properties.h"
#include "support/test_alloc.h"

#include <stdio.h>

#include "support/unit.h"

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct mb_properties properties;

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    memset(&properties, 0, sizeof properties);
    alloc = test_alloc_counting(&memory);
    properties.alloc = &alloc;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mb_properties_destroy(&properties);
    assert_int_equal(memory.live_blocks, 0);
    return 0;
}

static void every_default_is_valid(void **state)
{
    char text[300];
    (void)state;
    for (size_t i = 0; i < mb_properties_count(); i++) {
        const struct mb_config_row *row = mb_properties_row(i);
        if (!mb_config_check(row, kci_str_of(row->initial), text, sizeof text))
            fail_msg("%s", text);
        if (i > 0 && strcmp(mb_properties_row(i - 1)->name, row->name) >= 0)
            fail_msg("%s is out of order", row->name);
    }
    for (size_t i = 0; i < mb_topic_config_count(); i++) {
        const struct mb_config_row *row = mb_topic_config_row(i);
        if (!mb_config_check(row, kci_str_of(row->initial), text, sizeof text))
            fail_msg("%s", text);
        if (row->broker_key && mb_properties_find(kci_str_of(row->broker_key)) < 0)
            fail_msg("%s: no broker property %s", row->name, row->broker_key);
    }
}

static void values_are_parsed_and_the_last_one_counts(void **state)
{
    char text[300];
    (void)state;
    assert_true(mb_properties_parse(
        &properties, "num.partitions=3 auto.create.topics.enable=false\n# a comment = no\nnum.partitions=4", text,
        sizeof text));
    assert_int_equal(mb_properties_number(&properties, "num.partitions"), 4);
    assert_int_equal(mb_properties_number(&properties, "auto.create.topics.enable"), 0);
    assert_int_equal(mb_properties_number(&properties, "message.max.bytes"), 1048588);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *config, *word;
    } bad[] = {
        { "num.partition=3", "unknown broker property \"num.partition\"; did you mean num.partitions?" },
        { "qwertyuiop=3", "unknown broker property \"qwertyuiop\"" },
        { "num.partitions", "key=value" },
        { "num.partitions=many", "number" },
        { "num.partitions=0", "between" },
        { "num.partitions=3000000000", "between" },
        { "auto.create.topics.enable=yes", "boolean" },
        { "compression.type=zip", "producer,uncompressed" },
        { "log.cleanup.policy=delete,burn", "delete,compact" },
    };
    char text[300];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(mb_properties_parse(&properties, bad[i].config, text, sizeof text));
        if (!strstr(text, bad[i].word))
            fail_msg("\"%s\" does not say \"%s\"", text, bad[i].word);
    }
}

static void topics_inherit_from_the_broker(void **state)
{
    struct mb_topic_config config;
    enum mb_config_source source;
    char text[300];
    (void)state;
    assert_true(mb_properties_parse(&properties, "log.retention.ms=5000 min.insync.replicas=2", text, sizeof text));
    mb_topic_config_init(&config, &alloc, &properties);
    assert_int_equal(config.retention_ms, 5000);
    assert_int_equal(config.min_insync, 2);
    assert_int_equal(config.batch_bytes_max, 1048588);
    assert_true(mb_topic_config_set(&config, kci_str_of("retention.ms"), kci_str_of("-1"), text, sizeof text));
    assert_true(
        mb_topic_config_set(&config, kci_str_of("cleanup.policy"), kci_str_of("compact,delete"), text, sizeof text));
    assert_true(
        mb_topic_config_set(&config, kci_str_of("compression.type"), kci_str_of("uncompressed"), text, sizeof text));
    mb_topic_config_resolve(&config, &properties);
    assert_int_equal(config.retention_ms, -1);
    assert_true(config.compact && config.delete);
    assert_int_equal(config.codec, 0);
    mb_topic_config_text(&config, &properties, (size_t)mb_topic_config_find(kci_str_of("min.insync.replicas")),
                         &source);
    assert_int_equal(source, MB_SOURCE_STATIC_BROKER);
    assert_false(mb_topic_config_set(&config, kci_str_of("retention.msec"), kci_str_of("1"), text, sizeof text));
    assert_non_null(strstr(text, "retention.msec"));
    assert_false(
        mb_topic_config_set(&config, kci_str_of("retention.ms"), (struct kci_str){ NULL, 0 }, text, sizeof text));
    mb_topic_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_default_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_parsed_and_the_last_one_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(topics_inherit_from_the_broker, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
