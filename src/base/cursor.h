/* The one way to touch wire bytes: a reader and a writer with a sticky failure, so that a parser reads straight down
 * and checks once.  All integers are big-endian.  After a failure every read returns 0 / NULL and every write does
 * nothing.
 *
 *   at ----------------------> end          reader: a view, owns nothing
 *   data [size used | capacity)             writer: grows through its allocator, never beyond `limit`
 *
 * Varints are Kafka's: unsigned LEB128, and zigzag on top for the signed ones.  More than 5 (10) bytes or a value
 * beyond 32 (64) bits is a failure; padding with zero groups within that is fine, as for Java: some writers reserve a
 * fixed width. */
#ifndef KCI_BASE_CURSOR_H
#define KCI_BASE_CURSOR_H

#include "base/alloc.h"
#include "base/bytes.h"

struct kci_reader {
    const uint8_t *at;  /* next byte; borrowed */
    const uint8_t *end; /* one past the last byte */
    bool failed;        /* sticky */
};

static inline struct kci_reader kci_reader_of(const void *data, size_t size)
{
    const uint8_t *at = data ? data : (const uint8_t *)"";
    return (struct kci_reader){ at, at + size, false };
}

static inline size_t kci_reader_left(const struct kci_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* The next n bytes as a view, or NULL (and failed) when fewer are left. n == 0 gives a non-NULL pointer. */
static inline const uint8_t *kci_reader_take(struct kci_reader *r, size_t n)
{
    if (r->failed || n > kci_reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

static inline uint16_t kci_be16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}
static inline uint32_t kci_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t kci_be64(const uint8_t *p)
{
    return (uint64_t)kci_be32(p) << 32 | kci_be32(p + 4);
}
static inline void kci_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void kci_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline void kci_put64(uint8_t *p, uint64_t v)
{
    kci_put32(p, (uint32_t)(v >> 32));
    kci_put32(p + 4, (uint32_t)v);
}

static inline int8_t kci_reader_i8(struct kci_reader *r)
{
    const uint8_t *p = kci_reader_take(r, 1);
    return p ? (int8_t)p[0] : 0;
}
static inline int16_t kci_reader_i16(struct kci_reader *r)
{
    const uint8_t *p = kci_reader_take(r, 2);
    return p ? (int16_t)kci_be16(p) : 0;
}
static inline int32_t kci_reader_i32(struct kci_reader *r)
{
    const uint8_t *p = kci_reader_take(r, 4);
    return p ? (int32_t)kci_be32(p) : 0;
}
static inline int64_t kci_reader_i64(struct kci_reader *r)
{
    const uint8_t *p = kci_reader_take(r, 8);
    return p ? (int64_t)kci_be64(p) : 0;
}
uint32_t kci_reader_uvarint_slow(struct kci_reader *r);
uint64_t kci_reader_uvarlong_slow(struct kci_reader *r);
/* Unsigned varint of at most 32 bits (5 bytes). */
static inline uint32_t kci_reader_uvarint(struct kci_reader *r)
{
    if (!r->failed && r->at < r->end && *r->at < 0x80)
        return *r->at++;
    return kci_reader_uvarint_slow(r);
}
/* Unsigned varint of at most 64 bits (10 bytes). */
static inline uint64_t kci_reader_uvarlong(struct kci_reader *r)
{
    if (!r->failed && r->at < r->end && *r->at < 0x80)
        return *r->at++;
    return kci_reader_uvarlong_slow(r);
}
static inline int32_t kci_reader_varint(struct kci_reader *r)
{
    uint32_t u = kci_reader_uvarint(r);
    return (int32_t)((u >> 1) ^ (0u - (u & 1u)));
}
static inline int64_t kci_reader_varlong(struct kci_reader *r)
{
    uint64_t u = kci_reader_uvarlong(r);
    return (int64_t)((u >> 1) ^ ((uint64_t)0 - (u & 1u)));
}

struct kci_writer {
    uint8_t *data;                 /* owned; free with kci_writer_destroy, or steal it */
    size_t size;                   /* bytes written */
    size_t capacity;               /* bytes allocated */
    size_t limit;                  /* most bytes it may ever hold */
    const struct kci_alloc *alloc; /* NULL: `data` is a fixed buffer of the caller */
    bool failed;                   /* sticky: out of memory or over the limit */
};

static inline struct kci_writer kci_writer_of(const struct kci_alloc *alloc, size_t limit)
{
    return (struct kci_writer){ NULL, 0, 0, limit, alloc, false };
}
static inline struct kci_writer kci_writer_fixed(void *buffer, size_t size)
{
    return (struct kci_writer){ buffer, 0, size, size, NULL, false };
}
/* Free the buffer of a growing writer; the writer is empty and usable afterwards. */
void kci_writer_destroy(struct kci_writer *w);
/* Room for n more bytes at data + size (size is advanced by n), or NULL and failed. n == 0 gives a non-NULL pointer. */
uint8_t *kci_writer_room_slow(struct kci_writer *w, size_t n);
static inline uint8_t *kci_writer_room(struct kci_writer *w, size_t n)
{
    if (w->failed || n >= w->capacity - w->size)
        return kci_writer_room_slow(w, n);
    uint8_t *p = w->data + w->size;
    w->size += n;
    return p;
}
static inline void kci_writer_i8(struct kci_writer *w, int8_t v)
{
    uint8_t *p = kci_writer_room(w, 1);
    if (p)
        p[0] = (uint8_t)v;
}
static inline void kci_writer_i16(struct kci_writer *w, int16_t v)
{
    uint8_t *p = kci_writer_room(w, 2);
    if (p)
        kci_put16(p, (uint16_t)v);
}
static inline void kci_writer_i32(struct kci_writer *w, int32_t v)
{
    uint8_t *p = kci_writer_room(w, 4);
    if (p)
        kci_put32(p, (uint32_t)v);
}
static inline void kci_writer_i64(struct kci_writer *w, int64_t v)
{
    uint8_t *p = kci_writer_room(w, 8);
    if (p)
        kci_put64(p, (uint64_t)v);
}
static inline void kci_writer_bytes(struct kci_writer *w, const void *data, size_t n)
{
    uint8_t *p = n ? kci_writer_room(w, n) : NULL;
    if (p)
        memcpy(p, data, n);
}
void kci_writer_uvarint(struct kci_writer *w, uint32_t v);
void kci_writer_uvarlong(struct kci_writer *w, uint64_t v);
static inline void kci_writer_varint(struct kci_writer *w, int32_t v)
{
    kci_writer_uvarint(w, ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0u));
}
static inline void kci_writer_varlong(struct kci_writer *w, int64_t v)
{
    kci_writer_uvarlong(w, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0u));
}

/* Write a varint at p (room for 5 / 10 bytes); returns the bytes used. For hot paths that know their room. */
static inline size_t kci_put_uvarint(uint8_t *p, uint32_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}
static inline size_t kci_put_uvarlong(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}
static inline uint32_t kci_zigzag32(int32_t v)
{
    return ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0u);
}
static inline uint64_t kci_zigzag64(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0u);
}
/* Encoded size of an unsigned varint, 1 to 5 / 1 to 10 bytes. */
static inline size_t kci_uvarint_size(uint32_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}
static inline size_t kci_uvarlong_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

#endif
