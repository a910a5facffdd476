/* Version ranges by API key (KIP-35).  They belong to a connection, because a broker may have been exchanged between two
 * of them. */
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
