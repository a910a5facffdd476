/* isolation.level: what of transactions is seen, and where the position goes meanwhile. The broker's answers are made
 * by hand: batches of transactions, markers, and lists of what was aborted. */
#include "support/script_consumer.h"

static struct script_peer peer;
static struct script_consumer sc;

static void begin(enum kci_isolation level)
{
    script_consumer_init(&sc, &peer);
    sc.settings.isolation_level = level;
    script_consumer_create(&sc);
}

static void append_of(int64_t producer_id, int32_t count)
{
    struct kci_batch_header header = script_plain_batch();
    header.attributes = KCI_BATCH_TRANSACTIONAL;
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.base_sequence = 0;
    script_append_with(&sc, 0, count, header);
}

static void expect_position(int64_t expected)
{
    int64_t position = -1;
    assert_int_equal(kci_consumer_position(sc.core, "t", 0, &position, NULL), KC_OK);
    assert_int_equal(position, expected);
}

/* 0 1 of an aborted transaction, 2 of nobody's, the marker, 4 5 of a committed one of the same producer, its marker. */
static void append_story(void)
{
    append_of(7, 2);
    script_append(&sc, 0, 1);
    script_append_marker(&sc, 0, 7, 0, 0);
    append_of(7, 2);
    script_append_marker(&sc, 0, 7, 1, 0);
}

/* What was aborted is not returned, markers never are, and the position lies behind all of it. */
static void test_aborted(void **state)
{
    (void)state;
    begin(KCI_READ_COMMITTED);
    append_story();
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:2 t-0:4 t-0:5");
    expect_position(7);
    script_consumer_end(&sc);

    begin(KCI_READ_UNCOMMITTED);
    append_story();
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:1 t-0:2 t-0:4 t-0:5");
    expect_position(7);
    script_consumer_end(&sc);
}

/* Two producers at once: one aborts, the other does not. */
static void test_interleaved(void **state)
{
    (void)state;
    begin(KCI_READ_COMMITTED);
    append_of(7, 1);
    append_of(8, 1);
    append_of(7, 1);
    append_of(8, 1);
    script_append_marker(&sc, 0, 8, 0, 1);
    append_of(8, 1); /* a new transaction of the one that aborted */
    script_append_marker(&sc, 0, 7, 1, 0);
    script_append_marker(&sc, 0, 8, 1, 0);
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "t-0:0 t-0:2 t-0:5");
    expect_position(8);
    script_consumer_end(&sc);
}

/* Reading stops before the first open transaction; the end is there as well, and goes on when it is committed. */
static void test_last_stable_offset(void **state)
{
    kc_topic_partition item = { "t", 0, KC_OFFSET_END, -1, NULL, KC_OK };
    const struct kci_partition_list *answer = NULL;
    struct kci_operation *operation;
    kc_err code;
    (void)state;
    begin(KCI_READ_COMMITTED);
    script_append(&sc, 0, 2);
    append_of(7, 2);
    script_append(&sc, 0, 1);
    sc.logs[0].open_at = 2;
    script_assign(&sc, 0, 0);
    const struct kci_fetch_request *fetch = script_pending(&peer, NULL, KCI_API_FETCH)->message;
    assert_int_equal(fetch->isolation_level, 1);
    assert_seen(&sc, "t-0:0 t-0:1");
    expect_position(2);
    assert_int_equal(kci_consumer_begin_offsets(sc.core, &operation, &item, 1, peer.now + 5000000, NULL), KC_OK);
    script_advance(&peer, 1000); /* behind a fetch that is parked */
    assert_true(kci_consumer_operation_done(sc.core, operation, &answer, &code, NULL));
    assert_int_equal(answer->items[0].offset, 2);
    kci_consumer_operation_end(sc.core, operation);
    sc.logs[0].open_at = 0;
    script_append_marker(&sc, 0, 7, 1, 0);
    script_step(&peer);
    assert_seen(&sc, "t-0:2 t-0:3 t-0:4");
    expect_position(6);
    script_consumer_end(&sc);
}

/* A log full of aborted data: nothing is returned, nothing stalls, and a commit says how far it went. */
static void test_nothing_but_aborted(void **state)
{
    struct kci_partition_list committable;
    (void)state;
    begin(KCI_READ_COMMITTED);
    for (int64_t i = 0; i < 20; i++) {
        append_of(7, 5);
        script_append_marker(&sc, 0, 7, 0, 6 * i);
    }
    script_assign(&sc, 0, 0);
    assert_seen(&sc, "");
    expect_position(120);
    assert_int_equal(kci_consumer_assignment(sc.core, &committable), KC_OK);
    assert_int_equal(committable.items[0].offset, 120);
    kci_partition_list_free(&sc.alloc, &committable);
    script_append(&sc, 0, 1);
    script_step(&peer);
    assert_seen(&sc, "t-0:120");
    script_consumer_end(&sc);
}

/* A read that begins inside an aborted transaction still skips the rest of it. */
static void test_from_the_middle(void **state)
{
    (void)state;
    begin(KCI_READ_COMMITTED);
    append_of(7, 2);
    append_of(7, 2);
    script_append_marker(&sc, 0, 7, 0, 0);
    append_of(7, 1);
    script_append_marker(&sc, 0, 7, 1, 0);
    script_assign(&sc, 0, 3);
    assert_seen(&sc, "t-0:5");
    expect_position(7);
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aborted),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_last_stable_offset),
        cmocka_unit_test(test_nothing_but_aborted),
        cmocka_unit_test(test_from_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
