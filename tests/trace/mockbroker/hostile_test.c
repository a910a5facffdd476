/* Whatever a client sends, the broker lives: it answers or closes, and everything is freed. Memory may run out at any
 * place. */
#include "support/mock_world.h"
#include "support/rounds.h"

static void a_client_that_does_not_read_cannot_fill_the_broker(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 10, .value_bytes = 90000 });
    client_produce(client, "orders", 0, 1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    client->stuck = true;
    for (int i = 0; i < 200; i++) /* each would be answered with 900 kB */
        client_fetch(client, (struct fetch_of){ .topic = "orders" });
    assert_true(world.cluster->request_count <= 1);
    assert_true(client->waiting.size > 0); /* the broker has stopped reading */
    client->stuck = false;
    for (int i = 0; i < 400; i++) {
        world.engine.ops->on_sent(world.engine.self, client->conn, client->user, world.now);
        client_push(client, 0);
    }
    for (int i = 0; i < 200; i++)
        assert_int_equal(client_fetched(client)->records.size, batch.size);
    world_close(&world);
}

static void garbage_closes_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } garbage[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 },                                   /* a frame of 1.2 GB */
        { "\xff\xff\xff\xff", 4 },                                          /* negative */
        { "\0\0\0\0", 4 },                                                  /* no header */
        { "\0\0\0\x08\0\x03\0\x09\0\0\0\x01", 12 },                         /* no client id */
        { "\0\0\0\x0e\0\x03\0\x09\0\0\0\x01\xff\xff\0\xff\xff\xff", 18 },   /* Metadata with a count without an end */
        { "\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff", 18 }, /* 2^31-1 topics */
    };
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct client *client = world_client(&world, 1);
        client_bytes(client, garbage[i].bytes, garbage[i].size);
        if (!client->closed)
            fail_msg("garbage %zu: the connection is still open", i);
    }
    assert_int_equal(world.cluster->request_count, 0);
    world_close(&world);
}

static void a_connection_may_end_in_the_middle_of_anything(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = 1000 * SECOND });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *writer = world_client(&world, 1), *reader = world_client(&world, 1);
    client_fetch(reader, (struct fetch_of){ .topic = "orders", .max_wait_ms = 500000, .min_bytes = 1 });
    client_produce(writer, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(world.cluster->request_count, 2);
    world.engine.ops->on_close(world.engine.self, reader->conn, reader->user, "reset", 0);
    world.engine.ops->on_close(world.engine.self, writer->conn, writer->user, "reset", 0);
    world_step(&world);
    assert_int_equal(world.cluster->request_count, 1); /* the fetch has ended, the produce waits for its answer */
    world_at(&world, 2 * SECOND);
    assert_int_equal(world.cluster->request_count, 0);
    world_close(&world);
}

static void idle_connections_are_closed(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, "connections.max.idle.ms=10000");
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *idle = world_client(&world, 1), *waits = world_client(&world, 1), *busy = world_client(&world, 1);
    client_fetch(waits, (struct fetch_of){ .topic = "orders", .max_wait_ms = 60000, .min_bytes = 1 });
    for (int i = 0; i < 6; i++) {
        struct kci_metadata_request request = { .topics_count = -1 };
        world_at(&world, world.now + 3 * SECOND);
        assert_non_null(client_call(busy, KCI_API_METADATA, 9, &request));
    }
    assert_true(idle->closed);
    assert_false(waits->closed);
    assert_false(busy->closed);
    world_close(&world);
}

/* One of everything, with flipped bytes: answered or closed, never more. */
static void flip_bytes(const char *config, uint64_t seed)
{
    struct world world;
    struct kci_prng prng;
    size_t count;
    kci_prng_seed(&prng, seed);
    world_open(&world, 2, config);
    world_topic(&world, "orders", 2, 2, NULL);
    const struct mb_api_row *rows = mb_api_rows(&count);
    for (int i = 0; i < TEST_ROUNDS(10000); i++) {
        struct client *client = world_client(&world, 1 + (int32_t)kci_prng_below(&prng, 2));
        const struct mb_api_row *row = &rows[kci_prng_below(&prng, count)];
        const struct kci_api *api = kci_api_find(row->key);
        int16_t version = (int16_t)(row->version_min + (int16_t)kci_prng_below(
                                                           &prng, (uint64_t)(row->version_max - row->version_min) + 1));
        struct kci_request_header header = { row->key, version, 1, kci_str_of("x") };
        struct kci_writer w = kci_writer_of(&world.alloc, 1 << 20);
        kci_request_header_write(&w, api, &header);
        for (uint64_t k = kci_prng_below(&prng, 60); k > 0; k--) {
            static const uint8_t likely[] = { 0, 0, 0, 1, 1, 2, 3, 6, 7, 'o', 'r', 0xff, 0x7f, 0x80 };
            kci_writer_i8(&w, (int8_t)(kci_prng_chance(&prng, 4, 5) ? likely[kci_prng_below(&prng, sizeof likely)]
                                                                    : kci_prng_below(&prng, 256)));
        }
        kci_frame_finish(&w, 0, 0);
        client_bytes(client, w.data, w.size);
        kci_writer_destroy(&w);
        if (!client->closed)
            world.engine.ops->on_close(world.engine.self, client->conn, client->user, "enough", world.now);
        world_step(&world);
        kci_writer_destroy(&client->waiting);
        free(client->in);
        free(client);
        world.client_count--;
        if (i % 100 == 0)
            world_at(&world, world.now + SECOND);
    }
    world_close(&world);
}

static void flipped_bytes_do_no_harm(void **state)
{
    (void)state;
    flip_bytes("group.initial.rebalance.delay.ms=0", 7);
}

static void flipped_bytes_of_who_may_do_nothing_do_no_harm(void **state)
{
    (void)state;
    flip_bytes("group.initial.rebalance.delay.ms=0 authorizer.class.name=standard", 8);
}

/* A produce and a fetch while the n-th allocation fails, for every n: an error or a closed connection, and no leak. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct world world;
        world_open(&world, 2, NULL);
        world_topic(&world, "orders", 1, 2, NULL);
        struct kci_bytes batch =
            world_batch(&world, (struct batch_of){ .count = 2, .value_bytes = 3000, .producer_id = 4 });
        struct client *client = world_client(&world, 1);
        struct kci_produce_request__partition_produce_data data = { .records = batch };
        struct kci_produce_request__topic_produce_data of = { .name = NAME("orders"),
                                                              .partition_data = &data,
                                                              .partition_data_count = 1 };
        struct kci_produce_request request = {
            .acks = -1, .timeout_ms = 1000, .topic_data = &of, .topic_data_count = 1
        };
        client_queue(client, KCI_API_PRODUCE, PRODUCE_VERSION, &request);
        struct kci_fetch_request fetch;
        struct kci_fetch_request__fetch_partition partition = { .partition_max_bytes = 1 << 20,
                                                                .current_leader_epoch = -1,
                                                                .last_fetched_epoch = -1 };
        struct kci_fetch_request__fetch_topic topic = { .topic = NAME("orders"),
                                                        .partitions = &partition,
                                                        .partitions_count = 1 };
        kci_codec_init(&kci_fetch_request_schema, &fetch);
        fetch.topics = &topic;
        fetch.topics_count = 1;
        fetch.max_bytes = 1 << 20;
        fetch.session_epoch = 0;
        client_queue(client, KCI_API_FETCH, FETCH_VERSION, &fetch);
        world.memory.fail_at = world.memory.count + n;
        client_push(client, 0);
        bool over = world.memory.count < world.memory.fail_at;
        world.memory.fail_at = 0;
        world_at(&world, 40 * SECOND);
        if (!client->closed) {
            struct kci_produce_response *produced = client_answer(client, KCI_API_PRODUCE, PRODUCE_VERSION);
            if (produced && produced->responses[0].partition_responses[0].error_code == 0) {
                struct mb_partition_view view = world_look(&world, "orders", 0);
                assert_int_equal(view.high_watermark, 2);
            }
        }
        world_close(&world);
        if (over)
            break;
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_does_not_read_cannot_fill_the_broker),
        cmocka_unit_test(garbage_closes_the_connection),
        cmocka_unit_test(a_connection_may_end_in_the_middle_of_anything),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(flipped_bytes_do_no_harm),
        cmocka_unit_test(flipped_bytes_of_who_may_do_nothing_do_no_harm),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
