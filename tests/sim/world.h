/* The world of the simulation: virtual time, a network of byte streams, and the engines that live in it.  One thread,
 * no system call; everything random comes from one seed, so a run is its seed.
 *
 *   host      an engine with a transport of its own
 *   listener  a name and port that a host answers
 *   link      a connection between two hosts: two byte streams, each in order, with delay, bounded room and random cuts
 *             into pieces
 *
 * sim_world_run() jumps from event to event.  Each event that reaches an engine is mixed into `trace`, with the bytes
 * that it brought: two runs of one seed must end with the same number. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/engine.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/prng.h"

#define SIM_MS INT64_C(1000)
#define SIM_S  INT64_C(1000000)

#define SIM_TAIL_LINES 200
#define SIM_TAIL_BYTES 200

struct sim_world;

/* The last lines of what happened, for people.  Kept only in a run whose failure is to be explained. */
struct sim_tail {
    char lines[SIM_TAIL_LINES][SIM_TAIL_BYTES];
    uint64_t count;   /* ever written; the newest is lines[(count - 1) % SIM_TAIL_LINES] */
    bool print;       /* every line to stderr at once */
    bool closed;      /* what follows does not matter any more */
    bool engine_logs; /* engines log here too */
};

/* What becomes of the bytes of a host that is cut off. */
enum sim_cut {
    SIM_CUT_NONE,
    SIM_CUT_LOSE,   /* they are lost, and nobody is told: connections are dead for good, without a word */
    SIM_CUT_HOLD,   /* they wait, as TCP sends them again: all arrives when the cut is over, perhaps far too late */
    SIM_CUT_REFUSE, /* connections break, new ones are refused */
    SIM_CUT_COUNT
};

struct sim_host {
    struct sim_world *world;
    struct kci_list link;
    struct kci_engine engine; /* self NULL: crashed or not yet set; events for it are dropped */
    const char *name;         /* borrowed */
    uint32_t incarnation;     /* rises with each crash: answers to questions of an earlier life are dropped */
    int64_t paused_until;     /* its process stands still: nothing reaches it and it does nothing */
    enum sim_cut cut;         /* in force until cut_until, both ways */
    int64_t cut_until;        /* microseconds */
    uint16_t cut_port;        /* only from the listener with this port; 0: from everybody */
    bool mute;                /* what it sends goes nowhere: its power has failed */
    bool due;                 /* must be stepped in this instant */
    int64_t deadline;         /* as the engine said after its last step */
    uint64_t steps;           /* ever */
    int64_t stepped_at;       /* the last time */
    uint64_t burst;           /* steps in that instant */
};

struct sim_faults {    /* probabilities in millionths, per event of the kind */
    uint32_t cut;      /* a piece of bytes arrives: the connection breaks instead (both ends are told, later) */
    uint32_t hole;     /* a connection attempt, or a piece: from now on nothing arrives on it, and nobody is told */
    uint32_t refuse;   /* a connection attempt is refused */
    uint32_t stall;    /* a stream stops for up to stall_max */
    uint32_t resolve;  /* a look-up of a name fails */
    uint32_t drip;     /* a connection is made: its bytes arrive a few at a time */
    size_t room;       /* bytes under way in one direction of a connection: what does not fit waits at the sender */
    int64_t stall_max; /* microseconds */
    int64_t delay_min, delay_max; /* of each piece, microseconds */
};

struct sim_world {
    const struct kci_alloc *alloc;
    struct kci_prng prng;   /* network */
    int64_t now;            /* microseconds */
    struct kci_heap events; /* of arrivals, attempts, closes and alarms */
    struct kci_list hosts, links, listeners;
    struct link **table; /* link of connections 2i + 1 and 2i + 2; NULL: gone. Owned */
    size_t table_size, table_capacity;
    struct sim_faults faults;
    uint64_t trace; /* hash of everything that happened */
    uint64_t event_count;
    uint64_t spin_count;   /* rounds of one instant: see SIM_SPIN_MAX */
    int64_t belated_at;    /* when bytes first arrived long after their sender had closed the connection; 0: never */
    bool torn;             /* bytes changed while they waited to be sent: a bug */
    bool spinning;         /* an engine asked for a step at the same instant again and again: a bug */
    struct sim_tail *tail; /* NULL: nobody looks */
};

/* An action of the test at a given time. Zero before its first use. */
struct sim_alarm {
    struct kci_timer timer;
    uint8_t kind; /* of the world */
    void (*fire)(void *owner, int64_t now);
    void *owner;
};

void sim_world_init(struct sim_world *world, const struct kci_alloc *alloc, uint64_t seed);
void sim_world_destroy(struct sim_world *world);
/* No faults any more, nobody is cut off; connections that are black holes break. */
void sim_world_heal(struct sim_world *world);
/* Add a host without an engine; its transport can be handed to the engine's constructor. */
struct sim_host *sim_host_add(struct sim_world *world, const char *name, struct kci_transport *transport);
void sim_host_set(struct sim_host *host, struct kci_engine engine);
/* The engine is gone (destroyed by the caller): its connections break, the other ends are told after the usual delay.
 */
void sim_host_crash(struct sim_host *host);
/* The engine must be stepped: what the wake function of a client does. */
void sim_host_wake(struct sim_host *host);
/* The process stands still until then, as if the machine had other things to do. */
void sim_host_pause(struct sim_host *host, int64_t until);
/* Its connections, those that it has and those that it opens, are cut until then; port: see struct sim_host. */
void sim_host_cut(struct sim_host *host, enum sim_cut how, uint16_t port, int64_t until);
/* A name and port that a host answers, with the `user` of on_accept. */
void sim_listen(struct sim_host *host, const char *name, uint16_t port, void *user);
void sim_alarm_set(struct sim_world *world, struct sim_alarm *alarm, int64_t at);
/* Somewhere between now and span_us from now. */
void sim_alarm_within(struct sim_world *world, struct sim_alarm *alarm, struct kci_prng *prng, int64_t span_us);
/* Later, about mean_us from now. */
void sim_alarm_again(struct sim_world *world, struct sim_alarm *alarm, struct kci_prng *prng, int64_t mean_us);
void sim_alarm_stop(struct sim_world *world, struct sim_alarm *alarm);
/* Run until `until`, or until the world spins (false). */
bool sim_world_run(struct sim_world *world, int64_t until);
/* Who was stepped most in this instant. */
const struct sim_host *sim_world_busiest(const struct sim_world *world);
/* Mix a number into the trace. */
void sim_trace(struct sim_world *world, uint64_t value);
/* A line for people. */
void sim_note(struct sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A logger for an engine, which writes such lines. `name` is borrowed. */
struct kci_logger sim_logger(struct sim_host *host);

#endif
