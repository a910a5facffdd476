/* Members that are cut off, while everybody else goes on: from all brokers, or from the coordinator only, for a time that
 * is shorter or longer than their session.  The process goes on, too: it polls, its timers fire, it looks for the
 * coordinator, and what it has sent may arrive when its place has long been taken. */
#include "actors.h"

#define ALL_ONE_IN         4 /* cuts: every member, each in a way of its own */
#define COORDINATOR_ONE_IN 3 /* cuts of one member: it can talk to the other brokers */
#define LONGEST            3 /* sessions */

static enum sim_cut kind(struct sim_cuts *cuts)
{
    enum sim_cut how;
    do
        how = (enum sim_cut)(SIM_CUT_LOSE + kci_prng_below(&cuts->prng, SIM_CUT_COUNT - SIM_CUT_LOSE));
    while (!(cuts->stage->workload.cut_kinds & 1u << how));
    return how;
}

static void cut(struct sim_cuts *cuts, struct sim_consumer *c, int64_t now)
{
    static const char *const words[] = { "nothing", "lost", "held", "refused" };
    struct sim_world *world = &cuts->stage->world;
    uint64_t session_us = (uint64_t)c->settings.session_timeout_ms * SIM_MS;
    bool for_long = kci_prng_chance(&cuts->prng, 1, 2);
    int64_t length = 1 + (int64_t)kci_prng_below(&cuts->prng, for_long ? LONGEST * session_us : session_us);
    bool partly = kci_prng_chance(&cuts->prng, 1, COORDINATOR_ONE_IN);
    int32_t broker = sim_brokers_coordinator(cuts->stage->brokers);
    enum sim_cut how = kind(cuts);
    if (c->reader || c->state == SIM_GONE || c->host->cut_until > now)
        return;
    sim_note(world, "%s is cut off from %s for %.3f s: %s", c->name, partly ? "the coordinator" : "all brokers",
             (double)length / 1e6, words[how]);
    sim_host_cut(c->host, how, partly && broker > 0 ? sim_broker_port(broker) : 0, now + length);
}

static void act(void *owner, int64_t now)
{
    struct sim_cuts *cuts = owner;
    struct sim_stage *stage = cuts->stage;
    bool all = kci_prng_chance(&cuts->prng, 1, ALL_ONE_IN);
    int slots = stage->workload.herd ? SIM_CONSUMERS_MAX : SIM_SLOTS;
    int one = (int)kci_prng_below(&cuts->prng, (uint64_t)slots);
    for (int i = all ? 0 : one; i < (all ? slots : one + 1); i++)
        if (stage->consumers[i].host)
            cut(cuts, &stage->consumers[i], now);
    sim_alarm_again(&stage->world, &cuts->next, &cuts->prng, stage->workload.cut_us);
}

void sim_cuts_open(struct sim_cuts *cuts, struct sim_stage *stage)
{
    cuts->stage = stage;
    cuts->prng = sim_stream(stage->workload.seed, 18);
    cuts->next.fire = act;
    cuts->next.owner = cuts;
    if (stage->workload.cut_us)
        sim_alarm_within(&stage->world, &cuts->next, &cuts->prng, 2 * stage->workload.cut_us);
}

void sim_cuts_heal(struct sim_cuts *cuts)
{
    sim_alarm_stop(&cuts->stage->world, &cuts->next);
}
