/* Pausing and seeking (PROTOCOL 3.3): a flag of the client's own, for as long as the group leaves the partition here,
 * and a barrier for what was queued, asked and looked up before. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(const char *strategy, int32_t max_poll_records)
{
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = strategy;
    sc.settings.max_poll_records = max_poll_records;
    script_consumer_create(&sc);
}

static void pause_it(int32_t partition, bool pause)
{
    kc_topic_partition item = { "t", partition, 0, -1, NULL, KC_OK };
    assert_int_equal(kci_consumer_pause(sc.core, &item, 1, pause, NULL), KC_OK);
    script_step(&peer);
}

static bool is_paused(int32_t partition)
{
    kc_consumer_state state;
    kci_consumer_state(sc.core, "t", partition, peer.now, &state);
    return state.paused;
}

static void seek(int64_t offset)
{
    assert_int_equal(kci_consumer_seek(sc.core, "t", 0, offset, peer.now, NULL), KC_OK);
    script_step(&peer);
}

static void assign_both(void)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    assert_int_equal(kci_consumer_assign(sc.core, items, 2, peer.now, NULL), KC_OK);
    script_step(&peer);
}

/* Fetch requests from the `from`-th request on that name this partition. */
static size_t fetches_of(int32_t partition, size_t from)
{
    size_t count = 0;
    for (size_t i = from; i < peer.request_count; i++) {
        const struct kci_fetch_request *request = peer.requests[i].message;
        if (peer.requests[i].header.api_key != KCI_API_FETCH)
            continue;
        for (int32_t t = 0; t < request->topics_count; t++)
            for (int32_t p = 0; p < request->topics[t].partitions_count; p++)
                count += request->topics[t].partitions[p].partition == partition;
    }
    return count;
}

/* A paused partition is not asked for, its neighbour is; what was queued comes on resume, once, then what is new. */
static void test_not_fetched(void **state)
{
    (void)state;
    begin("range", 500);
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 1);
    assign_both();
    pause_it(0, true);
    assert_seen(&sc, "t-1:0");
    script_advance(&peer, 600); /* the fetch that was ahead is back */
    size_t from = peer.request_count;
    script_append(&sc, 0, 1);
    script_append(&sc, 1, 1);
    script_advance(&peer, 2000);
    assert_seen(&sc, "t-1:1");
    assert_int_equal(fetches_of(0, from), 0);
    assert_true(fetches_of(1, from) > 0);
    pause_it(0, false);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2");
    script_consumer_end(&sc);
}

/* Paused between two polls: the rest of a batch stays where it is, and the position as well. */
static void test_middle_of_a_batch(void **state)
{
    int64_t position = -1;
    (void)state;
    begin("range", 1);
    script_append(&sc, 0, 3);
    script_assign(&sc, 0, 0);
    script_poll(&sc);
    pause_it(0, true);
    pause_it(0, true); /* twice is once */
    assert_seen(&sc, "t-0:0");
    assert_int_equal(kci_consumer_position(sc.core, "t", 0, &position, NULL), KC_OK);
    assert_int_equal(position, 1);
    pause_it(0, false);
    assert_seen(&sc, "t-0:1 t-0:2");
    script_consumer_end(&sc);
}

/* A seek does not resume, and on resume nothing from before it is returned: not what was queued, not what was half
 * read. */
static void test_seek(void **state)
{
    static const struct {
        int64_t to;
        const char *seen;
    } rows[] = { { 4, "t-0:4 t-0:5" },
                 { 0, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4 t-0:5" },
                 { KC_OFFSET_BEGINNING, "t-0:0 t-0:1 t-0:2 t-0:3 t-0:4 t-0:5" },
                 { KC_OFFSET_END, "" } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("range", 1);
        script_append(&sc, 0, 3);
        script_append(&sc, 0, 3);
        script_assign(&sc, 0, 0);
        script_poll(&sc);
        assert_noted(&sc, "t-0:0");
        pause_it(0, true);
        seek(rows[i].to);
        assert_true(is_paused(0));
        script_advance(&peer, 1000);
        assert_seen(&sc, "");
        pause_it(0, false);
        script_advance(&peer, 1000);
        assert_seen(&sc, rows[i].seen);
        script_append(&sc, 0, 1);
        script_advance(&peer, 1000);
        assert_seen(&sc, "t-0:6");
        script_consumer_end(&sc);
    }
}

/* Records are queued and a fetch is under way: a seek drops both, whether it goes ahead or back. */
static void test_seek_while_queued(void **state)
{
    static const struct {
        int64_t to;
        const char *seen;
    } rows[] = { { 5, "t-0:5" }, { 2, "t-0:2 t-0:3 t-0:4 t-0:5" }, { 1, "t-0:1 t-0:2 t-0:3 t-0:4 t-0:5" } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("range", 1);
        script_append(&sc, 0, 3);
        script_assign(&sc, 0, 0);
        script_poll(&sc);
        assert_noted(&sc, "t-0:0");
        sc.park_fetch = true;
        script_append(&sc, 0, 3);
        struct script_request *before = script_expect(&sc, KCI_API_FETCH);
        seek(rows[i].to);
        script_answer_fetch(&sc, before, true);
        sc.park_fetch = false;
        script_advance(&peer, 1000);
        assert_seen(&sc, rows[i].seen);
        script_consumer_end(&sc);
    }
}

/* The end is sought while the beginning is still being looked up: what comes of the first question does not count. */
static void test_seek_overtakes_a_seek(void **state)
{
    (void)state;
    begin("range", 500);
    script_append(&sc, 0, 3);
    sc.manual = KCI_API_LIST_OFFSETS;
    script_assign(&sc, 0, KC_OFFSET_BEGINNING);
    struct script_request *before = script_expect(&sc, KCI_API_LIST_OFFSETS);
    seek(KC_OFFSET_END);
    script_answer_list_offsets(&sc, before);
    script_advance(&peer, 600);
    assert_seen(&sc, "");
    script_answer_list_offsets(&sc, script_expect(&sc, KCI_API_LIST_OFFSETS));
    script_advance(&peer, 600);
    script_append(&sc, 0, 1);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:3");
    script_consumer_end(&sc);
}

/* What is asked of a partition that is not ours is refused, and then nothing of the list is paused. */
static void test_all_or_nothing(void **state)
{
    kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    (void)state;
    begin("range", 500);
    script_append(&sc, 0, 1);
    script_assign(&sc, 0, 0);
    assert_int_equal(kci_consumer_pause(sc.core, items, 2, true, NULL), KC_ERR_STATE);
    assert_false(is_paused(0));
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

/* ---- rebalances ---- */

static void rebalance(int32_t generation, const char *partitions)
{
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, generation, "other");
    script_answer_sync(&sc, KCI_NONE, partitions);
}

/* The eager protocol takes everything back: what comes again is not paused, though it is the same partition. */
static void test_eager(void **state)
{
    (void)state;
    begin("range", 500);
    script_append(&sc, 0, 2);
    script_join(&sc, 1, "0");
    pause_it(0, true);
    sc.seen[0] = 0;
    rebalance(2, "0");
    script_poll_all(&sc);
    assert_false(is_paused(0));
    script_advance(&peer, 600);
    script_poll_all(&sc);
    assert_non_null(strstr(sc.seen, "revoked(t-0) assigned(t-0) t-0:0 t-0:1"));
    script_consumer_end(&sc);
}

/* The cooperative one leaves what is kept as it is; what comes is not paused, and what went and comes back neither. */
static void test_cooperative(void **state)
{
    (void)state;
    begin("cooperative-sticky", 500);
    script_join(&sc, 1, "0");
    assert_noted(&sc, "assigned(t-0)");
    pause_it(0, true);
    script_append(&sc, 0, 1);
    script_append(&sc, 1, 1);
    rebalance(2, "01");
    script_advance(&peer, 600);
    assert_seen(&sc, "assigned(t-1) t-1:0");
    assert_true(is_paused(0));

    pause_it(1, true);
    rebalance(3, "0"); /* 1 goes */
    script_poll(&sc);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 4, "other");
    script_answer_sync(&sc, KCI_NONE, "01"); /* and comes back */
    script_advance(&peer, 600);
    assert_seen(&sc, "revoked(t-1) assigned() assigned(t-1) t-1:0");
    assert_true(is_paused(0));
    assert_false(is_paused(1));
    pause_it(0, false);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:0");
    script_consumer_end(&sc);
}

/* Partitions by hand: the new list leaves what it names again paused, wherever that is to begin; what it names for the
 * first time, or again after it was gone, is not. */
static void test_assigned_again(void **state)
{
    kc_topic_partition other = { "t", 1, 0, -1, NULL, KC_OK };
    (void)state;
    begin("range", 500);
    script_append(&sc, 0, 2);
    script_append(&sc, 1, 1);
    script_assign(&sc, 0, 0);
    pause_it(0, true);
    assign_both();
    assert_true(is_paused(0));
    assert_false(is_paused(1));
    assert_seen(&sc, "t-1:0");
    script_assign(&sc, 0, 1);
    assert_true(is_paused(0));
    assert_seen(&sc, "");
    pause_it(0, false);
    script_advance(&peer, 600);
    assert_seen(&sc, "t-0:1");

    pause_it(0, true);
    assert_int_equal(kci_consumer_assign(sc.core, &other, 1, peer.now, NULL), KC_OK);
    assign_both();
    assert_false(is_paused(0));
    script_advance(&peer, 600);
    script_poll_all(&sc);
    assert_non_null(strstr(sc.seen, "t-0:0 t-0:1"));
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_fetched),    cmocka_unit_test(test_middle_of_a_batch),
        cmocka_unit_test(test_seek),           cmocka_unit_test(test_seek_while_queued),
        cmocka_unit_test(test_all_or_nothing), cmocka_unit_test(test_eager),
        cmocka_unit_test(test_cooperative),    cmocka_unit_test(test_seek_overtakes_a_seek),
        cmocka_unit_test(test_assigned_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
