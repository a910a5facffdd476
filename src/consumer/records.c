/* The set of records that one poll returns.
 *
 * The application walks it without locks, copies or checks: all of that was done when the batches were judged
 * (fetched.c). A batch that was returned in part keeps its place in the run, so the next poll goes on where this one
 * ended. The position within a batch is kept as a pointer and a number of records that are left. */
#include "consumer/records.h"
#include "consumer/objects.h"
#include "consumer/record_walk.h"

struct kc_records *kci_records_new(struct kci_shared *shared)
{
    struct kc_records *records = kci_alloc_zero(shared->alloc, 1, sizeof *records);
    if (!records)
        return NULL;
    records->shared = kci_shared_ref(shared);
    for (size_t i = 0; i < shared->interceptor_count; i++)
        records->watched |= shared->interceptors[i].on_consume != NULL;
    return records;
}

static struct kci_slice *room_for_slice(struct kc_records *records)
{
    if (records->slice_count == records->slice_capacity) {
        size_t capacity = records->slice_capacity ? 2 * records->slice_capacity : 8;
        void *grown = kci_alloc_resize(records->shared->alloc, records->slices, capacity * sizeof records->slices[0]);
        if (!grown)
            return NULL;
        records->slices = grown;
        records->slice_capacity = capacity;
    }
    return &records->slices[records->slice_count];
}

/* Move the cursor of the run behind batch `next`. */
static void batch_finished(struct kci_run *run)
{
    kci_ready_done(run, run->next);
    run->next++;
    run->at = NULL;
}

bool kci_records_take(struct kc_records *records, struct kci_run *run, size_t limit, int64_t *position, int32_t *epoch)
{
    while (run->next < run->count && limit > 0) {
        struct kci_ready *ready = &run->batches[run->next];
        if (ready->count == 0) {
            *position = ready->next_offset;
            *epoch = ready->leader_epoch;
            batch_finished(run);
            continue;
        }
        struct kci_slice *slice = room_for_slice(records);
        if (!slice)
            return false;
        if (!run->at) {
            run->at = ready->first;
            run->left = ready->count;
        }
        int32_t take = (size_t)run->left <= limit ? run->left : (int32_t)limit;
        *slice =
            (struct kci_slice){ kci_run_ref(run), run->next, take, run->at, *position, ready->next_offset, *epoch };
        if (ready->plain)
            atomic_fetch_add_explicit(&ready->users, 1, memory_order_relaxed);
        records->slice_count++;
        records->count += (size_t)take;
        limit -= (size_t)take;
        *epoch = ready->leader_epoch;
        if (take == run->left) {
            *position = ready->next_offset;
            batch_finished(run);
            continue;
        }
        int32_t delta = 0;
        for (int32_t i = 0; i < take; i++)
            delta = kci_walk_skip(run->at, &run->at);
        run->left -= take;
        *position = slice->behind = ready->base_offset + delta + 1;
    }
    return true;
}

size_t kci_records_within(const struct kci_run *run, size_t limit, size_t bytes, size_t *used, bool *full)
{
    size_t count = 0;
    const uint8_t *at = run->at;
    int32_t left = run->left;
    for (uint32_t batch = run->next; batch < run->count; batch++, at = NULL) {
        if (!at) {
            at = run->batches[batch].first;
            left = run->batches[batch].count;
        }
        for (const uint8_t *next; left > 0 && count < limit; left--, at = next) {
            kci_walk_skip(at, &next);
            if (*used + (size_t)(next - at) > bytes && *used) {
                *full = true;
                return count;
            }
            *used += (size_t)(next - at);
            count++;
        }
    }
    return count;
}

bool kci_records_note(const struct kc_records *records, size_t i, struct kci_ledger *ledger)
{
    const struct kci_slice *slice = &records->slices[i];
    const struct kci_ready *ready = &slice->run->batches[slice->batch];
    const uint8_t *at = slice->at;
    for (int32_t n = 0; n < slice->count; n++) {
        int64_t offset = ready->base_offset + kci_walk_skip(at, &at);
        if (!kci_ledger_note(ledger, records->shared->alloc, offset, ready->leader_epoch,
                             n ? ready->leader_epoch : slice->epoch_before, (uint32_t)(slice->count - n - 1))) {
            kci_ledger_forget(ledger, records->shared->alloc, slice->from);
            return false;
        }
    }
    return true;
}

static void drop_slice(struct kc_records *records, size_t i)
{
    struct kci_slice *slice = &records->slices[i];
    kci_ready_done(slice->run, slice->batch);
    kci_run_release(slice->run);
    records->slice_count--;
    memmove(slice, slice + 1, (records->slice_count - i) * sizeof *slice);
}

size_t kci_records_cut(struct kc_records *records, size_t i, int32_t n, int64_t offset)
{
    struct kci_run *run = kci_run_ref(records->slices[i].run);
    size_t dropped = (size_t)(records->slices[i].count - n);
    records->slices[i].count = n;
    records->slices[i].behind = offset;
    if (n == 0)
        drop_slice(records, i);
    for (size_t k = n ? i + 1 : i; k < records->slice_count;) {
        const struct kci_slice *slice = &records->slices[k];
        if (slice->run->partition != run->partition || strcmp(slice->run->topic, run->topic) != 0) {
            k++;
            continue;
        }
        dropped += (size_t)slice->count;
        drop_slice(records, k);
    }
    records->count -= dropped;
    kci_run_release(run);
    return dropped;
}

static bool next_slice(struct kc_records *records)
{
    if (records->slice == records->slice_count)
        return false;
    const struct kci_slice *slice = &records->slices[records->slice++];
    const struct kci_ready *ready = &slice->run->batches[slice->batch];
    records->at = slice->at;
    records->left = slice->count;
    records->topic = slice->run->topic;
    records->ticket = slice->run->ticket;
    records->partition = slice->run->partition;
    records->leader_epoch = ready->leader_epoch;
    records->base_offset = ready->base_offset;
    records->base_timestamp = ready->base_timestamp;
    records->log_append_time = ready->log_append_time;
    return true;
}

static void watch(struct kc_records *records, kc_record_view *view)
{
    struct kci_shared *shared = records->shared;
    struct kci_visit visit;
    if (records->objects)
        kci_objects_show(records->objects, records->visited, view);
    records->visited++;
    if (!shared->interceptor_count)
        return;
    bool allowed = kci_shared_visit(shared, &visit);
    for (size_t i = 0; allowed && i < shared->interceptor_count; i++) {
        if (shared->interceptors[i].on_consume)
            shared->interceptors[i].on_consume(shared->interceptors[i].context, view);
        allowed = !atomic_load(&shared->hushed); /* this one may have closed it */
    }
    kci_shared_unvisit(shared, &visit);
}

int kci_records_next(struct kc_records *records, kc_record_view *view)
{
    if (records->left == 0 && !next_slice(records))
        return 0;
    records->left--;
    records->at = kci_walk_record(records->at, view);
    view->topic = records->topic;
    view->partition = records->partition;
    view->leader_epoch = records->leader_epoch;
    view->ticket = records->ticket;
    view->offset += records->base_offset;
    view->timestamp_ms = kci_walk_timestamp(records->log_append_time, records->base_timestamp, view->timestamp_ms);
    if (records->watched)
        watch(records, view);
    return 1;
}

void kci_records_rewind(struct kc_records *records)
{
    records->left = 0;
    records->slice = 0;
    records->visited = 0;
}

void kci_records_release(struct kc_records *records)
{
    if (!records)
        return;
    struct kci_shared *shared = records->shared;
    for (size_t i = 0; i < records->slice_count; i++) {
        kci_ready_done(records->slices[i].run, records->slices[i].batch);
        kci_run_release(records->slices[i].run);
    }
    kci_objects_release(records->objects, shared);
    kci_alloc_free(shared->alloc, records->slices);
    kci_alloc_free(shared->alloc, records);
    kci_shared_release(shared);
}
