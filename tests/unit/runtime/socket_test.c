/* Conversations over real sockets of this machine: what one end sends, the other receives, and every way in which a
 * connection ends is told once and in words. */
#include "runtime/loop.h"
#include "support/loop_world.h"
#include "support/rounds.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG (6u << 20) /* bytes: more than any socket buffer holds */

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return bytes;
}

/* An echo of several megabytes comes back whole, whatever the sizes of ropes, segments and read buffers. */
static void big_ropes_come_back_unchanged(void **state)
{
    struct world world;
    uint8_t *bytes = pattern(BIG);
    world_open(&world, world_kind(state));
    world.echo = true;
    struct end *client = world_connect(&world);
    end_queue(client, bytes, BIG);
    world_until(&world, client->in_size == BIG);
    assert_memory_equal(client->in, bytes, BIG);
    assert_true(client->sent_count > 0); /* the socket was full at least once */
    assert_string_equal(client->reason, "");
    world_close(&world);
    free(bytes);
}

/* Many connections talk at once; none is forgotten and none gets another's bytes. */
static void a_hundred_conversations_at_once(void **state)
{
    struct world world;
    struct end *clients[100];
    uint8_t *bytes = pattern(100000);
    world_open(&world, world_kind(state));
    world.echo = true;
    for (size_t i = 0; i < 100; i++) {
        clients[i] = world_connect(&world);
        clients[i]->space_max = 1 + i * 30;
        end_queue(clients[i], bytes + i * 7, 50000);
    }
    for (size_t i = 0; i < 100; i++) {
        world_until(&world, clients[i]->in_size == 50000);
        assert_memory_equal(clients[i]->in, bytes + i * 7, 50000);
    }
    world_close(&world);
    free(bytes);
}

#define BUSY_TURNS 500 /* turns: many times what a fair loop needs */

/* More connections have something to read in every turn than a turn serves: each one has its share. */
static void nobody_starves_among_busy_connections(void **state)
{
    struct world world;
    int clients = KCI_POLLER_EVENTS_MAX * 3 / 4, turns = 0;
    char words[4 * KCI_SOCKET_READS_MAX] = { 0 };
    world_open(&world, world_kind(state));
    for (int i = 0; i < clients; i++) {
        struct end *client = world_connect(&world);
        world_until(&world, client->opened && world.accepted_count == (size_t)i + 1);
    }
    for (size_t i = 0; i < world.end_count; i++) { /* from now on each says again what it hears */
        world.ends[i]->echo = true;
        world.ends[i]->space_max = 1; /* a turn reads a part only */
    }
    for (size_t i = 0; i < world.end_count; i++)
        end_queue(world.ends[i], words, sizeof words);
    for (size_t heard = 0; heard < world.end_count; turns++) {
        assert_true(turns < BUSY_TURNS);
        kci_loop_turn(world.loop, KCI_NEVER);
        heard = 0;
        for (size_t i = 0; i < world.end_count; i++)
            heard += world.ends[i]->in_size >= 10;
    }
    world_close(&world);
}

/* Every connection sends probes when it is quiet, so that a peer behind a dead line is found out in the end, and small
 * requests do not wait for one another. */
static void connections_are_kept_alive(void **state)
{
    static const int wanted[][2] = { { SOL_SOCKET, SO_KEEPALIVE }, { IPPROTO_TCP, TCP_NODELAY } };
    const struct kci_loop_options options = { .kind = KCI_LOOP_BEST };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(kci_socket_prepare(&options, fd, false), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        int value = 0;
        socklen_t size = sizeof value;
        assert_int_equal(getsockopt(fd, wanted[i][0], wanted[i][1], &value, &size), 0);
        assert_true(value != 0);
    }
    close(fd);
}

static void a_refused_connection_says_so(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    kci_loop_unlisten(world.loop, world.listener);
    struct end *client = world_connect(&world);
    assert_true(client->conn != 0);
    assert_false(client->closed); /* never from within open() */
    world_until(&world, client->closed);
    assert_string_equal(client->reason, "connection refused");
    assert_false(client->opened);
    world_close(&world);
}

/* A client that tries and tries to reach a broker of its own machine comes by every free port, also the broker's: then
 * the kernel connects the socket to itself. That is no connection. */
static void a_connection_never_meets_itself(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    kci_loop_unlisten(world.loop, world.listener);
    uint16_t port = world.port ^ 1; /* Linux gives listeners and clients ports of different parity, as long as it can */
    while (kci_loop_listen(world.loop, "127.0.0.1", &port, &world.listener, &world.listener) != 0)
        port -= 2;
    kci_loop_unlisten(world.loop, world.listener);
    struct kci_address address = world_address(port);
    struct end *client = world_end(&world);
    for (int i = 0; i < TEST_ROUNDS(30000); i++) { /* more often than there are ports */
        client->closed = false;
        client->conn = world.transport.open(world.transport.context, &address, client);
        assert_true(client->conn != 0);
        world_until(&world, client->closed || client->opened);
        assert_false(client->opened);
        assert_string_equal(client->reason, "connection refused");
    }
    world_close(&world);
}

/* What fails at once is told in the next turn, too. */
static void an_impossible_address_is_told_as_a_close(void **state)
{
    struct world world;
    struct kci_address nowhere = world_address(9092);
    uint16_t family = 12345;
    memcpy(nowhere.bytes, &family, 2);
    world_open(&world, world_kind(state));
    struct end *client = world_end(&world);
    client->conn = world.transport.open(world.transport.context, &nowhere, client);
    assert_true(client->conn != 0 && !client->closed);
    kci_loop_turn(world.loop, KCI_NEVER);
    assert_true(client->closed);
    assert_string_equal(client->reason, "address family not supported by this system");
    world_close(&world);
}

/* The last bytes before the end arrive before the end does. */
static void a_peer_that_closes_in_mid_frame_is_read_to_the_end(void **state)
{
    struct world world;
    uint8_t *bytes = pattern(300000);
    world_open(&world, world_kind(state));
    struct end *client = world_connect(&world);
    world_until(&world, client->opened && world.last_accepted);
    client->space_max = 100;
    end_queue(world.last_accepted, bytes, 100000);
    assert_int_equal(world.last_accepted->out_sent, 100000);
    end_close(world.last_accepted);
    world_until(&world, client->closed);
    assert_int_equal(client->in_size, 100000);
    assert_memory_equal(client->in, bytes, 100000);
    assert_string_equal(client->reason, "closed by the peer");
    world_close(&world);
    free(bytes);
}

/* Sending into a connection that the peer has reset: what it said before is read first, then the end is told. */
static void a_failed_send_is_told_as_a_close(void **state)
{
    struct world world;
    uint8_t *bytes = pattern(BIG);
    world_open(&world, world_kind(state));
    struct end *client = world_connect(&world);
    world_until(&world, client->opened && world.last_accepted);
    world.last_accepted->space_max = 0; /* unread bytes at close: a reset */
    end_queue(client, bytes, 1000);
    world_until(&world, world.steps > 20 || (kci_loop_wake(world.loop), false));
    end_close(world.last_accepted);
    end_queue(client, bytes, BIG);
    world_until(&world, client->closed);
    assert_true(strcmp(client->reason, "connection reset by peer") == 0 ||
                strcmp(client->reason, "closed by the peer") == 0);
    world_close(&world);
    free(bytes);
}

static void close_it(struct end *end)
{
    end_close(end);
}

/* An engine may close in any callback; nothing comes for that connection afterwards (the ends assert it). */
static void closing_within_callbacks_is_final(void **state)
{
    struct world world;
    uint8_t bytes[5000] = { 1 };
    world_open(&world, world_kind(state));
    world.on_accept = close_it;
    struct end *first = world_connect(&world);
    end_queue(first, bytes, sizeof bytes);
    world_until(&world, first->closed);

    world.on_accept = NULL;
    struct end *second = world_connect(&world);
    second->on_bytes = close_it;
    world_until(&world, world.accepted_count == 2);
    second->space_max = 10; /* there is more to read when it closes */
    end_queue(world.last_accepted, bytes, sizeof bytes);
    world_until(&world, second->closed);
    assert_in_range(second->in_size, 1, 10);
    assert_string_equal(second->reason, ""); /* its own close is not told */
    struct end *server = world.last_accepted;
    world_until(&world, server->closed);
    world_close(&world);
}

/* One callback closes another connection that has bytes waiting in the same turn. */
static struct end *victim;
static void close_victim(struct end *end)
{
    (void)end;
    if (!victim->closed)
        end_close(victim);
}
static void stale_events_are_not_delivered(void **state)
{
    struct world world;
    uint8_t bytes[100] = { 1 };
    struct end *servers[2];
    world_open(&world, world_kind(state));
    struct end *one = world_connect(&world);
    world_until(&world, world.accepted_count == 1 && one->opened);
    servers[0] = world.last_accepted;
    struct end *two = world_connect(&world);
    world_until(&world, world.accepted_count == 2 && two->opened);
    servers[1] = world.last_accepted;
    one->on_bytes = two->on_bytes = close_victim;
    victim = two;
    end_queue(servers[0], bytes, sizeof bytes);
    end_queue(servers[1], bytes, sizeof bytes);
    kci_conn closed = two->conn;
    world_until(&world, two->closed && one->in_size > 0);
    struct end *three = world_connect(&world); /* takes the place of the closed one, under another id */
    assert_true(three->conn != closed);
    assert_int_equal(world.transport.send(world.transport.context, closed, &(struct kci_iov){ bytes, 1 }, 1), 0);
    world.transport.close(world.transport.context, closed);
    world_until(&world, three->opened);
    world_close(&world);
}

/* An engine without space is not asked again and again, and nothing is lost when it has space again. */
static void no_space_stops_reading_without_spinning(void **state)
{
    struct world world;
    uint8_t *bytes = pattern(BIG);
    world_open(&world, world_kind(state));
    struct end *client = world_connect(&world);
    world_until(&world, client->opened && world.last_accepted);
    struct end *server = world.last_accepted;
    server->space_max = 0;
    end_queue(client, bytes, BIG);
    for (int i = 0; i < 20; i++)
        kci_loop_turn(world.loop, 0);
    assert_true(world_turns_in(&world, 30000) < WORLD_QUIET);
    assert_int_equal(server->in_size, 0);
    server->space_max = 100000;
    world.transport.want_read(world.transport.context, server->conn);
    world_until(&world, server->in_size == BIG);
    assert_memory_equal(server->in, bytes, BIG);
    world_close(&world);
    free(bytes);
}

/* Space that the engine's own step makes is found without want_read. */
static void space_is_asked_for_again_after_a_step(void **state)
{
    struct world world;
    uint8_t bytes[1000] = { 7 };
    world_open(&world, world_kind(state));
    struct end *client = world_connect(&world);
    world_until(&world, client->opened && world.last_accepted);
    struct end *server = world.last_accepted;
    server->space_max = 0;
    end_queue(client, bytes, sizeof bytes);
    for (int i = 0; i < 5; i++)
        kci_loop_turn(world.loop, 1000);
    server->space_max = 1000;
    kci_loop_turn(world.loop, 0);
    assert_true(server->in_size > 0);
    int steps = world.steps;
    kci_loop_turn(world.loop, KCI_NEVER); /* returns: what came after the step calls for another one */
    assert_int_equal(world.steps, steps + 1);
    world_until(&world, server->in_size == sizeof bytes);
    world_close(&world);
}

/* A reset is told even to an engine that has no space. */
static void a_reset_is_told_while_reading_is_stopped(void **state)
{
    struct world world;
    uint8_t *bytes = pattern(BIG);
    world_open(&world, world_kind(state));
    struct end *client = world_connect(&world);
    world_until(&world, client->opened && world.last_accepted);
    struct end *server = world.last_accepted;
    server->space_max = 0;
    end_queue(client, bytes, 1000);
    end_queue(server, bytes, 1000); /* unread by the client when it closes: that makes it a reset */
    client->space_max = 0;
    for (int i = 0; i < 20; i++)
        kci_loop_turn(world.loop, 1000);
    end_close(client);
    world_until(&world, server->closed);
    assert_string_equal(server->reason, "connection reset by peer");
    world_close(&world);
    free(bytes);
}

/* Destroying the loop in the middle of everything: no callback, no leak (the sanitizer looks). */
static void destroy_at_any_moment(void **state)
{
    uint8_t *bytes = pattern(BIG);
    for (int turns = 0; turns < 12; turns++) {
        struct world world;
        world_open(&world, world_kind(state));
        world.echo = true;
        for (int i = 0; i < 3; i++)
            end_queue(world_connect(&world), bytes, BIG);
        for (int i = 0; i < turns; i++)
            kci_loop_turn(world.loop, 1000);
        world_close(&world);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_STORY(big_ropes_come_back_unchanged),
        WORLD_STORY(a_hundred_conversations_at_once),
        WORLD_STORY(a_refused_connection_says_so),
        { "a_connection_never_meets_itself", a_connection_never_meets_itself, NULL, NULL, &world_kinds[0] },
        WORLD_STORY(an_impossible_address_is_told_as_a_close),
        WORLD_STORY(a_peer_that_closes_in_mid_frame_is_read_to_the_end),
        WORLD_STORY(a_failed_send_is_told_as_a_close),
        WORLD_STORY(closing_within_callbacks_is_final),
        WORLD_STORY(stale_events_are_not_delivered),
        WORLD_STORY(no_space_stops_reading_without_spinning),
        WORLD_STORY(space_is_asked_for_again_after_a_step),
        WORLD_STORY(a_reset_is_told_while_reading_is_stopped),
        cmocka_unit_test(connections_are_kept_alive),
        WORLD_STORY(destroy_at_any_moment),
        WORLD_STORY(nobody_starves_among_busy_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
