/* Offsets by topic id (OffsetCommit and OffsetFetch 10): what is said, what happens when the id is not known any more,
 * and that a deleted topic holds up nobody. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;
static struct kci_operation *operation;
static kc_error error;
static kc_err code;

static void begin_commit(void)
{
    kc_topic_partition item = { "t", 0, 5, -1, NULL, KC_OK };
    assert_int_equal(kci_consumer_begin_commit(sc.core, &operation, &item, 1, peer.now + 9000000, &error), KC_OK);
    script_step(&peer);
    script_advance(&peer, 1200); /* the fetch that is parked ends, the coordinator is found and connected to */
}

static const struct kci_offset_commit_request *expect_commit(int16_t version)
{
    struct script_request *r = script_pending(&peer, NULL, KCI_API_OFFSET_COMMIT);
    assert_non_null(r);
    assert_int_equal(r->header.version, version);
    return r->message;
}

static void end(kc_err expected)
{
    assert_true(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    assert_int_equal(code, expected);
    kci_consumer_operation_end(sc.core, operation);
    script_consumer_end(&sc);
}

/* The id that the metadata gave is what the coordinator is told, and its answer finds the partition by it. */
static void test_by_id(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
    script_assign(&sc, 0, 0);
    begin_commit();
    const struct kci_offset_commit_request *r = expect_commit(10);
    assert_true(kci_uuid_equal(&r->topics[0].topic_id, &peer.topics[0].id));
    assert_int_equal(r->topics[0].name.size, 0);
    script_answer_commit(&sc, KCI_NONE);
    assert_int_equal(sc.committed[0], 5);
    end(KC_OK);
}

/* The topic was made anew: the metadata is asked, and the commit, whose offsets are of the old one, says so. */
static void test_id_changes(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    script_consumer_create(&sc);
    script_assign(&sc, 0, 0);
    peer.topics[0].id.b[3] ^= 1;
    begin_commit();
    expect_commit(10);
    script_answer_commit(&sc, KCI_UNKNOWN_TOPIC_ID);
    assert_false(kci_consumer_operation_done(sc.core, operation, NULL, &code, &error));
    script_advance(&peer, 2500);
    if (script_waits(&sc, KCI_API_OFFSET_COMMIT)) { /* it was sent before the metadata came */
        script_answer_commit(&sc, KCI_UNKNOWN_TOPIC_ID);
        script_advance(&peer, 2500);
    }
    assert_false(script_waits(&sc, KCI_API_OFFSET_COMMIT));
    end(KC_ERR_UNKNOWN_TOPIC_ID);
}

/* Brokers below 4.2 are told names; so is one while the id is not known. */
static void test_by_name(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        script_consumer_init(&sc, &peer);
        if (round == 0)
            peer.version_max[KCI_API_OFFSET_COMMIT] = 9;
        else
            memset(&peer.topics[0].id, 0, sizeof peer.topics[0].id);
        script_consumer_create(&sc);
        script_assign(&sc, 0, 0);
        begin_commit();
        assert_true(kci_str_equal(expect_commit(9)->topics[0].name, kci_str_of("t")));
        script_answer_commit(&sc, KCI_NONE);
        end(KC_OK);
    }
}

/* A topic was deleted: the automatic commit before its partitions are revoked fails, and the rebalance goes on. */
static void test_deleted_topic_and_rebalance(void **state)
{
    static const int16_t errors[] = { KCI_UNKNOWN_TOPIC_ID, KCI_UNKNOWN_TOPIC_OR_PARTITION };
    (void)state;
    for (int round = 0; round < 2; round++) {
        script_consumer_init(&sc, &peer);
        sc.settings.enable_auto_commit = true;
        script_consumer_create(&sc);
        script_append(&sc, 0, 2);
        script_join(&sc, 1, "0");
        assert_seen(&sc, "assigned(t-0) t-0:0 t-0:1");
        script_advance(&peer, 3000);
        script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
        script_poll(&sc);
        script_answer_commit(&sc, errors[round]);
        assert_seen(&sc, "revoked(t-0)");
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_id),
        cmocka_unit_test(test_id_changes),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_deleted_topic_and_rebalance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
