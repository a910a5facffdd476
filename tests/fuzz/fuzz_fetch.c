/* A Fetch response as the consumer takes it: parsed straight down, its batches judged, every record visited.
 *
 *   byte 0   version (low 5 bits) | read_committed (bit 5) | check CRCs (bit 6)
 *   byte 1   fetch offset
 *   then     the body
 *
 * CRCs are mostly off, so that the fuzzer reaches what lies behind them.  Promises: nothing outside the body is read,
 * all memory comes back, the ceiling counts to zero, and offsets rise within a partition. */
#include "consumer/records.h"
#include "fuzz/harness.h"

#define CEILING (1 << 20) /* bytes */

/* Sums what a view shows, so that a sanitizer sees every byte being read. */
static unsigned touch(kc_bytes bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.size; i++)
        sum += ((const uint8_t *)bytes.data)[i];
    return sum;
}

static volatile unsigned touched;

static void visit(struct kci_shared *shared, struct kci_run *run, int64_t *last)
{
    struct kc_records *records = kci_records_new(shared);
    kc_record_view view;
    int64_t position = *last + 1;
    int32_t epoch;
    must(kci_records_take(records, run, 3, &position, &epoch), "a piece is taken"); /* so that a batch is cut */
    must(kci_records_take(records, run, SIZE_MAX, &position, &epoch), "the rest is taken");
    must(run->next == run->count, "all was taken");
    while (kci_records_next(records, &view)) {
        must(view.offset > *last, "offsets rise");
        *last = view.offset;
        touched += touch(view.key) + touch(view.value) + touch((kc_bytes){ view.headers, view.headers_size });
    }
    must(position > *last, "the position lies behind the last record");
    kci_records_release(records);
    kci_run_release(run);
}

static void judge(struct kci_shared *shared, struct kci_fetched *fetched, const struct kci_fetch_partition *p,
                  uint8_t flags, int64_t offset)
{
    struct kci_part_options options = { "topic", 1, 1, offset, flags & 0x20, flags & 0x40, flags & 0x80 };
    bool malformed;
    struct kci_part *part = kci_part_new(fetched, p, &options, &malformed);
    struct kci_run *run;
    int64_t last = offset - 1;
    while (part && kci_part_next(part, CEILING / 4, &run) == KCI_PART_RUN)
        visit(shared, run, &last);
    kci_part_destroy(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kci_fetch_reading reading;
    struct kci_fetch_partition p;
    struct kci_fetch_endpoint endpoint;
    if (size < 2)
        return 0;
    int16_t version =
        (int16_t)(KCI_FETCH_VERSION_MIN + (data[0] & 31) % (KCI_FETCH_VERSION_MAX - KCI_FETCH_VERSION_MIN + 1));
    struct kci_shared *shared = kci_shared_new(&fuzz_alloc, CEILING, NULL, NULL, NULL);
    struct kci_frame *frame = kci_frame_new(&fuzz_alloc, (uint32_t)size - 2);
    memcpy(frame->data, data + 2, size - 2);
    struct kci_fetched *fetched = kci_fetched_new(shared, frame, 0);
    if (kci_fetch_response_begin(&reading, kci_reader_of(frame->data, frame->size), version)) {
        int got;
        while ((got = kci_fetch_response_next(&reading, &p)) > 0)
            judge(shared, fetched, &p, data[0], data[1]);
        while (got == 0 && kci_fetch_response_endpoint(&reading, &endpoint))
            continue;
    }
    kci_fetched_release(fetched);
    kci_frame_release(frame);
    must(atomic_load(&shared->used) == 0 && atomic_load(&shared->made) == 0, "the ceiling counts back to zero");
    kci_shared_release(shared);
    return 0;
}
