/* Producer id, epoch and sequence of each partition (PROTOCOL 2.7; KIP-98, KIP-360).
 *
 * A batch gets them when it is first put into a request and keeps them until its fate: the broker recognizes a
 * repetition by them.  Each partition has an epoch of its own: the broker compares epochs within a partition only, so
 * starting one afresh touches no other (and cannot make duplicates there).
 *
 * When the broker refuses a sequence of the *first* outstanding batch, that batch is not in the log, and hence none
 * behind it is: then, and with nothing in flight, all of them are numbered from 0 under the next epoch.  A refusal of
 * any other batch only says that an earlier one is missing: it is sent again as it is, when its turn comes.
 *
 * A batch that was given up may leave a gap in the numbers. If nothing is outstanding the next epoch begins at once;
 * else what follows is sent as it is, and the broker's refusal (or its consent, if the batch had arrived after all)
 * decides.  If what was given up may still be on its way (a broker reads a connection's requests one after the other, also
 * when its client has long left), so may an attempt of what followed it, and the refusal proves nothing: both would be
 * taken, and then the same once more under the new epoch.  Such a batch fails, and says that it may be there. */
#include "producer/internal.h"

static void begin_epoch(struct kci_producer *producer, struct kci_partition *partition)
{
    partition->next_sequence = 0;
    partition->pipelined = false;
    partition->gap = partition->gap_unsure = partition->reset_wanted = false;
    partition->reset_error = 0;
    if (partition->producer_id >= 0 && partition->producer_epoch < INT16_MAX) {
        partition->producer_epoch++;
        return;
    }
    if (partition->producer_id == producer->identity.producer_id)
        kci_identity_renew(producer);
    partition->producer_id = -1; /* the next batch takes the new id */
}

void kci_sequence_reset(struct kci_producer *producer, struct kci_partition *partition)
{
    if (!producer->idempotent)
        return;
    if (partition->reset_wanted && partition->in_flight == 0) {
        int16_t error = partition->reset_error;
        begin_epoch(producer, partition);
        KCI_LIST_EACH(node, &partition->outstanding)
        {
            struct kci_batch *batch = KCI_CONTAINER(node, struct kci_batch, link);
            if (batch->state != KCI_BATCH_WAITING)
                continue;
            batch->sequenced = batch->crc_valid = false;
            if (error && batch->maybe_applied)
                kci_fate_fail(producer, batch, (kc_err)error, NULL);
        }
        kci_fate_settle(producer, partition);
        kci_log(&producer->logger, KCI_LOG_WARN, "producer", "%s-%d: sequences begin again at 0 in epoch %d",
                partition->topic->name, (int)partition->index, (int)partition->producer_epoch);
    } else if (partition->gap && kci_list_empty(&partition->outstanding)) {
        begin_epoch(producer, partition);
    }
}

void kci_sequence_assign(struct kci_producer *producer, struct kci_partition *partition, struct kci_batch *batch)
{
    bool fresh = producer->plant == KCI_PLANT_FRESH_SEQUENCE && batch->attempts > 0;
    if (!producer->idempotent || (batch->sequenced && !fresh))
        return;
    if (partition->producer_id < 0) {
        partition->producer_id = producer->identity.producer_id;
        partition->producer_epoch = producer->identity.producer_epoch;
        partition->next_sequence = 0;
        partition->pipelined = false;
    }
    batch->producer_id = partition->producer_id;
    batch->producer_epoch = partition->producer_epoch;
    batch->base_sequence = partition->next_sequence;
    batch->sequenced = true;
    batch->crc_valid = false;
    partition->next_sequence = kci_sequence_add(partition->next_sequence, batch->count);
}
