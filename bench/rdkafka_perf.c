/* What kc perf does, with librdkafka: the other side of the comparison.  Same options, same line of JSON, the fastest
 * interfaces of that library: rd_kafka_produce_batch() in arrays, rd_kafka_consume_batch_queue() for reading; delivery
 * reports are switched off except for latency, where each record is timed in its delivery callback.  With more threads
 * (-j), all produce with one handle; each consuming one has its own, with its share of the partitions.
 *
 * `rdkafka_perf mock -n BROKERS -t TOPIC -p PARTITIONS` is librdkafka's mock cluster: it prints its bootstrap servers
 * as mockbroker does and ends with its standard input. */
#include "values.h"
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX    10000
#define POLL_MS      100
#define IDLE_LIMIT_S 10.0
#define THREADS_MAX  64

struct perf {
    const char *what, *topic;
    long long records, size, rate, batch, threads, limit_s, partitions;
    bool varied;
    unsigned long long failed, delivered; /* latency: of the delivery callback */
    atomic_ullong consumed, accepted;
    unsigned *latencies_us;
    struct kct_values values;
    double begun;
};

struct worker {
    pthread_t thread;
    struct perf *p;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue; /* consume */
    long long first, end;    /* produce: its records */
    unsigned long long records, bytes, errors;
    double last; /* consume: when its last record came */
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void print_result(unsigned long long records, unsigned long long bytes, unsigned long long errors, double took,
                         const struct rusage *before, const char *more)
{
    struct rusage after;
    getrusage(RUSAGE_SELF, &after);
    printf("{\"records\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"records_per_s\":%.0f,\"mb_per_s\":%.2f,\"cpu_user_s\":%"
           ".3f,\"cpu_sys_s\":%.3f,"
           "\"max_rss_kb\":%ld,\"errors\":%llu%s}\n",
           records, bytes, took, (double)records / took, (double)bytes / took / 1e6,
           cpu_seconds(after.ru_utime) - cpu_seconds(before->ru_utime),
           cpu_seconds(after.ru_stime) - cpu_seconds(before->ru_stime), after.ru_maxrss, errors, more);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct perf *p = opaque;
    (void)rk;
    p->delivered++;
    if (message->err)
        p->failed++;
    else if (p->latencies_us && message->_private) {
        unsigned *slot = message->_private;
        *slot = (unsigned)((seconds() - p->begun) * 1e6) - *slot;
    }
}

static int by_value(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

static void wait_until(rd_kafka_t *rk, double when)
{
    for (double left; (left = when - seconds()) > 0;) {
        rd_kafka_poll(rk, 0);
        struct timespec pause = { 0, left < 50e-6 ? (long)(left * 1e9) : 50000 };
        nanosleep(&pause, NULL);
    }
}

static bool time_is_up(const struct perf *p)
{
    return p->limit_s && seconds() - p->begun >= (double)p->limit_s;
}

static void fill(struct perf *p, rd_kafka_message_t *messages, long long sent, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kc_bytes value = kct_values_at(&p->values, (unsigned long long)sent + i);
        memset(&messages[i], 0, sizeof messages[i]);
        messages[i].payload = (void *)(uintptr_t)value.data;
        messages[i].len = value.size;
        if (p->latencies_us) {
            messages[i]._private = &p->latencies_us[sent + (long long)i];
            p->latencies_us[sent + (long long)i] = (unsigned)((seconds() - p->begun) * 1e6);
        }
    }
}

static void run_workers(struct perf *p, struct worker *workers, void *(*work)(void *worker))
{
    for (long long i = 1; i < p->threads; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    work(&workers[0]);
    for (long long i = 1; i < p->threads; i++)
        pthread_join(workers[i].thread, NULL);
}

static void *send_share(void *context)
{
    struct worker *w = context;
    struct perf *p = w->p;
    rd_kafka_message_t *messages = calloc((size_t)p->batch, sizeof *messages);
    for (long long at = w->first; at < w->end && !time_is_up(p);) {
        size_t count = (size_t)(w->end - at < p->batch ? w->end - at : p->batch);
        if (p->rate)
            wait_until(w->rk, p->begun + (double)(at - w->first) * (double)p->threads / (double)p->rate);
        fill(p, messages, at, count);
        int taken = rd_kafka_produce_batch(w->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, messages, (int)count);
        at += taken;
        atomic_fetch_add(&p->accepted, (unsigned long long)taken);
        rd_kafka_poll(w->rk, taken == (int)count ? 0 : 1);
    }
    free(messages);
    return NULL;
}

/* The number of partitions, or 0. */
static int partitions_of(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fprintf(stderr, "no metadata\n"), 0;
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static void describe_latency(struct perf *p, char *text, size_t size)
{
    size_t n = (size_t)p->records;
    qsort(p->latencies_us, n, sizeof *p->latencies_us, by_value);
    snprintf(text, size, ",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u", p->latencies_us[n / 2],
             p->latencies_us[n - 1 - n / 100], p->latencies_us[n - 1 - n / 1000], p->latencies_us[n - 1]);
}

static int produce(struct perf *p, rd_kafka_conf_t *conf)
{
    char text[512], more[160] = "";
    rd_kafka_conf_set_opaque(conf, p);
    if (p->latencies_us)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        return fprintf(stderr, "%s\n", text), 1;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, p->topic, NULL);
    if (!partitions_of(rk, topic) || !kct_values_make(&p->values, (size_t)p->size, p->varied))
        return 1;
    struct worker workers[THREADS_MAX] = { 0 };
    for (long long i = 0; i < p->threads; i++)
        workers[i] = (struct worker){ .p = p,
                                      .rk = rk,
                                      .topic = topic,
                                      .first = p->records * i / p->threads,
                                      .end = p->records * (i + 1) / p->threads };
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    p->begun = seconds();
    run_workers(p, workers, send_share);
    rd_kafka_flush(rk, 120000);
    double took = seconds() - p->begun;
    if (p->latencies_us)
        describe_latency(p, more, sizeof more);
    unsigned long long left = (unsigned long long)rd_kafka_outq_len(rk), sent = atomic_load(&p->accepted) - left;
    print_result(sent, sent * (unsigned long long)p->size, p->failed + left, took, &before, more);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    kct_values_free(&p->values);
    return 0;
}

static void *read_share(void *context)
{
    struct worker *w = context;
    struct perf *p = w->p;
    rd_kafka_message_t **messages = calloc((size_t)p->batch, sizeof(rd_kafka_message_t *));
    unsigned long long checksum = 0;
    w->last = p->begun;
    while (atomic_load(&p->consumed) < (unsigned long long)p->records && !time_is_up(p) &&
           seconds() - w->last < IDLE_LIMIT_S) {
        unsigned long long before = w->records;
        ssize_t count = rd_kafka_consume_batch_queue(w->queue, POLL_MS, messages, (size_t)p->batch);
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err) {
                w->errors += messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF;
            } else {
                w->records++;
                w->bytes += messages[i]->len;
                checksum += messages[i]->len ? *(const unsigned char *)messages[i]->payload : 0;
            }
            rd_kafka_message_destroy(messages[i]);
        }
        atomic_fetch_add(&p->consumed, w->records - before);
        if (w->records > before)
            w->last = seconds();
    }
    w->errors += checksum == (unsigned long long)-1; /* so that the sum is needed */
    free(messages);
    return NULL;
}

static int consume(struct perf *p, rd_kafka_conf_t *conf)
{
    char text[512];
    struct worker workers[THREADS_MAX] = { 0 };
    int partitions = 0;
    for (long long i = 0; i < p->threads; i++) {
        struct worker *w = &workers[i];
        w->p = p;
        w->rk = rd_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(conf), text, sizeof text);
        if (!w->rk)
            return fprintf(stderr, "%s\n", text), 1;
        w->topic = rd_kafka_topic_new(w->rk, p->topic, NULL);
        w->queue = rd_kafka_queue_new(w->rk);
        partitions = partitions_of(w->rk, w->topic);
        if (!partitions)
            return 1;
    }
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    p->begun = seconds();
    for (int i = 0; i < partitions; i++) {
        struct worker *w = &workers[i % p->threads];
        rd_kafka_consume_start_queue(w->topic, i, RD_KAFKA_OFFSET_BEGINNING, w->queue);
    }
    run_workers(p, workers, read_share);
    struct worker sum = { .last = p->begun };
    for (long long i = 0; i < p->threads; i++) {
        sum.records += workers[i].records;
        sum.bytes += workers[i].bytes;
        sum.errors += workers[i].errors;
        sum.last = workers[i].last > sum.last ? workers[i].last : sum.last;
    }
    print_result(sum.records, sum.bytes, sum.errors, sum.last - p->begun, &before, "");
    fflush(stdout);
    _exit(0); /* its orderly end takes seconds and is not measured */
}

static int mock(struct perf *p, rd_kafka_conf_t *conf)
{
    char text[512];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    rd_kafka_mock_cluster_t *cluster = rk ? rd_kafka_mock_cluster_new(rk, (int)p->records) : NULL;
    if (!cluster)
        return fprintf(stderr, "no mock cluster\n"), 1;
    if (p->topic)
        rd_kafka_mock_topic_create(cluster, p->topic, (int)p->partitions, 1);
    printf("{\"bootstrap\":\"%s\",\"pid\":%d}\n", rd_kafka_mock_cluster_bootstraps(cluster), (int)getpid());
    fflush(stdout);
    while (getchar() != EOF) {
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    struct perf p = {
        .what = argc > 1 ? argv[1] : "", .records = 1000000, .size = 100, .batch = 500, .threads = 1, .partitions = 1
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[512];
    int option;
    optind = 2;
    while ((option = getopt(argc, argv, "b:t:n:s:R:B:d:j:p:VX:")) != -1) {
        char *equals = optarg ? strchr(optarg, '=') : NULL;
        switch (option) {
        case 'b':
            rd_kafka_conf_set(conf, "bootstrap.servers", optarg, text, sizeof text);
            break;
        case 't':
            p.topic = optarg;
            break;
        case 'n':
            p.records = atoll(optarg);
            break;
        case 's':
            p.size = atoll(optarg);
            break;
        case 'R':
            p.rate = atoll(optarg);
            break;
        case 'B':
            p.batch = atoll(optarg);
            break;
        case 'd':
            p.limit_s = atoll(optarg);
            break;
        case 'j':
            p.threads = atoll(optarg);
            break;
        case 'p':
            p.partitions = atoll(optarg);
            break;
        case 'V':
            p.varied = true;
            break;
        case 'X':
            if (equals) {
                *equals = 0;
                if (rd_kafka_conf_set(conf, optarg, equals + 1, text, sizeof text) != RD_KAFKA_CONF_OK)
                    return fprintf(stderr, "%s\n", text), 2;
            }
            break;
        default:
            return 2;
        }
    }
    if (strcmp(p.what, "mock") == 0)
        return mock(&p, conf);
    if (!p.topic || p.batch < 1 || p.batch > BATCH_MAX || p.records < 1 || p.threads < 1 || p.threads > THREADS_MAX)
        return fprintf(stderr, "rdkafka_perf produce|consume|latency -b ADDR -t TOPIC [-n N] [-s BYTES] [-R RATE] [-B "
                               "N] [-d SECONDS] [-j THREADS] [-V] [-X k=v]...\n"),
               2;
    if (strcmp(p.what, "consume") == 0)
        return consume(&p, conf);
    if (strcmp(p.what, "latency") == 0) {
        p.latencies_us = calloc((size_t)p.records, sizeof *p.latencies_us);
        p.rate = p.rate ? p.rate : 10000;
        p.batch = 1;
    }
    return produce(&p, conf);
}
