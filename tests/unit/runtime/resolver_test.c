/* Names become addresses, or a reason; and nobody waits for a name server that does not answer. */
#include "support/loop_world.h"

#include <netdb.h>
#include <netinet/in.h>

/* The system's answers, but for the names "several.test" and "many.test", which no machine has. */
static int system_lookup(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    return getaddrinfo(host, service, hints, found);
}
static void system_free(struct addrinfo *list)
{
    freeaddrinfo(list);
}
static int answer(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found);
static void free_answer(struct addrinfo *list);
#define getaddrinfo  answer
#define freeaddrinfo free_answer
#include "runtime/resolver.c"

#define MANY 100 /* addresses of many.test */
static struct addrinfo rows[MANY];
static struct sockaddr_in v4[MANY];
static struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

/* several.test: ::1, something that is no IP address, 127.0.0.2, 127.0.0.1. many.test: 127.0.0.1 a hundred times. */
static int answer(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    bool several = strcmp(host, "several.test") == 0, many = strcmp(host, "many.test") == 0;
    size_t count = several ? 4 : MANY;
    if ((hints->ai_flags & AI_NUMERICHOST) || (!several && !many))
        return system_lookup(host, service, hints, found);
    for (size_t i = 0; i < count; i++) {
        uint16_t port = htons((uint16_t)atoi(service));
        v4[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
        v4[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + (several && i == 2));
        rows[i] = (struct addrinfo){ .ai_family = AF_INET,
                                     .ai_addrlen = sizeof v4[i],
                                     .ai_addr = (struct sockaddr *)&v4[i],
                                     .ai_next = i + 1 < count ? &rows[i + 1] : NULL };
        v6.sin6_port = port;
    }
    if (several) {
        rows[0].ai_family = AF_INET6;
        rows[0].ai_addrlen = sizeof v6;
        rows[0].ai_addr = (struct sockaddr *)&v6;
        rows[1].ai_family = AF_UNIX;
    }
    *found = rows;
    return 0;
}

static void free_answer(struct addrinfo *list)
{
    if (list != rows)
        system_free(list);
}

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

/* All addresses of a name come back, in the system's order; what is no IP address is left out, and there is an end. */
static void all_addresses_of_a_name(void **state)
{
    struct world world;
    world_open(&world, world_kind(state));
    look_up(&world, "several.test", 9092);
    world_until(&world, world.resolved_count == 1);
    assert_int_equal(world.addresses_count, 3);
    assert_string_equal(world.addresses[0].text, "[::1]:9092");
    assert_string_equal(world.addresses[1].text, "127.0.0.2:9092");
    assert_string_equal(world.addresses[2].text, "127.0.0.1:9092");
    look_up(&world, "many.test", 9092);
    world_until(&world, world.resolved_count == 2);
    assert_int_equal(world.addresses_count, KCI_ADDRESSES_MAX);
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
        WORLD_STORY(destroy_does_not_wait_for_answers),         WORLD_STORY(all_addresses_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
