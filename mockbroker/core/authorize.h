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

/* The settings of a resource: those of topics and groups are theirs, all others the cluster's. 0 or Kafka's error. */
int16_t mb_authorize_config(const struct mb_request *request, enum mb_acl_operation operation, int8_t resource_type,
                            struct kci_str name);
/* ---- authorize_gate.c ---- */
/* Before the handler: refuse what the client has no right to. true: the request is answered. */
bool mb_authorize_request(struct mb_request *request, int64_t now);
/* May this request work with the group? 0 or GROUP_AUTHORIZATION_FAILED. */
int16_t mb_authorize_group(const struct mb_request *request, struct kci_str group);

#endif
