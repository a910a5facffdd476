/* The engine: what runs when, and the small things that any thread may ask.
 *
 *   step:  new topics -> flags (flush, close, memory short) -> announced partitions -> timers -> requests -> cluster
 *          -> reports
 *
 * Files, in the order in which a record meets them: plug, append, topic, partitioner, open, encode, pool, batch,
 * compressing (application threads); lane, identity, sequence, request (the way out); response, fate, split, report,
 * flush (the way back). */
#include "producer/internal.h"

#include <stdio.h>

#define STEP_ROUNDS 4 /* rounds of one step: calls that fail at once may make work for another */

/* ---- the sender's turn ---- */

static void on_metadata(void *owner, int64_t now)
{
    struct kci_producer *producer = owner;
    kci_topic_on_metadata(producer, now);
    if (!kci_list_empty(&producer->leaderless))
        producer->refresh_leaders = true;
}

/* Flags that other threads set before they woke us. */
static void look_at_flags(struct kci_producer *producer, int64_t now)
{
    if (!atomic_exchange(&producer->attention, false))
        return;
    if (producer->starved_at == KCI_NEVER && kci_pool_starved(&producer->pool))
        producer->starved_at = now;
    KCI_LIST_EACH(node, &producer->topic_list)
    {
        struct kci_topic *topic = KCI_CONTAINER(node, struct kci_topic, link);
        if (!atomic_load(&topic->asked))
            continue;
        kci_idle_used(producer, topic, now);
        kci_cluster_refresh(producer->cluster, "a topic or a partition of it is not known", now);
    }
    if (atomic_load(&producer->abandoned) && producer->plant != KCI_PLANT_IGNORE_ABANDON) {
        struct kci_cause *cause = kci_cause_new(producer->alloc, now, "the producer was closed");
        kci_lane_fail_all(producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT, KC_ERR_CLOSED, cause, now);
        kci_cause_release(cause);
    }
    uint32_t purge = atomic_exchange(&producer->purge, 0);
    if (purge) {
        struct kci_cause *cause = kci_cause_new(producer->alloc, now, "purged by the application");
        kci_lane_fail_all(producer, purge, KC_ERR_PURGED, cause, now);
        kci_cause_release(cause);
    }
    kci_lane_unlinger(producer, now); /* a flush, a close, or short memory ends the wait for more */
    producer->must_notify |= atomic_load(&producer->closing) || kci_flush_advance(producer);
}

/* Tell those who wait for memory when there is some. */
static void relieve(struct kci_producer *producer, int64_t now)
{
    if (producer->starved_at == KCI_NEVER)
        return;
    bool patient = now < producer->starved_at + KCI_RELIEVE_US;
    producer->must_notify |= kci_pool_relieve(&producer->pool, patient);
    if (!patient)
        producer->starved_at = now; /* once more after the same time */
    if (!kci_pool_starved(&producer->pool))
        producer->starved_at = KCI_NEVER;
}

static void step(void *self, int64_t now)
{
    struct kci_producer *producer = self;
    atomic_store(&producer->sleeping_until, KCI_NEVER); /* from here on, who announces something wakes us */
    for (int round = 0; round < STEP_ROUNDS; round++) {
        producer->stirred = false;
        kci_topic_take_new(producer, now);
        look_at_flags(producer, now);
        kci_lane_take_announced(producer, now);
        kci_lane_run_timers(producer, now);
        kci_idle_run(producer, now);
        if (!kci_list_empty(&producer->topic_list))
            kci_identity_ready(producer, now);
        if (producer->refresh_leaders && !kci_list_empty(&producer->leaderless))
            kci_cluster_refresh(producer->cluster, "a partition has no leader", now);
        producer->refresh_leaders = false;
        kci_request_drain(producer, now);
        kci_cluster_step(producer->cluster, now);
        if (!producer->stirred)
            break;
    }
    kci_report_all(producer, now);
    relieve(producer, now);
    size_t unreachable;
    bool connected = kci_cluster_usable(producer->cluster, &unreachable);
    atomic_store_explicit(&producer->health.unreachable, (uint32_t)unreachable, memory_order_relaxed);
    if (connected != atomic_load_explicit(&producer->connected, memory_order_relaxed)) {
        atomic_store(&producer->connected, connected);
        producer->must_notify = true;
    }
    if (producer->must_notify) {
        producer->must_notify = false;
        producer->notify(producer->context);
    }
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(void *self)
{
    struct kci_producer *producer = self;
    const struct kci_timer *timer = kci_heap_first(&producer->timers), *expiry = kci_heap_first(&producer->expiries);
    int64_t at = kci_cluster_deadline(producer->cluster);
    at = sooner(at, timer ? timer->at : KCI_NEVER);
    at = sooner(at, expiry ? expiry->at : KCI_NEVER);
    at = sooner(at, kci_identity_deadline(producer));
    at = sooner(at, producer->avoid_at);
    at = sooner(at, producer->idle_at);
    if (producer->starved_at != KCI_NEVER)
        at = sooner(at, producer->starved_at + KCI_RELIEVE_US);
    if (producer->stirred)
        at = 0;
    /* Publish, then look once more: whoever announced before the publication is seen here, whoever comes after sees it.
     */
    atomic_store(&producer->sleeping_until, at);
    if (atomic_load(&producer->announced) || atomic_load(&producer->new_topics) || atomic_load(&producer->attention))
        at = 0;
    return at;
}

static const struct kci_engine_ops engine_ops = { .step = step,
                                                  .deadline = deadline,
                                                  .on_open = kci_cluster_on_open,
                                                  .on_space = kci_cluster_on_space,
                                                  .on_bytes = kci_cluster_on_bytes,
                                                  .on_sent = kci_cluster_on_sent,
                                                  .on_close = kci_cluster_on_close,
                                                  .on_resolved = kci_cluster_on_resolved };

struct kci_engine kci_producer_engine(struct kci_producer *producer)
{
    return (struct kci_engine){ producer, &engine_ops };
}

/* ---- beginning and end ---- */

static void init_numbers(struct kci_producer *producer)
{
    const struct kci_settings *settings = producer->settings;
    int32_t room = settings->max_request_size - 2 * KCI_REQUEST_OVERHEAD - KCI_TOPIC_NAME_MAX;
    producer->idempotent = settings->enable_idempotence;
    producer->batch_max = room > 1024 ? (uint32_t)room : 1024;
    producer->batch_aim = settings->batch_size > 1 ? (uint32_t)settings->batch_size : 1;
    if (producer->batch_aim > producer->batch_max)
        producer->batch_aim = producer->batch_max;
    producer->in_flight_max = settings->max_in_flight_requests_per_connection;
    producer->every_record = settings->delivery && settings->delivery_every_record;
    for (size_t i = 0; i < settings->producer_interceptor_count; i++)
        producer->every_record |= settings->producer_interceptors[i].on_acknowledgement != NULL;
    producer->stamps = settings->compression_type != KCI_CODEC_NONE;
    producer->stamps_every = producer->stamps && producer->every_record;
}

static void init(struct kci_producer *producer, const struct kci_producer_options *options)
{
    producer->alloc = options->alloc;
    producer->settings = options->settings;
    producer->logger = options->logger;
    producer->lock_ops = options->lock_ops;
    producer->wake = options->wake;
    producer->notify = options->notify;
    producer->context = options->context;
    producer->plant = options->plant;
    producer->seed = options->seed;
    producer->starved_at = KCI_NEVER;
    producer->avoid_at = KCI_NEVER;
    producer->idle_at = KCI_NEVER;
    init_numbers(producer);
    kci_pool_init(&producer->pool, options->alloc, options->lock_ops, options->settings->buffer_memory);
    if (producer->plant == KCI_PLANT_NO_CEILING) /* planted defect */
        producer->pool.limit *= 1000;
    kci_lock_init(&producer->topics_lock, options->lock_ops);
    kci_lock_init(&producer->compressing.lock, options->lock_ops);
    producer->topics = kci_map_of(options->alloc, options->seed);
    producer->timers = kci_heap_of(options->alloc);
    producer->expiries = kci_heap_of(options->alloc);
    kci_prng_seed(&producer->random, options->seed);
    struct kci_list *lists[] = { &producer->targets,      &producer->lingering, &producer->leaderless,
                                 &producer->topic_list,   &producer->done,      &producer->requests,
                                 &producer->idle_requests };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        kci_list_init(lists[i]);
    kci_identity_init(producer);
    atomic_init(&producer->sleeping_until, KCI_NEVER);
    atomic_init(&producer->flush_now, 1); /* no flush asked for generation 0 or any later one yet */
    producer->flush_complete = 1;
}

kc_err kci_producer_create(struct kci_producer **out, const struct kci_producer_options *options, int64_t now,
                           kc_error *error)
{
    *out = NULL;
    struct kci_producer *producer = kci_alloc_zero(options->alloc, 1, sizeof *producer);
    if (!producer)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory for a producer");
    init(producer, options);
    struct kci_cluster_options cluster = { .alloc = options->alloc,
                                           .settings = options->settings,
                                           .transport = options->transport,
                                           .logger = options->logger,
                                           .seed = options->seed,
                                           .in_flight_max = options->settings->max_in_flight_requests_per_connection,
                                           .on_metadata = on_metadata,
                                           .owner = producer };
    kc_err err = kci_cluster_create(&producer->cluster, &cluster, error);
    if (err) {
        kci_alloc_free(options->alloc, producer);
        return err;
    }
    /* look for the cluster at once: the first send waits less, and kc_producer_ready() has something to wait for */
    kci_cluster_refresh(producer->cluster, "a new producer", now);
    *out = producer;
    return KC_OK;
}

void kci_producer_destroy(struct kci_producer *producer, int64_t now)
{
    if (!producer)
        return;
    const struct kci_alloc *alloc = producer->alloc;
    atomic_store(&producer->closing, true);
    struct kci_cause *cause = kci_cause_new(alloc, now, "the producer was closed");
    kci_lane_fail_all(producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT, KC_ERR_CLOSED, cause, now);
    kci_report_all(producer, now);
    kci_cluster_destroy(producer->cluster, now); /* calls come back: requests and batches are free now */
    producer->cluster = NULL;
    kci_cause_release(cause);
    kci_request_destroy_all(producer);
    for (struct kci_list *node; (node = kci_list_pop(&producer->targets)) != NULL;)
        kci_alloc_free(alloc, KCI_CONTAINER(node, struct kci_target, link));
    kci_compressing_destroy(producer);
    kci_heap_destroy(&producer->timers); /* before the partitions, whose timers they hold */
    kci_heap_destroy(&producer->expiries);
    kci_topic_destroy_all(producer);
    kci_cause_release(producer->identity.cause);
    kci_pool_destroy(&producer->pool);
    kci_alloc_free(alloc, producer);
}

void kci_producer_close(struct kci_producer *producer)
{
    atomic_store(&producer->closing, true);
    kci_attention(producer);
}

void kci_producer_abandon(struct kci_producer *producer)
{
    atomic_store(&producer->closing, true);
    atomic_store(&producer->abandoned, true);
    kci_attention(producer);
}

void kci_producer_purge(struct kci_producer *producer, uint32_t which)
{
    atomic_fetch_or(&producer->purge, which);
    kci_attention(producer);
}

/* ---- questions ---- */

void kci_producer_line_enter(struct kci_producer *producer, struct kci_pool_place *place)
{
    kci_pool_line_enter(&producer->pool, place);
}

bool kci_producer_line_leave(struct kci_producer *producer, struct kci_pool_place *place)
{
    return kci_pool_line_leave(&producer->pool, place);
}

size_t kci_producer_pending(const struct kci_producer *producer)
{
    uint64_t done = atomic_load(&producer->counters.done);
    return (size_t)(atomic_load(&producer->counters.queued) - done);
}

kc_err kci_producer_refuses(struct kci_producer *producer, kc_error *error)
{
    if (atomic_load(&producer->dead))
        return kci_fail(error, producer->fatal.code, producer->fatal.traits, "%s", producer->fatal.text);
    return atomic_load(&producer->closing) ? kci_fail(error, KC_ERR_CLOSED, 0, "the producer is closed") : KC_OK;
}

bool kci_producer_connected(const struct kci_producer *producer)
{
    return atomic_load(&producer->connected);
}

void kci_producer_stats(struct kci_producer *producer, kc_producer_stats *stats)
{
    struct kci_counters *c = &producer->counters;
    *stats = (kc_producer_stats){ .records_queued = atomic_load(&c->queued),
                                  .records_delivered = atomic_load(&c->delivered),
                                  .records_failed = atomic_load(&c->failed),
                                  .bytes_delivered = atomic_load(&c->bytes_delivered),
                                  .batches_sent = atomic_load(&c->batches_sent),
                                  .batches_retried = atomic_load(&c->batches_retried),
                                  .requests_sent = atomic_load(&c->requests),
                                  .leader_changes = atomic_load(&c->leader_changes),
                                  .duplicates = atomic_load(&c->duplicates),
                                  .memory_used = kci_pool_used_bytes(&producer->pool),
                                  .memory_limit = (uint64_t)producer->settings->buffer_memory };
}

kc_err kci_producer_partitions(struct kci_producer *producer, const char *name, int32_t *count, kc_error *error)
{
    kc_err refused = kci_producer_refuses(producer, error);
    struct kci_topic *topic = refused ? NULL : kci_topic_find(producer, name);
    if (!topic)
        return refused ? refused : kci_fail(error, KC_ERR_NO_MEMORY, KC_RETRIABLE, "out of memory for topic %s", name);
    *count = atomic_load(&topic->count);
    if (*count)
        return KC_OK;
    int32_t barred = atomic_load(&topic->barred);
    kci_topic_ask(producer, topic);
    if (barred)
        return kci_fail(error, (kc_err)barred, 0, "topic %s: %s", name, kci_error_name((int16_t)barred));
    return kci_fail(error, KC_ERR_QUEUE_FULL, 0, "topic %s is not known yet", name);
}

void kci_producer_explain(struct kci_producer *producer, const char *name, char *text, size_t size, int64_t now)
{
    size_t used = 0;
    text[0] = 0;
    kci_lock_take(&producer->topics_lock);
    const struct kci_topic *topic = name ? kci_map_get(&producer->topics, name, strlen(name)) : NULL;
    kci_lock_release(&producer->topics_lock);
    const struct kci_topic_info *info = topic ? topic->info : NULL;
    if (info && info->known && info->error)
        used = (size_t)snprintf(text, size, "the brokers say %s of topic %s; ", kci_error_name(info->error), name);
    else if (name && (!info || !info->known))
        used = (size_t)snprintf(text, size, "no broker answered about topic %s; ", name);
    /* without a connection that is the reason, which follows: told twice, neither would fit */
    if (producer->identity.cause && used < size && atomic_load(&producer->connected))
        used += (size_t)snprintf(text + used, size - used, "%s; ", producer->identity.cause->text);
    if (used < size && producer->cluster)
        kci_cluster_explain(producer->cluster, text + used, size - used, now);
}
