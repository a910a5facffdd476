/* What an API needs of the authorizer, as one table, asked before its handler.  A request that lacks a right on the
 * cluster is refused as a whole.  Topics that the client has no right on are taken out of the request, answered with
 * TOPIC_AUTHORIZATION_FAILED, and the handler does the rest: the way of an injected error (fault_error.c).
 *
 * Groups are asked for where every group API passes (mb_groups_route), Fetch, Metadata and the configs in their
 * handlers: what they show depends on the rights. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/fault_target.h"

#define NAMES_MAX 2000 /* topics of one request that are refused one by one; from there on, all of it is */

/* clang-format off */
static const struct rule {
    int16_t key;
    enum mb_acl_resource type; /* CLUSTER or TOPIC */
    enum mb_acl_operation operation;
} rules[] = {
    { KCI_API_PRODUCE, MB_ACL_TOPIC, MB_ACL_WRITE },
    { KCI_API_LIST_OFFSETS, MB_ACL_TOPIC, MB_ACL_DESCRIBE },
    { KCI_API_OFFSET_FOR_LEADER_EPOCH, MB_ACL_TOPIC, MB_ACL_DESCRIBE },
    { KCI_API_OFFSET_COMMIT, MB_ACL_TOPIC, MB_ACL_READ },
    { KCI_API_OFFSET_DELETE, MB_ACL_TOPIC, MB_ACL_READ },
    { KCI_API_CREATE_TOPICS, MB_ACL_TOPIC, MB_ACL_CREATE },
    { KCI_API_DELETE_TOPICS, MB_ACL_TOPIC, MB_ACL_DELETE },
    { KCI_API_DELETE_RECORDS, MB_ACL_TOPIC, MB_ACL_DELETE },
    { KCI_API_CREATE_PARTITIONS, MB_ACL_TOPIC, MB_ACL_ALTER },
    { KCI_API_DESCRIBE_ACLS, MB_ACL_CLUSTER, MB_ACL_DESCRIBE },
    { KCI_API_CREATE_ACLS, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_DELETE_ACLS, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_ELECT_LEADERS, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_ALTER_PARTITION_REASSIGNMENTS, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_LIST_PARTITION_REASSIGNMENTS, MB_ACL_CLUSTER, MB_ACL_DESCRIBE },
    { KCI_API_DESCRIBE_LOG_DIRS, MB_ACL_CLUSTER, MB_ACL_DESCRIBE },
    { KCI_API_DESCRIBE_CLIENT_QUOTAS, MB_ACL_CLUSTER, MB_ACL_DESCRIBE_CONFIGS },
    { KCI_API_ALTER_CLIENT_QUOTAS, MB_ACL_CLUSTER, MB_ACL_ALTER_CONFIGS },
    { KCI_API_DESCRIBE_USER_SCRAM_CREDENTIALS, MB_ACL_CLUSTER, MB_ACL_DESCRIBE },
    { KCI_API_ALTER_USER_SCRAM_CREDENTIALS, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_DESCRIBE_QUORUM, MB_ACL_CLUSTER, MB_ACL_DESCRIBE },
    { KCI_API_UPDATE_FEATURES, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_UNREGISTER_BROKER, MB_ACL_CLUSTER, MB_ACL_ALTER },
    { KCI_API_LIST_CONFIG_RESOURCES, MB_ACL_CLUSTER, MB_ACL_DESCRIBE_CONFIGS },
};
/* clang-format on */

struct refused {
    const struct mb_request *request;
    enum mb_acl_operation operation;
    struct kci_str *names; /* in the request's arena */
    size_t count;
};

static void look_at_topic(void *user, struct kci_str name)
{
    struct refused *refused = user;
    if (refused->count == NAMES_MAX || mb_authorize_topic(refused->request, refused->operation, name))
        return;
    for (size_t i = 0; refused->names && i < refused->count; i++)
        if (kci_str_equal(refused->names[i], name))
            return;
    if (refused->names)
        refused->names[refused->count] = name;
    refused->count++;
}

static void look_at_group(void *user, struct kci_str name)
{
    (void)user;
    (void)name;
}

static struct mb_fault error_of(int16_t error)
{
    struct mb_fault fault = { .match = { .partition = -1 } };
    fault.action.kind = MB_FAULT_ERROR;
    fault.action.error = error;
    return fault;
}

static bool refuse_all(struct mb_request *request, int16_t error, int64_t now)
{
    struct mb_fault fault = error_of(error);
    return mb_fault_refuse_request(request, &fault, now);
}

/* true: nothing is left of the request, and it is answered. */
static bool refuse_topics(struct mb_request *request, enum mb_acl_operation operation, int64_t now)
{
    struct refused refused = { .request = request, .operation = operation };
    mb_target_names(request, look_at_topic, look_at_group, &refused); /* how many? */
    if (!refused.count)
        return false;
    if (refused.count == NAMES_MAX)
        return refuse_all(request, KCI_TOPIC_AUTHORIZATION_FAILED, now);
    refused.names = kci_arena_array(&request->arena, refused.count, sizeof *refused.names);
    if (!refused.names)
        return refuse_all(request, KCI_TOPIC_AUTHORIZATION_FAILED, now);
    refused.count = 0;
    mb_target_names(request, look_at_topic, look_at_group, &refused);
    for (size_t i = 0; i < refused.count; i++) {
        struct mb_fault fault = error_of(KCI_TOPIC_AUTHORIZATION_FAILED);
        if (refused.names[i].size >= sizeof fault.match.topic)
            return refuse_all(request, KCI_TOPIC_AUTHORIZATION_FAILED, now);
        memcpy(fault.match.topic, refused.names[i].data, refused.names[i].size);
        if (mb_fault_refuse_request(request, &fault, now))
            return true;
    }
    return false;
}

/* An idempotent producer needs the cluster's word, or that of any topic (KIP-679). */
static bool may_have_producer_id(const struct mb_request *request)
{
    const struct kci_init_producer_id_request *body = request->body;
    return body->transactional_id.data || mb_authorize_cluster(request, MB_ACL_IDEMPOTENT_WRITE) ||
           mb_authorize_any(request, MB_ACL_WRITE, MB_ACL_TOPIC);
}

bool mb_authorize_request(struct mb_request *request, int64_t now)
{
    int16_t key = request->header.api_key;
    if (!request->body)
        return false;
    if (key == KCI_API_INIT_PRODUCER_ID && !may_have_producer_id(request))
        return refuse_all(request, KCI_CLUSTER_AUTHORIZATION_FAILED, now);
    if (key == KCI_API_CREATE_TOPICS && mb_authorize_cluster(request, MB_ACL_CREATE))
        return false;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].key != key)
            continue;
        if (rules[i].type == MB_ACL_TOPIC)
            return refuse_topics(request, rules[i].operation, now);
        return !mb_authorize_cluster(request, rules[i].operation) &&
               refuse_all(request, KCI_CLUSTER_AUTHORIZATION_FAILED, now);
    }
    return false;
}

int16_t mb_authorize_group(const struct mb_request *request, struct kci_str group)
{
    enum mb_acl_operation operation = MB_ACL_READ;
    switch (request->header.api_key) {
    case KCI_API_DELETE_GROUPS:
    case KCI_API_OFFSET_DELETE:
        operation = MB_ACL_DELETE;
        break;
    case KCI_API_DESCRIBE_GROUPS:
    case KCI_API_CONSUMER_GROUP_DESCRIBE:
    case KCI_API_OFFSET_FETCH:
    case KCI_API_FIND_COORDINATOR:
        operation = MB_ACL_DESCRIBE;
        break;
    default:
        break;
    }
    return mb_authorize(request, operation, MB_ACL_GROUP, group) ? KCI_NONE : KCI_GROUP_AUTHORIZATION_FAILED;
}
