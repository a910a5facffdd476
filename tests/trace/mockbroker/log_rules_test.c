/* Rules of logs and their names (PROTOCOL 4.3) that have no story of their own. */
#include "support/disk_story.h"
#include "support/group_story.h"

static void open_on_disk(struct world *world)
{
    world_open_with(world, (struct mb_options){ .brokers = 1, .storage = &disk.face });
}

/* segment.ms counts from the first record of a segment to the one that comes, by their own times. */
static void a_segment_is_closed_by_age(void **state)
{
    static const struct {
        int64_t later_ms; /* than the first batch */
        bool opens_another;
    } rows[] = { { 0, true }, { 999, false }, { 1000, false }, { 1001, true }, { 2001, false }, { 2002, true } };
    struct world world;
    (void)state;
    open_on_disk(&world);
    world_topic(&world, "t", 1, 1, "segment.ms=1000");
    struct client *client = world_client(&world, 1);
    int64_t first_ms = WORLD_EPOCH_US / 1000 - 10000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[80];
        client_produce(client, "t", 0, 1,
                       world_batch(&world, (struct batch_of){ .timestamp_ms = first_ms + rows[i].later_ms }));
        assert_int_equal(client_produced(client)->base_offset, i);
        snprintf(path, sizeof path, "broker-1/t-0/%020d.log", (int)i);
        if ((disk_find(&disk, path) != NULL) != rows[i].opens_another)
            fail_msg("row %zu: %s segment", i, rows[i].opens_another ? "no new" : "a new");
    }
    world_close(&world);
}

/* 1 to 249 of the letters, digits, '.', '_' and '-'; not "." or ".."; and '.' is as good as '_' (metrics mix them up). */
static void names_of_topics(void **state)
{
    static char longest[250], too_long[251];
    static const struct {
        const char *name;
        int16_t error;
    } rows[] = {
        { "", KCI_INVALID_TOPIC_EXCEPTION },
        { ".", KCI_INVALID_TOPIC_EXCEPTION },
        { "..", KCI_INVALID_TOPIC_EXCEPTION },
        { "a b", KCI_INVALID_TOPIC_EXCEPTION },
        { "a/b", KCI_INVALID_TOPIC_EXCEPTION },
        { "\303\274", KCI_INVALID_TOPIC_EXCEPTION },
        { "a,b", KCI_INVALID_TOPIC_EXCEPTION },
        { too_long, KCI_INVALID_TOPIC_EXCEPTION },
        { longest, KCI_NONE },
        { "...", KCI_NONE },
        { "Aa0._-", KCI_NONE },
        { "Aa0._-", KCI_TOPIC_ALREADY_EXISTS },
        { "Aa0_.-", KCI_INVALID_TOPIC_EXCEPTION },
        { "Aa0.__", KCI_NONE },
    };
    struct world world;
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    memset(too_long, 'y', sizeof too_long - 1);
    world_open(&world, 1, NULL);
    struct client *client = world_client(&world, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kci_create_topics_request__creatable_topic topic = { .name = kci_str_of(rows[i].name),
                                                                    .num_partitions = 1,
                                                                    .replication_factor = 1 };
        struct kci_create_topics_request body = { .topics = &topic, .topics_count = 1, .timeout_ms = 1000 };
        const struct kci_create_topics_response *answer = client_call(client, KCI_API_CREATE_TOPICS, 7, &body);
        if (answer->topics[0].error_code != rows[i].error)
            fail_msg("'%s': %s instead of %s", rows[i].name, kci_error_name(answer->topics[0].error_code),
                     kci_error_name(rows[i].error));
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_segment_is_closed_by_age, setup, teardown),
        cmocka_unit_test(names_of_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
