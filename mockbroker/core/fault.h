/* Faults: what goes wrong on purpose.  A fault says whom it meets (match), how often or how long, and what happens
 * (action); it counts whom it met.  One and the same JSON describes it to the command line, to HTTP and to the C API
 * (docs/mockbroker.md).
 *
 *      request decoded --> mb_fault_request: errors, delays, barriers, disconnects, silence *before* applying
 *            handler
 *      answer encoded  --> mb_fault_answer:  the same *after* applying, and everything that damages an answer
 *      accept, read    --> mb_fault_refuses, mb_fault_deaf
 *      storage         --> fault_storage.c
 *
 * Nothing is armed: cluster->faults is NULL, and each of these places is one branch. */
#ifndef MB_CORE_FAULT_H
#define MB_CORE_FAULT_H

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/json.h"

struct mb_outgoing;

#define MB_FAULT_WHY_MAX        1000 /* bytes of what is wrong with a fault's JSON: all kinds have room */
#define MB_FAULTS_MAX           1000 /* armed and spent ones, until they are removed */
#define MB_FAULT_OF_REQUEST_MAX 8    /* that one request meets, before and after each */
#define MB_FAULT_TEXT_MAX       250  /* bytes of a name in a match, NUL included: a topic has at most 249 */
#define MB_FAULT_RAW_MAX        500  /* bytes that raw sends instead of an answer */
#define MB_FAULT_JSON_BYTES_MAX ((size_t)1 << 20)   /* of one text with faults */
#define MB_FAULT_ARENA_BYTES    ((size_t)16 << 20)  /* for reading it */
#define MB_FAULT_TIME_MS_MAX    ((int64_t)86400000) /* of a delay, a pace, a duration: a day */

enum mb_fault_kind {
    MB_FAULT_ERROR,
    MB_FAULT_DELAY,
    MB_FAULT_BARRIER,
    MB_FAULT_DISCONNECT,
    MB_FAULT_SILENCE,
    MB_FAULT_SLOW_WRITE,
    MB_FAULT_THROTTLE,
    MB_FAULT_CORRUPT,
    MB_FAULT_WRONG_CORRELATION,
    MB_FAULT_TRUNCATE,
    MB_FAULT_DUPLICATE,
    MB_FAULT_RAW,
    MB_FAULT_VERSIONS,
    MB_FAULT_STALE_METADATA,
    MB_FAULT_NO_LEADER,
    MB_FAULT_MISSING_TOPIC,
    MB_FAULT_EMPTY_METADATA,
    MB_FAULT_CONTRADICTORY_METADATA,
    MB_FAULT_HIDDEN_BROKER,
    MB_FAULT_REFUSE, /* from here on: of connections */
    MB_FAULT_BLACK_HOLE,
    MB_FAULT_SLOW_READ,
    MB_FAULT_CUT_READ,
    MB_FAULT_STORAGE_FULL, /* from here on: of storage */
    MB_FAULT_WRITE_ERROR,
    MB_FAULT_TORN_WRITE,
    MB_FAULT_READ_ERROR,
    MB_FAULT_SYNC_ERROR,
    MB_FAULT_SLOW_SYNC,
    MB_FAULT_LOST_TAIL,
};

enum mb_fault_level { MB_LEVEL_AUTO, MB_LEVEL_TOP, MB_LEVEL_TOPIC, MB_LEVEL_PARTITION };

struct mb_fault_match {
    uint64_t apis[2];                         /* bits by API key; all zero: every API */
    int16_t version_min, version_max;         /* of the request */
    int32_t broker;                           /* id; 0: any */
    int32_t partition;                        /* -1: any */
    char client_id[MB_FAULT_TEXT_MAX];        /* "": any; a * at the end stands for anything, here and below */
    char topic[MB_FAULT_TEXT_MAX];            /* of the request's own topics */
    char group[MB_FAULT_TEXT_MAX];            /* group id */
    char transactional_id[MB_FAULT_TEXT_MAX]; /* of Produce, InitProducerId and the transaction APIs */
    int64_t nth;                              /* begin with the nth request that matches all the rest, from 1 */
    uint32_t probability_ppm;                 /* of a hit, in millionths */
};

struct mb_fault_action {
    enum mb_fault_kind kind;
    bool after; /* applying; errors, delays, barriers, disconnects, silence */
    int16_t error;
    enum mb_fault_level level;
    int64_t time_us;   /* delay; interval of slow_write and slow_read; time of slow_sync */
    int64_t jitter_us; /* 0 .. this more, from the seed */
    int64_t bytes;     /* disconnect: sent before (-1: none); slow_write, slow_read: at a time; cut_read: read; corrupt:
                          flipped; truncate: left of the      body; storage_full, torn_write: written before the error (-1:
                          half) */
    int64_t offset;    /* corrupt: first byte, from the start of the body; -1: anywhere */
    int32_t number;    /* throttle: ms; hidden_broker: its id; wrong_correlation, duplicate: added to the true one;
                          versions: key of the API */
    int16_t max;       /* versions: highest that ApiVersions tells; -1: the API is not in its list */
    size_t raw_size;   /* raw: bytes of it */
    uint8_t raw[MB_FAULT_RAW_MAX];
};

struct mb_stale_topic;

struct mb_fault {
    struct kci_list link; /* of faults->all */
    int32_t id;
    struct mb_fault_match match;
    struct mb_fault_action action;
    int64_t count;       /* most hits; -1: no limit */
    int64_t duration_us; /* armed this long; -1: no limit */
    bool armed;          /* false: spent, or switched off */
    struct mb_alarm end; /* of the duration */
    int64_t seen;        /* requests (or connections, or writes) that matched all but nth and probability */
    int64_t hits;
    int64_t used; /* hits since it was armed: count is compared with it */
    int64_t held; /* requests that wait in its barrier now */
    struct kci_prng prng;
    struct mb_faults *faults;
    char *spec; /* its JSON, as given; owned */
    /* stale_metadata: topics as they were when it was armed; owned */
    struct mb_stale_topic *stale;
    size_t stale_count;
};

struct mb_faults {
    struct mb_cluster *cluster;
    struct kci_list all;   /* struct mb_fault, in order of arming */
    struct kci_list plans; /* struct mb_fault_plan, of all requests that met one */
    size_t count;          /* of all */
    int32_t last_id;
};

/* What one request has met and has before it. */
struct mb_fault_plan {
    struct kci_list link; /* of faults->plans */
    struct mb_request *request;
    struct mb_fault *before[MB_FAULT_OF_REQUEST_MAX], *after[MB_FAULT_OF_REQUEST_MAX]; /* NULL: was removed since */
    size_t before_count, before_next, after_count, after_next;
    struct mb_fault *holder; /* whose barrier or silence it is in; NULL: none */
    struct mb_alarm alarm;   /* the end of a delay, the next slice of a slow answer */
    bool answering;          /* the answer is in bytes; else the request is still to be handled */
    bool leaving;            /* on its way out: no fault is looked at any more */
    struct kci_writer bytes; /* the answer: a whole frame */
    size_t sent;             /* of bytes */
    size_t slice;            /* of bytes, at a time; 0: all at once */
    int64_t pace_us;         /* between slices */
    bool raw;                /* the bytes are no answer any more: nothing else changes them */
    bool twice;              /* duplicate: the answer goes out two times */
    int32_t twice_by;        /* added to the correlation id of the second one */
    void *refused;           /* response with the part of the request that an error took away; in the request's arena */
};

/* ---- arming (fault.c, fault_parse.c) ---- */
/* Arm what the text says: one fault, an array of them, or {"faults": [...]}; all or none. *first (may be NULL) is the
 * id of the first, the others follow. 0, or -1 with what is wrong in why. */
int mb_fault_add(struct mb_cluster *cluster, struct kci_str json, int32_t *first, char *why, size_t why_size,
                 int64_t now);
/* false: no such fault. What it holds goes on. */
bool mb_fault_remove(struct mb_cluster *cluster, int32_t id, int64_t now);
/* Off: it happens no more, but stays with its counts; what it holds goes on. On: armed anew, count and duration begin
 * again. false: no such fault. */
bool mb_fault_switch(struct mb_cluster *cluster, int32_t id, bool on, int64_t now);
void mb_fault_remove_all(struct mb_cluster *cluster, int64_t now);
/* Let go what a barrier holds, oldest first, at most `most` (-1: all). The number let go, or -1: no such barrier. */
int64_t mb_fault_release(struct mb_cluster *cluster, int32_t id, int64_t most, int64_t now);
/* {"faults":[...],"never_fired":[ids]}, or one fault (id > 0). false: no such fault. */
bool mb_fault_print(const struct mb_cluster *cluster, int32_t id, struct kci_writer *w);
const char *mb_fault_kind_name(enum mb_fault_kind kind);
/* Every kind by the name that JSON gives it, in the order of the table; NULL behind the last. */
const char *mb_fault_kind_at(size_t i);
/* fault_parse.c: fill one. false: why. */
bool mb_fault_parse(struct mb_fault *fault, const struct mb_json *spec, char *why, size_t why_size);

/* The cluster's faults, made on first use. NULL: no memory. */
struct mb_faults *mb_faults_of(struct mb_cluster *cluster);

/* ---- matching ---- */
/* Count it as seen and, by nth, probability and count, as a hit. */
bool mb_fault_hit(struct mb_fault *fault);
bool mb_fault_name_matches(const char *pattern, struct kci_str name);
bool mb_fault_has_api(const struct mb_fault_match *match, int16_t key);

/* ---- hooks: of request.c ---- */
/* Before the handler. true: taken care of, now or later. */
bool mb_fault_request(struct mb_request *request, int64_t now);
/* Before an answer leaves (takes it). true: taken care of. */
bool mb_fault_answer(struct mb_request *request, struct mb_outgoing *outgoing, int64_t now);
/* The request is freed. */
void mb_fault_forget(struct mb_request *request);

/* ---- hooks: of connection.c ---- */
bool mb_fault_refuses(struct mb_cluster *cluster, int32_t broker);
bool mb_fault_deaf(struct mb_connection *connection);
/* How many bytes may be read next, at most `size`; 0: not now. */
size_t mb_fault_reads(struct mb_connection *connection, size_t size);
/* So many were read. false: the connection is to end here. */
bool mb_fault_has_read(struct mb_connection *connection, size_t size, int64_t now);

/* ---- fetch_session.c ---- */
/* Does the request's session hold a partition that matches?  Its next answer will tell of those in any case. */
bool mb_fetch_session_meets(const struct mb_request *request, const struct mb_fault_match *match);

/* ---- hook: of cluster.c ---- */
void mb_fault_destroy(struct mb_cluster *cluster);

/* ---- fault_plan.c ---- */
void mb_fault_plan_go(struct mb_fault_plan *plan, int64_t now);

/* Refuse what the match of an error meets, as an armed fault would, for the authorizer; the fault is not kept. true:
 * nothing is left of the request, and it is answered. */
bool mb_fault_refuse_request(struct mb_request *request, const struct mb_fault *fault, int64_t now);

/* ---- fault_bytes.c: an answer as bytes ---- */
/* Decode, let `change` work on it, encode. false: it cannot be done (and nothing is changed). */
bool mb_fault_rewrite(struct mb_fault_plan *plan,
                      bool (*change)(struct mb_fault_plan *plan, void *response, void *user), void *user);
/* Actions on the bytes and on what they say; the request's answer is in plan->bytes. */
void mb_fault_damage(struct mb_fault_plan *plan, struct mb_fault *fault);

/* ---- fault_error.c ---- */
/* Take what the fault meets out of the request and remember the answer for it. true: nothing is left, plan->refused is
 * the whole answer. */
bool mb_fault_refuse_part(struct mb_fault_plan *plan, const struct mb_fault *fault);
/* Is the API answered by its handler and its answer changed, since that changes nothing? */
bool mb_fault_reads_only(int16_t key);
/* Put the error of the fault into the response. false: nowhere to put it. */
bool mb_fault_stamp(struct mb_fault_plan *plan, void *response, const struct mb_fault *fault);
/* Add plan->refused to the response of the rest. */
bool mb_fault_merge(struct mb_fault_plan *plan, void *response, void *user);

/* ---- fault_metadata.c ---- */
bool mb_fault_snapshot(struct mb_fault *fault);
void mb_fault_snapshot_free(struct mb_fault *fault);
bool mb_fault_metadata(struct mb_fault_plan *plan, void *response, void *fault);

#endif
