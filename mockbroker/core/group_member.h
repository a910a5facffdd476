/* Members of a group: who they are, what they offer, how long they may be silent. */
#ifndef MB_CORE_GROUP_MEMBER_H
#define MB_CORE_GROUP_MEMBER_H

#include "mockbroker/core/group.h"

/* What makes a member: from a JoinGroup request, or from the log. All borrowed. */
struct mb_group_identity {
    struct kci_str id, instance_id, client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    const struct mb_group_protocol *protocols;
    size_t protocol_count;
};

/* One block: the table, then names and metadata, without doubles. False: no memory. */
bool mb_group_protocols_copy(const struct kci_alloc *alloc, const struct mb_group_identity *who,
                             struct mb_group_protocol **out, size_t *count);
/* Add a member at the end; NULL: no memory, nothing changed. It fits (mb_group_supports), its id is new. */
struct mb_group_member *mb_group_member_add(struct mb_group *group, const struct mb_group_identity *who, int64_t now);
/* Take it out of the group and free it; its parked requests were answered. A new leader is the oldest that is left. */
void mb_group_member_remove(struct mb_group_member *member);
/* Take over timeouts and protocols of a later JoinGroup. False: no memory, nothing changed. */
bool mb_group_member_update(struct mb_group_member *member, const struct mb_group_identity *who);
/* A static member came back: same member, new id. False: no memory, nothing changed. */
bool mb_group_member_rename(struct mb_group_member *member, struct kci_str id);
/* Would this JoinGroup change nothing? */
bool mb_group_member_matches(const struct mb_group_member *member, const struct mb_group_identity *who);
struct kci_bytes mb_group_member_metadata(const struct mb_group_member *member, struct kci_str protocol);

struct mb_group_member *mb_group_member_find(const struct mb_group *group, struct kci_str id);
struct mb_group_member *mb_group_member_static(const struct mb_group *group, struct kci_str instance_id);
/* 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID; *out is set on 0. */
int16_t mb_group_member_check(const struct mb_group *group, struct kci_str id, struct kci_str instance_id,
                              struct mb_group_member **out);

/* Park a request; one parked before is answered (the client gave it up and asks again). */
void mb_group_member_park_join(struct mb_group_member *member, struct mb_request *request, int64_t now);
void mb_group_member_park_sync(struct mb_group_member *member, struct mb_request *request, int64_t now);
/* The parked request, no longer parked; NULL: none. */
struct mb_request *mb_group_member_take_join(struct mb_group_member *member);
struct mb_request *mb_group_member_take_sync(struct mb_group_member *member);

/* It must ask for its assignment (or has); counted in the group. */
void mb_group_member_expect_sync(struct mb_group_member *member, bool expected);

/* Someone was heard: the session starts anew, for the given time or for its own session timeout. */
void mb_group_member_alive(struct mb_group_member *member, int64_t now);
void mb_group_member_alive_for(struct mb_group_member *member, int32_t ms, int64_t now);
/* Answer what it has parked with an error and remove it. */
void mb_group_member_expel(struct mb_group_member *member, int16_t error, int64_t now);

/* Give out an id (MEMBER_ID_REQUIRED): it is kept for session_timeout_ms. False: no memory. */
bool mb_group_pending_add(struct mb_group *group, struct kci_str id, int32_t session_timeout_ms, int64_t now);
bool mb_group_pending_has(const struct mb_group *group, struct kci_str id);
bool mb_group_pending_remove(struct mb_group *group, struct kci_str id); /* true: it was there */

/* "prefix-" and a random version-4 UUID in its usual spelling, in memory of the group's allocator; data NULL: none. */
struct kci_str mb_group_member_new_id(struct mb_group *group, struct kci_str prefix);

#endif
