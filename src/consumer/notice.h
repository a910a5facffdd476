/* Notices: what happened that is no error, but that an application may want to know (kc_config_set_notice). */
#ifndef KCI_CONSUMER_NOTICE_H
#define KCI_CONSUMER_NOTICE_H

#include "consumer/subscription.h"

struct kci_consumer;
struct kci_event;

#define KCI_NOTICES_MAX 1000u /* that wait for a poll; further ones are only logged */

/* All log the text, and queue a notice if the application wants them. */
void kci_notice_reset(struct kci_consumer *c, const struct kci_assigned *a, enum kci_reset_reason reason, int64_t from,
                      int32_t from_epoch, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* a->text is about the record at a->position. */
void kci_notice_unreadable(struct kci_consumer *c, const struct kci_assigned *a);
/* The application has chosen a position itself: nothing that waits is told of the old one any more. a NULL: of all. */
void kci_notice_forget(struct kci_consumer *c, const struct kci_assigned *a);
/* The application has not polled for so long that the group will soon take its partitions away. */
void kci_notice_poll_late(struct kci_consumer *c, int64_t for_us);
/* No progress, or `over`: again. topic NULL: of the group; partition -1: of the whole topic. reason: static storage. */
void kci_notice_stall(struct kci_consumer *c, const struct kci_consumer_topic *topic, int32_t partition,
                      const char *reason, bool over, int64_t for_us, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

#endif
