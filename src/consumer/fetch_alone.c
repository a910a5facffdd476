/* A batch that is too large to be decompressed beside others.
 *
 *                    does not fit into plain_max                    all else is released
 *      NONE --------------------------------------> WAITS --------------------------------> ASKED ---> ARRIVED
 *       ^                                             ^                                       |           |
 *       |  seek, revoke, pause, close                 |  does not fit into what was left,     |           |
 *       +---------------------------------------------+  and others still held some of it <---|-----------+
 *       +--- delivered; or refused, for it had the whole ceiling; or the fetch failed: the others go on <-+
 *
 * How large a batch becomes is seen only when it is decompressed, and the ceiling holds all the same: so its bytes are
 * given back, what was fetched ahead is read by the application, nothing new is asked for, and then the broker is asked
 * for this one batch (max_bytes 1: the first batch comes whole, KIP-74), with everything that is left of the ceiling
 * reserved for it.  What an application holds on to may be little enough; if it is not, the next attempt waits until it
 * holds less.  Paused partitions are not read, so what was fetched ahead of them is dropped, to be fetched again; that
 * is also done when they hold the memory that others need, and no answer is under way that may give some back.
 *
 * Nobody waits for what cannot be had: a leader that is not there, an error, a fetch that brings nothing end it, and the
 * batch is found anew when its partition is fetched as others are. */
#include "consumer/fetch_alone.h"
#include "consumer/internal.h"

#include <inttypes.h>

void kci_fetch_alone_begin(struct kci_consumer *c, struct kci_assigned *a, const struct kci_part *part, int64_t now)
{
    struct kci_fetch_alone *alone = &c->fetcher.alone;
    a->version = ++c->subscription.next_version; /* what was fetched behind it comes again, behind it */
    a->judging_bytes = 0;
    a->fetch_offset = part->next_offset;
    a->fetch_epoch = -1; /* that of the batch before is not known any more: then the leader does not compare */
    kci_consumer_at(c, now);
    if (alone->state != KCI_ALONE_NONE && alone->key != a->key)
        return; /* one at a time: found again later */
    *alone = (struct kci_fetch_alone){ KCI_ALONE_WAITS, a->key, a->version, part->needs };
    kci_log(&c->logger, KCI_LOG_INFO, "fetch",
            "%s [%d]: the batch at offset %" PRId64 " is fetched alone: decompressed beside others it does not fit",
            a->topic->name.data, (int)a->partition, a->fetch_offset);
}

void kci_fetch_alone_end(struct kci_consumer *c, int64_t now)
{
    c->fetcher.alone.state = KCI_ALONE_NONE;
    kci_consumer_at(c, now);
}

struct kci_assigned *kci_fetch_alone_find(struct kci_consumer *c)
{
    struct kci_fetch_alone *alone = &c->fetcher.alone;
    if (alone->state == KCI_ALONE_NONE)
        return NULL;
    struct kci_assigned *a = kci_subscription_find(&c->subscription, alone->key);
    if (a && a->version == alone->version && a->state == KCI_POSITION_READY && !a->paused && !a->revoking)
        return a;
    alone->state = KCI_ALONE_NONE;
    return NULL;
}

/* Does somebody have something to read? */
static bool is_read(const struct kci_consumer *c)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        const struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (!a->paused && !kci_list_empty(&a->runs))
            return true;
    }
    return false;
}

void kci_fetch_alone_make_room(struct kci_consumer *c)
{
    if (is_read(c))
        return; /* what is read makes room by itself */
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        if (!a->paused || a->state != KCI_POSITION_READY || a->queued_bytes + a->judging_bytes == 0)
            continue;
        kci_assigned_drop(a);
        a->version = ++c->subscription.next_version;
        a->fetch_offset = a->position;
        a->fetch_epoch = a->epoch;
    }
}

/* Nothing is under way or waits to be read: only what the application holds may come back. */
static bool is_quiet(struct kci_consumer *c)
{
    return !kci_fetcher_is_under_way(c) && !is_read(c) && kci_list_empty(&c->fetcher.parts);
}

int64_t kci_fetch_alone_reserve(struct kci_consumer *c)
{
    kci_fetch_alone_make_room(c);
    if (!is_quiet(c))
        return 0; /* an answer, or a poll that took the last of a queue, has us look again */
    return kci_shared_reserve_all(c->shared, c->fetcher.alone.needs);
}
