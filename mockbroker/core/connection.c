/* Connections: bytes in, one request at a time, answers out in order.
 *
 *      on_bytes -> splitter -> frame -> [request.c: header, version, decode, handler] -> answer -> outgoing -> transport
 *                     ^                                                                    |
 *                     `------------------- the next frame, when the former is answered ----'
 *
 * Like Kafka, a connection has one request in work; what the client pipelines waits as bytes.  When a whole frame
 * waits, reading pauses, so a client that does not read its answers cannot make us buffer more than BACKLOG_BYTES of
 * them and one frame. Answers are sent at the end of a step, so that many of them leave in one call. A closed
 * connection lives on (in `dead`) until its request in work is done; nothing else points to it then. */
#include "mockbroker/core/connection.h"

#include "mockbroker/core/acceptor.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/sasl.h"
#include "mockbroker/core/telemetry.h"

#include <stdio.h>

#define BACKLOG_BYTES ((size_t)4 << 20) /* unsent answers from which on no further request is handled */
#define PIECES_MAX    256               /* iovecs of one send */

void mb_request_begin(struct mb_connection *connection, struct kci_frame *frame, int64_t now); /* request.c */

/* The host of "10.0.0.5:9092" or "[::1]:9092"; an IPv4 address in IPv6 clothes ("[::ffff:10.0.0.5]:9092") as IPv4. */
static void print_host(char *out, size_t size, const struct kci_address *address)
{
    static const char mapped[] = "[::ffff:";
    const char *at = address->text, *colon = strrchr(at, ':');
    size_t length = colon ? (size_t)(colon - at) : strlen(at);
    if (length > 2 && at[0] == '[') {
        bool is_v4 = length > sizeof mapped && memcmp(at, mapped, sizeof mapped - 1) == 0 && memchr(at, '.', length);
        size_t skip = is_v4 ? sizeof mapped - 1 : 1;
        at += skip;
        length -= skip + 1;
    }
    snprintf(out, size, "%.*s", (int)length, at);
}

static void print_port(char *out, size_t size, const struct kci_address *address)
{
    const char *colon = strrchr(address->text, ':');
    snprintf(out, size, "%.7s", colon ? colon + 1 : "");
}

void *mb_connection_accept(struct mb_cluster *cluster, kci_conn conn, int32_t broker, const struct kci_address *peer,
                           const struct kci_address *local, int64_t now)
{
    bool open = mb_cluster_is_running(cluster, broker) || mb_cluster_is_paused(cluster, broker);
    if (!open || (cluster->faults && mb_fault_refuses(cluster, broker)))
        return NULL;
    struct mb_connection *connection = kci_alloc_zero(cluster->alloc, 1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->cluster = cluster;
    connection->conn = conn;
    connection->broker = broker;
    connection->active_at = now;
    connection->client_host[0] = '/';
    print_host(connection->client_host + 1, sizeof connection->client_host - 1, peer);
    print_port(connection->client_port, sizeof connection->client_port, peer);
    print_host(connection->local_host, sizeof connection->local_host, local);
    connection->splitter =
        kci_splitter_of(cluster->alloc, (uint32_t)mb_cluster_property(cluster, "socket.request.max.bytes"));
    kci_list_init(&connection->outgoing);
    if (!mb_sasl_open(connection)) {
        kci_alloc_free(cluster->alloc, connection);
        return NULL;
    }
    kci_list_push(&cluster->connections, &connection->link);
    mb_acceptor_took(connection, now);
    return connection;
}

/* ---- in
 * -------------------------------------------------------------------------------------------------------------- */

static bool is_paused(const struct mb_connection *connection)
{
    return mb_cluster_is_paused(connection->cluster, connection->broker);
}

static bool may_go_on(const struct mb_connection *connection)
{
    return connection->conn && !connection->request && !connection->muted &&
           connection->outgoing_bytes < BACKLOG_BYTES && !is_paused(connection);
}

static void pump(struct mb_connection *connection, int64_t now)
{
    if (connection->pumping)
        return;
    connection->pumping = true;
    while (may_go_on(connection)) {
        struct kci_frame *frame = NULL;
        if (mb_sasl_is_over(connection)) {
            mb_connection_hang_up(connection, "SASL authentication failed", now);
            break;
        }
        int got = kci_splitter_next(&connection->splitter, &frame);
        if (got < 0) {
            char why[80];
            snprintf(why, sizeof why, "a request of %d bytes (not Kafka, or larger than socket.request.max.bytes)",
                     connection->splitter.bad_size);
            mb_connection_hang_up(connection, why, now);
        }
        if (got <= 0)
            break;
        mb_request_begin(connection, frame, now);
    }
    connection->pumping = false;
    if (connection->conn && connection->reading_paused && may_go_on(connection)) {
        connection->reading_paused = false;
        if (connection->cluster->options.transport.want_read)
            connection->cluster->options.transport.want_read(connection->cluster->options.transport.context,
                                                             connection->conn);
    }
}

void *mb_connection_space(struct mb_connection *connection, size_t *size)
{
    bool bytes_wait = connection->splitter.large || connection->splitter.end > connection->splitter.start;
    if (!connection->conn || is_paused(connection) || (bytes_wait && !may_go_on(connection)) ||
        (connection->cluster->faults && mb_fault_deaf(connection))) {
        connection->reading_paused = true;
        return NULL;
    }
    void *space = kci_splitter_space(&connection->splitter, size);
    if (space && connection->cluster->faults && !(*size = mb_fault_reads(connection, *size))) {
        connection->reading_paused = true;
        return NULL;
    }
    return space;
}

void mb_connection_bytes(struct mb_connection *connection, size_t size, int64_t now)
{
    connection->active_at = now;
    bool ends = connection->cluster->faults && !mb_fault_has_read(connection, size, now);
    kci_splitter_received(&connection->splitter, size);
    if (ends)
        mb_connection_hang_up(connection, "fault: cut_read", now);
    else
        pump(connection, now);
}

static void make_runnable(struct mb_connection *connection)
{
    if (!connection->pumping && connection->conn && !kci_list_linked(&connection->run))
        kci_list_push(&connection->cluster->runnable, &connection->run);
}

static void unmute_fires(void *owner, int64_t now)
{
    struct mb_connection *connection = owner;
    (void)now;
    connection->muted = false;
    make_runnable(connection);
}

void mb_connection_mute(struct mb_connection *connection, int64_t until)
{
    if (!connection->conn)
        return;
    connection->muted = true;
    connection->unmute.fire = unmute_fires;
    connection->unmute.owner = connection;
    mb_alarm_set(connection->cluster, &connection->unmute, until);
}

void mb_connection_read_on(struct mb_connection *connection)
{
    make_runnable(connection);
}

void mb_connections_wake(struct mb_cluster *cluster)
{
    KCI_LIST_EACH(node, &cluster->connections)
    make_runnable(KCI_CONTAINER(node, struct mb_connection, link));
}

void mb_connections_resume(struct mb_cluster *cluster, int32_t broker)
{
    KCI_LIST_EACH(node, &cluster->connections)
    {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, link);
        if (connection->broker != broker)
            continue;
        if (!connection->blocked && !kci_list_linked(&connection->dirty))
            kci_list_push(&cluster->dirty, &connection->dirty);
        make_runnable(connection);
    }
}

bool mb_connections_run(struct mb_cluster *cluster, int64_t now)
{
    struct kci_list *node, turn;
    bool any = false;
    kci_list_init(&turn);
    while ((node = kci_list_pop(&cluster->runnable)) != NULL)
        kci_list_push(&turn, node);
    while ((node = kci_list_pop(&turn)) != NULL) {
        any = true;
        pump(KCI_CONTAINER(node, struct mb_connection, run), now);
    }
    return any;
}

/* ---- out
 * ------------------------------------------------------------------------------------------------------------- */

void mb_outgoing_free(const struct kci_alloc *alloc, struct mb_outgoing *outgoing)
{
    kci_writer_destroy(&outgoing->body);
    if (outgoing->release)
        outgoing->release(outgoing->owner);
    kci_alloc_free(alloc, outgoing);
}

void mb_connection_request_done(struct mb_connection *connection)
{
    connection->request = NULL;
    make_runnable(connection);
}

void mb_connection_push(struct mb_connection *connection, struct mb_outgoing *outgoing)
{
    if (!connection->conn) {
        mb_outgoing_free(connection->cluster->alloc, outgoing);
        return;
    }
    outgoing->total = outgoing->body.size;
    for (size_t i = 0; i < outgoing->rope_count; i++)
        outgoing->total += outgoing->rope[i].size;
    connection->outgoing_bytes += outgoing->total;
    kci_list_push(&connection->outgoing, &outgoing->link);
    if (!connection->blocked && !kci_list_linked(&connection->dirty))
        kci_list_push(&connection->cluster->dirty, &connection->dirty);
}

void mb_connection_answer(struct mb_connection *connection, struct mb_outgoing *outgoing)
{
    mb_connection_push(connection, outgoing);
    mb_connection_request_done(connection);
}

/* The unsent pieces of one answer; returns how many. */
static size_t pieces_of(const struct mb_outgoing *outgoing, struct kci_iov *out, size_t room)
{
    size_t skip = outgoing->sent, count = 0;
    for (size_t i = 0; i <= outgoing->rope_count && count < room; i++) {
        struct kci_iov piece =
            i == 0 ? (struct kci_iov){ outgoing->body.data, outgoing->body.size } : outgoing->rope[i - 1];
        if (skip >= piece.size) {
            skip -= piece.size;
            continue;
        }
        out[count].data = (const uint8_t *)piece.data + skip;
        out[count++].size = piece.size - skip;
        skip = 0;
    }
    return count;
}

/* `taken` bytes are gone: forget the answers that are complete. */
static void advance(struct mb_connection *connection, size_t taken)
{
    connection->outgoing_bytes -= taken;
    while (taken) {
        struct mb_outgoing *first = KCI_CONTAINER(kci_list_first(&connection->outgoing), struct mb_outgoing, link);
        size_t left = first->total - first->sent;
        size_t now_sent = taken < left ? taken : left;
        first->sent += now_sent;
        taken -= now_sent;
        if (first->sent == first->total) {
            kci_list_remove(&first->link);
            mb_outgoing_free(connection->cluster->alloc, first);
        }
    }
}

static void flush(struct mb_connection *connection)
{
    const struct kci_transport *transport = &connection->cluster->options.transport;
    while (connection->conn && !kci_list_empty(&connection->outgoing) && !is_paused(connection)) {
        struct kci_iov pieces[PIECES_MAX];
        size_t count = 0, offered = 0;
        KCI_LIST_EACH(node, &connection->outgoing)
        {
            count += pieces_of(KCI_CONTAINER(node, struct mb_outgoing, link), pieces + count, PIECES_MAX - count);
            if (count == PIECES_MAX)
                break;
        }
        for (size_t i = 0; i < count; i++)
            offered += pieces[i].size;
        size_t taken = transport->send(transport->context, connection->conn, pieces, count);
        advance(connection, taken);
        if (taken < offered) {
            connection->blocked = true;
            return;
        }
    }
}

void mb_connection_sent(struct mb_connection *connection, int64_t now)
{
    connection->active_at = now;
    connection->blocked = false;
    flush(connection);
    make_runnable(connection);
}

void mb_connections_flush(struct mb_cluster *cluster, int64_t now)
{
    struct kci_list *node;
    (void)now;
    while ((node = kci_list_pop(&cluster->dirty)) != NULL) {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, dirty);
        flush(connection);
        make_runnable(connection);
    }
}

/* ---- the end
 * --------------------------------------------------------------------------------------------------------- */

static void bury(struct mb_connection *connection, int64_t now)
{
    struct kci_list *node;
    connection->conn = 0;
    mb_alarm_stop(connection->cluster, &connection->unmute);
    mb_alarm_stop(connection->cluster, &connection->read_on);
    kci_list_remove(&connection->run);
    kci_list_remove(&connection->dirty);
    kci_list_remove(&connection->link);
    kci_list_push(&connection->cluster->dead, &connection->link);
    mb_acceptor_left(connection, now);
    if (!kci_uuid_is_zero(&connection->telemetry_instance))
        mb_telemetry_forget(connection->cluster, connection->broker, &connection->telemetry_instance);
    while ((node = kci_list_pop(&connection->outgoing)) != NULL)
        mb_outgoing_free(connection->cluster->alloc, KCI_CONTAINER(node, struct mb_outgoing, link));
    if (connection->request && connection->request->on_close)
        connection->request->on_close(connection->request, now);
}

void mb_connection_closed(struct mb_connection *connection, int64_t now)
{
    if (connection->conn)
        bury(connection, now);
}

void mb_connection_hang_up(struct mb_connection *connection, const char *why, int64_t now)
{
    struct mb_cluster *cluster = connection->cluster;
    kci_conn conn = connection->conn;
    if (!conn)
        return;
    kci_log(&cluster->logger, KCI_LOG_INFO, "conn", "broker %d closes the connection of %s: %s", connection->broker,
            connection->client_host, why);
    flush(connection); /* what was answered before should arrive */
    bury(connection, now);
    cluster->options.transport.close(cluster->options.transport.context, conn);
}

void mb_connections_close_broker(struct mb_cluster *cluster, int32_t broker, int64_t now)
{
    KCI_LIST_EACH(node, &cluster->connections)
    {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, link);
        if (broker == 0 || connection->broker == broker)
            mb_connection_hang_up(connection, "the broker stops", now);
    }
}

int64_t mb_connections_close_idle(struct mb_cluster *cluster, int64_t now)
{
    int64_t limit = mb_cluster_property(cluster, "connections.max.idle.ms") * 1000, next = now + limit;
    if (limit < 0)
        return KCI_NEVER;
    KCI_LIST_EACH(node, &cluster->connections)
    {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, link);
        bool busy =
            connection->request || !kci_list_empty(&connection->outgoing) || is_paused(connection) || connection->waits;
        if (!busy && now - connection->active_at >= limit)
            mb_connection_hang_up(connection, "it was idle for connections.max.idle.ms", now);
        else if (!busy && connection->active_at + limit < next)
            next = connection->active_at + limit;
    }
    return next;
}

void mb_connections_reap(struct mb_cluster *cluster)
{
    KCI_LIST_EACH(node, &cluster->dead)
    {
        struct mb_connection *connection = KCI_CONTAINER(node, struct mb_connection, link);
        if (connection->request || connection->pumping)
            continue;
        kci_list_remove(node);
        kci_splitter_destroy(&connection->splitter);
        mb_sasl_close(connection);
        kci_alloc_free(cluster->alloc, connection);
    }
}

static void keep(char out[MB_SOFTWARE_TEXT_MAX + 1], struct kci_str text)
{
    size_t size = text.size < MB_SOFTWARE_TEXT_MAX ? text.size : MB_SOFTWARE_TEXT_MAX;
    if (size)
        memcpy(out, text.data, size);
    out[size] = '\0';
}

void mb_connection_software(struct mb_connection *connection, struct kci_str name, struct kci_str version)
{
    keep(connection->software_name, name);
    keep(connection->software_version, version);
}
