/* A group of the consumer protocol and its members, as data: nothing here decides anything.
 *
 * Invariants: a member is in the list, in by_id, and in by_instance if it has an instance id.  `owners` names, for each
 * partition in `assigned` or `revoking` of any member, that member, and no two members have the same one: it is by this
 * map that a partition is given to somebody only after its former owner gave it up (KIP-848).
 *
 * The state of the group is not stored, it follows from the epochs:
 *      no members: Empty     targets older than the group: Assigning     a member not at its target: Reconciling
 *      else: Stable */
#include "mockbroker/core/modern.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/tpset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_EPOCH 1 /* Kafka 4.3: the group begins here with nothing assigned; its first member makes it 2 */

bool mb_modern_attach(struct mb_group *group)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_modern *modern = kci_alloc_zero(alloc, 1, sizeof *modern);
    assert(!group->modern);
    if (!modern)
        return false;
    modern->epoch = modern->target_epoch = FIRST_EPOCH;
    kci_list_init(&modern->members);
    kci_list_init(&modern->patterns);
    kci_list_init(&modern->found);
    modern->by_id = kci_map_of(alloc, group->topics.seed);
    modern->by_instance = kci_map_of(alloc, group->topics.seed);
    modern->owners = kci_map_of(alloc, group->topics.seed);
    group->modern = modern;
    return true;
}

void mb_modern_detach(struct mb_group *group)
{
    struct mb_modern *modern = group->modern;
    if (!modern)
        return;
    KCI_LIST_EACH(node, &modern->members)
    {
        mb_modern_member_remove(KCI_CONTAINER(node, struct mb_modern_member, link));
    }
    assert(modern->owners.count == 0);
    mb_modern_patterns_free(group);
    kci_map_destroy(&modern->by_id);
    kci_map_destroy(&modern->by_instance);
    kci_map_destroy(&modern->owners);
    kci_alloc_free(mb_group_alloc(group), modern);
    group->modern = NULL;
}

const char *mb_modern_state_name(const struct mb_group *group)
{
    const struct mb_modern *modern = group->modern;
    if (modern->member_count == 0)
        return "Empty";
    if (modern->target_epoch < modern->epoch)
        return "Assigning";
    KCI_LIST_EACH(node, &modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (member->state != MB_MODERN_STABLE || member->epoch != modern->target_epoch)
            return "Reconciling";
    }
    return "Stable";
}

/* ---- members ---- */

struct mb_modern_member *mb_modern_member_add(struct mb_group *group, struct kci_str id)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_modern_member *member = kci_alloc_zero(alloc, 1, sizeof *member);
    if (!member)
        return NULL;
    member->group = group;
    member->previous_epoch = -1;
    member->rebalance_timeout_ms = -1;
    member->id = mb_group_copy_str(alloc, id);
    if (!member->id.data || !kci_map_set(&group->modern->by_id, id.data, id.size, member)) {
        kci_alloc_free(alloc, member->id.data);
        kci_alloc_free(alloc, member);
        return NULL;
    }
    kci_list_push(&group->modern->members, &member->link);
    group->modern->member_count++;
    return member;
}

static size_t owner_key(const struct mb_tp *tp, uint8_t *key)
{
    memcpy(key, tp->topic.b, sizeof tp->topic.b);
    kci_put32(key + sizeof tp->topic.b, (uint32_t)tp->partition);
    return sizeof tp->topic.b + 4;
}

struct mb_modern_member *mb_modern_owner(const struct mb_modern *modern, const struct mb_tp *tp)
{
    uint8_t key[sizeof tp->topic.b + 4];
    return kci_map_get(&modern->owners, key, owner_key(tp, key));
}

static void disown(struct mb_modern_member *member, const struct mb_tpset *set)
{
    struct mb_modern *modern = member->group->modern;
    uint8_t key[sizeof set->items->topic.b + 4];
    for (size_t i = 0; i < set->count; i++)
        if (mb_modern_owner(modern, &set->items[i]) == member)
            kci_map_remove(&modern->owners, key, owner_key(&set->items[i], key));
}

static bool own(struct mb_modern_member *member, const struct mb_tpset *set)
{
    uint8_t key[sizeof set->items->topic.b + 4];
    bool done = true;
    for (size_t i = 0; i < set->count; i++)
        done &= kci_map_set(&member->group->modern->owners, key, owner_key(&set->items[i], key), member);
    return done;
}

bool mb_modern_held_since(const struct mb_modern_member *member, const struct mb_tp *tp, int32_t epoch)
{
    const struct mb_tp *held = mb_tpset_find(&member->assigned, tp);
    held = held ? held : mb_tpset_find(&member->revoking, tp);
    return held && held->epoch <= epoch;
}

bool mb_modern_member_hold(struct mb_modern_member *member, struct mb_tpset assigned, struct mb_tpset revoking)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    disown(member, &member->assigned);
    disown(member, &member->revoking);
    mb_tpset_free(alloc, &member->assigned);
    mb_tpset_free(alloc, &member->revoking);
    member->assigned = assigned;
    member->revoking = revoking;
    bool first = own(member, &member->assigned);
    return own(member, &member->revoking) && first;
}

void mb_modern_member_remove(struct mb_modern_member *member)
{
    struct mb_group *group = member->group;
    struct mb_modern *modern = group->modern;
    const struct kci_alloc *alloc = mb_group_alloc(group);
    const struct mb_tpset nothing = { NULL, 0 };
    mb_modern_member_hold(member, nothing, nothing);
    mb_tpset_free(alloc, &member->target);
    mb_alarm_stop(mb_group_cluster(group), &member->session);
    mb_alarm_stop(mb_group_cluster(group), &member->revoke);
    mb_modern_member_unset_classic(member);
    mb_modern_member_set_instance(member, (struct kci_str){ NULL, 0 });
    kci_map_remove(&modern->by_id, member->id.data, member->id.size);
    kci_list_remove(&member->link);
    modern->member_count--;
    if (member->pattern)
        member->pattern->member_count--;
    const struct kci_str texts[] = { member->id, member->rack_id, member->client_id, member->client_host,
                                     member->assignor };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        kci_alloc_free(alloc, texts[i].data);
    kci_alloc_free(alloc, member->topics);
    kci_alloc_free(alloc, member);
}

struct mb_modern_member *mb_modern_member_find(const struct mb_group *group, struct kci_str id)
{
    return id.data ? kci_map_get_str(&group->modern->by_id, id) : NULL;
}

struct mb_modern_member *mb_modern_member_static(const struct mb_group *group, struct kci_str instance_id)
{
    return instance_id.data ? kci_map_get_str(&group->modern->by_instance, instance_id) : NULL;
}

bool mb_modern_member_rename(struct mb_modern_member *member, struct kci_str id)
{
    struct mb_group *group = member->group;
    struct kci_str copy = mb_group_copy_str(mb_group_alloc(group), id);
    if (!copy.data || !kci_map_set(&group->modern->by_id, id.data, id.size, member)) {
        kci_alloc_free(mb_group_alloc(group), copy.data);
        return false;
    }
    kci_map_remove(&group->modern->by_id, member->id.data, member->id.size);
    kci_alloc_free(mb_group_alloc(group), member->id.data);
    member->id = copy;
    return true;
}

bool mb_modern_member_set_instance(struct mb_modern_member *member, struct kci_str instance_id)
{
    struct mb_modern *modern = member->group->modern;
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_str copy = mb_group_copy_str(alloc, instance_id);
    if (instance_id.data &&
        (!copy.data || !kci_map_set(&modern->by_instance, instance_id.data, instance_id.size, member))) {
        kci_alloc_free(alloc, copy.data);
        return false;
    }
    struct kci_str former = member->instance_id;
    if (former.data && !kci_str_equal(former, instance_id) && mb_modern_member_static(member->group, former) == member)
        kci_map_remove(&modern->by_instance, former.data, former.size);
    kci_alloc_free(alloc, former.data);
    member->instance_id = copy;
    return true;
}

bool mb_modern_member_set_text(struct mb_modern_member *member, struct kci_str *field, struct kci_str text,
                               bool *changed)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    if (kci_str_equal(*field, text))
        return true;
    struct kci_str copy = mb_group_copy_str(alloc, text);
    if (text.data && !copy.data)
        return false;
    kci_alloc_free(alloc, field->data);
    *field = copy;
    *changed = true;
    return true;
}

bool mb_modern_member_set_classic(struct mb_modern_member *member, const struct mb_group_identity *who)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct mb_group_protocol *protocols;
    size_t count;
    if (!mb_group_protocols_copy(alloc, who, &protocols, &count))
        return false;
    if (!member->classic)
        member->classic = kci_alloc_zero(alloc, 1, sizeof *member->classic);
    if (!member->classic) {
        kci_alloc_free(alloc, protocols);
        return false;
    }
    kci_alloc_free(alloc, member->classic->protocols);
    member->classic->protocols = protocols;
    member->classic->protocol_count = count;
    member->classic->session_timeout_ms = who->session_timeout_ms;
    return true;
}

void mb_modern_member_unset_classic(struct mb_modern_member *member)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    if (!member->classic)
        return;
    mb_alarm_stop(mb_group_cluster(member->group), &member->classic->join);
    mb_alarm_stop(mb_group_cluster(member->group), &member->classic->sync);
    kci_alloc_free(alloc, member->classic->protocols);
    kci_alloc_free(alloc, member->classic);
    member->classic = NULL;
}

struct mb_modern_new_id mb_modern_new_id(struct mb_cluster *cluster)
{
    struct kci_prng *prng = mb_cluster_prng(cluster);
    struct mb_modern_new_id id;
    unsigned long long low = kci_prng_next(prng), high = kci_prng_next(prng); /* in this order with every compiler */
    snprintf(id.text, sizeof id.text, "%016llx%016llx", high, low);
    return id;
}

static int compare_names(const void *a, const void *b)
{
    return kci_str_compare(*(const struct kci_str *)a, *(const struct kci_str *)b);
}

bool mb_modern_names_copy(const struct kci_alloc *alloc, const struct kci_str *names, size_t *count,
                          struct kci_str **out)
{
    size_t bytes = 0, kept = 0;
    for (size_t i = 0; i < *count; i++)
        bytes += names[i].size;
    struct kci_str *copy = kci_alloc_new(alloc, *count * sizeof *copy + bytes);
    if (!copy)
        return false;
    char *text = (char *)(copy + *count);
    for (size_t i = 0; i < *count; i++) {
        copy[i] = (struct kci_str){ text, names[i].size };
        if (names[i].size)
            memcpy(text, names[i].data, names[i].size);
        text += names[i].size;
    }
    if (*count)
        qsort(copy, *count, sizeof *copy, compare_names);
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || !kci_str_equal(copy[kept - 1], copy[i]))
            copy[kept++] = copy[i];
    *count = kept;
    *out = copy;
    return true;
}

bool mb_modern_member_set_topics(struct mb_modern_member *member, const struct kci_str *names, size_t count)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_str *topics;
    if (!mb_modern_names_copy(alloc, names, &count, &topics))
        return false;
    kci_alloc_free(alloc, member->topics);
    member->topics = topics;
    member->topic_count = count;
    return true;
}

bool mb_modern_member_names(const struct mb_modern_member *member, struct kci_str topic)
{
    return member->topic_count &&
           bsearch(&topic, member->topics, member->topic_count, sizeof topic, compare_names) != NULL;
}

bool mb_modern_same_names(const struct mb_modern_member *member, const struct kci_str *names, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (!mb_modern_member_names(member, names[i]))
            return false;
    return (size_t)count == member->topic_count; /* a list with doubles counts as new, which is harmless */
}

struct kci_str mb_modern_member_regex(const struct mb_modern_member *member)
{
    return member->pattern ? member->pattern->text : (struct kci_str){ "", 0 };
}

/* ---- questions about all of them ---- */

bool mb_modern_subscribed(const struct mb_group *group, struct kci_str topic)
{
    KCI_LIST_EACH(node, &group->modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (mb_modern_member_subscribes(member, topic))
            return true;
    }
    return false;
}

static bool offers(const struct mb_modern_classic *classic, struct kci_str protocol)
{
    for (size_t i = 0; i < classic->protocol_count; i++)
        if (kci_str_equal(classic->protocols[i].name, protocol))
            return true;
    return false;
}

bool mb_modern_classic_share(const struct mb_group *group, struct kci_str protocol)
{
    KCI_LIST_EACH(node, &group->modern->members)
    {
        const struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (member->classic && !member->leaving && !offers(member->classic, protocol))
            return false;
    }
    return true;
}

/* The i-th name of group.consumer.assignors; data NULL: there are no more. */
static struct kci_str assignor_at(const struct mb_cluster *cluster, size_t i)
{
    int index = mb_properties_find(kci_str_of("group.consumer.assignors"));
    const char *text = index >= 0 ? mb_properties_text(&cluster->properties, (size_t)index) : "";
    for (; i && *text; text++)
        i -= *text == ',';
    while (*text == ' ')
        text++;
    size_t size = strcspn(text, ", ");
    return size ? (struct kci_str){ text, size } : (struct kci_str){ NULL, 0 };
}

bool mb_modern_assignor_known(const struct mb_cluster *cluster, struct kci_str name)
{
    struct kci_str known;
    for (size_t i = 0; (known = assignor_at(cluster, i)).data; i++)
        if (kci_str_equal(known, name))
            return true;
    return false;
}

struct kci_str mb_modern_assignor(const struct mb_group *group)
{
    struct kci_str name, best = { NULL, 0 };
    size_t most = 0;
    for (size_t i = 0; (name = assignor_at(mb_group_cluster(group), i)).data; i++) {
        size_t votes = 0;
        KCI_LIST_EACH(node, &group->modern->members)
        {
            votes += kci_str_equal(KCI_CONTAINER(node, struct mb_modern_member, link)->assignor, name);
        }
        if (!best.data || votes > most) {
            best = name;
            most = votes;
        }
    }
    return best;
}
