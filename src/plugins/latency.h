/* The interceptor "latency": how old records are when they are consumed. */
#ifndef KCI_PLUGINS_LATENCY_H
#define KCI_PLUGINS_LATENCY_H

#include "base/alloc.h"
#include <kclient/consumer.h>

#define KCI_LATENCY_HEADER "kclient.sent_at_us" /* 8 bytes, big-endian: microseconds since 1970 */

struct kci_latency; /* what a consumer has measured */

/* The clock is the wall clock in microseconds: sender and receiver are different processes. What is allocated is freed
 * by the table's `close`. KC_ERR_NO_MEMORY. */
kc_err kci_latency_for_producer(const struct kci_alloc *alloc, int64_t (*clock)(void), kc_producer_interceptor *out);
/* *latency is owned by the table and lives until its `close`. */
kc_err kci_latency_for_consumer(const struct kci_alloc *alloc, int64_t (*clock)(void), kc_consumer_interceptor *out,
                                struct kci_latency **latency);
void kci_latency_read(const struct kci_latency *latency, kc_latency_stats *stats); /* any thread */

#endif
