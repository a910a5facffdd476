/* What a record costs the consumer, without network: judging a fetched response, and visiting its records.
 * One line of JSON per value size: nanoseconds per record of each, and records per second of the visit alone. */
#include "consumer/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_BYTES (256u << 10)
#define TOTAL_BYTES (32u << 20) /* beyond any cache */

static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A partition's bytes: batches of records with values of this size, no keys. */
static struct kci_frame *make_frame(const struct kci_alloc *alloc, size_t value_size, int64_t *records)
{
    struct kci_writer w = kci_writer_of(alloc, TOTAL_BYTES * 2);
    size_t per_batch = BATCH_BYTES / (value_size + 8) + 1;
    struct kci_record *list = calloc(per_batch, sizeof *list);
    uint8_t *value = calloc(1, value_size);
    for (size_t i = 0; i < per_batch; i++)
        list[i] = (struct kci_record){ 1000, { NULL, 0 }, { value, value_size }, NULL, 0 };
    for (*records = 0; w.size < TOTAL_BYTES; *records += (int64_t)per_batch) {
        struct kci_batch_header header = {
            .base_offset = *records, .magic = 2, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1
        };
        if (kci_batch_write(&w, &header, list, per_batch, 0) != KCI_BATCH_OK)
            abort();
    }
    struct kci_frame *frame = kci_frame_new(alloc, (uint32_t)w.size);
    memcpy(frame->data, w.data, w.size);
    kci_writer_destroy(&w);
    free(list);
    free(value);
    return frame;
}

static void measure(const struct kci_alloc *alloc, size_t value_size)
{
    struct kci_shared *shared = kci_shared_new(alloc, INT64_C(1) << 40, NULL, NULL, NULL);
    struct kci_part_options options = { "topic", 1, 1, 0, false, true, false };
    int64_t count, visited = 0;
    double judge = 1e9, visit = 1e9;
    struct kci_frame *frame = make_frame(alloc, value_size, &count);
    for (int round = 0; round < 7; round++) {
        struct kci_fetch_partition p = { .version = 4, .records = { frame->data, frame->size } };
        struct kci_fetched *fetched = kci_fetched_new(shared, frame, 0);
        struct kc_records *records = kci_records_new(shared);
        struct kci_run *run;
        bool malformed;
        int64_t position;
        int32_t epoch;
        struct kci_part *part = kci_part_new(fetched, &p, &options, &malformed);
        double t0 = seconds();
        while (kci_part_next(part, 1 << 20, &run) == KCI_PART_RUN) {
            if (!kci_records_take(records, run, SIZE_MAX, &position, &epoch))
                abort();
            kci_run_release(run);
        }
        double t1 = seconds();
        kc_record_view view;
        uint64_t sum = 0;
        while (kci_records_next(records, &view)) {
            sum += view.value.size + *(const uint8_t *)view.value.data;
            visited++;
        }
        double t2 = seconds();
        if (sum != (uint64_t)count * value_size)
            abort();
        judge = t1 - t0 < judge ? t1 - t0 : judge;
        visit = t2 - t1 < visit ? t2 - t1 : visit;
        kci_part_destroy(part);
        kci_fetched_release(fetched);
        kci_records_release(records);
    }
    if (visited != 7 * count)
        abort();
    printf("{\"bench\":\"consumer_iterate\",\"value_bytes\":%zu,\"records\":%lld,\"judge_ns\":%.2f,\"visit_ns\":%.2f,"
           "\"visits_per_s\":%.0f}\n",
           value_size, (long long)count, judge * 1e9 / (double)count, visit * 1e9 / (double)count,
           (double)count / visit);
    kci_frame_release(frame);
    kci_shared_release(shared);
}

int main(void)
{
    const struct kci_alloc alloc = { resize, NULL };
    static const size_t sizes[] = { 10, 100, 1000 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        measure(&alloc, sizes[i]);
    return 0;
}
