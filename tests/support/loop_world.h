/* One event loop with one engine that is both ends of every conversation: it listens, connects to itself, and lets the
 * story say what each end does.
 *
 *      struct world world;
 *      world_open(&world, KCI_LOOP_EPOLL);
 *      struct end *client = world_connect(&world);
 *      world_until(&world, client->opened && world.accepted_count == 1);
 *      end_queue(client, bytes, size);          sends now, the rest when there is room
 *      world_close(&world);                     everything must be freed by then
 *
 * Only `world_until` waits; a story that makes no progress for WORLD_PATIENCE_US fails. */
#ifndef TEST_SUPPORT_LOOP_WORLD_H
#define TEST_SUPPORT_LOOP_WORLD_H

#include "base/prng.h"
#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORLD_ENDS_MAX    512
#define WORLD_PATIENCE_US 240000000 /* longer than any machine stalls, also when twenty others want it */

struct world;

struct end {
    struct world *world;
    kci_conn conn;
    bool opened, closed, accepted;     /* accepted: the listener's side */
    char reason[128];                  /* of on_close */
    uint8_t *out;                      /* queued to send; malloc */
    size_t out_size, out_sent;         /* bytes */
    uint8_t *in;                       /* received so far; malloc */
    size_t in_size, in_capacity;       /* bytes */
    size_t space_max;                  /* most bytes that on_space offers, drawn anew each time; 0: nothing */
    bool echo;                         /* send back what comes */
    int sent_count;                    /* on_sent so far */
    void (*on_bytes)(struct end *end); /* the story's own; may close. NULL: none */
};

struct world {
    struct kci_loop *loop;
    struct kci_transport transport;
    struct kci_prng prng;
    struct end *ends[WORLD_ENDS_MAX];
    size_t end_count;
    size_t accepted_count;
    struct end *last_accepted;
    void (*on_accept)(struct end *end); /* the story's own; NULL: none */
    bool refuse;                        /* on_accept returns NULL */
    bool echo;                          /* accepted ends echo */
    uint16_t port;
    uint64_t listener;
    int64_t deadline; /* of the engine */
    int steps;        /* engine steps so far */
    int64_t stepped_at;
    int resolved_count;
    size_t addresses_count;
    struct kci_address addresses[KCI_ADDRESSES_MAX];
    char resolve_reason[128];
};

static inline struct end *world_end(struct world *world)
{
    struct end *end = calloc(1, sizeof *end);
    assert_non_null(end);
    assert_true(world->end_count < WORLD_ENDS_MAX);
    world->ends[world->end_count++] = end;
    end->world = world;
    end->space_max = 65536;
    return end;
}

/* Send what is queued, as a rope of small pieces. */
static inline void end_push(struct end *end)
{
    while (end->opened && !end->closed && end->out_sent < end->out_size) {
        struct kci_iov pieces[1500]; /* more than one sendmsg takes */
        size_t count = 0, at = end->out_sent, taken;
        for (; count < 1500 && at < end->out_size; count++) {
            size_t size = kci_prng_below(&end->world->prng, 4000);
            size = size > end->out_size - at ? end->out_size - at : size;
            pieces[count] = (struct kci_iov){ end->out + at, size };
            at += size;
        }
        taken = end->world->transport.send(end->world->transport.context, end->conn, pieces, count);
        assert_true(taken <= at - end->out_sent);
        end->out_sent += taken;
        if (end->out_sent < at)
            return;
    }
}

static inline void end_queue(struct end *end, const void *data, size_t size)
{
    end->out = realloc(end->out, end->out_size + size);
    assert_non_null(end->out);
    memcpy(end->out + end->out_size, data, size);
    end->out_size += size;
    end_push(end);
}

static inline void end_close(struct end *end)
{
    end->world->transport.close(end->world->transport.context, end->conn);
    end->closed = true;
}

static inline void world_on_step(void *engine, int64_t now)
{
    struct world *world = engine;
    world->steps++;
    world->stepped_at = now;
    if (world->deadline <= now)
        world->deadline = KCI_NEVER;
}
static inline int64_t world_on_deadline(void *engine)
{
    return ((struct world *)engine)->deadline;
}
static inline void world_on_open(void *engine, kci_conn conn, void *user, int64_t now)
{
    struct end *end = user;
    (void)now;
    assert_ptr_equal(engine, end->world);
    assert_true(conn == end->conn && !end->opened && !end->closed);
    end->opened = true;
    end_push(end);
}
static inline void *world_on_accept(void *engine, kci_conn conn, void *user, const struct kci_address *peer,
                                    const struct kci_address *local, int64_t now)
{
    struct world *world = engine;
    (void)now;
    assert_true(user == &world->listener && peer->size > 0 && local->size > 0);
    if (world->refuse)
        return NULL;
    struct end *end = world_end(world);
    end->conn = conn;
    end->opened = end->accepted = true;
    end->echo = world->echo;
    world->accepted_count++;
    world->last_accepted = end;
    if (world->on_accept)
        world->on_accept(end);
    return end;
}
static inline void *world_on_space(void *engine, kci_conn conn, void *user, size_t *size)
{
    struct end *end = user;
    assert_true(conn == end->conn && !end->closed && engine == end->world);
    if (end->space_max == 0)
        return NULL;
    if (end->in_capacity < end->in_size + end->space_max) {
        end->in_capacity = 2 * (end->in_size + end->space_max);
        end->in = realloc(end->in, end->in_capacity);
        assert_non_null(end->in);
    }
    *size = 1 + (size_t)kci_prng_below(&end->world->prng, end->space_max);
    return end->in + end->in_size;
}
static inline void world_on_bytes(void *engine, kci_conn conn, void *user, size_t size, int64_t now)
{
    struct end *end = user;
    (void)engine, (void)now;
    assert_true(conn == end->conn && !end->closed && size > 0);
    end->in_size += size;
    if (end->echo)
        end_queue(end, end->in + end->in_size - size, size);
    if (end->on_bytes)
        end->on_bytes(end);
}
static inline void world_on_sent(void *engine, kci_conn conn, void *user, int64_t now)
{
    struct end *end = user;
    (void)engine, (void)now;
    assert_true(conn == end->conn && !end->closed);
    end->sent_count++;
    end_push(end);
}
static inline void world_on_close(void *engine, kci_conn conn, void *user, const char *reason, int64_t now)
{
    struct end *end = user;
    (void)engine, (void)now;
    assert_true(conn == end->conn && !end->closed);
    end->closed = true;
    snprintf(end->reason, sizeof end->reason, "%s", reason);
}
static inline void world_on_resolved(void *engine, void *user, const struct kci_address *addresses, size_t count,
                                     const char *reason, int64_t now)
{
    struct world *world = engine;
    (void)now;
    assert_ptr_equal(user, world);
    world->resolved_count++;
    world->addresses_count = count;
    for (size_t i = 0; i < count; i++)
        world->addresses[i] = addresses[i];
    snprintf(world->resolve_reason, sizeof world->resolve_reason, "%s", reason ? reason : "");
}

static const struct kci_engine_ops world_ops = {
    world_on_step,  world_on_deadline, world_on_open,  world_on_accept,   world_on_space,
    world_on_bytes, world_on_sent,     world_on_close, world_on_resolved,
};

static inline void world_open(struct world *world, enum kci_loop_kind kind)
{
    struct kci_loop_options options = { kind, -1, -1 };
    struct kci_engine engine = { world, &world_ops };
    memset(world, 0, sizeof *world);
    world->deadline = KCI_NEVER;
    kci_prng_seed(&world->prng, 20260101);
    assert_int_equal(kci_loop_create(&world->loop, kci_heap_alloc(), &options), 0);
    assert_int_equal(kci_loop_add(world->loop, &engine, &world->transport), 0);
    assert_int_equal(kci_loop_listen(world->loop, "127.0.0.1", &world->port, &world->listener, &world->listener), 0);
    assert_true(world->port > 0);
}

static inline void world_close(struct world *world)
{
    kci_loop_destroy(world->loop);
    for (size_t i = 0; i < world->end_count; i++) {
        free(world->ends[i]->in);
        free(world->ends[i]->out);
        free(world->ends[i]);
    }
}

static inline struct kci_address world_address(uint16_t port)
{
    struct kci_address address = { { 0 }, 0, "" };
    struct {
        uint16_t family, port_be;
        uint8_t ip[4], rest[8];
    } v4 = { 2 /* AF_INET */, 0, { 127, 0, 0, 1 }, { 0 } };
    uint8_t port_bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };
    memcpy(&v4.port_be, port_bytes, 2);
    memcpy(address.bytes, &v4, sizeof v4);
    address.size = sizeof v4;
    return address;
}

static inline struct end *world_connect_to(struct world *world, uint16_t port)
{
    struct kci_address address = world_address(port);
    struct end *end = world_end(world);
    end->conn = world->transport.open(world->transport.context, &address, end);
    return end;
}
static inline struct end *world_connect(struct world *world)
{
    return world_connect_to(world, world->port);
}

/* Turn the loop until the condition holds. */
#define world_until(world, condition)                                                                                  \
    do {                                                                                                               \
        int64_t give_up_ = kci_clock_us() + WORLD_PATIENCE_US;                                                         \
        while (!(condition)) {                                                                                         \
            assert_true(kci_clock_us() < give_up_);                                                                    \
            kci_loop_turn((world)->loop, 1000000);                                                                     \
        }                                                                                                              \
    } while (0)

/* Turns that the loop makes in this time; a loop that has nothing to do makes few, one that spins thousands. */
static inline int world_turns_in(struct world *world, int64_t time_us)
{
    int turns = 0;
    for (int64_t end = kci_clock_us() + time_us, left; (left = end - kci_clock_us()) > 0; turns++)
        kci_loop_turn(world->loop, left);
    return turns;
}
#define WORLD_QUIET 10 /* turns: a few stray events are fine */

/* Each story for both kinds of loop. */
#define WORLD_STORY(story)                                                                                             \
    { #story " (epoll)", story, NULL, NULL, &world_kinds[0] },                                                         \
    {                                                                                                                  \
#story " (poll)", story, NULL, NULL, &world_kinds[1]                                                           \
    }
static enum kci_loop_kind world_kinds[] = { KCI_LOOP_EPOLL, KCI_LOOP_POLL };
#define world_kind(state) (*(enum kci_loop_kind *)*(state))

#endif
