/* kc group: what its files share. */
#ifndef KC_TOOL_GROUP_H
#define KC_TOOL_GROUP_H

#include "kc.h"

#define GROUP_TOPICS_MAX 64

struct group_command {
    kc_config *config; /* for a consumer, which looks up offsets */
    kc_admin *admin;
    int32_t timeout_ms;
    const char *topics[GROUP_TOPICS_MAX]; /* -t, each TOPIC or TOPIC:PARTITION */
    size_t topic_count;
    const char *to; /* -o: where reset goes */
    bool dry_run, watch;
    int32_t interval_ms; /* of --watch */
};

/* Committed offset, end and lag of each partition; with --watch again and again. */
int kct_group_lag(const struct group_command *c, const char *group);
int kct_group_reset(const struct group_command *c, const char *group);
int kct_group_delete_offsets(const struct group_command *c, const char *group);

#endif
