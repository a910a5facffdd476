/* The field stands in nearly every response, but not at the same place: a table of offsets, one line per API. */
#include "cluster/throttle.h"

#define ROW(api, name) [KCI_API_##api] = offsetof(struct kci_##name##_response, throttle_time_ms) + 1

static const uint16_t places[] = {
    /* offset + 1; 0: no such field */
    ROW(ADD_OFFSETS_TO_TXN, add_offsets_to_txn),
    ROW(ADD_PARTITIONS_TO_TXN, add_partitions_to_txn),
    ROW(ALTER_CLIENT_QUOTAS, alter_client_quotas),
    ROW(ALTER_CONFIGS, alter_configs),
    ROW(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments),
    ROW(ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs),
    ROW(ALTER_SHARE_GROUP_OFFSETS, alter_share_group_offsets),
    ROW(ALTER_USER_SCRAM_CREDENTIALS, alter_user_scram_credentials),
    ROW(API_VERSIONS, api_versions),
    ROW(CONSUMER_GROUP_DESCRIBE, consumer_group_describe),
    ROW(CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat),
    ROW(CREATE_ACLS, create_acls),
    ROW(CREATE_DELEGATION_TOKEN, create_delegation_token),
    ROW(CREATE_PARTITIONS, create_partitions),
    ROW(CREATE_TOPICS, create_topics),
    ROW(DELETE_ACLS, delete_acls),
    ROW(DELETE_GROUPS, delete_groups),
    ROW(DELETE_RECORDS, delete_records),
    ROW(DELETE_SHARE_GROUP_OFFSETS, delete_share_group_offsets),
    ROW(DELETE_TOPICS, delete_topics),
    ROW(DESCRIBE_ACLS, describe_acls),
    ROW(DESCRIBE_CLIENT_QUOTAS, describe_client_quotas),
    ROW(DESCRIBE_CLUSTER, describe_cluster),
    ROW(DESCRIBE_CONFIGS, describe_configs),
    ROW(DESCRIBE_DELEGATION_TOKEN, describe_delegation_token),
    ROW(DESCRIBE_GROUPS, describe_groups),
    ROW(DESCRIBE_LOG_DIRS, describe_log_dirs),
    ROW(DESCRIBE_PRODUCERS, describe_producers),
    ROW(DESCRIBE_SHARE_GROUP_OFFSETS, describe_share_group_offsets),
    ROW(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions),
    ROW(DESCRIBE_TRANSACTIONS, describe_transactions),
    ROW(DESCRIBE_USER_SCRAM_CREDENTIALS, describe_user_scram_credentials),
    ROW(ELECT_LEADERS, elect_leaders),
    ROW(END_TXN, end_txn),
    ROW(EXPIRE_DELEGATION_TOKEN, expire_delegation_token),
    ROW(FETCH, fetch),
    ROW(FIND_COORDINATOR, find_coordinator),
    ROW(GET_TELEMETRY_SUBSCRIPTIONS, get_telemetry_subscriptions),
    ROW(HEARTBEAT, heartbeat),
    ROW(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs),
    ROW(INIT_PRODUCER_ID, init_producer_id),
    ROW(JOIN_GROUP, join_group),
    ROW(LEAVE_GROUP, leave_group),
    ROW(LIST_CONFIG_RESOURCES, list_config_resources),
    ROW(LIST_GROUPS, list_groups),
    ROW(LIST_OFFSETS, list_offsets),
    ROW(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments),
    ROW(LIST_TRANSACTIONS, list_transactions),
    ROW(METADATA, metadata),
    ROW(OFFSET_COMMIT, offset_commit),
    ROW(OFFSET_DELETE, offset_delete),
    ROW(OFFSET_FETCH, offset_fetch),
    ROW(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch),
    ROW(PRODUCE, produce),
    ROW(PUSH_TELEMETRY, push_telemetry),
    ROW(RENEW_DELEGATION_TOKEN, renew_delegation_token),
    ROW(SHARE_ACKNOWLEDGE, share_acknowledge),
    ROW(SHARE_FETCH, share_fetch),
    ROW(SHARE_GROUP_DESCRIBE, share_group_describe),
    ROW(SHARE_GROUP_HEARTBEAT, share_group_heartbeat),
    ROW(SYNC_GROUP, sync_group),
    ROW(TXN_OFFSET_COMMIT, txn_offset_commit),
    ROW(UNREGISTER_BROKER, unregister_broker),
    ROW(UPDATE_FEATURES, update_features),
};

int32_t kci_throttle_of(int16_t api, const void *response)
{
    int32_t ms = 0;
    if (api >= 0 && (size_t)api < sizeof places / sizeof places[0] && places[api])
        memcpy(&ms, (const char *)response + places[api] - 1, sizeof ms);
    return ms > 0 ? ms : 0;
}

int32_t kci_throttle_of_raw(int16_t api, int16_t version, struct kci_reader body)
{
    int32_t ms = api == KCI_API_FETCH && version >= 1 ? kci_reader_i32(&body) : 0;
    return ms > 0 ? ms : 0;
}
