/* Reading from a replica nearby (KIP-392): how long, and what ends it. */
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

/* Answer the oldest fetch by hand: one partition with this preferred replica or this error. */
static void answer(const char *from, int32_t preferred, int16_t error)
{
    struct kci_fetch_response response;
    struct kci_fetch_response__fetchable_topic_response topic;
    struct kci_fetch_response__partition_data partition;
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    assert_string_equal(r->conn->address, from);
    kci_codec_init(&kci_fetch_response_schema, &response);
    kci_codec_init(&kci_fetch_response__fetchable_topic_response_schema, &topic);
    kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
    topic.topic_id = peer.topics[0].id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.preferred_read_replica = preferred;
    partition.error_code = error;
    response.responses = &topic;
    response.responses_count = 1;
    script_answer(&peer, r, &response);
}

static void expect_next_at(const char *address)
{
    struct script_request *r = script_pending(&peer, NULL, KCI_API_FETCH);
    assert_non_null(r);
    assert_string_equal(r->conn->address, address);
}

/* Fetching from broker 2, which the leader, broker 1, has named. */
static void begin(void)
{
    script_consumer_init(&sc, &peer);
    sc.settings.client_rack = "r";
    sc.settings.metadata_max_age_ms = 60000;
    sc.settings.fetch_max_wait_ms = 100000; /* answers are made by hand */
    script_want_notices(&sc);
    script_consumer_create(&sc);
    sc.park_fetch = true;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    answer("b1:9092", 2, KCI_NONE);
    expect_next_at("b2:9092");
}

/* After metadata.max.age.ms the leader is asked again whether there is a nearer one. */
static void test_expires(void **state)
{
    (void)state;
    begin();
    script_advance(&peer, 59000);
    answer("b2:9092", -1, KCI_NONE);
    expect_next_at("b2:9092");
    script_advance(&peer, 2000);
    answer("b2:9092", -1, KCI_NONE);
    expect_next_at("b1:9092");
    script_consumer_end(&sc);
}

/* A follower that lags says "out of range": the leader is asked, and nothing is reset. */
static void test_lagging_follower(void **state)
{
    (void)state;
    begin();
    answer("b2:9092", -1, KCI_OFFSET_OUT_OF_RANGE);
    expect_next_at("b1:9092");
    sc.park_fetch = false;
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* It follows no more, or has storage trouble: back to the leader. */
static void test_errors(void **state)
{
    static const int16_t errors[] = { KCI_NOT_LEADER_OR_FOLLOWER, KCI_KAFKA_STORAGE_ERROR, KCI_REPLICA_NOT_AVAILABLE,
                                      KCI_UNKNOWN_TOPIC_OR_PARTITION };
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        begin();
        answer("b2:9092", -1, errors[i]);
        script_advance(&peer, 2000);
        expect_next_at("b1:9092");
        script_consumer_end(&sc);
    }
}

/* It goes down while it is read from: its connection breaks and no other can be made.  The leader has what is missing,
 * at once, and nothing is told as an error or as a standstill. */
static void test_down(void **state)
{
    (void)state;
    begin();
    peer.away = "b2";
    script_close(&peer, script_pending(&peer, NULL, KCI_API_FETCH)->conn, "connection reset by peer");
    script_advance(&peer, 1000); /* at most a back-off */
    expect_next_at("b1:9092");
    sc.park_fetch = false;
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1");
    answer("b1:9092", 2, KCI_NONE); /* it is named again although it is away: back once more */
    script_advance(&peer, 2000);
    expect_next_at("b1:9092");
    script_append(&sc, 0, 1);
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-0:2");
    script_consumer_end(&sc);
}

/* A replica that the metadata does not know is not looked for. */
static void test_unknown(void **state)
{
    (void)state;
    begin();
    answer("b2:9092", -1, KCI_OFFSET_OUT_OF_RANGE);
    answer("b1:9092", 77, KCI_NONE);
    expect_next_at("b1:9092");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expires), cmocka_unit_test(test_lagging_follower), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_down),    cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
