/* Which versions of which API one connection speaks, as its ApiVersions answer says. */
#ifndef KCI_CLUSTER_VERSIONS_H
#define KCI_CLUSTER_VERSIONS_H

#include "protocol/messages.h"

#define KCI_VERSIONS_APIS 128 /* API keys below this are remembered: Kafka's highest is 94 */

struct kci_versions {
    struct {
        int16_t min, max; /* min > max: the API is not there */
    } ranges[KCI_VERSIONS_APIS];
};

/* Nothing is spoken. */
void kci_versions_clear(struct kci_versions *versions);
void kci_versions_set(struct kci_versions *versions, const struct kci_api_versions_response *response);
/* The highest version of `api` in min..max that the peer and our schema have, or -1. */
int16_t kci_versions_common(const struct kci_versions *versions, int16_t api, int16_t min, int16_t max);

#endif
