/* Racks of brokers, and the replica that is closest to a client (KIP-392). */
#ifndef MB_CORE_RACK_H
#define MB_CORE_RACK_H

#include "mockbroker/core/cluster.h"

struct kci_str mb_broker_rack(const struct mb_cluster *cluster, int32_t id); /* data NULL: none */
/* The follower that a client in `rack` should read `offset` from; -1: the leader. */
int32_t mb_rack_preferred(const struct mb_partition *partition, struct kci_str rack, int64_t offset);

#endif
