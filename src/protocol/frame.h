/* A frame: int32 size, then a header, then a body.  The bytes of a received frame are counted by reference, because
 * what was fetched outlives the connection and a log of the mock broker keeps what was produced.
 *
 *  request header   api_key i16 | version i16 | correlation i32 | client_id nullable string (always old style) | tags if v2
 *  response header  correlation i32 | tags if v1          (v1/v2 where the API version is flexible; ApiVersions always answers v0) */
#ifndef KCI_PROTOCOL_FRAME_H
#define KCI_PROTOCOL_FRAME_H

#include "protocol/codec.h"
#include <stdatomic.h>

#define KCI_FRAME_BYTES_MAX (100u << 20) /* Kafka's socket.request.max.bytes; a larger size prefix is hostile */

struct kci_frame {
    const struct kci_alloc *alloc;
    _Atomic int32_t references;
    uint32_t size;  /* bytes in data: the frame without its size prefix */
    uint8_t data[]; /* owned with the struct: one block */
};
struct kci_frame *kci_frame_new(const struct kci_alloc *alloc, uint32_t size); /* one reference; NULL: out of memory */
static inline struct kci_frame *kci_frame_ref(struct kci_frame *frame)
{
    atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
    return frame;
}
void kci_frame_release(struct kci_frame *frame); /* from any thread; NULL is fine */

/* Cuts a byte stream into frames; small ones are collected in one buffer, a large one is received in place. */
struct kci_splitter {
    const struct kci_alloc *alloc;
    uint8_t *buffer; /* what was received and not yet cut; owned */
    size_t start, end;
    struct kci_frame *large; /* being filled */
    size_t large_filled;     /* bytes */
    uint32_t frame_bytes_max;
    int32_t bad_size; /* the offending size prefix after an error */
};
struct kci_splitter kci_splitter_of(const struct kci_alloc *alloc, uint32_t frame_bytes_max);
void *kci_splitter_space(struct kci_splitter *s, size_t *size); /* NULL: out of memory */
void kci_splitter_received(struct kci_splitter *s, size_t size);
/* 1: *out is a frame, yours; 0: none complete; -1: the size prefix is negative or too large (see bad_size), or no
 * memory. */
int kci_splitter_next(struct kci_splitter *s, struct kci_frame **out);
/* The first bytes as received (for telling HTTP or TLS from Kafka in an error text); returns how many. */
size_t kci_splitter_peek(const struct kci_splitter *s, uint8_t *out, size_t size);
/* Has a frame begun that is not complete? *there of its *total bytes came, both with the size prefix (total 4 while that
 * is not whole). */
bool kci_splitter_partial(const struct kci_splitter *s, size_t *there, size_t *total);
void kci_splitter_destroy(struct kci_splitter *s);

struct kci_request_header {
    int16_t api_key, version;
    int32_t correlation;
    struct kci_str client_id;
};
/* Parse the header of a request frame and leave the reader at its body; uses kci_api_find for the header version
 * (unknown API: header v1 is assumed). false: malformed. */
bool kci_request_header_read(struct kci_reader *r, struct kci_request_header *header);
/* Write size prefix (0, patched by kci_frame_finish) and header. */
void kci_request_header_write(struct kci_writer *w, const struct kci_api *api, const struct kci_request_header *header);
void kci_response_header_write(struct kci_writer *w, const struct kci_api *api, int16_t version, int32_t correlation);
/* Patch the size prefix at `start`; `more` counts bytes that follow outside the writer. */
void kci_frame_finish(struct kci_writer *w, size_t start, size_t more);
/* Read correlation and, for flexible versions, skip the tags. */
bool kci_response_header_read(struct kci_reader *r, const struct kci_api *api, int16_t version, int32_t *correlation);

#endif
