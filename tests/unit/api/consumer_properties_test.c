/* Every property of the Java consumer, line by line: its default, a value that is taken, one that is refused. */
#include "api/config.h"
#include "api/duration.h"
#include "support/unit.h"

#include <stdio.h>

static const struct row {
    const char *key;
    const char *preset; /* what kc_config_get says of a fresh configuration; NULL: understood, with one value only */
    const char *good;   /* taken, and read back the same */
    const char *bad;    /* refused; NULL: any text is fine */
} rows[] = {
    { "bootstrap.servers", "", "a:1,b:2", NULL },
    { "client.dns.lookup", NULL, "use_all_dns_ips", "first" },
    { "group.id", "", "g", NULL },
    { "group.instance.id", "", "i", NULL },
    { "session.timeout.ms", "45000", "6000", "0" },
    { "heartbeat.interval.ms", "3000", "100", "0" },
    { "partition.assignment.strategy", "range,cooperative-sticky", "sticky", "sticky,,range" }, /* names: by create */
    { "max.poll.interval.ms", "300000", "1", "0" },
    { "max.poll.records", "500", "1", "0" },
    { "enable.auto.commit", "true", "false", "yes" },
    { "auto.commit.interval.ms", "5000", "0", "-1" },
    { "auto.offset.reset", "latest", "earliest", "newest" },
    { "auto.offset.reset", "latest", "none", "" },
    { "auto.offset.reset", "latest", "by_duration:PT7200S", "by_duration:2h" },
    { "isolation.level", "read_uncommitted", "read_committed", "committed" },
    { "fetch.min.bytes", "1", "0", "-1" },
    { "fetch.max.bytes", "52428800", "1024", "-1" },
    { "fetch.max.wait.ms", "500", "0", "-1" },
    { "max.partition.fetch.bytes", "1048576", "1", "0" },
    { "check.crcs", "true", "false", "1" },
    { "exclude.internal.topics", "true", "false", "no" },
    { "allow.auto.create.topics", "true", "false", "no" },
    { "client.id", "kclient", "c", NULL },
    { "client.rack", "", "r", NULL },
    { "key.deserializer", "bytes", "string", "avro" },
    { "value.deserializer", "bytes", "long", "avro" },
    { "interceptor.classes", "", "latency", "Nobody" },
    { "request.timeout.ms", "30000", "1", "0" },
    { "default.api.timeout.ms", "60000", "0", "-1" },
    { "retry.backoff.ms", "100", "0", "-1" },
    { "retry.backoff.max.ms", "1000", "0", "-1" },
    { "reconnect.backoff.ms", "50", "0", "-1" },
    { "reconnect.backoff.max.ms", "1000", "0", "-1" },
    { "socket.connection.setup.timeout.ms", "10000", "1", "0" },
    { "socket.connection.setup.timeout.max.ms", "30000", "1", "0" },
    { "connections.max.idle.ms", "540000", "-1", "-2" },
    { "send.buffer.bytes", "-1", "131072", "-2" },   /* the system's own choice is better than Java's 128 KiB */
    { "receive.buffer.bytes", "-1", "65536", "-2" }, /* the same */
    { "metadata.max.age.ms", "300000", "1", "0" },
    { "metadata.recovery.strategy", "rebootstrap", "none", "some" },
    { "metadata.recovery.rebootstrap.trigger.ms", "300000", "0", "-1" },
    /* ours */
    { "fetch.memory.max", "134217728", "1048576", "1048575" },
    { "acknowledgement.mode", "implicit", "explicit", "sometimes" },
    { "max.unacknowledged.records", "100000", "1", "0" },
};

static void each_has_its_default_and_its_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        kc_config *config = kc_config_new();
        char value[200] = "";
        kc_error error;
        if (row->preset && kc_config_get(config, row->key, value, sizeof value) != KC_OK)
            fail_msg("%s: there is no such key", row->key);
        if (row->preset && strcmp(value, row->preset) != 0)
            fail_msg("%s: the default is %s instead of %s", row->key, value, row->preset);
        if (kc_config_set(config, row->key, row->good, &error) != KC_OK)
            fail_msg("%s=%s: %s", row->key, row->good, error.text);
        if (row->preset) {
            assert_int_equal(kc_config_get(config, row->key, value, sizeof value), KC_OK);
            assert_string_equal(value, row->good);
        }
        if (row->bad && kc_config_set(config, row->key, row->bad, &error) != KC_ERR_CONFIG)
            fail_msg("%s=%s is taken", row->key, row->bad);
        if (row->bad && !strstr(error.text, row->key))
            fail_msg("%s=%s: the text does not name the key: %s", row->key, row->bad, error.text);
        if (row->bad && row->preset) { /* what is refused changes nothing */
            assert_int_equal(kc_config_get(config, row->key, value, sizeof value), KC_OK);
            assert_string_equal(value, row->good);
        }
        kc_config_destroy(config);
    }
}

/* Keys that depend on each other are looked at together, when the consumer is created. */
static void together(const char *const *pairs, const char *words)
{
    kc_config *config = kc_config_new();
    struct kci_settings *settings = NULL;
    kc_error error = { 0 };
    assert_int_equal(kc_config_set(config, "bootstrap.servers", "b:9092", &error), KC_OK);
    for (; *pairs; pairs++)
        if (kc_config_set_pair(config, *pairs, &error) != KC_OK)
            fail_msg("%s: %s", *pairs, error.text);
    kc_err result = kci_config_settings(config, KCI_ROLE_CONSUMER, &settings, &error);
    assert_int_equal(result, words ? KC_ERR_CONFIG : KC_OK);
    if (words && !strstr(error.text, words))
        fail_msg("the text does not say \"%s\": %s", words, error.text);
    kci_config_settings_free(settings);
    kc_config_destroy(config);
}

#define TOGETHER(words, ...) together((const char *const[]){ __VA_ARGS__, NULL }, words)

static void some_depend_on_others(void **state)
{
    (void)state;
    TOGETHER("needs group.id", "enable.auto.commit=true");
    TOGETHER(NULL, "client.id=c"); /* by default it is off without a group */
    TOGETHER("heartbeat.interval.ms", "group.id=g", "session.timeout.ms=3000");
    TOGETHER("partition.assignment.strategy", "group.id=g", "partition.assignment.strategy=best");
    TOGETHER("names \"range\" twice", "group.id=g", "partition.assignment.strategy=sticky,range,range");
    TOGETHER("twice", "group.id=g",
             "partition.assignment.strategy=range,org.apache.kafka.clients.consumer.RangeAssignor");
    TOGETHER("group.remote.assignor", "group.id=g", "group.remote.assignor=uniform");
    TOGETHER(NULL, "group.id=g", "group.remote.assignor=uniform", "group.protocol=consumer");
    TOGETHER("session.timeout.ms cannot", "group.id=g", "group.protocol=consumer", "session.timeout.ms=45000");
    TOGETHER("heartbeat.interval.ms cannot", "group.id=g", "group.protocol=consumer", "heartbeat.interval.ms=3000");
    TOGETHER("strategy cannot", "group.id=g", "group.protocol=consumer", "partition.assignment.strategy=range");
    TOGETHER(NULL, "group.id=g", "group.instance.id=a.B_c-1");
    TOGETHER("group.instance.id", "group.id=g", "group.instance.id=a b");
    TOGETHER("group.instance.id", "group.id=g", "group.instance.id=");
    TOGETHER("group.instance.id", "group.id=g", "group.instance.id=..");
    TOGETHER(NULL, "group.id=g",
             "partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor,cooperative-sticky");
}

/* Blanks that a file or an environment brings along do not count, nor does the case of a truth value: as in Java. What
 * is left empty is not set. */
static void lenient(void **state)
{
    static const char *const pairs[][3] = {
        { "enable.auto.commit", "False", "false" },
        { "check.crcs", " TRUE ", "true" },
        { "max.poll.records", " 7\n", "7" },
        { "isolation.level", "read_committed ", "read_committed" },
        { "auto.offset.reset", "\tby_duration:PT2H", "by_duration:PT7200S" },
        { "group.id", " my group ", "my group" },
        { "partition.assignment.strategy", " range , sticky,\troundrobin ", "range,sticky,roundrobin" },
        { "interceptor.classes", "latency, audit", "latency,audit" },
    };
    static const char *const bad[][2] = {
        { "check.crcs", "tru" },
        { "check.crcs", "truee" },
        { "check.crcs", "" },
        { "max.poll.records", "7 8" },
        { "interceptor.classes", "latency," },
        { "interceptor.classes", "latency, ,audit" },
        { "isolation.level", "read committed" },
    };
    struct kci_settings *settings = NULL;
    kc_config *config = kc_config_new();
    char value[100];
    kc_error error;
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (kc_config_set(config, pairs[i][0], pairs[i][1], &error) != KC_OK)
            fail_msg("%s", error.text);
        assert_int_equal(kc_config_get(config, pairs[i][0], value, sizeof value), KC_OK);
        assert_string_equal(value, pairs[i][2]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (kc_config_set(config, bad[i][0], bad[i][1], &error) != KC_ERR_CONFIG)
            fail_msg("%s=%s is taken", bad[i][0], bad[i][1]);
    assert_int_equal(kc_config_set(config, "bootstrap.servers", "b:9092", NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "enable.auto.commit", "false", NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "group.id", "", NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "client.rack", " ", NULL), KC_OK);
    assert_int_equal(kci_config_settings(config, KCI_ROLE_CONSUMER, &settings, &error), KC_OK);
    assert_null(settings->group_id);
    assert_null(settings->client_rack);
    kci_config_settings_free(settings);
    kc_config_destroy(config);
}

/* Durations are Java's. */
static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        { "P1D", 86400000 }, { "PT2H", 7200000 }, { "PT0S", 0 },      { "P1DT2H30M4.5S", 95404500 },
        { "pt15m", 900000 }, { "PT0.001S", 1 },   { "PT90S", 90000 }, { "PT36H", 129600000 },
        { "PT1,5S", 1500 },
    };
    static const char *const bad[] = {
        "",
        "P",
        "PT",
        "2H",
        "P2H",
        "PT1D",
        "P1DT",
        "PT1S1M",
        "PT-1S",
        "-PT1S",
        "PT1.5H",
        "PT1",
        "P1Y",
        "P1D2H",
        "PTT1S",
        "PT99999999999999999999S",
        "P999999999D",
    };
    int64_t ms;
    char text[40];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!kci_duration_parse(good[i].text, &ms) || ms != good[i].ms)
            fail_msg("%s is refused, or is %lld ms", good[i].text, (long long)ms);
        assert_true(kci_duration_parse(kci_duration_text(ms, text, sizeof text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (kci_duration_parse(bad[i], &ms))
            fail_msg("%s is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_default_and_its_range),
        cmocka_unit_test(some_depend_on_others),
        cmocka_unit_test(lenient),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
