/* A total that only rises, and how fast it rose lately: one thread adds, any thread reads, nobody waits.
 *
 *      from[1]              from[0]                 total
 *      |---- window --------|---- this window ------|      rate = (total - from[1]) / (now - at[1])
 *      at[1]                at[0]                   now
 *
 * So a rate is that of one to two windows, and falls to nothing while nothing happens. The ends of the windows move
 * under a turn counter (odd while they move); they move once per window, so a reader that meets it tries again. */
#ifndef KCI_BASE_METER_H
#define KCI_BASE_METER_H

#include <stdatomic.h>
#include <stdint.h>

#define KCI_METER_WINDOW_US ((int64_t)30000000) /* Java's metrics.sample.window.ms */
#define KCI_METER_LEAST_US  ((int64_t)1000000)  /* rates are never those of a shorter time: they would be noise */

struct kci_meter { /* all zero: empty */
    _Atomic(uint64_t) total;
    _Atomic(uint32_t) turn;    /* odd: the window is being moved */
    _Atomic(uint64_t) from[2]; /* total when this window began, and the one before */
    _Atomic(int64_t) at[2];    /* microseconds: when that was */
};

/* Add; the one writer's. now: microseconds, never falling. */
void kci_meter_add(struct kci_meter *meter, uint64_t n, int64_t now);
/* Per second. Any thread. */
double kci_meter_rate(const struct kci_meter *meter, int64_t now);

static inline uint64_t kci_meter_total(const struct kci_meter *meter)
{
    return atomic_load_explicit(&meter->total, memory_order_relaxed);
}

#endif
