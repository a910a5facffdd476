/* A cluster whose metadata a test asks for, and what was asked so far.
 *
 * Included by one test file. */
#ifndef TEST_SUPPORT_METADATA_STORY_H
#define TEST_SUPPORT_METADATA_STORY_H

#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;

static inline void begin(int32_t brokers)
{
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = brokers;
}

static inline const struct kci_topic_info *want(const char *name)
{
    const struct kci_topic_info *topic = kci_cluster_want_topic(sc.cluster, kci_str_of(name), peer.now);
    assert_non_null(topic);
    return topic;
}

/* Requests for metadata so far. */
static inline size_t asked(void)
{
    size_t n = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        n += peer.requests[i].header.api_key == KCI_API_METADATA;
    return n;
}

static inline const struct kci_metadata_request *last_asked(void)
{
    for (size_t i = peer.request_count; i-- > 0;)
        if (peer.requests[i].header.api_key == KCI_API_METADATA)
            return peer.requests[i].message;
    fail_msg("metadata was never asked for");
    return NULL;
}

#endif
