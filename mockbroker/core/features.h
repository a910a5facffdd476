/* Features with levels of their own (KIP-584): which are supported, and what is finalized now. */
#ifndef MB_CORE_FEATURES_H
#define MB_CORE_FEATURES_H

#include "base/bytes.h"

struct mb_cluster;

enum mb_feature_id {
    MB_FEATURE_METADATA,
    MB_FEATURE_KRAFT,
    MB_FEATURE_GROUP,
    MB_FEATURE_TRANSACTION,
    MB_FEATURE_ELR,
    MB_FEATURES
};

struct mb_feature {
    const char *name;
    int16_t min, max; /* supported; max < min: not known to the release that is played */
};

/* As the played release has it. */
struct mb_feature mb_feature_of(const struct mb_cluster *cluster, enum mb_feature_id id);
/* By name; MB_FEATURES: no such feature here. */
enum mb_feature_id mb_feature_find(const struct mb_cluster *cluster, struct kci_str name);
/* The levels of a new cluster of the played release. */
void mb_features_init(struct mb_cluster *cluster);
/* The finalized level; 0: none. */
int16_t mb_feature_level(const struct mb_cluster *cluster, enum mb_feature_id id);
void mb_feature_set(struct mb_cluster *cluster, enum mb_feature_id id, int16_t level);

#endif
