/* How far a partition is done: see progress.h for the picture.  The store that finishes a mark releases what the
 * finishing thread did, the load in advance acquires it: memory of a mark may be used anew as soon as it was taken out.
 * Both are sequentially consistent: who drains says so, then looks at marks; who finishes one does so, then looks
 * whether somebody drains: one of the two sees the other.
 */
#include "worker/progress.h"

#include <stdlib.h>

void kci_progress_begin(struct kci_progress *progress, struct kci_mark *mark, int64_t offset, int32_t leader_epoch)
{
    if (progress->last && offset <= progress->last->offset)
        abort(); /* a partition is read forward, and a seek begins a new queue */
    mark->after = NULL;
    mark->offset = offset;
    mark->leader_epoch = leader_epoch;
    atomic_store_explicit(&mark->state, KCI_MARK_OPEN, memory_order_relaxed);
    if (progress->last)
        progress->last->after = mark;
    else
        progress->first = mark;
    progress->last = mark;
    progress->open++;
}

void kci_progress_finish(struct kci_mark *mark, bool done)
{
    atomic_store(&mark->state, done ? KCI_MARK_DONE : KCI_MARK_ABANDONED);
}

struct kci_mark *kci_progress_advance(struct kci_progress *progress)
{
    struct kci_mark *mark = progress->first;
    int state = mark ? atomic_load(&mark->state) : KCI_MARK_OPEN;
    if (state == KCI_MARK_OPEN)
        return NULL;
    progress->broken |= state == KCI_MARK_ABANDONED;
    if (!progress->broken) {
        progress->position = mark->offset + 1;
        progress->leader_epoch = mark->leader_epoch;
    }
    progress->first = mark->after;
    if (!progress->first)
        progress->last = NULL;
    progress->open--;
    return mark;
}
