/* Every advertised API answers in every advertised version, and the answer decodes to the last byte. */
#include "support/mock_world.h"

static struct kci_str topics_of[] = { { "orders", 6 } };

static void produce(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_bytes batch = world_batch(world, (struct batch_of){ .count = 2 });
    struct kci_produce_request *produce = request;
    struct kci_produce_request__topic_produce_data *topic = kci_arena_take(&world->arena, sizeof *topic);
    struct kci_produce_request__partition_produce_data *data = kci_arena_array(&world->arena, 2, sizeof *data);
    data[0].records = batch;
    data[1].index = 77; /* unknown */
    data[1].records = batch;
    topic->name = topics_of[0];
    topic->topic_id = *id;
    topic->partition_data = data;
    topic->partition_data_count = 2;
    produce->acks = -1;
    produce->topic_data = topic;
    produce->topic_data_count = 1;
}

static void fetch(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_fetch_request *fetch = request;
    struct kci_fetch_request__fetch_topic *topic = kci_arena_take(&world->arena, sizeof *topic);
    struct kci_fetch_request__fetch_partition *data = kci_arena_array(&world->arena, 2, sizeof *data);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &data[0]);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &data[1]);
    data[0].partition_max_bytes = data[1].partition_max_bytes = 1 << 20;
    data[1].partition = 77;
    topic->topic = topics_of[0];
    topic->topic_id = *id;
    topic->partitions = data;
    topic->partitions_count = 2;
    fetch->max_wait_ms = 100;
    fetch->topics = topic;
    fetch->topics_count = 1;
}

static void list_offsets(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_list_offsets_request *list = request;
    struct kci_list_offsets_request__list_offsets_topic *topic = kci_arena_take(&world->arena, sizeof *topic);
    struct kci_list_offsets_request__list_offsets_partition *data = kci_arena_take(&world->arena, sizeof *data);
    kci_codec_init(&kci_list_offsets_request__list_offsets_partition_schema, data);
    data->timestamp = -1;
    topic->name = topics_of[0];
    topic->partitions = data;
    topic->partitions_count = 1;
    list->replica_id = -1;
    list->topics = topic;
    list->topics_count = 1;
}

static void create_topics(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_create_topics_request *create = request;
    struct kci_create_topics_request__creatable_topic *topic = kci_arena_array(&world->arena, 2, sizeof *topic);
    topic[0].name = NAME("new");
    topic[0].num_partitions = 2;
    topic[0].replication_factor = 1;
    topic[1].name = NAME("bad/name");
    create->topics = topic;
    create->topics_count = 2;
}

static void delete_topics(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_delete_topics_request *delete = request;
    struct kci_delete_topics_request__delete_topic_state *topic = kci_arena_take(&world->arena, sizeof *topic);
    topic->name = NAME("new");
    if (version >= 6) {
        delete->topics = topic;
        delete->topics_count = 1;
    } else {
        delete->topic_names = &topic->name;
        delete->topic_names_count = 1;
    }
}

static void offset_for_leader_epoch(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_offset_for_leader_epoch_request *ask = request;
    struct kci_offset_for_leader_epoch_request__offset_for_leader_topic *topic =
        kci_arena_take(&world->arena, sizeof *topic);
    struct kci_offset_for_leader_epoch_request__offset_for_leader_partition *data =
        kci_arena_take(&world->arena, sizeof *data);
    data->current_leader_epoch = -1;
    topic->topic = topics_of[0];
    topic->partitions = data;
    topic->partitions_count = 1;
    ask->topics = topic;
    ask->topics_count = 1;
}

static void create_partitions(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_create_partitions_request *create = request;
    struct kci_create_partitions_request__create_partitions_topic *topic = kci_arena_take(&world->arena, sizeof *topic);
    topic->name = topics_of[0];
    topic->count = world_look(world, "orders", 0).leader > 0
                       ? mb_topic_find(world->cluster, topics_of[0])->partition_count + 1
                       : 0;
    topic->assignments_count = -1;
    create->topics = topic;
    create->topics_count = 1;
}

static void describe_configs(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)version;
    (void)id;
    struct kci_describe_configs_request *describe = request;
    struct kci_describe_configs_request__describe_configs_resource *resource =
        kci_arena_array(&world->arena, 2, sizeof *resource);
    resource[0].resource_type = 2;
    resource[0].resource_name = topics_of[0];
    resource[0].configuration_keys_count = -1;
    resource[1].resource_type = 4;
    resource[1].resource_name = NAME("1");
    resource[1].configuration_keys_count = -1;
    describe->resources = resource;
    describe->resources_count = 2;
    describe->include_synonyms = version >= 1;
}

static void metadata(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)world;
    (void)id;
    ((struct kci_metadata_request *)request)->topics_count = version == 0 ? 0 : -1;
}

static void api_versions(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)world;
    (void)version;
    (void)id;
    ((struct kci_api_versions_request *)request)->client_software_name = NAME("test");
    ((struct kci_api_versions_request *)request)->client_software_version = NAME("1");
}

static void describe_acls(struct world *world, void *request, int16_t version, const struct kci_uuid *id)
{
    (void)world;
    (void)version;
    (void)id;
    struct kci_describe_acls_request *describe = request;
    describe->resource_type_filter = describe->operation = describe->permission_type = 1; /* ANY; 0 is not parsed */
}

/* Requests that need some content to be interesting; all others are sent as their defaults. */
static const struct {
    int16_t key;
    void (*fill)(struct world *world, void *request, int16_t version, const struct kci_uuid *id);
} fillers[] = {
    { KCI_API_PRODUCE, produce },
    { KCI_API_FETCH, fetch },
    { KCI_API_LIST_OFFSETS, list_offsets },
    { KCI_API_CREATE_TOPICS, create_topics },
    { KCI_API_DELETE_TOPICS, delete_topics },
    { KCI_API_OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch },
    { KCI_API_CREATE_PARTITIONS, create_partitions },
    { KCI_API_DESCRIBE_CONFIGS, describe_configs },
    { KCI_API_METADATA, metadata },
    { KCI_API_API_VERSIONS, api_versions },
    { KCI_API_DESCRIBE_ACLS, describe_acls },
};

static void *request_for(struct world *world, int16_t key, int16_t version, const struct kci_uuid *id)
{
    const struct kci_api *api = kci_api_find(key);
    void *request = kci_arena_take(&world->arena, kci_schema_size(api->request));
    kci_codec_init(api->request, request);
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++)
        if (fillers[i].key == key)
            fillers[i].fill(world, request, version, id);
    return request;
}

static void answer_every_version(const char *config)
{
    struct world world;
    size_t count;
    world_open(&world, 3, config);
    world_topic(&world, "orders", 1, 3, NULL);
    const struct mb_api_row *rows = mb_api_rows(&count);
    for (size_t i = 0; i < count; i++) {
        int16_t min = rows[i].key == KCI_API_PRODUCE ? 3 : rows[i].version_min; /* 0-2 are advertised only */
        for (int16_t version = min; version <= rows[i].version_max; version++) {
            struct client *client = world_client(&world, 1);
            struct kci_uuid id = mb_cluster_topic_id(world.cluster, topics_of[0]);
            void *request = request_for(&world, rows[i].key, version, &id);
            client_send(client, rows[i].key, version, request);
            world_at(&world, world.now + 10 * SECOND);
            if (!client_answer(client, rows[i].key, version))
                fail_msg("%s v%d: %s", kci_api_find(rows[i].key)->name, version,
                         client->closed ? "closed" : "no answer");
            world.engine.ops->on_close(world.engine.self, client->conn, client->user, "test", world.now);
            kci_writer_destroy(&client->waiting);
            free(client->in);
            free(client);
            world.client_count--;
            world_step(&world);
        }
    }
    world_close(&world);
}

static void every_version_is_answered(void **state)
{
    (void)state;
    answer_every_version(NULL);
}

/* An authorizer that allows nothing: refusals have a form in every version, too. */
static void every_version_is_answered_to_who_may_do_nothing(void **state)
{
    (void)state;
    answer_every_version("authorizer.class.name=standard");
}

static void what_is_not_advertised_closes_the_connection(void **state)
{
    struct world world;
    size_t count;
    (void)state;
    world_open(&world, 1, NULL);
    const struct mb_api_row *rows = mb_api_rows(&count);
    struct client *client = world_client(&world, 1);
    const uint8_t unknown[] = { 0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff };
    client_bytes(client, unknown, sizeof unknown);
    assert_true(client->closed);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].key == KCI_API_API_VERSIONS)
            continue;
        uint8_t future[] = { 0, 0, 0,    11,   0, (uint8_t)rows[i].key, 0, (uint8_t)(rows[i].version_max + 1), 0, 0,
                             0, 1, 0xff, 0xff, 0 };
        client = world_client(&world, 1);
        client_bytes(client, future, sizeof future);
        assert_true(client->closed);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_answered),
        cmocka_unit_test(every_version_is_answered_to_who_may_do_nothing),
        cmocka_unit_test(what_is_not_advertised_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
