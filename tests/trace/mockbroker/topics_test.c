/* Stories of topics that come and go: made on request, deleted, and made by asking for them (PROTOCOL 4.6).  The codes are
 * those of Apache Kafka 4.3.1. */
#include "support/mock_world.h"

#include "protocol/error.h"

typedef struct kci_create_topics_request__creatable_topic new_topic;

static struct world world;
static struct client *client;

static void open_world(const char *config)
{
    world_open(&world, 3, config);
    client = world_client(&world, 1);
}

static int setup(void **state)
{
    (void)state;
    open_world("num.partitions=4 default.replication.factor=2");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static new_topic topic_of(const char *name, int32_t partitions, int16_t replicas)
{
    new_topic topic;
    kci_codec_init(&kci_create_topics_request__creatable_topic_schema, &topic);
    topic.name = kci_str_of(name);
    topic.num_partitions = partitions;
    topic.replication_factor = replicas;
    return topic;
}

static const struct kci_create_topics_response *create(new_topic *topics, int32_t count, bool validate_only)
{
    struct kci_create_topics_request body;
    kci_codec_init(&kci_create_topics_request_schema, &body);
    body.topics = topics;
    body.topics_count = count;
    body.validate_only = validate_only;
    return client_call(client, KCI_API_CREATE_TOPICS, 7, &body);
}

static bool is_there(const char *name)
{
    return mb_topic_find(world.cluster, kci_str_of(name)) != NULL;
}

static void assert_refused(new_topic topic, int16_t error)
{
    const struct kci_create_topics_response *answer = create(&topic, 1, false);
    if (answer->topics[0].error_code != error)
        fail_msg("%.*s: %s", (int)topic.name.size, topic.name.data, kci_error_name(answer->topics[0].error_code));
    assert_true(answer->topics[0].error_message.size > 0);
    assert_int_equal(answer->topics[0].num_partitions, -1);
}

/* What is made is told of with its defaults and its settings, and can be written to at once. */
static void what_is_made(void **state)
{
    (void)state;
    new_topic topics[] = { topic_of("a", 3, 3), topic_of("defaults", -1, -1) };
    const struct kci_create_topics_response *answer = create(topics, 2, false);
    assert_int_equal(answer->topics_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct kci_create_topics_response__creatable_topic_result *made = &answer->topics[i];
        assert_int_equal(made->error_code, KCI_NONE);
        assert_int_equal(made->num_partitions, i ? 4 : 3);
        assert_int_equal(made->replication_factor, i ? 2 : 3);
        assert_true(made->configs_count > 10);
        struct kci_uuid id = mb_cluster_topic_id(world.cluster, made->name);
        assert_memory_equal(&made->topic_id, &id, sizeof id);
    }
    int32_t leader = world_look(&world, "defaults", 3).leader;
    assert_int_equal(world_look(&world, "defaults", 3).isr_count, 2);
    struct client *writer = world_client(&world, leader);
    client_produce(writer, "defaults", 3, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(writer)->base_offset, 0);
}

/* Replicas where they are wanted: the first of each row is preferred, and leads. */
static void replicas_are_placed(void **state)
{
    int32_t brokers[2][2] = { { 3, 1 }, { 2, 3 } };
    struct kci_create_topics_request__creatable_replica_assignment rows[2] = {
        { .partition_index = 0, .broker_ids = brokers[0], .broker_ids_count = 2 },
        { .partition_index = 1, .broker_ids = brokers[1], .broker_ids_count = 2 },
    };
    (void)state;
    new_topic topic = topic_of("placed", -1, -1);
    topic.assignments = rows;
    topic.assignments_count = 2;
    assert_int_equal(create(&topic, 1, false)->topics[0].error_code, KCI_NONE);
    assert_int_equal(world_look(&world, "placed", 0).leader, 3);
    assert_int_equal(world_look(&world, "placed", 1).leader, 2);
    topic.name = NAME("counted");
    topic.num_partitions = 2; /* both would be one too many */
    assert_refused(topic, KCI_INVALID_REQUEST);
    topic.num_partitions = -1;
    rows[1].partition_index = 2;
    assert_refused(topic, KCI_INVALID_REPLICA_ASSIGNMENT);
    rows[1].partition_index = 1;
    brokers[1][1] = 2; /* twice the same */
    assert_refused(topic, KCI_INVALID_REPLICA_ASSIGNMENT);
    brokers[1][1] = 9; /* no broker */
    assert_refused(topic, KCI_INVALID_REPLICA_ASSIGNMENT);
    assert_false(is_there("counted"));
}

static void what_is_refused(void **state)
{
    char longest[251] = { 0 };
    struct kci_create_topics_request__creatable_topic_config config = { .name = NAME("retention.hours"),
                                                                        .value = NAME("1") };
    (void)state;
    memset(longest, 'x', 250);
    world_topic(&world, "taken", 1, 1, NULL);
    world_topic(&world, "with.dot", 1, 1, NULL);
    assert_refused(topic_of("taken", 1, 1), KCI_TOPIC_ALREADY_EXISTS);
    assert_refused(topic_of("with_dot", 1, 1), KCI_INVALID_TOPIC_EXCEPTION);
    assert_refused(topic_of("", 1, 1), KCI_INVALID_TOPIC_EXCEPTION);
    assert_refused(topic_of("..", 1, 1), KCI_INVALID_TOPIC_EXCEPTION);
    assert_refused(topic_of("a b", 1, 1), KCI_INVALID_TOPIC_EXCEPTION);
    assert_refused(topic_of(longest, 1, 1), KCI_INVALID_TOPIC_EXCEPTION);
    assert_refused(topic_of("none", 0, 1), KCI_INVALID_PARTITIONS);
    assert_refused(topic_of("less", -2, 1), KCI_INVALID_PARTITIONS);
    assert_refused(topic_of("wide", 1, 4), KCI_INVALID_REPLICATION_FACTOR);
    assert_refused(topic_of("bare", 1, 0), KCI_INVALID_REPLICATION_FACTOR);
    new_topic set = topic_of("set", 1, 1);
    set.configs = &config;
    set.configs_count = 1;
    assert_refused(set, KCI_INVALID_CONFIG);
    config.name = NAME("retention.ms");
    config.value = NAME("soon");
    assert_refused(set, KCI_INVALID_CONFIG);
    assert_false(is_there("set"));
}

/* A request that only asks makes nothing; one that names a topic twice does not get it, and the others it does. */
static void validated_and_named_twice(void **state)
{
    (void)state;
    new_topic topics[] = { topic_of("twice", 1, 1), topic_of("once", 1, 1), topic_of("twice", 2, 1) };
    const struct kci_create_topics_response *answer = create(topics + 1, 1, true);
    assert_int_equal(answer->topics[0].error_code, KCI_NONE);
    assert_int_equal(answer->topics[0].num_partitions, 1);
    assert_false(is_there("once"));
    topics[1].replication_factor = 4;
    assert_int_equal(create(topics + 1, 1, true)->topics[0].error_code, KCI_INVALID_REPLICATION_FACTOR);
    topics[1].replication_factor = 1;
    answer = create(topics, 3, false);
    assert_int_equal(answer->topics_count, 2);
    assert_int_equal(answer->topics[0].error_code, KCI_INVALID_REQUEST);
    assert_int_equal(answer->topics[1].error_code, KCI_NONE);
    assert_true(is_there("once"));
    assert_false(is_there("twice"));
}

static int16_t delete_named(const char *name, const struct kci_uuid *id)
{
    struct kci_delete_topics_request__delete_topic_state row;
    struct kci_delete_topics_request body;
    kci_codec_init(&kci_delete_topics_request__delete_topic_state_schema, &row);
    kci_codec_init(&kci_delete_topics_request_schema, &body);
    row.name = kci_str_of(name);
    if (id)
        row.topic_id = *id;
    body.topics = &row;
    body.topics_count = 1;
    const struct kci_delete_topics_response *answer = client_call(client, KCI_API_DELETE_TOPICS, 6, &body);
    return answer->responses[0].error_code;
}

/* By name or by id; what is made anew under the name is another topic, with nothing in it. */
static void what_is_deleted(void **state)
{
    struct kci_uuid nobody = { { 9 } };
    (void)state;
    world_topic(&world, "t", 1, 1, NULL);
    struct kci_uuid first = mb_cluster_topic_id(world.cluster, NAME("t"));
    struct client *writer = world_client(&world, world_look(&world, "t", 0).leader);
    client_produce(writer, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    assert_int_equal(client_produced(writer)->base_offset, 0);
    assert_int_equal(delete_named("unknown", NULL), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_named(NULL, &nobody), KCI_UNKNOWN_TOPIC_ID);
    assert_int_equal(delete_named("t", &first), KCI_INVALID_REQUEST);
    assert_int_equal(delete_named("t", NULL), KCI_NONE);
    assert_int_equal(delete_named("t", NULL), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    world_topic(&world, "t", 1, 1, NULL);
    struct kci_uuid second = mb_cluster_topic_id(world.cluster, NAME("t"));
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_int_equal(world_look(&world, "t", 0).log_end, 0);
    assert_int_equal(delete_named(NULL, &first), KCI_UNKNOWN_TOPIC_ID);
    assert_int_equal(delete_named(NULL, &second), KCI_NONE);
    assert_false(is_there("t"));
}

static void deletion_can_be_switched_off(void **state)
{
    (void)state;
    world_close(&world);
    open_world("delete.topic.enable=false");
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(delete_named("t", NULL), KCI_TOPIC_DELETION_DISABLED);
    assert_true(is_there("t"));
}

static int16_t ask(const char *name, bool allow)
{
    struct kci_metadata_request__metadata_request_topic topic = { .name = kci_str_of(name) };
    struct kci_metadata_request body;
    kci_codec_init(&kci_metadata_request_schema, &body);
    body.topics = &topic;
    body.topics_count = 1;
    body.allow_auto_topic_creation = allow;
    const struct kci_metadata_response *answer = client_call(client, KCI_API_METADATA, 12, &body);
    assert_int_equal(answer->topics_count, 1);
    return answer->topics[0].error_code;
}

/* Who asks for a topic gets one with the broker's defaults, if both allow it and the brokers are enough. */
static void made_by_asking(void **state)
{
    (void)state;
    assert_int_equal(ask("t", false), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_false(is_there("t"));
    assert_int_equal(ask("a b", true), KCI_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(ask("t", true), KCI_NONE);
    assert_int_equal(world_look(&world, "t", 3).isr_count, 2);
    world_close(&world);
    open_world("auto.create.topics.enable=false");
    assert_int_equal(ask("t", true), KCI_UNKNOWN_TOPIC_OR_PARTITION);
    assert_false(is_there("t"));
    world_close(&world);
    open_world("default.replication.factor=4"); /* the fourth may come */
    assert_int_equal(ask("t", true), KCI_LEADER_NOT_AVAILABLE);
    assert_false(is_there("t"));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(what_is_made),    STORY(replicas_are_placed),
        STORY(what_is_refused), STORY(validated_and_named_twice),
        STORY(what_is_deleted), STORY(deletion_can_be_switched_off),
        STORY(made_by_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
