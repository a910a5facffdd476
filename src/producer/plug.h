/* What users plug into the producing path: interceptors, serializers, a partitioner.  Called on the thread of send, one
 * record at a time, no lock held. */
#ifndef KCI_PRODUCER_PLUG_H
#define KCI_PRODUCER_PLUG_H

#include "base/arena.h"
#include "base/log.h"
#include "cluster/buffer.h"
#include "cluster/settings.h"

/* One call of send, and the record that is on its way through the plugged-in functions. */
struct kci_plug {
    const struct kci_settings *settings;
    kc_record record; /* as it is by now */
    struct kc_buffer key, value;
    struct kci_arena headers; /* what kc_record_add_header copied for this record */
    struct kci_plug *outer;   /* the send of the same thread from whose plug-ins this one was called */
};

/* True if send has to go this way at all. */
bool kci_plug_needed(const struct kci_settings *settings);
struct kci_plug kci_plug_of(const struct kci_settings *settings, const struct kci_alloc *alloc);
void kci_plug_destroy(struct kci_plug *plug);
/* The thread goes through plugged-in functions from here on, and does not any more. */
void kci_plug_enter(struct kci_plug *plug);
void kci_plug_leave(struct kci_plug *plug);
/* Is this thread inside plugged-in functions of these settings? */
bool kci_plug_inside(const struct kci_settings *settings);
/* The record was refused with this error: the interceptors' on_acknowledgement. */
void kci_plug_refused(struct kci_plug *plug, const kc_error *error);
/* Begin with a record: the chain of on_send sees it. An interceptor's error is logged, and its changes are dropped. */
void kci_plug_intercept(struct kci_plug *plug, const kc_record *record, const struct kci_logger *logger);
/* Key and value into bytes. KC_ERR_SERIALIZATION. */
kc_err kci_plug_serialize(struct kci_plug *plug, kc_error *error);
/* The custom partitioner, if there is one and the record has no partition. KC_ERR_ARGUMENT. */
kc_err kci_plug_partition(struct kci_plug *plug, int32_t partition_count, kc_error *error);
/* Call `configure` of the chain from `from` on; *configured is how far that went. KC_ERR_CONFIG. */
kc_err kci_plug_configure(const struct kci_settings *settings, const kc_config *config, size_t from, size_t *configured,
                          kc_error *error);
/* Call the `close` of everything that is plugged in; once. */
void kci_plug_close(const struct kci_settings *settings);

#endif
