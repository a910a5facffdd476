/* AlterReplicaLogDirs (KIP-113): a broker of this cluster has one directory, so a replica is there already or the
 * directory is not known. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"

#define TOPICS_MAX 1000 /* of one request: each is compared with all others */
#define DIRS_MAX   1000 /* likewise: each is looked at for every topic */

typedef struct kci_alter_replica_log_dirs_response__alter_replica_log_dir_topic_result topic_out;

static int16_t move(const struct mb_request *request, struct kci_str path, struct kci_str name, int32_t index)
{
    char directory[MB_LOG_DIR_NAME_MAX];
    const struct mb_topic *topic = mb_topic_find(request->cluster, name);
    const struct mb_partition *partition = topic ? mb_topic_partition(topic, index) : NULL;
    if (!mb_authorize_cluster(request, MB_ACL_ALTER))
        return KCI_CLUSTER_AUTHORIZATION_FAILED;
    mb_cluster_log_dir(request->cluster, request->broker, directory);
    if (!kci_str_equal(path, kci_str_of(directory)))
        return KCI_LOG_DIR_NOT_FOUND;
    if (name.size > MB_TOPIC_NAME_MAX)
        return KCI_INVALID_TOPIC_EXCEPTION; /* there is no such directory */
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    return mb_partition_replica(partition, request->broker) ? KCI_NONE : KCI_REPLICA_NOT_AVAILABLE;
}

/* Kafka tells a topic once, whatever directories it was named for, and not at all without partitions. NULL: no memory. */
static topic_out *result_of(struct kci_alter_replica_log_dirs_response *response, struct mb_request *request,
                            struct kci_str topic)
{
    const struct kci_alter_replica_log_dirs_request *body = request->body;
    size_t partitions = 0;
    for (int32_t i = 0; i < response->results_count; i++)
        if (kci_str_equal(response->results[i].topic_name, topic))
            return &response->results[i];
    for (int32_t i = 0; i < body->dirs_count; i++)
        for (int32_t k = 0; k < body->dirs[i].topics_count; k++)
            if (kci_str_equal(body->dirs[i].topics[k].name, topic))
                partitions += (size_t)body->dirs[i].topics[k].partitions_count;
    topic_out *out = &response->results[response->results_count];
    *out = (topic_out){ .topic_name = topic };
    out->partitions = kci_arena_array(&request->arena, partitions, sizeof *out->partitions);
    if (!out->partitions)
        return NULL;
    response->results_count += partitions > 0;
    return out;
}

void mb_handle_alter_replica_log_dirs(struct mb_request *request, int64_t now)
{
    const struct kci_alter_replica_log_dirs_request *body = request->body;
    struct kci_alter_replica_log_dirs_response response;
    size_t topics = 0;
    kci_codec_init(&kci_alter_replica_log_dirs_response_schema, &response);
    for (int32_t i = 0; i < body->dirs_count; i++)
        topics += (size_t)body->dirs[i].topics_count;
    if (topics > TOPICS_MAX || body->dirs_count > DIRS_MAX) {
        mb_request_hang_up(request, "more than 1000 topics or directories in one AlterReplicaLogDirs", now);
        return;
    }
    response.results = kci_arena_array(&request->arena, topics, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->dirs_count; i++)
        for (int32_t k = 0; k < body->dirs[i].topics_count; k++) {
            const struct kci_alter_replica_log_dirs_request__alter_replica_log_dir_topic *asked =
                &body->dirs[i].topics[k];
            topic_out *out = result_of(&response, request, asked->name);
            for (int32_t p = 0; out && p < asked->partitions_count; p++) {
                int32_t at = out->partitions_count++;
                out->partitions[at].partition_index = asked->partitions[p];
                out->partitions[at].error_code = move(request, body->dirs[i].path, asked->name, asked->partitions[p]);
            }
        }
    mb_request_answer(request, &response, now);
}
