/* SCRAM users, access rules, features, settings of groups and client metrics: as clients change them, and after a
 * restart; producers, quorum and brokers as clients see them. */
#include "support/disk_story.h"
#include "support/mock_world.h"

#define AUTHORIZER "authorizer.class.name=standard super.users=User:ANONYMOUS"

static void open_on_disk(struct world *world, const char *config)
{
    world_open_with(world, (struct mb_options){ .brokers = 3, .storage = &disk.face, .config = config });
}

static int16_t upsert_salted(struct world *world, struct kci_str name, int8_t mechanism, int32_t iterations,
                             struct kci_bytes salt)
{
    struct kci_alter_user_scram_credentials_request request;
    struct kci_alter_user_scram_credentials_request__scram_credential_upsertion one = {
        .name = name,
        .mechanism = mechanism,
        .iterations = iterations,
        .salt = salt,
        .salted_password = { (const uint8_t *)"\0secret", 7 }
    };
    kci_codec_init(&kci_alter_user_scram_credentials_request_schema, &request);
    request.upsertions = &one;
    request.upsertions_count = 1;
    struct kci_alter_user_scram_credentials_response *response =
        client_call(world_client(world, 1), KCI_API_ALTER_USER_SCRAM_CREDENTIALS, 0, &request);
    assert_int_equal(response->results_count, 1);
    return response->results[0].error_code;
}

static int16_t upsert(struct world *world, struct kci_str name, int8_t mechanism, int32_t iterations)
{
    return upsert_salted(world, name, mechanism, iterations, (struct kci_bytes){ (const uint8_t *)"sa lt\n", 6 });
}

static struct kci_describe_user_scram_credentials_response *users(struct world *world)
{
    struct kci_describe_user_scram_credentials_request request;
    kci_codec_init(&kci_describe_user_scram_credentials_request_schema, &request);
    request.users_count = -1;
    return client_call(world_client(world, 1), KCI_API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &request);
}

/* A user has a credential for each mechanism; bad ones are refused; all is there after a restart. */
static void scram_users_are_kept(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, NULL);
    assert_int_equal(upsert(&world, NAME("anna"), MB_SCRAM_SHA_256, 4096), 0);
    assert_int_equal(upsert(&world, NAME("anna"), MB_SCRAM_SHA_512, 8192), 0);
    assert_int_equal(upsert(&world, NAME("a b%\n"), MB_SCRAM_SHA_256, 4096), 0);
    assert_int_equal(upsert(&world, NAME("bert"), MB_SCRAM_SHA_256, 4095), KCI_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&world, NAME("bert"), MB_SCRAM_SHA_256, 16385), KCI_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&world, NAME("bert"), 9, 4096), KCI_UNSUPPORTED_SASL_MECHANISM);
    assert_int_equal(upsert(&world, NAME(""), MB_SCRAM_SHA_256, 4096), KCI_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(upsert(&world, NAME("anna\0x"), MB_SCRAM_SHA_256, 4096), KCI_UNACCEPTABLE_CREDENTIAL);
    assert_int_equal(
        upsert_salted(&world, NAME("salt-less"), MB_SCRAM_SHA_256, 4096, (struct kci_bytes){ (const uint8_t *)"", 0 }),
        0);
    world_close(&world);

    open_on_disk(&world, NULL);
    struct kci_describe_user_scram_credentials_response *response = users(&world);
    assert_int_equal(response->results_count, 3);
    assert_true(kci_str_equal(response->results[0].user, NAME("anna")));
    assert_int_equal(response->results[0].credential_infos_count, 2);
    assert_int_equal(response->results[0].credential_infos[1].iterations, 8192);
    assert_true(kci_str_equal(response->results[1].user, NAME("a b%\n")));
    const struct mb_scram_credential *kept =
        mb_scram_users_find(&world.cluster->scram_users, NAME("a b%\n"), MB_SCRAM_SHA_256);
    assert_int_equal(kept->salted_password_size, 7);
    assert_memory_equal(kept->salted_password, "\0secret", 7);
    kept = mb_scram_users_find(&world.cluster->scram_users, NAME("salt-less"), MB_SCRAM_SHA_256);
    assert_int_equal(kept->salt_size, 0);
    world_close(&world);
}

static int16_t create_acl(struct world *world, struct kci_str name, struct kci_str host)
{
    struct kci_create_acls_request request;
    struct kci_create_acls_request__acl_creation one = { .resource_type = MB_ACL_TOPIC,
                                                         .resource_name = name,
                                                         .resource_pattern_type = MB_ACL_PREFIXED,
                                                         .principal = NAME("User:anna"),
                                                         .host = host,
                                                         .operation = MB_ACL_READ,
                                                         .permission_type = MB_ACL_ALLOW };
    kci_codec_init(&kci_create_acls_request_schema, &request);
    request.creations = &one;
    request.creations_count = 1;
    struct kci_create_acls_response *response = client_call(world_client(world, 1), KCI_API_CREATE_ACLS, 3, &request);
    return response->results[0].error_code;
}

/* Rules survive a restart with every byte of their texts; without an authorizer there are none. */
static void rules_are_kept(void **state)
{
    struct world world;
    struct kci_describe_acls_request request;
    (void)state;
    open_on_disk(&world, AUTHORIZER);
    assert_int_equal(create_acl(&world, NAME("or ders\n%"), NAME("")), 0);
    assert_int_equal(create_acl(&world, NAME("or ders\n%"), NAME("")), 0);
    assert_int_equal(create_acl(&world, NAME(""), NAME("*")), KCI_INVALID_REQUEST);
    world_close(&world);

    open_on_disk(&world, AUTHORIZER);
    kci_codec_init(&kci_describe_acls_request_schema, &request);
    request.resource_type_filter = request.operation = request.permission_type = 1;
    request.pattern_type_filter = MB_ACL_MATCH;
    request.principal_filter = request.host_filter = (struct kci_str){ NULL, 0 };
    request.resource_name_filter = NAME("or ders\n% of today");
    struct kci_describe_acls_response *response =
        client_call(world_client(&world, 1), KCI_API_DESCRIBE_ACLS, 3, &request);
    assert_int_equal(response->resources_count, 1);
    assert_true(kci_str_equal(response->resources[0].resource_name, NAME("or ders\n%")));
    assert_int_equal(response->resources[0].acls_count, 1);
    assert_int_equal(response->resources[0].acls[0].host.size, 0);
    world_close(&world);

    world_open(&world, 1, NULL);
    assert_int_equal(create_acl(&world, NAME("orders"), NAME("*")), KCI_SECURITY_DISABLED);
    response = client_call(world_client(&world, 1), KCI_API_DESCRIBE_ACLS, 3, &request);
    assert_int_equal(response->error_code, KCI_SECURITY_DISABLED);
    world_close(&world);
}

static int16_t update_feature(struct world *world, int16_t version, struct kci_str name, int16_t level, int8_t type)
{
    struct kci_update_features_request request;
    struct kci_update_features_request__feature_update_key one = { .feature = name, .max_version_level = level };
    kci_codec_init(&kci_update_features_request_schema, &request);
    if (version == 0)
        one.allow_downgrade = type > 1;
    one.upgrade_type = version == 0 ? 1 : type;
    request.feature_updates = &one;
    request.feature_updates_count = 1;
    struct kci_update_features_response *response =
        client_call(world_client(world, 1), KCI_API_UPDATE_FEATURES, version, &request);
    return response->error_code;
}

/* A level goes up and, when it is asked for, down; it is there after a restart. */
static void features_are_kept(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, NULL);
    int64_t epoch = world.cluster->feature_epoch;
    assert_int_equal(mb_feature_level(world.cluster, MB_FEATURE_GROUP), 1);
    for (int16_t version = 0; version <= 2; version++) {
        assert_int_equal(update_feature(&world, version, NAME("group.version"), 0, 1), KCI_INVALID_UPDATE_VERSION);
        assert_int_equal(update_feature(&world, version, NAME("group.version"), 2, 1), KCI_INVALID_UPDATE_VERSION);
        assert_int_equal(update_feature(&world, version, NAME("nothing"), 1, 1), KCI_INVALID_UPDATE_VERSION);
    }
    assert_int_equal(world.cluster->feature_epoch, epoch);
    assert_int_equal(update_feature(&world, 0, NAME("group.version"), 0, 2), 0);
    assert_int_equal(update_feature(&world, 1, NAME("group.version"), 1, 1), 0);
    assert_int_equal(update_feature(&world, 2, NAME("group.version"), 0, 2), 0);
    assert_true(world.cluster->feature_epoch > epoch);
    world_close(&world);

    open_on_disk(&world, NULL);
    assert_int_equal(mb_feature_level(world.cluster, MB_FEATURE_GROUP), 0);
    mb_cluster_reset(world.cluster, world.now);
    assert_int_equal(mb_feature_level(world.cluster, MB_FEATURE_GROUP), 1);
    world_close(&world);
}

static int16_t alter(struct world *world, int8_t type, struct kci_str name, struct kci_str key, struct kci_str value,
                     int8_t operation)
{
    struct kci_incremental_alter_configs_request request;
    struct kci_incremental_alter_configs_request__alter_configs_resource resource = { .resource_type = type,
                                                                                      .resource_name = name };
    struct kci_incremental_alter_configs_request__alterable_config config = { .name = key,
                                                                              .config_operation = operation,
                                                                              .value = value };
    kci_codec_init(&kci_incremental_alter_configs_request_schema, &request);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    struct kci_incremental_alter_configs_response *response =
        client_call(world_client(world, 1), KCI_API_INCREMENTAL_ALTER_CONFIGS, 1, &request);
    return response->responses[0].error_code;
}

static int32_t listed(struct world *world, int8_t type)
{
    struct kci_list_config_resources_request request;
    kci_codec_init(&kci_list_config_resources_request_schema, &request);
    request.resource_types = &type;
    request.resource_types_count = 1;
    struct kci_list_config_resources_response *response =
        client_call(world_client(world, 1), KCI_API_LIST_CONFIG_RESOURCES, 1, &request);
    return response->config_resources_count;
}

/* A resource is there as long as it has a setting of its own, restart or not. */
static void settings_of_groups_and_metrics_are_kept(void **state)
{
    static const struct kci_str timeout = { "consumer.session.timeout.ms", 27 };
    struct world world;
    (void)state;
    open_on_disk(&world, NULL);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g"), timeout, NAME("50000"), MB_ALTER_SET), 0);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g"), timeout, NAME("1"), MB_ALTER_SET), KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g"), NAME("x"), NAME("1"), MB_ALTER_SET),
                     KCI_INVALID_CONFIG);
    assert_int_equal(
        alter(&world, MB_RESOURCE_CLIENT_METRICS, NAME("s"), NAME("match"), NAME("client_id=a.*"), MB_ALTER_SET), 0);
    assert_int_equal(
        alter(&world, MB_RESOURCE_CLIENT_METRICS, NAME("s"), NAME("interval.ms"), NAME("99"), MB_ALTER_SET),
        KCI_INVALID_REQUEST);
    /* texts are kept with a NUL at their end: what is behind another one would be gone after a restart */
    assert_int_equal(
        alter(&world, MB_RESOURCE_CLIENT_METRICS, NAME("s"), NAME("match"), NAME("client_id=(\0)"), MB_ALTER_SET),
        KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g"), timeout, NAME("50000\0x"), MB_ALTER_SET),
                     KCI_INVALID_CONFIG);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g\0x"), timeout, NAME("50000"), MB_ALTER_SET),
                     KCI_INVALID_REQUEST);
    world_close(&world);

    open_on_disk(&world, NULL);
    assert_int_equal(mb_group_setting(world.cluster, NAME("g"), "consumer.session.timeout.ms"), 50000);
    assert_int_equal(mb_group_setting(world.cluster, NAME("h"), "consumer.session.timeout.ms"), 45000);
    assert_int_equal(listed(&world, MB_RESOURCE_GROUP), 1);
    assert_int_equal(listed(&world, MB_RESOURCE_CLIENT_METRICS), 1);
    assert_int_equal(alter(&world, MB_RESOURCE_GROUP, NAME("g"), timeout, NAME(""), MB_ALTER_DELETE), 0);
    assert_int_equal(listed(&world, MB_RESOURCE_GROUP), 0);
    world_close(&world);
}

/* What a replica remembers of a producer; who has none says so. */
static void producers_are_described_by_replicas(void **state)
{
    struct world world;
    struct kci_describe_producers_request request;
    struct kci_describe_producers_request__topic_request topic = { .name = NAME("orders") };
    int32_t indexes[] = { 0, 7 };
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    int32_t leader = world_look(&world, "orders", 0).leader;
    struct client *client = world_client(&world, leader);
    client_produce(client, "orders", 0, -1,
                   world_batch(&world, (struct batch_of){ .count = 3, .producer_id = 7, .epoch = 2 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    kci_codec_init(&kci_describe_producers_request_schema, &request);
    topic.partition_indexes = indexes;
    topic.partition_indexes_count = 2;
    request.topics = &topic;
    request.topics_count = 1;
    struct kci_describe_producers_response *response =
        client_call(world_client(&world, leader), KCI_API_DESCRIBE_PRODUCERS, 0, &request);
    const struct kci_describe_producers_response__partition_response *partitions = response->topics[0].partitions;
    assert_int_equal(partitions[0].error_code, 0);
    assert_int_equal(partitions[0].active_producers_count, 1);
    assert_int_equal(partitions[0].active_producers[0].producer_id, 7);
    assert_int_equal(partitions[0].active_producers[0].producer_epoch, 2);
    assert_int_equal(partitions[0].active_producers[0].last_sequence, 2);
    assert_int_equal(partitions[0].active_producers[0].current_txn_start_offset, -1);
    assert_int_equal(partitions[1].error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    response = client_call(world_client(&world, 3 - leader), KCI_API_DESCRIBE_PRODUCERS, 0, &request);
    assert_int_equal(response->topics[0].partitions[0].active_producers[0].producer_id, 7);
    response = client_call(world_client(&world, 3), KCI_API_DESCRIBE_PRODUCERS, 0, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    world_close(&world);
}

static int16_t unregister(struct world *world, int32_t broker)
{
    struct kci_unregister_broker_request request = { .broker_id = broker };
    struct kci_unregister_broker_response *response =
        client_call(world_client(world, 1), KCI_API_UNREGISTER_BROKER, 0, &request);
    return response->error_code;
}

static int32_t brokers_with_fenced(struct world *world)
{
    struct kci_describe_cluster_request request;
    kci_codec_init(&kci_describe_cluster_request_schema, &request);
    request.include_fenced_brokers = true;
    struct kci_describe_cluster_response *response =
        client_call(world_client(world, 1), KCI_API_DESCRIBE_CLUSTER, 2, &request);
    return response->brokers_count;
}

/* A broker that is down is fenced until it is unregistered; started again it is there again. */
static void a_dead_broker_is_unregistered(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    assert_int_equal(unregister(&world, 77), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(unregister(&world, 3), KCI_INVALID_REQUEST);
    mb_cluster_broker_stop(world.cluster, 3, true, world.now);
    assert_int_equal(brokers_with_fenced(&world), 3);
    assert_int_equal(unregister(&world, 3), 0);
    assert_int_equal(unregister(&world, 3), KCI_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(brokers_with_fenced(&world), 2);
    mb_cluster_broker_start(world.cluster, 3, world.now);
    assert_int_equal(brokers_with_fenced(&world), 3);
    world_close(&world);
}

/* The controller leads the quorum, in an epoch that rises when it moves. */
static void the_quorum_follows_the_controller(void **state)
{
    struct world world;
    struct kci_describe_quorum_request request;
    struct kci_describe_quorum_request__partition_data partition = { 0 };
    struct kci_describe_quorum_request__topic_data topic = { .topic_name = NAME("__cluster_metadata"),
                                                             .partitions = &partition,
                                                             .partitions_count = 1 };
    (void)state;
    world_open(&world, 3, NULL);
    kci_codec_init(&kci_describe_quorum_request_schema, &request);
    request.topics = &topic;
    request.topics_count = 1;
    struct kci_describe_quorum_response *first =
        client_call(world_client(&world, 2), KCI_API_DESCRIBE_QUORUM, 2, &request);
    assert_int_equal(first->topics[0].partitions[0].leader_id, 1);
    assert_int_equal(first->topics[0].partitions[0].current_voters_count, 3);
    assert_int_equal(first->nodes_count, 3);
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    struct kci_describe_quorum_response *second =
        client_call(world_client(&world, 2), KCI_API_DESCRIBE_QUORUM, 2, &request);
    assert_int_equal(second->topics[0].partitions[0].leader_id, 2);
    assert_true(second->topics[0].partitions[0].leader_epoch > first->topics[0].partitions[0].leader_epoch);
    topic.topic_name = NAME("orders");
    first = client_call(world_client(&world, 2), KCI_API_DESCRIBE_QUORUM, 0, &request);
    assert_int_equal(first->topics[0].partitions[0].error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scram_users_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(features_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_of_groups_and_metrics_are_kept, setup, teardown),
        cmocka_unit_test(producers_are_described_by_replicas),
        cmocka_unit_test(a_dead_broker_is_unregistered),
        cmocka_unit_test(the_quorum_follows_the_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
