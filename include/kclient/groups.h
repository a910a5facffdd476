/* Administration of groups: who is in them, what they have committed. Thread-safe, like kc_admin; every call waits and
 * finds the group's coordinator by itself.
 *
 * Arguments of all of them:
 *   group        its id, NUL-terminated; copied
 *   timeout_ms   the most that the call may wait, milliseconds; -1: without end
 *   out          receives what was asked for, with all its texts: yours until its release function; NULL on failure
 *   error        may be NULL; filled on failure
 * Errors of all of them:
 *   KC_ERR_GROUP_ID_NOT_FOUND           there is no such group
 *   KC_ERR_GROUP_AUTHORIZATION_FAILED   the broker's rules forbid it
 *   KC_ERR_TIMED_OUT                    may be applied when something is changed
 *   KC_ERR_NO_VERSION                   the broker is too old
 *   KC_ERR_ARGUMENT                     a NULL, or a name that is empty */
#ifndef KCLIENT_GROUPS_H
#define KCLIENT_GROUPS_H

#include <kclient/admin.h>
#include <kclient/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ListGroups (KIP-518, KIP-848). */
typedef struct kc_group_listing {
    const char *group;
    const char *type;          /* "classic", "consumer" (KIP-848), "share" ...; "" when the broker does not say */
    const char *state;         /* "Stable", "Empty" ...; "" when the broker does not say */
    const char *protocol_type; /* "consumer"; "" of a group that only keeps offsets */
    int32_t coordinator;       /* broker id */
} kc_group_listing;
typedef struct kc_group_list {
    const kc_group_listing *groups; /* sorted by name */
    size_t count;
} kc_group_list;
/* All groups of the cluster: every broker is asked. *out is yours: kc_group_list_release(). A broker that cannot be
 * asked is an error: a list with holes would look like a whole one. */
KC_EXPORT kc_err kc_admin_list_groups(kc_admin *admin, int32_t timeout_ms, kc_group_list **out, kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_group_list_release(kc_group_list *list);

/* DescribeGroups, or ConsumerGroupDescribe of a group of KIP-848. */
typedef struct kc_group_member {
    const char *member_id, *client_id, *client_host;
    const char *instance_id;            /* NULL: a dynamic member */
    const char *rack;                   /* NULL: none, or not known */
    int32_t epoch;                      /* KIP-848; -1 in a classic group */
    const kc_topic_partition *assigned; /* what it has now */
    size_t assigned_count;
    const kc_topic_partition *target; /* KIP-848: what it is to have in the end */
    size_t target_count;
    const char *const *topics; /* what it subscribes to */
    size_t topic_count;
    const char *regex; /* KIP-848: or what its topics match; NULL: none */
    int classic;       /* 1: it speaks the classic protocol */
} kc_group_member;
typedef struct kc_group_description {
    const char *group;
    const char *type;  /* "classic", "consumer" */
    const char *state; /* "Stable", "Empty", "PreparingRebalance", "Assigning", "Reconciling" ... */
    const char *assignor;
    int32_t coordinator; /* broker id */
    int32_t epoch;       /* KIP-848: of the group; -1 in a classic one */
    int32_t assignment_epoch;
    const kc_group_member *members;
    size_t member_count;
} kc_group_description;
/* One group, of either protocol. *out is yours: kc_group_description_release(). */
KC_EXPORT kc_err kc_admin_describe_group(kc_admin *admin, const char *group, int32_t timeout_ms,
                                         kc_group_description **out, kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_group_description_release(kc_group_description *description);

/* OffsetFetch of all partitions. */
typedef struct kc_group_offsets {
    const kc_topic_partition *offsets; /* offset, leader_epoch, metadata; sorted by topic and partition */
    size_t count;
} kc_group_offsets;
/* All that the group has committed; a group that is not there has nothing.  *out is yours:
 * kc_group_offsets_release(). */
KC_EXPORT kc_err kc_admin_group_offsets(kc_admin *admin, const char *group, int32_t timeout_ms, kc_group_offsets **out,
                                        kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_group_offsets_release(kc_group_offsets *offsets);
/* Commit offsets for a group without members (OffsetCommit); a group that is not there is made.
 *   offsets   `count` entries: topic, partition, `offset` >= 0 (the next to be read), leader_epoch or -1, metadata or
 *             NULL; the code of each is stored in it, the result is the first that failed
 *   KC_ERR_UNKNOWN_MEMBER_ID   the group has members, which would go on where they are: stop them first */
KC_EXPORT kc_err kc_admin_set_group_offsets(kc_admin *admin, const char *group, kc_topic_partition *offsets,
                                            size_t count, int32_t timeout_ms, kc_error *error);
/* Forget what was committed for these partitions (OffsetDelete); of each entry only topic and partition are looked at,
 * otherwise as above.
 *   KC_ERR_GROUP_SUBSCRIBED_TO_TOPIC   a member reads it */
KC_EXPORT kc_err kc_admin_delete_group_offsets(kc_admin *admin, const char *group, kc_topic_partition *partitions,
                                               size_t count, int32_t timeout_ms, kc_error *error);
/* Delete a group with all its offsets (DeleteGroups).
 *   KC_ERR_NON_EMPTY_GROUP   it has members: stop them first */
KC_EXPORT kc_err kc_admin_delete_group(kc_admin *admin, const char *group, int32_t timeout_ms, kc_error *error);
/* Remove a member of a classic group (LeaveGroup, KIP-345), by its group.instance.id (member_id NULL) or its member id (instance_id NULL):
 * the others need not wait for its session to time out.
 *   KC_ERR_UNKNOWN_MEMBER_ID   the group has no such member */
KC_EXPORT kc_err kc_admin_remove_group_member(kc_admin *admin, const char *group, const char *member_id,
                                              const char *instance_id, int32_t timeout_ms, kc_error *error);

#ifdef __cplusplus
}
#endif
#endif
