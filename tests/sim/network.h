/* Between the world and its network. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "world.h"

enum kind { KIND_ALARM, KIND_ATTEMPT, KIND_ARRIVAL, KIND_CLOSED, KIND_RESOLVED };

struct event { /* common beginning of all, also of struct sim_alarm */
    struct kci_timer timer;
    uint8_t kind;
};

/* ---- world.c ---- */
void sim_schedule(struct sim_world *world, struct event *event, int64_t at);
bool sim_alive(const struct sim_host *host);

/* ---- network.c ---- */
struct kci_transport sim_network_transport(struct sim_host *host);
void sim_network_event(struct sim_world *world, struct event *event);
/* The host's connections break. */
void sim_network_crash(struct sim_host *host);
/* All that is under way is forgotten, links and listeners are freed. */
void sim_network_destroy(struct sim_world *world);

#endif
