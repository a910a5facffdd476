/* Files in memory, for brokers that are stopped and started again within a test. It may be told to fail. */
#ifndef TEST_SUPPORT_MEMORY_STORAGE_H
#define TEST_SUPPORT_MEMORY_STORAGE_H

#include "base/storage.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_FILES_MAX 4096

struct memory_file {
    char path[200]; /* empty: removed */
    uint8_t *data;
    size_t size;
};

struct memory_storage {
    struct memory_file files[MEMORY_FILES_MAX];
    size_t count;
    int append_error; /* every append fails with it; 0: none */
};

static struct memory_file *memory_find(struct memory_storage *m, const char *path)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->files[i].path, path) == 0)
            return &m->files[i];
    return NULL;
}

static int memory_open(void *context, const char *path, bool create, int64_t *file, uint64_t *size)
{
    struct memory_storage *m = context;
    struct memory_file *found = memory_find(m, path);
    if (!found && (!create || m->count == MEMORY_FILES_MAX || strlen(path) >= sizeof found->path))
        return create ? ENOSPC : ENOENT;
    if (!found) {
        found = &m->files[m->count++];
        memset(found, 0, sizeof *found);
        memcpy(found->path, path, strlen(path) + 1);
    }
    *file = (int64_t)(found - m->files) + 1;
    *size = found->size;
    return 0;
}

static int memory_append(void *context, int64_t file, const struct kci_iov *pieces, size_t count)
{
    struct memory_storage *m = context;
    struct memory_file *f = &m->files[file - 1];
    if (m->append_error)
        return m->append_error;
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = realloc(f->data, f->size + pieces[i].size + 1);
        if (!data)
            return ENOSPC;
        f->data = data;
        if (pieces[i].size)
            memcpy(f->data + f->size, pieces[i].data, pieces[i].size);
        f->size += pieces[i].size;
    }
    return 0;
}

static int memory_read(void *context, int64_t file, uint64_t offset, void *data, size_t size, size_t *got)
{
    struct memory_storage *m = context;
    const struct memory_file *f = &m->files[file - 1];
    size_t left = offset < f->size ? f->size - (size_t)offset : 0;
    *got = size < left ? size : left;
    if (*got)
        memcpy(data, f->data + offset, *got);
    return 0;
}

static int memory_sync(void *context, int64_t file)
{
    (void)context;
    (void)file;
    return 0;
}

static int memory_truncate(void *context, int64_t file, uint64_t size)
{
    struct memory_storage *m = context;
    if (size < m->files[file - 1].size)
        m->files[file - 1].size = (size_t)size;
    return 0;
}

static void memory_close(void *context, int64_t file)
{
    (void)context;
    (void)file;
}

static bool memory_under(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || n == 0);
}

static int memory_remove(void *context, const char *path)
{
    struct memory_storage *m = context;
    bool any = false;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->files[i].path[0] || (strcmp(m->files[i].path, path) != 0 && !memory_under(m->files[i].path, path)))
            continue;
        m->files[i].path[0] = 0;
        m->files[i].size = 0;
        any = true;
    }
    return any ? 0 : ENOENT;
}

static int memory_rename(void *context, const char *from, const char *to)
{
    struct memory_storage *m = context;
    struct memory_file *f = memory_find(m, from);
    if (!f)
        return ENOENT;
    memory_remove(m, to);
    memcpy(f->path, to, strlen(to) + 1);
    return 0;
}

static int memory_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Entries of one level, each once, by name. */
static int memory_list(void *context, const char *path, void (*each)(void *user, const char *name, bool is_directory),
                       void *user)
{
    struct memory_storage *m = context;
    char **names = calloc(m->count + 1, sizeof *names);
    size_t count = 0, skip = path[0] ? strlen(path) + 1 : 0;
    bool whole = !path[0] || strcmp(path, ".") == 0;
    if (!names)
        return ENOMEM;
    if (whole)
        skip = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->files[i].path[0] || (!whole && !memory_under(m->files[i].path, path)))
            continue;
        char *name = calloc(1, sizeof m->files[i].path);
        memcpy(name, m->files[i].path + skip, strlen(m->files[i].path + skip));
        if (strchr(name, '/'))
            strchr(name, '/')[1] = 0; /* "folder/" */
        names[count++] = name;
    }
    qsort(names, count, sizeof *names, memory_compare);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        bool folder = n && names[i][n - 1] == '/', again = i + 1 < count && strcmp(names[i], names[i + 1]) == 0;
        if (!again) {
            names[i][folder ? n - 1 : n] = 0;
            each(user, names[i], folder);
        }
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return count || whole ? 0 : ENOENT;
}

static inline struct kci_storage memory_storage_of(struct memory_storage *m)
{
    return (struct kci_storage){ m,
                                 memory_open,
                                 memory_append,
                                 memory_read,
                                 memory_sync,
                                 memory_truncate,
                                 memory_close,
                                 memory_rename,
                                 memory_remove,
                                 memory_list };
}

static inline void memory_storage_free(struct memory_storage *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->files[i].data);
    memset(m, 0, sizeof *m);
}

#endif
