/* The authorizer (KIP-11, KIP-290): switched on by authorizer.class.name, whose value does not matter here.
 *
 *      super user -> allowed
 *      a DENY rule for the resource, the principal, the host and the operation (or ALL) -> denied
 *      an ALLOW rule likewise, or one for an operation that implies this one -> allowed
 *      no rule at all speaks of the resource -> allow.everyone.if.no.acl.found
 *      else denied
 *
 * READ, WRITE, DELETE and ALTER imply DESCRIBE; ALTER_CONFIGS implies DESCRIBE_CONFIGS. */
#include "mockbroker/core/authorize.h"

#include "mockbroker/core/cluster.h"

static const char *property(const struct mb_cluster *cluster, const char *name)
{
    return mb_properties_text(&cluster->properties, (size_t)mb_properties_find(kci_str_of(name)));
}

bool mb_authorizer_is_on(const struct mb_cluster *cluster)
{
    return cluster->authorizer;
}

static bool is_user(const struct mb_request *request, struct kci_str principal)
{
    return kci_str_equal(principal, mb_request_principal(request));
}

/* super.users=User:anna;User:bert */
static bool is_super_user(const struct mb_request *request)
{
    for (const char *at = property(request->cluster, "super.users"); *at;) {
        size_t size = strcspn(at, ";");
        if (is_user(request, (struct kci_str){ at, size }))
            return true;
        at += size + (at[size] == ';');
    }
    return false;
}

static bool is_about(const struct mb_request *request, const struct mb_acl_of *acl)
{
    struct kci_str host = kci_str_of(request->client_host[0] == '/' ? request->client_host + 1 : request->client_host);
    bool who = kci_str_equal(acl->principal, kci_str_of("User:*")) || is_user(request, acl->principal);
    return who && (kci_str_equal(acl->host, kci_str_of("*")) || kci_str_equal(acl->host, host));
}

static bool allows(int8_t given, enum mb_acl_operation asked)
{
    if (given == MB_ACL_ALL || given == (int8_t)asked)
        return true;
    if (asked == MB_ACL_DESCRIBE)
        return given == MB_ACL_READ || given == MB_ACL_WRITE || given == MB_ACL_DELETE || given == MB_ACL_ALTER;
    return asked == MB_ACL_DESCRIBE_CONFIGS && given == MB_ACL_ALTER_CONFIGS;
}

bool mb_authorize(const struct mb_request *request, enum mb_acl_operation operation, enum mb_acl_resource type,
                  struct kci_str name)
{
    const struct mb_cluster *cluster = request->cluster;
    bool any = false, allowed = false;
    if (!mb_authorizer_is_on(cluster) || is_super_user(request))
        return true;
    KCI_LIST_EACH(node, &cluster->acls.all)
    {
        const struct mb_acl_of *acl = &KCI_CONTAINER(node, struct mb_acl, link)->of;
        if (!mb_acl_covers(acl, (int8_t)type, name))
            continue;
        any = true;
        if (!is_about(request, acl))
            continue;
        if (acl->permission == MB_ACL_DENY && (acl->operation == MB_ACL_ALL || acl->operation == (int8_t)operation))
            return false;
        allowed |= acl->permission == MB_ACL_ALLOW && allows(acl->operation, operation);
    }
    return any ? allowed : mb_cluster_property(cluster, "allow.everyone.if.no.acl.found") != 0;
}

bool mb_authorize_topic(const struct mb_request *request, enum mb_acl_operation operation, struct kci_str name)
{
    return mb_authorize(request, operation, MB_ACL_TOPIC, name);
}

bool mb_authorize_cluster(const struct mb_request *request, enum mb_acl_operation operation)
{
    return mb_authorize(request, operation, MB_ACL_CLUSTER, kci_str_of(MB_ACL_CLUSTER_NAME));
}

/* A DENY of everything wins; a narrower one takes away only what it names, so each ALLOW is tried by its own name. */
bool mb_authorize_any(const struct mb_request *request, enum mb_acl_operation operation, enum mb_acl_resource type)
{
    const struct mb_cluster *cluster = request->cluster;
    if (!mb_authorizer_is_on(cluster) || is_super_user(request))
        return true;
    KCI_LIST_EACH(node, &cluster->acls.all)
    {
        const struct mb_acl_of *acl = &KCI_CONTAINER(node, struct mb_acl, link)->of;
        if (acl->type == (int8_t)type && acl->permission == MB_ACL_ALLOW &&
            mb_authorize(request, operation, type, acl->name))
            return true;
    }
    return mb_cluster_property(cluster, "allow.everyone.if.no.acl.found") != 0;
}

/* Operations that exist for each type of resource (Kafka's AclEntry.supportedOperations). */
static uint32_t supported(enum mb_acl_resource type)
{
#define BIT(operation) (UINT32_C(1) << (operation))
    uint32_t configs = BIT(MB_ACL_DESCRIBE_CONFIGS) | BIT(MB_ACL_ALTER_CONFIGS);
    switch (type) {
    case MB_ACL_TOPIC:
        return configs | BIT(MB_ACL_READ) | BIT(MB_ACL_WRITE) | BIT(MB_ACL_CREATE) | BIT(MB_ACL_DESCRIBE) |
               BIT(MB_ACL_DELETE) | BIT(MB_ACL_ALTER);
    case MB_ACL_GROUP:
        return configs | BIT(MB_ACL_READ) | BIT(MB_ACL_DESCRIBE) | BIT(MB_ACL_DELETE);
    case MB_ACL_CLUSTER:
        return configs | BIT(MB_ACL_CREATE) | BIT(MB_ACL_CLUSTER_ACTION) | BIT(MB_ACL_IDEMPOTENT_WRITE) |
               BIT(MB_ACL_ALTER) | BIT(MB_ACL_DESCRIBE);
    default:
        return 0;
    }
#undef BIT
}

int32_t mb_authorized_operations(const struct mb_request *request, enum mb_acl_resource type, struct kci_str name)
{
    uint32_t asked = supported(type), given = 0;
    for (int operation = MB_ACL_READ; operation <= MB_ACL_OPERATION_MAX; operation++)
        if (asked >> operation & 1 && mb_authorize(request, (enum mb_acl_operation)operation, type, name))
            given |= UINT32_C(1) << operation;
    return (int32_t)given;
}

int16_t mb_authorize_config(const struct mb_request *request, enum mb_acl_operation operation, int8_t resource_type,
                            struct kci_str name)
{
    if (resource_type == MB_RESOURCE_TOPIC)
        return mb_authorize_topic(request, operation, name) ? KCI_NONE : KCI_TOPIC_AUTHORIZATION_FAILED;
    if (resource_type == MB_RESOURCE_GROUP)
        return mb_authorize(request, operation, MB_ACL_GROUP, name) ? KCI_NONE : KCI_GROUP_AUTHORIZATION_FAILED;
    return mb_authorize_cluster(request, operation) ? KCI_NONE : KCI_CLUSTER_AUTHORIZATION_FAILED;
}
