/* A notice waits in the queue of events, so it runs in poll, on the application's thread, in the order of what
 * happened: that of a reset before the first record of the new position.  Its texts lie in the event's own block.
 *
 * A seek is a barrier for notices as it is for records: what still waits to be told of the old position (it jumped, it
 * cannot be read) is not told any more.  Who believed it would take the position for another one than it is, or seek on
 * from where it has left. */
#include "consumer/notice.h"
#include "consumer/internal.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES 400 /* of a notice, with NUL */

static const char *const reset_names[] = {
    [KCI_RESET_NO_REASON] = "",
    [KCI_RESET_NO_OFFSET] = "NO_OFFSET",
    [KCI_RESET_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [KCI_RESET_TRUNCATED] = "TRUNCATED",
    [KCI_RESET_RECREATED] = "TOPIC_RECREATED",
};

/* `topic`: that it is about; NULL: the membership. */
static void queue(struct kci_consumer *c, const struct kci_consumer_topic *topic, kc_notice notice,
                  enum kci_log_level level, const char *text)
{
    kci_log(&c->logger, level, "consumer", "%s", text);
    if (!c->settings->notice)
        return;
    if (c->notices >= KCI_NOTICES_MAX) {
        kci_log(&c->logger, KCI_LOG_WARN, "consumer", "%u notices wait for a poll: this one is only logged",
                KCI_NOTICES_MAX);
        return;
    }
    size_t topic_size = topic ? topic->name.size + 1 : 0;
    char *texts = kci_alloc_new(c->alloc, topic_size + TEXT_BYTES);
    if (!texts)
        return; /* the log has it */
    if (topic)
        notice.topic = memcpy(texts, topic->name.data, topic_size);
    snprintf(texts + topic_size, TEXT_BYTES, "%s", text);
    notice.text = texts + topic_size;
    c->notices += kci_consumer_queue_event(
        c, (struct kci_consumer_event){ .kind = KCI_EVENT_NOTICE, .notice = notice, .texts = texts });
}

void kci_notice_reset(struct kci_consumer *c, const struct kci_assigned *a, enum kci_reset_reason reason, int64_t from,
                      int32_t from_epoch, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    kc_notice notice = { .kind = KC_NOTICE_RESET,
                         .partition = a->partition,
                         .from_offset = from,
                         .from_epoch = from_epoch,
                         .to_offset = a->position,
                         .to_epoch = a->epoch,
                         .reason = reset_names[reason] };
    queue(c, a->topic, notice, reason == KCI_RESET_NO_OFFSET ? KCI_LOG_INFO : KCI_LOG_WARN, text);
}

void kci_notice_unreadable(struct kci_consumer *c, const struct kci_assigned *a)
{
    kc_notice notice = { .kind = KC_NOTICE_UNREADABLE,
                         .partition = a->partition,
                         .from_offset = a->position,
                         .from_epoch = a->epoch,
                         .to_offset = KC_OFFSET_NONE,
                         .to_epoch = -1,
                         .reason = kc_err_name(a->error) };
    queue(c, a->topic, notice, KCI_LOG_ERROR, a->text);
}

static bool is_of(const kc_notice *notice, const struct kci_assigned *a)
{
    bool position = notice->kind == KC_NOTICE_RESET || notice->kind == KC_NOTICE_UNREADABLE;
    return position && (!a || (notice->partition == a->partition && strcmp(notice->topic, a->topic->name.data) == 0));
}

void kci_notice_forget(struct kci_consumer *c, const struct kci_assigned *a)
{
    KCI_LIST_EACH(link, &c->events)
    {
        struct kci_event *event = KCI_CONTAINER(link, struct kci_event, link);
        if (event->face.kind != KCI_EVENT_NOTICE || !is_of(&event->face.notice, a))
            continue;
        kci_list_remove(link);
        kci_alloc_free(c->alloc, event->face.texts);
        kci_alloc_free(c->alloc, event);
        c->notices--;
    }
}

void kci_notice_poll_late(struct kci_consumer *c, int64_t for_us)
{
    char text[TEXT_BYTES];
    kc_notice notice = { .kind = KC_NOTICE_POLL_LATE,
                         .partition = -1,
                         .from_offset = KC_OFFSET_NONE,
                         .from_epoch = -1,
                         .to_offset = KC_OFFSET_NONE,
                         .to_epoch = -1,
                         .reason = "MAX_POLL_INTERVAL",
                         .for_ms = for_us / KCI_MS };
    snprintf(text, sizeof text,
             "no poll for %d ms, and after max.poll.interval.ms=%d the group gives the partitions to others: poll more "
             "often, or raise it, or lower max.poll.records, or kc_consumer_keepalive()",
             (int)notice.for_ms, (int)c->settings->max_poll_interval_ms);
    queue(c, NULL, notice, KCI_LOG_WARN, text);
}

void kci_notice_stall(struct kci_consumer *c, const struct kci_consumer_topic *topic, int32_t partition,
                      const char *reason, bool over, int64_t for_us, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    kc_notice notice = { .kind = over ? KC_NOTICE_RECOVERED : KC_NOTICE_STALLED,
                         .partition = partition,
                         .from_offset = KC_OFFSET_NONE,
                         .from_epoch = -1,
                         .to_offset = KC_OFFSET_NONE,
                         .to_epoch = -1,
                         .reason = reason,
                         .for_ms = for_us / KCI_MS };
    queue(c, topic, notice, over ? KCI_LOG_INFO : KCI_LOG_WARN, text);
}
