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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
