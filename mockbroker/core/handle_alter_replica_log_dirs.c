/* AlterReplicaLogDirs (KIP-113): a broker of this cluster has one directory, so a replica is there already or the
 * directory is not known. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"

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
    if (!partition)
        return KCI_UNKNOWN_TOPIC_OR_PARTITION;
    return mb_partition_replica(partition, request->broker) ? KCI_NONE : KCI_REPLICA_NOT_AVAILABLE;
}

void mb_handle_alter_replica_log_dirs(struct mb_request *request, int64_t now)
{
    const struct kci_alter_replica_log_dirs_request *body = request->body;
    struct kci_alter_replica_log_dirs_response response;
    size_t topics = 0;
    kci_codec_init(&kci_alter_replica_log_dirs_response_schema, &response);
    for (int32_t i = 0; i < body->dirs_count; i++)
        topics += (size_t)body->dirs[i].topics_count;
    response.results = kci_arena_array(&request->arena, topics, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->dirs_count; i++)
        for (int32_t k = 0; k < body->dirs[i].topics_count; k++) {
            const struct kci_alter_replica_log_dirs_request__alter_replica_log_dir_topic *asked =
                &body->dirs[i].topics[k];
            topic_out *out = &response.results[response.results_count++];
            *out = (topic_out){ .topic_name = asked->name };
            out->partitions =
                kci_arena_array(&request->arena, (size_t)asked->partitions_count, sizeof *out->partitions);
            for (int32_t p = 0; out->partitions && p < asked->partitions_count; p++) {
                out->partitions[p].partition_index = asked->partitions[p];
                out->partitions[p].error_code = move(request, body->dirs[i].path, asked->name, asked->partitions[p]);
                out->partitions_count++;
            }
        }
    mb_request_answer(request, &response, now);
}
