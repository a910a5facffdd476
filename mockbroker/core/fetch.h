/* A Fetch request at work, for handle_fetch.c (what may be read), fetch_wait.c (waiting) and fetch_answer.c (the rope).
 */
#ifndef MB_CORE_FETCH_H
#define MB_CORE_FETCH_H

#include "mockbroker/core/cluster.h"

struct mb_fetch;

/* One partition of the request, in the order of the answer. */
struct mb_fetch_node {
    struct kci_list link; /* of partition->fetches while waiting */
    struct mb_fetch *fetch;
    const struct kci_uuid *topic_id; /* as asked or as in the session */
    struct kci_str topic;
    int32_t index;
    int32_t current_leader_epoch, last_fetched_epoch; /* -1: unknown */
    int64_t offset;
    int32_t bytes_max;
    struct mb_replica *replica; /* that serves it; NULL: none does */
    uint64_t readable;          /* bytes that can be read now, at most bytes_max */
    bool skip;                  /* an incremental answer leaves it out */
    /* the answer */
    int16_t error;
    int64_t high_watermark, last_stable, log_start;
    int32_t diverging_epoch; /* -1: none */
    int64_t diverging_end;
    int32_t leader, leader_epoch; /* hint for errors; -1 none */
    int32_t preferred;            /* read replica; -1: this one */
    size_t first_piece, piece_count;
    size_t bytes;                   /* of the pieces */
    struct mb_txn_aborted *aborted; /* in the request's arena; read_committed only */
    size_t aborted_count;
};

struct mb_fetch {
    struct mb_request *request;
    struct kci_list ready; /* of cluster->ready */
    struct mb_fetch_node *nodes;
    size_t node_count;
    uint64_t readable; /* sum over the nodes */
    uint64_t oversize; /* of the first batch, which comes whole: what is beyond its partition's bytes_max */
    uint64_t enough;   /* readable bytes that are worth an answer */
    bool answer_now;   /* an error, a divergence, a broken wait */
    int32_t bytes_max;
    int16_t error; /* of the whole request */
    int32_t session_id;
    int32_t throttle_ms; /* its client exceeded a quota: no records */
    bool incremental;
    struct mb_alarm timeout;
};

/* handle_fetch.c: look up the partition and judge the node anew. NULL: error is set. */
struct mb_partition *mb_fetch_check(struct mb_fetch_node *node);
/* Read and answer; frees the request. */
void mb_fetch_complete(struct mb_fetch *fetch, int64_t now);

/* fetch_wait.c */
void mb_fetch_wait_begin(struct mb_fetch *fetch, int64_t now);

/* fetch_answer.c: pieces of batches by reference, then everything around them. */
struct mb_fetch_answer;
struct mb_fetch_answer *mb_fetch_answer_new(struct mb_fetch *fetch); /* NULL: no memory */
/* Add a batch; false: no memory. */
bool mb_fetch_answer_batch(struct mb_fetch_answer *answer, struct mb_fetch_node *node, struct kci_frame *frame,
                           const uint8_t *data, size_t size);
/* Encode and answer; frees the request and owns itself from now on. */
void mb_fetch_answer_send(struct mb_fetch_answer *answer, int64_t now);

#endif
