/* Errors on command: before applying, after applying, at every level, for a part of a request, so often and so long. */
#include "support/fault_story.h"

static struct kci_produce_response *produce_two(struct client *client, struct world *world)
{
    struct kci_produce_request__partition_produce_data data[] = {
        { .index = 0, .records = world_batch(world, (struct batch_of){ .count = 1 }) },
        { .index = 1, .records = world_batch(world, (struct batch_of){ .count = 1 }) },
    };
    struct kci_produce_request__topic_produce_data topic = { .name = NAME("t"),
                                                             .partition_data = data,
                                                             .partition_data_count = 2 };
    struct kci_produce_request request = {
        .acks = -1, .timeout_ms = 1000, .topic_data = &topic, .topic_data_count = 1
    };
    return client_call(client, KCI_API_PRODUCE, PRODUCE_VERSION, &request);
}

/* A producer gets the error and nothing is in the log: it was not applied. It is counted. */
static void an_error_before_applying_leaves_no_trace(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    int32_t fault = world_fault(&world, "{\"match\":{\"api\":\"Produce\",\"topic\":\"t\"},\"count\":1,"
                                        "\"action\":{\"type\":\"error\",\"error\":\"NOT_ENOUGH_REPLICAS\"}}");
    struct client *client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    assert_int_equal(client_produced(client)->error_code, KCI_NOT_ENOUGH_REPLICAS);
    assert_int_equal(world_look(&world, "t", 0).log_end, 0);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    assert_int_equal(client_produced(client)->error_code, 0); /* once was enough */
    assert_int_equal(world_look(&world, "t", 0).log_end, 3);
    assert_int_equal(world_hits(&world, fault), 1);
    assert_non_null(strstr(world_faults(&world, 0), "\"never_fired\":[]"));
    world_close(&world);
}

/* The same error after applying: the records are there, and the producer does not know. */
static void an_error_after_applying_is_a_lie(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    world_fault(&world, "{\"match\":{\"api\":\"Produce\"},\"count\":1,"
                        "\"action\":{\"type\":\"error\",\"error\":7,\"when\":\"after\"}}");
    struct client *client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    struct kci_produce_response__partition_produce_response *answer = client_produced(client);
    assert_int_equal(answer->error_code, KCI_REQUEST_TIMED_OUT);
    assert_int_equal(answer->base_offset, -1);
    assert_int_equal(world_look(&world, "t", 0).log_end, 3);
    world_close(&world);
}

/* Of two partitions in one request, one is refused and the other is written; both are answered. */
static void a_part_of_a_request_is_refused(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 2, 1, NULL);
    world_fault(&world, "{\"match\":{\"api\":\"Produce\",\"topic\":\"t\",\"partition\":1},"
                        "\"action\":{\"type\":\"error\",\"error\":\"NOT_LEADER_OR_FOLLOWER\"}}");
    struct kci_produce_response *answer = produce_two(world_client(&world, 1), &world);
    int seen = 0;
    for (int32_t i = 0; i < answer->responses_count; i++)
        for (int32_t k = 0; k < answer->responses[i].partition_responses_count; k++) {
            int32_t index = answer->responses[i].partition_responses[k].index;
            assert_int_equal(answer->responses[i].partition_responses[k].error_code,
                             index == 1 ? KCI_NOT_LEADER_OR_FOLLOWER : 0);
            assert_true(kci_str_equal(answer->responses[i].name, NAME("t")));
            seen += 1 << index;
        }
    assert_int_equal(seen, 3);
    assert_int_equal(world_look(&world, "t", 0).log_end, 1);
    assert_int_equal(world_look(&world, "t", 1).log_end, 0);
    world_close(&world);
}

/* Fetch, ListOffsets and Metadata change nothing: their own answer carries the error. */
static void answers_of_readers_carry_the_error(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 3 }));
    client_produced(client);
    int32_t fetch = world_fault(&world, "{\"match\":{\"api\":\"Fetch\",\"topic\":\"t\"},\"count\":1,"
                                        "\"action\":{\"type\":\"error\",\"error\":\"OFFSET_OUT_OF_RANGE\"}}");
    client_fetch(client, (struct fetch_of){ .topic = "t", .max_wait_ms = 500, .min_bytes = 1 });
    struct kci_fetch_response__partition_data *data = client_fetched(client);
    assert_int_equal(data->error_code, KCI_OFFSET_OUT_OF_RANGE);
    assert_int_equal(data->records.size, 0);
    assert_int_equal(world_hits(&world, fetch), 1);

    world_fault(&world, "{\"match\":{\"api\":\"Metadata\",\"topic\":\"t\"},\"count\":1,"
                        "\"action\":{\"type\":\"error\",\"error\":\"LEADER_NOT_AVAILABLE\"}}");
    struct kci_metadata_request__metadata_request_topic topic = { .name = NAME("t") };
    struct kci_metadata_request metadata = { .topics = &topic, .topics_count = 1 };
    struct kci_metadata_response *answer = client_call(client, KCI_API_METADATA, 9, &metadata);
    assert_int_equal(answer->topics[0].error_code, KCI_LEADER_NOT_AVAILABLE);
    assert_int_equal(answer->brokers_count, 1);

    world_fault(&world, "{\"match\":{\"api\":\"ListOffsets\"},\"count\":1,"
                        "\"action\":{\"type\":\"error\",\"error\":\"FENCED_LEADER_EPOCH\"}}");
    struct kci_list_offsets_request__list_offsets_partition partition;
    kci_codec_init(&kci_list_offsets_request__list_offsets_partition_schema, &partition);
    struct kci_list_offsets_request__list_offsets_topic of = { .name = NAME("t"),
                                                               .partitions = &partition,
                                                               .partitions_count = 1 };
    struct kci_list_offsets_request offsets;
    kci_codec_init(&kci_list_offsets_request_schema, &offsets);
    offsets.replica_id = -1;
    offsets.topics = &of;
    offsets.topics_count = 1;
    struct kci_list_offsets_response *listed = client_call(client, KCI_API_LIST_OFFSETS, 7, &offsets);
    assert_int_equal(listed->topics[0].partitions[0].error_code, KCI_FENCED_LEADER_EPOCH);
    world_close(&world);
}

/* In a fetch session a request names nothing; what the session holds is meant, and the answer tells of it. */
static void a_fetch_session_is_met_too(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_fetch(client, (struct fetch_of){ .topic = "t", .min_bytes = 1, .make_session = true });
    int32_t session = client_fetched_all(client)->session_id;
    assert_int_not_equal(session, 0);
    world_fault(&world, "{\"match\":{\"api\":\"Fetch\",\"topic\":\"t\",\"partition\":0},\"count\":1,"
                        "\"action\":{\"type\":\"error\",\"error\":\"NOT_LEADER_OR_FOLLOWER\"}}");
    client_fetch(client,
                 (struct fetch_of){ .max_wait_ms = 500, .min_bytes = 1, .session_id = session, .session_epoch = 1 });
    struct kci_fetch_response *answer = client_fetched_all(client);
    assert_non_null(answer);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partitions[0].error_code, KCI_NOT_LEADER_OR_FOLLOWER);
    world_close(&world);
}

/* Answers of the coordinator have their error at the top, and the group is not touched. */
static void a_coordinator_that_loads(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    int32_t fault = world_fault(&world, "{\"match\":{\"group\":\"g\"},\"action\":\"coordinator_loading\"}");
    struct client *client = world_client(&world, 1);
    struct kci_join_group_request join;
    kci_codec_init(&kci_join_group_request_schema, &join);
    join.group_id = NAME("g");
    join.session_timeout_ms = 10000;
    join.protocol_type = NAME("consumer");
    struct kci_join_group_request__join_group_request_protocol protocol = { .name = NAME("range") };
    join.protocols = &protocol;
    join.protocols_count = 1;
    struct kci_join_group_response *joined = client_call(client, KCI_API_JOIN_GROUP, 7, &join);
    assert_int_equal(joined->error_code, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    struct kci_heartbeat_request beat = { .group_id = NAME("g"), .member_id = NAME("m") };
    struct kci_heartbeat_response *beaten = client_call(client, KCI_API_HEARTBEAT, 4, &beat);
    assert_int_equal(beaten->error_code, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    struct kci_offset_commit_request__offset_commit_request_partition partition;
    kci_codec_init(&kci_offset_commit_request__offset_commit_request_partition_schema, &partition);
    struct kci_offset_commit_request__offset_commit_request_topic topic = { .name = NAME("t"),
                                                                            .partitions = &partition,
                                                                            .partitions_count = 1 };
    struct kci_offset_commit_request commit;
    kci_codec_init(&kci_offset_commit_request_schema, &commit);
    commit.group_id = NAME("g");
    commit.topics = &topic;
    commit.topics_count = 1;
    struct kci_offset_commit_response *committed = client_call(client, KCI_API_OFFSET_COMMIT, 8, &commit);
    assert_int_equal(committed->topics[0].partitions[0].error_code, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    struct kci_offset_fetch_request__offset_fetch_request_group group = { .group_id = NAME("g"),
                                                                          .topics_count = -1,
                                                                          .member_epoch = -1 };
    struct kci_offset_fetch_request offsets;
    kci_codec_init(&kci_offset_fetch_request_schema, &offsets);
    offsets.groups = &group;
    offsets.groups_count = 1;
    struct kci_offset_fetch_response *fetched = client_call(client, KCI_API_OFFSET_FETCH, 8, &offsets);
    assert_int_equal(fetched->groups[0].error_code, KCI_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(world_hits(&world, fault), 4);
    beat.group_id = NAME("other");
    beaten = client_call(client, KCI_API_HEARTBEAT, 4, &beat);
    assert_int_equal(beaten->error_code, KCI_UNKNOWN_MEMBER_ID); /* another group is not met */
    world_close(&world);
}

/* CreateTopics, InitProducerId and FindCoordinator: the rest of what a client needs. */
static void errors_of_the_other_apis(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    world_fault(&world, "{\"match\":{\"api\":[\"CreateTopics\",\"InitProducerId\",\"FindCoordinator\"]},"
                        "\"action\":{\"type\":\"error\",\"error\":\"COORDINATOR_NOT_AVAILABLE\"}}");
    struct kci_create_topics_request__creatable_topic topic = { .name = NAME("new"),
                                                                .num_partitions = 1,
                                                                .replication_factor = 1 };
    struct kci_create_topics_request create = { .topics = &topic, .topics_count = 1, .timeout_ms = 1000 };
    struct kci_create_topics_response *created = client_call(client, KCI_API_CREATE_TOPICS, 7, &create);
    assert_int_equal(created->topics_count, 1);
    assert_true(kci_str_equal(created->topics[0].name, NAME("new")));
    assert_int_equal(created->topics[0].error_code, KCI_COORDINATOR_NOT_AVAILABLE);
    assert_null(mb_topic_find(world.cluster, NAME("new")));
    struct kci_init_producer_id_request init = { .transaction_timeout_ms = 1000,
                                                 .producer_id = -1,
                                                 .producer_epoch = -1 };
    struct kci_init_producer_id_response *made = client_call(client, KCI_API_INIT_PRODUCER_ID, 4, &init);
    assert_int_equal(made->error_code, KCI_COORDINATOR_NOT_AVAILABLE);
    struct kci_str key = NAME("g");
    struct kci_find_coordinator_request find = { .coordinator_keys = &key, .coordinator_keys_count = 1 };
    struct kci_find_coordinator_response *found = client_call(client, KCI_API_FIND_COORDINATOR, 4, &find);
    assert_int_equal(found->coordinators[0].error_code, KCI_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(found->coordinators[0].node_id, -1);
    world_close(&world);
}

/* nth, count, probability, duration, client id and version: who is met and who is not. */
static void a_match_is_exact(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    struct client *client = world_client(&world, 1), *other = world_client(&world, 1);
    struct kci_metadata_request all = { .topics_count = -1 };
    int32_t third = world_fault(
        &world, "{\"match\":{\"api\":\"Metadata\",\"nth\":3},\"action\":{\"type\":\"throttle\",\"ms\":77}}");
    for (int i = 1; i <= 5; i++)
        assert_int_equal(
            ((struct kci_metadata_response *)client_call(client, KCI_API_METADATA, 9, &all))->throttle_time_ms,
            i == 3 ? 77 : 0);
    assert_int_equal(world_hits(&world, third), 1);
    assert_true(mb_fault_remove(world.cluster, third, world.now));

    world_fault(&world, "{\"match\":{\"api\":\"Metadata\",\"client_id\":\"spec*\",\"version\":[8,9],\"broker\":1},"
                        "\"duration_ms\":1000,\"action\":{\"type\":\"throttle\",\"ms\":5}}");
    other->id = "special";
    assert_int_equal(((struct kci_metadata_response *)client_call(client, KCI_API_METADATA, 9, &all))->throttle_time_ms,
                     0);
    assert_int_equal(((struct kci_metadata_response *)client_call(other, KCI_API_METADATA, 9, &all))->throttle_time_ms,
                     5);
    assert_int_equal(((struct kci_metadata_response *)client_call(other, KCI_API_METADATA, 7, &all))->throttle_time_ms,
                     0);
    world_at(&world, 1001 * MS);
    assert_int_equal(((struct kci_metadata_response *)client_call(other, KCI_API_METADATA, 9, &all))->throttle_time_ms,
                     0);
    mb_fault_remove_all(world.cluster, world.now);

    int32_t half = world_fault(&world, "{\"match\":{\"api\":\"Metadata\",\"probability\":0.5,\"seed\":4},"
                                       "\"action\":{\"type\":\"throttle\",\"ms\":5}}");
    for (int i = 0; i < 200; i++)
        client_call(client, KCI_API_METADATA, 9, &all);
    assert_true(world_hits(&world, half) > 70 && world_hits(&world, half) < 130);
    world_close(&world);
}

/* Nonsense is refused with the name of what is wrong; of a list, nothing is armed then. */
static void nonsense_is_refused(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    world_bad_fault(&world, "{\"action\":\"silence\"", "line 1");
    world_bad_fault(&world, "{\"match\":{}}", "\"action\"");
    world_bad_fault(&world, "{\"match\":{\"topics\":\"t\"},\"action\":\"silence\"}", "\"topics\"");
    world_bad_fault(&world, "{\"match\":{\"api\":\"Produse\"},\"action\":\"silence\"}", "\"api\"");
    world_bad_fault(&world, "{\"match\":{\"broker\":3},\"action\":\"silence\"}", "\"broker\": a number from 1 to 2");
    world_bad_fault(&world, "{\"match\":{\"partition\":3},\"action\":\"silence\"}", "goes with a topic");
    world_bad_fault(&world, "{\"action\":\"silense\"}", "one of error");
    world_bad_fault(&world, "{\"action\":{\"type\":\"delay\"}}", "needs \"ms\"");
    world_bad_fault(&world, "{\"action\":{\"type\":\"silence\",\"ms\":3}}", "no use for \"ms\"");
    world_bad_fault(&world, "{\"action\":{\"type\":\"error\",\"error\":\"NO_SUCH\"}}", "\"error\"");
    world_bad_fault(&world, "{\"action\":{\"type\":\"error\",\"error\":7}}", "of which API");
    world_bad_fault(&world, "{\"action\":\"torn_write\"}", "no storage");
    world_bad_fault(&world, "{\"count\":0,\"action\":\"silence\"}", "\"count\"");
    world_bad_fault(&world, "[{\"action\":\"silence\"},{\"action\":1}]", "fault 2 of 2");
    assert_string_equal(world_faults(&world, 0), "{\"faults\":[],\"never_fired\":[]}");
    int32_t first = world_fault(&world, "{\"faults\":[{\"action\":\"silence\"},{\"action\":\"barrier\"}]}");
    assert_int_equal(world_hits(&world, first + 1), 0);
    assert_non_null(strstr(world_faults(&world, 0), "\"never_fired\":[1,2]"));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_before_applying_leaves_no_trace),
        cmocka_unit_test(an_error_after_applying_is_a_lie),
        cmocka_unit_test(a_part_of_a_request_is_refused),
        cmocka_unit_test(answers_of_readers_carry_the_error),
        cmocka_unit_test(a_fetch_session_is_met_too),
        cmocka_unit_test(a_coordinator_that_loads),
        cmocka_unit_test(errors_of_the_other_apis),
        cmocka_unit_test(a_match_is_exact),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
