/* What makes no progress is helped, then reported, and its end as well. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    script_want_notices(&sc);
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
}

static bool is_stalled(void)
{
    kc_consumer_state state;
    kci_consumer_state(sc.core, "t", 0, peer.now, &state);
    return state.stalled;
}

/* The broker answers with an error for ever: reported after two request time-outs, and over when records come. */
static void test_fetch_errors(void **state)
{
    (void)state;
    begin();
    sc.logs[0].error = KCI_UNKNOWN_SERVER_ERROR;
    script_assign(&sc, 0, 0);
    for (int i = 0; i < 58; i++)
        script_advance(&peer, 1000);
    assert_seen(&sc, "");
    assert_false(is_stalled());
    for (int i = 0; i < 10; i++)
        script_advance(&peer, 1000);
    assert_true(is_stalled());
    assert_seen(&sc, "stalled(t:READY)"); /* once, however long it lasts */
    sc.logs[0].error = KCI_NONE;
    for (int i = 0; i < 15; i++)
        script_advance(&peer, 1000);
    assert_false(is_stalled());
    assert_seen(&sc, "recovered(t:READY) t-0:0 t-0:1");
    script_consumer_end(&sc);
}

/* The committed offset does not come. */
static void test_committed_offset(void **state)
{
    (void)state;
    begin();
    sc.manual = KCI_API_FIND_COORDINATOR;
    script_assign(&sc, 0, KC_OFFSET_NONE);
    for (int i = 0; i < 70; i++)
        script_advance(&peer, 1000);
    script_poll_all(&sc);
    assert_noted(&sc, "stalled(t:COMMITTED)");
    script_consumer_end(&sc);
}

/* The coordinator of a group is nowhere to be found: it is the group that is reported. */
static void test_no_coordinator(void **state)
{
    (void)state;
    begin();
    sc.manual = KCI_API_FIND_COORDINATOR;
    script_subscribe(&sc);
    script_poll(&sc);
    for (int i = 0; i < 70; i++)
        script_advance(&peer, 1000);
    script_poll(&sc);
    assert_noted(&sc, "stalled(group:JOINING)");
    sc.manual = -1;
    for (int i = 0; i < 40; i++)
        script_advance(&peer, 1000);
    script_poll(&sc);
    assert_noted(&sc, "recovered(group:JOINING)");
    assert_true(script_waits(&sc, KCI_API_JOIN_GROUP));
    script_consumer_end(&sc);
}

/* The same for a KIP-848 member that has to say what it owns now: states that only that protocol has are named, too. */
static void test_no_coordinator_modern(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    script_want_notices(&sc);
    sc.settings.group_protocol_consumer = 1;
    script_consumer_create(&sc);
    script_subscribe(&sc);
    script_poll(&sc);
    script_answer_modern(&sc, KCI_NONE, 1, "01");
    script_poll_all(&sc);
    script_answer_modern(&sc, KCI_NONE, 2, "0");
    sc.manual = KCI_API_FIND_COORDINATOR;
    script_advance(&peer, 5000);
    script_answer_modern(&sc, KCI_NOT_COORDINATOR, 0, NULL);
    script_poll_all(&sc);
    assert_string_equal(kci_consumer_group_state(sc.core), "ACKNOWLEDGING");
    sc.seen[0] = 0;
    for (int i = 0; i < 70; i++)
        script_advance(&peer, 1000);
    script_poll(&sc);
    assert_noted(&sc, "stalled(group:ACKNOWLEDGING)");
    script_consumer_end(&sc);
}

/* Whose turn is the application's is no stall: paused, nothing new in the log, or records that wait for a poll. */
static void test_no_false_alarm(void **state)
{
    kc_topic_partition item = { .topic = "t", .partition = 0 };
    (void)state;
    begin();
    script_assign(&sc, 0, 0);
    for (int i = 0; i < 200; i++)
        script_advance(&peer, 1000); /* nobody polls */
    assert_seen(&sc, "t-0:0 t-0:1");
    for (int i = 0; i < 200; i++)
        script_advance(&peer, 1000); /* nothing new */
    assert_int_equal(kci_consumer_pause(sc.core, &item, 1, true, NULL), KC_OK);
    sc.logs[0].error = KCI_UNKNOWN_SERVER_ERROR;
    for (int i = 0; i < 200; i++)
        script_advance(&peer, 1000);
    assert_seen(&sc, "");
    script_consumer_end(&sc);
}

/* A topic that is subscribed to and is not there is nobody's partition, but a reason for silence: it is told, by either
 * protocol, until it is there. What a pattern had matched may go. */
static void test_no_topic(void **state)
{
    const char *const topics[] = { "typo" };
    (void)state;
    for (int modern = 0; modern < 2; modern++) {
        script_consumer_init(&sc, &peer);
        script_want_notices(&sc);
        sc.settings.group_protocol_consumer = modern;
        sc.settings.max_poll_interval_ms = INT32_MAX;
        script_consumer_create(&sc);
        assert_int_equal(kci_consumer_subscribe(sc.core, topics, 1, peer.now, NULL), KC_OK);
        script_poll(&sc);
        for (int i = 0; i < 58; i++)
            script_advance(&peer, 1000);
        script_poll(&sc);
        assert_noted(&sc, "");
        for (int i = 0; i < 70; i++)
            script_advance(&peer, 1000);
        script_poll(&sc);
        assert_noted(&sc, "stalled(typo:UNKNOWN_TOPIC_OR_PARTITION)");
        script_topic(&peer, "typo", 1);
        for (int i = 0; i < 20; i++)
            script_advance(&peer, 1000);
        script_poll(&sc);
        assert_noted(&sc, "recovered(typo:UNKNOWN_TOPIC_OR_PARTITION)");
        script_consumer_end(&sc);
    }
}

/* What it does to help: the replica that was preferred is left, and a new fetch session begun. */
static void test_heals(void **state)
{
    (void)state;
    begin();
    sc.logs[0].error = KCI_UNKNOWN_SERVER_ERROR;
    script_assign(&sc, 0, 0);
    size_t before = peer.request_count, metadata = 0;
    for (int i = 0; i < 40; i++)
        script_advance(&peer, 1000);
    for (size_t i = before; i < peer.request_count; i++)
        metadata += peer.requests[i].header.api_key == KCI_API_METADATA;
    assert_true(metadata > 0);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_errors),   cmocka_unit_test(test_committed_offset),
        cmocka_unit_test(test_no_coordinator), cmocka_unit_test(test_no_coordinator_modern),
        cmocka_unit_test(test_no_false_alarm), cmocka_unit_test(test_heals),
        cmocka_unit_test(test_no_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
