/* The face of the codecs: names, limits, and the contexts that are kept from batch to batch.
 *
 * Compressing appends to a writer and stops at the writer's limit; decompressing fills one block and stops at out_max,
 * so a few bytes that unfold to gigabytes cost at most out_max of memory and the time to fill it.  What the formats
 * announce about their size (a snappy block, a zstd frame) is believed only within that budget and only as far as so
 * many compressed bytes can unfold.  The codecs stand in compress_gzip.c, compress_snappy.c, compress_lz4.c and
 * compress_zstd.c; one that was left out at build time has no entry in the table.
 *
 * Memory: gzip, lz4 and zstd work in memory of our allocator.  snappy's library allocates its own working memory (32 to
 * 256 KiB for the duration of a call) and offers no way to change that. */
#include "protocol/compress_codecs.h"

static const char *const names[KCI_CODEC_COUNT] = { "none", "gzip", "snappy", "lz4", "zstd" };

static const struct kci_compress_codec *const codecs[KCI_CODEC_COUNT] = {
#ifdef KCI_WITH_GZIP
    [KCI_CODEC_GZIP] = &kci_compress_gzip,
#endif
#ifdef KCI_WITH_SNAPPY
    [KCI_CODEC_SNAPPY] = &kci_compress_snappy,
#endif
#ifdef KCI_WITH_LZ4
    [KCI_CODEC_LZ4] = &kci_compress_lz4,
#endif
#ifdef KCI_WITH_ZSTD
    [KCI_CODEC_ZSTD] = &kci_compress_zstd,
#endif
};

struct kci_compressor {
    const struct kci_alloc *alloc; /* borrowed */
    struct kci_compress_context contexts[KCI_CODEC_COUNT];
};

const char *kci_codec_name(int codec)
{
    return codec >= 0 && codec < KCI_CODEC_COUNT ? names[codec] : "unknown";
}

int kci_codec_of(struct kci_str name)
{
    for (int codec = 0; codec < KCI_CODEC_COUNT; codec++)
        if (kci_str_equal(name, kci_str_of(names[codec])))
            return codec;
    return -1;
}

bool kci_codec_built_in(int codec)
{
    return codec == KCI_CODEC_NONE || (codec > 0 && codec < KCI_CODEC_COUNT && codecs[codec]);
}

static void init(struct kci_compressor *c, const struct kci_alloc *alloc)
{
    *c = (struct kci_compressor){ .alloc = alloc };
    for (int codec = 0; codec < KCI_CODEC_COUNT; codec++)
        c->contexts[codec].alloc = alloc;
}

static void release(struct kci_compressor *c)
{
    for (int codec = 0; codec < KCI_CODEC_COUNT; codec++)
        if (codecs[codec])
            codecs[codec]->destroy(&c->contexts[codec]);
}

struct kci_compressor *kci_compressor_new(const struct kci_alloc *alloc)
{
    struct kci_compressor *c = kci_alloc_new(alloc, sizeof *c);
    if (c)
        init(c, alloc);
    return c;
}

void kci_compressor_destroy(struct kci_compressor *c)
{
    if (!c)
        return;
    release(c);
    kci_alloc_free(c->alloc, c);
}

const void *kci_compress_next_block(struct kci_compress_rope *rope, size_t n, void *stage)
{
    for (size_t done = 0; done < n;) {
        while (rope->at == rope->piece->size) {
            rope->piece++;
            rope->at = 0;
        }
        const uint8_t *data = (const uint8_t *)rope->piece->data + rope->at;
        size_t part = rope->piece->size - rope->at < n - done ? rope->piece->size - rope->at : n - done;
        rope->at += part;
        if (part == n)
            return data;
        memcpy((uint8_t *)stage + done, data, part);
        done += part;
    }
    return stage;
}

static enum kci_compress_result copy(const struct kci_iov *pieces, size_t count, size_t total, struct kci_writer *out)
{
    uint8_t *p = kci_writer_room(out, total);
    if (!p)
        return kci_compress_no_room(out, total);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size)
            memcpy(p, pieces[i].data, pieces[i].size);
        p += pieces[i].size;
    }
    return KCI_COMPRESS_OK;
}

enum kci_compress_result kci_compress(struct kci_compressor *c, int codec, int32_t level, const struct kci_iov *pieces,
                                      size_t count, struct kci_writer *out)
{
    size_t total = 0, before = out->size;
    enum kci_compress_result result;
    if (!kci_codec_built_in(codec))
        return KCI_COMPRESS_UNKNOWN;
    if (out->failed)
        return KCI_COMPRESS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size > INT32_MAX - total) /* a batch is not longer */
            return KCI_COMPRESS_TOO_LARGE;
        total += pieces[i].size;
    }
    if (codec == KCI_CODEC_NONE)
        result = copy(pieces, count, total, out);
    else
        result = codecs[codec]->compress(&c->contexts[codec], level, pieces, count, total, out);
    if (result != KCI_COMPRESS_OK) {
        out->size = before;
        out->failed = true;
    }
    return result;
}

/* Hand over the block of w, without the slack that growing left. */
static void give(struct kci_writer *w, uint8_t **out, size_t *out_size)
{
    if (w->capacity - w->size > w->size / 8) {
        uint8_t *fitting = kci_alloc_resize(w->alloc, w->data, w->size);
        if (fitting)
            w->data = fitting;
    }
    *out = w->data;
    *out_size = w->size;
}

enum kci_compress_result kci_decompress(struct kci_compressor *c, int codec, const uint8_t *data, size_t size,
                                        const struct kci_alloc *alloc, size_t out_max, uint8_t **out, size_t *out_size)
{
    struct kci_compressor temporary;
    struct kci_writer w = kci_writer_of(alloc, out_max);
    enum kci_compress_result result;
    if (!kci_codec_built_in(codec))
        return KCI_COMPRESS_UNKNOWN;
    if (size > INT32_MAX)
        return KCI_COMPRESS_CORRUPT;
    if (!c)
        init(&temporary, alloc);
    if (codec == KCI_CODEC_NONE)
        result = copy(&(struct kci_iov){ data, size }, 1, size, &w);
    else
        result = codecs[codec]->decompress(&(c ? c : &temporary)->contexts[codec], data, size, &w);
    if (!c)
        release(&temporary);
    if (result == KCI_COMPRESS_OK && !w.data) { /* nothing came out: still a block of the caller's */
        w.data = kci_alloc_new(alloc, 1);
        if (!w.data)
            result = KCI_COMPRESS_NO_MEMORY;
    }
    if (result == KCI_COMPRESS_OK)
        give(&w, out, out_size);
    else
        kci_writer_destroy(&w);
    return result;
}
