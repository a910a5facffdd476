/* The acceptor: connections that are too many, or come faster than is allowed (KIP-402, KIP-612).
 *
 *      max.connections of the broker                  no place: the acceptor waits for one, and with it all that come
 *                                                     behind: they are made, but nothing is read from them until then
 *      max.connection.creation.rate of the broker     too many: the acceptor rests, likewise
 *      connection_creation_rate of an address         too many: this one is never read, and closed after the time that
 *                                                     its address is over the limit; it does not count
 *      max.connections.per.ip, .overrides             too many: this one is closed at once; it does not count
 *
 * In this order, and with the rates of quota.c, which make nobody wait for more than a window. A broker has one
 * listener, so the limit of the broker is that of the listener as well.
 *
 * A connection that has a place (`placed`) gives it back when it closes; then the first that waits comes in. When
 * max.connections is lowered, those that were quiet for the longest time are closed, as Kafka's processors do. */
#include "mockbroker/core/acceptor.h"

#include "mockbroker/core/quota.h"

static void close_rate_fires(void *owner, int64_t now)
{
    mb_connection_hang_up(owner, "its address makes connections faster than connection_creation_rate", now);
}

static void close_surplus_fires(void *owner, int64_t now)
{
    mb_connection_hang_up(owner, "its address has max.connections.per.ip", now);
}

static int64_t limit_of(const struct mb_cluster *cluster, int32_t broker, const char *name)
{
    size_t i = (size_t)mb_properties_find(kci_str_of(name));
    const char *own = cluster->brokers[broker - 1]->dynamic[i];
    int64_t number;
    return own && mb_config_number(own, MB_CONFIG_INT, &number) ? number : mb_cluster_property(cluster, name);
}

/* Those that have a place, of one address or (NULL) of all. */
static int64_t placed(const struct mb_cluster *cluster, int32_t broker, const char *host)
{
    int64_t count = 0;
    KCI_LIST_EACH(node, &cluster->connections)
    {
        const struct mb_connection *other = KCI_CONTAINER(node, struct mb_connection, link);
        count += other->placed && other->broker == broker && (!host || strcmp(other->client_host, host) == 0);
    }
    return count;
}

/* When the acceptor turns to a connection that comes now, microseconds. */
static int64_t turn_of(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    struct mb_broker *broker = mb_cluster_broker(cluster, connection->broker);
    int64_t limit = limit_of(cluster, broker->id, "max.connection.creation.rate");
    int64_t turn = broker->accepting_at > now ? broker->accepting_at : now;
    if (limit < INT32_MAX)
        turn += mb_quota_at_connection(cluster, broker->id, (struct kci_str){ NULL, 0 }, 1, (double)limit, turn) * 1000;
    return broker->accepting_at = turn;
}

static int64_t most_of_address(const struct mb_cluster *cluster, int32_t broker, const char *host)
{
    size_t i = (size_t)mb_properties_find(kci_str_of("max.connections.per.ip.overrides"));
    const char *own = cluster->brokers[broker - 1]->dynamic[i];
    int64_t most;
    return mb_config_number_of_host(own ? own : mb_properties_text(&cluster->properties, i), kci_str_of(host), &most)
               ? most
               : limit_of(cluster, broker, "max.connections.per.ip");
}

/* There is a place for it: let it in, unless its address has too much. */
static void let_in(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    struct kci_str address = kci_str_of(connection->client_host + 1);
    int64_t turn = turn_of(connection, now), wait_ms = 0;
    double limit = mb_quota_of_address(cluster, address);
    int64_t most = most_of_address(cluster, connection->broker, address.data);
    if (limit > 0)
        wait_ms = mb_quota_at_connection(cluster, connection->broker, address, 1, limit, turn);
    bool surplus =
        wait_ms <= 0 && most < INT32_MAX && placed(cluster, connection->broker, connection->client_host) >= most;
    if (wait_ms > 0)
        mb_quota_at_connection(cluster, connection->broker, address, -1, limit, turn);
    connection->placed = wait_ms <= 0 && !surplus;
    if (turn > now || !connection->placed)
        mb_connection_mute(connection, turn + wait_ms * 1000);
    if (!connection->placed)
        connection->unmute.fire = surplus ? close_surplus_fires : close_rate_fires;
}

static bool has_place(const struct mb_cluster *cluster, int32_t broker)
{
    int64_t most = limit_of(cluster, broker, "max.connections");
    return most == INT32_MAX || placed(cluster, broker, NULL) < most;
}

/* The one that waits for the longest time; NULL: nobody waits. */
static struct mb_connection *first_waiting(const struct mb_cluster *cluster, int32_t broker)
{
    KCI_LIST_EACH(node, &cluster->connections)
    {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, link);
        if (connection->waits && connection->broker == broker)
            return connection;
    }
    return NULL;
}

void mb_acceptor_took(struct mb_connection *connection, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    if (limit_of(cluster, connection->broker, "max.connections") == INT32_MAX) {
        let_in(connection, now);
        return;
    }
    connection->waits = connection->muted = true;
    mb_acceptor_look(cluster, connection->broker, now);
}

void mb_acceptor_look(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    struct mb_connection *next;
    while ((next = first_waiting(cluster, broker)) != NULL && has_place(cluster, broker)) {
        next->waits = next->muted = false;
        let_in(next, now);
        mb_connection_read_on(next);
    }
}

void mb_acceptor_left(struct mb_connection *connection, int64_t now)
{
    bool had_place = connection->placed;
    connection->placed = connection->waits = false;
    if (had_place && limit_of(connection->cluster, connection->broker, "max.connections") != INT32_MAX)
        mb_acceptor_look(connection->cluster, connection->broker, now); /* without a limit nobody waits */
}

static void close_quietest(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    struct mb_connection *quietest = NULL;
    KCI_LIST_EACH(node, &cluster->connections)
    {
        struct mb_connection *other = KCI_CONTAINER(node, struct mb_connection, link);
        if (other->placed && other->broker == broker && (!quietest || other->active_at < quietest->active_at))
            quietest = other;
    }
    if (quietest)
        mb_connection_hang_up(quietest, "max.connections was lowered, and it was quiet for the longest time", now);
}

void mb_acceptor_altered(struct mb_cluster *cluster, int64_t now)
{
    for (int32_t i = 0; i < cluster->broker_count; i++) {
        int32_t broker = cluster->brokers[i]->id;
        int64_t surplus = placed(cluster, broker, NULL) - limit_of(cluster, broker, "max.connections");
        for (; surplus > 0; surplus--)
            close_quietest(cluster, broker, now);
        mb_acceptor_look(cluster, broker, now);
    }
}
