/* The checked walk.  Hostile or damaged bytes are judged here, once, on the I/O thread, while the application is busy
 * with what came before; a batch that passes can be visited any number of times without a single check.
 *
 * A record:  varint length | i8 attributes | varlong timestamp delta | varint offset delta | varint key size, key
 *            | varint value size, value | varint header count, headers (varint name size, name, varint value size, value)
 * Sizes are zigzag, -1 is null; names are never null.  The parts must fill `length` exactly. */
#include "consumer/record_walk.h"

/* An unsigned varint of at most `bytes_max` bytes; NULL when it does not fit before end. */
static inline const uint8_t *checked_u64(const uint8_t *p, const uint8_t *end, unsigned bytes_max, uint64_t *value)
{
    if (p < end && *p < 0x80) {
        *value = *p;
        return p + 1;
    }
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes_max && p < end; i++, p++) {
        v |= (uint64_t)(*p & 0x7f) << (7 * i);
        if (*p < 0x80) {
            *value = v;
            return bytes_max == 5 && v > UINT32_MAX ? NULL : p + 1;
        }
    }
    return NULL;
}

/* Skip [varint size][bytes]; size -1 is allowed when nullable. */
static inline const uint8_t *checked_blob(const uint8_t *p, const uint8_t *end, bool nullable)
{
    uint64_t u;
    p = checked_u64(p, end, 5, &u);
    if (!p)
        return NULL;
    if (u & 1)
        return nullable && u == 1 ? p : NULL;
    return (u >> 1) <= (uint64_t)(end - p) ? p + (u >> 1) : NULL;
}

/* The parts of one record behind its length. */
static inline bool checked_body(const uint8_t *p, const uint8_t *end, int64_t *delta)
{
    uint64_t u;
    if (p == end)
        return false;
    if (!(p = checked_u64(p + 1, end, 10, &u)))
        return false;
    if (!(p = checked_u64(p, end, 5, &u)))
        return false;
    *delta = kci_unzigzag(u);
    if (!(p = checked_blob(p, end, true)) || !(p = checked_blob(p, end, true)) || !(p = checked_u64(p, end, 5, &u)))
        return false;
    if (u == 0)
        return p == end;
    if (u & 1)
        return false;
    for (uint64_t left = u >> 1; left; left--) /* each takes two bytes at least, so the end comes soon */
        if (!(p = checked_blob(p, end, false)) || !(p = checked_blob(p, end, true)))
            return false;
    return p == end;
}

bool kci_record_check(const uint8_t *at, const uint8_t *end, int32_t count, int32_t last_delta, int64_t from_delta,
                      struct kci_walk *walk)
{
    int64_t previous = -1;
    *walk = (struct kci_walk){ end, 0 };
    for (int32_t i = 0; i < count; i++) {
        uint64_t length;
        int64_t delta = -1;
        const uint8_t *body = checked_u64(at, end, 5, &length);
        if (!body || (length & 1) || (length >> 1) > (uint64_t)(end - body))
            return false;
        const uint8_t *next = body + (length >> 1);
        if (!checked_body(body, next, &delta) || delta <= previous || delta > last_delta)
            return false;
        if (delta >= from_delta && walk->count++ == 0)
            walk->first = at;
        previous = delta;
        at = next;
    }
    return at == end;
}
