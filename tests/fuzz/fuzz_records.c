/* A stream of record batches of any format, and compressed bytes of any codec: whatever they are, memory stays within
 * the budget, views within the bytes, and what is accepted is consistent.
 *
 * Input: mode u8 | bytes.  Mode 0-4: the bytes are compressed with that codec.  5: a stream of batches.  6: one batch,
 * whose length is made to fit, so that insertions and deletions reach what lies behind the length. */
#include "fuzz/harness.h"
#include "protocol/records.h"
#include "support/records.h"
#include "support/test_alloc.h"

#define BUDGET         ((size_t)64 << 10)  /* plain bytes per batch */
#define CONTEXTS_BYTES ((size_t)300 << 10) /* what the libraries may take beside it */

static bool within(const void *data, size_t size, const uint8_t *begin, const uint8_t *end)
{
    const uint8_t *p = data;
    return !p || (p >= begin && p <= end && size <= (size_t)(end - p));
}

static bool bytes_equal(struct kci_bytes a, struct kci_bytes b)
{
    return a.size == b.size && !a.data == !b.data && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Visit the headers of a record; their count is exact. */
static void visit_headers(const struct kci_record_view *view, const uint8_t *begin, const uint8_t *end)
{
    struct kci_reader headers = view->headers;
    struct kci_str name;
    struct kci_bytes value;
    int32_t count = 0;
    while (kci_record_header_next(&headers, &name, &value)) {
        must(name.data && within(name.data, name.size, begin, end), "header names lie in the bytes");
        must(within(value.data, value.size, begin, end), "header values lie in the bytes");
        count++;
    }
    must(!headers.failed && count == view->header_count, "headers of an accepted record are whole");
}

/* The record at `from` alone in a batch, where it is decoded close to the end, is the same record. */
static void same_alone(const struct kci_batch_header *header, const struct kci_alloc *alloc, const uint8_t *from,
                       size_t size, const struct kci_record_view *expected)
{
    struct kci_batch_header alone = *header;
    struct kci_writer w = kci_writer_of(alloc, KCI_BATCH_HEADER_BYTES + size);
    struct kci_batch_iterator it;
    struct kci_record_view view;
    alone.attributes &= ~KCI_BATCH_CODEC_MASK;
    alone.record_count = 1;
    test_batch_around(&w, alone, from, size);
    must(kci_batch_open(&it, w.data, w.size, alloc, 0) == KCI_BATCH_OK, "a good record makes a good batch");
    must(kci_batch_next(&it, &view) == 1, "both ways of decoding accept the same");
    must(view.offset == expected->offset && view.timestamp_ms == expected->timestamp_ms &&
             view.header_count == expected->header_count && bytes_equal(view.key, expected->key) &&
             bytes_equal(view.value, expected->value),
         "both ways of decoding see the same");
    must(kci_batch_next(&it, &view) == 0, "one record is one record");
    kci_batch_close(&it);
    kci_writer_destroy(&w);
}

static void visit_batch(const uint8_t *data, size_t size, struct kci_compressor *c, const struct kci_alloc *alloc)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    int more;
    int32_t seen = 0;
    if (kci_batch_open_with(&it, data, size, c, alloc, BUDGET) != KCI_BATCH_OK)
        return;
    must(it.plain_size <= BUDGET, "a batch unfolds within its budget");
    const uint8_t *begin = it.plain ? it.plain : data, *end = begin + (it.plain ? it.plain_size : size);
    int64_t last = -1;
    for (;;) {
        const uint8_t *from = it.records.at;
        more = kci_batch_next(&it, &view);
        if (more <= 0)
            break;
        must(view.offset > last, "offsets rise");
        must(within(view.key.data, view.key.size, begin, end), "keys lie in the bytes");
        must(within(view.value.data, view.value.size, begin, end), "values lie in the bytes");
        visit_headers(&view, begin, end);
        if (it.header.magic == 2 && seen < 20)
            same_alone(&it.header, alloc, from, (size_t)(it.records.at - from), &view);
        last = view.offset;
        seen++;
    }
    must(more == kci_batch_next(&it, &view), "the end, and failure, are sticky");
    if (it.header.magic == 2 && more == 0)
        must(seen == it.header.record_count && last <= it.header.base_offset + it.header.last_offset_delta,
             "a consistent end is the announced one");
    kci_batch_close(&it);
    kci_batch_crc_ok(data, size);
}

static void visit_stream(const uint8_t *data, size_t size, struct kci_compressor *c, const struct kci_alloc *alloc)
{
    struct kci_reader r = kci_reader_of(data, size);
    struct kci_batch_header header;
    size_t total;
    while (kci_batch_peek(&r, &header, &total) == KCI_BATCH_OK) {
        must(total <= kci_reader_left(&r), "a batch lies in the stream");
        visit_batch(r.at, total, c, alloc);
        kci_reader_take(&r, total);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    if (size < 1 || size > 4 * BUDGET)
        return 0;
    uint8_t mode = data[0] % 7;
    size_t bytes = size - 1;
    uint8_t *copy = memcpy(malloc(bytes + 1), data + 1, bytes), *plain;
    if (mode < KCI_CODEC_COUNT) {
        size_t got;
        if (kci_decompress(NULL, mode, copy, bytes, &alloc, BUDGET, &plain, &got) == KCI_COMPRESS_OK) {
            must(got <= BUDGET, "the budget holds");
            kci_alloc_free(&alloc, plain);
        }
    } else {
        struct kci_compressor *c = kci_compressor_new(&alloc);
        if (mode == 6 && bytes >= KCI_BATCH_PREFIX_BYTES)
            kci_put32(copy + 8, (uint32_t)(bytes - KCI_BATCH_PREFIX_BYTES));
        visit_stream(copy, bytes, c, &alloc);
        kci_compressor_destroy(c);
    }
    must(memory.live_blocks == 0, "nothing leaks");
    must(memory.peak_bytes <= 3 * BUDGET + CONTEXTS_BYTES, "memory stays within the budget");
    free(copy);
    return 0;
}
