/* The ledger: what was returned and is not acknowledged yet, so that a commit covers only contiguous progress.
 *
 *     pages   [ 10 11 12 | 15 16 ... ] [ 1034 ... ] [ ... ]      offsets as they were returned; compaction leaves holes
 *     done       x  .  x    x  x          x             x
 *                   ^ progress: a commit says 11, whatever was done behind it
 *
 * A page holds up to KCI_LEDGER_PAGE_RECORDS records as differences to its first offset, and a bit for each.  Pages
 * that are done at the head go away; those behind them stay until their turn comes, since only the head decides.
 * Finding a record is two binary searches.  Acknowledging twice is fine; what lies before the head was done already.
 *
 * What there is no memory to note is not returned: it is taken back and fetched again (poll.c), so a ledger knows of all
 * that is out.
 *
 * Left to others: which partition an acknowledgement is about and whether it still counts (acknowledge.c), how many
 * records may be out (max.unacknowledged.records: poll.c). */
#include "consumer/ledger.h"

#define PAGE_RECORDS_LEAST 16u

struct kci_ledger_page {
    int64_t base;         /* offset of the first record */
    int32_t epoch;        /* leader epoch of its records */
    int32_t epoch_before; /* of the record before the first */
    uint32_t capacity, count;
    uint32_t left;     /* records that are not done */
    uint32_t first;    /* index of the first one that is not done; count: none */
    uint64_t *done;    /* a bit per record; behind deltas, in this block */
    uint32_t deltas[]; /* offset - base, rising */
};

void kci_ledger_init(struct kci_ledger *ledger)
{
    *ledger = (struct kci_ledger){ .pages = NULL };
}

void kci_ledger_clear(struct kci_ledger *ledger, const struct kci_alloc *alloc)
{
    for (size_t i = 0; i < ledger->count; i++)
        kci_alloc_free(alloc, ledger->pages[ledger->head + i]);
    kci_alloc_free(alloc, ledger->pages);
    kci_ledger_init(ledger);
}

/* ---- noting ---- */

/* Room for one more pointer. */
static bool room_for_page(struct kci_ledger *ledger, const struct kci_alloc *alloc)
{
    if (ledger->head + ledger->count < ledger->capacity)
        return true;
    if (ledger->head > ledger->count) { /* the pages at the head are gone: move up, seldom enough to be free */
        memmove(ledger->pages, ledger->pages + ledger->head, ledger->count * sizeof(void *));
        ledger->head = 0;
        return true;
    }
    size_t capacity = ledger->capacity ? 2 * ledger->capacity : 8;
    void *grown = kci_alloc_resize(alloc, ledger->pages, capacity * sizeof(void *));
    if (!grown)
        return false;
    ledger->pages = grown;
    ledger->capacity = capacity;
    return true;
}

static struct kci_ledger_page *new_page(struct kci_ledger *ledger, const struct kci_alloc *alloc, uint32_t records)
{
    uint32_t capacity = records < PAGE_RECORDS_LEAST ? PAGE_RECORDS_LEAST : records;
    if (capacity > KCI_LEDGER_PAGE_RECORDS)
        capacity = KCI_LEDGER_PAGE_RECORDS;
    capacity += capacity & 1; /* keeps the bits behind aligned */
    size_t bits = (capacity + 63) / 64 * sizeof(uint64_t);
    if (!room_for_page(ledger, alloc))
        return NULL;
    struct kci_ledger_page *page = kci_alloc_zero(alloc, 1, sizeof *page + capacity * sizeof page->deltas[0] + bits);
    if (!page)
        return NULL;
    page->capacity = capacity;
    page->done = (uint64_t *)(void *)&page->deltas[capacity];
    ledger->pages[ledger->head + ledger->count++] = page;
    return page;
}

bool kci_ledger_note(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t offset, int32_t epoch,
                     int32_t epoch_before, uint32_t more)
{
    struct kci_ledger_page *page = ledger->count ? ledger->pages[ledger->head + ledger->count - 1] : NULL;
    if (!page || page->count == page->capacity || page->epoch != epoch || offset - page->base > UINT32_MAX) {
        page = new_page(ledger, alloc, more + 1);
        if (!page)
            return false;
        page->base = offset;
        page->epoch = epoch;
        page->epoch_before = epoch_before;
    }
    page->deltas[page->count++] = (uint32_t)(offset - page->base);
    page->left++;
    ledger->unacknowledged++;
    return true;
}

/* ---- acknowledging ---- */

/* Index of the first record of the page whose offset is >= offset; count: none. */
static uint32_t find(const struct kci_ledger_page *page, int64_t offset)
{
    uint32_t low = 0, high = page->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (page->base + page->deltas[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Index of the last page that begins at or before offset, or 0. */
static size_t find_page(const struct kci_ledger *ledger, int64_t offset)
{
    size_t low = 0, high = ledger->count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (ledger->pages[ledger->head + middle]->base <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_done(const struct kci_ledger_page *page, uint32_t i)
{
    return page->done[i / 64] >> (i % 64) & 1;
}

static void pop_done(struct kci_ledger *ledger, const struct kci_alloc *alloc)
{
    while (ledger->count && ledger->pages[ledger->head]->left == 0) {
        kci_alloc_free(alloc, ledger->pages[ledger->head]);
        ledger->head++;
        if (--ledger->count == 0)
            ledger->head = 0;
    }
}

size_t kci_ledger_acknowledge(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t from, int64_t behind)
{
    size_t found = 0;
    for (size_t p = find_page(ledger, from); p < ledger->count; p++) {
        struct kci_ledger_page *page = ledger->pages[ledger->head + p];
        if (page->base >= behind)
            break;
        for (uint32_t i = find(page, from); i < page->count && page->base + page->deltas[i] < behind; i++) {
            found++;
            if (is_done(page, i))
                continue;
            page->done[i / 64] |= UINT64_C(1) << (i % 64);
            page->left--;
            ledger->unacknowledged--;
        }
        while (page->first < page->count && is_done(page, page->first))
            page->first++;
    }
    pop_done(ledger, alloc);
    return found;
}

void kci_ledger_forget(struct kci_ledger *ledger, const struct kci_alloc *alloc, int64_t from)
{
    for (; ledger->count; ledger->count--) {
        struct kci_ledger_page *page = ledger->pages[ledger->head + ledger->count - 1];
        if (page->base < from) {
            uint32_t keep = find(page, from);
            for (uint32_t i = keep; i < page->count; i++) {
                page->left -= !is_done(page, i);
                ledger->unacknowledged -= !is_done(page, i);
                page->done[i / 64] &= ~(UINT64_C(1) << (i % 64));
            }
            page->count = keep;
            page->first = page->first < keep ? page->first : keep;
            break;
        }
        ledger->unacknowledged -= page->left;
        kci_alloc_free(alloc, page);
    }
    pop_done(ledger, alloc);
}

bool kci_ledger_progress(const struct kci_ledger *ledger, int64_t *offset, int32_t *epoch_before)
{
    if (ledger->count == 0)
        return false;
    const struct kci_ledger_page *page = ledger->pages[ledger->head];
    *offset = page->base + page->deltas[page->first];
    *epoch_before = page->first ? page->epoch : page->epoch_before;
    return true;
}
