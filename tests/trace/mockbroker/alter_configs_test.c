/* Stories of settings that change while the cluster runs: who may set what, what happens at once, what is there after a
 * restart. */
#include "support/faulty_disk.h"
#include "support/mock_world.h"

enum { TOPIC = 2, BROKER = 4 };
enum { SET, DELETE, APPEND, SUBTRACT };

typedef struct kci_incremental_alter_configs_response__alter_configs_resource_response altered;
typedef struct kci_describe_configs_response__describe_configs_resource_result described;

static altered *alter(struct client *client, int8_t type, const char *name, int8_t operation, const char *key,
                      const char *value)
{
    struct kci_incremental_alter_configs_request__alterable_config config = { .name = kci_str_of(key),
                                                                              .config_operation = operation,
                                                                              .value = kci_str_of(value) };
    struct kci_incremental_alter_configs_request__alter_configs_resource resource = {
        .resource_type = type, .resource_name = kci_str_of(name), .configs = &config, .configs_count = 1
    };
    struct kci_incremental_alter_configs_request request = { .resources = &resource, .resources_count = 1 };
    struct kci_incremental_alter_configs_response *response =
        client_call(client, KCI_API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    assert_int_equal(response->responses_count, 1);
    return &response->responses[0];
}

static void alter_ok(struct client *client, int8_t type, const char *name, int8_t operation, const char *key,
                     const char *value)
{
    assert_int_equal(alter(client, type, name, operation, key, value)->error_code, 0);
}

static described *describe(struct client *client, int8_t type, const char *name, const char *key)
{
    struct kci_str keys = kci_str_of(key);
    struct kci_describe_configs_request__describe_configs_resource resource = { .resource_type = type,
                                                                                .resource_name = kci_str_of(name),
                                                                                .configuration_keys = &keys,
                                                                                .configuration_keys_count = 1 };
    struct kci_describe_configs_request request = { .resources = &resource, .resources_count = 1 };
    struct kci_describe_configs_response *response = client_call(client, KCI_API_DESCRIBE_CONFIGS, 4, &request);
    assert_int_equal(response->results[0].error_code, 0);
    return response->results[0].configs_count ? &response->results[0].configs[0] : NULL;
}

static void assert_value(const described *config, const char *value, int8_t source)
{
    assert_non_null(config);
    assert_true(kci_str_equal(config->value, kci_str_of(value)));
    assert_int_equal(config->config_source, source);
}

static void a_topic_obeys_at_once(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .value_bytes = 2000 });
    client_produce(client, "t", 0, 1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    alter_ok(client, TOPIC, "t", SET, "max.message.bytes", "1000");
    client_produce(client, "t", 0, 1, batch);
    assert_int_equal(client_produced(client)->error_code, KCI_MESSAGE_TOO_LARGE);
    assert_value(describe(client, TOPIC, "t", "max.message.bytes"), "1000", MB_SOURCE_TOPIC);
    alter_ok(client, TOPIC, "t", DELETE, "max.message.bytes", NULL);
    assert_value(describe(client, TOPIC, "t", "max.message.bytes"), "1048588", MB_SOURCE_DEFAULT);
    client_produce(client, "t", 0, 1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    alter_ok(client, TOPIC, "t", SET, "message.timestamp.type", "LogAppendTime");
    client_produce(client, "t", 0, 1, world_batch(&world, (struct batch_of){ .timestamp_ms = 5 }));
    assert_true(client_produced(client)->log_append_time_ms >= WORLD_EPOCH_US / 1000);
    world_close(&world);
}

static void retention_that_shrinks_deletes_at_once(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    for (int i = 0; i < 3; i++) {
        client_produce(client, "t", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
        assert_int_equal(client_produced(client)->error_code, 0);
        world_at(&world, (i + 1) * 10 * SECOND);
    }
    assert_int_equal(world_look(&world, "t", 0).log_start, 0);
    alter_ok(client, TOPIC, "t", SET, "retention.ms", "15000");
    assert_int_equal(world_look(&world, "t", 0).log_start, 2);
    world_close(&world);
}

static void fewer_replicas_that_must_be_in_sync_let_writers_go_on(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "t", 1, 2, "min.insync.replicas=2");
    struct client *client = world_client(&world, 1);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 2, true, world.now), 0);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_ENOUGH_REPLICAS);
    client_produce(client, "t", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 0);
    alter_ok(client, TOPIC, "t", SET, "min.insync.replicas", "1");
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    world_close(&world);
}

static void lists_grow_and_shrink_word_by_word(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    alter_ok(client, TOPIC, "t", APPEND, "cleanup.policy", "compact");
    assert_value(describe(client, TOPIC, "t", "cleanup.policy"), "delete,compact", MB_SOURCE_TOPIC);
    alter_ok(client, TOPIC, "t", APPEND, "cleanup.policy", "compact");
    alter_ok(client, TOPIC, "t", SUBTRACT, "cleanup.policy", "delete");
    assert_value(describe(client, TOPIC, "t", "cleanup.policy"), "compact", MB_SOURCE_TOPIC);
    altered *refused = alter(client, TOPIC, "t", APPEND, "retention.ms", "1");
    assert_int_equal(refused->error_code, KCI_INVALID_CONFIG);
    assert_true(
        kci_str_equal(refused->error_message, NAME("Can't APPEND to key retention.ms because its type is not LIST.")));
    world_close(&world);
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    static const struct {
        int8_t type;
        const char *name;
        int8_t operation;
        const char *key, *value;
        int16_t error;
    } bad[] = {
        { TOPIC, "t", SET, "retention.msec", "1", KCI_INVALID_CONFIG },
        { TOPIC, "t", SET, "retention.ms", "soon", KCI_INVALID_CONFIG },
        { TOPIC, "t", SET, "retention.ms", "-2", KCI_INVALID_CONFIG },
        { TOPIC, "t", SET, "retention.ms", NULL, KCI_INVALID_REQUEST },
        { TOPIC, "t", SET, "min.cleanable.dirty.ratio", "2", KCI_INVALID_CONFIG },
        { TOPIC, "t", SET, "leader.replication.throttled.replicas", "a\nb", KCI_INVALID_CONFIG },
        { TOPIC, "t", 9, "retention.ms", "1", KCI_UNKNOWN_SERVER_ERROR },
        { TOPIC, "u", SET, "retention.ms", "1", KCI_UNKNOWN_TOPIC_OR_PARTITION },
        { BROKER, "1", SET, "node.id", "1", KCI_INVALID_REQUEST },
        { BROKER, "9", SET, "num.io.threads", "1", KCI_INVALID_REQUEST },
        { BROKER, "x", SET, "num.io.threads", "1", KCI_INVALID_REQUEST },
        { BROKER, "1", SET, "log.retention.ms", "1", KCI_INVALID_REQUEST },
        { BROKER, "", SET, "log.retention.ms", "soon", KCI_INVALID_REQUEST },
        { BROKER, "", 9, "log.retention.ms", "1",
          KCI_UNKNOWN_SERVER_ERROR }, /* nothing of all brokers' is removed by it */
        { 77, "t", SET, "retention.ms", "1", KCI_INVALID_REQUEST },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        altered *refused = alter(client, bad[i].type, bad[i].name, bad[i].operation, bad[i].key, bad[i].value);
        assert_int_equal(refused->error_code, bad[i].error);
        assert_true(refused->error_message.size > 0);
    }
    assert_value(describe(client, TOPIC, "t", "retention.ms"), "604800000", MB_SOURCE_DEFAULT);
    assert_null(describe(client, BROKER, "", "log.retention.ms"));
    world_close(&world);
}

static void one_bad_change_spoils_its_resource_only(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    world_topic(&world, "u", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_alter_configs_request__alterable_config t[] = { { .name = NAME("retention.ms"), .value = NAME("5") },
                                                               { .name = NAME("segment.ms"), .value = NAME("0") } };
    struct kci_alter_configs_request__alterable_config u[] = { { .name = NAME("retention.ms"), .value = NAME("7") } };
    struct kci_alter_configs_request__alter_configs_resource resources[] = {
        { .resource_type = TOPIC, .resource_name = NAME("t"), .configs = t, .configs_count = 2 },
        { .resource_type = TOPIC, .resource_name = NAME("u"), .configs = u, .configs_count = 1 },
    };
    struct kci_alter_configs_request request = { .resources = resources, .resources_count = 2, .validate_only = true };
    for (int round = 0; round < 2; round++, request.validate_only = false) {
        struct kci_alter_configs_response *response = client_call(client, KCI_API_ALTER_CONFIGS, 2, &request);
        assert_int_equal(response->responses[0].error_code, KCI_INVALID_CONFIG);
        assert_int_equal(response->responses[1].error_code, 0);
        assert_value(describe(client, TOPIC, "t", "retention.ms"), "604800000", MB_SOURCE_DEFAULT);
        assert_value(describe(client, TOPIC, "u", "retention.ms"), round ? "7" : "604800000",
                     round ? MB_SOURCE_TOPIC : MB_SOURCE_DEFAULT);
    }
    /* AlterConfigs replaces everything: what is not named is gone */
    u[0] = (struct kci_alter_configs_request__alterable_config){ .name = NAME("segment.ms"), .value = NAME("9") };
    request.resources = &resources[1];
    request.resources_count = 1;
    client_call(client, KCI_API_ALTER_CONFIGS, 0, &request);
    assert_value(describe(client, TOPIC, "u", "retention.ms"), "604800000", MB_SOURCE_DEFAULT);
    assert_value(describe(client, TOPIC, "u", "segment.ms"), "9", MB_SOURCE_TOPIC);
    world_close(&world);
}

static void everything_is_there_after_a_restart(void **state)
{
    struct world world;
    struct disk_storage disk;
    (void)state;
    disk_storage_init(&disk);
    for (int round = 0; round < 2; round++) {
        world_open_with(&world, (struct mb_options){ .brokers = 2, .storage = &disk.face });
        struct client *client = world_client(&world, 1);
        if (!round) {
            world_topic(&world, "t", 1, 1, NULL);
            alter_ok(client, TOPIC, "t", SET, "retention.ms", "77");
            alter_ok(client, BROKER, "", SET, "message.max.bytes", "500");
            alter_ok(client, BROKER, "1", SET, "num.io.threads", "3");
        }
        assert_value(describe(client, TOPIC, "t", "retention.ms"), "77", MB_SOURCE_TOPIC);
        assert_value(describe(client, TOPIC, "t", "max.message.bytes"), "500", MB_SOURCE_DEFAULT_BROKER);
        assert_value(describe(client, BROKER, "", "message.max.bytes"), "500", MB_SOURCE_DEFAULT_BROKER);
        assert_value(describe(client, BROKER, "1", "num.io.threads"), "3", MB_SOURCE_BROKER);
        assert_value(describe(world_client(&world, 2), BROKER, "2", "num.io.threads"), "8", MB_SOURCE_DEFAULT);
        client_produce(client, "t", 0, 1, world_batch(&world, (struct batch_of){ .value_bytes = 1000 }));
        assert_int_equal(client_produced(client)->error_code, KCI_MESSAGE_TOO_LARGE);
        world_close(&world);
    }
    disk_storage_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_obeys_at_once),
        cmocka_unit_test(retention_that_shrinks_deletes_at_once),
        cmocka_unit_test(fewer_replicas_that_must_be_in_sync_let_writers_go_on),
        cmocka_unit_test(lists_grow_and_shrink_word_by_word),
        cmocka_unit_test(nonsense_is_refused_and_changes_nothing),
        cmocka_unit_test(one_bad_change_spoils_its_resource_only),
        cmocka_unit_test(everything_is_there_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
