/* Frames, and the headers inside them; the layouts are drawn in frame.h.
 *
 * The splitter has two ways to receive.  Small frames are read many at a time into one buffer and copied out one by
 * one; a frame of more than IN_PLACE_BYTES_MIN that is not complete yet is given its own block at once, and what
 * follows is received straight into it:
 *
 *      buffer   [ ... start | frame, frame, part of a frame | end ... BUFFER_BYTES )
 *      large    [ filled | ................................. )     while it exists, the buffer is empty
 *
 * Invariants: an incomplete frame in the buffer always fits into it; a size prefix is judged before memory is taken for
 * it; after -1 for a bad size every later call is -1 too. */
#include "protocol/frame.h"

#include "protocol/codec_table.h"
#include "protocol/messages.h"

#define BUFFER_BYTES       ((size_t)64 << 10) /* one large read of a socket */
#define IN_PLACE_BYTES_MIN ((size_t)16 << 10) /* from here on a second copy costs more than a shorter read */
#define PREFIX_BYTES       4

struct kci_frame *kci_frame_new(const struct kci_alloc *alloc, uint32_t size)
{
    struct kci_frame *frame = kci_alloc_new(alloc, sizeof *frame + size);
    if (frame) {
        frame->alloc = alloc;
        atomic_init(&frame->references, 1);
        frame->size = size;
    }
    return frame;
}

void kci_frame_release(struct kci_frame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) == 1)
        kci_alloc_free(frame->alloc, frame);
}

/* ---- splitter -------------------------------------------------------------------------------------------------------
 */

struct kci_splitter kci_splitter_of(const struct kci_alloc *alloc, uint32_t frame_bytes_max)
{
    return (struct kci_splitter){ .alloc = alloc, .frame_bytes_max = frame_bytes_max };
}

void *kci_splitter_space(struct kci_splitter *s, size_t *size)
{
    if (s->large) {
        *size = s->large->size - s->large_filled;
        return s->large->data + s->large_filled;
    }
    if (!s->buffer)
        s->buffer = kci_alloc_new(s->alloc, BUFFER_BYTES);
    if (!s->buffer)
        return NULL;
    if (s->start > 0) { /* what is left is less than one small frame */
        memmove(s->buffer, s->buffer + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
    }
    *size = BUFFER_BYTES - s->end;
    return s->buffer + s->end;
}

void kci_splitter_received(struct kci_splitter *s, size_t size)
{
    if (s->large)
        s->large_filled += size;
    else
        s->end += size;
}

/* The whole buffered part of the frame of `size` bytes at `start` goes into a block of its own. */
static bool take_large(struct kci_splitter *s, uint32_t size)
{
    s->large = kci_frame_new(s->alloc, size);
    if (!s->large)
        return false;
    s->large_filled = s->end - s->start - PREFIX_BYTES;
    memcpy(s->large->data, s->buffer + s->start + PREFIX_BYTES, s->large_filled);
    s->start = s->end = 0;
    return true;
}

int kci_splitter_next(struct kci_splitter *s, struct kci_frame **out)
{
    if (s->large) {
        if (s->large_filled < s->large->size)
            return 0;
        *out = s->large;
        s->large = NULL;
        return 1;
    }
    if (s->end - s->start < PREFIX_BYTES)
        return 0;
    int32_t size = (int32_t)kci_be32(s->buffer + s->start);
    s->bad_size = 0;
    if (size < 0 || (uint32_t)size > s->frame_bytes_max) {
        s->bad_size = size;
        return -1;
    }
    if (s->end - s->start - PREFIX_BYTES < (size_t)size) {
        bool in_place = (size_t)size >= IN_PLACE_BYTES_MIN;
        return in_place && !take_large(s, (uint32_t)size) ? -1 : 0;
    }
    struct kci_frame *frame = kci_frame_new(s->alloc, (uint32_t)size);
    if (!frame)
        return -1;
    memcpy(frame->data, s->buffer + s->start + PREFIX_BYTES, (size_t)size);
    s->start += PREFIX_BYTES + (size_t)size;
    *out = frame;
    return 1;
}

size_t kci_splitter_peek(const struct kci_splitter *s, uint8_t *out, size_t size)
{
    size_t there = s->end - s->start;
    if (size > there)
        size = there;
    if (size)
        memcpy(out, s->buffer + s->start, size);
    return size;
}

bool kci_splitter_partial(const struct kci_splitter *s, size_t *there, size_t *total)
{
    *there = s->large ? s->large_filled + PREFIX_BYTES : s->end - s->start;
    *total = PREFIX_BYTES;
    if (s->large)
        *total += s->large->size;
    else if (*there >= PREFIX_BYTES)
        *total += kci_be32(s->buffer + s->start);
    return *there > 0;
}

void kci_splitter_destroy(struct kci_splitter *s)
{
    if (!s)
        return;
    kci_alloc_free(s->alloc, s->buffer);
    kci_frame_release(s->large);
    *s = kci_splitter_of(s->alloc, s->frame_bytes_max);
}

/* ---- headers --------------------------------------------------------------------------------------------------------
 */

static bool request_is_flexible(const struct kci_api *api, int16_t version)
{
    return api && version >= api->flexible_from;
}

/* KIP-511: a client that asks with a version from the future must still be able to read the answer. */
static bool response_is_flexible(const struct kci_api *api, int16_t version)
{
    return request_is_flexible(api, version) && api->key != KCI_API_API_VERSIONS;
}

/* Headers have no tagged fields that we know. */
static bool skip_tags(struct kci_reader *r)
{
    uint32_t count = kci_reader_uvarint(r);
    int64_t last = -1;
    if (count > KCI_CODEC_TAGS_MAX || count > kci_reader_left(r) / 2)
        r->failed = true;
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        uint32_t tag = kci_reader_uvarint(r);
        kci_reader_take(r, kci_reader_uvarint(r));
        if ((int64_t)tag <= last)
            r->failed = true;
        last = tag;
    }
    return !r->failed;
}

bool kci_request_header_read(struct kci_reader *r, struct kci_request_header *header)
{
    header->api_key = kci_reader_i16(r);
    header->version = kci_reader_i16(r);
    header->correlation = kci_reader_i32(r);
    header->client_id = (struct kci_str){ NULL, 0 };
    int16_t size = kci_reader_i16(r);
    if (size < -1)
        r->failed = true;
    if (size >= 0) {
        header->client_id.data = (const char *)kci_reader_take(r, (size_t)size);
        header->client_id.size = r->failed ? 0 : (size_t)size;
    }
    if (!r->failed && request_is_flexible(kci_api_find(header->api_key), header->version))
        skip_tags(r);
    return !r->failed;
}

void kci_request_header_write(struct kci_writer *w, const struct kci_api *api, const struct kci_request_header *header)
{
    kci_writer_i32(w, 0); /* the size: kci_frame_finish */
    kci_writer_i16(w, header->api_key);
    kci_writer_i16(w, header->version);
    kci_writer_i32(w, header->correlation);
    if (header->client_id.size > KCI_CODEC_STRING_BYTES_MAX)
        w->failed = true;
    kci_writer_i16(w, header->client_id.data ? (int16_t)header->client_id.size : -1);
    kci_writer_bytes(w, header->client_id.data, header->client_id.data ? header->client_id.size : 0);
    if (request_is_flexible(api, header->version))
        kci_writer_uvarint(w, 0);
}

void kci_response_header_write(struct kci_writer *w, const struct kci_api *api, int16_t version, int32_t correlation)
{
    kci_writer_i32(w, 0); /* the size: kci_frame_finish */
    kci_writer_i32(w, correlation);
    if (response_is_flexible(api, version))
        kci_writer_uvarint(w, 0);
}

void kci_frame_finish(struct kci_writer *w, size_t start, size_t more)
{
    if (w->failed)
        return;
    size_t size = w->size - start - PREFIX_BYTES;
    if (more > (size_t)INT32_MAX || size > (size_t)INT32_MAX - more)
        w->failed = true;
    else
        kci_put32(w->data + start, (uint32_t)(size + more));
}

bool kci_response_header_read(struct kci_reader *r, const struct kci_api *api, int16_t version, int32_t *correlation)
{
    *correlation = kci_reader_i32(r);
    if (!r->failed && response_is_flexible(api, version))
        skip_tags(r);
    return !r->failed;
}
