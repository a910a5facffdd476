/* Administration: topics, and a look at the cluster. Thread-safe; owns one I/O thread. Every call waits up to
 * timeout_ms. */
#ifndef KCLIENT_ADMIN_H
#define KCLIENT_ADMIN_H

#include <kclient/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kc_admin kc_admin;

/* Start an admin client. As kc_producer_create(). */
KC_EXPORT kc_err kc_admin_create(kc_admin **out, const kc_config *config, kc_error *error);
/* Free everything; returns at once.  Calls of other threads that are under way come back with KC_ERR_CLOSED before that;
 * none may begin any more. NULL is fine. */
KC_EXPORT void kc_admin_close(kc_admin *admin);

typedef struct kc_new_topic {
    const char *name;
    int32_t partitions;         /* -1: the broker's default            */
    int16_t replication_factor; /* -1: the broker's default            */
    const char *const *configs; /* config_count times "key=value"      */
    size_t config_count;
} kc_new_topic;
/* Create one topic and wait until it is known everywhere: every broker of the cluster that can be reached tells of it,
 * with all its partitions and a leader for each, so that what is asked next, of any broker, finds it.
 *   KC_ERR_TOPIC_ALREADY_EXISTS, KC_ERR_INVALID_REPLICATION_FACTOR, ...   with the broker's own text
 *   KC_ERR_TIMED_OUT   may be applied: describe it. When the topic is there and a broker is behind, the text names it */
KC_EXPORT kc_err kc_admin_create_topic(kc_admin *admin, const kc_new_topic *topic, int32_t timeout_ms, kc_error *error);
/* Delete one topic with all its records, and wait until no broker that can be reached tells of it any more (of another
 * one with its name perhaps, should somebody have created it anew).
 *   KC_ERR_UNKNOWN_TOPIC_OR_PARTITION   there is none
 *   KC_ERR_TIMED_OUT                    as above */
KC_EXPORT kc_err kc_admin_delete_topic(kc_admin *admin, const char *name, int32_t timeout_ms, kc_error *error);

typedef struct kc_partition_description {
    int32_t id, leader, leader_epoch; /* leader -1: none */
    const int32_t *replicas, *isr;
    size_t replica_count, isr_count;
    kc_err code;
} kc_partition_description;
typedef struct kc_topic_description {
    const char *name;
    int internal; /* 1: Kafka's own */
    kc_err code;
    const kc_partition_description *partitions;
    size_t partition_count;
} kc_topic_description;
typedef struct kc_broker_description {
    int32_t id;
    const char *host;
    uint16_t port;
    const char *rack; /* NULL: none */
} kc_broker_description;
/* A picture of the cluster; one block, freed by kc_cluster_release(). */
typedef struct kc_cluster {
    const char *cluster_id; /* may be NULL */
    int32_t controller;     /* broker id or -1 */
    const kc_broker_description *brokers;
    size_t broker_count;
    const kc_topic_description *topics;
    size_t topic_count;
} kc_cluster;
/* Describe the cluster and topics.
 *   names   `count` of them; NULL: all topics
 *   out     yours: kc_cluster_release(); a topic that does not exist has its code set
 *   KC_ERR_TIMED_OUT   no broker answered: the text says what was tried */
KC_EXPORT kc_err kc_admin_describe(kc_admin *admin, const char *const *names, size_t count, int32_t timeout_ms,
                                   kc_cluster **out, kc_error *error);
/* Free; NULL is fine. */
KC_EXPORT void kc_cluster_release(kc_cluster *cluster);

#ifdef __cplusplus
}
#endif
#endif
