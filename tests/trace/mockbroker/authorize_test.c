/* With an authorizer, nobody may do what no rule allows; the client of these stories is User:ANONYMOUS at 127.0.0.1. */
#include "mockbroker/core/authorize.h"
#include "support/mock_world.h"

#define ON "authorizer.class.name=standard"

static void rule(struct world *world, int8_t type, struct kci_str name, int8_t operation, int8_t permission,
                 struct kci_str host)
{
    struct mb_acl_of acl = { .type = type,
                             .pattern = MB_ACL_LITERAL,
                             .operation = operation,
                             .permission = permission,
                             .name = name,
                             .principal = NAME("User:ANONYMOUS"),
                             .host = host };
    assert_true(mb_acls_add(&world->cluster->acls, &acl));
}

static void allow(struct world *world, int8_t type, struct kci_str name, int8_t operation)
{
    rule(world, type, name, operation, MB_ACL_ALLOW, NAME("*"));
}

static int16_t produce(struct world *world, const char *topic)
{
    struct client *client = world_client(world, world_look(world, topic, 0).leader);
    client_produce(client, topic, 0, -1, world_batch(world, (struct batch_of){ .count = 1 }));
    return client_produced(client)->error_code;
}

static void a_producer_needs_write(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, ON);
    world_topic(&world, "orders", 1, 1, NULL);
    assert_int_equal(produce(&world, "orders"), KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 0);
    allow(&world, MB_ACL_TOPIC, NAME("orders"), MB_ACL_READ);
    assert_int_equal(produce(&world, "orders"), KCI_TOPIC_AUTHORIZATION_FAILED);
    allow(&world, MB_ACL_TOPIC, NAME("*"), MB_ACL_WRITE);
    assert_int_equal(produce(&world, "orders"), 0);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 1);
    /* what is denied is denied, whatever is allowed; another host's rule is not ours */
    rule(&world, MB_ACL_TOPIC, NAME("orders"), MB_ACL_ALL, MB_ACL_DENY, NAME("10.0.0.1"));
    assert_int_equal(produce(&world, "orders"), 0);
    rule(&world, MB_ACL_TOPIC, NAME("orders"), MB_ACL_WRITE, MB_ACL_DENY, NAME("127.0.0.1"));
    assert_int_equal(produce(&world, "orders"), KCI_TOPIC_AUTHORIZATION_FAILED);
    world_close(&world);
}

/* One request, two topics: the one that is allowed is written, the other is refused. */
static void a_request_is_refused_in_part(void **state)
{
    struct world world;
    struct kci_produce_request request;
    struct kci_produce_request__partition_produce_data data[2];
    struct kci_produce_request__topic_produce_data topics[2];
    (void)state;
    world_open(&world, 1, ON);
    world_topic(&world, "mine", 1, 1, NULL);
    world_topic(&world, "theirs", 1, 1, NULL);
    allow(&world, MB_ACL_TOPIC, NAME("mine"), MB_ACL_WRITE);
    kci_codec_init(&kci_produce_request_schema, &request);
    for (int i = 0; i < 2; i++) {
        kci_codec_init(&kci_produce_request__partition_produce_data_schema, &data[i]);
        kci_codec_init(&kci_produce_request__topic_produce_data_schema, &topics[i]);
        data[i].records = world_batch(&world, (struct batch_of){ .count = 1 });
        topics[i].name = i ? NAME("theirs") : NAME("mine");
        topics[i].partition_data = &data[i];
        topics[i].partition_data_count = 1;
    }
    request.acks = -1;
    request.topic_data = topics;
    request.topic_data_count = 2;
    struct client *client = world_client(&world, 1);
    struct kci_produce_response *response = client_call(client, KCI_API_PRODUCE, 9, &request);
    assert_int_equal(response->responses_count, 2);
    for (int i = 0; i < 2; i++) {
        bool mine = kci_str_equal(response->responses[i].name, NAME("mine"));
        assert_int_equal(response->responses[i].partition_responses[0].error_code,
                         mine ? 0 : KCI_TOPIC_AUTHORIZATION_FAILED);
    }
    assert_int_equal(world_look(&world, "mine", 0).log_end, 1);
    assert_int_equal(world_look(&world, "theirs", 0).log_end, 0);
    request.acks = 0; /* no answer that could say it: the connection ends */
    client_send(client, KCI_API_PRODUCE, 9, &request);
    assert_int_equal(world_look(&world, "mine", 0).log_end, 2);
    request.topic_data = &topics[1];
    request.topic_data_count = 1;
    client_send(client, KCI_API_PRODUCE, 9, &request);
    assert_true(client->closed);
    world_close(&world);
}

/* The error comes with every fetch of a session, until there is a rule: then the records do. */
static void a_consumer_needs_read(void **state)
{
    struct world world;
    struct kci_fetch_request request;
    struct kci_fetch_request__fetch_topic topic;
    struct kci_fetch_request__fetch_partition partition;
    (void)state;
    world_open(&world, 1, ON);
    world_topic(&world, "orders", 1, 1, NULL);
    allow(&world, MB_ACL_TOPIC, NAME("orders"), MB_ACL_WRITE);
    assert_int_equal(produce(&world, "orders"), 0);
    kci_codec_init(&kci_fetch_request_schema, &request);
    kci_codec_init(&kci_fetch_request__fetch_topic_schema, &topic);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &partition);
    partition.partition_max_bytes = 1 << 20;
    topic.topic = NAME("orders");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.max_bytes = 1 << 20;
    request.session_epoch = 0;
    struct client *client = world_client(&world, 1);
    struct kci_fetch_response *response = client_call(client, KCI_API_FETCH, 12, &request);
    assert_int_equal(response->responses[0].partitions[0].error_code, KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(response->responses[0].partitions[0].records.size, 0);
    request.session_id = response->session_id;
    request.topics_count = 0;
    request.session_epoch = 1;
    response = client_call(client, KCI_API_FETCH, 12, &request);
    assert_int_equal(response->responses[0].partitions[0].error_code, KCI_TOPIC_AUTHORIZATION_FAILED);
    allow(&world, MB_ACL_TOPIC, NAME("orders"), MB_ACL_READ);
    request.session_epoch = 2;
    response = client_call(client, KCI_API_FETCH, 12, &request);
    assert_int_equal(response->responses[0].partitions[0].error_code, 0);
    assert_true(response->responses[0].partitions[0].records.size > 0);
    world_close(&world);
}

static struct kci_metadata_response *metadata(struct world *world, struct kci_str name)
{
    struct kci_metadata_request request;
    struct kci_metadata_request__metadata_request_topic topic = { .name = name };
    kci_codec_init(&kci_metadata_request_schema, &request);
    request.topics = &topic;
    request.topics_count = name.data ? 1 : -1;
    request.allow_auto_topic_creation = true;
    request.include_topic_authorized_operations = true;
    request.include_cluster_authorized_operations = true;
    return client_call(world_client(world, 1), KCI_API_METADATA, 10, &request);
}

static void metadata_tells_what_may_be_seen(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, ON);
    world_topic(&world, "seen", 1, 1, NULL);
    world_topic(&world, "hidden", 1, 1, NULL);
    allow(&world, MB_ACL_TOPIC, NAME("seen"), MB_ACL_READ); /* which implies DESCRIBE */
    struct kci_metadata_response *response = metadata(&world, (struct kci_str){ NULL, 0 });
    assert_int_equal(response->topics_count, 1);
    assert_true(kci_str_equal(response->topics[0].name, NAME("seen")));
    assert_int_equal(response->topics[0].topic_authorized_operations, 1 << MB_ACL_READ | 1 << MB_ACL_DESCRIBE);
    assert_int_equal(response->cluster_authorized_operations, 0);
    assert_int_equal(metadata(&world, NAME("hidden"))->topics[0].error_code, KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(metadata(&world, NAME("hidden"))->topics[0].partitions_count, 0);
    assert_int_equal(metadata(&world, NAME("nothing"))->topics[0].error_code, KCI_TOPIC_AUTHORIZATION_FAILED);
    /* to make a topic, CREATE is needed */
    allow(&world, MB_ACL_TOPIC, NAME("made"), MB_ACL_DESCRIBE);
    assert_int_equal(metadata(&world, NAME("made"))->topics[0].error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(mb_cluster_topic_partitions(world.cluster, NAME("made")), -1);
    allow(&world, MB_ACL_TOPIC, NAME("made"), MB_ACL_CREATE);
    metadata(&world, NAME("made"));
    assert_int_equal(mb_cluster_topic_partitions(world.cluster, NAME("made")), 1);
    world_close(&world);
}

static void groups_have_rights_of_their_own(void **state)
{
    struct world world;
    struct kci_find_coordinator_request find;
    struct kci_describe_groups_request describe;
    struct kci_heartbeat_request beat;
    struct kci_str groups[] = { NAME("mine"), NAME("theirs") };
    (void)state;
    world_open(&world, 1, ON " offsets.topic.replication.factor=1");
    allow(&world, MB_ACL_GROUP, NAME("mine"), MB_ACL_READ);
    kci_codec_init(&kci_find_coordinator_request_schema, &find);
    find.coordinator_keys = groups;
    find.coordinator_keys_count = 2;
    struct kci_find_coordinator_response *found =
        client_call(world_client(&world, 1), KCI_API_FIND_COORDINATOR, 4, &find);
    assert_int_equal(found->coordinators[0].error_code, 0);
    assert_int_equal(found->coordinators[1].error_code, KCI_GROUP_AUTHORIZATION_FAILED);
    kci_codec_init(&kci_describe_groups_request_schema, &describe);
    describe.groups = groups;
    describe.groups_count = 2;
    describe.include_authorized_operations = true;
    struct kci_describe_groups_response *described =
        client_call(world_client(&world, 1), KCI_API_DESCRIBE_GROUPS, 5, &describe);
    assert_int_equal(described->groups[0].error_code, 0);
    assert_int_equal(described->groups[0].authorized_operations, 1 << MB_ACL_READ | 1 << MB_ACL_DESCRIBE);
    assert_int_equal(described->groups[1].error_code, KCI_GROUP_AUTHORIZATION_FAILED);
    kci_codec_init(&kci_heartbeat_request_schema, &beat);
    beat.group_id = NAME("theirs");
    struct kci_heartbeat_response *beaten = client_call(world_client(&world, 1), KCI_API_HEARTBEAT, 3, &beat);
    assert_int_equal(beaten->error_code, KCI_GROUP_AUTHORIZATION_FAILED);
    world_close(&world);
}

static int16_t create_topic(struct world *world, struct kci_str name)
{
    struct kci_create_topics_request request;
    struct kci_create_topics_request__creatable_topic topic;
    kci_codec_init(&kci_create_topics_request_schema, &request);
    kci_codec_init(&kci_create_topics_request__creatable_topic_schema, &topic);
    topic.name = name;
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    struct kci_create_topics_response *response =
        client_call(world_client(world, 1), KCI_API_CREATE_TOPICS, 5, &request);
    assert_int_equal(response->topics_count, 1);
    return response->topics[0].error_code;
}

static int16_t producer_id(struct world *world)
{
    struct kci_init_producer_id_request request;
    kci_codec_init(&kci_init_producer_id_request_schema, &request);
    request.transactional_id = (struct kci_str){ NULL, 0 };
    struct kci_init_producer_id_response *response =
        client_call(world_client(world, 1), KCI_API_INIT_PRODUCER_ID, 3, &request);
    return response->error_code;
}

static int16_t alter_acl(struct world *world)
{
    struct kci_create_acls_request request;
    struct kci_create_acls_request__acl_creation one = { .resource_type = MB_ACL_TOPIC,
                                                         .resource_name = NAME("x"),
                                                         .resource_pattern_type = MB_ACL_LITERAL,
                                                         .principal = NAME("User:anna"),
                                                         .host = NAME("*"),
                                                         .operation = MB_ACL_READ,
                                                         .permission_type = MB_ACL_ALLOW };
    kci_codec_init(&kci_create_acls_request_schema, &request);
    request.creations = &one;
    request.creations_count = 1;
    struct kci_create_acls_response *response = client_call(world_client(world, 1), KCI_API_CREATE_ACLS, 3, &request);
    assert_int_equal(response->results_count, 1);
    return response->results[0].error_code;
}

static void the_cluster_is_a_resource(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, ON);
    assert_int_equal(create_topic(&world, NAME("a")), KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(producer_id(&world), KCI_CLUSTER_AUTHORIZATION_FAILED);
    assert_int_equal(alter_acl(&world), KCI_CLUSTER_AUTHORIZATION_FAILED);
    allow(&world, MB_ACL_TOPIC, NAME("a"), MB_ACL_CREATE);
    assert_int_equal(create_topic(&world, NAME("a")), 0);
    allow(&world, MB_ACL_CLUSTER, NAME("kafka-cluster"), MB_ACL_CREATE);
    assert_int_equal(create_topic(&world, NAME("b")), 0);
    allow(&world, MB_ACL_TOPIC, NAME("a"), MB_ACL_WRITE); /* of any topic is enough (KIP-679) */
    assert_int_equal(producer_id(&world), 0);
    allow(&world, MB_ACL_CLUSTER, NAME("kafka-cluster"), MB_ACL_ALTER);
    assert_int_equal(alter_acl(&world), 0);
    world_close(&world);
}

/* Without a rule for a resource, allow.everyone.if.no.acl.found decides; super users may do everything. */
static void some_are_asked_for_nothing(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, ON " allow.everyone.if.no.acl.found=true");
    assert_int_equal(create_topic(&world, NAME("a")), 0);
    allow(&world, MB_ACL_TOPIC, NAME("a"), MB_ACL_READ);
    assert_int_equal(produce(&world, "a"), KCI_TOPIC_AUTHORIZATION_FAILED);
    world_close(&world);
    world_open(&world, 1, ON " super.users=User:anna;User:ANONYMOUS");
    assert_int_equal(create_topic(&world, NAME("a")), 0);
    rule(&world, MB_ACL_TOPIC, NAME("a"), MB_ACL_ALL, MB_ACL_DENY, NAME("*"));
    assert_int_equal(produce(&world, "a"), 0);
    world_close(&world);
    world_open(&world, 1, ON " super.users=User:ANONYMOU;User:ANONYMOUSLY");
    assert_int_equal(create_topic(&world, NAME("a")), KCI_TOPIC_AUTHORIZATION_FAILED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_producer_needs_write),          cmocka_unit_test(a_request_is_refused_in_part),
        cmocka_unit_test(a_consumer_needs_read),           cmocka_unit_test(metadata_tells_what_may_be_seen),
        cmocka_unit_test(groups_have_rights_of_their_own), cmocka_unit_test(the_cluster_is_a_resource),
        cmocka_unit_test(some_are_asked_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
