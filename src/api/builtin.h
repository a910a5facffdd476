/* Plug-ins that the configuration names: made when a handle is created, put where the user's own functions would be. */
#ifndef KCI_API_BUILTIN_H
#define KCI_API_BUILTIN_H

#include "cluster/settings.h"

struct kci_audit_sink;
struct kci_latency;

/* What was made for one handle, so that it can be taken back if the handle's creation fails later on. */
struct kci_builtin {
    bool partitioner;             /* settings->partitioner is ours */
    size_t interceptors;          /* so many at the beginning of the chain are ours */
    size_t configured;            /* of the chain; those before are configured, or ours */
    struct kci_audit_sink *audit; /* owned by its interceptor; NULL: none */
    struct kci_latency *latency;  /* of a consumer; owned by its interceptor; NULL: none */
};

/* Fill in the settings of a producer or consumer, and configure its chain of interceptors. Functions that the user set
 * stay. KC_ERR_CONFIG, KC_ERR_NO_MEMORY: discard what was made. */
kc_err kci_builtin_producer(struct kci_builtin *builtin, struct kci_settings *settings, const kc_config *config,
                            kc_error *error);
kc_err kci_builtin_consumer(struct kci_builtin *builtin, struct kci_settings *settings, const kc_config *config,
                            kc_error *error);
/* The handle is not going to be: close what was made and what was configured. All zero is fine. */
void kci_builtin_discard_producer(const struct kci_builtin *builtin, const struct kci_settings *settings);
void kci_builtin_discard_consumer(const struct kci_builtin *builtin, const struct kci_settings *settings);

#endif
