/* Fetch sessions (KIP-227): what a client fetches is remembered, so that its next request and our answer carry changes
 * only. */
#ifndef MB_CORE_FETCH_SESSION_H
#define MB_CORE_FETCH_SESSION_H

#include "mockbroker/core/fetch.h"

struct mb_fetch_sessions;
struct mb_fetch_session;

struct mb_session_partition {
    struct kci_list link; /* of the session, in the order of addition */
    struct kci_uuid topic_id;
    char *topic; /* owned; "" when ids are used */
    int32_t index;
    int32_t current_leader_epoch, last_fetched_epoch;
    int64_t offset;
    int32_t bytes_max;
    /* what the last answer said; an incremental answer leaves out what has not changed */
    int64_t high_watermark, log_start;
    bool had_error;
};

struct mb_fetch_sessions *mb_fetch_sessions_new(const struct kci_alloc *alloc, uint64_t seed); /* NULL: no memory */
void mb_fetch_sessions_free(struct mb_fetch_sessions *sessions);
/* Find, make, change or close the session that the request is about and fill fetch->nodes, in the arena of the request.
 */
void mb_fetch_sessions_begin(struct mb_fetch_sessions *sessions, struct mb_fetch *fetch, int64_t now);
/* Before the answer: which partitions need not be in it, what is remembered of the others. */
void mb_fetch_sessions_end(struct mb_fetch_sessions *sessions, struct mb_fetch *fetch);
size_t mb_fetch_sessions_count(const struct mb_fetch_sessions *sessions);

#endif
