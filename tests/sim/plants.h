/* Defects on purpose: each breaks one property, and a check that does not find it is worth nothing.  Most of them are
 * one line in an engine, behind a number that is 0 outside of tests. */
#ifndef SIM_PLANTS_H
#define SIM_PLANTS_H

#include "workload.h"

struct sim_plant {
    const char *property; /* that it violates */
    const char *name;
    struct sim_plants plants;
    const char *meaning;
};
extern const struct sim_plant sim_plant_list[]; /* the first one is no defect */
extern const size_t sim_plant_count;

/* Seeds that once found something, in a product or in a check. */
struct sim_regression {
    uint64_t seed;
    unsigned features; /* bits of enum sim_feature that there were at that time */
    const char *what;  /* was wrong */
};
extern const struct sim_regression sim_regression_list[];
extern const size_t sim_regression_count;

#endif
