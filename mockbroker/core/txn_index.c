/* Transactions in a log, as its readers must know them (Kafka keeps the same in ProducerStateManager and .txnindex).
 *
 *      offset   0    1    2    3    4    5    6    7
 *               A1   B1   n    B2   cB   A2   n    n        A, B: producers; n: no transaction; cB: B's marker
 *               ^ open: A from 0       ^ ended: B, 1 .. 4
 *
 * The last stable offset is where a read_committed reader stops: the first offset of the oldest transaction that is
 * open, or whose marker is not below the high watermark yet.  Readers get the aborted transactions that overlap what
 * they fetch, and leave their batches out themselves.
 *
 * All of it follows from the log and is rebuilt from it, so there is no file of it.  Invariants: the three arrays rise
 * as the header says; a producer has at most one open transaction (producer_state.c sees to it). */
#include "mockbroker/core/txn_index.h"

#define CAPACITY_MIN 4

void mb_txn_index_init(struct mb_txn_index *index, const struct kci_alloc *alloc)
{
    *index = (struct mb_txn_index){ .alloc = alloc };
}

void mb_txn_index_destroy(struct mb_txn_index *index)
{
    kci_alloc_free(index->alloc, index->open);
    kci_alloc_free(index->alloc, index->ended);
    kci_alloc_free(index->alloc, index->aborted);
    mb_txn_index_init(index, index->alloc);
}

/* Room for one more element. */
static void *grown(const struct kci_alloc *alloc, void *array, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity ? *capacity * 2 : CAPACITY_MIN;
    void *bigger = kci_alloc_resize(alloc, array, wanted * element);
    if (bigger)
        *capacity = wanted;
    return bigger;
}

bool mb_txn_index_begin(struct mb_txn_index *index, int64_t producer_id, int64_t first_offset)
{
    struct mb_txn_open *open = grown(index->alloc, index->open, index->open_count, &index->open_capacity, sizeof *open);
    if (!open)
        return false;
    index->open = open;
    open[index->open_count++] = (struct mb_txn_open){ producer_id, first_offset };
    return true;
}

/* Markers that are below the high watermark hold nobody back any more. */
static void forget_settled(struct mb_txn_index *index, int64_t settled)
{
    size_t gone = 0;
    while (gone < index->ended_count && index->ended[gone].last_offset < settled)
        gone++;
    index->ended_count -= gone;
    if (gone)
        memmove(index->ended, index->ended + gone, index->ended_count * sizeof *index->ended);
}

bool mb_txn_index_end(struct mb_txn_index *index, int64_t producer_id, int64_t last_offset, bool aborted,
                      int64_t settled)
{
    size_t i = 0;
    while (i < index->open_count && index->open[i].producer_id != producer_id)
        i++;
    if (i == index->open_count)
        return true; /* it wrote nothing here, or the log starts behind it */
    int64_t first_offset = index->open[i].first_offset;
    forget_settled(index, settled);
    struct mb_txn_ended *ended =
        grown(index->alloc, index->ended, index->ended_count, &index->ended_capacity, sizeof *ended);
    if (!ended)
        return false;
    index->ended = ended;
    if (aborted) {
        struct mb_txn_aborted *list =
            grown(index->alloc, index->aborted, index->aborted_count, &index->aborted_capacity, sizeof *list);
        if (!list)
            return false;
        index->aborted = list;
        int64_t stable = index->open_count > 1 ? index->open[i == 0].first_offset : last_offset + 1;
        list[index->aborted_count++] = (struct mb_txn_aborted){ producer_id, first_offset, last_offset, stable };
    }
    ended[index->ended_count++] = (struct mb_txn_ended){ first_offset, last_offset };
    index->open_count--;
    memmove(index->open + i, index->open + i + 1, (index->open_count - i) * sizeof *index->open);
    return true;
}

int64_t mb_txn_index_last_stable(const struct mb_txn_index *index, int64_t high_watermark)
{
    int64_t stable = high_watermark;
    if (index->open_count && index->open[0].first_offset < stable)
        stable = index->open[0].first_offset;
    for (size_t i = index->ended_count; i > 0 && index->ended[i - 1].last_offset >= high_watermark; i--)
        if (index->ended[i - 1].first_offset < stable)
            stable = index->ended[i - 1].first_offset;
    return stable;
}

/* The first aborted transaction whose marker is at or behind `offset`. */
static size_t find_aborted(const struct mb_txn_index *index, int64_t offset)
{
    size_t low = 0, high = index->aborted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->aborted[middle].last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t mb_txn_index_aborted(const struct mb_txn_index *index, int64_t from, int64_t to, struct mb_txn_aborted *out,
                            size_t max)
{
    size_t count = 0;
    for (size_t i = find_aborted(index, from); i < index->aborted_count; i++) {
        if (index->aborted[i].first_offset >= to)
            continue;
        if (count < max)
            out[count] = index->aborted[i];
        count++;
    }
    return count;
}

bool mb_txn_index_is_aborted(const struct mb_txn_index *index, int64_t producer_id, int64_t offset)
{
    for (size_t i = find_aborted(index, offset); i < index->aborted_count; i++)
        if (index->aborted[i].producer_id == producer_id)
            return index->aborted[i].first_offset <= offset; /* its next one: later ones begin behind it */
    return false;
}

void mb_txn_index_raise_start(struct mb_txn_index *index, int64_t offset)
{
    size_t gone = find_aborted(index, offset);
    index->aborted_count -= gone;
    if (gone)
        memmove(index->aborted, index->aborted + gone, index->aborted_count * sizeof *index->aborted);
}
