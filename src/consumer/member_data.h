/* What members of a group tell each other, embedded in JoinGroup and SyncGroup: subscription and assignment
 * (PROTOCOL 3.7). */
#ifndef KCI_CONSUMER_MEMBER_DATA_H
#define KCI_CONSUMER_MEMBER_DATA_H

#include "base/arena.h"
#include "base/cursor.h"
#include "consumer/assignor.h"
#include "consumer/subscription.h"

/* Append our subscription: [i16 version][ConsumerProtocolSubscription], with what is assigned to us and the user data
 * of an assignor. false: out of memory. */
bool kci_member_data_subscription(struct kci_writer *w, const struct kci_subscription *s, struct kci_arena *arena,
                                  int32_t generation, const char *rack, struct kci_bytes user_data);
/* Read a member's subscription; the bytes may come from any client of any quality. Views into data; arrays in the
 * arena. false: malformed. */
bool kci_member_data_read(struct kci_bytes data, struct kci_arena *arena, struct kci_member *member);
/* Append the assignment of one member. */
bool kci_member_data_assignment(struct kci_writer *w, const struct kci_member *member,
                                const struct kci_group_topic *topics, struct kci_arena *arena);
/* Read our assignment into a list (owned by the caller). Empty bytes: nothing is assigned. false: malformed or out of
 * memory, and then arena->failed. */
bool kci_member_data_read_assignment(struct kci_bytes data, const struct kci_alloc *alloc, struct kci_arena *arena,
                                     struct kci_partition_list *out);

#endif
