/* A partition as its leader sees it: append, high watermark, who waits for it, the beginning of the log.
 *
 *      append -> leader's log -> followers fetch (replication.c) -> high watermark = smallest end in the ISR
 *                                                                       |-> acks=all answers (struct mb_ack)
 *                                                                       `-> waiting fetches (fetch_wait.c)
 *
 * Invariants (checked by tests, QUALITY B3): the high watermark never decreases while a leader leads and never exceeds
 * the end of a replica in the ISR; it does not move while the ISR is smaller than min.insync.replicas (KIP-966). */
#include "mockbroker/core/compact.h"
#include "mockbroker/core/persona.h"
#include "mockbroker/core/validate.h"

#include <stdio.h>

#define EPOCH_RISES_SINCE 12 /* Produce: transaction.version 2 */

struct mb_replica *mb_partition_replica(const struct mb_partition *partition, int32_t broker)
{
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (partition->replicas[i].broker == broker)
            return &partition->replicas[i];
    return NULL;
}

struct mb_replica *mb_partition_leader(const struct mb_partition *partition)
{
    return partition->leader < 0 ? NULL : mb_partition_replica(partition, partition->leader);
}

int32_t mb_partition_isr_count(const struct mb_partition *partition)
{
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replica_count; i++)
        count += partition->replicas[i].in_isr;
    return count;
}

int16_t mb_partition_check(const struct mb_partition *partition, int32_t broker, int32_t current_leader_epoch)
{
    if (!mb_partition_replica(partition, broker))
        return KCI_NOT_LEADER_OR_FOLLOWER;
    if (current_leader_epoch != -1 && current_leader_epoch < partition->leader_epoch)
        return KCI_FENCED_LEADER_EPOCH;
    if (current_leader_epoch > partition->leader_epoch)
        return KCI_UNKNOWN_LEADER_EPOCH;
    return partition->leader == broker ? KCI_NONE : KCI_NOT_LEADER_OR_FOLLOWER;
}

int64_t mb_partition_last_stable(const struct mb_partition *partition)
{
    const struct mb_replica *leader = mb_partition_leader(partition);
    return leader ? mb_replica_last_stable(leader) : -1;
}

int64_t mb_replica_last_stable(const struct mb_replica *replica)
{
    if (replica->partition->cluster->options.plant == MB_PLANT_OPEN_VISIBLE) /* planted defect */
        return replica->high_watermark;
    int64_t stable = mb_txn_index_last_stable(&replica->producers.transactions, replica->high_watermark);
    return stable > replica->log.start_offset ? stable : replica->log.start_offset;
}

struct mb_log_roll mb_partition_roll(const struct mb_partition *partition)
{
    const struct mb_topic_config *config = &partition->topic->config;
    bool planted = partition->cluster->options.plant == MB_PLANT_NO_SYNC; /* defect */
    return (struct mb_log_roll){ .segment_bytes = config->segment_bytes,
                                 .segment_ms = config->segment_ms,
                                 .index_interval_bytes = config->index_interval_bytes,
                                 .index_bytes = config->index_bytes,
                                 .flush_records = planted ? 0 : config->flush_records };
}

int32_t mb_partition_min_insync(const struct mb_partition *partition)
{
    int32_t wanted = partition->topic->config.min_insync;
    return wanted < partition->replica_count ? wanted : partition->replica_count;
}

/* ---- replicas
 * -------------------------------------------------------------------------------------------------------- */

static void fetch_fires(void *owner, int64_t now)
{
    mb_replication_fetch(owner, now);
}

static struct mb_log_store *store_of(struct mb_partition *partition, int32_t broker)
{
    struct mb_cluster *cluster = partition->cluster;
    char directory[300];
    if (!cluster->options.storage)
        return NULL;
    snprintf(directory, sizeof directory, "broker-%d/%s-%d", broker, partition->topic->name, partition->index);
    return mb_log_store_new(cluster->alloc, cluster->options.storage, directory);
}

bool mb_replica_init(struct mb_replica *replica, struct mb_partition *partition, int32_t broker)
{
    struct mb_cluster *cluster = partition->cluster;
    struct mb_log_store *store = store_of(partition, broker);
    if (cluster->options.storage && !store)
        return false;
    replica->partition = partition;
    replica->broker = broker;
    replica->in_isr = true;
    replica->synced_epoch = -1;
    replica->fetch.fire = fetch_fires;
    replica->fetch.owner = replica;
    mb_log_init(&replica->log, cluster->alloc, store);
    mb_producers_init(&replica->producers, cluster->alloc);
    return true;
}

void mb_replica_destroy(struct mb_replica *replica)
{
    mb_alarm_stop(replica->partition->cluster, &replica->fetch);
    mb_log_destroy(&replica->log);
    mb_producers_destroy(&replica->producers);
}

bool mb_replica_rebuild_producers(struct mb_replica *replica)
{
    mb_producers_destroy(&replica->producers);
    for (size_t i = 0; i < replica->log.count; i++) {
        const uint8_t *batch = mb_log_bytes(&replica->log, i);
        struct kci_reader r = kci_reader_of(batch, batch ? mb_log_entry(&replica->log, i)->size : 0);
        struct kci_batch_header header;
        size_t total;
        if (!batch || kci_batch_peek(&r, &header, &total) != KCI_BATCH_OK)
            return false;
        if (!mb_producers_note(&replica->producers, &header, batch, replica->high_watermark))
            return false;
    }
    return true;
}

/* ---- append
 * ---------------------------------------------------------------------------------------------------------- */

static int16_t storage_error(struct mb_partition *partition, int error)
{
    kci_log(&partition->cluster->logger, KCI_LOG_ERROR, "log",
            "broker %d cannot write %s-%d: %s; nothing of this request was stored there", partition->leader,
            partition->topic->name, partition->index, strerror(error));
    return KCI_KAFKA_STORAGE_ERROR;
}

static int16_t write_batch(struct mb_replica *leader, struct kci_frame *frame, struct kci_bytes bytes,
                           struct kci_batch_header *header)
{
    struct mb_partition *partition = leader->partition;
    struct mb_log_entry entry = { .base_offset = leader->log.end_offset,
                                  .max_timestamp_ms = header->max_timestamp_ms,
                                  .last_delta = header->last_offset_delta };
    if (!mb_log_place(&leader->log, frame, bytes.data, (uint32_t)bytes.size, &entry))
        return KCI_UNKNOWN_SERVER_ERROR;
    header->base_offset = entry.base_offset;
    kci_batch_set_offset(entry.frame->data + entry.at, entry.base_offset, partition->leader_epoch);
    struct mb_log_roll roll = mb_partition_roll(partition);
    roll.producers = &leader->producers;
    int64_t end = leader->log.end_offset;
    int error = mb_log_append(&leader->log, &entry, partition->leader_epoch, &roll);
    bool noted =
        error || mb_producers_note(&leader->producers, header, entry.frame->data + entry.at, leader->high_watermark);
    mb_log_entry_drop(&entry);
    if (error)
        return storage_error(partition, error);
    if (!noted) {
        mb_log_truncate(&leader->log, end);
        return KCI_UNKNOWN_SERVER_ERROR;
    }
    return KCI_NONE;
}

/* Kafka tells where the log begins with every error but these, which it finds before it has the log. */
static int64_t start_told(const struct mb_replica *leader, const struct mb_append *append)
{
    switch (append->error) {
    case KCI_MESSAGE_TOO_LARGE:
    case KCI_RECORD_LIST_TOO_LARGE:
    case KCI_CORRUPT_MESSAGE:
    case KCI_KAFKA_STORAGE_ERROR:
        return -1;
    default:
        return append->is_batch ? leader->log.start_offset : -1;
    }
}

static int16_t check_producer(struct mb_replica *leader, const struct kci_batch_header *header,
                              struct mb_append *append, bool *duplicate)
{
    int64_t timestamp_ms = -1;
    *duplicate = false;
    if (header->producer_id < 0 || (header->attributes & KCI_BATCH_CONTROL) ||
        leader->partition->cluster->options.plant == MB_PLANT_NO_DEDUP ||
        (leader->partition->cluster->options.plant == MB_PLANT_ZOMBIES &&
         mb_producers_fenced(&leader->producers, header->producer_id, header->producer_epoch)))
        return KCI_NONE;
    switch (mb_producers_check(&leader->producers, header, &append->base_offset, &timestamp_ms)) {
    case MB_PRODUCER_DUPLICATE:
        *duplicate = true;
        append->last_offset = append->base_offset + header->last_offset_delta;
        append->append_time_ms = timestamp_ms; /* whatever the topic's kind of timestamps: so says Kafka */
        return KCI_NONE;
    case MB_PRODUCER_OUT_OF_ORDER:
        append->message = "the sequence of the batch is not the next one of its producer";
        return KCI_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case MB_PRODUCER_FENCED:
        append->message = "the epoch of the producer is older than the one known here";
        return KCI_INVALID_PRODUCER_EPOCH;
    case MB_PRODUCER_UNKNOWN:
        if (append->version < EPOCH_RISES_SINCE || append->version == INT16_MAX || header->base_sequence <= 0 ||
            !(header->attributes & KCI_BATCH_TRANSACTIONAL))
            return KCI_NONE;
        append->message = "each transaction of a producer begins with sequence 0";
        return KCI_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case MB_PRODUCER_IN_TRANSACTION:
        append->message = "the producer has a transaction open, and the batch is not part of it";
        return KCI_INVALID_TXN_STATE;
    default:
        return KCI_NONE;
    }
}

/* flush.ms is over: what was appended since then goes to the disk, on every replica that has any. */
static void flush_fires(void *owner, int64_t now)
{
    struct mb_partition *partition = owner;
    (void)now;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        int error = mb_log_flush(&partition->replicas[i].log);
        if (error)
            kci_log(&partition->cluster->logger, KCI_LOG_ERROR, "log", "broker %d cannot flush %s-%d: %s",
                    partition->replicas[i].broker, partition->topic->name, partition->index, strerror(error));
    }
}

static void flush_later(struct mb_partition *partition, int64_t now)
{
    int64_t after_ms = partition->topic->config.flush_ms;
    if (after_ms < 0 || partition->flush.timer.position)
        return;
    partition->flush.fire = flush_fires;
    partition->flush.owner = partition;
    mb_alarm_set(partition->cluster, &partition->flush,
                 after_ms < (INT64_MAX - now) / 1000 ? now + after_ms * 1000 : KCI_NEVER);
}

static void retain(struct mb_partition *partition, bool with_last, int64_t now);

void mb_partition_append(struct mb_partition *partition, int32_t broker, struct mb_append *append, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    struct kci_batch_header header;
    struct kci_frame *rewritten = NULL;
    bool duplicate = false;
    append->base_offset = append->last_offset = append->append_time_ms = append->log_start_offset = -1;
    append->partition = partition->index;
    append->error = mb_partition_check(partition, broker, -1);
    if (append->error)
        return;
    struct mb_replica *leader = mb_partition_leader(partition);
    if (append->acks == -1 && mb_partition_isr_count(partition) < mb_partition_min_insync(partition)) {
        append->error = KCI_NOT_ENOUGH_REPLICAS;
        append->log_start_offset = leader->log.start_offset;
        return;
    }
    int64_t wall_ms = mb_cluster_wall_ms(cluster, now);
    append->error = mb_validate_batch(cluster, partition->topic, append, wall_ms, &header, &rewritten);
    if (!append->error)
        append->error = check_producer(leader, &header, append, &duplicate);
    if (!append->error && !duplicate) {
        struct kci_frame *frame = rewritten ? rewritten : append->frame;
        struct kci_bytes bytes = rewritten ? (struct kci_bytes){ rewritten->data, rewritten->size } : append->records;
        append->error = write_batch(leader, frame, bytes, &header);
        if (!append->error) {
            append->base_offset = header.base_offset;
            append->last_offset = header.base_offset + header.last_offset_delta;
            append->append_time_ms = partition->topic->config.log_append_time ? wall_ms : -1;
            mb_replication_kick(partition, now);
            flush_later(partition, now);
            if (partition->topic->config.retention_bytes >= 0 &&
                leader->log.bytes > (uint64_t)partition->topic->config.retention_bytes)
                retain(partition, false, now);
        }
    }
    append->log_start_offset = start_told(leader, append);
    kci_frame_release(rewritten);
}

/* ---- the high watermark
 * ---------------------------------------------------------------------------------------------- */

static void wake_acks(struct mb_partition *partition, int64_t high_watermark, int64_t now)
{
    struct kci_list *first;
    while ((first = kci_list_first(&partition->acks)) != NULL) {
        struct mb_ack *ack = KCI_CONTAINER(first, struct mb_ack, link);
        if (ack->required > high_watermark)
            break;
        kci_list_remove(first);
        bool enough = mb_partition_isr_count(partition) >= mb_partition_min_insync(partition);
        ack->done(ack, enough ? KCI_NONE : KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND, now);
    }
}

static uint64_t bytes_between(const struct mb_log *log, int64_t from, int64_t to)
{
    uint64_t bytes = 0;
    for (size_t i = mb_log_find(log, from); i < log->count && mb_log_entry(log, i)->base_offset < to; i++)
        bytes += mb_log_entry(log, i)->size;
    return bytes;
}

/* What the leader may count on: a follower that has not fetched in this epoch may hold what another leader wrote, so
 * nothing beyond the high watermark is known to be the same. */
static int64_t known_end(const struct mb_replica *replica, const struct mb_replica *leader)
{
    bool compared = replica->synced_epoch == replica->partition->leader_epoch;
    return compared ? replica->log.end_offset : leader->high_watermark;
}

/* While fewer than min.insync.replicas are in sync nothing is committed (KIP-966). Releases before it did commit, and told
 * who waited NOT_ENOUGH_REPLICAS_AFTER_APPEND; 3.9 is the first that can be played and does not. */
static bool may_commit(const struct mb_partition *partition)
{
    return mb_partition_isr_count(partition) >= mb_partition_min_insync(partition) ||
           partition->cluster->persona < (size_t)mb_persona_find(kci_str_of("3.9"));
}

void mb_partition_advance(struct mb_partition *partition, int64_t now)
{
    struct mb_replica *leader = mb_partition_leader(partition);
    if (!leader)
        return;
    bool ahead = partition->cluster->options.plant == MB_PLANT_HW_AHEAD;
    int64_t high = leader->log.end_offset;
    for (int32_t i = 0; i < partition->replica_count && !ahead; i++)
        if (partition->replicas[i].in_isr && known_end(&partition->replicas[i], leader) < high)
            high = known_end(&partition->replicas[i], leader);
    if (high > leader->high_watermark && (ahead || may_commit(partition))) {
        int64_t old = leader->high_watermark, old_stable = mb_replica_last_stable(leader);
        leader->high_watermark = high;
        if (!kci_list_empty(&partition->fetches))
            mb_fetch_wait_bytes(partition, bytes_between(&leader->log, old, high),
                                bytes_between(&leader->log, old_stable, mb_replica_last_stable(leader)));
    }
    wake_acks(partition, leader->high_watermark, now);
}

void mb_partition_ack_add(struct mb_partition *partition, struct mb_ack *ack)
{
    struct kci_list *at = partition->acks.prev; /* almost always the last place */
    while (at != &partition->acks && KCI_CONTAINER(at, struct mb_ack, link)->required > ack->required)
        at = at->prev;
    kci_list_insert_after(at, &ack->link);
}

void mb_partition_fail_waiters(struct mb_partition *partition, int16_t error, int64_t now)
{
    struct kci_list *node;
    while ((node = kci_list_pop(&partition->acks)) != NULL) {
        struct mb_ack *ack = KCI_CONTAINER(node, struct mb_ack, link);
        ack->done(ack, error, now);
    }
    mb_fetch_wait_break(partition);
}

/* ---- the beginning of the log
 * ---------------------------------------------------------------------------------------- */

void mb_replica_raise_start(struct mb_replica *replica, int64_t offset)
{
    mb_log_raise_start(&replica->log, offset);
    mb_txn_index_raise_start(&replica->producers.transactions, replica->log.start_offset);
}

/* Followers hear of it with their next fetch: at once, or after the delay of replication. */
static void raise_start(struct mb_partition *partition, int64_t offset, int64_t now)
{
    bool at_once = partition->cluster->options.replication_delay_us == 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (replica->broker == partition->leader ||
            (at_once && mb_cluster_is_running(partition->cluster, replica->broker) &&
             !mb_cluster_is_paused(partition->cluster, replica->broker)))
            mb_replica_raise_start(replica, offset);
    }
    if (!at_once)
        mb_replication_kick(partition, now);
}

/* What retention deletes at a time ends here: a segment of files, a batch in memory; -1: that was all. */
static int64_t unit_end(const struct mb_log *log, int64_t start, size_t i, bool with_last)
{
    int64_t end = -1;
    if (log->store)
        end = mb_log_store_next_segment(log->store, start);
    else if (i + 1 < log->count)
        end = mb_log_entry_last(mb_log_entry(log, i)) + 1;
    return end < 0 && with_last && i < log->count ? log->end_offset : end;
}

/* The last segment goes too when its time has come: Kafka closes it first. */
static void retain(struct mb_partition *partition, bool with_last, int64_t now)
{
    const struct mb_topic_config *config = &partition->topic->config;
    struct mb_replica *leader = mb_partition_leader(partition);
    int64_t wall_ms = mb_cluster_wall_ms(partition->cluster, now);
    if (!leader || !config->delete)
        return;
    uint64_t bytes = leader->log.bytes;
    int64_t start = leader->log.start_offset;
    size_t i = 0;
    for (;;) { /* plan first, cut once: entries i .. are what stays */
        int64_t end = unit_end(&leader->log, start, i, with_last);
        bool ahead = partition->cluster->options.plant == MB_PLANT_RETAIN_AHEAD; /* planted defect */
        if (end < 0 || (end > leader->high_watermark && !ahead) || end <= start)
            break;
        uint64_t size = 0;
        int64_t newest_ms = INT64_MIN;
        size_t k = i;
        for (; k < leader->log.count && mb_log_entry(&leader->log, k)->base_offset < end; k++) {
            size += mb_log_entry(&leader->log, k)->size;
            if (mb_log_entry(&leader->log, k)->max_timestamp_ms > newest_ms)
                newest_ms = mb_log_entry(&leader->log, k)->max_timestamp_ms;
        }
        bool too_old = config->retention_ms >= 0 && newest_ms < wall_ms - config->retention_ms;
        bool too_much = config->retention_bytes >= 0 && bytes - size >= (uint64_t)config->retention_bytes;
        if (!too_old && !too_much)
            break;
        bytes -= size;
        start = end;
        i = k;
    }
    if (start > leader->log.start_offset)
        raise_start(partition, start, now);
}

void mb_partition_retain(struct mb_partition *partition, int64_t now)
{
    retain(partition, true, now);
}

void mb_partition_compact(struct mb_partition *partition, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    bool ahead = cluster->options.plant == MB_PLANT_CLEAN_AHEAD; /* planted defects */
    int64_t early_ms = cluster->options.plant == MB_PLANT_CLEAN_EARLY ? 86400000 : 0;
    for (int32_t i = 0; partition->topic->config.compact && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (!mb_cluster_is_running(cluster, replica->broker) || mb_cluster_is_paused(cluster, replica->broker))
            continue;
        struct mb_compaction compaction = { .config = &partition->topic->config,
                                            .producers = &replica->producers,
                                            .compressor = cluster->compressor,
                                            .limit = ahead ? INT64_MAX : mb_replica_last_stable(replica),
                                            .wall_ms = mb_cluster_wall_ms(cluster, now) + early_ms,
                                            .seed = kci_prng_next(&cluster->prng) };
        int error = mb_compact(&replica->log, &compaction);
        if (error)
            kci_log(&cluster->logger, KCI_LOG_ERROR, "cleaner", "broker %d cannot compact %s-%d: %s", replica->broker,
                    partition->topic->name, partition->index, strerror(error));
    }
}

int16_t mb_partition_delete_records(struct mb_partition *partition, int64_t offset, int64_t *low_watermark, int64_t now)
{
    struct mb_replica *leader = mb_partition_leader(partition);
    if (offset == -1)
        offset = leader->high_watermark;
    if (offset < 0 || offset > leader->high_watermark)
        return KCI_OFFSET_OUT_OF_RANGE;
    raise_start(partition, offset, now);
    *low_watermark = leader->log.start_offset;
    mb_controller_changed(partition->cluster); /* log starts are part of what is stored */
    return KCI_NONE;
}
