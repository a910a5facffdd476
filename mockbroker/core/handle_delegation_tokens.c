/* Create, Renew, Expire and DescribeDelegationToken (KIP-48).  A token stands for the user who asked for it, so Kafka
 * gives none on a connection that did not authenticate; every connection here is such a one. */
#include "mockbroker/core/cluster.h"

void mb_handle_create_delegation_token(struct mb_request *request, int64_t now)
{
    const struct kci_create_delegation_token_request *body = request->body;
    struct kci_create_delegation_token_response response;
    kci_codec_init(&kci_create_delegation_token_response_schema, &response);
    response.error_code = KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    bool of_another = request->header.version >= 3 && body->owner_principal_name.size;
    response.principal_type = kci_str_of("User");
    response.principal_name = mb_request_user(request);
    if (request->header.version >= 3) {
        response.token_requester_principal_type = response.principal_type;
        response.token_requester_principal_name = response.principal_name;
    }
    if (of_another && !body->owner_principal_type.data) {
        response.error_code = KCI_UNKNOWN_SERVER_ERROR; /* an owner without a kind is none: so says Kafka */
    } else if (of_another) {
        response.principal_type = body->owner_principal_type;
        response.principal_name = body->owner_principal_name;
    }
    response.issue_timestamp_ms = response.expiry_timestamp_ms = response.max_timestamp_ms = -1;
    mb_request_answer(request, &response, now);
}

void mb_handle_renew_delegation_token(struct mb_request *request, int64_t now)
{
    struct kci_renew_delegation_token_response response;
    kci_codec_init(&kci_renew_delegation_token_response_schema, &response);
    response.error_code = KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    response.expiry_timestamp_ms = -1;
    mb_request_answer(request, &response, now);
}

void mb_handle_expire_delegation_token(struct mb_request *request, int64_t now)
{
    struct kci_expire_delegation_token_response response;
    kci_codec_init(&kci_expire_delegation_token_response_schema, &response);
    response.error_code = KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    response.expiry_timestamp_ms = -1;
    mb_request_answer(request, &response, now);
}

void mb_handle_describe_delegation_token(struct mb_request *request, int64_t now)
{
    struct kci_describe_delegation_token_response response;
    kci_codec_init(&kci_describe_delegation_token_response_schema, &response);
    response.error_code = KCI_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    mb_request_answer(request, &response, now);
}
