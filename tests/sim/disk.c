/* Files are found by walking: there are few dozens of them. */
#include "disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_HEAD 17 /* bytes of a batch before its CRC */
#define GARBAGE    4  /* one torn tail in so many holds bytes that nobody wrote */

static struct sim_file *find(struct sim_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->count; i++)
        if (strcmp(disk->files[i].path, path) == 0)
            return &disk->files[i];
    return NULL;
}

static struct sim_file *file_of(void *context, int64_t handle)
{
    return &((struct sim_disk *)context)->files[handle - 1];
}

static struct sim_file *new_file(struct sim_disk *disk, const char *path)
{
    struct sim_file *file = find(disk, "");
    if (!file && disk->count == disk->capacity) {
        disk->capacity = disk->capacity ? disk->capacity * 2 : 32;
        disk->files = kci_alloc_resize(disk->alloc, disk->files, disk->capacity * sizeof *disk->files);
        assert(disk->files);
    }
    file = file ? file : &disk->files[disk->count++];
    memset(file, 0, sizeof *file);
    assert(strlen(path) < sizeof file->path);
    snprintf(file->path, sizeof file->path, "%s", path);
    return file;
}

static int open_file(void *context, const char *path, bool create, int64_t *handle, uint64_t *size)
{
    struct sim_disk *disk = context;
    struct sim_file *file = find(disk, path);
    if (!file && !create)
        return ENOENT;
    file = file ? file : new_file(disk, path);
    *handle = file - disk->files + 1;
    *size = file->size;
    disk->open_files++;
    return 0;
}

static int append(void *context, int64_t handle, const struct kci_iov *pieces, size_t count)
{
    struct sim_disk *disk = context;
    struct sim_file *file = file_of(disk, handle);
    if (disk->off)
        return EIO;
    for (size_t i = 0; i < count; i++) {
        size_t size = pieces[i].size;
        if (file->size + size > file->capacity) {
            file->capacity = (file->size + size) * 2;
            file->data = kci_alloc_resize(disk->alloc, file->data, file->capacity);
            assert(file->data);
        }
        if (size)
            memcpy(file->data + file->size, pieces[i].data, size);
        file->size += size;
    }
    return 0;
}

static int read_file(void *context, int64_t handle, uint64_t offset, void *data, size_t size, size_t *got)
{
    const struct sim_file *file = file_of(context, handle);
    size_t left = offset < file->size ? file->size - (size_t)offset : 0;
    *got = size < left ? size : left;
    if (*got)
        memcpy(data, file->data + offset, *got);
    return 0;
}

static int sync_file(void *context, int64_t handle)
{
    struct sim_file *file = file_of(context, handle);
    if (((struct sim_disk *)context)->off)
        return EIO;
    file->synced = file->size;
    return 0;
}

static int truncate_file(void *context, int64_t handle, uint64_t size)
{
    struct sim_file *file = file_of(context, handle);
    if (((struct sim_disk *)context)->off)
        return EIO;
    file->size = size < file->size ? (size_t)size : file->size;
    file->synced = file->synced < file->size ? file->synced : file->size;
    return 0;
}

static void close_file(void *context, int64_t handle)
{
    (void)handle;
    ((struct sim_disk *)context)->open_files--;
}

static void forget(struct sim_disk *disk, struct sim_file *file)
{
    kci_alloc_free(disk->alloc, file->data);
    memset(file, 0, sizeof *file);
}

/* The file itself, or anything below the folder. */
static bool lies_at(const struct sim_file *file, const char *path)
{
    size_t length = strlen(path);
    return file->path[0] && strncmp(file->path, path, length) == 0 &&
           (file->path[length] == '\0' || file->path[length] == '/');
}

static int remove_path(void *context, const char *path)
{
    struct sim_disk *disk = context;
    if (disk->off)
        return EIO;
    for (size_t i = 0; i < disk->count; i++)
        if (lies_at(&disk->files[i], path))
            forget(disk, &disk->files[i]);
    return 0;
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    struct sim_file *source = find(disk, from), *target = find(disk, to);
    if (disk->off)
        return EIO;
    if (!source)
        return ENOENT;
    if (target)
        forget(disk, target);
    snprintf(source->path, sizeof source->path, "%s", to);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The brokers list folders of files only. */
static int list(void *context, const char *path, void (*each)(void *user, const char *name, bool is_directory),
                void *user)
{
    struct sim_disk *disk = context;
    const char **names = kci_alloc_zero(disk->alloc, disk->count + 1, sizeof *names);
    size_t length = strlen(path), count = 0;
    assert(names);
    for (size_t i = 0; i < disk->count; i++)
        if (lies_at(&disk->files[i], path) && disk->files[i].path[length] == '/' &&
            !strchr(disk->files[i].path + length + 1, '/'))
            names[count++] = disk->files[i].path + length + 1;
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; i++)
        each(user, names[i], false);
    kci_alloc_free(disk->alloc, names);
    return count ? 0 : ENOENT;
}

void sim_disk_init(struct sim_disk *disk, const struct kci_alloc *alloc)
{
    *disk = (struct sim_disk){ .alloc = alloc,
                               .face = { disk, open_file, append, read_file, sync_file, truncate_file, close_file,
                                         rename_file, remove_path, list } };
}

void sim_disk_destroy(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->count; i++)
        kci_alloc_free(disk->alloc, disk->files[i].data);
    kci_alloc_free(disk->alloc, disk->files);
}

void sim_disk_lose(struct sim_disk *disk, struct kci_prng *prng)
{
    for (size_t i = 0; i < disk->count; i++) {
        struct sim_file *file = &disk->files[i];
        if (file->size == file->synced)
            continue;
        size_t kept = file->synced + (size_t)kci_prng_below(prng, file->size - file->synced + 1);
        bool garbage = kci_prng_chance(prng, 1, GARBAGE);
        if (garbage && kept > file->synced)
            file->data[kept - 1] ^= (uint8_t)(1 + kci_prng_below(prng, 255));
        file->size = file->synced = kept;
    }
}

/* A place in one of the batches: bytes 17 and on are under its CRC, or are the CRC. */
static size_t place_in(const struct sim_file *file, struct kci_prng *prng)
{
    size_t at = 0, chosen = 0;
    for (uint64_t batches = 1; at + BATCH_HEAD < file->size; batches++) {
        const uint8_t *length = file->data + at + 8;
        size_t size = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
        size_t end = at + 12 + size < file->size ? at + 12 + size : file->size;
        if (kci_prng_chance(prng, 1, batches))
            chosen = at + BATCH_HEAD + (size_t)kci_prng_below(prng, end - at - BATCH_HEAD);
        at += 12 + size;
    }
    return chosen;
}

bool sim_disk_rot(struct sim_disk *disk, int32_t broker, const char *folder, struct kci_prng *prng)
{
    char path[120];
    snprintf(path, sizeof path, "broker-%d/%s", (int)broker, folder);
    for (size_t i = 0; i < disk->count; i++) {
        struct sim_file *file = &disk->files[i];
        size_t length = strlen(file->path);
        if (!lies_at(file, path) || length < 4 || strcmp(file->path + length - 4, ".log") != 0)
            continue;
        size_t place = place_in(file, prng);
        if (place)
            file->data[place] ^= (uint8_t)(1u << kci_prng_below(prng, 8));
        return place > 0;
    }
    return false;
}
