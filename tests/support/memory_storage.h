/* A storage in memory for tests: it outlives clusters, can be full, can fail, and its files can be damaged by the
 * story. */
#ifndef TEST_SUPPORT_MEMORY_STORAGE_H
#define TEST_SUPPORT_MEMORY_STORAGE_H

#include "base/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_FILES_MAX 512

struct memory_file {
    char path[400]; /* "": none */
    uint8_t *data;
    size_t size, capacity;
};

struct memory_storage {
    struct kci_storage face;
    struct memory_file files[MEMORY_FILES_MAX];
    size_t bytes;      /* of all files */
    size_t bytes_max;  /* beyond it: ENOSPC, after writing what fits. 0: no limit */
    bool broken;       /* every write fails with EIO, truncation too */
    size_t open_files; /* for leaks */
};

static inline struct memory_file *memory_find(struct memory_storage *storage, const char *path)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        if (storage->files[i].path[0] && strcmp(storage->files[i].path, path) == 0)
            return &storage->files[i];
    return NULL;
}

static inline int memory_open(void *context, const char *path, bool create, int64_t *file, uint64_t *size)
{
    struct memory_storage *storage = context;
    struct memory_file *found = memory_find(storage, path);
    for (size_t i = 0; create && !found && i < MEMORY_FILES_MAX; i++)
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

static inline int memory_append(void *context, int64_t handle, const struct kci_iov *pieces, size_t count)
{
    struct memory_storage *storage = context;
    struct memory_file *file = &storage->files[handle - 1];
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

static inline int memory_read(void *context, int64_t handle, uint64_t offset, void *data, size_t size, size_t *got)
{
    struct memory_file *file = &((struct memory_storage *)context)->files[handle - 1];
    *got = offset >= file->size ? 0 : file->size - offset < size ? file->size - (size_t)offset : size;
    if (*got)
        memcpy(data, file->data + offset, *got);
    return 0;
}

static inline int memory_sync(void *context, int64_t handle)
{
    (void)handle;
    return ((struct memory_storage *)context)->broken ? EIO : 0;
}

static inline int memory_truncate(void *context, int64_t handle, uint64_t size)
{
    struct memory_storage *storage = context;
    struct memory_file *file = &storage->files[handle - 1];
    if (storage->broken)
        return EIO;
    storage->bytes -= file->size - (size_t)size;
    file->size = (size_t)size;
    return 0;
}

static inline void memory_close(void *context, int64_t handle)
{
    (void)handle;
    ((struct memory_storage *)context)->open_files--;
}

static inline void memory_forget(struct memory_storage *storage, struct memory_file *file)
{
    storage->bytes -= file->size;
    free(file->data);
    memset(file, 0, sizeof *file);
}

static inline int memory_rename(void *context, const char *from, const char *to)
{
    struct memory_storage *storage = context;
    struct memory_file *source = memory_find(storage, from), *target = memory_find(storage, to);
    if (!source)
        return ENOENT;
    if (target)
        memory_forget(storage, target);
    snprintf(source->path, sizeof source->path, "%s", to);
    return 0;
}

static inline int memory_remove(void *context, const char *path)
{
    struct memory_storage *storage = context;
    size_t length = strlen(path);
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        char *at = storage->files[i].path;
        if (at[0] && strncmp(at, path, length) == 0 && (at[length] == '\0' || at[length] == '/'))
            memory_forget(storage, &storage->files[i]);
    }
    return 0;
}

static inline int memory_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline int memory_list(void *context, const char *path,
                              void (*each)(void *user, const char *name, bool is_directory), void *user)
{
    struct memory_storage *storage = context;
    const char *names[MEMORY_FILES_MAX];
    size_t length = strlen(path), count = 0;
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        const char *at = storage->files[i].path;
        if (at[0] && strncmp(at, path, length) == 0 && at[length] == '/' && !strchr(at + length + 1, '/'))
            names[count++] = at + length + 1;
    }
    qsort(names, count, sizeof names[0], memory_compare);
    for (size_t i = 0; i < count; i++)
        each(user, names[i], false);
    return count ? 0 : ENOENT;
}

static inline void memory_storage_init(struct memory_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    storage->face = (struct kci_storage){ storage,         memory_open,  memory_append, memory_read,   memory_sync,
                                          memory_truncate, memory_close, memory_rename, memory_remove, memory_list };
}

static inline void memory_storage_free(struct memory_storage *storage)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        free(storage->files[i].data);
}

#endif
