/* Where the lines of the interceptor "audit" go: a topic, by a producer of its own, or the log function, or both. */
#ifndef KCI_API_AUDIT_SINK_H
#define KCI_API_AUDIT_SINK_H

#include "cluster/settings.h"

struct kci_audit_sink;

/* For the producer of these settings, which outlive the sink. KC_ERR_CONFIG, KC_ERR_NO_MEMORY. */
kc_err kci_audit_sink_new(struct kci_audit_sink **out, const kc_config *config, const struct kci_settings *settings,
                          kc_error *error);
/* Never waits: what cannot be kept is counted, and the log says so. Any thread. */
void kci_audit_sink_write(void *sink, const char *line, size_t size);
/* How long the end may take, from now on: microseconds of the monotonic clock. */
void kci_audit_sink_close_by(struct kci_audit_sink *sink, int64_t deadline);
void kci_audit_sink_close(void *sink); /* NULL is fine */

#endif
