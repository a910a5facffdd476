/* The parts of the cursors that are not worth inlining: varints longer than one byte, and growing.
 *
 * A writer doubles, so that appending is linear (but takes what is asked for at once when that is more), and stops at
 * its limit: a frame or batch that grows beyond it is a failure of that frame, never of the process.  What a failed
 * writer holds is whole writes only; whoever sees `failed` throws it away.  Reading and writing of structures is left
 * to the codec and to records.c. */
#include "base/cursor.h"

#define WRITER_FIRST_BYTES 64 /* smallest allocation: most requests fit after one or two doublings */

/* Sets the reader's failure when the varint is cut, has more than `bytes_max` bytes, or more than `bits` bits. */
static uint64_t read_varint(struct kci_reader *r, unsigned bytes_max, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes_max; i++) {
        const uint8_t *p = kci_reader_take(r, 1);
        if (!p)
            return 0;
        uint64_t group = p[0] & 0x7f;
        unsigned shift = 7 * i;
        if (shift + 7 > bits && group >> (bits - shift) != 0)
            break;
        value |= group << shift;
        if (p[0] < 0x80)
            return value;
    }
    r->failed = true;
    return 0;
}

uint32_t kci_reader_uvarint_slow(struct kci_reader *r)
{
    return (uint32_t)read_varint(r, 5, 32);
}

uint64_t kci_reader_uvarlong_slow(struct kci_reader *r)
{
    return read_varint(r, 10, 64);
}

void kci_writer_destroy(struct kci_writer *w)
{
    if (!w || !w->alloc)
        return;
    kci_alloc_free(w->alloc, w->data);
    *w = kci_writer_of(w->alloc, w->limit);
}

uint8_t *kci_writer_room_slow(struct kci_writer *w, size_t n)
{
    static uint8_t nothing[1];
    if (w->failed)
        return NULL;
    if (n <= w->capacity - w->size) { /* fills the buffer to the last byte, or asks for nothing */
        w->size += n;
        return w->data ? w->data + (w->size - n) : nothing;
    }
    if (!w->alloc || n > w->limit - w->size) {
        w->failed = true;
        return NULL;
    }
    size_t need = w->size + n;
    size_t capacity = w->capacity > w->limit / 2 ? w->limit : w->capacity * 2;
    if (capacity < WRITER_FIRST_BYTES)
        capacity = WRITER_FIRST_BYTES;
    if (capacity < need)
        capacity = need;
    if (capacity > w->limit)
        capacity = w->limit;
    uint8_t *data = kci_alloc_resize(w->alloc, w->data, capacity);
    if (!data) {
        w->failed = true;
        return NULL;
    }
    w->data = data;
    w->capacity = capacity;
    w->size = need;
    return data + (need - n);
}

void kci_writer_uvarint(struct kci_writer *w, uint32_t v)
{
    uint8_t *p = kci_writer_room(w, kci_uvarint_size(v));
    if (p)
        kci_put_uvarint(p, v);
}

void kci_writer_uvarlong(struct kci_writer *w, uint64_t v)
{
    uint8_t *p = kci_writer_room(w, kci_uvarlong_size(v));
    if (p)
        kci_put_uvarlong(p, v);
}
