/* zstd (RFC 8878).  Written: one frame with its content size.  Read: any frames, also skippable ones, without
 * dictionary.
 *
 * Reading is in one pass into a block of the size that the frames can have at most (their blocks are counted
 * beforehand; each makes at most 128 KiB), bounded by the budget.  So the window that a frame demands costs no memory
 * of its own, and a frame of unknown size, which is what Java writes, needs no growing buffer.  All memory of the
 * library is ours, by its "advanced" constructors: exported by every libzstd since 1.4, though declared for static
 * linking only. */
#ifdef KCI_WITH_ZSTD
#define ZSTD_STATIC_LINKING_ONLY
#include "protocol/compress_codecs.h"

#include <zstd.h>
#include <zstd_errors.h>

#define ZSTD_STEP       ((size_t)16 << 10) /* least bytes by which the output grows */
#define BLOCK_BYTES_MIN 4                  /* header of 3 bytes and a byte to be repeated */

static void *take(void *opaque, size_t size)
{
    return kci_alloc_new(opaque, size);
}

static void give_back(void *opaque, void *block)
{
    kci_alloc_free(opaque, block);
}

static ZSTD_customMem memory_of(const struct kci_compress_context *x)
{
    return (ZSTD_customMem){ take, give_back, (void *)(uintptr_t)x->alloc };
}

static enum kci_compress_result result_of(size_t code)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return KCI_COMPRESS_NO_MEMORY;
    case ZSTD_error_dstSize_tooSmall:
        return KCI_COMPRESS_TOO_LARGE;
    default:
        return KCI_COMPRESS_CORRUPT;
    }
}

/* Make room for what the library has to write; *o is the writer's free space. */
static enum kci_compress_result grow(struct kci_writer *out, size_t want, ZSTD_outBuffer *o)
{
    size_t step = out->capacity - out->size;
    if (step < ZSTD_STEP)
        step = want > ZSTD_STEP ? want : ZSTD_STEP;
    if (step > out->limit - out->size)
        step = out->limit - out->size;
    uint8_t *room = step ? kci_writer_room(out, step) : NULL;
    if (!room)
        return kci_compress_no_room(out, 1);
    *o = (ZSTD_outBuffer){ room, step, 0 };
    return KCI_COMPRESS_OK;
}

static enum kci_compress_result compress_zstd(struct kci_compress_context *x, int32_t level,
                                              const struct kci_iov *pieces, size_t count, size_t total,
                                              struct kci_writer *out)
{
    ZSTD_outBuffer o = { NULL, 0, 0 };
    if (!x->compressor)
        x->compressor = ZSTD_createCCtx_advanced(memory_of(x));
    ZSTD_CCtx *z = x->compressor;
    if (!z)
        return KCI_COMPRESS_NO_MEMORY;
    ZSTD_CCtx_reset(z, ZSTD_reset_session_only);
    level = level == KCI_LEVEL_DEFAULT ? ZSTD_CLEVEL_DEFAULT
                                       : kci_compress_clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setPledgedSrcSize(z, total);
    for (size_t i = 0; i < count || i == 0; i++) {
        bool last = i + 1 >= count;
        ZSTD_inBuffer in = { count ? pieces[i].data : NULL, count ? pieces[i].size : 0, 0 };
        size_t more;
        do {
            if (o.pos == o.size) {
                enum kci_compress_result result = grow(out, total / 4, &o);
                if (result != KCI_COMPRESS_OK)
                    return result;
            }
            more = ZSTD_compressStream2(z, &o, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(more))
                return result_of(more);
        } while (last ? more != 0 : in.pos < in.size);
    }
    out->size -= o.size - o.pos;
    return KCI_COMPRESS_OK;
}

static enum kci_compress_result decompress_zstd(struct kci_compress_context *x, const uint8_t *data, size_t size,
                                                struct kci_writer *out)
{
    unsigned long long bound = ZSTD_decompressBound(data, size);
    if (bound == ZSTD_CONTENTSIZE_ERROR)
        return KCI_COMPRESS_CORRUPT;
    if (bound > (size / BLOCK_BYTES_MIN + 1) * ZSTD_BLOCKSIZE_MAX) /* the content size in the header lies */
        bound = (size / BLOCK_BYTES_MIN + 1) * ZSTD_BLOCKSIZE_MAX;
    if (!x->decompressor)
        x->decompressor = ZSTD_createDCtx_advanced(memory_of(x));
    if (!x->decompressor)
        return KCI_COMPRESS_NO_MEMORY;
    size_t capacity = bound < out->limit ? (size_t)bound : out->limit;
    uint8_t *room = capacity ? kci_writer_room(out, capacity) : NULL;
    if (!room && capacity)
        return KCI_COMPRESS_NO_MEMORY;
    size_t got = ZSTD_decompressDCtx(x->decompressor, room, capacity, data, size);
    if (ZSTD_isError(got))
        return result_of(got) == KCI_COMPRESS_TOO_LARGE && bound <= capacity ? KCI_COMPRESS_CORRUPT : result_of(got);
    out->size = got;
    return KCI_COMPRESS_OK;
}

static void destroy_zstd(struct kci_compress_context *x)
{
    ZSTD_freeCCtx(x->compressor);
    ZSTD_freeDCtx(x->decompressor);
    x->compressor = x->decompressor = NULL;
}

const struct kci_compress_codec kci_compress_zstd = { compress_zstd, decompress_zstd, destroy_zstd };
#else
extern int kci_compress_zstd_left_out;
int kci_compress_zstd_left_out;
#endif
