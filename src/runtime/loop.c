/* The event loop: one thread, one loop, a few engines over many sockets.
 *
 * A turn:  how long may we sleep? -> wait -> read the clock -> what other threads asked for -> sockets -> step every
 * engine -> connections that had no space.  The clock is read once for all of a turn (and once more before a sleep that
 * has a limit), so everything that happens in a turn happens at the same `now`.
 *
 * Invariants:
 *  - A turn sleeps exactly until the earliest deadline (rounded up to a millisecond) unless something is left to do: no
 *    polling, no busy loop, no sleep while a socket is known to be readable.
 *  - No callback runs inside a transport function: those only set flags; what follows from them happens in the next
 *    turn.  Callbacks may open, send and close at will, so a socket is looked up again after every callback.
 *  - Only loop_thread.c is entered from other threads.
 *
 * What is left to others: readiness (poller_*.c), sockets (socket.c), names (resolver.c). */
#include "runtime/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#define SLEEP_MAX_MS 3600000 /* an hour: far below INT_MAX, and waking once an hour costs nothing */

static _Thread_local const struct kci_loop *current; /* the loop whose turn this thread runs */

static const struct kci_poller_ops *poller_of(enum kci_loop_kind kind)
{
#ifdef KCI_POLL_IS_BEST /* tests that run whole stories on poll(2) compile this file so */
    return kind == KCI_LOOP_EPOLL ? NULL : &kci_poller_poll;
#elif defined(__linux__)
    return kind == KCI_LOOP_POLL ? &kci_poller_poll : &kci_poller_epoll;
#else
    return kind == KCI_LOOP_EPOLL ? NULL : &kci_poller_poll;
#endif
}

int kci_loop_create(struct kci_loop **out, const struct kci_alloc *alloc, const struct kci_loop_options *options)
{
    static const struct kci_loop_options defaults = { KCI_LOOP_BEST, -1, -1 };
    struct kci_loop *loop = kci_alloc_zero(alloc, 1, sizeof *loop);
    if (!loop)
        return ENOMEM;
    loop->alloc = alloc;
    loop->options = options ? *options : defaults;
    loop->poller = poller_of(loop->options.kind);
    loop->accept_retry_at = KCI_NEVER;
    loop->posted_tail = &loop->posted;
    atomic_init(&loop->state, KCI_LOOP_AWAKE);
    atomic_init(&loop->stopping, 0);
    kci_lock_init(&loop->post_lock, kci_lock_system());
    kci_list_init(&loop->free);
    kci_list_init(&loop->ready);
    kci_list_init(&loop->paused);
    loop->now = kci_clock_us();

    int error = loop->poller ? kci_wake_create(loop) : ENOTSUP;
    if (error == 0 && (error = loop->poller->create(loop)) != 0)
        kci_wake_destroy(loop);
    if (error) {
        kci_alloc_free(alloc, loop);
        return error;
    }
    *out = loop;
    return 0;
}

void kci_loop_destroy(struct kci_loop *loop)
{
    if (!loop)
        return;
    assert(current != loop); /* not from one of its own callbacks */
    kci_loop_stop(loop);
    kci_resolver_destroy(loop->resolver);
    for (uint32_t i = 0; i < loop->socket_count; i++)
        if (loop->sockets[i]->id)
            kci_socket_free(loop, loop->sockets[i]);
    for (uint32_t i = 0; i < loop->socket_count; i++) /* their list nodes point at each other: all at the end */
        kci_alloc_free(loop->alloc, loop->sockets[i]);
    kci_alloc_free(loop->alloc, loop->sockets);
    kci_post_drop(loop);
    loop->poller->destroy(loop);
    kci_wake_destroy(loop);
    kci_alloc_free(loop->alloc, loop);
}

void kci_loop_transport(struct kci_loop *loop, struct kci_transport *transport)
{
    assert(loop->slot_count < KCI_LOOP_ENGINES_MAX);
    struct kci_loop_slot *slot = &loop->slots[loop->slot_count++];
    slot->loop = loop;
    kci_socket_transport(slot, transport);
}

void kci_loop_set_engine(struct kci_loop *loop, const struct kci_engine *engine)
{
    assert(loop->slot_count > 0 && loop->slots[loop->slot_count - 1].engine.ops == NULL);
    loop->slots[loop->slot_count - 1].engine = *engine;
}

int kci_loop_add(struct kci_loop *loop, const struct kci_engine *engine, struct kci_transport *transport)
{
    if (loop->slot_count == KCI_LOOP_ENGINES_MAX)
        return ENOSPC;
    kci_loop_transport(loop, transport);
    kci_loop_set_engine(loop, engine);
    return 0;
}

bool kci_loop_on_thread(const struct kci_loop *loop)
{
    return current == loop;
}

/* Milliseconds that this turn may sleep; -1: until something happens. */
static int sleep_ms(struct kci_loop *loop, int64_t max_wait_us)
{
    if (max_wait_us <= 0 || loop->again || loop->lost_count || !kci_list_empty(&loop->ready))
        return 0;
    int64_t deadline = loop->accept_retry_at;
    for (size_t i = 0; i < loop->slot_count; i++) {
        const struct kci_engine *engine = &loop->slots[i].engine;
        int64_t at = engine->ops ? engine->ops->deadline(engine->self) : KCI_NEVER;
        if (at < deadline)
            deadline = at;
    }
    if (deadline == KCI_NEVER && max_wait_us == KCI_NEVER)
        return -1;
    if (deadline <= loop->now)
        return 0;
    int64_t wait_us = deadline == KCI_NEVER ? KCI_NEVER : deadline - kci_clock_us();
    if (wait_us > max_wait_us)
        wait_us = max_wait_us;
    if (wait_us <= 0)
        return 0;
    return wait_us / 1000 >= SLEEP_MAX_MS ? SLEEP_MAX_MS : (int)((wait_us + 999) / 1000);
}

/* Turn what the poller said into flags, before any callback can close a socket. */
static void note_event(struct kci_loop *loop, const struct kci_poller_event *event)
{
    struct kci_socket *socket = kci_socket_of(loop, event->id);
    if (!socket)
        return;
    if (event->flags & (KCI_POLLER_READ | KCI_POLLER_HANGUP | KCI_POLLER_BROKEN))
        socket->readable = true;
    if (event->flags & (KCI_POLLER_WRITE | KCI_POLLER_BROKEN))
        socket->writable = true;
    if (event->flags & (KCI_POLLER_HANGUP | KCI_POLLER_BROKEN))
        socket->hangup = true;
    if (event->flags & KCI_POLLER_BROKEN)
        socket->broken = true;
    bool wanted = (socket->readable && !socket->paused) || (socket->writable && socket->want_write) || socket->broken ||
                  socket->state == KCI_SOCKET_OPENING;
    if (wanted)
        kci_socket_ready(loop, socket);
}

/* Only what is ready now: a socket that is made ready meanwhile has its turn next time. */
static void run_ready(struct kci_loop *loop)
{
    struct kci_list last; /* marks the end of this turn's part */
    if (kci_list_empty(&loop->ready))
        return;
    kci_list_push(&loop->ready, &last);
    for (struct kci_list *node; (node = kci_list_pop(&loop->ready)) != &last;)
        kci_socket_run(loop, KCI_CONTAINER(node, struct kci_socket, node));
}

void kci_loop_turn(struct kci_loop *loop, int64_t max_wait_us)
{
    const struct kci_loop *outer = current;
    int awake = KCI_LOOP_AWAKE;
    current = loop;
    int timeout_ms = sleep_ms(loop, max_wait_us);
    if (timeout_ms != 0 && !atomic_compare_exchange_strong(&loop->state, &awake, KCI_LOOP_SLEEPING))
        timeout_ms = 0; /* somebody woke us since the last turn began */
    size_t count = loop->poller->wait(loop, timeout_ms, loop->events);
    /* From here on a wake means another turn: what it announces may come too late for this step. */
    atomic_exchange(&loop->state, KCI_LOOP_AWAKE);
    loop->now = kci_clock_us();
    loop->again = false;

    for (size_t i = 0; i < count; i++)
        note_event(loop, &loop->events[i]);
    if (loop->accept_retry_at <= loop->now)
        kci_listener_retry(loop);
    kci_post_run(loop);
    kci_resolver_deliver(loop);
    run_ready(loop);
    for (size_t i = 0; i < loop->slot_count; i++)
        if (loop->slots[i].engine.ops)
            loop->slots[i].engine.ops->step(loop->slots[i].engine.self, loop->now);
    kci_socket_resume(loop);
    current = outer;
}
