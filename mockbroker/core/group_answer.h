/* Answers of a group's coordinator, which are made in several places: at once, when a rebalance ends, when a member
 * goes. */
#ifndef MB_CORE_GROUP_ANSWER_H
#define MB_CORE_GROUP_ANSWER_H

#include "mockbroker/core/group.h"

/* `response`, of the API of the request, or the error in its stead; no request: nobody waits. */
void mb_group_answer(struct mb_request *request, const void *response, int16_t error, int64_t now);
void mb_group_answer_join_error(struct mb_request *request, struct kci_str member_id, int16_t error, int64_t now);
/* The generation as it is, to `member`. */
struct mb_group_join_answer {
    bool with_members;     /* the leader's list of members */
    bool skip_assignment;  /* v9: it leads, but the assignment stands (KIP-814) */
    struct kci_str leader; /* member id */
};
void mb_group_answer_join(struct mb_request *request, const struct mb_group_member *member,
                          const struct mb_group_join_answer *how, int64_t now);
void mb_group_answer_sync_error(struct mb_request *request, int16_t error, int64_t now);
/* The member's own assignment. */
void mb_group_answer_sync(struct mb_request *request, const struct mb_group_member *member, int64_t now);

/* Kafka hides why an append to __consumer_offsets failed behind errors that a group member knows. */
int16_t mb_group_answer_append_error(int16_t error);
/* The same for a commit of offsets: it says when it was itself too large. */
int16_t mb_group_answer_commit_error(int16_t error);

#endif
