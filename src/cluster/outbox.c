/* Sends what nodes have queued.
 *
 *      queue   [ call | call | call ]      each call is a rope: head (size, header, encoded request), the owner's body
 *                  ^ piece, piece_offset: how far the first call went
 *
 * A call is encoded when its turn comes, because only then the connection's versions are known.  One send takes the
 * pieces of as many calls as fit below the limits, so a large Produce request leaves in one system call with its head,
 * and small requests share one.  Nothing is copied but the encoded heads; buffers of heads are kept and used again.
 *
 * What the transport did not take stays where it is until on_sent; nothing of a call is read after its last byte was
 * taken. */
#include "cluster/outbox.h"

#include "cluster/internal.h"

/* kci_alloc.resize that remembers failures. */
static void *watched_resize(void *context, void *block, size_t size)
{
    struct kci_cluster *cluster = context;
    void *result = cluster->alloc->resize(cluster->alloc->context, block, size);
    if (!result && size)
        cluster->outbox.no_memory = true;
    return result;
}

bool kci_outbox_init(struct kci_cluster *cluster)
{
    struct kci_outbox *o = &cluster->outbox;
    o->watched = (struct kci_alloc){ watched_resize, cluster };
    o->pieces = kci_alloc_zero(cluster->alloc, KCI_OUTBOX_PIECES_MAX, sizeof *o->pieces);
    return o->pieces != NULL;
}

void kci_outbox_destroy(struct kci_cluster *cluster)
{
    struct kci_outbox *o = &cluster->outbox;
    while (o->head_count)
        kci_writer_destroy(&o->heads[--o->head_count]);
    kci_alloc_free(cluster->alloc, o->pieces);
}

void kci_outbox_mark(struct kci_cluster *cluster, struct kci_node *node)
{
    if (!kci_list_linked(&node->dirty))
        kci_list_push(&cluster->dirty, &node->dirty);
}

void kci_outbox_reset(struct kci_node *node)
{
    node->piece = node->piece_offset = 0;
    kci_list_remove(&node->dirty);
}

/* ---- heads
 * --------------------------------------------------------------------------------------------------------------- */

static struct kci_writer take_head(struct kci_outbox *o)
{
    return o->head_count ? o->heads[--o->head_count] : kci_writer_of(&o->watched, KCI_FRAME_BYTES_MAX);
}

void kci_outbox_release(struct kci_cluster *cluster, struct kci_call *call)
{
    struct kci_outbox *o = &cluster->outbox;
    struct kci_writer head = call->head;
    if (!head.data)
        return;
    call->head = (struct kci_writer){ 0 };
    head.size = 0;
    head.failed = false;
    if (o->head_count < KCI_OUTBOX_HEADS && head.capacity <= KCI_OUTBOX_HEAD_KEEP)
        o->heads[o->head_count++] = head;
    else
        kci_writer_destroy(&head);
}

static size_t body_bytes(const struct kci_call *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->body_count && !call->request; i++)
        bytes += call->body[i].size;
    return bytes;
}

/* Pieces of a call's rope, the head included. */
static size_t piece_count(const struct kci_call *call)
{
    return 1 + (call->request ? 0 : call->body_count);
}

static int16_t choose_version(const struct kci_node *node, const struct kci_call *call)
{
    if (call == &node->hello)
        return node->hello_version;
    return kci_versions_common(&node->versions, call->api, call->version_min, call->version_max);
}

static kc_err no_version(const struct kci_node *node, const struct kci_call *call, struct kci_text *text)
{
    kci_node_name(node, text);
    kci_text_add(text, " has no version of %s that this client uses (v%d to v%d): ", kci_calls_name(call),
                 call->version_min, call->version_max);
    if (call->api < 0 || call->api >= KCI_VERSIONS_APIS ||
        node->versions.ranges[call->api].max < node->versions.ranges[call->api].min)
        kci_text_add(text, "it does not have it at all");
    else
        kci_text_add(text, "it has v%d to v%d", node->versions.ranges[call->api].min,
                     node->versions.ranges[call->api].max);
    return KC_ERR_NO_VERSION;
}

kc_err kci_outbox_encode(struct kci_cluster *cluster, struct kci_node *node, struct kci_call *call,
                         struct kci_text *text)
{
    struct kci_outbox *o = &cluster->outbox;
    const struct kci_api *api = kci_api_find(call->api);
    call->version = choose_version(node, call);
    if (!api || call->version < 0)
        return no_version(node, call, text);
    o->no_memory = false;
    call->head = take_head(o);
    call->correlation = node->next_correlation;
    struct kci_request_header header = { call->api, call->version, call->correlation,
                                         kci_str_of(cluster->settings->client_id) };
    kci_request_header_write(&call->head, api, &header);
    if (call->prepare && !call->prepare(call, call->version))
        o->no_memory = call->head.failed = true;
    else if (call->request)
        kci_codec_encode(api->request, call->version, call->request, &call->head);
    kci_frame_finish(&call->head, 0, body_bytes(call));
    if (!call->head.failed) {
        node->next_correlation = node->next_correlation == INT32_MAX ? 0 : node->next_correlation + 1;
        return KC_OK;
    }
    kci_outbox_release(cluster, call);
    if (o->no_memory) {
        kci_text_add(text, "out of memory before %s was sent", api->name);
        return KC_ERR_NO_MEMORY;
    }
    kci_node_name(node, text);
    kci_text_add(text, " speaks %s up to v%d, which cannot express this request", api->name, call->version);
    return KC_ERR_NO_VERSION;
}

/* ---- sending
 * ------------------------------------------------------------------------------------------------------------- */

/* The next call that may go: ApiVersions while negotiating, anything when ready and within the limits. */
static bool may_send(const struct kci_node *node, const struct kci_call *call, int32_t going, int64_t now)
{
    if (node->state == KCI_CONNECTION_NEGOTIATING)
        return call == &node->hello;
    if (call->stage == KCI_CALL_SENDING)
        return true;
    return node->state == KCI_CONNECTION_READY && node->throttled_until <= now &&
           node->in_flight + going < node->cluster->in_flight_max;
}

/* Pieces of one call from where it stands; returns how many were added. */
static size_t gather(const struct kci_call *call, size_t piece, size_t offset, struct kci_iov *out, size_t room,
                     size_t *bytes)
{
    size_t total = piece_count(call), n = 0;
    for (; piece < total && n < room; piece++, offset = 0) {
        const uint8_t *data = piece ? call->body[piece - 1].data : call->head.data;
        size_t size = (piece ? call->body[piece - 1].size : call->head.size) - offset;
        if (size == 0)
            continue;
        out[n++] = (struct kci_iov){ data + offset, size };
        *bytes += size;
    }
    return n;
}

/* The calls that cannot be encoded leave the queue through `refused`. */
struct refusal {
    struct kci_list calls;
    kc_err error; /* of the only call in it */
    char text[KCI_EXPLAIN_BYTES];
};

/* Fill the cluster's pieces; stops at the first call that cannot be encoded, which is then in `refused`. */
static size_t gather_calls(struct kci_cluster *cluster, struct kci_node *node, struct refusal *refused, size_t *bytes,
                           int64_t now)
{
    size_t n = 0;
    int32_t going = 0;
    KCI_LIST_EACH(link, &node->queue)
    {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        bool first = link == node->queue.next;
        if (n == KCI_OUTBOX_PIECES_MAX || *bytes >= KCI_OUTBOX_BYTES || !may_send(node, call, going, now))
            break;
        if (!call->head.data) {
            struct kci_text text = kci_text_of(refused->text, sizeof refused->text);
            refused->error = kci_outbox_encode(cluster, node, call, &text);
            if (refused->error) {
                kci_calls_detach(call);
                call->stage = KCI_CALL_LOST;
                kci_list_push(&refused->calls, &call->link);
                break;
            }
        }
        n += gather(call, first ? node->piece : 0, first ? node->piece_offset : 0, cluster->outbox.pieces + n,
                    KCI_OUTBOX_PIECES_MAX - n, bytes);
        going += !call->no_reply;
    }
    return n;
}

/* The first call is with the transport as a whole. */
static void sent_call(struct kci_node *node, struct kci_call *call, struct kci_list *finished, int64_t now)
{
    kci_calls_detach(call);
    kci_metrics_requested(node, call->api, now);
    node->piece = node->piece_offset = 0;
    if (call->no_reply) {
        call->stage = KCI_CALL_LOST;
        kci_list_push(finished, &call->link);
        return;
    }
    call->stage = KCI_CALL_FLIGHT;
    call->sent_at = now;
    kci_metrics_in_flight(node, 1);
    kci_list_push(&node->flight, &call->link);
    node->in_flight++;
}

/* Account for `taken` bytes. */
static void advance(struct kci_node *node, size_t taken, struct kci_list *finished, int64_t now)
{
    while (taken > 0) {
        struct kci_call *call = KCI_CONTAINER(kci_list_first(&node->queue), struct kci_call, link);
        size_t total = piece_count(call);
        call->stage = KCI_CALL_SENDING;
        while (node->piece < total) {
            size_t left = (node->piece ? call->body[node->piece - 1].size : call->head.size) - node->piece_offset;
            if (left > taken) {
                node->piece_offset += taken;
                return;
            }
            taken -= left;
            node->piece++;
            node->piece_offset = 0;
        }
        sent_call(node, call, finished, now);
    }
}

/* The ends of calls that need no answer or could not be encoded. */
static void finish(struct kci_cluster *cluster, struct kci_node *node, struct kci_list *finished,
                   struct refusal *refused, int64_t now)
{
    for (struct kci_list *link; (link = kci_list_pop(finished));) {
        struct kci_reply reply = { .node = node->id, .maybe_applied = true };
        kci_calls_finish(cluster, KCI_CONTAINER(link, struct kci_call, link), &reply, now);
    }
    for (struct kci_list *link; (link = kci_list_pop(&refused->calls));)
        kci_calls_fail(cluster, KCI_CONTAINER(link, struct kci_call, link), refused->error, false, refused->text, now);
}

static void flush_node(struct kci_cluster *cluster, struct kci_node *node, int64_t now)
{
    struct refusal refused;
    struct kci_list finished;
    size_t bytes, taken;
    do {
        kci_list_init(&finished);
        kci_list_init(&refused.calls);
        bytes = taken = 0;
        if (!node->conn || node->blocked)
            return;
        size_t n = gather_calls(cluster, node, &refused, &bytes, now);
        if (n) {
            taken = cluster->transport.send(cluster->transport.context, node->conn, cluster->outbox.pieces, n);
            node->blocked = taken < bytes;
            if (taken)
                node->last_used = now;
            kci_metrics_moved(node, taken, 0, now);
            advance(node, taken, &finished, now);
        }
        bool more = n || !kci_list_empty(&refused.calls);
        finish(cluster, node, &finished, &refused, now);
        if (!more)
            return;
    } while (true);
}

void kci_outbox_flush(struct kci_cluster *cluster, int64_t now)
{
    /* a `done` may mark nodes again: they are sent to in this step as well */
    for (struct kci_list *link; (link = kci_list_pop(&cluster->dirty));)
        flush_node(cluster, KCI_CONTAINER(link, struct kci_node, dirty), now);
}
