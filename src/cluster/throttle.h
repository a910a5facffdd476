/* How long a broker asks us to be silent (KIP-219), as any response tells it. */
#ifndef KCI_CLUSTER_THROTTLE_H
#define KCI_CLUSTER_THROTTLE_H

#include "protocol/messages.h"

/* throttle_time_ms of a decoded response; 0 if it has none or asks for nothing. */
int32_t kci_throttle_of(int16_t api, const void *response);
/* The same of a body that was not decoded: known for Fetch, where it comes first. */
int32_t kci_throttle_of_raw(int16_t api, int16_t version, struct kci_reader body);

#endif
