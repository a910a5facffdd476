/* Fetching: when, from whom, how much; and what becomes of the responses until they wait for poll. */
#ifndef KCI_CONSUMER_FETCHER_H
#define KCI_CONSUMER_FETCHER_H

#include "consumer/fetch_alone.h"
#include "consumer/fetch_session.h"

struct kci_consumer;

/* One broker that is fetched from. */
struct kci_fetch_node {
    struct kci_list link;
    struct kci_consumer *consumer;
    int32_t node;
    struct kci_fetch_session session;
    struct kci_call call;
    struct kci_fetch_request request; /* what call sends; its arrays lie in arena */
    struct kci_arena arena;
    bool in_flight;
    uint64_t alone;      /* the request under way is for one batch that needs all of the memory, under this version
                                 * of its position; 0: it is not */
    int64_t sent_at;     /* when the request under way was sent, microseconds */
    int64_t latency_us;  /* what a response takes at the least: the round trip; INT64_MAX: not known yet */
    int64_t target;      /* bytes of a response that are enough to hide the round trip */
    int64_t reserved;    /* bytes of the ceiling that the request under way holds */
    int64_t answered_at; /* when a fetch was last answered without an error of the whole, microseconds */
    int64_t not_before;  /* back-off after an error, microseconds */
    uint32_t attempts;   /* failed ones in a row */
    bool held_back;      /* the last request left out partitions whose queue was full, and came back empty ... */
    int64_t hold_until;  /* ... so the next waits until a queue is drained, or for this time */
    struct kci_call close_call; /* the last request of its session */
    struct kci_fetch_request close_request;
    bool close_asked;             /* it is under way */
    struct kci_assigned **wanted; /* scratch; owned */
    size_t wanted_count, wanted_capacity;
    bool left_out; /* scratch: some partition of it has a full queue */
};

struct kci_fetcher {
    struct kci_list nodes; /* kci_fetch_node; owned */
    struct kci_list parts; /* kci_part to be judged, in order of arrival; owned; the I/O thread's, without the lock */
    int64_t
        plain_max; /* most bytes that one batch may have when decompressed beside others; also what fetches leave free */
    struct kci_fetch_alone alone; /* the batch that is too large beside others */
    bool drained;                 /* poll took something from a full queue */
    bool stopped;                 /* the consumer closes */
    bool closed;                  /* sessions were given back, or there was no time for it */
    int64_t close_until;          /* how long to wait for that, microseconds; 0: the consumer does not close */
};

void kci_fetcher_init(struct kci_consumer *c);
void kci_fetcher_destroy(struct kci_consumer *c); /* no request is under way any more */
/* Send what can be sent. */
void kci_fetcher_step(struct kci_consumer *c, int64_t now);
/* A request to any node. */
bool kci_fetcher_is_under_way(const struct kci_consumer *c);
/* Fetch no more and give the sessions back; fetcher.closed follows, by the deadline. */
void kci_fetcher_begin_close(struct kci_consumer *c, int64_t now, int64_t deadline);
void kci_fetcher_close_step(struct kci_consumer *c, int64_t now);
/* fetch_judge.c: judge what has arrived, a bounded amount of it; takes the lock by itself, in between. */
void kci_fetcher_judge(struct kci_consumer *c, int64_t now);

#endif
