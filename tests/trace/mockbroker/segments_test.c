/* Stories of the files of a replica: indexes next to the segments, what is read at start, when the disk is told to keep
 * what it was given. */
#include "base/checksum.h"
#include "support/disk_story.h"
#include "support/mock_world.h"

#define FOLDER "broker-1/t-0/"

static void open_on_disk(struct world *world)
{
    world_open_with(world, (struct mb_options){ .brokers = 1, .storage = &disk.face });
}

static void crash(struct world *world)
{
    disk.broken = true;
    world_close(world);
    disk.broken = false;
}

static void make_topic(struct world *world, const char *first, const char *second)
{
    const char *config[] = { first, second };
    assert_int_equal(mb_cluster_create_topic(world->cluster, NAME("t"), 1, 1, config, 2, world->now), 0);
    world_step(world);
}

static void write_batches(struct world *world, int count, size_t value_bytes)
{
    struct client *client = world_client(world, 1);
    for (int i = 0; i < count; i++) {
        client_produce(client, "t", 0, -1,
                       world_batch(world, (struct batch_of){ .count = 2, .value_bytes = value_bytes }));
        assert_int_equal(client_produced(client)->error_code, 0);
        world_at(world, world->now + MS);
    }
}

static struct disk_file *file_of(int64_t base, const char *kind)
{
    char path[80];
    snprintf(path, sizeof path, FOLDER "%020lld.%s", (long long)base, kind);
    return disk_find(&disk, path);
}

static void a_closed_segment_has_its_indexes(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "segment.bytes=1000", "index.interval.bytes=200");
    write_batches(&world, 20, 0);
    struct disk_file *log = file_of(0, "log"), *index = file_of(0, "index"), *times = file_of(0, "timeindex");
    assert_non_null(index);
    assert_true(index->size >= 8 && index->size % 8 == 0);
    for (size_t at = 0; at < index->size; at += 8) { /* entry: the batch there ends with that offset */
        uint32_t offset = kci_be32(index->data + at), position = kci_be32(index->data + at + 4);
        assert_true(position < log->size);
        assert_int_equal((int64_t)kci_be64(log->data + position) + 1, offset);
    }
    assert_int_equal(times->size % 12, 0); /* the end of the segment has an entry, unless it is that of the index */
    assert_in_range(times->size / 12 - index->size / 8, 0, 1);
    int64_t last = (int64_t)kci_be64(times->data + times->size - 12);
    assert_true(last > WORLD_EPOCH_US / 1000);
    assert_non_null(disk_find(&disk, FOLDER "leader-epoch-checkpoint"));
    world_close(&world);
}

static void missing_indexes_are_made_again_and_old_ones_go_with_their_segment(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "segment.bytes=1000", "index.interval.bytes=200");
    write_batches(&world, 20, 0);
    size_t size = file_of(0, "index")->size;
    disk_forget(&disk, file_of(0, "index"));
    crash(&world);
    open_on_disk(&world);
    assert_int_equal(file_of(0, "index")->size, size);
    int64_t low;
    struct mb_partition *partition = world_partition(&world, "t", 0);
    assert_int_equal(mb_partition_delete_records(partition, -1, &low, world.now), 0);
    assert_null(file_of(0, "log"));
    assert_null(file_of(0, "index"));
    assert_null(file_of(0, "timeindex"));
    world_close(&world);
}

static void a_full_index_closes_the_segment(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "segment.index.bytes=16", "index.interval.bytes=0");
    write_batches(&world, 10, 0);
    assert_non_null(file_of(6, "log"));
    assert_int_equal(file_of(0, "index")->size, 16);
    world_close(&world);
}

static void after_a_clean_end_only_headers_are_read(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "segment.bytes=1000000", "retention.ms=-1");
    write_batches(&world, 50, 20000); /* 2 MB */
    world_close(&world);
    disk.read_bytes = 0;
    open_on_disk(&world);
    assert_int_equal(world_look(&world, "t", 0).log_end, 100);
    assert_true(disk.read_bytes < 300000);
    crash(&world); /* nothing says that this end was clean */
    disk.read_bytes = 0;
    open_on_disk(&world);
    assert_int_equal(world_look(&world, "t", 0).log_end, 100);
    assert_true(disk.read_bytes > 2000000);
    world_close(&world);
}

static void flush_messages_syncs_before_it_answers(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "flush.messages=6", "segment.bytes=1000000");
    size_t before = disk.syncs;
    write_batches(&world, 2, 0);
    assert_int_equal(disk.syncs, before);
    write_batches(&world, 1, 0);
    assert_int_equal(disk.syncs, before + 1);
    world_at(&world, INT64_C(3600) * SECOND);
    assert_int_equal(disk.syncs, before + 1); /* no flush.ms */
    world_close(&world);
}

static void flush_ms_syncs_what_waits(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "flush.ms=500", "segment.bytes=1000000");
    size_t before = disk.syncs;
    write_batches(&world, 3, 0);
    assert_int_equal(disk.syncs, before);
    world_at(&world, world.now + 500 * MS);
    assert_int_equal(disk.syncs, before + 1);
    world_at(&world, world.now + 5 * SECOND);
    assert_int_equal(disk.syncs, before + 1); /* nothing new */
    write_batches(&world, 1, 0);
    world_at(&world, world.now + 500 * MS);
    assert_int_equal(disk.syncs, before + 2);
    world_close(&world);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static void write_producer(struct world *world, int batches)
{
    struct client *client = world_client(world, 1);
    for (int i = 0; i < batches; i++) {
        struct batch_of of = { .count = 2, .producer_id = 7, .sequence = 2 * i };
        client_produce(client, "t", 0, -1, world_batch(world, of));
        assert_int_equal(client_produced(client)->error_code, 0);
        world_at(world, world->now + MS);
    }
}

/* A segment begins with what was known of producers then, and takes that with it; the snapshot of a clean end is of no
 * use once the log goes on. */
static void producers_are_told_next_to_the_segments(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world);
    make_topic(&world, "segment.bytes=1000", "index.interval.bytes=200");
    write_producer(&world, 40);
    bool ignored;
    struct mb_partition *partition = world_partition(&world, "t", 0);
    int64_t second = mb_log_store_segment(mb_partition_leader(partition)->log.store, 1, &ignored);
    struct disk_file *snapshot = file_of(second, "snapshot");
    assert_null(file_of(0, "snapshot"));
    assert_int_equal(snapshot->size, 10 + 46);
    assert_int_equal(kci_be16(snapshot->data), 1);
    assert_int_equal(kci_be32(snapshot->data + 2), kci_crc32c(0, snapshot->data + 6, snapshot->size - 6));
    assert_int_equal(kci_be64(snapshot->data + 10), 7);
    assert_int_equal(kci_be32(snapshot->data + 20), second - 1); /* sequences are offsets here */
    assert_int_equal(kci_be64(snapshot->data + 24), second - 1);
    assert_int_equal(kci_be32(snapshot->data + 32), 1);
    world_close(&world);
    assert_non_null(file_of(80, "snapshot"));
    open_on_disk(&world);
    assert_null(file_of(80, "snapshot"));
    assert_non_null(file_of(second, "snapshot"));
    int64_t low;
    assert_int_equal(mb_partition_delete_records(world_partition(&world, "t", 0), -1, &low, world.now), 0);
    assert_null(file_of(second, "snapshot"));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_closed_segment_has_its_indexes),
        STORY(missing_indexes_are_made_again_and_old_ones_go_with_their_segment),
        STORY(a_full_index_closes_the_segment),
        STORY(after_a_clean_end_only_headers_are_read),
        STORY(flush_messages_syncs_before_it_answers),
        STORY(flush_ms_syncs_what_waits),
        STORY(producers_are_told_next_to_the_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
