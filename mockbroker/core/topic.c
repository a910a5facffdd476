/* Topics: names, ids, how many partitions they have and which brokers hold them.
 *
 * Placement is plain on purpose: partition p of a topic gets brokers p, p+1, ... (mod N) in the order of their ids, the
 * first of them is preferred and leads.  A test can say in advance who leads what. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

bool mb_topic_name_ok(struct kci_str name, const char **why)
{
    *why = "the empty string is not allowed";
    if (name.size == 0)
        return false;
    *why = "topic name is longer than 249 characters";
    if (name.size > MB_TOPIC_NAME_MAX)
        return false;
    *why = "topic name cannot be \".\" or \"..\"";
    if (kci_str_equal(name, kci_str_of(".")) || kci_str_equal(name, kci_str_of("..")))
        return false;
    *why = "topic name contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
        if (!ok)
            return false;
    }
    return true;
}

struct mb_topic *mb_topic_find(const struct mb_cluster *cluster, struct kci_str name)
{
    return name.data ? kci_map_get_str(&cluster->topics, name) : NULL;
}

struct mb_topic *mb_topic_find_id(const struct mb_cluster *cluster, const struct kci_uuid *id)
{
    return kci_map_get(&cluster->topic_ids, id->b, sizeof id->b);
}

struct mb_topic *mb_topic_resolve(const struct mb_cluster *cluster, struct kci_str name, const struct kci_uuid *id,
                                  int16_t *error)
{
    bool by_id = id && !kci_uuid_is_zero(id);
    struct mb_topic *topic = by_id ? mb_topic_find_id(cluster, id) : mb_topic_find(cluster, name);
    *error = topic ? KCI_NONE : by_id ? KCI_UNKNOWN_TOPIC_ID : KCI_UNKNOWN_TOPIC_OR_PARTITION;
    return topic;
}

struct mb_partition *mb_topic_partition(const struct mb_topic *topic, int32_t index)
{
    return index >= 0 && index < topic->partition_count ? topic->partitions[index] : NULL;
}

struct mb_topic *mb_topic_next(const struct mb_cluster *cluster, size_t *at)
{
    struct kci_map_entry *entry = kci_map_next(&cluster->topics, at);
    return entry ? entry->value : NULL;
}

/* ---- making
 * ---------------------------------------------------------------------------------------------------------- */

static void partition_free(struct mb_partition *partition)
{
    struct mb_cluster *cluster = partition->cluster;
    mb_alarm_stop(cluster, &partition->lag);
    mb_alarm_stop(cluster, &partition->flush);
    mb_reassign_stop(partition);
    for (int32_t i = 0; i < partition->replica_count; i++) {
        mb_member_look(cluster, partition->replicas[i].broker);
        mb_replica_destroy(&partition->replicas[i]);
    }
    kci_alloc_free(cluster->alloc, partition->replicas);
    kci_alloc_free(cluster->alloc, partition);
    cluster->partition_count--;
}

static struct mb_partition *partition_new(struct mb_topic *topic, int32_t index, const int32_t *brokers,
                                          int16_t replicas)
{
    struct mb_cluster *cluster = topic->cluster;
    struct mb_partition *partition = kci_alloc_zero(cluster->alloc, 1, sizeof *partition);
    if (!partition)
        return NULL;
    cluster->partition_count++;
    partition->cluster = cluster;
    partition->topic = topic;
    partition->index = index;
    partition->leader = -1;
    partition->leader_epoch = -1;
    kci_list_init(&partition->acks);
    kci_list_init(&partition->fetches);
    partition->replicas = kci_alloc_zero(cluster->alloc, (size_t)replicas, sizeof *partition->replicas);
    int32_t homes[MB_BROKERS_MAX], home_count = mb_member_homes(cluster, homes);
    bool ok = partition->replicas != NULL && home_count > 0;
    for (int16_t i = 0; ok && i < replicas; i++) {
        int32_t broker = brokers ? brokers[i] : homes[(index + i) % home_count];
        ok = mb_replica_init(&partition->replicas[i], partition, broker);
        partition->replica_count += ok;
    }
    if (!ok) {
        partition_free(partition);
        return NULL;
    }
    return partition;
}

/* All of them or none. */
static bool add_partitions(struct mb_topic *topic, int32_t upto, const int32_t *const *assignment, int16_t replicas)
{
    struct mb_cluster *cluster = topic->cluster;
    int32_t old = topic->partition_count;
    struct mb_partition **grown = kci_alloc_resize(cluster->alloc, topic->partitions, (size_t)upto * sizeof *grown);
    if (!grown)
        return false;
    topic->partitions = grown;
    for (int32_t i = old; i < upto; i++) {
        grown[i] = partition_new(topic, i, assignment ? assignment[i - old] : NULL, replicas);
        if (!grown[i]) {
            while (topic->partition_count > old)
                partition_free(grown[--topic->partition_count]);
            return false;
        }
        topic->partition_count++;
    }
    return true;
}

static int16_t refuse(char *text, size_t text_size, int16_t error, const char *why)
{
    snprintf(text, text_size, "%s", why);
    return error;
}

static int16_t check_assignment(const struct mb_cluster *cluster, const int32_t *const *assignment, int32_t partitions,
                                int16_t replicas, char *text, size_t text_size)
{
    for (int32_t p = 0; assignment && p < partitions; p++)
        for (int16_t i = 0; i < replicas; i++) {
            if (!mb_cluster_broker(cluster, assignment[p][i]))
                return refuse(text, text_size, KCI_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment names a broker that does not exist.");
            for (int16_t k = 0; k < i; k++)
                if (assignment[p][k] == assignment[p][i])
                    return refuse(text, text_size, KCI_INVALID_REPLICA_ASSIGNMENT,
                                  "The manual partition assignment names a broker twice.");
        }
    return KCI_NONE;
}

/* Metrics call '.' and '_' the same: two topics whose names differ in these only would be one there. */
static const struct mb_topic *collides_with(const struct mb_cluster *cluster, struct kci_str name)
{
    const struct mb_topic *topic;
    bool can = name.size && (memchr(name.data, '.', name.size) || memchr(name.data, '_', name.size));
    for (size_t at = 0; can && (topic = mb_topic_next(cluster, &at)) != NULL;) {
        size_t i = 0;
        while (i < name.size && topic->name[i] &&
               (topic->name[i] == '.' ? '_' : topic->name[i]) == (name.data[i] == '.' ? '_' : name.data[i]))
            i++;
        if (i == name.size && !topic->name[i])
            return topic;
    }
    return NULL;
}

static int16_t check_plan(struct mb_cluster *cluster, struct mb_topic_plan *plan, char *text, size_t text_size)
{
    const char *why = NULL;
    if (!mb_topic_name_ok(plan->name, &why))
        return refuse(text, text_size, KCI_INVALID_TOPIC_EXCEPTION, why);
    if (mb_topic_find(cluster, plan->name)) {
        snprintf(text, text_size, "Topic '%.*s' already exists.", (int)plan->name.size, plan->name.data);
        return KCI_TOPIC_ALREADY_EXISTS;
    }
    const struct mb_topic *other = plan->id ? NULL : collides_with(cluster, plan->name); /* not at a restart */
    if (other) {
        snprintf(text, text_size, "Topic '%.*s' collides with existing topic: %s", (int)plan->name.size,
                 plan->name.data, other->name);
        return KCI_INVALID_TOPIC_EXCEPTION;
    }
    if (plan->partitions == -1)
        plan->partitions = (int32_t)mb_cluster_property(cluster, "num.partitions");
    if (plan->replication_factor == -1)
        plan->replication_factor = (int16_t)mb_cluster_property(cluster, "default.replication.factor");
    if (plan->partitions <= 0)
        return refuse(text, text_size, KCI_INVALID_PARTITIONS,
                      "Number of partitions was set to an invalid non-positive value.");
    if (plan->replication_factor <= 0)
        return refuse(text, text_size, KCI_INVALID_REPLICATION_FACTOR,
                      "Replication factor must be larger than 0, or -1 to use the default value.");
    int32_t homes[MB_BROKERS_MAX], home_count = mb_member_homes(cluster, homes);
    if (!plan->assignment && plan->replication_factor > home_count) {
        snprintf(text, text_size, "Unable to replicate the partition %d time(s): only %d broker(s) are registered.",
                 plan->replication_factor, home_count);
        return KCI_INVALID_REPLICATION_FACTOR;
    }
    if (plan->partitions > MB_PARTITIONS_MAX || plan->partitions > MB_CLUSTER_PARTITIONS_MAX - cluster->partition_count)
        return refuse(text, text_size, KCI_POLICY_VIOLATION, "Excessively large number of partitions per request.");
    return check_assignment(cluster, plan->assignment, plan->partitions, plan->replication_factor, text, text_size);
}

static void new_id(struct mb_cluster *cluster, struct kci_uuid *id)
{
    do {
        for (size_t i = 0; i < sizeof id->b; i += 8) {
            uint64_t random = kci_prng_next(&cluster->prng);
            memcpy(id->b + i, &random, 8);
        }
        id->b[0] &= 0x7f; /* the text form must not begin with '-' (KIP-516) */
    } while (kci_uuid_is_zero(id) || mb_topic_find_id(cluster, id));
}

int16_t mb_topic_create(struct mb_cluster *cluster, struct mb_topic_plan *plan, bool dry, struct mb_topic **out,
                        char *text, size_t text_size, int64_t now)
{
    int16_t error = check_plan(cluster, plan, text, text_size);
    if (error || dry)
        return error;
    struct mb_topic *topic = kci_alloc_zero(cluster->alloc, 1, sizeof *topic);
    if (!topic)
        return refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory");
    topic->cluster = cluster;
    memcpy(topic->name, plan->name.data, plan->name.size);
    topic->internal = plan->internal;
    topic->replication_factor = plan->replication_factor;
    topic->config = plan->config;
    if (plan->id)
        topic->id = *plan->id;
    else
        new_id(cluster, &topic->id);
    bool listed = kci_map_set(&cluster->topics, topic->name, plan->name.size, topic) &&
                  kci_map_set(&cluster->topic_ids, topic->id.b, sizeof topic->id.b, topic);
    if (!listed || !add_partitions(topic, plan->partitions, plan->assignment, plan->replication_factor)) {
        memset(&topic->config, 0, sizeof topic->config); /* stays the caller's */
        topic->config.alloc = cluster->alloc;
        mb_topic_free(topic);
        return refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory");
    }
    memset(&plan->config, 0, sizeof plan->config);
    plan->config.alloc = cluster->alloc;
    for (int32_t i = 0; now >= 0 && i < topic->partition_count; i++)
        mb_controller_elect(topic->partitions[i], now);
    cluster->topics_made++;
    mb_controller_changed(cluster);
    if (out)
        *out = topic;
    return KCI_NONE;
}

int16_t mb_topic_grow(struct mb_topic *topic, int32_t partitions, const int32_t *const *assignment, bool dry,
                      char *text, size_t text_size, int64_t now)
{
    struct mb_cluster *cluster = topic->cluster;
    if (partitions < topic->partition_count) {
        snprintf(text, text_size, "The topic %s currently has %d partition(s); %d would not be an increase.",
                 topic->name, topic->partition_count, partitions);
        return KCI_INVALID_PARTITIONS;
    }
    if (partitions == topic->partition_count)
        return refuse(text, text_size, KCI_INVALID_PARTITIONS, "Topic already has this number of partition(s).");
    if (partitions > MB_PARTITIONS_MAX ||
        partitions - topic->partition_count > MB_CLUSTER_PARTITIONS_MAX - cluster->partition_count)
        return refuse(text, text_size, KCI_POLICY_VIOLATION, "Excessively large number of partitions per request.");
    int32_t old = topic->partition_count;
    int16_t error = check_assignment(cluster, assignment, partitions - old, topic->replication_factor, text, text_size);
    if (error || dry)
        return error;
    if (!add_partitions(topic, partitions, assignment, topic->replication_factor))
        return refuse(text, text_size, KCI_UNKNOWN_SERVER_ERROR, "out of memory");
    for (int32_t i = old; i < partitions; i++)
        mb_controller_elect(topic->partitions[i], now);
    mb_controller_changed(cluster);
    return KCI_NONE;
}

static void unlist(struct mb_topic *topic)
{
    kci_map_remove(&topic->cluster->topics, topic->name, strlen(topic->name));
    kci_map_remove(&topic->cluster->topic_ids, topic->id.b, sizeof topic->id.b);
}

void mb_topic_free(struct mb_topic *topic)
{
    struct mb_cluster *cluster = topic->cluster;
    unlist(topic);
    for (int32_t i = 0; i < topic->partition_count; i++)
        partition_free(topic->partitions[i]);
    kci_alloc_free(cluster->alloc, topic->partitions);
    mb_topic_config_destroy(&topic->config);
    kci_alloc_free(cluster->alloc, topic);
}

void mb_topic_delete(struct mb_topic *topic, int64_t now)
{
    struct mb_cluster *cluster = topic->cluster;
    char directory[320];
    unlist(topic); /* from here on nobody finds it: who waits here is told so */
    for (int32_t i = 0; i < topic->partition_count; i++)
        mb_partition_fail_waiters(topic->partitions[i], KCI_UNKNOWN_TOPIC_OR_PARTITION, now);
    mb_fetch_wait_run(cluster, now);
    if (cluster->options.storage)
        for (int32_t i = 0; i < topic->partition_count; i++)
            for (int32_t k = 0; k < topic->partitions[i]->replica_count; k++) {
                snprintf(directory, sizeof directory, "broker-%d/%s-%d", topic->partitions[i]->replicas[k].broker,
                         topic->name, i);
                cluster->options.storage->remove(cluster->options.storage->context, directory);
            }
    if (cluster->groups)
        mb_groups_on_topic_deleted(cluster->groups, kci_str_of(topic->name), now);
    mb_controller_changed(cluster);
    mb_topic_free(topic);
}
