/* Names become addresses, or a reason; and nobody waits for a name server that does not answer. */
#include "support/loop_world.h"

static void look_up(struct world *world, const char *host, uint16_t port)
{
    int before = world->resolved_count;
    world->transport.resolve(world->transport.context, host, port, world);
    assert_int_equal(world->resolved_count, before); /* never from within resolve() */
}

static void numeric_addresses_take_one_turn(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    look_up(&world, "10.1.2.3", 9092);
    kci_loop_turn(world.loop, KCI_NEVER);
    assert_int_equal(world.resolved_count, 1);
    assert_int_equal(world.addresses_count, 1);
    assert_string_equal(world.addresses[0].text, "10.1.2.3:9092");
    assert_string_equal(world.resolve_reason, "");
    look_up(&world, "::1", 19092);
    kci_loop_turn(world.loop, KCI_NEVER);
    assert_int_equal(world.addresses_count, 1);
    assert_string_equal(world.addresses[0].text, "[::1]:19092");
    world_close(&world);
}

/* localhost, as the system says it; one can connect to what comes out. */
static void a_name_is_looked_up(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    look_up(&world, "localhost", world.port);
    world_until(&world, world.resolved_count == 1);
    assert_true(world.addresses_count >= 1);
    struct end *client = NULL;
    for (size_t i = 0; i < world.addresses_count && !(client && client->opened); i++) {
        client = world_end(&world);
        client->conn = world.transport.open(world.transport.context, &world.addresses[i], client);
        world_until(&world, client->opened || client->closed);
    }
    assert_true(client->opened);
    world_close(&world);
}

/* ".invalid" exists nowhere (RFC 6761). More look-ups than helpers: each is answered once. */
static void a_name_that_does_not_exist_gives_a_reason(void **state)
{
    struct world world;
    char host[40];
    world_open(&world, world_kind(state));
    for (int i = 0; i < 10; i++) {
        snprintf(host, sizeof host, "broker-%d.invalid", i);
        look_up(&world, host, 9092);
    }
    world_until(&world, world.resolved_count == 10);
    assert_int_equal(world.addresses_count, 0);
    assert_true(strlen(world.resolve_reason) > 0);
    world_close(&world);
}

static void a_name_that_is_too_long(void **state)
{
    struct world world;
    char host[300];
    memset(host, 'x', sizeof host);
    host[sizeof host - 1] = '\0';
    world_open(&world, world_kind(state));
    look_up(&world, host, 9092);
    kci_loop_turn(world.loop, KCI_NEVER);
    assert_int_equal(world.addresses_count, 0);
    assert_string_equal(world.resolve_reason, "the host name is longer than 255 bytes");
    world_close(&world);
}

/* Destroying the loop while names are looked up returns at once, and no answer is delivered. */
static void destroy_does_not_wait_for_answers(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct world world;
        world_open(&world, world_kind(state));
        for (int i = 0; i < 6; i++)
            look_up(&world, i % 2 ? "localhost" : "nobody.invalid", 9092);
        for (int i = 0; i < round % 4; i++)
            kci_loop_turn(world.loop, 500);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_STORY(numeric_addresses_take_one_turn),           WORLD_STORY(a_name_is_looked_up),
        WORLD_STORY(a_name_that_does_not_exist_gives_a_reason), WORLD_STORY(a_name_that_is_too_long),
        WORLD_STORY(destroy_does_not_wait_for_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
