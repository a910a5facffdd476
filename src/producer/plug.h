/* What users plug into the producing path: interceptors, serializers, a partitioner.  Called on the thread of send, one
 * record at a time, no lock held. */
#ifndef KCI_PRODUCER_PLUG_H
#define KCI_PRODUCER_PLUG_H

#include "base/cursor.h"
#include "cluster/settings.h"

#include "base/log.h"

struct kc_buffer {
    struct kci_writer writer;
};

/* One record on its way through the plugged-in functions. */
struct kci_plug {
    const struct kci_settings *settings;
    kc_record record; /* as it is by now */
    struct kc_buffer key, value;
};

/* True if send has to go this way at all. */
bool kci_plug_needed(const struct kci_settings *settings);
struct kci_plug kci_plug_of(const struct kci_settings *settings, const struct kci_alloc *alloc);
void kci_plug_destroy(struct kci_plug *plug);
/* Begin with a record: the chain of on_send sees it. An interceptor's error is logged, and its changes are dropped. */
void kci_plug_intercept(struct kci_plug *plug, const kc_record *record, const struct kci_logger *logger);
/* Key and value into bytes. KC_ERR_SERIALIZATION. */
kc_err kci_plug_serialize(struct kci_plug *plug, kc_error *error);
/* The custom partitioner, if there is one and the record has no partition. KC_ERR_ARGUMENT. */
kc_err kci_plug_partition(struct kci_plug *plug, int32_t partition_count, kc_error *error);
/* Call the `close` of everything that is plugged in; once. */
void kci_plug_close(const struct kci_settings *settings);

#endif
