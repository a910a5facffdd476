/* How many records per second the worker layer hands to its threads:
 *
 *   worker_throughput_bench ADDR TOPIC RECORDS THREADS WAIT_US
 *
 * A group of one member reads the topic from its beginning; the handler looks at the first byte of each value, and waits
 * WAIT_US microseconds as one would for a database (0: it does not).  Prints one line of JSON when RECORDS are handled;
 * the time begins with the first of them, so that joining the group is not in it.  bench/worker.py makes a table. */
#include <kclient/kclient.h>
#include <kclient/worker.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define LIMIT_S 120.0

struct handling {
    struct timespec wait;
    atomic_ullong sum;     /* so that the bytes are needed */
    _Atomic(double) begun; /* when the first record came; 0: not yet */
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static kc_verdict handle(void *context, kc_work *work)
{
    struct handling *h = context;
    kc_bytes value = work->record->value;
    if (atomic_load_explicit(&h->begun, memory_order_relaxed) == 0)
        atomic_store(&h->begun, seconds(CLOCK_MONOTONIC));
    if (value.size && *(const unsigned char *)value.data == 0xff)
        atomic_fetch_add(&h->sum, 1);
    if (h->wait.tv_nsec)
        nanosleep(&h->wait, NULL);
    return KC_WORK_DONE;
}

static int fail(const char *what, const kc_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return 1;
}

static kc_config *configure(const char *bootstrap, const char *group)
{
    kc_config *config = kc_config_new();
    kc_error error;
    if (kc_config_set(config, "bootstrap.servers", bootstrap, &error) ||
        kc_config_set(config, "group.id", group, &error) ||
        kc_config_set(config, "auto.offset.reset", "earliest", &error)) {
        fail("config", &error);
        exit(1);
    }
    return config;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return fprintf(stderr, "worker_throughput_bench ADDR TOPIC RECORDS THREADS WAIT_US\n"), 2;
    const char *topic = argv[2];
    unsigned long long records = strtoull(argv[3], NULL, 10);
    struct handling h = { .wait = { 0, strtol(argv[5], NULL, 10) * 1000 } };
    char group[64];
    snprintf(group, sizeof group, "workers-%s-%s-%lld", argv[4], argv[5], (long long)time(NULL));
    kc_config *config = configure(argv[1], group);
    kc_worker_options options = KC_WORKER_OPTIONS_INIT;
    kc_worker *worker;
    kc_error error;
    kc_worker_stats stats = { 0 };
    options.config = config;
    options.topics = &topic;
    options.topic_count = 1;
    options.threads = (uint32_t)strtoul(argv[4], NULL, 10);
    options.handle = handle;
    options.context = &h;
    if (kc_worker_start(&worker, &options, &error) != KC_OK)
        return fail("start", &error);
    double end = seconds(CLOCK_MONOTONIC) + LIMIT_S;
    while (stats.processed < records && seconds(CLOCK_MONOTONIC) < end) {
        if (kc_worker_wait(worker, 1, &error) != KC_ERR_TIMED_OUT)
            return fail("stopped", &error);
        kc_worker_get_stats(worker, &stats);
    }
    double took = seconds(CLOCK_MONOTONIC) - atomic_load(&h.begun), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    kc_worker_close(worker, 5000);
    kc_config_destroy(config);
    printf(
        "{\"records\":%llu,\"seconds\":%.6f,\"records_per_s\":%.0f,\"cpu_ns\":%.1f,\"max_rss_kb\":%ld,\"errors\":%d}\n",
        (unsigned long long)stats.processed, took, (double)stats.processed / took, cpu * 1e9 / (double)stats.processed,
        usage.ru_maxrss, stats.processed < records);
    return stats.processed < records;
}
