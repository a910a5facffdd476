/* The way of a request: sent once, answered or not, and given back exactly once. */
#include "support/calls_story.h"

/* A request that is not answered in time ends the connection, because its answer would be taken for the next one's;
 * what else was in flight may have been carried out; what was not sent goes out on the next connection. */
static void test_time_out(void **state)
{
    (void)state;
    begin(1);
    for (size_t i = 1; i < 7; i++)
        calls[i].call.timeout_ms = 20000;
    for (size_t i = 0; i < 7; i++)
        script_call(&sc, 1, &calls[i]);
    script_advance(&peer, 4999);
    assert_int_equal(calls[0].done, 0);
    script_advance(&peer, 1);
    expect(&calls[0], KC_ERR_TIMED_OUT, true);
    expect_text(calls[0].text, "broker 1 (b1:9092) did not answer Heartbeat within 5.0 s");
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    for (size_t i = 1; i < 5; i++)
        expect(&calls[i], KC_ERR_TRANSPORT, true);
    expect_text(calls[1].text, "Heartbeat was sent and not answered");
    assert_int_equal(calls[5].done + calls[6].done, 0);
    script_advance(&peer, 100);
    struct script_conn *next = script_conn_to(&peer, "b1:9092");
    script_answer_heartbeat(&peer, script_take(&peer, next, KCI_API_HEARTBEAT), 0);
    script_answer_heartbeat(&peer, script_take(&peer, next, KCI_API_HEARTBEAT), 0);
    expect(&calls[5], KC_OK, true);
    expect(&calls[6], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* What must not overtake is lost with what was sent before it: it would be the first on the next connection. */
static void test_in_order(void **state)
{
    (void)state;
    begin(1);
    calls[5].call.in_order = true;
    for (size_t i = 0; i < 7; i++)
        script_call(&sc, 1, &calls[i]);
    script_close(&peer, b1, "connection reset by peer");
    script_settle(&peer);
    expect(&calls[0], KC_ERR_TRANSPORT, true);
    expect(&calls[5], KC_ERR_TRANSPORT, false);
    expect_text(calls[5].text, "Heartbeat was not sent");
    script_advance(&peer, 100);
    script_answer_heartbeat(&peer, script_take_at(&peer, "b1:9092", KCI_API_HEARTBEAT), 0);
    expect(&calls[6], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* The same when what was sent before it is only half sent. */
static void test_in_order_behind_a_half(void **state)
{
    (void)state;
    begin(1);
    b1->take = 10;
    calls[0].call.in_order = calls[1].call.in_order = true;
    for (size_t i = 0; i < 3; i++)
        script_call(&sc, 1, &calls[i]);
    assert_true(b1->full);
    script_close(&peer, b1, "connection reset by peer");
    script_settle(&peer);
    expect(&calls[0], KC_ERR_TRANSPORT, false);
    expect(&calls[1], KC_ERR_TRANSPORT, false);
    script_advance(&peer, 100);
    script_answer_heartbeat(&peer, script_take(&peer, script_conn_to(&peer, "b1:9092"), KCI_API_HEARTBEAT), 0);
    expect(&calls[2], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* No more than in_flight_max requests wait for answers; each answer lets the next one go. */
static void test_in_flight_limit(void **state)
{
    struct script_request *first;
    (void)state;
    begin(1);
    for (size_t i = 0; i < 6; i++)
        script_call(&sc, 1, &calls[i]);
    assert_false(kci_cluster_node_ready(sc.cluster, 1, peer.now));
    first = script_take(&peer, b1, KCI_API_HEARTBEAT);
    for (size_t i = 1; i < 5; i++)
        script_take(&peer, b1, KCI_API_HEARTBEAT);
    assert_null(script_pending(&peer, b1, -1));
    script_answer_heartbeat(&peer, first, 0);
    expect(&calls[0], KC_OK, true);
    script_take(&peer, b1, KCI_API_HEARTBEAT);
    script_cluster_destroy(&sc);
}

/* Several small requests of one step leave in one send. */
static void test_coalesced(void **state)
{
    (void)state;
    begin(1);
    size_t sends = b1->sends;
    for (size_t i = 0; i < 4; i++)
        kci_cluster_call(sc.cluster, 1, &calls[i].call, peer.now);
    assert_int_equal(b1->sends, sends);
    script_settle(&peer);
    assert_int_equal(b1->sends, sends + 1);
    for (size_t i = 0; i < 4; i++)
        script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    for (size_t i = 0; i < 4; i++)
        expect(&calls[i], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A Produce request whose body is a rope: 600 pieces and the head leave in one send, byte for byte, without a copy. */
static void make_rope(struct script_call *call, struct kci_iov *pieces, size_t count, uint8_t *bytes, size_t size)
{
    struct kci_writer w = kci_writer_fixed(bytes, size);
    struct kci_produce_request request;
    struct kci_produce_request__topic_produce_data topic;
    struct kci_produce_request__partition_produce_data partition;
    static uint8_t records[60000];
    for (size_t i = 0; i < sizeof records; i++)
        records[i] = (uint8_t)(i * 7);
    kci_codec_init(&kci_produce_request_schema, &request);
    kci_codec_init(&kci_produce_request__topic_produce_data_schema, &topic);
    kci_codec_init(&kci_produce_request__partition_produce_data_schema, &partition);
    partition.records = (struct kci_bytes){ records, sizeof records };
    topic.name = kci_str_of("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    assert_true(kci_codec_encode(&kci_produce_request_schema, 9, &request, &w));
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t piece = i + 1 < count ? w.size / count : w.size - at;
        pieces[i] = (struct kci_iov){ bytes + at, piece };
        at += piece;
    }
    call->call.api = KCI_API_PRODUCE;
    call->call.version_min = call->call.version_max = 9;
    call->call.request = NULL;
    call->call.body = pieces;
    call->call.body_count = count;
}

static void answer_produce(struct script_request *r)
{
    struct kci_produce_response response;
    const struct kci_produce_request *request = r->message;
    assert_int_equal(request->topic_data[0].partition_data[0].records.size, 60000);
    for (size_t i = 0; i < 60000; i++)
        assert_int_equal(request->topic_data[0].partition_data[0].records.data[i], (uint8_t)(i * 7));
    kci_codec_init(&kci_produce_response_schema, &response);
    script_answer(&peer, r, &response);
}

static void test_rope(void **state)
{
    static uint8_t bytes[70000];
    static struct kci_iov pieces[600];
    (void)state;
    begin(1);
    size_t sends = b1->sends;
    make_rope(&calls[0], pieces, 600, bytes, sizeof bytes);
    script_call(&sc, 1, &calls[0]);
    assert_int_equal(b1->sends, sends + 1);
    answer_produce(script_take(&peer, b1, KCI_API_PRODUCE));
    expect(&calls[0], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* More pieces than one send takes, empty ones among them, a socket that takes 1,000 bytes at a time, and a small
 * request behind. */
static void test_partial_writes(void **state)
{
    static uint8_t bytes[70000];
    static struct kci_iov pieces[3000];
    (void)state;
    begin(1);
    make_rope(&calls[0], pieces + 1000, 1500, bytes, sizeof bytes);
    calls[0].call.body = pieces;
    calls[0].call.body_count = 3000;
    b1->take = 1000;
    script_call(&sc, 1, &calls[0]);
    script_call(&sc, 1, &calls[1]);
    assert_false(kci_cluster_node_ready(sc.cluster, 1, peer.now));
    for (size_t i = 0; b1->full; i++) {
        assert_true(i < 100);
        script_sent(&peer, b1);
    }
    answer_produce(script_take(&peer, b1, KCI_API_PRODUCE));
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    expect(&calls[0], KC_OK, true);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* One byte at a time, both ways. */
static void test_byte_by_byte(void **state)
{
    (void)state;
    begin(1);
    b1->take = 1;
    peer.segment = 1;
    script_call(&sc, 1, &calls[0]);
    script_call(&sc, 1, &calls[1]);
    while (b1->full)
        script_sent(&peer, b1);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    expect(&calls[0], KC_OK, true);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A request that is stuck in a full socket times out: half of a frame was sent, so the connection ends, but a broker
 * that never saw the whole frame cannot have carried it out. */
static void test_time_out_half_sent(void **state)
{
    (void)state;
    begin(1);
    b1->take = 10;
    script_call(&sc, 1, &calls[0]);
    script_advance(&peer, 5000);
    expect(&calls[0], KC_ERR_TIMED_OUT, false);
    expect_text(calls[0].text, "broker 1 (b1:9092) did not take Heartbeat within 5.0 s");
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    script_cluster_destroy(&sc);
}

/* acks=0: done as soon as the socket has it all; nothing is expected back. */
static void test_no_reply(void **state)
{
    static uint8_t bytes[70000];
    static struct kci_iov pieces[10];
    (void)state;
    begin(1);
    make_rope(&calls[0], pieces, 10, bytes, sizeof bytes);
    calls[0].call.no_reply = true;
    b1->take = 50000;
    script_call(&sc, 1, &calls[0]);
    assert_int_equal(calls[0].done, 0);
    script_sent(&peer, b1);
    assert_int_equal(calls[0].done, 1);
    assert_int_equal(calls[0].error, KC_OK);
    assert_true(calls[0].maybe_applied);
    script_take(&peer, b1, KCI_API_PRODUCE)->answered = true;
    script_call(&sc, 1, &calls[1]);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A throttled connection is silent until the time is over; calls for any node go elsewhere. */
static void test_throttle(void **state)
{
    (void)state;
    begin(2);
    script_call(&sc, 1, &calls[0]);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 2000);
    expect(&calls[0], KC_OK, true);
    assert_int_equal(calls[0].throttle_ms, 2000);
    assert_false(kci_cluster_node_ready(sc.cluster, 1, peer.now));
    script_call(&sc, 1, &calls[1]);
    script_call(&sc, KCI_NODE_ANY, &calls[2]);
    assert_int_equal(script_take(&peer, NULL, KCI_API_HEARTBEAT)->conn->id, script_conn_to(&peer, "b2:9092")->id);
    script_advance(&peer, 1999);
    assert_null(script_pending(&peer, b1, -1));
    script_advance(&peer, 1);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A throttle time beyond all reason is cut to five minutes. */
static void test_absurd_throttle(void **state)
{
    (void)state;
    begin(1);
    script_call(&sc, 1, &calls[0]);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), INT32_MAX);
    assert_false(kci_cluster_node_ready(sc.cluster, 1, peer.now));
    expect_text(kci_cluster_node_why(sc.cluster, 1, peer.now), "throttles us for another 300.0 s");
    script_advance(&peer, 300000);
    assert_true(kci_cluster_node_ready(sc.cluster, 1, peer.now));
    script_cluster_destroy(&sc);
}

/* Giving up: before it is sent it costs nothing; once sent it costs the connection. */
static void test_cancel(void **state)
{
    (void)state;
    begin(1);
    for (size_t i = 0; i < 6; i++)
        script_call(&sc, 1, &calls[i]);
    kci_cluster_cancel(sc.cluster, &calls[5].call, peer.now);
    expect(&calls[5], KC_ERR_CLOSED, false);
    assert_int_equal(b1->state, SCRIPT_OPEN);
    kci_cluster_cancel(sc.cluster, &calls[1].call, peer.now);
    expect(&calls[1], KC_ERR_CLOSED, true);
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    expect(&calls[0], KC_ERR_TRANSPORT, true);
    expect(&calls[4], KC_ERR_TRANSPORT, true);
    kci_cluster_cancel(sc.cluster, &calls[1].call, peer.now); /* not under way any more: nothing happens */
    assert_int_equal(calls[1].done, 1);
    script_cluster_destroy(&sc);
}

/* Given up when half of it is with the socket: the rest of the frame will never come, so the connection ends. */
static void test_cancel_half_sent(void **state)
{
    (void)state;
    begin(1);
    b1->take = 10;
    script_call(&sc, 1, &calls[0]);
    script_call(&sc, 1, &calls[1]);
    kci_cluster_cancel(sc.cluster, &calls[0].call, peer.now);
    expect(&calls[0], KC_ERR_CLOSED, false);
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    script_settle(&peer);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A request that was encoded but not sent when the connection broke is encoded anew: the broker may have been
 * exchanged. */
static void test_downgrade(void **state)
{
    (void)state;
    begin(1);
    b1->take = 10;
    script_call(&sc, 1, &calls[0]);
    kci_cluster_call(sc.cluster, 1, &calls[1].call, peer.now);
    b1->take = 10;
    script_settle(&peer);
    kci_cluster_call(sc.cluster, 1, &calls[2].call, peer.now);
    b1->full = false;
    script_sent(&peer, b1); /* now all three were put into one send, of which a few bytes went */
    peer.version_max[KCI_API_HEARTBEAT] = 1;
    script_close(&peer, b1, "the broker is exchanged for an older one");
    expect(&calls[0], KC_ERR_TRANSPORT, false);
    script_advance(&peer, 100);
    struct script_request *r = script_take_at(&peer, "b1:9092", KCI_API_HEARTBEAT);
    assert_int_equal(r->header.version, 1);
    script_answer_heartbeat(&peer, r, 0);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    expect(&calls[1], KC_OK, true);
    expect(&calls[2], KC_OK, true);
    assert_int_equal(calls[2].version, 1);
    script_cluster_destroy(&sc);
}

/* Inside `done` everything is allowed: the same call again, giving up others, and more calls. */
static void again_and_cancel(struct script_call *call, const struct kci_reply *reply, int64_t now)
{
    (void)reply;
    call->then = NULL;
    kci_cluster_cancel(sc.cluster, &calls[2].call, now);
    kci_cluster_call(sc.cluster, 1, &call->call, now);
    kci_cluster_call(sc.cluster, KCI_NODE_ANY, &calls[3].call, now);
}

static void test_reentrant(void **state)
{
    (void)state;
    begin(1);
    calls[0].then = again_and_cancel;
    for (size_t i = 0; i < 3; i++)
        script_call(&sc, 1, &calls[i]);
    script_close(&peer, b1, "gone");
    assert_int_equal(calls[0].done, 1);
    expect(&calls[1], KC_ERR_TRANSPORT, true);
    expect(&calls[2], KC_ERR_CLOSED, false); /* it was in the midst of failing with its connection */
    script_advance(&peer, 200);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    script_answer_heartbeat(&peer, script_take(&peer, NULL, KCI_API_HEARTBEAT), 0);
    assert_int_equal(calls[0].done, 2);
    expect(&calls[3], KC_OK, true);
    script_cluster_destroy(&sc);
}

/* A call to one broker that cannot be reached comes back when the attempt failed; one for any broker goes to the next.
 */
static void test_unreachable(void **state)
{
    (void)state;
    begin(2);
    peer.auto_connect = false;
    script_call(&sc, 2, &calls[0]);
    script_resolved(&peer, 1, "b2:9092");
    script_close(&peer, script_conn_last(&peer), "connection refused");
    expect(&calls[0], KC_ERR_TRANSPORT, false);
    expect_text(calls[0].text,
                "broker 2 (b2:9092) cannot be connected to at b2:9092: connection refused; Heartbeat was not sent");
    assert_false(kci_cluster_node_ready(sc.cluster, 2, peer.now));
    expect_text(kci_cluster_node_why(sc.cluster, 2, peer.now), "connection refused, 0 ms ago");
    peer.auto_connect = true;
    script_advance(&peer, 100); /* asked for while it backed off: connected when that is over */
    assert_true(kci_cluster_node_ready(sc.cluster, 2, peer.now));
    script_cluster_destroy(&sc);
}

/* A broker id that the metadata does not know: refreshed, and if it still does not know it, that is the answer. */
static void test_unknown_node(void **state)
{
    (void)state;
    begin(1);
    script_call(&sc, 77, &calls[0]);
    script_advance(&peer, 200);
    expect(&calls[0], KC_ERR_TRANSPORT, false);
    expect_text(calls[0].text, "broker 77 is not in the cluster's metadata");
    assert_string_equal(kci_cluster_node_text(sc.cluster, 77), "?");
    assert_string_equal(kci_cluster_node_text(sc.cluster, 1), "b1:9092");
    script_cluster_destroy(&sc);
}

/* Calls for the controller wait until it is known and go there. */
static void test_controller(void **state)
{
    (void)state;
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = 3;
    peer.controller = 2;
    script_cluster_create(&sc);
    script_call_init(&calls[0]);
    script_call(&sc, KCI_NODE_CONTROLLER, &calls[0]);
    script_answer_heartbeat(&peer, script_take_at(&peer, "b2:9092", KCI_API_HEARTBEAT), 0);
    expect(&calls[0], KC_OK, true);
    assert_int_equal(calls[0].node, 2);
    script_cluster_destroy(&sc);
}

/* A raw reply is not decoded: the body is handed out. */
static void test_raw_reply(void **state)
{
    (void)state;
    begin(1);
    calls[0].call.raw_reply = true;
    script_call(&sc, 1, &calls[0]);
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    assert_int_equal(calls[0].done, 1);
    assert_int_equal(calls[0].error, KC_OK);
    assert_false(calls[0].had_response);
    assert_int_equal(calls[0].body_size, 7); /* throttle time, error, tags */
    script_cluster_destroy(&sc);
}

/* The end: everything under way comes back as closed, and so do calls made from there. */
static void call_again(struct script_call *call, const struct kci_reply *reply, int64_t now)
{
    (void)reply;
    call->then = NULL;
    kci_cluster_call(sc.cluster, 1, &calls[8].call, now);
}

static void test_destroy(void **state)
{
    (void)state;
    begin(2);
    calls[0].then = call_again;
    for (size_t i = 0; i < 6; i++)
        script_call(&sc, 1, &calls[i]);
    peer.auto_connect = false;
    script_call(&sc, 2, &calls[6]);
    script_call(&sc, 77, &calls[7]);
    script_cluster_destroy(&sc);
    for (size_t i = 0; i < 5; i++)
        expect(&calls[i], KC_ERR_CLOSED, true);
    for (size_t i = 5; i < 9; i++)
        expect(&calls[i], KC_ERR_CLOSED, false);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_in_order_behind_a_half),
        cmocka_unit_test(test_in_flight_limit),
        cmocka_unit_test(test_coalesced),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_time_out_half_sent),
        cmocka_unit_test(test_no_reply),
        cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_absurd_throttle),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_half_sent),
        cmocka_unit_test(test_downgrade),
        cmocka_unit_test(test_reentrant),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_unknown_node),
        cmocka_unit_test(test_controller),
        cmocka_unit_test(test_raw_reply),
        cmocka_unit_test(test_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
