/* Stands in for the group coordinator where it is not linked: weak, so that group.c takes its place. */
#include "mockbroker/core/request.h"

#include "mockbroker/core/cluster.h"

struct mb_groups *mb_groups_create(struct mb_cluster *cluster) __attribute__((weak));
void mb_groups_destroy(struct mb_groups *groups, int64_t now) __attribute__((weak));
void mb_groups_on_leader(struct mb_groups *groups, int32_t partition, int32_t broker, int64_t now)
    __attribute__((weak));
void mb_groups_on_topic_deleted(struct mb_groups *groups, struct kci_str topic, int64_t now) __attribute__((weak));

struct mb_groups *mb_groups_create(struct mb_cluster *cluster)
{
    return (struct mb_groups *)(void *)cluster; /* anything but NULL: it is never looked into */
}

void mb_groups_destroy(struct mb_groups *groups, int64_t now)
{
    (void)groups;
    (void)now;
}

void mb_groups_on_leader(struct mb_groups *groups, int32_t partition, int32_t broker, int64_t now)
{
    (void)groups;
    (void)partition;
    (void)broker;
    (void)now;
}

void mb_groups_on_topic_deleted(struct mb_groups *groups, struct kci_str topic, int64_t now)
{
    (void)groups;
    (void)topic;
    (void)now;
}
