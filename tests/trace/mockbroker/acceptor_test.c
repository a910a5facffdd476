/* Stories of connections that are made too fast (KIP-612): those of one address are not heard and closed, those of all
 * to one broker wait for their turn.  And of those that are too many (KIP-402): they wait for a place, or are closed. */
#include "mockbroker/core/quota.h"
#include "support/mock_world.h"

#include "protocol/error.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 2, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

/* address NULL: the default */
static void allow(const char *address, double rate)
{
    struct mb_quota_entity entity = { .part[MB_QUOTA_IP] = { true, kci_str_of(address) } };
    assert_true(mb_quota_set(world.cluster, &entity, MB_QUOTA_CONNECTION, rate));
}

static void ask(struct client *client)
{
    struct kci_metadata_request request;
    kci_codec_init(&kci_metadata_request_schema, &request);
    client_send(client, KCI_API_METADATA, 12, &request);
}

static bool is_answered(struct client *client)
{
    client_push(client, 0);
    return client_answer(client, KCI_API_METADATA, 12) != NULL;
}

static struct client *asking_from(int32_t broker, const char *address)
{
    struct client *client = world_client_from(&world, broker, address);
    ask(client);
    return client;
}

/* Ten seconds' worth are free; the next one is taken, never read, and closed after a second. It does not count, and
 * neither other addresses nor other brokers have to do with it. */
static void test_an_address(void **state)
{
    (void)state;
    allow("10.0.0.1", 1);
    for (int i = 0; i < 10; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    struct client *surplus = asking_from(1, "10.0.0.1:40011");
    assert_false(is_answered(surplus));
    assert_true(is_answered(asking_from(1, "10.0.0.2:40000")));
    assert_true(is_answered(asking_from(2, "10.0.0.1:40000")));
    world_at(&world, world.now + SECOND - 1);
    assert_false(surplus->closed);
    assert_false(is_answered(surplus));
    world_at(&world, world.now + 1);
    assert_true(surplus->closed);
    world_at(&world, world.now + 11 * SECOND);
    for (int i = 0; i < 10; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    assert_false(is_answered(asking_from(1, "10.0.0.1:40000")));
}

/* Who was turned away has not used anything up: ten seconds after five were taken, and six after five more, there is
 * room for five again, however many came in between. */
static void test_surplus_does_not_count(void **state)
{
    (void)state;
    allow("10.0.0.1", 1);
    for (int i = 0; i < 5; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    world_at(&world, world.now + 5 * SECOND);
    for (int i = 0; i < 5; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    for (int i = 0; i < 20; i++)
        assert_false(is_answered(asking_from(1, "10.0.0.1:40000")));
    world_at(&world, world.now + 6 * SECOND);
    for (int i = 0; i < 5; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    assert_false(is_answered(asking_from(1, "10.0.0.1:40000")));
}

/* A default is a limit for each address that has none of its own; without a quota all is as before. */
static void test_the_default(void **state)
{
    (void)state;
    allow(NULL, 1);
    allow("10.0.0.9", 100);
    for (int i = 0; i < 10; i++) {
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
        assert_true(is_answered(asking_from(1, "[::1]:40000")));
        assert_true(is_answered(asking_from(1, "10.0.0.9:40000")));
    }
    assert_false(is_answered(asking_from(1, "10.0.0.1:40000")));
    assert_false(is_answered(asking_from(1, "[::1]:40000")));
    assert_true(is_answered(asking_from(1, "10.0.0.9:40000")));
    allow(NULL, 0);
    assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
}

/* More than max.connection.creation.rate: the acceptor rests a second for each of them, and those that come meanwhile
 * wait behind; all of them are heard in the end. The other broker has a rate of its own. */
static void test_a_broker(void **state)
{
    struct client *late[3];
    (void)state;
    world_close(&world);
    world_open(&world, 2, "max.connection.creation.rate=1");
    for (int i = 0; i < 10; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    for (int i = 0; i < 3; i++)
        late[i] = asking_from(1, "10.0.0.2:40000");
    assert_true(is_answered(asking_from(2, "10.0.0.2:40000")));
    for (int second = 0; second < 3; second++) {
        world_at(&world, world.now + SECOND - 1);
        for (int i = second; i < 3; i++)
            assert_false(is_answered(late[i]));
        world_at(&world, world.now + 1);
        assert_true(is_answered(late[second]));
    }
    for (int i = 0; i < 3; i++)
        assert_false(late[i]->closed);
    world_at(&world, world.now + 30 * SECOND);
    assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
}

/* Both: the turn at the acceptor comes first, then what the address has too much of. A broker that stops takes the
 * waiting ones along, and begins with an acceptor that is awake. */
static void test_both_and_a_restart(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 2, "max.connection.creation.rate=1");
    allow("10.0.0.1", 0.9);
    for (int i = 0; i < 9; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.1:40000")));
    struct client *surplus = asking_from(1, "10.0.0.1:40000"), *behind = asking_from(1, "10.0.0.2:40000");
    world_at(&world, world.now + SECOND);
    assert_true(surplus->closed);
    assert_true(is_answered(behind));
    struct client *waits = asking_from(1, "10.0.0.2:40000");
    assert_false(is_answered(waits));
    mb_cluster_broker_stop(world.cluster, 1, true, world.now);
    world_step(&world);
    assert_true(waits->closed);
    mb_cluster_broker_start(world.cluster, 1, world.now);
    world_at(&world, world.now + 30 * SECOND);
    assert_true(is_answered(asking_from(1, "10.0.0.2:40000")));
}

static void leave(struct client *client)
{
    world.engine.ops->on_close(world.engine.self, client->conn, client->user, "the client went", world.now);
    client->closed = true;
    world_step(&world);
}

/* max.connections: who finds no place is made, and heard when another one goes, in the order in which they came. Who goes
 * while it waits takes nobody's place. The other broker has places of its own. */
static void test_no_place(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 2, "max.connections=2");
    struct client *first = asking_from(1, "10.0.0.1:1"), *second = asking_from(1, "10.0.0.2:1");
    assert_true(is_answered(first));
    assert_true(is_answered(second));
    struct client *third = asking_from(1, "10.0.0.3:1"), *fourth = asking_from(1, "10.0.0.4:1");
    struct client *fifth = asking_from(1, "10.0.0.5:1");
    assert_true(is_answered(asking_from(2, "10.0.0.3:1")));
    world_at(&world, world.now + 500 * SECOND); /* however long: not even idle are those that wait */
    assert_false(is_answered(third));
    leave(third);
    assert_false(is_answered(fourth));
    leave(first);
    assert_true(is_answered(fourth));
    assert_false(is_answered(fifth));
    leave(second);
    assert_true(is_answered(fifth));
    assert_false(fifth->closed);
}

static int16_t alter(struct client *admin, int32_t broker, const char *name, const char *value)
{
    char id[12] = "";
    struct kci_incremental_alter_configs_request__alterable_config config;
    struct kci_incremental_alter_configs_request__alter_configs_resource resource;
    struct kci_incremental_alter_configs_request request;
    kci_codec_init(&kci_incremental_alter_configs_request__alterable_config_schema, &config);
    kci_codec_init(&kci_incremental_alter_configs_request__alter_configs_resource_schema, &resource);
    kci_codec_init(&kci_incremental_alter_configs_request_schema, &request);
    config.name = kci_str_of(name);
    config.value = kci_str_of(value);
    if (broker)
        snprintf(id, sizeof id, "%d", broker);
    resource.resource_type = 4;
    resource.resource_name = kci_str_of(id);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    client_send(admin, KCI_API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    struct kci_incremental_alter_configs_response *answer = client_answer(admin, KCI_API_INCREMENTAL_ALTER_CONFIGS, 1);
    assert_non_null(answer);
    return answer->responses[0].error_code;
}

static bool stays(struct client *client)
{
    if (client->closed)
        return false;
    ask(client);
    assert_true(is_answered(client));
    return true;
}

/* Lowered while it runs: those that were quiet for the longest time are closed; raised: who waits comes in. For one
 * broker alone, or for all. */
static void test_places_are_altered(void **state)
{
    struct client *client[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        client[i] = asking_from(1, "10.0.0.1:1");
        assert_true(is_answered(client[i]));
        world_at(&world, world.now + SECOND);
    }
    ask(client[0]); /* the second one is the quietest now */
    assert_true(is_answered(client[0]));
    struct client *admin = world_client(&world, 1), *other = asking_from(2, "10.0.0.1:1");
    assert_true(is_answered(other));
    assert_int_equal(alter(admin, 1, "max.connections", "3"), KCI_NONE);
    world_at(&world, world.now + 1);
    assert_true(client[1]->closed && client[2]->closed);
    assert_true(stays(client[0]) && stays(client[3]) && stays(admin));
    for (int i = 0; i < 4; i++)
        assert_true(is_answered(asking_from(2, "10.0.0.1:1")));
    client[1] = asking_from(1, "10.0.0.1:1");
    assert_false(is_answered(client[1]));
    assert_int_equal(alter(admin, 1, "max.connections", "4"), KCI_NONE);
    world_at(&world, world.now + 1);
    assert_true(is_answered(client[1]));
    assert_int_equal(alter(admin, 0, "max.connections", "1"), KCI_NONE);
    world_at(&world, world.now + 1);
    assert_true(other->closed);
    assert_true(stays(admin) && stays(client[1])); /* what is said of one broker counts more */
}

/* max.connections.per.ip: one more of an address is closed at once, unheard; an address may have a number of its own. */
static void test_too_many_of_an_address(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 2, "max.connections.per.ip=1 max.connections.per.ip.overrides=10.0.0.2:2,::1:0");
    struct client *first = asking_from(1, "10.0.0.1:1"), *surplus = asking_from(1, "10.0.0.1:2");
    assert_true(is_answered(first));
    world_at(&world, world.now + 1);
    assert_true(surplus->closed);
    assert_true(is_answered(asking_from(2, "10.0.0.1:3")));
    for (int i = 0; i < 2; i++)
        assert_true(is_answered(asking_from(1, "10.0.0.2:1")));
    assert_false(is_answered(asking_from(1, "10.0.0.2:1")));
    assert_false(is_answered(asking_from(1, "[::1]:1")));
    assert_true(is_answered(asking_from(1, "10.0.0.3:1")));
    leave(first);
    assert_true(is_answered(asking_from(1, "10.0.0.1:4"))); /* the surplus never counted */
}

/* Both: who waits for a place has not yet shown whether its address has too much. */
static void test_a_place_and_an_address(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 1, "max.connections=1 max.connections.per.ip=1");
    struct client *first = asking_from(1, "10.0.0.1:1");
    assert_true(is_answered(first));
    struct client *same = asking_from(1, "10.0.0.1:2"), *again = asking_from(1, "10.0.0.1:3");
    world_at(&world, world.now + SECOND);
    assert_false(is_answered(same));
    assert_false(same->closed);
    leave(first);
    assert_true(is_answered(same));
    leave(same);
    assert_true(is_answered(again));
}

/* Nobody is left who could come in: refused, at the start and later. */
static void test_nobody_at_all(void **state)
{
    char text[200];
    struct mb_properties properties = { .alloc = &world.alloc };
    (void)state;
    assert_false(mb_properties_parse(&properties, "max.connections.per.ip=0", text, sizeof text));
    assert_non_null(strstr(text, "only if max.connections.per.ip.overrides"));
    mb_properties_destroy(&properties);
    struct client *admin = world_client(&world, 1);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip", "0"), KCI_INVALID_REQUEST);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip.overrides", "10.0.0.1"), KCI_INVALID_REQUEST);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip.overrides", "10.0.0.1:-1"), KCI_INVALID_REQUEST);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip.overrides", "ten 1:5"), KCI_INVALID_REQUEST);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip.overrides", "10.0.0.1:5,localhost:2"), KCI_NONE);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip", "0"), KCI_NONE);
    assert_int_equal(alter(admin, 0, "max.connections.per.ip.overrides", ""), KCI_INVALID_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_surplus_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_and_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_are_altered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_place_and_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_at_all, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
