/* Client metrics (KIP-714): a client asks what is wanted, pushes it at that pace, and the broker keeps it. */
#include "mockbroker/core/telemetry.h"
#include "protocol/compress.h"
#include "support/mock_world.h"

static struct kci_get_telemetry_subscriptions_response *ask(struct client *client, struct kci_uuid id)
{
    struct kci_get_telemetry_subscriptions_request request = { .client_instance_id = id };
    return client_call(client, KCI_API_GET_TELEMETRY_SUBSCRIPTIONS, 0, &request);
}

static int16_t push_as(struct client *client, const struct kci_get_telemetry_subscriptions_response *told,
                       struct kci_bytes metrics, int8_t codec, bool last)
{
    struct kci_push_telemetry_request request = { .client_instance_id = told->client_instance_id,
                                                  .subscription_id = told->subscription_id,
                                                  .terminating = last,
                                                  .compression_type = codec,
                                                  .metrics = metrics };
    struct kci_push_telemetry_response *response = client_call(client, KCI_API_PUSH_TELEMETRY, 0, &request);
    return response->error_code;
}

static void subscribe(struct world *world, const char *key, const char *value)
{
    char text[200];
    struct mb_config_change change = { .name = kci_str_of(key), .value = kci_str_of(value) };
    assert_int_equal(mb_alter_resource(world->cluster, MB_RESOURCE_CLIENT_METRICS, NAME("s"), &change, 1, false, false,
                                       text, sizeof text),
                     0);
}

/* MetricsData { ResourceMetrics { ScopeMetrics { Metric { name "a.b" } } } } */
static const uint8_t otlp[] = { 0x0a, 0x09, 0x12, 0x07, 0x12, 0x05, 0x0a, 0x03, 'a', '.', 'b' };
static const struct kci_bytes metrics = { otlp, sizeof otlp };

static bool is_written(struct world *world, const char *text)
{
    struct kci_writer w = kci_writer_of(&world->alloc, 1 << 20);
    mb_telemetry_write(world->cluster, &w);
    kci_writer_i8(&w, 0);
    bool found = strstr((const char *)w.data, text) != NULL;
    kci_writer_destroy(&w);
    return found;
}

static void a_client_pushes_what_was_asked_for(void **state)
{
    struct world world;
    const struct kci_uuid none = { { 0 } };
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    client->id = "shop-1";
    struct kci_get_telemetry_subscriptions_response *told = ask(client, none);
    assert_int_equal(told->error_code, 0);
    assert_int_equal(told->requested_metrics_count, 0);
    assert_int_equal(told->push_interval_ms, 300000);
    assert_false(kci_uuid_is_zero(&told->client_instance_id));

    subscribe(&world, "match", "client_id=shop-.*");
    subscribe(&world, "metrics", "org.apache.kafka.producer.,a.");
    subscribe(&world, "interval.ms", "1000");
    assert_int_equal(push_as(client, told, metrics, 0, false), KCI_UNKNOWN_SUBSCRIPTION_ID);
    told = ask(client, told->client_instance_id); /* may ask at once: what is wanted has changed */
    assert_int_equal(told->requested_metrics_count, 2);
    assert_true(kci_str_equal(told->requested_metrics[1], NAME("a.")));
    assert_int_equal(told->push_interval_ms, 1000);

    world_at(&world, SECOND);
    assert_int_equal(push_as(client, told, metrics, 0, false), 0);
    assert_int_equal(push_as(client, told, metrics, 0, false), KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(ask(client, told->client_instance_id)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    world_at(&world, 2 * SECOND);
    assert_int_equal(push_as(client, told, metrics, 0, true), 0);
    world_at(&world, 10 * SECOND);
    assert_int_equal(push_as(client, told, metrics, 0, true), KCI_INVALID_REQUEST); /* it said that it ended */
    assert_true(is_written(&world, "\"client_id\":\"shop-1\""));
    assert_true(is_written(&world, "\"metrics\":[\"a.b\"]"));
    assert_true(is_written(&world, "\"terminating\":true"));

    client = world_client(&world, 1);
    client->id = "other";
    assert_int_equal(ask(client, none)->requested_metrics_count, 0);
    world_close(&world);
}

static void what_is_no_push_is_refused(void **state)
{
    struct world world;
    const struct kci_uuid none = { { 0 } };
    (void)state;
    world_open(&world, 1, "telemetry.max.bytes=11");
    subscribe(&world, "metrics", "*");
    subscribe(&world, "interval.ms", "100");
    struct client *client = world_client(&world, 1);
    struct kci_get_telemetry_subscriptions_response stranger = { .client_instance_id = none };
    assert_int_equal(push_as(client, &stranger, metrics, 0, false), KCI_INVALID_REQUEST);
    stranger.client_instance_id.b[3] = 1;
    assert_int_equal(push_as(client, &stranger, metrics, 0, false), KCI_UNKNOWN_SUBSCRIPTION_ID);
    struct kci_get_telemetry_subscriptions_response *told = ask(client, none);
    assert_int_equal(told->requested_metrics_count, 1);
    assert_true(kci_str_equal(told->requested_metrics[0], NAME("*")));
    assert_int_equal(told->telemetry_max_bytes, 11);
    static const uint8_t much[12];
    const struct {
        struct kci_bytes bytes;
        int8_t codec;
        int16_t error;
    } bad[] = { { metrics, 9, KCI_UNSUPPORTED_COMPRESSION_TYPE },
                { { much, sizeof much }, 0, KCI_TELEMETRY_TOO_LARGE },
                { metrics, KCI_CODEC_GZIP, KCI_INVALID_RECORD } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_at(&world, world.now + SECOND);
        assert_int_equal(push_as(client, told, bad[i].bytes, bad[i].codec, false), bad[i].error);
    }
    assert_true(is_written(&world, "{\"pushes\":[]}"));
    /* bytes that are no protobuf are kept, and have no names */
    world_at(&world, world.now + SECOND);
    assert_int_equal(push_as(client, told, (struct kci_bytes){ (const uint8_t *)"\x0a\x7fzz", 4 }, 0, false), 0);
    assert_true(is_written(&world, "\"metrics\":[]"));
    /* only the latest are kept */
    for (int i = 0; i < MB_TELEMETRY_PUSHES_MAX + 10; i++) {
        world_at(&world, world.now + SECOND);
        assert_int_equal(push_as(client, told, metrics, 0, false), 0);
    }
    assert_false(is_written(&world, "\"metrics\":[]"));
    world_close(&world);
}

/* Large pushes: as many of the latest as there is room for. */
static void what_is_kept_is_bounded(void **state)
{
    static uint8_t much[1 << 20];
    struct world world;
    (void)state;
    world_open(&world, 1, "telemetry.max.bytes=1048576");
    subscribe(&world, "metrics", "*");
    subscribe(&world, "interval.ms", "100");
    struct client *client = world_client(&world, 1);
    struct kci_get_telemetry_subscriptions_response *told = ask(client, (struct kci_uuid){ { 0 } });
    size_t before = world.memory.live_bytes;
    for (int i = 0; i < 100; i++) {
        world_at(&world, world.now + SECOND);
        assert_int_equal(push_as(client, told, (struct kci_bytes){ much, sizeof much }, 0, false), 0);
    }
    assert_in_range(world.memory.live_bytes - before, MB_TELEMETRY_BYTES_MAX / 2, MB_TELEMETRY_BYTES_MAX + (4 << 20));
    world_close(&world);
}

/* An instance is one broker's, and ends with the connection that made it, or when nothing was heard of it for long. */
static void a_client_that_comes_back_is_a_new_one(void **state)
{
    struct world world;
    const struct kci_uuid mine = { { [3] = 7 } };
    (void)state;
    world_open(&world, 2, NULL);
    struct client *client = world_client(&world, 1);
    assert_int_equal(ask(client, mine)->error_code, 0);
    assert_int_equal(ask(client, mine)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(ask(world_client(&world, 1), mine)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(ask(world_client(&world, 2), mine)->error_code, 0);
    client->closed = true;
    world.engine.ops->on_close(world.engine.self, client->conn, client->user, "gone", world.now);
    assert_int_equal(ask(world_client(&world, 2), mine)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    client = world_client(&world, 1);
    assert_int_equal(ask(client, mine)->error_code, 0);
    struct kci_get_telemetry_subscriptions_response told = *ask(client, (struct kci_uuid){ { 0 } });
    assert_int_equal(push_as(client, &told, metrics, 0, true), 0);
    world_at(&world, world.now + 3 * 300 * SECOND - 1);
    assert_int_equal(push_as(client, &told, metrics, 0, true), KCI_INVALID_REQUEST); /* it said that it ended */
    world_at(&world, world.now + 3 * 300 * SECOND);
    assert_int_equal(push_as(client, &told, metrics, 0, true), 0);
    world_close(&world);
}

/* As many instances as Kafka keeps: then the one not heard of longest is forgotten, and nobody is refused. */
static void instances_are_bounded(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    const struct kci_uuid first = { { [0] = 1 } }, second = { { [0] = 2 } };
    assert_int_equal(ask(client, first)->error_code, 0);
    assert_int_equal(ask(client, second)->error_code, 0);
    for (int i = 0; i < MB_TELEMETRY_INSTANCES_MAX - 2; i++)
        assert_int_equal(ask(client, (struct kci_uuid){ { 0 } })->error_code, 0);
    assert_int_equal(ask(client, first)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(ask(client, (struct kci_uuid){ { 0 } })->error_code, 0);
    assert_int_equal(ask(client, second)->error_code, 0);
    assert_int_equal(ask(client, first)->error_code, KCI_THROTTLING_QUOTA_EXCEEDED);
    world_close(&world);
}

/* All parts of `match` must hold, the later of two for one attribute; what the client did not say is "unknown". */
static void a_subscription_is_for_those_whom_it_matches(void **state)
{
    const struct {
        const char *match;
        bool holds;
    } all[] = { { "client_id=shop", true },
                { "client_id=sho", false },
                { " client_id = s.* , client_software_name=unknown", true },
                { "client_id=shop,client_software_version=[0-9].*", false },
                { "client_id=other,client_id=shop", true },
                { "client_id=shop,client_id=other", false },
                { "client_instance_id=AAAABwAAAAAAAAAAAAAAAA", true },
                { "client_instance_id=B.*", false } };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct world world;
        world_open(&world, 1, NULL);
        struct client *client = world_client(&world, 1);
        client->id = "shop";
        subscribe(&world, "metrics", "a.,b.,a.");
        subscribe(&world, "match", all[i].match);
        int32_t count = ask(client, (struct kci_uuid){ { [3] = 7 } })->requested_metrics_count;
        assert_int_equal(count, all[i].holds ? 2 : 0);
        world_close(&world);
    }
}

/* What is small on the wire may be large: it is let go when it gets larger than what may be sent. */
static void a_bomb_does_not_go_off(void **state)
{
    static const uint8_t zeroes[4096];
    const struct kci_iov pieces[] = { { zeroes, sizeof zeroes } };
    struct world world;
    (void)state;
    world_open(&world, 1, "telemetry.max.bytes=4095");
    subscribe(&world, "metrics", "*");
    subscribe(&world, "interval.ms", "100");
    struct client *client = world_client(&world, 1);
    struct kci_get_telemetry_subscriptions_response *told = ask(client, (struct kci_uuid){ { 0 } });
    for (size_t size = sizeof zeroes - 1; size <= sizeof zeroes; size++) {
        struct kci_iov piece = { pieces[0].data, size };
        struct kci_writer w = kci_writer_of(&world.alloc, 4096);
        assert_int_equal(kci_compress(world.cluster->compressor, KCI_CODEC_GZIP, KCI_LEVEL_DEFAULT, &piece, 1, &w), 0);
        assert_true(w.size < 100);
        world_at(&world, world.now + SECOND);
        assert_int_equal(push_as(client, told, (struct kci_bytes){ w.data, w.size }, KCI_CODEC_GZIP, false),
                         size < sizeof zeroes ? 0 : KCI_INVALID_RECORD);
        kci_writer_destroy(&w);
    }
    world_close(&world);
}

/* More names than an answer has room for: the first ones are asked for. */
static void names_are_bounded(void **state)
{
    enum { EACH = 600, ANSWERED = 1000 };
    static char list[EACH * 3 + 1];
    struct world world;
    char text[200];
    (void)state;
    world_open(&world, 1, NULL);
    for (int r = 0; r < 2; r++) {
        for (int i = 0; i < EACH; i++)
            snprintf(list + 3 * i, 4, "%c%c,", 'A' + i % 50, 'A' + r * EACH / 50 + i / 50);
        list[EACH * 3 - 1] = '\0';
        struct mb_config_change change = { .name = NAME("metrics"), .value = kci_str_of(list) };
        assert_int_equal(mb_alter_resource(world.cluster, MB_RESOURCE_CLIENT_METRICS, r ? NAME("b") : NAME("a"),
                                           &change, 1, false, false, text, sizeof text),
                         0);
    }
    assert_int_equal(ask(world_client(&world, 1), (struct kci_uuid){ { 0 } })->requested_metrics_count, ANSWERED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_pushes_what_was_asked_for),
        cmocka_unit_test(what_is_no_push_is_refused),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(a_client_that_comes_back_is_a_new_one),
        cmocka_unit_test(instances_are_bounded),
        cmocka_unit_test(a_subscription_is_for_those_whom_it_matches),
        cmocka_unit_test(a_bomb_does_not_go_off),
        cmocka_unit_test(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
