/* DescribeCluster: the brokers and who is the controller; the controllers' own listeners (endpoint type 2) are not
 * served here. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/rack.h"

void mb_handle_describe_cluster(struct mb_request *request, int64_t now)
{
    const struct kci_describe_cluster_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_describe_cluster_response response;
    kci_codec_init(&kci_describe_cluster_response_schema, &response);
    response.cluster_id = kci_str_of(cluster->id);
    if (body->endpoint_type != 1) {
        response.error_code = body->endpoint_type == 2 ? KCI_MISMATCHED_ENDPOINT_TYPE : KCI_UNSUPPORTED_ENDPOINT_TYPE;
        response.cluster_id = kci_str_of("");
        response.error_message = kci_str_of(kci_error_text(response.error_code));
        mb_request_answer(request, &response, now);
        return;
    }
    response.controller_id = cluster->controller;
    if (body->include_cluster_authorized_operations)
        response.cluster_authorized_operations =
            mb_authorized_operations(request, MB_ACL_CLUSTER, kci_str_of(MB_ACL_CLUSTER_NAME));
    response.brokers = kci_arena_array(&request->arena, (size_t)cluster->broker_count, sizeof *response.brokers);
    for (int32_t i = 0; response.brokers && i < cluster->broker_count; i++) {
        const struct mb_broker *broker = cluster->brokers[i];
        if (broker->gone || (!broker->running && (!body->include_fenced_brokers || broker->unregistered)))
            continue;
        struct kci_describe_cluster_response__describe_cluster_broker *out =
            &response.brokers[response.brokers_count++];
        kci_codec_init(&kci_describe_cluster_response__describe_cluster_broker_schema, out);
        out->broker_id = broker->id;
        out->host = kci_str_of(broker->host);
        out->port = broker->port;
        out->rack = mb_broker_rack(cluster, broker->id);
        out->is_fenced = !broker->running;
    }
    mb_request_answer(request, &response, now);
}
