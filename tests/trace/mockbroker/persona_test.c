/* A broker that plays an older release advertises what that release did, of what is served, and serves no more. */
#include "support/mock_world.h"

static void open_as(struct world *world, const char *release)
{
    char config[64];
    snprintf(config, sizeof config, "mock.as.version=%s", release);
    world_open(world, 1, config);
}

static struct kci_api_versions_response *ask(struct world *world, int16_t version)
{
    struct kci_api_versions_request request;
    kci_codec_init(&kci_api_versions_request_schema, &request);
    request.client_software_name = NAME("story");
    request.client_software_version = NAME("1");
    return client_call(world_client(world, 1), KCI_API_API_VERSIONS, version, &request);
}

static const struct kci_api_versions_response__api_version *find(const struct kci_api_versions_response *response,
                                                                 int16_t key)
{
    for (int32_t i = 0; i < response->api_keys_count; i++)
        if (response->api_keys[i].api_key == key)
            return &response->api_keys[i];
    return NULL;
}

/* Every release, every API: what is shown is the part of the release's range that is served, no more and no less. */
static void each_release_shows_its_table(void **state)
{
    size_t count;
    const struct mb_persona_api *apis = mb_persona_apis(&count);
    (void)state;
    for (size_t persona = 0; persona < MB_PERSONAS; persona++) {
        struct world world;
        int32_t shown = 0;
        open_as(&world, mb_persona_name(persona));
        struct kci_api_versions_response *response = ask(&world, 0);
        assert_int_equal(response->error_code, 0);
        for (size_t i = 0; i < count; i++) {
            const struct mb_api_row *row = mb_api_row(apis[i].key);
            const struct kci_api_versions_response__api_version *got = find(response, apis[i].key);
            struct mb_api_range had = apis[i].ranges[persona];
            bool expected = row && had.min <= had.max && row->version_min <= had.max && row->version_max >= had.min;
            assert_int_equal(got != NULL, expected);
            if (!got)
                continue;
            shown++;
            assert_in_range(got->min_version, had.min, got->max_version);
            assert_in_range(got->max_version, got->min_version, had.max);
            assert_true(got->min_version >= row->version_min && got->max_version <= row->version_max);
            assert_true(got->min_version == had.min || got->min_version == row->version_min);
            assert_true(got->max_version == had.max || got->max_version == row->version_max);
        }
        assert_int_equal(shown, response->api_keys_count); /* nothing is shown that no release knows */
        world_close(&world);
    }
}

/* Facts that clients rely on, release by release. */
static void well_known_versions(void **state)
{
    static const struct {
        const char *release;
        int16_t key, max; /* max -1: not shown */
    } facts[] = {
        { "2.1", KCI_API_PRODUCE, 7 },        { "2.1", KCI_API_FETCH, 10 },
        { "2.1", KCI_API_METADATA, 7 },       { "2.1", KCI_API_INCREMENTAL_ALTER_CONFIGS, -1 },
        { "2.1", KCI_API_API_VERSIONS, 2 },   { "2.8", KCI_API_FETCH, 12 },
        { "2.8", KCI_API_METADATA, 11 },      { "3.3", KCI_API_FETCH, 13 },
        { "3.9", KCI_API_PRODUCE, 11 },       { "3.9", KCI_API_CONSUMER_GROUP_HEARTBEAT, 0 },
        { "4.0", KCI_API_PRODUCE, 12 },       { "4.1", KCI_API_PRODUCE, 13 },
        { "4.2", KCI_API_OFFSET_COMMIT, 10 }, { "4.3.1", KCI_API_API_VERSIONS, 4 },
        { "4.4", KCI_API_API_VERSIONS, 5 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        struct world world;
        char release[8];
        snprintf(release, sizeof release, "%s", mb_persona_name((size_t)mb_persona_find(kci_str_of(facts[i].release))));
        open_as(&world, release);
        const struct kci_api_versions_response__api_version *got = find(ask(&world, 0), facts[i].key);
        if (facts[i].max < 0)
            assert_null(got);
        else
            assert_int_equal(got->max_version, facts[i].max);
        world_close(&world);
    }
    assert_int_equal(mb_persona_find(kci_str_of("3.9.1")), mb_persona_find(kci_str_of("3.9")));
    assert_int_equal(mb_persona_find(kci_str_of("3.10")), -1);
    assert_int_equal(mb_persona_find(kci_str_of("3.9.")), -1);
    assert_int_equal(mb_persona_find(kci_str_of("4")), -1);
}

/* A version that the release did not have closes the connection, and ApiVersions answers with what it has. */
static void what_came_later_is_refused(void **state)
{
    struct world world;
    struct kci_metadata_request metadata;
    struct kci_api_versions_request versions;
    (void)state;
    open_as(&world, "2.1");
    kci_codec_init(&kci_metadata_request_schema, &metadata);
    struct client *client = world_client(&world, 1);
    client_call(client, KCI_API_METADATA, 7, &metadata);
    client_send(client, KCI_API_METADATA, 8, &metadata);
    assert_true(client->closed);
    kci_codec_init(&kci_api_versions_request_schema, &versions);
    client = world_client(&world, 1);
    client_send(client, KCI_API_API_VERSIONS, 3, &versions);
    struct kci_api_versions_response *response = client_answer(client, KCI_API_API_VERSIONS, 0);
    assert_int_equal(response->error_code, KCI_UNSUPPORTED_VERSION);
    assert_int_equal(response->api_keys_count, 1);
    assert_int_equal(response->api_keys[0].max_version, 2);
    world_close(&world);
}

/* Features come with KRaft; a lowest level of 0 is shown from ApiVersions v4 on only. */
static void features_are_those_of_the_release(void **state)
{
    struct world world;
    (void)state;
    open_as(&world, "2.8");
    struct kci_api_versions_response *response = ask(&world, 3);
    assert_int_equal(response->supported_features_count, 0);
    assert_int_equal(response->finalized_features_count, 0);
    world_close(&world);

    open_as(&world, "3.9");
    response = ask(&world, 3);
    assert_int_equal(response->supported_features_count, 1);
    assert_true(kci_str_equal(response->supported_features[0].name, NAME("metadata.version")));
    assert_int_equal(response->finalized_features_count, 1);
    assert_int_equal(response->finalized_features[0].max_version_level, 21);
    assert_int_equal(ask(&world, 4)->supported_features_count, 2);
    world_close(&world);

    open_as(&world, "4.3");
    response = ask(&world, 4);
    bool group = false;
    for (int32_t i = 0; i < response->finalized_features_count; i++)
        group |= kci_str_equal(response->finalized_features[i].name, NAME("group.version"));
    assert_true(group);
    assert_true(response->finalized_features_epoch >= 0);
    world_close(&world);
}

/* KIP-1242: who expects another cluster or another broker is told to begin anew. */
static void a_client_that_came_to_the_wrong_place_is_told(void **state)
{
    struct world world;
    struct kci_api_versions_request request;
    (void)state;
    open_as(&world, "4.4");
    kci_codec_init(&kci_api_versions_request_schema, &request);
    request.client_software_name = NAME("story");
    request.client_software_version = NAME("1");
    struct client *client = world_client(&world, 1);
    struct kci_api_versions_response *response;
    request.cluster_id = kci_str_of(world.cluster->id);
    request.node_id = 1;
    response = client_call(client, KCI_API_API_VERSIONS, 5, &request);
    assert_int_equal(response->error_code, 0);
    request.node_id = 2;
    response = client_call(client, KCI_API_API_VERSIONS, 5, &request);
    assert_int_equal(response->error_code, KCI_REBOOTSTRAP_REQUIRED);
    request.node_id = 1;
    request.cluster_id = NAME("another");
    response = client_call(client, KCI_API_API_VERSIONS, 5, &request);
    assert_int_equal(response->error_code, KCI_REBOOTSTRAP_REQUIRED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_release_shows_its_table),
        cmocka_unit_test(well_known_versions),
        cmocka_unit_test(what_came_later_is_refused),
        cmocka_unit_test(features_are_those_of_the_release),
        cmocka_unit_test(a_client_that_came_to_the_wrong_place_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
