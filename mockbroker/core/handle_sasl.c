/* SaslHandshake and SaslAuthenticate (KIP-43, KIP-152, KIP-368), by the machine of sasl.c.  Without SASL, and after it,
 * they are refused with ILLEGAL_SASL_STATE, as by Apache Kafka: so a client that was told to authenticate hears why it
 * cannot, instead of a closed connection. */
#include "mockbroker/core/sasl.h"

static void list_mechanisms(struct mb_request *request, struct kci_sasl_handshake_response *response)
{
    response->mechanisms = kci_arena_array(&request->arena, MB_SASL_MECHANISMS, sizeof *response->mechanisms);
    for (int i = 0; response->mechanisms && i < MB_SASL_MECHANISMS; i++)
        if (mb_sasl_is_enabled(request->cluster, (enum mb_sasl_mechanism)i))
            response->mechanisms[response->mechanisms_count++] =
                kci_str_of(mb_sasl_mechanism_name((enum mb_sasl_mechanism)i));
}

void mb_handle_sasl_handshake(struct mb_request *request, int64_t now)
{
    const struct kci_sasl_handshake_request *body = request->body;
    struct kci_sasl_handshake_response response;
    kci_codec_init(&kci_sasl_handshake_response_schema, &response);
    int error = mb_sasl_choose(request->connection, body->mechanism, request->header.version == 0);
    if (error < 0) {
        mb_request_hang_up(request, "re-authentication by a mechanism that is not enabled", now);
        return;
    }
    response.error_code = (int16_t)error;
    if (error != KCI_ILLEGAL_SASL_STATE)
        list_mechanisms(request, &response);
    mb_request_answer(request, &response, now);
}

void mb_handle_sasl_authenticate(struct mb_request *request, int64_t now)
{
    const struct kci_sasl_authenticate_request *body = request->body;
    struct kci_sasl_authenticate_response response;
    struct mb_sasl *sasl = request->connection->sasl;
    char text[MB_SASL_TEXT_MAX];
    kci_codec_init(&kci_sasl_authenticate_response_schema, &response);
    if (!sasl || sasl->state != MB_SASL_EXCHANGE) {
        response.error_code = KCI_ILLEGAL_SASL_STATE;
        response.error_message = kci_str_of("SaslAuthenticate request received after successful authentication");
        mb_request_answer(request, &response, now);
        return;
    }
    struct kci_writer w = kci_writer_of(request->cluster->alloc, MB_SASL_ANSWER_MAX);
    const char *wrong = mb_sasl_evaluate(request->connection, body->auth_bytes, &w, text, sizeof text, now);
    if (wrong) {
        response.error_code = KCI_SASL_AUTHENTICATION_FAILED;
        response.error_message = kci_str_of(wrong);
    } else {
        response.auth_bytes = (struct kci_bytes){ w.size ? w.data : (const uint8_t *)"", w.size };
        response.session_lifetime_ms = mb_sasl_session_ms(sasl, now);
    }
    if (wrong ? !*wrong : w.failed)
        mb_request_hang_up(request, "a SCRAM message that cannot be answered", now);
    else
        mb_request_answer(request, &response, now);
    kci_writer_destroy(&w);
}
