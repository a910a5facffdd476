/* Listening: ports, refusals, and what happens when descriptors run out. */
#include "support/loop_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The port of a listener that was closed can be taken again at once: how a broker restarts. */
static void a_port_can_be_taken_again(void **state)
{
    struct world world;
    uint16_t port;
    uint64_t listener;
    world_open(&world, world_kind(state));
    struct end *before = world_connect(&world);
    world_until(&world, before->opened && world.last_accepted);
    port = world.port;
    assert_int_equal(kci_loop_listen(world.loop, "127.0.0.1", &port, &world.listener, &listener), EADDRINUSE);
    kci_loop_unlisten(world.loop, world.listener);
    struct end *between = world_connect(&world);
    world_until(&world, between->closed);
    assert_int_equal(kci_loop_listen(world.loop, "127.0.0.1", &port, &world.listener, &world.listener), 0);
    assert_int_equal(port, world.port);
    struct end *after = world_connect(&world);
    world_until(&world, after->opened && world.accepted_count == 2);
    assert_false(before->closed); /* accepted connections do not belong to the listener */
    world_close(&world);
}

/* A port that is held refuses connections, is nobody else's, and can be listened on after its release. */
static void a_held_port_is_refused_and_kept(void **state)
{
    struct world world;
    uint64_t listener;
    world_open(&world, world_kind(state));
    assert_int_equal(kci_port_hold("127.0.0.1", world.port), -1); /* in use */
    kci_loop_unlisten(world.loop, world.listener);
    int held = kci_port_hold("127.0.0.1", world.port);
    assert_true(held >= 0);
    struct end *client = world_connect(&world);
    world_until(&world, client->closed);
    assert_string_equal(client->reason, "connection refused");
    kci_port_release(held);
    kci_port_release(-1);
    assert_int_equal(kci_loop_listen(world.loop, "127.0.0.1", &world.port, &world.listener, &listener), 0);
    world_close(&world);
}

/* An engine that returns no user pointer wants no connection. */
static void an_engine_may_refuse(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    world.refuse = true;
    struct end *client = world_connect(&world);
    world_until(&world, client->closed);
    assert_true(client->opened); /* the kernel had accepted it */
    world_close(&world);
}

static void names_and_ipv6(void **state)
{
    struct world world;
    uint16_t port = 0;
    uint64_t listener = 0;
    world_open(&world, world_kind(state));
    assert_int_equal(kci_loop_listen(world.loop, "localhost", &port, &world.listener, &listener), 0);
    assert_true(port > 0);
    kci_loop_unlisten(world.loop, listener);
    kci_loop_unlisten(world.loop, listener); /* twice is nothing */
    assert_int_equal(kci_loop_listen(world.loop, "no such host", &port, &world.listener, &listener), EADDRNOTAVAIL);
    world_close(&world);
}

/* Takes every descriptor that is left below `limit`. */
static size_t use_up(int *fds, size_t count)
{
    size_t used = 0;
    while (used < count && (fds[used] = open("/dev/null", O_RDONLY)) >= 0)
        used++;
    assert_true(used < count && errno == EMFILE);
    return used;
}

/* Out of descriptors: open() returns 0, accepting pauses without spinning, and goes on when there is room. */
static void running_out_of_descriptors(void **state)
{
    struct world world;
    struct rlimit before, low;
    int fds[128];
    world_open(&world, world_kind(state));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 100;
    struct end *client = world_connect(&world); /* has its descriptor; the accepting side has none yet */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    size_t used = use_up(fds, 128);
    struct kci_address address = world_address(world.port);
    assert_true(world.transport.open(world.transport.context, &address, client) == 0);

    world_until(&world, client->opened);
    kci_loop_turn(world.loop, 1000);
    assert_true(world_turns_in(&world, 30000) < WORLD_QUIET);
    assert_int_equal(world.accepted_count, 0);

    for (size_t i = 0; i < used; i++)
        close(fds[i]);
    world_until(&world, world.accepted_count == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_STORY(a_port_can_be_taken_again),  WORLD_STORY(a_held_port_is_refused_and_kept),
        WORLD_STORY(an_engine_may_refuse),       WORLD_STORY(names_and_ipv6),
        WORLD_STORY(running_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
