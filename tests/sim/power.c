/* Power and disks.  When the power fails, all brokers are gone at once, without a word to anybody; their disks keep
 * what was synced and some of what was not, perhaps with a bit flipped in one broker's copy of a log that others have,
 * too. Then they start again.
 *
 *      B4    with a sync before each answer: everything that was committed is there, as it was, and so are commits of
 *            the group and what the brokers know of producers' sequences
 *      else  what is missing goes into the history as lost, for the checks of F2, F4 and P1
 *
 * Disks give errors, too: the brokers' own faults, armed at random times for few hits. */
#include "actors.h"
#include "gaps_check.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/elr.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/view.h"
#include "protocol/records.h"

#include <assert.h>
#include <stdio.h>

#define PRODUCERS_MAX 100 /* that are compared, of one partition */
#define ERRORS_MAX    64  /* of disks, the latest, that are ended before a log is looked at */

struct sim_power {
    struct sim_brokers *brokers;
    struct kci_prng prng;
    int32_t losses; /* of power, so far */
    struct sim_alarm fails, returns, error;
    int32_t errors[ERRORS_MAX]; /* ids of the faults that were armed here */
    uint32_t error_count;
    struct sim_log before[SIM_PARTITIONS_MAX]; /* what was committed when the power failed; lossy: what may have been */
    int64_t committed[SIM_PARTITIONS_MAX];     /* by the group; -1: nothing */
};

static struct mb_partition *partition_of(const struct sim_brokers *b, int32_t index)
{
    const struct mb_topic *found = mb_topic_find(b->cluster, kci_str_of(SIM_TOPIC));
    return found ? mb_topic_partition(found, index) : NULL;
}

/* Who looks at the logs is to see them; the faults of other kinds go on, and are counted. */
static void end_errors(struct sim_brokers *b)
{
    struct sim_power *power = b->power;
    for (uint32_t i = 0; i < ERRORS_MAX && i < power->error_count; i++)
        mb_fault_remove(b->cluster, power->errors[i], b->stage->world.now);
    power->error_count = 0;
}

/* ---- before ---- */

/* Who may lead without a loss: who is in sync, or else eligible, or else who led last (KIP-966). */
static bool may_lead(const struct mb_replica *replica)
{
    const struct mb_partition *partition = replica->partition;
    if (mb_partition_isr_count(partition) > 0)
        return replica->in_isr;
    return mb_elr_count(partition) > 0 ? replica->eligible : replica->broker == partition->last_known_leader;
}

/* Who knows best what is committed: the leader, or who would be. */
static struct mb_replica *best_of(const struct mb_partition *partition)
{
    struct mb_replica *best = mb_partition_leader(partition);
    for (int32_t i = 0; !mb_partition_leader(partition) && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (may_lead(replica) && (!best || replica->high_watermark > best->high_watermark))
            best = replica;
    }
    return best;
}

struct filling {
    const struct kci_alloc *alloc;
    struct sim_log *log;
};

static void fill(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    const struct filling *f = context;
    struct sim_log *log = f->log;
    if (log->records.count == log->records.capacity) {
        log->records.capacity = log->records.capacity ? 2 * log->records.capacity : 256;
        log->records.items =
            kci_alloc_resize(f->alloc, log->records.items, log->records.capacity * sizeof *log->records.items);
        assert(log->records.items);
    }
    log->records.items[log->records.count++] = sim_logged_of(header, view);
}

static void fill_log(struct sim_brokers *b, struct sim_log *log, struct mb_replica *replica, int64_t to)
{
    struct filling filling = { b->stage->alloc, log };
    log->records.count = 0;
    if (replica && !sim_log_walk(b->stage, &replica->log, to, fill, &filling))
        sim_violation(&b->stage->verdict, "B4", "broker %d cannot read its log of partition %d", replica->broker,
                      replica->partition->index);
}

static void note_committed(void *context, const struct mb_group_offset_view *offset)
{
    int64_t *committed = context;
    if (strcmp(offset->topic, SIM_TOPIC) == 0 && offset->partition < SIM_PARTITIONS_MAX)
        committed[offset->partition] = offset->offset;
}

static void read_committed(const struct sim_brokers *b, int64_t *committed)
{
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        committed[p] = -1;
    mb_view_group_offsets(b->cluster, kci_str_of(SIM_GROUP), note_committed, committed);
}

/* One copy of one log in which others are in sync: it is found by its CRC, and fetched again. */
static void rot_one(struct sim_brokers *b, struct sim_power *power, int32_t p, int32_t broker)
{
    char folder[40];
    snprintf(folder, sizeof folder, "%s-%d", SIM_TOPIC, (int)p);
    if (sim_disk_rot(&b->disk, broker, folder, &power->prng))
        sim_note(&b->stage->world, "a bit of %s flips on the disk of broker %d", folder, (int)broker);
}

static void fail(void *owner, int64_t now)
{
    struct sim_power *power = owner;
    struct sim_brokers *b = power->brokers;
    const struct sim_workload *w = &b->stage->workload;
    bool others[SIM_PARTITIONS_MAX] = { false };
    int32_t rotten = 1 + (int32_t)kci_prng_below(&power->prng, SIM_BROKERS);
    sim_note(&b->stage->world, "the power fails");
    mb_fault_remove_all(b->cluster, now); /* who looks at the logs here is to see them */
    power->error_count = 0;
    for (int32_t p = 0; p < b->stage->partitions; p++) {
        const struct mb_partition *partition = partition_of(b, p);
        struct mb_replica *best = partition ? best_of(partition) : NULL;
        /* a new leader does not know yet how much is committed: more than its high watermark, perhaps */
        fill_log(b, &power->before[p], best, !w->synced ? INT64_MAX : best ? best->high_watermark : 0);
        for (int32_t i = 0; partition && i < partition->replica_count; i++)
            others[p] |= may_lead(&partition->replicas[i]) && partition->replicas[i].broker != rotten &&
                         !mb_cluster_broker(b->cluster, partition->replicas[i].broker)->killed; /* eligible no more */
    }
    read_committed(b, power->committed);
    b->disk.off = b->host->mute = true;
    mb_cluster_destroy(b->cluster, now);
    b->cluster = NULL;
    sim_host_crash(b->host);
    b->host->mute = false;
    if (b->disk.open_files || b->memory.live_blocks)
        sim_violation(&b->stage->verdict, "R1", "the brokers left %zu open files and %zu blocks", b->disk.open_files,
                      b->memory.live_blocks);
    sim_disk_lose(&b->disk, &power->prng);
    for (int32_t p = 0; w->rot && p < b->stage->partitions; p++)
        if (others[p] && kci_prng_chance(&power->prng, 1, 2))
            rot_one(b, power, p, rotten);
    sim_alarm_set(&b->stage->world, &power->returns,
                  now + 1 + (int64_t)kci_prng_below(&power->prng, (uint64_t)w->down_max));
}

/* ---- after ---- */

static bool same(const struct sim_logged *a, const struct sim_logged *b)
{
    return a->offset == b->offset && a->value.checksum == b->value.checksum && a->value.producer == b->value.producer &&
           a->value.counter == b->value.counter;
}

/* Each replica is cleaned at its own time: the cleaner, or retention, may have taken it where another leads now. */
static bool may_be_gone(const struct sim_stage *stage, int32_t p, int64_t offset)
{
    const struct sim_logged *written = stage->workload.gaps.on ? sim_log_at(&stage->history, p, offset) : NULL;
    return written && written->gone_at;
}

static void compare_log(struct sim_brokers *b, const struct sim_log *before, const struct sim_log *now, int32_t p,
                        bool may_lose)
{
    struct sim_stage *stage = b->stage;
    for (size_t i = 0, k = 0; i < before->records.count; i++) {
        const struct sim_logged *was = &before->records.items[i];
        while (k < now->records.count && now->records.items[k].offset < was->offset)
            k++; /* a log may begin earlier now: where it had begun was not written down */
        if (k < now->records.count && same(was, &now->records.items[k]))
            continue;
        bool other = k < now->records.count && now->records.items[k].offset == was->offset;
        if (!other && may_be_gone(stage, p, was->offset))
            continue;
        if (may_lose)
            sim_history_lost(&stage->history, (struct sim_lost){ p, b->power->losses, *was });
        else
            sim_violation(&stage->verdict, "B4", "partition %d: offset %lld was committed and synced, and is %s", p,
                          (long long)was->offset, other ? "another one now" : "gone");
    }
    for (int group = 0; group < 2; group++)
        if (may_lose && stage->delivered_end[group][p] > (int64_t)now->records.count)
            stage->delivered_end[group][p] = (int64_t)now->records.count;
    if (now->records.count < before->records.count)
        sim_note(&stage->world, "partition %d ends at %zu now; %zu were committed", p, now->records.count,
                 before->records.count);
}

struct sequences {
    size_t count;
    struct mb_producer_view of[PRODUCERS_MAX];
};

static void note_sequence(struct sequences *s, const struct kci_batch_header *header)
{
    size_t i = 0;
    while (i < s->count && s->of[i].id != header->producer_id)
        i++;
    if (header->producer_id < 0 || i == PRODUCERS_MAX)
        return;
    s->count += i == s->count;
    s->of[i].id = header->producer_id;
    s->of[i].epoch = header->producer_epoch;
    s->of[i].last_sequence = header->base_sequence + header->last_offset_delta;
}

/* What the brokers know of producers is what the log says. */
static void compare_producers(struct sim_brokers *b, struct mb_replica *leader)
{
    static struct mb_producer_view known[PRODUCERS_MAX];
    static struct sequences wanted;
    size_t count = mb_producers_list(&leader->producers, known, PRODUCERS_MAX);
    wanted.count = 0;
    for (size_t i = 0; i < leader->log.count; i++) { /* also of batches in which no record is left */
        const uint8_t *batch = mb_log_bytes(&leader->log, i);
        struct kci_reader r = kci_reader_of(batch, batch ? mb_log_entry(&leader->log, i)->size : 0);
        struct kci_batch_header header;
        size_t size;
        if (batch && kci_batch_peek(&r, &header, &size) == KCI_BATCH_OK)
            note_sequence(&wanted, &header);
    }
    for (size_t i = 0; i < wanted.count; i++) {
        size_t k = 0;
        while (k < count && known[k].id != wanted.of[i].id)
            k++;
        if (k == count || known[k].epoch != wanted.of[i].epoch || known[k].last_sequence != wanted.of[i].last_sequence)
            sim_violation(&b->stage->verdict, "B4",
                          "partition %d: of producer %lld, epoch %d, sequence %d, broker %d "
                          "knows %s",
                          leader->partition->index, (long long)wanted.of[i].id, wanted.of[i].epoch,
                          wanted.of[i].last_sequence, leader->broker, k == count ? "nothing" : "something else");
    }
}

/* Of a partition that nobody leads: who may lead next, and was killed, may have lost what another one has. */
static struct mb_replica *longest_of(struct mb_partition *partition)
{
    struct mb_replica *longest = &partition->replicas[0];
    for (int32_t i = 1; i < partition->replica_count; i++)
        if (partition->replicas[i].log.end_offset > longest->log.end_offset)
            longest = &partition->replicas[i];
    return longest;
}

void sim_brokers_lose_topic(struct sim_brokers *b)
{
    const struct sim_log nothing = { .records = { 0 } };
    end_errors(b);
    for (int32_t p = 0; p < b->stage->partitions; p++) {
        struct mb_partition *partition = partition_of(b, p);
        struct mb_replica *leader = mb_partition_leader(partition);
        fill_log(b, &b->power->before[p], leader ? leader : longest_of(partition), INT64_MAX);
        compare_log(b, &b->power->before[p], &nothing, p, true);
    }
    b->power->losses++;
}

static void come_back(void *owner, int64_t now)
{
    (void)now;
    struct sim_power *power = owner;
    struct sim_brokers *b = power->brokers;
    struct sim_stage *stage = b->stage;
    struct sim_log log = { .records = { 0 } };
    int64_t committed[SIM_PARTITIONS_MAX];
    sim_note(&stage->world, "the power returns");
    b->disk.off = false;
    sim_brokers_switch_on(b);
    for (int32_t p = 0; p < stage->partitions; p++) {
        const struct mb_partition *partition = partition_of(b, p);
        struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
        if (!leader && partition)
            sim_violation(&stage->verdict, "B4", "partition %d has no leader after a restart", p);
        fill_log(b, &log, leader, INT64_MAX);
        compare_log(b, &power->before[p], &log, p, !stage->workload.synced);
        if (leader)
            compare_producers(b, leader);
        b->seen[p] = (struct sim_seen){ .epoch = -1 }; /* the high watermark is what was last written down */
    }
    power->losses++;
    kci_alloc_free(stage->alloc, log.records.items);
    read_committed(b, committed);
    for (int32_t p = 0; stage->workload.synced && !stage->workload.recreate_us && p < stage->partitions; p++)
        if (power->committed[p] >= 0 && committed[p] < 0)
            sim_violation(&stage->verdict, "B4", "the group had committed offset %lld of partition %d; now it has none",
                          (long long)power->committed[p], p);
    if (!stage->healed)
        sim_alarm_again(&stage->world, &power->fails, &power->prng, stage->workload.power_us);
}

/* ---- errors ---- */

static void arm_error(void *owner, int64_t now)
{
    static const char *const kinds[] = { "storage_full", "write_error", "torn_write", "read_error", "sync_error" };
    struct sim_power *power = owner;
    struct sim_brokers *b = power->brokers;
    uint64_t kind = kci_prng_below(&power->prng, sizeof kinds / sizeof *kinds);
    uint64_t broker = 1 + kci_prng_below(&power->prng, SIM_BROKERS);
    uint64_t count = 1 + kci_prng_below(&power->prng, 5);
    bool coordinator = kci_prng_chance(&power->prng, 1, 4);
    char json[200], why[200];
    snprintf(
        json, sizeof json,
        "{\"match\": {\"broker\": %d, \"topic\": \"%s\"}, \"count\": %d, \"duration_ms\": 500, \"action\": \"%s\"}",
        (int)broker, coordinator ? SIM_OFFSETS_TOPIC : SIM_TOPIC, (int)count, kinds[kind]);
    int32_t *id = &power->errors[power->error_count % ERRORS_MAX];
    if (b->cluster && mb_fault_add(b->cluster, kci_str_of(json), id, why, sizeof why, now) == 0) {
        power->error_count++;
        sim_note(&b->stage->world, "the next %d of broker %d: %s", (int)count, (int)broker, kinds[kind]);
    }
    sim_alarm_again(&b->stage->world, &power->error, &power->prng, b->stage->workload.disk_us);
}

/* ---- life ---- */

void sim_power_open(struct sim_brokers *b)
{
    const struct sim_workload *w = &b->stage->workload;
    struct sim_power *power = kci_alloc_zero(b->stage->alloc, 1, sizeof *power);
    assert(power);
    b->power = power;
    power->brokers = b;
    power->prng = sim_stream(w->seed, 6);
    power->fails.fire = fail;
    power->returns.fire = come_back;
    power->error.fire = arm_error;
    power->fails.owner = power->returns.owner = power->error.owner = power;
    int64_t now = b->stage->world.now;
    if (w->power_us)
        sim_alarm_again(&b->stage->world, &power->fails, &power->prng, w->power_us);
    if (w->disk_us)
        sim_alarm_set(&b->stage->world, &power->error, now + 1);
}

void sim_power_heal(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->power->fails);
    sim_alarm_stop(&b->stage->world, &b->power->error);
    sim_alarm_stop(&b->stage->world, &b->power->returns);
    if (!b->cluster)
        come_back(b->power, b->stage->world.now);
    mb_fault_remove_all(b->cluster, b->stage->world.now);
}

void sim_power_close(struct sim_brokers *b)
{
    struct sim_power *power = b->power;
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        kci_alloc_free(b->stage->alloc, power->before[p].records.items);
    kci_alloc_free(b->stage->alloc, power);
    sim_disk_destroy(&b->disk);
}
