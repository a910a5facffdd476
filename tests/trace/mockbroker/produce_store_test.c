/* Stories of how a batch is stored: under the topic's codec and level, with the broker's time, and for how long its
 * producer is remembered. */
#include "base/checksum.h"
#include "mockbroker/core/alter_configs.h"
#include "support/produce_story.h"

static void topic_with(const char *name, const char *one, const char *two)
{
    const char *configs[] = { one, two };
    assert_int_equal(mb_cluster_create_topic(world.cluster, kci_str_of(name), 1, 1, configs, two ? 2 : 1, world.now),
                     0);
}

static struct kci_bytes stored(const char *topic, int64_t offset)
{
    struct kci_bytes batch;
    assert_true(mb_cluster_batch(world.cluster, kci_str_of(topic), 0, offset, &batch));
    assert_true(kci_batch_crc_ok(batch.data, batch.size));
    return batch;
}

/* The records of a stored batch are those that were sent, whatever the codec. */
static void check_records(struct kci_bytes batch, int64_t base, int32_t count)
{
    struct kci_batch_iterator it;
    struct kci_record_view view;
    char value[16];
    assert_int_equal(kci_batch_open(&it, batch.data, batch.size, &world.alloc, 1 << 20), KCI_BATCH_OK);
    for (int32_t i = 0; i < count; i++) {
        assert_int_equal(kci_batch_next(&it, &view), 1);
        assert_int_equal(view.offset, base + i);
        snprintf(value, sizeof value, "v%d", i);
        assert_memory_equal(view.value.data, value, strlen(value));
        assert_int_equal(view.key.size, 3);
    }
    assert_int_equal(kci_batch_next(&it, &view), 0);
    kci_batch_close(&it);
}

/* From every codec to every codec, with the producer's numbers kept and the window knowing the batch. */
static void every_codec_becomes_every_codec(void **state)
{
    char name[16], config[40];
    (void)state;
    for (int to = 0; to < KCI_CODEC_COUNT; to++) {
        if (!kci_codec_built_in(to))
            continue;
        snprintf(name, sizeof name, "to-%d", to);
        snprintf(config, sizeof config, "compression.type=%s", to ? kci_codec_name(to) : "uncompressed");
        topic_with(name, config, NULL);
        int64_t base = 0;
        for (int from = 0; from < KCI_CODEC_COUNT; from++) {
            if (!kci_codec_built_in(from))
                continue;
            struct kci_bytes sent = world_batch(&world, (struct batch_of){ .count = 7,
                                                                           .codec = from,
                                                                           .keys = true,
                                                                           .value_bytes = 300,
                                                                           .producer_id = 5,
                                                                           .sequence = (int32_t)base });
            assert_int_equal(produce(name, sent)->base_offset, base);
            assert_int_equal(produce(name, sent)->base_offset, base); /* a repeat is one after recompression, too */
            struct kci_bytes batch = stored(name, base);
            assert_int_equal(batch.data[22] & KCI_BATCH_CODEC_MASK, to);
            assert_int_equal((int64_t)kci_be64(batch.data + 43), 5);
            check_records(batch, base, 7);
            base += 7;
        }
        assert_int_equal(world_look(&world, name, 0).log_end, base);
    }
}

/* A higher level of gzip makes smaller batches; a change of the level counts from the next batch on. */
static void levels_are_used(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    uint8_t *value = kci_arena_take(&world.arena, 60000);
    struct kci_prng prng;
    kci_prng_seed(&prng, 7);
    for (size_t i = 0; i < 60000; i++)
        value[i] = "abcd"[kci_prng_below(&prng, 4)];
    struct kci_batch_header header = { .magic = 2, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1 };
    struct kci_record record = { .timestamp_ms = WORLD_EPOCH_US / 1000, .value = { value, 60000 } };
    struct kci_writer w = kci_writer_of(&world.alloc, 1 << 20);
    assert_int_equal(kci_batch_write(&w, &header, &record, 1, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    topic_with("fast", "compression.type=gzip", "compression.gzip.level=1");
    topic_with("best", "compression.type=gzip", "compression.gzip.level=9");
    for (int i = 0; i < 2; i++)
        assert_int_equal(produce(i ? "best" : "fast", (struct kci_bytes){ w.data, w.size })->error_code, 0);
    assert_true(stored("best", 0).size < stored("fast", 0).size);
    kci_writer_destroy(&w);
}

/* LogAppendTime on top of another codec: the broker's time, its bit, and a CRC that is right. */
static void the_time_is_set_in_recompressed_batches(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    topic_with("logged", "message.timestamp.type=LogAppendTime", "compression.type=gzip");
    world_at(&world, 5 * SECOND);
    int64_t wall_ms = WORLD_EPOCH_US / 1000 + 5000;
    struct kci_bytes sent = world_batch(&world, (struct batch_of){ .count = 3, .keys = true, .timestamp_ms = 1000 });
    assert_int_equal(produce("logged", sent)->log_append_time_ms, wall_ms);
    struct kci_bytes batch = stored("logged", 0);
    assert_int_equal(batch.data[22], KCI_BATCH_LOG_APPEND_TIME | KCI_CODEC_GZIP);
    assert_int_equal((int64_t)kci_be64(batch.data + 35), wall_ms);
    check_records(batch, 0, 3);
}

/* The type of a timestamp is the topic's: a producer's LogAppendTime is put right, and refused where it would mean
 * something. */
static void the_type_of_time_is_the_topics(void **state)
{
    (void)state;
    topic_with("logged", "message.timestamp.type=LogAppendTime", NULL);
    struct kci_bytes sent = world_batch(&world, (struct batch_of){ .attributes = KCI_BATCH_LOG_APPEND_TIME });
    uint8_t *bytes = kci_arena_take(&world.arena, sent.size);
    memcpy(bytes, sent.data, sent.size);
    kci_put64(bytes + 35, (uint64_t)WORLD_EPOCH_US / 1000);
    kci_put32(bytes + 17, kci_crc32c(0, bytes + 21, sent.size - 21));
    sent.data = bytes;
    assert_int_equal(produce("orders", sent)->error_code, 0);
    assert_int_equal(stored("orders", 0).data[22] & KCI_BATCH_LOG_APPEND_TIME, 0);
    struct kci_produce_response__partition_produce_response *refused = produce("logged", sent);
    assert_int_equal(refused->error_code, KCI_INVALID_TIMESTAMP);
    assert_int_equal(refused->record_errors_count, 1);
}

/* What counts for the limits is also the size as it is stored. */
static void stored_sizes_have_limits(void **state)
{
    (void)state;
    if (!kci_codec_built_in(KCI_CODEC_GZIP))
        skip();
    topic_with("plain", "compression.type=uncompressed", "max.message.bytes=1000");
    topic_with("segment", "compression.type=uncompressed", "segment.bytes=1000");
    struct kci_bytes sent = world_batch(&world, (struct batch_of){ .value_bytes = 5000, .codec = KCI_CODEC_GZIP });
    assert_true(sent.size < 1000);
    assert_int_equal(produce("plain", sent)->error_code, KCI_MESSAGE_TOO_LARGE);
    assert_int_equal(produce("segment", sent)->error_code, KCI_RECORD_LIST_TOO_LARGE);
    assert_int_equal(world_look(&world, "plain", 0).log_end, 0);
}

/* The beginning of another batch behind the first is not looked at, as Kafka does; a whole one is too much. */
static void what_stands_behind_a_batch(void **state)
{
    (void)state;
    struct kci_bytes one = world_batch(&world, (struct batch_of){ .count = 2, .keys = true });
    uint8_t *bytes = kci_arena_take(&world.arena, 2 * one.size);
    memcpy(bytes, one.data, one.size);
    memcpy(bytes + one.size, one.data, one.size);
    assert_int_equal(produce("orders", (struct kci_bytes){ bytes, one.size + 9 })->error_code, 0);
    check_records(stored("orders", 0), 0, 2);
    assert_int_equal(stored("orders", 0).size, one.size);
    assert_int_equal(produce("orders", (struct kci_bytes){ bytes, 2 * one.size })->error_code, KCI_INVALID_RECORD);
}

static int16_t sequenced(int64_t id, int32_t sequence, int64_t timestamp_ms)
{
    return produce("orders", world_batch(&world, (struct batch_of){ .producer_id = id,
                                                                    .sequence = sequence,
                                                                    .timestamp_ms = timestamp_ms }))
        ->error_code;
}

/* A producer whose newest record is of a day ago is forgotten at the next look: it may begin anywhere. Who wrote since
 * is not. */
static void producers_are_forgotten(void **state)
{
    (void)state;
    assert_int_equal(sequenced(1, 0, 0), 0);
    assert_int_equal(sequenced(2, 0, 0), 0);
    world_at(&world, 23 * 3600 * (int64_t)SECOND);
    assert_int_equal(sequenced(1, 7, 0), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(sequenced(2, 1, 0), 0);
    world_at(&world, (24 * 3600 + 601) * (int64_t)SECOND);
    assert_int_equal(sequenced(1, 7, 0), 0);
    assert_int_equal(sequenced(2, 7, 0), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(sequenced(3, 0, 1000), 0); /* of 1970 */
    assert_int_equal(sequenced(3, 5, 1000), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_at(&world, world.now + 601 * SECOND);
    assert_int_equal(sequenced(3, 5, 1000), 0);
}

/* How long is a setting, which can be altered while it runs; how often is looked is another. */
static void how_long_is_a_setting(void **state)
{
    char text[200];
    (void)state;
    world_close(&world);
    world_open(&world, 1, "producer.id.expiration.ms=60000 producer.id.expiration.check.interval.ms=1000");
    world_topic(&world, "orders", 1, 1, NULL);
    client = world_client(&world, 1);
    assert_int_equal(sequenced(1, 0, 0), 0);
    world_at(&world, world.now + 59 * SECOND);
    assert_int_equal(sequenced(1, 7, 0), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_at(&world, world.now + 2 * SECOND);
    assert_int_equal(sequenced(1, 7, 0), 0);

    struct mb_config_change longer = { NAME("producer.id.expiration.ms"), NAME("90000"), MB_ALTER_SET };
    assert_int_equal(mb_alter_broker(world.cluster, 0, &longer, 1, false, false, text, sizeof text, world.now), 0);
    world_at(&world, world.now + 89 * SECOND);
    assert_int_equal(sequenced(1, 20, 0), KCI_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_at(&world, world.now + 2 * SECOND);
    assert_int_equal(sequenced(1, 20, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_codec_becomes_every_codec, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_are_used, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_is_set_in_recompressed_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(the_type_of_time_is_the_topics, setup, teardown),
        cmocka_unit_test_setup_teardown(stored_sizes_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stands_behind_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(producers_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(how_long_is_a_setting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
