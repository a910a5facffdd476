/* snappy, in the stream format of the Java library that Kafka uses ("xerial"):
 *
 *      | off | len | field                                             |
 *      |   0 |   8 | magic 82 53 4E 41 50 50 59 00                     |
 *      |   8 |   4 | version 1, big-endian                             |
 *      |  12 |   4 | least compatible version 1                        |
 *      |  16 |   4 | compressed size n of a block, big-endian   \ repeated; a new header may stand
 *      |  20 |   n | snappy block of at most 32 KiB plain bytes / in place of a block (joined streams)
 *
 * Written: always that.  Read: that, or one bare snappy block without any header, which some producers send. */
#ifdef KCI_WITH_SNAPPY
#include "protocol/compress_codecs.h"

#include <snappy-c.h>

#define XERIAL_HEADER 16
#define XERIAL_BLOCK  ((size_t)32 << 10) /* plain bytes per block, as Java writes */
#define SNAPPY_UNFOLD 22                 /* a copy of 3 bytes makes 64: no block unfolds further */

static const uint8_t xerial_header[XERIAL_HEADER] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1 };

static enum kci_compress_result compress_snappy(struct kci_compress_context *x, int32_t level,
                                                const struct kci_iov *pieces, size_t count, size_t total,
                                                struct kci_writer *out)
{
    struct kci_compress_rope rope = { pieces, pieces + count, 0 };
    (void)level; /* snappy has none */
    if (!x->compressor)
        x->compressor = kci_alloc_new(x->alloc, XERIAL_BLOCK);
    if (!x->compressor)
        return KCI_COMPRESS_NO_MEMORY;
    uint8_t *header = kci_writer_room(out, XERIAL_HEADER);
    if (!header)
        return kci_compress_no_room(out, XERIAL_HEADER);
    memcpy(header, xerial_header, XERIAL_HEADER);
    while (total) {
        size_t n = total < XERIAL_BLOCK ? total : XERIAL_BLOCK;
        size_t bound = snappy_max_compressed_length(n), size = bound;
        const void *plain = kci_compress_next_block(&rope, n, x->compressor);
        uint8_t *room = kci_writer_room(out, 4 + bound);
        if (!room)
            return kci_compress_no_room(out, 4 + bound);
        if (snappy_compress(plain, n, (char *)room + 4, &size) != SNAPPY_OK)
            return KCI_COMPRESS_CORRUPT;
        kci_put32(room, (uint32_t)size);
        out->size -= bound - size;
        total -= n;
    }
    return KCI_COMPRESS_OK;
}

/* The plain size of a block, checked against what its bytes can unfold to. */
static bool plain_size(const uint8_t *block, size_t size, size_t *plain)
{
    return snappy_uncompressed_length((const char *)block, size, plain) == SNAPPY_OK && *plain / SNAPPY_UNFOLD <= size;
}

/* The next block of a xerial stream: false at the end, and with r->failed when the stream is broken. */
static bool next_xerial_block(struct kci_reader *r, const uint8_t **block, size_t *size)
{
    while (kci_reader_left(r) >= XERIAL_HEADER && memcmp(r->at, xerial_header, 8) == 0)
        kci_reader_take(r, XERIAL_HEADER);
    if (kci_reader_left(r) == 0)
        return false;
    int32_t n = kci_reader_i32(r);
    if (n < 0)
        r->failed = true;
    *size = (size_t)n;
    *block = kci_reader_take(r, *size);
    return *block;
}

static enum kci_compress_result append_block(const uint8_t *block, size_t size, struct kci_writer *out)
{
    size_t plain;
    if (!plain_size(block, size, &plain))
        return KCI_COMPRESS_CORRUPT;
    uint8_t *room = kci_writer_room(out, plain);
    if (!room && plain)
        return kci_compress_no_room(out, plain);
    if (plain == 0) /* there may be no room then */
        return snappy_validate_compressed_buffer((const char *)block, size) == SNAPPY_OK ? KCI_COMPRESS_OK
                                                                                         : KCI_COMPRESS_CORRUPT;
    return snappy_uncompress((const char *)block, size, (char *)room, &plain) == SNAPPY_OK ? KCI_COMPRESS_OK
                                                                                           : KCI_COMPRESS_CORRUPT;
}

static enum kci_compress_result decompress_snappy(struct kci_compress_context *x, const uint8_t *data, size_t size,
                                                  struct kci_writer *out)
{
    struct kci_reader r = kci_reader_of(data, size), walk;
    const uint8_t *block;
    size_t block_size, plain, total = 0;
    (void)x;
    if (size < XERIAL_HEADER || memcmp(data, xerial_header, 8) != 0)
        return append_block(data, size, out);
    for (walk = r; next_xerial_block(&walk, &block, &block_size); total += plain) {
        if (!plain_size(block, block_size, &plain))
            return KCI_COMPRESS_CORRUPT;
        if (plain > out->limit - total)
            return KCI_COMPRESS_TOO_LARGE;
    }
    if (walk.failed)
        return KCI_COMPRESS_CORRUPT;
    if (total && !kci_writer_room(out, total)) /* one allocation of the right size */
        return kci_compress_no_room(out, total);
    out->size = 0;
    while (next_xerial_block(&r, &block, &block_size)) {
        enum kci_compress_result result = append_block(block, block_size, out);
        if (result != KCI_COMPRESS_OK)
            return result;
    }
    return KCI_COMPRESS_OK;
}

static void destroy_snappy(struct kci_compress_context *x)
{
    kci_alloc_free(x->alloc, x->compressor);
    x->compressor = NULL;
}

const struct kci_compress_codec kci_compress_snappy = { compress_snappy, decompress_snappy, destroy_snappy };
#else
extern int kci_compress_snappy_left_out;
int kci_compress_snappy_left_out;
#endif
