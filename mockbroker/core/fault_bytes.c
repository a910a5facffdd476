/* Faults that change an answer: the whole frame is in plan->bytes.
 *
 *      size i32 | correlation i32 | [tags] | body        offsets of "corrupt" and "truncate" count from the body
 *
 * What an answer says is changed by decoding it, changing the struct and encoding it again. */
#include "mockbroker/core/connection.h"
#include "mockbroker/core/fault_target.h"

bool mb_fault_rewrite(struct mb_fault_plan *plan,
                      bool (*change)(struct mb_fault_plan *plan, void *response, void *user), void *user)
{
    struct mb_request *request = plan->request;
    const struct kci_api *api = request->api;
    int16_t version = request->header.version;
    if (plan->raw)
        return true;
    struct kci_reader r = kci_reader_of(plan->bytes.data + 4, plan->bytes.size - 4);
    struct kci_writer w = kci_writer_of(request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
    void *response = kci_arena_take(&request->arena, kci_schema_size(api->response));
    int32_t correlation;
    bool ok = response && kci_response_header_read(&r, api, version, &correlation) &&
              kci_codec_decode(api->response, version, &r, &request->arena, response, NULL) &&
              change(plan, response, user);
    if (ok) {
        kci_response_header_write(&w, api, version, correlation);
        ok = kci_codec_encode(api->response, version, response, &w) && !w.failed;
    }
    if (!ok) {
        kci_writer_destroy(&w);
        return false;
    }
    kci_frame_finish(&w, 0, 0);
    kci_writer_destroy(&plan->bytes);
    plan->bytes = w;
    return true;
}

static const struct kci_field *throttle_field(const struct mb_request *request)
{
    const struct kci_schema *schema = request->api->response;
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, "throttle_time_ms") == 0 &&
            kci_field_exists(&schema->fields[i], request->header.version))
            return &schema->fields[i];
    return NULL;
}

static bool set_throttle(struct mb_fault_plan *plan, void *response, void *user)
{
    const struct mb_fault *fault = user;
    const struct kci_field *field = throttle_field(plan->request);
    if (field)
        *(int32_t *)(void *)((char *)response + field->offset) = fault->action.number;
    return field != NULL; /* old versions have none */
}

/* Bytes before the body. */
static size_t body_start(const struct mb_fault_plan *plan)
{
    struct kci_reader r = kci_reader_of(plan->bytes.data + 4, plan->bytes.size - 4);
    int32_t correlation;
    kci_response_header_read(&r, plan->request->api, plan->request->header.version, &correlation);
    return plan->bytes.size - kci_reader_left(&r);
}

static void corrupt(struct mb_fault_plan *plan, struct mb_fault *fault)
{
    size_t start = body_start(plan), room = plan->bytes.size - start;
    for (int64_t i = 0; room && i < fault->action.bytes; i++) {
        size_t at =
            fault->action.offset >= 0 ? (size_t)(fault->action.offset + i) : (size_t)kci_prng_below(&fault->prng, room);
        if (at < room)
            plan->bytes.data[start + at] ^= (uint8_t)(1 + kci_prng_below(&fault->prng, 255));
    }
}

/* The frame ends early and says so: a decoder runs out of bytes. */
static void truncate(struct mb_fault_plan *plan, const struct mb_fault *fault)
{
    size_t start = body_start(plan), body = plan->bytes.size - start;
    size_t left = fault->action.bytes < 0 ? body / 2 : (size_t)fault->action.bytes;
    if (left >= body)
        return;
    plan->bytes.size = start + left;
    kci_put32(plan->bytes.data, (uint32_t)(plan->bytes.size - 4));
}

/* Bytes that need not be a frame: a length that lies, the answer of an HTTP server, a count that nothing stands behind. */
static void replace(struct mb_fault_plan *plan, const struct mb_fault *fault)
{
    struct kci_writer w = kci_writer_of(plan->request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
    kci_writer_bytes(&w, fault->action.raw, fault->action.raw_size);
    if (w.failed) {
        kci_writer_destroy(&w);
        return;
    }
    kci_writer_destroy(&plan->bytes);
    plan->bytes = w;
    plan->raw = true;
}

/* An older broker, by what it says of itself: what is not told is served all the same. */
static bool lower_version(struct mb_fault_plan *plan, void *response, void *user)
{
    const struct mb_fault *fault = user;
    struct kci_api_versions_response *answer = response;
    int32_t kept = 0;
    (void)plan;
    for (int32_t i = 0; i < answer->api_keys_count; i++) {
        struct kci_api_versions_response__api_version *row = &answer->api_keys[i];
        if (row->api_key == fault->action.number && row->max_version > fault->action.max)
            row->max_version = fault->action.max;
        if (row->max_version >= row->min_version)
            answer->api_keys[kept++] = *row;
    }
    answer->api_keys_count = kept;
    return true;
}

void mb_fault_damage(struct mb_fault_plan *plan, struct mb_fault *fault)
{
    if (plan->raw)
        return;
    switch (fault->action.kind) {
    case MB_FAULT_THROTTLE:
        mb_fault_rewrite(plan, set_throttle, fault);
        break;
    case MB_FAULT_CORRUPT:
        corrupt(plan, fault);
        break;
    case MB_FAULT_WRONG_CORRELATION:
        kci_put32(plan->bytes.data + 4, kci_be32(plan->bytes.data + 4) + (uint32_t)fault->action.number);
        break;
    case MB_FAULT_TRUNCATE:
        truncate(plan, fault);
        break;
    case MB_FAULT_DUPLICATE:
        plan->twice = true;
        plan->twice_by = fault->action.number;
        break;
    case MB_FAULT_RAW:
        replace(plan, fault);
        break;
    case MB_FAULT_VERSIONS:
        mb_fault_rewrite(plan, lower_version, fault);
        break;
    case MB_FAULT_EMPTY_METADATA:
    case MB_FAULT_CONTRADICTORY_METADATA:
    case MB_FAULT_STALE_METADATA:
    case MB_FAULT_NO_LEADER:
    case MB_FAULT_MISSING_TOPIC:
    case MB_FAULT_HIDDEN_BROKER:
        mb_fault_rewrite(plan, mb_fault_metadata, fault);
        break;
    default:
        break;
    }
}
