/* A binary heap in an array: items[i] is not later than items[2i+1] and items[2i+2].  Each timer knows its place, so
 * moving and removing one is O(log n) without a search.  Order is (at, order): `order` rises with every kci_heap_set,
 * which makes equal deadlines fire in the order in which they were set, whatever happened to the heap in between. */
#include "base/heap.h"

#include <assert.h>

#define HEAP_FIRST 16 /* timers: places of the first allocation */

static bool earlier(const struct kci_timer *a, const struct kci_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct kci_heap *heap, size_t index, struct kci_timer *timer)
{
    heap->items[index] = timer;
    timer->position = index + 1;
}

static void sift_up(struct kci_heap *heap, size_t index)
{
    struct kci_timer *timer = heap->items[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!earlier(timer, heap->items[parent]))
            break;
        place(heap, index, heap->items[parent]);
        index = parent;
    }
    place(heap, index, timer);
}

static void sift_down(struct kci_heap *heap, size_t index)
{
    struct kci_timer *timer = heap->items[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && earlier(heap->items[child + 1], heap->items[child]))
            child++;
        if (!earlier(heap->items[child], timer))
            break;
        place(heap, index, heap->items[child]);
        index = child;
    }
    place(heap, index, timer);
}

static bool reserve(struct kci_heap *heap)
{
    if (heap->count < heap->capacity)
        return true;
    size_t capacity = heap->capacity ? heap->capacity * 2 : HEAP_FIRST;
    if (capacity > SIZE_MAX / sizeof *heap->items)
        return false;
    struct kci_timer **items = kci_alloc_resize(heap->alloc, heap->items, capacity * sizeof *items);
    if (!items)
        return false;
    heap->items = items;
    heap->capacity = capacity;
    return true;
}

bool kci_heap_set(struct kci_heap *heap, struct kci_timer *timer, int64_t at)
{
    if (timer->position == 0) {
        if (!reserve(heap))
            return false;
        place(heap, heap->count++, timer);
    }
    assert(heap->items[timer->position - 1] == timer);
    timer->at = at;
    timer->order = heap->next_order++;
    sift_up(heap, timer->position - 1);
    sift_down(heap, timer->position - 1);
    return true;
}

void kci_heap_remove(struct kci_heap *heap, struct kci_timer *timer)
{
    if (timer->position == 0)
        return;
    size_t index = timer->position - 1;
    assert(index < heap->count && heap->items[index] == timer);
    struct kci_timer *last = heap->items[--heap->count];
    timer->position = 0;
    if (last == timer)
        return;
    place(heap, index, last);
    sift_up(heap, index);
    sift_down(heap, last->position - 1);
}

struct kci_timer *kci_heap_pop_due(struct kci_heap *heap, int64_t now)
{
    struct kci_timer *first = kci_heap_first(heap);
    if (!first || first->at > now)
        return NULL;
    kci_heap_remove(heap, first);
    return first;
}

void kci_heap_destroy(struct kci_heap *heap)
{
    if (!heap)
        return;
    for (size_t i = 0; i < heap->count; i++)
        heap->items[i]->position = 0;
    kci_alloc_free(heap->alloc, heap->items);
    *heap = kci_heap_of(heap->alloc);
}
