/* The LZ4 frame, little-endian, as Kafka's Java code writes and reads it:
 *
 *      | len | field                                                                                        |
 *      |   4 | magic 04 22 4D 18                                                                            |
 *      |   1 | FLG: bits 7-6 version 01, 5 blocks independent, 4 block checksums, 3 content size, 2 content |
 *      |     |      checksum, 1-0 must be 0                                                                |
 *      |   1 | BD: bits 6-4 largest block: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB; others must be 0  |
 *      |  8? | content size, a hint for us                                                                  |
 *      |   1 | HC: second byte of the XXH32 of FLG .. content size                                          |
 *      |   4 | block size n, top bit: stored plain; 0: the end          \                                   |
 *      |   n | block                                                     > repeated                         |
 *      |  4? | XXH32 of the block as it stands here                     /                                   |
 *      |  4? | content checksum, not looked at                                                              |
 *
 * Written: FLG 60, BD 40, no checksums.  Read: version 01 and independent blocks only; what follows the end is ignored.
 * Writers of the oldest message format took the HC over the magic too; that wrong value is accepted, in any batch.
 * The library's block functions are used, not its frame functions: so plain bytes go straight where they belong, and
 * all memory (16 KiB, or 256 KiB for the high levels) is ours. */
#ifdef KCI_WITH_LZ4
#include "protocol/compress_codecs.h"
#include "protocol/xxh32.h"

#include <lz4.h>
#include <lz4hc.h>

#define FRAME_HEADER  7 /* bytes written */
#define FRAME_END     4
#define BLOCK_WRITTEN ((size_t)64 << 10)
#define BLOCK_STORED  0x80000000u
#define LZ4_UNFOLD    255 /* no block unfolds further */
#define LZ4_LEVEL_KAFKA                                                                                                \
    9 /* Kafka's default level; Java takes the fast compressor for it, and the high one for all others */

enum { FLG_CONTENT_SIZE = 1 << 3, FLG_BLOCK_CHECKSUM = 1 << 4, FLG_INDEPENDENT = 1 << 5 };

static const uint8_t frame_magic[4] = { 0x04, 0x22, 0x4D, 0x18 };
static const uint8_t frame_header[FRAME_HEADER] = { 0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82 };

struct lz4 {
    void *fast, *high;            /* states of the two compressors, made on first use; owned */
    uint8_t stage[BLOCK_WRITTEN]; /* where a block is gathered that lies in several pieces */
};

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void put_little32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static struct lz4 *contexts(struct kci_compress_context *x, bool high)
{
    if (!x->compressor)
        x->compressor = kci_alloc_zero(x->alloc, 1, sizeof(struct lz4));
    struct lz4 *z = x->compressor;
    if (!z)
        return NULL;
    void **state = high ? &z->high : &z->fast;
    if (!*state)
        *state = kci_alloc_new(x->alloc, (size_t)(high ? LZ4_sizeofStateHC() : LZ4_sizeofState()));
    return *state ? z : NULL;
}

static enum kci_compress_result compress_lz4(struct kci_compress_context *x, int32_t level,
                                             const struct kci_iov *pieces, size_t count, size_t total,
                                             struct kci_writer *out)
{
    bool high = level != KCI_LEVEL_DEFAULT && level != LZ4_LEVEL_KAFKA;
    struct lz4 *z = contexts(x, high);
    struct kci_compress_rope rope = { pieces, pieces + count, 0 };
    if (!z)
        return KCI_COMPRESS_NO_MEMORY;
    uint8_t *room = kci_writer_room(out, FRAME_HEADER);
    if (!room)
        return kci_compress_no_room(out, FRAME_HEADER);
    memcpy(room, frame_header, FRAME_HEADER);
    while (total) {
        size_t n = total < BLOCK_WRITTEN ? total : BLOCK_WRITTEN;
        int bound = LZ4_compressBound((int)n);
        const char *plain = kci_compress_next_block(&rope, n, z->stage);
        room = kci_writer_room(out, 4 + (size_t)bound);
        if (!room)
            return kci_compress_no_room(out, 4 + (size_t)bound);
        char *block = (char *)room + 4;
        int size = high ? LZ4_compress_HC_extStateHC(z->high, plain, block, (int)n, bound,
                                                     kci_compress_clamp(level, 1, LZ4HC_CLEVEL_MAX))
                        : LZ4_compress_fast_extState(z->fast, plain, block, (int)n, bound, 1);
        bool stored = size <= 0 || (size_t)size >= n;
        if (stored)
            memcpy(block, plain, n);
        size_t used = stored ? n : (size_t)size;
        put_little32(room, (uint32_t)used | (stored ? BLOCK_STORED : 0));
        out->size -= (size_t)bound - used;
        total -= n;
    }
    room = kci_writer_room(out, FRAME_END);
    if (!room)
        return kci_compress_no_room(out, FRAME_END);
    memset(room, 0, FRAME_END);
    return KCI_COMPRESS_OK;
}

/* Read up to the first block: *flg, and *block_max, the largest plain size of a block. */
static bool read_header(struct kci_reader *r, uint8_t *flg, size_t *block_max)
{
    const uint8_t *magic = kci_reader_take(r, 4), *descriptor = kci_reader_take(r, 2);
    if (!descriptor || memcmp(magic, frame_magic, 4) != 0)
        return false;
    *flg = descriptor[0];
    if ((*flg & 0xC3) != 0x40 || !(*flg & FLG_INDEPENDENT))
        return false;
    if ((descriptor[1] & 0x8F) != 0 || descriptor[1] >> 4 < 4)
        return false;
    *block_max = (size_t)1 << (8 + 2 * (descriptor[1] >> 4));
    if (*flg & FLG_CONTENT_SIZE)
        kci_reader_take(r, 8);
    size_t size = (size_t)(r->at - descriptor);
    const uint8_t *hc = kci_reader_take(r, 1);
    return hc &&
           (*hc == (uint8_t)(kci_xxh32(descriptor, size) >> 8) || *hc == (uint8_t)(kci_xxh32(magic, size + 4) >> 8));
}

struct lz4_block {
    const uint8_t *data;
    size_t size;
    size_t plain_max; /* bytes that it can unfold to */
    bool stored;      /* plain already */
};

/* 1: the next block, 0: the end mark, -1: the frame is broken. */
static int next_block(struct kci_reader *r, uint8_t flg, size_t block_max, bool verify, struct lz4_block *block)
{
    const uint8_t *head = kci_reader_take(r, 4);
    if (!head)
        return -1;
    uint32_t word = little32(head);
    if (word == 0)
        return 0;
    block->stored = word & BLOCK_STORED;
    block->size = word & ~BLOCK_STORED;
    if (block->size > block_max)
        return -1;
    block->data = kci_reader_take(r, block->size);
    block->plain_max = block->stored ? block->size : block->size * LZ4_UNFOLD;
    if (block->plain_max > block_max)
        block->plain_max = block_max;
    if (flg & FLG_BLOCK_CHECKSUM) {
        const uint8_t *sum = kci_reader_take(r, 4);
        if (sum && verify && little32(sum) != kci_xxh32(block->data, block->size))
            return -1;
    }
    return r->failed ? -1 : 1;
}

/* Append one block to out, which has `room` bytes left at data + size. */
static enum kci_compress_result append_block(const struct lz4_block *block, struct kci_writer *out, size_t room)
{
    size_t capacity = block->plain_max < room ? block->plain_max : room;
    if (block->plain_max == 0) /* a stored block of no bytes */
        return KCI_COMPRESS_OK;
    if (room == 0 || (block->stored && block->size > room))
        return KCI_COMPRESS_TOO_LARGE;
    uint8_t *to = out->data + out->size;
    if (block->stored) {
        memcpy(to, block->data, block->size);
        out->size += block->size;
        return KCI_COMPRESS_OK;
    }
    int got = LZ4_decompress_safe((const char *)block->data, (char *)to, (int)block->size, (int)capacity);
    if (got < 0)
        return capacity < block->plain_max ? KCI_COMPRESS_TOO_LARGE : KCI_COMPRESS_CORRUPT;
    out->size += (size_t)got;
    return KCI_COMPRESS_OK;
}

static enum kci_compress_result decompress_lz4(struct kci_compress_context *x, const uint8_t *data, size_t size,
                                               struct kci_writer *out)
{
    struct kci_reader r = kci_reader_of(data, size), walk;
    struct lz4_block block;
    size_t block_max, bound = 0;
    uint8_t flg;
    int more;
    (void)x;
    if (!read_header(&r, &flg, &block_max))
        return KCI_COMPRESS_CORRUPT;
    walk = r; /* once to see how much the blocks can hold, so that one allocation does */
    while ((more = next_block(&walk, flg, block_max, false, &block)) > 0)
        bound += block.plain_max;
    if (more < 0)
        return KCI_COMPRESS_CORRUPT;
    size_t capacity = bound < out->limit ? bound : out->limit;
    if (capacity && !kci_writer_room(out, capacity))
        return KCI_COMPRESS_NO_MEMORY;
    out->size = 0;
    while ((more = next_block(&r, flg, block_max, true, &block)) > 0) {
        enum kci_compress_result result = append_block(&block, out, capacity - out->size);
        if (result != KCI_COMPRESS_OK)
            return result;
    }
    return more < 0 ? KCI_COMPRESS_CORRUPT : KCI_COMPRESS_OK;
}

static void destroy_lz4(struct kci_compress_context *x)
{
    struct lz4 *z = x->compressor;
    if (z) {
        kci_alloc_free(x->alloc, z->fast);
        kci_alloc_free(x->alloc, z->high);
        kci_alloc_free(x->alloc, z);
    }
    x->compressor = NULL;
}

const struct kci_compress_codec kci_compress_lz4 = { compress_lz4, decompress_lz4, destroy_lz4 };
#else
extern int kci_compress_lz4_left_out;
int kci_compress_lz4_left_out;
#endif
