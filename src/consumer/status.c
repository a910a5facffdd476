/* What a consumer says of itself: where each partition and the membership stand and for how long, counters, and the
 * cluster's account of the last trouble.  Copies under the lock; any thread. */
#include "consumer/internal.h"

#include <stdio.h>

const char *kci_consumer_position_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                                        int64_t *for_us)
{
    kci_consumer_lock(c);
    const struct kci_assigned *a = kci_subscription_find_name(&c->subscription, topic, partition);
    const char *name = a ? kci_states_name(&kci_position_states, a->state) : NULL;
    if (a && for_us)
        *for_us = now - a->since;
    kci_consumer_unlock(c);
    return name;
}

void kci_consumer_state(struct kci_consumer *c, const char *topic, int32_t partition, int64_t now,
                        kc_consumer_state *state)
{
    memset(state, 0, sizeof *state);
    kci_consumer_lock(c);
    const struct kci_assigned *a = topic ? kci_subscription_find_name(&c->subscription, topic, partition) : NULL;
    if (a) {
        state->position = kci_states_name(&kci_position_states, a->state);
        state->position_for_ms = (now - a->since) / KCI_MS;
        state->paused = a->paused;
        state->revoking = a->revoking;
        state->ahead_bytes = a->queued_bytes + a->judging_bytes;
        state->unacknowledged = a->ledger.unacknowledged;
        state->stalled = a->stalled;
    }
    state->group = kci_states_name(c->group.states, c->group.state);
    state->group_for_ms = c->group.since ? (now - c->group.since) / KCI_MS : -1;
    state->since_poll_ms = c->in_poll && !c->event_runs ? 0 : c->last_poll ? (now - c->last_poll) / KCI_MS : -1;
    kci_consumer_unlock(c);
}

const char *kci_consumer_group_state(struct kci_consumer *c)
{
    kci_consumer_lock(c);
    const char *name = kci_states_name(c->group.states, c->group.state);
    kci_consumer_unlock(c);
    return name;
}

void kci_consumer_stats(struct kci_consumer *c, kc_consumer_stats *stats)
{
    kci_consumer_lock(c);
    *stats = c->stats;
    kci_consumer_unlock(c);
    stats->memory_used = (uint64_t)kci_shared_held(c->shared);
    stats->memory_limit = (uint64_t)c->shared->limit;
}

void kci_consumer_no_leader(const struct kci_consumer_topic *topic, int32_t partition, char *text, size_t size)
{
    if (!topic->known)
        snprintf(text, size, "there is no metadata of topic \"%s\" yet", topic->name.data);
    else if (topic->error != KCI_NONE)
        snprintf(text, size, "topic \"%s\": %s", topic->name.data, kci_error_text(topic->error));
    else if (partition >= topic->partition_count)
        snprintf(text, size, "there is no partition %d of topic \"%s\": it has %d", (int)partition, topic->name.data,
                 (int)topic->partition_count);
    else
        snprintf(text, size, "%s [%d] has no leader", topic->name.data, (int)partition);
}

void kci_consumer_explain(struct kci_consumer *c, const char *topic, int32_t partition, char *text, size_t size)
{
    kci_consumer_lock(c);
    const struct kci_assigned *a = kci_subscription_find_name(&c->subscription, topic, partition);
    if (a && a->topic->known && (a->topic->error != KCI_NONE || partition >= a->topic->partition_count)) {
        kci_consumer_no_leader(a->topic, partition, text, size);
        kci_consumer_unlock(c);
        return;
    }
    size_t length = strlen(c->why);
    if (size) {
        length = length < size ? length : size - 1;
        memcpy(text, c->why, length);
        text[length] = 0;
    }
    kci_consumer_unlock(c);
}
