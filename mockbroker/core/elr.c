/* Eligible leader replicas (KIP-966): who left the ISR when it was below min.insync.replicas, and so has all that is
 * committed, because the high watermark does not move there (partition.c).  They lead when nobody is in sync any more.
 *
 *      in the ISR --leaves--> eligible --the ISR has min.insync.replicas members again, or they are altered--> forgotten
 *          ^                     |    `--was killed, and starts again: its disk may lack the tail------------> forgotten
 *          `--elected, caught up-'
 *
 * With them an ISR may be empty: who led last is then remembered (LastKnownElr) and leads again, unclean as that may
 * be, when it runs and nobody is eligible.  Without them (before 4.1, or at level 0 of the feature) the last member
 * stays in the ISR, whatever happens to it.
 *
 * The facts are those of Kafka 4.3.1: ISR and eligible replicas together may be more than min.insync.replicas; altering
 * min.insync.replicas forgets who led last, too, so that a partition without a leader then waits for an unclean
 * election; at level 0 nothing is forgotten before the next change of the partition. */
#include "mockbroker/core/elr.h"

#include "mockbroker/core/cluster.h"

#define MIN_INSYNC "min.insync.replicas"

bool mb_elr_on(const struct mb_cluster *cluster)
{
    return mb_feature_level(cluster, MB_FEATURE_ELR) > 0;
}

int32_t mb_elr_count(const struct mb_partition *partition)
{
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replica_count; i++)
        count += partition->replicas[i].eligible;
    return count;
}

static void forget(struct mb_partition *partition)
{
    for (int32_t i = 0; i < partition->replica_count; i++)
        partition->replicas[i].eligible = false;
}

void mb_elr_leave(struct mb_replica *replica)
{
    replica->eligible = replica->in_isr && mb_elr_on(replica->partition->cluster);
    replica->in_isr = false;
}

void mb_elr_settle(struct mb_partition *partition)
{
    bool on = mb_elr_on(partition->cluster);
    if (!on || mb_partition_isr_count(partition) >= mb_partition_min_insync(partition))
        forget(partition);
    if (!on || partition->leader >= 0)
        partition->last_known_leader = 0;
}

struct mb_replica *mb_elr_choose(const struct mb_partition *partition)
{
    const struct mb_cluster *cluster = partition->cluster;
    bool any = mb_elr_count(partition) > 0;
    if (!mb_elr_on(cluster) || mb_partition_isr_count(partition) > 0)
        return NULL;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        bool may = any ? replica->eligible : replica->broker == partition->last_known_leader;
        if (may && mb_cluster_is_running(cluster, replica->broker))
            return replica;
    }
    return NULL;
}

void mb_elr_distrust(struct mb_broker *broker)
{
    struct mb_cluster *cluster = broker->cluster;
    struct mb_topic *topic;
    bool killed = broker->killed;
    broker->killed = false;
    if (!killed || !mb_elr_on(cluster) || cluster->options.plant == MB_PLANT_TRUST_KILLED) /* planted defect */
        return;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct mb_partition *partition = topic->partitions[i];
            struct mb_replica *replica = mb_partition_replica(partition, broker->id);
            if (replica && replica->in_isr && partition->leader < 0) { /* left there while the feature was off */
                replica->in_isr = false;
                partition->last_known_leader = broker->id;
            }
            if (replica)
                replica->eligible = false;
        }
    mb_controller_changed(cluster);
}

/* After a crash nobody knows how much was committed; but who was in sync had all of it, and who was eligible where
 * nobody was.  Who has less than the best of them may have lost some, torn or not, and is no longer: it does not lead
 * while that one can (as KIP-966). */
void mb_elr_crashed(struct mb_partition *partition)
{
    bool eligible = mb_partition_isr_count(partition) == 0;
    int64_t best = 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if ((eligible ? replica->eligible : replica->in_isr) && replica->log.end_offset > best)
            best = replica->log.end_offset;
    }
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        replica->in_isr = replica->in_isr && replica->log.end_offset == best;
        replica->eligible = replica->eligible && eligible && replica->log.end_offset == best;
    }
}

/* ---- min.insync.replicas
 * --------------------------------------------------------------------------------------------- */

void mb_elr_clear(struct mb_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count && mb_elr_on(topic->cluster); i++) {
        forget(topic->partitions[i]);
        topic->partitions[i]->last_known_leader = 0;
    }
}

bool mb_elr_names(const struct mb_config_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kci_str_equal(changes[i].name, kci_str_of(MIN_INSYNC)))
            return true;
    return false;
}

const char *mb_elr_refuses(const struct mb_cluster *cluster, int32_t broker, char *const *before, char *const *after,
                           bool named)
{
    size_t row = (size_t)mb_properties_find(kci_str_of(MIN_INSYNC));
    if (!mb_elr_on(cluster))
        return NULL;
    if (broker && (named || (before[row] && !after[row])))
        return "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
    if (!broker && before[row] && !after[row])
        return "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.";
    return NULL;
}

void mb_elr_prepare(struct mb_cluster *cluster)
{
    struct mb_properties *properties = &cluster->properties;
    size_t row = (size_t)mb_properties_find(kci_str_of(MIN_INSYNC));
    const char *given = properties->values[row] ? properties->values[row] : mb_properties_row(row)->initial;
    char text[200];
    if (!mb_elr_on(cluster))
        return;
    for (int32_t i = 0; i < cluster->broker_count; i++)
        mb_properties_alter(cluster->alloc, cluster->brokers[i]->dynamic, row, kci_str_of(NULL), text, sizeof text);
    if (properties->dynamic[row]) {
        if (properties->values[row] && strcmp(properties->dynamic[row], given) != 0)
            kci_log(&cluster->logger, KCI_LOG_WARN, "controller",
                    "min.insync.replicas=%s, as given at the start, is not in force: %s is stored for all brokers",
                    given, properties->dynamic[row]);
        return;
    }
    if (!mb_properties_alter(cluster->alloc, properties->dynamic, row, kci_str_of(given), text, sizeof text))
        kci_log(&cluster->logger, KCI_LOG_ERROR, "controller", "min.insync.replicas is not stored: %s", text);
    mb_controller_changed(cluster);
}
