/* The brokers: one engine for all of them, on one host with a listener per broker.  In phase 1 they are stopped, killed
 * and started, and leaders move; at the end the committed logs are read. */
#include "actors.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_records.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/view.h"
#include "protocol/records.h"

#include <assert.h>
#include <stdio.h>

#define PLAIN_BYTES_MAX    ((size_t)16 << 20)
#define LOOK_US            (7 * SIM_MS)
#define OFFSETS_TOPIC      "__consumer_offsets"
#define OFFSETS_PARTITIONS 3 /* at most */

static struct kci_str topic(void)
{
    return kci_str_of(SIM_TOPIC);
}

/* ---- phase 1 ---- */

static void come_back(void *owner, int64_t now)
{
    struct sim_broker_back *each = owner;
    struct sim_brokers *b = each->brokers;
    sim_note(&b->stage->world, "broker %d starts", each->id);
    each->down = false;
    mb_cluster_broker_start(b->cluster, each->id, now);
    sim_host_wake(b->host);
}

/* What a killed broker had not yet on its disk is gone when it comes back: a part of the tail of each log that others
 * have, too. Nothing acknowledged by them may be missing afterwards. */
static void lose_tails(struct sim_brokers *b, int32_t broker, int64_t now)
{
    const struct mb_topic *found = mb_topic_find(b->cluster, topic());
    for (int32_t p = 0; p < found->partition_count; p++) {
        const struct mb_replica *replica = mb_partition_replica(found->partitions[p], broker);
        if (!replica || found->partitions[p]->leader < 0 || replica->in_isr || !kci_prng_chance(&b->prng, 1, 2))
            continue;
        uint64_t size = (uint64_t)(replica->log.end_offset - replica->log.start_offset);
        int64_t kept = replica->log.end_offset - (int64_t)kci_prng_below(&b->prng, (size < 100 ? size : 100) + 1);
        if (mb_cluster_truncate(b->cluster, topic(), p, broker, kept, now) == 0)
            sim_note(&b->stage->world, "broker %d loses %s-%d from %lld on", (int)broker, SIM_TOPIC, (int)p,
                     (long long)kept);
    }
}

static void go_down(struct sim_brokers *b, bool clean, int64_t now)
{
    const struct sim_workload *w = &b->stage->workload;
    int i = (int)kci_prng_below(&b->prng, SIM_BROKERS), down = 0;
    for (int k = 0; k < SIM_BROKERS; k++)
        down += b->each[k].down;
    if (b->each[i].down || down >= w->down_brokers)
        return;
    sim_note(&b->stage->world, "broker %d %s", i + 1, clean ? "stops" : "is killed");
    b->each[i].down = true;
    mb_cluster_broker_stop(b->cluster, i + 1, clean, now);
    if (!clean)
        lose_tails(b, i + 1, now);
    sim_host_wake(b->host);
    sim_alarm_set(&b->stage->world, &b->back[i], now + 1 + (int64_t)kci_prng_below(&b->prng, (uint64_t)w->down_max));
}

static void move_leader(struct sim_brokers *b, int64_t now)
{
    bool coordinator = kci_prng_chance(&b->prng, 1, 4);
    struct kci_str name = coordinator ? kci_str_of(OFFSETS_TOPIC) : topic();
    int32_t partition =
        (int32_t)kci_prng_below(&b->prng, (uint64_t)(coordinator ? OFFSETS_PARTITIONS : b->stage->partitions));
    int32_t to = 1 + (int32_t)kci_prng_below(&b->prng, SIM_BROKERS);
    int16_t error = mb_cluster_move_leader(b->cluster, name, partition, to, now);
    if (error == 0)
        sim_note(&b->stage->world, "broker %d leads %s-%d", to, name.data, partition);
    sim_host_wake(b->host);
}

/* B3, looked at now and then: nobody in sync lacks what counts as committed; an epoch has one leader; in it the high
 * watermark rises. */
static void look_at_partition(struct sim_brokers *b, const struct mb_partition *partition)
{
    struct sim_verdict *verdict = &b->stage->verdict;
    struct sim_seen *seen = &b->seen[partition->index];
    const struct mb_replica *leader = mb_partition_leader(partition);
    if (!leader)
        return;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *replica = &partition->replicas[i];
        if (replica->in_isr && replica->log.end_offset < leader->high_watermark)
            sim_violation(verdict, "B3",
                          "partition %d: broker %d is in sync and ends at %lld; the high watermark is %lld",
                          partition->index, replica->broker, (long long)replica->log.end_offset,
                          (long long)leader->high_watermark);
    }
    if (partition->leader_epoch == seen->epoch && partition->leader != seen->leader)
        sim_violation(verdict, "B3", "partition %d: brokers %d and %d lead in epoch %d", partition->index, seen->leader,
                      partition->leader, seen->epoch);
    if (partition->leader_epoch < seen->epoch ||
        (partition->leader_epoch == seen->epoch && leader->high_watermark < seen->high_watermark))
        sim_violation(verdict, "B3", "partition %d: epoch %d, high watermark %lld after epoch %d, %lld",
                      partition->index, partition->leader_epoch, (long long)leader->high_watermark, seen->epoch,
                      (long long)seen->high_watermark);
    *seen = (struct sim_seen){ partition->leader, partition->leader_epoch, leader->high_watermark };
}

static void look(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    const struct mb_topic *found = mb_topic_find(b->cluster, topic());
    for (int32_t p = 0; p < found->partition_count && p < SIM_PARTITIONS_MAX; p++)
        look_at_partition(b, found->partitions[p]);
    sim_alarm_set(&b->stage->world, &b->looking, now + LOOK_US);
}

static void grow(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    char text[200];
    int16_t error = mb_topic_grow(mb_topic_find(b->cluster, topic()), b->stage->workload.partitions, NULL, false, text,
                                  sizeof text, now);
    if (error) { /* too few brokers run */
        sim_alarm_set(&b->stage->world, &b->grow, now + 50 * SIM_MS);
        return;
    }
    b->stage->partitions = b->stage->workload.partitions;
    sim_note(&b->stage->world, "%d partitions from now on", b->stage->partitions);
    sim_host_wake(b->host);
}

static void act(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    const struct sim_workload *w = &b->stage->workload;
    uint64_t choice = kci_prng_below(&b->prng, w->kill + w->stop + w->move);
    if (choice < w->kill)
        go_down(b, false, now);
    else if (choice < w->kill + w->stop)
        go_down(b, true, now);
    else
        move_leader(b, now);
    sim_alarm_set(&b->stage->world, &b->next, now + 1 + (int64_t)kci_prng_below(&b->prng, 2 * (uint64_t)w->broker_us));
}

void sim_brokers_open(struct sim_brokers *b, struct sim_stage *stage)
{
    const struct sim_workload *w = &stage->workload;
    char text[200];
    memset(b, 0, sizeof *b);
    b->stage = stage;
    b->prng = sim_stream(w->seed, 3);
    b->alloc = test_alloc_counting(&b->memory);
    struct mb_options options = { .alloc = &b->alloc,
                                  .seed = kci_prng_next(&b->prng),
                                  .brokers = SIM_BROKERS,
                                  .wall_offset_us = SIM_WALL_MS * 1000,
                                  .config = w->broker_config,
                                  .replication_delay_us = w->replication_delay_us,
                                  .plant = stage->plants.broker };
    b->host = sim_host_add(&stage->world, "mb", &options.transport);
    options.logger = sim_logger(b->host);
    int failure = mb_cluster_create(&b->cluster, &options, stage->world.now, text, sizeof text);
    if (failure) {
        fprintf(stderr, "the brokers do not start: %s\n", text);
        assert(!failure);
    }
    for (int32_t i = 0; i < SIM_BROKERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "broker-%d", i + 1);
        sim_listen(b->host, name, (uint16_t)(9092 + i), (void *)(intptr_t)(i + 1));
        mb_cluster_set_address(b->cluster, i + 1, name, (uint16_t)(9092 + i));
        b->each[i] = (struct sim_broker_back){ .brokers = b, .id = i + 1 };
        b->back[i].fire = come_back;
        b->back[i].owner = &b->each[i];
    }
    sim_host_set(b->host, mb_cluster_engine(b->cluster));
    stage->partitions = w->partitions_first;
    int16_t error =
        mb_cluster_create_topic(b->cluster, topic(), w->partitions_first, SIM_BROKERS, NULL, 0, stage->world.now);
    assert(error == 0);
    (void)error;
    if (stage->plants.starve == SIM_STARVE_BROKERS)
        b->memory.fail_at = b->memory.count + stage->plants.starve_at;
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        b->seen[p].epoch = -1;
    b->looking.fire = look;
    b->looking.owner = b;
    sim_alarm_set(&stage->world, &b->looking, stage->world.now);
    b->grow.fire = grow;
    b->grow.owner = b;
    if (w->grow_us)
        sim_alarm_set(&stage->world, &b->grow, stage->world.now + w->grow_us);
    b->next.fire = act;
    b->next.owner = b;
    if (w->broker_us)
        sim_alarm_set(&stage->world, &b->next,
                      stage->world.now + (int64_t)kci_prng_below(&b->prng, (uint64_t)w->broker_us));
}

/* ---- phase 2 ---- */

void sim_brokers_black_out(struct sim_brokers *b)
{
    sim_note(&b->stage->world, "no broker is there any more");
    for (int i = 0; i < SIM_BROKERS; i++)
        if (!b->each[i].down) {
            b->each[i].down = true;
            mb_cluster_broker_stop(b->cluster, i + 1, false, b->stage->world.now);
        }
    sim_host_wake(b->host);
}

void sim_brokers_heal(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->next);
    for (int i = 0; i < SIM_BROKERS; i++) {
        sim_alarm_stop(&b->stage->world, &b->back[i]);
        if (b->each[i].down)
            come_back(&b->each[i], b->stage->world.now);
    }
}

bool sim_brokers_in_sync(struct sim_brokers *b, char *why, size_t size)
{
    for (int32_t p = 0; p < b->stage->workload.partitions; p++) {
        struct mb_partition_view view;
        int16_t error = mb_cluster_partition(b->cluster, topic(), p, &view);
        if (error || view.leader < 0 || view.isr_count < SIM_BROKERS || view.high_watermark < view.log_end) {
            snprintf(why, size, "partition %d: leader %d, %d in sync, high watermark %lld of %lld", p, view.leader,
                     view.isr_count, (long long)view.high_watermark, (long long)view.log_end);
            return false;
        }
    }
    return true;
}

int64_t sim_brokers_end(struct sim_brokers *b, int32_t partition)
{
    struct mb_partition_view view;
    return mb_cluster_partition(b->cluster, topic(), partition, &view) == 0 ? view.high_watermark : -1;
}

bool sim_brokers_know(struct sim_brokers *b, const char *member_id)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; member_id && (entry = kci_map_next(&b->cluster->groups->by_id, &at)) != NULL;) {
        const struct mb_group *group = entry->value;
        if (kci_str_equal(group->id, kci_str_of(SIM_GROUP)))
            return group->modern ? mb_modern_member_find(group, kci_str_of(member_id)) != NULL
                                 : mb_group_member_find(group, kci_str_of(member_id)) != NULL;
    }
    return false;
}

bool sim_brokers_group(struct sim_brokers *b, struct mb_group_view *view)
{
    for (size_t at = 0; mb_view_group_next(b->cluster, &at, view);)
        if (kci_str_equal(view->id, kci_str_of(SIM_GROUP)))
            return true;
    return false;
}

static void read_order(struct sim_brokers *b, int32_t partition, const struct kci_batch_header *header,
                       const struct kci_record_view *view)
{
    struct sim_logged logged = { .value = sim_value_read(view->value.data, view->value.size),
                                 .offset = view->offset,
                                 .leader_epoch = header->leader_epoch };
    sim_trace(&b->stage->world, (uint64_t)view->offset << 32 | logged.value.checksum);
    sim_history_logged(&b->stage->history, partition, logged);
}

static void read_commit(struct sim_brokers *b, int32_t partition, const struct kci_batch_header *header,
                        const struct kci_record_view *view)
{
    struct mb_group_record record;
    (void)partition;
    (void)header;
    if (!mb_group_records_read(view, &record) || record.kind != MB_GROUP_RECORD_OFFSET || record.tombstone ||
        record.commit.partition >= b->stage->workload.partitions)
        return;
    sim_history_commit(&b->stage->history, (struct sim_commit){ .partition = record.commit.partition,
                                                                .offset = record.commit.offset,
                                                                .at_ms = record.commit.commit_ms - SIM_WALL_MS });
}

static void read_log(struct sim_brokers *b, struct kci_str name, int32_t partition,
                     void (*read)(struct sim_brokers *, int32_t, const struct kci_batch_header *,
                                  const struct kci_record_view *))
{
    struct mb_partition_view at;
    struct kci_bytes batch;
    if (mb_cluster_partition(b->cluster, name, partition, &at))
        return;
    for (int64_t offset = at.log_start; offset < at.high_watermark;) {
        struct kci_batch_iterator it;
        struct kci_record_view view;
        int more;
        if (!mb_cluster_batch(b->cluster, name, partition, offset, &batch) ||
            kci_batch_open(&it, batch.data, batch.size, b->stage->alloc, PLAIN_BYTES_MAX) != KCI_BATCH_OK ||
            !kci_batch_crc_ok(batch.data, batch.size)) {
            sim_violation(&b->stage->verdict, "B3", "%.*s %d offset %lld cannot be read", (int)name.size, name.data,
                          partition, (long long)offset);
            return;
        }
        while ((more = kci_batch_next(&it, &view)) == 1)
            if (view.offset >= offset && view.offset < at.high_watermark)
                read(b, partition, &it.header, &view);
        if (more < 0)
            sim_violation(&b->stage->verdict, "B3", "%.*s %d: damaged records behind offset %lld", (int)name.size,
                          name.data, partition, (long long)offset);
        offset = it.header.base_offset + it.header.last_offset_delta + 1;
        kci_batch_close(&it);
    }
}

static bool same_log(struct mb_log *a, struct mb_log *b)
{
    if (a->count != b->count || a->end_offset != b->end_offset)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct mb_log_entry *x = mb_log_entry(a, i), *y = mb_log_entry(b, i);
        if (x->base_offset != y->base_offset || x->size != y->size ||
            memcmp(mb_log_bytes(a, i), mb_log_bytes(b, i), x->size) != 0)
            return false;
    }
    return true;
}

void sim_brokers_compare(struct sim_brokers *b)
{
    const struct mb_topic *found = mb_topic_find(b->cluster, topic());
    for (int32_t p = 0; p < found->partition_count; p++) {
        struct mb_partition *partition = found->partitions[p];
        for (int32_t i = 1; i < partition->replica_count; i++)
            if (!same_log(&partition->replicas[0].log, &partition->replicas[i].log))
                sim_violation(&b->stage->verdict, "B3", "brokers %d and %d differ in partition %d",
                              partition->replicas[0].broker, partition->replicas[i].broker, p);
    }
}

void sim_brokers_read(struct sim_brokers *b)
{
    for (int32_t p = 0; p < b->stage->workload.partitions; p++)
        read_log(b, topic(), p, read_order);
    for (int32_t p = 0; p < OFFSETS_PARTITIONS; p++)
        read_log(b, kci_str_of(OFFSETS_TOPIC), p, read_commit);
}

void sim_brokers_close(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->next);
    sim_alarm_stop(&b->stage->world, &b->grow);
    sim_alarm_stop(&b->stage->world, &b->looking);
    for (int i = 0; i < SIM_BROKERS; i++)
        sim_alarm_stop(&b->stage->world, &b->back[i]);
    mb_cluster_destroy(b->cluster, b->stage->world.now);
    sim_host_crash(b->host);
    b->stage->starved |= b->memory.fail_at && b->memory.count >= b->memory.fail_at;
    if (b->memory.live_blocks)
        sim_violation(&b->stage->verdict, "R1", "the brokers left %zu blocks (%zu bytes)", b->memory.live_blocks,
                      b->memory.live_bytes);
}
