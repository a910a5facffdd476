/* Reassignment (KIP-455): a partition moves to other brokers while clients work.
 *
 *      replicas [1,2]  --target [2,3]-->  [2,3,1]   3 is being added, 1 is to go
 *                                            |  3 has caught up and is in the ISR
 *                                            v
 *                                         [2,3]     1 is removed with its files; if it led, another is elected
 *
 * Invariants: while there is a target, the replicas begin with it, in its order; who is `adding` is in the target; a
 * replica is removed only when a live member of the target is in sync.  Replicas live in one array: when it changes,
 * nobody may be walking it, so a reassignment completes from an alarm and never from within a fetch. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/elr.h"

#include <stdio.h>

static bool is_among(const int32_t *brokers, int32_t count, int32_t broker)
{
    for (int32_t i = 0; i < count; i++)
        if (brokers[i] == broker)
            return true;
    return false;
}

/* ---- the array
 * ------------------------------------------------------------------------------------------------------- */

static void remove_files(const struct mb_replica *replica)
{
    const struct mb_partition *partition = replica->partition;
    const struct kci_storage *storage = partition->cluster->options.storage;
    char directory[320];
    snprintf(directory, sizeof directory, "broker-%d/%s-%d", replica->broker, partition->topic->name, partition->index);
    if (storage)
        storage->remove(storage->context, directory);
}

static void drop(struct mb_replica *replica, bool with_files)
{
    mb_member_look(replica->partition->cluster, replica->broker);
    mb_replica_destroy(replica);
    if (with_files)
        remove_files(replica);
}

/* Replicas on these brokers, in this order: those that are there move, the others begin empty, the rest goes. false:
 * out of memory, nothing has changed. */
static bool arrange(struct mb_partition *partition, const int32_t *brokers, int32_t count, bool with_files)
{
    struct mb_cluster *cluster = partition->cluster;
    struct mb_replica *replicas = kci_alloc_zero(cluster->alloc, (size_t)count, sizeof *replicas);
    bool ok = replicas != NULL;
    int32_t made = 0;
    for (; ok && made < count; made += ok)
        if (!mb_partition_replica(partition, brokers[made])) {
            ok = mb_replica_init(&replicas[made], partition, brokers[made]);
            replicas[made].in_isr = false;
        }
    if (!ok) {
        while (replicas && made-- > 0)
            if (replicas[made].partition)
                mb_replica_destroy(&replicas[made]);
        kci_alloc_free(cluster->alloc, replicas);
        return false;
    }
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *old = &partition->replicas[i];
        int32_t at = 0;
        mb_alarm_stop(cluster, &old->fetch);
        while (at < count && brokers[at] != old->broker)
            at++;
        if (at == count) {
            drop(old, with_files);
        } else {
            replicas[at] = *old;
            replicas[at].fetch.owner = &replicas[at];
        }
    }
    kci_alloc_free(cluster->alloc, partition->replicas);
    partition->replicas = replicas;
    partition->replica_count = count;
    if (partition->index == 0)
        partition->topic->replication_factor = (int16_t)count;
    return true;
}

/* ---- completion
 * ------------------------------------------------------------------------------------------------------ */

static bool is_complete(const struct mb_partition *partition)
{
    bool any_lives = false;
    for (int32_t i = 0; i < partition->target_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if (replica->adding && !replica->in_isr)
            return false;
        any_lives |= replica->in_isr && mb_cluster_is_running(partition->cluster, replica->broker);
    }
    return any_lives;
}

/* After the array has changed. */
static void go_on(struct mb_partition *partition, int64_t now)
{
    if (partition->leader >= 0 && !mb_partition_leader(partition))
        mb_controller_elect(partition, now);
    mb_elr_settle(partition); /* there may be fewer replicas than min.insync.replicas now */
    mb_controller_changed(partition->cluster);
    mb_replication_kick(partition, now);
}

static void settle_fires(void *owner, int64_t now)
{
    struct mb_partition *partition = owner;
    struct mb_cluster *cluster = partition->cluster;
    if (!partition->target || !is_complete(partition))
        return;
    if (!arrange(partition, partition->target, partition->target_count, true)) {
        mb_alarm_set(cluster, &partition->settle, now + 1000000);
        return;
    }
    mb_reassign_stop(partition);
    for (int32_t i = 0; i < partition->replica_count; i++)
        partition->replicas[i].adding = false;
    kci_log(&cluster->logger, KCI_LOG_INFO, "controller", "%s-%d: the reassignment is complete", partition->topic->name,
            partition->index);
    go_on(partition, now);
}

void mb_reassign_look(struct mb_partition *partition, int64_t now)
{
    if (!partition->target)
        return;
    partition->settle.fire = settle_fires;
    partition->settle.owner = partition;
    mb_alarm_set(partition->cluster, &partition->settle, now);
}

void mb_reassign_stop(struct mb_partition *partition)
{
    mb_alarm_stop(partition->cluster, &partition->settle);
    kci_alloc_free(partition->cluster->alloc, partition->target);
    partition->target = NULL;
    partition->target_count = 0;
}

/* ---- begin and cancel
 * ------------------------------------------------------------------------------------------------ */

int16_t mb_reassign_check(const struct mb_partition *partition, const int32_t *brokers, int32_t count, char *text,
                          size_t text_size)
{
    if (count < 1 || count > MB_BROKERS_MAX) {
        snprintf(text, text_size, "The manual partition assignment includes an empty replica list.");
        return KCI_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < count; i++) {
        if (!mb_cluster_broker(partition->cluster, brokers[i])) {
            snprintf(text, text_size,
                     "The manual partition assignment includes broker %d, but no such broker is registered.",
                     brokers[i]);
            return KCI_INVALID_REPLICA_ASSIGNMENT;
        }
        if (is_among(brokers, i, brokers[i])) {
            snprintf(text, text_size, "The manual partition assignment includes the broker %d more than once.",
                     brokers[i]);
            return KCI_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return KCI_NONE;
}

int16_t mb_reassign_begin(struct mb_partition *partition, const int32_t *brokers, int32_t count, char *text,
                          size_t text_size, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    int32_t all[2 * MB_BROKERS_MAX], all_count = 0;
    int16_t error = mb_reassign_check(partition, brokers, count, text, text_size);
    if (error)
        return error;
    int32_t *target = kci_alloc_new(cluster->alloc, (size_t)count * sizeof *target);
    for (; target && all_count < count; all_count++)
        target[all_count] = all[all_count] = brokers[all_count];
    for (int32_t i = 0; i < partition->replica_count; i++) /* who was being added for an earlier target just goes */
        if (!partition->replicas[i].adding && !is_among(brokers, count, partition->replicas[i].broker))
            all[all_count++] = partition->replicas[i].broker;
    struct mb_replica *old = partition->replicas;
    bool was_member[MB_BROKERS_MAX + 1] = { false };
    for (int32_t i = 0; i < partition->replica_count; i++)
        was_member[old[i].broker] = !old[i].adding;
    if (!target || !arrange(partition, all, all_count, true)) {
        kci_alloc_free(cluster->alloc, target);
        snprintf(text, text_size, "out of memory");
        return KCI_UNKNOWN_SERVER_ERROR;
    }
    mb_reassign_stop(partition);
    partition->target = target;
    partition->target_count = count;
    for (int32_t i = 0; i < partition->replica_count; i++)
        partition->replicas[i].adding = !was_member[partition->replicas[i].broker];
    go_on(partition, now);
    mb_reassign_look(partition, now);
    return KCI_NONE;
}

int16_t mb_reassign_cancel(struct mb_partition *partition, char *text, size_t text_size, int64_t now)
{
    int32_t old[2 * MB_BROKERS_MAX], count = 0;
    bool in_sync = false;
    if (!partition->target) {
        snprintf(text, text_size, "%s", kci_error_text(KCI_NO_REASSIGNMENT_IN_PROGRESS));
        return KCI_NO_REASSIGNMENT_IN_PROGRESS;
    }
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (!partition->replicas[i].adding) {
            old[count++] = partition->replicas[i].broker;
            in_sync |= partition->replicas[i].in_isr;
        }
    if (!in_sync) {
        snprintf(text, text_size, "Only replicas that are being added are in sync: going back would lose records.");
        return KCI_ELIGIBLE_LEADERS_NOT_AVAILABLE;
    }
    if (!arrange(partition, old, count, true)) {
        snprintf(text, text_size, "out of memory");
        return KCI_UNKNOWN_SERVER_ERROR;
    }
    mb_reassign_stop(partition);
    go_on(partition, now);
    return KCI_NONE;
}

bool mb_reassign_load(struct mb_partition *partition, const int32_t *brokers, int32_t count, const int32_t *target,
                      int32_t target_count)
{
    struct mb_cluster *cluster = partition->cluster;
    char text[200];
    if (mb_reassign_check(partition, brokers, count, text, sizeof text) != KCI_NONE ||
        !arrange(partition, brokers, count, false))
        return false;
    if (!target_count)
        return true;
    if (target_count > count || memcmp(brokers, target, (size_t)target_count * sizeof *target) != 0)
        return false;
    partition->target = kci_alloc_new(cluster->alloc, (size_t)target_count * sizeof *target);
    if (!partition->target)
        return false;
    memcpy(partition->target, target, (size_t)target_count * sizeof *target);
    partition->target_count = target_count;
    return true;
}
