/* gzip (RFC 1952) with zlib.  Written: one member, no name, no time.  Read: one or more members, any flags; what
 * follows the last member and is not a member is ignored, as java.util.zip does.  The size that the trailer announces
 * is only a hint for the first allocation.  zlib's memory (about 260 KiB to compress, 40 KiB to decompress) is ours.
 *
 * Where no level is asked for it is zlib's default (6) with shorter hash chains: nearly all of its time goes into following
 * them, for little.  A level that is asked for is zlib's, as it is. */
#ifdef KCI_WITH_GZIP
#include "protocol/compress_codecs.h"

#include <zlib.h>

#define GZIP_WINDOW     (15 + 16)          /* 32 KiB window; +16: the gzip wrapper */
#define GZIP_MEMORY     8                  /* zlib's default */
#define GZIP_CHAIN      8                  /* of the default level: earlier places that are compared (zlib's 6: 128) */
#define GZIP_TRAILER    8                  /* CRC-32, then the plain size modulo 2^32, little-endian */
#define GZIP_STEP       ((size_t)16 << 10) /* least bytes by which the output grows */
#define GZIP_HINT_RATIO 16                 /* a hint beyond this ratio is not believed */

static voidpf take(voidpf opaque, uInt items, uInt size)
{
    const struct kci_alloc *alloc = opaque;
    return kci_alloc_new(alloc, (size_t)items * size);
}

static void give_back(voidpf opaque, voidpf block)
{
    kci_alloc_free(opaque, block);
}

static z_stream *new_stream(struct kci_compress_context *x)
{
    z_stream *z = kci_alloc_zero(x->alloc, 1, sizeof *z);
    if (!z)
        return NULL;
    z->zalloc = take;
    z->zfree = give_back;
    z->opaque = (voidpf)(uintptr_t)x->alloc;
    return z;
}

static void drop_compressor(struct kci_compress_context *x)
{
    if (!x->compressor)
        return;
    deflateEnd(x->compressor);
    kci_alloc_free(x->alloc, x->compressor);
    x->compressor = NULL;
}

/* The default level: all but the last of the numbers are those of zlib's 6 (good, lazy, nice). Forgotten by a reset. */
static void tune(z_stream *z, int32_t level)
{
    if (level == Z_DEFAULT_COMPRESSION)
        deflateTune(z, 8, 16, 128, GZIP_CHAIN);
}

/* The compressor at its beginning, for `level`; NULL when out of memory. */
static z_stream *deflater(struct kci_compress_context *x, int32_t level)
{
    if (x->compressor && x->level == level) {
        deflateReset(x->compressor);
        tune(x->compressor, level);
        return x->compressor;
    }
    drop_compressor(x);
    z_stream *z = new_stream(x);
    if (z && deflateInit2(z, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        kci_alloc_free(x->alloc, z);
        return NULL;
    }
    if (z)
        tune(z, level);
    x->compressor = z;
    x->level = level;
    return z;
}

/* At least GZIP_STEP bytes of room, or what the limit leaves; 0 when there is none. *room is taken from the writer. */
static size_t grow(struct kci_writer *out, size_t want, uint8_t **room)
{
    size_t step = out->capacity - out->size; /* what is there anyway */
    if (step < GZIP_STEP)
        step = want > GZIP_STEP ? want : GZIP_STEP;
    if (step > out->limit - out->size)
        step = out->limit - out->size;
    *room = step ? kci_writer_room(out, step) : NULL;
    return *room ? step : 0;
}

static enum kci_compress_result compress_gzip(struct kci_compress_context *x, int32_t level,
                                              const struct kci_iov *pieces, size_t count, size_t total,
                                              struct kci_writer *out)
{
    z_stream *z = deflater(x, level == KCI_LEVEL_DEFAULT ? Z_DEFAULT_COMPRESSION : kci_compress_clamp(level, -1, 9));
    int status = Z_OK;
    if (!z)
        return KCI_COMPRESS_NO_MEMORY;
    z->avail_out = 0;
    for (size_t i = 0; i <= count; i++) {
        int flush = i == count ? Z_FINISH : Z_NO_FLUSH;
        z->next_in = (Bytef *)(uintptr_t)(i < count ? pieces[i].data : NULL);
        z->avail_in = i < count ? (uInt)pieces[i].size : 0;
        while (flush == Z_FINISH ? status != Z_STREAM_END : z->avail_in > 0) {
            if (z->avail_out == 0) {
                z->avail_out = (uInt)grow(out, total / 4, &z->next_out);
                if (z->avail_out == 0)
                    return kci_compress_no_room(out, 1);
            }
            status = deflate(z, flush);
            if (status == Z_STREAM_ERROR)
                return KCI_COMPRESS_CORRUPT;
        }
    }
    out->size -= z->avail_out;
    return KCI_COMPRESS_OK;
}

static z_stream *inflater(struct kci_compress_context *x)
{
    if (x->decompressor) {
        inflateReset(x->decompressor);
        return x->decompressor;
    }
    z_stream *z = new_stream(x);
    if (z && inflateInit2(z, GZIP_WINDOW) != Z_OK) {
        kci_alloc_free(x->alloc, z);
        return NULL;
    }
    return x->decompressor = z;
}

static size_t size_hint(const uint8_t *data, size_t size)
{
    if (size < GZIP_TRAILER)
        return 0;
    const uint8_t *p = data + size - 4;
    size_t hint = (size_t)p[3] << 24 | (size_t)p[2] << 16 | (size_t)p[1] << 8 | p[0];
    return hint < size * GZIP_HINT_RATIO ? hint : size * GZIP_HINT_RATIO;
}

static bool at_member(const z_stream *z)
{
    return z->avail_in >= 2 && z->next_in[0] == 0x1f && z->next_in[1] == 0x8b;
}

static enum kci_compress_result decompress_gzip(struct kci_compress_context *x, const uint8_t *data, size_t size,
                                                struct kci_writer *out)
{
    z_stream *z = inflater(x);
    size_t want = size_hint(data, size);
    uint8_t beyond; /* where a byte beyond the budget shows itself */
    if (!z)
        return KCI_COMPRESS_NO_MEMORY;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)size;
    z->avail_out = 0;
    for (;;) {
        bool full = false;
        if (z->avail_out == 0) {
            z->avail_out = (uInt)grow(out, want > out->size ? want - out->size : out->size, &z->next_out);
            full = z->avail_out == 0;
            if (full && out->failed)
                return KCI_COMPRESS_NO_MEMORY;
            if (full) {
                z->next_out = &beyond;
                z->avail_out = 1;
            }
        }
        int status = inflate(z, Z_NO_FLUSH);
        if (full && z->avail_out == 0)
            return KCI_COMPRESS_TOO_LARGE;
        if (full)
            z->avail_out = 0;
        if (status == Z_STREAM_END && at_member(z))
            status = inflateReset(z);
        else if (status == Z_STREAM_END)
            break;
        if (status == Z_MEM_ERROR)
            return KCI_COMPRESS_NO_MEMORY;
        if (status != Z_OK) /* Z_BUF_ERROR: the input ended too early */
            return KCI_COMPRESS_CORRUPT;
    }
    out->size -= z->avail_out;
    return KCI_COMPRESS_OK;
}

static void destroy_gzip(struct kci_compress_context *x)
{
    drop_compressor(x);
    if (x->decompressor)
        inflateEnd(x->decompressor);
    kci_alloc_free(x->alloc, x->decompressor);
    x->decompressor = NULL;
}

const struct kci_compress_codec kci_compress_gzip = { compress_gzip, decompress_gzip, destroy_gzip };
#else
extern int kci_compress_gzip_left_out;
int kci_compress_gzip_left_out;
#endif
