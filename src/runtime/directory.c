/* struct kci_storage over a directory of the file system (base/storage.h is the contract).
 *
 * Everything is relative to the descriptor of the root, so the process may change its working directory and the root
 * may be renamed.  The root is locked while in use: two brokers in one data directory would destroy each other's logs.
 * A file's handle is its descriptor plus one.  Paths come from topic names that came from the network, so they are
 * checked here too, whatever the caller did: relative, no empty, "." or ".." component.
 *
 * Durability: sync() is fdatasync; rename() also syncs the directory, since it is how a checkpoint replaces the last.
 */
#define _GNU_SOURCE /* flock, and O_DIRECTORY where it is not yet POSIX */
#include "runtime/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_LIMIT     512               /* bytes of a relative path: topic (249) + partition + file name */
#define DEPTH_MAX      8                 /* directories within directories that remove() goes down */
#define PIECES_AT_ONCE 1024              /* iovecs of one writev */
#define ENTRIES_MAX    ((size_t)1 << 20) /* names of one directory that list() sorts */

struct directory {
    const struct kci_alloc *alloc; /* borrowed */
    int root;                      /* descriptor, locked */
};

static bool is_valid_path(const char *path)
{
    size_t start = 0, size = strlen(path);
    if (size == 0 || size >= PATH_LIMIT)
        return false;
    for (size_t i = 0; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        size_t length = i - start;
        bool dots = (length == 1 && path[start] == '.') || (length == 2 && memcmp(path + start, "..", 2) == 0);
        if (length == 0 || dots)
            return false;
        start = i + 1;
    }
    return true;
}

/* Every directory on the way to path, under `at`. An absolute path begins at "/". */
static int make_parents(int at, const char *path)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof part)
        return ENAMETOOLONG;
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdirat(at, part, 0755) && errno != EEXIST)
            return errno;
        part[i] = '/';
    }
    return 0;
}

/* ---- files ---- */

static int open_file(void *context, const char *path, bool create, int64_t *file, uint64_t *size)
{
    struct directory *directory = context;
    struct stat status;
    int flags = O_RDWR | O_APPEND | O_CLOEXEC | (create ? O_CREAT : 0);
    if (!is_valid_path(path))
        return EINVAL;
    int fd = openat(directory->root, path, flags, 0644);
    if (fd < 0 && errno == ENOENT && create) {
        int error = make_parents(directory->root, path);
        if (error)
            return error;
        fd = openat(directory->root, path, flags, 0644);
    }
    if (fd < 0)
        return errno;
    if (fstat(fd, &status)) {
        int error = errno;
        close(fd);
        return error;
    }
    *file = (int64_t)fd + 1;
    *size = (uint64_t)status.st_size;
    return 0;
}

static int fd_of(int64_t file)
{
    return (int)(file - 1);
}

static void close_file(void *context, int64_t file)
{
    (void)context;
    close(fd_of(file));
}

/* The rest of a piece after a short write, and all pieces behind it. */
struct rest {
    const struct kci_iov *pieces;
    size_t count;
    size_t skip; /* bytes of the first piece that are written */
};

static size_t next_iovecs(const struct rest *rest, struct iovec *out)
{
    size_t count = rest->count < PIECES_AT_ONCE ? rest->count : PIECES_AT_ONCE;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct iovec){ (void *)(uintptr_t)rest->pieces[i].data, rest->pieces[i].size };
    out[0].iov_base = (char *)out[0].iov_base + rest->skip;
    out[0].iov_len -= rest->skip;
    return count;
}

static void advance(struct rest *rest, size_t written)
{
    written += rest->skip;
    while (rest->count && written >= rest->pieces->size) {
        written -= rest->pieces->size;
        rest->pieces++;
        rest->count--;
    }
    rest->skip = written;
}

static int append_file(void *context, int64_t file, const struct kci_iov *pieces, size_t count)
{
    struct rest rest = { pieces, count, 0 };
    struct iovec iovecs[PIECES_AT_ONCE];
    (void)context;
    advance(&rest, 0); /* empty pieces */
    while (rest.count) {
        ssize_t written = writev(fd_of(file), iovecs, (int)next_iovecs(&rest, iovecs));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        if (written == 0)
            return EIO; /* POSIX does not say that this can happen; do not spin if it does */
        advance(&rest, (size_t)written);
    }
    return 0;
}

static int read_file(void *context, int64_t file, uint64_t offset, void *data, size_t size, size_t *got)
{
    (void)context;
    *got = 0;
    while (*got < size) {
        ssize_t some = pread(fd_of(file), (char *)data + *got, size - *got, (off_t)(offset + *got));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return errno;
        if (some == 0)
            break;
        *got += (size_t)some;
    }
    return 0;
}

static int sync_file(void *context, int64_t file)
{
    (void)context;
#ifdef __APPLE__
    return fsync(fd_of(file)) ? errno : 0;
#else
    return fdatasync(fd_of(file)) ? errno : 0;
#endif
}

static int truncate_file(void *context, int64_t file, uint64_t size)
{
    (void)context;
    return ftruncate(fd_of(file), (off_t)size) ? errno : 0;
}

/* ---- names ---- */

/* Sync the directory that holds path. */
static int sync_parent(const struct directory *directory, const char *path)
{
    char parent[PATH_LIMIT];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = openat(directory->root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fsync(fd) ? errno : 0;
    close(fd);
    return error;
}

static int rename_path(void *context, const char *from, const char *to)
{
    struct directory *directory = context;
    if (!is_valid_path(from) || !is_valid_path(to))
        return EINVAL;
    if (renameat(directory->root, from, directory->root, to))
        return errno;
    return sync_parent(directory, to);
}

struct names {
    const struct kci_alloc *alloc; /* borrowed */
    char **items;                  /* owned, and each name too; first byte 'd' for a directory, 'f' for the rest */
    size_t count, capacity;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        kci_alloc_free(names->alloc, names->items[i]);
    kci_alloc_free(names->alloc, names->items);
}

static int add_name(struct names *names, const char *name, bool is_directory)
{
    size_t size = strlen(name);
    if (names->count == ENTRIES_MAX)
        return EOVERFLOW;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        char **grown = kci_alloc_resize(names->alloc, names->items, capacity * sizeof(char *));
        if (!grown)
            return ENOMEM;
        names->items = grown;
        names->capacity = capacity;
    }
    char *item = kci_alloc_new(names->alloc, size + 2);
    if (!item)
        return ENOMEM;
    item[0] = is_directory ? 'd' : 'f';
    memcpy(item + 1, name, size + 1);
    names->items[names->count++] = item;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

static int read_names(int at, const char *path, struct names *names)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        error = errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    for (;;) {
        struct stat status;
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (!entry) {
            error = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
            continue; /* gone since */
        if ((error = add_name(names, entry->d_name, S_ISDIR(status.st_mode))) != 0)
            break;
    }
    closedir(stream);
    if (error == 0 && names->count)
        qsort(names->items, names->count, sizeof names->items[0], compare_names);
    return error;
}

static int list_directory(void *context, const char *path,
                          void (*each)(void *user, const char *name, bool is_directory), void *user)
{
    struct directory *directory = context;
    struct names names = { directory->alloc, NULL, 0, 0 };
    bool is_root = path[0] == '\0' || strcmp(path, ".") == 0;
    if (!is_root && !is_valid_path(path))
        return EINVAL;
    int error = read_names(directory->root, is_root ? "." : path, &names);
    for (size_t i = 0; error == 0 && i < names.count; i++)
        each(user, names.items[i] + 1, names.items[i][0] == 'd');
    free_names(&names);
    return error;
}

static int remove_tree(struct directory *directory, const char *path, int depth)
{
    struct names names = { directory->alloc, NULL, 0, 0 };
    if (unlinkat(directory->root, path, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM) /* Linux says EISDIR, POSIX EPERM */
        return errno;
    if (depth == DEPTH_MAX)
        return ELOOP;
    int error = read_names(directory->root, path, &names);
    for (size_t i = 0; error == 0 && i < names.count; i++) {
        char child[PATH_LIMIT];
        int size = snprintf(child, sizeof child, "%s/%s", path, names.items[i] + 1);
        error = size >= (int)sizeof child ? ENAMETOOLONG : remove_tree(directory, child, depth + 1);
    }
    free_names(&names);
    if (error)
        return error;
    return unlinkat(directory->root, path, AT_REMOVEDIR) ? errno : 0;
}

static int remove_path(void *context, const char *path)
{
    return is_valid_path(path) ? remove_tree(context, path, 0) : EINVAL;
}

/* ---- the storage itself ---- */

/* Make it if it is missing, open it, lock it. */
static int open_root(const char *path, int *root)
{
    int error = make_parents(AT_FDCWD, path);
    if (error)
        return error;
    if (mkdir(path, 0755) && errno != EEXIST)
        return errno;
    *root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*root < 0)
        return errno;
    if (flock(*root, LOCK_EX | LOCK_NB) == 0)
        return 0;
    error = errno == EWOULDBLOCK ? EBUSY : errno;
    close(*root);
    return error;
}

int kci_storage_directory(struct kci_storage *out, const struct kci_alloc *alloc, const char *path)
{
    struct directory *directory = kci_alloc_zero(alloc, 1, sizeof *directory);
    if (!directory)
        return ENOMEM;
    directory->alloc = alloc;
    int error = path[0] ? open_root(path, &directory->root) : ENOENT;
    if (error) {
        kci_alloc_free(alloc, directory);
        return error;
    }
    *out = (struct kci_storage){ directory,     open_file,  append_file, read_file,   sync_file,
                                 truncate_file, close_file, rename_path, remove_path, list_directory };
    return 0;
}

void kci_storage_close(struct kci_storage *storage)
{
    struct directory *directory = storage->context;
    if (!directory)
        return;
    close(directory->root); /* and with it the lock */
    kci_alloc_free(directory->alloc, directory);
    *storage = (struct kci_storage){ 0 };
}
