/* A record on its way to a retry topic or to the dead-letter topic, and back: its headers.
 *
 *      the record's own headers, then
 *      kc-original-topic, -partition, -offset, -timestamp    set by the first who sends it on
 *      kc-attempts, kc-cause, kc-group, kc-retry-at          new each time
 *
 * All values are text, so that any tool shows them and any language reads them.  A header that cannot be understood
 * counts as not there: then the record is taken for a new one. */
#ifndef KCI_WORKER_ONWARD_H
#define KCI_WORKER_ONWARD_H

#include "base/alloc.h"
#include <kclient/worker.h>

#define KCI_TOPIC_NAME_MAX 249 /* Kafka's limit, bytes */

/* What the headers of a record say of its past. */
struct kci_past {
    const char *topic; /* where it was first: of the record, or below */
    char topic_text[KCI_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t offset, timestamp_ms;
    uint32_t attempts;   /* so far; 0: it is new */
    int64_t retry_at_ms; /* wall clock; 0: at once */
};
/* Read it; what is not there is as in the record itself. */
void kci_past_read(struct kci_past *past, const kc_record_view *view);
/* Only retry_at_ms, without reading the rest. */
int64_t kci_past_retry_at(const kc_record_view *view);

/* Memory to build one record in; used again and again by one thread. */
struct kci_onward {
    const struct kci_alloc *alloc;
    kc_header *headers;
    size_t header_capacity;
    char *text; /* names and values */
    size_t text_size, text_capacity;
};
/* Fill in *record for `topic`: what it points to belongs to the view, to `past` and to `onward`, until its next use.
 * `past` has the attempts that include this one; retry_at_ms 0: no such header. false: no memory. */
bool kci_onward_build(struct kci_onward *onward, kc_record *record, const char *topic, const kc_record_view *view,
                      const struct kci_past *past, const char *cause, const char *group);
void kci_onward_free(struct kci_onward *onward);

#endif
