/* The lists of ledger.h: they grow by doubling. */
#include "ledger.h"

#include <assert.h>
#include <string.h>

void *sim_list_grow(const struct kci_alloc *alloc, void *items, size_t *count, size_t *capacity, size_t size,
                    void **out)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 16;
        items = kci_alloc_resize(alloc, items, *capacity * size);
        assert(items);
    }
    *out = memset((char *)items + *count * size, 0, size);
    ++*count;
    return items;
}
void sim_ledger_init(struct sim_ledger *ledger, const struct kci_alloc *alloc)
{
    *ledger = (struct sim_ledger){ .alloc = alloc };
}

void sim_ledger_destroy(struct sim_ledger *ledger)
{
    kci_alloc_free(ledger->alloc, ledger->leases.items);
    kci_alloc_free(ledger->alloc, ledger->txns.items);
    kci_alloc_free(ledger->alloc, ledger->sent.items);
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        kci_alloc_free(ledger->alloc, ledger->books[p].entries.items);
    kci_alloc_free(ledger->alloc, ledger->audits.items);
    kci_alloc_free(ledger->alloc, ledger->audited.items);
    kci_alloc_free(ledger->alloc, ledger->seen.items);
}

uint32_t sim_ledger_lease(struct sim_ledger *ledger, struct sim_lease lease)
{
    struct sim_lease *at;
    SIM_ADD(ledger->alloc, ledger->leases, &at);
    *at = lease;
    return (uint32_t)ledger->leases.count - 1;
}

uint32_t sim_ledger_txn(struct sim_ledger *ledger, struct sim_txn txn)
{
    struct sim_txn *at;
    SIM_ADD(ledger->alloc, ledger->txns, &at);
    *at = txn;
    return (uint32_t)ledger->txns.count - 1;
}

uint32_t sim_ledger_sent(struct sim_ledger *ledger, struct sim_sent sent)
{
    struct sim_sent *at;
    SIM_ADD(ledger->alloc, ledger->sent, &at);
    *at = sent;
    return (uint32_t)ledger->sent.count - 1;
}

uint32_t sim_ledger_audit(struct sim_ledger *ledger, struct sim_audit audit)
{
    struct sim_audit *at;
    SIM_ADD(ledger->alloc, ledger->audits, &at);
    *at = audit;
    return (uint32_t)ledger->audits.count - 1;
}

void sim_ledger_audited(struct sim_ledger *ledger, struct sim_audited audited)
{
    struct sim_audited *at;
    SIM_ADD(ledger->alloc, ledger->audited, &at);
    *at = audited;
}

void sim_ledger_seen(struct sim_ledger *ledger, struct sim_seen_offset seen)
{
    struct sim_seen_offset *at;
    SIM_ADD(ledger->alloc, ledger->seen, &at);
    *at = seen;
}

struct sim_entry *sim_ledger_entry(struct sim_ledger *ledger, int32_t partition)
{
    struct sim_entry *at;
    SIM_ADD(ledger->alloc, ledger->books[partition].entries, &at);
    return at;
}
