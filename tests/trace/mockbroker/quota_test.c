/* Stories of quotas: who uses more than is allowed is answered at once, told for how long, and not heard until then. */
#include "mockbroker/core/connection.h"
#include "mockbroker/core/quota.h"
#include "support/memory_storage.h"
#include "support/mock_world.h"

#define QUOTAS_VERSION 1
#define KB             1000

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_open(&world, 2, "mock.request.time.us=0");
    world_topic(&world, "orders", 1, 1, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

struct entity_of {
    const char *user, *client, *ip; /* NULL: not given; "": the default */
};

/* Set (0: remove) one value; the error and its text in *text. */
static int16_t set(struct entity_of of, const char *key, double value, const char **text)
{
    const char *names[] = { of.user, of.client, of.ip };
    const char *types[] = { "user", "client-id", "ip" };
    struct kci_alter_client_quotas_request__entity_data entity[3];
    struct kci_alter_client_quotas_request__op_data op;
    struct kci_alter_client_quotas_request__entry_data entry;
    struct kci_alter_client_quotas_request request;
    struct client *admin = world_client(&world, 1);
    kci_codec_init(&kci_alter_client_quotas_request_schema, &request);
    kci_codec_init(&kci_alter_client_quotas_request__entry_data_schema, &entry);
    kci_codec_init(&kci_alter_client_quotas_request__op_data_schema, &op);
    entry.entity = entity;
    for (int i = 0; i < 3; i++)
        if (names[i]) {
            kci_codec_init(&kci_alter_client_quotas_request__entity_data_schema, &entity[entry.entity_count]);
            entity[entry.entity_count].entity_type = kci_str_of(types[i]);
            entity[entry.entity_count].entity_name = kci_str_of(names[i][0] ? names[i] : NULL);
            entry.entity_count++;
        }
    op.key = kci_str_of(key);
    op.value = value;
    op.remove = value == 0;
    entry.ops = &op;
    entry.ops_count = 1;
    request.entries = &entry;
    request.entries_count = 1;
    const struct kci_alter_client_quotas_response *response =
        client_call(admin, KCI_API_ALTER_CLIENT_QUOTAS, QUOTAS_VERSION, &request);
    assert_int_equal(response->entries_count, 1);
    if (text)
        *text = response->entries[0].error_message.data;
    return response->entries[0].error_code;
}

static void allow(struct entity_of of, const char *key, double value)
{
    assert_int_equal(set(of, key, value, NULL), 0);
}

static struct client *named(const char *id)
{
    struct client *client = world_client(&world, 1);
    client->id = id;
    return client;
}

/* One request of about `bytes`; what its answer says of waiting. -1: no answer. */
static int32_t produce(struct client *client, size_t bytes)
{
    client_produce(client, "orders", 0, 1, world_batch(&world, (struct batch_of){ .value_bytes = bytes }));
    const struct kci_produce_response *response = client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION);
    if (!response)
        return -1;
    assert_int_equal(response->responses[0].partition_responses[0].error_code, 0);
    return response->throttle_time_ms;
}

/* A burst of ten seconds' worth is free; what goes beyond is paid for by waiting, and the broker does not hear the
 * client until then. */
static void test_produce(void **state)
{
    (void)state;
    allow((struct entity_of){ .client = "fast" }, "producer_byte_rate", 10 * KB);
    struct client *client = named("fast"), *other = named("slow");
    assert_int_equal(produce(client, 90 * KB), 0);
    int32_t wait = produce(client, 110 * KB);
    assert_in_range(wait, 10000, 10100); /* 100 kB too much at 10 kB a second, and the headers */
    assert_int_equal(produce(other, 200 * KB), 0);
    assert_int_equal(produce(client, 10), -1);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 3); /* not even read */
    world_at(&world, world.now + (int64_t)wait * MS - 1);
    assert_null(client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION));
    world_at(&world, world.now + 1);
    client_push(client, 0);
    const struct kci_produce_response *late = client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION);
    assert_non_null(late);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 4);
    world_at(&world, world.now + 30 * SECOND); /* the past is forgotten */
    assert_int_equal(produce(client, 90 * KB), 0);
}

/* Without an answer there is nobody to tell, but the channel is muted all the same. */
static void test_acks_0(void **state)
{
    (void)state;
    allow((struct entity_of){ .client = "fast" }, "producer_byte_rate", 10 * KB);
    struct client *client = named("fast");
    for (int i = 0; i < 3; i++)
        client_produce(client, "orders", 0, 0, world_batch(&world, (struct batch_of){ .value_bytes = 110 * KB }));
    assert_int_equal(world_look(&world, "orders", 0).log_end, 1);
    world_at(&world, 60 * SECOND);
    client_push(client, 0);
    world_at(&world, 600 * SECOND);
    client_push(client, 0);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 3);
    assert_false(client->closed);
}

/* A fetch that is too much brings no records and says how long to wait; the session and the offsets are as before. */
static void test_fetch(void **state)
{
    (void)state;
    struct client *producer = named("p"), *client = named("c");
    for (int i = 0; i < 4; i++)
        assert_int_equal(produce(producer, 40 * KB), 0);
    allow((struct entity_of){ .client = "c" }, "consumer_byte_rate", 10 * KB);
    struct fetch_of of = { .topic = "orders", .min_bytes = 1, .partition_max_bytes = 50 * KB };
    int64_t waited = 0;
    int got = 0;
    while (got < 4) {
        of.offset = got;
        client_fetch(client, of);
        const struct kci_fetch_response *response = client_fetched_all(client);
        if (!response) { /* muted: the request waits */
            world_at(&world, world.now + SECOND);
            client_push(client, 0);
            waited++;
            response = client_fetched_all(client);
            while (!response) {
                world_at(&world, world.now + SECOND);
                client_push(client, 0);
                waited++;
                response = client_fetched_all(client);
            }
        }
        assert_int_equal(response->error_code, 0);
        if (response->throttle_time_ms) {
            assert_int_equal(response->responses_count, 0);
            continue;
        }
        assert_int_equal(response->responses[0].partitions[0].records.size > 40 * KB, true);
        got++;
    }
    assert_in_range(waited, 5, 20); /* 160 kB, of which 100 kB are a burst */
}

/* One fetch never brings more than the ten windows allow, and does not wait for more than it may bring. */
static void test_fetch_is_cut(void **state)
{
    (void)state;
    struct client *producer = named("p"), *client = named("c");
    for (int i = 0; i < 6; i++)
        produce(producer, 4 * KB);
    allow((struct entity_of){ .client = "c" }, "consumer_byte_rate", 1 * KB);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .min_bytes = 1 << 20, .max_wait_ms = 60000 });
    const struct kci_fetch_response *response = client_fetched_all(client);
    assert_non_null(response);
    assert_int_equal(response->throttle_time_ms, 0);
    assert_in_range(response->responses[0].partitions[0].records.size, 8 * KB, 10 * KB);
}

/* Time of threads is counted for every request; nobody waits longer than a window for it. */
static void test_request_time(void **state)
{
    (void)state;
    world_close(&world);
    world_open(&world, 1, "mock.request.time.us=10000"); /* one percent of a thread, each */
    allow((struct entity_of){ .client = "busy" }, "request_percentage", 1);
    struct client *client = named("busy");
    struct kci_metadata_request request;
    kci_codec_init(&kci_metadata_request_schema, &request);
    int32_t wait = 0;
    int calls = 0;
    for (; !wait && calls < 50; calls++) {
        const struct kci_metadata_response *response = client_call(client, KCI_API_METADATA, 12, &request);
        wait = response->throttle_time_ms;
    }
    assert_int_equal(calls, 11); /* ten seconds of one percent */
    assert_int_equal(wait, 1000);
    client_send(client, KCI_API_METADATA, 12, &request);
    assert_null(client_answer(client, KCI_API_METADATA, 12));
    world_at(&world, world.now + SECOND);
    client_push(client, 0);
    assert_non_null(client_answer(client, KCI_API_METADATA, 12));
}

/* The most special quota counts: user and client, user, client, defaults; a default is a limit for each. */
static void test_who(void **state)
{
    (void)state;
    allow((struct entity_of){ .client = "" }, "producer_byte_rate", 10 * KB);
    struct client *a = named("a"), *b = named("b");
    assert_int_equal(produce(a, 90 * KB), 0);
    assert_int_equal(produce(b, 90 * KB), 0); /* each has its own */
    allow((struct entity_of){ .client = "a" }, "producer_byte_rate", 1000 * KB);
    assert_int_equal(produce(a, 900 * KB), 0);
    allow((struct entity_of){ .user = "" }, "producer_byte_rate", 10 * KB);
    struct client *c = named("a"), *d = named("d");
    assert_int_equal(produce(c, 60 * KB), 0);
    assert_in_range(produce(d, 60 * KB), 1900, 2200); /* a quota of users is shared by their clients */
    allow((struct entity_of){ .user = "ANONYMOUS", .client = "vip" }, "producer_byte_rate", 1000 * KB);
    struct client *vip = named("vip");
    assert_int_equal(produce(vip, 900 * KB), 0);
    allow((struct entity_of){ .user = "" }, "producer_byte_rate", 0);
    allow((struct entity_of){ .client = "" }, "producer_byte_rate", 0);
    assert_int_equal(produce(named("e"), 900 * KB), 0);
}

/* Brokers count each for itself. */
static void test_each_broker(void **state)
{
    (void)state;
    world_topic(&world, "two", 2, 1, NULL);
    allow((struct entity_of){ .client = "x" }, "producer_byte_rate", 10 * KB);
    for (int32_t i = 0; i < 2; i++) {
        struct client *client = world_client(&world, world_look(&world, "two", i).leader);
        client->id = "x";
        client_produce(client, "two", i, 1, world_batch(&world, (struct batch_of){ .value_bytes = 90 * KB }));
        const struct kci_produce_response *response = client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION);
        assert_int_equal(response->throttle_time_ms, 0);
    }
}

struct filter_of {
    const char *type;
    int8_t match;
    const char *name;
};

static const struct kci_describe_client_quotas_response *describe(const struct filter_of *filters, int32_t count,
                                                                  bool strict)
{
    struct kci_describe_client_quotas_request__component_data components[3];
    struct kci_describe_client_quotas_request request;
    kci_codec_init(&kci_describe_client_quotas_request_schema, &request);
    for (int32_t i = 0; i < count; i++) {
        kci_codec_init(&kci_describe_client_quotas_request__component_data_schema, &components[i]);
        components[i].entity_type = kci_str_of(filters[i].type);
        components[i].match_type = filters[i].match;
        components[i].match = kci_str_of(filters[i].name);
    }
    request.components = components;
    request.components_count = count;
    request.strict = strict;
    return client_call(world_client(&world, 1), KCI_API_DESCRIBE_CLIENT_QUOTAS, QUOTAS_VERSION, &request);
}

/* What was set is shown to who asks by name, by default or by kind. */
static void test_describe(void **state)
{
    (void)state;
    allow((struct entity_of){ .user = "ann" }, "request_percentage", 12.5);
    allow((struct entity_of){ .user = "ann" }, "consumer_byte_rate", 7);
    allow((struct entity_of){ .user = "ann", .client = "web" }, "producer_byte_rate", 1024);
    allow((struct entity_of){ .client = "" }, "controller_mutation_rate", 0.5);
    allow((struct entity_of){ .ip = "10.0.0.1" }, "connection_creation_rate", 3);
    assert_int_equal(describe(NULL, 0, false)->entries_count, 4);
    const struct filter_of user = { "user", 0, "ann" }, any_client = { "client-id", 2, NULL },
                           default_client = { "client-id", 1, NULL };
    const struct kci_describe_client_quotas_response *found = describe(&user, 1, false);
    assert_int_equal(found->entries_count, 2);
    found = describe(&user, 1, true);
    assert_int_equal(found->entries_count, 1);
    assert_int_equal(found->entries[0].values_count, 2);
    assert_true(found->entries[0].values[1].value == 12.5);
    assert_int_equal(describe(&any_client, 1, false)->entries_count, 2);
    found = describe(&default_client, 1, false);
    assert_int_equal(found->entries_count, 1);
    assert_null(found->entries[0].entity[0].entity_name.data);
    const struct filter_of both[] = { user, any_client };
    assert_int_equal(describe(both, 2, true)->entries_count, 1);
    const struct filter_of ip_too[] = { user, { "ip", 2, NULL } }, twice[] = { user, user };
    const struct filter_of odd = { "planet", 0, "x" }, empty = { "", 0, "x" }, null = { "user", 0, NULL };
    const struct filter_of unknown = { "user", 9, NULL };
    assert_int_equal(describe(ip_too, 2, false)->error_code, KCI_INVALID_REQUEST);
    assert_int_equal(describe(twice, 2, false)->error_code, KCI_INVALID_REQUEST);
    assert_int_equal(describe(&odd, 1, false)->error_code, KCI_UNSUPPORTED_VERSION);
    assert_int_equal(describe(&empty, 1, false)->error_code, KCI_INVALID_REQUEST);
    assert_int_equal(describe(&null, 1, false)->error_code, KCI_INVALID_REQUEST);
    found = describe(&unknown, 1, false);
    assert_int_equal(found->error_code, KCI_INVALID_REQUEST);
    assert_int_equal(found->entries_count, -1);
}

/* Nonsense is refused with a reason and changes nothing. */
static void test_bad_settings(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const struct {
        struct entity_of of;
        const char *key;
        double value;
    } bad[] = {
        { { .user = NULL }, "producer_byte_rate", 1 },
        { { .user = "a" }, "bytes", 1 },
        { { .user = "a" }, "producer_byte_rate", -1 },
        { { .user = "a" }, "producer_byte_rate", 1.5 },
        { { .user = "a" }, "consumer_byte_rate", 1e300 },
        { { .user = "a" }, "connection_creation_rate", 1 },
        { { .ip = "10.0.0.1" }, "producer_byte_rate", 1 },
        { { .ip = "10.0.0.1" }, "connection_creation_rate", 5e9 },
        { { .user = "a", .ip = "10.0.0.1" }, "connection_creation_rate", 1 },
        { { .user = longest }, "producer_byte_rate", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *text = NULL;
        if (set(bad[i].of, bad[i].key, bad[i].value, &text) != KCI_INVALID_REQUEST || !text)
            fail_msg("setting %zu was not refused", i);
    }
    assert_int_equal(set((struct entity_of){ .user = "a" }, "producer_byte_rate", 0, NULL), 0); /* nothing to remove */
    assert_int_equal(describe(NULL, 0, false)->entries_count, 0);
}

/* Quotas are on the disk, and a reset forgets them. */
static void test_restart(void **state)
{
    static struct memory_storage disk;
    struct kci_storage storage = memory_storage_of(&disk);
    (void)state;
    world_close(&world);
    world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = &storage });
    allow((struct entity_of){ .user = "ann b", .client = "" }, "producer_byte_rate", 123456789);
    allow((struct entity_of){ .client = "c" }, "request_percentage", 0.1);
    world_step(&world);
    world_close(&world);
    world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = &storage });
    const struct kci_describe_client_quotas_response *found = describe(NULL, 0, false);
    assert_int_equal(found->entries_count, 2);
    assert_true(found->entries[0].values[0].value == 123456789);
    assert_memory_equal(found->entries[0].entity[0].entity_name.data, "ann b", 5);
    assert_null(found->entries[0].entity[1].entity_name.data);
    assert_true(found->entries[1].values[0].value == 0.1);
    mb_cluster_reset(world.cluster, world.now);
    assert_int_equal(describe(NULL, 0, false)->entries_count, 0);
    world_close(&world);
    memory_storage_free(&disk);
    world_open(&world, 1, NULL);
}

/* Partitions made and deleted are a bucket of eleven seconds' worth; when it is empty, new clients are refused and old
 * ones wait. */
static void test_mutations(void **state)
{
    (void)state;
    allow((struct entity_of){ .client = "admin" }, "controller_mutation_rate", 1);
    struct client *client = named("admin");
    struct kci_create_topics_request__creatable_topic topic;
    struct kci_create_topics_request request;
    kci_codec_init(&kci_create_topics_request__creatable_topic_schema, &topic);
    kci_codec_init(&kci_create_topics_request_schema, &request);
    topic.num_partitions = 21;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = NAME("a"); /* more than the bucket has, but it was not empty */
    const struct kci_create_topics_response *made = client_call(client, KCI_API_CREATE_TOPICS, 7, &request);
    assert_int_equal(made->topics[0].error_code, 0);
    assert_int_equal(made->throttle_time_ms, 0);
    topic.name = NAME("b");
    made = client_call(client, KCI_API_CREATE_TOPICS, 7, &request);
    assert_int_equal(made->topics[0].error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(made->throttle_time_ms, 10000);
    world_at(&world, world.now + 10 * SECOND);
    client_push(client, 0);
    made = client_call(client, KCI_API_CREATE_TOPICS, 5, &request); /* paid for by waiting */
    assert_int_equal(made->topics[0].error_code, 0);
    assert_int_equal(made->throttle_time_ms, 21000);
    struct client *late = named("admin");
    struct kci_str name = NAME("b");
    struct kci_delete_topics_request drop;
    kci_codec_init(&kci_delete_topics_request_schema, &drop);
    drop.topic_names = &name;
    drop.topic_names_count = 1;
    const struct kci_delete_topics_response *dropped = client_call(late, KCI_API_DELETE_TOPICS, 5, &drop);
    assert_int_equal(dropped->responses[0].error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(mb_topic_find(world.cluster, name)->partition_count, 21);
}

/* With a default quota each name has a rate of its own, and a client may have a new name in each request: the memory
 * for that is bounded, and so is the number of quotas. */
static void test_many_names(void **state)
{
    char name[32];
    struct mb_connection connection = { .cluster = world.cluster };
    struct mb_request request = { .cluster = world.cluster, .broker = 1, .connection = &connection };
    struct mb_quota_entity entity = { .part[MB_QUOTA_CLIENT].given = true };
    int32_t quotas = 0;
    (void)state;
    allow((struct entity_of){ .client = "" }, "consumer_byte_rate", KB * KB);
    size_t before = world.memory.live_blocks;
    for (int i = 0; i < 25000; i++) {
        snprintf(name, sizeof name, "client-%d", i);
        request.header.client_id = kci_str_of(name);
        assert_int_equal(mb_quota_at_fetch(&request, 1, world.now), 0);
    }
    assert_in_range(world.memory.live_blocks - before, 1, 25000);
    for (int i = 0; i < 12000; i++) {
        snprintf(name, sizeof name, "client-%d", i);
        entity.part[MB_QUOTA_CLIENT].name = kci_str_of(name);
        quotas += mb_quota_set(world.cluster, &entity, MB_QUOTA_FETCH, KB);
    }
    assert_int_equal(quotas, 9999); /* and the default */
}

/* A client that goes while it is muted leaves nothing behind. */
static void test_gone_while_muted(void **state)
{
    (void)state;
    allow((struct entity_of){ .client = "fast" }, "producer_byte_rate", 1);
    struct client *client = named("fast");
    assert_true(produce(client, 100 * KB) > 0);
    world.engine.ops->on_close(world.engine.self, client->conn, client->user, "gone", world.now);
    client->closed = true;
    world_at(&world, 10 * 86400 * (int64_t)SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_produce, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acks_0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fetch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fetch_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_describe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mutations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_while_muted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
