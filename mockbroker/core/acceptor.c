/* The acceptor: connections that come faster than is allowed (KIP-612).
 *
 *      max.connection.creation.rate of the broker     too many: the acceptor rests, and with it all that come behind:
 *                                                     they are made, but nothing is read from them until it goes on
 *      connection_creation_rate of an address         too many: this one is never read, and closed after the time that
 *                                                     its address is over the limit; it does not count
 *
 * In this order, and with the rates of quota.c; neither makes anybody wait for more than a window. A broker has one
 * listener, so the limit of the broker is that of the listener as well. */
#include "mockbroker/core/acceptor.h"

#include "mockbroker/core/quota.h"

static void close_fires(void *owner, int64_t now)
{
    mb_connection_hang_up(owner, "its address makes connections faster than connection_creation_rate", now);
}

/* When the acceptor turns to a connection that comes now, microseconds. */
static int64_t turn_of(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    struct mb_broker *broker = mb_cluster_broker(cluster, connection->broker);
    int64_t limit = mb_cluster_property(cluster, "max.connection.creation.rate");
    int64_t turn = broker->accepting_at > now ? broker->accepting_at : now;
    if (limit < INT32_MAX)
        turn += mb_quota_at_connection(cluster, broker->id, (struct kci_str){ NULL, 0 }, 1, (double)limit, turn) * 1000;
    return broker->accepting_at = turn;
}

void mb_acceptor_took(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    struct kci_str address = kci_str_of(connection->client_host + 1);
    int64_t turn = turn_of(connection, now), wait_ms = 0;
    double limit = mb_quota_of_address(cluster, address);
    if (limit > 0)
        wait_ms = mb_quota_at_connection(cluster, connection->broker, address, 1, limit, turn);
    if (turn > now || wait_ms > 0)
        mb_connection_mute(connection, turn + wait_ms * 1000);
    if (wait_ms > 0) {
        mb_quota_at_connection(cluster, connection->broker, address, -1, limit, turn);
        connection->unmute.fire = close_fires;
    }
}
