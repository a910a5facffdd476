/* Every property of Java's ProducerConfig (Kafka 4.4), line by line: its default, values that are taken and that are
 * not, its name in librdkafka; and the rules between them. */
#include "api/config.h"
#include "support/unit.h"

#include <string.h>

/* Java's default; where ours is another one, `ours` says it, and why is in the comment. */
static const struct {
    const char *key, *alias, *java, *ours;
    const char *good[4], *bad[4];
} rows[] = {
    { "bootstrap.servers", "metadata.broker.list", "", NULL, { "a:1,b:2" }, { NULL } },
    { "client.id", NULL, "", "kclient", { "x", "" }, { NULL } },                         /* brokers see who it is */
    { "key.serializer", NULL, "", "bytes", { "string", "LongSerializer" }, { "json" } }, /* required in Java */
    { "value.serializer", NULL, "", "bytes", { "uuid" }, { "LongDeserializer" } },
    { "acks", "request.required.acks", "all", NULL, { "0", "1", "-1", "all" }, { "2", "" } },
    { "retries", "message.send.max.retries", "2147483647", NULL, { "0", "2147483647" }, { "-1", "2147483648" } },
    { "delivery.timeout.ms", "message.timeout.ms", "120000", NULL, { "1" }, { "-1", "1s" } },
    { "request.timeout.ms", "socket.timeout.ms", "30000", NULL, { "1" }, { "-1", "0" } },
    { "linger.ms", "queue.buffering.max.ms", "5", NULL, { "0", "900000" }, { "-1", "0.5" } },
    { "batch.size", NULL, "16384", NULL, { "0", "1048576" }, { "-1" } },
    { "buffer.memory", NULL, "33554432", NULL, { "65536", "8589934592" }, { "0", "-1" } },
    { "max.block.ms", NULL, "60000", NULL, { "0" }, { "-1" } },
    { "max.request.size", "message.max.bytes", "1048576", NULL, { "1024", "104857600" }, { "0", "-1" } },
    { "max.in.flight.requests.per.connection", "max.in.flight", "5", NULL, { "1" }, { "0" } },
    { "compression.type", "compression.codec", "none", NULL, { "gzip", "snappy", "lz4", "zstd" }, { "brotli" } },
    { "compression.gzip.level", NULL, "-1", NULL, { "1", "9" }, { "10", "-2" } },
    { "compression.lz4.level", NULL, "9", NULL, { "1", "17" }, { "0", "18" } },
    { "compression.zstd.level", NULL, "3", NULL, { "-131072", "22" }, { "23" } },
    { "partitioner.class", "partitioner", "", "default", { "", "RoundRobinPartitioner" }, { "com.example.Mine" } },
    { "partitioner.adaptive.partitioning.enable", NULL, "true", NULL, { "false" }, { "no" } },
    { "partitioner.availability.timeout.ms", NULL, "0", NULL, { "1" }, { "-1" } },
    { "partitioner.ignore.keys", NULL, "false", NULL, { "true" }, { "1" } },
    { "partitioner.rack.aware", NULL, "false", NULL, { "true" }, { "" } },
    { "client.rack", NULL, "", NULL, { "r1" }, { NULL } },
    { "enable.idempotence", NULL, "true", NULL, { "false" }, { "tru" } },
    { "interceptor.classes", NULL, "", NULL, { "latency", "" }, { "com.example.Mine" } },
    { "retry.backoff.ms", NULL, "100", NULL, { "0" }, { "-1" } },
    { "retry.backoff.max.ms", NULL, "1000", NULL, { "0" }, { "-1" } },
    { "reconnect.backoff.ms", NULL, "50", NULL, { "0" }, { "-1" } },
    { "reconnect.backoff.max.ms", NULL, "1000", NULL, { "0" }, { "-1" } },
    { "socket.connection.setup.timeout.ms", NULL, "10000", NULL, { "1" }, { "-1" } },
    { "socket.connection.setup.timeout.max.ms", NULL, "30000", NULL, { "1" }, { "-1" } },
    { "connections.max.idle.ms", NULL, "540000", NULL, { "-1", "1" }, { "x" } },
    /* the kernel tunes sockets that nobody has tied down */
    { "send.buffer.bytes", "socket.send.buffer.bytes", "131072", "-1", { "-1", "131072" }, { "-2" } },
    { "receive.buffer.bytes", "socket.receive.buffer.bytes", "32768", "-1", { "-1", "32768" }, { "-2" } },
    { "metadata.max.age.ms", "topic.metadata.refresh.interval.ms", "300000", NULL, { "1" }, { "-1" } },
    { "metadata.max.idle.ms", NULL, "300000", NULL, { "5000" }, { "4999" } },
    { "metadata.recovery.strategy", NULL, "rebootstrap", NULL, { "none" }, { "restart" } },
    { "metadata.recovery.rebootstrap.trigger.ms", NULL, "300000", NULL, { "0" }, { "-1" } },
};

static void every_property_has_its_default_range_and_alias(void **state)
{
    char value[64];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kc_config *config = kc_config_new();
        const struct kci_config_row *row = kci_config_find(rows[i].key);
        if (!row || !(row->roles & KCI_ROLE_PRODUCER))
            fail_msg("%s is not a key of producers", rows[i].key);
        if (rows[i].alias)
            assert_ptr_equal(kci_config_find(rows[i].alias), row);
        assert_int_equal(kc_config_get(config, rows[i].key, value, sizeof value), KC_OK);
        assert_string_equal(value, rows[i].ours ? rows[i].ours : rows[i].java);
        for (size_t k = 0; k < 4 && rows[i].good[k]; k++)
            if (kc_config_set(config, rows[i].key, rows[i].good[k], NULL))
                fail_msg("%s=%s is refused", rows[i].key, rows[i].good[k]);
        for (size_t k = 0; k < 4 && rows[i].bad[k]; k++) {
            kc_error error;
            if (kc_config_set(config, rows[i].key, rows[i].bad[k], &error) != KC_ERR_CONFIG)
                fail_msg("%s=%s is taken", rows[i].key, rows[i].bad[k]);
            assert_non_null(strstr(error.text, rows[i].key)); /* the text names the key */
        }
        kc_config_destroy(config);
    }
}

/* What Java has and this version has not: the value that changes nothing is taken, any other says why not. */
static void what_is_not_here_says_so(void **state)
{
    static const struct {
        const char *key, *taken, *refused, *says;
    } others[] = {
        { "client.dns.lookup", "use_all_dns_ips", "resolve_canonical_bootstrap_servers_only", "only use_all_dns_ips" },
        { "transactional.id", "", NULL, NULL },
        { "transaction.timeout.ms", "60000", NULL, NULL },
        { "enable.metrics.push", "false", "true", "kc_producer_metrics()" },
        { "metric.reporters", "", "com.example.Mine", "kc_producer_metrics()" },
        { "metrics.num.samples", "2", NULL, NULL },
        { "metrics.recording.level", "INFO", NULL, NULL },
        { "metrics.sample.window.ms", "30000", NULL, NULL },
        { "auto.include.jmx.reporter", "true", NULL, NULL },
        { "security.protocol", "PLAINTEXT", NULL, NULL },
        { "bootstrap.resolve.timeout.ms", NULL, "120000", "max.block.ms" },
        { "metadata.cluster.check.enable", "false", "true", "only false" },
        { "statistics.interval.ms", "0", "1000", "kc_producer_metrics()" },
        { "delivery.report.only.error", NULL, "true", "delivery.report.every.record" },
        { "queue.buffering.max.messages", NULL, "100000", "buffer.memory" },
        { "batch.num.messages", NULL, "10000", "batch.size" },
    };
    kc_error error;
    (void)state;
    kc_config *config = kc_config_new();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i].taken && kc_config_set(config, others[i].key, others[i].taken, &error))
            fail_msg("%s", error.text);
        if (!others[i].refused)
            continue;
        assert_int_equal(kc_config_set(config, others[i].key, others[i].refused, &error), KC_ERR_CONFIG);
        if (!strstr(error.text, others[i].says))
            fail_msg("\"%s\" does not say %s", error.text, others[i].says);
    }
    kc_config_destroy(config);
}

static kc_err settle(const char *const *pairs, struct kci_settings **settings, kc_error *error)
{
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", "b:9092", NULL);
    for (; *pairs; pairs++)
        assert_int_equal(kc_config_set_pair(config, *pairs, error), KC_OK);
    kc_err err = kci_config_settings(config, KCI_ROLE_PRODUCER, settings, error);
    kc_config_destroy(config);
    return err;
}

/* Idempotence is on by default and steps aside for a weaker wish, unless it was itself asked for; more than five in
 * flight contradict it in any case (Kafka 4.0). */
static void idempotence_and_its_conditions(void **state)
{
    static const struct {
        const char *pairs[4];
        int idempotent; /* -1: refused */
    } cases[] = {
        { { "acks=all" }, 1 },
        { { "acks=-1" }, 1 },
        { { "acks=1" }, 0 },
        { { "acks=0" }, 0 },
        { { "retries=0" }, 0 },
        { { "retries=1" }, 1 },
        { { "max.in.flight=5" }, 1 },
        { { "max.in.flight=6" }, -1 },
        { { "max.in.flight=6", "acks=1" }, -1 },
        { { "max.in.flight=6", "enable.idempotence=false" }, 0 },
        { { "enable.idempotence=true", "acks=1" }, -1 },
        { { "enable.idempotence=true", "retries=0" }, -1 },
        { { "enable.idempotence=true", "max.in.flight=6" }, -1 },
        { { "enable.idempotence=true", "acks=all", "retries=1" }, 1 },
        { { "enable.idempotence=false", "acks=1", "retries=0" }, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kci_settings *settings;
        kc_error error;
        kc_err err = settle(cases[i].pairs, &settings, &error);
        assert_int_equal(err, cases[i].idempotent < 0 ? KC_ERR_CONFIG : KC_OK);
        if (err)
            assert_non_null(strstr(error.text, "enable.idempotence")); /* what to change */
        else
            assert_int_equal(settings->enable_idempotence, cases[i].idempotent);
        kci_config_settings_free(settings);
    }
}

/* The default of delivery.timeout.ms gives way to longer parts, an explicit one does not. */
static void times_fit_together(void **state)
{
    struct kci_settings *settings;
    kc_error error;
    (void)state;
    assert_int_equal(
        settle((const char *const[]){ "linger.ms=100000", "request.timeout.ms=100000", NULL }, &settings, &error),
        KC_OK);
    assert_int_equal(settings->delivery_timeout_ms, 200000);
    kci_config_settings_free(settings);
    assert_int_equal(settle((const char *const[]){ "delivery.timeout.ms=30004", NULL }, &settings, &error),
                     KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "30005"));
    assert_int_equal(settle((const char *const[]){ "delivery.timeout.ms=30005", NULL }, &settings, &error), KC_OK);
    kci_config_settings_free(settings);
}

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    (void)deliveries;
    (void)count;
    (void)context;
}

/* Polled reports can be asked for in a plain map; a function and the key exclude each other, whichever came first. */
static void reports_can_be_polled_by_configuration(void **state)
{
    struct kci_settings *settings;
    kc_error error;
    (void)state;
    assert_int_equal(
        settle((const char *const[]){ "delivery.report.polled=true", "delivery.report.every.record=true", NULL },
               &settings, &error),
        KC_OK);
    assert_true(settings->delivery_polled && settings->delivery_every_record);
    kci_config_settings_free(settings);
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", "b:9092", NULL);
    kc_config_set_delivery(config, on_delivery, NULL, 0);
    assert_int_equal(kc_config_set(config, "delivery.report.polled", "true", &error), KC_OK);
    assert_int_equal(kci_config_settings(config, KCI_ROLE_PRODUCER, &settings, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "exclude each other"));
    kc_config_set_delivery(config, on_delivery, NULL, 0); /* the last call counts */
    assert_int_equal(kci_config_settings(config, KCI_ROLE_PRODUCER, &settings, &error), KC_OK);
    assert_false(settings->delivery_polled);
    kci_config_settings_free(settings);
    kc_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_property_has_its_default_range_and_alias),
        cmocka_unit_test(what_is_not_here_says_so),
        cmocka_unit_test(idempotence_and_its_conditions),
        cmocka_unit_test(times_fit_together),
        cmocka_unit_test(reports_can_be_polled_by_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
