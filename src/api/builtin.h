/* Plug-ins that the configuration names: made when a handle is created, put where the user's own functions would be. */
#ifndef KCI_API_BUILTIN_H
#define KCI_API_BUILTIN_H

#include "cluster/settings.h"

/* What was made for one handle, so that it can be taken back if the handle's creation fails later on. */
struct kci_builtin {
    bool partitioner; /* settings->partitioner is ours */
};

/* Fill in the settings of a producer. Functions that the user set stay. KC_ERR_NO_MEMORY. */
kc_err kci_builtin_producer(struct kci_builtin *builtin, struct kci_settings *settings, kc_error *error);
/* The handle is not going to be: close what was made. All zero is fine. */
void kci_builtin_discard(const struct kci_builtin *builtin, const struct kci_settings *settings);

#endif
