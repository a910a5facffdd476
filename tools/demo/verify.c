/* Files from spools: all entries are sorted by partition and offset, each (partition, offset) is taken once, and every
 * file's pieces must then come in order, complete, and hash to what was read in the beginning. */
#include "demo.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MISTAKES_PRINTED 10

struct seen {
    int64_t offset;
    int32_t partition;
    const unsigned char *entry; /* in a mapped spool */
};

struct all_seen {
    struct seen *items;
    size_t count, capacity;
};

/* A file as it is put together again. */
struct rebuilt {
    const struct demo_file *file;
    EVP_MD_CTX *hash;
    unsigned long long next; /* piece that must come now */
    bool bad;
};

static bool add(struct all_seen *all, const struct demo_spool_entry *entry, const unsigned char *at)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 65536;
        struct seen *grown = realloc(all->items, capacity * sizeof *grown);
        if (!grown)
            return false;
        all->items = grown;
        all->capacity = capacity;
    }
    all->items[all->count++] = (struct seen){ entry->offset, entry->partition, at };
    return true;
}

/* Map a spool and list its entries; a torn last entry of a killed reader was never committed and is left out. */
static int load(struct all_seen *all, const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0)
        return demo_fail("%s cannot be read", path);
    size_t size = (size_t)about.st_size;
    const unsigned char *at = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (at == MAP_FAILED)
        return demo_fail("%s cannot be mapped", path);
    for (const unsigned char *end = at + size; (size_t)(end - at) >= sizeof(struct demo_spool_entry);) {
        struct demo_spool_entry entry;
        memcpy(&entry, at, sizeof entry);
        size_t total = sizeof entry + entry.key_size + entry.value_size;
        if ((size_t)(end - at) < total)
            break;
        if (!add(all, &entry, at))
            return demo_fail("out of memory");
        at += total;
    }
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct rebuilt *)a)->file->path, ((const struct rebuilt *)b)->file->path);
}

static struct rebuilt *find(struct rebuilt *all, size_t count, const char *key, size_t size)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *path = all[middle].file->path;
        int order = strncmp(path, key, size);
        if (order == 0)
            order = path[size] ? 1 : 0;
        if (order == 0)
            return &all[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void mistake(struct rebuilt *r, struct demo_verdict *verdict, const char *what, const struct seen *seen)
{
    if (!r->bad && verdict->files_different < MISTAKES_PRINTED)
        demo_fail("%s: %s at partition %d offset %lld, piece %llu was due", r->file->path, what, seen->partition,
                  (long long)seen->offset, r->next);
    if (!r->bad)
        verdict->files_different++;
    r->bad = true;
}

static void take(struct rebuilt *all, size_t count, const struct seen *seen, struct demo_verdict *verdict)
{
    struct demo_spool_entry entry;
    memcpy(&entry, seen->entry, sizeof entry);
    const unsigned char *key = seen->entry + sizeof entry, *value = key + entry.key_size;
    struct rebuilt *r = find(all, count, (const char *)key, entry.key_size);
    verdict->records++;
    if (!r) {
        demo_fail("partition %d offset %lld holds a record of an unknown file", seen->partition,
                  (long long)seen->offset);
        verdict->files_different++;
        return;
    }
    unsigned long long number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | entry.line.bytes[i];
    if (number < r->next) {
        verdict->duplicates++;
        mistake(r, verdict, "a piece is in the log twice", seen);
        return;
    }
    if (number > r->next) {
        verdict->out_of_order++;
        mistake(r, verdict, "a piece is missing or out of order", seen);
    }
    r->next = number + 1;
    EVP_DigestUpdate(r->hash, value, entry.value_size);
    if (entry.line.bytes[8])
        EVP_DigestUpdate(r->hash, "\n", 1);
}

/* What was read again at the same place is the same record. */
static void check_again(const struct seen *once, const struct seen *again, struct demo_verdict *verdict)
{
    struct demo_spool_entry a, b;
    memcpy(&a, once->entry, sizeof a);
    memcpy(&b, again->entry, sizeof b);
    if (a.key_size == b.key_size && a.value_size == b.value_size &&
        memcmp(once->entry, again->entry, sizeof a + a.key_size + a.value_size) == 0)
        return;
    if (verdict->files_different++ < MISTAKES_PRINTED)
        demo_fail("partition %d offset %lld was another record when it was read again", again->partition,
                  (long long)again->offset);
}

static void compare(struct rebuilt *r, struct demo_verdict *verdict)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(r->hash, hash, NULL);
    if (r->next < r->file->records) {
        verdict->lost += r->file->records - r->next;
        if (!r->bad && verdict->files_different < MISTAKES_PRINTED)
            demo_fail("%s: %llu of %llu records came", r->file->path, r->next, r->file->records);
        verdict->files_different += !r->bad;
    } else if (!r->bad && memcmp(hash, r->file->sha256, 32) != 0) {
        if (verdict->files_different++ < MISTAKES_PRINTED)
            demo_fail("%s: the SHA-256 differs", r->file->path);
    } else if (!r->bad) {
        verdict->files_equal++;
    }
    EVP_MD_CTX_free(r->hash);
}

int demo_verify(const struct demo_files *files, const char *const *spools, size_t spool_count,
                struct demo_verdict *verdict)
{
    struct all_seen seen = { NULL, 0, 0 };
    struct rebuilt *all = calloc(files->count + 1, sizeof *all);
    int status = all ? 0 : demo_fail("out of memory");
    for (size_t i = 0; status == 0 && i < spool_count; i++)
        status = load(&seen, spools[i]);
    for (size_t i = 0; status == 0 && i < files->count; i++) {
        all[i].file = &files->all[i];
        all[i].hash = EVP_MD_CTX_new();
        if (!all[i].hash || !EVP_DigestInit_ex(all[i].hash, EVP_sha256(), NULL))
            status = demo_fail("out of memory");
    }
    if (status != 0) {
        for (size_t i = 0; all && i < files->count; i++)
            EVP_MD_CTX_free(all[i].hash);
        free(all);
        free(seen.items);
        return status;
    }
    qsort(all, files->count, sizeof *all, by_path);
    if (seen.count)
        qsort(seen.items, seen.count, sizeof *seen.items, by_place);
    for (size_t i = 0; i < seen.count; i++) {
        struct demo_spool_entry entry;
        memcpy(&entry, seen.items[i].entry, sizeof entry);
        verdict->bytes += entry.value_size;
        if (i > 0 && by_place(&seen.items[i - 1], &seen.items[i]) == 0) {
            verdict->redelivered++;
            check_again(&seen.items[i - 1], &seen.items[i], verdict);
        } else {
            take(all, files->count, &seen.items[i], verdict);
        }
    }
    for (size_t i = 0; i < files->count; i++)
        compare(&all[i], verdict);
    free(all);
    free(seen.items);
    return verdict->files_different ? 1 : 0;
}
