/* One run: what a seed means. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "check.h"
#include "workload.h"

struct sim_result {
    struct sim_verdict verdict;
    uint64_t trace;
    uint64_t events;
    int64_t virtual_us;
    bool starved;                     /* the allocation that was to fail was asked for */
    size_t records, delivered, acked; /* sent, handed to consumers, acknowledged */
};

/* The outcome is a function of seed and plants alone. tail may be NULL. */
void sim_run(uint64_t seed, const struct sim_plants *plants, struct sim_tail *tail, struct sim_result *result);

#endif
