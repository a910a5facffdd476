/* Hash map from bytes (or an int64) to a pointer: open addressing, seeded hash, iteration in insertion order (so that a
 * simulation is repeatable whatever the hash). Keys are copied into the map. */
#ifndef KCI_BASE_MAP_H
#define KCI_BASE_MAP_H

#include "base/alloc.h"
#include "base/bytes.h"

struct kci_map_entry {
    const char *key; /* copy, NUL-terminated, owned by the map; NULL: removed */
    size_t key_size; /* bytes without the NUL */
    uint64_t hash;
    void *value; /* borrowed */
};

struct kci_map {
    const struct kci_alloc *alloc;
    struct kci_map_entry *entries; /* insertion order, with holes */
    uint32_t *slots;               /* index + 1 into entries; 0 empty */
    size_t used;                   /* entries incl. holes */
    size_t count;                  /* live entries */
    size_t entry_capacity, slot_capacity;
    uint64_t seed;
};

static inline struct kci_map kci_map_of(const struct kci_alloc *alloc, uint64_t seed)
{
    return (struct kci_map){ alloc, NULL, NULL, 0, 0, 0, 0, seed };
}
/* The value, or NULL. */
void *kci_map_get(const struct kci_map *map, const void *key, size_t key_size);
/* Insert or replace. value must not be NULL. false: out of memory, map unchanged. */
bool kci_map_set(struct kci_map *map, const void *key, size_t key_size, void *value);
/* Remove and return the value, or NULL. Safe while iterating. */
void *kci_map_remove(struct kci_map *map, const void *key, size_t key_size);
/* The next live entry at or after *at (start with 0), advancing *at; NULL at the end. */
struct kci_map_entry *kci_map_next(const struct kci_map *map, size_t *at);
void kci_map_destroy(struct kci_map *map);

static inline void *kci_map_get_str(const struct kci_map *map, struct kci_str key)
{
    return kci_map_get(map, key.data, key.size);
}
static inline void *kci_map_get_int(const struct kci_map *map, int64_t key)
{
    return kci_map_get(map, &key, sizeof key);
}
static inline bool kci_map_set_int(struct kci_map *map, int64_t key, void *value)
{
    return kci_map_set(map, &key, sizeof key, value);
}
static inline void *kci_map_remove_int(struct kci_map *map, int64_t key)
{
    return kci_map_remove(map, &key, sizeof key);
}

#endif
