/* The journal: requests and answers of the latest time, decoded, in a ring of so many bytes.  Off until somebody wants
 * it (cluster->journal is NULL, each hook is one branch), because decoding every answer costs more than making it.
 *
 * Entries, questions and answers are JSON; docs/mockbroker.md has the grammar. */
#ifndef MB_CORE_JOURNAL_H
#define MB_CORE_JOURNAL_H

#include "mockbroker/core/fault.h"

#define MB_JOURNAL_BYTES_MIN ((size_t)64 << 10)
#define MB_JOURNAL_BYTES_MAX ((size_t)4 << 30)
#define MB_JOURNAL_MESSAGE_MAX                                                                                         \
    ((size_t)64 << 10)             /* bytes of JSON of one message; a longer one is left out, and says so */
#define MB_JOURNAL_FOUND_MAX    20 /* entries that a failed verification shows */
#define MB_JOURNAL_ANSWER_ARENA ((size_t)64 << 20) /* for decoding an answer */

enum mb_journal_outcome {
    MB_JOURNAL_PENDING,
    MB_JOURNAL_ANSWERED,
    MB_JOURNAL_UNANSWERED,   /* acks=0 */
    MB_JOURNAL_DISCONNECTED, /* by the broker */
    MB_JOURNAL_GONE          /* the client was gone before the answer */
};

struct mb_journal_entry {
    struct kci_list link;       /* of journal->entries, oldest first */
    struct mb_request *request; /* NULL: done */
    uint64_t seq;               /* from 1, no gaps */
    int64_t at_wall_ms, at_us, took_us;
    kci_conn connection;
    int32_t broker;
    const struct kci_api *api;
    int16_t version;
    int32_t correlation;
    enum mb_journal_outcome outcome;
    int32_t faults[MB_FAULT_OF_REQUEST_MAX]; /* ids of those that it met */
    size_t fault_count;
    size_t bytes; /* of the entry and its texts, in the budget */
    /* texts, owned, NUL-terminated; NULL: none */
    char *client_id, *client_host;
    char *names; /* "t:TOPIC\n" and "g:GROUP\n" */
    char *request_json, *response_json;
};

struct mb_journal {
    struct mb_cluster *cluster;
    struct kci_list entries;
    size_t bytes, bytes_max;
    uint64_t last_seq, evicted;
};

/* ---- journal.c ---- */
/* bytes 0: off; another size keeps what fits. 0, or -1: no memory, or not a size. */
int mb_journal_set(struct mb_cluster *cluster, size_t bytes);
void mb_journal_clear(struct mb_cluster *cluster); /* forget entries, go on writing */

/* Hooks; each returns at once when the journal is off. */
void mb_journal_begin(struct mb_request *request, int64_t now);
void mb_journal_fault(struct mb_request *request, int32_t fault);
void mb_journal_answer(struct mb_request *request, const uint8_t *frame, size_t size, int64_t now);
void mb_journal_outgoing(struct mb_request *request, const struct mb_outgoing *outgoing, int64_t now);
void mb_journal_end(struct mb_request *request, enum mb_journal_outcome outcome, int64_t now); /* unless it has one */

/* ---- journal_query.c ---- */
/* Entries that match `match` (an object, or "" for all) as JSON lines. 0, or -1 with what is wrong in why. */
int mb_journal_print(struct mb_cluster *cluster, struct kci_str match, struct kci_writer *w, char *why,
                     size_t why_size);
/* Answer a question about the journal: *ok, and {"ok":...} in w. -1: the question itself is wrong (why). */
int mb_journal_verify(struct mb_cluster *cluster, struct kci_str question, bool *ok, struct kci_writer *w, char *why,
                      size_t why_size);

#endif
