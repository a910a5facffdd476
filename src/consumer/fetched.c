/* From the bytes of a response to batches that can be read.
 *
 *      frame ----> part (per partition) --judge--> run, run, run ...  ---> the partition's queue ---> kc_records
 *
 * Judging is done on the I/O thread, outside every lock: CRC, decompression, and a checked walk over the records. After
 * it nobody checks anything again.  It is done in runs of bounded size and only as far as the memory ceiling permits to
 * decompress, so that heartbeats go on and a slow application costs no memory.
 *
 *  - control batches are not returned, but they end aborted transactions and move the position;
 *  - transactional batches of a producer whose transaction was aborted are skipped whole (read_committed);
 *  - records below the offset that was asked for are skipped: a batch may begin before it;
 *  - the position moves by the batch header, so holes left by compaction are no obstacle;
 *  - message sets v0 and v1 are written again as a v2 batch, so that what follows knows one format only;
 *  - a batch cut off at the end of the response is not there at all;
 *  - a batch that is too large to be decompressed beside others is left to be fetched alone: it then has all that is left
 *    of the ceiling, and is damaged only if nothing else holds any of it.
 * What is left to others: where the position goes (subscription.c), who is told of a damaged batch (fetch_judge.c). */
#include "consumer/fetched.h"
#include "consumer/consumer.h"
#include "consumer/record_walk.h"

#include <stdlib.h>

#define ABORTED_MAX 1000000 /* elements of one list; a response cannot hold many more within its size */

struct kci_fetched *kci_fetched_new(struct kci_shared *shared, struct kci_frame *frame, int64_t counted)
{
    struct kci_fetched *fetched = kci_alloc_zero(shared->alloc, 1, sizeof *fetched);
    if (!fetched)
        return NULL;
    atomic_init(&fetched->references, 1);
    fetched->frame = kci_frame_ref(frame);
    fetched->shared = kci_shared_ref(shared);
    fetched->bytes = counted;
    return fetched;
}

void kci_fetched_release(struct kci_fetched *fetched)
{
    if (!fetched || atomic_fetch_sub_explicit(&fetched->references, 1, memory_order_acq_rel) != 1)
        return;
    struct kci_shared *shared = fetched->shared;
    int64_t bytes = fetched->bytes;
    kci_frame_release(fetched->frame);
    kci_alloc_free(shared->alloc, fetched);
    kci_shared_give_back(shared, bytes);
    kci_shared_release(shared);
}

static struct kci_fetched *fetched_ref(struct kci_fetched *fetched)
{
    atomic_fetch_add_explicit(&fetched->references, 1, memory_order_relaxed);
    return fetched;
}

struct kci_run *kci_run_ref(struct kci_run *run)
{
    atomic_fetch_add_explicit(&run->references, 1, memory_order_relaxed);
    return run;
}

static void free_plain(struct kci_shared *shared, struct kci_ready *ready)
{
    if (!ready->plain)
        return;
    kci_alloc_free(&shared->keep.face, ready->plain);
    ready->plain = NULL;
    atomic_fetch_sub(&shared->made, ready->plain_size);
    kci_shared_give_back(shared, ready->plain_size);
}

void kci_ready_done(struct kci_run *run, uint32_t batch)
{
    struct kci_ready *ready = &run->batches[batch];
    if (ready->plain && atomic_fetch_sub_explicit(&ready->users, 1, memory_order_acq_rel) == 1)
        free_plain(run->fetched->shared, ready);
}

void kci_run_release(struct kci_run *run)
{
    if (!run || atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) != 1)
        return;
    struct kci_fetched *fetched = run->fetched;
    for (uint32_t i = 0; i < run->count; i++)
        free_plain(fetched->shared, &run->batches[i]);
    atomic_fetch_sub(&fetched->shared->made, run->size);
    kci_shared_give_back(fetched->shared, run->size);
    kci_alloc_free(fetched->shared->alloc, run);
    kci_fetched_release(fetched);
}

/* ---- parts ---- */

static int by_first_offset(const void *a, const void *b)
{
    const struct kci_aborted *x = a, *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

struct kci_part *kci_part_new(struct kci_fetched *fetched, const struct kci_fetch_partition *from,
                              const struct kci_part_options *options, bool *malformed)
{
    size_t aborted = options->read_committed ? (size_t)from->aborted_count : 0, topic_size = strlen(options->topic) + 1;
    struct kci_reader r = from->aborted;
    *malformed = aborted > ABORTED_MAX;
    if (*malformed)
        return NULL;
    struct kci_part *part =
        kci_alloc_zero(fetched->shared->alloc, 1, sizeof *part + aborted * sizeof part->aborted[0] + topic_size);
    if (!part)
        return NULL;
    /* Elements may carry tags in flexible versions; the parser has already walked over all of them. */
    for (size_t i = 0; i < aborted; i++)
        *malformed |= !kci_fetch_response_aborted(&r, from->version, &part->aborted[i].producer_id,
                                                  &part->aborted[i].first_offset);
    if (*malformed) {
        kci_alloc_free(fetched->shared->alloc, part);
        return NULL;
    }
    qsort(part->aborted, aborted, sizeof part->aborted[0], by_first_offset);
    part->aborted_count = aborted;
    part->aborted_now = kci_map_of(fetched->shared->alloc, (uint64_t)options->fetch_offset);
    part->fetched = fetched_ref(fetched);
    part->rest = kci_reader_of(from->records.data, from->records.size);
    part->topic_key = options->topic_key;
    part->version = options->version;
    part->next_offset = options->fetch_offset;
    part->partition = from->partition;
    part->check_crcs = options->check_crcs;
    part->alone = options->alone;
    part->topic = memcpy(&part->aborted[aborted], options->topic, topic_size);
    return part;
}

void kci_part_destroy(struct kci_part *part)
{
    if (!part)
        return;
    struct kci_fetched *fetched = part->fetched;
    kci_map_destroy(&part->aborted_now);
    kci_alloc_free(fetched->shared->alloc, part);
    kci_fetched_release(fetched);
}

/* ---- judging ---- */

/* The end of a transaction: an abort marker closes the aborted range of its producer. Types that we do not know are
 * skipped. */
static void take_control(struct kci_part *part, const struct kci_batch_header *header, struct kci_reader records)
{
    kci_reader_varint(&records); /* length */
    kci_reader_i8(&records);
    kci_reader_varlong(&records);
    kci_reader_varint(&records);
    int32_t key_size = kci_reader_varint(&records);
    int16_t version = kci_reader_i16(&records), type = kci_reader_i16(&records);
    if (part->plant == KCI_PLANT_MARKER_UNSEEN) /* planted defect */
        return;
    if (!records.failed && key_size >= 4 && version >= 0 && type == 0)
        kci_map_remove_int(&part->aborted_now, header->producer_id);
}

/* Aborted transactions that begin in or before this batch; false: out of memory. */
static bool begin_aborted(struct kci_part *part, int64_t last_offset)
{
    while (part->aborted_next < part->aborted_count && part->aborted[part->aborted_next].first_offset <= last_offset) {
        if (!kci_map_set_int(&part->aborted_now, part->aborted[part->aborted_next].producer_id, part))
            return false;
        part->aborted_next++;
    }
    return true;
}

/* A message set of the old formats, written again as the records of a v2 batch. */
static enum kci_batch_error rewrite_old(struct kci_part *part, struct kci_batch_iterator *it, size_t plain_max,
                                        struct kci_ready *ready)
{
    struct kci_writer w = kci_writer_of(&part->fetched->shared->keep.face, plain_max);
    struct kci_record_view view;
    int64_t base = -1, base_time = 0, last = -1;
    int got, count = 0;
    while ((got = kci_batch_next(it, &view)) > 0) {
        if (base < 0) {
            base = view.offset;
            base_time = view.timestamp_ms;
        }
        last = view.offset;
        if (view.offset < part->next_offset)
            continue;
        if (view.offset < base || view.offset - base > INT32_MAX) {
            got = -1;
            break;
        }
        struct kci_record record = { view.timestamp_ms, view.key, view.value, NULL, 0 };
        kci_record_write(&w, &record, base_time, (int32_t)(view.offset - base));
        count++;
    }
    if (got < 0 || w.failed) {
        kci_writer_destroy(&w);
        return got < 0 ? KCI_BATCH_BAD_RECORDS : KCI_BATCH_TOO_LARGE;
    }
    if (base < 0) /* an empty set says nothing of where to go on */
        return KCI_BATCH_BAD_RECORDS;
    ready->plain = w.data;
    ready->plain_size = (int64_t)w.size;
    ready->first = w.data;
    ready->count = count;
    ready->base_offset = base;
    ready->base_timestamp = base_time;
    ready->next_offset = last + 1;
    return KCI_BATCH_OK;
}

/* Fill `ready` from an opened v2 batch; records that nobody may see leave it with count 0. */
static enum kci_batch_error take_records(struct kci_part *part, struct kci_batch_iterator *it, struct kci_ready *ready)
{
    const struct kci_batch_header *header = &it->header;
    struct kci_walk walk;
    if (header->base_offset < 0 || header->last_offset_delta < 0 ||
        header->base_offset > INT64_MAX - 1 - header->last_offset_delta || header->record_count < 0)
        return KCI_BATCH_BAD_RECORDS;
    int64_t last = header->base_offset + header->last_offset_delta, from = part->next_offset - header->base_offset;
    ready->base_offset = header->base_offset;
    ready->next_offset = last + 1;
    ready->log_append_time = header->attributes & KCI_BATCH_LOG_APPEND_TIME;
    ready->base_timestamp = ready->log_append_time ? header->max_timestamp_ms : header->base_timestamp_ms;
    if (!kci_record_check(it->records.at, it->records.end, header->record_count, header->last_offset_delta, from,
                          &walk))
        return KCI_BATCH_BAD_RECORDS;
    if (!begin_aborted(part, last))
        return KCI_BATCH_NO_MEMORY;
    bool returned = part->plant == KCI_PLANT_CONTROL_RETURNED; /* planted defect */
    if ((header->attributes & KCI_BATCH_CONTROL) && !returned) {
        take_control(part, header, it->records);
        return KCI_BATCH_OK;
    }
    if ((header->attributes & KCI_BATCH_TRANSACTIONAL) && kci_map_get_int(&part->aborted_now, header->producer_id))
        return KCI_BATCH_OK;
    ready->first = walk.first;
    ready->count = walk.count;
    return KCI_BATCH_OK;
}

/* One whole batch of `total` bytes at data. `reserved` bytes of the ceiling are set aside for its decompressed form. */
static enum kci_batch_error judge(struct kci_part *part, const uint8_t *data, size_t total, int64_t reserved,
                                  struct kci_ready *ready)
{
    struct kci_shared *shared = part->fetched->shared;
    struct kci_batch_iterator it;
    if (part->check_crcs && !kci_batch_crc_ok(data, total))
        return KCI_BATCH_BAD_CRC;
    if (part->plant == KCI_PLANT_SCRIBBLE) /* planted defect: the last byte of a value */
        ((uint8_t *)(uintptr_t)data)[total - 2] ^= 1;
    enum kci_batch_error error = kci_batch_open(&it, data, total, &shared->keep.face, (size_t)reserved);
    if (error != KCI_BATCH_OK)
        return error;
    if (it.header.magic == 2)
        error = take_records(part, &it, ready);
    else
        error = rewrite_old(part, &it, (size_t)reserved, ready);
    ready->leader_epoch = it.header.magic == 2 ? it.header.leader_epoch : -1;
    if (error == KCI_BATCH_OK && ready->count > 0 && it.header.magic == 2 && it.plain) {
        ready->plain = it.plain; /* ours now */
        ready->plain_size = (int64_t)it.plain_size;
        it.plain = NULL;
    }
    kci_batch_close(&it);
    if (ready->plain)
        atomic_fetch_add(&shared->made, ready->plain_size);
    return error;
}

static bool needs_plain(const struct kci_batch_header *header)
{
    return header->magic < 2 || (header->attributes & KCI_BATCH_CODEC_MASK);
}

/* How many whole batches come next, at most KCI_RUN_BATCHES_MAX of them and little more than KCI_RUN_BYTES_MAX bytes.
 */
static uint32_t count_batches(const struct kci_part *part)
{
    struct kci_reader r = part->rest;
    struct kci_batch_header header;
    size_t total, bytes = 0;
    uint32_t count = 0;
    while (count < KCI_RUN_BATCHES_MAX && bytes < KCI_RUN_BYTES_MAX &&
           kci_batch_peek(&r, &header, &total) == KCI_BATCH_OK) {
        kci_reader_take(&r, total);
        bytes += total;
        count++;
    }
    return count;
}

static struct kci_run *new_run(struct kci_part *part, uint32_t capacity)
{
    struct kci_shared *shared = part->fetched->shared;
    size_t topic_size = strlen(part->topic) + 1;
    size_t size = sizeof(struct kci_run) + capacity * sizeof(struct kci_ready) + topic_size;
    if (!kci_shared_reserve(shared, (int64_t)size, (int64_t)size, 0)) {
        if (atomic_load(&shared->made) > 0) /* what is out will come back, and wake us */
            return NULL;
        kci_shared_count(shared, (int64_t)size);
    }
    struct kci_run *run = kci_alloc_zero(shared->alloc, 1, size);
    if (!run) {
        kci_shared_give_back(shared, (int64_t)size);
        return NULL;
    }
    atomic_fetch_add(&shared->made, (int64_t)size);
    atomic_init(&run->references, 1);
    run->size = (int64_t)size;
    run->fetched = fetched_ref(part->fetched);
    run->partition = part->partition;
    run->topic = memcpy(&run->batches[capacity], part->topic, topic_size);
    return run;
}

/* Is there any way to have more room for the batch that did not fit into `reserved` bytes? */
static bool wants_more(struct kci_part *part, size_t total, int64_t reserved, const struct kci_run *run)
{
    int64_t limit = part->fetched->shared->limit, had = reserved + part->fetched->bytes + run->size;
    if (part->alone && had >= limit)
        return false;
    part->needs = 1 + (part->alone ? had : reserved + (int64_t)total);
    part->needs = part->needs < limit ? part->needs : limit;
    return true;
}

/* One batch into the run; KCI_PART_RUN: go on. */
static enum kci_part_result add_batch(struct kci_part *part, int64_t plain_max, struct kci_run *run)
{
    struct kci_shared *shared = part->fetched->shared;
    struct kci_ready *ready = &run->batches[run->count];
    struct kci_batch_header header;
    size_t total;
    int64_t reserved = 0;
    part->error = kci_batch_peek(&part->rest, &header, &total);
    if (part->error == KCI_BATCH_PARTIAL || kci_reader_left(&part->rest) == 0)
        return KCI_PART_END;
    if (part->error != KCI_BATCH_OK)
        return KCI_PART_BAD;
    if (needs_plain(&header) && part->alone) {
        reserved = kci_shared_reserve_all(shared, 1);
    } else if (needs_plain(&header)) {
        reserved = kci_shared_reserve(shared, plain_max, plain_max, 0);
        if (!reserved && atomic_load(&shared->made) > run->size)
            return KCI_PART_NO_ROOM;
        if (!reserved) /* frames alone are above the ceiling: one batch at a time still passes */
            kci_shared_count(shared, reserved = plain_max);
    }
    /* Of an old format there are two forms at a time; beside others that is made up for by a later fetch. */
    int64_t most = part->alone && header.magic < 2 ? reserved / 2 : reserved;
    part->error = judge(part, part->rest.at, total, most, ready);
    if (reserved > ready->plain_size)
        kci_shared_give_back(shared, reserved - ready->plain_size);
    if (part->error == KCI_BATCH_NO_MEMORY)
        return KCI_PART_NO_ROOM;
    if (part->error == KCI_BATCH_TOO_LARGE && wants_more(part, total, reserved, run))
        return KCI_PART_LARGE;
    if (part->error != KCI_BATCH_OK)
        return KCI_PART_BAD;
    part->alone = false;
    kci_reader_take(&part->rest, total);
    run->bytes += (int64_t)total;
    if (ready->next_offset <= part->next_offset && ready->count == 0)
        return KCI_PART_RUN; /* lies wholly before what was asked for */
    atomic_init(&ready->users, 1);
    part->next_offset = ready->next_offset;
    run->count++;
    return KCI_PART_RUN;
}

/* Its bytes go back unannounced: they are what they were before, and the wake would be for ourselves, who just found
 * that there is no room, again and again. */
static void drop_unused(struct kci_run *run)
{
    struct kci_shared *shared = run->fetched->shared;
    atomic_fetch_sub(&shared->made, run->size);
    kci_shared_count(shared, -run->size);
    run->size = 0;
    kci_run_release(run);
}

enum kci_part_result kci_part_next(struct kci_part *part, int64_t plain_max, struct kci_run **out)
{
    enum kci_part_result result = KCI_PART_RUN;
    uint32_t capacity = count_batches(part);
    capacity = capacity ? capacity : 1; /* a damaged one has its turn as well */
    struct kci_run *run = new_run(part, capacity);
    if (!run)
        return KCI_PART_NO_ROOM;
    while (run->count < capacity && result == KCI_PART_RUN)
        result = add_batch(part, plain_max, run);
    if (run->count == 0) {
        drop_unused(run);
        return result;
    }
    *out = run;
    return KCI_PART_RUN;
}
