/* Features: one table of what each release supports and finalizes in a new cluster.  A feature whose meaning is not
 * implemented here has no row, because clients choose by it: share.version, streams.version.  kraft.version stays 0: the
 * voters are given by configuration, not by the log. */
#include "mockbroker/core/features.h"

#include "mockbroker/core/cluster.h"

struct row {
    const char *name;
    struct {
        int16_t min, max; /* supported */
        int16_t level;    /* of a new cluster */
    } of[MB_PERSONAS];
};

/* clang-format off */
#define NO { 0, -1, 0 }
static const struct row rows[MB_FEATURES] = {
    /*                        2.1 2.8  3.3          3.9            4.0            4.1            4.2            4.3            4.4 */
    [MB_FEATURE_METADATA] = { "metadata.version",
                              { NO, NO, { 1, 7, 7 }, { 1, 21, 21 }, { 7, 25, 25 }, { 7, 27, 27 }, { 7, 29, 29 }, { 7, 30, 30 }, { 7, 33, 33 } } },
    [MB_FEATURE_KRAFT] = { "kraft.version",
                           { NO, NO, NO, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 } } },
    [MB_FEATURE_GROUP] = { "group.version",
                           { NO, NO, NO, NO, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } } },
    [MB_FEATURE_TRANSACTION] = { "transaction.version",
                                 { NO, NO, NO, NO, { 0, 2, 2 }, { 0, 2, 2 }, { 0, 2, 2 }, { 0, 2, 2 }, { 0, 2, 2 } } },
    [MB_FEATURE_ELR] = { "eligible.leader.replicas.version",
                         { NO, NO, NO, NO, { 0, 1, 0 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } } },
};
#undef NO
/* clang-format on */

struct mb_feature mb_feature_of(const struct mb_cluster *cluster, enum mb_feature_id id)
{
    return (struct mb_feature){ rows[id].name, rows[id].of[cluster->persona].min, rows[id].of[cluster->persona].max };
}

enum mb_feature_id mb_feature_find(const struct mb_cluster *cluster, struct kci_str name)
{
    for (int i = 0; i < MB_FEATURES; i++)
        if (kci_str_equal(kci_str_of(rows[i].name), name) &&
            rows[i].of[cluster->persona].min <= rows[i].of[cluster->persona].max)
            return (enum mb_feature_id)i;
    return MB_FEATURES;
}

void mb_features_init(struct mb_cluster *cluster)
{
    for (int i = 0; i < MB_FEATURES; i++)
        cluster->feature_levels[i] = rows[i].of[cluster->persona].level;
    cluster->feature_epoch = 1;
}

int16_t mb_feature_level(const struct mb_cluster *cluster, enum mb_feature_id id)
{
    return cluster->feature_levels[id];
}

void mb_feature_set(struct mb_cluster *cluster, enum mb_feature_id id, int16_t level)
{
    cluster->feature_levels[id] = level;
    cluster->feature_epoch++;
    mb_controller_changed(cluster);
}
