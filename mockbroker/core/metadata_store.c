/* The cluster's own memory, as text in the data directory:
 *
 *      cluster-metadata   mockbroker 1
 *                         cluster <id> <next producer id>
 *                         brokers <ids given> <controller epoch>
 *                         gone <id>                                             decommissioned
 *                         unregistered <id>                                     it was down
 *                         killed <id>                                           it was, and has not started since
 *                         broker <id, 0: all> <key>=<value>                     altered while it ran
 *                         quota <key> <value> <user> <client id> <address>      each: - not given, * default, =hex
 *                         topic <name> <id, 32 hex digits> <internal 0|1> <replication factor> <partitions>
 *                         config <key>=<value>                                  of the topic above, overrides only
 *                         partition <index> <leader epoch> <log start> <high watermark> <replicas a,b,c> <isr a,b>
 *                                   [<how many of the replicas, from the first, are the target of a reassignment>
 *                                   <which of them are being added>]
 *                         elr <broker ids a,b> <who led last, 0: somebody leads>  of the partition above; elr.c
 *                         behind <broker id> <high watermark>   a replica of it that is not in sync: its own is lower
 *                         leaving <id>                                          as soon as it holds nothing
 *                         acl, scram, token, feature, resource ...              entity_store.c
 *                         clean                                                 all logs are whole and synced
 *                         end <crc-32c of all above, 8 hex digits>
 *      broker-<id>/<topic>-<partition>/<20 digits>.log                          log_store.c
 *
 * It is written anew at the end of a step in which something changed, to a second file that then takes the name, so
 * that a crash leaves the old one or the new one.  High watermarks are those of the last change and of a clean
 * shutdown; a lower one only means that the election computes it again, one that is too high that a replica takes for
 * committed what nobody else has.  Leader epochs are in the batches themselves, and so are sequences: the epoch cache
 * and the producer windows are rebuilt from the logs at start (metadata_load.c). */
#include "mockbroker/core/metadata_store.h"

#include "mockbroker/core/elr.h"
#include "mockbroker/core/entity_store.h"

#include "base/checksum.h"
#include "mockbroker/core/log_index.h"
#include "mockbroker/core/quota.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NEXT_FILE_NAME "cluster-metadata.next"
#define LINE_BYTES_MAX 4096

/* ---- writing ---- */

static void put_text(struct kci_writer *w, const char *text)
{
    kci_writer_bytes(w, text, strlen(text));
}

enum which { ALL, IN_SYNC, ADDING, ELIGIBLE };

/* "1,2,3", or "-" when there is none. */
static void put_brokers(struct kci_writer *w, const struct mb_partition *partition, enum which which)
{
    char number[16];
    bool first = true;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if ((which == IN_SYNC && !replica->in_isr) || (which == ADDING && !replica->adding) ||
            (which == ELIGIBLE && !replica->eligible))
            continue;
        snprintf(number, sizeof number, "%s%d", first ? "" : ",", replica->broker);
        put_text(w, number);
        first = false;
    }
    if (first)
        put_text(w, "-");
}

static void put_partition(struct kci_writer *w, const struct mb_partition *partition)
{
    char line[160];
    int64_t start = 0, high = 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        bool leads = replica->broker == partition->leader;
        start = leads || replica->log.start_offset > start ? replica->log.start_offset : start;
        high = leads || (partition->leader < 0 && replica->high_watermark > high) ? replica->high_watermark : high;
    }
    snprintf(line, sizeof line, "partition %d %d %lld %lld ", partition->index, partition->leader_epoch,
             (long long)start, (long long)high);
    put_text(w, line);
    put_brokers(w, partition, ALL);
    put_text(w, " ");
    put_brokers(w, partition, IN_SYNC);
    if (partition->target) {
        snprintf(line, sizeof line, " %d ", partition->target_count);
        put_text(w, line);
        put_brokers(w, partition, ADDING);
    }
    put_text(w, "\n");
    if (mb_elr_count(partition) || partition->last_known_leader) {
        put_text(w, "elr ");
        put_brokers(w, partition, ELIGIBLE);
        snprintf(line, sizeof line, " %d\n", partition->last_known_leader);
        put_text(w, line);
    }
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        snprintf(line, sizeof line, "behind %d %lld\n", replica->broker, (long long)replica->high_watermark);
        if (!replica->in_isr && !replica->eligible && replica->high_watermark < high)
            put_text(w, line);
    }
}

static void put_topic(struct kci_writer *w, const struct mb_topic *topic)
{
    char line[LINE_BYTES_MAX], hex[33];
    for (size_t i = 0; i < sizeof topic->id.b; i++)
        snprintf(hex + 2 * i, 3, "%02x", topic->id.b[i]);
    snprintf(line, sizeof line, "topic %s %s %d %d %d\n", topic->name, hex, topic->internal, topic->replication_factor,
             topic->partition_count);
    put_text(w, line);
    for (size_t i = 0; i < mb_topic_config_count(); i++)
        if (topic->config.values[i]) {
            snprintf(line, sizeof line, "config %s=%s\n", mb_topic_config_row(i)->name, topic->config.values[i]);
            put_text(w, line);
        }
    for (int32_t i = 0; i < topic->partition_count; i++)
        put_partition(w, topic->partitions[i]);
}

static void put_properties(struct kci_writer *w, int32_t broker, char *const *values)
{
    char line[LINE_BYTES_MAX];
    for (size_t i = 0; i < mb_properties_count(); i++)
        if (values[i]) {
            snprintf(line, sizeof line, "broker %d %s=%s\n", broker, mb_properties_row(i)->name, values[i]);
            put_text(w, line);
        }
}

static void put_quotas(struct kci_writer *w, const struct mb_cluster *cluster)
{
    const struct mb_quota_set *set = NULL;
    char text[64];
    while ((set = mb_quota_next(cluster, set)) != NULL)
        for (int key = 0; key < MB_QUOTA_KEYS; key++) {
            if (set->value[key] <= 0)
                continue;
            snprintf(text, sizeof text, "quota %d %.17g", key, set->value[key]);
            put_text(w, text);
            for (int i = 0; i < MB_QUOTA_TYPES; i++) {
                struct kci_str name = set->entity.part[i].name;
                put_text(w, !set->entity.part[i].given ? " -" : name.data ? " =" : " *");
                for (size_t k = 0; k < name.size; k++) {
                    snprintf(text, sizeof text, "%02x", (unsigned char)name.data[k]);
                    put_text(w, text);
                }
            }
            put_text(w, "\n");
        }
}

static int write_file(const struct kci_storage *storage, const struct kci_writer *w)
{
    int64_t file = 0;
    uint64_t size = 0;
    struct kci_iov piece = { w->data, w->size };
    int error = storage->open(storage->context, NEXT_FILE_NAME, true, &file, &size);
    if (error)
        return error;
    if (size)
        error = storage->truncate(storage->context, file, 0);
    if (!error)
        error = storage->append(storage->context, file, &piece, 1);
    if (!error)
        error = storage->sync(storage->context, file);
    storage->close(storage->context, file);
    return error ? error : storage->rename(storage->context, NEXT_FILE_NAME, MB_METADATA_FILE);
}

static void put_members(struct kci_writer *w, const struct mb_cluster *cluster, bool leaving)
{
    char line[64];
    for (int32_t i = 0; i < cluster->broker_count; i++) {
        const struct mb_broker *broker = cluster->brokers[i];
        const char *word = leaving                ? (broker->leaving ? "leaving" : NULL)
                           : broker->gone         ? "gone"
                           : broker->unregistered ? "unregistered"
                                                  : NULL;
        snprintf(line, sizeof line, "%s %d\n", word ? word : "", broker->id);
        if (word)
            put_text(w, line);
        snprintf(line, sizeof line, "killed %d\n", broker->id);
        if (broker->killed && !leaving)
            put_text(w, line);
    }
}

static void store_metadata(struct mb_cluster *cluster, bool clean)
{
    struct mb_topic *topic;
    char line[96];
    cluster->metadata_dirty = false;
    if (!cluster->options.storage)
        return;
    struct kci_writer w = kci_writer_of(cluster->alloc, MB_METADATA_BYTES_MAX);
    snprintf(line, sizeof line, "mockbroker 1\ncluster %s %lld\n", cluster->id, (long long)cluster->next_producer_id);
    put_text(&w, line);
    if (clean)
        put_text(&w, "clean\n");
    snprintf(line, sizeof line, "brokers %d %d\n", cluster->broker_count, cluster->controller_epoch);
    put_text(&w, line);
    put_members(&w, cluster, false);
    put_properties(&w, 0, cluster->properties.dynamic);
    for (int32_t i = 0; i < cluster->broker_count; i++)
        put_properties(&w, cluster->brokers[i]->id, cluster->brokers[i]->dynamic);
    put_quotas(&w, cluster);
    mb_entities_put(&w, cluster);
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        put_topic(&w, topic);
    put_members(&w, cluster, true); /* last: while topics are read it is one like the others */
    snprintf(line, sizeof line, "end %08x\n", w.failed ? 0 : kci_crc32c(0, w.data, w.size));
    put_text(&w, line);
    int error = w.failed ? -1 : write_file(cluster->options.storage, &w);
    if (error)
        kci_log(&cluster->logger, KCI_LOG_ERROR, "storage",
                "cannot write %s: %s; a restart would not know the latest topics and leaders", MB_METADATA_FILE,
                error < 0 ? "out of memory" : strerror(error));
    kci_writer_destroy(&w);
}

void mb_metadata_store(struct mb_cluster *cluster)
{
    store_metadata(cluster, false);
}

/* ---- life ---- */

void mb_metadata_start(struct mb_cluster *cluster, int64_t now)
{
    struct mb_topic *topic;
    mb_controller_choose(cluster);
    mb_elr_prepare(cluster);
    for (int32_t i = 0; i < cluster->broker_count; i++)
        if (cluster->brokers[i]->running)
            mb_elr_distrust(cluster->brokers[i]);
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            mb_controller_elect(topic->partitions[i], now);
            mb_reassign_look(topic->partitions[i], now);
        }
    mb_metadata_store(cluster);
}

/* "partition.metadata" says whose the directory is: without it, Kafka takes it for a stray one. 0 or an errno value. */
static int name_directory(const struct mb_log *log, const struct mb_topic *topic)
{
    char id[KCI_UUID_TEXT_SIZE], text[64];
    bool ignored;
    if (mb_log_store_segment(log->store, 0, &ignored) < 0) /* nothing was ever written: there is no directory */
        return 0;
    kci_uuid_print(id, &topic->id);
    snprintf(text, sizeof text, "version: 0\ntopic_id: %s\n", id);
    return mb_log_store_put(log->store, "partition.metadata", text, strlen(text));
}

void mb_metadata_close(struct mb_cluster *cluster)
{
    struct mb_topic *topic;
    bool clean = true;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            for (int32_t k = 0; k < topic->partitions[i]->replica_count; k++) {
                struct mb_replica *replica = &topic->partitions[i]->replicas[k];
                struct mb_log *log = &replica->log;
                int error = mb_log_flush(log);
                if (!error)
                    error = mb_log_index_write(log, &replica->producers, topic->config.index_interval_bytes, true);
                if (!error)
                    error = name_directory(log, topic);
                clean = clean && !error && !replica->failed;
                if (error)
                    kci_log(&cluster->logger, KCI_LOG_ERROR, "storage", "%s-%d cannot be synced: %s", topic->name, i,
                            error < 0 ? "out of memory" : strerror(error));
            }
    store_metadata(cluster, clean);
}
