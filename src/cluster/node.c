/* The table of nodes.  Nodes come from bootstrap.servers, from metadata, from coordinator lookups and from leader
 * hints; they are never removed, because transports hold pointers to them and ids come back, but those that the last
 * metadata did not list are not chosen for KCI_NODE_ANY any more.
 *
 * A second lane is a node of its own with the same address, id INT32_MAX - id (Java's trick): a group's heartbeats must
 * not wait behind a fetch, and a broker handles the requests of one connection one after the other. */
#include "cluster/node.h"

#include "cluster/bootstrap.h"
#include "cluster/internal.h"

#include <stdio.h>

#define SLOW_HELLO_US ((int64_t)1000000) /* a broker answers ApiVersions faster, even a busy one */

struct kci_node *kci_node_find(const struct kci_cluster *cluster, int32_t id)
{
    return kci_map_get_int(&cluster->nodes.by_id, id);
}

/* Set host, port and the text of both; false: out of memory, nothing changed. */
static bool set_address(struct kci_node *node, struct kci_str host, uint16_t port)
{
    const struct kci_alloc *alloc = node->cluster->alloc;
    bool v6 = memchr(host.data, ':', host.size) != NULL;
    size_t text_size = host.size + sizeof "[]:65535";
    char *block = kci_alloc_new(alloc, host.size + 1 + text_size);
    if (!block)
        return false;
    char *text = block + host.size + 1;
    memcpy(block, host.data, host.size);
    block[host.size] = '\0';
    snprintf(text, text_size, v6 ? "[%s]:%u" : "%s:%u", block, (unsigned)port);
    kci_alloc_free(alloc, node->host);
    node->host = block; /* text lies in the same block */
    node->text = text;
    node->port = port;
    return true;
}

static void free_node(struct kci_cluster *cluster, struct kci_node *node)
{
    kci_heap_remove(&cluster->alarms, &node->alarm.timer);
    kci_heap_remove(&cluster->alarms, &node->throttle.timer);
    kci_splitter_destroy(&node->splitter);
    kci_writer_destroy(&node->hello.head);
    kci_alloc_free(cluster->alloc, node->addresses);
    kci_alloc_free(cluster->alloc, node->host);
    kci_alloc_free(cluster->alloc, node);
}

static bool reserve(struct kci_nodes *nodes, const struct kci_alloc *alloc)
{
    if (nodes->count < nodes->capacity)
        return true;
    size_t capacity = nodes->capacity ? nodes->capacity * 2 : 8;
    struct kci_node **items = kci_alloc_resize(alloc, nodes->items, capacity * sizeof *items);
    if (!items)
        return false;
    nodes->items = items;
    nodes->capacity = capacity;
    return true;
}

static struct kci_node *add_node(struct kci_cluster *cluster, int32_t id, struct kci_str host, uint16_t port)
{
    struct kci_nodes *nodes = &cluster->nodes;
    if (nodes->count >= KCI_NODES_MAX || !reserve(nodes, cluster->alloc))
        return NULL;
    struct kci_node *node = kci_alloc_zero(cluster->alloc, 1, sizeof *node);
    if (!node)
        return NULL;
    node->cluster = cluster;
    node->id = id;
    node->broker = id >= 0 ? id : -1;
    node->round_at = INT64_MIN;
    node->splitter = kci_splitter_of(cluster->alloc, KCI_FRAME_BYTES_MAX);
    kci_versions_clear(&node->versions);
    kci_list_init(&node->queue);
    kci_list_init(&node->flight);
    if (!set_address(node, host, port) || !kci_connection_init(node) || !kci_map_set_int(&nodes->by_id, id, node)) {
        free_node(cluster, node);
        return NULL;
    }
    nodes->items[nodes->count++] = node;
    return node;
}

static bool same_address(const struct kci_node *node, struct kci_str host, uint16_t port)
{
    return node->port == port && kci_str_equal(kci_str_of(node->host), host);
}

static bool readdress(struct kci_node *node, struct kci_str host, uint16_t port)
{
    if (same_address(node, host, port))
        return true;
    kci_log(&node->cluster->logger, KCI_LOG_INFO, "conn", "broker %d moved from %s to %.*s:%u", (int)node->broker,
            node->text, (int)host.size, host.data, (unsigned)port);
    if (!set_address(node, host, port))
        return false;
    node->readdressed = node->resolving;
    node->failures = 0;
    /* The old address is most likely dead, and whoever waits for it would wait for a time-out. */
    if (node->state != KCI_CONNECTION_IDLE) {
        node->moved = true;
        kci_connection_soon(node);
    }
    return true;
}

struct kci_node *kci_node_put(struct kci_cluster *cluster, int32_t id, struct kci_str host, int32_t port)
{
    if (!kci_host_is_clean(host) || port < 1 || port > UINT16_MAX)
        return NULL;
    struct kci_node *node = kci_node_find(cluster, id);
    if (!node)
        return add_node(cluster, id, host, (uint16_t)port);
    if (!readdress(node, host, (uint16_t)port))
        return NULL;
    if (node->lane && !readdress(node->lane, host, (uint16_t)port))
        return NULL;
    return node;
}

void kci_node_set_rack(struct kci_node *node, struct kci_str rack)
{
    size_t size = rack.data && rack.size < sizeof node->rack ? rack.size : 0;
    if (size)
        memcpy(node->rack, rack.data, size);
    node->rack[size] = 0;
}

int32_t kci_node_lane(struct kci_cluster *cluster, int32_t id)
{
    struct kci_node *node = kci_node_find(cluster, id);
    if (!node || id < 0 || KCI_NODE_IS_LANE(id))
        return id;
    if (!node->lane) {
        node->lane = add_node(cluster, INT32_MAX - id, kci_str_of(node->host), node->port);
        if (node->lane)
            node->lane->broker = id;
    }
    return node->lane ? node->lane->id : id;
}

void kci_nodes_destroy(struct kci_cluster *cluster)
{
    for (size_t i = 0; i < cluster->nodes.count; i++)
        free_node(cluster, cluster->nodes.items[i]);
    kci_alloc_free(cluster->alloc, cluster->nodes.items);
    kci_map_destroy(&cluster->nodes.by_id);
}

/* ---- texts
 * --------------------------------------------------------------------------------------------------------------- */

void kci_node_name(const struct kci_node *node, struct kci_text *text)
{
    if (node->broker >= 0)
        kci_text_add(text, "broker %d (%s)", (int)node->broker, node->text);
    else
        kci_text_add(text, "bootstrap server %s", node->text);
}

void kci_node_why(const struct kci_node *node, struct kci_text *text, int64_t now)
{
    static const char *const doing[] = {
        [KCI_CONNECTION_IDLE] = "is not connected",
        [KCI_CONNECTION_BACKOFF] = "waits before the next attempt",
        [KCI_CONNECTION_RESOLVING] = "is being resolved",
        [KCI_CONNECTION_CONNECTING] = "is being connected to",
        [KCI_CONNECTION_NEGOTIATING] = "is being asked for its versions",
    };
    kci_node_name(node, text);
    if (node->state == KCI_CONNECTION_READY && node->why != KC_OK)
        kci_text_add(text, " is connected again, but before it");
    if (node->why != KC_OK) {
        kci_text_add(text, " %s, ", node->why_text);
        kci_text_span(text, now - node->why_at);
        kci_text_add(text, " ago");
        if (node->failures > 1)
            kci_text_add(text, " (%u attempts)", node->failures);
    } else if (node->state != KCI_CONNECTION_READY) {
        kci_text_add(text, " %s", doing[node->state]);
        if (node->state >= KCI_CONNECTION_RESOLVING) {
            kci_text_add(text, " for ");
            kci_text_span(text, now - node->round_at);
        }
        if (node->state == KCI_CONNECTION_NEGOTIATING && now - node->round_at >= SLOW_HELLO_US)
            kci_text_add(text, " without an answer: is it a Kafka listener, and a plaintext one?");
    } else if (node->throttled_until > now) {
        kci_text_add(text, " throttles us for another ");
        kci_text_span(text, node->throttled_until - now);
    } else if (node->blocked) {
        kci_text_add(text, " takes no more bytes: its socket is full, last moved ");
        kci_text_span(text, now - node->last_used);
        kci_text_add(text, " ago");
    } else {
        kci_text_add(text, " is connected, with %d requests in flight", (int)node->in_flight);
    }
}

int32_t kci_cluster_lane(struct kci_cluster *cluster, int32_t node)
{
    return kci_node_lane(cluster, node);
}
