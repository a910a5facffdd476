/* The engine: creation, the step, and what the shell calls.
 *
 *   step:   cluster (answers arrive; each `done` takes the lock)
 *           -- lock --  topics, group, operations, positions, fetches: send what is due  -- unlock --
 *           judge fetched bytes, without the lock
 *
 * The order matters: requests leave before bytes are worked on, so the next fetch is on the wire meanwhile.
 * The cluster belongs to the I/O thread; the application's functions (selection.c, poll.c, begin.c ...) never touch it.
 * They change what is under the lock and wake the I/O thread. */
#include "consumer/internal.h"
#include "consumer/positions.h"
#include "consumer/reset.h"

#include <stdarg.h>
#include <stdio.h>

#define IN_FLIGHT_MAX 32 /* per connection: a fetch, lookups, commits; they are answered in order */

void kci_consumer_unlock(struct kci_consumer *c)
{
    bool wake = c->wake_wanted, notify = c->notify_wanted;
    c->wake_wanted = c->notify_wanted = false;
    kci_lock_release(&c->lock);
    if (wake && c->wake)
        c->wake(c->wake_context);
    if (notify && c->notify)
        c->notify(c->notify_context);
}

void kci_consumer_raise(struct kci_consumer *c, kc_err code, const char *format, ...)
{
    va_list arguments;
    if (c->pending_error != KC_OK)
        return; /* the first one says most */
    c->pending_error = code;
    va_start(arguments, format);
    vsnprintf(c->pending_text, sizeof c->pending_text, format, arguments);
    va_end(arguments);
    kci_log(&c->logger, KCI_LOG_ERROR, "consumer", "%s: %s", kc_err_name(code), c->pending_text);
    kci_consumer_tell(c);
}

int64_t kci_consumer_retry_at(struct kci_consumer *c, uint32_t attempts, int64_t now)
{
    struct kci_backoff backoff = { c->settings->retry_backoff_ms, c->settings->retry_backoff_max_ms };
    return now + kci_backoff_us(backoff, attempts, kci_prng_next(&c->prng));
}

int32_t kci_consumer_leader(const struct kci_consumer_topic *topic, int32_t partition, int32_t *epoch)
{
    *epoch = -1;
    if (!topic->info || !topic->info->partitions || partition < 0 || partition >= topic->info->partition_count)
        return KCI_NODE_NONE;
    *epoch = topic->info->partitions[partition].leader_epoch;
    return topic->info->partitions[partition].leader;
}

static void on_metadata(void *owner, int64_t now)
{
    struct kci_consumer *c = owner;
    (void)now;
    c->metadata_changed = true; /* within a step or an event; the step that follows looks at it */
}

/* ---- the step ---- */

/* Ask the cluster for topics that are new here. */
static void want_topics(struct kci_consumer *c, int64_t now)
{
    kci_subscription_sweep(&c->subscription, c->cluster);
    KCI_LIST_EACH(link, &c->subscription.topics)
    {
        struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
        if (!topic->info)
            topic->info = kci_cluster_want_topic(c->cluster, topic->name, now);
        if (!topic->info) { /* out of memory */
            kci_consumer_at(c, kci_consumer_retry_at(c, 0, now));
            continue;
        }
        topic->id = topic->info->id;
        topic->known = topic->info->known;
        topic->error = topic->info->error;
        topic->partition_count = topic->info->partition_count;
    }
}

/* New metadata: what is wrong with a topic that is read is told once. */
static void use_metadata(struct kci_consumer *c, int64_t now)
{
    c->metadata_changed = false;
    kci_reset_check_topics(c, now);
    KCI_LIST_EACH(link, &c->subscription.topics)
    {
        struct kci_consumer_topic *topic = KCI_CONTAINER(link, struct kci_consumer_topic, link);
        int16_t error = topic->info && topic->info->known ? topic->info->error : KCI_NONE;
        bool tell = error == KCI_TOPIC_AUTHORIZATION_FAILED || error == KCI_INVALID_TOPIC_EXCEPTION;
        if ((topic->subscribed || topic->assigned) && error != topic->told_error) {
            topic->told_error = error;
            if (tell)
                kci_blame_raise(c, KCI_NODE_NONE, error, "metadata of topic \"%s\"", topic->name.data);
            else if (error != KCI_NONE)
                kci_log(&c->logger, KCI_LOG_WARN, "consumer", "topic \"%s\": %s", topic->name.data,
                        kci_error_name(error));
        }
    }
}

static void step(void *self, int64_t now)
{
    struct kci_consumer *c = self;
    kci_cluster_step(c->cluster, now);
    kci_consumer_lock(c);
    c->next_at = KCI_NEVER;
    want_topics(c, now);
    if (c->metadata_changed)
        use_metadata(c, now);
    kci_group_step(c, now);
    kci_operations_step(c, now);
    kci_catalog_step(c, now);
    kci_positions_step(c, now);
    kci_fetcher_step(c, now);
    kci_watchdog_step(c, now);
    if (c->group.state == KCI_GROUP_PREPARING || c->group.state == KCI_GROUP_LEAVING_COMMIT)
        kci_group_step(c, now); /* it waits for an operation that may just have ended */
    if (c->step_due) {
        c->step_due = false;
        kci_consumer_tell(c); /* the poll that was held back goes on */
    }
    kci_consumer_unlock(c);
    kci_group_cancel_abandoned(c, now);
    kci_fetcher_judge(c, now);
}

static int64_t deadline(void *self)
{
    struct kci_consumer *c = self;
    int64_t cluster = kci_cluster_deadline(c->cluster);
    kci_consumer_lock(c);
    int64_t own = c->next_at;
    kci_consumer_unlock(c);
    return own < cluster ? own : cluster;
}

static const struct kci_engine_ops ops = {
    .step = step,
    .deadline = deadline,
    .on_open = kci_cluster_on_open,
    .on_space = kci_cluster_on_space,
    .on_bytes = kci_cluster_on_bytes,
    .on_sent = kci_cluster_on_sent,
    .on_close = kci_cluster_on_close,
    .on_resolved = kci_cluster_on_resolved,
};

struct kci_engine kci_consumer_engine(struct kci_consumer *c)
{
    return (struct kci_engine){ c, &ops };
}

/* ---- life ---- */

kc_err kci_consumer_create(struct kci_consumer **out, const struct kci_consumer_options *options, kc_error *error)
{
    const struct kci_settings *s = options->settings;
    *out = NULL;
    struct kci_consumer *c = kci_alloc_zero(options->alloc, 1, sizeof *c);
    if (!c)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    c->alloc = options->alloc;
    c->settings = s;
    c->logger = options->logger;
    c->plant = options->plant;
    c->wake = options->wake;
    c->wake_context = options->wake_context;
    c->notify = options->notify;
    c->notify_context = options->notify_context;
    c->wall_ms = options->wall_ms;
    kci_lock_init(&c->lock, options->lock_ops);
    kci_prng_seed(&c->prng, options->seed);
    kci_list_init(&c->events);
    kci_subscription_init(&c->subscription, c->alloc, kci_prng_next(&c->prng));
    c->subscription.explicit_acks = s->acknowledge_explicitly;
    kci_operations_init(c);
    kci_fetcher_init(c);
    int64_t memory_max = s->fetch_memory_max * (c->plant == KCI_PLANT_NO_LIMIT ? 1000 : 1); /* planted defect */
    c->shared = kci_shared_new(c->alloc, memory_max, options->lock_ops, options->wake, options->wake_context);
    if (!c->shared) {
        kci_alloc_free(c->alloc, c);
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory");
    }
    c->shared->interceptors = s->consumer_interceptors;
    c->shared->interceptor_count = s->consumer_interceptor_count;
    struct kci_cluster_options cluster = {
        .alloc = c->alloc,
        .frames = &c->shared->keep.face,
        .settings = s,
        .transport = options->transport,
        .logger = options->logger,
        .seed = kci_prng_next(&c->prng),
        .in_flight_max = IN_FLIGHT_MAX,
        .on_metadata = on_metadata,
        .owner = c,
    };
    kc_err result = kci_cluster_create(&c->cluster, &cluster, error);
    if (result == KC_OK) {
        kci_group_init(c);
        kci_catalog_init(c);
        c->group.assignor_count = kci_assignor_list(s->partition_assignment_strategy, s->assignors, s->assignor_count,
                                                    c->group.own_assignors, c->group.assignors);
        if (c->group.assignor_count == 0)
            result = kci_fail(error, KC_ERR_CONFIG, 0,
                              "partition.assignment.strategy=\"%s\": each must be one of range, roundrobin, sticky, "
                              "cooperative-sticky",
                              s->partition_assignment_strategy);
        c->group.cooperative = true;
        for (size_t i = 0; i < c->group.assignor_count; i++)
            c->group.cooperative = c->group.cooperative && c->group.assignors[i]->cooperative;
    }
    if (result != KC_OK) {
        kci_consumer_destroy(c, 0);
        return result;
    }
    *out = c;
    return KC_OK;
}

bool kci_consumer_hush(struct kci_consumer *c)
{
    return kci_shared_hush(c->shared);
}

void kci_consumer_destroy(struct kci_consumer *c, int64_t now)
{
    if (!c)
        return;
    kci_shared_detach(c->shared);
    c->fetcher.stopped = true;
    c->closing = true;
    if (c->cluster) {
        if (c->group.coordinator_used)
            kci_coordinator_stop(&c->group.coordinator, now);
        kci_cluster_destroy(c->cluster, now); /* every call comes back in here */
    }
    struct kci_list *link;
    while ((link = kci_list_pop(&c->events))) {
        struct kci_event *event = KCI_CONTAINER(link, struct kci_event, link);
        kci_partition_list_free(c->alloc, &event->face.partitions);
        kci_alloc_free(c->alloc, event->face.texts);
        kci_alloc_free(c->alloc, event);
    }
    kci_operations_destroy(c);
    kci_group_destroy(c);
    kci_catalog_destroy(c);
    kci_fetcher_destroy(c);
    kci_subscription_destroy(&c->subscription);
    kci_shared_release(c->shared);
    kci_alloc_free(c->alloc, c);
}
