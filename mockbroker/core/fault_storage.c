/* A storage in front of the true one, which fails when a fault says so.
 *
 *      storage_full   append writes `bytes` of it (none), then ENOSPC      read_error   EIO
 *      write_error    EIO, nothing written                                 sync_error   EIO
 *      torn_write     append writes `bytes` (half), then EIO               slow_sync    the caller waits
 *
 * lost_tail is of replicas, not of files: what a log had not flushed (flush.messages, flush.ms) when its broker is
 * killed is cut off, as when the machine lost its page cache.  So it works in memory too.
 *
 * A path is broker-ID/TOPIC-PARTITION/FILE; what is not below such a folder (the cluster's own metadata) matches faults
 * that name no topic.  Renaming, truncating and removing never fail here. */
#include "mockbroker/core/fault_storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct mb_fault_storage {
    struct kci_storage face; /* what the engine sees */
    const struct kci_storage *inner;
    struct mb_cluster *cluster;
};

struct file {
    int64_t inner;
    int32_t broker, partition; /* 0, -1: the cluster's own */
    char topic[MB_TOPIC_NAME_MAX + 1];
};

static struct file *file_of(int64_t handle)
{
    return (struct file *)(intptr_t)handle;
}

static void read_path(struct file *file, const char *path)
{
    static const char folder[] = "broker-";
    const char *topic = strncmp(path, folder, sizeof folder - 1) == 0 ? strchr(path, '/') : NULL;
    const char *end = topic ? strchr(topic + 1, '/') : NULL, *dash = end;
    file->partition = -1;
    while (dash && dash > topic && *dash != '-')
        dash--;
    if (!end || dash <= topic + 1 || (size_t)(dash - topic) > sizeof file->topic)
        return;
    file->broker = (int32_t)strtol(path + sizeof folder - 1, NULL, 10);
    file->partition = (int32_t)strtol(dash + 1, NULL, 10);
    memcpy(file->topic, topic + 1, (size_t)(dash - topic) - 1);
}

/* The fault that meets this operation, counted; NULL: none. */
static struct mb_fault *met(const struct mb_cluster *cluster, const struct file *file, const enum mb_fault_kind *kinds,
                            size_t count)
{
    if (!cluster->faults)
        return NULL;
    KCI_LIST_EACH(node, &cluster->faults->all)
    {
        struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        const struct mb_fault_match *match = &fault->match;
        bool mine = false;
        for (size_t i = 0; i < count; i++)
            mine |= fault->action.kind == kinds[i];
        if (mine && fault->armed && (!match->broker || match->broker == file->broker) &&
            (match->partition < 0 || match->partition == file->partition) &&
            (!match->topic[0] || mb_fault_name_matches(match->topic, kci_str_of(file->topic))) && mb_fault_hit(fault))
            return fault;
    }
    return NULL;
}

static int open_file(void *context, const char *path, bool create, int64_t *handle, uint64_t *size)
{
    struct mb_fault_storage *storage = context;
    struct file *file = kci_alloc_zero(storage->cluster->alloc, 1, sizeof *file);
    if (!file)
        return ENOMEM;
    read_path(file, path);
    int error = storage->inner->open(storage->inner->context, path, create, &file->inner, size);
    if (error) {
        kci_alloc_free(storage->cluster->alloc, file);
        return error;
    }
    *handle = (int64_t)(intptr_t)file;
    return 0;
}

static int append_part(const struct mb_fault_storage *storage, const struct file *file, const struct kci_iov *pieces,
                       size_t count, size_t bytes)
{
    for (size_t i = 0; i < count && bytes; i++) {
        struct kci_iov piece = pieces[i];
        piece.size = piece.size < bytes ? piece.size : bytes;
        int error = storage->inner->append(storage->inner->context, file->inner, &piece, 1);
        if (error)
            return error;
        bytes -= piece.size;
    }
    return 0;
}

static int append_file(void *context, int64_t handle, const struct kci_iov *pieces, size_t count)
{
    static const enum mb_fault_kind kinds[] = { MB_FAULT_STORAGE_FULL, MB_FAULT_WRITE_ERROR, MB_FAULT_TORN_WRITE };
    struct mb_fault_storage *storage = context;
    const struct file *file = file_of(handle);
    const struct mb_fault *fault = met(storage->cluster, file, kinds, 3);
    size_t total = 0;
    if (!fault)
        return storage->inner->append(storage->inner->context, file->inner, pieces, count);
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size;
    bool torn = fault->action.kind == MB_FAULT_TORN_WRITE;
    size_t written = fault->action.bytes >= 0 ? (size_t)fault->action.bytes : torn ? total / 2 : 0;
    if (fault->action.kind != MB_FAULT_WRITE_ERROR && written) {
        int error = append_part(storage, file, pieces, count, written < total ? written : total - 1);
        if (error)
            return error;
    }
    return fault->action.kind == MB_FAULT_STORAGE_FULL ? ENOSPC : EIO;
}

static int read_file(void *context, int64_t handle, uint64_t offset, void *data, size_t size, size_t *got)
{
    static const enum mb_fault_kind kinds[] = { MB_FAULT_READ_ERROR };
    struct mb_fault_storage *storage = context;
    const struct file *file = file_of(handle);
    if (met(storage->cluster, file, kinds, 1))
        return EIO;
    return storage->inner->read(storage->inner->context, file->inner, offset, data, size, got);
}

static int sync_file(void *context, int64_t handle)
{
    static const enum mb_fault_kind kinds[] = { MB_FAULT_SYNC_ERROR, MB_FAULT_SLOW_SYNC };
    struct mb_fault_storage *storage = context;
    const struct file *file = file_of(handle);
    const struct mb_options *options = &storage->cluster->options;
    const struct mb_fault *fault = met(storage->cluster, file, kinds, 2);
    if (fault && fault->action.kind == MB_FAULT_SYNC_ERROR)
        return EIO;
    if (fault && options->stall)
        options->stall(options->stall_context, fault->action.time_us);
    return storage->inner->sync(storage->inner->context, file->inner);
}

static int truncate_file(void *context, int64_t handle, uint64_t size)
{
    struct mb_fault_storage *storage = context;
    return storage->inner->truncate(storage->inner->context, file_of(handle)->inner, size);
}

static void close_file(void *context, int64_t handle)
{
    struct mb_fault_storage *storage = context;
    storage->inner->close(storage->inner->context, file_of(handle)->inner);
    kci_alloc_free(storage->cluster->alloc, file_of(handle));
}

static int rename_file(void *context, const char *from, const char *to)
{
    const struct mb_fault_storage *storage = context;
    return storage->inner->rename(storage->inner->context, from, to);
}

static int remove_file(void *context, const char *path)
{
    const struct mb_fault_storage *storage = context;
    return storage->inner->remove(storage->inner->context, path);
}

static int list_files(void *context, const char *path, void (*each)(void *user, const char *name, bool is_directory),
                      void *user)
{
    const struct mb_fault_storage *storage = context;
    return storage->inner->list(storage->inner->context, path, each, user);
}

bool mb_fault_storage_wrap(struct mb_cluster *cluster)
{
    struct mb_fault_storage *storage = kci_alloc_zero(cluster->alloc, 1, sizeof *storage);
    if (!storage)
        return false;
    storage->inner = cluster->options.storage;
    storage->cluster = cluster;
    storage->face = (struct kci_storage){ storage,       open_file,  append_file, read_file,   sync_file,
                                          truncate_file, close_file, rename_file, remove_file, list_files };
    cluster->options.storage = &storage->face;
    cluster->disk = storage;
    return true;
}

void mb_fault_storage_unwrap(struct mb_cluster *cluster)
{
    kci_alloc_free(cluster->alloc, cluster->disk);
    cluster->disk = NULL;
}

/* ---- the end of a log
 * ------------------------------------------------------------------------------------------------- */

static void lose_tail(struct mb_replica *replica)
{
    static const enum mb_fault_kind kinds[] = { MB_FAULT_LOST_TAIL };
    struct mb_partition *partition = replica->partition;
    struct mb_cluster *cluster = partition->cluster;
    struct file file = { .broker = replica->broker, .partition = partition->index };
    int64_t end = replica->log.end_offset;
    memcpy(file.topic, partition->topic->name, sizeof file.topic);
    if (replica->log.flushed_offset >= end || !met(cluster, &file, kinds, 1))
        return;
    int error = mb_log_truncate(&replica->log, replica->log.flushed_offset);
    bool rebuilt = !error && mb_replica_rebuild_producers(replica);
    if (replica->high_watermark > replica->log.end_offset)
        replica->high_watermark = replica->log.end_offset;
    replica->synced_epoch = -1;
    kci_log(&cluster->logger, rebuilt ? KCI_LOG_INFO : KCI_LOG_ERROR, "storage",
            "broker %d %s %s-%d from offset %lld to %lld, which were not flushed", replica->broker,
            rebuilt ? "loses" : "cannot lose", partition->topic->name, partition->index,
            (long long)replica->log.end_offset, (long long)end);
}

void mb_fault_lose_tails(struct mb_cluster *cluster, int32_t broker)
{
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct mb_replica *replica = mb_partition_replica(topic->partitions[i], broker);
            if (replica)
                lose_tail(replica);
        }
}
