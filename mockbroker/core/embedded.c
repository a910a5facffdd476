/* The "consumer" embedded protocol, both directions: an int16 version, then the message of it
 * (schema/consumer_protocol_*.schema).  A version from the future is read as the newest that we know, since new fields
 * only come at the end; a negative one is no version. */
#include "mockbroker/core/embedded.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/tpset.h"

enum { VERSION_MAX = 3 };

#define ASSIGNMENT_BYTES_MAX (16u << 20) /* as much as one append to the log takes */

/* False: malformed. */
static bool read_message(const struct kci_schema *schema, struct kci_arena *arena, struct kci_bytes bytes, void *out)
{
    struct kci_reader r = kci_reader_of(bytes.data, bytes.size);
    int16_t version = kci_reader_i16(&r);
    if (r.failed || version < 0)
        return false;
    return kci_codec_decode(schema, version > VERSION_MAX ? VERSION_MAX : version, &r, arena, out, NULL);
}

bool mb_embedded_subscription(struct kci_arena *arena, struct kci_bytes bytes,
                              struct kci_consumer_protocol_subscription *out)
{
    return read_message(&kci_consumer_protocol_subscription_schema, arena, bytes, out);
}

bool mb_embedded_assignment(struct kci_arena *arena, struct kci_bytes bytes,
                            struct kci_consumer_protocol_assignment *out)
{
    return read_message(&kci_consumer_protocol_assignment_schema, arena, bytes, out);
}

int16_t mb_embedded_version(struct kci_bytes subscription)
{
    struct kci_reader r = kci_reader_of(subscription.data, subscription.size);
    int16_t version = kci_reader_i16(&r);
    return r.failed || version < 0 ? 0 : version > VERSION_MAX ? VERSION_MAX : version;
}

static void add_topic(const struct mb_cluster *cluster, struct kci_str topic, const int32_t *partitions, int32_t count,
                      struct mb_tpset *out)
{
    struct mb_tp tp = { .topic = mb_cluster_topic_id(cluster, topic) };
    for (int32_t i = 0; i < count && mb_cluster_topic_partitions(cluster, topic) >= 0; i++) {
        tp.partition = partitions[i];
        out->items[out->count++] = tp;
    }
}

bool mb_embedded_owned(const struct mb_cluster *cluster, struct kci_arena *arena,
                       const struct kci_consumer_protocol_subscription *subscription, struct mb_tpset *out)
{
    size_t count = 0;
    for (int32_t t = 0; t < subscription->owned_partitions_count; t++)
        count += (size_t)subscription->owned_partitions[t].partitions_count;
    *out = (struct mb_tpset){ .items = kci_arena_array(arena, count, sizeof *out->items) };
    if (!out->items)
        return false;
    for (int32_t t = 0; t < subscription->owned_partitions_count; t++)
        add_topic(cluster, subscription->owned_partitions[t].topic, subscription->owned_partitions[t].partitions,
                  subscription->owned_partitions[t].partitions_count, out);
    mb_tpset_normalize(out);
    return true;
}

bool mb_embedded_assigned(const struct mb_cluster *cluster, struct kci_arena *arena,
                          const struct kci_consumer_protocol_assignment *assignment, struct mb_tpset *out)
{
    size_t count = 0;
    for (int32_t t = 0; t < assignment->assigned_partitions_count; t++)
        count += (size_t)assignment->assigned_partitions[t].partitions_count;
    *out = (struct mb_tpset){ .items = kci_arena_array(arena, count, sizeof *out->items) };
    if (!out->items)
        return false;
    for (int32_t t = 0; t < assignment->assigned_partitions_count; t++)
        add_topic(cluster, assignment->assigned_partitions[t].topic, assignment->assigned_partitions[t].partitions,
                  assignment->assigned_partitions[t].partitions_count, out);
    mb_tpset_normalize(out);
    return true;
}

bool mb_embedded_write(const struct mb_cluster *cluster, const struct kci_alloc *alloc, const struct mb_tpset *set,
                       int16_t version, struct kci_bytes *out)
{
    struct kci_writer w = kci_writer_of(alloc, ASSIGNMENT_BYTES_MAX);
    int32_t topics = 0;
    for (size_t at = 0; at < set->count; at += mb_tpset_run(set, at))
        topics += mb_cluster_topic_name(cluster, &set->items[at].topic).data != NULL;
    kci_writer_i16(&w, version);
    kci_writer_i32(&w, topics);
    for (size_t at = 0, run; at < set->count; at += run) {
        struct kci_str name = mb_cluster_topic_name(cluster, &set->items[at].topic);
        run = mb_tpset_run(set, at);
        if (!name.data)
            continue;
        kci_writer_i16(&w, (int16_t)name.size);
        kci_writer_bytes(&w, name.data, name.size);
        kci_writer_i32(&w, (int32_t)run);
        for (size_t i = 0; i < run; i++)
            kci_writer_i32(&w, set->items[at + i].partition);
    }
    kci_writer_i32(&w, -1); /* no user data */
    if (w.failed) {
        kci_writer_destroy(&w);
        return false;
    }
    *out = (struct kci_bytes){ w.data, w.size };
    return true;
}
