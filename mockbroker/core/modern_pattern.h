/* The topic patterns that members of a group subscribe to (SubscribedTopicRegex of KIP-848), and what they match. */
#ifndef MB_CORE_MODERN_PATTERN_H
#define MB_CORE_MODERN_PATTERN_H

#include "mockbroker/core/modern.h"

struct mb_modern_pattern {
    struct kci_list link;   /* in modern->patterns, or in modern->found */
    struct kci_str text;    /* owned */
    size_t member_count;    /* that subscribe to it */
    bool resolved;          /* its topics are known (from now or from the log) */
    struct kci_str *topics; /* owned, one block with its text; sorted */
    size_t topic_count;
    int64_t version;     /* of the cluster's metadata that it was held against */
    int64_t resolved_ms; /* wall clock of that */
};

/* What became of a member's pattern. KNOWN: the topics of its new one are known, or it has none any more. */
enum mb_modern_pattern_change { MB_PATTERN_SAME, MB_PATTERN_OTHER, MB_PATTERN_OTHER_KNOWN };

/* Subscribe to the pattern (empty: to none). A pattern that lost its last member stays until mb_modern_patterns_prune.
 * False: no memory, nothing changed. */
bool mb_modern_member_set_pattern(struct mb_modern_member *member, struct kci_str text,
                                  enum mb_modern_pattern_change *change);
/* Does one of its names, or what is known of its pattern, say the topic? */
bool mb_modern_member_subscribes(const struct mb_modern_member *member, struct kci_str topic);
/* With each heartbeat: look at the topics again, on behalf of who asks, if it is time; the result comes on its own. */
void mb_modern_patterns_refresh(struct mb_group *group, const struct mb_request *request,
                                enum mb_modern_pattern_change change, int64_t now);
/* Patterns without members are void. */
void mb_modern_patterns_prune(struct mb_group *group, struct mb_group_records *records);
/* From the log; a record without a value (`topics` NULL) takes the pattern back. False: no memory. */
bool mb_modern_pattern_load(struct mb_group *group, struct kci_str text, const struct kci_str *topics, size_t count,
                            int64_t version, int64_t resolved_ms);
void mb_modern_patterns_free(struct mb_group *group); /* when no member is left */

#endif
