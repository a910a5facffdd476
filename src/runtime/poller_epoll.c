/* Readiness by epoll, edge-triggered: one epoll_ctl when a socket comes and one when it goes, none in between.
 *
 * The price of edges is memory: the socket's flags remember what was said and not yet used (loop.c, socket.c).  The
 * wake descriptor is edge-triggered as well and never read: every write is a new edge, so a wake costs its sleeper no
 * extra system call. */
#ifdef __linux__
#include "runtime/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct epoll_state {
    int fd;
    struct epoll_event events[KCI_POLLER_EVENTS_MAX]; /* of the wait under way */
};

static int control(struct kci_loop *loop, int operation, int fd, uint32_t events, kci_conn id)
{
    struct epoll_state *state = loop->poller_state;
    struct epoll_event event = { .events = events, .data.u64 = id };
    return epoll_ctl(state->fd, operation, fd, &event) ? errno : 0;
}

static void epoll_destroy(struct kci_loop *loop)
{
    struct epoll_state *state = loop->poller_state;
    close(state->fd);
    kci_alloc_free(loop->alloc, state);
}

static int epoll_create_state(struct kci_loop *loop)
{
    struct epoll_state *state = kci_alloc_zero(loop->alloc, 1, sizeof *state);
    if (!state)
        return ENOMEM;
    state->fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->fd < 0) {
        int error = errno;
        kci_alloc_free(loop->alloc, state);
        return error;
    }
    loop->poller_state = state;
    int error = control(loop, EPOLL_CTL_ADD, loop->wake_fd, EPOLLIN | EPOLLET, 0);
    if (error)
        epoll_destroy(loop);
    return error;
}

static int epoll_add(struct kci_loop *loop, struct kci_socket *socket)
{
    uint32_t events = socket->state == KCI_SOCKET_LISTENING ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    return control(loop, EPOLL_CTL_ADD, socket->fd, events | EPOLLET, socket->id);
}

static void epoll_remove(struct kci_loop *loop, struct kci_socket *socket)
{
    /* Not left to close(): a forked child may keep the description open, and its events would go on. */
    control(loop, EPOLL_CTL_DEL, socket->fd, 0, 0);
}

static void epoll_update(struct kci_loop *loop, struct kci_socket *socket)
{
    (void)loop, (void)socket; /* edges need no interest */
}

static uint32_t flags_of(uint32_t events)
{
    return (events & EPOLLIN ? KCI_POLLER_READ : 0u) | (events & EPOLLOUT ? KCI_POLLER_WRITE : 0u) |
           (events & EPOLLRDHUP ? KCI_POLLER_HANGUP : 0u) | (events & (EPOLLERR | EPOLLHUP) ? KCI_POLLER_BROKEN : 0u);
}

static size_t epoll_wait_events(struct kci_loop *loop, int timeout_ms, struct kci_poller_event *events)
{
    struct epoll_state *state = loop->poller_state;
    int count = epoll_wait(state->fd, state->events, KCI_POLLER_EVENTS_MAX, timeout_ms);
    for (int i = 0; i < count; i++)
        events[i] = (struct kci_poller_event){ state->events[i].data.u64, flags_of(state->events[i].events) };
    return count > 0 ? (size_t)count : 0; /* EINTR: a turn with nothing */
}

const struct kci_poller_ops kci_poller_epoll = { epoll_create_state, epoll_destroy, epoll_add,
                                                 epoll_remove,       epoll_update,  epoll_wait_events };
#else
typedef int kci_poller_epoll_is_empty; /* a translation unit may not be empty */
#endif
