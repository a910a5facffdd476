/* Stories of compaction: of every key the latest record stays, offsets never change, what is new is left alone. */
#include "support/disk_story.h"
#include "support/mock_world.h"

#define CLEANER_MS 15000
#define HOURS(n)   (INT64_C(3600) * SECOND * (n))

static void open_world(struct world *world, bool on_disk, int32_t brokers)
{
    world_open_with(world, (struct mb_options){ .brokers = brokers, .storage = on_disk ? &disk.face : NULL });
}

static void make_topic(struct world *world, int16_t replicas, const char *extra)
{
    const char *config[] = { "cleanup.policy=compact", "segment.bytes=400", "min.cleanable.dirty.ratio=0.01", extra };
    assert_int_equal(mb_cluster_create_topic(world->cluster, NAME("t"), 1, replicas, config, extra ? 4 : 3, world->now),
                     0);
    world_step(world);
}

struct put {
    const char *key, *value; /* value NULL: a tombstone */
};

static void put_with(struct world *world, const struct put *puts, size_t count, struct kci_batch_header header)
{
    struct client *client = world_client(world, world_look(world, "t", 0).leader);
    struct kci_record records[8];
    memset(records, 0, sizeof records);
    for (size_t i = 0; i < count; i++) {
        records[i].key = (struct kci_bytes){ (const uint8_t *)puts[i].key, strlen(puts[i].key) };
        if (puts[i].value)
            records[i].value = (struct kci_bytes){ (const uint8_t *)puts[i].value, strlen(puts[i].value) };
        records[i].timestamp_ms = (world->now + WORLD_EPOCH_US) / 1000;
    }
    struct kci_writer w = kci_writer_of(&world->alloc, 1 << 20);
    assert_int_equal(kci_batch_write(&w, &header, records, count, KCI_LEVEL_DEFAULT), KCI_BATCH_OK);
    client_produce(client, "t", 0, -1, (struct kci_bytes){ w.data, w.size });
    assert_int_equal(client_produced(client)->error_code, 0);
    kci_writer_destroy(&w);
}

static const struct kci_batch_header plain = { .producer_id = -1, .producer_epoch = -1, .base_sequence = -1 };

static void put(struct world *world, const char *key, const char *value)
{
    put_with(world, &(struct put){ key, value }, 1, plain);
}

/* Enough records of another key to close the segment with what was written. */
static void close_segment(struct world *world)
{
    for (int i = 0; i < 6; i++)
        put(world, "filler", "................................................");
}

/* All records of the log of a replica as "offset:key=value ", those of fillers left out. */
static const char *content(struct world *world, int32_t broker)
{
    static char text[2000];
    struct mb_replica *replica = mb_partition_replica(world_partition(world, "t", 0), broker);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < replica->log.count; i++) {
        const uint8_t *batch = mb_log_bytes(&replica->log, i);
        uint32_t size = mb_log_entry(&replica->log, i)->size;
        struct kci_batch_iterator it;
        struct kci_record_view view;
        assert_non_null(batch);
        assert_true(kci_batch_crc_ok(batch, size));
        assert_int_equal(kci_batch_open(&it, batch, size, &world->alloc, 1 << 20), KCI_BATCH_OK);
        while (kci_batch_next(&it, &view) == 1)
            if (view.key.size < 6)
                used += (size_t)snprintf(text + used, sizeof text - used, "%lld:%.*s=%.*s ", (long long)view.offset,
                                         (int)view.key.size, (const char *)view.key.data,
                                         view.value.data ? (int)view.value.size : 4,
                                         view.value.data ? (const char *)view.value.data : "null");
        kci_batch_close(&it);
    }
    return text;
}

static void clean(struct world *world)
{
    world_at(world, world->now + CLEANER_MS * MS);
}

static void the_latest_of_each_key_stays(void **state)
{
    (void)state;
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct world world;
        open_world(&world, on_disk, 2);
        make_topic(&world, 2, NULL);
        put(&world, "a", "1");
        put_with(&world, (struct put[]){ { "a", "2" }, { "b", "1" }, { "a", "3" } }, 3, plain);
        put(&world, "b", "2");
        close_segment(&world);
        int64_t end = world_look(&world, "t", 0).log_end;
        assert_string_equal(content(&world, 1), "0:a=1 1:a=2 2:b=1 3:a=3 4:b=2 ");
        clean(&world);
        assert_string_equal(content(&world, 1), "3:a=3 4:b=2 ");
        assert_string_equal(content(&world, 2), "3:a=3 4:b=2 "); /* every replica cleans its own */
        assert_int_equal(world_look(&world, "t", 0).log_end, end);
        /* a reader that asks for what is gone gets what follows */
        struct client *client = world_client(&world, 1);
        client_fetch(client, (struct fetch_of){ .topic = "t", .offset = 0 });
        struct kci_fetch_response__partition_data *fetched = client_fetched(client);
        assert_int_equal(fetched->error_code, 0);
        assert_int_equal((int64_t)kci_be64(fetched->records.data), 1); /* the batch keeps its base offset */
        /* a later value replaces what was kept */
        put(&world, "a", "4");
        close_segment(&world);
        clean(&world);
        assert_non_null(strstr(content(&world, 1), "a=4 "));
        assert_null(strstr(content(&world, 1), "a=3 "));
        world_close(&world);
    }
}

static void the_active_segment_is_never_touched(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, false, 1);
    make_topic(&world, 1, NULL);
    put(&world, "a", "1");
    put(&world, "a", "2");
    clean(&world);
    assert_string_equal(content(&world, 1), "0:a=1 1:a=2 ");
    world_close(&world);
}

static void a_tombstone_goes_when_everybody_has_had_the_time_to_see_it(void **state)
{
    (void)state;
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct world world;
        open_world(&world, on_disk, 1);
        make_topic(&world, 1, "delete.retention.ms=3600000");
        put(&world, "a", "1");
        put(&world, "a", NULL);
        close_segment(&world);
        clean(&world);
        assert_string_equal(content(&world, 1), "1:a=null ");
        world_at(&world, world.now + HOURS(1) / 2);
        close_segment(&world);
        clean(&world);
        assert_string_equal(content(&world, 1), "1:a=null ");
        world_at(&world, world.now + HOURS(2));
        close_segment(&world); /* something to clean, or the cleaner does not look */
        clean(&world);
        assert_string_equal(content(&world, 1), "");
        world_close(&world);
    }
}

static void what_is_young_is_left_alone(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, false, 1);
    make_topic(&world, 1, "min.compaction.lag.ms=3600000");
    put(&world, "a", "1");
    put(&world, "a", "2");
    close_segment(&world);
    clean(&world);
    assert_string_equal(content(&world, 1), "0:a=1 1:a=2 ");
    world_at(&world, world.now + HOURS(2));
    assert_string_equal(content(&world, 1), "1:a=2 ");
    world_close(&world);
}

static void a_producer_is_known_by_its_last_batch(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, true, 1);
    make_topic(&world, 1, NULL);
    struct kci_batch_header idempotent = { .producer_id = 5, .base_sequence = 0 };
    put_with(&world, (struct put[]){ { "a", "1" } }, 1, idempotent);
    put(&world, "a", "2");
    close_segment(&world);
    clean(&world);
    assert_string_equal(content(&world, 1), "1:a=2 ");
    int64_t end = world_look(&world, "t", 0).log_end;
    world_close(&world);
    open_world(&world, true, 1); /* the sequence is read from the log */
    put_with(&world, (struct put[]){ { "a", "1" } }, 1, idempotent);
    assert_int_equal(world_look(&world, "t", 0).log_end, end); /* a repeat */
    world_close(&world);
}

static void compressed_batches_stay_compressed_and_survive_a_crash(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, true, 1);
    make_topic(&world, 1, NULL);
    struct kci_batch_header lz4 = plain;
    lz4.attributes = KCI_CODEC_LZ4;
    put_with(&world, (struct put[]){ { "a", "1" }, { "b", "1" }, { "c", "1" } }, 3, lz4);
    put(&world, "b", "2");
    close_segment(&world);
    clean(&world);
    assert_string_equal(content(&world, 1), "0:a=1 2:c=1 3:b=2 ");
    const uint8_t *batch = mb_log_bytes(&mb_partition_leader(world_partition(&world, "t", 0))->log, 0);
    assert_int_equal(kci_be16(batch + 21) & KCI_BATCH_CODEC_MASK, KCI_CODEC_LZ4);
    int64_t end = world_look(&world, "t", 0).log_end;
    disk.broken = true;
    world_close(&world);
    disk.broken = false;
    open_world(&world, true, 1);
    assert_string_equal(content(&world, 1), "0:a=1 2:c=1 3:b=2 ");
    assert_int_equal(world_look(&world, "t", 0).log_end, end);
    world_close(&world);
}

/* The log begins where it did, although its first batch is gone: an offset in the hole is no offset out of range. */
static void a_restart_does_not_move_the_beginning(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, true, 1);
    make_topic(&world, 1, NULL);
    put(&world, "a", "1");
    put(&world, "a", "2");
    close_segment(&world);
    clean(&world);
    assert_string_equal(content(&world, 1), "1:a=2 ");
    world_close(&world);
    open_world(&world, true, 1);
    assert_string_equal(content(&world, 1), "1:a=2 ");
    assert_int_equal(world_partition(&world, "t", 0)->replicas[0].log.start_offset, 0);
    world_close(&world);
}

/* Nothing is left of the first segment but its name: the beginning of a log rises by retention and DeleteRecords only,
 * and a replica that copies it begins where it does. */
static void a_first_segment_without_records_is_still_the_beginning(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, true, 2);
    make_topic(&world, 1, NULL);
    for (int i = 0; i < 4; i++)
        close_segment(&world);
    put(&world, "a", "1");
    clean(&world);
    struct mb_log *log = &world_partition(&world, "t", 0)->replicas[0].log;
    assert_true(mb_log_entry(log, 0)->base_offset > 10);
    const struct disk_file *first = disk_find(&disk, "broker-1/t-0/00000000000000000000.log");
    assert_non_null(first);
    assert_int_equal(first->size, 0);
    assert_int_equal(mb_cluster_reassign(world.cluster, NAME("t"), 0, (int32_t[]){ 1, 2 }, 2, world.now), 0);
    world_at(&world, world.now + SECOND);
    for (int crash = 0; crash < 2; crash++) {
        disk.broken = crash;
        world_close(&world);
        disk.broken = false;
        open_world(&world, true, 2);
        for (int i = 0; i < 2; i++) {
            log = &world_partition(&world, "t", 0)->replicas[i].log;
            assert_int_equal(log->start_offset, 0);
            assert_int_equal(log->end_offset, 25);
            assert_string_equal(content(&world, i + 1), "24:a=1 ");
        }
    }
    world_close(&world);
}

static void a_full_disk_leaves_the_log_as_it_was(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, true, 1);
    make_topic(&world, 1, NULL);
    put(&world, "a", "1");
    put(&world, "a", "2");
    close_segment(&world);
    disk.bytes_max = disk.bytes + 20;
    clean(&world);
    assert_string_equal(content(&world, 1), "0:a=1 1:a=2 ");
    disk.bytes_max = 0;
    clean(&world);
    assert_string_equal(content(&world, 1), "1:a=2 ");
    world_close(&world);
    assert_int_equal(disk.open_files, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_latest_of_each_key_stays),
        STORY(the_active_segment_is_never_touched),
        STORY(a_tombstone_goes_when_everybody_has_had_the_time_to_see_it),
        STORY(what_is_young_is_left_alone),
        STORY(a_producer_is_known_by_its_last_batch),
        STORY(compressed_batches_stay_compressed_and_survive_a_crash),
        STORY(a_restart_does_not_move_the_beginning),
        STORY(a_first_segment_without_records_is_still_the_beginning),
        STORY(a_full_disk_leaves_the_log_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
