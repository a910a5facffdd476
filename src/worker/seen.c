/* A store of the ids that were handled last, in memory: a map to nodes that hang in a list, used last at the end; the
 * first goes when the store is full.  One lock, held for a look-up: the handler costs more. */
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "runtime/runtime.h"
#include <kclient/worker.h>

#define CAPACITY_MAX 10000000
#define ID_BYTES_MAX 65536 /* a longer id is not remembered: it would be no id */

struct seen {
    struct kci_lock lock;
    struct kci_map map;   /* id -> struct node */
    struct kci_list used; /* least recently used first */
    size_t capacity;
};

struct node {
    struct kci_list link;
    size_t size; /* of the id, which follows */
};

static void *id_of(struct node *node)
{
    return node + 1;
}

static int contains(void *context, kc_bytes id)
{
    struct seen *seen = context;
    kci_lock_take(&seen->lock);
    struct node *node = kci_map_get(&seen->map, id.data, id.size);
    if (node) {
        kci_list_remove(&node->link);
        kci_list_push(&seen->used, &node->link);
    }
    kci_lock_release(&seen->lock);
    return node != NULL;
}

static void forget_oldest(struct seen *seen)
{
    struct kci_list *link = kci_list_pop(&seen->used);
    if (!link)
        return;
    struct node *node = KCI_CONTAINER(link, struct node, link);
    kci_map_remove(&seen->map, id_of(node), node->size);
    kci_alloc_free(kci_heap_alloc(), node);
}

static int add(void *context, kc_bytes id)
{
    struct seen *seen = context;
    if (id.size > ID_BYTES_MAX)
        return -1;
    struct node *node = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *node + id.size);
    if (!node)
        return -1;
    node->size = id.size;
    if (id.size)
        memcpy(id_of(node), id.data, id.size);
    kci_lock_take(&seen->lock);
    bool known = kci_map_get(&seen->map, id.data, id.size) != NULL;
    if (!known && seen->map.count >= seen->capacity)
        forget_oldest(seen);
    bool added = !known && kci_map_set(&seen->map, id.data, id.size, node);
    if (added)
        kci_list_push(&seen->used, &node->link);
    kci_lock_release(&seen->lock);
    if (!added)
        kci_alloc_free(kci_heap_alloc(), node);
    return added || known ? 0 : -1;
}

static void close_store(void *context)
{
    struct seen *seen = context;
    while (!kci_list_empty(&seen->used))
        forget_oldest(seen);
    kci_map_destroy(&seen->map);
    kci_alloc_free(kci_heap_alloc(), seen);
}

kc_err kc_seen_in_memory(kc_seen_store *store, size_t capacity)
{
    if (!store || capacity < 1 || capacity > CAPACITY_MAX)
        return KC_ERR_ARGUMENT;
    struct seen *seen = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *seen);
    if (!seen)
        return KC_ERR_NO_MEMORY;
    kci_lock_init(&seen->lock, kci_lock_system());
    kci_list_init(&seen->used);
    seen->map = kci_map_of(kci_heap_alloc(), kci_random_seed());
    seen->capacity = capacity;
    *store = (kc_seen_store){ "memory", seen, contains, add, close_store };
    return KC_OK;
}
