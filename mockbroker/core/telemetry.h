/* Client metrics (KIP-714): who subscribed to what, and what clients pushed. */
#ifndef MB_CORE_TELEMETRY_H
#define MB_CORE_TELEMETRY_H

#include "base/cursor.h"
#include "mockbroker/core/cluster.h"

#define MB_TELEMETRY_INSTANCES_MAX 16384 /* of all brokers, Kafka: of each; the one not heard of longest goes */
#define MB_TELEMETRY_LIFE_US       ((int64_t)60000000) /* of an instance without requests, or three intervals */
#define MB_TELEMETRY_PUSHES_MAX    200                 /* kept, the latest ones */
#define MB_TELEMETRY_BYTES_MAX     ((size_t)32 << 20)  /* of those, decompressed, unless it is a single one */

#define MB_TELEMETRY_TEXT_MAX 256 /* bytes of an attribute; longer ones are cut */

/* What `match` of a subscription can name. */
enum mb_telemetry_attribute {
    MB_TELEMETRY_INSTANCE_ID,
    MB_TELEMETRY_CLIENT_ID,
    MB_TELEMETRY_SOFTWARE_NAME,
    MB_TELEMETRY_SOFTWARE_VERSION,
    MB_TELEMETRY_ADDRESS,
    MB_TELEMETRY_PORT,
    MB_TELEMETRY_ATTRIBUTES,
};

/* What one broker knows of one client instance. */
struct mb_telemetry_instance {
    struct kci_list link; /* of mb_telemetry.by_use */
    struct kci_uuid id;
    int32_t broker;
    uint32_t version;            /* of the subscriptions that its own was made of */
    int32_t subscription_id;     /* of what it is asked for */
    int32_t interval_ms;         /* between two pushes */
    int64_t asked_at, pushed_at; /* microseconds; INT64_MIN: never */
    int64_t expires_at;          /* microseconds */
    int16_t latest_error;        /* of its latest request that was not too early */
    bool terminating;            /* its latest push said that it was the last */
    /* as its first request had them; behind the struct. Null: none */
    struct kci_str attributes[MB_TELEMETRY_ATTRIBUTES];
};

/* NULL: none, or not any more. */
struct mb_telemetry_instance *mb_telemetry_find(struct mb_cluster *cluster, int32_t broker, const struct kci_uuid *id,
                                                int64_t now);
/* A new one for the client of this request, who has not been subscribed to anything yet; NULL: no memory. */
struct mb_telemetry_instance *mb_telemetry_add(struct mb_request *request, const struct kci_uuid *id);
/* It was heard of. */
void mb_telemetry_use(struct mb_cluster *cluster, struct mb_telemetry_instance *instance, int64_t now);
/* The connection that made it is gone, and so is it. Fine when there is none. */
void mb_telemetry_forget(struct mb_cluster *cluster, int32_t broker, const struct kci_uuid *id);
/* Keep a push: the plain OTLP bytes. false: no memory. */
bool mb_telemetry_keep(struct mb_request *request, const uint8_t *plain, size_t size, size_t wire_size, int64_t now);
/* {"pushes":[...]} with the names of their metrics, oldest first. */
void mb_telemetry_write(const struct mb_cluster *cluster, struct kci_writer *w);
void mb_telemetry_destroy(struct mb_cluster *cluster);

#endif
