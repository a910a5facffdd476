/* Faults of time and of bytes: delays, barriers, silence, broken connections, answers that are slow, cut, wrong or
 * untrue. */
#include "support/fault_story.h"

static const struct kci_metadata_request all_topics = { .topics_count = -1 };

static void ask(struct client *client)
{
    client_send(client, KCI_API_METADATA, 9, &all_topics);
}

static struct kci_metadata_response *told(struct client *client)
{
    return client_answer(client, KCI_API_METADATA, 9);
}

/* A delay holds one connection for its time; another one is served meanwhile. */
static void a_delay_is_of_one_connection(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *slow = world_client(&world, 1), *quick = world_client(&world, 1);
    slow->id = "slow";
    int32_t fault = world_fault(
        &world, "{\"match\":{\"client_id\":\"slow\",\"nth\":1},\"action\":{\"type\":\"delay\",\"ms\":300}}");
    ask(slow);
    ask(slow); /* pipelined behind it: waits, too */
    ask(quick);
    assert_null(told(slow));
    assert_non_null(told(quick));
    world_at(&world, 299 * MS);
    assert_null(told(slow));
    world_at(&world, 300 * MS);
    assert_non_null(told(slow));
    assert_non_null(told(slow));
    assert_int_equal(world_hits(&world, fault), 1);
    world_close(&world);
}

/* A delay before applying holds the write back, one after applying holds the answer back; jitter stays within its
 * bounds. */
static void a_delay_before_and_after(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1);
    world_fault(
        &world,
        "[{\"match\":{\"api\":\"Produce\",\"nth\":1},\"action\":{\"type\":\"delay\",\"ms\":100,\"jitter_ms\":50}},"
        "{\"match\":{\"api\":\"Produce\",\"nth\":1},\"action\":{\"type\":\"delay\",\"ms\":200,\"when\":\"after\"}}]");
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    world_at(&world, 99 * MS);
    assert_int_equal(world_look(&world, "t", 0).log_end, 0);
    world_at(&world, 150 * MS);
    assert_int_equal(world_look(&world, "t", 0).log_end, 1);
    world_at(&world, 299 * MS);
    assert_null(client_produced(client));
    world_at(&world, 350 * MS);
    assert_int_equal(client_produced(client)->error_code, 0);
    world_close(&world);
}

/* Two requests wait at a barrier; one is released, then the fault is removed and the other goes on. */
static void a_barrier_holds_until_it_is_told(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *one = world_client(&world, 1), *two = world_client(&world, 1);
    int32_t fault = world_fault(&world, "{\"match\":{\"api\":\"Metadata\"},\"action\":\"barrier\"}");
    ask(one);
    ask(two);
    world_at(&world, 60 * SECOND);
    assert_null(told(one));
    assert_int_equal(world_fault_number(&world, fault, "held"), 2);
    assert_int_equal(mb_fault_release(world.cluster, fault, 1, world.now), 1);
    world_step(&world);
    assert_non_null(told(one));
    assert_null(told(two));
    assert_true(mb_fault_remove(world.cluster, fault, world.now));
    world_step(&world);
    assert_non_null(told(two));
    assert_int_equal(mb_fault_release(world.cluster, fault, -1, world.now), -1);
    world_close(&world);
}

/* Silence: applied or not, no answer ever; the client gives up and everything is freed. */
static void silence_is_for_ever(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    struct client *client = world_client(&world, 1), *another = world_client(&world, 1);
    another->id = "another";
    world_fault(&world, "[{\"match\":{\"client_id\":\"test\",\"api\":\"Produce\"},\"action\":\"silence\"},"
                        "{\"match\":{\"client_id\":\"another\",\"api\":\"Produce\"},\"action\":{\"type\":\"silence\","
                        "\"when\":\"after\"}}]");
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(world_look(&world, "t", 0).log_end, 0);
    client_produce(another, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(world_look(&world, "t", 0).log_end, 1);
    world_at(&world, 3600 * (int64_t)SECOND);
    assert_null(client_produced(client));
    assert_null(client_produced(another));
    world.engine.ops->on_close(world.engine.self, client->conn, client->user, "reset", world.now);
    world_step(&world);
    assert_int_equal(world.cluster->request_count, 1);
    world_close(&world);
}

/* Disconnect: before applying, after applying, after seven bytes of the answer. */
static void a_connection_breaks(void **state)
{
    static const char *const actions[] = { "\"disconnect\"", "{\"type\":\"disconnect\",\"when\":\"after\"}",
                                           "{\"type\":\"disconnect\",\"bytes\":7}" };
    for (int i = 0; i < 3; i++) {
        struct world world;
        char json[200];
        (void)state;
        world_open(&world, 1, NULL);
        world_topic(&world, "t", 1, 1, NULL);
        struct client *client = world_client(&world, 1);
        snprintf(json, sizeof json, "{\"match\":{\"api\":\"Produce\"},\"count\":1,\"action\":%s}", actions[i]);
        int32_t fault = world_fault(&world, json);
        client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
        assert_true(client->closed);
        assert_int_equal(client->in_size, i == 2 ? 7 : 0);
        assert_int_equal(world_look(&world, "t", 0).log_end, i == 0 ? 0 : 1);
        assert_int_equal(world_hits(&world, fault), 1);
        world_close(&world);
    }
}

/* An answer at ten bytes a millisecond, and the next request not before it is out. */
static void an_answer_comes_slowly(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    world_fault(&world, "{\"match\":{\"nth\":1},\"action\":{\"type\":\"slow_write\",\"bytes\":10,\"ms\":1}}");
    ask(client);
    assert_int_equal(client->in_size, 10);
    world_at(&world, 2 * MS);
    assert_int_equal(client->in_size, 30);
    world_at(&world, 1 * SECOND);
    assert_non_null(told(client));
    mb_fault_remove_all(world.cluster, world.now);
    world_fault(&world, "{\"action\":\"slow_write\"}"); /* one byte at a time */
    ask(client);
    assert_int_equal(client->in_size, 1);
    world_at(&world, 2 * SECOND);
    assert_non_null(told(client));
    world_close(&world);
}

/* Wrong correlation, cut frame, flipped bytes: what arrives is damaged as told, and the connection stays. */
static void bytes_are_damaged(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    ask(client);
    size_t whole = client->in_size;
    uint8_t good[400];
    assert_true(whole < sizeof good);
    memcpy(good, client->in, whole);
    assert_non_null(told(client));

    world_fault(&world, "{\"count\":1,\"action\":\"wrong_correlation\"}");
    ask(client);
    assert_int_equal(kci_be32(client->in + 4), 3);
    client->in_size = 0;

    world_fault(&world, "{\"count\":1,\"action\":{\"type\":\"truncate\",\"bytes\":4}}");
    ask(client);
    assert_int_equal(client->in_size, 4 + 5 + 4); /* size, header with its tags, four bytes of body */
    assert_int_equal(kci_be32(client->in), 9);
    client->in_size = 0;

    world_fault(&world, "{\"count\":1,\"action\":{\"type\":\"corrupt\",\"offset\":8,\"bytes\":2}}");
    ask(client);
    assert_int_equal(client->in_size, whole);
    kci_put32(good + 4, 4); /* correlation */
    for (size_t i = 0; i < whole; i++)
        assert_int_equal(client->in[i] != good[i], i == 17 || i == 18);
    client->in_size = 0;
    assert_false(client->closed);
    world_close(&world);
}

/* What goes out need not be a frame: bytes as they were given, whatever else meets the answer; and the next answer is
 * what it should be. */
static void raw_bytes_instead_of_an_answer(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    assert_int_equal(mb_journal_set(world.cluster, MB_JOURNAL_BYTES_MIN), 0);
    struct client *client = world_client(&world, 1);
    int32_t fault = world_fault(&world, "{\"count\":1,\"action\":{\"type\":\"raw\",\"text\":\"HTTP/1.1 400\"}}");
    ask(client);
    assert_int_equal(client->in_size, 12);
    assert_memory_equal(client->in, "HTTP/1.1 400", 12);
    client->in_size = 0;
    world_fault(&world, "[{\"count\":1,\"action\":{\"type\":\"duplicate\",\"by\":1}},{\"count\":1,\"action\":{\"type\":"
                        "\"raw\",\"hex\":\"fFfE\"}},"
                        "{\"count\":1,\"action\":\"corrupt\"},{\"count\":1,\"action\":\"truncate\"},{\"count\":1,"
                        "\"action\":\"wrong_correlation\"},"
                        "{\"count\":1,\"action\":\"empty_metadata\"}]");
    ask(client);
    assert_int_equal(client->in_size, 4);
    assert_memory_equal(client->in, "\xff\xfe\xff\xfe", 4);
    client->in_size = 0;
    ask(client);
    assert_int_equal(kci_be32(client->in + 4), 3); /* the third request's own answer */
    assert_int_equal(world_hits(&world, fault), 1);
    world_bad_fault(&world, "{\"action\":\"raw\"}", "\"raw\" needs \"hex\" or \"text\"");
    world_bad_fault(&world, "{\"action\":{\"type\":\"raw\",\"hex\":\"0\"}}", "two hexadecimal digits");
    world_bad_fault(&world, "{\"action\":{\"type\":\"raw\",\"hex\":\"0g\"}}", "two hexadecimal digits");
    world_bad_fault(&world, "{\"action\":{\"type\":\"raw\",\"text\":\"\"}}", "1 to 500 bytes");
    world_close(&world);
}

static int16_t told_max(const struct kci_api_versions_response *answer, int16_t key)
{
    for (int32_t i = 0; i < answer->api_keys_count; i++)
        if (answer->api_keys[i].api_key == key)
            return answer->api_keys[i].max_version;
    return -1;
}

/* One broker of two is behind: it tells a lower version of one API, and does not tell another at all. */
static void versions_are_told_lower(void **state)
{
    struct world world;
    struct kci_api_versions_request request;
    (void)state;
    world_open(&world, 2, NULL);
    kci_codec_init(&kci_api_versions_request_schema, &request);
    request.client_software_name = request.client_software_version = NAME("x");
    int32_t fault = world_fault(
        &world, "[{\"match\":{\"broker\":2},\"action\":{\"type\":\"versions\",\"api\":\"Fetch\",\"max\":11}},"
                "{\"match\":{\"broker\":2},\"action\":{\"type\":\"versions\",\"api\":\"InitProducerId\",\"max\":-1}}]");
    for (int16_t version = 0; version <= 3; version++) {
        struct kci_api_versions_response *newer =
            client_call(world_client(&world, 1), KCI_API_API_VERSIONS, version, &request);
        struct kci_api_versions_response *older =
            client_call(world_client(&world, 2), KCI_API_API_VERSIONS, version, &request);
        assert_true(told_max(newer, KCI_API_FETCH) > 11 && told_max(newer, KCI_API_INIT_PRODUCER_ID) >= 0);
        assert_int_equal(told_max(older, KCI_API_FETCH), 11);
        assert_int_equal(told_max(older, KCI_API_INIT_PRODUCER_ID), -1);
        assert_int_equal(older->api_keys_count, newer->api_keys_count - 1);
    }
    assert_int_equal(world_hits(&world, fault), 4);
    world_bad_fault(&world, "{\"action\":{\"type\":\"versions\",\"api\":\"Fetch\"}}", "\"versions\" needs \"max\"");
    world_bad_fault(&world, "{\"action\":{\"type\":\"versions\",\"api\":\"Fish\",\"max\":1}}", "the name of an API");
    world_bad_fault(&world,
                    "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"versions\",\"api\":\"Fetch\",\"max\":1}}",
                    "about ApiVersions");
    world_close(&world);
}

static int32_t leader_of(const struct kci_metadata_response *answer, const char *topic)
{
    for (int32_t i = 0; i < answer->topics_count; i++)
        if (kci_str_equal(answer->topics[i].name, kci_str_of(topic)))
            return answer->topics[i].partitions[0].leader_id;
    return -1;
}

/* A broker that learns late shows a topic that is deleted, by name and among all, with its own id and its leaders. */
static void stale_metadata_shows_a_deleted_topic(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 2, 3, NULL);
    struct client *client = world_client(&world, 1);
    struct kci_metadata_request__metadata_request_topic topic = { .name = NAME("t") };
    struct kci_metadata_request one = { .topics = &topic, .topics_count = 1 };
    struct kci_metadata_response *answer = client_call(client, KCI_API_METADATA, 10, &one);
    struct kci_uuid id = answer->topics[0].topic_id;
    int32_t leader = answer->topics[0].partitions[1].leader_id;
    int32_t fault = world_fault(&world, "{\"action\":\"stale_metadata\"}");
    assert_int_equal(mb_cluster_delete_topic(world.cluster, NAME("t"), world.now), 0);
    for (int round = 0; round < 2; round++) { /* deleted; another one with its name */
        answer = client_call(client, KCI_API_METADATA, 10, &one);
        assert_int_equal(answer->topics_count, 1);
        assert_int_equal(answer->topics[0].error_code, KCI_NONE);
        assert_memory_equal(&answer->topics[0].topic_id, &id, sizeof id);
        ask(client);
        answer = told(client);
        assert_int_equal(answer->topics_count, 1);
        assert_int_equal(answer->topics[0].partitions_count, 2);
        assert_int_equal(answer->topics[0].partitions[1].leader_id, leader);
        if (!round)
            world_topic(&world, "t", 2, 3, NULL);
    }
    mb_fault_remove(world.cluster, fault, world.now);
    answer = client_call(client, KCI_API_METADATA, 10, &one);
    assert_memory_not_equal(&answer->topics[0].topic_id, &id, sizeof id);
    world_close(&world);
}

/* Metadata as it was; without a leader; without a topic; without a broker. */
static void metadata_is_not_true(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 2, 3, NULL);
    struct client *client = world_client(&world, 1);
    int32_t old = world_look(&world, "t", 0).leader, new = old % 3 + 1;
    int32_t fault = world_fault(&world, "{\"match\":{\"broker\":1},\"action\":\"stale_metadata\"}");
    assert_int_equal(mb_cluster_move_leader(world.cluster, NAME("t"), 0, new, world.now), 0);
    world_topic(&world, "later", 1, 1, NULL);
    ask(client);
    struct kci_metadata_response *answer = told(client);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].partitions[0].leader_id, old);
    struct client *truthful = world_client(&world, 2);
    ask(truthful);
    answer = told(truthful);
    assert_int_equal(answer->topics_count, 2);
    assert_int_equal(answer->topics[0].partitions[0].leader_id, new);
    mb_fault_remove(world.cluster, fault, world.now);

    fault = world_fault(&world, "{\"match\":{\"topic\":\"t\",\"partition\":1},\"action\":\"no_leader\"}");
    ask(client);
    answer = told(client);
    assert_int_equal(answer->topics[0].partitions[0].leader_id, new);
    assert_int_equal(answer->topics[0].partitions[1].leader_id, -1);
    assert_int_equal(answer->topics[0].partitions[1].error_code, KCI_LEADER_NOT_AVAILABLE);
    mb_fault_remove(world.cluster, fault, world.now);

    fault = world_fault(&world, "{\"match\":{\"topic\":\"t\"},\"action\":\"missing_topic\"}");
    struct kci_metadata_request__metadata_request_topic topic = { .name = NAME("t") };
    struct kci_metadata_request one = { .topics = &topic, .topics_count = 1 };
    answer = client_call(client, KCI_API_METADATA, 9, &one);
    assert_int_equal(answer->topics[0].error_code, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    mb_fault_remove(world.cluster, fault, world.now);

    fault = world_fault(&world, "{\"action\":{\"type\":\"hidden_broker\",\"broker\":2}}");
    ask(client);
    assert_int_equal(told(client)->brokers_count, 2);
    mb_fault_remove(world.cluster, fault, world.now);

    fault = world_fault(&world, "{\"match\":{\"topic\":\"t\"},\"action\":\"contradictory_metadata\"}");
    ask(client);
    ask(truthful);
    assert_int_equal(leader_of(told(client), "t"), 1);
    assert_int_equal(leader_of(told(truthful), "t"), 2);
    mb_fault_remove(world.cluster, fault, world.now);

    fault = world_fault(&world, "{\"match\":{\"broker\":1},\"action\":\"empty_metadata\"}");
    ask(client);
    answer = told(client);
    assert_int_equal(answer->brokers_count, 0);
    assert_int_equal(answer->topics_count, 0);
    assert_int_equal(world_hits(&world, fault), 1);
    world_close(&world);
}

/* A broker refuses two connections; then it takes them and reads nothing, until the hole is closed. */
static void connections_are_refused_or_swallowed(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    int32_t refuse = world_fault(&world, "{\"match\":{\"broker\":1},\"count\":2,\"action\":\"refuse\"}");
    assert_true(world_client(&world, 1)->closed);
    assert_false(world_client(&world, 2)->closed);
    assert_true(world_client(&world, 1)->closed);
    assert_false(world_client(&world, 1)->closed);
    assert_int_equal(world_hits(&world, refuse), 2);

    int32_t hole = world_fault(&world, "{\"match\":{\"broker\":1},\"action\":\"black_hole\"}");
    struct client *client = world_client(&world, 1), *other = world_client(&world, 2);
    ask(client);
    ask(other);
    assert_non_null(told(other));
    assert_true(client->waiting.size > 0); /* nothing of it was read */
    assert_int_equal(world_hits(&world, hole), 1);
    mb_fault_remove(world.cluster, hole, world.now);
    world_step(&world);
    assert_true(client->wants_space);
    client_push(client, 0);
    assert_non_null(told(client));
    world_close(&world);
}

/* An answer comes twice; or the second one answers what nobody asked. The next request has its own. */
static void an_answer_comes_twice(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    int32_t fault = world_fault(&world, "{\"count\":1,\"action\":\"duplicate\"}");
    ask(client);
    size_t half = client->in_size / 2;
    assert_memory_equal(client->in, client->in + half, half);
    client->in_size = half;
    assert_non_null(told(client));
    assert_int_equal(world_hits(&world, fault), 1);
    world_fault(&world, "{\"count\":1,\"action\":{\"type\":\"duplicate\",\"by\":1000}}");
    ask(client);
    half = client->in_size / 2;
    assert_int_equal(kci_be32(client->in + half + 4), kci_be32(client->in + 4) + 1000);
    client->in_size = half;
    assert_non_null(told(client));
    ask(client);
    assert_non_null(told(client));
    assert_false(client->closed);
    world_close(&world);
}

/* The broker reads ten bytes, rests for a millisecond, and so on; another broker reads as ever. */
static void a_request_is_read_slowly(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 2, NULL);
    int32_t fault =
        world_fault(&world, "{\"match\":{\"broker\":1},\"action\":{\"type\":\"slow_read\",\"bytes\":10,\"ms\":1}}");
    struct client *client = world_client(&world, 1), *other = world_client(&world, 2);
    ask(other);
    assert_non_null(told(other));
    assert_int_equal(world_hits(&world, fault), 0);
    ask(client);
    size_t size = client->waiting.size + 10, turns = 0;
    for (; client->waiting.size; turns++) {
        size_t before = client->waiting.size;
        client->wants_space = false;
        world_at(&world, world.now + MS - 1);
        assert_false(client->wants_space);
        world_at(&world, world.now + 1);
        assert_true(client->wants_space);
        client_push(client, 0);
        assert_int_equal(before - client->waiting.size, before < 10 ? before : 10);
    }
    assert_int_equal(turns, (size - 1) / 10);
    assert_non_null(told(client));
    assert_int_equal(world_hits(&world, fault), 1); /* connections are counted */

    /* removed in its rest: the client is read at once */
    ask(client);
    assert_true(client->waiting.size > 0);
    client->wants_space = false;
    mb_fault_remove(world.cluster, fault, world.now);
    world_step(&world);
    assert_true(client->wants_space);
    client_push(client, 0);
    assert_non_null(told(client));
    world_close(&world);
}

/* The connection ends in the middle of a request, which is not applied; the next connection works. */
static void a_request_is_cut(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    int32_t fault = world_fault(&world, "{\"count\":1,\"action\":{\"type\":\"cut_read\",\"bytes\":60}}");
    struct client *client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_true(client->closed);
    assert_int_equal(client->in_size, 0);
    assert_int_equal(world_look(&world, "t", 0).log_end, 0);
    assert_int_equal(world_hits(&world, fault), 1);
    client = world_client(&world, 1);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(client_produced(client)->error_code, 0);
    world_close(&world);
}

/* A black hole or a slow reader that is switched off lets its connections go, though they had met it. */
static void switched_off_it_lets_go(void **state)
{
    static const char *const faults[] = { "{\"action\":\"black_hole\"}", "{\"action\":\"slow_read\"}" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        world_open(&world, 1, NULL);
        int32_t fault = world_fault(&world, faults[i]);
        struct client *client = world_client(&world, 1);
        ask(client);
        assert_true(client->waiting.size > 0);
        assert_true(mb_fault_switch(world.cluster, fault, false, world.now));
        world_step(&world);
        assert_true(client->wants_space);
        client_push(client, 0);
        assert_non_null(told(client));
        world_close(&world);
    }
}

/* Wherever memory ends while faults work, nothing leaks and nothing crashes. */
static void memory_ends_anywhere(void **state)
{
    (void)state;
    for (size_t fail_at = 1; fail_at < 60; fail_at++) {
        struct world world;
        char why[200];
        world_open(&world, 1, NULL);
        world_topic(&world, "t", 2, 1, NULL);
        struct client *client = world_client(&world, 1);
        struct kci_bytes batch = world_batch(&world, (struct batch_of){ .count = 1 });
        client_produce(client, "t", 0, -1, batch); /* the client itself has its memory from now on */
        assert_int_equal(client_produced(client)->error_code, 0);
        mb_journal_set(world.cluster, 1 << 20);
        world.memory.fail_at = world.memory.count + fail_at;
        mb_fault_add(
            world.cluster,
            kci_str_of(
                "[{\"match\":{\"api\":\"Produce\",\"topic\":\"t\",\"partition\":0},"
                "\"action\":{\"type\":\"error\",\"error\":7}},"
                "{\"action\":{\"type\":\"delay\",\"ms\":3,\"when\":\"after\"}},{\"action\":\"stale_metadata\"}]"),
            NULL, why, sizeof why, world.now);
        client_produce(client, "t", 0, -1, batch);
        if (!client->closed)
            ask(client);
        world_at(&world, 1 * SECOND);
        world.memory.fail_at = 0;
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delay_is_of_one_connection),
        cmocka_unit_test(a_delay_before_and_after),
        cmocka_unit_test(a_barrier_holds_until_it_is_told),
        cmocka_unit_test(silence_is_for_ever),
        cmocka_unit_test(a_connection_breaks),
        cmocka_unit_test(an_answer_comes_slowly),
        cmocka_unit_test(bytes_are_damaged),
        cmocka_unit_test(raw_bytes_instead_of_an_answer),
        cmocka_unit_test(versions_are_told_lower),
        cmocka_unit_test(stale_metadata_shows_a_deleted_topic),
        cmocka_unit_test(metadata_is_not_true),
        cmocka_unit_test(connections_are_refused_or_swallowed),
        cmocka_unit_test(an_answer_comes_twice),
        cmocka_unit_test(a_request_is_read_slowly),
        cmocka_unit_test(a_request_is_cut),
        cmocka_unit_test(switched_off_it_lets_go),
        cmocka_unit_test(memory_ends_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
