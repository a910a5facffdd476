/* What the cluster does for its coordinators and for its shells (request.h, broker.h): alarms, properties, names,
 * internal topics, steering and looking. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

#define INTERNAL_TEXT_BYTES 200

/* ---- time, memory, settings
 * ------------------------------------------------------------------------------------------ */

void mb_alarm_set(struct mb_cluster *cluster, struct mb_alarm *alarm, int64_t at)
{
    kci_list_remove(&alarm->late);
    if (kci_heap_set(&cluster->alarms, &alarm->timer, at))
        return;
    kci_log(&cluster->logger, KCI_LOG_ERROR, "cluster", "out of memory: an alarm cannot be set, it goes off at once");
    kci_list_push(&cluster->late, &alarm->late);
}

void mb_alarm_stop(struct mb_cluster *cluster, struct mb_alarm *alarm)
{
    kci_list_remove(&alarm->late);
    kci_heap_remove(&cluster->alarms, &alarm->timer);
}

const struct kci_alloc *mb_cluster_alloc(struct mb_cluster *cluster)
{
    return cluster->alloc;
}

struct kci_prng *mb_cluster_prng(struct mb_cluster *cluster)
{
    return &cluster->prng;
}

const struct kci_logger *mb_cluster_logger(struct mb_cluster *cluster)
{
    return &cluster->logger;
}

struct mb_groups *mb_cluster_groups(struct mb_cluster *cluster)
{
    return cluster->groups;
}

int64_t mb_cluster_wall_ms(const struct mb_cluster *cluster, int64_t now)
{
    return (now + cluster->options.wall_offset_us) / 1000;
}

int64_t mb_cluster_property(const struct mb_cluster *cluster, const char *name)
{
    return mb_properties_number(&cluster->properties, name);
}

/* ---- names
 * ----------------------------------------------------------------------------------------------------------- */

int32_t mb_cluster_topic_partitions(const struct mb_cluster *cluster, struct kci_str name)
{
    const struct mb_topic *topic = mb_topic_find(cluster, name);
    return topic ? topic->partition_count : -1;
}

struct kci_str mb_cluster_topic_name(const struct mb_cluster *cluster, const struct kci_uuid *id)
{
    const struct mb_topic *topic = mb_topic_find_id(cluster, id);
    return kci_str_of(topic ? topic->name : NULL);
}

struct kci_uuid mb_cluster_topic_id(const struct mb_cluster *cluster, struct kci_str name)
{
    const struct mb_topic *topic = mb_topic_find(cluster, name);
    return topic ? topic->id : (struct kci_uuid){ { 0 } };
}

/* ---- internal topics
 * ------------------------------------------------------------------------------------------------- */

/* The settings of an internal topic: of the properties of its coordinator. */
static bool set_internal(struct mb_cluster *cluster, struct mb_topic_config *config, bool of_transactions, char *text,
                         size_t text_size)
{
    char segment[24], min_isr[24] = "";
    snprintf(segment, sizeof segment, "%lld",
             (long long)mb_cluster_property(cluster, of_transactions ? "transaction.state.log.segment.bytes"
                                                                     : "offsets.topic.segment.bytes"));
    if (of_transactions) {
        snprintf(min_isr, sizeof min_isr, "%lld",
                 (long long)mb_cluster_property(cluster, "transaction.state.log.min.isr"));
    }
    const struct {
        const char *key, *value;
    } settings[] = { { "cleanup.policy", "compact" },
                     { "compression.type", of_transactions ? "uncompressed" : "producer" },
                     { "segment.bytes", segment },
                     { "min.insync.replicas", min_isr } };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (settings[i].value[0] &&
            !mb_topic_config_set(config, kci_str_of(settings[i].key), kci_str_of(settings[i].value), text, text_size))
            return false;
    return true;
}

static struct mb_partition *internal_partition(struct mb_cluster *cluster, struct kci_str name, int32_t index,
                                               bool create, int64_t now)
{
    struct mb_topic *topic = mb_topic_find(cluster, name);
    char text[INTERNAL_TEXT_BYTES];
    if (!topic && create) {
        bool of_transactions = kci_str_equal(name, kci_str_of(MB_TRANSACTIONS_TOPIC));
        int32_t wanted = (int32_t)mb_cluster_property(
            cluster, of_transactions ? "transaction.state.log.replication.factor" : "offsets.topic.replication.factor");
        int32_t homes[MB_BROKERS_MAX], most = mb_member_homes(cluster, homes);
        struct mb_topic_plan plan = { .name = name,
                                      .partitions = (int32_t)mb_cluster_property(
                                          cluster, of_transactions ? "transaction.state.log.num.partitions"
                                                                   : "offsets.topic.num.partitions"),
                                      .replication_factor = (int16_t)(wanted < most ? wanted : most),
                                      .internal = true };
        mb_topic_config_init(&plan.config, cluster->alloc, &cluster->properties);
        bool ok = set_internal(cluster, &plan.config, of_transactions, text, sizeof text);
        mb_topic_config_resolve(&plan.config, &cluster->properties);
        if (!ok || mb_topic_create(cluster, &plan, false, &topic, text, sizeof text, now) != KCI_NONE)
            kci_log(&cluster->logger, KCI_LOG_ERROR, "cluster", "cannot make %.*s: %s", (int)name.size, name.data,
                    text);
        mb_topic_config_destroy(&plan.config);
    }
    return topic ? mb_topic_partition(topic, index) : NULL;
}

int32_t mb_internal_leader(struct mb_cluster *cluster, struct kci_str topic, int32_t partition, int64_t now)
{
    struct mb_partition *found = internal_partition(cluster, topic, partition, true, now);
    return found ? found->leader : -1;
}

struct internal_ack {
    struct mb_ack ack;
    const struct kci_alloc *alloc;
    void (*done)(void *owner, int16_t error, int64_t now);
    void *owner;
};

static void internal_done(struct mb_ack *ack, int16_t error, int64_t now)
{
    struct internal_ack *internal = KCI_CONTAINER(ack, struct internal_ack, ack);
    void (*done)(void *owner, int16_t error, int64_t now) = internal->done;
    void *owner = internal->owner;
    kci_alloc_free(internal->alloc, internal);
    done(owner, error, now);
}

static void await(struct mb_partition *partition, int64_t offset, struct internal_ack *internal,
                  void (*done)(void *owner, int16_t error, int64_t now), void *owner)
{
    *internal =
        (struct internal_ack){ { .required = offset, .done = internal_done }, partition->cluster->alloc, done, owner };
    mb_partition_ack_add(partition, &internal->ack);
}

void mb_partition_write(struct mb_partition *partition, const struct kci_batch_header *header,
                        const struct kci_record *records, size_t count,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    struct mb_cluster *cluster = partition->cluster;
    struct kci_writer w = kci_writer_of(cluster->alloc, MB_RESPONSE_BYTES_MAX);
    struct mb_append append = {
        .acks = -1, .version = INT16_MAX, .internal = true, .error = KCI_COORDINATOR_NOT_AVAILABLE
    };
    struct internal_ack *internal = kci_alloc_zero(cluster->alloc, 1, sizeof *internal);
    struct kci_arena arena = kci_arena_of(cluster->alloc, MB_REQUEST_ARENA_BYTES_MAX);
    append.arena = &arena;
    if (internal && kci_batch_write(&w, header, records, count, KCI_LEVEL_DEFAULT) == KCI_BATCH_OK && !w.failed) {
        append.records = (struct kci_bytes){ w.data, w.size };
        mb_partition_append(partition, partition->leader, &append, now);
    }
    kci_writer_destroy(&w);
    kci_arena_destroy(&arena);
    const struct mb_replica *leader = append.error ? NULL : mb_partition_leader(partition);
    if (!leader || leader->high_watermark > append.last_offset) {
        kci_alloc_free(cluster->alloc, internal);
        done(owner, append.error, now);
        return;
    }
    await(partition, append.last_offset + 1, internal, done, owner);
}

void mb_internal_append(struct mb_cluster *cluster, struct kci_str topic, int32_t index,
                        const struct kci_batch_header *header, const struct kci_record *records, size_t count,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    const struct kci_batch_header plain = { .magic = 2, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1 };
    struct mb_partition *partition = internal_partition(cluster, topic, index, true, now);
    if (partition)
        mb_partition_write(partition, header ? header : &plain, records, count, done, owner, now);
    else
        done(owner, KCI_COORDINATOR_NOT_AVAILABLE, now);
}

bool mb_internal_settled(struct mb_cluster *cluster, struct kci_str topic, int32_t index)
{
    const struct mb_partition *partition = internal_partition(cluster, topic, index, false, 0);
    const struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    return !leader || leader->high_watermark >= leader->log.end_offset;
}

void mb_internal_settle(struct mb_cluster *cluster, struct kci_str topic, int32_t index,
                        void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    struct mb_partition *partition = internal_partition(cluster, topic, index, false, now);
    const struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    struct internal_ack *internal = kci_alloc_zero(cluster->alloc, 1, sizeof *internal);
    if (internal && leader && leader->high_watermark < leader->log.end_offset) {
        await(partition, leader->log.end_offset, internal, done, owner);
        return;
    }
    kci_alloc_free(cluster->alloc, internal);
    done(owner, leader && internal ? KCI_NONE : KCI_COORDINATOR_NOT_AVAILABLE, now);
}

bool mb_internal_replay(struct mb_cluster *cluster, struct kci_str topic, int32_t index,
                        void (*each)(void *owner, const struct kci_batch_header *batch,
                                     const struct kci_record_view *record),
                        void *owner)
{
    struct mb_partition *partition = internal_partition(cluster, topic, index, false, 0);
    struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    if (!leader)
        return false;
    for (size_t i = 0; i < leader->log.count; i++) {
        const uint8_t *batch = mb_log_bytes(&leader->log, i);
        struct kci_batch_iterator it;
        struct kci_record_view view;
        if (!batch || kci_batch_open(&it, batch, mb_log_entry(&leader->log, i)->size, cluster->alloc,
                                     MB_DECOMPRESSED_BYTES_MAX) != KCI_BATCH_OK)
            return false;
        while (kci_batch_next(&it, &view) == 1)
            each(owner, &it.header, &view);
        kci_batch_close(&it);
    }
    mb_log_trim(&leader->log);
    return true;
}

/* ---- steering and looking
 * -------------------------------------------------------------------------------------------- */

int16_t mb_cluster_create_topic(struct mb_cluster *cluster, struct kci_str name, int32_t partitions,
                                int16_t replication_factor, const char *const *configs, size_t config_count,
                                int64_t now)
{
    char text[INTERNAL_TEXT_BYTES] = "";
    struct mb_topic_plan plan = { .name = name, .partitions = partitions, .replication_factor = replication_factor };
    int16_t error = KCI_NONE;
    cluster->now = now;
    mb_topic_config_init(&plan.config, cluster->alloc, &cluster->properties);
    for (size_t i = 0; !error && i < config_count; i++) {
        const char *equals = strchr(configs[i], '=');
        struct kci_str key = { configs[i], equals ? (size_t)(equals - configs[i]) : strlen(configs[i]) };
        if (!equals || !mb_topic_config_set(&plan.config, key, kci_str_of(equals + 1), text, sizeof text))
            error = KCI_INVALID_CONFIG;
    }
    mb_topic_config_resolve(&plan.config, &cluster->properties);
    if (!error)
        error = mb_topic_create(cluster, &plan, false, NULL, text, sizeof text, now);
    if (error)
        kci_log(&cluster->logger, KCI_LOG_ERROR, "cluster", "topic %.*s is not made: %s", (int)name.size, name.data,
                text);
    mb_topic_config_destroy(&plan.config);
    return error;
}

int16_t mb_cluster_delete_topic(struct mb_cluster *cluster, struct kci_str name, int64_t now)
{
    struct mb_topic *topic = mb_topic_find(cluster, name);
    cluster->now = now;
    if (!topic)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    mb_topic_delete(topic, now);
    return KCI_NONE;
}

int16_t mb_cluster_partition(const struct mb_cluster *cluster, struct kci_str name, int32_t index,
                             struct mb_partition_view *out)
{
    const struct mb_topic *topic = mb_topic_find(cluster, name);
    const struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    const struct mb_replica *leader = mb_partition_leader(partition);
    *out = (struct mb_partition_view){ .leader = partition->leader,
                                       .leader_epoch = partition->leader_epoch,
                                       .isr_count = mb_partition_isr_count(partition),
                                       .log_start = leader ? leader->log.start_offset : -1,
                                       .high_watermark = leader ? leader->high_watermark : -1,
                                       .last_stable = mb_partition_last_stable(partition),
                                       .log_end = leader ? leader->log.end_offset : -1 };
    return KCI_NONE;
}

bool mb_cluster_batch(struct mb_cluster *cluster, struct kci_str name, int32_t index, int64_t offset,
                      struct kci_bytes *batch)
{
    struct mb_topic *topic = mb_topic_find(cluster, name);
    struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    if (!leader || offset < leader->log.start_offset)
        return false;
    mb_log_trim(&leader->log);
    size_t i = mb_log_find(&leader->log, offset);
    const uint8_t *bytes = i < leader->log.count ? mb_log_bytes(&leader->log, i) : NULL;
    if (!bytes)
        return false;
    *batch = (struct kci_bytes){ bytes, mb_log_entry(&leader->log, i)->size };
    return true;
}
