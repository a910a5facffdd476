/* What a request or a response is about: topics, partitions, groups, transactional ids, found by the names of its
 * fields. */
#ifndef MB_CORE_FAULT_TARGET_H
#define MB_CORE_FAULT_TARGET_H

#include "mockbroker/core/fault.h"
#include "protocol/codec_table.h"

/* Where in a message we are; what is not known yet is absent. */
struct mb_scope {
    const struct mb_cluster *cluster; /* for names of topic ids */
    int16_t version;
    struct kci_str topic, group, transactional_id;
    int64_t partition; /* -1: unknown */
};

struct mb_scope mb_scope_of(const struct mb_request *request);
/* The scope inside of a struct. */
struct mb_scope mb_scope_enter(const struct mb_scope *scope, const struct kci_schema *schema, const void *structure);
bool mb_scope_matches(const struct mb_scope *scope, const struct mb_fault_match *match);
/* Does anything in the message match topic, partition, group and transactional id? */
bool mb_target_matches(const struct mb_request *request, const struct mb_fault_match *match);
/* Call each(user, name) for every topic, and for every group, that the message names; names may come more than once. */
void mb_target_names(const struct mb_request *request, void (*topic)(void *user, struct kci_str name),
                     void (*group)(void *user, struct kci_str name), void *user);
bool mb_target_is_topic_field(const struct kci_schema *schema, const struct kci_field *f);
bool mb_target_is_partition_field(const struct kci_schema *schema, const struct kci_field *f);

#endif
