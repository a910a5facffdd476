/* Client metrics (KIP-714): who subscribed to what, and what clients pushed. */
#ifndef MB_CORE_TELEMETRY_H
#define MB_CORE_TELEMETRY_H

#include "base/cursor.h"
#include "mockbroker/core/cluster.h"

#define MB_TELEMETRY_INSTANCES_MAX 10000
#define MB_TELEMETRY_PUSHES_MAX    200                /* kept, the latest ones */
#define MB_TELEMETRY_BYTES_MAX     ((size_t)32 << 20) /* of those, decompressed, unless it is a single one */
#define MB_TELEMETRY_PLAIN_MAX     ((size_t)16 << 20) /* bytes of one push, decompressed */

struct mb_telemetry_instance {
    struct kci_uuid id;
    uint32_t version;            /* of the subscriptions that it was told */
    int32_t subscription_id;     /* of what it was told */
    int32_t interval_ms;         /* between two pushes */
    int64_t asked_at, pushed_at; /* microseconds; INT64_MIN: never */
    bool terminating;            /* it said that its latest push was the last */
};

/* NULL: none yet, or no memory. The id may be zero: a new one is made. `create`: make it when it is not there. */
struct mb_telemetry_instance *mb_telemetry_instance(struct mb_cluster *cluster, const struct kci_uuid *id, bool create);
/* Keep a push: the plain OTLP bytes. false: no memory. */
bool mb_telemetry_keep(struct mb_request *request, const uint8_t *plain, size_t size, size_t wire_size, int64_t now);
/* {"pushes":[...]} with the names of their metrics, oldest first. */
void mb_telemetry_write(const struct mb_cluster *cluster, struct kci_writer *w);
void mb_telemetry_destroy(struct mb_cluster *cluster);

#endif
