/* The waiting time before attempt number `attempts` + 1 (KIP-580): exponential with jitter, so that a thousand clients
 * of a broker that restarts do not come back in step.  Whoever sets only the first time above the maximum wants a
 * constant: Java's rule, kept. */
#include "cluster/cluster.h"

#define JITTER_BASE_PPM  800000 /* 0.8 .. */
#define JITTER_RANGE_PPM 400001 /* .. 1.2 */

int64_t kci_backoff_us(struct kci_backoff backoff, uint32_t attempts, uint64_t random)
{
    if (backoff.initial_ms >= backoff.max_ms)
        return (int64_t)backoff.max_ms * 1000;
    int64_t ms = backoff.initial_ms;
    for (uint32_t i = 0; i < attempts && ms > 0 && ms < backoff.max_ms; i++)
        ms *= 2;
    if (ms > backoff.max_ms)
        ms = backoff.max_ms;
    return ms * (int64_t)(JITTER_BASE_PPM + random % JITTER_RANGE_PPM) / 1000;
}
