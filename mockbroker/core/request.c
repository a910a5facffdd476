/* The life of a request: see request.h.  Whatever a client sends, it gets Kafka's answer: a header that cannot be read,
 * an API or a version that was not advertised, a body that does not decode: the connection is closed.  Bytes behind the
 * body are not looked at.  ApiVersions is the exception: an unknown version of it is answered with version 0 and error 35 (KIP-511). */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/connection.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/journal.h"
#include "mockbroker/core/quota.h"
#include "mockbroker/core/sasl.h"
#include "protocol/codec_table.h"

#include <stdio.h>

void mb_request_begin(struct mb_connection *connection, struct kci_frame *frame, int64_t now);

static void free_request(struct mb_request *request)
{
    struct mb_cluster *cluster = request->cluster;
    mb_fault_forget(request);
    kci_arena_destroy(&request->arena);
    kci_frame_release(request->frame);
    kci_alloc_free(cluster->alloc, request);
    cluster->request_count--;
}

static bool decode(struct mb_request *request, struct kci_reader *r, char *why, size_t why_size)
{
    const char *field = NULL;
    request->body = kci_arena_take(&request->arena, kci_schema_size(request->api->request));
    if (!request->body) {
        snprintf(why, why_size, "no memory for a %s request", request->api->name);
        return false;
    }
    if (!kci_codec_decode(request->api->request, request->header.version, r, &request->arena, request->body, &field)) {
        snprintf(why, why_size, "a %s v%d request with a bad %s", request->api->name, request->header.version,
                 field ? field : "field");
        return false;
    }
    return true;
}

/* Owns the frame. */
void mb_request_begin(struct mb_connection *connection, struct kci_frame *frame, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    if (connection->sasl && mb_sasl_takes(connection, frame, now))
        return;
    struct kci_reader r = kci_reader_of(frame->data, frame->size);
    struct mb_request *request = kci_alloc_zero(cluster->alloc, 1, sizeof *request);
    char why[160] = "no memory for a request";
    if (!request) {
        kci_frame_release(frame);
        mb_connection_hang_up(connection, why, now);
        return;
    }
    cluster->request_count++;
    request->cluster = cluster;
    request->broker = connection->broker;
    request->connection = connection;
    request->frame = frame;
    request->arena = kci_arena_of(cluster->alloc, MB_REQUEST_ARENA_BYTES_MAX);
    memcpy(request->client_host, connection->client_host, sizeof request->client_host);
    connection->request = request;
    if (!kci_request_header_read(&r, &request->header)) {
        mb_request_hang_up(request, "a request header that cannot be read", now);
        return;
    }
    const struct mb_api_row *row = mb_cluster_api(cluster, request->header.api_key);
    request->api = kci_api_find(request->header.api_key);
    bool known = row && request->api && request->header.version >= row->version_min &&
                 request->header.version <= row->version_max;
    if (!known && !(row && request->header.api_key == KCI_API_API_VERSIONS)) {
        snprintf(why, sizeof why, "%s v%d (key %d) is not advertised", request->api ? request->api->name : "an API",
                 request->header.version, request->header.api_key);
        mb_request_hang_up(request, why, now);
        return;
    }
    if (known && !decode(request, &r, why, sizeof why)) {
        mb_request_hang_up(request, why, now);
        return;
    }
    if (cluster->journal)
        mb_journal_begin(request, now);
    if (connection->sasl && !mb_sasl_admits(request, now))
        return;
    if (cluster->authorizer && mb_authorize_request(request, now))
        return;
    if (!cluster->faults || !mb_fault_request(request, now))
        row->handle(request, now);
}

void mb_request_handle(struct mb_request *request, int64_t now)
{
    mb_cluster_api(request->cluster, request->header.api_key)->handle(request, now);
}

/* The end of a request, unless a fault keeps its answer. */
static void finish(struct mb_request *request, struct mb_outgoing *outgoing, int64_t now)
{
    struct mb_connection *connection = request->connection;
    if (request->plan && outgoing && mb_fault_answer(request, outgoing, now))
        return;
    if (request->journal && outgoing && !mb_request_abandoned(request))
        mb_journal_outgoing(request, outgoing, now);
    if (request->journal)
        mb_journal_end(request, mb_request_abandoned(request) ? MB_JOURNAL_GONE : MB_JOURNAL_UNANSWERED, now);
    free_request(request);
    if (outgoing)
        mb_connection_answer(connection, outgoing);
    else
        mb_connection_request_done(connection);
}

/* An answer with its header, ready for a body. NULL: no memory. */
static struct mb_outgoing *begin_answer(struct mb_request *request, int16_t version)
{
    struct mb_outgoing *outgoing = kci_alloc_zero(request->cluster->alloc, 1, sizeof *outgoing);
    if (outgoing) {
        outgoing->body = kci_writer_of(request->cluster->alloc, MB_RESPONSE_BYTES_MAX);
        kci_response_header_write(&outgoing->body, request->api, version, request->header.correlation);
    }
    return outgoing;
}

static void answer_version(struct mb_request *request, int16_t version, const void *response, int64_t now)
{
    struct mb_outgoing *outgoing = begin_answer(request, version);
    if (outgoing && kci_codec_encode(request->api->response, version, response, &outgoing->body) &&
        !outgoing->body.failed) {
        kci_frame_finish(&outgoing->body, 0, 0);
        finish(request, outgoing, now);
        return;
    }
    if (outgoing)
        mb_outgoing_free(request->cluster->alloc, outgoing);
    char why[120];
    snprintf(why, sizeof why, "no memory for a %s v%d answer, or a field that this version cannot hold",
             request->api->name, version);
    mb_request_hang_up(request, why, now);
}

/* KIP-219: the client learns for how long it will not be heard. */
static void set_throttle_time(const struct mb_request *request, int16_t version, const void *response, int32_t wait_ms)
{
    const struct kci_schema *schema = request->api->response;
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, "throttle_time_ms") == 0 && kci_field_exists(&schema->fields[i], version))
            *(int32_t *)(void *)((char *)(uintptr_t)response + schema->fields[i].offset) = wait_ms;
}

void mb_request_answer(struct mb_request *request, const void *response, int64_t now)
{
    const struct mb_api_row *row = mb_cluster_api(request->cluster, request->header.api_key);
    bool known = request->header.version >= row->version_min && request->header.version <= row->version_max;
    int16_t version = known ? request->header.version : 0;
    int32_t wait_ms = mb_sasl_is_login(request) ? 0 : mb_quota_at_answer(request, now);
    if (wait_ms)
        set_throttle_time(request, version, response, wait_ms);
    answer_version(request, version, response, now);
}

void mb_request_answer_rope(struct mb_request *request, const struct kci_iov *pieces, size_t count,
                            void (*release)(void *owner), void *owner, int64_t now)
{
    struct mb_outgoing *outgoing = begin_answer(request, request->header.version);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pieces[i].size;
    if (!outgoing || outgoing->body.failed) {
        if (outgoing)
            mb_outgoing_free(request->cluster->alloc, outgoing);
        release(owner);
        mb_request_hang_up(request, "no memory for an answer", now);
        return;
    }
    kci_frame_finish(&outgoing->body, 0, bytes);
    outgoing->rope = pieces;
    outgoing->rope_count = count;
    outgoing->release = release;
    outgoing->owner = owner;
    finish(request, outgoing, now);
}

void mb_request_no_answer(struct mb_request *request, int64_t now)
{
    mb_quota_at_answer(request, now);
    finish(request, NULL, now);
}

void mb_request_hang_up(struct mb_request *request, const char *why, int64_t now)
{
    request->on_close = NULL; /* it is being finished right here */
    if (request->journal)
        mb_journal_end(request, MB_JOURNAL_DISCONNECTED, now);
    mb_connection_hang_up(request->connection, why, now);
    finish(request, NULL, now);
}

struct kci_str mb_request_principal(const struct mb_request *request)
{
    const struct mb_sasl *sasl = request->connection->sasl;
    return kci_str_of(sasl && sasl->known.principal[0] ? sasl->known.principal : "User:ANONYMOUS");
}

struct kci_str mb_request_user(const struct mb_request *request)
{
    struct kci_str principal = mb_request_principal(request);
    size_t type = (size_t)((const char *)memchr(principal.data, ':', principal.size) - principal.data) + 1;
    return (struct kci_str){ principal.data + type, principal.size - type };
}

bool mb_request_abandoned(const struct mb_request *request)
{
    return request->connection->conn == 0;
}
