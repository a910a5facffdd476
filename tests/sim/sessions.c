/* F7: fetch sessions lose nothing.  When there is no progress although nothing is wrong any more, and a consumer fetches a
 * partition from its true leader that has more, then its broker thinks of another position than it does. */
#include "actors.h"

#include "consumer/internal.h"
#include "mockbroker/core/view.h"

void sim_sessions_check(struct sim_consumer *c)
{
    struct sim_stage *stage = c->stage;
    for (int32_t p = 0; c->core && p < stage->workload.partitions; p++) {
        const struct kci_assigned *a = kci_subscription_find_name(&c->core->subscription, SIM_TOPIC, p);
        struct mb_partition_view view;
        int32_t epoch;
        if (!a || a->state != KCI_POSITION_READY || a->paused || a->revoking || !kci_list_empty(&a->runs) ||
            a->position >= sim_brokers_end(stage->brokers, p) || a->not_before > stage->world.now)
            continue;
        if (mb_cluster_partition(stage->brokers->cluster, kci_str_of(SIM_TOPIC), p, &view) == 0 &&
            kci_consumer_leader(a->topic, p, &epoch) == view.leader && epoch == view.leader_epoch)
            sim_violation(&stage->verdict, "F7", "consumer %d fetches partition %d at offset %lld, and gets nothing",
                          c->number, p, (long long)a->position);
    }
}
