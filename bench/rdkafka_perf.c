/* What kc perf does, with librdkafka: the other side of the comparison.  Same options, same line of JSON, the fastest
 * interfaces of that library: rd_kafka_produce_batch() in arrays, rd_kafka_consume_batch_queue() for reading; delivery
 * reports are switched off except for latency, where each record is timed in its delivery callback. */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX      10000
#define POLL_MS        100
#define IDLE_LIMIT_S   10.0
#define PARTITIONS_MAX 10000

struct perf {
    const char *what, *topic;
    long long records, size, rate, batch;
    unsigned long long failed, delivered;
    unsigned *latencies_us;
    double begun;
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

static void fill(struct perf *p, rd_kafka_message_t *messages, char *value, long long sent, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memset(&messages[i], 0, sizeof messages[i]);
        messages[i].payload = value;
        messages[i].len = (size_t)p->size;
        if (p->latencies_us) {
            messages[i]._private = &p->latencies_us[sent + (long long)i];
            p->latencies_us[sent + (long long)i] = (unsigned)((seconds() - p->begun) * 1e6);
        }
    }
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
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fprintf(stderr, "no metadata\n"), 1;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_message_t *messages = calloc((size_t)p->batch, sizeof *messages);
    char *value = malloc((size_t)p->size + 1);
    unsigned state = 1;
    for (long long i = 0; i < p->size; i++)
        value[i] = (char)('a' + ((state = state * 1103515245u + 12345u) >> 16) % 26);
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    p->begun = seconds();
    for (long long sent = 0; sent < p->records;) {
        size_t count = (size_t)(p->records - sent < p->batch ? p->records - sent : p->batch);
        if (p->rate)
            wait_until(rk, p->begun + (double)sent / (double)p->rate);
        fill(p, messages, value, sent, count);
        int taken = rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, messages, (int)count);
        sent += taken;
        rd_kafka_poll(rk, taken == (int)count ? 0 : 1);
    }
    rd_kafka_flush(rk, 120000);
    double took = seconds() - p->begun;
    if (p->latencies_us) {
        size_t n = (size_t)p->records;
        qsort(p->latencies_us, n, sizeof *p->latencies_us, by_value);
        snprintf(more, sizeof more, ",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u", p->latencies_us[n / 2],
                 p->latencies_us[n - 1 - n / 100], p->latencies_us[n - 1 - n / 1000], p->latencies_us[n - 1]);
    }
    int left = rd_kafka_outq_len(rk);
    print_result((unsigned long long)(p->records - left),
                 (unsigned long long)(p->records - left) * (unsigned long long)p->size,
                 p->failed + (unsigned long long)left, took, &before, more);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(messages);
    free(value);
    return 0;
}

static int consume(struct perf *p, rd_kafka_conf_t *conf)
{
    char text[512];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!rk)
        return fprintf(stderr, "%s\n", text), 1;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, p->topic, NULL);
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fprintf(stderr, "no metadata\n"), 1;
    int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    static rd_kafka_message_t *messages[BATCH_MAX];
    struct rusage before;
    getrusage(RUSAGE_SELF, &before);
    double begun = seconds(), last = begun;
    for (int i = 0; i < partitions; i++)
        rd_kafka_consume_start_queue(topic, i, RD_KAFKA_OFFSET_BEGINNING, queue);
    unsigned long long records = 0, bytes = 0, errors = 0, checksum = 0;
    while (records < (unsigned long long)p->records && seconds() - last < IDLE_LIMIT_S) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, (size_t)p->batch);
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err) {
                errors += messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF;
            } else {
                records++;
                bytes += messages[i]->len;
                checksum += messages[i]->len ? *(const unsigned char *)messages[i]->payload : 0;
            }
            rd_kafka_message_destroy(messages[i]);
        }
        if (count > 0)
            last = seconds();
    }
    print_result(records, bytes, errors, last - begun, &before, checksum == (unsigned long long)-1 ? " " : "");
    fflush(stdout);
    _exit(0); /* its orderly end takes seconds and is not measured */
}

int main(int argc, char **argv)
{
    struct perf p = { .what = argc > 1 ? argv[1] : "", .records = 1000000, .size = 100, .batch = 500 };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[512];
    int option;
    optind = 2;
    while ((option = getopt(argc, argv, "b:t:n:s:R:B:X:")) != -1) {
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
    if (!p.topic || p.batch < 1 || p.batch > BATCH_MAX || p.records < 1)
        return fprintf(stderr, "rdkafka_perf produce|consume|latency -b ADDR -t TOPIC [-n N] [-s BYTES] [-R RATE] [-B "
                               "N] [-X k=v]...\n"),
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
