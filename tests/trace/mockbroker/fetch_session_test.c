/* Stories of fetch sessions (KIP-227): only changes go over the wire, and whoever is out of step is told. */
#include "mockbroker/core/fetch_session.h"
#include "support/mock_world.h"

static void only_changes_are_answered(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1), *writer = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    struct kci_fetch_response *full = client_fetched_all(client);
    assert_int_equal(full->responses_count, 1); /* also when there is nothing */
    int32_t id = full->session_id;
    assert_true(id > 0);
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 1 });
    struct kci_fetch_response *partial = client_fetched_all(client);
    assert_int_equal(partial->session_id, id);
    assert_int_equal(partial->responses_count, 0);
    /* a waiting incremental fetch is answered by an append */
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 2, .max_wait_ms = 500, .min_bytes = 1 });
    assert_null(client_fetched_all(client));
    client_produce(writer, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    partial = client_fetched_all(client);
    assert_int_equal(partial->responses_count, 1);
    assert_true(partial->responses[0].partitions[0].records.size > 0);
    /* the position moves on by naming the partition again */
    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 1, .session_id = id, .session_epoch = 3 });
    assert_int_equal(client_fetched_all(client)->responses_count, 0);
    world_close(&world);
}

static void who_is_out_of_step_is_told(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .session_id = 77, .session_epoch = 1 });
    assert_int_equal(client_fetched_all(client)->error_code, KCI_FETCH_SESSION_ID_NOT_FOUND);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    int32_t id = client_fetched_all(client)->session_id;
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 2 });
    assert_int_equal(client_fetched_all(client)->error_code, KCI_INVALID_FETCH_SESSION_EPOCH);
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 1 }); /* the right one still works */
    assert_int_equal(client_fetched_all(client)->error_code, 0);
    /* epoch -1 ends it */
    client_fetch(client, (struct fetch_of){ .topic = "orders", .session_id = id, .session_epoch = -1 });
    assert_int_equal(client_fetched_all(client)->session_id, 0);
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 2 });
    assert_int_equal(client_fetched_all(client)->error_code, KCI_FETCH_SESSION_ID_NOT_FOUND);
    world_close(&world);
}

/* A client that goes over from names to ids, or back, in mid-session. */
static void names_and_ids_are_not_mixed(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_fetch_request request;
    struct kci_fetch_request__fetch_partition partition;
    struct kci_fetch_request__fetch_topic topic = { .topic_id = mb_cluster_topic_id(world.cluster, NAME("orders")),
                                                    .partitions = &partition,
                                                    .partitions_count = 1 };
    kci_codec_init(&kci_fetch_request_schema, &request);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &partition);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    request.session_id = client_fetched_all(client)->session_id;
    request.session_epoch = 1;
    const struct kci_fetch_response *by_id = client_call(client, KCI_API_FETCH, 13, &request);
    assert_int_equal(by_id->error_code, KCI_FETCH_SESSION_TOPIC_ID_ERROR);
    request.session_id = request.session_epoch = 0; /* a new one, by id */
    request.topics = &topic;
    request.topics_count = 1;
    by_id = client_call(client, KCI_API_FETCH, 13, &request);
    assert_int_equal(by_id->error_code, 0);
    assert_true(by_id->session_id > 0);
    client_fetch(client, (struct fetch_of){ .session_id = by_id->session_id, .session_epoch = 1 });
    assert_int_equal(client_fetched_all(client)->error_code, KCI_FETCH_SESSION_TOPIC_ID_ERROR);
    world_close(&world);
}

static void a_forgotten_partition_is_not_answered_and_an_empty_session_ends(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    int32_t id = client_fetched_all(client)->session_id;
    int32_t zero = 0;
    struct kci_fetch_request__forgotten_topic forgotten = { .topic = NAME("orders"),
                                                            .partitions = &zero,
                                                            .partitions_count = 1 };
    struct kci_fetch_request request;
    kci_codec_init(&kci_fetch_request_schema, &request);
    request.session_id = id;
    request.session_epoch = 1;
    request.forgotten_topics_data = &forgotten;
    request.forgotten_topics_data_count = 1;
    client_send(client, KCI_API_FETCH, FETCH_VERSION, &request);
    struct kci_fetch_response *response = client_fetched_all(client);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->session_id, 0);
    assert_int_equal(mb_fetch_sessions_count(mb_cluster_broker(world.cluster, 1)->sessions), 0);
    world_close(&world);
}

static void an_error_is_repeated_until_it_is_over(void **state)
{
    struct world world;
    (void)state;
    /* a follower that has not heard of its new leader serves nobody */
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = (int64_t)1000 * SECOND });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    int32_t id = client_fetched_all(client)->session_id;
    mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now);
    for (int32_t epoch = 1; epoch <= 2; epoch++) {
        client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = epoch });
        struct kci_fetch_response *response = client_fetched_all(client);
        assert_int_equal(response->responses_count, 1);
        assert_int_equal(response->responses[0].partitions[0].error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    }
    mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 1, world.now);
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 3 });
    assert_int_equal(client_fetched_all(client)->responses_count, 1);
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 4 });
    assert_int_equal(client_fetched_all(client)->responses_count, 0);
    world_close(&world);
}

static void the_cache_is_bounded(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, "max.incremental.fetch.session.cache.slots=2");
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    for (int i = 0; i < 3; i++) {
        client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
        assert_int_equal(client_fetched_all(client)->session_id != 0, i < 2); /* as small as the others: no room */
    }
    world_at(&world, 121 * SECOND);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    assert_int_not_equal(client_fetched_all(client)->session_id, 0); /* one was idle for two minutes */
    assert_int_equal(mb_fetch_sessions_count(mb_cluster_broker(world.cluster, 1)->sessions), 2);
    world_close(&world);
}

/* One answer has no room for all: who got something is asked last the next time, so that nobody starves behind another;
 * of who got nothing the new high watermark is told, once. */
static void who_got_something_comes_last(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 2, 1, NULL);
    struct client *client = world_client(&world, 1), *writer = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .make_session = true });
    int32_t id = client_fetched_all(client)->session_id;
    client_fetch(client, (struct fetch_of){ .topic = "orders", .partition = 1, .session_id = id, .session_epoch = 1 });
    assert_int_equal(client_fetched_all(client)->responses_count, 1);
    for (int32_t i = 0; i < 2; i++) {
        client_produce(writer, "orders", i, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
        assert_non_null(client_produced(writer));
    }
    client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 2, .max_bytes = 1 });
    const struct kci_fetch_response *both = client_fetched_all(client);
    assert_int_equal(both->responses[0].partitions_count, 2);
    assert_int_equal(both->responses[0].partitions[0].partition_index, 0);
    assert_true(both->responses[0].partitions[0].records.size > 0);
    assert_int_equal(both->responses[0].partitions[1].partition_index, 1);
    assert_int_equal(both->responses[0].partitions[1].records.size, 0);
    assert_int_equal(both->responses[0].partitions[1].high_watermark, 1);
    for (int32_t turn = 1; turn >= 0; turn--) { /* the client names neither: both are still wanted from offset 0 */
        client_fetch(client, (struct fetch_of){ .session_id = id, .session_epoch = 4 - turn, .max_bytes = 1 });
        const struct kci_fetch_response *one = client_fetched_all(client);
        assert_int_equal(one->responses[0].partitions_count, 1);
        assert_int_equal(one->responses[0].partitions[0].partition_index, turn);
        assert_true(one->responses[0].partitions[0].records.size > 0);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_changes_are_answered),
        cmocka_unit_test(who_is_out_of_step_is_told),
        cmocka_unit_test(names_and_ids_are_not_mixed),
        cmocka_unit_test(a_forgotten_partition_is_not_answered_and_an_empty_session_ends),
        cmocka_unit_test(an_error_is_repeated_until_it_is_over),
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(who_got_something_comes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
