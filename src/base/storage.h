/* Files as the broker core sees them: a table that the runtime fills with a directory, and tests fill with memory that
 * can fail on purpose.  Paths are relative ("topic-0/00000000000000000000.log"), '/' separates, no "..".
 * Every function returns 0 or a positive errno value (ENOSPC, EIO, ENOENT ...), so that a message can name the cause.
 */
#ifndef KCI_BASE_STORAGE_H
#define KCI_BASE_STORAGE_H

#include "base/bytes.h"

struct kci_storage {
    void *context;
    /* Open for append and read; makes missing directories and, with create, a missing file. *file > 0. */
    int (*open)(void *context, const char *path, bool create, int64_t *file, uint64_t *size);
    /* Append all pieces; on failure the file may hold a torn tail that begins at its old size. */
    int (*append)(void *context, int64_t file, const struct kci_iov *pieces, size_t count);
    /* Read up to size bytes at offset; *got < size only at the end of the file. */
    int (*read)(void *context, int64_t file, uint64_t offset, void *data, size_t size, size_t *got);
    int (*sync)(void *context, int64_t file);
    int (*truncate)(void *context, int64_t file, uint64_t size);
    void (*close)(void *context, int64_t file);
    int (*rename)(void *context, const char *from, const char *to);
    /* Remove a file, or a directory with all its files. */
    int (*remove)(void *context, const char *path);
    /* Call `each` for every entry of a directory (name without path), in name order. */
    int (*list)(void *context, const char *path, void (*each)(void *user, const char *name, bool is_directory),
                void *user);
};

#endif
