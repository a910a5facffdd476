/* What a client is asked for: the settings of client metrics resources that match it, joined. */
#ifndef MB_CORE_TELEMETRY_SUBSCRIPTION_H
#define MB_CORE_TELEMETRY_SUBSCRIPTION_H

#include "mockbroker/core/telemetry.h"

struct mb_telemetry_subscription {
    struct kci_str *names; /* prefixes of metrics, each once, in the request's arena; borrowed from the settings */
    int32_t count;
    int32_t interval_ms; /* between two pushes */
};

/* Which enum mb_telemetry_attribute a key of `match` names; -1: none. */
int mb_telemetry_attribute(struct kci_str key);
/* false: no memory */
bool mb_telemetry_subscribe(struct mb_request *request, const struct mb_telemetry_instance *instance,
                            struct mb_telemetry_subscription *out);
/* The same for the same client and subscription, whichever broker is asked. */
int32_t mb_telemetry_subscription_id(const struct mb_telemetry_subscription *subscription,
                                     const struct kci_uuid *client);

#endif
