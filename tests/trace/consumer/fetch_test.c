/* What is fetched, when, and in which order it reaches the application. */
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
}

/* Records come in order, once, and what is appended later comes as well. */
static void test_in_order(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 0 + 2);
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2");
    script_append(&sc, 0, 1);
    script_step(&peer);
    assert_seen(&sc, "t-0:3");
    script_consumer_end(&sc);
}

/* A batch that begins before the position gives only what was asked for. */
static void test_middle_of_a_batch(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 5);
    script_assign(&sc, 0, 3);
    assert_seen(&sc, "t-0:3 t-0:4");
    script_consumer_end(&sc);
}

/* max.poll.records cuts within batches; the next poll goes on where the last one ended, and positions follow. */
static void test_max_poll_records(void **state)
{
    int64_t position = -1;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.max_poll_records = 2;
    script_consumer_create(&sc);
    script_append(&sc, 0, 3);
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    script_poll(&sc);
    assert_noted(&sc, "t-0:0 t-0:1");
    assert_int_equal(kci_consumer_position(sc.core, "t", 0, &position, NULL), KC_OK);
    assert_int_equal(position, 2);
    script_poll(&sc);
    assert_noted(&sc, "t-0:2 t-0:3");
    script_poll(&sc);
    assert_noted(&sc, "t-0:4");
    assert_int_equal(kci_consumer_position(sc.core, "t", 0, &position, NULL), KC_OK);
    assert_int_equal(position, 5);
    script_consumer_end(&sc);
}

/* A hole that compaction left: the position lies behind the last record, not at a number of records. */
static void test_hole(void **state)
{
    int64_t position = -1;
    (void)state;
    begin();
    script_append(&sc, 0, 2);
    sc.logs[0].end += 3;
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:5");
    assert_int_equal(kci_consumer_position(sc.core, "t", 0, &position, NULL), KC_OK);
    assert_int_equal(position, 6);
    script_consumer_end(&sc);
}

/* Partitions take turns: one that is filled as fast as it is read does not hide the others. */
static void test_turns(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.max_poll_records = 2;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
    script_append(&sc, 1, 1);
    script_step(&peer);
    script_append(&sc, 0, 2);
    script_step(&peer);
    script_poll(&sc);
    assert_noted(&sc, "t-0:0 t-0:1");
    script_poll(&sc);
    assert_noted(&sc, "t-1:0 t-0:2");
    script_poll(&sc);
    assert_noted(&sc, "t-0:3");
    script_consumer_end(&sc);
}

/* The next fetch leaves before the last one is polled. */
static void test_pipelined(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    struct script_request *r = script_pending(&peer, NULL, KCI_API_FETCH);
    assert_non_null(r);
    const struct kci_fetch_request *request = r->message;
    assert_int_equal(request->topics[0].partitions[0].fetch_offset, 2);
    assert_int_equal(request->topics[0].partitions[0].current_leader_epoch, 5);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* After seek nothing from before is returned: not what is queued, not what is on its way. */
static void test_seek_is_a_barrier(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 3);
    script_append(&sc, 0, 3);
    sc.park_fetch = true;
    script_assign(&sc, 0, 0);
    struct script_request *before = script_expect(&sc, KCI_API_FETCH);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 4, peer.now, NULL), KC_OK);
    script_answer_fetch(&sc, before, true);
    sc.park_fetch = false;
    script_step(&peer);
    assert_seen(&sc, "t-0:4 t-0:5");
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 1, peer.now, NULL), KC_OK);
    script_advance(&peer, 1000);
    script_poll(&sc);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, KC_OFFSET_END, peer.now, NULL), KC_OK);
    sc.seen[0] = 0;
    script_advance(&peer, 1000);
    assert_seen(&sc, "");
    assert_int_equal(kci_consumer_seek(sc.core, "u", 0, 0, peer.now, NULL), KC_ERR_STATE);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, -7, peer.now, NULL), KC_ERR_ARGUMENT);
    script_consumer_end(&sc);
}

/* A paused partition keeps what was fetched and returns nothing until it is resumed. */
static void test_pause(void **state)
{
    kc_topic_partition item = { "t", 0, 0, -1, NULL, KC_OK }, stranger = { "t", 1, 0, -1, NULL, KC_OK };
    (void)state;
    begin();
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    assert_int_equal(kci_consumer_pause(sc.core, &item, 1, true, NULL), KC_OK);
    assert_seen(&sc, "");
    assert_int_equal(kci_consumer_pause(sc.core, &stranger, 1, true, NULL), KC_ERR_STATE);
    assert_int_equal(kci_consumer_pause(sc.core, &item, 1, false, NULL), KC_OK);
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* The leader moved: the metadata is asked again and fetching goes on at the new one. */
static void test_leader_moves(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 2);
    sc.logs[0].error = KCI_NOT_LEADER_OR_FOLLOWER;
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "");
    sc.logs[0].error = KCI_NONE;
    peer.topics[0].leader_shift = 1;
    peer.topics[0].epoch = 6;
    script_advance(&peer, 3000);
    assert_seen(&sc, "t-0:0 t-0:1");
    assert_non_null(script_conn_to(&peer, "b2:9092"));
    script_consumer_end(&sc);
}

/* A connection that breaks under a fetch costs nothing but time. */
static void test_connection_breaks(void **state)
{
    (void)state;
    begin();
    sc.park_fetch = true;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    script_close(&peer, script_conn_to(&peer, "b1:9092"), "connection reset");
    sc.park_fetch = false;
    script_advance(&peer, 3000);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* A fetch session that the broker does not know any more is begun anew. */
static void test_session_errors(void **state)
{
    struct kci_fetch_response response;
    (void)state;
    begin();
    sc.park_fetch = true;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    static const int16_t errors[] = { KCI_FETCH_SESSION_ID_NOT_FOUND, KCI_INVALID_FETCH_SESSION_EPOCH,
                                      KCI_FETCH_SESSION_TOPIC_ID_ERROR };
    for (size_t i = 0; i < 3; i++) {
        kci_codec_init(&kci_fetch_response_schema, &response);
        response.error_code = errors[i];
        script_answer(&peer, script_expect(&sc, KCI_API_FETCH), &response);
        const struct kci_fetch_request *again = script_pending(&peer, NULL, KCI_API_FETCH)->message;
        assert_int_equal(again->session_epoch, 0);
        assert_int_equal(again->topics_count, 1);
    }
    sc.park_fetch = false;
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* A damaged batch: what lies before it is returned, then the error, at every poll, until the application seeks past it.
 */
static void test_damaged_batch(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 2);
    script_append(&sc, 0, 2);
    script_append(&sc, 0, 2);
    sc.logs[0].batches[1].bytes[70] ^= 1;
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 !CORRUPT");
    assert_non_null(strstr(sc.last_text, "offset 2 of t [0]"));
    script_poll(&sc);
    assert_noted(&sc, "!CORRUPT");
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 4, peer.now, NULL), KC_OK);
    script_advance(&peer, 600); /* the fetch that was ahead is parked at the broker */
    assert_seen(&sc, "t-0:4 t-0:5");
    script_consumer_end(&sc);
}

/* Damage that only the CRC shows: refused, or returned by who has switched the check off. */
static void test_damage_that_only_the_crc_shows(void **state)
{
    (void)state;
    for (int check = 0; check < 2; check++) {
        script_consumer_init(&sc, &peer);
        sc.settings.check_crcs = check;
        script_consumer_create(&sc);
        script_append(&sc, 0, 2);
        sc.logs[0].batches[0].bytes[KCI_BATCH_HEADER_BYTES + 1] ^= 1; /* attributes of a record, which mean nothing */
        script_assign(&sc, 0, 0);
        assert_seen(&sc, check ? "!CORRUPT" : "t-0:0 t-0:1");
        script_consumer_end(&sc);
    }
}

/* A quota throttles us: the next Fetch leaves when that is over (KIP-219), though its answer is not decoded as others
 * are. */
static void test_throttled(void **state)
{
    (void)state;
    begin();
    script_append(&sc, 0, 1);
    sc.throttle_ms = 3000;
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0");
    sc.throttle_ms = 0;
    script_append(&sc, 0, 1);
    script_advance(&peer, 2900);
    assert_false(script_waits(&sc, KCI_API_FETCH));
    assert_noted(&sc, "");
    script_advance(&peer, 200);
    assert_seen(&sc, "t-0:1");
    script_consumer_end(&sc);
}

/* A partition with max.partition.fetch.bytes unread is not asked for; the request for its neighbour does not park at the
 * broker meanwhile, and is not repeated all the time either. */
static void test_unread_is_left_out(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    (void)state;
    script_consumer_init(&sc, &peer);
    peer.brokers = 1;
    sc.settings.max_partition_fetch_bytes = 1000;
    sc.settings.max_poll_records = 1000;
    sc.park_fetch = true;
    script_consumer_create(&sc);
    script_append(&sc, 0, 100); /* more than that each */
    script_append(&sc, 0, 100);
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    assert_int_equal(((const struct kci_fetch_request *)r->message)->topics[0].partitions_count, 2);
    script_answer_fetch(&sc, r, true);
    script_step(&peer);
    r = script_expect(&sc, KCI_API_FETCH);
    const struct kci_fetch_request *request = r->message;
    assert_int_equal(request->topics[0].partitions_count, 1);
    assert_int_equal(request->topics[0].partitions[0].partition, 1);
    assert_int_equal(request->max_wait_ms, 0);
    script_answer_fetch(&sc, r, true);
    script_step(&peer);
    assert_false(script_waits(&sc, KCI_API_FETCH));
    script_poll(&sc);
    sc.seen[0] = 0;
    script_step(&peer);
    request = script_expect(&sc, KCI_API_FETCH)->message;
    assert_int_equal(request->topics[0].partitions_count, 2);
    assert_int_equal(request->max_wait_ms, 500);
    script_consumer_end(&sc);
}

/* Every codec that is built in. */
static void test_compressed(void **state)
{
    (void)state;
    for (int codec = KCI_CODEC_GZIP; codec < KCI_CODEC_COUNT; codec++) {
        if (!kci_codec_built_in(codec))
            continue;
        begin();
        struct kci_batch_header header = script_plain_batch();
        header.attributes = (int16_t)codec;
        script_append_with(&sc, 0, 3, header);
        script_assign(&sc, 0, 1);
        assert_seen(&sc, "t-0:1 t-0:2");
        script_consumer_end(&sc);
    }
}

/* The records of a poll outlive the consumer. */
static void test_records_outlive(void **state)
{
    kc_record_view view;
    (void)state;
    begin();
    sc.keep = true;
    struct kci_batch_header header = script_plain_batch();
    header.attributes = KCI_CODEC_LZ4;
    script_append(&sc, 0, 1);
    script_append_with(&sc, 0, 2, header);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2");
    kc_records *kept = sc.kept;
    sc.kept = NULL;
    kci_consumer_destroy(sc.core, peer.now);
    sc.core = NULL;
    kci_records_rewind(kept);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kci_records_next(kept, &view), 1);
        assert_int_equal(view.offset, i);
        assert_string_equal(view.topic, "t");
    }
    assert_int_equal(kci_records_next(kept, &view), 0);
    kci_records_release(kept);
    script_consumer_end(&sc);
}

/* wakeup ends one poll. */
static void test_wakeup(void **state)
{
    (void)state;
    begin();
    script_assign(&sc, 0, 0);
    kci_consumer_wakeup(sc.core);
    script_poll(&sc);
    script_poll(&sc);
    assert_noted(&sc, "!WOKEN");
    script_consumer_end(&sc);
}

/* The leader names a replica nearby (KIP-392): it is fetched from, until it fails; then the leader again. */
static void test_preferred_replica(void **state)
{
    struct kci_fetch_response response;
    struct kci_fetch_response__fetchable_topic_response topic;
    struct kci_fetch_response__partition_data partition;
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.client_rack = "r";
    script_consumer_create(&sc);
    sc.park_fetch = true;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    assert_string_equal(r->conn->address, "b1:9092");
    assert_true(kci_str_equal(((const struct kci_fetch_request *)r->message)->rack_id, kci_str_of("r")));
    kci_codec_init(&kci_fetch_response_schema, &response);
    kci_codec_init(&kci_fetch_response__fetchable_topic_response_schema, &topic);
    kci_codec_init(&kci_fetch_response__partition_data_schema, &partition);
    topic.topic_id = peer.topics[0].id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.preferred_read_replica = 2;
    response.responses = &topic;
    response.responses_count = 1;
    script_answer(&peer, r, &response);
    r = script_pending(&peer, NULL, KCI_API_FETCH);
    assert_string_equal(r->conn->address, "b2:9092");
    script_close(&peer, r->conn, "connection reset");
    script_advance(&peer, 3000);
    assert_string_equal(script_pending(&peer, NULL, KCI_API_FETCH)->conn->address, "b1:9092");
    sc.park_fetch = false;
    script_step(&peer);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* Garbage instead of a response: a new session, no crash, and it goes on. */
static void test_truncated_response(void **state)
{
    (void)state;
    begin();
    sc.park_fetch = true;
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    struct script_request *r = script_expect(&sc, KCI_API_FETCH);
    uint8_t frame[] = { 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    kci_put32(frame + 4, (uint32_t)r->header.correlation);
    r->answered = true;
    script_bytes(&peer, r->conn, frame, sizeof frame);
    sc.park_fetch = false;
    script_advance(&peer, 3000);
    assert_seen(&sc, "t-0:0 t-0:1");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_middle_of_a_batch),
        cmocka_unit_test(test_max_poll_records),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_seek_is_a_barrier),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_leader_moves),
        cmocka_unit_test(test_connection_breaks),
        cmocka_unit_test(test_session_errors),
        cmocka_unit_test(test_damaged_batch),
        cmocka_unit_test(test_damage_that_only_the_crc_shows),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_unread_is_left_out),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_records_outlive),
        cmocka_unit_test(test_wakeup),
        cmocka_unit_test(test_truncated_response),
        cmocka_unit_test(test_preferred_replica),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
