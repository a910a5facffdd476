/* Two arrays: entries in the order of their insertion, and slots, an open-addressing table of indexes into them.
 *
 *      slots    [ . 2 . . 1 . 3 . ]        index + 1; 0: free; linear probing; at least twice as many as entries
 *      entries  [ a | b | (hole) | c ]     a removed entry leaves a hole with key NULL
 *
 * Invariants: every live entry is reached from its hash by a run of used slots (removal closes the run again, so there
 * are no tombstones); slots never name a hole; entries move only when `set` needs room, which is why removing is safe
 * while iterating and inserting is not.  When the entries are full, holes are squeezed out, or the arrays double if
 * there are few. The hash is a multiply-and-fold over 8-byte words, keyed with the map's seed: names come from the
 * network. */
#include "base/map.h"

#include <assert.h>

#define ENTRIES_FIRST 8                   /* entries of the first allocation */
#define ENTRIES_MAX   ((size_t)1 << 30)   /* index + 1 must fit a slot */
#define HASH_KEY_A    0x9E3779B97F4A7C15u /* odd, about half of the bits set: 2^64 / golden ratio */
#define HASH_KEY_B    0xD6E8FEB86659FD93u

/* High and low half of the 128-bit product, folded. */
static uint64_t fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX), high = (a >> 32) * (b >> 32);
    uint64_t mid = (a >> 32) * (b & UINT32_MAX), mid2 = (a & UINT32_MAX) * (b >> 32) + (low >> 32) + (mid & UINT32_MAX);
    return ((mid2 << 32) | (low & UINT32_MAX)) ^ (high + (mid >> 32) + (mid2 >> 32));
#endif
}

static uint64_t hash_key(uint64_t seed, const void *key, size_t size)
{
    const uint8_t *p = key;
    uint64_t hash = seed ^ fold(size ^ HASH_KEY_B, HASH_KEY_A), word;
    for (; size > 8; size -= 8, p += 8) {
        memcpy(&word, p, 8);
        hash = fold(hash ^ word, HASH_KEY_A ^ seed);
    }
    word = 0;
    if (size)
        memcpy(&word, p, size);
    return fold(fold(hash ^ word, HASH_KEY_A ^ seed) ^ HASH_KEY_B, HASH_KEY_A);
}

static bool entry_is(const struct kci_map_entry *entry, uint64_t hash, const void *key, size_t size)
{
    return entry->hash == hash && entry->key_size == size && (size == 0 || memcmp(entry->key, key, size) == 0);
}

/* The slot of the key, or the free slot where it belongs; the map has slots. */
static size_t find_slot(const struct kci_map *map, uint64_t hash, const void *key, size_t size)
{
    size_t mask = map->slot_capacity - 1, slot = hash & mask;
    while (map->slots[slot] && !entry_is(&map->entries[map->slots[slot] - 1], hash, key, size))
        slot = (slot + 1) & mask;
    return slot;
}

/* Squeeze out the holes and fill `slots` anew. */
static void rebuild(struct kci_map *map)
{
    size_t live = 0, mask = map->slot_capacity - 1;
    memset(map->slots, 0, map->slot_capacity * sizeof *map->slots);
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].key)
            continue;
        map->entries[live] = map->entries[i];
        size_t slot = map->entries[live].hash & mask;
        while (map->slots[slot])
            slot = (slot + 1) & mask;
        map->slots[slot] = (uint32_t)++live;
    }
    assert(live == map->count);
    map->used = live;
}

/* Make room for one more entry; false: out of memory, nothing lost. */
static bool reserve(struct kci_map *map)
{
    if (map->used < map->entry_capacity)
        return true;
    if (map->used && map->count <= map->used - map->used / 4) {
        rebuild(map);
        return true;
    }
    size_t capacity = map->entry_capacity ? map->entry_capacity * 2 : ENTRIES_FIRST;
    if (capacity > ENTRIES_MAX)
        return false;
    if (map->slot_capacity < 2 * capacity) {
        uint32_t *slots = kci_alloc_zero(map->alloc, 2 * capacity, sizeof *slots);
        if (!slots)
            return false;
        kci_alloc_free(map->alloc, map->slots);
        map->slots = slots;
        map->slot_capacity = 2 * capacity;
        rebuild(map);
    }
    struct kci_map_entry *entries = kci_alloc_resize(map->alloc, map->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    map->entries = entries;
    map->entry_capacity = capacity;
    return true;
}

void *kci_map_get(const struct kci_map *map, const void *key, size_t key_size)
{
    if (map->count == 0)
        return NULL;
    uint32_t index = map->slots[find_slot(map, hash_key(map->seed, key, key_size), key, key_size)];
    return index ? map->entries[index - 1].value : NULL;
}

bool kci_map_set(struct kci_map *map, const void *key, size_t key_size, void *value)
{
    assert(value);
    uint64_t hash = hash_key(map->seed, key, key_size);
    if (map->count) {
        uint32_t index = map->slots[find_slot(map, hash, key, key_size)];
        if (index) {
            map->entries[index - 1].value = value;
            return true;
        }
    }
    if (key_size == SIZE_MAX || !reserve(map))
        return false;
    char *copy = kci_alloc_new(map->alloc, key_size + 1);
    if (!copy)
        return false;
    if (key_size)
        memcpy(copy, key, key_size);
    copy[key_size] = 0;
    size_t slot = find_slot(map, hash, key, key_size);
    map->entries[map->used] = (struct kci_map_entry){ copy, key_size, hash, value };
    map->slots[slot] = (uint32_t)++map->used;
    map->count++;
    return true;
}

/* Free a slot and pull back what was displaced by it, so that no search ends early. */
static void close_slot(struct kci_map *map, size_t hole)
{
    size_t mask = map->slot_capacity - 1;
    for (size_t slot = (hole + 1) & mask; map->slots[slot]; slot = (slot + 1) & mask) {
        size_t home = map->entries[map->slots[slot] - 1].hash & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
    }
    map->slots[hole] = 0;
}

void *kci_map_remove(struct kci_map *map, const void *key, size_t key_size)
{
    if (map->count == 0)
        return NULL;
    size_t slot = find_slot(map, hash_key(map->seed, key, key_size), key, key_size);
    if (!map->slots[slot])
        return NULL;
    struct kci_map_entry *entry = &map->entries[map->slots[slot] - 1];
    void *value = entry->value;
    const char *copy = entry->key;
    close_slot(map, slot);
    entry->key = NULL;
    entry->value = NULL;
    map->count--;
    if (map->count == 0)
        map->used = 0;
    kci_alloc_free(map->alloc, copy); /* last: `key` may be the entry's own */
    return value;
}

struct kci_map_entry *kci_map_next(const struct kci_map *map, size_t *at)
{
    while (*at < map->used) {
        struct kci_map_entry *entry = &map->entries[(*at)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}

void kci_map_destroy(struct kci_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->used; i++)
        kci_alloc_free(map->alloc, map->entries[i].key);
    kci_alloc_free(map->alloc, map->entries);
    kci_alloc_free(map->alloc, map->slots);
    *map = kci_map_of(map->alloc, map->seed);
}
