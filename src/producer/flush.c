/* Which records were appended before a flush?  Batches carry the generation in which they began; a flush ends the
 * current generation and is done when no batch of that or an older one is without fate.
 *
 *   incomplete[generation % 64]   batches of that generation that are not reported yet
 *
 * A record that is appended while the flush begins may fall on either side: both orders are right for two calls that
 * overlap. A generation is only opened when the slot it takes is empty; till then flushes share the current one and
 * wait for a few batches more than they must. */
#include "producer/internal.h"

static _Atomic(uint64_t) *slot_of(struct kci_producer *producer, uint64_t generation)
{
    return &producer->incomplete[generation % KCI_FLUSH_SLOTS];
}

uint64_t kci_flush_enter(struct kci_producer *producer)
{
    uint64_t generation = atomic_load(&producer->flush_now);
    atomic_fetch_add(slot_of(producer, generation), 1);
    return generation;
}

void kci_flush_join(struct kci_producer *producer, uint64_t generation)
{
    atomic_fetch_add(slot_of(producer, generation), 1);
}

void kci_flush_leave(struct kci_producer *producer, uint64_t generation)
{
    atomic_fetch_sub(slot_of(producer, generation), 1);
}

uint64_t kci_producer_flush(struct kci_producer *producer)
{
    uint64_t generation = atomic_load(&producer->flush_now), upto = atomic_load(&producer->flush_upto);
    if (atomic_load(slot_of(producer, generation + 1)) == 0)
        atomic_compare_exchange_strong(&producer->flush_now, &generation, generation + 1);
    while (upto < generation && !atomic_compare_exchange_weak(&producer->flush_upto, &upto, generation))
        ;
    kci_attention(producer);
    return generation;
}

bool kci_producer_flushed(struct kci_producer *producer, uint64_t ticket)
{
    if (producer->plant == KCI_PLANT_FLUSHED_EARLY) /* planted defect */
        return true;
    uint64_t now = atomic_load(&producer->flush_now);
    uint64_t oldest = now >= KCI_FLUSH_SLOTS ? now - KCI_FLUSH_SLOTS + 1 : 0; /* all before are complete */
    for (uint64_t generation = oldest; generation <= ticket; generation++)
        if (atomic_load(slot_of(producer, generation)))
            return false;
    return true;
}

bool kci_flush_advance(struct kci_producer *producer)
{
    uint64_t upto = atomic_load(&producer->flush_upto), before = producer->flush_complete;
    while (producer->flush_complete <= upto && kci_producer_flushed(producer, producer->flush_complete))
        producer->flush_complete++;
    return producer->flush_complete != before;
}
