/* Links: what two ends of a connection are to the network, and what is under way between them.  For network.c and
 * links.c only. */
#ifndef SIM_LINKS_H
#define SIM_LINKS_H

#include "network.h"

#define NAME_BYTES 48

struct listener {
    struct kci_list link;
    struct sim_host *host;
    char name[NAME_BYTES];
    uint16_t port;
    void *user;
};

struct piece {
    struct kci_list link;
    int64_t at; /* arrives; never before its predecessor */
    size_t size, taken;
    uint8_t bytes[];
};

struct arrival { /* the next piece of one direction */
    struct event event;
    struct link *of;
    int to;
};

struct end { /* of a link */
    struct sim_host *host;
    kci_conn conn;
    void *user;
    bool connected;           /* told so */
    bool gone;                /* closed it itself, or was told */
    bool short_send;          /* waits for on_sent */
    size_t in_flight;         /* bytes on their way to the other end */
    uint32_t frame_left;      /* bytes of the frame that was begun and not yet sent whole */
    uint32_t head, head_size; /* its length, as far as that was sent */
    uint8_t *rest;            /* these bytes, as they were when a send was short; owned */
    size_t rest_size;
    int64_t last_at;          /* arrival of the last piece that it sent */
    struct kci_list incoming; /* struct piece */
    struct arrival arrival;   /* of the first of `incoming` */
};

struct link {
    struct kci_list link;
    struct end ends[2]; /* 0: who connected */
    struct listener *listener;
    int references;  /* events under way */
    int64_t left_at; /* when who connected closed it; 0: not yet */
    bool broken;     /* nothing can be sent any more */
    bool hole;       /* nothing arrives any more */
    bool drip;       /* bytes arrive a few at a time */
};

struct attempt {
    struct event event;
    struct link *link;
    bool answer; /* on the way back: opened or refused */
    bool refused;
};

struct closed {
    struct event event;
    struct link *link;
    int to;
};

struct resolved {
    struct event event;
    struct sim_host *host;
    uint32_t incarnation; /* of the host that asked */
    void *user;
    struct kci_address address;
    bool found;
};

void *sim_event_make(struct sim_world *world, size_t size, uint8_t kind);
int64_t sim_link_delay(struct sim_world *world); /* of one piece, drawn */
bool sim_chance(struct sim_world *world, uint32_t millionths);

/* The link of which `conn` is an end; *end says which. NULL: there is none any more. */
struct link *sim_link_find(struct sim_world *world, kci_conn conn, int *end);
struct link *sim_link_new(struct sim_world *world);
void sim_link_free(struct sim_world *world, struct link *link);
/* What is under way to this end does not arrive. */
void sim_link_lose_incoming(struct sim_world *world, struct end *end);
/* An event of the link is over: it is freed with the last one, when both ends have gone. */
void sim_link_drop(struct sim_world *world, struct link *link);
/* Those who have not gone themselves hear that it is closed, unless nothing arrives any more. */
void sim_link_tell_ends(struct sim_world *world, struct link *link);
/* Is it cut now, and how? */
enum sim_cut sim_link_cut(const struct sim_world *world, const struct link *link);
/* Nothing can be sent any more. `lose`: what is under way does not arrive. */
void sim_link_break(struct sim_world *world, struct link *link, bool lose);

#endif
