/* Log-linear buckets: values below 32 have one each, and every further power of two is cut into 32 equal ones.
 *
 *   value    0 .. 31   32 .. 63   64 .. 127 (2 wide)   128 .. 255 (4 wide)   ...
 *   bucket   0 .. 31   32 .. 63   64 .. 95             96 .. 127 */
#include "base/histogram.h"

static uint32_t bucket_of(uint64_t value)
{
    uint32_t shift = 0;
    while (value >> shift >= 2 * KCI_HISTOGRAM_STEPS)
        shift++;
    uint64_t bucket = (uint64_t)shift * KCI_HISTOGRAM_STEPS + (value >> shift);
    return bucket < KCI_HISTOGRAM_BUCKETS ? (uint32_t)bucket : KCI_HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t end_of(uint32_t bucket)
{
    uint32_t shift = bucket / KCI_HISTOGRAM_STEPS;
    if (shift <= 1)
        return bucket;
    shift--;
    return (((uint64_t)bucket - (uint64_t)shift * KCI_HISTOGRAM_STEPS + 1) << shift) - 1;
}

void kci_histogram_add(struct kci_histogram *histogram, uint64_t value)
{
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (value > max && !atomic_compare_exchange_weak(&histogram->max, &max, value))
        ;
}

static void raise_alone(_Atomic(uint64_t) *number, uint64_t n)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + n, memory_order_relaxed);
}

void kci_histogram_add_alone(struct kci_histogram *histogram, uint64_t value)
{
    raise_alone(&histogram->buckets[bucket_of(value)], 1);
    raise_alone(&histogram->count, 1);
    raise_alone(&histogram->sum, value);
    if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed))
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

uint64_t kci_histogram_quantile(const struct kci_histogram *histogram, double q)
{
    uint64_t total = 0, seen = 0, max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    for (uint32_t i = 0; i < KCI_HISTOGRAM_BUCKETS; i++)
        total += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    uint64_t wanted = (uint64_t)(q * (double)total);
    if ((double)wanted < q * (double)total)
        wanted++;
    for (uint32_t i = 0; i < KCI_HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        if (seen >= wanted && seen)
            return end_of(i) < max ? end_of(i) : max;
    }
    return max;
}
