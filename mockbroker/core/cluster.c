/* The engine: brokers, their clock, their alarms, one step.
 *
 *      step:  alarms that are due -> fetches whose wait is over -> connections that may go on      (again, while there is something)
 *             -> changed metadata is written -> answers are sent -> closed connections are freed
 *
 * Answers leave after the metadata is written: what a client was told is on disk (as far as disks go without sync).
 * All brokers live on one thread and in one engine; a broker is an id, an address and a set of connections and
 * replicas. */
#include "mockbroker/core/cluster.h"

#include "mockbroker/core/fault_storage.h"
#include "mockbroker/core/journal.h"

#include "mockbroker/core/acceptor.h"
#include "mockbroker/core/connection.h"
#include "mockbroker/core/fetch_session.h"
#include "mockbroker/core/metadata_store.h"
#include "mockbroker/core/quota.h"
#include "mockbroker/core/sasl.h"
#include "mockbroker/core/telemetry.h"
#include <stdio.h>

#define IDLE_LOOK_US 1000000 /* idle connections are looked for at most this often */
#define TURNS_MAX    1000    /* rounds of one step, so that a flood of work does not keep the shell from its sockets */

/* ---- brokers
 * --------------------------------------------------------------------------------------------------------- */

struct mb_broker *mb_cluster_broker(const struct mb_cluster *cluster, int32_t id)
{
    struct mb_broker *broker = id >= 1 && id <= cluster->broker_count ? cluster->brokers[id - 1] : NULL;
    return broker && !broker->gone ? broker : NULL;
}

bool mb_cluster_is_running(const struct mb_cluster *cluster, int32_t id)
{
    const struct mb_broker *broker = mb_cluster_broker(cluster, id);
    return broker && broker->running;
}

void mb_cluster_log_dir(const struct mb_cluster *cluster, int32_t broker, char name[MB_LOG_DIR_NAME_MAX])
{
    snprintf(name, MB_LOG_DIR_NAME_MAX, cluster->options.storage ? "broker-%d" : "memory-%d", broker);
}

void mb_cluster_set_address(struct mb_cluster *cluster, int32_t id, const char *host, uint16_t port)
{
    struct mb_broker *broker = mb_cluster_broker(cluster, id);
    if (!broker)
        return;
    snprintf(broker->host, sizeof broker->host, "%s", host);
    broker->port = port;
}

/* A broker that listens on every address of its machine is told by the address that this client reached us by: it is
 * one that works from where the client is. */
bool mb_request_endpoint(const struct mb_request *request, int32_t id, struct kci_str *host, int32_t *port)
{
    const struct mb_broker *broker = mb_cluster_broker(request->cluster, id);
    if (!broker || !broker->running)
        return false;
    bool any = strcmp(broker->host, "0.0.0.0") == 0 || strcmp(broker->host, "::") == 0;
    *host = kci_str_of(any ? request->connection->local_host : broker->host);
    *port = broker->port;
    return true;
}

/* ---- the engine
 * ------------------------------------------------------------------------------------------------------ */

static bool fire_alarms(struct mb_cluster *cluster, int64_t now)
{
    struct kci_timer *timer;
    struct kci_list *node, turn; /* those that come late again wait for the next turn */
    bool any = false;
    kci_list_init(&turn);
    while ((node = kci_list_pop(&cluster->late)) != NULL)
        kci_list_push(&turn, node);
    while ((node = kci_list_pop(&turn)) != NULL) {
        struct mb_alarm *alarm = KCI_CONTAINER(node, struct mb_alarm, late);
        any = true;
        alarm->fire(alarm->owner, now);
    }
    while ((timer = kci_heap_pop_due(&cluster->alarms, now)) != NULL) {
        struct mb_alarm *alarm = KCI_CONTAINER(timer, struct mb_alarm, timer);
        alarm->fire(alarm->owner, now);
        any = true;
    }
    return any;
}

static void step(void *engine, int64_t now)
{
    struct mb_cluster *cluster = engine;
    cluster->now = now;
    bool any = true;
    for (int turn = 0; any && turn < TURNS_MAX; turn++) {
        any = fire_alarms(cluster, now);
        any |= mb_fetch_wait_run(cluster, now);
        any |= mb_connections_run(cluster, now);
        if (cluster->metadata_dirty)
            mb_metadata_store(cluster);
        mb_connections_flush(cluster, now);
        any |= !kci_list_empty(&cluster->runnable);
    }
    mb_connections_reap(cluster);
}

static int64_t deadline(void *engine)
{
    struct mb_cluster *cluster = engine;
    if (!kci_list_empty(&cluster->late) || !kci_list_empty(&cluster->runnable) || !kci_list_empty(&cluster->ready) ||
        !kci_list_empty(&cluster->dirty))
        return cluster->now;
    const struct kci_timer *first = kci_heap_first(&cluster->alarms);
    return first ? first->at : KCI_NEVER;
}

static void *on_accept(void *engine, kci_conn conn, void *user, const struct kci_address *peer,
                       const struct kci_address *local, int64_t now)
{
    struct mb_cluster *cluster = engine;
    cluster->now = now;
    return mb_connection_accept(cluster, conn, (int32_t)(intptr_t)user, peer, local, now);
}

static void *on_space(void *engine, kci_conn conn, void *user, size_t *size)
{
    (void)engine;
    (void)conn;
    return mb_connection_space(user, size);
}

static void on_bytes(void *engine, kci_conn conn, void *user, size_t size, int64_t now)
{
    struct mb_cluster *cluster = engine;
    (void)conn;
    cluster->now = now;
    mb_connection_bytes(user, size, now);
}

static void on_sent(void *engine, kci_conn conn, void *user, int64_t now)
{
    struct mb_cluster *cluster = engine;
    (void)conn;
    cluster->now = now;
    mb_connection_sent(user, now);
}

static void on_close(void *engine, kci_conn conn, void *user, const char *reason, int64_t now)
{
    struct mb_cluster *cluster = engine;
    (void)conn;
    (void)reason;
    cluster->now = now;
    if (user)
        mb_connection_closed(user, now);
}

static const struct kci_engine_ops ops = {
    .step = step,
    .deadline = deadline,
    .on_accept = on_accept,
    .on_space = on_space,
    .on_bytes = on_bytes,
    .on_sent = on_sent,
    .on_close = on_close,
};

struct kci_engine mb_cluster_engine(struct mb_cluster *cluster)
{
    return (struct kci_engine){ cluster, &ops };
}

/* ---- life
 * ------------------------------------------------------------------------------------------------------------ */

static void upkeep_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            mb_partition_retain(topic->partitions[i], now);
    mb_alarm_set(cluster, &cluster->upkeep,
                 now + mb_cluster_property(cluster, "log.retention.check.interval.ms") * 1000);
}

/* Producers whose newest batch is of too long ago are forgotten: the next one of theirs may begin anywhere. */
static void forget_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    struct mb_topic *topic;
    int64_t old = mb_cluster_wall_ms(cluster, now) - mb_cluster_property(cluster, "producer.id.expiration.ms");
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            for (int32_t k = 0; k < topic->partitions[i]->replica_count; k++)
                mb_producers_expire(&topic->partitions[i]->replicas[k].producers, old);
    mb_alarm_set(cluster, &cluster->forget,
                 now + mb_cluster_property(cluster, "producer.id.expiration.check.interval.ms") * 1000);
}

static void cleaner_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    struct mb_topic *topic;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; topic->config.compact && i < topic->partition_count; i++)
            mb_partition_compact(topic->partitions[i], now);
    int64_t pause_ms = mb_cluster_property(cluster, "log.cleaner.backoff.ms");
    mb_alarm_set(cluster, &cluster->cleaner, now + (pause_ms ? pause_ms : 1) * 1000);
}

static void idle_fires(void *owner, int64_t now)
{
    struct mb_cluster *cluster = owner;
    int64_t next = mb_connections_close_idle(cluster, now);
    if (next != KCI_NEVER)
        mb_alarm_set(cluster, &cluster->idle, next > now + IDLE_LOOK_US ? next : now + IDLE_LOOK_US);
}

static void connections_fire(void *owner, int64_t now)
{
    mb_acceptor_altered(owner, now);
}

/* 22 characters of base64url, as Kafka's cluster ids. */
static void make_cluster_id(struct mb_cluster *cluster)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int i = 0; i < 22; i++)
        cluster->id[i] = digits[kci_prng_below(&cluster->prng, i == 0 || i == 21 ? 52 : 64)];
    cluster->id[22] = '\0';
}

static bool make_brokers(struct mb_cluster *cluster, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (!mb_member_new(cluster))
            return false;
    cluster->controller = 1;
    cluster->controller_epoch = 1;
    return true;
}

static void free_cluster(struct mb_cluster *cluster, int64_t now)
{
    struct mb_topic *topic;
    const struct kci_alloc *alloc = cluster->alloc;
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        for (int32_t i = 0; i < topic->partition_count; i++)
            mb_partition_fail_waiters(topic->partitions[i], KCI_NOT_LEADER_OR_FOLLOWER, now);
    if (cluster->groups)
        mb_groups_destroy(cluster->groups, now);
    cluster->groups = NULL;
    mb_txns_destroy(cluster->transactions, now);
    cluster->transactions = NULL;
    mb_fetch_wait_run(cluster, now);
    mb_connections_reap(cluster);
    for (size_t at = 0; (topic = mb_topic_next(cluster, &at)) != NULL;)
        mb_topic_free(topic);
    for (int32_t i = 0; i < cluster->broker_count; i++)
        mb_member_free(cluster->brokers[i]);
    mb_acls_clear(&cluster->acls);
    mb_scram_users_clear(&cluster->scram_users);
    mb_tokens_clear(cluster);
    mb_resources_clear(&cluster->resources);
    mb_telemetry_destroy(cluster);
    mb_fault_destroy(cluster);
    mb_fault_storage_unwrap(cluster);
    mb_journal_set(cluster, 0);
    mb_quota_destroy(cluster);
    kci_map_destroy(&cluster->topics);
    kci_map_destroy(&cluster->topic_ids);
    mb_alarm_stop(cluster, &cluster->upkeep);
    mb_alarm_stop(cluster, &cluster->forget);
    mb_alarm_stop(cluster, &cluster->cleaner);
    mb_alarm_stop(cluster, &cluster->idle);
    mb_alarm_stop(cluster, &cluster->connections_altered);
    mb_alarm_stop(cluster, &cluster->balance);
    mb_alarm_stop(cluster, &cluster->tokens.purge);
    kci_heap_destroy(&cluster->alarms);
    kci_compressor_destroy(cluster->compressor);
    mb_properties_destroy(&cluster->properties);
    kci_alloc_free(alloc, cluster);
}

/* What needs no memory and cannot fail. */
static void prepare(struct mb_cluster *cluster, const struct mb_options *options, int64_t now)
{
    const struct kci_alloc *alloc = options->alloc;
    cluster->options = *options;
    cluster->options.config = NULL;
    cluster->alloc = alloc;
    cluster->logger = options->logger;
    cluster->now = now;
    cluster->properties.alloc = alloc;
    cluster->next_producer_id = 1000; /* as a real cluster that has been up before; 0 hides bugs of "unset" */
    cluster->upkeep.fire = upkeep_fires;
    cluster->upkeep.owner = cluster;
    cluster->forget.fire = forget_fires;
    cluster->forget.owner = cluster;
    cluster->cleaner.fire = cleaner_fires;
    cluster->cleaner.owner = cluster;
    cluster->connections_altered.fire = connections_fire;
    cluster->connections_altered.owner = cluster;
    cluster->idle.fire = idle_fires;
    cluster->idle.owner = cluster;
    kci_prng_seed(&cluster->prng, options->seed);
    cluster->alarms = kci_heap_of(alloc);
    cluster->topics = kci_map_of(alloc, kci_prng_next(&cluster->prng));
    cluster->topic_ids = kci_map_of(alloc, kci_prng_next(&cluster->prng));
    mb_acls_init(&cluster->acls, alloc);
    mb_scram_users_init(&cluster->scram_users, alloc);
    mb_tokens_init(&cluster->tokens);
    mb_resources_init(&cluster->resources, alloc);
    kci_list_init(&cluster->late);
    kci_list_init(&cluster->connections);
    kci_list_init(&cluster->runnable);
    kci_list_init(&cluster->dirty);
    kci_list_init(&cluster->dead);
    kci_list_init(&cluster->ready);
    make_cluster_id(cluster);
}

int mb_cluster_create(struct mb_cluster **out, const struct mb_options *options, int64_t now, char *text,
                      size_t text_size)
{
    const struct kci_alloc *alloc = options->alloc;
    if (options->brokers < 1 || options->brokers > MB_BROKERS_MAX) {
        snprintf(text, text_size, "%d brokers: 1 to %d are possible", options->brokers, MB_BROKERS_MAX);
        return -1;
    }
    struct mb_cluster *cluster = kci_alloc_zero(alloc, 1, sizeof *cluster);
    snprintf(text, text_size, "out of memory");
    if (!cluster)
        return -1;
    prepare(cluster, options, now);
    bool ok = mb_properties_parse(&cluster->properties, options->config, text, text_size);
    if (ok) {
        const char *release =
            mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of("mock.as.version")));
        cluster->persona = (size_t)mb_persona_find(kci_str_of(release));
        mb_cluster_advertise(cluster);
        if (!cluster->options.replication_delay_us)
            cluster->options.replication_delay_us = mb_cluster_property(cluster, "mock.replication.delay.ms") * 1000;
        mb_features_init(cluster);
        cluster->authorizer =
            mb_properties_text(&cluster->properties,
                               (size_t)mb_properties_find(kci_str_of("authorizer.class.name")))[0] != '\0';
        cluster->compressor = kci_compressor_new(alloc);
        cluster->records_check_full =
            strcmp(
                mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of("mock.records.check"))),
                "full") == 0;
        ok = cluster->compressor && (!options->storage || mb_fault_storage_wrap(cluster)) &&
             make_brokers(cluster, options->brokers) &&
             (!options->storage || mb_metadata_load(cluster, now, text, text_size)) &&
             mb_sasl_start(cluster, text, text_size);
    }
    if (ok) {
        cluster->groups = mb_groups_create(cluster);
        cluster->transactions = mb_txns_create(cluster);
        ok = cluster->groups != NULL && cluster->transactions != NULL;
    }
    if (!ok) {
        free_cluster(cluster, now);
        return -1;
    }
    mb_metadata_start(cluster, now);
    mb_alarm_set(cluster, &cluster->upkeep,
                 now + mb_cluster_property(cluster, "log.retention.check.interval.ms") * 1000);
    mb_alarm_set(cluster, &cluster->forget,
                 now + mb_cluster_property(cluster, "producer.id.expiration.check.interval.ms") * 1000);
    if (mb_cluster_property(cluster, "log.cleaner.enable"))
        mb_alarm_set(cluster, &cluster->cleaner, now + mb_cluster_property(cluster, "log.cleaner.backoff.ms") * 1000);
    idle_fires(cluster, now);
    mb_balance_start(cluster, now);
    mb_tokens_start(cluster, now);
    text[0] = '\0';
    *out = cluster;
    return 0;
}

void mb_cluster_destroy(struct mb_cluster *cluster, int64_t now)
{
    if (!cluster)
        return;
    cluster->now = now;
    mb_fetch_wait_run(cluster, now);
    mb_connections_flush(cluster, now);
    mb_connections_close_broker(cluster, 0, now);
    if (cluster->options.storage)
        mb_metadata_close(cluster);
    free_cluster(cluster, now);
}
