/* What compress.c knows of each codec: one table per library, in compress_<codec>.c.  Internal to compression. */
#ifndef KCI_PROTOCOL_COMPRESS_CODECS_H
#define KCI_PROTOCOL_COMPRESS_CODECS_H

#include "protocol/compress.h"

/* A codec's contexts, made on first use and kept. */
struct kci_compress_context {
    const struct kci_alloc *alloc; /* borrowed */
    void *compressor;              /* the codec's own; owned; NULL: not made yet */
    void *decompressor;            /* likewise */
    int32_t level;                 /* that `compressor` was made for, where that matters */
};

struct kci_compress_codec {
    /* Append the compressed rope to out. total: sum of the pieces, at most INT32_MAX. On failure out may hold a part.
     */
    enum kci_compress_result (*compress)(struct kci_compress_context *x, int32_t level, const struct kci_iov *pieces,
                                         size_t count, size_t total, struct kci_writer *out);
    /* Append the plain bytes to out, which is empty; out->limit is the budget. size <= INT32_MAX. */
    enum kci_compress_result (*decompress)(struct kci_compress_context *x, const uint8_t *data, size_t size,
                                           struct kci_writer *out);
    void (*destroy)(struct kci_compress_context *x);
};

extern const struct kci_compress_codec kci_compress_gzip, kci_compress_snappy, kci_compress_lz4, kci_compress_zstd;

/* A place in a rope, for codecs that work block by block. */
struct kci_compress_rope {
    const struct kci_iov *piece, *end; /* what is left, borrowed */
    size_t at;                         /* bytes of *piece already taken */
};
/* The next n >= 1 bytes in one run: in place when they lie in one piece, else gathered in `stage` (n bytes). The rope
 * has them. */
const void *kci_compress_next_block(struct kci_compress_rope *rope, size_t n, void *stage);

/* Why a writer had no room for n more bytes. */
static inline enum kci_compress_result kci_compress_no_room(const struct kci_writer *w, size_t n)
{
    return n > w->limit - w->size ? KCI_COMPRESS_TOO_LARGE : KCI_COMPRESS_NO_MEMORY;
}

static inline int32_t kci_compress_clamp(int32_t level, int32_t low, int32_t high)
{
    return level < low ? low : level > high ? high : level;
}

#endif
