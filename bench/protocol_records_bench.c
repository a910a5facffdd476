/* What the hot paths of record batches cost on this machine: CRC-32C by size, and records visited per second.
 *
 *      protocol_records_bench          prints one line for each measurement, best of five runs */
#include "base/checksum.h"
#include "protocol/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 5

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}

static const struct kci_alloc heap = { resize, NULL };

static void bench_crc(void)
{
    static const size_t sizes[] = { 64, 100, 1024, 16384, 1 << 20 };
    uint8_t *data = calloc(1, 1 << 20);
    for (size_t i = 0; data && i < sizeof sizes / sizeof *sizes; i++) {
        size_t rounds = ((size_t)1 << 30) / sizes[i];
        double best = 1e9;
        uint32_t crc = 0;
        if (rounds > 2000000)
            rounds = 2000000;
        for (int run = 0; run < RUNS; run++) {
            double begin = seconds();
            for (size_t k = 0; k < rounds; k++)
                crc = kci_crc32c(crc, data, sizes[i]);
            double took = seconds() - begin;
            best = took < best ? took : best;
        }
        printf("crc32c %-7s %8zu bytes  %6.2f GB/s  %8.1f ns  (%08x)\n", kci_crc32c_kind(), sizes[i],
               (double)sizes[i] * (double)rounds / best / 1e9, best / (double)rounds * 1e9, crc);
    }
    free(data);
}

/* Batches of 100 records each with values of value_size bytes, as many as make 1 MiB, walked again and again. */
static void bench_walk(size_t value_size, size_t key_size, size_t header_count, int codec, bool check_crc)
{
    enum { PER_BATCH = 1000 };
    static struct kci_record records[PER_BATCH];
    struct kci_record_header headers[4];
    static uint8_t text[4096];
    struct kci_batch_header header = { .producer_id = -1, .attributes = (int16_t)codec };
    struct kci_writer w = kci_writer_of(&heap, (size_t)1 << 30);
    struct kci_compressor *c = kci_compressor_new(&heap);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)("a few words and numbers: "[i % 25] + (i * i >> 7 & 1));
    for (size_t i = 0; i < header_count; i++)
        headers[i] = (struct kci_record_header){ { "trace-id", 8 }, { text, 16 } };
    for (size_t i = 0; i < PER_BATCH; i++)
        records[i] = (struct kci_record){ 1700000000000 + (int64_t)i / 100,
                                          { key_size ? text : NULL, key_size },
                                          { text + i % 64, value_size },
                                          headers,
                                          header_count };
    size_t batches = 0;
    for (; w.size < 1 << 20 && kci_batch_write(&w, &header, records, PER_BATCH, KCI_LEVEL_DEFAULT) == 0; batches++)
        header.base_offset += PER_BATCH;
    double best = 1e9;
    size_t rounds = 10000000 / (batches * PER_BATCH) + 1, sum = 0;
    for (int run = 0; run < RUNS; run++) {
        double begin = seconds();
        for (size_t k = 0; k < rounds; k++) {
            struct kci_reader r = kci_reader_of(w.data, w.size);
            struct kci_batch_header h;
            struct kci_batch_iterator it;
            struct kci_record_view view;
            size_t total;
            while (kci_batch_peek(&r, &h, &total) == KCI_BATCH_OK) {
                if ((check_crc && !kci_batch_crc_ok(r.at, total)) ||
                    kci_batch_open_with(&it, r.at, total, c, &heap, (size_t)1 << 26) != KCI_BATCH_OK)
                    abort();
                while (kci_batch_next(&it, &view) > 0)
                    sum += view.value.size + (size_t)view.offset;
                kci_batch_close(&it);
                kci_reader_take(&r, total);
            }
        }
        double took = seconds() - begin;
        best = took < best ? took : best;
    }
    double count = (double)(rounds * batches * PER_BATCH);
    printf("walk %-6s value %4zu key %2zu headers %zu %-4s %7.1f M records/s  %6.2f ns  (%zx)\n", kci_codec_name(codec),
           value_size, key_size, header_count, check_crc ? "crc" : "", count / best / 1e6, best / count * 1e9, sum);
    kci_compressor_destroy(c);
    kci_writer_destroy(&w);
}

int main(void)
{
    bench_crc();
    for (int crc = 0; crc < 2; crc++) {
        bench_walk(10, 0, 0, KCI_CODEC_NONE, crc);
        bench_walk(100, 0, 0, KCI_CODEC_NONE, crc);
        bench_walk(100, 16, 0, KCI_CODEC_NONE, crc);
        bench_walk(1000, 16, 0, KCI_CODEC_NONE, crc);
    }
    bench_walk(100, 16, 2, KCI_CODEC_NONE, true);
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++)
        if (kci_codec_built_in(codec))
            bench_walk(100, 0, 0, codec, true);
    return 0;
}
