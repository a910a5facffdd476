/* What brokers say of a group, copied into the arena that its description lives in.
 *
 * Nothing here fails: what could not be had is a hole, and arena->failed says that there are some. Whoever called then
 * gives the whole away, since a description with holes would be a lie. */
#include "api/group_copy.h"

#include "consumer/member_data.h"

const char *kci_group_copy_text(struct kci_arena *arena, struct kci_str text)
{
    const char *copy = kci_arena_text(arena, text.data ? text : kci_str_of(""));
    return copy ? copy : "";
}

static const char *text_or_null(struct kci_arena *arena, struct kci_str text)
{
    return text.data ? kci_arena_text(arena, text) : NULL;
}

static const char *const *copy_texts(struct kci_arena *arena, const struct kci_str *from, int32_t count, size_t *out)
{
    const char **texts = kci_arena_array(arena, count > 0 ? (size_t)count : 0, sizeof *texts);
    *out = 0;
    for (int32_t i = 0; texts && i < count; i++)
        texts[(*out)++] = kci_group_copy_text(arena, from[i]);
    return texts;
}

/* KIP-848: topics with lists of partitions. */
static const kc_topic_partition *
copy_partitions(struct kci_arena *arena, const struct kci_consumer_group_describe_response__topic_partitions *from,
                int32_t topics, size_t *out)
{
    size_t count = 0;
    *out = 0;
    for (int32_t t = 0; t < topics; t++)
        count += (size_t)from[t].partitions_count;
    kc_topic_partition *items = kci_arena_array(arena, count, sizeof *items);
    for (int32_t t = 0; items && t < topics; t++) {
        const char *name = kci_group_copy_text(arena, from[t].topic_name);
        for (int32_t p = 0; p < from[t].partitions_count; p++)
            items[(*out)++] = (kc_topic_partition){ name, from[t].partitions[p], KC_OFFSET_NONE, -1, NULL, KC_OK };
    }
    return items;
}

/* What any member says of itself. */
static void identify(struct kci_arena *arena, kc_group_member *out, struct kci_str member_id, struct kci_str client_id,
                     struct kci_str client_host, struct kci_str instance_id)
{
    out->member_id = kci_group_copy_text(arena, member_id);
    out->client_id = kci_group_copy_text(arena, client_id);
    out->client_host = kci_group_copy_text(arena, client_host);
    out->instance_id = text_or_null(arena, instance_id);
}

/* The outside of a description; its members, to->member_count of them, are to be filled in. */
static kc_group_member *begin(struct kci_arena *arena, kc_group_description *to, const char *type, struct kci_str state,
                              struct kci_str assignor, int32_t members_count)
{
    size_t count = members_count > 0 ? (size_t)members_count : 0;
    kc_group_member *members = kci_arena_array(arena, count, sizeof *members);
    to->type = type;
    to->state = kci_group_copy_text(arena, state);
    to->assignor = kci_group_copy_text(arena, assignor);
    to->members = members;
    to->member_count = members ? count : 0;
    return members;
}

void kci_group_copy_modern(struct kci_arena *arena, kc_group_description *to,
                           const struct kci_consumer_group_describe_response__described_group *from)
{
    kc_group_member *members =
        begin(arena, to, "consumer", from->group_state, from->assignor_name, from->members_count);
    to->epoch = from->group_epoch;
    to->assignment_epoch = from->assignment_epoch;
    for (size_t i = 0; i < to->member_count; i++) {
        const struct kci_consumer_group_describe_response__member *m = &from->members[i];
        kc_group_member *out = &members[i];
        identify(arena, out, m->member_id, m->client_id, m->client_host, m->instance_id);
        out->rack = text_or_null(arena, m->rack_id);
        out->epoch = m->member_epoch;
        out->classic = m->member_type == 0;
        out->regex = m->subscribed_topic_regex.size ? text_or_null(arena, m->subscribed_topic_regex) : NULL;
        out->topics = copy_texts(arena, m->subscribed_topic_names, m->subscribed_topic_names_count, &out->topic_count);
        out->assigned = copy_partitions(arena, m->assignment.topic_partitions, m->assignment.topic_partitions_count,
                                        &out->assigned_count);
        out->target = copy_partitions(arena, m->target_assignment.topic_partitions,
                                      m->target_assignment.topic_partitions_count, &out->target_count);
    }
}

/* What a classic member says of itself; bytes that cannot be read are of another kind of client: nothing is told. */
static void copy_embedded(struct kci_arena *arena, kc_group_member *out, struct kci_bytes metadata,
                          struct kci_bytes assignment)
{
    struct kci_member said = { 0 };
    struct kci_partition_list list = { NULL, 0 };
    if (kci_member_data_read(metadata, arena, &said))
        out->topics = copy_texts(arena, said.topics, said.topic_count, &out->topic_count);
    if (!kci_member_data_read_assignment(assignment, arena->alloc, arena, &list))
        return;
    kc_topic_partition *items = kci_arena_array(arena, list.count, sizeof *items);
    for (size_t i = 0; items && i < list.count; i++) {
        items[i] = list.items[i];
        items[i].topic = kci_group_copy_text(arena, kci_str_of(list.items[i].topic));
    }
    out->assigned = items;
    out->assigned_count = items ? list.count : 0;
    kci_partition_list_free(arena->alloc, &list);
}

void kci_group_copy_classic(struct kci_arena *arena, kc_group_description *to,
                            const struct kci_describe_groups_response__described_group *from)
{
    kc_group_member *members = begin(arena, to, "classic", from->group_state, from->protocol_data, from->members_count);
    to->epoch = to->assignment_epoch = -1;
    for (size_t i = 0; i < to->member_count; i++) {
        const struct kci_describe_groups_response__described_group_member *m = &from->members[i];
        identify(arena, &members[i], m->member_id, m->client_id, m->client_host, m->group_instance_id);
        members[i].epoch = -1;
        members[i].classic = 1;
        if (kci_str_equal(from->protocol_type, kci_str_of("consumer")))
            copy_embedded(arena, &members[i], m->member_metadata, m->member_assignment);
    }
}
