/* The APIs and versions that each release advertised on a client listener: facts of the message definitions inside the
 * kafka-clients jars (validVersions, without versions that were unstable, of APIs that a broker serves there).  This
 * broker advertises what it serves (api_table.c) and the release advertised, both.
 *
 * 2.1 and 2.8 are played as with ZooKeeper, later ones as with KRaft.  The requests between brokers that the former
 * also showed (LeaderAndIsr and the like) are left out: no client sends them.  Two entries are not those of the
 * definitions: Produce 0-2, which 4.x advertises for old librdkafka (KAFKA-18659), and JoinGroup 0-1, which 4.0.0 had
 * dropped and 4.0.1 served again. */
#include "mockbroker/core/persona.h"

static const char *const names[MB_PERSONAS] = { "2.1", "2.8", "3.3", "3.9", "4.0", "4.1", "4.2", "4.3", "4.4" };

/* clang-format off */
#define NO { 0, -1 }
static const struct mb_persona_api apis[] = {
    /*               2.1 ZK    2.8 ZK    3.3       3.9       4.0       4.1       4.2       4.3       4.4 */
    { 0, "Produce", { { 0, 7 }, { 0, 9 }, { 0, 9 }, { 0, 11 }, { 0, 12 }, { 0, 13 }, { 0, 13 }, { 0, 13 }, { 0, 13 } } },
    { 1, "Fetch", { { 0, 10 }, { 0, 12 }, { 0, 13 }, { 0, 17 }, { 4, 17 }, { 4, 18 }, { 4, 18 }, { 4, 18 }, { 4, 18 } } },
    { 2, "ListOffsets", { { 0, 4 }, { 0, 6 }, { 0, 7 }, { 0, 9 }, { 1, 10 }, { 1, 10 }, { 1, 11 }, { 1, 11 }, { 1, 11 } } },
    { 3, "Metadata", { { 0, 7 }, { 0, 11 }, { 0, 12 }, { 0, 12 }, { 0, 13 }, { 0, 13 }, { 0, 13 }, { 0, 13 }, { 0, 13 } } },
    { 8, "OffsetCommit", { { 0, 6 }, { 0, 8 }, { 0, 8 }, { 0, 9 }, { 2, 9 }, { 2, 9 }, { 2, 10 }, { 2, 10 }, { 2, 10 } } },
    { 9, "OffsetFetch", { { 0, 5 }, { 0, 7 }, { 0, 8 }, { 0, 9 }, { 1, 9 }, { 1, 9 }, { 1, 10 }, { 1, 10 }, { 1, 10 } } },
    { 10, "FindCoordinator", { { 0, 2 }, { 0, 3 }, { 0, 4 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 } } },
    { 11, "JoinGroup", { { 0, 3 }, { 0, 7 }, { 0, 9 }, { 0, 9 }, { 0, 9 }, { 0, 9 }, { 0, 9 }, { 0, 9 }, { 0, 9 } } },
    { 12, "Heartbeat", { { 0, 2 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 } } },
    { 13, "LeaveGroup", { { 0, 2 }, { 0, 4 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 14, "SyncGroup", { { 0, 2 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 15, "DescribeGroups", { { 0, 2 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 } } },
    { 16, "ListGroups", { { 0, 2 }, { 0, 4 }, { 0, 4 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 17, "SaslHandshake", { { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 18, "ApiVersions", { { 0, 2 }, { 0, 3 }, { 0, 3 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 5 } } },
    { 19, "CreateTopics", { { 0, 3 }, { 0, 7 }, { 0, 7 }, { 0, 7 }, { 2, 7 }, { 2, 7 }, { 2, 7 }, { 2, 7 }, { 2, 7 } } },
    { 20, "DeleteTopics", { { 0, 3 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 1, 6 }, { 1, 6 }, { 1, 6 }, { 1, 6 }, { 1, 6 } } },
    { 21, "DeleteRecords", { { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 22, "InitProducerId", { { 0, 1 }, { 0, 4 }, { 0, 4 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 23, "OffsetForLeaderEpoch", { { 0, 2 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 2, 4 }, { 2, 4 }, { 2, 4 }, { 2, 4 }, { 2, 4 } } },
    { 24, "AddPartitionsToTxn", { { 0, 1 }, { 0, 3 }, { 0, 3 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 25, "AddOffsetsToTxn", { { 0, 1 }, { 0, 3 }, { 0, 3 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 0, 4 } } },
    { 26, "EndTxn", { { 0, 1 }, { 0, 3 }, { 0, 3 }, { 0, 4 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } } },
    { 27, "WriteTxnMarkers", { { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 1, 1 }, { 1, 1 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 28, "TxnOffsetCommit", { { 0, 2 }, { 0, 3 }, { 0, 3 }, { 0, 4 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 6 } } },
    { 29, "DescribeAcls", { { 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } } },
    { 30, "CreateAcls", { { 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } } },
    { 31, "DeleteAcls", { { 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } } },
    { 32, "DescribeConfigs", { { 0, 2 }, { 0, 4 }, { 0, 4 }, { 0, 4 }, { 1, 4 }, { 1, 4 }, { 1, 4 }, { 1, 4 }, { 1, 4 } } },
    { 33, "AlterConfigs", { { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 34, "AlterReplicaLogDirs", { { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 35, "DescribeLogDirs", { { 0, 1 }, { 0, 2 }, { 0, 4 }, { 0, 4 }, { 1, 4 }, { 1, 4 }, { 1, 4 }, { 1, 5 }, { 1, 5 } } },
    { 36, "SaslAuthenticate", { { 0, 0 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 37, "CreatePartitions", { { 0, 1 }, { 0, 3 }, { 0, 3 }, { 0, 3 }, { 0, 3 }, { 0, 3 }, { 0, 3 }, { 0, 3 }, { 0, 3 } } },
    { 38, "CreateDelegationToken", { { 0, 1 }, { 0, 2 }, NO, { 0, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } } },
    { 39, "RenewDelegationToken", { { 0, 1 }, { 0, 2 }, NO, { 0, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 40, "ExpireDelegationToken", { { 0, 1 }, { 0, 2 }, NO, { 0, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 41, "DescribeDelegationToken", { { 0, 1 }, { 0, 2 }, NO, { 0, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 1, 3 } } },
    { 42, "DeleteGroups", { { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 3 } } },
    { 43, "ElectLeaders", { NO, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 44, "IncrementalAlterConfigs", { NO, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 45, "AlterPartitionReassignments", { NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 46, "ListPartitionReassignments", { NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 47, "OffsetDelete", { NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 48, "DescribeClientQuotas", { NO, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 49, "AlterClientQuotas", { NO, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 50, "DescribeUserScramCredentials", { NO, { 0, 0 }, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 51, "AlterUserScramCredentials", { NO, { 0, 0 }, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 55, "DescribeQuorum", { NO, NO, { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 57, "UpdateFeatures", { NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 60, "DescribeCluster", { NO, { 0, 0 }, { 0, 0 }, { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 61, "DescribeProducers", { NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 64, "UnregisterBroker", { NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 65, "DescribeTransactions", { NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 66, "ListTransactions", { NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 2 }, { 0, 2 }, { 0, 2 }, { 0, 2 } } },
    { 68, "ConsumerGroupHeartbeat", { NO, NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 69, "ConsumerGroupDescribe", { NO, NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 71, "GetTelemetrySubscriptions", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 72, "PushTelemetry", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 74, "ListConfigResources", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 75, "DescribeTopicPartitions", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 76, "ShareGroupHeartbeat", { NO, NO, NO, NO, NO, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } } },
    { 77, "ShareGroupDescribe", { NO, NO, NO, NO, NO, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } } },
    { 78, "ShareFetch", { NO, NO, NO, NO, NO, { 1, 1 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 79, "ShareAcknowledge", { NO, NO, NO, NO, NO, { 1, 1 }, { 1, 2 }, { 1, 2 }, { 1, 2 } } },
    { 80, "AddRaftVoter", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 81, "RemoveRaftVoter", { NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 83, "InitializeShareGroupState", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 84, "ReadShareGroupState", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 85, "WriteShareGroupState", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 86, "DeleteShareGroupState", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 87, "ReadShareGroupStateSummary", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 88, "StreamsGroupHeartbeat", { NO, NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 1 } } },
    { 89, "StreamsGroupDescribe", { NO, NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 1 } } },
    { 90, "DescribeShareGroupOffsets", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } },
    { 91, "AlterShareGroupOffsets", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 92, "DeleteShareGroupOffsets", { NO, NO, NO, NO, NO, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } } },
    { 93, "StreamsGroupTopologyDescriptionUpdate", { NO, NO, NO, NO, NO, NO, NO, NO, { 0, 0 } } },
    { 94, "UnregisterController", { NO, NO, NO, NO, NO, NO, NO, NO, { 0, 0 } } },
};
#undef NO
/* clang-format on */

const char *mb_persona_name(size_t persona)
{
    return names[persona];
}

int mb_persona_find(struct kci_str release)
{
    for (int i = 0; i < MB_PERSONAS; i++) {
        size_t size = strlen(names[i]);
        bool same = release.size >= size && memcmp(release.data, names[i], size) == 0;
        if (same && (release.size == size || (release.size > size + 1 && release.data[size] == '.')))
            return i;
    }
    return -1;
}

const struct mb_persona_api *mb_persona_apis(size_t *count)
{
    *count = sizeof apis / sizeof apis[0];
    return apis;
}

bool mb_persona_clip(size_t persona, const struct mb_api_row *row, struct mb_api_row *out)
{
    for (size_t i = 0; i < sizeof apis / sizeof apis[0]; i++) {
        const struct mb_api_range *range = &apis[i].ranges[persona];
        if (apis[i].key != row->key)
            continue;
        *out = *row;
        out->version_min = row->version_min > range->min ? row->version_min : range->min;
        out->version_max = row->version_max < range->max ? row->version_max : range->max;
        return out->version_min <= out->version_max;
    }
    return false;
}
