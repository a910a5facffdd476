/* The sockets of a loop: a table of them by id, and the engine's transport over it.
 *
 * An id is a serial number and an index: it is never reused, so an event for a closed connection finds nothing.  The
 * structs themselves are reused; a busy loop allocates none.
 *
 * Sending happens at once on the engine's thread; only a short send waits for the poller.  Receiving goes straight into
 * the engine's memory, until the socket is drained or the connection has had its share of the turn.  A short read means
 * drained (that saves the recv that would say EAGAIN), except after the peer's end was announced: then it is read to
 * the end.  A failed send does not close at once: what the peer had to say before (a broker's last answer) is read
 * first, and then on_close comes with the reason of the send. */
#ifdef __linux__
#define _GNU_SOURCE /* SOCK_CLOEXEC and SOCK_NONBLOCK are newer than POSIX 2008 */
#endif
#include "runtime/loop.h"

#include "base/states.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOCKETS_FIRST 16  /* of the table's first allocation */
#define REASON_MAX    128 /* bytes of a close reason */

_Static_assert(sizeof(struct kci_iov) == sizeof(struct iovec), "a rope is handed to sendmsg as it is");
_Static_assert(offsetof(struct kci_iov, data) == offsetof(struct iovec, iov_base), "same layout");
_Static_assert(offsetof(struct kci_iov, size) == offsetof(struct iovec, iov_len), "same layout");

#define TO(state) (1u << (state))
static const struct kci_state_table states = {
    "socket",
    4,
    {
        { "free", TO(KCI_SOCKET_OPENING) | TO(KCI_SOCKET_OPEN) | TO(KCI_SOCKET_LISTENING), NULL },
        { "opening", TO(KCI_SOCKET_OPEN) | TO(KCI_SOCKET_FREE), NULL },
        { "open", TO(KCI_SOCKET_FREE), NULL },
        { "listening", TO(KCI_SOCKET_FREE), NULL },
    },
};

/* ---- the table ---- */

static struct kci_socket *add_socket(struct kci_loop *loop)
{
    if (loop->socket_count == loop->socket_capacity) {
        uint32_t capacity = loop->socket_capacity ? loop->socket_capacity * 2 : SOCKETS_FIRST;
        if (capacity > 1u << KCI_SOCKET_INDEX_BITS)
            return NULL;
        struct kci_socket **grown =
            kci_alloc_resize(loop->alloc, loop->sockets, capacity * sizeof(struct kci_socket *));
        if (!grown)
            return NULL;
        loop->sockets = grown;
        loop->socket_capacity = capacity;
    }
    struct kci_socket *socket = kci_alloc_zero(loop->alloc, 1, sizeof *socket);
    if (!socket)
        return NULL;
    socket->index = loop->socket_count;
    loop->sockets[loop->socket_count++] = socket;
    return socket;
}

struct kci_socket *kci_socket_new(struct kci_loop *loop, struct kci_loop_slot *slot, int fd, void *user, int state)
{
    struct kci_list *reused = kci_list_pop(&loop->free);
    struct kci_socket *socket = reused ? KCI_CONTAINER(reused, struct kci_socket, node) : add_socket(loop);
    if (!socket)
        return NULL;
    *socket = (struct kci_socket){ .index = socket->index, .slot = slot, .fd = fd, .user = user };
    socket->id = ++loop->next_serial << KCI_SOCKET_INDEX_BITS | socket->index;
    kci_states_move(&states, &socket->state, state, socket);
    if (fd >= 0 && loop->poller->add(loop, socket)) {
        socket->fd = -1; /* still the caller's */
        kci_socket_free(loop, socket);
        return NULL;
    }
    return socket;
}

void kci_socket_free(struct kci_loop *loop, struct kci_socket *socket)
{
    if (socket->fd >= 0) {
        loop->poller->remove(loop, socket);
        close(socket->fd);
    }
    kci_states_move(&states, &socket->state, KCI_SOCKET_FREE, socket);
    socket->fd = -1;
    socket->id = 0;
    kci_list_remove(&socket->node);
    kci_list_push(&loop->free, &socket->node);
}

void kci_socket_ready(struct kci_loop *loop, struct kci_socket *socket)
{
    if (socket->paused) {
        socket->paused = false;
        if (socket->fd >= 0)
            loop->poller->update(loop, socket);
    }
    kci_list_remove(&socket->node);
    kci_list_push(&loop->ready, &socket->node);
}

/* ---- options ---- */

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value); /* a wish: the connection works without */
}

int kci_socket_prepare(const struct kci_loop_options *options, int fd, bool listening)
{
#ifndef SOCK_CLOEXEC
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
        return errno;
#endif
#ifdef SO_NOSIGPIPE
    set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (listening) /* a broker that restarts takes its port again although old connections linger in the kernel */
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    else
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    /* Before connect and listen: the window scale is agreed on in the handshake, and accepted sockets inherit it. */
    if (options->send_buffer_bytes > 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
    if (options->receive_buffer_bytes > 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes);
    return 0;
}

/* ---- what happened to a socket ---- */

static void end(struct kci_loop *loop, struct kci_socket *socket, const char *reason)
{
    const struct kci_engine *engine = &socket->slot->engine;
    kci_conn id = socket->id;
    void *user = socket->user;
    kci_socket_free(loop, socket);
    engine->ops->on_close(engine->self, id, user, reason, loop->now);
}

static void end_error(struct kci_loop *loop, struct kci_socket *socket, int error)
{
    char text[REASON_MAX];
    end(loop, socket, kci_address_error(socket->error ? socket->error : error, text, sizeof text));
}

/* On one host a connect to a free port may meet itself, when the kernel picks that port as its own (TCP's simultaneous
 * open).  Such a connection would echo requests, and keep a restarting broker from its port. */
static bool is_connected_to_itself(int fd)
{
    struct sockaddr_storage local, peer;
    socklen_t local_size = sizeof local, peer_size = sizeof peer;
    memset(&local, 0, sizeof local);
    memset(&peer, 0, sizeof peer);
    return getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && local_size == peer_size &&
           memcmp(&local, &peer, local_size) == 0;
}

/* The outcome of a connect. */
static void finish_open(struct kci_loop *loop, struct kci_socket *socket)
{
    const struct kci_engine *engine = &socket->slot->engine;
    int error = socket->error;
    socklen_t size = sizeof error;
    if (!error && !socket->writable && !socket->broken)
        return; /* not yet */
    if (!error && getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &size))
        error = errno;
    if (!error && is_connected_to_itself(socket->fd))
        error = ECONNREFUSED;
    if (error) {
        end_error(loop, socket, error);
        return;
    }
    kci_states_move(&states, &socket->state, KCI_SOCKET_OPEN, socket);
    loop->poller->update(loop, socket);
    kci_conn id = socket->id;
    engine->ops->on_open(engine->self, id, socket->user, loop->now);
    socket = kci_socket_of(loop, id);
    if (socket && socket->readable)
        kci_socket_ready(loop, socket); /* the peer spoke first */
}

/* Nothing to read now, or never again. */
static void receive_failed(struct kci_loop *loop, struct kci_socket *socket, int error)
{
    bool drained = error == EAGAIN || error == EWOULDBLOCK;
    if (drained && !socket->error && !socket->broken)
        socket->readable = false;
    else
        end_error(loop, socket, drained ? ECONNRESET : error);
}

static void no_space(struct kci_loop *loop, struct kci_socket *socket)
{
    if (socket->error || socket->broken) {
        end_error(loop, socket, ECONNRESET); /* no use in waiting for space */
        return;
    }
    socket->paused = true;
    loop->poller->update(loop, socket);
    kci_list_remove(&socket->node);
    kci_list_push(&loop->paused, &socket->node);
}

/* true if the engine was told anything */
static bool receive(struct kci_loop *loop, struct kci_socket *socket)
{
    const struct kci_engine *engine = &socket->slot->engine;
    const kci_conn id = socket->id;
    size_t reads = 0, bytes = 0;
    while (socket && socket->readable && reads < KCI_SOCKET_READS_MAX && bytes < KCI_SOCKET_BYTES_MAX) {
        size_t space = 0;
        void *into = engine->ops->on_space(engine->self, id, socket->user, &space);
        if ((socket = kci_socket_of(loop, id)) == NULL)
            return true;
        if (!into) {
            no_space(loop, socket);
            return reads > 0;
        }
        ssize_t got = recv(socket->fd, into, space, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            receive_failed(loop, socket, errno);
            return reads > 0 || !kci_socket_of(loop, id);
        }
        if (got == 0) {
            end_error(loop, socket, EPIPE);
            return true;
        }
        if ((size_t)got < space && !socket->hangup && !socket->error)
            socket->readable = false;
        engine->ops->on_bytes(engine->self, id, socket->user, (size_t)got, loop->now);
        socket = kci_socket_of(loop, id);
        reads++;
        bytes += (size_t)got;
    }
    if (socket && socket->readable)
        kci_socket_ready(loop, socket); /* its share is used up: the others first */
    return true;
}

void kci_socket_run(struct kci_loop *loop, struct kci_socket *socket)
{
    const struct kci_engine *engine = &socket->slot->engine;
    const kci_conn id = socket->id;
    if (socket->state == KCI_SOCKET_LISTENING) {
        kci_listener_run(loop, socket);
        return;
    }
    if (socket->state == KCI_SOCKET_OPENING) {
        finish_open(loop, socket);
        return;
    }
    if (socket->writable && socket->want_write) {
        socket->want_write = socket->writable = false;
        loop->poller->update(loop, socket);
        engine->ops->on_sent(engine->self, id, socket->user, loop->now);
        socket = kci_socket_of(loop, id);
    }
    if (socket && (socket->error || socket->broken))
        socket->readable = true; /* the error is found by reading */
    if (socket && socket->readable)
        receive(loop, socket);
}

void kci_socket_resume(struct kci_loop *loop)
{
    struct kci_list last;
    if (kci_list_empty(&loop->paused))
        return;
    kci_list_push(&loop->paused, &last);
    for (struct kci_list *node; (node = kci_list_pop(&loop->paused)) != &last;) {
        struct kci_socket *socket = KCI_CONTAINER(node, struct kci_socket, node);
        socket->paused = false;
        loop->poller->update(loop, socket);
        loop->again |= receive(loop, socket);
    }
}

/* ---- the engine's transport: nothing here calls the engine ---- */

static int begin_connect(struct kci_loop *loop, const struct kci_address *address, int *fd)
{
    struct sockaddr_storage to;
    memset(&to, 0, sizeof to);
    memcpy(&to, address->bytes, address->size);
#ifdef SOCK_CLOEXEC
    *fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    *fd = socket(to.ss_family, SOCK_STREAM, 0);
#endif
    if (*fd < 0)
        return errno;
    int error = kci_socket_prepare(&loop->options, *fd, false);
    if (error == 0 && connect(*fd, (struct sockaddr *)&to, (socklen_t)address->size) && errno != EINPROGRESS &&
        errno != EINTR)
        error = errno;
    if (error) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

static kci_conn transport_open(void *context, const struct kci_address *address, void *user)
{
    struct kci_loop_slot *slot = context;
    int fd, error = begin_connect(slot->loop, address, &fd);
    if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
        return 0;
    struct kci_socket *socket = kci_socket_new(slot->loop, slot, fd, user, KCI_SOCKET_OPENING);
    if (!socket) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    if (error) { /* told as on_close in the next turn */
        socket->error = error;
        kci_socket_ready(slot->loop, socket);
    }
    return socket->id;
}

static size_t rope_size(const struct kci_iov *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    return size;
}

static size_t transport_send(void *context, kci_conn conn, const struct kci_iov *pieces, size_t count)
{
    struct kci_loop *loop = ((struct kci_loop_slot *)context)->loop;
    struct kci_socket *socket = kci_socket_of(loop, conn);
    size_t taken = 0;
    if (!socket || socket->state != KCI_SOCKET_OPEN || socket->want_write || socket->error)
        return 0;
    while (count) {
        size_t some = count < KCI_SOCKET_PIECES_MAX ? count : KCI_SOCKET_PIECES_MAX;
        struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = some };
#ifdef MSG_NOSIGNAL
        ssize_t sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL);
#else
        ssize_t sent = sendmsg(socket->fd, &message, 0);
#endif
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            socket->error = errno;
            kci_socket_ready(loop, socket);
            break;
        }
        taken += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 || (size_t)sent < rope_size(pieces, some)) {
            socket->want_write = true;
            socket->writable = false;
            loop->poller->update(loop, socket);
            break;
        }
        pieces += some;
        count -= some;
    }
    return taken;
}

static void transport_close(void *context, kci_conn conn)
{
    struct kci_loop *loop = ((struct kci_loop_slot *)context)->loop;
    struct kci_socket *socket = kci_socket_of(loop, conn);
    if (socket && socket->state != KCI_SOCKET_LISTENING)
        kci_socket_free(loop, socket);
}

static void transport_want_read(void *context, kci_conn conn)
{
    struct kci_loop *loop = ((struct kci_loop_slot *)context)->loop;
    struct kci_socket *socket = kci_socket_of(loop, conn);
    if (socket && socket->state == KCI_SOCKET_OPEN && socket->paused)
        kci_socket_ready(loop, socket);
}

static void transport_resolve(void *context, const char *host, uint16_t port, void *user)
{
    kci_resolver_start(context, host, port, user);
}

void kci_socket_transport(struct kci_loop_slot *slot, struct kci_transport *transport)
{
    *transport = (struct kci_transport){
        slot, transport_open, transport_send, transport_close, transport_resolve, transport_want_read,
    };
}
