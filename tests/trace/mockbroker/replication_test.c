/* Stories of replicas: who is in sync, what is committed, what a new leader keeps (QUALITY B3). */
#include "support/mock_world.h"

#define DELAY (10 * MS)

static void invariants(struct world *world, const char *topic, int32_t index)
{
    struct mb_partition *partition = world_partition(world, topic, index);
    struct mb_replica *leader = mb_partition_leader(partition);
    for (int32_t i = 0; leader && i < partition->replica_count; i++) {
        struct mb_replica *replica = &partition->replicas[i];
        if (replica->in_isr)
            assert_true(leader->high_watermark <= replica->log.end_offset);
        assert_true(replica->high_watermark <= replica->log.end_offset);
        /* what is committed is the same everywhere */
        for (size_t k = 0;
             k < replica->log.count && mb_log_entry_last(mb_log_entry(&replica->log, k)) < replica->high_watermark;
             k++) {
            size_t at = mb_log_find(&leader->log, mb_log_entry(&replica->log, k)->base_offset);
            assert_true(at < leader->log.count);
            assert_int_equal(mb_log_entry(&leader->log, at)->size, mb_log_entry(&replica->log, k)->size);
            assert_memory_equal(mb_log_bytes(&leader->log, at), mb_log_bytes(&replica->log, k),
                                mb_log_entry(&replica->log, k)->size);
        }
    }
}

static void acks_all_waits_until_every_replica_in_sync_has_it(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 3, .replication_delay_us = DELAY });
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *client = world_client(&world, 1), *eager = world_client(&world, 1),
                  *reader = world_client(&world, 1);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 2 }));
    client_produce(eager, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_null(client_produced(client));
    assert_int_equal(client_produced(eager)->base_offset, 2);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 0);
    /* not yet committed: not yet to be seen */
    client_fetch(reader, (struct fetch_of){ .topic = "orders" });
    assert_int_equal(client_fetched(reader)->records.size, 0);
    world_at(&world, 2 * DELAY);
    assert_int_equal(client_produced(client)->base_offset, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 3);
    invariants(&world, "orders", 0);
    world_close(&world);
}

/* Lag may be imposed on any cluster, by a property. */
static void followers_lag_when_they_are_told_to(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, "mock.replication.delay.ms=50");
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_null(client_produced(client));
    assert_int_equal(mb_partition_replica(world_partition(&world, "orders", 0), 2)->log.end_offset, 0);
    world_at(&world, 50 * MS);
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 1);
    world_close(&world);
}

/* Also when nothing is written any more: a follower that leads next must not bring back what was deleted. */
static void followers_hear_of_deleted_records_after_the_same_lag(void **state)
{
    struct world world;
    int64_t low;
    (void)state;
    world_open(&world, 2, "mock.replication.delay.ms=50");
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    world_at(&world, 200 * MS);
    struct mb_partition *partition = world_partition(&world, "orders", 0);
    assert_int_equal(mb_partition_delete_records(partition, 2, &low, world.now), 0);
    assert_int_equal(low, 2);
    assert_int_equal(mb_partition_replica(partition, 2)->log.start_offset, 0);
    world_at(&world, 300 * MS);
    assert_int_equal(mb_partition_replica(partition, 2)->log.start_offset, 2);
    world_close(&world);
}

static void acks_all_times_out_when_a_follower_is_too_slow(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world,
                    (struct mb_options){ .brokers = 2, .replication_delay_us = (int64_t)3600 * SECOND, .seed = 3 });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    world_at(&world, 999 * MS);
    assert_null(client_produced(client));
    world_at(&world, 1000 * MS);
    assert_int_equal(client_produced(client)->error_code, KCI_REQUEST_TIMED_OUT);
    /* 30 s later the follower is out of the ISR, and the record is committed after all */
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    world_at(&world, 31 * SECOND);
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 1);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 1);
    world_close(&world);
}

static void too_few_in_sync_refuse_acks_all(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, "min.insync.replicas=2");
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 2, true, world.now), 0);
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 3, true, world.now), 0);
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_ENOUGH_REPLICAS);
    client_produce(client, "orders", 0, 1, batch); /* taken, but not committed while too few are in sync */
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 1);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 2, world.now), 0);
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 2);
    invariants(&world, "orders", 0);
    world_close(&world);
}

/* The ISR becomes too small after the append. Old releases commit what was taken and say that too few have it; newer ones
 * commit nothing, and who wrote it hears nothing until its time-out. */
static void too_few_in_sync_after_the_append(void **state)
{
    static const char *const configs[] = { "mock.as.version=3.3", NULL };
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct world world;
        world_open_with(&world, (struct mb_options){ .brokers = 2,
                                                     .replication_delay_us = (int64_t)3600 * SECOND,
                                                     .config = configs[strict] });
        world_topic(&world, "orders", 1, 2, "min.insync.replicas=2");
        int32_t leader = world_look(&world, "orders", 0).leader;
        struct client *client = world_client(&world, leader);
        struct kci_produce_request__partition_produce_data data = { .records = world_batch(
                                                                        &world, (struct batch_of){ .count = 1 }) };
        struct kci_produce_request__topic_produce_data topic = { .name = NAME("orders"),
                                                                 .partition_data = &data,
                                                                 .partition_data_count = 1 };
        client_send(client, KCI_API_PRODUCE, 9, /* the newest that both releases have */
                    &(struct kci_produce_request){
                        .acks = -1, .timeout_ms = 1000, .topic_data = &topic, .topic_data_count = 1 });
        assert_int_equal(mb_cluster_broker_stop(world.cluster, 3 - leader, false, world.now), 0);
        world_step(&world);
        assert_int_equal(world_look(&world, "orders", 0).high_watermark, strict ? 0 : 1);
        struct kci_produce_response *answer = client_answer(client, KCI_API_PRODUCE, 9);
        if (strict) {
            assert_null(answer);
            world_at(&world, 1000 * MS);
            answer = client_answer(client, KCI_API_PRODUCE, 9);
        }
        assert_int_equal(answer->responses[0].partition_responses[0].error_code,
                         strict ? KCI_REQUEST_TIMED_OUT : KCI_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        world_close(&world);
    }
}

static void a_new_leader_rises_when_the_old_one_is_killed(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "orders", 1, 3, NULL);
    struct client *client = world_client(&world, 1), *other = world_client(&world, 2);
    struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
    client_produce(client, "orders", 0, -1, batch);
    assert_int_equal(client_produced(client)->error_code, 0);
    client_produce(other, "orders", 0, -1, batch);
    struct kci_produce_response *response = client_answer(other, KCI_API_PRODUCE, PRODUCE_VERSION);
    assert_int_equal(response->responses[0].partition_responses[0].error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(response->responses[0].partition_responses[0].current_leader.leader_id, 1); /* KIP-951 */
    assert_int_equal(response->node_endpoints_count, 1);
    assert_int_equal(response->node_endpoints[0].node_id, 1);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, false, world.now), 0);
    assert_true(client->closed);
    struct mb_partition_view view = world_look(&world, "orders", 0);
    assert_int_equal(view.leader, 2);
    assert_int_equal(view.leader_epoch, 1);
    assert_int_equal(view.high_watermark, 1);
    client_produce(other, "orders", 0, -1, batch);
    assert_int_equal(client_produced(other)->base_offset, 1);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2); /* no failing back by itself */
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 3);
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 1, world.now), 0);
    assert_int_equal(world_look(&world, "orders", 0).leader_epoch, 2);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    invariants(&world, "orders", 0);
    world_close(&world);
}

static void what_was_not_committed_is_truncated_under_a_new_leader(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = 1000 * SECOND, .seed = 5 });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1), *next = world_client(&world, 2);
    client_produce(client, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 3 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    assert_int_equal(mb_cluster_broker_stop(world.cluster, 1, false, world.now), 0);
    assert_int_equal(world_look(&world, "orders", 0).leader, 2);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 0);
    struct kci_bytes other = world_batch(&world, (struct batch_of){ .count = 1, .value_bytes = 100 });
    client_produce(next, "orders", 0, 1, other);
    assert_int_equal(client_produced(next)->base_offset, 0);
    assert_int_equal(mb_cluster_broker_start(world.cluster, 1, world.now), 0);
    struct mb_replica *old = mb_partition_replica(world_partition(&world, "orders", 0), 1);
    assert_int_equal(old->log.end_offset, 3); /* it has not heard of it yet */
    world_at(&world, 2000 * SECOND);
    assert_int_equal(old->log.end_offset, 1);
    assert_int_equal(mb_log_entry(&old->log, 0)->size, other.size);
    assert_true(old->in_isr);
    assert_int_equal(mb_log_epoch_latest(&old->log), 1);
    invariants(&world, "orders", 0);
    /* a client that had read in epoch 0 is told where it ended */
    struct kci_offset_for_leader_epoch_request__offset_for_leader_partition ask = { .current_leader_epoch = 1,
                                                                                    .leader_epoch = 0 };
    struct kci_offset_for_leader_epoch_request__offset_for_leader_topic topic = { .topic = NAME("orders"),
                                                                                  .partitions = &ask,
                                                                                  .partitions_count = 1 };
    struct kci_offset_for_leader_epoch_request request = { .replica_id = -1, .topics = &topic, .topics_count = 1 };
    struct kci_offset_for_leader_epoch_response *response =
        client_call(next, KCI_API_OFFSET_FOR_LEADER_EPOCH, 4, &request);
    assert_int_equal(response->topics[0].partitions[0].error_code, 0);
    assert_int_equal(response->topics[0].partitions[0].end_offset, 0);
    world_close(&world);
}

/* A follower may hold as many records as its leader, and others: they count for nothing before it has fetched. */
static void a_follower_of_another_history_commits_nothing(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = DELAY });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *first = world_client(&world, 1), *second = world_client(&world, 2);
    client_produce(first, "orders", 0, 1, world_batch(&world, (struct batch_of){ .count = 2, .value_bytes = 10 }));
    assert_int_equal(client_produced(first)->base_offset, 0);
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now), 0);
    client_produce(second, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 2, .value_bytes = 20 }));
    assert_int_equal(world_look(&world, "orders", 0).log_end, 2);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 0);
    assert_null(client_produced(second));
    world_at(&world, 3 * DELAY);
    assert_int_equal(client_produced(second)->base_offset, 0);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 2);
    invariants(&world, "orders", 0);
    world_close(&world);
}

static void only_the_last_one_in_sync_may_come_back_as_leader(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    world_topic(&world, "loose", 1, 2, "unclean.leader.election.enable=true");
    struct client *client = world_client(&world, 1);
    mb_cluster_broker_stop(world.cluster, 2, true, world.now);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    client_produce(client, "loose", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    mb_cluster_broker_start(world.cluster, 2, world.now);
    assert_int_equal(world_look(&world, "orders", 0).leader, -1);
    assert_int_equal(world_look(&world, "loose", 0).leader, 2); /* and has lost the record */
    assert_int_equal(world_look(&world, "loose", 0).log_end, 0);
    mb_cluster_broker_start(world.cluster, 1, world.now);
    assert_int_equal(world_look(&world, "orders", 0).leader, 1);
    assert_int_equal(world_look(&world, "orders", 0).high_watermark, 1);
    assert_int_equal(world_look(&world, "orders", 0).isr_count, 2);
    assert_int_equal(world_look(&world, "loose", 0).isr_count, 2);
    invariants(&world, "orders", 0);
    invariants(&world, "loose", 0);
    world_close(&world);
}

static void epochs_of_clients_are_checked(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_topic(&world, "orders", 1, 2, NULL);
    mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now);
    mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 1, world.now); /* epoch 2 */
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .current_leader_epoch = 1 });
    assert_int_equal(client_fetched(client)->error_code, KCI_FENCED_LEADER_EPOCH);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .current_leader_epoch = 3 });
    assert_int_equal(client_fetched(client)->error_code, KCI_UNKNOWN_LEADER_EPOCH);
    client_fetch(client, (struct fetch_of){ .topic = "orders", .current_leader_epoch = 2 });
    assert_int_equal(client_fetched(client)->error_code, 0);
    world_close(&world);
}

#define HINTS 17 /* a version of Fetch that tells who leads (KIP-951): since 16 */

static void fetch_by_id(struct world *world, struct client *client, const char *name)
{
    struct kci_fetch_request request;
    struct kci_fetch_request__fetch_partition partition;
    struct kci_fetch_request__fetch_topic topic = { .topic_id = mb_cluster_topic_id(world->cluster, kci_str_of(name)),
                                                    .partitions = &partition,
                                                    .partitions_count = 1 };
    kci_codec_init(&kci_fetch_request_schema, &request);
    kci_codec_init(&kci_fetch_request__fetch_partition_schema, &partition);
    partition.partition_max_bytes = request.max_bytes = 1 << 20;
    partition.current_leader_epoch = partition.last_fetched_epoch = -1;
    request.max_wait_ms = 5000;
    request.min_bytes = 1;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    client_send(client, KCI_API_FETCH, HINTS, &request);
}

/* Those that waited for the old one, and in versions that have a place for it they are told who it is. */
static void waiting_clients_hear_of_a_new_leader(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world, (struct mb_options){ .brokers = 2, .replication_delay_us = 1000 * SECOND, .seed = 9 });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *writer = world_client(&world, 1), *reader = world_client(&world, 1);
    struct client *old_reader = world_client(&world, 1);
    client_produce(writer, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    client_fetch(old_reader, (struct fetch_of){ .topic = "orders", .max_wait_ms = 5000, .min_bytes = 1 });
    fetch_by_id(&world, reader, "orders");
    assert_null(client_produced(writer));
    assert_null(client_fetched(old_reader));
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("orders"), 0, 2, world.now), 0);
    world_step(&world);
    assert_int_equal(client_produced(writer)->error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    struct kci_fetch_response__partition_data *fetched = client_fetched(old_reader);
    assert_int_equal(fetched->error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(fetched->current_leader.leader_id, -1);
    struct kci_fetch_response *response = client_answer(reader, KCI_API_FETCH, HINTS);
    fetched = &response->responses[0].partitions[0];
    assert_int_equal(fetched->error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(fetched->current_leader.leader_id, 2);
    assert_int_equal(fetched->current_leader.leader_epoch, 1);
    world_close(&world);
}

/* The planted defect is seen: a committed record disappears. */
static void a_high_watermark_ahead_of_the_isr_loses_records(void **state)
{
    struct world world;
    (void)state;
    world_open_with(&world,
                    (struct mb_options){
                        .brokers = 2, .replication_delay_us = 1000 * SECOND, .seed = 5, .plant = MB_PLANT_HW_AHEAD });
    world_topic(&world, "orders", 1, 2, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "orders", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    mb_cluster_broker_stop(world.cluster, 1, false, world.now);
    assert_int_equal(world_look(&world, "orders", 0).log_end, 0);
    world_close(&world);
}

/* Writers, kills, starts and leader moves in any order: the invariants hold after every step. */
static void invariants_hold_under_random_steering(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world world;
        struct kci_prng prng;
        int64_t committed = 0;
        kci_prng_seed(&prng, seed);
        world_open_with(&world, (struct mb_options){ .brokers = 3,
                                                     .replication_delay_us = seed % 2 ? DELAY : 0,
                                                     .seed = seed,
                                                     .config = "replica.lag.time.max.ms=50" });
        world_topic(&world, "orders", 1, 3, "min.insync.replicas=2");
        for (int i = 0; i < 400; i++) {
            int32_t broker = (int32_t)kci_prng_below(&prng, 3) + 1;
            struct mb_partition_view view = world_look(&world, "orders", 0);
            switch (kci_prng_below(&prng, 12)) {
            case 0:
                mb_cluster_broker_stop(world.cluster, broker, kci_prng_chance(&prng, 1, 2), world.now);
                break;
            case 1:
            case 2:
                mb_cluster_broker_start(world.cluster, broker, world.now);
                break;
            case 3:
                mb_cluster_move_leader(world.cluster, NAME("orders"), 0, broker, world.now);
                break;
            default:
                if (view.leader > 0) {
                    struct mb_append append = { .acks = -1, .version = 9, .arena = &world.arena };
                    append.records =
                        world_batch(&world, (struct batch_of){ .count = 1 + (int32_t)kci_prng_below(&prng, 3) });
                    mb_partition_append(world_partition(&world, "orders", 0), view.leader, &append, world.now);
                }
                break;
            }
            invariants(&world, "orders", 0);
            world_at(&world, world.now + (int64_t)kci_prng_below(&prng, 2 * DELAY));
            invariants(&world, "orders", 0);
            view = world_look(&world, "orders", 0);
            if (view.leader > 0 && view.isr_count >= 2 && view.high_watermark > committed)
                committed = view.high_watermark;
            if (view.leader > 0) /* what was committed is never lost, whoever leads */
                assert_true(view.log_end >= committed);
        }
        for (int32_t broker = 1; broker <= 3; broker++)
            mb_cluster_broker_start(world.cluster, broker, world.now);
        world_at(&world, world.now + 10 * SECOND);
        assert_int_equal(world_look(&world, "orders", 0).isr_count, 3);
        assert_int_equal(world_look(&world, "orders", 0).high_watermark, world_look(&world, "orders", 0).log_end);
        invariants(&world, "orders", 0);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acks_all_waits_until_every_replica_in_sync_has_it),
        cmocka_unit_test(followers_lag_when_they_are_told_to),
        cmocka_unit_test(followers_hear_of_deleted_records_after_the_same_lag),
        cmocka_unit_test(acks_all_times_out_when_a_follower_is_too_slow),
        cmocka_unit_test(too_few_in_sync_refuse_acks_all),
        cmocka_unit_test(too_few_in_sync_after_the_append),
        cmocka_unit_test(a_new_leader_rises_when_the_old_one_is_killed),
        cmocka_unit_test(what_was_not_committed_is_truncated_under_a_new_leader),
        cmocka_unit_test(a_follower_of_another_history_commits_nothing),
        cmocka_unit_test(only_the_last_one_in_sync_may_come_back_as_leader),
        cmocka_unit_test(epochs_of_clients_are_checked),
        cmocka_unit_test(waiting_clients_hear_of_a_new_leader),
        cmocka_unit_test(a_high_watermark_ahead_of_the_isr_loses_records),
        cmocka_unit_test(invariants_hold_under_random_steering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
