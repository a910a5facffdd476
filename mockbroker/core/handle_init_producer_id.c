/* InitProducerId for idempotent producers: always a new id with epoch 0, as Kafka does without a transactional id.
 * There is no transaction coordinator: a transactional id is answered with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which
 * every client reports as final, where COORDINATOR_NOT_AVAILABLE would make it ask for ever. */
#include "mockbroker/core/cluster.h"

void mb_handle_init_producer_id(struct mb_request *request, int64_t now)
{
    const struct kci_init_producer_id_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_init_producer_id_response response;
    kci_codec_init(&kci_init_producer_id_response_schema, &response);
    response.producer_id = -1;
    response.producer_epoch = -1;
    if (body->transactional_id.data && body->transactional_id.size == 0) {
        response.error_code = KCI_INVALID_REQUEST;
    } else if (body->transactional_id.data) {
        response.error_code = KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    } else {
        response.producer_id = cluster->next_producer_id++;
        response.producer_epoch = 0;
        mb_controller_changed(cluster); /* ids must not be given out again after a restart */
    }
    mb_request_answer(request, &response, now);
}
