/* Lists that grow by doubling, and the format of values:
 *
 *      0  4 magic | 4 producer | 4 counter | 4 partition | 4 size of all | 4 CRC-32C of the rest and of bytes 0-19 | filler
 */
#include "history.h"

#include "base/checksum.h"
#include "base/cursor.h"

#include <assert.h>

#define MAGIC 0x5eedbeefu

void sim_history_init(struct sim_history *history, const struct kci_alloc *alloc, int32_t partitions)
{
    *history = (struct sim_history){
        .alloc = alloc, .partitions = partitions, .acks_all = true, .idempotent = true, .commits_rise = true
    };
    sim_ledger_init(&history->ledger, alloc);
    for (int32_t i = 0; i < partitions; i++) {
        void *log;
        SIM_ADD(history->alloc, history->logs, &log);
    }
}

void sim_history_destroy(struct sim_history *history)
{
    for (size_t i = 0; i < history->senders.count; i++)
        kci_alloc_free(history->alloc, history->senders.items[i].sends.items);
    for (size_t i = 0; i < history->logs.count; i++)
        kci_alloc_free(history->alloc, history->logs.items[i].records.items);
    kci_alloc_free(history->alloc, history->senders.items);
    kci_alloc_free(history->alloc, history->logs.items);
    kci_alloc_free(history->alloc, history->holds.items);
    kci_alloc_free(history->alloc, history->deliveries.items);
    kci_alloc_free(history->alloc, history->commits.items);
    kci_alloc_free(history->alloc, history->accepted.items);
    kci_alloc_free(history->alloc, history->lost.items);
    kci_alloc_free(history->alloc, history->resets.items);
    sim_ledger_destroy(&history->ledger);
}

/* ---- values ---- */

static void put(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static uint32_t checksum(const uint8_t *data, size_t size)
{
    return kci_crc32c(kci_crc32c(0, data, 20), data + SIM_VALUE_HEAD, size - SIM_VALUE_HEAD);
}

uint32_t sim_value_write(uint8_t *out, size_t size, uint32_t producer, uint32_t counter, int32_t partition)
{
    put(out, MAGIC);
    put(out + 4, producer);
    put(out + 8, counter);
    put(out + 12, (uint32_t)partition);
    put(out + 16, (uint32_t)size);
    for (size_t i = SIM_VALUE_HEAD; i < size; i++)
        out[i] = (uint8_t)((counter + i / 16) * 31 + producer);
    uint32_t sum = checksum(out, size);
    put(out + 20, sum);
    return sum;
}

struct sim_value sim_value_read(const void *data, size_t size)
{
    struct sim_value value = { .partition = -1 };
    const uint8_t *in = data;
    if (!in || size < SIM_VALUE_HEAD || get(in) != MAGIC || get(in + 16) != size)
        return value;
    value.checksum = get(in + 20);
    value.whole = value.checksum == checksum(in, size);
    value.producer = get(in + 4);
    value.counter = get(in + 8);
    value.partition = (int32_t)get(in + 12);
    return value;
}

int32_t sim_key_read(const void *data, size_t size)
{
    const char *key = data;
    return data && size == 6 ? 10 * (key[4] - '0') + (key[5] - '0') : -1;
}

/* ---- adding ---- */

uint32_t sim_history_sender(struct sim_history *history)
{
    void *sender;
    SIM_ADD(history->alloc, history->senders, &sender);
    return (uint32_t)history->senders.count - 1;
}

struct sim_send *sim_history_send(struct sim_history *history, uint32_t sender)
{
    struct sim_send *send;
    SIM_ADD(history->alloc, history->senders.items[sender].sends, &send);
    return send;
}

void sim_history_unsend(struct sim_history *history, uint32_t sender)
{
    history->senders.items[sender].sends.count--;
}

void sim_history_report(struct sim_history *history, uint32_t sender, uint32_t counter, const kc_delivery *delivery,
                        int64_t now)
{
    struct sim_sender *by = &history->senders.items[sender];
    assert(counter < by->sends.count);
    struct sim_send *send = &by->sends.items[counter];
    send->reports++;
    send->report_order = ++history->report_count;
    send->reported_at = now;
    send->offset = delivery->offset;
    send->code = delivery->code;
    send->traits = delivery->traits;
    if (send->partition < 0)
        send->partition = delivery->partition;
}

uint32_t sim_history_hold(struct sim_history *history, struct sim_hold hold)
{
    struct sim_hold *at;
    SIM_ADD(history->alloc, history->holds, &at);
    *at = hold;
    return (uint32_t)history->holds.count - 1;
}

void sim_history_deliver(struct sim_history *history, struct sim_delivery delivery)
{
    struct sim_delivery *at;
    SIM_ADD(history->alloc, history->deliveries, &at);
    *at = delivery;
}

void sim_history_commit(struct sim_history *history, struct sim_commit commit)
{
    struct sim_commit *at;
    SIM_ADD(history->alloc, history->commits, &at);
    *at = commit;
}

void sim_history_accepted(struct sim_history *history, struct sim_accepted commit)
{
    struct sim_accepted *at;
    SIM_ADD(history->alloc, history->accepted, &at);
    *at = commit;
}

void sim_history_lost(struct sim_history *history, struct sim_lost lost)
{
    struct sim_lost *at;
    SIM_ADD(history->alloc, history->lost, &at);
    *at = lost;
}

void sim_history_reset(struct sim_history *history, struct sim_reset reset)
{
    struct sim_reset *at;
    SIM_ADD(history->alloc, history->resets, &at);
    *at = reset;
}

void sim_history_logged(struct sim_history *history, int32_t partition, struct sim_logged record)
{
    struct sim_logged *at;
    SIM_ADD(history->alloc, history->logs.items[partition].records, &at);
    *at = record;
}
