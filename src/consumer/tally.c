/* The consumer's own numbers, and its part of a snapshot.  All of them are under the consumer's lock, which every poll
 * and every fetch takes anyway. */
#include "consumer/tally.h"

#include "consumer/internal.h"

void kci_tally_poll_begins(struct kci_consumer *c, int64_t now)
{
    if (c->tally.poll_ended_at)
        kci_histogram_add_alone(&c->tally.poll_gap,
                                now > c->tally.poll_ended_at ? (uint64_t)(now - c->tally.poll_ended_at) : 0);
    c->tally.poll_began_at = now;
}

void kci_tally_poll_ends(struct kci_consumer *c, int64_t now)
{
    c->tally.poll_ended_at = now;
}

void kci_tally_records(struct kci_consumer *c, struct kci_consumer_topic *topic, size_t records)
{
    int64_t now = c->tally.poll_began_at;
    kci_meter_add(&c->tally.records, records, now);
    kci_meter_add(&topic->records, records, now);
}

void kci_tally_bytes(struct kci_consumer *c, struct kci_consumer_topic *topic, int64_t bytes)
{
    kci_meter_add(&topic->bytes, (uint64_t)bytes, c->tally.poll_began_at);
}

void kci_tally_fetched(struct kci_consumer *c, size_t bytes, int64_t latency_us, int64_t now)
{
    struct kci_tally *t = &c->tally;
    t->fetches_answered++;
    kci_meter_add(&t->bytes, bytes, now);
    t->fetch_bytes_max = bytes > t->fetch_bytes_max ? bytes : t->fetch_bytes_max;
    kci_histogram_add_alone(&t->fetch_latency, latency_us > 0 ? (uint64_t)latency_us : 0);
}

void kci_tally_committed(struct kci_consumer *c, int64_t took_us)
{
    kci_histogram_add_alone(&c->tally.commit_latency, took_us > 0 ? (uint64_t)took_us : 0);
}

static bool is_heartbeat(int16_t api)
{
    return api == KCI_API_HEARTBEAT || api == KCI_API_CONSUMER_GROUP_HEARTBEAT;
}

void kci_tally_sent(struct kci_consumer *c, int16_t api)
{
    c->tally.heartbeats += is_heartbeat(api);
}

void kci_tally_unanswered(struct kci_consumer *c, int16_t api)
{
    c->tally.heartbeat_failures += is_heartbeat(api);
}

/* ---- a snapshot ---- */

static void read_topic(kc_metrics *out, const struct kci_metrics_room *room, const struct kci_consumer_topic *topic,
                       int64_t now)
{
    kc_topic_metrics *m = kci_metrics_topic(out, room, topic->name.data);
    if (!m)
        return;
    m->records = kci_meter_total(&topic->records);
    m->bytes = kci_meter_total(&topic->bytes);
    m->record_rate = kci_meter_rate(&topic->records, now);
    m->byte_rate = kci_meter_rate(&topic->bytes, now);
}

/* The snapshot's copy of a topic's name. */
static const char *name_in(const kc_metrics *out, const char *name)
{
    for (size_t i = 0; i < out->topic_count; i++)
        if (strcmp(out->topics[i].topic, name) == 0)
            return out->topics[i].topic;
    return NULL;
}

static void read_partition(kc_metrics *out, const struct kci_metrics_room *room, const struct kci_assigned *a,
                           int32_t isolation)
{
    const char *name = out->partition_count ? room->partitions[out->partition_count - 1].topic : NULL;
    int64_t end = isolation == KCI_READ_COMMITTED ? a->last_stable_offset : a->high_watermark;
    int64_t lag = end < 0 || a->position < 0 ? -1 : end > a->position ? end - a->position : 0;
    out->lag_max = lag > out->lag_max ? lag : out->lag_max;
    if (!name || strcmp(name, a->topic->name.data) != 0) /* partitions of a topic mostly follow each other */
        name = name_in(out, a->topic->name.data);
    if (name && out->partition_count < room->partition_capacity)
        room->partitions[out->partition_count++] = (kc_partition_metrics){
            .topic = name, .partition = a->partition, .position = a->position, .end_offset = end, .lag = lag
        };
}

static void read_own(struct kci_consumer *c, kc_metrics *out, int64_t now)
{
    const struct kci_tally *t = &c->tally;
    uint64_t bytes = kci_meter_total(&t->bytes);
    out->records_consumed = kci_meter_total(&t->records);
    out->bytes_consumed = bytes;
    out->records_consumed_rate = kci_meter_rate(&t->records, now);
    out->bytes_consumed_rate = kci_meter_rate(&t->bytes, now);
    out->fetches = c->stats.fetches;
    out->fetch_bytes_max = t->fetch_bytes_max;
    out->fetch_size_avg = t->fetches_answered ? (double)bytes / (double)t->fetches_answered : 0;
    kci_metrics_times(&t->fetch_latency, &out->fetch_latency);
    out->polls = c->stats.polls;
    kci_metrics_times(&t->poll_gap, &out->poll_gap);
    out->since_poll_us = c->in_poll ? 0 : t->poll_ended_at ? now - t->poll_ended_at : -1;
    kci_metrics_times(&t->commit_latency, &out->commit_latency);
    out->commits = c->stats.commits;
    out->commit_failures = c->stats.commit_failures;
    out->rebalances = c->stats.rebalances;
    out->heartbeats = t->heartbeats;
    out->heartbeat_failures = t->heartbeat_failures;
    out->memory_used = (uint64_t)kci_shared_held(c->shared);
    out->memory_limit = (uint64_t)c->shared->limit;
}

void kci_consumer_metrics_need(struct kci_consumer *c, struct kci_metrics_room *room)
{
    kci_consumer_lock(c);
    kci_cluster_metrics_need(c->cluster, room);
    room->partition_capacity = c->subscription.assigned_count;
    KCI_LIST_EACH(link, &c->subscription.topics)
    {
        room->topic_capacity += KCI_CONTAINER(link, struct kci_consumer_topic, link)->assigned > 0;
    }
    kci_consumer_unlock(c);
}

void kci_consumer_metrics(struct kci_consumer *c, kc_metrics *out, const struct kci_metrics_room *room, int64_t now)
{
    kci_cluster_metrics(c->cluster, out, room, now); /* needs no lock, and may be much to read */
    kci_consumer_lock(c);
    read_own(c, out, now);
    out->topics = room->topics;
    out->partitions = room->partitions;
    out->lag_max = -1;
    KCI_LIST_EACH(link, &c->subscription.topics)
    {
        const struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
        if (topic->assigned)
            read_topic(out, room, topic, now);
    }
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        read_partition(out, room, KCI_CONTAINER(link, struct kci_assigned, link), c->settings->isolation_level);
    }
    out->assigned_partitions = c->subscription.assigned_count;
    kci_consumer_unlock(c);
}
