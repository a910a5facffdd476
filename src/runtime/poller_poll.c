/* Readiness by poll(2), for systems without epoll.  Level-triggered, so what a socket waits for must follow its flags:
 * a descriptor whose event nobody acts upon would wake the loop for ever.
 *
 * Two parallel arrays, packed; a removed row is filled with the last one.  Row 0 is the wake descriptor. */
#include "runtime/loop.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define ROWS_FIRST 16 /* descriptors of the first allocation */

struct poll_state {
    struct pollfd *rows;         /* owned */
    struct kci_socket **sockets; /* owned; whose row it is, NULL in row 0 */
    uint32_t count, capacity;    /* rows */
    uint32_t first;              /* row looked at last; the next look begins behind it, so that none starves */
};

static void poll_destroy(struct kci_loop *loop)
{
    struct poll_state *state = loop->poller_state;
    kci_alloc_free(loop->alloc, state->rows);
    kci_alloc_free(loop->alloc, state->sockets);
    kci_alloc_free(loop->alloc, state);
}

static bool grow(const struct kci_alloc *alloc, struct poll_state *state)
{
    uint32_t capacity = state->capacity ? state->capacity * 2 : ROWS_FIRST;
    struct pollfd *rows = kci_alloc_resize(alloc, state->rows, capacity * sizeof *rows);
    if (!rows)
        return false;
    state->rows = rows;
    struct kci_socket **sockets = kci_alloc_resize(alloc, state->sockets, capacity * sizeof(struct kci_socket *));
    if (!sockets)
        return false;
    state->sockets = sockets;
    state->capacity = capacity;
    return true;
}

static int add_row(struct kci_loop *loop, int fd, short events, struct kci_socket *socket, uint32_t *position)
{
    struct poll_state *state = loop->poller_state;
    if (state->count == state->capacity && !grow(loop->alloc, state))
        return ENOMEM;
    state->rows[state->count] = (struct pollfd){ fd, events, 0 };
    state->sockets[state->count] = socket;
    *position = state->count++;
    return 0;
}

static int poll_create(struct kci_loop *loop)
{
    struct poll_state *state = kci_alloc_zero(loop->alloc, 1, sizeof *state);
    uint32_t wake_row;
    if (!state)
        return ENOMEM;
    loop->poller_state = state;
    int error = add_row(loop, loop->wake_fd, POLLIN, NULL, &wake_row);
    if (error)
        poll_destroy(loop);
    return error;
}

static short interest(const struct kci_socket *socket)
{
    short events = socket->paused || socket->state == KCI_SOCKET_OPENING ? 0 : POLLIN;
    if (socket->want_write || socket->state == KCI_SOCKET_OPENING)
        events |= POLLOUT;
    return events;
}

static int poll_add(struct kci_loop *loop, struct kci_socket *socket)
{
    return add_row(loop, socket->fd, interest(socket), socket, &socket->poll_position);
}

static void poll_remove(struct kci_loop *loop, struct kci_socket *socket)
{
    struct poll_state *state = loop->poller_state;
    uint32_t at = socket->poll_position, last = --state->count;
    if (at != last) {
        state->rows[at] = state->rows[last];
        state->sockets[at] = state->sockets[last];
        state->sockets[at]->poll_position = at;
    }
}

static void poll_update(struct kci_loop *loop, struct kci_socket *socket)
{
    struct poll_state *state = loop->poller_state;
    state->rows[socket->poll_position].events = interest(socket);
}

static uint32_t flags_of(short events)
{
    return (events & POLLIN ? KCI_POLLER_READ : 0u) | (events & POLLOUT ? KCI_POLLER_WRITE : 0u) |
           (events & (POLLERR | POLLHUP | POLLNVAL) ? KCI_POLLER_BROKEN : 0u);
}

static size_t poll_wait(struct kci_loop *loop, int timeout_ms, struct kci_poller_event *events)
{
    struct poll_state *state = loop->poller_state;
    uint64_t drained[8];
    size_t count = 0;
    if (poll(state->rows, state->count, timeout_ms) <= 0)
        return 0; /* nothing, or EINTR: a turn with nothing */
    if (state->rows[0].revents)
        while (read(loop->wake_fd, drained, sizeof drained) == (ssize_t)sizeof drained)
            ; /* an eventfd gives 8 bytes, a pipe what is in it */
    for (uint32_t n = state->count - 1, i; n > 0 && count < KCI_POLLER_EVENTS_MAX; n--) {
        i = state->first = state->first % (state->count - 1) + 1;
        if (state->rows[i].revents)
            events[count++] = (struct kci_poller_event){ state->sockets[i]->id, flags_of(state->rows[i].revents) };
    }
    return count;
}

const struct kci_poller_ops kci_poller_poll = {
    poll_create, poll_destroy, poll_add, poll_remove, poll_update, poll_wait
};
