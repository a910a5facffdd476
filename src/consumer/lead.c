/* Leading a round of the classic protocol (PROTOCOL 3.5, 3.7).
 *
 * The leader knows all members and all topics.  Where the replicas are is looked up only if some member says where it
 * runs (KIP-881): rack-aware assignors want it, and a move of a replica to another rack is then a reason to rebalance.
 *
 * The library's assignors run under the consumer's lock: they are quick.  A user's assignor runs without it, on the I/O
 * thread; what it is shown lies in the arena of the round, which only this thread touches.  The application may leave
 * the group meanwhile, so the caller looks at the state again. */
#include "consumer/lead.h"
#include "consumer/internal.h"

const struct kci_assignor *kci_lead_assignor(struct kci_consumer *c, struct kci_str name)
{
    for (size_t i = 0; i < c->group.assignor_count; i++)
        if (kci_str_equal(name, kci_str_of(c->group.assignors[i]->name)))
            return c->group.assignors[i];
    return NULL;
}

/* FNV-1a over the racks of all replicas, in their order. */
uint64_t kci_lead_racks_digest(struct kci_consumer *c, const struct kci_topic_info *info)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (int32_t p = 0; p < info->partition_count; p++) {
        for (int32_t r = 0; r < info->partitions[p].replica_count; r++) {
            const char *rack = kci_cluster_node_rack(c->cluster, info->partitions[p].replicas[r]);
            do
                digest = (digest ^ (uint8_t)*rack) * UINT64_C(0x100000001b3);
            while (*rack++);
        }
        digest = (digest ^ 0xff) * UINT64_C(0x100000001b3);
    }
    return digest | 1;
}

/* Copies, because nodes and metadata may change while the lock is not held. NULL: out of memory. */
static struct kci_replica_racks *racks_of(struct kci_consumer *c, const struct kci_topic_info *info)
{
    struct kci_arena *arena = &c->group.arena;
    struct kci_replica_racks *all = kci_arena_array(arena, (size_t)info->partition_count, sizeof *all);
    for (int32_t p = 0; all && p < info->partition_count; p++) {
        const struct kci_partition_info *from = &info->partitions[p];
        struct kci_str *racks = kci_arena_array(arena, (size_t)from->replica_count, sizeof *racks);
        if (!racks)
            return NULL;
        for (int32_t r = 0; r < from->replica_count; r++) {
            const char *rack = kci_cluster_node_rack(c->cluster, from->replicas[r]);
            if (!*rack)
                continue;
            racks[all[p].count].data = kci_arena_text(arena, kci_str_of(rack));
            racks[all[p].count].size = strlen(rack);
            if (!racks[all[p].count++].data)
                return NULL;
        }
        all[p].racks = racks;
    }
    return all;
}

/* The topics of the group as assignors see them; what of them is watched is noted. NULL: out of memory. */
static struct kci_group_topic *gather(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    bool racks = false;
    for (size_t m = 0; m < g->member_count; m++)
        racks |= g->members[m].rack.size > 0;
    struct kci_group_topic *topics = kci_arena_array(&g->arena, g->topic_count, sizeof *topics);
    for (size_t i = 0; topics && i < g->topic_count; i++) {
        const struct kci_topic_info *info = g->topics[i]->info;
        bool known = info && info->known && info->partitions;
        topics[i] = (struct kci_group_topic){ g->topics[i]->name, known ? info->partition_count : 0, NULL };
        g->topic_partitions[i] = topics[i].partition_count;
        g->topic_racks[i] = racks && known ? kci_lead_racks_digest(c, info) : 0;
        if (racks && known && !(topics[i].racks = racks_of(c, info)))
            return NULL;
    }
    g->watched_generation = kci_cluster_generation(c->cluster);
    return topics;
}

/* Partitions of topics that somebody reads, and nobody was given: they wait for their former owner to let go. */
static bool gave_some_to_nobody(const struct kci_group *g, const struct kci_group_topic *topics)
{
    size_t there = 0, given = 0;
    for (size_t i = 0; i < g->topic_count; i++)
        there += (size_t)topics[i].partition_count;
    for (size_t m = 0; m < g->member_count; m++)
        given += g->members[m].assigned_count;
    return given < there;
}

bool kci_lead_assign(struct kci_consumer *c)
{
    struct kci_group *g = &c->group;
    const struct kci_assignor *assignor = g->assignor;
    struct kci_group_topic *topics = gather(c);
    size_t topic_count = g->topic_count;
    if (!topics)
        return false;
    if (!assignor->custom) {
        bool assigned = assignor->assign(&g->arena, g->members, g->member_count, topics, topic_count);
        g->unsettled = assigned && assignor->cooperative && gave_some_to_nobody(g, topics);
        return assigned;
    }
    kci_consumer_unlock(c);
    kc_err result =
        kci_assignor_custom_run(assignor->custom, &g->arena, g->members, g->member_count, topics, topic_count);
    kci_consumer_lock(c);
    if (result != KC_OK && result != KC_ERR_NO_MEMORY)
        kci_consumer_raise(
            c, result, "assignor \"%s\" failed: %s", assignor->name,
            result == KC_ERR_ARGUMENT
                ? "it gave a partition twice, or one that is not there, or to who does not read the topic"
                : kc_err_text(result));
    return result == KC_OK;
}
