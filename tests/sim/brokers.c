/* The brokers: one engine for all of them, on one host with a listener per broker.  In phase 1 they are stopped, killed
 * and started, and leaders move.  Their disks are in power.c, what their logs hold in logs.c. */
#include "actors.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"
#include "mockbroker/core/view.h"

#include <assert.h>
#include <stdio.h>

#define LOOK_US            (7 * SIM_MS)
#define ABSENT_US          (500 * SIM_MS) /* a deleted topic, at most */
#define OFFSETS_PARTITIONS 3              /* at most */

static struct kci_str topic(void)
{
    return kci_str_of(SIM_TOPIC);
}

/* ---- phase 1 ---- */

static void come_back(void *owner, int64_t now)
{
    struct sim_broker_back *each = owner;
    struct sim_brokers *b = each->brokers;
    if (!b->cluster) /* the power has failed: it is among those that come back with it */
        return;
    sim_note(&b->stage->world, "broker %d starts", each->id);
    each->down = false;
    mb_cluster_broker_start(b->cluster, each->id, now);
    sim_host_wake(b->host);
}

/* Somebody has all that is committed, and its disk too: in the ISR, or eligible (KIP-966) and left in an orderly way. */
static bool others_have(const struct sim_brokers *b, const struct mb_replica *replica)
{
    const struct mb_partition *partition = replica->partition;
    bool others = partition->leader >= 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        const struct mb_replica *other = &partition->replicas[i];
        others |= other != replica && other->eligible && !mb_cluster_broker(b->cluster, other->broker)->killed;
    }
    return others && !replica->in_isr;
}

/* What a killed broker had not yet on its disk is gone when it comes back: a part of the tail of each log that others
 * have, too. Nothing acknowledged by them may be missing afterwards. */
static void lose_tails(struct sim_brokers *b, int32_t broker, int64_t now)
{
    const struct mb_topic *found = mb_topic_find(b->cluster, topic());
    for (int32_t p = 0; found && p < found->partition_count; p++) {
        const struct mb_replica *replica = mb_partition_replica(found->partitions[p], broker);
        if (!replica || !others_have(b, replica) || !kci_prng_chance(&b->prng, 1, 2))
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
    if (!clean && !w->disk)
        lose_tails(b, i + 1, now);
    sim_host_wake(b->host);
    sim_alarm_set(&b->stage->world, &b->back[i], now + 1 + (int64_t)kci_prng_below(&b->prng, (uint64_t)w->down_max));
}

static void move_leader(struct sim_brokers *b, int64_t now)
{
    bool coordinator = kci_prng_chance(&b->prng, 1, 4);
    struct kci_str name = coordinator ? kci_str_of(SIM_OFFSETS_TOPIC) : topic();
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
    const struct mb_topic *found = b->cluster ? mb_topic_find(b->cluster, topic()) : NULL;
    for (int32_t p = 0; found && p < found->partition_count && p < SIM_PARTITIONS_MAX; p++)
        look_at_partition(b, found->partitions[p]);
    sim_alarm_set(&b->stage->world, &b->looking, now + LOOK_US);
}

static void grow(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    char text[200];
    int16_t error = !b->cluster ? KCI_BROKER_NOT_AVAILABLE
                                : mb_topic_grow(mb_topic_find(b->cluster, topic()), b->stage->workload.partitions, NULL,
                                                false, text, sizeof text, now);
    if (error) { /* too few brokers run */
        sim_alarm_set(&b->stage->world, &b->grow, now + 50 * SIM_MS);
        return;
    }
    b->stage->partitions = b->stage->workload.partitions;
    sim_note(&b->stage->world, "%d partitions from now on", b->stage->partitions);
    sim_host_wake(b->host);
}

/* The topic vanishes with all it has; after a while there is another one of that name. */
static void recreate(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    struct sim_stage *stage = b->stage;
    int64_t again = now + 1 + (int64_t)kci_prng_below(&b->recreation, 2 * (uint64_t)stage->workload.recreate_us);
    if (!b->cluster) {
        sim_alarm_set(&stage->world, &b->vanish, again);
        return;
    }
    if (mb_topic_find(b->cluster, topic())) {
        sim_note(&stage->world, "the topic is deleted");
        sim_brokers_lose_topic(b);
        mb_cluster_delete_topic(b->cluster, topic(), now);
        again = now + 1 + (int64_t)kci_prng_below(&b->recreation, ABSENT_US);
    } else if (mb_cluster_create_topic(b->cluster, topic(), stage->partitions, SIM_BROKERS, NULL, 0, now) != 0) {
        again = now + 50 * SIM_MS; /* too few brokers run */
    } else {
        sim_note(&stage->world, "the topic is made anew");
        stage->made_at = now;
        for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
            b->seen[p] = (struct sim_seen){ .epoch = -1 };
    }
    sim_host_wake(b->host);
    sim_alarm_set(&stage->world, &b->vanish, again);
}

static void act(void *owner, int64_t now)
{
    struct sim_brokers *b = owner;
    const struct sim_workload *w = &b->stage->workload;
    uint64_t choice = kci_prng_below(&b->prng, w->kill + w->stop + w->move);
    if (!b->cluster)
        sim_note(&b->stage->world, "no broker has power");
    else if (choice < w->kill)
        go_down(b, false, now);
    else if (choice < w->kill + w->stop)
        go_down(b, true, now);
    else
        move_leader(b, now);
    sim_alarm_again(&b->stage->world, &b->next, &b->prng, w->broker_us);
}

void sim_brokers_switch_on(struct sim_brokers *b)
{
    struct sim_stage *stage = b->stage;
    char text[200];
    b->options.seed = kci_prng_next(&b->prng);
    int failure = mb_cluster_create(&b->cluster, &b->options, stage->world.now, text, sizeof text);
    if (failure) {
        fprintf(stderr, "seed %llu: the brokers do not start: %s\n", (unsigned long long)stage->workload.seed, text);
        assert(!failure);
    }
    for (int32_t i = 0; i < SIM_BROKERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "broker-%d", i + 1);
        mb_cluster_set_address(b->cluster, i + 1, name, sim_broker_port(i + 1));
        b->each[i].down = false;
    }
    sim_host_set(b->host, sim_gaps_watched(b, mb_cluster_engine(b->cluster)));
}

static void listen_all(struct sim_brokers *b)
{
    for (int32_t i = 0; i < SIM_BROKERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "broker-%d", i + 1);
        sim_listen(b->host, name, sim_broker_port(i + 1), (void *)(intptr_t)(i + 1));
        b->each[i] = (struct sim_broker_back){ .brokers = b, .id = i + 1 };
        b->back[i].fire = come_back;
        b->back[i].owner = &b->each[i];
    }
}

static void set_alarms(struct sim_brokers *b)
{
    struct sim_stage *stage = b->stage;
    const struct sim_workload *w = &stage->workload;
    b->looking.fire = look;
    b->grow.fire = grow;
    b->next.fire = act;
    b->looking.owner = b->grow.owner = b->next.owner = b;
    sim_alarm_set(&stage->world, &b->looking, stage->world.now);
    if (w->grow_us)
        sim_alarm_set(&stage->world, &b->grow, stage->world.now + w->grow_us);
    b->recreation = sim_stream(w->seed, 9);
    b->vanish.fire = recreate;
    b->vanish.owner = b;
    if (w->recreate_us)
        sim_alarm_again(&stage->world, &b->vanish, &b->recreation, w->recreate_us);
    if (w->broker_us)
        sim_alarm_within(&stage->world, &b->next, &b->prng, w->broker_us);
}

void sim_brokers_open(struct sim_brokers *b, struct sim_stage *stage)
{
    const struct sim_workload *w = &stage->workload;
    memset(b, 0, sizeof *b);
    b->stage = stage;
    b->prng = sim_stream(w->seed, 3);
    b->alloc = test_alloc_counting(&b->memory);
    sim_disk_init(&b->disk, stage->alloc);
    b->options = (struct mb_options){ .alloc = &b->alloc,
                                      .brokers = SIM_BROKERS,
                                      .wall_offset_us = SIM_WALL_MS * 1000,
                                      .config = w->broker_config,
                                      .replication_delay_us = w->replication_delay_us,
                                      .storage = w->disk ? &b->disk.face : NULL,
                                      .plant = stage->plants.broker };
    b->host = sim_host_add(&stage->world, "mb", &b->options.transport);
    b->options.logger = sim_logger(b->host);
    listen_all(b);
    sim_gaps_open(b);
    sim_brokers_switch_on(b);
    stage->partitions = w->partitions_first;
    size_t count = 0;
    const char *const *configs = sim_gaps_configs(b, &count);
    int16_t error = mb_cluster_create_topic(b->cluster, topic(), w->partitions_first, SIM_BROKERS, configs, count,
                                            stage->world.now);
    assert(error == 0);
    (void)error;
    if (stage->plants.starve == SIM_STARVE_BROKERS)
        b->memory.fail_at = b->memory.count + stage->plants.starve_at;
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        b->seen[p].epoch = -1;
    set_alarms(b);
    sim_power_open(b);
    sim_errors_open(b);
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
    sim_errors_heal(b);
    sim_power_heal(b);
    sim_gaps_heal(b);
    for (int i = 0; i < SIM_BROKERS; i++) {
        sim_alarm_stop(&b->stage->world, &b->back[i]);
        if (b->each[i].down)
            come_back(&b->each[i], b->stage->world.now);
    }
    sim_alarm_stop(&b->stage->world, &b->vanish);
    if (!mb_topic_find(b->cluster, topic()))
        recreate(b, b->stage->world.now);
    sim_alarm_stop(&b->stage->world, &b->vanish);
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
    if (b->stage->workload.gaps.on)
        return sim_gaps_end(b, partition);
    return mb_cluster_partition(b->cluster, topic(), partition, &view) == 0 ? view.high_watermark : -1;
}

int32_t sim_brokers_generation(const struct sim_brokers *b, const char *member_id)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; b->cluster && member_id && (entry = kci_map_next(&b->cluster->groups->by_id, &at)) != NULL;) {
        const struct mb_group *group = entry->value;
        if (!kci_str_equal(group->id, kci_str_of(SIM_GROUP)))
            continue;
        if (!group->modern)
            return mb_group_member_find(group, kci_str_of(member_id)) ? group->generation : SIM_UNKNOWN;
        const struct mb_modern_member *member = mb_modern_member_find(group, kci_str_of(member_id));
        return member ? member->epoch : SIM_UNKNOWN;
    }
    return SIM_UNKNOWN;
}

bool sim_brokers_know(const struct sim_brokers *b, const char *member_id)
{
    return sim_brokers_generation(b, member_id) != SIM_UNKNOWN;
}

int32_t sim_brokers_coordinator(const struct sim_brokers *b)
{
    const struct mb_groups *groups = b->cluster ? b->cluster->groups : NULL;
    int32_t partition = groups && groups->partitions ? mb_groups_partition_of(groups, kci_str_of(SIM_GROUP)) : -1;
    return partition >= 0 ? groups->partitions[partition].broker : -1;
}

bool sim_brokers_group(struct sim_brokers *b, struct mb_group_view *view)
{
    for (size_t at = 0; b->cluster && mb_view_group_next(b->cluster, &at, view);)
        if (kci_str_equal(view->id, kci_str_of(SIM_GROUP)))
            return true;
    return false;
}

void sim_brokers_close(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->next);
    sim_alarm_stop(&b->stage->world, &b->grow);
    sim_alarm_stop(&b->stage->world, &b->looking);
    sim_alarm_stop(&b->stage->world, &b->vanish);
    for (int i = 0; i < SIM_BROKERS; i++)
        sim_alarm_stop(&b->stage->world, &b->back[i]);
    mb_cluster_destroy(b->cluster, b->stage->world.now);
    sim_host_crash(b->host);
    sim_gaps_close(b);
    sim_power_close(b);
    sim_errors_close(b);
    b->stage->starved |= b->memory.fail_at && b->memory.count >= b->memory.fail_at;
    if (b->memory.live_blocks)
        sim_violation(&b->stage->verdict, "R1", "the brokers left %zu blocks (%zu bytes)", b->memory.live_blocks,
                      b->memory.live_bytes);
}
