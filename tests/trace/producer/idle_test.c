/* Stories of topics that are not used for a while: they are dropped from the metadata, and come back with a record. */
#include "producer/internal.h"
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    sp.settings.metadata_max_idle_ms = 10000;
    sp.settings.metadata_max_age_ms = 60000;
    return 0;
}

/* Metadata requests since the n-th request of the world, and those that name the topic. */
static size_t asked_since(size_t from, size_t *naming)
{
    size_t asked = 0;
    *naming = 0;
    for (size_t i = from; i < sp.peer.request_count; i++) {
        const struct script_request *r = &sp.peer.requests[i];
        if (r->header.api_key != KCI_API_METADATA)
            continue;
        const struct kci_metadata_request *m = r->message;
        asked++;
        assert_true(m->topics_count >= 0); /* never all topics of the cluster */
        for (int32_t t = 0; t < m->topics_count; t++)
            *naming += kci_str_equal(m->topics[t].name, kci_str_of("t"));
    }
    return asked;
}

/* After metadata.max.idle.ms without a record the refreshes do not name the topic any more. */
static void test_unused_topics_are_dropped(void **state)
{
    size_t naming;
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    size_t from = sp.peer.request_count;
    script_advance(&sp.peer, 9000);
    assert_non_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_advance(&sp.peer, 1000);
    assert_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_advance(&sp.peer, 200000);
    assert_true(asked_since(from, &naming) >= 3);
    assert_int_equal(naming, 0);
    script_producer_destroy(&sp);
}

/* The next record asks for it anew and then goes to whoever leads it now, not to who led it long ago; it does not make
 * send wait. */
static void test_the_next_record_brings_it_back(void **state)
{
    size_t naming;
    struct kci_producer_wait why;
    kc_error error;
    (void)state;
    sp.peer.brokers = 3;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30000);
    sp.peer.topics[0].leader_shift = 1;
    sp.peer.topics[0].epoch++;
    size_t from = sp.peer.request_count, produced = sp.produce_requests;
    assert_int_equal(script_queue(&sp, 0, "b", &why, &error), KC_OK);
    script_settle(&sp.peer);
    script_fates_are(&sp, "a=0 b=1");
    asked_since(from, &naming);
    assert_int_equal(naming, 1);
    assert_int_equal(sp.produce_requests, produced + 1); /* no broker had to send it on */
    script_advance(&sp.peer, 5000);
    script_send(&sp, 0, "c"); /* in use again */
    script_advance(&sp.peer, 9000);
    assert_non_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_producer_destroy(&sp);
}

/* New partitions are found on the way back. */
static void test_it_may_have_grown(void **state)
{
    int32_t count;
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30000);
    sp.peer.topics[0].partitions = 5;
    assert_int_equal(kci_producer_partitions(sp.producer, "t", &count, NULL), KC_OK);
    assert_int_equal(count, 3);
    script_send(&sp, 0, "b");
    assert_int_equal(kci_producer_partitions(sp.producer, "t", &count, NULL), KC_OK);
    assert_int_equal(count, 5);
    script_send(&sp, 4, "c");
    script_fates_are(&sp, "a=0 b=1 c=0");
    script_producer_destroy(&sp);
}

/* A record without fate keeps its topic: one that lingers longer than the limit, and one whose answer does not come. */
static void test_what_waits_keeps_its_topic(void **state)
{
    (void)state;
    sp.settings.linger_ms = 25000;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 24000);
    assert_non_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    script_advance(&sp.peer, 1000);
    script_advance(&sp.peer, 25000);
    assert_non_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, KCI_NONE);
    script_fates_are(&sp, "a=0");
    script_advance(&sp.peer, 40000);
    assert_null(kci_cluster_topic(sp.producer->cluster, kci_str_of("t")));
    script_producer_destroy(&sp);
}

/* A producer with nothing but dropped topics wakes up for metadata.max.age.ms only. */
static void test_nothing_to_do_is_not_done(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30000);
    size_t steps = sp.peer.steps;
    script_advance(&sp.peer, 600000);
    assert_true(sp.peer.steps - steps < 300); /* ten refreshes, each with its connection */
    script_producer_destroy(&sp);
}

/* A purge, and the end, with a dropped topic. */
static void test_the_end_with_a_dropped_topic(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    script_advance(&sp.peer, 30000);
    kci_producer_purge(sp.producer, KC_PURGE_QUEUED | KC_PURGE_IN_FLIGHT);
    uint64_t ticket = kci_producer_flush(sp.producer);
    script_settle(&sp.peer);
    assert_true(kci_producer_flushed(sp.producer, ticket));
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unused_topics_are_dropped, setup),
        cmocka_unit_test_setup(test_the_next_record_brings_it_back, setup),
        cmocka_unit_test_setup(test_it_may_have_grown, setup),
        cmocka_unit_test_setup(test_what_waits_keeps_its_topic, setup),
        cmocka_unit_test_setup(test_nothing_to_do_is_not_done, setup),
        cmocka_unit_test_setup(test_the_end_with_a_dropped_topic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
