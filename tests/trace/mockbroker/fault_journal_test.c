/* The journal: what was asked and answered, questions to it, its budget; storage that fails; a reset. */
#include "support/fault_story.h"
#include "support/memory_storage.h"

static const struct kci_metadata_request all_topics = { .topics_count = -1 };

static const char *entries(struct world *world, const char *match)
{
    struct kci_writer w = kci_writer_of(&world->alloc, 1 << 24);
    char why[300];
    if (mb_journal_print(world->cluster, kci_str_of(match), &w, why, sizeof why) != 0)
        fail_msg("%s: %s", match, why);
    const char *text = kci_arena_text(&world->arena, (struct kci_str){ (const char *)w.data, w.size });
    kci_writer_destroy(&w);
    return text;
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* 1: it is so; 0: it is not; -1: no question. *text says why. */
static int ask(struct world *world, const char *question, const char **text)
{
    struct kci_writer w = kci_writer_of(&world->alloc, 1 << 20);
    char why[300];
    bool ok = false;
    int result = mb_journal_verify(world->cluster, kci_str_of(question), &ok, &w, why, sizeof why);
    *text = kci_arena_text(&world->arena, result ? kci_str_of(why) : (struct kci_str){ (const char *)w.data, w.size });
    kci_writer_destroy(&w);
    return result ? -1 : ok;
}

/* Requests and answers are there with time, client, outcome and the faults that they met; questions about them are
 * answered. */
static void what_was_said(void **state)
{
    struct world world;
    const char *text;
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(mb_journal_set(world.cluster, 1 << 20), 0);
    struct client *client = world_client(&world, 1), *other = world_client(&world, 1);
    other->id = "other";
    world_fault(&world, "{\"match\":{\"api\":\"Produce\"},\"count\":1,\"action\":{\"type\":\"error\",\"error\":7}}");
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    client_produced(client);
    client_call(other, KCI_API_METADATA, 9, &all_topics);
    client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
    client_produced(client);
    client_produce(client, "t", 0, 0, world_batch(&world, (struct batch_of){ .count = 1 }));
    assert_int_equal(count_lines(entries(&world, "")), 4);
    assert_int_equal(count_lines(entries(&world, "{\"api\":\"Produce\",\"topic\":\"t\"}")), 3);
    assert_int_equal(count_lines(entries(&world, "{\"client_id\":\"oth*\"}")), 1);
    assert_int_equal(count_lines(entries(&world, "{\"since\":3}")), 1);
    text = entries(&world, "{\"fault\":1}");
    assert_non_null(strstr(text, "\"seq\":1,"));
    assert_non_null(strstr(text, "\"acks\":-1"));
    assert_non_null(strstr(text, "\"error_code\":7"));
    assert_non_null(strstr(entries(&world, "{\"since\":3}"), "\"outcome\":\"unanswered\""));

    assert_int_equal(ask(&world, "{\"match\":{\"api\":\"Produce\"},\"count\":3}", &text), 1);
    assert_int_equal(ask(&world, "{\"match\":{\"api\":\"Produce\",\"request\":{\"acks\":0}},\"max\":1}", &text), 1);
    assert_int_equal(ask(&world, "{\"match\":{\"api\":\"Produce\",\"topic\":\"t\"},\"min\":4}", &text), 0);
    assert_non_null(strstr(text, "3 requests match, at least 4 were expected"));
    assert_int_equal(
        ask(&world, "{\"in_order\":[{\"api\":\"Produce\",\"fault\":1},{\"api\":\"Metadata\"},{\"api\":\"Produce\"}]}",
            &text),
        1);
    assert_int_equal(ask(&world, "{\"in_order\":[{\"api\":\"Metadata\"},{\"api\":\"Metadata\"}]}", &text), 0);
    assert_non_null(strstr(text, "step 2 of 2 does not come after request 2"));
    assert_int_equal(ask(&world, "{\"match\":{\"api\":\"Produce\"}}", &text), -1);
    assert_int_equal(ask(&world, "{\"match\":{\"colour\":3},\"count\":1}", &text), -1);
    assert_non_null(strstr(text, "\"colour\""));
    world_close(&world);
}

/* What a producer sent, batch by batch, can be asked for: how many records, in which codec, under which sequence; and a
 * retry is told from a batch that was made anew by its CRC. Records themselves stay out. */
static void batches_can_be_asked_for(void **state)
{
    struct world world;
    const char *text, *crc;
    char question[300];
    (void)state;
    world_open(&world, 1, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    assert_int_equal(mb_journal_set(world.cluster, 1 << 20), 0);
    struct client *client = world_client(&world, 1);
    struct kci_bytes batch = world_batch(
        &world, (struct batch_of){ .count = 3, .codec = KCI_CODEC_GZIP, .producer_id = 7, .epoch = 2, .sequence = 0 });
    for (int attempt = 0; attempt < 2; attempt++) { /* the same bytes again */
        client_produce(client, "t", 0, -1, batch);
        client_produced(client);
    }
    text = entries(&world,
                   "{\"api\":\"Produce\",\"request\":{\"topic_data\":[{\"partition_data\":[{\"records\":{\"batches\":"
                   "[{\"records\":3,\"codec\":\"gzip\",\"producer_id\":7,\"producer_epoch\":2,\"base_sequence\":0,"
                   "\"transactional\":false,\"control\":false}]}}]}]}}");
    assert_int_equal(count_lines(text), 2);
    crc = strstr(text, "\"crc\":");
    assert_non_null(crc);
    snprintf(question, sizeof question,
             "{\"match\":{\"request\":{\"topic_data\":[{\"partition_data\":[{\"records\":{\"batches\":[{%.*s}]}}]}]}},"
             "\"count\":2}",
             (int)strcspn(crc, ","), crc);
    assert_int_equal(ask(&world, question, &text), 1);
    assert_int_equal(ask(&world,
                         "{\"match\":{\"request\":{\"topic_data\":[{\"partition_data\":[{\"records\":{\"batches\":"
                         "[{\"codec\":\"none\"}]}}]}]}},\"count\":1}",
                         &text),
                     0);
    world_close(&world);
}

/* Off by default, and a question then says so; a budget keeps the latest. */
static void its_budget(void **state)
{
    struct world world;
    const char *text;
    (void)state;
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    client_call(client, KCI_API_METADATA, 9, &all_topics);
    assert_int_equal(ask(&world, "{\"count\":0}", &text), -1);
    assert_non_null(strstr(text, "off"));
    assert_int_equal(mb_journal_set(world.cluster, 1), -1);
    assert_int_equal(mb_journal_set(world.cluster, MB_JOURNAL_BYTES_MIN), 0);
    for (int i = 0; i < 500; i++)
        client_call(client, KCI_API_METADATA, 9, &all_topics);
    assert_true(world.cluster->journal->bytes <= MB_JOURNAL_BYTES_MIN);
    assert_true(world.cluster->journal->evicted > 100);
    assert_int_equal(count_lines(entries(&world, "{\"since\":499}")), 1);
    world_close(&world);
}

/* A full disk, a torn write and a bad read: each is an error for the producer or the consumer, and counted. */
static void storage_fails(void **state)
{
    static const char *const actions[] = { "\"storage_full\"", "\"write_error\"",
                                           "{\"type\":\"torn_write\",\"bytes\":20}" };
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct memory_storage *memory = calloc(1, sizeof *memory);
        struct kci_storage storage = memory_storage_of(memory);
        struct world world;
        char json[200];
        world_open_with(&world, (struct mb_options){ .brokers = 1, .storage = &storage });
        world_topic(&world, "t", 1, 1, NULL);
        struct client *client = world_client(&world, 1);
        snprintf(json, sizeof json,
                 "{\"match\":{\"topic\":\"t\",\"partition\":0,\"broker\":1},\"count\":1,\"action\":%s}", actions[i]);
        int32_t fault = world_fault(&world, json);
        client_produce(client, "t", 0, -1, world_batch(&world, (struct batch_of){ .count = 1 }));
        assert_int_not_equal(client_produced(client)->error_code, 0);
        assert_int_equal(world_hits(&world, fault), 1);
        world_close(&world);
        memory_storage_free(memory);
        free(memory);
    }
}

/* After a reset the cluster is as at its start, and works. */
static void a_reset(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, 3, NULL);
    world_topic(&world, "t", 1, 1, NULL);
    mb_journal_set(world.cluster, 1 << 20);
    struct client *client = world_client(&world, 1);
    struct kci_str key = NAME("g");
    struct kci_find_coordinator_request find = { .coordinator_keys = &key, .coordinator_keys_count = 1 };
    client_call(client, KCI_API_FIND_COORDINATOR, 4, &find); /* makes __consumer_offsets */
    world_fault(&world, "{\"match\":{\"api\":\"Metadata\"},\"action\":\"barrier\"}");
    client_send(client, KCI_API_METADATA, 9, &all_topics);
    mb_cluster_reset(world.cluster, world.now);
    world_step(&world);
    struct kci_metadata_response *answer = client_answer(client, KCI_API_METADATA, 9);
    assert_non_null(answer); /* the barrier is gone */
    assert_string_equal(world_faults(&world, 0), "{\"faults\":[],\"never_fired\":[]}");
    answer = client_call(client, KCI_API_METADATA, 9, &all_topics);
    assert_int_equal(answer->topics_count, 0);
    assert_int_equal(count_lines(entries(&world, "")), 1);
    client_call(client, KCI_API_FIND_COORDINATOR, 4, &find);
    world_topic(&world, "t", 1, 1, NULL);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said), cmocka_unit_test(batches_can_be_asked_for),
        cmocka_unit_test(its_budget),    cmocka_unit_test(storage_fails),
        cmocka_unit_test(a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
