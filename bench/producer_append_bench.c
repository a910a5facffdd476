/* What the producer itself costs: records are appended to a producer whose cluster answers every request at once and
 * throws the bytes away.  One thread does both sides' work in turn, so the figure counts encoding, batching, sealing,
 * headers, CRC, requests and the reading of answers, and no socket.
 *
 * The cluster below takes the place of src/cluster: it defines the functions of cluster/cluster.h that the producer
 * calls. */
#include "cluster/cluster.h"
#include "producer/producer.h"
#include "protocol/compress.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ARRAY = 1000, PARTITIONS_MAX = 12, IN_FLIGHT = 5 };

/* ---- a cluster of one broker that has answered already ---- */

struct kci_cluster {
    struct kci_cluster_options options;
    struct kci_topic_info topic;
    struct kci_partition_info partitions[PARTITIONS_MAX];
    struct kci_call *calls[64];
    size_t call_count;
    bool asked;
    uint64_t bytes;
};
static int32_t partition_count;

kc_err kci_cluster_create(struct kci_cluster **out, const struct kci_cluster_options *options, kc_error *error)
{
    (void)error;
    *out = calloc(1, sizeof **out);
    (*out)->options = *options;
    return KC_OK;
}

static void answer(struct kci_cluster *cluster, struct kci_call *call, int64_t now)
{
    struct kci_reply reply = { .version = call->version_max, .node = 1 };
    struct kci_init_producer_id_response id = { .producer_id = 1 };
    struct kci_produce_response__partition_produce_response partitions[PARTITIONS_MAX] = { { .index = 0 } };
    struct kci_produce_response__topic_produce_response topic = { .name = kci_str_of("t"),
                                                                  .partition_responses = partitions };
    struct kci_produce_response produce = { .responses = &topic, .responses_count = 1 };
    if (call->api == KCI_API_INIT_PRODUCER_ID) {
        reply.response = &id;
    } else {
        for (size_t i = 0; i < call->body_count; i++)
            cluster->bytes += call->body[i].size;
        for (int32_t i = 0; i < partition_count; i++)
            partitions[i].index = i;
        topic.partition_responses_count = partition_count; /* those that were not asked for are ignored */
        reply.response = &produce;
    }
    call->done(call, &reply, now);
}

void kci_cluster_step(struct kci_cluster *cluster, int64_t now)
{
    struct kci_call *calls[64];
    size_t count = cluster->call_count;
    memcpy(calls, cluster->calls, count * sizeof *calls);
    cluster->call_count = 0;
    for (size_t i = 0; i < count; i++)
        answer(cluster, calls[i], now);
    if (cluster->topic.name && !cluster->topic.known) {
        cluster->topic.known = true;
        cluster->topic.partitions = cluster->partitions;
        cluster->topic.partition_count = partition_count;
        cluster->topic.generation = 1;
        for (int32_t i = 0; i < partition_count; i++)
            cluster->partitions[i] = (struct kci_partition_info){ .id = i, .leader = 1 };
        cluster->options.on_metadata(cluster->options.owner, now);
    }
}

void kci_cluster_call(struct kci_cluster *cluster, int32_t node, struct kci_call *call, int64_t now)
{
    (void)node, (void)now;
    cluster->calls[cluster->call_count++] = call;
}
bool kci_cluster_node_ready(struct kci_cluster *cluster, int32_t node, int64_t now)
{
    (void)node, (void)now;
    return cluster->call_count < IN_FLIGHT;
}
const struct kci_topic_info *kci_cluster_want_topic(struct kci_cluster *cluster, struct kci_str name, int64_t now)
{
    (void)now;
    cluster->topic.name = name.data;
    return &cluster->topic;
}
void kci_cluster_forget_topic(struct kci_cluster *cluster, struct kci_str name)
{
    (void)cluster, (void)name;
}
int16_t kci_cluster_node_version(const struct kci_cluster *cluster, int32_t node, int16_t api, int16_t min, int16_t max)
{
    (void)cluster, (void)node, (void)api, (void)min;
    return max < 12 ? max : 12;
}
const char *kci_cluster_node_rack(const struct kci_cluster *cluster, int32_t node)
{
    (void)cluster, (void)node;
    return "";
}
void kci_cluster_destroy(struct kci_cluster *cluster, int64_t now)
{
    (void)now;
    free(cluster);
}
int64_t kci_cluster_deadline(struct kci_cluster *cluster)
{
    return cluster->call_count ? 0 : KCI_NEVER;
}
const char *kci_cluster_node_text(const struct kci_cluster *c, int32_t node)
{
    (void)c, (void)node;
    return "null";
}
bool kci_cluster_usable(const struct kci_cluster *cluster, size_t *unreachable)
{
    (void)cluster;
    *unreachable = 0;
    return true;
}
bool kci_cluster_connected(const struct kci_cluster *cluster)
{
    (void)cluster;
    return true;
}
void kci_cluster_refresh(struct kci_cluster *cluster, const char *why, int64_t now)
{
    (void)cluster, (void)why, (void)now;
}
void kci_cluster_explain(const struct kci_cluster *c, char *text, size_t size, int64_t now)
{
    (void)c, (void)now;
    snprintf(text, size, "null");
}
bool kci_cluster_leader_hint(struct kci_cluster *c, struct kci_str t, int32_t p, int32_t l, int32_t e, int64_t now)
{
    (void)c, (void)t, (void)p, (void)l, (void)e, (void)now;
    return false;
}
void kci_cluster_node_hint(struct kci_cluster *c, int32_t n, struct kci_str h, int32_t p, struct kci_str r, int64_t now)
{
    (void)c, (void)n, (void)h, (void)p, (void)r, (void)now;
}
void kci_cluster_on_open(void *c, kci_conn conn, void *user, int64_t now)
{
    (void)c, (void)conn, (void)user, (void)now;
}
void *kci_cluster_on_space(void *c, kci_conn conn, void *user, size_t *size)
{
    (void)c, (void)conn, (void)user, (void)size;
    return NULL;
}
void kci_cluster_on_bytes(void *c, kci_conn conn, void *user, size_t size, int64_t now)
{
    (void)c, (void)conn, (void)user, (void)size, (void)now;
}
void kci_cluster_on_sent(void *c, kci_conn conn, void *user, int64_t now)
{
    (void)c, (void)conn, (void)user, (void)now;
}
void kci_cluster_on_close(void *c, kci_conn conn, void *user, const char *why, int64_t now)
{
    (void)c, (void)conn, (void)user, (void)why, (void)now;
}
void kci_cluster_on_resolved(void *c, void *user, const struct kci_address *a, size_t n, const char *why, int64_t now)
{
    (void)c, (void)user, (void)a, (void)n, (void)why, (void)now;
}

/* ---- the producer ---- */

static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}
static void lock_wait(_Atomic int *word, int expected)
{
    (void)word, (void)expected;
}
static void lock_wake(_Atomic int *word)
{
    (void)word;
}
static bool woken;
static void on_wake(void *context)
{
    (void)context;
    woken = true;
}
static void on_notify(void *context)
{
    (void)context;
}

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct scenario {
    const char *name;
    size_t value_bytes, count;
    int32_t partitions;
    enum { STICKY, EXPLICIT, KEYED, SINGLE } how;
    int codec;
};

static void run(const struct scenario *s)
{
    static const struct kci_lock_ops lock_ops = { lock_wait, lock_wake };
    static const struct kci_alloc alloc = { resize, NULL };
    static char value[1000], keys[ARRAY][8];
    static kc_record records[ARRAY];
    struct kci_settings settings = { .request_timeout_ms = 30000,
                                     .retry_backoff_ms = 100,
                                     .retry_backoff_max_ms = 1000,
                                     .acks = -1,
                                     .retries = INT32_MAX,
                                     .delivery_timeout_ms = 120000,
                                     .linger_ms = 5,
                                     .batch_size = 16384,
                                     .buffer_memory = 32 << 20,
                                     .max_block_ms = 60000,
                                     .max_request_size = 1 << 20,
                                     .max_in_flight_requests_per_connection = 5,
                                     .compression_type = s->codec,
                                     .compression_level = KCI_LEVEL_DEFAULT,
                                     .enable_idempotence = true,
                                     .partitioner_adaptive = true };
    struct kci_producer_options options = {
        .alloc = &alloc, .settings = &settings, .seed = 1, .lock_ops = &lock_ops, .wake = on_wake, .notify = on_notify
    };
    struct kci_producer *producer;
    kc_error error;
    partition_count = s->partitions;
    kci_producer_create(&producer, &options, 0, &error);
    struct kci_engine engine = kci_producer_engine(producer);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < ARRAY; i++) {
        records[i] = (kc_record)KC_RECORD_INIT;
        records[i].topic = "t";
        records[i].value = (kc_bytes){ value, s->value_bytes };
        if (s->how == EXPLICIT)
            records[i].partition = (int32_t)(i * 7 % (size_t)s->partitions);
        if (s->how == KEYED) {
            snprintf(keys[i], sizeof keys[i], "k%zu", i * 7919 % 1000);
            records[i].key = (kc_bytes){ keys[i], strlen(keys[i]) };
        }
    }
    int64_t begin = clock_us(), now = begin;
    size_t step = s->how == SINGLE ? 1 : ARRAY;
    for (size_t done = 0; done < s->count;) {
        struct kci_producer_wait why;
        size_t accepted;
        if (s->how != SINGLE || done % 64 == 0)
            now = clock_us();
        kci_producer_append(producer, records, step, &accepted, now, 1700000000000 + now / 1000, &why, &error);
        done += accepted;
        if (woken || accepted < step) {
            woken = false;
            do
                engine.ops->step(engine.self, clock_us());
            while (engine.ops->deadline(engine.self) == 0);
        }
    }
    uint64_t ticket = kci_producer_flush(producer);
    while (!kci_producer_flushed(producer, ticket))
        engine.ops->step(engine.self, clock_us());
    double seconds = (double)(clock_us() - begin) / 1e6;
    kc_producer_stats stats;
    kci_producer_stats(producer, &stats);
    printf("%-34s %8.2f M records/s %8.1f MB/s  %7.0f bytes per batch  %7.1f batches per request\n", s->name,
           (double)s->count / seconds / 1e6, (double)s->count * (double)s->value_bytes / seconds / 1e6,
           (double)stats.bytes_delivered / (double)stats.batches_sent,
           (double)stats.batches_sent / (double)stats.requests_sent);
    kci_producer_destroy(producer, clock_us());
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        { "10 bytes, 1 partition", 10, 60000000, 1, STICKY, 0 },
        { "10 bytes, 12 partitions, sticky", 10, 60000000, 12, STICKY, 0 },
        { "100 bytes, 1 partition", 100, 30000000, 1, STICKY, 0 },
        { "100 bytes, 12 partitions, sticky", 100, 30000000, 12, STICKY, 0 },
        { "100 bytes, 12 partitions, explicit", 100, 20000000, 12, EXPLICIT, 0 },
        { "100 bytes, 12 partitions, keyed", 100, 20000000, 12, KEYED, 0 },
        { "100 bytes, 12 partitions, singly", 100, 20000000, 12, SINGLE, 0 },
        { "1000 bytes, 1 partition", 1000, 5000000, 1, STICKY, 0 },
        { "1000 bytes, 12 partitions, sticky", 1000, 5000000, 12, STICKY, 0 },
        { "100 bytes, 12 partitions, lz4", 100, 10000000, 12, STICKY, KCI_CODEC_LZ4 },
    };
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (argc < 2 || (size_t)atoi(argv[1]) == i)
            run(&scenarios[i]);
    return 0;
}
