/* Stories of connections that are made too fast (KIP-612): those of one address are not heard and closed, those of all
 * to one broker wait for their turn. */
#include "mockbroker/core/quota.h"
#include "support/mock_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_surplus_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_and_a_restart, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
