/* The brokers' side of the ledger: leaders of its partitions and coordinators move, disks give errors, and between events
 * it is looked at:
 *
 *      B3    the last stable offset is not above the high watermark, and rises while the leader stays
 *      T5    offsets that a transaction commits are seen when it was committed, not before (ledger_check.c)
 *      T7    when the faults are over no transaction stays open for longer than its time-out
 *
 * At the end the logs are read into the history, each record with the fate that the marker behind it tells. */
#include "tellers.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/view.h"
#include "protocol/records.h"

#include <assert.h>
#include <stdio.h>

#define LOOK_US          (9 * SIM_MS)
#define HOMES            3 /* partitions of the coordinators' topics, at most */
#define PLAIN_BYTES_MAX  ((size_t)16 << 20)
#define MARKER_KEY_BYTES 4
#define STATE_TOPIC      "__transaction_state"

static struct mb_cluster *cluster_of(const struct sim_vault *vault)
{
    return vault->stage->brokers->cluster;
}

static struct mb_partition *partition_of(const struct sim_vault *vault, int32_t index)
{
    struct mb_cluster *cluster = cluster_of(vault);
    const struct mb_topic *topic = cluster ? mb_topic_find(cluster, kci_str_of(SIM_LEDGER)) : NULL;
    return topic ? mb_topic_partition(topic, index) : NULL;
}

/* ---- faults ---- */

static const char *const topics[] = { SIM_LEDGER, STATE_TOPIC, SIM_OFFSETS_TOPIC };

static void move(void *owner, int64_t now)
{
    struct sim_vault *vault = owner;
    struct sim_stage *stage = vault->stage;
    const char *topic = topics[kci_prng_below(&vault->prng, 3)];
    int32_t partition = (int32_t)kci_prng_below(&vault->prng, HOMES);
    int32_t to = 1 + (int32_t)kci_prng_below(&vault->prng, SIM_BROKERS);
    if (cluster_of(vault) && mb_cluster_move_leader(cluster_of(vault), kci_str_of(topic), partition, to, now) == 0) {
        sim_note(&stage->world, "broker %d leads %s-%d", to, topic, partition);
        sim_host_wake(stage->brokers->host);
    }
    sim_alarm_again(&stage->world, &vault->moving, &vault->prng, stage->workload.txn_move_us);
}

static void break_disk(void *owner, int64_t now)
{
    static const char *const kinds[] = { "storage_full", "write_error", "torn_write", "read_error", "sync_error" };
    struct sim_vault *vault = owner;
    struct sim_stage *stage = vault->stage;
    const char *topic = topics[kci_prng_below(&vault->prng, 3)];
    const char *kind = kinds[kci_prng_below(&vault->prng, 5)];
    int broker = 1 + (int)kci_prng_below(&vault->prng, SIM_BROKERS);
    int count = 1 + (int)kci_prng_below(&vault->prng, 3);
    char json[200], why[200];
    snprintf(
        json, sizeof json,
        "{\"match\": {\"broker\": %d, \"topic\": \"%s\"}, \"count\": %d, \"duration_ms\": 500, \"action\": \"%s\"}",
        broker, topic, count, kind);
    if (cluster_of(vault) && mb_fault_add(cluster_of(vault), kci_str_of(json), NULL, why, sizeof why, now) == 0)
        sim_note(&stage->world, "the next %d of broker %d with %s: %s", count, broker, topic, kind);
    sim_alarm_again(&stage->world, &vault->breaking, &vault->prng, stage->workload.disk_us);
}

/* ---- looking ---- */

static void look_at_partition(struct sim_vault *vault, int32_t p)
{
    struct sim_verdict *verdict = &vault->stage->verdict;
    struct mb_partition_view view;
    if (mb_cluster_partition(cluster_of(vault), kci_str_of(SIM_LEDGER), p, &view) != 0 || view.leader < 0)
        return;
    if (view.last_stable > view.high_watermark)
        sim_violation(verdict, "B3", "ledger %d: the last stable offset is %lld, the high watermark %lld", p,
                      (long long)view.last_stable, (long long)view.high_watermark);
    if (view.leader_epoch == vault->seen[p].epoch && view.last_stable < vault->seen[p].last_stable)
        sim_violation(verdict, "B3", "ledger %d: the last stable offset fell from %lld to %lld in epoch %d", p,
                      (long long)vault->seen[p].last_stable, (long long)view.last_stable, view.leader_epoch);
    vault->seen[p].epoch = view.leader_epoch;
    vault->seen[p].last_stable = view.last_stable;
}

struct glance {
    struct sim_vault *vault;
    int32_t id;
};

static void note_offset(void *context, const struct mb_group_offset_view *offset)
{
    const struct glance *glance = context;
    struct sim_stage *stage = glance->vault->stage;
    sim_ledger_seen(&stage->history.ledger, (struct sim_seen_offset){ glance->id, offset->offset, stage->world.now });
}

/* What a client would be told: not what may yet be lost. */
static void look_at_offsets(struct sim_vault *vault, int32_t id)
{
    struct mb_cluster *cluster = cluster_of(vault);
    char name[16];
    snprintf(name, sizeof name, "pipe-%d", (int)id % 10);
    if (mb_internal_settled(cluster, kci_str_of(SIM_OFFSETS_TOPIC),
                            mb_groups_partition_of(cluster->groups, kci_str_of(name))))
        mb_view_group_offsets(cluster, kci_str_of(name), note_offset, &(struct glance){ vault, id });
}

static void look(void *owner, int64_t now)
{
    struct sim_vault *vault = owner;
    const struct sim_workload *w = &vault->stage->workload;
    for (int32_t p = 0; cluster_of(vault) && p < w->txn_partitions; p++)
        look_at_partition(vault, p);
    for (int32_t id = 0; cluster_of(vault) && id < w->txn_ids; id++)
        look_at_offsets(vault, id);
    sim_alarm_set(&vault->stage->world, &vault->looking, now + LOOK_US);
}

int64_t sim_vault_end(const struct sim_vault *vault, int32_t index)
{
    const struct mb_partition *partition = partition_of(vault, index);
    int64_t end = partition ? 0 : INT64_MAX; /* no power: nothing can be said */
    for (int32_t i = 0; partition && i < partition->replica_count; i++)
        if (partition->replicas[i].log.end_offset > end)
            end = partition->replicas[i].log.end_offset;
    return end;
}

bool sim_vault_is_open(const struct sim_vault *vault, int32_t index, int64_t offset)
{
    const struct mb_partition *partition = partition_of(vault, index);
    bool open = partition != NULL;
    for (int32_t i = 0; open && i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        const struct mb_txn_index *transactions = &replica->producers.transactions;
        open = replica->log.end_offset <= offset ||
               (transactions->open_count && transactions->open[0].first_offset <= offset);
    }
    return open;
}

/* ---- when the faults are over ---- */

static bool all_ended(const struct sim_vault *vault, char *why, size_t size)
{
    struct mb_txn_view view;
    for (size_t at = 0; mb_view_txn_next(cluster_of(vault), &at, &view);)
        if (strncmp(view.state, "Complete", 8) != 0 && strcmp(view.state, "Empty") != 0) {
            snprintf(why, size, "%.*s is %s", (int)view.id.size, view.id.data, view.state);
            return false;
        }
    return true;
}

bool sim_vault_settled(struct sim_vault *vault, int64_t *ends, char *why, size_t size)
{
    const struct sim_workload *w = &vault->stage->workload;
    for (int32_t p = 0; p < w->txn_partitions; p++) {
        struct mb_partition_view view;
        int16_t error = mb_cluster_partition(cluster_of(vault), kci_str_of(SIM_LEDGER), p, &view);
        ends[p] = view.high_watermark;
        if (error || view.leader < 0 || view.isr_count < SIM_BROKERS || view.last_stable < view.log_end) {
            snprintf(why, size, "ledger %d: leader %d, %d in sync, last stable offset %lld of %lld", p, view.leader,
                     view.isr_count, (long long)view.last_stable, (long long)view.log_end);
            return false;
        }
    }
    return all_ended(vault, why, size);
}

/* ---- the end ---- */

/* Of a control batch: 0 abort, 1 commit; -1: neither. */
static int marker_type(const struct kci_record_view *view)
{
    if (view->key.size < MARKER_KEY_BYTES)
        return -1;
    int type = view->key.data[2] << 8 | view->key.data[3];
    return type <= 1 ? type : -1;
}

struct reading {
    struct sim_vault *vault;
    int32_t partition;
};

static void read_one(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    const struct reading *r = context;
    struct sim_ledger *ledger = &r->vault->stage->history.ledger;
    struct sim_book *book = &ledger->books[r->partition];
    if (header->attributes & KCI_BATCH_CONTROL) {
        int type = marker_type(view);
        for (size_t i = book->entries.count; type >= 0 && i > 0; i--) {
            struct sim_entry *entry = &book->entries.items[i - 1];
            if (entry->producer_id == header->producer_id && entry->fate == SIM_FATE_OPEN)
                entry->fate = type ? SIM_FATE_COMMITTED : SIM_FATE_ABORTED;
            else if (entry->producer_id == header->producer_id)
                break;
        }
        return;
    }
    struct sim_entry *entry = sim_ledger_entry(ledger, r->partition);
    entry->value = sim_value_read(view->value.data, view->value.size);
    entry->offset = view->offset;
    entry->producer_id = header->producer_id;
    entry->fate = header->attributes & KCI_BATCH_TRANSACTIONAL ? SIM_FATE_OPEN : SIM_FATE_PLAIN;
    sim_trace(&r->vault->stage->world, (uint64_t)view->offset << 32 | entry->value.checksum);
}

void sim_vault_read(struct sim_vault *vault)
{
    struct sim_stage *stage = vault->stage;
    for (int32_t p = 0; p < stage->workload.txn_partitions; p++) {
        const struct mb_partition *partition = partition_of(vault, p);
        struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
        struct reading reading = { vault, p };
        if (leader && !sim_log_walk(stage, &leader->log, leader->high_watermark, read_one, &reading))
            sim_violation(&stage->verdict, "B3", "%s-%d cannot be read", SIM_LEDGER, p);
    }
}

void sim_vault_open(struct sim_vault *vault, struct sim_stage *stage)
{
    const struct sim_workload *w = &stage->workload;
    memset(vault, 0, sizeof *vault);
    vault->stage = stage;
    vault->prng = sim_stream(w->seed, 330);
    vault->looking.fire = look;
    vault->moving.fire = move;
    vault->breaking.fire = break_disk;
    vault->looking.owner = vault->moving.owner = vault->breaking.owner = vault;
    for (int32_t p = 0; p < SIM_LEDGER_PARTITIONS; p++)
        vault->seen[p].epoch = -1;
    int16_t error = mb_cluster_create_topic(cluster_of(vault), kci_str_of(SIM_LEDGER), w->txn_partitions, SIM_BROKERS,
                                            NULL, 0, stage->world.now);
    assert(error == 0);
    (void)error;
    sim_alarm_set(&stage->world, &vault->looking, stage->world.now);
    if (w->txn_move_us)
        sim_alarm_set(&stage->world, &vault->moving, stage->world.now + w->txn_move_us);
    if (w->disk_us)
        sim_alarm_set(&stage->world, &vault->breaking, stage->world.now + w->disk_us);
}

void sim_vault_heal(struct sim_vault *vault)
{
    sim_alarm_stop(&vault->stage->world, &vault->moving);
    sim_alarm_stop(&vault->stage->world, &vault->breaking);
}

void sim_vault_close(struct sim_vault *vault)
{
    sim_vault_heal(vault);
    sim_alarm_stop(&vault->stage->world, &vault->looking);
}
