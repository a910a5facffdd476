/* Batches that are too large to be decompressed beside others: delivered alone, when all else is released, and the
 * ceiling holds. Here a quarter of it is 64 KB, and such a batch has some 170 KB when decompressed. */
#include "support/script_group.h"

enum { LARGE = 11000, LIMIT = 256 << 10, HELD = 4 * 1500 };

static struct script_peer peer;
static struct script_consumer sc;
static kc_consumer_stats stats;

static void begin(void)
{
    script_consumer_init(&sc, &peer);
    peer.brokers = 1;
    sc.settings.fetch_memory_max = LIMIT;
    sc.settings.max_poll_records = HELD;
}

static void append_huge(int32_t partition, int32_t records)
{
    struct kci_batch_header header = script_plain_batch();
    header.attributes = KCI_CODEC_GZIP;
    script_append_with(&sc, partition, records, header);
}

static void append_large(int32_t partition)
{
    append_huge(partition, LARGE);
}

static void assign_both(void)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
}

/* A poll, and time for a fetch that is parked at the broker; never is more held than the ceiling permits. */
static kc_err poll(void)
{
    kc_err code = script_poll(&sc);
    sc.seen[0] = 0; /* not all fits there; the records themselves are looked at in script_poll */
    kci_consumer_stats(sc.core, &stats);
    assert_true(stats.memory_used <= stats.memory_limit);
    script_advance(&peer, 600);
    kci_consumer_stats(sc.core, &stats);
    assert_true(stats.memory_used <= stats.memory_limit);
    return code;
}

static void poll_until(uint64_t records)
{
    for (int i = 0; i < 40 && stats.records_returned < records; i++)
        assert_int_equal(poll(), KC_OK);
    assert_int_equal(stats.records_returned, records);
}

static int64_t position(int32_t partition)
{
    int64_t at = -1;
    assert_int_equal(kci_consumer_position(sc.core, "t", partition, &at, NULL), KC_OK);
    return at;
}

static void end(void)
{
    kci_records_release(sc.kept);
    sc.kept = NULL;
    sc.keep = false;
    memset(&stats, 0, sizeof stats);
    script_consumer_end(&sc);
}

/* What lies before it, the batch itself and what follows come in order, and another partition loses nothing. */
static void test_delivered_alone(void **state)
{
    (void)state;
    begin();
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    append_large(0);
    append_large(0);
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 3);
    assign_both();
    poll_until(2 * LARGE + 7);
    assert_int_equal(position(0), 2 * LARGE + 4);
    assert_int_equal(position(1), 3);
    end();
}

/* The application holds on to records: the batch waits for them, and so does what would be fetched beside it. */
static void test_waits_for_what_is_held(void **state)
{
    (void)state;
    begin();
    sc.keep = true;
    script_consumer_create(&sc);
    for (int i = 0; i < 4; i++)
        script_append(&sc, 1, 1500); /* some 100 KB, read in one poll */
    assign_both();
    poll();
    assert_non_null(sc.kept);
    sc.keep = false; /* from here on only the first set is held */
    append_large(0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(poll(), KC_OK);
    assert_int_equal(position(0), 0);
    assert_false(script_waits(&sc, KCI_API_FETCH));
    script_append(&sc, 1, 5);
    assert_int_equal(poll(), KC_OK);
    assert_int_equal(stats.records_returned, HELD);
    kci_records_release(sc.kept);
    sc.kept = NULL;
    poll_until(HELD + 5 + LARGE);
    end();
}

/* What the application holds is little: nothing has to wait for it. */
static void test_beside_a_little(void **state)
{
    (void)state;
    begin();
    sc.keep = true;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    script_assign(&sc, 0, 0);
    poll();
    assert_non_null(sc.kept);
    sc.keep = false;
    append_large(0);
    poll_until(2 + LARGE);
    end();
}

/* A paused partition is not read: what was fetched ahead of it makes room, and comes again when it is resumed. */
static void test_paused_makes_room(void **state)
{
    kc_topic_partition paused = { "t", 1, 0, -1, NULL, KC_OK };
    (void)state;
    begin();
    script_consumer_create(&sc);
    for (int i = 0; i < 4; i++)
        script_append(&sc, 1, 1500);
    assign_both(); /* that is queued now */
    assert_int_equal(kci_consumer_pause(sc.core, &paused, 1, true, NULL), KC_OK);
    append_large(0);
    poll_until(LARGE);
    assert_int_equal(position(1), 0);
    assert_int_equal(kci_consumer_pause(sc.core, &paused, 1, false, NULL), KC_OK);
    poll_until(LARGE + HELD);
    end();
}

/* It gives way only when nothing else would: another broker's fetch that is under way gives back what it did not need,
 * and so the brokers take turns, and what was fetched ahead is there on resume, without another fetch. */
static void test_paused_waits_for_what_is_under_way(void **state)
{
    kc_topic_partition paused = { "t", 1, 0, -1, NULL, KC_OK };
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK },
                                   { "t", 1, 0, -1, NULL, KC_OK },
                                   { "t", 2, 0, -1, NULL, KC_OK } };
    (void)state;
    begin();
    peer.brokers = 3; /* one partition each */
    peer.topics[0].partitions = 3;
    script_consumer_create(&sc);
    for (int i = 0; i < 4; i++)
        script_append(&sc, 1, 1500);
    assert_int_equal(kci_consumer_assign(sc.core, items, 3, peer.now, NULL), KC_OK);
    script_step(&peer);
    script_advance(&peer, 2000); /* that is queued now: of what is left only one fetch at a time can be had */
    assert_int_equal(kci_consumer_pause(sc.core, &paused, 1, true, NULL), KC_OK);
    script_advance(&peer, 3000);
    script_append(&sc, 0, 1);
    script_append(&sc, 2, 1);
    poll_until(2);
    sc.park_fetch = true;
    assert_int_equal(kci_consumer_pause(sc.core, &paused, 1, false, NULL), KC_OK);
    poll_until(2 + HELD);
    end();
}

/* One that does not fit although it has the whole ceiling is refused, with what to raise; a seek goes on behind it. */
static void test_limit(void **state)
{
    (void)state;
    begin();
    sc.settings.fetch_memory_max = 128 << 10;
    script_consumer_create(&sc);
    append_large(0);
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 2);
    assign_both();
    kc_err code = KC_OK;
    for (int i = 0; i < 10 && code == KC_OK; i++)
        code = poll();
    assert_int_equal(code, KC_ERR_RECORD_TOO_LARGE);
    assert_non_null(strstr(sc.last_text, "offset 0 of t [0] does not fit into fetch.memory.max, 131072 bytes"));
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, LARGE, peer.now, NULL), KC_OK);
    poll_until(4);
    end();
}

/* The machine has no memory for it: it is tried again, and nothing is skipped. */
static void test_out_of_memory(void **state)
{
    (void)state;
    begin();
    script_consumer_create(&sc);
    append_large(0);
    script_append(&sc, 0, 2);
    sc.memory.limit = 160 << 10;
    script_assign(&sc, 0, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(poll(), KC_OK);
    assert_int_equal(stats.records_returned, 0);
    sc.memory.limit = 0;
    poll_until(LARGE + 2);
    end();
}

/* Every allocation on the way may fail once: the batch comes all the same, once. */
static void test_any_allocation_fails(void **state)
{
    (void)state;
    for (size_t n = 1; n < 60; n++) {
        begin();
        script_consumer_create(&sc);
        append_large(0);
        script_append(&sc, 0, 2);
        script_assign(&sc, 0, 0);
        sc.memory.fail_at = sc.memory.count + n;
        for (int i = 0; i < 40 && stats.records_returned < LARGE + 2; i++)
            poll();
        assert_int_equal(stats.records_returned, LARGE + 2);
        end();
    }
}

/* The batch waits, for the application holds what it needs. */
static void begin_waiting(void)
{
    begin();
    sc.keep = true;
    script_consumer_create(&sc);
    for (int i = 0; i < 4; i++)
        script_append(&sc, 1, 1500); /* held: one poll's worth */
    assign_both();
    poll();
    assert_non_null(sc.kept);
    sc.keep = false;
    append_large(0);
    script_append(&sc, 0, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(poll(), KC_OK);
    assert_int_equal(stats.records_returned, HELD);
    assert_false(script_waits(&sc, KCI_API_FETCH));
    script_append(&sc, 1, 5);
}

/* While it waits its partition is moved by a seek, paused or given away, or the consumer is closed: the others go on. */
static void test_over_while_it_waits(void **state)
{
    kc_topic_partition items[] = { { "t", 1, HELD, -1, NULL, KC_OK }, { "t", 0, 0, -1, NULL, KC_OK } };
    (void)state;
    begin_waiting();
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, LARGE, peer.now, NULL), KC_OK);
    poll_until(HELD + 5 + 2);
    end();

    begin_waiting();
    assert_int_equal(kci_consumer_pause(sc.core, &items[1], 1, true, NULL), KC_OK);
    poll_until(HELD + 5);
    assert_int_equal(kci_consumer_pause(sc.core, &items[1], 1, false, NULL), KC_OK);
    kci_records_release(sc.kept);
    sc.kept = NULL;
    poll_until(HELD + 5 + LARGE + 2);
    end();

    begin_waiting();
    assert_int_equal(kci_consumer_assign(sc.core, items, 1, peer.now, NULL), KC_OK);
    poll_until(HELD + 5);
    end();

    begin_waiting();
    script_consumer_end(&sc); /* with the records still held: they outlive it */
    memset(&stats, 0, sizeof stats);
}

static struct script_request *parked[2]; /* Fetch requests by their first partition */

static const struct kci_fetch_request *fetch_of(int32_t partition)
{
    while (script_waits(&sc, KCI_API_FETCH)) {
        struct script_request *r = script_expect(&sc, KCI_API_FETCH);
        const struct kci_fetch_request *request = r->message;
        parked[request->topics[0].partitions[0].partition] = r;
    }
    if (!parked[partition])
        fail_msg("no fetch of partition %d waits", (int)partition);
    return parked[partition]->message;
}

/* Answer it with what there is, perhaps nothing. */
static void answer_fetch_of(int32_t partition)
{
    (void)fetch_of(partition);
    assert_true(script_answer_fetch(&sc, parked[partition], true));
    parked[partition] = NULL;
    script_step(&peer);
}

/* Its answer is late: meanwhile the partition was paused, and it is another one's turn to be fetched alone.  That one
 * is neither forgotten nor taken for what has arrived. */
static void test_a_late_answer_is_not_the_next_ones(void **state)
{
    kc_topic_partition first = { "t", 0, 0, -1, NULL, KC_OK };
    enum { HUGE_ONE = 20000, MANY = 24 * 1500 };
    (void)state;
    begin();
    peer.brokers = 2;
    sc.settings.fetch_memory_max = 1 << 20;
    sc.settings.max_poll_records = MANY;
    sc.keep = true;
    script_consumer_create(&sc);
    for (int i = 0; i < 24; i++)
        script_append(&sc, 1, 1500);
    assign_both();
    script_advance(&peer, 600);
    assert_int_equal(poll(), KC_OK); /* some 600 KB are held now */
    assert_int_equal(stats.records_returned, MANY);
    sc.keep = false;
    sc.park_fetch = true;
    append_huge(0, HUGE_ONE);
    script_advance(&peer, 600);
    answer_fetch_of(0); /* too large beside others */
    answer_fetch_of(1); /* nothing, and nothing else is under way: now it is asked for alone */
    assert_int_equal(fetch_of(0)->max_bytes, 1);
    assert_int_equal(kci_consumer_pause(sc.core, &first, 1, true, NULL), KC_OK);
    kci_records_release(sc.kept);
    sc.kept = NULL;
    append_huge(1, HUGE_ONE);
    script_advance(&peer, 600);
    answer_fetch_of(1); /* its turn */
    answer_fetch_of(1); /* nothing is behind it */
    answer_fetch_of(0); /* late */
    assert_int_equal(fetch_of(1)->max_bytes, 1);
    answer_fetch_of(1);
    sc.park_fetch = false;
    script_step(&peer);
    poll_until(MANY + HUGE_ONE);
    assert_int_equal(position(1), MANY + HUGE_ONE);
    assert_int_equal(kci_consumer_pause(sc.core, &first, 1, false, NULL), KC_OK);
    poll_until(MANY + 2 * HUGE_ONE);
    end();
}

/* A group takes the partition away while its batch waits: it is revoked like any other. */
static void test_revoked_while_it_waits(void **state)
{
    (void)state;
    begin();
    sc.keep = true;
    script_consumer_create(&sc);
    for (int i = 0; i < 4; i++)
        script_append(&sc, 1, 1500);
    script_subscribe(&sc);
    script_join(&sc, 1, "01");
    poll();
    assert_non_null(sc.kept);
    sc.keep = false;
    append_large(0);
    for (int i = 0; i < 3; i++)
        poll();
    assert_int_equal(position(0), 0);
    assert_false(script_waits(&sc, KCI_API_FETCH));
    script_append(&sc, 1, 5);
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    assert_non_null(strstr(sc.seen, "revoked("));
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "1");
    script_poll(&sc);
    assert_non_null(strstr(sc.seen, "assigned(t-1)"));
    poll();
    assert_true(stats.records_returned > HELD);
    end();
}

/* The leader goes away while the batch waits: the partitions of other brokers do not wait for its return. */
static void test_leader_gone_while_it_waits(void **state)
{
    (void)state;
    begin_waiting();
    kci_records_release(sc.kept);
    sc.kept = NULL;
    sc.logs[0].error = KCI_NOT_LEADER_OR_FOLLOWER;
    poll_until(HELD + 5);
    sc.logs[0].error = KCI_NONE;
    poll_until(HELD + 5 + LARGE + 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivered_alone),
        cmocka_unit_test(test_waits_for_what_is_held),
        cmocka_unit_test(test_beside_a_little),
        cmocka_unit_test(test_paused_makes_room),
        cmocka_unit_test(test_paused_waits_for_what_is_under_way),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_any_allocation_fails),
        cmocka_unit_test(test_over_while_it_waits),
        cmocka_unit_test(test_a_late_answer_is_not_the_next_ones),
        cmocka_unit_test(test_revoked_while_it_waits),
        cmocka_unit_test(test_leader_gone_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
