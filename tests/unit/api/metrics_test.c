/* The table of metrics and the text for Prometheus: every line is one that a scraper reads, whatever the names are. */
#include "api/config.h"
#include "api/metrics.h"
#include "support/unit.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kc_broker_metrics brokers[3];
static kc_topic_metrics topics[2];
static kc_partition_metrics partitions[2];
static kc_api_metrics apis[2];

static kc_metrics snapshot(const char *role, const char *client_id)
{
    brokers[0] = (kc_broker_metrics){ .id = KC_BROKER_BOOTSTRAP, .requests = 2 };
    brokers[1] =
        (kc_broker_metrics){ .id = 7,
                             .throttled_us = 1500000,
                             .request_latency = { .count = 3, .sum_us = 4500, .p50_us = 900, .max_us = 3000 } };
    brokers[2] = (kc_broker_metrics){ .id = KC_BROKER_OTHERS };
    topics[0] = (kc_topic_metrics){ .topic = "orders", .records = 12, .record_rate = 0.25 };
    topics[1] = (kc_topic_metrics){ .topic = "" };
    partitions[0] = (kc_partition_metrics){ "orders", 0, 5, 9, 4 };
    partitions[1] = (kc_partition_metrics){ "orders", 1, -1, -1, -1 };
    apis[0] = (kc_api_metrics){ "Produce", 4, 1, { .count = 3, .sum_us = 600, .p99_us = 300, .max_us = 310 } };
    apis[1] = (kc_api_metrics){ .api = "Metadata", .requests = 1 };
    return (kc_metrics){ .role = role,
                         .apis = apis,
                         .api_count = 2,
                         .client_id = client_id,
                         .lag_max = 4,
                         .since_poll_us = -1,
                         .brokers = brokers,
                         .broker_count = 3,
                         .topics = topics,
                         .topic_count = 2,
                         .partitions = partitions,
                         .partition_count = role[0] == 'c' ? 2 : 0 };
}

static char *text_of(const kc_metrics *metrics)
{
    size_t size = kc_metrics_text(metrics, NULL, 0) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    assert_int_equal(kc_metrics_text(metrics, text, size), size - 1);
    assert_int_equal(strlen(text), size - 1);
    return text;
}

/* Each line is a comment of the right shape or a sample; samples of a name stand together, behind its type. */
static void expect_exposition(char *text)
{
    regex_t sample, comment;
    char family[128] = "", *seen[512];
    size_t count = 0;
    assert_int_equal(regcomp(&sample,
                             "^([a-zA-Z_:][a-zA-Z0-9_:]*)[{]([a-z_]+=\"([^\"\\\n]|\\\\[\\\\\"n])*\",?)*[}] "
                             "-?[0-9]+([.][0-9]+)?(e[+-][0-9]+)?$",
                             REG_EXTENDED),
                     0);
    assert_int_equal(regcomp(&comment, "^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|summary))$", REG_EXTENDED), 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[0] == '#') {
            assert_int_equal(regexec(&comment, line, 0, NULL, 0), 0);
            if (strncmp(line, "# TYPE ", 7) == 0) {
                assert_int_equal(sscanf(line, "# TYPE %127s", family), 1);
                for (size_t i = 0; i < count; i++)
                    assert_string_not_equal(seen[i], family);
                seen[count] = strdup(family);
                assert_true(++count < 512);
            }
            continue;
        }
        if (regexec(&sample, line, 0, NULL, 0))
            fail_msg("not a sample: %s", line);
        assert_int_equal(strncmp(line, family, strlen(family)), 0);
    }
    assert_true(count > 10);
    for (size_t i = 0; i < count; i++)
        free(seen[i]);
    regfree(&sample);
    regfree(&comment);
}

static void every_line_is_one_that_a_scraper_reads(void **state)
{
    static const char *const roles[] = { "producer", "consumer", "admin" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        kc_metrics m = snapshot(roles[i], "c");
        char *text = text_of(&m);
        expect_exposition(text);
        free(text);
    }
}

static void numbers_stand_where_they_belong(void **state)
{
    (void)state;
    kc_metrics m = snapshot("consumer", "c");
    char *text = text_of(&m);
    static const char *const lines[] = {
        "\nkc_broker_requests_total{client_id=\"c\",broker=\"bootstrap\"} 2\n",
        "\nkc_broker_throttle_seconds_total{client_id=\"c\",broker=\"7\"} 1.500000\n",
        "\nkc_broker_request_latency_seconds{client_id=\"c\",broker=\"7\",quantile=\"0.5\"} 0.000900\n",
        "\nkc_broker_request_latency_seconds_sum{client_id=\"c\",broker=\"7\"} 0.004500\n",
        "\nkc_broker_request_latency_seconds_count{client_id=\"c\",broker=\"7\"} 3\n",
        "\nkc_broker_request_latency_seconds_max{client_id=\"c\",broker=\"7\"} 0.003000\n",
        "\nkc_api_requests_total{client_id=\"c\",api=\"Produce\"} 4\n",
        "\nkc_api_request_failures_total{client_id=\"c\",api=\"Produce\"} 1\n",
        "\nkc_api_request_latency_seconds{client_id=\"c\",api=\"Produce\",quantile=\"0.99\"} 0.000300\n",
        "\nkc_api_request_latency_seconds_count{client_id=\"c\",api=\"Metadata\"} 0\n",
        "\nkc_consumer_topic_records_total{client_id=\"c\",topic=\"orders\"} 12\n",
        "\nkc_consumer_topic_records_rate{client_id=\"c\",topic=\"orders\"} 0.25\n",
        "\nkc_consumer_partition_lag_records{client_id=\"c\",topic=\"orders\",partition=\"0\"} 4\n",
        "\nkc_consumer_lag_max_records{client_id=\"c\"} 4\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(text, lines[i]))
            fail_msg("not there: %s", lines[i]);
    assert_null(strstr(text, "partition=\"1\"")); /* nothing is known of it yet */
    assert_null(strstr(text, "\nkc_consumer_since_poll_seconds{"));
    assert_null(strstr(text, "kc_producer_"));
    free(text);
}

/* client.id is any text: quotes, backslashes and line ends are escaped, bytes that are not UTF-8 replaced. */
static void labels_are_escaped(void **state)
{
    (void)state;
    kc_metrics m = snapshot("producer", "a\"b\\c\nd");
    char *text = text_of(&m);
    assert_non_null(strstr(text, "{client_id=\"a\\\"b\\\\c\\nd\"}"));
    expect_exposition(text);
    free(text);
    m = snapshot("producer", "x\xff\xfey");
    text = text_of(&m);
    assert_non_null(strstr(text, "{client_id=\"x??y\"}"));
    free(text);
    m = snapshot("producer", "caf\xc3\xa9");
    text = text_of(&m);
    assert_non_null(strstr(text, "{client_id=\"caf\xc3\xa9\"}"));
    free(text);
}

/* A buffer that is too small holds the beginning, and nothing is written behind it. */
static void a_small_buffer_is_not_overrun(void **state)
{
    char small[40];
    (void)state;
    kc_metrics m = snapshot("producer", "c");
    for (size_t size = 0; size < sizeof small; size++) {
        memset(small, '#', sizeof small);
        assert_true(kc_metrics_text(&m, small, size) > sizeof small);
        if (size)
            assert_int_equal(strlen(small), size - 1);
        for (size_t i = size; i < sizeof small; i++)
            assert_int_equal(small[i], '#');
    }
    assert_int_equal(kc_metrics_text(NULL, small, sizeof small), 0);
    kc_metrics_release(NULL);
}

/* Prometheus' habits, held for every row: names, units, one type; and each has a meaning. */
static void rows_keep_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < kci_metrics_row_count; i++) {
        const struct kci_metrics_row *row = &kci_metrics_rows[i];
        size_t size = strlen(row->name);
        bool total = size > 6 && strcmp(row->name + size - 6, "_total") == 0;
        bool counter = row->type == KCI_METRIC_COUNTER || row->type == KCI_METRIC_COUNTER_SECONDS;
        bool seconds = row->type == KCI_METRIC_TIMES || row->type == KCI_METRIC_COUNTER_SECONDS ||
                       row->type == KCI_METRIC_GAUGE_SECONDS;
        assert_int_equal(strncmp(row->name, "kc_", 3), 0);
        for (const char *c = row->name; *c; c++)
            assert_true(islower((unsigned char)*c) || *c == '_');
        assert_int_equal(total, counter);
        if (seconds)
            assert_non_null(strstr(row->name, "_seconds"));
        assert_true(row->roles != 0 && row->help[strlen(row->help) - 1] == '.');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(kci_metrics_rows[k].name, row->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_one_that_a_scraper_reads),
        cmocka_unit_test(numbers_stand_where_they_belong),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(a_small_buffer_is_not_overrun),
        cmocka_unit_test(rows_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
