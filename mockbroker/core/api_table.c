/* What this broker serves, and from which version to which.  What is not here is not advertised, and closes the
 * connection. Versions are those of Kafka 4.x, clipped by persona.c to the release that is played; Produce 0-2 are
 * advertised, as Kafka does for old librdkafka (KAFKA-18659), and refused. */
#include "mockbroker/core/cluster.h"

static const struct mb_api_row rows[] = {
    { KCI_API_PRODUCE, 0, 13, mb_handle_produce },
    { KCI_API_FETCH, 4, 18, mb_handle_fetch },
    { KCI_API_LIST_OFFSETS, 1, 11, mb_handle_list_offsets },
    { KCI_API_METADATA, 0, 13, mb_handle_metadata },
    { KCI_API_OFFSET_COMMIT, 2, 10, mb_handle_offset_commit },
    { KCI_API_OFFSET_FETCH, 1, 10, mb_handle_offset_fetch },
    { KCI_API_FIND_COORDINATOR, 0, 6, mb_handle_find_coordinator },
    { KCI_API_JOIN_GROUP, 0, 9, mb_handle_join_group },
    { KCI_API_HEARTBEAT, 0, 4, mb_handle_heartbeat },
    { KCI_API_LEAVE_GROUP, 0, 5, mb_handle_leave_group },
    { KCI_API_SYNC_GROUP, 0, 5, mb_handle_sync_group },
    { KCI_API_DESCRIBE_GROUPS, 0, 6, mb_handle_describe_groups },
    { KCI_API_LIST_GROUPS, 0, 5, mb_handle_list_groups },
    { KCI_API_SASL_HANDSHAKE, 0, 1, mb_handle_sasl_handshake },
    { KCI_API_API_VERSIONS, 0, 5, mb_handle_api_versions },
    { KCI_API_CREATE_TOPICS, 2, 7, mb_handle_create_topics },
    { KCI_API_DELETE_TOPICS, 1, 6, mb_handle_delete_topics },
    { KCI_API_DELETE_RECORDS, 0, 2, mb_handle_delete_records },
    { KCI_API_INIT_PRODUCER_ID, 0, 5, mb_handle_init_producer_id },
    { KCI_API_OFFSET_FOR_LEADER_EPOCH, 2, 4, mb_handle_offset_for_leader_epoch },
    { KCI_API_ADD_PARTITIONS_TO_TXN, 0, 5, mb_handle_add_partitions_to_txn },
    { KCI_API_ADD_OFFSETS_TO_TXN, 0, 4, mb_handle_add_offsets_to_txn },
    { KCI_API_END_TXN, 0, 5, mb_handle_end_txn },
    { KCI_API_TXN_OFFSET_COMMIT, 0, 6, mb_handle_txn_offset_commit },
    { KCI_API_DELETE_GROUPS, 0, 3, mb_handle_delete_groups },
    { KCI_API_ELECT_LEADERS, 0, 2, mb_handle_elect_leaders },
    { KCI_API_INCREMENTAL_ALTER_CONFIGS, 0, 1, mb_handle_incremental_alter_configs },
    { KCI_API_ALTER_PARTITION_REASSIGNMENTS, 0, 1, mb_handle_alter_partition_reassignments },
    { KCI_API_LIST_PARTITION_REASSIGNMENTS, 0, 0, mb_handle_list_partition_reassignments },
    { KCI_API_OFFSET_DELETE, 0, 0, mb_handle_offset_delete },
    { KCI_API_DESCRIBE_CONFIGS, 1, 4, mb_handle_describe_configs },
    { KCI_API_ALTER_CONFIGS, 0, 2, mb_handle_alter_configs },
    { KCI_API_DESCRIBE_LOG_DIRS, 1, 5, mb_handle_describe_log_dirs },
    { KCI_API_SASL_AUTHENTICATE, 0, 2, mb_handle_sasl_authenticate },
    { KCI_API_CREATE_PARTITIONS, 0, 3, mb_handle_create_partitions },
    { KCI_API_DESCRIBE_CLIENT_QUOTAS, 0, 1, mb_handle_describe_client_quotas },
    { KCI_API_ALTER_CLIENT_QUOTAS, 0, 1, mb_handle_alter_client_quotas },
    { KCI_API_CONSUMER_GROUP_HEARTBEAT, 0, 1, mb_handle_consumer_group_heartbeat },
    { KCI_API_CONSUMER_GROUP_DESCRIBE, 0, 1, mb_handle_consumer_group_describe },
    { KCI_API_DESCRIBE_CLUSTER, 0, 2, mb_handle_describe_cluster },
    { KCI_API_LIST_CONFIG_RESOURCES, 0, 1, mb_handle_list_config_resources },
    { KCI_API_DESCRIBE_ACLS, 1, 3, mb_handle_describe_acls },
    { KCI_API_CREATE_ACLS, 1, 3, mb_handle_create_acls },
    { KCI_API_DELETE_ACLS, 1, 3, mb_handle_delete_acls },
    { KCI_API_ALTER_REPLICA_LOG_DIRS, 1, 2, mb_handle_alter_replica_log_dirs },
    { KCI_API_CREATE_DELEGATION_TOKEN, 1, 3, mb_handle_create_delegation_token },
    { KCI_API_RENEW_DELEGATION_TOKEN, 1, 2, mb_handle_renew_delegation_token },
    { KCI_API_EXPIRE_DELEGATION_TOKEN, 1, 2, mb_handle_expire_delegation_token },
    { KCI_API_DESCRIBE_DELEGATION_TOKEN, 1, 3, mb_handle_describe_delegation_token },
    { KCI_API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, mb_handle_describe_user_scram_credentials },
    { KCI_API_ALTER_USER_SCRAM_CREDENTIALS, 0, 0, mb_handle_alter_user_scram_credentials },
    { KCI_API_DESCRIBE_QUORUM, 0, 2, mb_handle_describe_quorum },
    { KCI_API_UPDATE_FEATURES, 0, 2, mb_handle_update_features },
    { KCI_API_DESCRIBE_PRODUCERS, 0, 0, mb_handle_describe_producers },
    { KCI_API_UNREGISTER_BROKER, 0, 0, mb_handle_unregister_broker },
    { KCI_API_DESCRIBE_TRANSACTIONS, 0, 0, mb_handle_describe_transactions },
    { KCI_API_LIST_TRANSACTIONS, 0, 2, mb_handle_list_transactions },
    { KCI_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, 0, mb_handle_get_telemetry_subscriptions },
    { KCI_API_PUSH_TELEMETRY, 0, 0, mb_handle_push_telemetry },
    { KCI_API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, mb_handle_describe_topic_partitions },
};
_Static_assert(sizeof rows / sizeof rows[0] <= MB_API_ROWS_MAX, "room for every row in a cluster");

const struct mb_api_row *mb_api_rows(size_t *count)
{
    *count = sizeof rows / sizeof rows[0];
    return rows;
}

const struct mb_api_row *mb_api_row(int16_t key)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].key == key)
            return &rows[i];
    return NULL;
}

void mb_cluster_advertise(struct mb_cluster *cluster)
{
    cluster->api_count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mb_persona_clip(cluster->persona, &rows[i], &cluster->apis[cluster->api_count]))
            cluster->api_count++;
}

const struct mb_api_row *mb_cluster_api(const struct mb_cluster *cluster, int16_t key)
{
    for (size_t i = 0; i < cluster->api_count; i++)
        if (cluster->apis[i].key == key)
            return &cluster->apis[i];
    return NULL;
}
