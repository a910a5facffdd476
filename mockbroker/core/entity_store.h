/* The lines of cluster-metadata about what is neither a topic nor a broker: access rules, SCRAM users, delegation tokens, features,
 * settings of groups and client metrics. */
#ifndef MB_CORE_ENTITY_STORE_H
#define MB_CORE_ENTITY_STORE_H

#include "base/cursor.h"
#include "mockbroker/core/cluster.h"

void mb_entities_put(struct kci_writer *w, const struct mb_cluster *cluster);
/* Is the line one of ours? */
bool mb_entities_know(const char *line);
/* Take it over; false: it is not understood, or there is no memory. */
bool mb_entities_load(struct mb_cluster *cluster, const char *line);

#endif
