/* What the files of the control plane share: a request that has been read, and the handlers by subject. */
#ifndef MB_CONTROL_ROUTES_H
#define MB_CONTROL_ROUTES_H

#include "mockbroker/shell.h"

#include <jansson.h>

#define MB_CONTROL_SEGMENTS_MAX 8    /* parts of a path */
#define MB_CONTROL_PATH_MAX     1024 /* bytes with the NUL: a topic's name has up to 249 */

struct mb_control_request {
    struct mb_shell *shell;
    char path[MB_CONTROL_PATH_MAX];                /* cut at '/' */
    const char *segments[MB_CONTROL_SEGMENTS_MAX]; /* into path: "v1", "topics", ... */
    size_t segment_count;
    json_t *body;                                                                     /* NULL: none */
    const char *(*query)(const struct mb_control_request *request, const char *name); /* ?name=; NULL: not given */
    void *connection;                                                                 /* of query */

    /* The answer. */
    unsigned status;  /* HTTP */
    json_t *answer;   /* owned by the request; NULL with text */
    char *text;       /* malloc; instead of JSON */
    const char *type; /* of text, for HTTP; NULL: Prometheus' */
};

struct mb_control_route {
    const char *method;
    const char *path; /* '*' stands for one segment */
    const char *help;
    /* On the broker's thread. */
    void (*handle)(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
};

extern const struct mb_control_route mb_control_routes[];
extern const size_t mb_control_route_count;

/* Find the route of method and path, and run it; every outcome leaves an answer. */
void mb_control_dispatch(struct mb_control_request *request, const char *method, const char *path);

/* ---- answers ---- */
void mb_control_answer(struct mb_control_request *request, unsigned status,
                       json_t *answer); /* takes it; NULL: no memory */
/* A name as clients gave it; what is not UTF-8 shows as U+FFFD, as Java reads it. No data: null. NULL: no memory. */
json_t *mb_control_text(struct kci_str text);
void mb_control_fail(struct mb_control_request *request, unsigned status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Kafka's error code as an answer: 0 is 200 and {"ok":true}. */
void mb_control_answer_code(struct mb_control_request *request, int code);
/* A number of the path or of the query; fails the request (400) and returns false if it is none. */
bool mb_control_number(struct mb_control_request *request, const char *what, const char *text, int64_t max,
                       int64_t *out);

/* ---- handlers: cluster.c, topics.c, partitions.c, records.c, metrics.c ---- */
void mb_control_get_cluster(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_broker(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_brokers(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_decommission(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_topics(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_delete_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_topic(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_partition(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_leader(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_elect(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_reassign(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_isr(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_truncate(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_records(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_metrics(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);

/* ---- groups.c ---- */
void mb_control_get_groups(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_group(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_rebalance(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_kick(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);

/* ---- transactions.c ---- */
void mb_control_get_transactions(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);

/* ---- console.c ---- */
void mb_control_get_console(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);

/* ---- faults.c ---- */
void mb_control_get_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_delete_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_delete_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_fault_on(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_fault_off(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_release_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_clock(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_clock(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_journal(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_telemetry(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_get_requests(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_verify(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);
void mb_control_post_reset(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now);

#endif
