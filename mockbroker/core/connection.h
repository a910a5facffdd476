/* A connection of a client, for connection.c and request.c. */
#ifndef MB_CORE_CONNECTION_H
#define MB_CORE_CONNECTION_H

#include "mockbroker/core/cluster.h"

#define MB_SOFTWARE_TEXT_MAX 60 /* of a name or version of client software; longer ones are cut */

struct mb_sasl;

/* One answer on its way out. */
struct mb_outgoing {
    struct kci_list link;       /* of connection->outgoing */
    struct kci_writer body;     /* owned; empty when the answer is a rope of somebody else */
    const struct kci_iov *rope; /* behind body; borrowed until release() */
    size_t rope_count;
    size_t sent;                  /* bytes of body and rope that the transport has taken */
    size_t total;                 /* bytes of both */
    void (*release)(void *owner); /* NULL: nothing to release */
    void *owner;
};

struct mb_connection {
    struct mb_cluster *cluster;
    struct kci_list link;  /* of cluster->connections, or of cluster->dead */
    struct kci_list run;   /* of cluster->runnable */
    struct kci_list dirty; /* of cluster->dirty */
    kci_conn conn;         /* 0: closed */
    int32_t broker;
    char client_host[48];                         /* "/127.0.0.1" */
    char client_port[8];                          /* "51423"; empty: not known */
    char local_host[48];                          /* "127.0.0.1": by which the client reached us */
    char software_name[MB_SOFTWARE_TEXT_MAX + 1]; /* of ApiVersions v3+; empty: not said */
    char software_version[MB_SOFTWARE_TEXT_MAX + 1];
    struct mb_sasl *sasl;               /* owned; NULL: nobody is asked who he is */
    struct kci_uuid telemetry_instance; /* the latest that a request of this connection made; zero: none */
    struct kci_splitter splitter;
    struct mb_request *request; /* being handled: its answer comes before the next request is looked at */
    struct kci_list outgoing;   /* struct mb_outgoing */
    size_t outgoing_bytes;      /* not yet taken by the transport */
    int64_t active_at;          /* of the latest bytes in either direction */
    bool reading_paused;        /* on_space said no: the shell is to be told when it may go on */
    bool blocked;               /* the transport took less than it was given: wait for on_sent */
    bool pumping;               /* mb_connection_pump is on the stack */
    bool deaf;                  /* in a black hole: nothing is read */
    bool muted;                 /* a quota was exceeded: nothing is read until `unmute` */
    bool waits;                 /* ... or until there is a place for it (acceptor.c) */
    bool placed;                /* it counts for max.connections and max.connections.per.ip */
    struct mb_alarm unmute;
    int32_t reading_fault;   /* id of the slow_read or cut_read that it has met; 0: none */
    int64_t reading_left;    /* bytes of it until its pause, or its end */
    bool reading_rests;      /* in that pause */
    struct mb_alarm read_on; /* the end of it */
};

/* Who the client says it is (KIP-511). */
void mb_connection_software(struct mb_connection *connection, struct kci_str name, struct kci_str version);
/* Queue an answer (takes body and rope) and let the next request go on. */
void mb_connection_answer(struct mb_connection *connection, struct mb_outgoing *outgoing);
/* Queue bytes (takes them) of a request that goes on. */
void mb_connection_push(struct mb_connection *connection, struct mb_outgoing *outgoing);
/* Go on with the next request at `until`, not before. */
void mb_connection_mute(struct mb_connection *connection, int64_t until);
/* Look again whether bytes may be read. */
void mb_connection_read_on(struct mb_connection *connection);
/* The request is done without an answer. */
void mb_connection_request_done(struct mb_connection *connection);
void mb_outgoing_free(const struct kci_alloc *alloc, struct mb_outgoing *outgoing);

#endif
