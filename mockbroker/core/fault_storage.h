/* A storage that can fail on purpose, in front of the cluster's own. */
#ifndef MB_CORE_FAULT_STORAGE_H
#define MB_CORE_FAULT_STORAGE_H

#include "mockbroker/core/fault.h"

/* Put it in front of cluster->options.storage; files that are open before stay open the old way. false: no memory. */
bool mb_fault_storage_wrap(struct mb_cluster *cluster);
/* When all files are closed. */
void mb_fault_storage_unwrap(struct mb_cluster *cluster);

#endif
