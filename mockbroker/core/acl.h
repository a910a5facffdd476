/* Access rules (KIP-11, KIP-290): the store, and how filters match. */
#ifndef MB_CORE_ACL_H
#define MB_CORE_ACL_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/list.h"

#define MB_ACL_CLUSTER_NAME "kafka-cluster" /* the only resource of type CLUSTER */
#define MB_ACLS_MAX         10000           /* rules of a cluster: each question walks them all */
#define MB_ACL_TEXT_BYTES   2048            /* of a name, a principal or a host */

enum mb_acl_resource { /* the numbers of the protocol */
                       MB_ACL_TYPE_ANY = 1,
                       MB_ACL_TOPIC = 2,
                       MB_ACL_GROUP = 3,
                       MB_ACL_CLUSTER = 4,
                       MB_ACL_TRANSACTIONAL_ID = 5,
                       MB_ACL_DELEGATION_TOKEN = 6,
                       MB_ACL_USER = 7,
};
enum mb_acl_pattern {
    MB_ACL_PATTERN_ANY = 1,
    MB_ACL_MATCH = 2, /* of filters: whatever applies to the name */
    MB_ACL_LITERAL = 3,
    MB_ACL_PREFIXED = 4,
};
enum mb_acl_operation {
    MB_ACL_OPERATION_ANY = 1,
    MB_ACL_ALL = 2,
    MB_ACL_READ = 3,
    MB_ACL_WRITE = 4,
    MB_ACL_CREATE = 5,
    MB_ACL_DELETE = 6,
    MB_ACL_ALTER = 7,
    MB_ACL_DESCRIBE = 8,
    MB_ACL_CLUSTER_ACTION = 9,
    MB_ACL_DESCRIBE_CONFIGS = 10,
    MB_ACL_ALTER_CONFIGS = 11,
    MB_ACL_IDEMPOTENT_WRITE = 12,
    MB_ACL_CREATE_TOKENS = 13,
    MB_ACL_DESCRIBE_TOKENS = 14,
    MB_ACL_OPERATION_MAX = 15, /* TWO_PHASE_COMMIT */
};
enum mb_acl_permission { MB_ACL_PERMISSION_ANY = 1, MB_ACL_DENY = 2, MB_ACL_ALLOW = 3 };

/* A rule, or a filter (texts without data: any). */
struct mb_acl_of {
    int8_t type, pattern, operation, permission;
    struct kci_str name, principal, host;
};
struct mb_acl {
    struct kci_list link; /* of mb_acls.all, in order of creation */
    struct mb_acl_of of;  /* texts are behind the struct */
    bool removed;         /* by the request that is being handled; it goes at its end */
};
struct mb_acls {
    const struct kci_alloc *alloc;
    struct kci_list all;
    size_t count;
};

void mb_acls_init(struct mb_acls *acls, const struct kci_alloc *alloc);
void mb_acls_clear(struct mb_acls *acls);
/* What is wrong with a rule in Kafka's words; NULL: nothing. */
const char *mb_acl_check(const struct mb_acl_of *of, char *text, size_t text_size);
/* What is wrong with a filter; NULL: nothing. */
const char *mb_acl_filter_check(const struct mb_acl_of *filter);
/* There once, however often it is added. false: no memory, or too many. */
bool mb_acls_add(struct mb_acls *acls, const struct mb_acl_of *of);
void mb_acls_remove(struct mb_acls *acls, struct mb_acl *acl);
bool mb_acl_matches(const struct mb_acl_of *acl, const struct mb_acl_of *filter);
/* Does the rule speak of this resource? */
bool mb_acl_covers(const struct mb_acl_of *acl, int8_t type, struct kci_str name);

#endif
