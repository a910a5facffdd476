/* Finding text files: regular files below a folder, without links, whose first bytes hold no NUL. */
#include "demo.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_BYTES 4096 /* where a NUL says that it is no text */
#define DEPTH_MAX  64

struct demo_line demo_line_put(unsigned long long number, bool newline)
{
    struct demo_line line;
    for (int i = 0; i < 8; i++)
        line.bytes[i] = (unsigned char)(number >> (56 - 8 * i));
    line.bytes[8] = newline;
    return line;
}

static bool is_text(const char *path)
{
    char buffer[LOOK_BYTES];
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t got = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    return got > 0 && !memchr(buffer, 0, got);
}

static int add(struct demo_files *files, const char *path, unsigned long long size)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? files->capacity * 2 : 1024;
        struct demo_file *grown = realloc(files->all, capacity * sizeof *grown);
        if (!grown)
            return demo_fail("out of memory");
        files->all = grown;
        files->capacity = capacity;
    }
    struct demo_file *file = &files->all[files->count];
    memset(file, 0, sizeof *file);
    file->path = strdup(path);
    if (!file->path)
        return demo_fail("out of memory");
    file->bytes = size;
    files->bytes += size;
    files->count++;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(struct demo_files *files, const char *folder, int depth)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name), status = 0;
    if (count < 0) {
        files->skipped++;
        return depth == 0 ? demo_fail("%s: cannot be read", folder) : 0;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];
        struct stat about;
        const char *name = entries[i]->d_name;
        bool fits = snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path;
        if (status == 0 && fits && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(path, &about) == 0) {
            if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX)
                status = walk(files, path, depth + 1);
            else if (S_ISREG(about.st_mode) && is_text(path))
                status = add(files, path, (unsigned long long)about.st_size);
            else if (S_ISREG(about.st_mode))
                files->skipped++;
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

int demo_files_find(struct demo_files *files, const char *folder)
{
    return walk(files, folder, 0);
}

void demo_files_free(struct demo_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->all[i].path);
    free(files->all);
}
