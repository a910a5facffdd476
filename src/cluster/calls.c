/* Takes calls in, finds them a node, and gives each back exactly once; the stages are drawn in calls.h.
 *
 * Everything that ends a call goes through kci_calls_finish, which first makes the call the owner's again and then runs
 * `done`; so `done` may hand over the same call again, cancel others, or free the call.  Loops here therefore hold no
 * pointer to a call across a `done`; lists are emptied from the front. */
#include "cluster/calls.h"

#include "cluster/internal.h"

#include <assert.h>

const char *kci_calls_name(const struct kci_call *call)
{
    const struct kci_api *api = kci_api_find(call->api);
    return api ? api->name : "an unknown request";
}

void kci_calls_detach(struct kci_call *call)
{
    kci_list_remove(&call->link);
    if (call->stage == KCI_CALL_QUEUED || call->stage == KCI_CALL_SENDING) {
        call->at->queued--;
    } else if (call->stage == KCI_CALL_FLIGHT) {
        call->at->in_flight--;
        kci_metrics_in_flight(call->at, -1);
    }
}

/* Put the call at the end of a node's queue. */
static void queue(struct kci_cluster *cluster, struct kci_node *node, struct kci_call *call)
{
    kci_calls_detach(call);
    call->stage = KCI_CALL_QUEUED;
    call->at = node;
    kci_list_push(&node->queue, &call->link);
    node->queued++;
    kci_outbox_mark(cluster, node);
}

void kci_calls_wait(struct kci_cluster *cluster, struct kci_call *call)
{
    kci_calls_detach(call);
    kci_outbox_release(cluster, call); /* another node may speak another version */
    call->at = NULL;
    call->stage = KCI_CALL_WAITING;
    kci_list_push(&cluster->waiting, &call->link);
    cluster->route_due = true;
}

void kci_calls_finish(struct kci_cluster *cluster, struct kci_call *call, struct kci_reply *reply, int64_t now)
{
    kci_calls_detach(call);
    kci_heap_remove(&cluster->call_timers, &call->timer);
    kci_outbox_release(cluster, call);
    reply->version = call->version;
    call->stage = KCI_CALL_IDLE;
    call->at = NULL;
    call->done(call, reply, now);
}

void kci_calls_fail(struct kci_cluster *cluster, struct kci_call *call, kc_err error, bool maybe_applied,
                    const char *text, int64_t now)
{
    struct kci_reply reply = { .error = error, .maybe_applied = maybe_applied, .text = text };
    if (call->at && error != KC_ERR_CLOSED)
        kci_metrics_unanswered(call->at, call->api);
    reply.node = call->at ? call->at->id : call->target >= 0 ? call->target : KCI_NODE_NONE;
    kci_calls_finish(cluster, call, &reply, now);
}

/* ---- in
 * ------------------------------------------------------------------------------------------------------------------ */

/* Node for a target, or NULL when it has to wait. */
static struct kci_node *find_node(struct kci_cluster *cluster, int32_t target, int64_t now)
{
    if (target == KCI_NODE_ANY)
        return kci_route_any(cluster, now);
    if (target == KCI_NODE_CONTROLLER)
        target = cluster->metadata.controller;
    return target == KCI_NODE_NONE ? NULL : kci_node_find(cluster, target);
}

/* Give the call a node, or let it wait for one. */
static void place(struct kci_cluster *cluster, struct kci_call *call, int64_t now)
{
    struct kci_node *node = find_node(cluster, call->target, now);
    if (!node)
        return;
    queue(cluster, node, call);
    kci_connection_demand(node, now);
}

void kci_cluster_call(struct kci_cluster *cluster, int32_t node, struct kci_call *call, int64_t now)
{
    assert(call->stage == KCI_CALL_IDLE && call->done);
    call->target = node;
    call->at = NULL;
    call->version = -1;
    call->started_at = now;
    call->stage = KCI_CALL_WAITING;
    if (cluster->closing)
        call->stage = KCI_CALL_DOOMED_CLOSED;
    else if (!kci_heap_set(&cluster->call_timers, &call->timer, now + (int64_t)call->timeout_ms * 1000))
        call->stage = KCI_CALL_DOOMED_NO_MEMORY;
    if (call->stage != KCI_CALL_WAITING) {
        kci_list_push(&cluster->doomed, &call->link);
        return;
    }
    kci_list_push(&cluster->waiting, &call->link);
    kci_metadata_need(cluster, now);
    if (node < 0) {
        cluster->route_due = true; /* in the next step, where a connection may be ready by then */
        if (node == KCI_NODE_CONTROLLER && cluster->metadata.controller == KCI_NODE_NONE)
            kci_metadata_refresh(cluster, "the controller is not known", now);
        return;
    }
    place(cluster, call, now);
    if (call->stage == KCI_CALL_WAITING)
        kci_metadata_refresh(cluster, "a node is not known", now);
}

/* A call for a node that the newest metadata does not know either. */
static bool is_hopeless(const struct kci_cluster *cluster, const struct kci_call *call)
{
    return call->target >= 0 && !kci_node_find(cluster, call->target) &&
           cluster->metadata.updated_at >= call->started_at;
}

void kci_calls_route(struct kci_cluster *cluster, int64_t now)
{
    bool none_for_any = false; /* one look is enough for all */
    if (!cluster->route_due)
        return;
    cluster->route_due = false;
    struct kci_list hopeless;
    kci_list_init(&hopeless);
    KCI_LIST_EACH(link, &cluster->waiting)
    {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        if (call->target == KCI_NODE_ANY && none_for_any)
            continue;
        if (is_hopeless(cluster, call)) {
            kci_calls_detach(call);
            call->stage = KCI_CALL_LOST;
            kci_list_push(&hopeless, &call->link);
            continue;
        }
        place(cluster, call, now);
        none_for_any = call->target == KCI_NODE_ANY && call->stage == KCI_CALL_WAITING;
    }
    for (struct kci_list *link; (link = kci_list_pop(&hopeless));) {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        char text[KCI_EXPLAIN_BYTES];
        struct kci_text t = kci_text_of(text, sizeof text);
        kci_text_add(&t, "%s was not sent: broker %d is not in the cluster's metadata", kci_calls_name(call),
                     (int)call->target);
        kci_calls_fail(cluster, call, KC_ERR_TRANSPORT, false, text, now);
    }
}

/* ---- out
 * ----------------------------------------------------------------------------------------------------------------- */

void kci_calls_doomed(struct kci_cluster *cluster, int64_t now)
{
    for (struct kci_list *link; (link = kci_list_first(&cluster->doomed));) {
        struct kci_call *call = KCI_CONTAINER(link, struct kci_call, link);
        bool closed = call->stage == KCI_CALL_DOOMED_CLOSED;
        kci_calls_fail(cluster, call, closed ? KC_ERR_CLOSED : KC_ERR_NO_MEMORY, false,
                       closed ? "the handle is being closed" : "out of memory before the request was sent", now);
    }
}

void kci_calls_timed_out(struct kci_cluster *cluster, struct kci_call *call, int64_t now)
{
    struct kci_node *node = call->at;
    char text[KCI_EXPLAIN_BYTES];
    struct kci_text t = kci_text_of(text, sizeof text);
    if (call->stage == KCI_CALL_FLIGHT || call->stage == KCI_CALL_SENDING) {
        kci_text_add(&t, "%s %s within ", call->stage == KCI_CALL_FLIGHT ? "did not answer" : "did not take",
                     kci_calls_name(call));
        kci_text_span(&t, now - call->started_at);
        kci_text_add(&t, ": the connection is closed");
        kci_connection_fail(node, call, KC_ERR_TIMED_OUT, text, now);
        return;
    }
    kci_text_add(&t, "timed out after ");
    kci_text_span(&t, now - call->started_at);
    kci_text_add(&t, ": %s was not sent; ", kci_calls_name(call));
    if (node)
        kci_node_why(node, &t, now);
    else
        kci_cluster_explain(cluster, t.data + t.used, t.size - t.used, now);
    kci_calls_fail(cluster, call, KC_ERR_TIMED_OUT, false, text, now);
}

void kci_cluster_cancel(struct kci_cluster *cluster, struct kci_call *call, int64_t now)
{
    struct kci_node *node = call->at;
    bool sent = call->stage == KCI_CALL_FLIGHT, partly = sent || call->stage == KCI_CALL_SENDING;
    struct kci_list mine; /* another `done` may give it up, too, meanwhile: then it is not here any more */
    if (call->stage == KCI_CALL_IDLE)
        return;
    kci_list_init(&mine);
    kci_calls_detach(call);
    call->stage = KCI_CALL_LOST;
    kci_list_push(&mine, &call->link);
    if (partly) /* its answer would be taken for the next one's */
        kci_connection_close(node, "was disconnected because a request was given up", now);
    if (!kci_list_empty(&mine))
        kci_calls_fail(cluster, call, KC_ERR_CLOSED, sent, "the call was given up", now);
}
