/* Racks: where brokers stand, and which replica a client in a rack should read from (KIP-392).
 *
 * All brokers live in one process, so the rack of each comes from one list, mock.racks=a,b,c: broker 1 stands in a,
 * broker 4 in a again.  Without the list, broker.rack is that of all.  A leader sends a client away only when
 * replica.selector.class names Kafka's RackAwareReplicaSelector. */
#include "mockbroker/core/rack.h"

#define SELECTOR "org.apache.kafka.common.replica.RackAwareReplicaSelector"

static const char *text_of(const struct mb_cluster *cluster, const char *name)
{
    return mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of(name)));
}

struct kci_str mb_broker_rack(const struct mb_cluster *cluster, int32_t id)
{
    const char *racks = text_of(cluster, "mock.racks"), *at = racks;
    size_t count = 1;
    if (!*racks) {
        const char *rack = text_of(cluster, "broker.rack");
        return *rack ? kci_str_of(rack) : (struct kci_str){ NULL, 0 };
    }
    for (const char *c = racks; *c; c++)
        count += *c == ',';
    for (size_t skip = (size_t)(id - 1) % count; skip; skip--)
        at = strchr(at, ',') + 1;
    return (struct kci_str){ at, strcspn(at, ",") };
}

/* Does it have what the client wants next, and will it stay close to the leader? */
static bool is_eligible(const struct mb_replica *replica, int64_t offset)
{
    const struct mb_cluster *cluster = replica->partition->cluster;
    return replica->in_isr && mb_cluster_is_running(cluster, replica->broker) && replica->log.end_offset >= offset &&
           replica->log.start_offset <= offset;
}

int32_t mb_rack_preferred(const struct mb_partition *partition, struct kci_str rack, int64_t offset)
{
    const struct mb_cluster *cluster = partition->cluster;
    const struct mb_replica *best = NULL;
    if (rack.size == 0 || strcmp(text_of(cluster, "replica.selector.class"), SELECTOR) != 0 ||
        kci_str_equal(mb_broker_rack(cluster, partition->leader), rack))
        return -1;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if (replica->broker != partition->leader && is_eligible(replica, offset) &&
            kci_str_equal(mb_broker_rack(cluster, replica->broker), rack) &&
            (!best || replica->log.end_offset > best->log.end_offset))
            best = replica;
    }
    return best ? best->broker : -1;
}
