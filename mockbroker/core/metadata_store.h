/* What a cluster with a data directory remembers of itself: its id, its topics, who leads, who is in sync. */
#ifndef MB_CORE_METADATA_STORE_H
#define MB_CORE_METADATA_STORE_H

#include "mockbroker/core/cluster.h"

#define MB_METADATA_FILE      "cluster-metadata"  /* in the data directory */
#define MB_METADATA_BYTES_MAX ((size_t)256 << 20) /* of the file */

/* Write it anew; a failure is logged and tried again with the next change. */
void mb_metadata_store(struct mb_cluster *cluster);
/* Read it and every log. false: text says why. An empty directory is a new cluster. */
bool mb_metadata_load(struct mb_cluster *cluster, int64_t now, char *text, size_t text_size);
/* Elect the first leaders of what was loaded. */
void mb_metadata_start(struct mb_cluster *cluster, int64_t now);
/* Clean shutdown: sync the logs, write high watermarks. */
void mb_metadata_close(struct mb_cluster *cluster);

#endif
