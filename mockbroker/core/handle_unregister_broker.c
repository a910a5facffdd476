/* UnregisterBroker (KIP-631): a broker that is down is no longer told of as fenced (DescribeCluster v2); started again,
 * it registers anew.  One that runs would register again at once, so it is refused, unlike in Kafka. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

void mb_handle_unregister_broker(struct mb_request *request, int64_t now)
{
    const struct kci_unregister_broker_request *body = request->body;
    struct mb_broker *broker = mb_cluster_broker(request->cluster, body->broker_id);
    struct kci_unregister_broker_response response;
    char text[80];
    kci_codec_init(&kci_unregister_broker_response_schema, &response);
    response.error_message = kci_str_of(NULL);
    if (!broker || broker->unregistered) {
        snprintf(text, sizeof text, "Broker ID %d is not currently registered", body->broker_id);
        response.error_code = KCI_BROKER_ID_NOT_REGISTERED;
        response.error_message = kci_str_of(text);
    } else if (broker->running) {
        snprintf(text, sizeof text, "Broker ID %d is running: stop it first", body->broker_id);
        response.error_code = KCI_INVALID_REQUEST;
        response.error_message = kci_str_of(text);
    } else {
        broker->unregistered = true;
        mb_controller_changed(request->cluster);
    }
    mb_request_answer(request, &response, now);
}
