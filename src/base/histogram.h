/* A histogram of times: fixed memory, any thread may add, quantiles within 3 % of the truth. */
#ifndef KCI_BASE_HISTOGRAM_H
#define KCI_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define KCI_HISTOGRAM_STEPS   32 /* buckets per power of two: each is 1/32 = 3 % wide */
#define KCI_HISTOGRAM_DOUBLES 36 /* powers of two above the first 32 values: up to 2^41 us = 25 days */
#define KCI_HISTOGRAM_BUCKETS (KCI_HISTOGRAM_STEPS * (KCI_HISTOGRAM_DOUBLES + 1))

struct kci_histogram { /* all zero: empty */
    _Atomic(uint64_t) buckets[KCI_HISTOGRAM_BUCKETS];
    _Atomic(uint64_t) count, sum;
    _Atomic(uint64_t) max;
};

/* Values beyond the last bucket count as the largest that it holds; max and sum are exact. */
void kci_histogram_add(struct kci_histogram *histogram, uint64_t value);
/* The same, cheaper, where only one thread ever adds; others may read. */
void kci_histogram_add_alone(struct kci_histogram *histogram, uint64_t value);
/* The value that the share `q` (0 .. 1) of all values does not exceed: the upper end of its bucket, at most the
 * maximum. 0: empty. */
uint64_t kci_histogram_quantile(const struct kci_histogram *histogram, double q);

#endif
