/* What this process takes from the machine: memory, descriptors and threads; and a mockbroker beside it, so that what is
 * measured is the client's alone.
 *
 * Included by one test file, after cmocka. */
#ifndef TEST_SUPPORT_OWN_COSTS_H
#define TEST_SUPPORT_OWN_COSTS_H

#include "support/process.h"

#include <dirent.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MEMORY_TELLS 0 /* a sanitizer keeps freed memory and more */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MEMORY_TELLS 0
#endif
#endif
#ifndef OWN_MEMORY_TELLS
#define OWN_MEMORY_TELLS 1
#endif

#define MEBI ((long)1 << 20)

/* Bytes of memory that this process has; 0 where the system does not tell. */
static inline long own_resident(void)
{
    long pages = 0, all;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &all, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static inline int own_entries_(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static inline int own_descriptors(void)
{
    return own_entries_("/proc/self/fd");
}

static inline int own_threads(void)
{
    return own_entries_("/proc/self/task");
}

/* How often a story is repeated: as the environment says, or `otherwise`. */
static inline int own_turns(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text && atoi(text) > 0 ? atoi(text) : otherwise;
}

/* ---- the broker beside it ---- */

/* Where the first broker listens, of a process that is ready. */
static inline void broker_bootstrap(const struct process *broker, char *bootstrap, size_t size)
{
    const char *from = strstr(broker->line, "\"bootstrap\":\"");
    assert_non_null(from);
    from += strlen("\"bootstrap\":\"");
    snprintf(bootstrap, size, "%.*s", (int)strcspn(from, "\","), from);
}

static inline void broker_stop(struct process *broker)
{
    char text[4096];
    assert_int_equal(process_stop(broker, SIGTERM, text, sizeof text), 0);
}

#endif
