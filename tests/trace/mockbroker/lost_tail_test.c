/* Stories of brokers that are killed before their logs were flushed: who loses what, and when an acknowledged record.
 */
#include "support/fault_story.h"
#include "support/memory_storage.h"

#define ANY_TAIL "{\"action\":\"lost_tail\"}"

/* One record with acks=all to whoever leads; its error. */
static int16_t write_one(struct world *world)
{
    struct client *client = world_client(world, world_look(world, "t", 0).leader);
    client_produce(client, "t", 0, -1, world_batch(world, (struct batch_of){ .count = 1 }));
    return client_produced(client)->error_code;
}

/* The topic with one replica and these two settings. */
static void create(struct world *world, const char *const *configs)
{
    assert_int_equal(mb_cluster_create_topic(world->cluster, NAME("t"), 1, 1, configs, 2, world->now), 0);
    world_step(world);
}

static int64_t end_of(struct world *world)
{
    return world_look(world, "t", 0).log_end;
}

static void kill_and_start(struct world *world, int32_t broker)
{
    assert_int_equal(mb_cluster_broker_stop(world->cluster, broker, false, world->now), 0);
    assert_int_equal(mb_cluster_broker_start(world->cluster, broker, world->now), 0);
    world_step(world);
}

/* Each broker in turn loses all that it has, and nothing that was acknowledged is lost: the others have it. */
static void what_others_have_is_not_lost(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 3, "min.insync.replicas=2");
    int32_t fault = world_fault(&world, ANY_TAIL);
    for (int32_t broker = 1; broker <= 3; broker++) {
        assert_int_equal(write_one(&world), 0);
        assert_int_equal(mb_cluster_broker_stop(world.cluster, broker, false, world.now), 0);
        assert_int_equal(mb_partition_replica(world_partition(&world, "t", 0), broker)->log.end_offset, 0);
        assert_int_equal(world_hits(&world, fault), broker);
        assert_int_equal(mb_cluster_broker_start(world.cluster, broker, world.now), 0);
        assert_int_equal(end_of(&world), broker);
        assert_int_equal(world_look(&world, "t", 0).isr_count, 3);
        assert_int_equal(world_look(&world, "t", 0).high_watermark, broker);
    }
    world_close(&world);
}

/* The history of the last replica standing: the others are gone, it alone acknowledges, and then loses its tail. What
 * keeps the records, each by itself: no fault; flushing each; an orderly end; wanting two in sync, because then it does
 * not acknowledge alone, and the other is eligible to lead (KIP-966). Without that, before Kafka 4.1, what both had goes
 * with it, as it leads again and the other, which has it, is not in sync. */
static void the_last_replica_standing(void **state)
{
    static const struct {
        const char *cluster, *config, *fault;
        int16_t error; /* of the record that one replica alone would hold */
        bool clean;
        int32_t other_leads; /* as soon as broker 2 is back; -1: nobody does */
        int64_t end;         /* afterwards */
    } rows[] = {
        { NULL, NULL, ANY_TAIL, 0, false, -1, 0 }, /* lost, and it was acknowledged */
        { NULL, NULL, NULL, 0, false, -1, 2 },
        { NULL, "flush.messages=1", ANY_TAIL, 0, false, -1, 2 },
        { NULL, "min.insync.replicas=2", ANY_TAIL, KCI_NOT_ENOUGH_REPLICAS, false, 2, 1 },
        { "mock.as.version=4.0", "min.insync.replicas=2", ANY_TAIL, KCI_NOT_ENOUGH_REPLICAS, false, -1, 0 },
        { NULL, NULL, ANY_TAIL, 0, true, -1, 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        world_open(&world, 2, rows[i].cluster);
        world_topic(&world, "t", 1, 2, rows[i].config);
        int32_t fault = rows[i].fault ? world_fault(&world, rows[i].fault) : 0;
        assert_int_equal(write_one(&world), 0);
        mb_cluster_broker_stop(world.cluster, 2, true, world.now);
        assert_int_equal(write_one(&world), rows[i].error);
        mb_cluster_broker_stop(world.cluster, 1, rows[i].clean, world.now);
        mb_cluster_broker_start(world.cluster, 2, world.now);
        assert_int_equal(world_look(&world, "t", 0).leader, rows[i].other_leads); /* it is not in sync */
        mb_cluster_broker_start(world.cluster, 1, world.now);
        assert_int_equal(world_look(&world, "t", 0).leader, rows[i].other_leads < 0 ? 1 : rows[i].other_leads);
        assert_int_equal(end_of(&world), rows[i].end);
        assert_int_equal(world_look(&world, "t", 0).isr_count, 2); /* who had more has cut it */
        if (fault)
            assert_int_equal(world_hits(&world, fault), rows[i].end < 2);
        assert_int_equal(write_one(&world), 0);
        assert_int_equal(end_of(&world), rows[i].end + 1);
        world_close(&world);
    }
}

/* flush.messages and flush.ms say what stays, the match says whose tail goes; in memory and on disk alike. */
static void what_was_flushed_stays(void **state)
{
    (void)state;
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct memory_storage *memory = calloc(1, sizeof *memory);
        struct kci_storage storage = memory_storage_of(memory);
        struct world world;
        world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = on_disk ? &storage : NULL });
        create(&world, (const char *[]){ "flush.messages=3", "flush.ms=1000" });
        world_fault(&world, "{\"match\":{\"topic\":\"other\"},\"action\":\"lost_tail\"}");
        int32_t fault = world_fault(&world, "{\"match\":{\"broker\":1,\"topic\":\"t\"},\"action\":\"lost_tail\"}");
        for (int i = 0; i < 5; i++)
            assert_int_equal(write_one(&world), 0);
        kill_and_start(&world, 1);
        assert_int_equal(end_of(&world), 3);
        assert_int_equal(world_look(&world, "t", 0).high_watermark, 3);
        assert_int_equal(write_one(&world), 0);
        world_at(&world, world.now + 1001 * MS);
        kill_and_start(&world, 1); /* flush.ms is over */
        assert_int_equal(end_of(&world), 4);
        assert_int_equal(world_hits(&world, fault), 1);
        assert_non_null(strstr(world_faults(&world, 0), "\"never_fired\":[1]"));
        world_close(&world);
        if (on_disk) { /* and what it lost is not on disk either */
            world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = &storage });
            assert_int_equal(end_of(&world), 4);
            world_close(&world);
        }
        memory_storage_free(memory);
        free(memory);
    }
}

/* A segment that was full before it was flushed is flushed with the next one. */
static void full_segments_are_flushed_too(void **state)
{
    struct memory_storage *memory = calloc(1, sizeof *memory);
    struct kci_storage storage = memory_storage_of(memory);
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = &storage });
    create(&world, (const char *[]){ "flush.ms=1000", "segment.bytes=1048576" });
    int32_t syncs = world_fault(&world, "{\"match\":{\"topic\":\"t\"},\"action\":{\"type\":\"slow_sync\",\"ms\":0}}");
    for (int i = 0; i < 3; i++) {
        struct client *client = world_client(&world, 1);
        client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .value_bytes = 700000 }));
        assert_int_equal(client_produced(client)->error_code, 0);
    }
    assert_int_equal(world_hits(&world, syncs), 0);
    world_at(&world, world.now + 1001 * MS);
    assert_int_equal(world_hits(&world, syncs), 3);
    world_close(&world);
    memory_storage_free(memory);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_have_is_not_lost),
        cmocka_unit_test(the_last_replica_standing),
        cmocka_unit_test(what_was_flushed_stays),
        cmocka_unit_test(full_segments_are_flushed_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
