/* The window of a meter: see meter.h. All of it is atomic, so that what a reader sees while it is moved is old or new,
 * and the turn tells that it was moved. */
#include "base/meter.h"

#define TRIES_MAX 64

static void move(struct kci_meter *meter, uint64_t total, int64_t now, int64_t before_at, uint64_t before_from)
{
    uint32_t turn = atomic_load_explicit(&meter->turn, memory_order_relaxed);
    atomic_store(&meter->turn, turn + 1);
    atomic_store(&meter->from[1], before_from);
    atomic_store(&meter->at[1], before_at);
    atomic_store(&meter->from[0], total);
    atomic_store(&meter->at[0], now);
    atomic_store(&meter->turn, turn + 2);
}

void kci_meter_add(struct kci_meter *meter, uint64_t n, int64_t now)
{
    uint64_t total = atomic_load_explicit(&meter->total, memory_order_relaxed);
    int64_t at = atomic_load_explicit(&meter->at[0], memory_order_relaxed);
    if (n == 0)
        return;
    if (total == 0)
        move(meter, 0, now, now, 0);
    else if (now - at >= KCI_METER_WINDOW_US)
        move(meter, total, now, at, atomic_load_explicit(&meter->from[0], memory_order_relaxed));
    atomic_store_explicit(&meter->total, total + n, memory_order_relaxed);
}

double kci_meter_rate(const struct kci_meter *meter, int64_t now)
{
    uint32_t turn, after;
    uint64_t from, total;
    int64_t at;
    int tries = 0; /* a writer that lost the processor in the middle of a move is not waited for */
    do {
        turn = atomic_load(&meter->turn);
        from = atomic_load(&meter->from[1]);
        at = atomic_load(&meter->at[1]);
        total = atomic_load(&meter->total);
        after = atomic_load(&meter->turn);
    } while ((turn != after || turn % 2) && ++tries < TRIES_MAX);
    int64_t us = now - at < KCI_METER_LEAST_US ? KCI_METER_LEAST_US : now - at;
    return total > from ? (double)(total - from) * 1e6 / (double)us : 0;
}
