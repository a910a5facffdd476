/* Acknowledgements: records are done in any order, and a commit covers what is done without a gap. */
#include "consumer/internal.h"
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;
static kc_error error;

static void begin(int32_t unacknowledged_max, int32_t heartbeat_ms)
{
    script_consumer_init(&sc, &peer);
    sc.settings.acknowledge_explicitly = 1;
    sc.settings.max_unacknowledged_records = unacknowledged_max;
    sc.settings.enable_auto_commit = true;
    sc.settings.heartbeat_interval_ms = heartbeat_ms;
    sc.keep = true;
    script_consumer_create(&sc);
}

/* A member with records 0..4 of partition 0 returned. */
static void begin_with_records(int32_t heartbeat_ms)
{
    begin(1000, heartbeat_ms);
    script_append(&sc, 0, 2);
    script_append(&sc, 0, 3);
    script_join(&sc, 1, "0");
    script_poll_all(&sc);
    assert_noted(&sc, "assigned(t-0) t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
}

static kc_err ack(int64_t offset)
{
    kc_record_view view;
    kci_records_rewind(sc.kept);
    while (kci_records_next(sc.kept, &view))
        if (view.offset == offset)
            return kci_consumer_ack(sc.core, &view, 1, &error);
    fail_msg("record %lld was not returned", (long long)offset);
    return KC_OK;
}

static void expect_commit(int64_t offset, int32_t epoch)
{
    const struct kci_offset_commit_request *request = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT)->message;
    assert_int_equal(request->topics[0].partitions[0].committed_offset, offset);
    assert_int_equal(request->topics[0].partitions[0].committed_leader_epoch, epoch);
    script_answer_commit(&sc, KCI_NONE);
}

/* Automatic commits go up to the first record that is not done, however many polls there were. */
static void test_automatic(void **state)
{
    (void)state;
    begin_with_records(44000);
    script_poll(&sc);
    assert_int_equal(ack(0), KC_OK);
    assert_int_equal(ack(3), KC_OK);
    script_advance(&peer, 5000);
    expect_commit(1, 5);
    assert_int_equal(ack(2), KC_OK);
    script_advance(&peer, 5000);
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT)); /* 1 is not done yet */
    assert_int_equal(ack(1), KC_OK);
    script_advance(&peer, 5000);
    expect_commit(4, 5);
    script_consumer_end(&sc);
}

/* A commit without a list, and the last one before the partition goes, say the same. */
static void test_commit_and_revoke(void **state)
{
    struct kci_operation *operation;
    (void)state;
    begin_with_records(3000);
    assert_int_equal(ack(0), KC_OK);
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, NULL, 0, peer.now + 1000000, NULL), KC_OK);
    script_step(&peer);
    expect_commit(1, 5);
    kci_consumer_operation_end(sc.core, operation);
    assert_int_equal(kci_consumer_ack_records(sc.core, sc.kept, &error), KC_OK);
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    expect_commit(5, 5);
    script_poll(&sc);
    assert_noted(&sc, "revoked(t-0)");
    script_consumer_end(&sc);
}

/* What was returned before a seek or under an earlier assignment does not count any more. */
static void test_void_tickets(void **state)
{
    (void)state;
    begin_with_records(44000);
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, 2, peer.now, NULL), KC_OK);
    assert_int_equal(ack(3), KC_ERR_STATE);
    assert_non_null(strstr(error.text, "read again"));
    assert_int_equal(kci_consumer_ack_records(sc.core, sc.kept, &error), KC_ERR_STATE);
    script_advance(&peer, 1000);
    assert_seen(&sc, "t-0:2 t-0:3 t-0:4");
    assert_int_equal(ack(2), KC_OK);
    kc_record_view stranger = { .topic = "t", .partition = 1, .offset = 2 };
    assert_int_equal(kci_consumer_ack(sc.core, &stranger, 1, &error), KC_ERR_STATE);
    script_consumer_end(&sc);
}

/* A record that no poll returned, and a consumer in the other mode. */
static void test_usage(void **state)
{
    kc_record_view view;
    (void)state;
    begin_with_records(44000);
    kci_records_rewind(sc.kept);
    assert_int_equal(kci_records_next(sc.kept, &view), 1);
    view.offset = 7;
    assert_int_equal(kci_consumer_ack(sc.core, &view, 1, &error), KC_ERR_ARGUMENT);
    script_consumer_end(&sc);

    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
    assert_int_equal(kci_consumer_ack(sc.core, &view, 1, &error), KC_ERR_CONFIG);
    script_consumer_end(&sc);
}

/* max.unacknowledged.records holds poll back; an acknowledgement tells it to look again. */
static void test_backpressure(void **state)
{
    kc_consumer_state seen;
    (void)state;
    begin(3, 44000);
    script_append(&sc, 0, 5);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2");
    kci_consumer_state(sc.core, "t", 0, peer.now, &seen);
    assert_int_equal(seen.unacknowledged, 3);
    size_t told = sc.notified;
    assert_int_equal(ack(1), KC_OK);
    assert_int_equal(sc.notified, told + 1);
    assert_seen(&sc, "t-0:3");
    script_consumer_end(&sc);
}

/* Limits of one poll: by number and by bytes; one record always comes. */
static void test_poll_up_to(void **state)
{
    struct kci_consumer_event event;
    kc_records *records;
    const size_t limits[][3] = { { 2, 0, 2 }, { 0, 1, 1 }, { 0, 20, 2 }, { 0, 0, 5 } };
    (void)state;
    begin(1000, 44000);
    script_append(&sc, 0, 10);
    script_assign(&sc, 0, 0);
    for (size_t i = 0; i < 4; i++) {
        kci_consumer_poll_enter(sc.core, peer.now);
        assert_int_equal(kci_consumer_poll_up_to(sc.core, &records, &event, limits[i][0], limits[i][1], peer.now, NULL),
                         KC_OK);
        kci_consumer_poll_leave(sc.core, peer.now);
        assert_non_null(records);
        assert_int_equal(records->count, limits[i][2]);
        kci_records_release(records);
    }
    script_consumer_end(&sc);
}

/* There is no memory to note what a poll returns, whichever allocation it is: that is not returned then but a little
 * later, once. */
static void test_no_memory_for_the_ledger(void **state)
{
    static const char *const rest[] = { "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4", NULL, "t-0:2 t-0:3 t-0:4", NULL, NULL, "" };
    (void)state;
    for (size_t n = 1; n < 10; n++) {
        size_t got = 0;
        begin(1000, 44000);
        sc.keep = false;
        script_append(&sc, 0, 2);
        script_append(&sc, 0, 3);
        script_assign(&sc, 0, 0);
        sc.memory.fail_at = sc.memory.count + n;
        sc.memory.fail_on = true;
        script_poll(&sc);
        sc.memory.fail_at = 0;
        for (const char *at = sc.seen; (at = strstr(at, "t-0:")) != NULL; at += 4)
            got++;
        assert_in_range(got, 0, 5);
        assert_non_null(rest[got]);
        sc.seen[0] = 0;
        script_advance(&peer, 600);
        script_advance(&peer, 600);
        sc.keep = true;
        assert_seen(&sc, rest[got]);
        assert_int_equal(sc.core->stats.records_returned, 5);
        assert_int_equal(kci_meter_total(&sc.core->tally.records), 5);
        script_consumer_end(&sc);
    }
}

/* ... and once all of it is acknowledged, all of it is committed. */
static void test_commits_after_no_memory(void **state)
{
    (void)state;
    begin(1000, 44000);
    script_append(&sc, 0, 5);
    script_assign(&sc, 0, 0);
    sc.memory.limit = sc.memory.live_bytes + 64;
    script_poll(&sc);
    assert_noted(&sc, "!NO_MEMORY");
    sc.memory.limit = 0;
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4");
    assert_int_equal(ack(0), KC_OK);
    assert_int_equal(ack(1), KC_OK);
    assert_int_equal(ack(4), KC_OK);
    script_advance(&peer, 5000);
    expect_commit(2, 5);
    assert_int_equal(ack(2), KC_OK);
    assert_int_equal(ack(3), KC_OK);
    script_advance(&peer, 5000);
    expect_commit(5, 5);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_commit_and_revoke),
        cmocka_unit_test(test_void_tickets),
        cmocka_unit_test(test_no_memory_for_the_ledger),
        cmocka_unit_test(test_commits_after_no_memory),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_poll_up_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
