/* A log without holes has its records at the index that is their offset; one with holes is searched.
 *
 * A record that goes (by age, size, DeleteRecords, or because a later one has its key) stays in the history with the
 * time of it, as the first replica has none of it any more.  So a reader that passes over it later is right, and one
 * that passed over it before has skipped it. */
#include "gaps_check.h"

#include <kclient/error.h>

size_t sim_log_index(const struct sim_log *log, int64_t offset)
{
    size_t low = 0, high = log->records.count;
    if (offset >= 0 && (uint64_t)offset < high && log->records.items[offset].offset == offset)
        return (size_t)offset;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (log->records.items[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct sim_logged *sim_log_at(const struct sim_history *h, int32_t partition, int64_t offset)
{
    if (partition < 0 || partition >= h->partitions)
        return NULL;
    const struct sim_log *log = &h->logs.items[partition];
    size_t i = sim_log_index(log, offset);
    return i < log->records.count && log->records.items[i].offset == offset ? &log->records.items[i] : NULL;
}

bool sim_log_passes(const struct sim_history *h, int32_t partition, int64_t from, int64_t to, int64_t at)
{
    const struct sim_log *log = &h->logs.items[partition];
    if (!h->gaps || to < from)
        return false;
    for (size_t i = sim_log_index(log, from); i < log->records.count && log->records.items[i].offset < to; i++)
        if (!log->records.items[i].gone_at || log->records.items[i].gone_at > at)
            return false;
    return true;
}

/* The cleaner may be as fast as that: committed and taken in one step of the brokers. */
bool sim_log_replaced(const struct sim_history *h, const struct sim_send *send)
{
    if (!h->gaps || send->offset < 0 || send->partition < 0 || send->partition >= h->partitions)
        return false;
    const struct sim_log *log = &h->logs.items[send->partition];
    bool replaced = send->offset < log->start;
    for (size_t i = sim_log_index(log, send->offset + 1); i < log->records.count && send->key >= 0 && !replaced; i++)
        replaced = log->records.items[i].key == send->key;
    return replaced;
}

bool sim_log_may_have_had(const struct sim_history *h, const struct sim_send *send, int32_t partition, int64_t offset)
{
    const struct sim_log *log = &h->logs.items[partition];
    bool passed = offset < log->start || sim_log_index(log, offset) < log->records.count;
    bool untold = !h->idempotent || !send->reports || (send->code != KC_OK && (send->traits & KC_MAYBE_APPLIED));
    return send->offset == offset || (passed && untold);
}

static bool was_gone(const struct sim_logged *record, const struct sim_logged *again)
{
    return record->gone_at && record->gone_at <= again->stored_at;
}

/* The producer began anew with an earlier record, which was gone: with its batch the brokers forgot that sequence, and
 * refuse it as out of order when a later one is still there.  A client that hears so of the first of its batches under
 * way numbers all of them afresh, as Kafka's does (KIP-360), also those that are in the log. */
static bool began_before(const struct sim_log *log, const struct sim_logged *first, const struct sim_logged *again)
{
    for (const struct sim_logged *y = first + 1; y < again; y++)
        for (const struct sim_logged *x = log->records.items; x < first; x++)
            if (y->value.producer == first->value.producer && y->value.counter < first->value.counter &&
                x->value.producer == y->value.producer && x->value.counter == y->value.counter && was_gone(x, y))
                return true;
    return false;
}

bool sim_log_forgot(const struct sim_history *h, uint32_t sender, uint32_t counter)
{
    for (int32_t p = 0; p < h->partitions; p++) {
        const struct sim_log *log = &h->logs.items[p];
        const struct sim_logged *last = NULL;
        for (size_t i = 0; i < log->records.count; i++) {
            const struct sim_logged *is = &log->records.items[i];
            if (is->value.producer != sender || is->value.counter != counter)
                continue;
            if (last && !was_gone(last, is) && !began_before(log, last, is))
                return false;
            last = is;
        }
    }
    return h->gaps;
}

void sim_check_reset(const struct sim_history *h, const struct sim_reset *reset, int64_t *next, struct sim_verdict *v)
{
    const struct sim_hold *hold = &h->holds.items[reset->hold];
    int64_t was = next[reset->hold];
    long long from = reset->from, to = reset->to;
    if (was >= 0 && reset->from != was && !sim_log_passes(h, hold->partition, was, reset->from, reset->at))
        sim_violation(v, "F5", "consumer %d is told of a reset of partition %d from %lld to %lld; %lld was next",
                      hold->consumer, hold->partition, from, to, (long long)was);
    else if (reset->from >= reset->start)
        sim_violation(v, "F5", "consumer %d reset partition %d from %lld to %lld, and the log began at %lld",
                      hold->consumer, hold->partition, from, to, (long long)reset->start);
    else if (!h->resets_end &&
             !sim_log_passes(h, hold->partition, reset->from < 0 ? 0 : reset->from, reset->to, reset->at))
        sim_violation(v, "F5", "consumer %d reset partition %d from %lld to %lld, and not to the first record",
                      hold->consumer, hold->partition, from, to);
    next[reset->hold] = reset->to;
}

void sim_check_skipped(const struct sim_history *h, int32_t partition, bool group, int64_t *at)
{
    const struct sim_log *log = &h->logs.items[partition];
    for (size_t r = 0; h->resets_end && r < h->resets.count; r++) {
        const struct sim_reset *reset = &h->resets.items[r];
        const struct sim_hold *hold = &h->holds.items[reset->hold];
        if (hold->partition != partition || (hold->generation >= 0) != group)
            continue;
        size_t end = sim_log_index(log, reset->to);
        for (size_t i = sim_log_index(log, reset->from); i < end; i++) /* it was told of later, and may be committed */
            at[i] = hold->from < at[i] ? hold->from : at[i];
    }
}
