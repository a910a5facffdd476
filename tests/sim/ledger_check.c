/* The checks over transactions.  The truth is the log as it is in the end: which records it has, and what the markers
 * behind them say; it is compared with what producers were told and with what auditors were given.
 *
 * Which of two producer ids or epochs of a transactional id is the newer one is what the numbers say, not which answer
 * came first: that of the older one may have been held up. */
#include "check.h"

#include <assert.h>

typedef const struct sim_history history;
typedef struct sim_verdict verdict;

static const char *fate_name(enum sim_fate fate)
{
    static const char *const names[] = { "plain", "committed", "aborted", "open" };
    return names[fate];
}

/* What was sent as this value, or NULL: nobody sent it. */
static const struct sim_sent *sent_of(history *h, const struct sim_value *value)
{
    if (!value->whole || value->counter >= h->ledger.sent.count)
        return NULL;
    const struct sim_sent *sent = &h->ledger.sent.items[value->counter];
    return sent->checksum == value->checksum ? sent : NULL;
}

/* ---- the log ---- */

void sim_ledger_check_sent(history *h, verdict *v)
{
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        for (size_t i = 0; i < h->ledger.books[p].entries.count; i++) {
            const struct sim_entry *entry = &h->ledger.books[p].entries.items[i];
            const struct sim_sent *sent = sent_of(h, &entry->value);
            if (!sent || sent->partition != p)
                sim_violation(v, "P9", "ledger %d offset %lld holds %s", p, (long long)entry->offset,
                              sent ? "what was sent to another partition" : "what nobody sent");
            else if ((sent->txn == SIM_PLAIN) != (entry->fate == SIM_FATE_PLAIN))
                sim_violation(v, "P9", "ledger %d offset %lld is %s and was not sent so", p, (long long)entry->offset,
                              fate_name(entry->fate));
        }
}

/* A transaction's producer sends one batch after the other. */
void sim_ledger_check_once(history *h, verdict *v)
{
    size_t leases = h->ledger.leases.count;
    int64_t *last = kci_alloc_zero(h->alloc, leases + 1, sizeof *last);
    assert(last);
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++) {
        for (size_t i = 0; i < leases; i++)
            last[i] = -1;
        for (size_t i = 0; i < h->ledger.books[p].entries.count; i++) {
            const struct sim_entry *entry = &h->ledger.books[p].entries.items[i];
            const struct sim_sent *sent = sent_of(h, &entry->value);
            if (!sent || sent->txn == SIM_PLAIN)
                continue;
            int64_t *before = &last[h->ledger.txns.items[sent->txn].lease];
            if (*before >= (int64_t)entry->value.counter)
                sim_violation(v, "P2", "ledger %d offset %lld: record %u of transaction %u stands behind %lld", p,
                              (long long)entry->offset, entry->value.counter, sent->txn, (long long)*before);
            *before = entry->value.counter;
        }
    }
    kci_alloc_free(h->alloc, last);
}

/* ---- transactions ---- */

struct sum { /* of one transaction */
    size_t sent, taken, here, taken_here, committed, aborted;
};

/* Of each transaction; yours to free. */
static struct sum *sums_of(history *h)
{
    struct sum *sums = kci_alloc_zero(h->alloc, h->ledger.txns.count + 1, sizeof *sums);
    assert(sums);
    for (size_t i = 0; i < h->ledger.sent.count; i++) {
        const struct sim_sent *sent = &h->ledger.sent.items[i];
        if (sent->txn == SIM_PLAIN)
            continue;
        sums[sent->txn].sent++;
        sums[sent->txn].taken += sent->taken;
    }
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        for (size_t i = 0; i < h->ledger.books[p].entries.count; i++) {
            const struct sim_entry *entry = &h->ledger.books[p].entries.items[i];
            const struct sim_sent *sent = sent_of(h, &entry->value);
            if (!sent || sent->txn == SIM_PLAIN)
                continue;
            struct sum *sum = &sums[sent->txn];
            sum->here++;
            sum->taken_here += sent->taken;
            sum->committed += entry->fate == SIM_FATE_COMMITTED;
            sum->aborted += entry->fate == SIM_FATE_ABORTED;
        }
    return sums;
}

void sim_ledger_check_whole(history *h, verdict *v)
{
    struct sum *sums = sums_of(h);
    for (size_t i = 0; i < h->ledger.txns.count; i++) {
        const struct sum *sum = &sums[i];
        if (sum->committed && sum->committed < sum->here)
            sim_violation(v, "T1", "of transaction %zu %zu records are committed and %zu are not", i, sum->committed,
                          sum->here - sum->committed);
        else if (sum->committed && sum->taken_here < sum->taken)
            sim_violation(v, "T1", "transaction %zu is committed, and %zu records that were acknowledged are missing",
                          i, sum->taken - sum->taken_here);
    }
    kci_alloc_free(h->alloc, sums);
}

void sim_ledger_check_kept(history *h, verdict *v)
{
    struct sum *sums = sums_of(h);
    for (size_t i = 0; i < h->ledger.txns.count; i++) {
        const struct sim_txn *txn = &h->ledger.txns.items[i];
        const struct sum *sum = &sums[i];
        if (txn->decision != SIM_COMMIT && sum->committed)
            sim_violation(v, "T2", "transaction %zu was %s by its producer, and is committed", i,
                          txn->decision == SIM_ABORT ? "aborted" : "left open");
        if (txn->decision == SIM_COMMIT && txn->confirmed && sum->committed < sum->taken)
            sim_violation(v, "T2", "transaction %zu was committed, and %zu of its %zu records are not", i,
                          sum->taken - sum->committed, sum->taken);
    }
    kci_alloc_free(h->alloc, sums);
}

static bool is_newer(const struct sim_lease *a, const struct sim_lease *b)
{
    if (a->id != b->id || a->producer_id != b->producer_id)
        return a->id == b->id && a->producer_id > b->producer_id;
    return a->epoch > b->epoch;
}

void sim_ledger_check_zombies(history *h, verdict *v)
{
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        for (size_t i = 0; i < h->ledger.books[p].entries.count; i++) {
            const struct sim_entry *entry = &h->ledger.books[p].entries.items[i];
            const struct sim_sent *sent = sent_of(h, &entry->value);
            if (!sent || sent->txn == SIM_PLAIN)
                continue;
            const struct sim_lease *own = &h->ledger.leases.items[h->ledger.txns.items[sent->txn].lease];
            for (size_t k = 0; k < h->ledger.leases.count; k++) {
                const struct sim_lease *other = &h->ledger.leases.items[k];
                if (is_newer(other, own) && entry->offset >= other->ends[p])
                    sim_violation(v, "T3",
                                  "ledger %d offset %lld was written by epoch %d of producer %lld, when epoch %d had "
                                  "taken its place",
                                  p, (long long)entry->offset, own->epoch, (long long)own->producer_id, other->epoch);
            }
        }
}

/* ---- offsets ---- */

/* The transaction that an offset names; NULL: none. */
static const struct sim_txn *txn_of(history *h, int64_t offset)
{
    return offset > 0 && (uint64_t)offset <= h->ledger.txns.count ? &h->ledger.txns.items[offset - 1] : NULL;
}

static void check_seen(history *h, const struct sim_seen_offset *seen, int64_t before, verdict *v)
{
    const struct sim_txn *txn = txn_of(h, seen->offset);
    if (!txn || h->ledger.leases.items[txn->lease].id != seen->id)
        sim_violation(v, "T5", "the offset of pipe %d is %lld, which nobody committed", seen->id,
                      (long long)seen->offset);
    else if (txn->decision != SIM_COMMIT || txn->decided_at > seen->at)
        sim_violation(v, "T5", "the offset of transaction %lld was seen at %.3f s, and it was %s",
                      (long long)seen->offset - 1, (double)seen->at / 1e6,
                      txn->decision == SIM_COMMIT ? "committed later" : "not committed");
    if (seen->offset < before)
        sim_violation(v, "T5", "the offset of pipe %d fell from that of transaction %lld to that of %lld at %.3f s",
                      seen->id, (long long)before - 1, (long long)seen->offset - 1, (double)seen->at / 1e6);
}

void sim_ledger_check_offsets(history *h, verdict *v)
{
    int64_t last[SIM_TXN_IDS] = { 0 };
    for (size_t i = 0; i < h->ledger.seen.count; i++) {
        const struct sim_seen_offset *seen = &h->ledger.seen.items[i];
        check_seen(h, seen, last[seen->id], v);
        last[seen->id] = seen->offset;
    }
    struct sum *sums = sums_of(h);
    for (size_t i = 0; i < h->ledger.txns.count; i++) {
        const struct sim_txn *txn = &h->ledger.txns.items[i];
        int64_t end = last[h->ledger.leases.items[txn->lease].id];
        bool committed = sums[i].committed || (txn->decision == SIM_COMMIT && txn->confirmed);
        if (committed && txn->offset_taken && end < (int64_t)i + 1)
            sim_violation(v, "T5", "transaction %zu is committed, and its offset is not: it is that of %lld", i,
                          (long long)end - 1);
        if (sums[i].aborted && end == (int64_t)i + 1)
            sim_violation(v, "T5", "transaction %zu is aborted, and its offset is committed", i);
    }
    kci_alloc_free(h->alloc, sums);
}

/* ---- readers ---- */

static bool is_visible(const struct sim_entry *entry, bool committed)
{
    return !committed || entry->fate == SIM_FATE_PLAIN || entry->fate == SIM_FATE_COMMITTED;
}

/* The first entry at `offset` or behind that this reader is to see; NULL: there is none. */
static const struct sim_entry *next_visible(const struct sim_book *book, int64_t offset, bool committed)
{
    size_t low = 0, high = book->entries.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (book->entries.items[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < book->entries.count && !is_visible(&book->entries.items[low], committed))
        low++;
    return low < book->entries.count ? &book->entries.items[low] : NULL;
}

static const char *found_at(const struct sim_book *book, int64_t offset)
{
    const struct sim_entry *there = next_visible(book, offset, false);
    return !there || there->offset != offset ? "no record" : fate_name(there->fate);
}

void sim_ledger_check_audits(history *h, verdict *v)
{
    int64_t *next = kci_alloc_zero(h->alloc, h->ledger.audits.count + 1, sizeof *next);
    assert(next);
    for (size_t i = 0; i < h->ledger.audits.count; i++)
        next[i] = h->ledger.audits.items[i].position;
    for (size_t i = 0; i < h->ledger.audited.count; i++) {
        const struct sim_audited *got = &h->ledger.audited.items[i];
        const struct sim_audit *audit = &h->ledger.audits.items[got->audit];
        const struct sim_book *book = &h->ledger.books[audit->partition];
        const char *who = audit->committed ? "read_committed" : "read_uncommitted";
        const struct sim_entry *due = next_visible(book, next[got->audit], audit->committed);
        if (!due || due->offset != got->offset)
            sim_violation(v, "F3", "%s got offset %lld of ledger %d at %.3f s (%s), where %lld was next", who,
                          (long long)got->offset, audit->partition, (double)got->at / 1e6, found_at(book, got->offset),
                          due ? (long long)due->offset : -1);
        else if (due->value.checksum != got->value.checksum || !got->value.whole)
            sim_violation(v, "F3", "%s got offset %lld of ledger %d, and the log has another record there", who,
                          (long long)got->offset, audit->partition);
        if (got->early)
            sim_violation(v, "F3", "%s got offset %lld of ledger %d at %.3f s, while its transaction was open", who,
                          (long long)got->offset, audit->partition, (double)got->at / 1e6);
        next[got->audit] = got->offset + 1;
    }
    for (size_t i = 0; i < h->ledger.audits.count; i++) {
        const struct sim_audit *audit = &h->ledger.audits.items[i];
        const struct sim_entry *due = next_visible(&h->ledger.books[audit->partition], next[i], audit->committed);
        if (audit->whole && due)
            sim_violation(v, "F3", "%s never got offset %lld of ledger %d (%s)",
                          audit->committed ? "read_committed" : "read_uncommitted", (long long)due->offset,
                          audit->partition, fate_name(due->fate));
    }
    kci_alloc_free(h->alloc, next);
}
