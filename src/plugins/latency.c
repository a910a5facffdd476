/* Produce-to-consume latency, without any help of the broker: on send a header with the wall clock, on consumption the
 * difference into a histogram.  Clocks of two machines differ: a record that seems to come from the future counts as
 * 0 us old and is counted as early, so that one sees that the clocks are not in step. */
#include "plugins/latency.h"
#include "base/cursor.h"
#include "base/histogram.h"
#include "consumer/record_walk.h"

#include <kclient/serializer.h>
#include <string.h>

struct stamper { /* of a producer */
    const struct kci_alloc *alloc;
    int64_t (*clock)(void);
};

struct kci_latency {
    const struct kci_alloc *alloc;
    int64_t (*clock)(void);
    _Atomic(uint64_t) unstamped, early; /* records */
    struct kci_histogram histogram;     /* microseconds */
};

/* ---- sending ---- */

static kc_err stamp(void *context, kc_record *record)
{
    const struct stamper *stamper = context;
    uint8_t bytes[8];
    kci_put64(bytes, (uint64_t)stamper->clock());
    return kc_record_add_header(record, KCI_LATENCY_HEADER, (kc_bytes){ bytes, sizeof bytes });
}

static void close_stamper(void *context)
{
    struct stamper *stamper = context;
    kci_alloc_free(stamper->alloc, stamper);
}

kc_err kci_latency_for_producer(const struct kci_alloc *alloc, int64_t (*clock)(void), kc_producer_interceptor *out)
{
    struct stamper *stamper = kci_alloc_zero(alloc, 1, sizeof *stamper);
    if (!stamper)
        return KC_ERR_NO_MEMORY;
    *stamper = (struct stamper){ alloc, clock };
    *out = (kc_producer_interceptor){ .name = "latency", .context = stamper, .on_send = stamp, .close = close_stamper };
    return KC_OK;
}

/* ---- consuming ---- */

/* The last stamp, as Java's lastHeader: a record that was passed on from topic to topic has several. */
static bool find_stamp(const kc_record_view *view, int64_t *sent_at)
{
    const uint8_t *at = view->headers; /* checked when the batch arrived */
    bool found = false;
    for (uint32_t i = 0; i < view->header_count; i++) {
        kc_bytes name, value;
        at = kci_walk_blob(at, &name);
        at = kci_walk_blob(at, &value);
        if (name.size == sizeof KCI_LATENCY_HEADER - 1 && memcmp(name.data, KCI_LATENCY_HEADER, name.size) == 0 &&
            kc_int64_from(value, sent_at) == KC_OK)
            found = true;
    }
    return found;
}

static void measure(void *context, const kc_record_view *view)
{
    struct kci_latency *latency = context;
    int64_t sent_at, now;
    if (!find_stamp(view, &sent_at)) {
        atomic_fetch_add_explicit(&latency->unstamped, 1, memory_order_relaxed);
        return;
    }
    now = latency->clock();
    if (sent_at > now)
        atomic_fetch_add_explicit(&latency->early, 1, memory_order_relaxed);
    kci_histogram_add(&latency->histogram, sent_at > now ? 0 : (uint64_t)now - (uint64_t)sent_at);
}

static void close_latency(void *context)
{
    struct kci_latency *latency = context;
    kci_alloc_free(latency->alloc, latency);
}

kc_err kci_latency_for_consumer(const struct kci_alloc *alloc, int64_t (*clock)(void), kc_consumer_interceptor *out,
                                struct kci_latency **latency)
{
    *latency = kci_alloc_zero(alloc, 1, sizeof **latency);
    if (!*latency)
        return KC_ERR_NO_MEMORY;
    (*latency)->alloc = alloc;
    (*latency)->clock = clock;
    *out = (kc_consumer_interceptor){
        .name = "latency", .context = *latency, .on_consume = measure, .close = close_latency
    };
    return KC_OK;
}

void kci_latency_read(const struct kci_latency *latency, kc_latency_stats *stats)
{
    const struct kci_histogram *h = &latency->histogram;
    uint64_t count = atomic_load(&h->count);
    *stats = (kc_latency_stats){ .measured = count,
                                 .unstamped = atomic_load(&latency->unstamped),
                                 .early = atomic_load(&latency->early),
                                 .mean_us = count ? atomic_load(&h->sum) / count : 0,
                                 .p50_us = kci_histogram_quantile(h, 0.5),
                                 .p99_us = kci_histogram_quantile(h, 0.99),
                                 .p999_us = kci_histogram_quantile(h, 0.999),
                                 .max_us = atomic_load(&h->max) };
}
