/* DescribeAcls, CreateAcls, DeleteAcls (KIP-11, KIP-290).  Without an authorizer (authorizer.class.name) there are no
 * rules: SECURITY_DISABLED, as Kafka.
 *
 * Of the numbers for kinds of things, 0 (UNKNOWN) makes a request that Kafka cannot parse, whoever sends it: the
 * connection is closed.  What only a filter may say (ANY, MATCH) is an UNKNOWN_SERVER_ERROR in a rule. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"

#define NO_AUTHORIZER "No Authorizer is configured."
#define TEXT_BYTES    320

typedef struct kci_describe_acls_response__describe_acls_resource resource_out;
typedef struct kci_describe_acls_response__acl_description description_out;

static bool has_unknown(int8_t type, int8_t pattern, int8_t operation, int8_t permission)
{
    return type == 0 || pattern == 0 || operation == 0 || permission == 0;
}

static const char not_parsed[] = "an ACL with a kind that is UNKNOWN";

static bool is_same_resource(const resource_out *resource, const struct mb_acl_of *acl)
{
    return resource->resource_type == acl->type && resource->pattern_type == acl->pattern &&
           kci_str_equal(resource->resource_name, acl->name);
}

/* Rules of one resource are told together. Version 0 knows literal patterns only. */
static bool describe(struct mb_request *request, const struct mb_acl_of *filter,
                     struct kci_describe_acls_response *response)
{
    const struct mb_acls *acls = &request->cluster->acls;
    response->resources = kci_arena_array(&request->arena, acls->count, sizeof *response->resources);
    KCI_LIST_EACH(node, &acls->all)
    {
        const struct mb_acl_of *acl = &KCI_CONTAINER(node, struct mb_acl, link)->of;
        resource_out *out = NULL;
        if (!response->resources)
            return false;
        if (!mb_acl_matches(acl, filter) || (request->header.version == 0 && acl->pattern != MB_ACL_LITERAL))
            continue;
        for (int32_t i = 0; !out && i < response->resources_count; i++)
            if (is_same_resource(&response->resources[i], acl))
                out = &response->resources[i];
        if (!out) {
            out = &response->resources[response->resources_count++];
            out->resource_type = acl->type;
            out->pattern_type = acl->pattern;
            out->resource_name = acl->name;
            out->acls = kci_arena_array(&request->arena, acls->count, sizeof *out->acls);
            if (!out->acls)
                return false;
        }
        out->acls[out->acls_count++] = (description_out){ .principal = acl->principal,
                                                          .host = acl->host,
                                                          .operation = acl->operation,
                                                          .permission_type = acl->permission };
    }
    return true;
}

void mb_handle_describe_acls(struct mb_request *request, int64_t now)
{
    const struct kci_describe_acls_request *body = request->body;
    struct kci_describe_acls_response response;
    struct mb_acl_of filter = { .type = body->resource_type_filter,
                                .pattern = body->pattern_type_filter,
                                .operation = body->operation,
                                .permission = body->permission_type,
                                .name = body->resource_name_filter,
                                .principal = body->principal_filter,
                                .host = body->host_filter };
    if (has_unknown(filter.type, filter.pattern, filter.operation, filter.permission)) {
        mb_request_hang_up(request, not_parsed, now);
        return;
    }
    kci_codec_init(&kci_describe_acls_response_schema, &response);
    if (!mb_authorizer_is_on(request->cluster)) {
        response.error_code = KCI_SECURITY_DISABLED;
        response.error_message = kci_str_of(NO_AUTHORIZER);
    } else if (!mb_acl_filter_check(&filter) && !describe(request, &filter, &response)) {
        mb_request_hang_up(request, "no memory for a list of ACLs", now);
        return;
    }
    mb_request_answer(request, &response, now);
}

/* ANY, or MATCH. */
static bool is_of_filters(const struct kci_create_acls_request__acl_creation *asked)
{
    return asked->resource_type == MB_ACL_TYPE_ANY || asked->resource_pattern_type == MB_ACL_PATTERN_ANY ||
           asked->resource_pattern_type == MB_ACL_MATCH || asked->operation == MB_ACL_OPERATION_ANY ||
           asked->permission_type == MB_ACL_PERMISSION_ANY;
}

void mb_handle_create_acls(struct mb_request *request, int64_t now)
{
    const struct kci_create_acls_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_create_acls_response response;
    for (int32_t i = 0; i < body->creations_count; i++)
        if (has_unknown(body->creations[i].resource_type, body->creations[i].resource_pattern_type,
                        body->creations[i].operation, body->creations[i].permission_type)) {
            mb_request_hang_up(request, not_parsed, now);
            return;
        }
    kci_codec_init(&kci_create_acls_response_schema, &response);
    response.results = kci_arena_array(&request->arena, (size_t)body->creations_count, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->creations_count; i++) {
        const struct kci_create_acls_request__acl_creation *asked = &body->creations[i];
        struct kci_create_acls_response__acl_creation_result *out = &response.results[response.results_count++];
        struct mb_acl_of acl = { .type = asked->resource_type,
                                 .pattern = asked->resource_pattern_type,
                                 .operation = asked->operation,
                                 .permission = asked->permission_type,
                                 .name = asked->resource_name,
                                 .principal = asked->principal,
                                 .host = asked->host };
        char text[TEXT_BYTES];
        const char *wrong = mb_acl_check(&acl, text, sizeof text);
        *out = (struct kci_create_acls_response__acl_creation_result){ .error_message = { "", 0 } };
        if (!mb_authorizer_is_on(cluster)) {
            out->error_code = KCI_SECURITY_DISABLED;
            wrong = NO_AUTHORIZER;
        } else if (wrong && is_of_filters(asked)) {
            out->error_code = KCI_UNKNOWN_SERVER_ERROR;
            out->error_message = kci_str_of(NULL);
            wrong = NULL;
        } else if (wrong) {
            out->error_code = KCI_INVALID_REQUEST;
        } else if (!mb_acls_add(&cluster->acls, &acl)) {
            out->error_code = KCI_UNKNOWN_SERVER_ERROR;
            wrong = "Too many access rules, or no memory for one more.";
        } else {
            mb_controller_changed(cluster);
        }
        if (wrong)
            out->error_message = kci_str_of(kci_arena_text(&request->arena, kci_str_of(wrong)));
    }
    mb_request_answer(request, &response, now);
}

typedef struct kci_delete_acls_response__delete_acls_matching_acl matching_out;

static bool tell_removed(struct mb_request *request, const struct mb_acl_of *acl, matching_out *out)
{
    const char *name = kci_arena_text(&request->arena, acl->name);
    const char *principal = kci_arena_text(&request->arena, acl->principal);
    const char *host = kci_arena_text(&request->arena, acl->host);
    *out = (matching_out){ .error_message = { NULL, 0 },
                           .resource_type = acl->type,
                           .pattern_type = acl->pattern,
                           .resource_name = kci_str_of(name),
                           .principal = kci_str_of(principal),
                           .host = kci_str_of(host),
                           .operation = acl->operation,
                           .permission_type = acl->permission };
    return name && principal && host;
}

static bool match_all(struct mb_request *request, const struct mb_acl_of *filter,
                      struct kci_delete_acls_response__delete_acls_filter_result *out)
{
    struct mb_acls *acls = &request->cluster->acls;
    out->matching_acls = kci_arena_array(&request->arena, acls->count, sizeof *out->matching_acls);
    if (!out->matching_acls)
        return acls->count == 0;
    KCI_LIST_EACH(node, &acls->all)
    {
        struct mb_acl *acl = KCI_CONTAINER(node, struct mb_acl, link);
        bool shown = request->header.version > 0 || acl->of.pattern == MB_ACL_LITERAL;
        if (!shown || !mb_acl_matches(&acl->of, filter))
            continue;
        if (!tell_removed(request, &acl->of, &out->matching_acls[out->matching_acls_count]))
            return false;
        out->matching_acls_count++;
        acl->removed = true;
    }
    return true;
}

/* After every filter has had a look: a rule that two of them meet is told twice. */
static void remove_all(struct mb_cluster *cluster)
{
    struct kci_list *next;
    bool any = false;
    for (struct kci_list *node = cluster->acls.all.next; node != &cluster->acls.all; node = next) {
        struct mb_acl *acl = KCI_CONTAINER(node, struct mb_acl, link);
        next = node->next;
        any |= acl->removed;
        if (acl->removed)
            mb_acls_remove(&cluster->acls, acl);
    }
    if (any)
        mb_controller_changed(cluster);
}

void mb_handle_delete_acls(struct mb_request *request, int64_t now)
{
    const struct kci_delete_acls_request *body = request->body;
    struct kci_delete_acls_response response;
    for (int32_t i = 0; i < body->filters_count; i++)
        if (has_unknown(body->filters[i].resource_type_filter, body->filters[i].pattern_type_filter,
                        body->filters[i].operation, body->filters[i].permission_type)) {
            mb_request_hang_up(request, not_parsed, now);
            return;
        }
    kci_codec_init(&kci_delete_acls_response_schema, &response);
    response.filter_results =
        kci_arena_array(&request->arena, (size_t)body->filters_count, sizeof *response.filter_results);
    for (int32_t i = 0; response.filter_results && i < body->filters_count; i++) {
        const struct kci_delete_acls_request__delete_acls_filter *asked = &body->filters[i];
        struct kci_delete_acls_response__delete_acls_filter_result *out =
            &response.filter_results[response.filter_results_count++];
        struct mb_acl_of filter = { .type = asked->resource_type_filter,
                                    .pattern = asked->pattern_type_filter,
                                    .operation = asked->operation,
                                    .permission = asked->permission_type,
                                    .name = asked->resource_name_filter,
                                    .principal = asked->principal_filter,
                                    .host = asked->host_filter };
        const char *wrong = mb_acl_filter_check(&filter);
        kci_codec_init(&kci_delete_acls_response__delete_acls_filter_result_schema, out);
        out->error_message = kci_str_of(NULL);
        if (!mb_authorizer_is_on(request->cluster)) {
            out->error_code = KCI_SECURITY_DISABLED;
            wrong = NO_AUTHORIZER;
        } else if (wrong) {
            out->error_code = KCI_INVALID_REQUEST;
        } else if (!match_all(request, &filter, out)) {
            out->error_code = KCI_UNKNOWN_SERVER_ERROR;
            wrong = "The server ran out of memory.";
        }
        out->error_message = kci_str_of(wrong);
    }
    remove_all(request->cluster);
    mb_request_answer(request, &response, now);
}
