/* The connection of one node: made on demand, negotiated, lost, made again. The machine is drawn in connection.c. */
#ifndef KCI_CLUSTER_CONNECTION_H
#define KCI_CLUSTER_CONNECTION_H

#include "base/states.h"
#include "cluster/node.h"

extern const struct kci_state_table kci_connection_table;

/* Alarms of a new node; false: out of memory. */
bool kci_connection_init(struct kci_node *node);
/* Begin to connect, now or when the back-off ends. */
void kci_connection_demand(struct kci_node *node, int64_t now);
void kci_connection_opened(struct kci_node *node, int64_t now);
void kci_connection_resolved(struct kci_node *node, const struct kci_address *addresses, size_t count,
                             const char *reason, int64_t now);
/* The peer or the network ended it. */
void kci_connection_lost(struct kci_node *node, const char *reason, int64_t now);
/* We end it, for what the peer did: calls in flight come back with KC_ERR_TRANSPORT, `culprit` (may be NULL) with
 * `error`. `what` follows the node's name in texts: "broker 2 (b2:9092) <what>". */
void kci_connection_fail(struct kci_node *node, struct kci_call *culprit, kc_err error, const char *what, int64_t now);
/* We end it, nobody's fault; calls in flight come back with KC_ERR_TRANSPORT, those not sent stay or move on. */
void kci_connection_close(struct kci_node *node, const char *what, int64_t now);
/* The cluster is being destroyed: calls come back with KC_ERR_CLOSED. */
void kci_connection_end(struct kci_node *node, int64_t now);
/* The answer to ApiVersions. */
void kci_connection_hello(struct kci_node *node, struct kci_reader *body, int64_t now);
/* A request was answered: what failed before is history. */
void kci_connection_answered(struct kci_node *node);
/* Send what waits for a place, or hang up if a bootstrap server has done all that it was needed for. */
void kci_connection_quiet(struct kci_node *node, int64_t now);
/* `broken` or `moved` was set: the connection ends in the next step. */
void kci_connection_soon(struct kci_node *node);
/* The last response says to be silent for this long. */
void kci_connection_throttle(struct kci_node *node, int32_t throttle_ms, int64_t now);
/* Connected and negotiated, the socket takes bytes, and it is not throttled. */
static inline bool kci_connection_usable(const struct kci_node *node, int64_t now)
{
    return node->state == KCI_CONNECTION_READY && !node->blocked && node->throttled_until <= now;
}

#endif
