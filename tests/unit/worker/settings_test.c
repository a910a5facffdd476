/* Options that cannot work are refused at the start, with a text that says which, and nothing is left behind. */
#include "worker/internal.h"

#include "support/unit.h"

static kc_config *config;
static const char *const topics[] = { "a", "b", "a" };
static int closed;

static kc_verdict handle(void *context, kc_work *work)
{
    (void)context;
    (void)work;
    return KC_WORK_DONE;
}

static int contains(void *context, kc_bytes id)
{
    (void)context;
    (void)id;
    return 0;
}

static void close_store(void *context)
{
    (void)context;
    closed++;
}

static kc_worker_options good(void)
{
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    options.config = config;
    options.topics = topics;
    options.topic_count = 3;
    options.handle = handle;
    return options;
}

static void refused(const kc_worker_options *options, const char *text)
{
    kc_worker *worker = (void *)1;
    kc_error error;
    assert_int_equal(kc_worker_start(&worker, options, &error), KC_ERR_ARGUMENT);
    assert_null(worker);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", error.text, text);
}

/* Topics of the options and of the retries are subscribed, each once; a producer is needed only for what is sent on. */
static void copies(void **state)
{
    struct kci_worker_settings settings;
    kc_retry_step retries[] = { { NULL, 10 }, { "a.retry", 1000 }, { "a.retry", 1000 }, { "a.late", 5000 } };
    kc_worker_options options = good();
    kc_error error;
    char value[10];
    (void)state;
    assert_int_equal(kci_worker_settings_copy(&settings, &options, &error), KC_OK);
    assert_int_equal(settings.topic_count, 2);
    assert_null(settings.producer_config);
    assert_int_equal(kc_config_get(settings.consumer_config, "enable.auto.commit", value, sizeof value), KC_OK);
    assert_string_equal(value, "false");
    kci_worker_settings_free(&settings);
    assert_int_equal(kc_config_set(config, "acknowledgement.mode", "explicit", NULL), KC_OK);
    assert_int_equal(kci_worker_settings_copy(&settings, &options, &error), KC_OK);
    assert_int_equal(kc_config_get(settings.consumer_config, "acknowledgement.mode", value, sizeof value), KC_OK);
    assert_string_equal(value, "implicit"); /* nobody would acknowledge: poll would return nothing some time */
    kci_worker_settings_free(&settings);
    options.retries = retries;
    options.retry_count = 4;
    assert_int_equal(kci_worker_settings_copy(&settings, &options, &error), KC_OK);
    assert_int_equal(settings.topic_count, 4);
    assert_string_equal(settings.topics[2], "a.retry");
    assert_string_equal(settings.topics[3], "a.late");
    assert_non_null(settings.producer_config);
    kci_worker_settings_free(&settings);
}

/* Each limit. */
static void limits(void **state)
{
    kc_worker_options options;
    (void)state;
#define REFUSED(change, text) (options = good(), (change), refused(&options, (text)))
    REFUSED(options.config = NULL, "config");
    REFUSED(options.handle = NULL, "handle");
    REFUSED(options.topic_count = 0, "topics");
    REFUSED(options.topics = ((const char *const[]){ "", "", "" }), "empty");
    REFUSED(options.threads = 0, "threads");
    REFUSED(options.threads = 257, "threads");
    REFUSED(options.open_records = 0, "open_records");
    REFUSED(options.open_records = 1000001, "open_records");
    REFUSED(options.commit_interval_ms = -1, "commit_interval_ms");
    REFUSED(options.drain_ms = -1, "drain_ms");
    REFUSED(options.dead_topic = "", "dead_topic");
    REFUSED(options.retry_count = 1, "retries");
    options = good();
    options.retry_count = 2;
    options.retries = (const kc_retry_step[]){ { "r", 1 }, { "r", 2 } };
    refused(&options, "two delays");
    options.retries = (const kc_retry_step[]){ { "r", 1 }, { "a", 2 } };
    refused(&options, "own retry topic");
    options.retry_count = 1;
    options.dead_topic = "r";
    refused(&options, "dead_topic is read");
    options.dead_topic = "b";
    refused(&options, "dead_topic is read");
    options.dead_topic = NULL;
    options.retry_count = 2;
    options.retries = (const kc_retry_step[]){ { "r", 1 }, { "s", -2 } };
    refused(&options, "delay");
    refused(NULL, "config");
}

/* Without a group there is no sharing and no commit. The store is closed also when the start fails. */
static void needs_a_group(void **state)
{
    kc_config *without = kc_config_new();
    kc_seen_store store = { "s", NULL, contains, contains, close_store };
    kc_worker_options options = good();
    (void)state;
    kc_config_set(without, "bootstrap.servers", "localhost:1", NULL);
    options.config = without;
    options.seen = &store;
    refused(&options, "group.id");
    assert_int_equal(closed, 1);
    kc_config_destroy(without);
}

static int set_up(void **state)
{
    (void)state;
    config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", "localhost:1", NULL);
    return kc_config_set(config, "group.id", "g", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    kc_config_destroy(config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(limits),
        cmocka_unit_test(needs_a_group),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
