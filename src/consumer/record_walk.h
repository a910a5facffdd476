/* Walking the records of a v2 batch, twice: once checked, when the batch arrives, and once unchecked, for each visitor.
 * (The byte table of a record stands in protocol/records.c.) */
#ifndef KCI_CONSUMER_RECORD_WALK_H
#define KCI_CONSUMER_RECORD_WALK_H

#include "base/bytes.h"
#include <kclient/record.h>

/* What the checked walk found. */
struct kci_walk {
    const uint8_t *first; /* the first record with offset >= from; the end if there is none */
    int32_t count;        /* records from there on */
};

/* Check that exactly `count` well-formed records with rising offsets fill [at, end), and find the first one whose
 * offset delta is >= from_delta. false: they do not. */
bool kci_record_check(const uint8_t *at, const uint8_t *end, int32_t count, int32_t last_delta, int64_t from_delta,
                      struct kci_walk *walk);

/* ---- unchecked: only over bytes that kci_record_check passed ---- */

static inline const uint8_t *kci_walk_u64(const uint8_t *p, uint64_t *value)
{
    uint64_t v = *p++;
    if (v >= 0x80) {
        unsigned shift = 7;
        v &= 0x7f;
        do {
            v |= (uint64_t)(*p & 0x7f) << shift;
            shift += 7;
        } while (*p++ & 0x80);
    }
    *value = v;
    return p;
}

static inline int64_t kci_unzigzag(uint64_t u)
{
    return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

static inline const uint8_t *kci_walk_blob(const uint8_t *p, kc_bytes *out)
{
    uint64_t u;
    p = kci_walk_u64(p, &u);
    if (u & 1) { /* -1, as checked */
        *out = (kc_bytes){ NULL, 0 };
        return p;
    }
    *out = (kc_bytes){ p, (size_t)(u >> 1) };
    return p + (u >> 1);
}

/* The time of a record, whose batch says LogAppendTime or not. Hostile deltas wrap: no undefined sum. */
static inline int64_t kci_walk_timestamp(bool append, int64_t base, int64_t delta)
{
    return append ? base : (int64_t)((uint64_t)delta + (uint64_t)base);
}

/* Decode the record at p into the view, except topic, partition and epoch; offset and timestamp are left as deltas.
 * Returns the next. */
static inline const uint8_t *kci_walk_record(const uint8_t *p, kc_record_view *view)
{
    uint64_t length, u;
    p = kci_walk_u64(p, &length);
    const uint8_t *next = p + (length >> 1);
    p = kci_walk_u64(p + 1, &u); /* attributes: none are defined */
    view->timestamp_ms = kci_unzigzag(u);
    p = kci_walk_u64(p, &u);
    view->offset = (int64_t)(u >> 1);
    p = kci_walk_blob(p, &view->key);
    p = kci_walk_blob(p, &view->value);
    p = kci_walk_u64(p, &u);
    view->header_count = (uint32_t)(u >> 1);
    view->headers = p;
    view->headers_size = (size_t)(next - p);
    return next;
}

/* The offset delta of the record at p; *next is the one behind it. For skipping. */
static inline int32_t kci_walk_skip(const uint8_t *p, const uint8_t **next)
{
    uint64_t length, u;
    p = kci_walk_u64(p, &length);
    *next = p + (length >> 1);
    p = kci_walk_u64(p + 1, &u);
    kci_walk_u64(p, &u);
    return (int32_t)(u >> 1);
}

#endif
