/* The files of one replica, as Kafka lays them out: a directory with segments named by the offset of their first batch.
 *
 *      broker-1/orders-0/00000000000000000000.log   [batch][batch]...     closed
 *                        00000000000000004711.log   [batch]...            the last one is written to
 *
 * A segment holds whole batches, byte for byte as fetched.  The replica's log keeps its index in memory and rebuilds it
 * at start from the batches: after a crash with their CRCs, after a clean end from their headers alone.  The indexes
 * and snapshots that lie next to the segments (log_index.c, log_producers.c) are for other programs, and go with them.
 * A torn tail (a crash in the middle of an append) ends at the first batch that is incomplete or whose CRC is wrong; it
 * is cut off (log_recover.c).  A failed append is undone by truncating; when even that fails, the store answers EIO
 * until it is recovered or reset, so that nothing is ever written behind garbage.
 *
 * Only the last segment and the one read most recently have open files. */
#include "mockbroker/core/log_files.h"

#include <errno.h>
#include <stdio.h>

struct mb_log_store *mb_log_store_new(const struct kci_alloc *alloc, const struct kci_storage *storage,
                                      const char *directory)
{
    struct mb_log_store *store = kci_alloc_zero(alloc, 1, sizeof *store);
    if (store) {
        store->alloc = alloc;
        store->storage = storage;
        snprintf(store->directory, sizeof store->directory, "%s", directory);
    }
    return store;
}

static void close_files(struct mb_log_store *store)
{
    if (store->write_file)
        store->storage->close(store->storage->context, store->write_file);
    if (store->read_file)
        store->storage->close(store->storage->context, store->read_file);
    store->write_file = store->read_file = 0;
}

void mb_log_store_destroy(struct mb_log_store *store)
{
    if (!store)
        return;
    close_files(store);
    kci_alloc_free(store->alloc, store->segments);
    kci_alloc_free(store->alloc, store);
}

static void segment_path(const struct mb_log_store *store, int64_t base_offset, char *out, size_t size)
{
    snprintf(out, size, "%s/%020lld.log", store->directory, (long long)base_offset);
}

int mb_log_files_open(struct mb_log_store *store, int64_t base_offset, bool create, int64_t *file, uint64_t *size)
{
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 32];
    segment_path(store, base_offset, path, sizeof path);
    return store->storage->open(store->storage->context, path, create, file, size);
}

int mb_log_files_add(struct mb_log_store *store, int64_t base_offset, uint64_t size)
{
    if (store->count == store->capacity) {
        size_t capacity = store->capacity ? store->capacity * 2 : 4;
        struct mb_log_segment *segments = kci_alloc_resize(store->alloc, store->segments, capacity * sizeof *segments);
        if (!segments)
            return ENOMEM;
        store->segments = segments;
        store->capacity = capacity;
    }
    store->segments[store->count++] =
        (struct mb_log_segment){ .base_offset = base_offset, .first_timestamp_ms = -1, .size = size };
    return 0;
}

static void remove_indexes(struct mb_log_store *store, struct mb_log_segment *segment)
{
    static const char *const kinds[] = { "index", "timeindex", "txnindex" };
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    for (size_t i = 0; segment->has_index && i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "%s/%020lld.%s", store->directory, (long long)segment->base_offset, kinds[i]);
        store->storage->remove(store->storage->context, path);
    }
    segment->has_index = false;
}

void mb_log_files_remove_snapshot(const struct mb_log_store *store, int64_t offset)
{
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    snprintf(path, sizeof path, "%s/%020lld.snapshot", store->directory, (long long)offset);
    store->storage->remove(store->storage->context, path);
}

void mb_log_files_remove(struct mb_log_store *store, size_t i)
{
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 32];
    segment_path(store, store->segments[i].base_offset, path, sizeof path);
    if (store->read_file && store->read_base == store->segments[i].base_offset) {
        store->storage->close(store->storage->context, store->read_file);
        store->read_file = 0;
    }
    store->storage->remove(store->storage->context, path);
    remove_indexes(store, &store->segments[i]);
    mb_log_files_remove_snapshot(store, store->segments[i].base_offset);
    memmove(store->segments + i, store->segments + i + 1, (store->count - i - 1) * sizeof *store->segments);
    store->count--;
}

/* ---- append
 * ---------------------------------------------------------------------------------------------------------- */

static bool must_roll(const struct mb_log_segment *last, uint32_t size, int64_t last_offset, int64_t timestamp_ms,
                      const struct mb_log_roll *roll)
{
    if (last->size == 0)
        return false;
    if (roll->index_bytes > 0 && last->index_entries >= (uint32_t)roll->index_bytes / MB_INDEX_ENTRY_BYTES)
        return true;
    if (last_offset - last->base_offset > INT32_MAX) /* indexes hold 4 bytes of it */
        return true;
    if (last->size + size > (uint64_t)roll->segment_bytes || last->size + size > UINT32_MAX)
        return true;
    return last->first_timestamp_ms >= 0 && timestamp_ms > last->first_timestamp_ms &&
           timestamp_ms - last->first_timestamp_ms > roll->segment_ms;
}

/* As log_index.c will write it. */
static void count_index(struct mb_log_segment *segment, uint32_t size, const struct mb_log_roll *roll)
{
    if (segment->unindexed_bytes > (uint32_t)roll->index_interval_bytes) {
        segment->index_entries++;
        segment->unindexed_bytes = 0;
    }
    segment->unindexed_bytes += size;
}

static int writable_segment(struct mb_log_store *store, uint32_t size, int64_t base_offset, int64_t last_offset,
                            int64_t timestamp_ms, const struct mb_log_roll *roll)
{
    /* Nothing of the last segment was whole, and the log ends in the hole before it: its name is of no use any more. */
    while (store->count && store->segments[store->count - 1].size == 0 &&
           store->segments[store->count - 1].base_offset > base_offset) {
        if (store->write_file)
            store->storage->close(store->storage->context, store->write_file);
        store->write_file = 0;
        mb_log_files_remove(store, store->count - 1);
    }
    struct mb_log_segment *last = store->count ? &store->segments[store->count - 1] : NULL;
    if (!last || must_roll(last, size, last_offset, timestamp_ms, roll)) {
        int error = roll->flush_records > 0 && store->count ? mb_log_store_sync(store) : 0;
        bool first = !last && store->start < base_offset && last_offset - store->start <= INT32_MAX;
        if (!error)
            error = mb_log_files_add(store, first ? store->start : base_offset, 0);
        if (error)
            return error;
        if (store->count > 1)
            store->segments[store->count - 2].unsynced = store->unsynced > 0;
        if (store->write_file)
            store->storage->close(store->storage->context, store->write_file);
        store->write_file = 0;
    }
    if (store->write_file)
        return 0;
    uint64_t there = 0;
    last = &store->segments[store->count - 1];
    int error = mb_log_files_open(store, last->base_offset, true, &store->write_file, &there);
    if (error) {
        store->write_file = 0;
        if (last->size == 0)
            store->count--;
        return error;
    }
    if (there != last->size) /* left over from a failure */
        error = store->storage->truncate(store->storage->context, store->write_file, last->size);
    return error;
}

int mb_log_store_append(struct mb_log_store *store, const uint8_t *batch, uint32_t size, int64_t base_offset,
                        int32_t last_delta, int64_t timestamp_ms, const struct mb_log_roll *roll, uint32_t *position)
{
    if (store->broken)
        return EIO;
    int error = writable_segment(store, size, base_offset, base_offset + last_delta, timestamp_ms, roll);
    if (error)
        return error;
    struct mb_log_segment *last = &store->segments[store->count - 1];
    struct kci_iov piece = { batch, size };
    error = store->storage->append(store->storage->context, store->write_file, &piece, 1);
    int64_t unsynced = store->unsynced + last_delta + 1;
    if (!error && roll->flush_records > 0 && unsynced >= roll->flush_records) {
        error = store->storage->sync(store->storage->context, store->write_file);
        unsynced = 0;
    }
    if (error) {
        store->broken = store->storage->truncate(store->storage->context, store->write_file, last->size) != 0;
        return error;
    }
    if (last->size == 0)
        last->first_timestamp_ms = timestamp_ms;
    if (last->has_index) /* written at the end of an earlier life: the segment goes on */
        remove_indexes(store, last);
    store->unsynced = unsynced;
    *position = (uint32_t)last->size;
    count_index(last, size, roll);
    last->size += size;
    return 0;
}

/* ---- reading and cutting
 * --------------------------------------------------------------------------------------------- */

/* Index of the segment that holds `offset`: the last one that begins at or below it. */
size_t mb_log_files_find(const struct mb_log_store *store, int64_t offset)
{
    size_t i = store->count;
    while (i > 1 && store->segments[i - 1].base_offset > offset)
        i--;
    return i ? i - 1 : 0;
}

int mb_log_store_read(struct mb_log_store *store, int64_t base_offset, uint32_t position, uint8_t *out, uint32_t size)
{
    if (!store->count)
        return EIO;
    int64_t base = store->segments[mb_log_files_find(store, base_offset)].base_offset;
    if (store->read_file && store->read_base != base) {
        store->storage->close(store->storage->context, store->read_file);
        store->read_file = 0;
    }
    uint64_t there = 0;
    int error = store->read_file ? 0 : mb_log_files_open(store, base, false, &store->read_file, &there);
    if (error) {
        store->read_file = 0;
        return error;
    }
    store->read_base = base;
    size_t got = 0;
    error = store->storage->read(store->storage->context, store->read_file, position, out, size, &got);
    return error ? error : got == size ? 0 : EIO;
}

int mb_log_store_truncate(struct mb_log_store *store, int64_t offset, int64_t base_offset, uint32_t position)
{
    if (!store->count)
        return 0;
    size_t keep = mb_log_files_find(store, offset);
    if (mb_log_files_find(store, base_offset) != keep) /* the offset lies in a hole before that segment */
        position = (uint32_t)store->segments[keep].size;
    if (store->write_file && keep + 1 < store->count) {
        store->storage->close(store->storage->context, store->write_file);
        store->write_file = 0;
    }
    while (store->count > keep + 1)
        mb_log_files_remove(store, store->count - 1);
    remove_indexes(store, &store->segments[keep]);
    uint64_t there = 0;
    if (!store->write_file) {
        int error = mb_log_files_open(store, store->segments[keep].base_offset, true, &store->write_file, &there);
        if (error) {
            store->write_file = 0;
            return error;
        }
    }
    int error = store->storage->truncate(store->storage->context, store->write_file, position);
    if (!error) {
        store->segments[keep].size = position;
        store->broken = false;
    }
    return error;
}

void mb_log_store_drop_below(struct mb_log_store *store, int64_t offset)
{
    while (store->count > 1 && store->segments[1].base_offset <= offset)
        mb_log_files_remove(store, 0);
}

int64_t mb_log_store_next_segment(const struct mb_log_store *store, int64_t offset)
{
    size_t i = mb_log_files_find(store, offset);
    return i + 1 < store->count ? store->segments[i + 1].base_offset : -1;
}

int mb_log_store_reset(struct mb_log_store *store, int64_t offset)
{
    close_files(store);
    while (store->count)
        mb_log_files_remove(store, store->count - 1);
    store->start = offset;
    store->broken = false;
    return 0;
}

/* A segment that is not written to any more. */
static int sync_old(struct mb_log_store *store, struct mb_log_segment *segment)
{
    int64_t file = 0;
    uint64_t there = 0;
    int error = mb_log_files_open(store, segment->base_offset, false, &file, &there);
    if (error)
        return error;
    error = store->storage->sync(store->storage->context, file);
    store->storage->close(store->storage->context, file);
    segment->unsynced = error != 0;
    return error;
}

int mb_log_store_sync(struct mb_log_store *store)
{
    int error = 0;
    for (size_t i = 0; !error && i + 1 < store->count; i++)
        error = store->segments[i].unsynced ? sync_old(store, &store->segments[i]) : 0;
    if (!error && store->write_file)
        error = store->storage->sync(store->storage->context, store->write_file);
    if (!error)
        store->unsynced = 0;
    return error;
}

bool mb_log_store_is_dirty(const struct mb_log_store *store)
{
    return store->unsynced > 0;
}

/* ---- files next to the segments
 * -------------------------------------------------------------------------------------- */

int64_t mb_log_store_segment(const struct mb_log_store *store, size_t i, bool *has_index)
{
    *has_index = i < store->count && store->segments[i].has_index;
    return i < store->count ? store->segments[i].base_offset : -1;
}

void mb_log_store_indexed(struct mb_log_store *store, int64_t base_offset)
{
    size_t i = mb_log_files_find(store, base_offset);
    if (i < store->count && store->segments[i].base_offset == base_offset)
        store->segments[i].has_index = true;
}

int mb_log_store_put(struct mb_log_store *store, const char *name, const void *data, size_t size)
{
    const struct kci_storage *storage = store->storage;
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    int64_t file = 0;
    uint64_t there = 0;
    struct kci_iov piece = { data, size };
    snprintf(path, sizeof path, "%s/%s", store->directory, name);
    int error = storage->open(storage->context, path, true, &file, &there);
    if (error)
        return error;
    if (there)
        error = storage->truncate(storage->context, file, 0);
    if (!error && size)
        error = storage->append(storage->context, file, &piece, 1);
    storage->close(storage->context, file);
    return error;
}

/* ---- rewriting
 * ------------------------------------------------------------------------------------------------------- */

static void cleaned_path(const struct mb_log_store *store, int64_t base_offset, char *out, size_t size)
{
    snprintf(out, size, "%s/%020lld.log.cleaned", store->directory, (long long)base_offset);
}

int mb_log_store_rewrite(struct mb_log_store *store, int64_t base_offset, int64_t *file)
{
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    uint64_t there = 0;
    cleaned_path(store, base_offset, path, sizeof path);
    int error = store->storage->open(store->storage->context, path, true, file, &there);
    if (!error && there) /* of a crash */
        error = store->storage->truncate(store->storage->context, *file, 0);
    return error;
}

int mb_log_store_rewrite_append(struct mb_log_store *store, int64_t file, const void *data, size_t size)
{
    struct kci_iov piece = { data, size };
    return store->storage->append(store->storage->context, file, &piece, 1);
}

void mb_log_store_abandon(struct mb_log_store *store, int64_t base_offset, int64_t file)
{
    char path[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    if (file)
        store->storage->close(store->storage->context, file);
    cleaned_path(store, base_offset, path, sizeof path);
    store->storage->remove(store->storage->context, path);
}

int mb_log_store_rewritten(struct mb_log_store *store, int64_t base_offset, int64_t file, uint64_t size)
{
    char from[MB_LOG_DIRECTORY_BYTES_MAX + 40], to[MB_LOG_DIRECTORY_BYTES_MAX + 40];
    size_t i = mb_log_files_find(store, base_offset);
    int error = store->storage->sync(store->storage->context, file); /* the old one is about to go */
    store->storage->close(store->storage->context, file);
    if (error || (size == 0 && i > 0)) { /* the first one stays, if only for its name: the log begins there */
        mb_log_store_abandon(store, base_offset, 0);
        if (!error)
            mb_log_files_remove(store, i);
        return error;
    }
    cleaned_path(store, base_offset, from, sizeof from);
    segment_path(store, base_offset, to, sizeof to);
    remove_indexes(store, &store->segments[i]);
    if (store->read_file && store->read_base == base_offset) {
        store->storage->close(store->storage->context, store->read_file);
        store->read_file = 0;
    }
    error = store->storage->rename(store->storage->context, from, to);
    if (!error)
        store->segments[i].size = size;
    return error;
}
