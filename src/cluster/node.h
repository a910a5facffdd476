/* The brokers that a client knows: who they are, how to reach them, and the connection to each. */
#ifndef KCI_CLUSTER_NODE_H
#define KCI_CLUSTER_NODE_H

#include "base/map.h"
#include "cluster/cluster.h"
#include "cluster/text.h"
#include "cluster/versions.h"

#define KCI_NODES_MAX        10000   /* brokers of one cluster: ten times the largest ones that exist */
#define KCI_NODE_WHY_BYTES   320     /* of the last failure's text */
#define KCI_NODE_RACK_BYTES  64      /* of a rack's name, with NUL */
#define KCI_NODE_BOOTSTRAP   (-1000) /* id of the first bootstrap server; the others count down */
#define KCI_NODE_IS_LANE(id) ((id) > INT32_MAX - (INT32_MAX / 4)) /* second lanes: see kci_node_lane */

/* A deadline with what to do then.  It stays in the heap for good (at KCI_NEVER while off), so setting it cannot fail.
 */
struct kci_alarm {
    struct kci_timer timer;
    void (*ring)(struct kci_alarm *alarm, int64_t now);
};

enum kci_connection_state {
    KCI_CONNECTION_IDLE,
    KCI_CONNECTION_BACKOFF,
    KCI_CONNECTION_RESOLVING,
    KCI_CONNECTION_CONNECTING,
    KCI_CONNECTION_NEGOTIATING,
    KCI_CONNECTION_READY,
    KCI_CONNECTION_STATES,
};

struct kci_node {
    struct kci_cluster *cluster;
    int32_t id; /* as calls name it: >= 0 a broker or a second lane to one; <= KCI_NODE_BOOTSTRAP a bootstrap server */
    int32_t broker; /* id for people; -1: bootstrap server */
    char *host;     /* owned, NUL-terminated */
    char *text;     /* owned: "host:port" */
    uint16_t port;
    char rack[KCI_NODE_RACK_BYTES]; /* NUL-terminated; empty: none, or too long to compare */
    bool listed;                    /* in the last metadata, or a bootstrap server */
    uint64_t seen;                  /* generation of the metadata that last listed it */
    struct kci_node *lane;          /* second lane to the same broker, or NULL; lanes have none themselves */

    /* the connection; see connection.c */
    int state;              /* enum kci_connection_state */
    kci_conn conn;          /* 0: none */
    struct kci_alarm alarm; /* end of the state's time */
    bool wanted;            /* somebody asked for it while it backs off */
    bool resolving;         /* an answer of the resolver is outstanding, perhaps from a round that was given up */
    bool readdressed;       /* host or port changed since that question */
    bool broken;            /* no memory to receive into: ends at the next step */
    bool moved;             /* host or port changed: what there is ends at the next step */
    struct kci_address *addresses; /* owned */
    size_t address_count, address_next;
    int16_t hello_version;        /* ApiVersions version to try; 0 after the peer hung up on a newer one */
    bool heard;                   /* bytes arrived on this connection */
    bool counted;                 /* as a connection that was made */
    bool proved;                  /* ... and after ApiVersions a request was answered */
    struct kci_call hello;        /* the ApiVersions request */
    struct kci_versions versions; /* valid in READY */
    int64_t round_at;             /* microseconds: when the last attempt began; INT64_MIN: never */
    uint32_t failures;            /* rounds of attempts that failed in a row */

    struct kci_broker_metrics *metrics; /* the cluster's; NULL: counted with others */

    kc_err why;     /* code of the last failure; KC_OK: none since the last success */
    int64_t why_at; /* microseconds */
    char why_text[KCI_NODE_WHY_BYTES];

    /* requests; see outbox.c and inbox.c */
    struct kci_list dirty;      /* in cluster->dirty: has something to send */
    struct kci_list queue;      /* calls not wholly sent, in order; only the first may be partly sent */
    struct kci_list flight;     /* calls sent and not answered, in order */
    int32_t queued, in_flight;  /* lengths of the two */
    size_t piece, piece_offset; /* of the first call in the queue: what comes next (piece 0 is the head) */
    bool blocked;               /* the socket is full: wait for on_sent */
    int32_t next_correlation;
    struct kci_splitter splitter;
    int64_t last_used;         /* microseconds: last byte in either direction */
    int64_t throttled_until;   /* microseconds */
    struct kci_alarm throttle; /* end of that */
};

/* All nodes, never freed before the cluster: a transport may hold their pointers. */
struct kci_nodes {
    struct kci_node **items; /* owned array of owned nodes, in order of appearance */
    size_t count, capacity;
    struct kci_map by_id;
};

struct kci_node *kci_node_find(const struct kci_cluster *cluster, int32_t id);
/* Add a node or change its address (a connection to the old one ends in the next step). NULL: out of memory, too many,
 * or no address at all. */
struct kci_node *kci_node_put(struct kci_cluster *cluster, int32_t id, struct kci_str host, int32_t port);
/* Where it runs, as metadata tells. */
void kci_node_set_rack(struct kci_node *node, struct kci_str rack);
/* The id that names a second connection to the same broker, made on demand; `id` itself when out of memory. */
int32_t kci_node_lane(struct kci_cluster *cluster, int32_t id);
void kci_nodes_destroy(struct kci_cluster *cluster);

/* "broker 2 (10.0.0.5:9092)" or "bootstrap server b1:9092". */
void kci_node_name(const struct kci_node *node, struct kci_text *text);
/* Its name, and what is wrong with it: "...: connection refused 1.2 s ago (3 attempts)". */
void kci_node_why(const struct kci_node *node, struct kci_text *text, int64_t now);

/* The least loaded usable node for KCI_NODE_ANY, or NULL: then one is being connected to, or all back off. */
struct kci_node *kci_route_any(struct kci_cluster *cluster, int64_t now);

#endif
