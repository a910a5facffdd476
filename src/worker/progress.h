/* How far a partition is done, when its records are finished in any order.
 *
 *      first -> [done] -> [done] -> [open] -> [done] -> [open] <- last        in the order of their offsets
 *      \__ advance takes these _/   ^ the position stays in front of this one
 *
 * One thread owns the queue (begin, advance); any thread may finish a mark.  Offsets may have gaps: compaction, control
 * records.  A mark that was abandoned ends all progress: what is behind it can be finished, but not be committed. */
#ifndef KCI_WORKER_PROGRESS_H
#define KCI_WORKER_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kci_mark_state { KCI_MARK_OPEN, KCI_MARK_DONE, KCI_MARK_ABANDONED };

struct kci_mark {
    struct kci_mark *after; /* the owner's: the next one of the partition */
    int64_t offset;
    int32_t leader_epoch; /* of the record; -1: unknown */
    _Atomic int state;    /* enum kci_mark_state */
};

struct kci_progress {
    struct kci_mark *first, *last; /* NULL: nothing is open */
    size_t open;                   /* marks in the queue */
    int64_t position;              /* to be committed: behind the last mark of those done without a gap; -1: none yet */
    int32_t leader_epoch;          /* of the record before `position` */
    bool broken;                   /* an abandoned mark was passed: `position` stays */
};

static inline struct kci_progress kci_progress_of(void)
{
    return (struct kci_progress){ .position = -1, .leader_epoch = -1 };
}
/* The record at `offset` was handed out; offsets rise. The mark belongs to the queue until advance returns it. */
void kci_progress_begin(struct kci_progress *progress, struct kci_mark *mark, int64_t offset, int32_t leader_epoch);
/* Any thread, once for each mark: it may be gone on return. */
void kci_progress_finish(struct kci_mark *mark, bool done);
/* Take the first mark out if it is finished, and move the position; NULL: it is not, or there is none. */
struct kci_mark *kci_progress_advance(struct kci_progress *progress);

#endif
