/* What is in the directory of a replica, after a clean end or after a crash: its segments, whole batch by whole batch.
 * What a crash has left behind is cut off or removed here, so that log_store.c goes on from files that are as it left
 * them. */
#include "mockbroker/core/log_files.h"

#include "base/cursor.h"
#include "protocol/records.h"
#include <errno.h>

#define READ_BYTES ((size_t)256 << 10)
#define SKIM_BYTES 4096 /* a page: most batches are larger */

/* The base offset in a name such as "00000000000000004711.log"; -1: it is none of that kind. */
static int64_t base_of(const char *name, bool is_directory, const char *kind)
{
    int64_t base = 0;
    size_t digits = strspn(name, "0123456789");
    if (is_directory || digits != 20 || strcmp(name + digits, kind) != 0)
        return -1;
    for (size_t i = 0; i < digits; i++)
        base = base > (INT64_MAX - 9) / 10 ? INT64_MAX : base * 10 + (name[i] - '0');
    return base;
}

static void note_segment(void *user, const char *name, bool is_directory)
{
    struct mb_log_store *store = user;
    int64_t base = base_of(name, is_directory, ".log");
    if (base >= 0 && mb_log_files_add(store, base, 0) != 0)
        store->broken = true;
}

static void note_index(void *user, const char *name, bool is_directory)
{
    struct mb_log_store *store = user;
    int64_t base = base_of(name, is_directory, ".index"), snapshot = base_of(name, is_directory, ".snapshot");
    if (base >= 0)
        mb_log_store_indexed(store, base);
    if (snapshot >= 0 && (!store->count || store->segments[mb_log_files_find(store, snapshot)].base_offset != snapshot))
        store->stray = snapshot;
}

/* Snapshots that no segment begins at are of an earlier end of the log: from here on it may become another one. */
static int look_around(struct mb_log_store *store)
{
    int error;
    for (int64_t stray = -1;; stray = store->stray) {
        store->stray = -1;
        error = store->storage->list(store->storage->context, store->directory, note_index, store);
        if (error || store->stray < 0 || store->stray == stray) /* it cannot be removed */
            return error;
        mb_log_files_remove_snapshot(store, store->stray);
    }
}

/* Walks the headers of one file that was closed in an orderly way; the bodies are not read. */
static int skim_segment(struct mb_log_store *store, struct mb_log_segment *segment, int64_t file, uint64_t size,
                        bool (*each)(void *owner, const uint8_t *batch, uint32_t size, uint32_t position), void *owner)
{
    uint8_t buffer[SKIM_BYTES];
    uint64_t from = 0; /* of the file, where the buffer begins */
    size_t got = 0;
    segment->size = 0;
    while (segment->size + KCI_BATCH_HEADER_BYTES <= size) {
        struct kci_batch_header header;
        size_t total = 0;
        if (segment->size + KCI_BATCH_HEADER_BYTES > from + got) {
            from = segment->size;
            int error = store->storage->read(store->storage->context, file, from, buffer, sizeof buffer, &got);
            if (error)
                return error;
            if (got < KCI_BATCH_HEADER_BYTES)
                break;
        }
        /* peeking looks at no more than the header: it is told of all that the file has */
        struct kci_reader r = kci_reader_of(buffer + (segment->size - from), (size_t)(size - segment->size));
        if (kci_batch_peek(&r, &header, &total) != KCI_BATCH_OK || header.magic != 2 ||
            !each(owner, buffer + (segment->size - from), (uint32_t)total, (uint32_t)segment->size))
            break;
        if (segment->first_timestamp_ms < 0)
            segment->first_timestamp_ms = header.max_timestamp_ms;
        segment->size += total;
    }
    return 0;
}

/* Walks one file of whole batches; the size of the segment is what is fine of it. */
static int recover_segment(struct mb_log_store *store, struct mb_log_segment *segment, int64_t file, uint64_t size,
                           bool (*each)(void *owner, const uint8_t *batch, uint32_t size, uint32_t position),
                           void *owner)
{
    uint8_t *buffer = kci_alloc_new(store->alloc, READ_BYTES);
    size_t capacity = READ_BYTES;
    int error = buffer ? 0 : ENOMEM;
    segment->size = 0;
    while (!error && segment->size + KCI_BATCH_HEADER_BYTES <= size) {
        size_t got = 0;
        error = store->storage->read(store->storage->context, file, segment->size, buffer, capacity, &got);
        if (error)
            break;
        size_t used = 0;
        struct kci_batch_header header = { 0 };
        size_t total = 0;
        enum kci_batch_error verdict = KCI_BATCH_OK;
        for (;;) {
            struct kci_reader r = kci_reader_of(buffer + used, got - used);
            verdict = kci_batch_peek(&r, &header, &total);
            if (verdict != KCI_BATCH_OK || total > got - used)
                break;
            if (!kci_batch_crc_ok(buffer + used, total) ||
                !each(owner, buffer + used, (uint32_t)total, (uint32_t)(segment->size + used))) {
                verdict = KCI_BATCH_BAD_CRC;
                break;
            }
            if (segment->first_timestamp_ms < 0)
                segment->first_timestamp_ms = header.max_timestamp_ms;
            used += total;
        }
        segment->size += used;
        if (verdict != KCI_BATCH_PARTIAL && verdict != KCI_BATCH_OK)
            break;
        if (used)
            continue;
        uint64_t need = got >= KCI_BATCH_PREFIX_BYTES ? (uint64_t)kci_be32(buffer + 8) + KCI_BATCH_PREFIX_BYTES : 0;
        if (need <= capacity || need > size - segment->size) /* torn, not just longer than the buffer */
            break;
        uint8_t *larger = kci_alloc_resize(store->alloc, buffer, (size_t)need);
        error = larger ? 0 : ENOMEM;
        if (larger) {
            buffer = larger;
            capacity = (size_t)need;
        }
    }
    kci_alloc_free(store->alloc, buffer);
    return error;
}

int mb_log_store_recover(struct mb_log_store *store, bool clean,
                         bool (*each)(void *owner, const uint8_t *batch, uint32_t size, uint32_t position), void *owner,
                         uint64_t *torn_bytes)
{
    *torn_bytes = 0;
    store->count = 0;
    int error = store->storage->list(store->storage->context, store->directory, note_segment, store);
    if (error == ENOENT)
        return 0;
    if (store->broken)
        error = ENOMEM;
    if (!error)
        error = look_around(store);
    for (size_t i = 0; !error && i < store->count; i++) {
        int64_t file = 0;
        uint64_t size = 0;
        error = mb_log_files_open(store, store->segments[i].base_offset, false, &file, &size);
        if (error)
            break;
        error = (clean ? skim_segment : recover_segment)(store, &store->segments[i], file, size, each, owner);
        uint64_t torn = size - store->segments[i].size;
        if (!error && torn) {
            *torn_bytes += torn;
            error = store->storage->truncate(store->storage->context, file, store->segments[i].size);
            while (!error && store->count > i + 1) /* what lies behind a hole is not a log */
                mb_log_files_remove(store, store->count - 1);
        }
        store->storage->close(store->storage->context, file);
    }
    return error;
}
