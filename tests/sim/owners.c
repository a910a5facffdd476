/* G1: who gets a partition gets it alone.  Who may still have it, and why that is nobody's fault. */
#include "actors.h"

#include "consumer/internal.h"

/* A static member that does not join in time stays a member until its session is over, but has no part in the new
 * generation: who else is to have its partitions has them. */
static bool missed_the_round(const struct sim_consumer *c, const struct sim_consumer *getter)
{
    return c->settings.group_instance_id && !c->core->group.modern &&
           c->core->group.generation < getter->core->group.generation;
}

/* A group that changes its protocol in the middle of a rebalance forgets what its classic members still have: it goes on
 * with the assignments of the last rebalance that ended, or with none, or with targets; so does Kafka's.  Who has not
 * come to rest since then is told to join again, and hears then what it has lost. */
static bool overtaken(const struct sim_consumer *c)
{
    const struct kci_group *g = &c->core->group;
    return c->stage->workload.mixed && !g->modern &&
           (g->state != KCI_GROUP_STABLE || g->generation != sim_brokers_generation(c->stage->brokers, g->member_id));
}

/* What one has is of another topic than what the other one gets: it was deleted and made anew under its name. KIP-848
 * assigns by topic id, and who reads on until it hears of that is in nobody's way; a classic group knows names only. */
static bool of_another_topic(const struct sim_consumer *c, const struct sim_consumer *getter, int32_t partition)
{
    const struct sim_stage *stage = c->stage;
    const struct kci_assigned *has = kci_subscription_find_name(&c->core->subscription, SIM_TOPIC, partition);
    const struct kci_assigned *gets = kci_subscription_find_name(&getter->core->subscription, SIM_TOPIC, partition);
    if (has && gets && !kci_uuid_is_zero(&has->topic_id) && !kci_uuid_is_zero(&gets->topic_id))
        return !kci_uuid_equal(&has->topic_id, &gets->topic_id);
    return stage->history.holds.items[c->hold[partition]].from < stage->made_at;
}

void sim_consumers_check_owner(const struct sim_consumer *getter, int32_t partition)
{
    struct sim_stage *stage = getter->stage;
    /* The answer to its SyncGroup took longer than its session: it is no member any more, and will hear of it. What it
     * has is of an old generation, in which nobody else had it (check_one_owner). */
    if (stage->history.group_lost || !sim_brokers_know(stage->brokers, getter->core->group.member_id))
        return;
    for (int i = 0; i < SIM_CONSUMERS_MAX; i++) {
        const struct sim_consumer *c = &stage->consumers[i];
        if (c != getter && !c->reader && c->core && c->hold[partition] >= 0 &&
            !of_another_topic(c, getter, partition) && c->core->group.generation >= 0 && !missed_the_round(c, getter) &&
            !overtaken(c) && sim_brokers_know(stage->brokers, c->core->group.member_id))
            sim_violation(&stage->verdict, "G1", "consumer %d gets partition %d, which consumer %d, a member, has",
                          getter->number, partition, c->number);
    }
}
