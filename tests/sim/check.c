/* Each check is one pass over the lists; what several need (how often a record is in the log, when an offset was first
 * delivered) is computed where it is needed.  Nothing here knows how the history came about: tests hand in histories of
 * a few lines. */
#include "check.h"

#include "gaps_check.h"

#include "base/checksum.h"
#include <kclient/error.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define LATE_US 100000 /* a report may come this much after delivery.timeout.ms */

typedef const struct sim_history history;
typedef struct sim_verdict verdict;

void sim_violation(struct sim_verdict *v, const char *property, const char *format, ...)
{
    va_list arguments;
    char word[8];
    snprintf(word, sizeof word, " %s ", property);
    if (!strstr(v->all, word) && strlen(v->all) + sizeof word < sizeof v->all)
        strcat(v->all, word);
    if (v->violations++)
        return;
    v->property = property;
    va_start(arguments, format);
    vsnprintf(v->text, sizeof v->text, format, arguments);
    va_end(arguments);
}

/* ---- looking things up ---- */

static const struct sim_send *send_of(history *h, const struct sim_value *value)
{
    if (!value->whole || value->producer >= h->senders.count)
        return NULL;
    const struct sim_sender *sender = &h->senders.items[value->producer];
    return value->counter < sender->sends.count ? &sender->sends.items[value->counter] : NULL;
}

static bool same_value(const struct sim_value *a, const struct sim_value *b)
{
    return a->whole && b->whole && a->producer == b->producer && a->counter == b->counter && a->checksum == b->checksum;
}

#define STILL_THERE ((uint64_t)1 << 63)
#define LOSSES_MAX  62 /* that are told apart; those behind count as one */

/* Which losses took this record from this place, one bit each; STILL_THERE: it is in the log; 0: it never was there. A
 * record that was sent again may have come to the same place twice. */
static uint64_t lives_of(history *h, int32_t partition, int64_t offset, const struct sim_value *value)
{
    const struct sim_logged *there = sim_log_at(h, partition, offset);
    uint64_t lives = there && same_value(&there->value, value) ? STILL_THERE : 0;
    for (size_t i = 0; i < h->lost.count; i++) {
        const struct sim_lost *lost = &h->lost.items[i];
        if (lost->partition == partition && lost->record.offset == offset && same_value(&lost->record.value, value))
            lives |= (uint64_t)1 << (lost->loss < LOSSES_MAX ? lost->loss : LOSSES_MAX);
    }
    return lives;
}

/* Was this record committed and then lost? */
static bool was_lost(history *h, uint32_t sender, uint32_t counter)
{
    for (size_t i = 0; i < h->lost.count; i++)
        if (h->lost.items[i].record.value.producer == sender && h->lost.items[i].record.value.counter == counter)
            return true;
    return false;
}

/* Was something of this partition lost that lay before `offset`? */
static bool was_cut(history *h, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < h->lost.count; i++)
        if (h->lost.items[i].partition == partition && h->lost.items[i].record.offset < offset)
            return true;
    return false;
}

/* How often each record of each sender is in the logs: one array for all, `first` says where a sender's begins. */
struct tally {
    const struct kci_alloc *alloc;
    size_t *first;
    uint32_t *times;
};

static struct tally tally_open(history *h)
{
    struct tally tally = { .alloc = h->alloc, .first = kci_alloc_zero(h->alloc, h->senders.count + 1, sizeof(size_t)) };
    size_t total = 0;
    assert(tally.first);
    for (size_t i = 0; i < h->senders.count; i++) {
        tally.first[i] = total;
        total += h->senders.items[i].sends.count;
    }
    tally.times = kci_alloc_zero(h->alloc, total + 1, sizeof *tally.times);
    assert(tally.times);
    for (int32_t p = 0; p < h->partitions; p++)
        for (size_t i = 0; i < h->logs.items[p].records.count; i++) {
            const struct sim_value *value = &h->logs.items[p].records.items[i].value;
            if (send_of(h, value))
                tally.times[tally.first[value->producer] + value->counter]++;
        }
    return tally;
}

static void tally_close(struct tally *tally)
{
    kci_alloc_free(tally->alloc, tally->first);
    kci_alloc_free(tally->alloc, tally->times);
}

/* ---- the logs ---- */

static void check_offsets(history *h, verdict *v)
{
    for (int32_t p = 0; p < h->partitions; p++)
        for (size_t i = 0; i < h->logs.items[p].records.count; i++) {
            const struct sim_logged *record = &h->logs.items[p].records.items[i];
            if (!h->gaps ? record->offset != (int64_t)i : i && record->offset <= record[-1].offset)
                sim_violation(v, "B3", "partition %d: offset %lld where %zu should be", p, (long long)record->offset,
                              i);
        }
}

static void check_no_cross_talk(history *h, verdict *v)
{
    for (int32_t p = 0; p < h->partitions; p++)
        for (size_t i = 0; i < h->logs.items[p].records.count; i++) {
            const struct sim_value *value = &h->logs.items[p].records.items[i].value;
            const struct sim_send *send = send_of(h, value);
            if (!value->whole)
                sim_violation(v, "P9", "partition %d offset %zu holds damaged bytes", p, i);
            else if (!send || send->checksum != value->checksum)
                sim_violation(v, "P9", "partition %d offset %zu holds record %u/%u, which nobody sent", p, i,
                              value->producer, value->counter);
            else if (h->keyed && value->partition >= 0 && value->partition != p)
                sim_violation(v, "P8", "record %u/%u, whose key belongs to partition %d, is in partition %d",
                              value->producer, value->counter, value->partition, p);
            else if ((value->partition >= 0 && value->partition != p) || (send->reports && send->partition != p))
                sim_violation(v, "P9", "record %u/%u for partition %d is in partition %d", value->producer,
                              value->counter, send->partition, p);
        }
}

/* ---- producers ---- */

static void check_acked_not_lost(history *h, verdict *v)
{
    if (!h->acks_all)
        return;
    struct tally tally = tally_open(h);
    for (uint32_t s = 0; s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            if (send->reports && send->code == KC_OK && !tally.times[tally.first[s] + i] && !was_lost(h, s, i) &&
                !sim_log_replaced(h, send))
                sim_violation(v, "P1", "record %u/%u was acknowledged at partition %d offset %lld and is in no log", s,
                              i, send->partition, (long long)send->offset);
        }
    tally_close(&tally);
}

static void check_leader_acked_not_lost(history *h, verdict *v)
{
    struct tally tally = tally_open(h);
    for (uint32_t s = 0; h->acks_leader && s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            if (send->reports && send->code == KC_OK && !tally.times[tally.first[s] + i] && !sim_log_replaced(h, send))
                sim_violation(v, "P10", "record %u/%u was acknowledged by a leader that stayed and is in no log", s, i);
        }
    tally_close(&tally);
}

static void check_attempts(history *h, verdict *v)
{
    struct tally tally = tally_open(h);
    for (uint32_t s = 0; s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++)
            if ((int64_t)tally.times[tally.first[s] + i] > h->attempts_max)
                sim_violation(v, "P10", "record %u/%u is in the log %u times; it may be sent %d times", s, i,
                              tally.times[tally.first[s] + i], h->attempts_max);
    tally_close(&tally);
}

static void check_not_twice(history *h, verdict *v)
{
    if (!h->idempotent)
        return;
    struct tally tally = tally_open(h);
    for (uint32_t s = 0; s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++)
            if (tally.times[tally.first[s] + i] > 1 && !sim_log_forgot(h, s, i))
                sim_violation(v, "P2", "record %u/%u of an idempotent producer is in the log %u times", s, i,
                              tally.times[tally.first[s] + i]);
    tally_close(&tally);
}

static void check_order(history *h, verdict *v)
{
    int64_t *last = kci_alloc_zero(h->alloc, h->senders.count + 1, sizeof *last);
    assert(last);
    for (int32_t p = 0; h->idempotent && !h->forgetful && p < h->partitions; p++) {
        for (size_t s = 0; s < h->senders.count; s++)
            last[s] = -1;
        for (size_t i = 0; i < h->logs.items[p].records.count; i++) {
            const struct sim_value *value = &h->logs.items[p].records.items[i].value;
            if (!send_of(h, value))
                continue;
            if (value->counter < last[value->producer])
                sim_violation(v, "P3", "partition %d offset %zu: record %u/%u stands behind %u/%lld", p, i,
                              value->producer, value->counter, value->producer, (long long)last[value->producer]);
            last[value->producer] = value->counter;
        }
    }
    kci_alloc_free(h->alloc, last);
}

static void check_failed_not_written(history *h, verdict *v)
{
    struct tally tally = tally_open(h);
    for (uint32_t s = 0; s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            bool surely_not = send->reports && send->code != KC_OK && !(send->traits & KC_MAYBE_APPLIED);
            if (surely_not && tally.times[tally.first[s] + i])
                sim_violation(v, "P4", "record %u/%u was reported as surely not written (%s) and is in the log", s, i,
                              kc_err_name(send->code));
        }
    tally_close(&tally);
}

static void check_one_report(history *h, verdict *v)
{
    for (uint32_t s = 0; s < h->senders.count; s++) {
        uint64_t *last = kci_alloc_zero(h->alloc, (size_t)h->partitions + 1, sizeof *last);
        assert(last);
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            if (send->reports != 1)
                sim_violation(v, "P5", "record %u/%u was reported %u times", s, i, send->reports);
            if (!send->reports || send->partition < 0 || send->partition >= h->partitions)
                continue;
            if (send->report_order < last[send->partition])
                sim_violation(v, "P5", "record %u/%u of partition %d was reported before an earlier one", s, i,
                              send->partition);
            last[send->partition] = send->report_order;
        }
        kci_alloc_free(h->alloc, last);
    }
}

static void check_reported_offset(history *h, verdict *v)
{
    for (uint32_t s = 0; h->acks_all && s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            if (!send->reports || send->code != KC_OK || send->offset < 0)
                continue;
            const struct sim_logged *there = sim_log_at(h, send->partition, send->offset);
            bool right = there && there->value.producer == s && there->value.counter == i;
            if (!right && !was_lost(h, s, i) && (there || !sim_log_replaced(h, send)))
                sim_violation(v, "P7", "record %u/%u was reported at partition %d offset %lld, where %s is", s, i,
                              send->partition, (long long)send->offset, there ? "another one" : "nothing");
        }
}

static void check_in_time(history *h, verdict *v)
{
    for (uint32_t s = 0; s < h->senders.count; s++)
        for (uint32_t i = 0; i < h->senders.items[s].sends.count; i++) {
            const struct sim_send *send = &h->senders.items[s].sends.items[i];
            if (send->reports && send->reported_at - send->sent_at > h->delivery_us + LATE_US)
                sim_violation(v, "L1", "record %u/%u had its report after %.3f s; delivery.timeout.ms is %.3f s", s, i,
                              (double)(send->reported_at - send->sent_at) / 1e6, (double)h->delivery_us / 1e6);
        }
}

/* ---- consumers ---- */

static int64_t first_offset(history *h, int32_t partition)
{
    return h->logs.items[partition].records.count ? h->logs.items[partition].records.items[0].offset : 0;
}

/* Where did this consumer's former hold of the same partition go on? -1: there was none, or nobody knows. */
static int64_t next_of_former(history *h, size_t hold, const int64_t *next)
{
    const struct sim_hold *is = &h->holds.items[hold];
    for (size_t i = hold; i-- > 0;)
        if (h->holds.items[i].consumer == is->consumer && h->holds.items[i].partition == is->partition)
            return next[i];
    return -1;
}

/* F6: the old position goes on behind a seek.  F5: the partition begins anew, and nobody asked for that. */
static const char *kind_of_jump(history *h, const struct sim_delivery *d, const int64_t *next)
{
    const struct sim_hold *hold = &h->holds.items[d->hold];
    bool first = next[d->hold] == hold->position;
    if (first && d->offset == next_of_former(h, d->hold, next))
        return "F6";
    bool back = d->offset < next[d->hold];
    return back && !first && (h->gaps || d->offset == first_offset(h, hold->partition)) ? "F5" : "F1";
}

static void check_contiguous(history *h, verdict *v)
{
    int64_t *next = kci_alloc_zero(h->alloc, h->holds.count + 1, sizeof *next);
    size_t told = 0;
    assert(next);
    for (size_t i = 0; i < h->holds.count; i++)
        next[i] = h->holds.items[i].position;
    for (size_t i = 0; i < h->deliveries.count; i++) {
        const struct sim_delivery *d = &h->deliveries.items[i];
        const struct sim_hold *hold = &h->holds.items[d->hold];
        for (; told < h->resets.count && h->resets.items[told].before <= i; told++)
            sim_check_reset(h, &h->resets.items[told], next, v);
        bool back = d->offset < next[d->hold] && was_cut(h, hold->partition, next[d->hold]);
        if (h->gaps && !h->compacted && next[d->hold] > 0 && d->offset > next[d->hold])
            sim_violation(v, "F5", "consumer %d was not told of a reset of partition %d from %lld to %lld",
                          hold->consumer, hold->partition, (long long)next[d->hold], (long long)d->offset);
        if (next[d->hold] >= 0 && d->offset != next[d->hold] && !back &&
            !sim_log_passes(h, hold->partition, next[d->hold], d->offset, d->at))
            sim_violation(v, kind_of_jump(h, d, next),
                          "consumer %d got offset %lld of partition %d at %.3f s where %lld was next", hold->consumer,
                          (long long)d->offset, hold->partition, (double)d->at / 1e6, (long long)next[d->hold]);
        if (d->at < hold->from || d->at > hold->to)
            sim_violation(v, "F6", "consumer %d got offset %lld of partition %d at %.3f s without holding it",
                          hold->consumer, (long long)d->offset, hold->partition, (double)d->at / 1e6);
        next[d->hold] = d->offset + 1;
    }
    for (; told < h->resets.count; told++)
        sim_check_reset(h, &h->resets.items[told], next, v);
    kci_alloc_free(h->alloc, next);
}

static void check_no_phantom(history *h, verdict *v)
{
    for (size_t i = 0; i < h->deliveries.count; i++) {
        const struct sim_delivery *d = &h->deliveries.items[i];
        const struct sim_hold *hold = &h->holds.items[d->hold];
        const struct sim_logged *there = sim_log_at(h, hold->partition, d->offset);
        const struct sim_send *send = send_of(h, &d->value);
        /* gone before anybody could write it down, by an answer that waited for it */
        bool unseen = h->gaps && !there && send && send->checksum == d->value.checksum &&
                      sim_log_may_have_had(h, send, hold->partition, d->offset);
        if (!unseen && !lives_of(h, hold->partition, d->offset, &d->value))
            sim_violation(v, "F2", "consumer %d got record %u/%u at partition %d offset %lld, where the log has %s",
                          hold->consumer, d->value.producer, d->value.counter, hold->partition, (long long)d->offset,
                          there ? "another one" : "nothing");
    }
}

/* A loss that takes a record takes what is behind it, too: was the record lost before the first time that the next one
 * was? Then the next one came later. */
static bool goes_on_elsewhere(uint64_t record, uint64_t next)
{
    uint64_t first = next & (~next + 1); /* the lowest bit: its earliest end */
    return record < first;
}

/* A record and the one behind it are of one history: who has read what was lost hears of it before it gets what took
 * its place. */
static void check_one_history(history *h, verdict *v)
{
    const struct sim_delivery **last = kci_alloc_zero(h->alloc, h->holds.count + 1, sizeof(*last));
    assert(last);
    for (size_t i = 0; h->lost.count && i < h->deliveries.count; i++) {
        const struct sim_delivery *d = &h->deliveries.items[i], *before = last[d->hold];
        int32_t p = h->holds.items[d->hold].partition;
        last[d->hold] = d;
        if (before && before->offset + 1 == d->offset &&
            goes_on_elsewhere(lives_of(h, p, before->offset, &before->value), lives_of(h, p, d->offset, &d->value)))
            sim_violation(v, "F4", "consumer %d got offset %lld of partition %d at %.3f s, behind one that was lost",
                          h->holds.items[d->hold].consumer, (long long)d->offset, p, (double)d->at / 1e6);
    }
    kci_alloc_free(h->alloc, last);
}

/* ---- groups ---- */

static int32_t last_generation(const struct sim_hold *hold)
{
    return hold->generation_last > hold->generation ? hold->generation_last : hold->generation;
}

static void check_one_owner(history *h, verdict *v)
{
    for (size_t i = 0; !h->restarts && i < h->holds.count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct sim_hold *a = &h->holds.items[i], *b = &h->holds.items[k];
            int32_t from = a->generation > b->generation ? a->generation : b->generation;
            int32_t to = last_generation(a) < last_generation(b) ? last_generation(a) : last_generation(b);
            if (a->generation >= 0 && b->generation >= 0 && from <= to && a->partition == b->partition &&
                a->consumer != b->consumer && (!h->fixed_members || (a->from < b->to && b->from < a->to)))
                sim_violation(v, "G1", "partition %d belongs to consumers %d and %d in generation %d", a->partition,
                              a->consumer, b->consumer, from);
        }
}

/* A commit that began after somebody else had the partition in a later generation is one of a member that is gone. */
static void check_fenced(history *h, verdict *v)
{
    for (size_t i = 0; !h->restarts && !h->remade && i < h->accepted.count; i++)
        for (size_t k = 0; k < h->holds.count; k++) {
            const struct sim_accepted *commit = &h->accepted.items[i];
            const struct sim_hold *hold = &h->holds.items[k];
            if (hold->partition == commit->partition && hold->consumer != commit->consumer &&
                hold->generation > commit->generation && hold->from < commit->begun)
                sim_violation(v, "G4",
                              "consumer %d committed for partition %d in generation %d at %.3f s, when consumer %d had "
                              "it in generation %d",
                              commit->consumer, commit->partition, commit->generation, (double)commit->begun / 1e6,
                              hold->consumer, hold->generation);
        }
}

/* Has the member that holds the partition then been at this offset, since it has it? Only its commits count. */
static bool owner_was_there(history *h, const struct sim_commit *c)
{
    size_t owner = h->holds.count;
    for (size_t i = 0; i < h->holds.count; i++) {
        const struct sim_hold *hold = &h->holds.items[i];
        if (hold->partition == c->partition && hold->generation >= 0 && hold->from < c->at_ms * 1000)
            owner = i;
    }
    for (size_t i = 0; owner < h->holds.count && i < h->deliveries.count; i++) {
        const struct sim_delivery *d = &h->deliveries.items[i];
        if (d->hold == owner && (d->offset == c->offset || d->offset + 1 == c->offset))
            return true;
    }
    return owner == h->holds.count;
}

static void check_commits_rise(history *h, verdict *v)
{
    int64_t *last = kci_alloc_zero(h->alloc, (size_t)h->partitions + 1, sizeof *last);
    assert(last);
    for (size_t i = 0; i < h->commits.count && !h->lossy; i++) {
        const struct sim_commit *c = &h->commits.items[i];
        /* one that was given up, on a connection whose requests waited for another one's answer, may pass a later one of
         * the same owner */
        bool passed = h->belated_at && c->at_ms >= h->belated_at / 1000;
        if (c->offset < last[c->partition] && !h->restarts && !owner_was_there(h, c))
            sim_violation(
                v, "G4",
                "the committed offset of partition %d fell from %lld to %lld at %.3f s, where its owner never "
                "was",
                c->partition, (long long)last[c->partition], (long long)c->offset, (double)c->at_ms / 1e3);
        else if (c->offset < last[c->partition] && h->commits_rise && !passed)
            sim_violation(v, "G2", "the committed offset of partition %d fell from %lld to %lld at %.3f s",
                          c->partition, (long long)last[c->partition], (long long)c->offset, (double)c->at_ms / 1e3);
        last[c->partition] = c->offset;
    }
    kci_alloc_free(h->alloc, last);
}

/* For each committed record of a partition: when all up to it had been delivered, or were gone, or skipped by a reset
 * that asks for it; INT64_MAX: never. Yours to free. */
static int64_t *delivered_upto(history *h, int32_t partition, bool group)
{
    const struct sim_log *log = &h->logs.items[partition];
    size_t count = log->records.count;
    int64_t *at = kci_alloc_new(h->alloc, (count + 1) * sizeof *at);
    assert(at);
    for (size_t i = 0; i < count; i++)
        at[i] = log->records.items[i].gone_at ? log->records.items[i].gone_at : INT64_MAX;
    for (size_t i = 0; i < h->deliveries.count; i++) {
        const struct sim_delivery *d = &h->deliveries.items[i];
        const struct sim_hold *hold = &h->holds.items[d->hold];
        size_t k = hold->partition == partition ? sim_log_index(log, d->offset) : count;
        if (k < count && log->records.items[k].offset == d->offset && (hold->generation >= 0) == group &&
            d->at < at[k] && (!h->lost.count || lives_of(h, partition, d->offset, &d->value) & STILL_THERE))
            at[k] = d->at;
    }
    sim_check_skipped(h, partition, group, at);
    for (size_t i = 1; i < count; i++)
        at[i] = at[i] > at[i - 1] ? at[i] : at[i - 1];
    return at;
}

static void check_commit_behind_delivery(history *h, verdict *v)
{
    for (int32_t p = 0; !h->lossy && p < h->partitions; p++) {
        size_t count = h->logs.items[p].records.count;
        int64_t *at = delivered_upto(h, p, true);
        for (size_t i = 0; i < h->commits.count; i++) {
            const struct sim_commit *c = &h->commits.items[i];
            size_t before = sim_log_index(&h->logs.items[p], c->offset); /* records below it */
            if (c->partition != p || c->offset <= 0)
                continue;
            if ((!h->gaps && c->offset > (int64_t)count) || (before && at[before - 1] > c->at_ms * 1000 + 999))
                sim_violation(v, "G3",
                              "offset %lld of partition %d was committed at %.3f s, before all under it were "
                              "delivered",
                              (long long)c->offset, p, (double)c->at_ms / 1e3);
        }
        kci_alloc_free(h->alloc, at);
    }
}

static void check_all_delivered(history *h, verdict *v)
{
    for (int32_t p = 0; p < h->partitions; p++)
        for (int group = 0; group < 2; group++) {
            if (!(group ? h->group : h->reader))
                continue;
            size_t count = h->logs.items[p].records.count, missing = 0;
            int64_t *at = delivered_upto(h, p, group);
            while (missing < count && at[missing] != INT64_MAX)
                missing++;
            kci_alloc_free(h->alloc, at);
            if (missing < count)
                sim_violation(v, "G3", "offset %zu of partition %d (of %zu) was never delivered to %s", missing, p,
                              count, group ? "the group" : "the reader");
        }
}

static void check_all_committed(history *h, verdict *v)
{
    for (int32_t p = 0; h->committed && !h->lossy && p < h->partitions; p++) {
        int64_t last = 0;
        for (size_t i = 0; i < h->commits.count; i++)
            if (h->commits.items[i].partition == p)
                last = h->commits.items[i].offset;
        if (h->gaps ? !sim_log_passes(h, p, last, INT64_MAX, INT64_MAX)
                    : last != (int64_t)h->logs.items[p].records.count)
            sim_violation(v, "G2", "all members left in order, and partition %d is committed up to %lld of %zu", p,
                          (long long)last, h->logs.items[p].records.count);
    }
}

const struct sim_check sim_checks[] = {
    { "B3", "a committed log has every offset once", check_offsets },
    { "P8, P9", "a record is where it was sent to, whole", check_no_cross_talk },
    { "P1", "what was acknowledged is in the log", check_acked_not_lost },
    { "P2", "with idempotence no record is in the log twice", check_not_twice },
    { "P10", "with acks=1 nothing is lost while the leader stays", check_leader_acked_not_lost },
    { "P10", "without idempotence a record is there at most once for each attempt", check_attempts },
    { "P3", "with idempotence records stand in the order in which they were sent", check_order },
    { "P4", "what surely failed is not in the log", check_failed_not_written },
    { "P5", "one report for each record, in order", check_one_report },
    { "P7", "the reported offset is the true one", check_reported_offset },
    { "L1", "a report comes within delivery.timeout.ms", check_in_time },
    { "F1", "a consumer gets each offset of what it holds, in order", check_contiguous },
    { "F2", "what is delivered is what the log has", check_no_phantom },
    { "F4", "a consumer does not go on in another history", check_one_history },
    { "G1", "a partition has one owner in a generation", check_one_owner },
    { "G4", "who lost its partitions does not commit for them", check_fenced },
    { "G2", "committed offsets rise; G4: not by commits of who has lost the partition", check_commits_rise },
    { "G3", "what is committed was delivered", check_commit_behind_delivery },
    { "G3", "everything is delivered in the end", check_all_delivered },
    { "G2", "a member that leaves in order has committed what it got", check_all_committed },
    { "P8, P9", "what is in the ledger was sent there", sim_ledger_check_sent },
    { "P2", "what a transaction wrote is there once, in order", sim_ledger_check_once },
    { "T1", "of a transaction all is committed, or nothing", sim_ledger_check_whole },
    { "T2", "what was committed is, what was not is not", sim_ledger_check_kept },
    { "T3", "who was replaced writes nothing any more", sim_ledger_check_zombies },
    { "T5", "offsets of a transaction count when it is committed, and only then", sim_ledger_check_offsets },
    { "F3", "read_committed gets what is committed, all of it, in order, and nothing else", sim_ledger_check_audits },
};
const size_t sim_check_count = sizeof sim_checks / sizeof *sim_checks;

void sim_check_all(history *h, verdict *v)
{
    for (size_t i = 0; i < sim_check_count; i++)
        sim_checks[i].check(h, v);
}
