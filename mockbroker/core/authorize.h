/* May this request do that? Kafka's StandardAuthorizer over the rules in acl.h. */
#ifndef MB_CORE_AUTHORIZE_H
#define MB_CORE_AUTHORIZE_H

#include "mockbroker/core/acl.h"
#include "mockbroker/core/request.h"

/* Is there one (authorizer.class.name)? Without it everybody may do everything. */
bool mb_authorizer_is_on(const struct mb_cluster *cluster);
bool mb_authorize(const struct mb_request *request, enum mb_acl_operation operation, enum mb_acl_resource type,
                  struct kci_str name);
bool mb_authorize_topic(const struct mb_request *request, enum mb_acl_operation operation, struct kci_str name);
bool mb_authorize_cluster(const struct mb_request *request, enum mb_acl_operation operation);
/* Is the operation allowed on at least one resource of this type, whatever its name? */
bool mb_authorize_any(const struct mb_request *request, enum mb_acl_operation operation, enum mb_acl_resource type);
/* What the principal may do with the resource, as the bits of *_authorized_operations. */
int32_t mb_authorized_operations(const struct mb_request *request, enum mb_acl_resource type, struct kci_str name);

#endif
