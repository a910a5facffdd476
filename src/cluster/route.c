/* Who serves a call that any broker can serve (PROTOCOL 2.8): scanning from a random place, a connected node with
 * nothing in flight; else the connected one with the fewest; else the one that is being connected to; else one is
 * connected, the one that was tried longest ago.  Never one that throttles us or backs off.
 *
 * We differ from Java in one thing: a node that has been connecting for longer than PATIENCE_US does not keep us from
 * trying another one, so a black-holed bootstrap server costs a second and not its whole setup time-out.
 *
 * While `bootstrapping` (at first, and again when none of the brokers known is to be had: KIP-899) the bootstrap
 * servers are candidates, too. */
#include "cluster/internal.h"

#define PATIENCE_US ((int64_t)1000000)

struct survey {
    struct kci_node *best;        /* usable, least loaded */
    struct kci_node *connecting;  /* youngest attempt */
    struct kci_node *connectable; /* oldest attempt */
    bool throttled;               /* there is one that will be usable */
};

static bool is_candidate(const struct kci_cluster *cluster, const struct kci_node *node)
{
    const struct kci_metadata *m = &cluster->metadata;
    if (node->broker < 0)
        return m->bootstrapping;
    return node->listed && node->id == node->broker && !(m->bootstrapping && m->distrust);
}

static void look_at(struct survey *s, struct kci_node *node, int64_t now)
{
    if (node->state == KCI_CONNECTION_READY) {
        if (!kci_connection_usable(node, now))
            s->throttled = true;
        else if (!s->best || node->in_flight + node->queued < s->best->in_flight + s->best->queued)
            s->best = node;
    } else if (node->state == KCI_CONNECTION_IDLE ||
               (node->state == KCI_CONNECTION_BACKOFF && node->alarm.timer.at <= now)) {
        if (!s->connectable || node->round_at < s->connectable->round_at)
            s->connectable = node;
    } else if (node->state != KCI_CONNECTION_BACKOFF) {
        if (!s->connecting || node->round_at > s->connecting->round_at)
            s->connecting = node;
    }
}

static struct survey survey_of(struct kci_cluster *cluster, int64_t now)
{
    struct survey s = { 0 };
    size_t count = cluster->nodes.count, at = count ? (size_t)kci_prng_below(&cluster->prng, count) : 0;
    for (size_t i = 0; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
        struct kci_node *node = cluster->nodes.items[at];
        if (!is_candidate(cluster, node))
            continue;
        look_at(&s, node, now);
        if (s.best && s.best->in_flight + s.best->queued == 0)
            break;
    }
    return s;
}

struct kci_node *kci_route_any(struct kci_cluster *cluster, int64_t now)
{
    struct survey s = survey_of(cluster, now);
    if (s.best)
        return s.best;
    if (!s.connecting && !s.connectable && !s.throttled &&
        kci_metadata_rebootstrap(cluster, "no known broker can be reached", now))
        s = survey_of(cluster, now);
    if (s.connecting && now - s.connecting->round_at < PATIENCE_US) {
        kci_alarm_set(cluster, &cluster->patience, s.connecting->round_at + PATIENCE_US);
        return NULL;
    }
    if (s.connectable) {
        kci_connection_demand(s.connectable, now);
        kci_alarm_set(cluster, &cluster->patience, now + PATIENCE_US);
    }
    return NULL;
}
