/* Handle the records of a topic on several threads, in the order of each key; what fails is tried again and then put
 * aside.
 *
 *     worker BOOTSTRAP TOPIC GROUP [COUNT]        (ends after COUNT records that were done or put aside; without: at SIGTERM)
 *
 * A value that begins with "bad" fails; TOPIC.retry and TOPIC.dead must exist.
 */
#include <kclient/kclient.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* Runs on four threads, but never on two for one key. */
static kc_verdict handle(void *context, kc_work *work)
{
    const kc_bytes key = work->record->key, value = work->record->value;
    (void)context;
    if (value.size >= 3 && memcmp(value.data, "bad", 3) == 0) {
        snprintf(work->reason, KC_WORK_REASON_BYTES, "I do not like this value");
        return KC_WORK_RETRY;
    }
    printf("%.*s: %.*s\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
    fflush(stdout); /* done means done: what is committed does not come again */
    return KC_WORK_DONE;
}

int main(int argc, char **argv)
{
    kc_error error;
    kc_worker *worker;
    kc_worker_stats stats = { 0 };
    if (argc < 4)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC GROUP [COUNT]\n", argv[0]), 2;
    unsigned long long count = argc > 4 ? strtoull(argv[4], NULL, 10) : (unsigned long long)-1;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    kc_config *config = kc_config_new();
    const char *const keys[] = { "bootstrap.servers", "group.id", "auto.offset.reset" };
    const char *const values[] = { argv[1], argv[3], "earliest" };
    if (!config || kc_config_set_many(config, keys, values, 3, &error) != KC_OK)
        return fprintf(stderr, "%s\n", config ? error.text : "out of memory"), 1;

    char retry_topic[300], dead_topic[300];
    snprintf(retry_topic, sizeof retry_topic, "%s.retry", argv[2]);
    snprintf(dead_topic, sizeof dead_topic, "%s.dead", argv[2]);
    const char *topics[] = { argv[2] };
    kc_retry_step retries[] = { { NULL, 10 }, { retry_topic, 100 } }; /* once in place, once later, then dead */
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    options.config = config;
    options.topics = topics;
    options.topic_count = 1;
    options.handle = handle;
    options.retries = retries;
    options.retry_count = 2;
    options.dead_topic = dead_topic;
    if (kc_worker_start(&worker, &options, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_config_destroy(config);

    while (!ended && stats.processed + stats.dead < count && kc_worker_wait(worker, 100, &error) == KC_ERR_TIMED_OUT)
        kc_worker_get_stats(worker, &stats);
    if (!ended && stats.processed + stats.dead < count)
        fprintf(stderr, "stopped: %s\n", error.text);
    kc_err closed = kc_worker_close(worker, 10000);
    fprintf(stderr, "%llu done, %llu tried again, %llu put aside\n", (unsigned long long)stats.processed,
            (unsigned long long)stats.retried, (unsigned long long)stats.dead);
    return closed == KC_OK ? 0 : 1;
}
