/* What each error of one partition does, in Fetch, in ListOffsets for a reset and in OffsetForLeaderEpoch: what the
 * application is told, when the partition is asked again, whether the metadata is.  Where the error ends, records flow. */
#include "support/script_consumer.h"

/* Ten seconds of errors: back-offs of 100, 200, 400, 800, 1000 ms ..., each up to a fifth more or less. */
#define LONG_MS    10000
#define ASKED_MIN  10
#define ASKED_MAX  18
#define AT_ONCE_MS 70 /* less than the shortest back-off */

static struct script_peer peer;
static struct script_consumer sc;

static size_t sent(int16_t api)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == api;
    return count;
}

static void begin(enum kci_offset_reset reset)
{
    script_consumer_init(&sc, &peer);
    sc.settings.auto_offset_reset = reset;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
}

/* Polls bring `told` and nothing else, however often it is. */
static void expect_told(int16_t error, const char *told)
{
    script_poll(&sc);
    if (strcmp(sc.seen, told) != 0)
        fail_msg("%s: told \"%s\", not \"%s\"", kci_error_name(error), sc.seen, told);
    sc.seen[0] = 0;
}

static void expect_count(int16_t error, const char *what, size_t count, size_t least, size_t most)
{
    if (count < least || count > most)
        fail_msg("%s: %zu %s, not %zu to %zu", kci_error_name(error), count, what, least, most);
}

/* ---- Fetch ---- */

struct row {
    int16_t error;
    const char *told; /* by a poll after it */
    bool again;       /* the partition is fetched again, after a back-off, and the metadata is refreshed meanwhile */
};

static const struct row rows[] = {
    { KCI_NOT_LEADER_OR_FOLLOWER, "", true },
    { KCI_FENCED_LEADER_EPOCH, "", true },
    { KCI_UNKNOWN_LEADER_EPOCH, "", true },
    { KCI_UNKNOWN_TOPIC_OR_PARTITION, "", true },
    { KCI_UNKNOWN_TOPIC_ID, "", true },
    { KCI_INCONSISTENT_TOPIC_ID, "", true },
    { KCI_REPLICA_NOT_AVAILABLE, "", true },
    { KCI_KAFKA_STORAGE_ERROR, "", true },
    { KCI_OFFSET_NOT_AVAILABLE, "", true },
    { KCI_UNKNOWN_SERVER_ERROR, "", true },
    { KCI_TOPIC_AUTHORIZATION_FAILED, "!TOPIC_AUTHORIZATION_FAILED", true },
    { KCI_INVALID_REQUEST, "!INVALID_REQUEST", true }, /* none that a broker should give */
    { KCI_CORRUPT_MESSAGE, "!CORRUPT", false },        /* the same bytes would come again: the application seeks */
    { KCI_OFFSET_OUT_OF_RANGE, "!OFFSET_OUT_OF_RANGE", false }, /* the policy is none */
};
#define ROWS (sizeof rows / sizeof rows[0])

/* The first answer is an error: never again at once, at most as often as the back-off allows, and the position stays. */
static void test_fetch(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        int64_t position = -1;
        begin(KCI_RESET_NONE);
        sc.logs[0].error = row->error;
        size_t refreshed = sent(KCI_API_METADATA) + 1; /* with the topic's first */
        script_assign(&sc, 0, 0);
        expect_told(row->error, row->told);
        script_advance(&peer, AT_ONCE_MS);
        expect_count(row->error, "fetches at once", sent(KCI_API_FETCH), 1, 1);
        script_advance(&peer, LONG_MS);
        expect_count(row->error, "fetches", sent(KCI_API_FETCH), row->again ? ASKED_MIN : 1,
                     row->again ? ASKED_MAX : 1);
        expect_count(row->error, "refreshes", sent(KCI_API_METADATA) - refreshed, row->again ? 1 : 0,
                     row->again ? ASKED_MAX : 0);
        expect_told(row->error, row->told);
        kc_err known = kci_consumer_position(sc.core, "t", 0, &position, NULL);
        assert_true(known != KC_OK || position == 0);

        sc.logs[0].error = KCI_NONE;
        if (!row->again)
            assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 0, peer.now, NULL), KC_OK);
        script_advance(&peer, 1300);
        assert_seen(&sc, "t-0:0 t-0:1");
        script_consumer_end(&sc);
    }
}

/* The leader that an error names (KIP-951) is the one that we asked, in the epoch that we know: that is no news, so the
 * back-off holds and the metadata is asked, or the two would ask and answer without end. */
static void test_hint_without_news(void **state)
{
    static const int16_t errors[] = { KCI_NOT_LEADER_OR_FOLLOWER, KCI_FENCED_LEADER_EPOCH };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(KCI_RESET_NONE);
        sc.park_fetch = true;
        script_assign(&sc, 0, 0);
        size_t refreshed = sent(KCI_API_METADATA);
        for (int64_t passed = 0; passed < LONG_MS; passed += 10) {
            struct kci_fetch_response response;
            struct kci_fetch_response__fetchable_topic_response topic = { .topic_id = peer.topics[0].id };
            struct kci_fetch_response__partition_data partition;
            script_advance(&peer, 10);
            if (!script_waits(&sc, KCI_API_FETCH))
                continue;
            kci_codec_init(&kci_fetch_response_schema, &response);
            kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
            partition.error_code = errors[i];
            partition.current_leader.leader_id = 1;
            partition.current_leader.leader_epoch = 5;
            topic.partitions = &partition;
            topic.partitions_count = 1;
            response.responses = &topic;
            response.responses_count = 1;
            script_answer(&peer, script_expect(&sc, KCI_API_FETCH), &response);
        }
        expect_count(errors[i], "fetches", sent(KCI_API_FETCH), ASKED_MIN, ASKED_MAX);
        expect_count(errors[i], "refreshes", sent(KCI_API_METADATA) - refreshed, 1, ASKED_MAX);
        sc.park_fetch = false;
        script_advance(&peer, 1300);
        assert_seen(&sc, "t-0:0 t-0:1");
        script_consumer_end(&sc);
    }
}

/* A partition with an error does not hold up another one of the same broker, nor is it forgotten over that. */
static void test_neighbour(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    (void)state;
    script_consumer_init(&sc, &peer);
    peer.brokers = 1;
    script_consumer_create(&sc);
    script_append(&sc, 0, 1);
    sc.logs[0].error = KCI_KAFKA_STORAGE_ERROR;
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
    for (int i = 0; i < 20; i++) {
        char expected[20];
        snprintf(expected, sizeof expected, "t-1:%d", i);
        script_append(&sc, 1, 1);
        script_advance(&peer, 100);
        assert_seen(&sc, expected);
    }
    sc.logs[0].error = KCI_NONE;
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

/* The log is cut in front of what is to be fetched next, while records from before are queued: those are returned, and
 * only then is the offset missed. */
static void test_out_of_range_ahead(void **state)
{
    static const struct {
        enum kci_offset_reset policy;
        const char *then;
    } cases[] = { { KCI_RESET_EARLIEST, "t-0:5" }, { KCI_RESET_NONE, "!OFFSET_OUT_OF_RANGE" } };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(cases[i].policy);
        script_assign(&sc, 0, 0);
        script_append(&sc, 0, 4);
        sc.logs[0].start = 5; /* the fetch that waits is for offset 2 */
        script_advance(&peer, LONG_MS);
        expect_count(KCI_OFFSET_OUT_OF_RANGE, "fetches", sent(KCI_API_FETCH), 2, ASKED_MAX + 1);
        script_poll(&sc);
        assert_noted(&sc, "t-0:0 t-0:1");
        script_advance(&peer, 1300);
        assert_seen(&sc, cases[i].then);
        script_consumer_end(&sc);
    }
}

/* ---- lookups: ListOffsets for a reset, OffsetForLeaderEpoch ---- */

/* Answer the lookup that waits; offset -1 with an error. */
static void answer_list(int16_t error, int64_t offset)
{
    struct kci_list_offsets_response response;
    struct kci_list_offsets_response__list_offsets_topic_response topic = { .name = kci_str_of("t") };
    struct kci_list_offsets_response__list_offsets_partition_response partition;
    kci_codec_init(&kci_list_offsets_response_schema, &response);
    kci_codec_init(&kci_list_offsets_response__list_offsets_partition_response_schema, &partition);
    partition.error_code = error;
    partition.offset = offset;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    response.topics = &topic;
    response.topics_count = 1;
    script_answer(&peer, script_expect(&sc, KCI_API_LIST_OFFSETS), &response);
}

static void answer_epoch(int16_t error, int64_t offset)
{
    struct kci_offset_for_leader_epoch_response response;
    struct kci_offset_for_leader_epoch_response__offset_for_leader_topic_result topic = { .topic = kci_str_of("t") };
    struct kci_offset_for_leader_epoch_response__epoch_end_offset partition;
    kci_codec_init(&kci_offset_for_leader_epoch_response_schema, &response);
    kci_codec_init(&kci_offset_for_leader_epoch_response__epoch_end_offset_schema, &partition);
    partition.error_code = error;
    partition.leader_epoch = error ? -1 : 5;
    partition.end_offset = offset;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    response.topics = &topic;
    response.topics_count = 1;
    script_answer(&peer, script_expect(&sc, KCI_API_OFFSET_FOR_LEADER_EPOCH), &response);
}

struct lookup {
    int16_t error;
    const char *told;
};

static const struct lookup lookups[] = {
    { KCI_NOT_LEADER_OR_FOLLOWER, "" },         { KCI_LEADER_NOT_AVAILABLE, "" },
    { KCI_REPLICA_NOT_AVAILABLE, "" },          { KCI_KAFKA_STORAGE_ERROR, "" },
    { KCI_OFFSET_NOT_AVAILABLE, "" },           { KCI_FENCED_LEADER_EPOCH, "" },
    { KCI_UNKNOWN_LEADER_EPOCH, "" },           { KCI_UNKNOWN_TOPIC_OR_PARTITION, "" },
    { KCI_UNSUPPORTED_FOR_MESSAGE_FORMAT, "" }, /* an offset that is unknown, until the topic's format is another */
    { KCI_UNKNOWN_SERVER_ERROR, "" },           { KCI_TOPIC_AUTHORIZATION_FAILED, "!TOPIC_AUTHORIZATION_FAILED" },
};
#define LOOKUPS (sizeof lookups / sizeof lookups[0])

/* Answer with the error for ten seconds: asked in back-offs, with metadata refreshed, and told (or not) each time. */
static void refuse_for_long(const struct lookup *row, int16_t api, void (*answer)(int16_t error, int64_t offset))
{
    size_t refreshed = sent(KCI_API_METADATA), asked = sent(api), fetched = sent(KCI_API_FETCH);
    answer(row->error, -1);
    expect_told(row->error, row->told);
    script_advance(&peer, AT_ONCE_MS);
    expect_count(row->error, "questions at once", sent(api) - asked, 0, 0);
    for (int64_t passed = 0; passed < LONG_MS; passed += 10) {
        script_advance(&peer, 10);
        if (!script_waits(&sc, api))
            continue;
        answer(row->error, -1);
        expect_told(row->error, row->told);
    }
    expect_count(row->error, "questions", sent(api) - asked, ASKED_MIN, ASKED_MAX);
    expect_count(row->error, "refreshes", sent(KCI_API_METADATA) - refreshed, 1, ASKED_MAX + 1);
    expect_count(row->error, "fetches", sent(KCI_API_FETCH) - fetched, 0, 0);
}

/* A reset whose lookup fails: nothing is fetched from a guess; the answer, when it comes, is where reading begins. */
static void test_reset(void **state)
{
    (void)state;
    for (const struct lookup *row = lookups; row < lookups + LOOKUPS; row++) {
        begin(KCI_RESET_EARLIEST);
        sc.manual = KCI_API_LIST_OFFSETS;
        script_assign(&sc, 0, KC_OFFSET_BEGINNING);
        refuse_for_long(row, KCI_API_LIST_OFFSETS, answer_list);
        script_advance(&peer, 1300);
        answer_list(KCI_NONE, 1);
        assert_seen(&sc, "t-0:1");
        script_consumer_end(&sc);
    }
}

/* A check of the log that fails: nothing is fetched meanwhile, the position stays, and it is no truncation. */
static void test_epoch_check(void **state)
{
    (void)state;
    for (const struct lookup *row = lookups; row < lookups + LOOKUPS; row++) {
        begin(KCI_RESET_NONE);
        script_assign(&sc, 0, 0);
        assert_seen(&sc, "t-0:0 t-0:1");
        peer.topics[0].epoch = 6;
        sc.logs[0].error = KCI_FENCED_LEADER_EPOCH;
        script_append(&sc, 0, 1);
        script_advance(&peer, 2000);
        sc.logs[0].error = KCI_NONE;
        assert_string_equal(kci_consumer_position_state(sc.core, "t", 0, peer.now, NULL), "VALIDATING");
        refuse_for_long(row, KCI_API_OFFSET_FOR_LEADER_EPOCH, answer_epoch);
        script_advance(&peer, 1300);
        answer_epoch(KCI_NONE, 3);
        assert_seen(&sc, "t-0:2");
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),     cmocka_unit_test(test_hint_without_news),
        cmocka_unit_test(test_neighbour), cmocka_unit_test(test_out_of_range_ahead),
        cmocka_unit_test(test_reset),     cmocka_unit_test(test_epoch_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
