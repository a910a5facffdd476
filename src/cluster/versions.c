/* Version ranges by API key and features by name (KIP-35, KIP-584).  Ranges belong to a connection, because a broker
 * may have been exchanged between two of them; features belong to the cluster and carry an epoch that only rises. */
#include "cluster/versions.h"

void kci_versions_clear(struct kci_versions *versions)
{
    for (size_t i = 0; i < KCI_VERSIONS_APIS; i++) {
        versions->ranges[i].min = 0;
        versions->ranges[i].max = -1;
    }
}

void kci_versions_set(struct kci_versions *versions, const struct kci_api_versions_response *response)
{
    kci_versions_clear(versions);
    for (int32_t i = 0; i < response->api_keys_count; i++) {
        const struct kci_api_versions_response__api_version *key = &response->api_keys[i];
        if (key->api_key < 0 || key->api_key >= KCI_VERSIONS_APIS || key->min_version < 0)
            continue;
        versions->ranges[key->api_key].min = key->min_version;
        versions->ranges[key->api_key].max = key->max_version;
    }
}

int16_t kci_versions_common(const struct kci_versions *versions, int16_t api, int16_t min, int16_t max)
{
    const struct kci_api *row = kci_api_find(api);
    if (!row || api < 0 || api >= KCI_VERSIONS_APIS)
        return -1;
    if (min < row->version_min)
        min = row->version_min;
    if (min < versions->ranges[api].min)
        min = versions->ranges[api].min;
    if (max > row->version_max)
        max = row->version_max;
    if (max > versions->ranges[api].max)
        max = versions->ranges[api].max;
    return max >= min ? max : -1;
}

void kci_features_set(struct kci_features *features, const struct kci_api_versions_response *response)
{
    if (response->finalized_features_epoch < 0 || response->finalized_features_epoch < features->epoch)
        return;
    features->epoch = response->finalized_features_epoch;
    features->count = 0;
    for (int32_t i = 0; i < response->finalized_features_count && features->count < KCI_FEATURES_MAX; i++) {
        const struct kci_api_versions_response__finalized_feature_key *key = &response->finalized_features[i];
        if (key->name.size >= KCI_FEATURE_NAME_MAX)
            continue;
        memcpy(features->items[features->count].name, key->name.data, key->name.size);
        features->items[features->count].name[key->name.size] = '\0';
        features->items[features->count++].level = key->max_version_level;
    }
}

int16_t kci_features_level(const struct kci_features *features, const char *name)
{
    for (size_t i = 0; i < features->count; i++)
        if (strcmp(features->items[i].name, name) == 0)
            return features->items[i].level;
    return 0;
}
