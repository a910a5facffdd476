/* When to ask for metadata, whom, and what to do with the answer; what an answer says of one topic is topics.c's
 * business.
 *
 *      wanted topic is new ------------------> at once
 *      refresh, topic in error, failure -----> after the back-off (KIP-580: doubles while answers bring nothing new)
 *      nothing of these ---------------------> metadata.max.age.ms after the last complete answer
 *
 * One request is under way at most.  It is filled when it is encoded, so topics that came meanwhile are in it and those
 * that left are not.  A request names the topics that need an answer, or all wanted ones when it is a full one; never
 * "all topics of the cluster".
 *
 * An answer without brokers is a broker that just started: ignored as a whole (else the client would forget everybody).
 * Rebootstrap (KIP-899, KIP-1102): when no broker known is to be had, when no answer came for
 * metadata.recovery.rebootstrap.trigger.ms, or when a broker says so, the bootstrap servers are asked again. */
#include "cluster/metadata.h"

#include "cluster/internal.h"

/* Kafka since 2.1 has 4 and more; mock clusters of other clients stop at 2. Below 4 nobody can ask not to create. */
#define METADATA_VERSION_MIN              1
#define METADATA_VERSION_MIN_NOT_CREATING 4
#define METADATA_VERSION_MAX              13

static void rung(struct kci_alarm *alarm, int64_t now);
static bool prepare(struct kci_call *call, int16_t version);
static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now);

bool kci_metadata_init(struct kci_cluster *cluster)
{
    struct kci_metadata *m = &cluster->metadata;
    m->by_name = kci_map_of(cluster->alloc, kci_prng_next(&cluster->prng));
    m->by_id = kci_map_of(cluster->alloc, kci_prng_next(&cluster->prng));
    m->controller = KCI_NODE_NONE;
    m->bootstrapping = true;
    m->updated_at = m->full_at = INT64_MIN;
    m->trouble_at = KCI_NEVER;
    m->call = (struct kci_call){ .api = KCI_API_METADATA,
                                 .version_min = cluster->settings->allow_auto_create_topics
                                                    ? METADATA_VERSION_MIN
                                                    : METADATA_VERSION_MIN_NOT_CREATING,
                                 .version_max = METADATA_VERSION_MAX };
    m->call.request = &m->request;
    m->call.timeout_ms = cluster->settings->request_timeout_ms;
    m->call.prepare = prepare;
    m->call.done = done;
    m->call.owner = cluster;
    return kci_alarm_init(cluster, &m->alarm, rung);
}

void kci_metadata_destroy(struct kci_cluster *cluster)
{
    struct kci_metadata *m = &cluster->metadata;
    size_t at = 0;
    for (struct kci_map_entry *entry; (entry = kci_map_next(&m->by_name, &at));)
        kci_topics_free(m, cluster->alloc, entry->value);
    kci_map_destroy(&m->by_name);
    kci_map_destroy(&m->by_id);
    kci_alloc_free(cluster->alloc, m->request_topics);
}

/* ---- when
 * ---------------------------------------------------------------------------------------------------------------- */

/* A topic waits for an answer, or everything does. */
static bool is_wanting(const struct kci_metadata *m)
{
    if (m->full)
        return true;
    size_t at = 0;
    for (struct kci_map_entry *entry; (entry = kci_map_next(&m->by_name, &at));)
        if (((struct kci_topic *)entry->value)->due)
            return true;
    return false;
}

/* Set the alarm for the next request. */
static void schedule(struct kci_cluster *cluster, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    int64_t at = KCI_NEVER;
    if (m->asking || cluster->closing)
        at = KCI_NEVER;
    else if (m->urgent)
        at = now;
    else if (is_wanting(m) || (m->needed && m->updated_at == INT64_MIN))
        at = m->not_before > now ? m->not_before : now;
    else if (m->full_at != INT64_MIN)
        at = m->full_at + (int64_t)cluster->settings->metadata_max_age_ms * 1000;
    kci_alarm_set(cluster, &m->alarm, at);
}

void kci_metadata_need(struct kci_cluster *cluster, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    if (m->needed)
        return;
    m->needed = true;
    schedule(cluster, now);
}

void kci_metadata_refresh(struct kci_cluster *cluster, const char *why, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    if (!m->full)
        kci_log(&cluster->logger, KCI_LOG_DEBUG, "meta", "refresh: %s", why);
    m->full = m->needed = true;
    schedule(cluster, now);
}

void kci_cluster_refresh(struct kci_cluster *cluster, const char *why, int64_t now)
{
    kci_metadata_refresh(cluster, why, now);
}

uint64_t kci_cluster_generation(const struct kci_cluster *cluster)
{
    return cluster->metadata.generation;
}

bool kci_metadata_rebootstrap(struct kci_cluster *cluster, const char *why, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    (void)now;
    if (m->bootstrapping || !cluster->settings->metadata_recovery_rebootstrap)
        return false;
    kci_log(&cluster->logger, KCI_LOG_INFO, "meta", "back to the bootstrap servers: %s", why);
    m->bootstrapping = true;
    m->distrust = false;
    m->full = true;
    cluster->route_due = true;
    return true;
}

/* No answer for too long, or told so: the brokers that we know may be of a cluster that is no more. */
static void start_over(struct kci_cluster *cluster, const char *why, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    kci_metadata_rebootstrap(cluster, why, now);
    m->distrust = m->bootstrapping && cluster->settings->metadata_recovery_rebootstrap;
    m->trouble_at = now;
}

/* ---- asking
 * -------------------------------------------------------------------------------------------------------------- */

static void rung(struct kci_alarm *alarm, int64_t now)
{
    struct kci_metadata *m = KCI_CONTAINER(alarm, struct kci_metadata, alarm);
    struct kci_cluster *cluster = KCI_CONTAINER(m, struct kci_cluster, metadata);
    kci_alarm_set(cluster, alarm, KCI_NEVER);
    if (m->asking || cluster->closing)
        return;
    int64_t age = (int64_t)cluster->settings->metadata_max_age_ms * 1000;
    m->full = m->full || m->full_at == INT64_MIN || now - m->full_at >= age;
    m->asking = true;
    m->asked_full = false;
    if (m->trouble_at == KCI_NEVER)
        m->trouble_at = now;
    kci_cluster_call(cluster, KCI_NODE_ANY, &m->call, now);
}

/* Fill the request: what is wanted now. */
static bool prepare(struct kci_call *call, int16_t version)
{
    struct kci_cluster *cluster = call->owner;
    struct kci_metadata *m = &cluster->metadata;
    size_t count = m->by_name.count, n = 0, at = 0;
    (void)version;
    if (count > m->request_capacity) {
        void *topics = kci_alloc_resize(cluster->alloc, m->request_topics, count * sizeof *m->request_topics);
        if (!topics)
            return false;
        m->request_topics = topics;
        m->request_capacity = count;
    }
    for (struct kci_map_entry *entry; (entry = kci_map_next(&m->by_name, &at));) {
        struct kci_topic *topic = entry->value;
        if (!m->full && !topic->due)
            continue;
        topic->due = true;
        kci_codec_init(&kci_metadata_request__metadata_request_topic_schema, &m->request_topics[n]);
        m->request_topics[n++].name = kci_str_of(topic->name);
    }
    kci_codec_init(&kci_metadata_request_schema, &m->request);
    m->request.topics = m->request_topics;
    m->request.topics_count = (int32_t)n;
    m->request.allow_auto_topic_creation = cluster->settings->allow_auto_create_topics;
    m->asked_full = m->full;
    m->full = m->urgent = false;
    return true;
}

/* ---- the answer
 * ---------------------------------------------------------------------------------------------------------- */

static bool take_brokers(struct kci_cluster *cluster, const struct kci_metadata_response *response)
{
    struct kci_metadata *m = &cluster->metadata;
    bool ok = true;
    for (int32_t i = 0; i < response->brokers_count; i++) {
        const struct kci_metadata_response__metadata_response_broker *broker = &response->brokers[i];
        if (broker->node_id < 0 || KCI_NODE_IS_LANE(broker->node_id))
            continue;
        struct kci_node *node = kci_node_put(cluster, broker->node_id, broker->host, broker->port);
        if (node) {
            node->seen = m->generation;
            kci_node_set_rack(node, broker->rack);
        } else {
            ok = false;
        }
    }
    for (size_t i = 0; i < cluster->nodes.count; i++) {
        struct kci_node *node = cluster->nodes.items[i];
        if (node->id == node->broker && ok)
            node->listed = node->seen == m->generation;
        else if (node->id == node->broker && node->seen == m->generation)
            node->listed = true;
    }
    m->controller = response->controller_id >= 0 ? response->controller_id : KCI_NODE_NONE;
    return ok;
}

/* Topics that were asked for keep `due` unless their answer settles the matter. */
static bool take_topics(struct kci_cluster *cluster, const struct kci_metadata_response *response, int16_t version,
                        bool *changed)
{
    struct kci_metadata *m = &cluster->metadata;
    bool ok = true;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kci_metadata_response__metadata_response_topic *answer = &response->topics[i];
        struct kci_topic *topic = answer->name.data ? kci_map_get_str(&m->by_name, answer->name) : NULL;
        if (topic)
            ok = kci_topics_take(m, cluster->alloc, topic, answer, version, changed) && ok;
    }
    return ok;
}

/* The bootstrap servers have done their work. */
static void leave_bootstrap(struct kci_cluster *cluster, int64_t now)
{
    cluster->metadata.bootstrapping = cluster->metadata.distrust = false;
    for (size_t i = 0; i < cluster->nodes.count; i++) {
        struct kci_node *node = cluster->nodes.items[i];
        if (node->broker < 0 && node->state == KCI_CONNECTION_READY)
            kci_connection_quiet(node, now);
    }
}

static void back_off(struct kci_cluster *cluster, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    struct kci_backoff backoff = { cluster->settings->retry_backoff_ms, cluster->settings->retry_backoff_max_ms };
    m->not_before = now + kci_backoff_us(backoff, m->attempts, kci_prng_next(&cluster->prng));
    m->attempts++;
}

static void failed(struct kci_cluster *cluster, const char *text, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    int64_t trigger = (int64_t)cluster->settings->metadata_recovery_rebootstrap_trigger_ms * 1000;
    kci_log(&cluster->logger, KCI_LOG_INFO, "meta", "no metadata: %s", text);
    m->full = true;
    m->urgent = false; /* also what was never sent waits: who has no version in common with us will not have one now */
    back_off(cluster, now);
    if (now - m->trouble_at >= trigger)
        start_over(cluster, "no metadata for metadata.recovery.rebootstrap.trigger.ms", now);
    schedule(cluster, now);
}

static void succeeded(struct kci_cluster *cluster, const struct kci_metadata_response *response, int16_t version,
                      int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    bool changed = false;
    m->generation++;
    bool ok = take_brokers(cluster, response);
    ok = take_topics(cluster, response, version, &changed) && ok;
    m->updated_at = now;
    kci_metrics_add(&cluster->metrics.updates, 1);
    m->trouble_at = KCI_NEVER;
    if (m->asked_full && ok)
        m->full_at = now;
    if (!ok) {
        kci_log(&cluster->logger, KCI_LOG_WARN, "meta", "metadata was taken in part only: out of memory");
        m->full = true;
    }
    if (changed)
        m->attempts = 0;
    back_off(cluster, now);
    cluster->route_due = true;
    leave_bootstrap(cluster, now);
    schedule(cluster, now);
    if (cluster->on_metadata)
        cluster->on_metadata(cluster->owner, now);
}

static void done(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_cluster *cluster = call->owner;
    struct kci_metadata *m = &cluster->metadata;
    const struct kci_metadata_response *response = reply->response;
    m->asking = false;
    if (cluster->closing)
        return;
    if (reply->error) {
        failed(cluster, reply->text, now);
    } else if (response->error_code == KCI_REBOOTSTRAP_REQUIRED) {
        failed(cluster, "the broker says: bootstrap again", now);
        start_over(cluster, "the broker says so", now);
    } else if (response->error_code != KCI_NONE) {
        failed(cluster, kci_error_name(response->error_code), now);
    } else if (response->brokers_count <= 0) {
        failed(cluster, "an answer without brokers", now);
    } else {
        succeeded(cluster, response, reply->version, now);
    }
}

/* ---- topics wanted
 * --------------------------------------------------------------------------------------------------------- */

const struct kci_topic_info *kci_cluster_want_topic(struct kci_cluster *cluster, struct kci_str name, int64_t now)
{
    struct kci_metadata *m = &cluster->metadata;
    struct kci_topic *topic = kci_map_get_str(&m->by_name, name);
    if (topic) {
        topic->wants++;
        return &topic->info;
    }
    if (m->by_name.count >= KCI_TOPICS_MAX || name.size > INT16_MAX)
        return NULL;
    topic = kci_alloc_zero(cluster->alloc, 1, sizeof *topic + name.size + 1);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.data, name.size);
    topic->info.name = topic->name;
    topic->wants = 1;
    topic->due = true;
    if (!kci_map_set(&m->by_name, name.data, name.size, topic)) {
        kci_alloc_free(cluster->alloc, topic);
        return NULL;
    }
    m->needed = m->urgent = true;
    schedule(cluster, now);
    return &topic->info;
}

void kci_cluster_forget_topic(struct kci_cluster *cluster, struct kci_str name)
{
    struct kci_metadata *m = &cluster->metadata;
    struct kci_topic *topic = kci_map_get_str(&m->by_name, name);
    if (!topic || --topic->wants > 0)
        return;
    kci_map_remove(&m->by_name, name.data, name.size);
    kci_topics_free(m, cluster->alloc, topic);
}

const struct kci_topic_info *kci_cluster_topic(const struct kci_cluster *cluster, struct kci_str name)
{
    return kci_map_get_str(&cluster->metadata.by_name, name);
}

const struct kci_topic_info *kci_cluster_topic_by_id(const struct kci_cluster *cluster, const struct kci_uuid *id)
{
    return kci_map_get(&cluster->metadata.by_id, id->b, sizeof id->b);
}
