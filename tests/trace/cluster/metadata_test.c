/* What a client knows of topics, when it asks, and whom it believes. */
#include "support/metadata_story.h"

/* A wanted topic is asked for at once and becomes known, with id, leaders, epochs and replicas. */
static void test_known(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 4);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    assert_false(t->known);
    assert_null(t->partitions);
    script_settle(&peer);
    assert_true(t->known);
    assert_int_equal(t->error, KCI_NONE);
    assert_int_equal(t->partition_count, 4);
    for (int32_t p = 0; p < 4; p++) {
        assert_int_equal(t->partitions[p].id, p);
        assert_int_equal(t->partitions[p].leader, p % 3 + 1);
        assert_int_equal(t->partitions[p].leader_epoch, 5);
        assert_int_equal(t->partitions[p].replica_count, 1);
        assert_int_equal(t->partitions[p].replicas[0], p % 3 + 1);
        assert_int_equal(t->partitions[p].isr[0], p % 3 + 1);
    }
    assert_ptr_equal(kci_cluster_topic(sc.cluster, kci_str_of("t")), t);
    assert_ptr_equal(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id), t);
    assert_int_equal(sc.metadata_events, 1);
    assert_int_equal(last_asked()->topics_count, 1);
    assert_true(last_asked()->allow_auto_topic_creation);
    assert_int_equal(peer.requests[1].header.version, 13);
    script_cluster_destroy(&sc);
}

/* Topics are counted: the last forget forgets. A new one is asked for alone. */
static void test_want_and_forget(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "a", 1);
    script_topic(&peer, "b", 1);
    sc.settings.allow_auto_create_topics = false;
    script_cluster_create(&sc);
    const struct kci_topic_info *a = want("a");
    assert_ptr_equal(want("a"), a);
    script_settle(&peer);
    want("b");
    script_settle(&peer);
    assert_int_equal(asked(), 2);
    assert_int_equal(last_asked()->topics_count, 1);
    assert_true(kci_str_equal(last_asked()->topics[0].name, kci_str_of("b")));
    assert_false(last_asked()->allow_auto_topic_creation);
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    assert_non_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    assert_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    assert_null(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id));
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 200);
    assert_int_equal(last_asked()->topics_count, 1);
    script_cluster_destroy(&sc);
}

/* A topic forgotten while the request is on its way: its answer is nobody's. */
static void test_forgotten_on_the_way(void **state)
{
    (void)state;
    begin(1);
    peer.auto_metadata = false;
    script_topic(&peer, "a", 1);
    script_cluster_create(&sc);
    want("a");
    script_settle(&peer);
    kci_cluster_forget_topic(sc.cluster, kci_str_of("a"));
    script_answer_metadata(&peer, script_take(&peer, NULL, KCI_API_METADATA));
    script_settle(&peer);
    assert_int_equal(sc.metadata_events, 1);
    assert_null(kci_cluster_topic(sc.cluster, kci_str_of("a")));
    script_cluster_destroy(&sc);
}

/* A topic that does not exist is asked for again with growing pauses while it is wanted, its error in sight; once it is
 * there, it is known and the client is quiet. */
static void test_unknown_topic(void **state)
{
    (void)state;
    begin(1);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("late");
    script_settle(&peer);
    assert_true(t->known);
    assert_int_equal(t->error, KCI_UNKNOWN_TOPIC_OR_PARTITION);
    script_advance(&peer, 10000);
    assert_in_range(asked(), 10, 16); /* 100, 200, 400, 800, then every second */
    script_topic(&peer, "late", 2);
    script_advance(&peer, 1300);
    assert_int_equal(t->error, KCI_NONE);
    assert_int_equal(t->partition_count, 2);
    size_t before = asked();
    script_advance(&peer, 60000);
    assert_int_equal(asked(), before);
    script_cluster_destroy(&sc);
}

/* An error that asking again will not change (authorization) is asked again only by refresh or by age. */
static void test_final_error(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "secret", 1);
    peer.topics[0].error = KCI_TOPIC_AUTHORIZATION_FAILED;
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("secret");
    script_advance(&peer, 10000);
    assert_int_equal(t->error, KCI_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(asked(), 1);
    peer.topics[0].error = KCI_NONE;
    kci_cluster_refresh(sc.cluster, "the user tries again", peer.now);
    script_settle(&peer);
    assert_int_equal(t->error, KCI_NONE);
    script_cluster_destroy(&sc);
}

/* An error does not take away what was known. */
static void test_partitions_outlive_errors(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.topics[0].error = KCI_LEADER_NOT_AVAILABLE;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 150);
    assert_int_equal(t->error, KCI_LEADER_NOT_AVAILABLE);
    assert_int_equal(t->partition_count, 3);
    assert_int_equal(t->partitions[2].leader, 1);
    script_cluster_destroy(&sc);
}

/* Of two answers the one with the higher leader epoch is right, whichever comes last. */
static void test_older_epoch(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    uint64_t generation = t->generation;
    peer.topics[0].epoch = 4; /* a broker that lags behind */
    peer.topics[0].leader_shift = 1;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(asked(), 2);
    assert_int_equal(t->partitions[0].leader, 1);
    assert_int_equal(t->partitions[0].leader_epoch, 5);
    assert_int_equal(t->generation, generation);
    peer.topics[0].epoch = 6;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 300);
    assert_int_equal(t->partitions[0].leader, 2);
    assert_int_equal(t->partitions[0].leader_epoch, 6);
    assert_true(t->generation > generation);
    script_cluster_destroy(&sc);
}

/* Deleted and created again: another id, and epochs that begin anew count. */
static void test_recreated(void **state)
{
    (void)state;
    begin(3);
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    struct kci_uuid old = peer.topics[0].id;
    peer.topics[0].id.b[7] = 9;
    peer.topics[0].epoch = 0;
    peer.topics[0].partitions = 2;
    peer.topics[0].leader_shift = 2;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(t->partitions[0].leader, 3);
    assert_int_equal(t->partitions[0].leader_epoch, 0);
    assert_null(kci_cluster_topic_by_id(sc.cluster, &old));
    assert_ptr_equal(kci_cluster_topic_by_id(sc.cluster, &peer.topics[0].id), t);
    script_cluster_destroy(&sc);
}

/* Fewer partitions under the same id are an old answer. */
static void test_fewer_partitions(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 8);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    peer.topics[0].partitions = 4;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 8);
    assert_int_equal(t->partitions[7].leader, 1);
    script_cluster_destroy(&sc);
}

/* Old brokers give no ids and epochs that cannot be trusted: their last word counts. */
static void test_old_broker(void **state)
{
    (void)state;
    begin(3);
    peer.version_max[KCI_API_METADATA] = 8;
    script_topic(&peer, "t", 3);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    assert_true(kci_uuid_is_zero(&t->id));
    assert_int_equal(t->partitions[0].leader_epoch, -1);
    peer.topics[0].epoch = 1;
    peer.topics[0].leader_shift = 1;
    peer.topics[0].partitions = 2;
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(t->partitions[0].leader, 2);
    script_cluster_destroy(&sc);
}

/* A leader hint (KIP-951) is taken when it is newer, and a metadata answer that is older than the hint does not undo
 * it. */
static void test_leader_hint(void **state)
{
    (void)state;
    begin(2);
    script_topic(&peer, "t", 2);
    script_cluster_create(&sc);
    const struct kci_topic_info *t = want("t");
    script_settle(&peer);
    struct kci_str name = kci_str_of("t");
    size_t events = sc.metadata_events;
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 0, 2, 5, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 0, -1, 6, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 2, 2, 6, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, kci_str_of("x"), 0, 2, 6, peer.now));
    assert_false(kci_cluster_leader_hint(sc.cluster, name, 0, 9, 6, peer.now)); /* where is it? */
    assert_int_equal(sc.metadata_events, events);
    kci_cluster_node_hint(sc.cluster, 9, kci_str_of("b9"), 9092, kci_str_of("r"), peer.now);
    assert_true(kci_cluster_leader_hint(sc.cluster, name, 0, 9, 6, peer.now));
    assert_int_equal(t->partitions[0].leader, 9);
    assert_int_equal(sc.metadata_events, events + 1);
    assert_string_equal(kci_cluster_node_text(sc.cluster, 9), "b9:9092");
    kci_cluster_refresh(sc.cluster, "a test", peer.now);
    script_advance(&peer, 121);
    assert_int_equal(t->partitions[0].leader, 9);
    script_cluster_destroy(&sc);
}

/* Refreshes that bring nothing new are further and further apart; news makes them quick again. */
static void test_refresh_backs_off(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    for (size_t i = 0; i < 1000; i++) { /* somebody asks all the time for ten seconds */
        kci_cluster_refresh(sc.cluster, "a test", peer.now);
        script_advance(&peer, 10);
    }
    assert_in_range(asked(), 10, 17);
    size_t before = asked();
    peer.topics[0].epoch = 6;
    for (size_t i = 0; i < 150; i++) {
        kci_cluster_refresh(sc.cluster, "a test", peer.now);
        script_advance(&peer, 10);
    }
    assert_in_range(asked() - before, 3, 5); /* within 1.2 s the news, then 100 and 200 ms after it */
    script_cluster_destroy(&sc);
}

/* By itself metadata is renewed at its maximum age. */
static void test_max_age(void **state)
{
    (void)state;
    begin(1);
    script_topic(&peer, "t", 1);
    script_cluster_create(&sc);
    want("t");
    script_settle(&peer);
    size_t steps = peer.steps;
    script_advance(&peer, 299999);
    assert_int_equal(asked(), 1);
    assert_in_range(peer.steps - steps, 1, 5); /* an idle client sleeps */
    script_advance(&peer, 1);
    assert_int_equal(asked(), 2);
    script_advance(&peer, 300000);
    assert_int_equal(asked(), 3);
    script_cluster_destroy(&sc);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_want_and_forget),
        cmocka_unit_test(test_forgotten_on_the_way),
        cmocka_unit_test(test_unknown_topic),
        cmocka_unit_test(test_final_error),
        cmocka_unit_test(test_partitions_outlive_errors),
        cmocka_unit_test(test_older_epoch),
        cmocka_unit_test(test_recreated),
        cmocka_unit_test(test_fewer_partitions),
        cmocka_unit_test(test_old_broker),
        cmocka_unit_test(test_leader_hint),
        cmocka_unit_test(test_refresh_backs_off),
        cmocka_unit_test(test_max_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
