/* Stories of a data directory: what was acknowledged is there again after a restart, a torn tail is cut off, a full
 * disk is told. */
#include "support/disk_story.h"
#include "support/fault_story.h"
#include "support/mock_world.h"

#define LOG_0 "/00000000000000000000.log"

static void open_on_disk(struct world *world, int32_t brokers, const char *config)
{
    world_open_with(world, (struct mb_options){ .brokers = brokers, .storage = &disk.face, .config = config });
}

static void close_on_disk(struct world *world)
{
    world_close(world);
    assert_int_equal(disk.open_files, 0);
}

/* A crash: what the processes remembered is gone, the files are as they are. Here: nothing is written on the way out.
 */
static void crash(struct world *world)
{
    disk.broken = true;
    close_on_disk(world);
    disk.broken = false;
}

static void write_some(struct world *world, const char *topic, int32_t count)
{
    struct client *client = world_client(world, world_look(world, topic, 0).leader);
    for (int32_t i = 0; i < count; i++) {
        client_produce(client, topic, 0, -1,
                       world_batch(world, (struct batch_of){ .count = 2, .producer_id = 7, .sequence = 2 * i }));
        assert_int_equal(client_produced(client)->error_code, 0);
    }
}

static void a_restart_finds_everything(void **state)
{
    struct world world;
    char id[24];
    (void)state;
    open_on_disk(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, "max.message.bytes=5000");
    struct kci_uuid topic_id = mb_cluster_topic_id(world.cluster, NAME("orders"));
    memcpy(id, world.cluster->id, sizeof id);
    write_some(&world, "orders", 3);
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now), 0);
    struct mb_partition_view before = world_look(&world, "orders", 0);
    crash(&world);

    open_on_disk(&world, 3, NULL);
    struct mb_partition_view after = world_look(&world, "orders", 0);
    assert_string_equal(world.cluster->id, id);
    struct kci_uuid again = mb_cluster_topic_id(world.cluster, NAME("orders"));
    assert_true(kci_uuid_equal(&again, &topic_id));
    assert_int_equal(after.log_end, before.log_end);
    assert_int_equal(after.high_watermark, 6);
    assert_int_equal(after.isr_count, 3);
    assert_true(after.leader_epoch > 0);
    assert_int_equal(mb_topic_find(world.cluster, NAME("orders"))->config.batch_bytes_max, 5000);
    /* records are read back from the files, and sequences are remembered */
    struct client *client = world_client(&world, after.leader);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = 2 });
    struct kci_fetch_response__partition_data *fetched = client_fetched(client);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 2, .producer_id = 7, .sequence = 2 });
    assert_int_equal(fetched->records.size, 2 * batch.size);
    assert_true(kci_batch_crc_ok(fetched->records.data, batch.size));
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->base_offset, 2); /* a repeat */
    batch = world_batch(&world, (struct batch_of){ .count = 1, .producer_id = 7, .sequence = 6 });
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->base_offset, 6);
    close_on_disk(&world);
}

static void a_torn_tail_is_cut_off(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    write_some(&world, "orders", 3);
    crash(&world);
    struct disk_file *file = disk_find(&disk, "broker-1/orders-0" LOG_0);
    size_t batch = file->size / 3;
    file->size -= 5;
    disk.bytes -= 5;
    open_on_disk(&world, 1, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 4);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 4);
    file = disk_find(&disk, "broker-1/orders-0" LOG_0);
    assert_int_equal(file->size, 2 * batch);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, -1,
                   world_batch(&world, (struct batch_of){ .count = 2, .producer_id = 7, .sequence = 4 }));
    assert_int_equal(client_produced(client)->base_offset, 4);
    crash(&world);
    /* bit rot in the middle: what lies behind it cannot be trusted */
    disk_find(&disk, "broker-1/orders-0" LOG_0)->data[batch + 70] ^= 1;
    open_on_disk(&world, 1, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    close_on_disk(&world);
}

/* The leader epoch of a batch is not under its CRC. */
static void an_epoch_of_the_future_is_bit_rot(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    write_some(&world, "orders", 3);
    crash(&world);
    struct disk_file *file = disk_find(&disk, "broker-1/orders-0" LOG_0);
    file->data[file->size / 3 + 13] ^= 1;
    open_on_disk(&world, 1, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    close_on_disk(&world);
}

static void a_torn_follower_fetches_again_what_it_lost(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    write_some(&world, "orders", 3);
    crash(&world);
    disk_find(&disk, "broker-2/orders-0" LOG_0)->size -= 10;
    open_on_disk(&world, 2, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 6);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 6);
    assert_int_equal(mb_partition_replica(world_partition(&world, "orders", 0), 2)->log.end_offset, 6);
    struct disk_file *one = disk_find(&disk, "broker-1/orders-0" LOG_0),
                     *two = disk_find(&disk, "broker-2/orders-0" LOG_0);
    assert_int_equal(one->size, two->size);
    assert_memory_equal(one->data, two->data, one->size);
    close_on_disk(&world);
}

static void a_torn_leader_does_not_lead_while_another_has_everything(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    write_some(&world, "orders", 3);
    crash(&world);
    disk_find(&disk, "broker-1/orders-0" LOG_0)->size -= 10;
    open_on_disk(&world, 2, NULL);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 6);
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2); /* it has fetched again what it lost */
    close_on_disk(&world);
}

/* All of them have lost something: who lost most is not in sync, or it might lead next and lose the rest, too. */
/* Broker 1 has written two records that nobody else has when it is killed; in their place the others commit four. After
 * a crash of all it must not take its own two for committed, and the cleaner not go by them. */
static void who_was_not_in_sync_keeps_its_own_high_watermark(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 3, .storage = &disk.face, .replication_delay_us = MS });
    world_topic(&world, "t", 1, 3, NULL);
    client_produce(world_client(&world, 1), "t", 0, 1, world_batch(&world, (struct batch_of){ .count = 2 }));
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, false, world.now), 0);
    struct client *client = world_client(&world, 2);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 4 }));
    world_at(&world, world.now + 10 * MS);
    assert_int_equal(world_look(&world, "t", 0).high_watermark, 4);
    world_topic(&world, "other", 1, 1, NULL); /* a change, which writes the cluster's memory down */
    crash(&world);
    world_open_with(&world, (struct mb_options){ .brokers = 3, .storage = &disk.face, .replication_delay_us = MS });
    const struct mb_partition *partition = world_partition(&world, "t", 0);
    assert_int_equal(mb_partition_replica(partition, 1)->log.end_offset, 2);
    assert_int_equal(mb_partition_replica(partition, 1)->high_watermark, 0);
    assert_int_equal(mb_partition_replica(partition, 2)->high_watermark, 4);
    assert_int_equal(mb_partition_replica(partition, 3)->high_watermark, 4);
    world_at(&world, world.now + 10 * MS);
    assert_int_equal(mb_partition_replica(partition, 1)->high_watermark, 4);
    close_on_disk(&world);
}

static void the_shortest_of_torn_logs_is_not_in_sync(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    write_some(&world, "orders", 3);
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now), 0);
    world_step(&world); /* the high watermark is written down with it */
    crash(&world);
    struct disk_file *one = disk_find(&disk, "broker-1/orders-0" LOG_0),
                     *two = disk_find(&disk, "broker-2/orders-0" LOG_0);
    size_t batch = one->size / 3;
    one->size -= 2 * batch + 5;
    two->size -= 5;
    open_on_disk(&world, 2, NULL);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2); /* though broker 1 is preferred */
    assert_int_equal(world_look(&world, "orders", 0).log_end, 4);
    close_on_disk(&world);
}

/* It asks again when replica.fetch.backoff.ms is over, though the leader takes no records meanwhile. */
static void a_follower_whose_disk_was_full_catches_up_by_itself(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 2, "replica.fetch.backoff.ms=1000");
    world_topic(&world, "orders", 1, 2, NULL);
    world_fault(&world, "{\"match\": {\"broker\": 2}, \"count\": 2, \"action\": \"write_error\"}");
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 2 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 0);
    world_at(&world, 3 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 2);
    close_on_disk(&world);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    write_some(&world, "orders", 1);
    disk.bytes_max = disk.bytes + 20;
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 2, .producer_id = 7, .sequence = 2 });
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->error_code, KCI_KAFKA_STORAGE_ERROR);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    disk.bytes_max = 0;
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->base_offset, 2);
    crash(&world);
    open_on_disk(&world, 1, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 4);
    close_on_disk(&world);
}

static void segments_roll_and_are_deleted_whole(void **state)
{
    struct world world;
    const char *config[] = { "segment.bytes=300", "retention.bytes=600" };
    (void)state;
    open_on_disk(&world, 1, "log.retention.check.interval.ms=1000");
    assert_int_equal(mb_cluster_create_topic(world.cluster, NAME("orders"), 1, 1, config, 2, 0), 0);
    write_some(&world, "orders", 20);
    world_at(&world, 2 * SECOND);
    struct mb_partition_view view = world_look(&world, "orders", 0);
    assert_int_equal(view.log_end, 40);
    assert_true(view.log_start > 0);
    assert_null(disk_find(&disk, "broker-1/orders-0" LOG_0));
    char path[80];
    snprintf(path, sizeof path, "broker-1/orders-0/%020d.log", (int)view.log_start);
    assert_non_null(disk_find(&disk, path));
    crash(&world);
    open_on_disk(&world, 1, NULL);
    assert_int_equal(world_look(&world, "orders", 0).log_start, view.log_start);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 40);
    close_on_disk(&world);
}

static void a_deleted_topic_leaves_no_files(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 2, NULL);
    world_topic(&world, "orders", 2, 2, NULL);
    write_some(&world, "orders", 1);
    assert_non_null(disk_find(&disk, "broker-2/orders-0" LOG_0));
    assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("orders"), 0), 0);
    world_step(&world);
    assert_null(disk_find(&disk, "broker-1/orders-0" LOG_0));
    assert_null(disk_find(&disk, "broker-2/orders-0" LOG_0));
    crash(&world);
    open_on_disk(&world, 2, NULL);
    assert_int_equal(mb_cluster_topic_partitions(world.cluster, NAME("orders")), -1);
    close_on_disk(&world);
}

static void damaged_metadata_is_refused_with_a_reason(void **state)
{
    struct world world;
    char text[300];
    (void)state;
    open_on_disk(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    close_on_disk(&world);
    disk_find(&disk, "cluster-metadata")->data[20] ^= 1;
    struct mb_cluster *cluster = NULL;
    assert_int_equal(mb_cluster_create(&cluster, &world.options, 0, text, sizeof text), -1);
    assert_non_null(strstr(text, "damaged"));
    assert_int_equal(world.memory.live_blocks, 0);
}

static void much_more_than_fits_into_memory_is_read_back(void **state)
{
    struct world world;
    (void)state;
    open_on_disk(&world, 1, NULL);
    world_topic(&world, "orders", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 10, .value_bytes = 50000 });
    for (int i = 0; i < 60; i++) { /* 30 MB */
        client_produce(client, "orders", 0, -1, batch);
        assert_int_equal(client_produced(client)->error_code, 0);
    }
    struct mb_log *log = &mb_partition_leader(world_partition(&world, "orders", 0))->log;
    assert_true(log->resident_bytes < (10 << 20));
    int64_t offset = 0;
    while (offset < 600) {
        client_fetch(client, (struct fetch_of){ .topic = "orders", .offset = offset });
        struct kci_fetch_response__partition_data *fetched = client_fetched(client);
        assert_int_equal(fetched->records.size % batch.size, 0);
        for (size_t at = 0; at < fetched->records.size; at += batch.size, offset += 10) {
            assert_int_equal(kci_be64(fetched->records.data + at), offset);
            assert_memory_equal(fetched->records.data + at + 16, batch.data + 16, batch.size - 16);
        }
        assert_true(log->resident_bytes < (12 << 20));
    }
    close_on_disk(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_finds_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_tail_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(an_epoch_of_the_future_is_bit_rot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_follower_fetches_again_what_it_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_leader_does_not_lead_while_another_has_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_not_in_sync_keeps_its_own_high_watermark, setup, teardown),
        cmocka_unit_test_setup_teardown(the_shortest_of_torn_logs_is_not_in_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(a_follower_whose_disk_was_full_catches_up_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(segments_roll_and_are_deleted_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_topic_leaves_no_files, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_metadata_is_refused_with_a_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(much_more_than_fits_into_memory_is_read_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
