/* Configuration: a typo, a bad value and keys that exclude each other are told at once, and the text says what to do.
 */
#include "api/config.h"
#include "protocol/compress.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static kc_config *config_with(const char *const *pairs)
{
    kc_error error;
    kc_config *config = kc_config_new();
    assert_non_null(config);
    for (; *pairs; pairs++)
        assert_int_equal(kc_config_set_pair(config, *pairs, &error), KC_OK);
    return config;
}
#define CONFIG(...) config_with((const char *const[]){ "bootstrap.servers=b:9092", __VA_ARGS__, NULL })

static void expect_refused(kc_config *config, enum kci_config_role role, const char *words)
{
    kc_error error;
    struct kci_settings *settings;
    assert_int_equal(kci_config_settings(config, role, &settings, &error), KC_ERR_CONFIG);
    assert_null(settings);
    assert_non_null(strstr(error.text, words));
    kc_config_destroy(config);
}

static struct kci_settings *expect_settings(kc_config *config, enum kci_config_role role)
{
    kc_error error;
    struct kci_settings *settings;
    assert_int_equal(kci_config_settings(config, role, &settings, &error), KC_OK);
    kc_config_destroy(config);
    return settings;
}

/* Every default in the table is accepted by its own row and is what the Java client has. */
static void defaults_are_those_of_the_java_client(void **state)
{
    (void)state;
    struct kci_settings *s = expect_settings(CONFIG("group.id=g"), KCI_ROLE_CONSUMER);
    assert_int_equal(s->linger_ms, 5);
    assert_int_equal(s->batch_size, 16384);
    assert_int_equal(s->buffer_memory, 33554432);
    assert_int_equal(s->acks, -1);
    assert_true(s->enable_idempotence);
    assert_int_equal(s->delivery_timeout_ms, 120000);
    assert_int_equal(s->session_timeout_ms, 45000);
    assert_int_equal(s->auto_offset_reset, KCI_RESET_LATEST);
    assert_true(s->enable_auto_commit);
    assert_int_equal(s->compression_level, KCI_LEVEL_DEFAULT);
    kci_config_settings_free(s);
}

static void an_unknown_key_is_refused_with_the_nearest_one(void **state)
{
    kc_error error;
    (void)state;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "linger.msec", "5", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "did you mean linger.ms?"));
    assert_int_equal(kc_config_set(config, "bootstrap.server", "a:1", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "bootstrap.servers"));
    assert_int_equal(kc_config_set(config, "utterly.different.thing.altogether", "5", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "docs/configuration.md"));
    kc_config_destroy(config);
}

static void a_key_that_exists_elsewhere_says_why_it_is_not_here(void **state)
{
    kc_error error;
    (void)state;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "sasl.mechanism", "PLAIN", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "SASL is not in this version"));
    assert_int_equal(kc_config_set(config, "security.protocol", "SSL", &error), KC_ERR_CONFIG);
    assert_int_equal(kc_config_set(config, "security.protocol", "PLAINTEXT", &error), KC_OK);
    kc_config_destroy(config);
}

static void a_value_out_of_range_names_the_range_and_changes_nothing(void **state)
{
    kc_error error;
    char value[32];
    (void)state;
    kc_config *config = kc_config_new();
    static const char *const bad[] = { "-1", "900001", "5ms", "", "99999999999999999999", " 5 x" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(kc_config_set(config, "linger.ms", bad[i], &error), KC_ERR_CONFIG);
        assert_non_null(strstr(error.text, "from 0 to 900000"));
    }
    assert_int_equal(kc_config_get(config, "linger.ms", value, sizeof value), KC_OK);
    assert_string_equal(value, "5");
    assert_int_equal(kc_config_set(config, "enable.idempotence", "yes", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "true or false"));
    assert_int_equal(kc_config_set(config, "acks", "2", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "all, -1, 0, 1"));
    kc_config_destroy(config);
}

static void names_of_librdkafka_are_aliases(void **state)
{
    char value[32];
    (void)state;
    kc_config *config = CONFIG("queue.buffering.max.ms=7", "compression.codec=zstd");
    assert_int_equal(kc_config_get(config, "linger.ms", value, sizeof value), KC_OK);
    assert_string_equal(value, "7");
    assert_int_equal(kc_config_get(config, "compression.type", value, sizeof value), KC_OK);
    assert_string_equal(value, "zstd");
    kc_config_destroy(config);
}

static void idempotence_steps_aside_silently_unless_it_was_asked_for(void **state)
{
    (void)state;
    struct kci_settings *s = expect_settings(CONFIG("acks=1"), KCI_ROLE_PRODUCER);
    assert_false(s->enable_idempotence);
    kci_config_settings_free(s);
    expect_refused(CONFIG("acks=1", "enable.idempotence=true"), KCI_ROLE_PRODUCER, "acks=all");
    expect_refused(CONFIG("retries=0", "enable.idempotence=true"), KCI_ROLE_PRODUCER, "retries > 0");
    /* more than five in flight is refused even when idempotence is only the default */
    expect_refused(CONFIG("max.in.flight.requests.per.connection=6"), KCI_ROLE_PRODUCER, "enable.idempotence=false");
}

static void the_delivery_timeout_covers_linger_and_request(void **state)
{
    (void)state;
    struct kci_settings *s = expect_settings(CONFIG("request.timeout.ms=200000"), KCI_ROLE_PRODUCER);
    assert_int_equal(s->delivery_timeout_ms, 200005);
    kci_config_settings_free(s);
    expect_refused(CONFIG("delivery.timeout.ms=100"), KCI_ROLE_PRODUCER, "linger.ms + request.timeout.ms");
}

static void a_handle_needs_what_it_cannot_do_without(void **state)
{
    (void)state;
    expect_refused(kc_config_new(), KCI_ROLE_PRODUCER, "bootstrap.servers is not set");
    expect_refused(CONFIG("enable.auto.commit=true"), KCI_ROLE_CONSUMER, "needs group.id");
    expect_refused(CONFIG("group.id=g", "heartbeat.interval.ms=45000"), KCI_ROLE_CONSUMER, "below session.timeout.ms");
    expect_refused(CONFIG("group.id=g", "group.protocol=consumer", "session.timeout.ms=10000"), KCI_ROLE_CONSUMER,
                   "session.timeout.ms cannot be set");
    expect_refused(CONFIG("group.id=g", "group.protocol=consumer", "heartbeat.interval.ms=1000"), KCI_ROLE_CONSUMER,
                   "group.consumer.heartbeat.interval.ms");
    expect_refused(CONFIG("group.id=g", "group.protocol=CONSUMER", "partition.assignment.strategy=range"),
                   KCI_ROLE_CONSUMER, "group.remote.assignor");
    expect_refused(CONFIG("group.id=g", "group.remote.assignor=uniform"), KCI_ROLE_CONSUMER, "group.protocol=consumer");
    expect_refused(CONFIG("group.id=g", "partition.assignment.strategy=range,sticki"), KCI_ROLE_CONSUMER, "\"sticki\"");
    expect_refused(CONFIG("compression.type=gzip", "compression.level=12"), KCI_ROLE_PRODUCER, "gzip 1..9");
}

static void a_copy_is_independent(void **state)
{
    char value[64];
    (void)state;
    kc_config *config = CONFIG("client.id=first");
    kc_config *copy = kc_config_copy(config);
    assert_int_equal(kc_config_set(config, "client.id", "second", NULL), KC_OK);
    assert_int_equal(kc_config_get(copy, "client.id", value, sizeof value), KC_OK);
    assert_string_equal(value, "first");
    kc_config_destroy(config);
    kc_config_destroy(copy);
}

/* docs/configuration.md is this text: a test of the docs compares them. */
static void the_reference_names_every_key(void **state)
{
    (void)state;
    size_t size = kc_config_describe(NULL, 0);
    char *text = malloc(size + 1);
    assert_int_equal(kc_config_describe(text, size + 1), size);
    for (size_t i = 0; i < kci_config_row_count; i++)
        assert_non_null(strstr(text, kci_config_rows[i].key));
    free(text);
}

/* Java's class names work with and without their package; lists are checked word by word; the text of a refusal names
 * our words only. */
static void plug_ins_are_named(void **state)
{
    kc_error error;
    char value[64];
    (void)state;
    kc_config *config = CONFIG("key.serializer=org.apache.kafka.common.serialization.StringSerializer",
                               "value.serializer=UUIDSerializer", "partitioner=consistent_random",
                               "interceptor.classes=latency,audit", "key.deserializer=LongDeserializer");
    assert_int_equal(kc_config_get(config, "key.serializer", value, sizeof value), KC_OK);
    assert_string_equal(value, "string");
    assert_int_equal(kc_config_get(config, "partitioner.class", value, sizeof value), KC_OK);
    assert_string_equal(value, "consistent_random");
    assert_int_equal(kc_config_get(config, "interceptor.classes", value, sizeof value), KC_OK);
    assert_string_equal(value, "latency,audit");
    assert_int_equal(kc_config_set(config, "key.serializer", "StringDeserializer", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "one of bytes, string, short"));
    assert_null(strstr(error.text, "org.apache"));
    static const char *const bad[] = { "latency,", ",latency", "latency,,audit", "latency audit", "com.example.Mine" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(kc_config_set(config, "interceptor.classes", bad[i], &error), KC_ERR_CONFIG);
        assert_non_null(strstr(error.text, "a list of latency, audit"));
    }
    assert_int_equal(kc_config_set(config, "interceptor.classes", "", &error), KC_OK);
    kc_config_destroy(config);
}

/* A whole map is set or nothing of it. */
static void many_at_once_are_all_or_nothing(void **state)
{
    static const char *const keys[] = { "client.id", "linger.ms", "acks" };
    static const char *const good[] = { "me", "7", "1" }, *const bad[] = { "you", "8", "7" };
    kc_error error;
    char value[64];
    (void)state;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set_many(config, keys, good, 3, &error), KC_OK);
    assert_int_equal(kc_config_set_many(config, keys, bad, 3, &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "acks=7"));
    assert_int_equal(kc_config_get(config, "client.id", value, sizeof value), KC_OK);
    assert_string_equal(value, "me");
    assert_int_equal(kc_config_get(config, "linger.ms", value, sizeof value), KC_OK);
    assert_string_equal(value, "7");
    assert_int_equal(kc_config_set_many(config, NULL, NULL, 0, &error), KC_OK);
    assert_int_equal(kc_config_set_many(config, NULL, good, 1, &error), KC_ERR_ARGUMENT);
    kc_config_destroy(config);
}

/* Levels by Java's names; compression.level comes first. */
static void each_codec_has_its_level(void **state)
{
    static const struct {
        const char *codec, *level;
        int32_t wanted;
    } rows[] = { { "compression.type=gzip", "compression.gzip.level=6", 6 },
                 { "compression.type=gzip", "compression.gzip.level=-1", KCI_LEVEL_DEFAULT },
                 { "compression.type=lz4", "compression.lz4.level=12", 12 },
                 { "compression.type=zstd", "compression.zstd.level=-5", -5 },
                 { "compression.type=zstd", "compression.gzip.level=6", KCI_LEVEL_DEFAULT },
                 { "compression.type=none", "compression.zstd.level=6", KCI_LEVEL_DEFAULT } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kci_settings *s = expect_settings(CONFIG(rows[i].codec, rows[i].level), KCI_ROLE_PRODUCER);
        assert_int_equal(s->compression_level, rows[i].wanted);
        kci_config_settings_free(s);
    }
    struct kci_settings *s = expect_settings(
        CONFIG("compression.type=gzip", "compression.gzip.level=6", "compression.level=2"), KCI_ROLE_PRODUCER);
    assert_int_equal(s->compression_level, 2);
    kci_config_settings_free(s);
    expect_refused(CONFIG("compression.type=gzip", "compression.gzip.level=0"), KCI_ROLE_PRODUCER, "gzip 1..9");
}

/* Keys of other clients with the value that is true here anyway are taken; with any other they are refused. */
static void what_changes_nothing_is_accepted(void **state)
{
    kc_error error;
    (void)state;
    kc_config *config = CONFIG("enable.metrics.push=false", "client.dns.lookup=use_all_dns_ips",
                               "metrics.num.samples=5", "metric.reporters=", "transactional.id=");
    assert_int_equal(kc_config_set(config, "enable.metrics.push", "true", &error), KC_ERR_CONFIG);
    assert_int_equal(kc_config_set(config, "transactional.id", "t", &error), KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "transactions are not in this version"));
    assert_int_equal(kc_config_set(config, "metric.reporters", "com.example.Mine", &error), KC_ERR_CONFIG);
    kc_config_destroy(config);
}

static void errors_have_names_texts_and_traits(void **state)
{
    (void)state;
    assert_string_equal(kc_err_name(KC_ERR_TIMED_OUT), "TIMED_OUT");
    assert_string_equal(kc_err_name(KC_ERR_NOT_LEADER_OR_FOLLOWER), "NOT_LEADER_OR_FOLLOWER");
    assert_string_equal(kc_err_name((kc_err)9999), "UNKNOWN_ERROR_CODE");
    assert_true(kc_err_traits(KC_ERR_NOT_LEADER_OR_FOLLOWER) & KC_RETRIABLE);
    assert_true(kc_err_traits(KC_ERR_REQUEST_TIMED_OUT) & KC_MAYBE_APPLIED);
    assert_true(kc_err_traits(KC_ERR_FENCED) & KC_FATAL);
    assert_false(kc_err_traits(KC_ERR_MESSAGE_TOO_LARGE) & KC_RETRIABLE);
}

static kc_err serialize(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context;
    (void)topic;
    return kc_buffer_append(out, object.data, object.size);
}

static kc_err deserialize(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    return serialize(context, record->topic, bytes, out);
}

static int32_t first_partition(void *context, const kc_record *record, int32_t partition_count)
{
    (void)context;
    (void)record;
    (void)partition_count;
    return 0;
}

static void on_partitions(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)partitions;
    (void)count;
}

/* The user's functions reach the handle; NULL takes them back. */
static void functions_are_handed_on(void **state)
{
    const kc_serializer serializer = { .name = "s", .serialize = serialize };
    const kc_deserializer deserializer = { .name = "d", .deserialize = deserialize };
    const kc_partitioner partitioner = { .name = "p", .partition = first_partition };
    const kc_rebalance_listener listener = { .on_assigned = on_partitions };
    (void)state;
    for (int given = 1; given >= 0; given--) {
        kc_config *config = CONFIG("group.id=g");
        for (int turn = 1; turn >= given; turn--) {
            kc_config_set_key_serializer(config, turn ? &serializer : NULL);
            kc_config_set_value_serializer(config, turn ? &serializer : NULL);
            kc_config_set_key_deserializer(config, turn ? &deserializer : NULL);
            kc_config_set_value_deserializer(config, turn ? &deserializer : NULL);
            kc_config_set_partitioner(config, turn ? &partitioner : NULL);
            kc_config_set_rebalance_listener(config, turn ? &listener : NULL);
        }
        struct kci_settings *settings = expect_settings(config, KCI_ROLE_CONSUMER);
        assert_true(settings->key_serializer.serialize == (given ? serialize : NULL));
        assert_true(settings->value_serializer.serialize == (given ? serialize : NULL));
        assert_true(settings->key_deserializer.deserialize == (given ? deserialize : NULL));
        assert_true(settings->value_deserializer.deserialize == (given ? deserialize : NULL));
        assert_true(settings->partitioner.partition == (given ? first_partition : NULL));
        assert_true(settings->rebalance_listener.on_assigned == (given ? on_partitions : NULL));
        kci_config_settings_free(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_java_client),
        cmocka_unit_test(an_unknown_key_is_refused_with_the_nearest_one),
        cmocka_unit_test(a_key_that_exists_elsewhere_says_why_it_is_not_here),
        cmocka_unit_test(a_value_out_of_range_names_the_range_and_changes_nothing),
        cmocka_unit_test(names_of_librdkafka_are_aliases),
        cmocka_unit_test(idempotence_steps_aside_silently_unless_it_was_asked_for),
        cmocka_unit_test(the_delivery_timeout_covers_linger_and_request),
        cmocka_unit_test(a_handle_needs_what_it_cannot_do_without),
        cmocka_unit_test(a_copy_is_independent),
        cmocka_unit_test(the_reference_names_every_key),
        cmocka_unit_test(plug_ins_are_named),
        cmocka_unit_test(functions_are_handed_on),
        cmocka_unit_test(many_at_once_are_all_or_nothing),
        cmocka_unit_test(each_codec_has_its_level),
        cmocka_unit_test(what_changes_nothing_is_accepted),
        cmocka_unit_test(errors_have_names_texts_and_traits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
