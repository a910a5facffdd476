/* The user's assignors: what the leader knows, in the public shapes, and a plan that takes only what makes sense.
 *
 * A partition that is given twice would be read twice, so the plan has a bit for each. Everything lies in the arena of
 * the round; no lock is held meanwhile (group_join.c), and the bytes that are looked at belong to the I/O thread. */
#include "consumer/assignor.h"

struct kc_assignment_plan {
    struct kci_arena *arena;
    struct kci_member *members;
    size_t member_count;
    const struct kci_group_topic *topics;
    size_t topic_count;
    uint64_t **given; /* per topic, a bit per partition */
    kc_err failure;   /* the first one; sticky, so that an assignor that does not look cannot hide it */
};

static kc_err refuse(kc_assignment_plan *plan, kc_err code)
{
    if (plan->failure == KC_OK)
        plan->failure = code;
    return code;
}

kc_err kc_assignment_give(kc_assignment_plan *plan, size_t member, size_t topic, int32_t partition)
{
    if (!plan)
        return KC_ERR_ARGUMENT;
    if (member >= plan->member_count || topic >= plan->topic_count || partition < 0 ||
        partition >= plan->topics[topic].partition_count ||
        !kci_member_subscribes(&plan->members[member], plan->topics[topic].name))
        return refuse(plan, KC_ERR_ARGUMENT);
    uint64_t *word = &plan->given[topic][partition / 64], bit = UINT64_C(1) << (partition % 64);
    if (*word & bit)
        return refuse(plan, KC_ERR_ARGUMENT);
    if (!kci_member_give(plan->arena, &plan->members[member], (uint32_t)topic, partition))
        return refuse(plan, KC_ERR_NO_MEMORY);
    *word |= bit;
    return KC_OK;
}

/* NUL-terminated; NULL stays NULL. *ok becomes false when out of memory. */
static const char *text_of(struct kci_arena *arena, struct kci_str text, bool *ok)
{
    const char *copy = text.data ? kci_arena_text(arena, text) : NULL;
    *ok = *ok && (copy || !text.data);
    return copy;
}

static bool describe_owned(struct kci_arena *arena, const struct kci_member *from, kc_assignor_member *to)
{
    size_t count = 0, used = 0;
    bool ok = true;
    for (int32_t i = 0; i < from->owned_count; i++)
        count += (size_t)from->owned[i].partition_count;
    kc_topic_partition *owned = kci_arena_array(arena, count, sizeof *owned);
    if (!owned)
        return false;
    for (int32_t i = 0; ok && i < from->owned_count; i++) {
        const char *topic = text_of(arena, from->owned[i].topic, &ok);
        for (int32_t p = 0; p < from->owned[i].partition_count; p++)
            owned[used++] =
                (kc_topic_partition){ topic, from->owned[i].partitions[p], KC_OFFSET_NONE, -1, NULL, KC_OK };
    }
    to->owned = owned;
    to->owned_count = used;
    return ok;
}

static bool describe(struct kci_arena *arena, const struct kci_member *from, kc_assignor_member *to)
{
    bool ok = true;
    const char **topics = kci_arena_array(arena, (size_t)from->topic_count, sizeof *topics);
    if (!topics)
        return false;
    to->id = text_of(arena, from->id, &ok);
    to->instance_id = text_of(arena, from->instance_id, &ok);
    to->rack = text_of(arena, from->rack, &ok);
    for (int32_t i = 0; ok && i < from->topic_count; i++)
        topics[i] = text_of(arena, from->topics[i], &ok);
    to->topics = topics;
    to->topic_count = (size_t)from->topic_count;
    to->generation = from->generation;
    to->user_data = (kc_bytes){ from->user_data.data, from->user_data.size };
    return ok && describe_owned(arena, from, to);
}

kc_err kci_assignor_custom_run(const kc_assignor *custom, struct kci_arena *arena, struct kci_member *members,
                               size_t member_count, const struct kci_group_topic *topics, size_t topic_count)
{
    kc_assignment_plan plan = { arena, members, member_count, topics, topic_count, NULL, KC_OK };
    kc_assignor_topic *topic_faces = kci_arena_array(arena, topic_count, sizeof *topic_faces);
    kc_assignor_member *member_faces = kci_arena_array(arena, member_count, sizeof *member_faces);
    plan.given = kci_arena_array(arena, topic_count, sizeof *plan.given);
    bool ok = topic_faces && member_faces && plan.given;
    for (size_t t = 0; ok && t < topic_count; t++) {
        topic_faces[t] = (kc_assignor_topic){ text_of(arena, topics[t].name, &ok), topics[t].partition_count };
        plan.given[t] = kci_arena_array(arena, (size_t)topics[t].partition_count / 64 + 1, sizeof(uint64_t));
        ok = ok && plan.given[t];
    }
    for (size_t m = 0; ok && m < member_count; m++)
        ok = describe(arena, &members[m], &member_faces[m]);
    if (!ok)
        return KC_ERR_NO_MEMORY;
    kc_err result = custom->assign(custom->context, topic_faces, topic_count, member_faces, member_count, &plan);
    return result != KC_OK ? result : plan.failure;
}
