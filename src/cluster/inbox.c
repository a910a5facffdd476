/* Frames to replies.  A broker answers the requests of one connection in order, so the next frame belongs to the oldest
 * request in flight, and its correlation id must say so: anything else means that we do not understand each other any
 * more, and the connection ends.  A response that does not decode ends it as well: what else was decoded wrongly?
 *
 * Lack of memory is different: frames are still in step, and only the call at hand fails. */
#include "cluster/inbox.h"

#include "cluster/internal.h"
#include "cluster/sniff.h"
#include "cluster/throttle.h"

static void malformed(struct kci_node *node, struct kci_call *call, const char *problem, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    kci_text_add(&t, "sent a malformed response");
    if (call)
        kci_text_add(&t, " to %s v%d", kci_calls_name(call), call->version);
    kci_text_add(&t, ": %s", problem);
    kci_connection_fail(node, call, KC_ERR_MALFORMED, what, now);
}

/* The stream cannot be cut into frames any more. */
static void bad_frame(struct kci_node *node, int64_t now)
{
    char what[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(what, sizeof what);
    uint8_t bytes[KCI_SNIFF_BYTES];
    size_t size = kci_splitter_peek(&node->splitter, bytes, sizeof bytes);
    struct kci_list *oldest = kci_list_first(&node->flight); /* whose answer this would have been */
    struct kci_call *call = oldest ? KCI_CONTAINER(oldest, struct kci_call, link) : NULL;
    if (node->splitter.bad_size == 0) {
        kci_connection_fail(node, call, KC_ERR_NO_MEMORY, "was disconnected: no memory for its response", now);
        return;
    }
    if (node->state == KCI_CONNECTION_NEGOTIATING && kci_sniff(bytes, size, &t)) {
        kci_connection_fail(node, NULL, KC_ERR_NOT_KAFKA, what, now);
        return;
    }
    kci_text_add(&t, "sent a frame of %d bytes, which cannot be (limit %u): is it a Kafka broker?",
                 (int)node->splitter.bad_size, (unsigned)KCI_FRAME_BYTES_MAX);
    kci_connection_fail(node, call, KC_ERR_MALFORMED, what, now);
}

/* Decode into the arena; on failure *reply says what is wrong and false is returned. */
static bool decode(struct kci_cluster *cluster, const struct kci_api *api, struct kci_call *call,
                   struct kci_reply *reply, struct kci_text *problem)
{
    const char *bad_field = NULL;
    struct kci_reader r = reply->body;
    kci_arena_reset(&cluster->arena);
    reply->response = kci_arena_take(&cluster->arena, kci_schema_size(api->response));
    if (!reply->response) {
        reply->error = KC_ERR_NO_MEMORY;
    } else if (!kci_codec_decode(api->response, call->version, &r, &cluster->arena, reply->response, &bad_field)) {
        reply->error = bad_field && strcmp(bad_field, "(memory limit)") == 0 ? KC_ERR_NO_MEMORY : KC_ERR_MALFORMED;
        kci_text_add(problem, "bad field %s", bad_field ? bad_field : "?");
    } else if (kci_reader_left(&r)) {
        reply->error = KC_ERR_MALFORMED;
        kci_text_add(problem, "%zu bytes too many", kci_reader_left(&r));
    }
    if (reply->error)
        reply->response = NULL;
    return reply->error == KC_OK;
}

static void answer(struct kci_node *node, struct kci_call *call, struct kci_frame *frame, struct kci_reader body,
                   int64_t now)
{
    struct kci_cluster *cluster = node->cluster;
    char problem[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(problem, sizeof problem);
    struct kci_reply reply = { .node = node->id, .maybe_applied = true, .body = body, .frame = frame };
    bool decoded = !call->raw_reply && decode(cluster, kci_api_find(call->api), call, &reply, &t);
    if (reply.error == KC_ERR_MALFORMED) {
        malformed(node, call, problem, now);
        return;
    }
    if (reply.error) {
        char text[KCI_EXPLAIN_BYTES];
        t = kci_text_of(text, sizeof text);
        kci_text_add(&t, "%s was answered by ", kci_calls_name(call));
        kci_node_name(node, &t);
        kci_text_add(&t, ", but there is no memory to decode %zu bytes", kci_reader_left(&body));
        kci_calls_fail(cluster, call, reply.error, true, text, now);
        return;
    }
    kci_connection_answered(node);
    kci_metrics_answered(node, call->api, now - call->sent_at);
    reply.throttle_ms =
        decoded ? kci_throttle_of(call->api, reply.response) : kci_throttle_of_raw(call->api, call->version, body);
    kci_connection_throttle(node, reply.throttle_ms, now);
    kci_calls_finish(cluster, call, &reply, now);
}

static void take(struct kci_node *node, struct kci_frame *frame, int64_t now)
{
    struct kci_list *link = kci_list_first(&node->flight);
    struct kci_reader r = kci_reader_of(frame->data, frame->size);
    char problem[KCI_NODE_WHY_BYTES];
    struct kci_text t = kci_text_of(problem, sizeof problem);
    int32_t correlation;
    if (!link) {
        malformed(node, NULL, "nothing was asked", now);
        return;
    }
    struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
    if (!kci_response_header_read(&r, kci_api_find(call->api), call->version, &correlation)) {
        malformed(node, call, "bad header", now);
    } else if (correlation != call->correlation) {
        kci_text_add(&t, "correlation id %d where %d is due", (int)correlation, (int)call->correlation);
        malformed(node, call, problem, now);
    } else if (call == &node->hello) {
        kci_metrics_answered(node, call->api, now - call->sent_at);
        kci_calls_detach(call);
        call->stage = KCI_CALL_IDLE;
        kci_outbox_release(node->cluster, call);
        kci_connection_hello(node, &r, now);
    } else {
        answer(node, call, frame, r, now);
    }
}

void kci_inbox_received(struct kci_node *node, size_t size, int64_t now)
{
    kci_conn conn = node->conn;
    int found = 0;
    node->heard = true;
    node->last_used = now;
    kci_metrics_moved(node, 0, size, now);
    kci_splitter_received(&node->splitter, size);
    /* a `done` or a bad response may end the connection, and the splitter with it */
    for (struct kci_frame *frame; node->conn == conn && (found = kci_splitter_next(&node->splitter, &frame)) == 1;) {
        take(node, frame, now);
        kci_frame_release(frame);
    }
    if (node->conn == conn && found < 0)
        bad_frame(node, now);
    if (node->conn == conn)
        kci_connection_quiet(node, now);
}
