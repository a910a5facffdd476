/* SaslHandshake and SaslAuthenticate: advertised, and refused with ILLEGAL_SASL_STATE, as by a listener of Apache Kafka
 * without authentication.  So a client that was told to authenticate hears why it cannot, instead of a closed
 * connection. */
#include "mockbroker/core/cluster.h"

void mb_handle_sasl_handshake(struct mb_request *request, int64_t now)
{
    struct kci_sasl_handshake_response response;
    kci_codec_init(&kci_sasl_handshake_response_schema, &response);
    response.error_code = KCI_ILLEGAL_SASL_STATE;
    mb_request_answer(request, &response, now);
}

void mb_handle_sasl_authenticate(struct mb_request *request, int64_t now)
{
    struct kci_sasl_authenticate_response response;
    kci_codec_init(&kci_sasl_authenticate_response_schema, &response);
    response.error_code = KCI_ILLEGAL_SASL_STATE;
    response.error_message = kci_str_of("SaslAuthenticate request received after successful authentication");
    mb_request_answer(request, &response, now);
}
