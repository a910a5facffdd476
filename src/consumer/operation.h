/* Operations that the application begins and waits for: commits, committed offsets, offsets by time. */
#ifndef KCI_CONSUMER_OPERATION_H
#define KCI_CONSUMER_OPERATION_H

#include "consumer/blame.h"
#include "consumer/partition_list.h"
#include "consumer/subscription.h"
#include <kclient/consumer.h>

struct kci_consumer;
struct kci_request;

enum kci_operation_kind {
    KCI_OPERATION_COMMIT,      /* retried until its deadline */
    KCI_OPERATION_COMMIT_ONCE, /* asynchronous: sent once, ends as an event */
    KCI_OPERATION_COMMITTED,
    KCI_OPERATION_OFFSETS,
};

struct kci_operation {
    struct kci_list link; /* in operations.list until ended and freed */
    struct kci_consumer *consumer;
    enum kci_operation_kind kind;
    struct kci_partition_list items;    /* owned; questions and answers */
    struct kci_consumer_topic **topics; /* one per item, counted; owned */
    struct kci_uuid *ids;               /* of the topics, when it was begun; zero: not known then. Owned */
    int64_t *questions;                 /* OFFSETS: one timestamp per item; owned */
    bool *answered;                     /* one per item; owned */
    uint32_t under_way;                 /* requests */
    int64_t begun_at;                   /* microseconds: the first step that saw it; 0: none did */
    int64_t deadline;                   /* microseconds */
    int64_t not_before;                 /* back-off */
    int32_t era;                        /* commits: kci_group_era() when it was begun */
    uint32_t attempts;
    bool done;
    bool given_up; /* the application does not look any more: free it when nothing is under way */
    bool counted;  /* COMMIT_ONCE: in once_count */
    bool maybe_applied;
    bool automatic; /* a commit that nobody called for: failures are only logged */
    kc_err code;
    char text[KCI_WHY_BYTES];      /* of code */
    char last_text[KCI_WHY_BYTES]; /* of the last failed attempt, for the text of a time-out */
    kc_commit_fn fn;               /* COMMIT_ONCE */
    void *context;
};

#define KCI_COMMITS_WAITING_MAX                                                                                        \
    10000u /* asynchronous ones; more say that the application commits faster than polls                               \
            */

struct kci_operations {
    struct kci_list list;            /* kci_operation, oldest first; owned */
    uint32_t once_count;             /* COMMIT_ONCE in list */
    int64_t auto_commit_at;          /* when the next automatic commit is due */
    struct kci_operation *automatic; /* the last one begun, or NULL when that is done */
    int32_t unanswered_generation;   /* in which a commit was sent last that got no answer; -2: none */
};

void kci_operations_init(struct kci_consumer *c);
void kci_operations_destroy(struct kci_consumer *c);
void kci_operations_step(struct kci_consumer *c, int64_t now);
/* A new operation over copies of the items; queued. NULL: out of memory. */
struct kci_operation *kci_operation_new(struct kci_consumer *c, enum kci_operation_kind kind,
                                        const kc_topic_partition *items, size_t count, int64_t deadline);
/* What an automatic commit, or one without a list, would commit. this_poll_too: also what the present poll returned.
 * Yours. */
bool kci_operations_committable(struct kci_consumer *c, bool this_poll_too, struct kci_partition_list *out);
/* Begin an automatic commit of all that polls returned, unless there is nothing new, because partitions may go; the
 * operation is in operations.automatic. */
void kci_operations_auto_commit(struct kci_consumer *c, bool this_poll_too, int64_t now, int64_t deadline);
/* These partitions go: a commit of one of them that was not sent yet must not come behind those of the next owner. */
void kci_operations_fence(struct kci_consumer *c, kci_assigned_is which);

/* ---- between the files of operations ---- */
/* Done, with this outcome. text NULL: none. */
void kci_operation_finish(struct kci_operation *operation, kc_err code, const char *text);
/* An attempt failed; another one follows after a back-off. */
void kci_operation_failed(struct kci_operation *operation, const char *text, int64_t now);
/* What its end means beyond its code: KC_MAYBE_APPLIED, or 0. */
uint32_t kci_operation_traits(const struct kci_operation *operation);
/* The answer of a request is taken; true: the operation lives on and may go on. */
bool kci_operation_returned(struct kci_operation *operation);
/* Ask the group's coordinator about all items, once it is known; refused to us since the operation began: that is the
 * end. generation: of a commit, -1: none. */
void kci_operation_ask_coordinator(struct kci_operation *operation, int32_t generation,
                                   bool (*send)(struct kci_request *request, int32_t node, int64_t now),
                                   void (*finish)(struct kci_request *request, int64_t now), int64_t now);
static inline bool kci_operation_retriable(int16_t error)
{
    return kci_error_flags(error) & (KCI_ERROR_RETRIABLE | KCI_ERROR_REFRESH);
}
/* operation_question.c: send what is due of KCI_OPERATION_COMMITTED, of KCI_OPERATION_OFFSETS. */
void kci_operation_ask_committed(struct kci_operation *operation, int64_t now);
void kci_operation_ask_offsets(struct kci_operation *operation, int64_t now);

/* Forget it, or leave it to itself when something is under way. */
void kci_operation_free(struct kci_operation *operation);

#endif
