/* How well the producer can do its work now, and why not better.
 *
 *   glance   counts that the sender publishes after each step: any thread, at once, for metrics and a busy sender
 *   look     the same with names, causes and ages: walks over topics and partitions, so the sender does it when asked
 *
 * A connection that was closed because it was idle is no reason, nor is one that is being made: only an attempt that
 * failed is. What is unavailable stops every record; what is degraded stops or delays some of them. */
#include "cluster/text.h"
#include "producer/internal.h"

#define NAMED_MAX          3 /* partitions and topics that a text names; the rest is a number */
#define MEMORY_NEARLY_FULL 9 /* tenths of buffer.memory */

#define STOPS_ALL (KC_HEALTH_NO_BROKER | KC_HEALTH_NO_PRODUCER_ID | KC_HEALTH_DEAD)

static void conclude(kc_health *out)
{
    out->state = out->reasons & STOPS_ALL ? KC_HEALTH_UNAVAILABLE
                 : out->reasons           ? KC_HEALTH_DEGRADED
                                          : KC_HEALTH_USABLE;
}

void kci_health_glance(struct kci_producer *producer, kc_health *out)
{
    const struct kci_health *h = &producer->health;
    *out = (kc_health){ .memory_limit = (uint64_t)producer->settings->buffer_memory };
    out->memory_used = kci_pool_used_bytes(&producer->pool);
    out->brokers_unreachable = atomic_load_explicit(&h->unreachable, memory_order_relaxed);
    out->partitions_leaderless = atomic_load_explicit(&h->leaderless, memory_order_relaxed);
    if (atomic_load(&producer->dead) || atomic_load(&producer->closing))
        out->reasons |= KC_HEALTH_DEAD;
    if (!atomic_load(&producer->connected))
        out->reasons |= KC_HEALTH_NO_BROKER;
    if (atomic_load_explicit(&h->id_refused, memory_order_relaxed))
        out->reasons |= KC_HEALTH_NO_PRODUCER_ID;
    if (out->brokers_unreachable)
        out->reasons |= KC_HEALTH_BROKER_AWAY;
    if (out->partitions_leaderless)
        out->reasons |= KC_HEALTH_NO_LEADER;
    if (atomic_load_explicit(&h->topics_refused, memory_order_relaxed))
        out->reasons |= KC_HEALTH_TOPIC_REFUSED;
    if (out->memory_used / MEMORY_NEARLY_FULL >= out->memory_limit / 10)
        out->reasons |= KC_HEALTH_MEMORY;
    conclude(out);
}

/* Is the topic asked about, and answered for? */
static bool is_known(const struct kci_topic *topic)
{
    return !topic->idle && topic->info && topic->info->known;
}

void kci_health_topics(struct kci_producer *producer)
{
    uint32_t leaderless = 0, refused = 0;
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        const struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        if (!is_known(topic))
            continue;
        leaderless += (uint32_t)topic->leaderless;
        refused += atomic_load(&topic->barred) != 0;
    }
    atomic_store_explicit(&producer->health.leaderless, leaderless, memory_order_relaxed);
    atomic_store_explicit(&producer->health.topics_refused, refused, memory_order_relaxed);
}

/* ---- the text ---- */

/* Begin the next reason. */
static void next(struct kci_text *text)
{
    if (text->used)
        kci_text_add(text, "; ");
}

static void tell_leaderless(struct kci_producer *producer, const kc_health *out, struct kci_text *text, int64_t now)
{
    uint32_t named = 0;
    next(text);
    kci_text_add(text, "%llu of %llu partitions have no leader: ", (unsigned long long)out->partitions_leaderless,
                 (unsigned long long)out->partitions);
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        const struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        int32_t count = is_known(topic) && topic->leaderless ? atomic_load(&topic->count) : 0;
        for (int32_t i = 0; i < count && named <= NAMED_MAX; i++) {
            const struct kci_partition *partition = kci_topic_partition(topic, i);
            if (partition->target)
                continue;
            if (named++ == NAMED_MAX) {
                kci_text_add(text, ", ...");
                return;
            }
            kci_text_add(text, "%s%s [%d] since ", named > 1 ? ", " : "", topic->name, (int)i);
            kci_text_span(text, now - partition->leaderless_at);
        }
    }
}

static void tell_refused(struct kci_producer *producer, struct kci_text *text)
{
    uint32_t named = 0;
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        const struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        int32_t barred = is_known(topic) ? atomic_load(&topic->barred) : 0;
        if (!barred || named++ >= NAMED_MAX)
            continue;
        next(text);
        kci_text_add(text, "topic %s is refused: %s", topic->name, kci_error_name((int16_t)barred));
    }
}

/* ---- how long the oldest record waits ---- */

static int64_t first_created(const struct kci_list *list)
{
    struct kci_list *node = kci_list_first(list);
    return node ? KCI_CONTAINER(node, struct kci_batch, link)->created_at : KCI_NEVER;
}

static int64_t oldest_of(struct kci_partition *partition)
{
    if (partition->expiry.at == KCI_NEVER)
        return KCI_NEVER; /* nothing was there when we looked last: what came since is young */
    int64_t oldest = first_created(&partition->outstanding);
    if (oldest != KCI_NEVER)
        return oldest;
    kci_lock_take(&partition->lock);
    oldest = first_created(&partition->queue);
    if (oldest == KCI_NEVER && partition->open)
        oldest = partition->open->created_at;
    kci_lock_release(&partition->lock);
    return oldest;
}

static void look_at_partitions(struct kci_producer *producer, kc_health *out, int64_t now)
{
    bool pending = kci_producer_pending(producer) != 0;
    int64_t oldest = KCI_NEVER;
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        const struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        int32_t count = atomic_load(&topic->count);
        out->partitions += is_known(topic) ? (uint64_t)count : 0;
        for (int32_t i = 0; pending && i < count; i++) {
            int64_t at = oldest_of(kci_topic_partition(topic, i));
            oldest = at < oldest ? at : oldest;
        }
    }
    out->oldest_record_ms = oldest < now ? (now - oldest) / 1000 : 0;
}

void kci_producer_health(struct kci_producer *producer, kc_health *out, int64_t now)
{
    kci_health_glance(producer, out);
    struct kci_text text = kci_text_of(out->text, sizeof out->text);
    look_at_partitions(producer, out, now);
    if (out->oldest_record_ms > producer->settings->delivery_timeout_ms / 2)
        out->reasons |= KC_HEALTH_LATE;
    conclude(out);
    if (out->reasons & KC_HEALTH_DEAD)
        kci_text_add(&text, "%s", atomic_load(&producer->dead) ? producer->fatal.text : "the producer is being closed");
    if (out->reasons & KC_HEALTH_NO_PRODUCER_ID) {
        next(&text);
        kci_text_add(&text, "%s", producer->identity.cause ? producer->identity.cause->text : "no producer id");
    }
    if (out->reasons & KC_HEALTH_LATE) {
        next(&text);
        kci_text_add(&text, "the oldest record has waited for ");
        kci_text_span(&text, out->oldest_record_ms * 1000);
        kci_text_add(&text, " of delivery.timeout.ms (%d)", (int)producer->settings->delivery_timeout_ms);
    }
    if (out->reasons & KC_HEALTH_MEMORY) {
        next(&text);
        kci_text_add(&text, "%llu of %llu bytes of buffer.memory are in use", (unsigned long long)out->memory_used,
                     (unsigned long long)out->memory_limit);
    }
    if (out->reasons & KC_HEALTH_NO_LEADER)
        tell_leaderless(producer, out, &text, now);
    if (out->reasons & KC_HEALTH_TOPIC_REFUSED)
        tell_refused(producer, &text);
    if (out->reasons & (KC_HEALTH_BROKER_AWAY | KC_HEALTH_NO_BROKER)) { /* last: it may be long */
        next(&text);
        kci_cluster_explain(producer->cluster, text.data + text.used, text.size - text.used, now);
    }
}
