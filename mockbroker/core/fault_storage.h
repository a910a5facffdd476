/* A storage that can fail on purpose, in front of the cluster's own. */
#ifndef MB_CORE_FAULT_STORAGE_H
#define MB_CORE_FAULT_STORAGE_H

#include "mockbroker/core/fault.h"

/* Put it in front of cluster->options.storage; files that are open before stay open the old way. false: no memory. */
bool mb_fault_storage_wrap(struct mb_cluster *cluster);
/* The broker was killed: replicas that meet a lost_tail lose what they had not flushed. Also for logs in memory. */
void mb_fault_lose_tails(struct mb_cluster *cluster, int32_t broker);
/* When all files are closed. */
void mb_fault_storage_unwrap(struct mb_cluster *cluster);

#endif
