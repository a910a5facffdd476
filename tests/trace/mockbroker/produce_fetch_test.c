/* Stories of one client: what is written can be read, at once or after a wait, whole and in order. */
#include "support/mock_world.h"

static void api_versions_tell_what_is_served_and_nothing_else(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_api_versions_request request = { .client_software_name = NAME("test"),
                                                .client_software_version = NAME("1.0") };
    struct kci_api_versions_response *response = client_call(client, KCI_API_API_VERSIONS, 3, &request);
    assert_int_equal(response->error_code, 0);
    size_t count;
    mb_api_rows(&count);
    assert_int_equal(response->api_keys_count, count);
    /* a version from the future is answered with version 0, error 35 and the range to use */
    const uint8_t future[] = { 0, 0, 0, 14, 0, 18, 0, 9, 0, 0, 0, 2, 0, 1, 'x', 0, 0, 0 };
    client->correlation++;
    client_bytes(client, future, sizeof future);
    response = client_answer(client, KCI_API_API_VERSIONS, 0);
    assert_non_null(response);
    assert_int_equal(response->error_code, KCI_UNSUPPORTED_VERSION);
    assert_int_equal(response->api_keys_count, 1);
    assert_int_equal(response->api_keys[0].max_version, mb_api_row(KCI_API_API_VERSIONS)->version_max);
    assert_false(client->closed);
    world_close(&world);
}

static void what_is_produced_can_be_fetched(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 3 });
    client_produce(client, "orders", 0, -1, batch);
    struct kci_produce_response__partition_produce_response *produced = client_produced(client);
    assert_int_equal(produced->error_code, 0);
    assert_int_equal(produced->base_offset, 0);
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->base_offset, 3);
    struct mb_partition_view view = world_look(&world, "orders", 0);
    assert_int_equal(view.high_watermark, 6);
    assert_int_equal(view.log_end, 6);
    assert_int_equal(view.isr_count, 3);

    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 0 });
    struct kci_fetch_response__partition_data *fetched = client_fetched(client);
    assert_int_equal(fetched->error_code, 0);
    assert_int_equal(fetched->high_watermark, 6);
    assert_int_equal(fetched->records.size, 2 * batch.size);
    /* byte for byte, but for offset and leader epoch */
    assert_memory_equal(fetched->records.data + 16, batch.data + 16, batch.size - 16);
    assert_int_equal(kci_be64(fetched->records.data + batch.size), 3);
    /* an offset in the middle of a batch gives the whole batch */
    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 4 });
    fetched = client_fetched(client);
    assert_int_equal(fetched->records.size, batch.size);
    assert_int_equal(kci_be64(fetched->records.data), 3);
    world_close(&world);
}

static void a_fetch_waits_for_records_or_for_its_time(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *reader = world_client(&world, 1), *writer = world_client(&world, 1);
    client_fetch(reader, (struct fetch_of){ .topic = "orders", .max_wait_ms = 500, .min_bytes = 1 });
    assert_null(client_fetched(reader));
    world_at(&world, 499 * MS);
    assert_null(client_fetched(reader));
    client_produce(writer, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(writer)->error_code, 0);
    assert_true(client_fetched(reader)->records.size > 0);

    client_fetch(reader, (struct fetch_of){ .topic = "orders", .offset = 1, .max_wait_ms = 500, .min_bytes = 1 });
    world_at(&world, 998 * MS);
    assert_null(client_fetched(reader));
    world_at(&world, 999 * MS);
    assert_int_equal(client_fetched(reader)->records.size, 0);
    /* min_bytes counts: two batches are needed */
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    client_fetch(
        reader,
        (struct fetch_of){ .topic = "orders", .offset = 1, .max_wait_ms = 500, .min_bytes = (int32_t)batch.size + 1 });
    client_produce(writer, "orders", 0, 1, batch);
    assert_null(client_fetched(reader));
    client_produce(writer, "orders", 0, 1, batch);
    assert_int_equal(client_fetched(reader)->records.size, 2 * batch.size);
    world_close(&world);
}

static void limits_hold_but_the_first_batch_always_comes(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1, .value_bytes = 5000 });
    for (int i = 0; i < 4; i++)
        client_produce(client, "orders", 0, 1, batch);
    for (int i = 0; i < 4; i++)
        assert_int_equal(client_produced(client)->base_offset, i);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .partition_max_bytes = 1 });
    assert_int_equal(client_fetched(client)->records.size, batch.size);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .max_bytes = 1 });
    assert_int_equal(client_fetched(client)->records.size, batch.size);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .partition_max_bytes = (int32_t)(3 * batch.size - 1) });
    assert_int_equal(client_fetched(client)->records.size, 2 * batch.size);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 5 });
    assert_int_equal(client_fetched(client)->error_code, KCI_OFFSET_OUT_OF_RANGE);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 4 });
    assert_int_equal(client_fetched(client)->error_code, 0);
    client_fetch(client, (struct fetch_of){ .topic = "nowhere" });
    assert_int_equal(client_fetched(client)->error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&world);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1), *writer = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .max_wait_ms = 500, .min_bytes = 1 });
    struct kci_metadata_request metadata = { .topics_count = -1 };
    client_send(client, KCI_API_METADATA, 9, &metadata);
    assert_int_equal(client->in_size, 0); /* the fetch comes first */
    client_produce(writer, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    world_step(&world);
    assert_non_null(client_fetched(client));
    struct kci_metadata_response *response = client_answer(client, KCI_API_METADATA, 9);
    assert_non_null(response);
    assert_int_equal(response->topics_count, 1);
    world_close(&world);
}

static void a_slow_reader_gets_every_byte(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 10, .value_bytes = 3000 });
    for (int i = 0; i < 5; i++)
        client_produce(client, "orders", 0, 1, batch);
    for (int i = 0; i < 5; i++)
        assert_non_null(client_produced(client));
    client->send_limit = 1000;
    client_fetch(client, (struct fetch_of){ .topic = "orders" });
    assert_int_equal(client->in_size, 1000);
    for (int i = 0; i < 200 && client->in_size < 5 * batch.size + 100; i++)
        world.engine.ops->on_sent(world.engine.self, client->conn, client->user, world.now);
    struct kci_fetch_response__partition_data *fetched = client_fetched(client);
    assert_int_equal(fetched->records.size, 5 * batch.size);
    for (int i = 0; i < 5; i++)
        assert_memory_equal(fetched->records.data + (size_t)i * batch.size + 16, batch.data + 16, batch.size - 16);
    world_close(&world);
}

static void requests_come_byte_by_byte(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_metadata_request request = { .topics_count = -1 };
    client_queue(client, KCI_API_METADATA, 12, &request);
    client_push(client, 1);
    assert_non_null(client_answer(client, KCI_API_METADATA, 12));
    world_close(&world);
}

static void a_deleted_topic_is_told_to_who_waits_for_it(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .max_wait_ms = 60000, .min_bytes = 1 });
    assert_null(client_fetched(client));
    assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("orders"), world.now), 0);
    world_step(&world);
    assert_int_equal(client_fetched(client)->error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    world_close(&world);
}

static void acks_0_is_not_answered(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, 0, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client->in_size, 0);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 1);
    assert_false(client->closed);
    client_produce(client, "orders", 7, 0, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_true(client->closed);
    world_close(&world);
}

/* A broker that stops in an orderly way tells those that wait for records that it leads no more; one that is killed
 * tells nobody anything. */
static void who_waits_is_told_of_an_orderly_end(void **state)
{
    struct world world;
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        world_open(&world, 2, NULL);
        world_topic(&world, "orders", 1, 2, NULL);
        struct client *client = world_client(&world, 1);
        client_fetch(client, (struct fetch_of){ .topic = "orders", .min_bytes = 1, .max_wait_ms = 60000 });
        assert_null(client_fetched(client));
        assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, clean, world.now), 0);
        const struct kci_fetch_response__partition_data *got = client_fetched(client);
        assert_true(client->closed);
        assert_int_equal(got != NULL, clean);
        if (got)
            assert_int_equal(got->error_code, KCI_NOT_LEADER_OR_FOLLOWER);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_versions_tell_what_is_served_and_nothing_else),
        cmocka_unit_test(what_is_produced_can_be_fetched),
        cmocka_unit_test(a_fetch_waits_for_records_or_for_its_time),
        cmocka_unit_test(limits_hold_but_the_first_batch_always_comes),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(requests_come_byte_by_byte),
        cmocka_unit_test(acks_0_is_not_answered),
        cmocka_unit_test(a_deleted_topic_is_told_to_who_waits_for_it),
        cmocka_unit_test(who_waits_is_told_of_an_orderly_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
