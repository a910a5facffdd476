/* Fetch sessions are given back when the consumer closes (KIP-227): a broker has few places for them, and a session
 * that nobody closes takes one for minutes.
 *
 * The last request of a session is (id, epoch -1), without partitions.  The connection that fetches is often of no use
 * for it, because a fetch is parked there for up to fetch.max.wait.ms and answers come in order; then it goes over the
 * broker's second connection, which a group's coordinator has anyway.  It is a courtesy: it is waited for a moment, not
 * repeated, and failures do not matter. */
#include "consumer/internal.h"

#define WAIT_MS 500 /* for all of them together */

static void closed(struct kci_call *call, const struct kci_reply *reply, int64_t now)
{
    struct kci_fetch_node *node = call->owner;
    struct kci_consumer *c = node->consumer;
    (void)reply;
    (void)now;
    kci_consumer_lock(c);
    node->close_asked = false;
    kci_consumer_tell(c);
    kci_consumer_unlock(c);
}

static void send_close(struct kci_consumer *c, struct kci_fetch_node *node, int64_t now)
{
    int32_t to = node->in_flight ? kci_cluster_lane(c->cluster, node->node) : node->node;
    kci_codec_init(&kci_fetch_request_schema, &node->close_request);
    node->close_request.session_id = node->session.id;
    node->close_request.session_epoch = -1;
    node->close_request.rack_id = kci_str_of("");
    memset(&node->close_call, 0, sizeof node->close_call);
    node->close_call.api = KCI_API_FETCH;
    node->close_call.version_min = 7;
    node->close_call.version_max = node->session.with_ids ? KCI_FETCH_VERSION_MAX : KCI_FETCH_VERSION_IDS - 1;
    node->close_call.request = &node->close_request;
    node->close_call.timeout_ms = WAIT_MS;
    node->close_call.raw_reply = true;
    node->close_call.done = closed;
    node->close_call.owner = node;
    node->close_asked = true;
    node->session.id = 0;
    kci_cluster_call(c->cluster, to, &node->close_call, now);
}

void kci_fetcher_begin_close(struct kci_consumer *c, int64_t now, int64_t deadline)
{
    int64_t until = now + (int64_t)WAIT_MS * KCI_MS;
    c->fetcher.stopped = true;
    c->fetcher.close_until = until < deadline ? until : deadline;
    kci_consumer_want_step(c);
}

void kci_fetcher_close_step(struct kci_consumer *c, int64_t now)
{
    bool waits = false;
    if (c->fetcher.closed || c->fetcher.close_until == 0)
        return;
    KCI_LIST_EACH(link, &c->fetcher.nodes)
    {
        struct kci_fetch_node *node = KCI_CONTAINER(link, struct kci_fetch_node, link);
        if (node->session.id != 0 && !node->close_asked)
            send_close(c, node, now);
        waits |= node->close_asked;
    }
    if (waits && now < c->fetcher.close_until) {
        kci_consumer_at(c, c->fetcher.close_until);
        return;
    }
    c->fetcher.closed = true;
    kci_consumer_tell(c);
}
