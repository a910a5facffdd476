/* test.mock.num.brokers: a cluster of mock brokers inside this process, for one client, or for all that give the same
 * test.mock.cluster. */
#ifndef KCI_API_MOCK_CLUSTER_H
#define KCI_API_MOCK_CLUSTER_H

#include "cluster/settings.h"

struct kci_mock_cluster;

/* Start the cluster that the settings ask for, or join it, and let bootstrap_servers name it. *out is NULL when they
 * ask for none. Waits until the brokers listen: some milliseconds. KC_ERR_CONFIG: libmockbroker cannot be loaded, does
 * not take the settings, or a cluster of this name runs with others; KC_ERR_NO_MEMORY. */
kc_err kci_mock_cluster_join(struct kci_mock_cluster **out, struct kci_settings *settings, kc_error *error);
/* The client is closed; the last one stops the cluster. NULL is fine. */
void kci_mock_cluster_leave(struct kci_mock_cluster *cluster);

#endif
