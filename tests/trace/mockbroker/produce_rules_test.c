/* Stories of what a producer may not write, and of repeats (PROTOCOL 4.1). */
#include "base/checksum.h"
#include "support/produce_story.h"

/* The batch with one of its bytes changed, and a CRC that is right for it unless the change lies before it. */
static struct kci_bytes with(struct kci_bytes batch, size_t at, uint8_t value)
{
    uint8_t *copy = kci_arena_take(&world.arena, batch.size);
    memcpy(copy, batch.data, batch.size);
    copy[at] = value;
    if (at >= 21)
        kci_put32(copy + 17, kci_crc32c(0, copy + 21, batch.size - 21));
    return (struct kci_bytes){ copy, batch.size };
}

static void bad_batches_are_refused_one_by_one(void **state)
{
    struct kci_bytes good = world_batch(&world, (struct batch_of){ .count = 3 });
    const struct {
        size_t at;
        uint8_t value;
        int16_t error;
    } bad[] = {
        { 7, 1, KCI_INVALID_RECORD },                              /* base offset */
        { 11, (uint8_t)(good.data[11] + 1), KCI_INVALID_RECORD },  /* longer than it is: not a whole batch */
        { 11, (uint8_t)(good.data[11] - 1), KCI_CORRUPT_MESSAGE }, /* shorter: the CRC is of all of it */
        { 11, 3, KCI_CORRUPT_MESSAGE },                            /* shorter than a header */
        { 16, 1, KCI_INVALID_RECORD },                             /* magic */
        { 16, 9, KCI_CORRUPT_MESSAGE },
        { 17, (uint8_t)(good.data[17] ^ 1), KCI_CORRUPT_MESSAGE }, /* CRC */
        { 22, 7, KCI_UNKNOWN_SERVER_ERROR },                       /* codec 7 */
        { 22, 16, KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED },     /* transactional, in a request that is not */
        { 22, 32, KCI_INVALID_RECORD },                            /* control */
        { 22, 2, KCI_UNKNOWN_SERVER_ERROR },                       /* says snappy, is not */
        { 26, 7, KCI_INVALID_RECORD },                             /* last offset delta */
        { 60, 4, KCI_INVALID_RECORD },                             /* count */
        { 61, 99, KCI_INVALID_RECORD },                            /* length of the first record */
        { 64, 2, KCI_INVALID_RECORD },                             /* its offset */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int16_t error = produce("orders", with(good, bad[i].at, bad[i].value))->error_code;
        if (error != bad[i].error)
            fail_msg("byte %zu = %d: error %d instead of %d", bad[i].at, bad[i].value, error, bad[i].error);
    }
    assert_int_equal(world_look(&world, "orders", 0).log_end, 0);
    assert_int_equal(produce("orders", good)->error_code, 0);
    assert_int_equal(produce("orders", (struct kci_bytes){ NULL, 0 })->error_code, KCI_INVALID_RECORD);
    assert_int_equal(produce("orders", (struct kci_bytes){ good.data, 40 })->error_code, KCI_INVALID_RECORD);
}

/* Behind a batch, the beginning of another counts as nothing, unless it cannot be one. */
static void one_batch_is_one(void **state)
{
    struct kci_bytes good = world_batch(&world, (struct batch_of){ .count = 1 });
    const struct {
        size_t at;
        uint8_t value;
        size_t size; /* of the second */
        int16_t error;
    } second[] = { { 16, 2, good.size, KCI_INVALID_RECORD },
                   { 16, 0, good.size, KCI_INVALID_RECORD },
                   { 16, 9, good.size, KCI_CORRUPT_MESSAGE },
                   { 16, 255, 17, KCI_CORRUPT_MESSAGE },
                   { 16, 9, 16, KCI_NONE },
                   { 16, 2, good.size - 1, KCI_NONE },
                   { 11, 13, good.size, KCI_CORRUPT_MESSAGE },
                   { 11, 14, good.size, KCI_INVALID_RECORD } };
    uint8_t *both = kci_arena_take(&world.arena, 2 * good.size);
    (void)state;
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
        memcpy(both, good.data, good.size);
        memcpy(both + good.size, good.data, good.size);
        both[good.size + second[i].at] = second[i].value;
        assert_int_equal(produce("orders", (struct kci_bytes){ both, good.size + second[i].size })->error_code,
                         second[i].error);
    }
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    world_topic(&world, "small", 1, 1, "max.message.bytes=200");
    assert_int_equal(produce("small", world_batch(&world, (struct batch_of){ .value_bytes = 100 }))->error_code, 0);
    assert_int_equal(produce("small", world_batch(&world, (struct batch_of){ .value_bytes = 200 }))->error_code,
                     KCI_MESSAGE_TOO_LARGE);
}

static void compacted_topics_want_keys_and_say_which_lack_them(void **state)
{
    (void)state;
    world_topic(&world, "state", 1, 1, "cleanup.policy=compact");
    struct kci_produce_response__partition_produce_response *produced =
        produce("state", world_batch(&world, (struct batch_of){ .count = 2 }));
    assert_int_equal(produced->error_code, KCI_INVALID_RECORD);
    assert_int_equal(produced->record_errors_count, 2);
    assert_int_equal(produced->record_errors[1].batch_index, 1);
    assert_string_equal(produced->record_errors[1].batch_index_error_message.data,
                        "Compacted topic cannot accept message without key in topic partition state-0");
    assert_string_equal(
        produced->error_message.data,
        "One or more records have been rejected due to 2 record errors in total, and only showing the first three "
        "errors "
        "at most: [RecordError(batchIndex=0, message='Compacted topic cannot accept message without key in topic "
        "partition state-0'), RecordError(batchIndex=1, message='Compacted topic cannot accept message without key in "
        "topic partition state-0')]");
    for (int codec = 0; codec < KCI_CODEC_COUNT; codec++)
        if (kci_codec_built_in(codec)) {
            assert_int_equal(
                produce("state", world_batch(&world, (struct batch_of){ .count = 2, .keys = true, .codec = codec }))
                    ->error_code,
                0);
            assert_int_equal(
                produce("state", world_batch(&world, (struct batch_of){ .count = 2, .codec = codec }))->error_code,
                KCI_INVALID_RECORD);
        }
}

static void times_far_off_are_refused(void **state)
{
    (void)state;
    int64_t wall_ms = WORLD_EPOCH_US / 1000;
    world_topic(&world, "near", 1, 1, "message.timestamp.before.max.ms=1000");
    assert_int_equal(
        produce("near", world_batch(&world, (struct batch_of){ .timestamp_ms = wall_ms - 1000 }))->error_code, 0);
    struct kci_produce_response__partition_produce_response *produced =
        produce("near", world_batch(&world, (struct batch_of){ .count = 3, .timestamp_ms = wall_ms - 1002 }));
    assert_int_equal(produced->error_code, KCI_INVALID_TIMESTAMP);
    assert_int_equal(produced->record_errors_count, 2);
    assert_string_equal(produced->error_message.data,
                        "One or more records have been rejected due to invalid timestamp");
    assert_int_equal(
        produce("near", with(world_batch(&world, (struct batch_of){ .timestamp_ms = -1 }), 22, 0))->error_code,
        0); /* no timestamp at all is none that is too old */
    assert_int_equal(
        produce("near", world_batch(&world, (struct batch_of){ .timestamp_ms = wall_ms + 3600001 }))->error_code,
        KCI_INVALID_TIMESTAMP);
}

static void the_broker_can_set_the_time(void **state)
{
    (void)state;
    world_topic(&world, "logged", 1, 1, "message.timestamp.type=LogAppendTime");
    world_at(&world, 5 * SECOND);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 2, .timestamp_ms = 1000 });
    assert_int_equal(produce("logged", batch)->log_append_time_ms, WORLD_EPOCH_US / 1000 + 5000);
    client_fetch(client, (struct fetch_of){ .topic = "logged" });
    struct kci_bytes stored = client_fetched(client)->records;
    assert_true(kci_batch_crc_ok(stored.data, stored.size));
    assert_int_equal(stored.data[22] & 8, 8);
    assert_int_equal(kci_be64(stored.data + 35), WORLD_EPOCH_US / 1000 + 5000);
}

static void a_topic_with_a_codec_of_its_own_stores_in_it(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_LZ4) || !kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    world_topic(&world, "packed", 1, 1, "compression.type=lz4");
    for (int codec = 0; codec <= 1; codec++) {
        assert_int_equal(
            produce("packed", world_batch(&world, (struct batch_of){ .count = 5, .value_bytes = 500, .codec = codec }))
                ->error_code,
            0);
        client_fetch(client, (struct fetch_of){ .topic = "packed", .offset = 5 * codec });
        struct kci_bytes stored = client_fetched(client)->records;
        struct kci_batch_iterator it;
        struct kci_record_view view;
        assert_int_equal(stored.data[22] & 7, KCI_CODEC_LZ4);
        assert_true(kci_batch_crc_ok(stored.data, stored.size));
        assert_int_equal(kci_batch_open(&it, stored.data, stored.size, &world.alloc, 1 << 20), KCI_BATCH_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(kci_batch_next(&it, &view), 1);
            assert_int_equal(view.offset, 5 * codec + i);
            assert_int_equal(view.value.size, 500);
        }
        assert_int_equal(kci_batch_next(&it, &view), 0);
        kci_batch_close(&it);
    }
}

/* ---- idempotent producers
 * -------------------------------------------------------------------------------------------- */

static struct kci_produce_response__partition_produce_response *sequenced(int16_t epoch, int32_t sequence,
                                                                          int32_t count)
{
    return produce("orders",
                   world_batch(&world, (struct batch_of){
                                           .count = count, .producer_id = 9, .epoch = epoch, .sequence = sequence }));
}

static void repeats_are_answered_with_their_first_offset(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(sequenced(0, 2 * i, 2)->base_offset, 2 * i);
    for (int i = 1; i < 6; i++) /* the last five */
        assert_int_equal(sequenced(0, 2 * i, 2)->base_offset, 2 * i);
    assert_int_equal(sequenced(0, 0, 2)->error_code, KCI_OUT_OF_ORDER_SEQUENCE_NUMBER); /* the sixth is forgotten */
    assert_int_equal(sequenced(0, 10, 1)->error_code,
                     KCI_OUT_OF_ORDER_SEQUENCE_NUMBER); /* another end: not the same batch */
    assert_int_equal(sequenced(0, 14, 1)->error_code, KCI_OUT_OF_ORDER_SEQUENCE_NUMBER); /* a gap */
    assert_int_equal(world_look(&world, "orders", 0).log_end, 12);
    assert_int_equal(sequenced(0, 12, 1)->base_offset, 12);
}

static void epochs_fence_and_begin_anew(void **state)
{
    (void)state;
    assert_int_equal(sequenced(3, 100, 1)->error_code, 0); /* of an unknown producer everything is taken */
    assert_int_equal(sequenced(2, 101, 1)->error_code, KCI_INVALID_PRODUCER_EPOCH);
    assert_int_equal(sequenced(4, 101, 1)->error_code, KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(sequenced(4, 0, 1)->error_code, 0);
    assert_int_equal(sequenced(3, 101, 1)->error_code, KCI_INVALID_PRODUCER_EPOCH);
}

static void sequences_wrap_after_two_to_the_31(void **state)
{
    (void)state;
    assert_int_equal(sequenced(0, INT32_MAX - 1, 2)->error_code, 0);
    assert_int_equal(sequenced(0, 0, 1)->error_code, 0);
    assert_int_equal(sequenced(0, 1, 1)->error_code, 0);
    assert_int_equal(sequenced(0, INT32_MAX - 1, 2)->base_offset, 0);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 4);
}

static void the_window_moves_with_leadership(void **state)
{
    struct world three;
    (void)state;
    world_open(&three, 3, NULL);
    world_topic(&three, "orders", 1, 3, NULL);
    struct client *one = world_client(&three, 1), *two = world_client(&three, 2);
    struct kci_bytes batch = world_batch(&three, (struct batch_of){ .count = 2, .producer_id = 5 });
    client_produce(one, "orders", 0, -1, batch);
    assert_int_equal(client_produced(one)->error_code, 0);
    mb_cluster_broker_stop(three.cluster, 1, false, three.now);
    client_produce(two, "orders", 0, -1, batch);
    assert_int_equal(client_produced(two)->base_offset, 0);
    assert_int_equal(world_look(&three, "orders", 0).log_end, 2);
    world_close(&three);
}

static void without_the_window_repeats_are_stored_twice(void **state)
{
    struct world planted;
    (void)state;
    world_open_with(&planted, (struct mb_options){ .brokers = 1, .plant = MB_PLANT_NO_DEDUP });
    world_topic(&planted, "orders", 1, 1, NULL);
    struct client *one = world_client(&planted, 1);
    struct kci_bytes batch = world_batch(&planted, (struct batch_of){ .count = 2, .producer_id = 5 });
    for (int i = 0; i < 2; i++) {
        client_produce(one, "orders", 0, -1, batch);
        assert_int_equal(client_produced(one)->base_offset, 2 * i);
    }
    world_close(&planted);
}

static void memory_logs_keep_what_retention_allows(void **state)
{
    (void)state;
    world_topic(&world, "ring", 1, 1, "retention.bytes=100000");
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1, .value_bytes = 20000 });
    for (int i = 0; i < 200; i++)
        assert_int_equal(produce("ring", batch)->error_code, 0);
    struct mb_partition_view view = world_look(&world, "ring", 0);
    assert_int_equal(view.log_end, 200);
    assert_int_equal(view.log_end - view.log_start, 5); /* 5 x 20 kB: one less would be below the limit */
    assert_true(world.memory.live_bytes < 8000000);     /* the test's own copies of answers among them */
    client_fetch(client, (struct fetch_of){ .topic = "ring", .offset = 3 });
    assert_int_equal(client_fetched(client)->error_code, KCI_OFFSET_OUT_OF_RANGE);
    world_topic(&world, "brief", 1, 1, "retention.ms=1000");
    for (int i = 0; i < 3; i++)
        assert_int_equal(produce("brief", batch)->error_code, 0);
    world_at(&world, world.now + 301 * SECOND);
    assert_int_equal(world_look(&world, "brief", 0).log_start, 3); /* the newest as well */
    assert_int_equal(produce("brief", batch)->base_offset, 3);
    assert_int_equal(world_look(&world, "brief", 0).log_start, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_batches_are_refused_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(one_batch_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(compacted_topics_want_keys_and_say_which_lack_them, setup, teardown),
        cmocka_unit_test_setup_teardown(times_far_off_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_broker_can_set_the_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_with_a_codec_of_its_own_stores_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(repeats_are_answered_with_their_first_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(epochs_fence_and_begin_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_wrap_after_two_to_the_31, setup, teardown),
        cmocka_unit_test_setup_teardown(the_window_moves_with_leadership, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_window_repeats_are_stored_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_logs_keep_what_retention_allows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
