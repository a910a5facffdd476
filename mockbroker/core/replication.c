/* Followers: each fetches from the leader's log into its own.
 *
 *      leader appends -> kick -> every live follower fetches: at once, or by an alarm after a seeded delay
 *      fetch: [first time in a leader epoch: truncate to where both agree] -> copy entries (bytes are shared) -> leader's start and
 *             high watermark -> may enter the ISR -> leader's high watermark moves
 *
 * Truncation follows the leader epoch cache (KIP-101, KIP-279): ask the leader where the follower's latest epoch ends;
 * when the leader knows only an earlier one, cut to the smaller of both ends and ask again. */
#include "mockbroker/core/cluster.h"

#include <errno.h>

static bool is_live_follower(const struct mb_replica *replica)
{
    const struct mb_partition *partition = replica->partition;
    return partition->leader >= 0 && replica->broker != partition->leader &&
           mb_cluster_is_running(partition->cluster, replica->broker) &&
           !mb_cluster_is_paused(partition->cluster, replica->broker) &&
           !mb_cluster_is_paused(partition->cluster, partition->leader);
}

static void schedule(struct mb_replica *follower, int64_t now)
{
    struct mb_cluster *cluster = follower->partition->cluster;
    if (!follower->fetch.timer.position) {
        uint64_t bound = (uint64_t)cluster->options.replication_delay_us + 1;
        mb_alarm_set(cluster, &follower->fetch, now + (int64_t)kci_prng_below(&cluster->prng, bound));
    }
}

static void set_high_watermark(struct mb_replica *follower, int64_t offset)
{
    bool rises = follower->high_watermark < offset;
    follower->high_watermark = offset;
    if (rises && !kci_list_empty(&follower->partition->fetches))
        mb_fetch_wait_follower(follower->partition, follower->broker);
}

/* A follower's high watermark follows the leader's; without a delay it does so at once. */
static void spread_high_watermark(struct mb_partition *partition, int64_t now)
{
    const struct mb_replica *leader = mb_partition_leader(partition);
    bool at_once = partition->cluster->options.replication_delay_us == 0;
    for (int32_t i = 0; leader && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (!is_live_follower(replica) || replica->high_watermark >= leader->high_watermark || replica->failed)
            continue;
        int64_t end = replica->log.end_offset;
        if (at_once)
            set_high_watermark(replica, end < leader->high_watermark ? end : leader->high_watermark);
        else
            schedule(replica, now);
    }
}

static void lag_fires(void *owner, int64_t now);

static bool is_behind(const struct mb_replica *replica)
{
    const struct mb_replica *leader = mb_partition_leader(replica->partition);
    return leader && replica->in_isr && replica != leader && replica->log.end_offset < leader->log.end_offset;
}

/* Wake up when the first follower has lagged for too long. */
static void watch_lag(struct mb_partition *partition, int64_t now)
{
    struct mb_replica *leader = mb_partition_leader(partition);
    if (!leader || partition->lag.timer.position)
        return;
    int64_t first = INT64_MAX;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (is_behind(replica) && replica->caught_up_at < first)
            first = replica->caught_up_at;
    }
    if (first == INT64_MAX)
        return;
    int64_t due = first + mb_cluster_property(partition->cluster, "replica.lag.time.max.ms") * 1000;
    partition->lag.fire = lag_fires;
    partition->lag.owner = partition;
    mb_alarm_set(partition->cluster, &partition->lag, due > now ? due : now + 1000);
}

void mb_replication_kick(struct mb_partition *partition, int64_t now)
{
    const struct mb_replica *leader = mb_partition_leader(partition);
    bool at_once = partition->cluster->options.replication_delay_us == 0;
    for (int32_t i = 0; leader && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (!is_live_follower(replica))
            continue;
        if (at_once)
            mb_replication_fetch(replica, now);
        else
            schedule(replica, now);
    }
    mb_partition_advance(partition, now);
    spread_high_watermark(partition, now);
    watch_lag(partition, now);
}

static int truncate_to_leader(struct mb_replica *follower, const struct mb_replica *leader)
{
    int error = 0;
    bool cut = false;
    while (!error && follower->log.count) {
        int32_t mine = mb_log_epoch_latest(&follower->log);
        int32_t epoch, ignored;
        int64_t leader_end, own_end;
        mb_log_epoch_end(&leader->log, mine, &epoch, &leader_end);
        if (epoch < 0) { /* the leader knows nothing that old or that new: what was never acknowledged goes */
            leader_end =
                follower->high_watermark < leader->log.end_offset ? follower->high_watermark : leader->log.end_offset;
            epoch = mine;
        }
        mb_log_epoch_end(&follower->log, epoch, &ignored, &own_end);
        int64_t to = epoch < mine && own_end >= 0 && own_end < leader_end ? own_end : leader_end;
        if (to < follower->log.end_offset || epoch < mine) {
            cut |= to < follower->log.end_offset;
            error = mb_log_truncate(&follower->log, to);
        }
        if (epoch == mine)
            break;
        if (mb_log_epoch_latest(&follower->log) == mine) /* nothing was cut: the epochs agree up to here */
            break;
    }
    if (!error && follower->high_watermark > follower->log.end_offset)
        follower->high_watermark = follower->log.end_offset;
    if (!error && cut && !mb_replica_rebuild_producers(follower))
        error = ENOMEM;
    return error;
}

static int copy_entries(struct mb_replica *follower, struct mb_replica *leader)
{
    struct mb_log_roll roll = mb_partition_roll(follower->partition);
    roll.producers = &follower->producers;
    int error = 0;
    for (size_t i = mb_log_find(&leader->log, follower->log.end_offset); !error && i < leader->log.count; i++) {
        const uint8_t *batch = mb_log_bytes(&leader->log, i);
        struct mb_log_entry *entry = mb_log_entry(&leader->log, i);
        struct kci_reader r = kci_reader_of(batch, batch ? entry->size : 0);
        struct kci_batch_header header;
        size_t total;
        if (!batch || kci_batch_peek(&r, &header, &total) != KCI_BATCH_OK)
            return EIO;
        error = mb_log_append(&follower->log, entry, header.leader_epoch, &roll);
        if (!error && !mb_producers_note(&follower->producers, &header, batch, follower->high_watermark))
            error =
                mb_log_truncate(&follower->log, entry->base_offset) ? EIO : ENOMEM; /* all of it later, or nothing */
    }
    return error;
}

static int fetch_from(struct mb_replica *follower, struct mb_replica *leader)
{
    struct mb_partition *partition = follower->partition;
    int error = 0;
    if (follower->synced_epoch != partition->leader_epoch) {
        if (partition->cluster->options.plant != MB_PLANT_NO_CUT)
            error = truncate_to_leader(follower, leader);
        if (!error)
            follower->synced_epoch = partition->leader_epoch;
    }
    if (!error &&
        (follower->log.end_offset < leader->log.start_offset || follower->log.start_offset > leader->log.end_offset)) {
        error = mb_log_reset(&follower->log, leader->log.start_offset);
        mb_producers_destroy(&follower->producers);
    }
    if (!error)
        error = copy_entries(follower, leader);
    return error;
}

void mb_replication_fetch(struct mb_replica *follower, int64_t now)
{
    struct mb_partition *partition = follower->partition;
    struct mb_replica *leader = mb_partition_leader(partition);
    if (!leader || !is_live_follower(follower))
        return;
    int error = fetch_from(follower, leader);
    if (error && !follower->failed)
        kci_log(&partition->cluster->logger, KCI_LOG_ERROR, "replica", "broker %d cannot follow %s-%d: %s",
                follower->broker, partition->topic->name, partition->index, strerror(error));
    follower->failed = error != 0;
    if (error) { /* its disk may have room again: nobody else would ask, when the leader takes nothing meanwhile */
        int64_t backoff_ms = mb_cluster_property(partition->cluster, "replica.fetch.backoff.ms");
        mb_alarm_set(partition->cluster, &follower->fetch, now + (backoff_ms ? backoff_ms : 1) * 1000);
        return;
    }
    mb_replica_raise_start(follower, leader->log.start_offset);
    int64_t end = follower->log.end_offset;
    if (leader->high_watermark <= end && follower->high_watermark < leader->high_watermark)
        set_high_watermark(follower, leader->high_watermark);
    else if (leader->high_watermark > end)
        set_high_watermark(follower, end);
    if (end == leader->log.end_offset) {
        follower->caught_up_at = now;
        /* Kafka compares records, we also carry epochs that have none yet: the next truncation must find them. */
        mb_log_epoch_begin(&follower->log, partition->leader_epoch, partition->epoch_start);
    }
    if (!follower->in_isr && !follower->held_out && end >= leader->high_watermark && end >= partition->epoch_start)
        mb_controller_expand(follower, now);
    mb_partition_advance(partition, now);
    if (partition->cluster->options.replication_delay_us > 0) {
        spread_high_watermark(partition, now);
        watch_lag(partition, now);
    }
}

/* ---- lag
 * ------------------------------------------------------------------------------------------------------------- */

static bool is_behind_too_long(const struct mb_replica *replica, int64_t now)
{
    int64_t limit_us = mb_cluster_property(replica->partition->cluster, "replica.lag.time.max.ms") * 1000;
    return is_behind(replica) && now - replica->caught_up_at >= limit_us;
}

static void lag_fires(void *owner, int64_t now)
{
    struct mb_partition *partition = owner;
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (is_behind(&partition->replicas[i]) && partition->replicas[i].failed)
            mb_replication_fetch(&partition->replicas[i], now); /* once more: its disk may have room again */
    mb_controller_shrink_all(partition, is_behind_too_long, now);
    watch_lag(partition, now);
}
