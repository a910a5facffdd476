/* The four codecs of Kafka behind one face, bounded on the way out.  Each can be left out at build time. */
#ifndef KCI_PROTOCOL_COMPRESS_H
#define KCI_PROTOCOL_COMPRESS_H

#include "base/alloc.h"
#include "base/cursor.h"

enum kci_codec { KCI_CODEC_NONE, KCI_CODEC_GZIP, KCI_CODEC_SNAPPY, KCI_CODEC_LZ4, KCI_CODEC_ZSTD, KCI_CODEC_COUNT };
#define KCI_LEVEL_DEFAULT INT32_MIN

enum kci_compress_result {
    KCI_COMPRESS_OK = 0,
    KCI_COMPRESS_UNKNOWN,   /* no such codec, or left out at build time */
    KCI_COMPRESS_CORRUPT,   /* the input is not what the codec accepts */
    KCI_COMPRESS_TOO_LARGE, /* output would exceed the budget: a bomb, or a budget too small */
    KCI_COMPRESS_NO_MEMORY,
};

/* "none", "gzip", "snappy", "lz4", "zstd". */
const char *kci_codec_name(int codec);
/* The codec of a name, or -1. */
int kci_codec_of(struct kci_str name);
bool kci_codec_built_in(int codec);

/* Contexts of the libraries, kept for reuse; one per thread that compresses. */
struct kci_compressor;
struct kci_compressor *kci_compressor_new(const struct kci_alloc *alloc);
void kci_compressor_destroy(struct kci_compressor *c);
/* Compress a rope; appends to `out`. level KCI_LEVEL_DEFAULT: Kafka's default for the codec.
 * Framing is what Java writes and reads (PROTOCOL section 5): gzip member, xerial snappy of 32 KiB blocks, LZ4 frame
 * with independent blocks, zstd frame. */
enum kci_compress_result kci_compress(struct kci_compressor *c, int codec, int32_t level, const struct kci_iov *pieces,
                                      size_t count, struct kci_writer *out);
/* Decompress everything; *out is one block of alloc, yours, *out_size bytes, never more than out_max. `c` may be NULL.
 */
enum kci_compress_result kci_decompress(struct kci_compressor *c, int codec, const uint8_t *data, size_t size,
                                        const struct kci_alloc *alloc, size_t out_max, uint8_t **out, size_t *out_size);

#endif
