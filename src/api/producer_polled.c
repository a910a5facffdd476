/* Deliveries that are fetched instead of called back: a ring that the sender fills and kc_producer_poll_deliveries()
 * empties.
 *
 *   sender --> ring of deliveries --> poll        texts: one block per run of deliveries with the same text (a batch
 *                                                 has one for all its records), in the same order; freed by the poll
 *                                                 after the one that gave the last delivery of the run
 *
 * The sender never waits here. The ceiling is held at the other end: while KCI_POLLED_MAX deliveries lie in the ring
 * nothing is sent, so it can only grow by records that were taken before. Its memory for that many is obtained at
 * creation; if it must grow beyond and cannot, the delivery is lost, which is logged. */
#include "api/producer_handle.h"

#include <stdio.h>

struct text_block {
    struct kci_list link; /* in polled->texts or polled->given */
    size_t left;          /* deliveries that refer to it and are still in the ring */
    char text[];
};

bool kci_polled_init(struct kci_polled *polled)
{
    kci_lock_init(&polled->lock, kci_lock_system());
    kci_list_init(&polled->texts);
    kci_list_init(&polled->given);
    polled->ring = kci_alloc_new(kci_heap_alloc(), KCI_POLLED_MAX * sizeof *polled->ring);
    polled->capacity = KCI_POLLED_MAX;
    return polled->ring != NULL;
}

static void free_blocks(struct kci_list *list)
{
    for (struct kci_list *node; (node = kci_list_pop(list)) != NULL;)
        kci_alloc_free(kci_heap_alloc(), KCI_CONTAINER(node, struct text_block, link));
}

void kci_polled_destroy(struct kci_polled *polled)
{
    if (!polled->capacity)
        return;
    free_blocks(&polled->texts);
    free_blocks(&polled->given);
    kci_alloc_free(kci_heap_alloc(), polled->ring);
}

/* Under the lock. */
static bool grow(struct kci_polled *polled)
{
    size_t capacity = polled->capacity * 2;
    kc_delivery *ring = kci_alloc_new(kci_heap_alloc(), capacity * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < polled->count; i++)
        ring[i] = polled->ring[(polled->first + i) % polled->capacity];
    kci_alloc_free(kci_heap_alloc(), polled->ring);
    polled->ring = ring;
    polled->capacity = capacity;
    polled->first = 0;
    return true;
}

/* Our copy of a text; NULL: no memory. */
static struct text_block *copy_text(struct kci_polled *polled, const char *text)
{
    size_t size = strlen(text) + 1;
    struct text_block *block = kci_alloc_new(kci_heap_alloc(), sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct text_block){ .left = 0 };
    memcpy(block->text, text, size);
    kci_list_push(&polled->texts, &block->link);
    return block;
}

void kci_polled_put(kc_producer *producer, const kc_delivery *deliveries, size_t count)
{
    struct kci_polled *polled = &producer->polled;
    struct text_block *block = NULL;
    const char *copied = NULL; /* what block is a copy of */
    size_t lost = 0;
    kci_lock_take(&polled->lock);
    for (size_t i = 0; i < count; i++) {
        if (polled->count == polled->capacity && !grow(polled)) {
            lost++;
            continue;
        }
        kc_delivery *put = &polled->ring[(polled->first + polled->count) % polled->capacity];
        *put = deliveries[i];
        if (put->text) {
            if (put->text != copied)
                block = copy_text(polled, put->text);
            copied = put->text;
            put->text = block ? block->text : NULL;
            if (block)
                block->left++;
        }
        polled->count++;
    }
    atomic_store(&polled->waiting, polled->count);
    kci_lock_release(&polled->lock);
    if (lost)
        kci_log(&producer->logger, KCI_LOG_ERROR, "producer", "out of memory: %zu deliveries cannot be polled", lost);
    kci_gate_open(producer->gate);
}

/* One delivery out of the ring; its text, if it was the last to have it, is freed by the next call. */
static void take(struct kci_polled *polled, kc_delivery *out)
{
    *out = polled->ring[polled->first];
    polled->first = (polled->first + 1) % polled->capacity;
    polled->count--;
    struct kci_list *oldest = out->text ? kci_list_first(&polled->texts) : NULL;
    struct text_block *block = oldest ? KCI_CONTAINER(oldest, struct text_block, link) : NULL;
    if (block && --block->left == 0) {
        kci_list_remove(oldest);
        kci_list_push(&polled->given, oldest);
    }
}

static size_t take_some(kc_producer *producer, kc_delivery *out, size_t capacity)
{
    struct kci_polled *polled = &producer->polled;
    size_t taken = 0;
    kci_lock_take(&polled->lock);
    bool was_full = polled->count >= KCI_POLLED_MAX;
    while (taken < capacity && polled->count)
        take(polled, &out[taken++]);
    atomic_store(&polled->waiting, polled->count);
    bool room = was_full && polled->count < KCI_POLLED_MAX;
    kci_lock_release(&polled->lock);
    if (room)
        kci_gate_open(producer->gate);
    return taken;
}

size_t kc_producer_poll_deliveries(kc_producer *producer, kc_delivery *out, size_t capacity, int32_t timeout_ms)
{
    if (!producer || !out || !producer->polled.capacity || kci_handle_forked(producer, NULL))
        return 0;
    int64_t deadline = kci_loop_on_thread(producer->loop) ? 0 : kci_handle_deadline(timeout_ms);
    size_t taken;
    atomic_fetch_add(&producer->waiters, 1);
    kci_lock_take(&producer->polled.lock);
    free_blocks(&producer->polled.given);
    kci_lock_release(&producer->polled.lock);
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        taken = take_some(producer, out, capacity);
        if (taken || !capacity || atomic_load(&producer->polled.closing) ||
            (deadline != KCI_NEVER && kci_clock_us() >= deadline))
            break;
        kci_gate_wait(producer->gate, seen, deadline);
    }
    atomic_fetch_sub(&producer->waiters, 1);
    return taken;
}

kc_err kci_polled_room(kc_producer *producer, int64_t *deadline, kc_error *error)
{
    for (;;) {
        uint64_t seen = kci_gate_now(producer->gate);
        if (atomic_load(&producer->polled.closing))
            return kci_fail(error, KC_ERR_CLOSED, 0, "the producer was closed");
        if (atomic_load(&producer->polled.waiting) < KCI_POLLED_MAX)
            return KC_OK;
        int64_t now = kci_clock_us();
        if (*deadline == 0)
            *deadline = now + (int64_t)producer->settings->max_block_ms * 1000;
        if (now >= *deadline || kci_loop_on_thread(producer->loop))
            return kci_fail(error, KC_ERR_QUEUE_FULL, 0,
                            "%d deliveries wait for kc_producer_poll_deliveries(): take them before sending more",
                            (int)KCI_POLLED_MAX);
        kci_gate_wait(producer->gate, seen, *deadline);
    }
}
