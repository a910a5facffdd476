/* kc perf: how fast, in one line of JSON.  produce and consume count records and bytes of values; latency measures from
 * send to the delivery function at a fixed rate. CPU times and memory are this process's, from getrusage. */
#include "kc.h"
#include <getopt.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

static const char help[] =
    "kc perf produce|consume|latency -b ADDR -t TOPIC [options]\n"
    "\n"
    "  -n N            records (default 1000000; latency 100000)\n"
    "  -s BYTES        size of each value (default 100)\n"
    "  -R RATE         records per second: latency (default 10000), produce (default: as fast as it goes)\n"
    "  -B N            records handed over in one call (default 500; latency 1)\n"
    "  -k              give each record a key (8 bytes)\n"
    "  -g GROUP        consume as a member of this group\n"
    "  -M              what the client counted, as Prometheus text, to stderr (docs/metrics.md)\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n"
    "\n"
    "Prints "
    "{\"records\":N,\"bytes\":N,\"seconds\":S,\"records_per_s\":N,\"mb_per_s\":N,\"cpu_user_s\":S,\"cpu_sys_s\":S,"
    "\"max_rss_kb\":N,\"errors\":N};\n"
    "latency adds p50_us, p99_us, p999_us, max_us.\n";

#define BATCH_MAX    10000
#define READY_MS     30000
#define IDLE_LIMIT_S 10.0 /* consume gives up when nothing came for this long */

struct perf {
    const char *topic, *group;
    long long records, size, rate, batch;
    bool keys, metrics;
    atomic_ullong failed, delivered;
    uint32_t *latencies_us; /* latency only, by record */
    double begun;
};

struct result {
    unsigned long long records, bytes, errors;
    double seconds;
};

/* The text of a snapshot, to stderr; the snapshot is released. */
static void print_metrics(kc_metrics *metrics)
{
    size_t size = kc_metrics_text(metrics, NULL, 0) + 1;
    char *text = malloc(size);
    if (text) {
        kc_metrics_text(metrics, text, size);
        fputs(text, stderr);
    }
    free(text);
    kc_metrics_release(metrics);
}

static double cpu_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void print_result(const struct result *r, const struct rusage *before, const char *more)
{
    struct rusage after;
    getrusage(RUSAGE_SELF, &after);
    double seconds = r->seconds > 0 ? r->seconds : 1e-9;
    printf("{\"records\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"records_per_s\":%.0f,\"mb_per_s\":%.2f,\"cpu_user_s\":%"
           ".3f,"
           "\"cpu_sys_s\":%.3f,\"max_rss_kb\":%ld,\"errors\":%llu%s}\n",
           r->records, r->bytes, r->seconds, (double)r->records / seconds, (double)r->bytes / seconds / 1e6,
           cpu_seconds(after.ru_utime) - cpu_seconds(before->ru_utime),
           cpu_seconds(after.ru_stime) - cpu_seconds(before->ru_stime), after.ru_maxrss, r->errors, more);
}

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    struct perf *p = context;
    double now = p->latencies_us ? kct_seconds() - p->begun : 0;
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].code != KC_OK)
            atomic_fetch_add(&p->failed, 1);
        else if (p->latencies_us) {
            /* the opaque pointer is the address of the record's slot, which holds the time of its send */
            uint32_t *slot = deliveries[i].opaque;
            *slot = (uint32_t)(now * 1e6) - *slot;
        }
    }
    atomic_fetch_add(&p->delivered, count);
}

static void wait_until(double when)
{
    double left = when - kct_seconds();
    if (left <= 0)
        return;
    struct timespec pause = { (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
    nanosleep(&pause, NULL);
}

static void fill_batch(struct perf *p, kc_record *records, const char *value, uint64_t *keys)
{
    for (long long i = 0; i < p->batch; i++) {
        records[i] = (kc_record)KC_RECORD_INIT;
        records[i].topic = p->topic;
        records[i].value = (kc_bytes){ value, (size_t)p->size };
        if (p->keys)
            records[i].key = (kc_bytes){ &keys[i], sizeof keys[i] };
    }
}

static int send_all(struct perf *p, kc_producer *producer, kc_record *records, uint64_t *keys)
{
    kc_error error;
    for (long long sent = 0; sent < p->records && !kct_interrupted;) {
        size_t count = (size_t)(p->records - sent < p->batch ? p->records - sent : p->batch), accepted = 0;
        if (p->rate)
            wait_until(p->begun + (double)sent / (double)p->rate);
        for (size_t i = 0; p->keys && i < count; i++)
            keys[i] = (uint64_t)sent + i;
        for (size_t i = 0; p->latencies_us && i < count; i++) {
            records[i].opaque = &p->latencies_us[sent + (long long)i];
            p->latencies_us[sent + (long long)i] = (uint32_t)((kct_seconds() - p->begun) * 1e6);
        }
        kc_err err = kc_producer_send(producer, records, count, &accepted, &error);
        sent += (long long)accepted;
        if (err != KC_OK && err != KC_ERR_QUEUE_FULL)
            return kct_fail_error("send", &error);
    }
    if (kc_producer_flush(producer, -1, &error) != KC_OK)
        return kct_fail_error("flush", &error);
    return KC_EXIT_OK;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void describe_latency(struct perf *p, char *text, size_t size)
{
    size_t n = (size_t)p->records;
    qsort(p->latencies_us, n, sizeof *p->latencies_us, by_value);
    snprintf(text, size, ",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u", p->latencies_us[n / 2],
             p->latencies_us[n - 1 - n / 100], p->latencies_us[n - 1 - n / 1000], p->latencies_us[n - 1]);
}

static int produce(struct perf *p, kc_config *config)
{
    kc_error error;
    kc_producer *producer;
    char more[160] = "";
    kc_record *records = calloc((size_t)p->batch, sizeof *records);
    uint64_t *keys = calloc((size_t)p->batch, sizeof *keys);
    char *value = malloc((size_t)p->size + 1);
    if (!records || !keys || !value)
        return kct_fail(KC_EXIT_FAILED, "out of memory");
    unsigned state = 1; /* bytes without a pattern, the same in every run */
    for (long long i = 0; i < p->size; i++)
        value[i] = (char)('a' + ((state = state * 1103515245u + 12345u) >> 16) % 26);
    fill_batch(p, records, value, keys);
    kc_config_set_delivery(config, on_delivery, p, 0);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        return kct_fail_error("creating the producer", &error);
    if (kc_producer_ready(producer, p->topic, READY_MS, &error) != KC_OK) {
        kc_producer_close(producer, 0);
        return kct_fail_error("connecting", &error);
    }
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    p->begun = kct_seconds();
    int status = send_all(p, producer, records, keys);
    double seconds = kct_seconds() - p->begun;
    kc_producer_stats stats;
    kc_producer_get_stats(producer, &stats);
    kc_metrics *metrics;
    if (p->metrics && kc_producer_metrics(producer, &metrics, NULL) == KC_OK)
        print_metrics(metrics);
    kc_producer_close(producer, 5000);
    struct result r = { stats.records_delivered, stats.records_delivered * (unsigned long long)p->size,
                        stats.records_failed, seconds };
    if (p->latencies_us && status == KC_EXIT_OK)
        describe_latency(p, more, sizeof more);
    if (status == KC_EXIT_OK)
        print_result(&r, &before, more);
    free(records);
    free(keys);
    free(value);
    return status == KC_EXIT_OK && r.errors ? KC_EXIT_FAILED : status;
}

static int consume(struct perf *p, kc_config *config)
{
    kc_error error;
    kc_consumer *consumer;
    kc_topic_partition *partitions = NULL;
    size_t count = 0;
    if (p->group) {
        kc_config_set(config, "group.id", p->group, NULL);
        kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    } else {
        int status = kct_all_partitions(config, p->topic, KC_OFFSET_BEGINNING, &partitions, &count);
        if (status != KC_EXIT_OK)
            return status;
    }
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        return kct_fail_error("creating the consumer", &error);
    kc_err err = p->group ? kc_consumer_subscribe(consumer, &p->topic, 1, NULL, &error)
                          : kc_consumer_assign(consumer, partitions, count, &error);
    if (err != KC_OK)
        return kct_fail_error("subscribing", &error);
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    struct result r = { 0 };
    double begun = kct_seconds(), last = begun, now = begun;
    unsigned long long checksum = 0; /* every record is looked at: first byte of its value */
    while (r.records < (unsigned long long)p->records && !kct_interrupted &&
           (now = kct_seconds()) - last < IDLE_LIMIT_S) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 100, &error) != KC_OK) {
            r.errors++;
            if (error.traits & KC_RETRIABLE)
                continue;
            return kct_fail_error("poll", &error);
        }
        if (!records)
            continue;
        while (kc_records_next(records, &view)) {
            r.records++;
            r.bytes += view.value.size;
            checksum += view.value.size ? *(const unsigned char *)view.value.data : 0;
        }
        kc_records_release(records);
        last = kct_seconds();
    }
    r.seconds = last - begun;
    print_result(&r, &before, checksum == (unsigned long long)-1 ? " " : "");
    kc_metrics *metrics;
    if (p->metrics && kc_consumer_metrics(consumer, &metrics, NULL) == KC_OK)
        print_metrics(metrics);
    kc_consumer_close(consumer, 5000);
    free(partitions);
    return r.records >= (unsigned long long)p->records
               ? KC_EXIT_OK
               : kct_fail(KC_EXIT_FAILED, "only %llu of %lld records came", r.records, p->records);
}

static int run(struct perf *p, kc_config *config, const char *what)
{
    if (strcmp(what, "consume") == 0)
        return consume(p, config);
    bool latency = strcmp(what, "latency") == 0;
    if (!latency && strcmp(what, "produce") != 0)
        return kct_usage("perf", "produce, consume or latency is needed");
    if (latency) {
        if (p->rate == 0)
            p->rate = 10000;
        p->latencies_us = calloc((size_t)p->records + 1, sizeof *p->latencies_us);
        if (!p->latencies_us)
            return kct_fail(KC_EXIT_FAILED, "out of memory");
    }
    int status = produce(p, config);
    free(p->latencies_us);
    return status;
}

int kct_perf(int argc, char **argv)
{
    static struct perf p = { .size = 100 };
    kc_config *config = kct_config();
    int status = config ? KC_EXIT_OK : kct_fail(KC_EXIT_FAILED, "out of memory"), verbose = 0, option;
    static const struct option names[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    bool latency = strcmp(what, "latency") == 0;
    p.records = latency ? 100000 : 1000000;
    p.batch = latency ? 1 : 500;
    if (config)
        kc_config_set(config, "max.poll.records", "100000", NULL);
    if (config && latency)
        kc_config_set(config, "linger.ms", "0", NULL);
    optind = *what ? 2 : 1;
    while (status == KC_EXIT_OK && (option = getopt_long(argc, argv, "b:t:n:s:R:B:kMg:X:vh", names, NULL)) != -1) {
        bool ok = true;
        switch (option) {
        case 'b':
            kc_config_set(config, "bootstrap.servers", optarg, NULL);
            break;
        case 't':
            p.topic = optarg;
            break;
        case 'n':
            ok = kct_number("perf", "-n", optarg, 1, INT64_C(1) << 40, &p.records);
            break;
        case 's':
            ok = kct_number("perf", "-s", optarg, 0, 100 << 20, &p.size);
            break;
        case 'R':
            ok = kct_number("perf", "-R", optarg, 0, 1000000000, &p.rate);
            break;
        case 'B':
            ok = kct_number("perf", "-B", optarg, 1, BATCH_MAX, &p.batch);
            break;
        case 'k':
            p.keys = true;
            break;
        case 'M':
            p.metrics = true;
            break;
        case 'g':
            p.group = optarg;
            break;
        case 'X':
            status = kct_set_pair(config, optarg);
            break;
        case 'v':
            verbose++;
            break;
        case 'h':
            fputs(help, stdout);
            kc_config_destroy(config);
            return KC_EXIT_OK;
        default:
            status = kct_usage("perf", "unknown option");
        }
        status = ok ? status : KC_EXIT_USAGE;
    }
    if (verbose)
        kct_verbose(config, verbose);
    if (status == KC_EXIT_OK && !p.topic)
        status = kct_usage("perf", "-t TOPIC is missing");
    if (status == KC_EXIT_OK)
        status = run(&p, config, what);
    kc_config_destroy(config);
    return status;
}
