/* Eligible leader replicas (KIP-966): who may lead though it is not in sync. */
#ifndef MB_CORE_ELR_H
#define MB_CORE_ELR_H

#include "mockbroker/core/alter_configs.h"

struct mb_broker;
struct mb_partition;
struct mb_replica;

/* The feature eligible.leader.replicas.version is finalized at 1. */
bool mb_elr_on(const struct mb_cluster *cluster);
int32_t mb_elr_count(const struct mb_partition *partition);
/* Out of the ISR: eligible, until mb_elr_settle() says that the ISR is large enough. */
void mb_elr_leave(struct mb_replica *replica);
/* After each change of ISR, leader or both. */
void mb_elr_settle(struct mb_partition *partition);
/* Who can lead when nobody is in the ISR: the first eligible one that runs; when none is eligible, who led last. NULL:
 * nobody. */
struct mb_replica *mb_elr_choose(const struct mb_partition *partition);
/* The broker starts; if it had been killed, it is eligible nowhere. */
void mb_elr_distrust(struct mb_broker *broker);
/* The partition is read from a disk after a crash: who has too little is neither in sync nor eligible. */
void mb_elr_crashed(struct mb_partition *partition);

/* min.insync.replicas of the topic is altered. */
void mb_elr_clear(struct mb_topic *topic);
/* Is min.insync.replicas among the changes? */
bool mb_elr_names(const struct mb_config_change *changes, size_t count);
/* Why the settings of one broker (0: of all) may not become `after`: INVALID_CONFIG; NULL: they may. `named`: there is a
 * change of min.insync.replicas among others. */
const char *mb_elr_refuses(const struct mb_cluster *cluster, int32_t broker, char *const *before, char *const *after,
                           bool named);
/* The cluster starts, or the feature is switched on: min.insync.replicas is stored for all brokers and for none alone. */
void mb_elr_prepare(struct mb_cluster *cluster);

#endif
