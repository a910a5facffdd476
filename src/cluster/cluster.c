/* The face of the layer: creation, the engine's events handed to the node they are for, and questions about nodes.
 *
 * The order within a step: what is due (time-outs, alarms), calls that could not begin, calls that wait for a node, and
 * at last the bytes of all that was queued since the previous step. */
#include "cluster/internal.h"

#include "cluster/bootstrap.h"
#include "cluster/inbox.h"

static void patience_over(struct kci_alarm *alarm, int64_t now)
{
    struct kci_cluster *cluster = KCI_CONTAINER(alarm, struct kci_cluster, patience);
    (void)now;
    kci_alarm_set(cluster, alarm, KCI_NEVER);
    cluster->route_due = true;
}

static kc_err add_bootstrap(struct kci_cluster *cluster, kc_error *error)
{
    struct kci_bootstrap b = kci_bootstrap_of(cluster->settings->bootstrap_servers);
    int found;
    while ((found = kci_bootstrap_next(&b)) > 0) {
        int32_t id = KCI_NODE_BOOTSTRAP - (int32_t)cluster->nodes.count;
        if (cluster->nodes.count >= KCI_BOOTSTRAP_MAX)
            return kci_fail(error, KC_ERR_CONFIG, 0, "bootstrap.servers: more than %d servers", KCI_BOOTSTRAP_MAX);
        struct kci_node *node = kci_node_put(cluster, id, b.host, b.port);
        if (!node)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
        node->listed = true;
    }
    if (found < 0)
        return kci_fail(error, KC_ERR_CONFIG, 0, "bootstrap.servers: \"%.*s\": %s", (int)b.entry.size, b.entry.data,
                        b.problem);
    return KC_OK;
}

static void free_cluster(struct kci_cluster *cluster)
{
    const struct kci_alloc *alloc = cluster->alloc;
    kci_nodes_destroy(cluster);
    kci_metrics_destroy(&cluster->metrics, alloc);
    kci_metadata_destroy(cluster);
    kci_outbox_destroy(cluster);
    kci_heap_destroy(&cluster->alarms);
    kci_heap_destroy(&cluster->call_timers);
    kci_arena_destroy(&cluster->arena);
    kci_alloc_free(alloc, cluster->lent);
    kci_alloc_free(alloc, cluster);
}

kc_err kci_cluster_create(struct kci_cluster **out, const struct kci_cluster_options *options, kc_error *error)
{
    const struct kci_alloc *alloc = options->alloc;
    struct kci_cluster *cluster = kci_alloc_zero(alloc, 1, sizeof *cluster);
    if (!cluster)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    cluster->alloc = alloc;
    cluster->frames = options->frames ? options->frames : alloc;
    cluster->settings = options->settings;
    cluster->transport = options->transport;
    cluster->logger = options->logger;
    cluster->in_flight_max = options->in_flight_max;
    cluster->on_metadata = options->on_metadata;
    cluster->owner = options->owner;
    kci_prng_seed(&cluster->prng, options->seed);
    cluster->call_timers = kci_heap_of(alloc);
    cluster->alarms = kci_heap_of(alloc);
    kci_list_init(&cluster->waiting);
    kci_list_init(&cluster->doomed);
    kci_list_init(&cluster->dirty);
    kci_metrics_init(&cluster->metrics);
    cluster->arena = kci_arena_of(alloc, KCI_DECODE_BYTES_MAX);
    cluster->nodes.by_id = kci_map_of(alloc, kci_prng_next(&cluster->prng));
    cluster->lent = kci_alloc_new(alloc, KCI_EXPLAIN_BYTES);
    bool made = kci_metadata_init(cluster);
    made = kci_alarm_init(cluster, &cluster->patience, patience_over) && made;
    made = kci_outbox_init(cluster) && cluster->lent && made;
    kc_err result = made ? add_bootstrap(cluster, error) : kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    if (result)
        free_cluster(cluster);
    else
        *out = cluster;
    return result;
}

static void fail_list(struct kci_cluster *cluster, struct kci_list *list, int64_t now)
{
    for (struct kci_list *link; (link = kci_list_first(list));)
        kci_calls_fail(cluster, KCI_CONTAINER(link, struct kci_call, link), KC_ERR_CLOSED, false,
                       "the handle is being closed", now);
}

void kci_cluster_destroy(struct kci_cluster *cluster, int64_t now)
{
    if (!cluster)
        return;
    cluster->closing = true;
    for (size_t i = 0; i < cluster->nodes.count; i++)
        kci_connection_end(cluster->nodes.items[i], now);
    fail_list(cluster, &cluster->waiting, now);
    kci_calls_doomed(cluster, now);
    free_cluster(cluster);
}

/* ---- the engine's face
 * ----------------------------------------------------------------------------------------------------- */

/* What is due, in the order of its time. */
static void run_timers(struct kci_cluster *cluster, int64_t now)
{
    for (;;) {
        struct kci_timer *call = kci_heap_first(&cluster->call_timers), *alarm = kci_heap_first(&cluster->alarms);
        bool call_due = call && call->at <= now, alarm_due = alarm->at <= now;
        if (!call_due && !alarm_due)
            return;
        if (call_due && (!alarm_due || call->at < alarm->at)) {
            kci_calls_timed_out(cluster, KCI_CONTAINER(call, struct kci_call, timer), now);
        } else {
            struct kci_alarm *a = KCI_CONTAINER(alarm, struct kci_alarm, timer);
            a->ring(a, now);
        }
    }
}

void kci_cluster_step(struct kci_cluster *cluster, int64_t now)
{
    run_timers(cluster, now);
    kci_calls_doomed(cluster, now);
    kci_calls_route(cluster, now);
    kci_outbox_flush(cluster, now);
}

int64_t kci_cluster_deadline(struct kci_cluster *cluster)
{
    if (!kci_list_empty(&cluster->doomed) || !kci_list_empty(&cluster->dirty) ||
        (cluster->route_due && !kci_list_empty(&cluster->waiting)))
        return 0;
    struct kci_timer *call = kci_heap_first(&cluster->call_timers), *alarm = kci_heap_first(&cluster->alarms);
    return call && call->at < alarm->at ? call->at : alarm->at;
}

void kci_cluster_on_open(void *engine, kci_conn conn, void *user, int64_t now)
{
    struct kci_node *node = user;
    (void)engine;
    if (node->conn == conn && node->state == KCI_CONNECTION_CONNECTING)
        kci_connection_opened(node, now);
}

void *kci_cluster_on_space(void *engine, kci_conn conn, void *user, size_t *size)
{
    struct kci_node *node = user;
    (void)engine;
    if (node->conn != conn || node->broken)
        return NULL;
    void *space = kci_splitter_space(&node->splitter, size);
    if (!space) {
        node->broken = true;
        kci_connection_soon(node);
    }
    return space;
}

void kci_cluster_on_bytes(void *engine, kci_conn conn, void *user, size_t size, int64_t now)
{
    struct kci_node *node = user;
    (void)engine;
    if (node->conn == conn)
        kci_inbox_received(node, size, now);
}

void kci_cluster_on_sent(void *engine, kci_conn conn, void *user, int64_t now)
{
    struct kci_node *node = user;
    (void)engine, (void)now;
    if (node->conn != conn)
        return;
    node->blocked = false;
    node->cluster->route_due = true;
    kci_outbox_mark(node->cluster, node);
}

void kci_cluster_on_close(void *engine, kci_conn conn, void *user, const char *reason, int64_t now)
{
    struct kci_node *node = user;
    (void)engine;
    if (node->conn == conn)
        kci_connection_lost(node, reason, now);
}

void kci_cluster_on_resolved(void *engine, void *user, const struct kci_address *addresses, size_t count,
                             const char *reason, int64_t now)
{
    (void)engine;
    kci_connection_resolved(user, addresses, count, reason, now);
}

/* ---- questions
 * ------------------------------------------------------------------------------------------------------------ */

bool kci_cluster_node_ready(struct kci_cluster *cluster, int32_t id, int64_t now)
{
    struct kci_node *node = kci_node_find(cluster, id == KCI_NODE_CONTROLLER ? cluster->metadata.controller : id);
    if (id == KCI_NODE_ANY)
        node = kci_route_any(cluster, now);
    if (!node || cluster->closing)
        return false;
    kci_connection_demand(node, now);
    return kci_connection_usable(node, now) && node->queued + node->in_flight < cluster->in_flight_max;
}

int16_t kci_cluster_node_version(const struct kci_cluster *cluster, int32_t id, int16_t api, int16_t min, int16_t max)
{
    const struct kci_node *node = kci_node_find(cluster, id);
    return node && node->state == KCI_CONNECTION_READY ? kci_versions_common(&node->versions, api, min, max) : -1;
}

const char *kci_cluster_node_why(const struct kci_cluster *cluster, int32_t id, int64_t now)
{
    const struct kci_node *node = kci_node_find(cluster, id);
    struct kci_text t = kci_text_of(cluster->lent, KCI_EXPLAIN_BYTES);
    if (node)
        kci_node_why(node, &t, now);
    else
        kci_text_add(&t, "broker %d is not known", (int)id);
    return cluster->lent;
}

void kci_cluster_node_name(const struct kci_cluster *cluster, int32_t id, char *text, size_t size)
{
    const struct kci_node *node = kci_node_find(cluster, id);
    struct kci_text t = kci_text_of(text, size);
    if (node)
        kci_node_name(node, &t);
    else
        kci_text_add(&t, "the cluster");
}

const char *kci_cluster_node_text(const struct kci_cluster *cluster, int32_t id)
{
    const struct kci_node *node = kci_node_find(cluster, id);
    return node ? node->text : "?";
}

const char *kci_cluster_node_rack(const struct kci_cluster *cluster, int32_t id)
{
    const struct kci_node *node = kci_node_find(cluster, id);
    return node ? node->rack : "";
}

bool kci_cluster_connected(const struct kci_cluster *cluster)
{
    for (size_t i = 0; i < cluster->nodes.count; i++)
        if (cluster->nodes.items[i]->state == KCI_CONNECTION_READY)
            return true;
    return false;
}

/* A bootstrap connection is closed once the brokers are known, and theirs are made when needed: no connection is no
 * trouble as long as none failed. */
bool kci_cluster_usable(const struct kci_cluster *cluster, size_t *unreachable)
{
    *unreachable = 0;
    for (size_t i = 0; i < cluster->nodes.count; i++) {
        const struct kci_node *node = cluster->nodes.items[i];
        *unreachable += node->broker >= 0 && node->listed && node->failures > 0;
    }
    return (!*unreachable && cluster->metadata.updated_at != INT64_MIN) || kci_cluster_connected(cluster);
}

/* Nodes that have something to say: failed or connecting first, since the text may be cut. */
void kci_cluster_explain(const struct kci_cluster *cluster, char *text, size_t size, int64_t now)
{
    struct kci_text t = kci_text_of(text, size);
    size_t known = 0, connected = 0;
    for (size_t i = 0; i < cluster->nodes.count; i++) {
        known += cluster->nodes.items[i]->broker >= 0 && cluster->nodes.items[i]->listed;
        connected += cluster->nodes.items[i]->state == KCI_CONNECTION_READY;
    }
    if (known)
        kci_text_add(&t, "%zu brokers known, %zu connections", known, connected);
    else
        kci_text_add(&t, "no broker known yet, %zu connections", connected);
    for (size_t i = 0; i < cluster->nodes.count; i++) {
        const struct kci_node *node = cluster->nodes.items[i];
        if (node->why == KC_OK && (node->state == KCI_CONNECTION_IDLE || node->state == KCI_CONNECTION_READY))
            continue;
        kci_text_add(&t, "; ");
        kci_node_why(node, &t, now);
    }
}

void kci_cluster_node_hint(struct kci_cluster *cluster, int32_t id, struct kci_str host, int32_t port,
                           struct kci_str rack, int64_t now)
{
    (void)now;
    struct kci_node *node = id >= 0 && !KCI_NODE_IS_LANE(id) ? kci_node_put(cluster, id, host, port) : NULL;
    if (node)
        kci_node_set_rack(node, rack);
}
