/* Judging of what was fetched: its parts, in order of arrival, become runs in the queue of their partition (see fetched.c).
 * It takes long, so the application's thread is not kept waiting: the lock is taken only to hand over what came of it. */
#include "consumer/internal.h"

#include <inttypes.h>

#define JUDGE_BYTES_PER_STEP (2 << 20) /* so that heartbeats are not late: a millisecond or two */

static void batch_is_bad(struct kci_consumer *c, struct kci_assigned *a, const struct kci_part *part, int64_t now)
{
    if (part->error == KCI_BATCH_TOO_LARGE) /* nothing is wrong with it: there is no room */
        kci_assigned_fail(&c->subscription, a, KC_ERR_RECORD_TOO_LARGE, now,
                          "the batch at offset %" PRId64 " of %s [%d] does not fit into fetch.memory.max, %" PRId64
                          " bytes, when decompressed: raise that, or seek past it",
                          part->next_offset, part->topic, (int)part->partition, c->shared->limit);
    else
        kci_assigned_fail(&c->subscription, a, part->error == KCI_BATCH_BAD_CODEC ? KC_ERR_UNSUPPORTED : KC_ERR_CORRUPT,
                          now, "the batch at offset %" PRId64 " of %s [%d] cannot be read: %s. Seek past it to go on",
                          part->next_offset, part->topic, (int)part->partition, kci_batch_error_text(part->error));
    kci_log(&c->logger, KCI_LOG_ERROR, "fetch", "%s", a->text);
    kci_consumer_tell(c);
}

/* Hand over what came of a part; true: go on with it. */
static bool hand_over(struct kci_consumer *c, struct kci_part *part, enum kci_part_result result, struct kci_run *run,
                      bool alone, int64_t judged, int64_t now)
{
    kci_consumer_lock(c);
    struct kci_assigned *a = kci_subscription_find(&c->subscription, part->topic_key);
    bool live = a && a->version == part->version;
    if (live) {
        a->judging_bytes -= judged;
        if (result == KCI_PART_END)
            a->judging_bytes -= (int64_t)kci_reader_left(&part->rest);
    }
    if (result == KCI_PART_RUN && live) {
        kci_assigned_push(&c->subscription, a, run);
        kci_consumer_tell(c);
    } else if (result == KCI_PART_RUN) {
        kci_run_release(run);
    } else if (result == KCI_PART_BAD && live) {
        batch_is_bad(c, a, part, now);
    }
    if (alone && live && c->fetcher.alone.key == part->topic_key && result != KCI_PART_NO_ROOM)
        kci_fetch_alone_end(c, now);
    if (result == KCI_PART_NO_ROOM)
        kci_fetch_alone_make_room(c);
    if (result == KCI_PART_LARGE && live)
        kci_fetch_alone_begin(c, a, part, now);
    if (c->fetcher.alone.state == KCI_ALONE_WAITS && result != KCI_PART_NO_ROOM)
        kci_consumer_at(c, now); /* was this the last that it waits for? */
    kci_consumer_unlock(c);
    return live && (result == KCI_PART_RUN || result == KCI_PART_NO_ROOM);
}

/* At once, or `later`. The application's thread sets the time of the next step, too: not without the lock. */
static void step_again(struct kci_consumer *c, bool later, int64_t now)
{
    kci_consumer_lock(c);
    kci_consumer_at(c, later ? kci_consumer_retry_at(c, 0, now) : now);
    kci_consumer_unlock(c);
}

void kci_fetcher_judge(struct kci_consumer *c, int64_t now)
{
    int64_t budget = JUDGE_BYTES_PER_STEP;
    struct kci_list *link;
    while (budget > 0 && (link = kci_list_first(&c->fetcher.parts))) {
        struct kci_part *part = KCI_CONTAINER(link, struct kci_part, link);
        struct kci_run *run = NULL;
        int64_t before = (int64_t)kci_reader_left(&part->rest);
        bool alone = part->alone;
        enum kci_part_result result = kci_part_next(part, c->fetcher.plain_max, &run);
        int64_t judged = before - (int64_t)kci_reader_left(&part->rest);
        budget -= judged;
        if (hand_over(c, part, result, run, alone, judged, now)) {
            if (result == KCI_PART_RUN)
                continue;
            /* Woken when bytes come back; the time is for the case that the system itself is out of memory. */
            step_again(c, true, now);
            return;
        }
        kci_list_remove(&part->link);
        kci_part_destroy(part);
    }
    if (!kci_list_empty(&c->fetcher.parts))
        step_again(c, false, now);
}
