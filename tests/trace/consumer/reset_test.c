/* Every jump of a position that the application did not ask for is told: from where, to where, why. */
#include "consumer/internal.h"
#include "consumer/notice.h"
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

static int64_t wall_now(void)
{
    return 1000000;
}

static void begin(enum kci_offset_reset policy)
{
    script_consumer_init(&sc, &peer);
    sc.settings.auto_offset_reset = policy;
    script_want_notices(&sc);
    script_consumer_create(&sc);
    script_append(&sc, 0, 5);
}

/* Nothing committed: the policy is asked, and the notice comes before the records. */
static void test_no_offset(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    script_poll(&sc);
    assert_noted(&sc, "reset(t-0:NO_OFFSET -1001/-1>0) t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);

    begin(KCI_RESET_LATEST);
    script_assign(&sc, 0, KC_OFFSET_NONE);
    script_poll(&sc);
    assert_noted(&sc, "reset(t-0:NO_OFFSET -1001/-1>5)");
    script_consumer_end(&sc);
}

/* What the application asks for is no reset. */
static void test_seek_is_none(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    script_assign(&sc, 0, KC_OFFSET_BEGINNING);
    script_poll_all(&sc);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, KC_OFFSET_END, peer.now, NULL), KC_OK);
    script_advance(&peer, 1000);
    script_poll(&sc);
    assert_noted(&sc, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);
}

/* The offset is gone: told with the position that was given up. */
static void test_out_of_range(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    sc.logs[0].start = 3;
    script_assign(&sc, 0, 1);
    script_poll(&sc);
    assert_noted(&sc, "reset(t-0:OUT_OF_RANGE 1/-1>3) t-0:3 t-0:4");
    script_consumer_end(&sc);
}

/* A seek, or an assignment, is a barrier for what still waits to be told of the old position; of others it is told. */
static void test_seek_before_it_is_told(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    script_append(&sc, 1, 5);
    sc.logs[0].start = sc.logs[1].start = 3;
    const kc_topic_partition both[] = { { "t", 0, 1, -1, NULL, KC_OK }, { "t", 1, 2, -1, NULL, KC_OK } };
    assert_int_equal(kci_consumer_assign(sc.core, both, 2, peer.now, NULL), KC_OK);
    script_advance(&peer, 1000);
    assert_int_equal(sc.core->notices, 2);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 4, peer.now, NULL), KC_OK);
    assert_int_equal(sc.core->notices, 1);
    script_advance(&peer, 1000);
    script_poll_all(&sc);
    assert_null(strstr(sc.seen, "reset(t-0"));
    assert_non_null(strstr(sc.seen, "reset(t-1:OUT_OF_RANGE 2/-1>3)"));
    assert_non_null(strstr(sc.seen, "t-0:4"));
    script_consumer_end(&sc);

    begin(KCI_RESET_EARLIEST);
    sc.logs[0].start = 3;
    script_assign(&sc, 0, 1);
    script_advance(&peer, 1000);
    assert_int_equal(sc.core->notices, 1);
    script_assign(&sc, 0, 4);
    script_advance(&peer, 1000);
    script_poll_all(&sc);
    assert_noted(&sc, "t-0:4");
    script_consumer_end(&sc);
}

/* by_duration: the first record that is as young as that, by the wall clock; else the end. */
static void by_duration(int64_t back_ms, const char *expected)
{
    script_consumer_init(&sc, &peer);
    sc.settings.auto_offset_reset = KCI_RESET_BY_DURATION;
    sc.settings.auto_offset_reset_by_ms = back_ms;
    script_want_notices(&sc);
    struct kci_consumer_options options = { .alloc = &sc.alloc,
                                            .settings = &sc.settings,
                                            .transport = script_peer_transport(&peer),
                                            .seed = 1,
                                            .wall_ms = wall_now };
    assert_int_equal(kci_consumer_create(&sc.core, &options, NULL), KC_OK);
    script_peer_attach(&peer, kci_consumer_engine(sc.core));
    script_append(&sc, 0, 5); /* stamped 1000 ... 1004 */
    script_assign(&sc, 0, KC_OFFSET_NONE);
    script_poll(&sc);
    assert_noted(&sc, expected);
    script_consumer_end(&sc);
}

static void test_by_duration(void **state)
{
    (void)state;
    by_duration(1000000 - 1003, "reset(t-0:NO_OFFSET -1001/-1>3) t-0:3 t-0:4");
    by_duration(1000, "reset(t-0:NO_OFFSET -1001/-1>5)"); /* nothing is as young as that */
}

/* The last one that names partitions; those of a session leave out what did not change. */
static const struct kci_fetch_request *last_fetch(void)
{
    const struct kci_fetch_request *last = NULL;
    for (size_t i = 0; i < peer.request_count; i++)
        if (peer.requests[i].header.api_key == KCI_API_FETCH &&
            ((const struct kci_fetch_request *)peer.requests[i].message)->topics_count)
            last = peer.requests[i].message;
    return last;
}

/* In a fetch the leader says that its log parts from ours at an offset: go back there, without a question more. */
static void diverge(enum kci_offset_reset policy, int32_t epoch, int64_t offset)
{
    struct kci_fetch_response response;
    struct kci_fetch_response__fetchable_topic_response topic;
    struct kci_fetch_response__partition_data partition;
    begin(policy);
    script_assign(&sc, 0, 0);
    script_poll_all(&sc);
    sc.seen[0] = 0;
    sc.park_fetch = true;
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    const struct kci_fetch_request *request = r->message;
    assert_int_equal(request->topics[0].partitions[0].fetch_offset, 5);
    assert_int_equal(request->topics[0].partitions[0].last_fetched_epoch, 5);
    kci_codec_init(&kci_fetch_response_schema, &response);
    kci_codec_init(&kci_fetch_response__fetchable_topic_response_schema, &topic);
    kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
    topic.topic_id = peer.topics[0].id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.diverging_epoch.epoch = epoch;
    partition.diverging_epoch.end_offset = offset;
    response.responses = &topic;
    response.responses_count = 1;
    script_answer(&peer, r, &response);
    sc.park_fetch = false;
    script_advance(&peer, 1000);
}

static void test_diverging(void **state)
{
    (void)state;
    diverge(KCI_RESET_LATEST, 4, 2);
    script_poll(&sc);
    assert_noted(&sc, "reset(t-0:TRUNCATED 5/5>2) t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);

    diverge(KCI_RESET_NONE, 4, 2);
    script_poll(&sc);
    assert_noted(&sc, "!OFFSET_OUT_OF_RANGE");
    assert_non_null(strstr(sc.last_text, "truncated"));
    script_consumer_end(&sc);
}

/* The epoch that we know of the position was never written to the leader's log, and the position lies in it: we go on
 * there with the leader's epoch, or it would send us back for ever. */
static void test_epoch_without_records(void **state)
{
    const enum kci_offset_reset policies[] = { KCI_RESET_LATEST, KCI_RESET_NONE };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        diverge(policies[i], 4, 9);
        script_poll(&sc);
        assert_noted(&sc, "");
        sc.park_fetch = true;
        script_advance(&peer, 1000);
        const struct kci_fetch_request *request = last_fetch();
        assert_int_equal(request->topics[0].partitions[0].fetch_offset, 5);
        assert_int_equal(request->topics[0].partitions[0].last_fetched_epoch, 4);
        script_consumer_end(&sc);
    }
}

/* The topic was deleted and created again: the position is of another topic, so it is not kept. */
static void test_recreated(void **state)
{
    (void)state;
    begin(KCI_RESET_EARLIEST);
    script_assign(&sc, 0, 0);
    script_poll_all(&sc);
    sc.seen[0] = 0;
    peer.topics[0].id.b[0] ^= 0xff;
    peer.topics[0].epoch = 0;
    sc.logs[0].error = KCI_UNKNOWN_TOPIC_ID;
    script_advance(&peer, 3000);
    sc.logs[0].error = KCI_NONE;
    script_advance(&peer, 3000);
    script_poll(&sc);
    assert_noted(&sc, "reset(t-0:TOPIC_RECREATED 5/5>0) t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    script_consumer_end(&sc);

    begin(KCI_RESET_NONE);
    script_assign(&sc, 0, 0);
    script_poll_all(&sc);
    sc.seen[0] = 0;
    peer.topics[0].id.b[0] ^= 0xff;
    sc.logs[0].error = KCI_UNKNOWN_TOPIC_ID;
    script_advance(&peer, 3000);
    script_poll(&sc);
    assert_noted(&sc, "!UNKNOWN_TOPIC_ID");
    assert_non_null(strstr(sc.last_text, "created again"));
    script_consumer_end(&sc);
}

/* Whoever does not poll is not flooded: so many notices wait, no more; the rest is in the log. */
static void test_bounded(void **state)
{
    struct kci_consumer_event event;
    size_t count = 0;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.auto_offset_reset = KCI_RESET_EARLIEST;
    script_want_notices(&sc);
    script_consumer_create(&sc);
    script_assign(&sc, 0, 0);
    struct kci_assigned a = { .topic = &(struct kci_consumer_topic){ .name = kci_str_of("t") } };
    for (size_t i = 0; i < KCI_NOTICES_MAX + 10; i++)
        kci_notice_reset(sc.core, &a, KCI_RESET_OUT_OF_RANGE, 1, 1, "a reset");
    for (;; count++) {
        kci_consumer_next_event(sc.core, &event, peer.now);
        if (event.kind == KCI_EVENT_NONE)
            break;
        assert_string_equal(event.notice.text, "a reset");
        kci_consumer_event_done(sc.core, &event, peer.now);
    }
    assert_int_equal(count, KCI_NOTICES_MAX);
    kci_notice_reset(sc.core, &a, KCI_RESET_OUT_OF_RANGE, 1, 1, "there is room again");
    kci_consumer_next_event(sc.core, &event, peer.now);
    assert_int_equal(event.kind, KCI_EVENT_NOTICE);
    kci_consumer_event_done(sc.core, &event, peer.now);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_offset),
        cmocka_unit_test(test_seek_is_none),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_seek_before_it_is_told),
        cmocka_unit_test(test_by_duration),
        cmocka_unit_test(test_diverging),
        cmocka_unit_test(test_epoch_without_records),
        cmocka_unit_test(test_recreated),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
