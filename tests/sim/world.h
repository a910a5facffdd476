/* The world of the simulation: virtual time, a network of byte streams, and the engines that live in it.  One thread,
 * no system call; everything random comes from one seed, so a run is its seed.
 *
 *   host    an engine with a transport of its own               listener   a name and port that a host answers, open or
 * not link    a connection between two hosts: two byte streams, each in order, with delay, bounded room and random cuts
 * into pieces
 *
 * sim_world_run() jumps from event to event.  Each event that reaches an engine is mixed into `trace`: two runs of one
 * seed must end with the same number. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/engine.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"

#define SIM_MS INT64_C(1000)
#define SIM_S  INT64_C(1000000)

struct sim_world;

struct sim_host {
    struct sim_world *world;
    struct kci_list link;
    struct kci_engine engine; /* self NULL: crashed or not yet set; events for it are dropped */
    const char *name;
    bool due; /* must be stepped in this instant */
};

struct sim_faults {    /* probabilities in millionths, per event of the kind */
    uint32_t cut;      /* a piece of bytes arrives: the connection breaks instead (both ends are told, later) */
    uint32_t refuse;   /* a connection attempt is refused */
    uint32_t stall;    /* a stream stops for up to stall_max */
    int64_t stall_max; /* microseconds */
    int64_t delay_min, delay_max; /* of each piece, microseconds */
};

struct sim_world {
    const struct kci_alloc *alloc;
    struct kci_prng prng;   /* network */
    int64_t now;            /* microseconds */
    struct kci_heap events; /* of pieces, attempts, closes, alarms and wakes */
    struct kci_list hosts, links, listeners;
    struct sim_faults faults;
    uint64_t trace; /* hash of everything that happened */
    uint64_t event_count;
    uint64_t next_conn;
    int64_t spin_since; /* virtual time that does not advance: see SIM_SPIN_MAX */
    uint64_t spin_count;
    bool spinning; /* an engine asked for a step at the same instant again and again: a bug */
};

/* An action of the test at a given time. */
struct sim_alarm {
    struct kci_timer timer;
    uint8_t kind; /* of the world */
    void (*fire)(void *owner, int64_t now);
    void *owner;
};

void sim_world_init(struct sim_world *world, const struct kci_alloc *alloc, uint64_t seed);
void sim_world_destroy(struct sim_world *world);
/* Add a host without an engine; its transport can be handed to the engine's constructor. */
struct sim_host *sim_host_add(struct sim_world *world, const char *name, struct kci_transport *transport);
void sim_host_set(struct sim_host *host, struct kci_engine engine);
/* The engine is gone (destroyed by the caller): its connections break, the other ends are told after the usual delay.
 */
void sim_host_crash(struct sim_host *host);
/* The engine must be stepped: what the wake function of a client does. */
void sim_host_wake(struct sim_host *host);
/* A name and port that a host answers, with the `user` of on_accept; open from the start. */
void sim_listen(struct sim_host *host, const char *name, uint16_t port, void *user);
/* Close: attempts are refused and connections through it break. Open again later. */
void sim_listener_open(struct sim_world *world, const char *name, bool open);
void sim_alarm_set(struct sim_world *world, struct sim_alarm *alarm, int64_t at);
void sim_alarm_stop(struct sim_world *world, struct sim_alarm *alarm);
/* Run until `until`, or until done(owner) says so (looked at after every instant; may be NULL). true: done said so. */
bool sim_world_run(struct sim_world *world, int64_t until, bool (*done)(void *owner), void *owner);
/* Mix a number into the trace. */
void sim_trace(struct sim_world *world, uint64_t value);

#endif
