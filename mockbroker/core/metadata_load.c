/* Reading what metadata_store.c has written, whose drawing shows the lines: each line is a row of load_line(), and says
 * what is wrong with it by itself.  Logs are read with the partition that they belong to; what a crash may have left of
 * them is cut off here, and who is in sync or eligible after it is for elr.c to say. */
#include "mockbroker/core/metadata_store.h"

#include "mockbroker/core/elr.h"
#include "mockbroker/core/entity_store.h"

#include "base/checksum.h"
#include "mockbroker/core/log_index.h"
#include "mockbroker/core/quota.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct loader {
    struct mb_cluster *cluster;
    struct mb_topic *topic;         /* the latest "topic" line */
    struct mb_partition *partition; /* the latest "partition" line */
    bool clean;                     /* the logs were closed in an orderly way */
    char *text;
    size_t text_size;
};

static bool refuse(struct loader *loader, const char *line, const char *why)
{
    snprintf(loader->text, loader->text_size, "%s: \"%.60s\": %s", MB_METADATA_FILE, line, why);
    return false;
}

static bool load_topic(struct loader *loader, const char *line)
{
    struct mb_cluster *cluster = loader->cluster;
    char name[MB_TOPIC_NAME_MAX + 1], hex[33], why[160];
    int internal, replicas, partitions;
    struct kci_uuid id;
    unsigned byte;
    if (sscanf(line, "topic %249s %32s %d %d %d", name, hex, &internal, &replicas, &partitions) != 5 ||
        strlen(hex) != 32)
        return refuse(loader, line, "not understood");
    for (size_t i = 0; i < sizeof id.b; i++) {
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return refuse(loader, line, "a bad id");
        id.b[i] = (uint8_t)byte;
    }
    struct mb_topic_plan plan = { .name = kci_str_of(name),
                                  .id = &id,
                                  .partitions = partitions,
                                  .replication_factor = (int16_t)replicas,
                                  .internal = internal != 0 };
    mb_topic_config_init(&plan.config, cluster->alloc, &cluster->properties);
    int16_t error =
        mb_topic_create(cluster, &plan, false, &loader->topic, why, sizeof why, -1); /* -1: no election yet */
    mb_topic_config_destroy(&plan.config);
    return error ? refuse(loader, line, why) : true;
}

static bool load_config(struct loader *loader, const char *line)
{
    char why[200];
    const char *key = line + strlen("config ");
    const char *equals = strchr(key, '=');
    if (!loader->topic || !equals)
        return refuse(loader, line, "not understood");
    if (!mb_topic_config_set(&loader->topic->config, (struct kci_str){ key, (size_t)(equals - key) },
                             kci_str_of(equals + 1), why, sizeof why))
        return refuse(loader, line, why);
    mb_topic_config_resolve(&loader->topic->config, &loader->cluster->properties);
    return true;
}

static bool load_property(struct loader *loader, const char *line)
{
    struct mb_cluster *cluster = loader->cluster;
    char why[200];
    int id, used = 0;
    const char *equals = strchr(line, '=');
    if (sscanf(line, "broker %d %n", &id, &used) != 1 || !used || !equals || equals < line + used)
        return refuse(loader, line, "not understood");
    int row = mb_properties_find((struct kci_str){ line + used, (size_t)(equals - line) - (size_t)used });
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (row < 0 || (id && !broker))
        return refuse(loader, line, "no such broker or property");
    char **values = broker ? broker->dynamic : cluster->properties.dynamic;
    if (!mb_properties_alter(cluster->alloc, values, (size_t)row, kci_str_of(equals + 1), why, sizeof why))
        return refuse(loader, line, why);
    return true;
}

static bool load_quota(struct loader *loader, const char *line)
{
    char parts[MB_QUOTA_TYPES][2 * MB_QUOTA_NAME_MAX + 2], names[MB_QUOTA_TYPES][MB_QUOTA_NAME_MAX + 1];
    struct mb_quota_entity entity = { .part[MB_QUOTA_IP].given = false };
    double value;
    unsigned byte;
    int key;
    if (sscanf(line, "quota %d %lf %499s %499s %499s", &key, &value, parts[0], parts[1], parts[2]) != 5 || key < 0 ||
        key >= MB_QUOTA_KEYS)
        return refuse(loader, line, "not understood");
    for (int i = 0; i < MB_QUOTA_TYPES; i++) {
        size_t size = strlen(parts[i] + 1) / 2;
        entity.part[i].given = parts[i][0] != '-';
        for (size_t k = 0; k < size; k++) {
            if (sscanf(parts[i] + 1 + 2 * k, "%2x", &byte) != 1)
                return refuse(loader, line, "a bad name");
            names[i][k] = (char)byte;
        }
        if (parts[i][0] == '=')
            entity.part[i].name = (struct kci_str){ names[i], size };
    }
    return mb_quota_set(loader->cluster, &entity, (enum mb_quota_key)key, value) ||
           refuse(loader, line, "out of memory");
}

static bool is_listed(const char *list, int32_t broker)
{
    for (const char *at = list; *at;) {
        char *end;
        if (strtol(at, &end, 10) == broker)
            return true;
        at = *end ? end + 1 : end;
    }
    return false;
}

struct recovery {
    struct mb_replica *replica;
    int error;
};

/* One batch of a file: index it, without keeping its bytes.  Its leader epoch is not under its CRC: epochs rise in a
 * log, and none is of the future. */
static bool recover_batch(void *owner, const uint8_t *batch, uint32_t size, uint32_t position)
{
    struct recovery *recovery = owner;
    struct kci_reader r = kci_reader_of(batch, size);
    struct kci_batch_header header;
    size_t total;
    if (kci_batch_peek(&r, &header, &total) != KCI_BATCH_OK || header.magic != 2)
        return false;
    const struct mb_replica *replica = recovery->replica;
    if (header.leader_epoch < mb_log_epoch_latest(&replica->log) ||
        header.leader_epoch > replica->partition->leader_epoch)
        return false;
    struct mb_log_entry entry = { .base_offset = header.base_offset,
                                  .max_timestamp_ms = header.max_timestamp_ms,
                                  .size = size,
                                  .position = position,
                                  .last_delta = header.last_offset_delta };
    if (!mb_log_recovered(&recovery->replica->log, &entry, header.leader_epoch))
        return false;
    bool forget = replica->partition->cluster->options.plant == MB_PLANT_FORGETFUL; /* planted defect */
    if (!forget && !mb_producers_note(&recovery->replica->producers, &header, batch, 0))
        recovery->error = -1;
    return true;
}

static bool load_replica(struct loader *loader, struct mb_replica *replica, int64_t start, int64_t high)
{
    struct mb_cluster *cluster = loader->cluster;
    struct mb_partition *partition = replica->partition;
    struct recovery recovery = { .replica = replica };
    uint64_t torn = 0;
    bool clean = loader->clean || cluster->options.plant == MB_PLANT_TRUST_DISK; /* planted defect */
    int error = mb_log_store_recover(replica->log.store, clean, recover_batch, &recovery, &torn);
    /* The first segment keeps its name when the cleaner takes its first batches, or all: the log begins there, not
     * behind the hole. */
    bool ignored;
    int64_t first = mb_log_store_segment(replica->log.store, 0, &ignored);
    if (first >= 0 && first < replica->log.start_offset)
        replica->log.start_offset = first;
    if (!error && !recovery.error && !replica->log.count)
        error = mb_log_reset(&replica->log, first > start ? first : start);
    if (error || recovery.error) {
        snprintf(loader->text, loader->text_size, "the log of %s-%d on broker %d cannot be read: %s",
                 partition->topic->name, partition->index, replica->broker, error ? strerror(error) : "out of memory");
        return false;
    }
    if (torn)
        kci_log(&cluster->logger, KCI_LOG_WARN, "storage",
                "%s-%d on broker %d: %llu bytes of a torn tail are cut off at offset %lld", partition->topic->name,
                partition->index, replica->broker, (unsigned long long)torn, (long long)replica->log.end_offset);
    mb_log_index_write(&replica->log, &replica->producers, partition->topic->config.index_interval_bytes, false);
    mb_log_raise_start(&replica->log, start);
    replica->high_watermark = high < replica->log.end_offset ? high : replica->log.end_offset;
    if (replica->high_watermark < replica->log.start_offset)
        replica->high_watermark = replica->log.start_offset;
    return true;
}

/* "1,2,3" as numbers. -1: not such a list. */
static int32_t read_brokers(const char *text, int32_t *out, int32_t max)
{
    int32_t count = 0;
    for (const char *at = text; *at;) {
        char *end;
        long broker = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || count == max || broker < 1 || broker > MB_BROKERS_MAX)
            return -1;
        out[count++] = (int32_t)broker;
        at = *end ? end + 1 : end;
    }
    return count;
}

static bool load_partition(struct loader *loader, const char *line)
{
    int index, epoch, target_count = 0;
    long long start, high;
    char replicas[512], isr[512] = "", adding[512] = "";
    int32_t brokers[MB_BROKERS_MAX];
    if (sscanf(line, "partition %d %d %lld %lld %511s %511s %d %511s", &index, &epoch, &start, &high, replicas, isr,
               &target_count, adding) < 5)
        return refuse(loader, line, "not understood");
    struct mb_partition *partition = loader->topic ? mb_topic_partition(loader->topic, index) : NULL;
    if (!partition)
        return refuse(loader, line, "no such partition");
    loader->partition = partition;
    partition->leader_epoch = epoch;
    int32_t count = read_brokers(replicas, brokers, MB_BROKERS_MAX);
    if (count < 1 || target_count < 0 || target_count > count)
        return refuse(loader, line, "not understood");
    for (int32_t i = 0; i < count; i++)
        if (!mb_cluster_broker(loader->cluster, brokers[i]))
            return refuse(
                loader, line,
                "a replica on a broker that this cluster does not have: start it with as many brokers as before");
    if (!mb_reassign_load(partition, brokers, count, brokers, target_count))
        return refuse(loader, line, "a broker twice, or out of memory");
    for (int32_t i = 0; i < count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        replica->in_isr = is_listed(isr, replica->broker);
        replica->adding = is_listed(adding, replica->broker);
        if (!load_replica(loader, replica, start, high))
            return false;
    }
    if (!loader->clean)
        mb_elr_crashed(partition);
    return true;
}

static bool load_elr(struct loader *loader, const char *line)
{
    struct mb_partition *partition = loader->partition;
    char eligible[512];
    int last;
    if (!partition || sscanf(line, "elr %511s %d", eligible, &last) != 2 || last < 0 || last > MB_BROKERS_MAX)
        return refuse(loader, line, "not understood");
    partition->last_known_leader = last;
    for (int32_t i = 0; i < partition->replica_count; i++)
        partition->replicas[i].eligible = is_listed(eligible, partition->replicas[i].broker);
    if (!loader->clean)
        mb_elr_crashed(partition);
    return true;
}

/* What it has above its own high watermark may be of another history than the partition's. */
static bool load_behind(struct loader *loader, const char *line)
{
    int broker;
    long long high;
    struct mb_replica *replica = NULL;
    if (sscanf(line, "behind %d %lld", &broker, &high) == 2 && loader->partition)
        replica = mb_partition_replica(loader->partition, broker);
    if (!replica)
        return refuse(loader, line, "not understood");
    if (high < replica->high_watermark)
        replica->high_watermark = high > replica->log.start_offset ? high : replica->log.start_offset;
    return true;
}

/* As many brokers as there were, or as many as are asked for now: the larger number. */
static bool load_brokers(struct loader *loader, const char *line)
{
    struct mb_cluster *cluster = loader->cluster;
    int count, epoch;
    if (sscanf(line, "brokers %d %d", &count, &epoch) != 2 || count < 1 || count > MB_BROKERS_MAX || epoch < 1 ||
        epoch == INT32_MAX)
        return refuse(loader, line, "not understood");
    while (cluster->broker_count < count)
        if (!mb_member_new(cluster))
            return refuse(loader, line, "out of memory");
    cluster->controller_epoch = epoch + 1; /* a start elects a controller */
    return true;
}

static bool load_member(struct loader *loader, const char *line)
{
    char word[16];
    int id;
    struct mb_broker *broker = sscanf(line, "%15s %d", word, &id) == 2 ? mb_cluster_broker(loader->cluster, id) : NULL;
    if (!broker)
        return refuse(loader, line, "no such broker");
    if (strcmp(word, "leaving") == 0) {
        broker->leaving = true;
        mb_member_look(loader->cluster, id);
    } else if (strcmp(word, "killed") == 0) {
        broker->killed = true;
    } else {
        broker->running = false;
        broker->unregistered = true;
        broker->gone = strcmp(word, "gone") == 0;
    }
    return true;
}

static bool load_line(struct loader *loader, const char *line)
{
    char id[24];
    long long next;
    if (strncmp(line, "brokers ", 8) == 0)
        return load_brokers(loader, line);
    if (strncmp(line, "gone ", 5) == 0 || strncmp(line, "unregistered ", 13) == 0 ||
        strncmp(line, "leaving ", 8) == 0 || strncmp(line, "killed ", 7) == 0)
        return load_member(loader, line);
    if (strncmp(line, "topic ", 6) == 0)
        return load_topic(loader, line);
    if (strncmp(line, "config ", 7) == 0)
        return load_config(loader, line);
    if (strcmp(line, "clean") == 0)
        return loader->clean = true;
    if (strncmp(line, "broker ", 7) == 0)
        return load_property(loader, line);
    if (mb_entities_know(line))
        return mb_entities_load(loader->cluster, line) || refuse(loader, line, "not understood");
    if (strncmp(line, "quota ", 6) == 0)
        return load_quota(loader, line);
    if (strncmp(line, "partition ", 10) == 0)
        return load_partition(loader, line);
    if (strncmp(line, "behind ", 7) == 0)
        return load_behind(loader, line);
    if (strncmp(line, "elr ", 4) == 0)
        return load_elr(loader, line);
    if (sscanf(line, "cluster %23s %lld", id, &next) != 2)
        return refuse(loader, line, "not understood");
    memcpy(loader->cluster->id, id, sizeof id);
    loader->cluster->next_producer_id = next;
    return true;
}

/* The lines between the first and the last, which are checked here. `text` is changed. */
static bool load_text(struct loader *loader, char *text, size_t size)
{
    unsigned crc;
    char *end = size > 13 ? text + size - 13 : text;
    if (strncmp(text, "mockbroker 1\n", 13) != 0)
        return refuse(loader, "", "not a file of this version of mockbroker");
    if (sscanf(end, "end %8x", &crc) != 1 || crc != kci_crc32c(0, text, (size_t)(end - text)))
        return refuse(loader, "", "damaged: its checksum is wrong");
    *end = '\0';
    for (char *line = text + 13; *line;) {
        char *newline = strchr(line, '\n');
        if (newline)
            *newline = '\0';
        if (!load_line(loader, line))
            return false;
        line = newline ? newline + 1 : line + strlen(line);
    }
    return true;
}

bool mb_metadata_load(struct mb_cluster *cluster, int64_t now, char *text, size_t text_size)
{
    const struct kci_storage *storage = cluster->options.storage;
    struct loader loader = { .cluster = cluster, .text = text, .text_size = text_size };
    int64_t file = 0;
    uint64_t size = 0;
    size_t got = 0;
    cluster->now = now;
    int error = storage->open(storage->context, MB_METADATA_FILE, false, &file, &size);
    if (error == ENOENT)
        return true; /* a new cluster */
    if (error) {
        snprintf(text, text_size, "%s cannot be opened: %s", MB_METADATA_FILE, strerror(error));
        return false;
    }
    char *content = size < MB_METADATA_BYTES_MAX ? kci_alloc_zero(cluster->alloc, (size_t)size + 1, 1) : NULL;
    if (content)
        error = storage->read(storage->context, file, 0, content, (size_t)size, &got);
    storage->close(storage->context, file);
    bool ok = content && !error && got == size;
    if (ok)
        ok = load_text(&loader, content, (size_t)size);
    else
        snprintf(text, text_size, "%s cannot be read: %s", MB_METADATA_FILE,
                 error ? strerror(error) : "out of memory, or it is too large");
    kci_alloc_free(cluster->alloc, content);
    return ok;
}
