/* What brokers remember of client metrics: an instance for each client that asked or pushed, by the broker that it did so
 * at, and the latest pushes.  An instance lives as long as the connection that made it, and no longer than three of its
 * intervals without a request; a client that comes back is a new one, to which nothing is too early.  Of a push the names
 * of the metrics are told, found by walking the protobuf of OTLP:
 *
 *      MetricsData 1 -> ResourceMetrics 2 -> ScopeMetrics 2 -> Metric 1 -> name */
#include "mockbroker/core/telemetry.h"

#include "mockbroker/core/connection.h"
#include "mockbroker/core/json.h"

#include <stdio.h>

#define CLIENT_TEXT_MAX 100
#define KEY_SIZE        (sizeof(struct kci_uuid) + sizeof(int32_t)) /* of an instance: its id, and the broker */

struct push {
    struct kci_list link; /* of mb_telemetry.pushes, oldest first */
    struct kci_uuid instance;
    int64_t time_ms; /* wall clock */
    int32_t broker;
    char client_id[CLIENT_TEXT_MAX];
    bool terminating;
    int8_t codec;
    size_t wire_size, size; /* bytes as they came, and of the data behind the struct */
};
struct mb_telemetry {
    struct kci_map instances; /* struct key -> struct mb_telemetry_instance, owned */
    struct kci_list by_use;   /* of them, the one not heard of longest first */
    struct kci_list pushes;
    size_t push_count, push_bytes; /* bytes: decompressed, of all */
};

static struct mb_telemetry *begin(struct mb_cluster *cluster)
{
    struct mb_telemetry *telemetry = cluster->telemetry;
    if (telemetry)
        return telemetry;
    telemetry = kci_alloc_zero(cluster->alloc, 1, sizeof *telemetry);
    if (!telemetry)
        return NULL;
    telemetry->instances = kci_map_of(cluster->alloc, kci_prng_next(&cluster->prng));
    kci_list_init(&telemetry->by_use);
    kci_list_init(&telemetry->pushes);
    return cluster->telemetry = telemetry;
}

static void key_of(uint8_t out[KEY_SIZE], int32_t broker, const struct kci_uuid *id)
{
    memcpy(out, id->b, sizeof id->b);
    memcpy(out + sizeof id->b, &broker, sizeof broker);
}

static void drop_instance(struct mb_cluster *cluster, struct mb_telemetry_instance *instance)
{
    uint8_t key[KEY_SIZE];
    key_of(key, instance->broker, &instance->id);
    kci_map_remove(&cluster->telemetry->instances, key, sizeof key);
    kci_list_remove(&instance->link);
    kci_alloc_free(cluster->alloc, instance);
}

struct mb_telemetry_instance *mb_telemetry_find(struct mb_cluster *cluster, int32_t broker, const struct kci_uuid *id,
                                                int64_t now)
{
    uint8_t key[KEY_SIZE];
    key_of(key, broker, id);
    struct mb_telemetry_instance *instance =
        cluster->telemetry ? kci_map_get(&cluster->telemetry->instances, key, sizeof key) : NULL;
    if (!instance || instance->expires_at > now)
        return instance;
    drop_instance(cluster, instance);
    return NULL;
}

static struct kci_str cut(struct kci_str text)
{
    return (struct kci_str){ text.data, text.size < MB_TELEMETRY_TEXT_MAX ? text.size : MB_TELEMETRY_TEXT_MAX };
}

static void attributes_of(const struct mb_request *request, const char *id_text, struct kci_str *all)
{
    const struct mb_connection *connection = request->connection;
    const char *host = request->client_host[0] == '/' ? request->client_host + 1 : request->client_host;
    const char *name = connection->software_name, *version = connection->software_version;
    const struct kci_str client_id = request->header.client_id;
    all[MB_TELEMETRY_INSTANCE_ID] = kci_str_of(id_text);
    all[MB_TELEMETRY_CLIENT_ID] = client_id.data ? cut(client_id) : kci_str_of("");
    all[MB_TELEMETRY_SOFTWARE_NAME] = kci_str_of(*name ? name : "unknown");
    all[MB_TELEMETRY_SOFTWARE_VERSION] = kci_str_of(*version ? version : "unknown");
    all[MB_TELEMETRY_ADDRESS] = kci_str_of(host);
    all[MB_TELEMETRY_PORT] = kci_str_of(*connection->client_port ? connection->client_port : NULL);
}

/* With copies of the attributes behind it. */
static struct mb_telemetry_instance *make_instance(const struct mb_request *request, const struct kci_uuid *id)
{
    struct kci_str attributes[MB_TELEMETRY_ATTRIBUTES];
    char id_text[KCI_UUID_TEXT_SIZE];
    size_t size = 0;
    kci_uuid_print(id_text, id);
    attributes_of(request, id_text, attributes);
    for (size_t i = 0; i < MB_TELEMETRY_ATTRIBUTES; i++)
        size += attributes[i].size;
    struct mb_telemetry_instance *instance =
        kci_alloc_zero(request->cluster->alloc, 1, sizeof *instance + size + 1); /* the last may be empty */
    if (!instance)
        return NULL;
    instance->id = *id;
    instance->broker = request->broker;
    instance->asked_at = instance->pushed_at = INT64_MIN;
    char *to = (char *)(instance + 1);
    for (size_t i = 0; i < MB_TELEMETRY_ATTRIBUTES; i++) {
        if (!attributes[i].data)
            continue;
        instance->attributes[i] = (struct kci_str){ to, attributes[i].size };
        memcpy(to, attributes[i].data, attributes[i].size);
        to += attributes[i].size;
    }
    return instance;
}

struct mb_telemetry_instance *mb_telemetry_add(struct mb_request *request, const struct kci_uuid *id)
{
    uint8_t key[KEY_SIZE];
    struct mb_cluster *cluster = request->cluster;
    struct mb_telemetry *telemetry = begin(cluster);
    struct mb_telemetry_instance *instance = telemetry ? make_instance(request, id) : NULL;
    if (!instance)
        return NULL;
    key_of(key, request->broker, id);
    if (!kci_map_set(&telemetry->instances, key, sizeof key, instance)) {
        kci_alloc_free(cluster->alloc, instance);
        return NULL;
    }
    kci_list_push(&telemetry->by_use, &instance->link);
    if (telemetry->instances.count > MB_TELEMETRY_INSTANCES_MAX)
        drop_instance(cluster, KCI_CONTAINER(kci_list_first(&telemetry->by_use), struct mb_telemetry_instance, link));
    return instance;
}

void mb_telemetry_use(struct mb_cluster *cluster, struct mb_telemetry_instance *instance, int64_t now)
{
    int64_t life = 3 * (int64_t)instance->interval_ms * 1000;
    instance->expires_at = now + (life > MB_TELEMETRY_LIFE_US ? life : MB_TELEMETRY_LIFE_US);
    kci_list_remove(&instance->link);
    kci_list_push(&cluster->telemetry->by_use, &instance->link);
}

void mb_telemetry_forget(struct mb_cluster *cluster, int32_t broker, const struct kci_uuid *id)
{
    struct mb_telemetry_instance *instance = mb_telemetry_find(cluster, broker, id, INT64_MIN);
    if (instance)
        drop_instance(cluster, instance);
}

static void drop_oldest(struct mb_cluster *cluster)
{
    struct mb_telemetry *telemetry = cluster->telemetry;
    struct push *push = KCI_CONTAINER(kci_list_pop(&telemetry->pushes), struct push, link);
    telemetry->push_count--;
    telemetry->push_bytes -= push->size;
    kci_alloc_free(cluster->alloc, push);
}

bool mb_telemetry_keep(struct mb_request *request, const uint8_t *plain, size_t size, size_t wire_size, int64_t now)
{
    const struct kci_push_telemetry_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct mb_telemetry *telemetry = begin(cluster);
    struct push *push = telemetry ? kci_alloc_zero(cluster->alloc, 1, sizeof *push + size) : NULL;
    if (!push)
        return false;
    push->instance = body->client_instance_id;
    push->time_ms = mb_cluster_wall_ms(cluster, now);
    push->broker = request->broker;
    snprintf(push->client_id, sizeof push->client_id, "%.*s",
             (int)(request->header.client_id.size < CLIENT_TEXT_MAX ? request->header.client_id.size : CLIENT_TEXT_MAX),
             request->header.client_id.data ? request->header.client_id.data : "");
    push->terminating = body->terminating;
    push->codec = body->compression_type;
    push->wire_size = wire_size;
    push->size = size;
    if (size)
        memcpy(push + 1, plain, size);
    kci_list_push(&telemetry->pushes, &push->link);
    telemetry->push_count++;
    telemetry->push_bytes += size;
    while (telemetry->push_count > MB_TELEMETRY_PUSHES_MAX ||
           (telemetry->push_bytes > MB_TELEMETRY_BYTES_MAX && telemetry->push_count > 1))
        drop_oldest(cluster);
    return true;
}

void mb_telemetry_destroy(struct mb_cluster *cluster)
{
    struct mb_telemetry *telemetry = cluster->telemetry;
    struct kci_list *node;
    if (!telemetry)
        return;
    while (telemetry->push_count)
        drop_oldest(cluster);
    while ((node = kci_list_first(&telemetry->by_use)) != NULL)
        drop_instance(cluster, KCI_CONTAINER(node, struct mb_telemetry_instance, link));
    kci_map_destroy(&telemetry->instances);
    kci_alloc_free(cluster->alloc, telemetry);
    cluster->telemetry = NULL;
}

/* ---- the names of the metrics ---- */

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
static const uint32_t path[] = { 1, 2, 2, 1 };
#define DEPTH (sizeof path / sizeof path[0])

/* The next field that is bytes. false: the end, or not protobuf. */
static bool next_bytes(struct kci_reader *r, uint32_t *field, struct kci_bytes *bytes)
{
    while (kci_reader_left(r) && !r->failed) {
        uint32_t tag = kci_reader_uvarint(r);
        *field = tag >> 3;
        if ((tag & 7) == WIRE_BYTES) {
            bytes->size = kci_reader_uvarint(r);
            bytes->data = kci_reader_take(r, bytes->size);
            return bytes->data != NULL;
        }
        if ((tag & 7) == WIRE_VARINT)
            kci_reader_uvarlong(r);
        else if ((tag & 7) == WIRE_FIXED64 || (tag & 7) == WIRE_FIXED32)
            kci_reader_take(r, (tag & 7) == WIRE_FIXED64 ? 8 : 4);
        else
            return false;
    }
    return false;
}

/* Walk down the path without recursion: a reader for each level. */
static void put_names(struct kci_writer *w, const uint8_t *data, size_t size)
{
    struct kci_reader readers[DEPTH];
    size_t level = 0;
    bool first = true;
    readers[0] = kci_reader_of(data, size);
    for (;;) {
        struct kci_bytes bytes;
        uint32_t field;
        if (!next_bytes(&readers[level], &field, &bytes)) {
            if (level-- == 0)
                return;
        } else if (field == path[level] && level + 1 < DEPTH) {
            readers[++level] = kci_reader_of(bytes.data, bytes.size);
        } else if (field == path[level]) {
            mb_json_put(w, first ? "" : ",");
            mb_json_put_string(w, (struct kci_str){ (const char *)bytes.data, bytes.size });
            first = false;
        }
    }
}

static void put_push(struct kci_writer *w, const struct push *push)
{
    char hex[2 * sizeof push->instance.b + 1];
    for (size_t i = 0; i < sizeof push->instance.b; i++)
        snprintf(hex + 2 * i, 3, "%02x", push->instance.b[i]);
    mb_json_put(w, "{\"time_ms\":");
    mb_json_put_integer(w, push->time_ms);
    mb_json_put(w, ",\"broker\":");
    mb_json_put_integer(w, push->broker);
    mb_json_put(w, ",\"client_instance_id\":");
    mb_json_put_string(w, kci_str_of(hex));
    mb_json_put(w, ",\"client_id\":");
    mb_json_put_string(w, kci_str_of(push->client_id));
    mb_json_put(w, push->terminating ? ",\"terminating\":true" : ",\"terminating\":false");
    mb_json_put(w, ",\"compression\":");
    mb_json_put_string(w, kci_str_of(kci_codec_name(push->codec)));
    mb_json_put(w, ",\"wire_bytes\":");
    mb_json_put_integer(w, (int64_t)push->wire_size);
    mb_json_put(w, ",\"bytes\":");
    mb_json_put_integer(w, (int64_t)push->size);
    mb_json_put(w, ",\"metrics\":[");
    put_names(w, (const uint8_t *)(push + 1), push->size);
    mb_json_put(w, "]}");
}

void mb_telemetry_write(const struct mb_cluster *cluster, struct kci_writer *w)
{
    bool first = true;
    mb_json_put(w, "{\"pushes\":[");
    if (cluster->telemetry)
        KCI_LIST_EACH(node, &cluster->telemetry->pushes)
        {
            mb_json_put(w, first ? "" : ",");
            put_push(w, KCI_CONTAINER(node, struct push, link));
            first = false;
        }
    mb_json_put(w, "]}");
}
