/* A storage in memory for tests: it outlives clusters, can be full, can fail, and its files can be damaged by the
 * story. */
#ifndef TEST_SUPPORT_FAULTY_DISK_H
#define TEST_SUPPORT_FAULTY_DISK_H

#include "base/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_FILES_MAX 512

struct disk_file {
    char path[400]; /* "": none */
    uint8_t *data;
    size_t size, capacity;
};

struct disk_storage {
    struct kci_storage face;
    struct disk_file files[DISK_FILES_MAX];
    size_t bytes;      /* of all files */
    size_t bytes_max;  /* beyond it: ENOSPC, after writing what fits. 0: no limit */
    bool broken;       /* every write fails with EIO, truncation too */
    size_t open_files; /* for leaks */
    size_t syncs;      /* that worked */
    size_t read_bytes; /* by all reads */
};

static inline struct disk_file *disk_find(struct disk_storage *storage, const char *path)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (storage->files[i].path[0] && strcmp(storage->files[i].path, path) == 0)
            return &storage->files[i];
    return NULL;
}

static inline int disk_open(void *context, const char *path, bool create, int64_t *file, uint64_t *size)
{
    struct disk_storage *storage = context;
    struct disk_file *found = disk_find(storage, path);
    for (size_t i = 0; create && !found && i < DISK_FILES_MAX; i++)
        if (!storage->files[i].path[0]) {
            found = &storage->files[i];
            snprintf(found->path, sizeof found->path, "%s", path);
        }
    if (!found)
        return ENOENT;
    *file = found - storage->files + 1;
    *size = found->size;
    storage->open_files++;
    return 0;
}

static inline int disk_append(void *context, int64_t handle, const struct kci_iov *pieces, size_t count)
{
    struct disk_storage *storage = context;
    struct disk_file *file = &storage->files[handle - 1];
    if (storage->broken)
        return EIO;
    for (size_t i = 0; i < count; i++) {
        size_t size = pieces[i].size;
        if (storage->bytes_max && storage->bytes + size > storage->bytes_max)
            size = storage->bytes_max > storage->bytes ? storage->bytes_max - storage->bytes : 0;
        if (file->size + size > file->capacity) {
            file->capacity = (file->size + size) * 2;
            file->data = realloc(file->data, file->capacity);
        }
        if (size)
            memcpy(file->data + file->size, pieces[i].data, size);
        file->size += size;
        storage->bytes += size;
        if (size < pieces[i].size)
            return ENOSPC;
    }
    return 0;
}

static inline int disk_read(void *context, int64_t handle, uint64_t offset, void *data, size_t size, size_t *got)
{
    struct disk_file *file = &((struct disk_storage *)context)->files[handle - 1];
    *got = offset >= file->size ? 0 : file->size - offset < size ? file->size - (size_t)offset : size;
    if (*got)
        memcpy(data, file->data + offset, *got);
    ((struct disk_storage *)context)->read_bytes += *got;
    return 0;
}

static inline int disk_sync(void *context, int64_t handle)
{
    struct disk_storage *storage = context;
    (void)handle;
    storage->syncs += !storage->broken;
    return storage->broken ? EIO : 0;
}

static inline int disk_truncate(void *context, int64_t handle, uint64_t size)
{
    struct disk_storage *storage = context;
    struct disk_file *file = &storage->files[handle - 1];
    if (storage->broken)
        return EIO;
    storage->bytes -= file->size - (size_t)size;
    file->size = (size_t)size;
    return 0;
}

static inline void disk_close(void *context, int64_t handle)
{
    (void)handle;
    ((struct disk_storage *)context)->open_files--;
}

static inline void disk_forget(struct disk_storage *storage, struct disk_file *file)
{
    storage->bytes -= file->size;
    free(file->data);
    memset(file, 0, sizeof *file);
}

static inline int disk_rename(void *context, const char *from, const char *to)
{
    struct disk_storage *storage = context;
    struct disk_file *source = disk_find(storage, from), *target = disk_find(storage, to);
    if (!source)
        return ENOENT;
    if (target)
        disk_forget(storage, target);
    snprintf(source->path, sizeof source->path, "%s", to);
    return 0;
}

static inline int disk_remove(void *context, const char *path)
{
    struct disk_storage *storage = context;
    size_t length = strlen(path);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        char *at = storage->files[i].path;
        if (at[0] && strncmp(at, path, length) == 0 && (at[length] == '\0' || at[length] == '/'))
            disk_forget(storage, &storage->files[i]);
    }
    return 0;
}

static inline int disk_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline int disk_list(void *context, const char *path,
                            void (*each)(void *user, const char *name, bool is_directory), void *user)
{
    struct disk_storage *storage = context;
    const char *names[DISK_FILES_MAX];
    size_t length = strlen(path), count = 0;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        const char *at = storage->files[i].path;
        if (at[0] && strncmp(at, path, length) == 0 && at[length] == '/' && !strchr(at + length + 1, '/'))
            names[count++] = at + length + 1;
    }
    qsort(names, count, sizeof names[0], disk_compare);
    for (size_t i = 0; i < count; i++)
        each(user, names[i], false);
    return count ? 0 : ENOENT;
}

static inline void disk_storage_init(struct disk_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    storage->face = (struct kci_storage){ storage,       disk_open,  disk_append, disk_read,   disk_sync,
                                          disk_truncate, disk_close, disk_rename, disk_remove, disk_list };
}

static inline void disk_storage_free(struct disk_storage *storage)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        free(storage->files[i].data);
}

#endif
