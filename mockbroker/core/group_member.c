/* Members of a group: made, updated, renamed, expelled; their sessions; the requests that they have parked; and the ids
 * that were given out but not yet used.
 *
 * Invariants: a member is in the group's list and in by_id, a static one also in by_instance; `supported` counts each
 * protocol once per member that offers it; joined_count and sync_pending_count agree with the members.  A member's text
 * and protocols are copies: requests and log records go, members stay.
 *
 * Sessions follow Kafka: a member that waits for an answer of ours (parked JoinGroup or SyncGroup) is not expected to
 * send heartbeats, so its alarm passes without effect and is set anew when the answer goes out; but a *new* member that
 * waits longer than MB_GROUP_NEW_MEMBER_MS is dropped, because it may be a client that gave up and joined again. */
#include "mockbroker/core/group_member.h"

#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_rebalance.h"
#include "mockbroker/core/group_registry.h"

#include <assert.h>
#include <stdio.h>

/* ---- protocols ---- */

/* One block: the table, then names and metadata. Repeated names are left out: counted twice, they would outvote others.
 * False: no memory. */
bool mb_group_protocols_copy(const struct kci_alloc *alloc, const struct mb_group_identity *who,
                             struct mb_group_protocol **out, size_t *count)
{
    size_t bytes = who->protocol_count * sizeof **out;
    for (size_t i = 0; i < who->protocol_count; i++)
        bytes += who->protocols[i].name.size + who->protocols[i].metadata.size;
    struct mb_group_protocol *table = kci_alloc_new(alloc, bytes);
    if (!table)
        return false;
    uint8_t *at = (uint8_t *)(table + who->protocol_count);
    *count = 0;
    for (size_t i = 0; i < who->protocol_count; i++) {
        const struct mb_group_protocol *from = &who->protocols[i];
        size_t same = 0;
        while (same < *count && !kci_str_equal(table[same].name, from->name))
            same++;
        if (same < *count)
            continue;
        struct mb_group_protocol *to = &table[(*count)++];
        to->name = (struct kci_str){ (const char *)at, from->name.size };
        if (from->name.size)
            memcpy(at, from->name.data, from->name.size);
        at += from->name.size;
        to->metadata = (struct kci_bytes){ at, from->metadata.size };
        if (from->metadata.size)
            memcpy(at, from->metadata.data, from->metadata.size);
        at += from->metadata.size;
    }
    *out = table;
    return true;
}

static void uncount_protocols(struct mb_group *group, const struct mb_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kci_str name = protocols[i].name;
        uintptr_t members = (uintptr_t)kci_map_get_str(&group->supported, name);
        assert(members > 0);
        if (members == 1)
            kci_map_remove(&group->supported, name.data, name.size);
        else
            kci_map_set(&group->supported, name.data, name.size,
                        (void *)(members - 1)); /* known key: no memory needed */
    }
}

/* False: no memory, nothing counted. */
static bool count_protocols(struct mb_group *group, const struct mb_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uintptr_t members = (uintptr_t)kci_map_get_str(&group->supported, protocols[i].name);
        if (!kci_map_set(&group->supported, protocols[i].name.data, protocols[i].name.size, (void *)(members + 1))) {
            uncount_protocols(group, protocols, i);
            return false;
        }
    }
    return true;
}

bool mb_group_member_update(struct mb_group_member *member, const struct mb_group_identity *who)
{
    struct mb_group *group = member->group;
    struct mb_group_protocol *protocols;
    size_t count;
    if (!mb_group_protocols_copy(mb_group_alloc(group), who, &protocols, &count))
        return false;
    if (!count_protocols(group, protocols, count)) {
        kci_alloc_free(mb_group_alloc(group), protocols);
        return false;
    }
    uncount_protocols(group, member->protocols, member->protocol_count);
    kci_alloc_free(mb_group_alloc(group), member->protocols);
    member->protocols = protocols;
    member->protocol_count = count;
    member->session_timeout_ms = who->session_timeout_ms;
    member->rebalance_timeout_ms = who->rebalance_timeout_ms;
    return true;
}

bool mb_group_member_matches(const struct mb_group_member *member, const struct mb_group_identity *who)
{
    if (member->protocol_count != who->protocol_count)
        return false;
    for (size_t i = 0; i < who->protocol_count; i++) {
        const struct mb_group_protocol *a = &member->protocols[i], *b = &who->protocols[i];
        if (!kci_str_equal(a->name, b->name) || a->metadata.size != b->metadata.size ||
            (a->metadata.size && memcmp(a->metadata.data, b->metadata.data, a->metadata.size) != 0))
            return false;
    }
    return true;
}

struct kci_bytes mb_group_member_metadata(const struct mb_group_member *member, struct kci_str protocol)
{
    for (size_t i = 0; i < member->protocol_count; i++)
        if (kci_str_equal(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    return (struct kci_bytes){ (const uint8_t *)"", 0 };
}

/* ---- the member itself ---- */

static void session_over(void *owner, int64_t now)
{
    struct mb_group_member *member = owner;
    if (!member->is_new && (member->join || member->sync))
        return; /* it waits for us, not we for it */
    kci_log(mb_cluster_logger(mb_group_cluster(member->group)), KCI_LOG_INFO, "group",
            "%s: member %s was silent for its session timeout and is removed", member->group->id.data, member->id.data);
    mb_group_rebalance_expel(member, "a member was silent for its session timeout", now);
}

static void free_member(struct mb_group_member *member)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    kci_alloc_free(alloc, member->id.data);
    kci_alloc_free(alloc, member->instance_id.data);
    kci_alloc_free(alloc, member->client_id.data);
    kci_alloc_free(alloc, member->client_host.data);
    kci_alloc_free(alloc, member->protocols);
    kci_alloc_free(alloc, member->assignment.data);
    kci_alloc_free(alloc, member->proposed.data);
    kci_alloc_free(alloc, member);
}

/* Copies of everything; NULL: no memory. */
static struct mb_group_member *new_member(struct mb_group *group, const struct mb_group_identity *who)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_group_member *member = kci_alloc_zero(alloc, 1, sizeof *member);
    if (!member)
        return NULL;
    struct kci_str empty = { "", 0 };
    member->group = group;
    member->session.fire = session_over;
    member->session.owner = member;
    member->session_timeout_ms = who->session_timeout_ms;
    member->rebalance_timeout_ms = who->rebalance_timeout_ms;
    member->id = mb_group_copy_str(alloc, who->id);
    member->instance_id = mb_group_copy_str(alloc, who->instance_id);
    member->client_id = mb_group_copy_str(alloc, who->client_id.data ? who->client_id : empty);
    member->client_host = mb_group_copy_str(alloc, who->client_host.data ? who->client_host : empty);
    if (member->id.data && (member->instance_id.data || !who->instance_id.data) && member->client_id.data &&
        member->client_host.data && mb_group_protocols_copy(alloc, who, &member->protocols, &member->protocol_count))
        return member;
    free_member(member);
    return NULL;
}

struct mb_group_member *mb_group_member_add(struct mb_group *group, const struct mb_group_identity *who, int64_t now)
{
    struct mb_group_member *member = new_member(group, who);
    if (!member)
        return NULL;
    bool named = kci_map_set(&group->by_id, member->id.data, member->id.size, member);
    bool placed = named && (!member->instance_id.data || kci_map_set(&group->by_instance, member->instance_id.data,
                                                                     member->instance_id.size, member));
    if (!placed || !count_protocols(group, member->protocols, member->protocol_count)) {
        if (named)
            kci_map_remove(&group->by_id, member->id.data, member->id.size);
        if (placed && member->instance_id.data)
            kci_map_remove(&group->by_instance, member->instance_id.data, member->instance_id.size);
        free_member(member);
        return NULL;
    }
    kci_list_push(&group->members, &member->link);
    group->member_count++;
    if (!group->leader)
        group->leader = member;
    mb_group_pending_remove(group, member->id);
    mb_group_member_alive(member, now);
    return member;
}

static void set_sync_pending(struct mb_group_member *member, bool pending)
{
    if (member->sync_pending != pending)
        member->group->sync_pending_count += pending ? 1 : (size_t)-1;
    member->sync_pending = pending;
}

void mb_group_member_remove(struct mb_group_member *member)
{
    struct mb_group *group = member->group;
    assert(!member->join && !member->sync);
    set_sync_pending(member, false);
    mb_alarm_stop(mb_group_cluster(group), &member->session);
    uncount_protocols(group, member->protocols, member->protocol_count);
    kci_map_remove(&group->by_id, member->id.data, member->id.size);
    if (member->instance_id.data)
        kci_map_remove(&group->by_instance, member->instance_id.data, member->instance_id.size);
    kci_list_remove(&member->link);
    group->member_count--;
    if (group->leader == member)
        group->leader =
            group->member_count ? KCI_CONTAINER(kci_list_first(&group->members), struct mb_group_member, link) : NULL;
    free_member(member);
}

bool mb_group_member_rename(struct mb_group_member *member, struct kci_str id)
{
    struct mb_group *group = member->group;
    struct kci_str copy = mb_group_copy_str(mb_group_alloc(group), id);
    if (!copy.data)
        return false;
    if (!kci_map_set(&group->by_id, copy.data, copy.size, member)) {
        kci_alloc_free(mb_group_alloc(group), copy.data);
        return false;
    }
    kci_map_remove(&group->by_id, member->id.data, member->id.size);
    kci_alloc_free(mb_group_alloc(group), member->id.data);
    member->id = copy;
    return true;
}

struct mb_group_member *mb_group_member_find(const struct mb_group *group, struct kci_str id)
{
    return kci_map_get_str(&group->by_id, id);
}

struct mb_group_member *mb_group_member_static(const struct mb_group *group, struct kci_str instance_id)
{
    return instance_id.data ? kci_map_get_str(&group->by_instance, instance_id) : NULL;
}

int16_t mb_group_member_check(const struct mb_group *group, struct kci_str id, struct kci_str instance_id,
                              struct mb_group_member **out)
{
    if (instance_id.data) { /* KIP-345: one member per instance, the latest */
        const struct mb_group_member *holder = mb_group_member_static(group, instance_id);
        if (!holder)
            return KCI_UNKNOWN_MEMBER_ID;
        if (!kci_str_equal(holder->id, (struct kci_str){ id.data ? id.data : "", id.size }))
            return KCI_FENCED_INSTANCE_ID;
    }
    *out = mb_group_member_find(group, id);
    return *out ? KCI_NONE : KCI_UNKNOWN_MEMBER_ID;
}

/* ---- parked requests ---- */

struct mb_request *mb_group_member_take_join(struct mb_group_member *member)
{
    struct mb_request *request = member->join;
    if (request)
        member->group->joined_count--;
    member->join = NULL;
    return request;
}

struct mb_request *mb_group_member_take_sync(struct mb_group_member *member)
{
    struct mb_request *request = member->sync;
    member->sync = NULL;
    return request;
}

void mb_group_member_park_join(struct mb_group_member *member, struct mb_request *request, int64_t now)
{
    struct mb_request *former = mb_group_member_take_join(member);
    member->join = request;
    member->group->joined_count++;
    if (former) /* most likely from a connection that is gone; if not, the client may ask again */
        mb_group_answer_join_error(former, member->id, KCI_REBALANCE_IN_PROGRESS, now);
}

void mb_group_member_park_sync(struct mb_group_member *member, struct mb_request *request, int64_t now)
{
    struct mb_request *former = mb_group_member_take_sync(member);
    member->sync = request;
    if (former)
        mb_group_answer_sync_error(former, KCI_REBALANCE_IN_PROGRESS, now);
}

void mb_group_member_expect_sync(struct mb_group_member *member, bool expected)
{
    set_sync_pending(member, expected);
}

/* ---- sessions ---- */

void mb_group_member_alive_for(struct mb_group_member *member, int32_t ms, int64_t now)
{
    mb_alarm_set(mb_group_cluster(member->group), &member->session, now + (int64_t)ms * 1000);
}

void mb_group_member_alive(struct mb_group_member *member, int64_t now)
{
    mb_group_member_alive_for(member, member->session_timeout_ms, now);
}

void mb_group_member_expel(struct mb_group_member *member, int16_t error, int64_t now)
{
    struct mb_request *join = mb_group_member_take_join(member), *sync = mb_group_member_take_sync(member);
    if (join)
        mb_group_answer_join_error(join, (struct kci_str){ "", 0 }, error, now);
    if (sync)
        mb_group_answer_sync_error(sync, error, now);
    mb_group_member_remove(member);
}

/* ---- ids given out ---- */

static void free_pending(struct mb_group_pending *pending)
{
    kci_alloc_free(mb_group_alloc(pending->group), pending->id.data);
    kci_alloc_free(mb_group_alloc(pending->group), pending);
}

static void pending_over(void *owner, int64_t now)
{
    struct mb_group_pending *pending = owner;
    struct mb_group *group = pending->group;
    mb_group_pending_remove(group, pending->id);
    mb_group_rebalance_maybe_complete(group, now);
}

bool mb_group_pending_add(struct mb_group *group, struct kci_str id, int32_t session_timeout_ms, int64_t now)
{
    struct mb_group_pending *pending = kci_alloc_zero(mb_group_alloc(group), 1, sizeof *pending);
    if (!pending)
        return false;
    pending->group = group;
    pending->session.fire = pending_over;
    pending->session.owner = pending;
    pending->id = mb_group_copy_str(mb_group_alloc(group), id);
    if (!pending->id.data || !kci_map_set(&group->pending_by_id, id.data, id.size, pending)) {
        free_pending(pending);
        return false;
    }
    kci_list_push(&group->pending, &pending->link);
    mb_alarm_set(mb_group_cluster(group), &pending->session, now + (int64_t)session_timeout_ms * 1000);
    return true;
}

bool mb_group_pending_has(const struct mb_group *group, struct kci_str id)
{
    return kci_map_get_str(&group->pending_by_id, id) != NULL;
}

bool mb_group_pending_remove(struct mb_group *group, struct kci_str id)
{
    struct mb_group_pending *pending = kci_map_remove(&group->pending_by_id, id.data, id.size);
    if (!pending)
        return false;
    kci_list_remove(&pending->link);
    mb_alarm_stop(mb_group_cluster(group), &pending->session);
    free_pending(pending);
    return true;
}

struct kci_str mb_group_member_new_id(struct mb_group *group, struct kci_str prefix)
{
    struct kci_prng *prng = mb_cluster_prng(mb_group_cluster(group));
    uint64_t a = kci_prng_next(prng), b = kci_prng_next(prng);
    char uuid[38];
    int uuid_size = snprintf(uuid, sizeof uuid, "-%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                             (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffffu));
    assert(uuid_size == 37);
    char *text = kci_alloc_new(mb_group_alloc(group), prefix.size + sizeof uuid);
    if (!text)
        return (struct kci_str){ NULL, 0 };
    if (prefix.size)
        memcpy(text, prefix.data, prefix.size);
    memcpy(text + prefix.size, uuid, sizeof uuid);
    return (struct kci_str){ text, prefix.size + (size_t)uuid_size };
}
