/* A group of the classic protocol: the machine of its states, its protocols, and what holds in every state.
 *
 *                    a member joins                    all are in, or time is up
 *        .-------.  -------------->  .-----------.  ------------------------->  .------------.
 *        | Empty |                   | Preparing |                              | Completing |
 *        '-------'  <--------------  '-----------'  <-------------------------  '------------'
 *            |        nobody is left     ^     ^        a member comes or goes        |
 *            |                           |     '----------------------.               | the leader's assignment
 *            | deleted, expired,         |   a member comes or goes   |               v is in the log
 *            | or the partition moved    '--------------------------  |          .--------.
 *            '------------>  Dead  <------ (from every state)         '--------  | Stable |
 *                                                                                '--------'
 * These are Kafka's states and Kafka's moves (PROTOCOL.md 4.5); Dead is left only by being freed.
 *
 * Invariants, checked on entry: Empty and Dead have no members and no leader; Completing and Stable have a leader and a
 * chosen protocol; the counters agree with the members at all times.
 *
 * Left to others: what the moves do (group_rebalance.c), members (group_member.c), offsets (group_offsets.c), memory of
 * all groups (group_registry.c). */
#include "mockbroker/core/group.h"

#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/group_txn.h"
#include "mockbroker/core/modern.h"

#include <assert.h>

static bool has_nobody(const void *x)
{
    const struct mb_group *group = x;
    return group->member_count == 0 && kci_list_empty(&group->members) && !group->leader && group->joined_count == 0 &&
           group->sync_pending_count == 0;
}

static bool has_generation(const void *x)
{
    const struct mb_group *group = x;
    return group->member_count > 0 && group->leader && group->protocol.data && group->protocol_type.data &&
           group->joined_count == 0;
}

static bool has_given_out_assignments(const void *x)
{
    const struct mb_group *group = x;
    KCI_LIST_EACH(node, &group->members)
    {
        if (KCI_CONTAINER(node, struct mb_group_member, link)->sync)
            return false;
    }
    return has_generation(x);
}

#define TO(state) (1u << MB_GROUP_##state)
const struct kci_state_table mb_group_states = {
    .machine = "group",
    .count = 5,
    .rows = {
        [MB_GROUP_EMPTY] = { "Empty", TO(PREPARING) | TO(DEAD), has_nobody },
        [MB_GROUP_PREPARING] = { "PreparingRebalance", TO(EMPTY) | TO(COMPLETING) | TO(DEAD), NULL },
        [MB_GROUP_COMPLETING] = { "CompletingRebalance", TO(PREPARING) | TO(STABLE) | TO(DEAD), has_generation },
        [MB_GROUP_STABLE] = { "Stable", TO(PREPARING) | TO(DEAD), has_given_out_assignments },
        [MB_GROUP_DEAD] = { "Dead", 0, has_nobody },
    },
};

void mb_group_move(struct mb_group *group, enum mb_group_state next, int64_t now)
{
    group->previous_state = group->state;
    group->state_since_ms = mb_cluster_wall_ms(mb_group_cluster(group), now);
    kci_states_move(&mb_group_states, &group->state, (int)next, group);
}

bool mb_group_is_empty(const struct mb_group *group)
{
    return group->state == MB_GROUP_EMPTY && !(group->modern && group->modern->member_count);
}

const char *mb_group_state_name(const struct mb_group *group)
{
    return group->modern ? mb_modern_state_name(group) : kci_states_name(&mb_group_states, group->state);
}

struct mb_cluster *mb_group_cluster(const struct mb_group *group)
{
    return group->owner->cluster;
}

const struct kci_alloc *mb_group_alloc(const struct mb_group *group)
{
    return group->owner->alloc;
}

struct kci_str mb_group_copy_str(const struct kci_alloc *alloc, struct kci_str text)
{
    char *copy = text.data ? kci_alloc_new(alloc, text.size + 1) : NULL;
    if (!copy)
        return (struct kci_str){ NULL, 0 };
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return (struct kci_str){ copy, text.size };
}

bool mb_group_copy_bytes(const struct kci_alloc *alloc, struct kci_bytes bytes, struct kci_bytes *out)
{
    uint8_t *copy = kci_alloc_new(alloc, bytes.size);
    if (!copy)
        return false;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    *out = (struct kci_bytes){ copy, bytes.size };
    return true;
}

struct mb_group *mb_group_create(struct mb_groups *owner, struct kci_str id, int32_t partition)
{
    struct mb_group *group = kci_alloc_zero(owner->alloc, 1, sizeof *group);
    if (!group)
        return NULL;
    group->owner = owner;
    group->partition = partition;
    group->serial = owner->next_serial++;
    group->state = group->previous_state = MB_GROUP_EMPTY;
    group->state_since_ms = -1;
    kci_list_init(&group->members);
    kci_list_init(&group->pending);
    struct kci_map *maps[] = { &group->by_id,         &group->by_instance, &group->supported,
                               &group->pending_by_id, &group->topics,      &group->open_offsets };
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        *maps[i] = kci_map_of(owner->alloc, kci_prng_next(mb_cluster_prng(owner->cluster)));
    group->id = mb_group_copy_str(owner->alloc, id);
    if (group->id.data)
        return group;
    kci_alloc_free(owner->alloc, group);
    return NULL;
}

void mb_group_destroy(struct mb_group *group)
{
    if (!group)
        return;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    mb_alarm_stop(mb_group_cluster(group), &group->join_alarm);
    mb_alarm_stop(mb_group_cluster(group), &group->sync_alarm);
    KCI_LIST_EACH(node, &group->members)
    {
        mb_group_member_remove(KCI_CONTAINER(node, struct mb_group_member, link));
    }
    KCI_LIST_EACH(node, &group->pending)
    {
        mb_group_pending_remove(group, KCI_CONTAINER(node, struct mb_group_pending, link)->id);
    }
    mb_modern_detach(group);
    mb_offsets_clear(group);
    mb_group_txn_clear(group);
    kci_map_destroy(&group->by_id);
    kci_map_destroy(&group->by_instance);
    kci_map_destroy(&group->supported);
    kci_map_destroy(&group->pending_by_id);
    kci_map_destroy(&group->topics);
    kci_alloc_free(alloc, group->protocol.data);
    kci_alloc_free(alloc, group->protocol_type.data);
    kci_alloc_free(alloc, group->id.data);
    kci_alloc_free(alloc, group);
}

static size_t offered_by(const struct mb_group *group, struct kci_str protocol)
{
    return (size_t)(uintptr_t)kci_map_get_str(&group->supported, protocol);
}

bool mb_group_supports(const struct mb_group *group, const struct kci_join_group_request *join)
{
    if (join->protocols_count > MB_GROUP_PROTOCOLS_MAX)
        return false;
    if (group->state == MB_GROUP_EMPTY)
        return join->protocol_type.size > 0 && join->protocols_count > 0;
    if (!kci_str_equal(group->protocol_type, join->protocol_type))
        return false;
    for (int32_t i = 0; i < join->protocols_count; i++)
        if (offered_by(group, join->protocols[i].name) == group->member_count)
            return true;
    return false;
}

/* Each member votes for the first in its list that all offer (Kafka: ClassicGroup.selectProtocol). Ties: whoever was
 * voted for first, which is a choice that Kafka leaves to chance. */
struct kci_str mb_group_vote(const struct mb_group *group)
{
    struct {
        struct kci_str name;
        size_t votes;
    } ballot[MB_GROUP_PROTOCOLS_MAX];
    size_t names = 0, best = 0;
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        size_t vote = 0, i = 0;
        while (vote < member->protocol_count && offered_by(group, member->protocols[vote].name) != group->member_count)
            vote++;
        assert(vote < member->protocol_count);
        while (i < names && !kci_str_equal(ballot[i].name, member->protocols[vote].name))
            i++;
        if (i == names) {
            assert(names < MB_GROUP_PROTOCOLS_MAX); /* candidates are in every member's list */
            ballot[names].name = member->protocols[vote].name;
            ballot[names++].votes = 0;
        }
        ballot[i].votes++;
        if (ballot[i].votes > ballot[best].votes)
            best = i;
    }
    assert(names);
    return ballot[best].name;
}

static bool replace_text(const struct mb_group *group, struct kci_str *field, struct kci_str text)
{
    struct kci_str copy = mb_group_copy_str(mb_group_alloc(group), text);
    if (text.data && !copy.data)
        return false;
    kci_alloc_free(mb_group_alloc(group), field->data);
    *field = copy;
    return true;
}

bool mb_group_set_protocol(struct mb_group *group, struct kci_str protocol)
{
    return replace_text(group, &group->protocol, protocol);
}

bool mb_group_set_protocol_type(struct mb_group *group, struct kci_str type)
{
    return replace_text(group, &group->protocol_type, type);
}

int32_t mb_group_rebalance_timeout_ms(const struct mb_group *group)
{
    int32_t largest = 0;
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        if (member->rebalance_timeout_ms > largest)
            largest = member->rebalance_timeout_ms;
    }
    return largest;
}

bool mb_group_of_consumers(const struct mb_group *group)
{
    return group->modern || kci_str_equal(group->protocol_type, kci_str_of("consumer"));
}

/* Version, then the list of topics: the beginning of every version of the consumer protocol (PROTOCOL.md 3.7). */
static bool subscription_names(struct kci_bytes subscription, struct kci_str topic)
{
    struct kci_reader r = kci_reader_of(subscription.data, subscription.size);
    bool named = false;
    int16_t version = kci_reader_i16(&r);
    int32_t count = kci_reader_i32(&r);
    for (int32_t i = 0; i < count && !r.failed; i++) {
        int16_t size = kci_reader_i16(&r);
        if (size < 0)
            return true;
        const uint8_t *name = kci_reader_take(&r, (size_t)size);
        named |= name && kci_str_equal((struct kci_str){ (const char *)name, (size_t)size }, topic);
    }
    return named || r.failed || version < 0 || count < 0;
}

bool mb_group_subscribed(const struct mb_group *group, struct kci_str topic)
{
    if (group->modern)
        return mb_modern_subscribed(group, topic);
    if (!mb_group_of_consumers(group) || group->member_count == 0)
        return false;
    if (!group->protocol.data)
        return true;
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        if (subscription_names(mb_group_member_metadata(member, group->protocol), topic))
            return true;
    }
    return false;
}
