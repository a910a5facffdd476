/* Listening sockets and what comes in through them.
 *
 * Out of descriptors, accept() fails while the connection stays in the kernel's queue: all listeners pause for a moment
 * instead of spinning, and try again; connections that close meanwhile make room. */
#ifdef __linux__
#define _GNU_SOURCE /* accept4 */
#endif
#include "runtime/loop.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Accepted connections belong to the first engine that takes any. */
static struct kci_loop_slot *accepting_slot(struct kci_loop *loop)
{
    for (size_t i = 0; i < loop->slot_count; i++)
        if (loop->slots[i].engine.ops && loop->slots[i].engine.ops->on_accept)
            return &loop->slots[i];
    return NULL;
}

static int accept_one(const struct kci_loop *loop, int listener_fd, struct sockaddr_storage *peer, socklen_t *size)
{
#ifdef __linux__
    int fd = accept4(listener_fd, (struct sockaddr *)peer, size, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    int fd = accept(listener_fd, (struct sockaddr *)peer, size);
#endif
    if (fd >= 0 && kci_socket_prepare(&loop->options, fd, false)) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    return fd;
}

static void welcome(struct kci_loop *loop, const struct kci_socket *listener, int fd, const struct kci_address *peer)
{
    const struct kci_engine *engine = &listener->slot->engine;
    struct sockaddr_storage address;
    struct kci_address local;
    socklen_t size = sizeof address;
    struct kci_socket *socket = kci_socket_new(loop, listener->slot, fd, NULL, KCI_SOCKET_OPEN);
    if (!socket) {
        close(fd);
        return;
    }
    memset(&address, 0, sizeof address);
    getsockname(fd, (struct sockaddr *)&address, &size);
    kci_address_from(&local, (struct sockaddr *)&address, size);
    kci_conn id = socket->id;
    void *user = engine->ops->on_accept(engine->self, id, listener->user, peer, &local, loop->now);
    if ((socket = kci_socket_of(loop, id)) == NULL)
        return;
    socket->user = user;
    if (!user)
        kci_socket_free(loop, socket);
}

static void pause_listeners(struct kci_loop *loop, struct kci_socket *listener)
{
    listener->paused = true;
    loop->poller->update(loop, listener);
    loop->accept_retry_at = loop->now + KCI_LISTENER_PAUSE_US;
}

void kci_listener_retry(struct kci_loop *loop)
{
    loop->accept_retry_at = KCI_NEVER;
    for (uint32_t i = 0; i < loop->socket_count; i++)
        if (loop->sockets[i]->state == KCI_SOCKET_LISTENING && loop->sockets[i]->paused)
            kci_socket_ready(loop, loop->sockets[i]);
}

void kci_listener_run(struct kci_loop *loop, struct kci_socket *listener)
{
    const kci_conn id = listener->id;
    for (int i = 0; i < KCI_LISTENER_ACCEPT_MAX; i++) {
        struct sockaddr_storage address;
        struct kci_address peer;
        socklen_t size = sizeof address;
        memset(&address, 0, sizeof address);
        int fd = accept_one(loop, listener->fd, &address, &size);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            pause_listeners(loop, listener);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            listener->readable = false;
            return;
        }
        if (fd < 0)
            continue; /* EINTR, or a peer that left between knocking and entering */
        kci_address_from(&peer, (struct sockaddr *)&address, size);
        welcome(loop, listener, fd, &peer);
        if ((listener = kci_socket_of(loop, id)) == NULL)
            return; /* its broker was stopped by what came in */
    }
    kci_socket_ready(loop, listener);
}

/* ---- opening ---- */

/* backlog 0: only bind. */
static int bind_and_listen(const struct kci_loop_options *options, const struct addrinfo *at, int backlog, int *out)
{
#ifdef SOCK_CLOEXEC
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(at->ai_family, SOCK_STREAM, 0);
#endif
    if (fd < 0)
        return errno;
    int error = kci_socket_prepare(options, fd, true);
    if (error == 0 && (bind(fd, at->ai_addr, at->ai_addrlen) || (backlog && listen(fd, backlog))))
        error = errno;
    if (error)
        close(fd);
    else
        *out = fd;
    return error;
}

/* The first address of host on which it works. 0 or errno. */
static int open_port(const struct kci_loop_options *options, const char *host, uint16_t port, int backlog, int *fd)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    char service[8];
    int error = EADDRNOTAVAIL;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    /* A numeric address costs nothing; a name waits for the resolver, which is acceptable when a broker starts. */
    if (getaddrinfo(host, service, &hints, &found))
        return error;
    for (struct addrinfo *at = found; at && error; at = at->ai_next)
        error = bind_and_listen(options, at, backlog, fd);
    freeaddrinfo(found);
    return error;
}

/* The port that the system chose. */
static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(fd, (struct sockaddr *)&address, &size))
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
    return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
}

int kci_loop_listen(struct kci_loop *loop, const char *host, uint16_t *port, void *user, uint64_t *listener)
{
    struct kci_loop_slot *slot = accepting_slot(loop);
    int fd, error = slot ? open_port(&loop->options, host, *port, KCI_LISTENER_BACKLOG, &fd) : EINVAL;
    if (error)
        return error;
    struct kci_socket *socket = kci_socket_new(loop, slot, fd, user, KCI_SOCKET_LISTENING);
    if (!socket) {
        close(fd);
        return ENOMEM;
    }
    *port = port_of(fd);
    *listener = socket->id;
    return 0;
}

void kci_loop_unlisten(struct kci_loop *loop, uint64_t listener)
{
    struct kci_socket *socket = kci_socket_of(loop, listener);
    if (socket && socket->state == KCI_SOCKET_LISTENING)
        kci_socket_free(loop, socket);
}

int kci_port_hold(const char *host, uint16_t port)
{
    static const struct kci_loop_options options = { KCI_LOOP_BEST, -1, -1 };
    int fd;
    return open_port(&options, host, port, 0, &fd) ? -1 : fd;
}

void kci_port_release(int held)
{
    if (held >= 0)
        close(held);
}
