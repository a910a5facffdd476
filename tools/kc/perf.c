/* kc perf: how fast, in one line of JSON.  produce and consume count records and bytes of values; latency measures from
 * send to the delivery function at a fixed rate. CPU times and memory are this process's, from getrusage.
 *
 * With more than one thread (-j), all send with one producer, each its share of the records; when consuming, each
 * thread has a consumer of its own, with its share of the partitions, and they end when all records were read. */
#include "kc.h"
#include "values.h"
#include <pthread.h>
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
    "  -d SECONDS      produce, consume: end after this time at the latest (default: none)\n"
    "  -j THREADS      application threads: one producer for all, or a consumer for each (default 1)\n"
    "  -V              each value differs, and a codec makes about a third of it (default: one value for all records)\n"
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
#define THREADS_MAX  64

struct perf {
    const char *topic, *group;
    long long records, size, rate, batch, threads, limit_s; /* limit_s 0: none */
    bool keys, metrics, varied;
    atomic_ullong failed, delivered, consumed;
    uint32_t *latencies_us;   /* latency only, by record */
    struct kct_values values; /* what the records are made of */
    double begun;
};

/* An application thread and what it has to do; one of producer and consumer is set. */
struct worker {
    pthread_t thread;
    struct perf *p;
    kc_producer *producer; /* shared */
    kc_consumer *consumer; /* its own */
    long long first, end;  /* produce: numbers of its records */
    struct result {
        unsigned long long records, bytes, errors;
        double seconds; /* until the last record came */
    } result;
    int status;
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

static bool time_is_up(const struct perf *p)
{
    return kct_interrupted || (p->limit_s && kct_seconds() - p->begun >= (double)p->limit_s);
}

static void fill_batch(struct perf *p, kc_record *records, uint64_t *keys)
{
    for (long long i = 0; i < p->batch; i++) {
        records[i] = (kc_record)KC_RECORD_INIT;
        records[i].topic = p->topic;
        records[i].value = kct_values_at(&p->values, 0);
        if (p->keys)
            records[i].key = (kc_bytes){ &keys[i], sizeof keys[i] };
    }
}

/* What differs from batch to batch. */
static void vary_batch(struct perf *p, kc_record *records, uint64_t *keys, long long first, size_t count)
{
    for (size_t i = 0; p->keys && i < count; i++)
        keys[i] = (uint64_t)first + i;
    for (size_t i = 0; p->varied && i < count; i++)
        records[i].value = kct_values_at(&p->values, (unsigned long long)first + i);
    for (size_t i = 0; p->latencies_us && i < count; i++) {
        records[i].opaque = &p->latencies_us[first + (long long)i];
        p->latencies_us[first + (long long)i] = (uint32_t)((kct_seconds() - p->begun) * 1e6);
    }
}

static void *send_share(void *context)
{
    struct worker *w = context;
    struct perf *p = w->p;
    kc_error error;
    kc_record *records = calloc((size_t)p->batch, sizeof *records);
    uint64_t *keys = calloc((size_t)p->batch, sizeof *keys);
    w->status = records && keys ? KC_EXIT_OK : kct_fail(KC_EXIT_FAILED, "out of memory");
    if (w->status == KC_EXIT_OK)
        fill_batch(p, records, keys);
    for (long long at = w->first; at < w->end && w->status == KC_EXIT_OK && !time_is_up(p);) {
        size_t count = (size_t)(w->end - at < p->batch ? w->end - at : p->batch), accepted = 0;
        if (p->rate)
            wait_until(p->begun + (double)(at - w->first) * (double)p->threads / (double)p->rate);
        vary_batch(p, records, keys, at, count);
        kc_err err = kc_producer_send(w->producer, records, count, &accepted, &error);
        at += (long long)accepted;
        if (err != KC_OK && err != KC_ERR_QUEUE_FULL)
            w->status = kct_fail_error("send", &error);
    }
    free(records);
    free(keys);
    return NULL;
}

/* Runs `work` once for each of the workers, the last one on this thread; the first exit status that is not 0. */
static int run_workers(struct worker *workers, size_t count, void *(*work)(void *worker))
{
    size_t started = 0;
    int status = KC_EXIT_OK;
    for (; started + 1 < count; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) {
            status = kct_fail(KC_EXIT_FAILED, "no more threads");
            break;
        }
    work(&workers[count - 1]);
    for (size_t i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    for (size_t i = 0; i < count; i++)
        status = status ? status : workers[i].status;
    return status;
}

static int send_all(struct perf *p, kc_producer *producer)
{
    kc_error error;
    struct worker workers[THREADS_MAX] = { 0 };
    for (long long i = 0; i < p->threads; i++)
        workers[i] = (struct worker){
            .p = p, .producer = producer, .first = p->records * i / p->threads, .end = p->records * (i + 1) / p->threads
        };
    int status = run_workers(workers, (size_t)p->threads, send_share);
    if (status == KC_EXIT_OK && kc_producer_flush(producer, -1, &error) != KC_OK)
        return kct_fail_error("flush", &error);
    return status;
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
    if (!kct_values_make(&p->values, (size_t)p->size, p->varied))
        return kct_fail(KC_EXIT_FAILED, "out of memory");
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
    int status = send_all(p, producer);
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
    kct_values_free(&p->values);
    return status == KC_EXIT_OK && r.errors ? KC_EXIT_FAILED : status;
}

static bool all_consumed(const struct perf *p)
{
    return atomic_load(&p->consumed) >= (unsigned long long)p->records;
}

static void *read_share(void *context)
{
    struct worker *w = context;
    struct perf *p = w->p;
    kc_error error;
    double last = p->begun;
    unsigned long long checksum = 0; /* every record is looked at: first byte of its value */
    while (!all_consumed(p) && !time_is_up(p) && kct_seconds() - last < IDLE_LIMIT_S) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(w->consumer, &records, 100, &error) != KC_OK) {
            w->result.errors++;
            if (error.traits & KC_RETRIABLE)
                continue;
            w->status = kct_fail_error("poll", &error);
            break;
        }
        if (!records)
            continue;
        unsigned long long count = 0;
        for (; kc_records_next(records, &view); count++) {
            w->result.bytes += view.value.size;
            checksum += view.value.size ? *(const unsigned char *)view.value.data : 0;
        }
        kc_records_release(records);
        w->result.records += count;
        atomic_fetch_add(&p->consumed, count);
        last = kct_seconds();
    }
    w->result.seconds = last - p->begun;
    if (checksum == (unsigned long long)-1) /* so that the sum is needed */
        w->result.errors++;
    return NULL;
}

/* Its consumer: in the group, or with every threads-th of the partitions. */
static int make_reader(struct worker *w, kc_config *config, const kc_topic_partition *all, size_t count)
{
    kc_error error;
    const struct perf *p = w->p;
    if (kc_consumer_create(&w->consumer, config, &error) != KC_OK)
        return kct_fail_error("creating the consumer", &error);
    if (p->group)
        return kc_consumer_subscribe(w->consumer, &p->topic, 1, NULL, &error) == KC_OK
                   ? KC_EXIT_OK
                   : kct_fail_error("subscribing", &error);
    kc_topic_partition *mine = calloc(count + 1, sizeof *mine);
    size_t taken = 0;
    for (size_t i = (size_t)w->first; mine && i < count; i += (size_t)p->threads)
        mine[taken++] = all[i];
    kc_err err = mine ? kc_consumer_assign(w->consumer, mine, taken, &error) : KC_ERR_NO_MEMORY;
    free(mine);
    return err == KC_OK ? KC_EXIT_OK
           : mine       ? kct_fail_error("assigning", &error)
                        : kct_fail(KC_EXIT_FAILED, "out of memory");
}

static int read_all(struct perf *p, struct worker *workers)
{
    struct rusage before;
    struct result sum = { 0 };
    getrusage(RUSAGE_SELF, &before);
    p->begun = kct_seconds();
    int status = run_workers(workers, (size_t)p->threads, read_share);
    for (long long i = 0; i < p->threads; i++) {
        const struct result *r = &workers[i].result;
        sum = (struct result){ sum.records + r->records, sum.bytes + r->bytes, sum.errors + r->errors,
                               sum.seconds > r->seconds ? sum.seconds : r->seconds };
    }
    if (status != KC_EXIT_OK)
        return status;
    print_result(&sum, &before, "");
    if (!all_consumed(p) && !p->limit_s)
        return kct_fail(KC_EXIT_FAILED, "only %llu of %lld records came", sum.records, p->records);
    return KC_EXIT_OK;
}

static int consume(struct perf *p, kc_config *config)
{
    struct worker workers[THREADS_MAX] = { 0 };
    kc_topic_partition *partitions = NULL;
    size_t count = 0;
    int status = KC_EXIT_OK;
    if (p->group) {
        kc_config_set(config, "group.id", p->group, NULL);
        kc_config_set(config, "auto.offset.reset", "earliest", NULL);
    } else {
        status = kct_all_partitions(config, p->topic, KC_OFFSET_BEGINNING, &partitions, &count);
    }
    for (long long i = 0; i < p->threads && status == KC_EXIT_OK; i++) {
        workers[i] = (struct worker){ .p = p, .first = i };
        status = make_reader(&workers[i], config, partitions, count);
    }
    if (status == KC_EXIT_OK)
        status = read_all(p, workers);
    for (long long i = 0; i < p->threads; i++) {
        kc_metrics *metrics;
        if (p->metrics && workers[i].consumer && kc_consumer_metrics(workers[i].consumer, &metrics, NULL) == KC_OK)
            print_metrics(metrics);
        kc_consumer_close(workers[i].consumer, 5000);
    }
    free(partitions);
    return status;
}

static int run(struct perf *p, kc_config *config, const char *what)
{
    if (strcmp(what, "consume") == 0)
        return consume(p, config);
    if (strcmp(what, "latency") == 0) {
        if (p->threads > 1 || p->limit_s)
            return kct_usage("perf", "latency has one thread, and its time is -n divided by -R");
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

static void take_option(struct perf *p, struct kct_command *k, int option)
{
    switch (option) {
    case 't':
        p->topic = optarg;
        break;
    case 'n':
        kct_take_number(k, "-n", 1, INT64_C(1) << 40, &p->records);
        break;
    case 's':
        kct_take_number(k, "-s", 0, 100 << 20, &p->size);
        break;
    case 'R':
        kct_take_number(k, "-R", 0, 1000000000, &p->rate);
        break;
    case 'B':
        kct_take_number(k, "-B", 1, BATCH_MAX, &p->batch);
        break;
    case 'd':
        kct_take_number(k, "-d", 1, 86400, &p->limit_s);
        break;
    case 'j':
        kct_take_number(k, "-j", 1, THREADS_MAX, &p->threads);
        break;
    case 'V':
        p->varied = true;
        break;
    case 'k':
        p->keys = true;
        break;
    case 'M':
        p->metrics = true;
        break;
    case 'g':
        p->group = optarg;
    }
}

static bool is_verb(const char *text)
{
    return strcmp(text, "produce") == 0 || strcmp(text, "consume") == 0 || strcmp(text, "latency") == 0;
}

int kct_perf(int argc, char **argv)
{
    static struct perf p = { .size = 100, .threads = 1 };
    struct kct_command k = kct_begin("perf", help);
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    bool latency = strcmp(what, "latency") == 0;
    p.records = latency ? 100000 : 1000000;
    p.batch = latency ? 1 : 500;
    if (k.config)
        kc_config_set(k.config, "max.poll.records", "100000", NULL);
    if (k.config && latency)
        kc_config_set(k.config, "linger.ms", "0", NULL);
    optind = *what ? 2 : 1;
    for (int option; (option = kct_option(&k, argc, argv, "t:n:s:R:B:d:j:VkMg:", NULL)) != -1;)
        take_option(&p, &k, option);
    if (!is_verb(what))
        kct_misused(&k, "produce, consume or latency is needed");
    if (!p.topic)
        kct_misused(&k, "-t TOPIC is missing");
    if (p.group && strcmp(what, "consume") != 0)
        kct_misused(&k, "only consume takes -g");
    kct_no_more(&k, argc, argv, optind);
    if (k.status == KC_EXIT_OK)
        k.status = run(&p, k.config, what);
    return kct_end(&k);
}
