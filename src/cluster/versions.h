/* Which versions of which API one connection speaks, as its ApiVersions answer says, and the cluster's finalized
 * features. */
#ifndef KCI_CLUSTER_VERSIONS_H
#define KCI_CLUSTER_VERSIONS_H

#include "protocol/messages.h"

#define KCI_VERSIONS_APIS    128 /* API keys below this are remembered: Kafka's highest is 94 */
#define KCI_FEATURES_MAX     32  /* finalized features that are remembered: Kafka has seven */
#define KCI_FEATURE_NAME_MAX 48  /* bytes of a name with its NUL; longer ones are left out */

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

struct kci_features {
    int64_t epoch; /* of the finalized features; -1: none known */
    size_t count;
    struct {
        char name[KCI_FEATURE_NAME_MAX]; /* NUL-terminated */
        int16_t level;
    } items[KCI_FEATURES_MAX];
};

static inline void kci_features_clear(struct kci_features *features)
{
    features->epoch = -1;
    features->count = 0;
}
/* Take the finalized features of a response unless they are older than what is known. */
void kci_features_set(struct kci_features *features, const struct kci_api_versions_response *response);
/* The level, 0 if unknown. */
int16_t kci_features_level(const struct kci_features *features, const char *name);

#endif
