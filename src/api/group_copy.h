/* Copies of what brokers say of groups, for admin_groups.c. Look at arena->failed when all is copied. */
#ifndef KCI_API_GROUP_COPY_H
#define KCI_API_GROUP_COPY_H

#include "base/arena.h"
#include "protocol/messages.h"
#include <kclient/groups.h>

/* "" for null, and without memory. */
const char *kci_group_copy_text(struct kci_arena *arena, struct kci_str text);
/* All but the group's name and its coordinator. */
void kci_group_copy_modern(struct kci_arena *arena, kc_group_description *to,
                           const struct kci_consumer_group_describe_response__described_group *from);
void kci_group_copy_classic(struct kci_arena *arena, kc_group_description *to,
                            const struct kci_describe_groups_response__described_group *from);

#endif
