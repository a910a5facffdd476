/* Waiting until the brokers know what was done to a topic. */
#ifndef KCI_API_ADMIN_KNOWN_H
#define KCI_API_ADMIN_KNOWN_H

#include "api/admin_handle.h"

struct kci_admin_known {
    const char *topic;
    bool deleted;       /* the brokers are to have forgotten it; else: to know it, with a leader for every partition */
    int32_t partitions; /* how many it is to have; < 1: any number */
    struct kci_uuid id; /* of the deleted topic: one of this name with another id is another topic; zero: not known */
};

/* KC_OK, or an error that says which broker is behind: KC_ERR_TIMED_OUT, KC_ERR_NO_MEMORY ..., may be applied. */
kc_err kci_admin_known_wait(kc_admin *admin, const struct kci_admin_known *wanted, int64_t deadline, kc_error *error);

#endif
