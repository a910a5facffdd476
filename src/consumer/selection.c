/* What to read, as the application says it: topics, a pattern, partitions by hand, and where in them.  Each function
 * changes what is under the lock and wakes the engine; none waits, none meets the cluster.
 *
 * Topics (or a pattern) and partitions by hand exclude each other; giving one up is left to kci_consumer_begin_leave()
 * and to an empty assignment. */
#include "consumer/internal.h"
#include "consumer/notice.h"

#include <inttypes.h>
#include <stdio.h>

/* May it subscribe now? */
static kc_err may_subscribe(struct kci_consumer *c, kc_error *error)
{
    if (!c->settings->group_id)
        return kci_fail(error, KC_ERR_STATE, 0, "subscribe needs group.id; without a group, assign partitions");
    if (!c->subscription.by_group && c->subscription.assigned_count)
        return kci_fail(error, KC_ERR_STATE, 0, "partitions are assigned by hand: assign none before subscribing");
    if (c->group.state == KCI_GROUP_FAILED)
        return kci_fail(error, c->group.error, KC_FATAL, "%s", c->group.text);
    return KC_OK;
}

static kc_err subscribed(struct kci_consumer *c, kc_err result, int64_t now)
{
    if (result == KC_OK) {
        c->subscription.by_group = true;
        kci_group_subscribed(c, now);
        kci_consumer_want_step(c);
    }
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_subscribe(struct kci_consumer *c, const char *const *topics, size_t count, int64_t now,
                              kc_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!topics[i] || !topics[i][0])
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "topic %zu has no name", i);
    kci_consumer_lock(c);
    kc_err result = may_subscribe(c, error);
    if (result == KC_OK && !kci_subscription_set_topics(&c->subscription, topics, count))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    return subscribed(c, result, now);
}

static kc_err set_pattern(struct kci_consumer *c, const char *text, kc_error *error)
{
    char why[200];
    struct kci_pattern *pattern = kci_pattern_compile(c->alloc, text, why, sizeof why);
    if (!pattern)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "the pattern \"%.200s\" cannot be used: %s", text, why);
    kci_subscription_set_pattern_take(&c->subscription, pattern);
    kci_catalog_restart(c);
    return KC_OK;
}

kc_err kci_consumer_subscribe_pattern(struct kci_consumer *c, const char *pattern, bool remote, int64_t now,
                                      kc_error *error)
{
    if (!pattern || !pattern[0])
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "the pattern is empty");
    if (remote && !c->settings->group_protocol_consumer)
        return kci_fail(error, KC_ERR_STATE, 0,
                        "a pattern is matched by the brokers with group.protocol=consumer only: set it, or let it be "
                        "matched here");
    kci_consumer_lock(c);
    kc_err result = may_subscribe(c, error);
    if (result == KC_OK && !remote)
        result = set_pattern(c, pattern, error);
    else if (result == KC_OK && !kci_subscription_set_remote_pattern(&c->subscription, pattern))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    return subscribed(c, result, now);
}

kc_err kci_consumer_assign(struct kci_consumer *c, const kc_topic_partition *items, size_t count, int64_t now,
                           kc_error *error)
{
    kc_err result = KC_OK;
    for (size_t i = 0; i < count; i++) {
        bool offset_ok = items[i].offset >= 0 || items[i].offset == KC_OFFSET_END ||
                         items[i].offset == KC_OFFSET_BEGINNING || items[i].offset == KC_OFFSET_NONE;
        if (!items[i].topic || !items[i].topic[0] || items[i].partition < 0 || !offset_ok)
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: topic, partition or offset is not valid", i);
    }
    kci_consumer_lock(c);
    int32_t generation;
    bool commits = c->settings->enable_auto_commit && c->settings->group_id && c->subscription.assigned_count;
    if (c->subscription.by_group)
        result = kci_fail(error, KC_ERR_STATE, 0, "topics are subscribed: unsubscribe before assigning partitions");
    else if (commits && kci_group_commit_generation(c, &generation) == KC_OK) /* what is given up was worked on */
        kci_operations_auto_commit(c, true, now, now + (int64_t)c->settings->default_api_timeout_ms * KCI_MS);
    if (result == KC_OK && !kci_subscription_assign(&c->subscription, items, count, now))
        result = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    if (result == KC_OK)
        kci_notice_forget(c, NULL);
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

static kc_err not_assigned(kc_error *error, const char *topic, int32_t partition)
{
    return kci_fail(error, KC_ERR_STATE, 0, "%s [%d] is not assigned to this consumer", topic ? topic : "(null)",
                    (int)partition);
}

kc_err kci_consumer_seek(struct kci_consumer *c, const char *topic, int32_t partition, int64_t offset, int64_t now,
                         kc_error *error)
{
    kc_err result = KC_OK;
    if (!topic)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "topic is NULL");
    if (offset < 0 && offset != KC_OFFSET_BEGINNING && offset != KC_OFFSET_END)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "offset %" PRId64 " is not one", offset);
    kci_consumer_lock(c);
    struct kci_assigned *a = kci_subscription_find_name(&c->subscription, topic, partition);
    if (a) {
        kci_assigned_seek(&c->subscription, a, offset, -1, now);
        kci_notice_forget(c, a);
    } else {
        result = not_assigned(error, topic, partition);
    }
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_pause(struct kci_consumer *c, const kc_topic_partition *items, size_t count, bool pause,
                          kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    for (size_t i = 0; i < count && result == KC_OK; i++)
        if (!items[i].topic || !kci_subscription_find_name(&c->subscription, items[i].topic, items[i].partition))
            result = not_assigned(error, items[i].topic, items[i].partition);
    for (size_t i = 0; i < count && result == KC_OK; i++)
        kci_subscription_find_name(&c->subscription, items[i].topic, items[i].partition)->paused = pause;
    kci_consumer_want_step(c);
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_assignment(struct kci_consumer *c, struct kci_partition_list *out)
{
    kci_consumer_lock(c);
    bool ok = kci_subscription_list(&c->subscription, kci_assigned_is_any, out);
    kci_consumer_unlock(c);
    return ok ? KC_OK : KC_ERR_NO_MEMORY;
}

kc_err kci_consumer_position(struct kci_consumer *c, const char *topic, int32_t partition, int64_t *offset,
                             kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    const struct kci_assigned *a = topic ? kci_subscription_find_name(&c->subscription, topic, partition) : NULL;
    if (!a)
        result = not_assigned(error, topic, partition);
    else if (a->state == KCI_POSITION_FAILED && a->position < 0)
        result = kci_fail(error, a->error, 0, "%s", a->text);
    else
        *offset = a->position;
    kci_consumer_unlock(c);
    return result;
}

kc_err kci_consumer_enforce_rebalance(struct kci_consumer *c, const char *reason, kc_error *error)
{
    kc_err result = KC_OK;
    kci_consumer_lock(c);
    if (!c->subscription.by_group) {
        result = kci_fail(error, KC_ERR_STATE, 0, "not subscribed: there is no group to rebalance");
    } else if (c->group.state == KCI_GROUP_STABLE) { /* else it is at it, or joins anyway */
        snprintf(c->rejoin_reason, sizeof c->rejoin_reason, "%s",
                 reason && *reason ? reason : "the application wants it");
        kci_group_want_rejoin(c, c->rejoin_reason);
        kci_consumer_want_step(c);
    }
    kci_consumer_unlock(c);
    return result;
}
