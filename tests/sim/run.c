/* Two phases (house rule: a simulation that only survives faults proves little):
 *
 *      1 faults   brokers, producers, consumers and the network misbehave as drawn
 *      2 heal     no fault any more, producers close, all must make progress: every record has its fate, every replica
 *                 has everything, everything is delivered, the group is stable, and then nobody is busy
 *
 * After that everything is taken down, the logs are read, and the checks run. */
#include "run.h"

#include "consumer/internal.h"
#include "mockbroker/core/view.h"
#include "tellers.h"

#include <stdio.h>

#define LOOK_US     (20 * SIM_MS)     /* phase 2 looks this often whether all is done */
#define PROGRESS_US (60 * SIM_S)      /* time limit of phase 2, besides time-outs that must pass */
#define GROUP_US    (5 * SIM_S)       /* in which a group comes to rest, besides its time-outs */
#define GENERATIONS 8                 /* rounds in which it does, for each member that there may be */
#define QUIET_US    (2 * SIM_S)       /* how long nobody may be busy */
#define QUIET_STEPS 50                /* steps per second and engine that are not busy */
#define QUIET_FETCH (4 * SIM_BROKERS) /* steps of one round of fetches */

struct run {
    struct sim_stage stage;
    struct sim_brokers brokers;
    struct sim_producer producers[SIM_PRODUCERS_MAX];
    struct sim_consumer consumers[SIM_CONSUMERS_MAX]; /* the last one of SIM_SLOTS is the reader's */
    struct sim_herd herd;
    struct sim_cuts cuts;
    struct sim_bank bank;
    struct kci_prng prng;
    struct sim_alarm churn;
    int64_t healed_at; /* microseconds */
};

static struct sim_consumer *reader_of(struct run *run)
{
    return &run->consumers[SIM_SLOTS - 1];
}

/* ---- members come and go ---- */

static bool is_member(const struct sim_consumer *c)
{
    return !c->reader && c->state != SIM_GONE && c->state != SIM_LEAVING;
}

/* Of the first so many slots: with SIM_CONSUMERS_MAX the herd counts, too. */
static int members_now(const struct run *run, int slots)
{
    int count = 0;
    for (int i = 0; i < slots; i++)
        count += is_member(&run->consumers[i]);
    return count;
}

/* false: every slot is taken, by some who are still leaving. */
static bool add_member(struct run *run)
{
    for (int i = 0; i < SIM_SLOTS - 1; i++)
        if (run->consumers[i].state == SIM_GONE) {
            sim_consumer_join(&run->consumers[i]);
            return true;
        }
    return false;
}

static void remove_member(struct run *run)
{
    int i = (int)kci_prng_below(&run->prng, SIM_SLOTS - 1);
    if (kci_prng_chance(&run->prng, run->stage.workload.crash, 1000000))
        sim_consumer_crash(&run->consumers[i]);
    else
        sim_consumer_leave(&run->consumers[i]);
}

static void churn(void *owner, int64_t now)
{
    (void)now;
    struct run *run = owner;
    const struct sim_workload *w = &run->stage.workload;
    if (members_now(run, SIM_SLOTS) < w->members)
        add_member(run);
    else
        remove_member(run);
    sim_alarm_again(&run->stage.world, &run->churn, &run->prng, w->churn_us);
}

/* ---- the phases ---- */

static void open(struct run *run)
{
    struct sim_stage *stage = &run->stage;
    const struct sim_workload *w = &stage->workload;
    run->prng = sim_stream(w->seed, 4);
    stage->brokers = &run->brokers;
    stage->consumers = run->consumers;
    sim_brokers_open(&run->brokers, stage);
    for (int i = 0; i < w->producers; i++)
        sim_producer_open(&run->producers[i], stage, i + 1);
    for (int i = 0; i < SIM_SLOTS; i++)
        sim_consumer_init(&run->consumers[i], stage, i + 1, i == SIM_SLOTS - 1);
    sim_herd_open(&run->herd, stage);
    sim_cuts_open(&run->cuts, stage);
    for (int i = 0; i < w->members; i++)
        add_member(run);
    if (w->reader)
        sim_consumer_join(reader_of(run));
    sim_bank_open(&run->bank, stage);
    run->churn.fire = churn;
    run->churn.owner = run;
    if (w->churn_us)
        sim_alarm_within(&stage->world, &run->churn, &run->prng, w->churn_us);
}

static bool held_by_member(const struct run *run, int32_t partition)
{
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
        if (!run->consumers[i].reader && run->consumers[i].state != SIM_GONE && run->consumers[i].hold[partition] >= 0)
            return true;
    return false;
}

static bool delivered_all(struct run *run, const int64_t *ends, char *why, size_t size)
{
    const struct sim_workload *w = &run->stage.workload;
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
        if (!sim_consumer_done(&run->consumers[i], ends, why, size))
            return false;
    for (int32_t p = 0; p < w->partitions; p++) {
        if (w->members && !held_by_member(run, p)) {
            snprintf(why, size, "nobody in the group has partition %d", p);
            return false;
        }
        for (int group = 0; group < 2; group++) {
            int64_t got = run->stage.delivered_end[group][p];
            bool group_reads = w->members > 0 && !w->recreate_us; /* see docs/simulation.md */
            int64_t end = w->gaps.on ? sim_gaps_visible(&run->brokers, p) : ends[p];
            if ((group ? group_reads : w->reader) && got < end) {
                snprintf(why, size, "%s got partition %d up to %lld of %lld", group ? "the group" : "the reader", p,
                         (long long)got, (long long)end);
                return false;
            }
        }
    }
    return true;
}

/* As many members as there should be; one that is still leaving may hold a slot. */
static bool all_there(struct run *run)
{
    while (members_now(run, SIM_SLOTS) < run->stage.workload.members)
        if (!add_member(run))
            return false;
    return true;
}

/* All who should be in the group are, for the coordinator and for themselves, and every partition has its owner. */
static bool group_is_stable(struct run *run)
{
    const struct sim_workload *w = &run->stage.workload;
    struct mb_group_view view;
    if (!w->members)
        return true;
    if (!sim_brokers_group(&run->brokers, &view) || strcmp(view.state, "Stable") != 0 ||
        (int)view.members != members_now(run, SIM_CONSUMERS_MAX))
        return false;
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++) {
        const struct sim_consumer *c = &run->consumers[i];
        if (is_member(c) && (c->core->group.state != KCI_GROUP_STABLE || c->core->group.rejoin ||
                             c->core->group.generation != view.generation ||
                             !sim_brokers_know(&run->brokers, c->core->group.member_id)))
            return false;
    }
    for (int32_t p = 0; p < w->partitions; p++)
        if (!held_by_member(run, p))
            return false;
    return true;
}

/* Members as the coordinator counts them: also those who have crashed, until their sessions end. */
static int32_t known(struct run *run)
{
    struct mb_group_view view;
    return sim_brokers_group(&run->brokers, &view) ? (int32_t)view.members : 0;
}

static int32_t generation(struct run *run)
{
    struct mb_group_view view;
    return sim_brokers_group(&run->brokers, &view) ? view.generation : -1;
}

static bool settled(struct run *run, char *why, size_t size)
{
    int64_t ends[SIM_PARTITIONS_MAX];
    for (int i = 0; i < run->stage.workload.producers; i++)
        if (!sim_producer_done(&run->producers[i], why, size))
            return false;
    for (int32_t p = 0; p < run->stage.workload.partitions; p++)
        ends[p] = sim_brokers_end(&run->brokers, p);
    if (!sim_brokers_in_sync(&run->brokers, why, size) || !delivered_all(run, ends, why, size))
        return false;
    if (!sim_bank_settled(run->stage.bank, why, size))
        return false;
    snprintf(why, size, "the group is not stable");
    return group_is_stable(run);
}

static bool advance(struct run *run, int64_t until)
{
    struct sim_stage *stage = &run->stage;
    bool runs = sim_world_run(&stage->world, until);
    if (stage->world.torn)
        sim_violation(&stage->verdict, "R3", "bytes of a frame changed while the rest of it waited to be sent");
    if (runs)
        return true;
    const struct sim_host *host = sim_world_busiest(&stage->world);
    sim_violation(&stage->verdict, "L6", "virtual time stands still at %.6f s: %s is busy",
                  (double)stage->world.now / 1e6, host ? host->name : "nobody");
    return false;
}

/* What the coordinator and the members think of the group, for people. */
static void tell_group(struct run *run, char *out, size_t size)
{
    struct mb_group_view view = { .state = "no group", .generation = -1 };
    sim_brokers_group(&run->brokers, &view);
    size_t used =
        (size_t)snprintf(out, size, "%s, %zu members, generation %d", view.state, view.members, view.generation);
    for (int i = 0; i < SIM_CONSUMERS_MAX && used < size; i++) {
        const struct sim_consumer *c = &run->consumers[i];
        if (!c->reader && c->state != SIM_GONE)
            used += (size_t)snprintf(out + used, size - used, "; %s %s%s, generation %d%s", c->name,
                                     kci_consumer_group_state(c->core), c->core->group.rejoin ? " (to rejoin)" : "",
                                     c->core->group.generation,
                                     sim_brokers_know(&run->brokers, c->core->group.member_id) ? "" : ", unknown");
    }
}

/* Where a group is when the faults are over. */
struct outset {
    int64_t at;         /* microseconds */
    int32_t generation; /* -1: there is none */
    int32_t members;    /* each of those who have crashed costs a round when its session ends */
};

/* L3: the group comes to rest; G7: in few rounds. */
static void look_at_group(struct run *run, const struct outset *from, bool *stable)
{
    struct sim_stage *stage = &run->stage;
    const struct kci_settings *s = &stage->workload.consumer_settings;
    int64_t limit = 2 * SIM_MS * ((int64_t)s->max_poll_interval_ms + s->session_timeout_ms) + GROUP_US;
    *stable = *stable || group_is_stable(run);
    if (!*stable && stage->world.now > from->at + limit) {
        char text[250];
        tell_group(run, text, sizeof text);
        sim_violation(&stage->verdict, "L3", "the group is not stable %.1f s after the last fault: %s",
                      (double)(stage->world.now - from->at) / 1e6, text);
    }
    int32_t rounds = generation(run) - from->generation;
    if (rounds > GENERATIONS * (SIM_SLOTS + stage->workload.herd) + from->members)
        sim_violation(&stage->verdict, "G7", "%d generations since the last fault", rounds);
}

/* Until all is done, or it is clear that it will not be. */
static void settle(struct run *run)
{
    struct sim_stage *stage = &run->stage;
    char why[200] = "";
    const struct outset from = { stage->world.now, generation(run), known(run) };
    bool stable = false;
    int64_t limit = stage->world.now + PROGRESS_US + stage->history.delivery_us +
                    (int64_t)stage->workload.consumer_settings.max_poll_interval_ms * 1000;
    while (!all_there(run) || !settled(run, why, sizeof why)) {
        look_at_group(run, &from, &stable);
        if (stage->verdict.violations)
            return;
        if (stage->world.now >= limit) {
            sim_violation(&stage->verdict, "L2", "no progress without faults: %s", why);
            for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
                sim_sessions_check(&run->consumers[i]);
            return;
        }
        if (!advance(run, stage->world.now + LOOK_US))
            return;
    }
    sim_note(&stage->world, "---- all is done ----");
}

static void heal(struct run *run)
{
    struct sim_stage *stage = &run->stage;
    sim_note(&stage->world, "---- no faults from now on ----");
    stage->healed = true;
    run->healed_at = stage->world.now;
    sim_alarm_stop(&stage->world, &run->churn);
    sim_herd_heal(&run->herd);
    sim_cuts_heal(&run->cuts);
    sim_world_heal(&stage->world);
    sim_brokers_heal(&run->brokers);
    for (int i = 0; i < stage->workload.producers; i++)
        sim_producer_finish(&run->producers[i]);
    sim_bank_heal(stage->bank);
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
        sim_consumer_heal(&run->consumers[i]);
    settle(run);
}

/* Everything is done: who still works without an end? */
static void demand_quiet(struct run *run)
{
    struct sim_stage *stage = &run->stage;
    /* a consumer asks each broker for news again when fetch.max.wait.ms is over */
    uint64_t per_second =
        QUIET_STEPS + QUIET_FETCH * 1000u / (uint64_t)stage->workload.consumer_settings.fetch_max_wait_ms;
    KCI_LIST_EACH(node, &stage->world.hosts)
    {
        KCI_CONTAINER(node, struct sim_host, link)->steps = 0;
    }
    int32_t before = generation(run);
    int64_t sessions = run->healed_at + (int64_t)stage->workload.consumer_settings.session_timeout_ms * SIM_MS;
    if (stage->verdict.violations || !advance(run, stage->world.now + QUIET_US))
        return;
    bool disturbed = generation(run) != before && stage->workload.members;
    if (disturbed &&
        stage->world.now - QUIET_US < sessions) { /* the last fault had made a member silent for too long */
        if (advance(run, sessions + SIM_S))
            settle(run);
        demand_quiet(run);
        return;
    }
    if (disturbed)
        sim_violation(&stage->verdict, "G7", "a rebalance with nothing to do, to generation %d", generation(run));
    KCI_LIST_EACH(node, &stage->world.hosts)
    {
        struct sim_host *host = KCI_CONTAINER(node, struct sim_host, link);
        uint64_t limit = per_second * (uint64_t)(QUIET_US / SIM_S) * (host == run->brokers.host ? 10 : 1);
        if (host->steps > limit)
            sim_violation(&stage->verdict, "L6", "%s was stepped %llu times in %d s with nothing to do", host->name,
                          (unsigned long long)host->steps, (int)(QUIET_US / SIM_S));
    }
}

static void close_all(struct run *run)
{
    struct sim_stage *stage = &run->stage;
    bool all_leave = kci_prng_chance(&run->prng, 1, 2);
    stage->clean_end = true;
    if (kci_prng_chance(&run->prng, 1, 4)) { /* close returns also when there is nobody to talk to */
        sim_brokers_black_out(&run->brokers);
        if (!stage->world.spinning)
            advance(run, stage->world.now + (int64_t)kci_prng_below(&run->prng, SIM_S));
    }
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
        if (all_leave || kci_prng_chance(&run->prng, 1, 2))
            sim_consumer_leave(&run->consumers[i]);
    if (!stage->world.spinning)
        advance(run, stage->world.now + stage->workload.leave_us + SIM_S);
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++)
        sim_consumer_crash(&run->consumers[i]);
    for (int i = 0; i < stage->workload.producers; i++)
        sim_producer_close(&run->producers[i]);
    sim_alarm_stop(&stage->world, &run->churn);
    sim_bank_close(stage->bank);
    if (!stage->world.spinning)
        advance(run, stage->world.now + SIM_S);
    sim_brokers_heal(&run->brokers);
    sim_brokers_read(&run->brokers);
    sim_bank_read(stage->bank);
    sim_brokers_close(&run->brokers);
}

static void count(const struct sim_history *history, struct sim_result *result)
{
    for (size_t s = 0; s < history->senders.count; s++)
        for (size_t i = 0; i < history->senders.items[s].sends.count; i++) {
            result->records++;
            result->acked += history->senders.items[s].sends.items[i].reports > 0 &&
                             history->senders.items[s].sends.items[i].code == KC_OK;
        }
    result->delivered = history->deliveries.count;
}

void sim_run(uint64_t seed, const struct sim_plants *plants, struct sim_tail *tail, struct sim_result *result)
{
    static struct run run; /* too large for a stack; one thread */
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct sim_stage *stage = &run.stage;
    memset(&run, 0, sizeof run);
    memset(result, 0, sizeof *result);
    stage->alloc = &alloc;
    stage->plants = *plants;
    sim_workload_draw(&stage->workload, seed, plants->without);
    if (plants->starve)
        sim_workload_shorten(&stage->workload);
    struct kci_prng network = sim_stream(seed, 2);
    sim_world_init(&stage->world, &alloc, kci_prng_next(&network));
    stage->world.tail = tail;
    stage->world.faults = stage->workload.faults;
    sim_history_init(&stage->history, &alloc, stage->workload.partitions);
    stage->history.acks_all = stage->workload.acks == -1;
    stage->history.acks_leader = stage->workload.acks == 1 && stage->workload.broker_us == 0 &&
                                 stage->workload.disk_us == 0 && stage->workload.power_us == 0 &&
                                 stage->workload.recreate_us == 0;
    stage->history.idempotent = stage->workload.idempotent;
    stage->history.attempts_max = stage->workload.producer_settings.retries < INT32_MAX
                                      ? stage->workload.producer_settings.retries + 1
                                      : INT32_MAX;
    stage->history.keyed = stage->workload.choice == SIM_CHOOSE_KEY;
    stage->history.fixed_members = stage->workload.fixed_members;
    stage->history.commits_rise =
        stage->workload.faults.stall == 0 && !stage->workload.errors_us && !stage->workload.mixed;
    stage->history.group_lost = stage->workload.power_us && !stage->workload.synced;
    stage->history.restarts = stage->history.group_lost || stage->workload.mixed;
    stage->history.remade = stage->workload.recreate_us > 0;
    stage->history.lossy = stage->history.group_lost || stage->workload.recreate_us;
    stage->history.forgetful =
        stage->workload.gaps.on || (stage->history.lossy && (stage->workload.disk_us || stage->workload.recreate_us));
    stage->history.gaps = stage->workload.gaps.on;
    stage->history.compacted = stage->workload.gaps.compact;
    stage->history.resets_end = stage->workload.consumer_settings.auto_offset_reset == KCI_RESET_LATEST;
    stage->history.delivery_us = (int64_t)stage->workload.producer_settings.delivery_timeout_ms * 1000;

    open(&run);
    if (advance(&run, stage->world.now + stage->workload.fault_us))
        heal(&run);
    demand_quiet(&run);
    if (!stage->verdict.violations)
        sim_brokers_compare(&run.brokers);
    if (tail && stage->verdict.violations)
        tail->closed = true;
    close_all(&run);
    stage->history.group = !stage->verdict.violations && stage->workload.members > 0 && !stage->workload.recreate_us;
    stage->history.committed = stage->history.group && stage->clean_end && stage->workload.commit == SIM_COMMIT_AUTO &&
                               !stage->history.resets_end; /* who has got nothing commits nothing */
    /* a seek names no epoch: who does it before a loss and reads after it cannot know */
    bool blind = stage->history.lossy && stage->workload.seek;
    stage->history.reader = !stage->verdict.violations && stage->workload.reader && !blind;
    stage->history.belated_at = stage->world.belated_at;
    sim_check_all(&stage->history, &stage->verdict);
    count(&stage->history, result);
    result->events = stage->world.event_count;
    result->virtual_us = stage->world.now;
    result->starved = stage->starved;
    result->trace = stage->world.trace;
    sim_history_destroy(&stage->history);
    sim_world_destroy(&stage->world);
    if (memory.live_blocks)
        sim_violation(&stage->verdict, "R1", "%zu blocks (%zu bytes) were not freed", memory.live_blocks,
                      memory.live_bytes);
    result->verdict = stage->verdict;
}
