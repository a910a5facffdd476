/* Resets: the only places where a position jumps without the application's wish (PROTOCOL 3.3, KIP-1106).
 *
 *      no committed offset      \                          latest, earliest, by_duration --> RESET --> READY
 *      offset out of range       >-- auto.offset.reset --<
 *      the topic is another one /                          none --> FAILED: the application must seek
 *
 *      the log was cut below us ---> READY at the cut, or as above when the leader knows nothing of our history
 *
 * A reset can mean lost or repeated records, so every one of them is told: from where, to where and why, as a line of
 * the log and as a notice (kc_config_set_notice), which comes before the first record of the new position.  With
 * auto.offset.reset=none not even a cut is followed: the error names the offset (KIP-320).
 *
 * by_duration asks for the first record that is as young as that, by the wall clock, which is the shell's; if there is
 * none, for the end. */
#include "consumer/reset.h"
#include "consumer/internal.h"
#include "consumer/notice.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const reasons[] = {
    [KCI_RESET_NO_REASON] = "",
    [KCI_RESET_NO_OFFSET] = "the group has no committed offset",
    [KCI_RESET_OUT_OF_RANGE] = "the offset is not in the log (any more)",
    [KCI_RESET_TRUNCATED] = "the log was truncated",
    [KCI_RESET_RECREATED] = "the topic was deleted and created again",
};

static void fail(struct kci_consumer *c, struct kci_assigned *a, enum kci_reset_reason reason, int64_t now)
{
    static const kc_err codes[] = {
        [KCI_RESET_NO_OFFSET] = KC_ERR_NO_OFFSET,
        [KCI_RESET_OUT_OF_RANGE] = KC_ERR_OFFSET_OUT_OF_RANGE,
        [KCI_RESET_TRUNCATED] = KC_ERR_OFFSET_OUT_OF_RANGE,
        [KCI_RESET_RECREATED] = KC_ERR_UNKNOWN_TOPIC_ID,
    };
    if (a->position >= 0)
        kci_assigned_fail(&c->subscription, a, codes[reason], now,
                          "%s [%d] at offset %" PRId64 ": %s, and auto.offset.reset is none: seek", a->topic->name.data,
                          (int)a->partition, a->position, reasons[reason]);
    else
        kci_assigned_fail(&c->subscription, a, codes[reason], now, "%s [%d]: %s, and auto.offset.reset is none: seek",
                          a->topic->name.data, (int)a->partition, reasons[reason]);
    kci_consumer_tell(c);
}

static int64_t wall_ms(const struct kci_consumer *c, int64_t now)
{
    return c->wall_ms ? c->wall_ms() : now / KCI_MS;
}

void kci_reset_begin(struct kci_consumer *c, struct kci_assigned *a, enum kci_reset_reason reason, int64_t now)
{
    const struct kci_settings *s = c->settings;
    if (s->auto_offset_reset == KCI_RESET_NONE) {
        fail(c, a, reason, now);
        return;
    }
    int64_t from = a->position >= 0 ? a->position : KC_OFFSET_NONE;
    int32_t from_epoch = a->position >= 0 ? a->epoch : -1;
    kci_assigned_seek(&c->subscription, a,
                      s->auto_offset_reset == KCI_RESET_LATEST ? KC_OFFSET_END : KC_OFFSET_BEGINNING, -1, now);
    if (s->auto_offset_reset == KCI_RESET_BY_DURATION) {
        int64_t at = wall_ms(c, now) - s->auto_offset_reset_by_ms;
        a->reset_time = at > 0 ? at : 0;
    }
    a->reset_reason = reason;
    a->reset_from = from;
    a->reset_from_epoch = from_epoch;
}

/* Tell of a reset that has an end: the position is the new one. */
static void tell(struct kci_consumer *c, struct kci_assigned *a, enum kci_reset_reason reason, int64_t from,
                 int32_t from_epoch)
{
    char before[32] = "none";
    if (c->plant == KCI_PLANT_SILENT_RESET) /* planted defect */
        return;
    if (from >= 0)
        snprintf(before, sizeof before, "%" PRId64, from);
    kci_notice_reset(c, a, reason, from, from_epoch, "%s [%d]: position reset from %s to %" PRId64 ": %s",
                     a->topic->name.data, (int)a->partition, before, a->position, reasons[reason]);
}

void kci_reset_found(struct kci_consumer *c, struct kci_assigned *a, int64_t offset, int32_t epoch, int64_t now)
{
    if (offset < 0 && a->reset_time >= 0) { /* nothing is as young as that: what comes from now on is */
        a->reset_time = -1;
        kci_assigned_enter(a, KCI_POSITION_RESET, now);
        return;
    }
    enum kci_reset_reason reason = a->reset_reason;
    kci_assigned_found(a, offset, epoch, now);
    if (reason != KCI_RESET_NO_REASON)
        tell(c, a, reason, a->reset_from, a->reset_from_epoch);
    a->reset_reason = KCI_RESET_NO_REASON;
    kci_consumer_tell(c);
}

void kci_reset_diverged(struct kci_consumer *c, struct kci_assigned *a, int64_t offset, int32_t epoch,
                        int32_t current_epoch, int64_t now)
{
    kci_log(&c->logger, KCI_LOG_WARN, "fetch",
            "%s [%d]: the log was truncated: we are at %" PRId64 ", epoch %d ends at %" PRId64, a->topic->name.data,
            (int)a->partition, a->fetch_offset, (int)epoch, offset);
    bool stays = epoch >= 0 && offset >= a->position;
    if (c->settings->auto_offset_reset == KCI_RESET_NONE && !stays) {
        kci_assigned_fail(&c->subscription, a, KC_ERR_OFFSET_OUT_OF_RANGE, now,
                          "the log of %s [%d] was truncated: position %" PRId64 " lies behind offset %" PRId64
                          " where its leader epoch ends, and auto.offset.reset is none: seek",
                          a->topic->name.data, (int)a->partition, a->fetch_offset, offset);
        kci_consumer_tell(c);
        return;
    }
    if (offset < 0 || epoch < 0) {
        kci_reset_begin(c, a, KCI_RESET_TRUNCATED, now);
        return;
    }
    /* What was fetched ahead may be of the other history: drop it all. What was returned is not lost by it if the cut
     * is behind it: then nothing jumps.  But an epoch that the leader has not (one that began and ended without a
     * record, while we asked where the log begins) would be refused with every fetch: its own takes the place. */
    int64_t from = a->position, to = stays ? from : offset;
    int32_t from_epoch = a->epoch;
    kci_assigned_seek(&c->subscription, a, to, stays && from_epoch < epoch ? from_epoch : epoch, now);
    a->checked_epoch = current_epoch;
    if (to != from)
        tell(c, a, KCI_RESET_TRUNCATED, from, from_epoch);
    kci_consumer_tell(c);
}

void kci_reset_check_topics(struct kci_consumer *c, int64_t now)
{
    KCI_LIST_EACH(link, &c->subscription.assigned)
    {
        struct kci_assigned *a = KCI_CONTAINER(link, struct kci_assigned, link);
        const struct kci_topic_info *info = a->topic->info;
        if (!info || kci_uuid_is_zero(&info->id) || kci_uuid_equal(&a->read_id, &info->id))
            continue;
        bool another = !kci_uuid_is_zero(&a->read_id);
        a->read_id = info->id;
        if (another && (a->state == KCI_POSITION_READY || a->state == KCI_POSITION_VALIDATING))
            kci_reset_begin(c, a, KCI_RESET_RECREATED, now);
    }
}
