/* Counts per broker, per API and in sum.  Each event is counted for its broker and for all, so that the sum is right
 * whatever brokers came and went, and for its API; that is a few plain stores per request.
 *
 * Both lanes to a broker count for the broker, all bootstrap servers for one entry. A broker beyond
 * KCI_METRICS_BROKERS_MAX, or for which there is no memory, is counted with "others". */
#include "cluster/metrics.h"

#include "cluster/internal.h"

void kci_metrics_init(struct kci_cluster_metrics *metrics)
{
    metrics->others.id = KC_BROKER_OTHERS;
}

void kci_metrics_destroy(struct kci_cluster_metrics *metrics, const struct kci_alloc *alloc)
{
    uint32_t count = atomic_load(&metrics->count);
    for (uint32_t i = 0; i < count; i++)
        kci_alloc_free(alloc, atomic_load(&metrics->brokers[i]));
    for (size_t i = 0; i < KCI_METRICS_APIS_MAX; i++)
        kci_alloc_free(alloc, atomic_load(&metrics->apis[i]));
}

/* ---- counting ---- */

void kci_metrics_node(struct kci_node *node)
{
    struct kci_cluster_metrics *m = &node->cluster->metrics;
    uint32_t count = atomic_load_explicit(&m->count, memory_order_relaxed);
    int32_t id = node->broker >= 0 ? node->broker : KC_BROKER_BOOTSTRAP;
    if (node->metrics)
        return;
    for (uint32_t i = 0; i < count && !node->metrics; i++) {
        struct kci_broker_metrics *broker = atomic_load_explicit(&m->brokers[i], memory_order_relaxed);
        if (broker->id == id)
            node->metrics = broker;
    }
    if (node->metrics || count == KCI_METRICS_BROKERS_MAX)
        return;
    struct kci_broker_metrics *broker = kci_alloc_zero(node->cluster->alloc, 1, sizeof *broker);
    if (!broker)
        return;
    broker->id = id;
    node->metrics = broker;
    atomic_store_explicit(&m->brokers[count], broker, memory_order_relaxed);
    atomic_store_explicit(&m->count, count + 1, memory_order_release);
}

/* Whom an event of the node is counted for. */
struct both {
    struct kci_broker_metrics *it[2];
};
static struct both both(struct kci_node *node)
{
    struct kci_cluster_metrics *m = &node->cluster->metrics;
    return (struct both){ { node->metrics ? node->metrics : &m->others, &m->all } };
}

/* The block of an API, made at its first request. NULL: no memory for it, so it is counted in sum only. */
static struct kci_api_metrics *of_api(struct kci_node *node, int16_t api)
{
    struct kci_cluster_metrics *m = &node->cluster->metrics;
    const struct kci_api *known = kci_api_find(api);
    if (!known || api < 0 || api >= KCI_METRICS_APIS_MAX)
        return NULL;
    struct kci_api_metrics *it = atomic_load_explicit(&m->apis[api], memory_order_relaxed);
    if (it || !(it = kci_alloc_zero(node->cluster->alloc, 1, sizeof *it)))
        return it;
    it->name = known->name;
    atomic_store_explicit(&m->apis[api], it, memory_order_release);
    return it;
}

void kci_metrics_requested(struct kci_node *node, int16_t api, int64_t now)
{
    struct kci_api_metrics *kind = of_api(node, api);
    if (kind)
        kci_metrics_add(&kind->requests, 1);
    struct both b = both(node);
    for (int i = 0; i < 2; i++)
        kci_meter_add(&b.it[i]->requests, 1, now);
}

void kci_metrics_answered(struct kci_node *node, int16_t api, int64_t latency_us)
{
    struct both b = both(node);
    struct kci_api_metrics *kind = of_api(node, api);
    uint64_t latency = latency_us > 0 ? (uint64_t)latency_us : 0;
    if (kind)
        kci_histogram_add_alone(&kind->latency, latency);
    for (int i = 0; i < 2; i++) {
        kci_metrics_add(&b.it[i]->responses, 1);
        kci_histogram_add_alone(&b.it[i]->latency, latency);
    }
}

void kci_metrics_unanswered(struct kci_node *node, int16_t api)
{
    struct both b = both(node);
    struct kci_api_metrics *kind = of_api(node, api);
    if (kind)
        kci_metrics_add(&kind->failures, 1);
    for (int i = 0; i < 2; i++)
        kci_metrics_add(&b.it[i]->failures, 1);
}

void kci_metrics_in_flight(struct kci_node *node, int32_t change)
{
    struct both b = both(node);
    for (int i = 0; i < 2; i++)
        kci_metrics_add(&b.it[i]->in_flight, (uint64_t)(int64_t)change);
}

void kci_metrics_moved(struct kci_node *node, size_t bytes_out, size_t bytes_in, int64_t now)
{
    struct both b = both(node);
    for (int i = 0; i < 2; i++) {
        kci_meter_add(&b.it[i]->bytes_out, bytes_out, now);
        kci_meter_add(&b.it[i]->bytes_in, bytes_in, now);
    }
}

void kci_metrics_connection(struct kci_node *node, bool made)
{
    struct both b = both(node);
    for (int i = 0; i < 2; i++)
        kci_metrics_add(made ? &b.it[i]->made : &b.it[i]->closed, 1);
}

void kci_metrics_broken(struct kci_node *node)
{
    struct both b = both(node);
    for (int i = 0; i < 2; i++)
        kci_metrics_add(&b.it[i]->broken, 1);
}

void kci_metrics_throttled(struct kci_node *node, int32_t throttle_ms)
{
    struct both b = both(node);
    for (int i = 0; i < 2; i++)
        kci_metrics_add(&b.it[i]->throttled_us, (uint64_t)throttle_ms * 1000);
}

/* ---- reading ---- */

void kci_metrics_times(const struct kci_histogram *histogram, kc_times *out)
{
    *out = (kc_times){ .count = kci_metrics_get(&histogram->count),
                       .sum_us = kci_metrics_get(&histogram->sum),
                       .p50_us = kci_histogram_quantile(histogram, 0.5),
                       .p99_us = kci_histogram_quantile(histogram, 0.99),
                       .p999_us = kci_histogram_quantile(histogram, 0.999),
                       .max_us = kci_metrics_get(&histogram->max) };
}

static void read_broker(const struct kci_broker_metrics *m, kc_broker_metrics *out, int64_t now)
{
    uint64_t closed = kci_metrics_get(&m->closed), made = kci_metrics_get(&m->made);
    *out = (kc_broker_metrics){ .id = m->id,
                                .connections = made - closed,
                                .requests_in_flight = kci_metrics_get(&m->in_flight),
                                .connections_made = made,
                                .connections_closed = closed,
                                .connection_failures = kci_metrics_get(&m->broken),
                                .requests = kci_meter_total(&m->requests),
                                .responses = kci_metrics_get(&m->responses),
                                .request_failures = kci_metrics_get(&m->failures),
                                .bytes_out = kci_meter_total(&m->bytes_out),
                                .bytes_in = kci_meter_total(&m->bytes_in),
                                .throttled_us = kci_metrics_get(&m->throttled_us),
                                .request_rate = kci_meter_rate(&m->requests, now),
                                .byte_out_rate = kci_meter_rate(&m->bytes_out, now),
                                .byte_in_rate = kci_meter_rate(&m->bytes_in, now) };
    kci_metrics_times(&m->latency, &out->request_latency);
}

static bool has_others(const struct kci_cluster_metrics *m)
{
    return kci_meter_total(&m->others.requests) || kci_metrics_get(&m->others.broken);
}

void kci_cluster_metrics_need(const struct kci_cluster *cluster, struct kci_metrics_room *room)
{
    const struct kci_cluster_metrics *m = &cluster->metrics;
    room->broker_capacity = atomic_load_explicit(&m->count, memory_order_acquire) + has_others(m);
    room->api_capacity = 0;
    for (size_t i = 0; i < KCI_METRICS_APIS_MAX; i++)
        room->api_capacity += atomic_load_explicit(&m->apis[i], memory_order_relaxed) != NULL;
}

static void read_apis(const struct kci_cluster_metrics *m, kc_metrics *out, const struct kci_metrics_room *room)
{
    out->apis = room->apis;
    for (size_t i = 0; i < KCI_METRICS_APIS_MAX && out->api_count < room->api_capacity; i++) {
        const struct kci_api_metrics *kind = atomic_load_explicit(&m->apis[i], memory_order_acquire);
        if (!kind)
            continue;
        kc_api_metrics *to = &room->apis[out->api_count++];
        *to = (kc_api_metrics){ .api = kind->name,
                                .requests = kci_metrics_get(&kind->requests),
                                .request_failures = kci_metrics_get(&kind->failures) };
        kci_metrics_times(&kind->latency, &to->latency);
    }
}

void kci_cluster_metrics(const struct kci_cluster *cluster, kc_metrics *out, const struct kci_metrics_room *room,
                         int64_t now)
{
    const struct kci_cluster_metrics *m = &cluster->metrics;
    uint32_t count = atomic_load_explicit(&m->count, memory_order_acquire);
    read_broker(&m->all, &out->all, now);
    out->metadata_updates = kci_metrics_get(&m->updates);
    out->brokers = room->brokers;
    for (uint32_t i = 0; i < count && out->broker_count < room->broker_capacity; i++)
        read_broker(atomic_load_explicit(&m->brokers[i], memory_order_relaxed), &room->brokers[out->broker_count++],
                    now);
    if (has_others(m) && out->broker_count < room->broker_capacity)
        read_broker(&m->others, &room->brokers[out->broker_count++], now);
    read_apis(m, out, room);
}

kc_topic_metrics *kci_metrics_topic(kc_metrics *out, const struct kci_metrics_room *room, const char *name)
{
    if (out->topic_count >= room->topic_capacity)
        return NULL;
    char *copy = room->names + out->topic_count * KCI_METRICS_NAME_BYTES;
    size_t size = strnlen(name, KCI_METRICS_NAME_BYTES - 1);
    memcpy(copy, name, size);
    copy[size] = 0;
    kc_topic_metrics *topic = &room->topics[out->topic_count++];
    *topic = (kc_topic_metrics){ .topic = copy };
    return topic;
}
