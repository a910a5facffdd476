/* A herd: ten or more members begin in one instant, in a group of few, and end in one instant, by a crash or in order. */
#include "actors.h"

static void come_or_go(void *owner, int64_t now)
{
    (void)now;
    struct sim_herd *herd = owner;
    struct sim_stage *stage = herd->stage;
    bool crash = kci_prng_chance(&herd->prng, stage->workload.crash, 1000000);
    herd->there = !herd->there;
    sim_note(&stage->world, "a herd of %d %s", stage->workload.herd, herd->there ? "comes" : "goes");
    for (int i = 0; i < stage->workload.herd; i++) {
        struct sim_consumer *c = &stage->consumers[SIM_SLOTS + i];
        if (herd->there && c->state == SIM_GONE)
            sim_consumer_join(c);
        else if (!herd->there && crash)
            sim_consumer_crash(c);
        else if (!herd->there)
            sim_consumer_leave(c);
    }
    sim_alarm_again(&stage->world, &herd->next, &herd->prng, stage->workload.herd_us);
}

void sim_herd_open(struct sim_herd *herd, struct sim_stage *stage)
{
    herd->stage = stage;
    herd->prng = sim_stream(stage->workload.seed, 16);
    herd->next.fire = come_or_go;
    herd->next.owner = herd;
    for (int i = 0; i < stage->workload.herd; i++)
        sim_consumer_init(&stage->consumers[SIM_SLOTS + i], stage, SIM_SLOTS + i + 1, false);
    if (stage->workload.herd)
        sim_alarm_within(&stage->world, &herd->next, &herd->prng, stage->workload.herd_us);
}

void sim_herd_heal(struct sim_herd *herd)
{
    sim_alarm_stop(&herd->stage->world, &herd->next);
}
