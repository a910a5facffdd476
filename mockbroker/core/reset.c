/* A cluster as it was at its start, for the next test: no topics, no groups, no transactions, no faults, no quotas, no
 * ACLs, no SCRAM users but those of the start, no delegation tokens, the features of a new cluster, no settings of groups
 * and client metrics, an empty journal.  Brokers, connections, producer ids and time go on. */
#include "mockbroker/core/elr.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/journal.h"
#include "mockbroker/core/quota.h"
#include "mockbroker/core/sasl.h"
#include "mockbroker/core/telemetry.h"
#include "mockbroker/core/txn_registry.h"

void mb_cluster_reset(struct mb_cluster *cluster, int64_t now)
{
    struct mb_topic *topic;
    size_t at = 0;
    cluster->now = now;
    mb_fault_remove_all(cluster, now);
    while ((topic = mb_topic_next(cluster, &at)) != NULL) {
        if (kci_str_equal(kci_str_of(topic->name), kci_str_of(MB_OFFSETS_TOPIC)))
            for (int32_t i = 0; i < topic->partition_count; i++)
                mb_groups_on_leader(cluster->groups, i, -1, now); /* its groups are forgotten */
        mb_topic_delete(topic, now);
        at = 0;
    }
    mb_txns_forget(cluster->transactions, now);
    mb_quota_destroy(cluster);
    mb_acls_clear(&cluster->acls);
    mb_scram_users_clear(&cluster->scram_users);
    mb_sasl_seed(cluster);
    mb_tokens_clear(cluster);
    mb_resources_clear(&cluster->resources);
    mb_telemetry_destroy(cluster);
    mb_features_init(cluster);
    mb_elr_prepare(cluster);
    mb_controller_changed(cluster);
    mb_journal_clear(cluster);
}
