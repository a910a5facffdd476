/* Answers that are none, and requests that cannot be asked: refused with what was wrong. */
#include "support/calls_story.h"

/* A broker goes away in the middle of a response. */
static void test_closed_in_response(void **state)
{
    struct kci_heartbeat_response response;
    size_t size;
    (void)state;
    begin(1);
    script_call(&sc, 1, &calls[0]);
    kci_codec_init(&kci_heartbeat_response_schema, &response);
    struct script_request *r = script_take(&peer, b1, KCI_API_HEARTBEAT);
    uint8_t *bytes = script_encode(&peer, r, r->header.version, &response, &size);
    script_bytes(&peer, b1, bytes, size - 1);
    free(bytes);
    assert_int_equal(calls[0].done, 0);
    script_close(&peer, b1, "connection reset by peer");
    expect(&calls[0], KC_ERR_TRANSPORT, true);
    expect_text(calls[0].text, "broker 1 (b1:9092) closed the connection in mid-response: 15 of 16 bytes came");
    script_cluster_destroy(&sc);
}

/* Raw bytes instead of the answer to a heartbeat; the call must fail with `error`, which says `part`. */
static void expect_refused(const char *bytes, size_t size, kc_err error, const char *part)
{
    begin(1);
    script_call(&sc, 1, &calls[0]);
    script_call(&sc, 1, &calls[1]);
    int32_t correlation = script_take(&peer, b1, KCI_API_HEARTBEAT)->header.correlation;
    uint8_t frame[64];
    memcpy(frame, bytes, size);
    if (size >= 8 && frame[7] == '?') /* the right correlation id */
        kci_put32(frame + 4, (uint32_t)correlation);
    script_bytes(&peer, b1, frame, size);
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    expect(&calls[0], error, true);
    expect_text(calls[0].text, part);
    expect(&calls[1], KC_ERR_TRANSPORT, true);
    script_cluster_destroy(&sc);
}

/* Answers that are not what was asked for end the connection and say what is wrong. */
static void test_malformed(void **state)
{
    (void)state;
    expect_refused("\0\0\0\x0a\0\0\0\x63\0\0\0\0\0\0\0\0", 14, KC_ERR_MALFORMED, "correlation id 99 where");
    expect_refused("\0\0\0\x06\0\0\0?\0\0", 10, KC_ERR_MALFORMED,
                   "response to Heartbeat v4: bad field throttle_time_ms");
    expect_refused("\0\0\0\x0b\0\0\0?\0\0\0\0\0\0\0", 15, KC_ERR_MALFORMED, "Heartbeat v4: bad field");
    expect_refused("\0\0\0\x0d\0\0\0?\0\0\0\0\0\0\0\0\0", 17, KC_ERR_MALFORMED, "1 bytes too many");
    expect_refused("\0\0\0\x03\0\0\0", 7, KC_ERR_MALFORMED, "bad header");
    expect_refused("\xff\xff\xff\xff", 4, KC_ERR_MALFORMED, "frame of -1 bytes");
    expect_refused("\x7f\xff\xff\xff", 4, KC_ERR_MALFORMED, "frame of 2147483647 bytes");
}

/* An answer that nothing asked for. */
static void test_unasked(void **state)
{
    (void)state;
    begin(1);
    script_bytes(&peer, b1, "\0\0\0\x04\0\0\0\0", 8);
    assert_int_equal(b1->state, SCRIPT_CLOSED_BY_CLIENT);
    expect_text(kci_cluster_node_why(sc.cluster, 1, peer.now), "malformed response: nothing was asked");
    script_cluster_destroy(&sc);
}

/* A broker without a common version: the call says what either side has. */
static void test_no_version(void **state)
{
    (void)state;
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.version_max[KCI_API_HEARTBEAT] = 2;
    peer.version_max[KCI_API_SYNC_GROUP] = -1;
    script_cluster_create(&sc);
    script_call_init(&calls[0]);
    script_call_init(&calls[1]);
    calls[0].call.version_min = 3;
    script_call(&sc, 1, &calls[0]);
    expect(&calls[0], KC_ERR_NO_VERSION, false);
    expect_text(calls[0].text,
                "broker 1 (b1:9092) has no version of Heartbeat that this client uses (v3 to v4): it has v0 to v2");
    calls[1].call.api = KCI_API_SYNC_GROUP;
    script_call(&sc, 1, &calls[1]);
    expect(&calls[1], KC_ERR_NO_VERSION, false);
    expect_text(calls[1].text, "it does not have it at all");
    assert_int_equal(kci_cluster_node_version(sc.cluster, 1, KCI_API_HEARTBEAT, 0, 4), 2);
    assert_int_equal(kci_cluster_node_version(sc.cluster, 1, KCI_API_SYNC_GROUP, 0, 4), -1);
    assert_int_equal(kci_cluster_node_version(sc.cluster, 2, KCI_API_HEARTBEAT, 0, 4), -1);
    script_cluster_destroy(&sc);
}

/* A field that the chosen version does not have is an error, not a silent loss. */
static void test_cannot_be_expressed(void **state)
{
    static struct kci_heartbeat_request request;
    (void)state;
    begin(1);
    kci_codec_init(&kci_heartbeat_request_schema, &request);
    request.group_id = request.group_instance_id = kci_str_of("g");
    calls[0].call.request = &request;
    calls[0].call.version_max = 2; /* group_instance_id came with 3 */
    script_call(&sc, 1, &calls[0]);
    script_call(&sc, 1, &calls[1]);
    expect(&calls[0], KC_ERR_NO_VERSION, false);
    expect_text(calls[0].text, "Heartbeat up to v2, which cannot express this request");
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    expect(&calls[1], KC_OK, true);
    script_cluster_destroy(&sc);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_in_response),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_no_version),
        cmocka_unit_test(test_cannot_be_expressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
