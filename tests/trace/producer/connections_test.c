/* Stories of connections: made where a record goes and nowhere else, used again, closed when idle, made anew with the
 * next record, and not hammered at while a broker is away. */
#include "support/script_producer.h"

static struct script_producer sp;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    sp.peer.brokers = 3;
    sp.settings.connections_max_idle_ms = 60000;
    sp.settings.metadata_max_age_ms = 10000000;
    return 0;
}

/* Open connections to b<id>, or to the bootstrap server, which is b1 as well. */
static size_t open_to(const char *host)
{
    size_t count = 0;
    for (size_t i = 0; i < sp.peer.conn_count; i++)
        count += sp.peer.conns[i].state == SCRIPT_OPEN && strncmp(sp.peer.conns[i].address, host, strlen(host)) == 0;
    return count;
}

/* Partition 1 is led by broker 2: that is the only one that stays connected. */
static void test_only_where_records_go(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "a");
    assert_int_equal(open_to("b2"), 1);
    assert_int_equal(open_to("b1") + open_to("b3"), 0);
    script_send(&sp, 2, "b");
    assert_int_equal(open_to("b3"), 1);
    size_t made = sp.peer.conn_count;
    for (int i = 0; i < 20; i++) /* and used again */
        script_send(&sp, 1 + i % 2, "c");
    assert_int_equal(sp.peer.conn_count, made);
    script_producer_destroy(&sp);
}

/* Nobody used it for connections.max.idle.ms: closed, without an error for anybody; the next record opens it again. */
static void test_idle_ones_are_closed(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "a");
    script_advance(&sp.peer, 59000);
    assert_int_equal(open_to("b2"), 1);
    script_advance(&sp.peer, 2000);
    assert_int_equal(open_to("b2"), 0);
    assert_true(kci_producer_connected(sp.producer)); /* no connection is no trouble */
    script_send(&sp, 1, "b");
    assert_int_equal(open_to("b2"), 1);
    script_fates_are(&sp, "a=0 b=1");
    script_producer_destroy(&sp);
}

/* While the broker refuses, attempts come at growing distances, and when it is back the record goes out. */
static void test_a_broker_that_is_away_is_not_hammered(void **state)
{
    (void)state;
    sp.settings.reconnect_backoff_ms = 50;
    sp.settings.reconnect_backoff_max_ms = 1000;
    script_producer_create(&sp);
    script_send(&sp, 1, "a");
    sp.peer.auto_connect = false;
    script_close(&sp.peer, script_conn_last(&sp.peer), "connection reset by peer");
    struct kci_producer_wait why;
    size_t before = sp.peer.conn_count;
    assert_int_equal(script_queue(&sp, 1, "b", &why, NULL), KC_OK);
    for (int i = 0; i < 300; i++) { /* 30 seconds */
        script_advance(&sp.peer, 100);
        while (sp.peer.resolve_next < sp.peer.resolve_count)
            script_resolved(&sp.peer, 1, "b2:9092");
        for (size_t c = before; c < sp.peer.conn_count; c++)
            if (sp.peer.conns[c].state == SCRIPT_OPENING)
                script_close(&sp.peer, &sp.peer.conns[c], "connection refused");
    }
    /* about one a second to the leader, and as many to others, who are asked who leads now */
    assert_in_range(sp.peer.conn_count - before, 20, 150);
    sp.peer.auto_connect = true;
    script_advance(&sp.peer, 3000);
    script_fates_are(&sp, "a=0 b=1");
    script_producer_destroy(&sp);
}

/* A broker comes back at another address, in the middle of a request: the metadata that the failure asks for says where,
 * and what was sent to the old address goes to the new one, once and in order. */
static void test_a_broker_moves(void **state)
{
    struct kci_producer_wait why;
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "a");
    sp.peer.hosts[2] = "elsewhere";
    sp.peer.away = "b2:";
    script_fault(&sp, SCRIPT_APPLY_THEN_CLOSE, KCI_NONE); /* the answer is lost with the old address */
    assert_int_equal(script_queue(&sp, 1, "b", &why, NULL), KC_OK);
    assert_int_equal(script_queue(&sp, 1, "c", &why, NULL), KC_OK);
    script_advance(&sp.peer, 3000);
    assert_int_equal(open_to("elsewhere:9092"), 1);
    script_fates_are(&sp, "a=0 b=1 c=2");
    script_log_is(&sp, 1, "a b c");
    size_t made = sp.peer.conn_count;
    script_send(&sp, 1, "d");
    assert_int_equal(sp.peer.conn_count, made); /* the old address is forgotten */
    script_producer_destroy(&sp);
}

/* The same for one whose name stays while the address behind it changes, as that of a pod does: each attempt resolves
 * anew. */
static void test_a_name_moves(void **state)
{
    struct kci_producer_wait why;
    (void)state;
    script_producer_create(&sp);
    script_send(&sp, 1, "a");
    sp.peer.auto_connect = false;
    script_close(&sp.peer, script_conn_last(&sp.peer), "connection reset by peer");
    assert_int_equal(script_queue(&sp, 1, "b", &why, NULL), KC_OK);
    script_advance(&sp.peer, 200);
    while (sp.peer.resolve_next < sp.peer.resolve_count)
        script_resolved(&sp.peer, 1, "10.0.0.1:9092");
    for (size_t i = 0; i < sp.peer.conn_count; i++)
        if (sp.peer.conns[i].state == SCRIPT_OPENING)
            script_close(&sp.peer, &sp.peer.conns[i], "no route to host");
    script_advance(&sp.peer, 2000);
    while (sp.peer.resolve_next < sp.peer.resolve_count)
        script_resolved(&sp.peer, 1, "10.0.0.2:9092");
    sp.peer.auto_connect = true;
    script_advance(&sp.peer, 3000);
    script_fates_are(&sp, "a=0 b=1");
    assert_true(open_to("10.0.0.2:9092") + open_to("b2:9092") >= 1);
    script_producer_destroy(&sp);
}

/* A leader that the metadata does not list as a broker cannot be asked for anything: it is asked who it is, later and
 * later, and the record goes out when a broker knows; so does one that a hint names without saying where it is. */
static void test_a_leader_that_nobody_lists(void **state)
{
    struct kci_producer_wait why;
    (void)state;
    sp.peer.unlisted = 2;
    script_producer_create(&sp);
    script_send(&sp, 0, "a");
    assert_int_equal(script_queue(&sp, 1, "b", &why, NULL), KC_OK); /* led by broker 2 */
    script_advance(&sp.peer, 3000);
    script_fates_are(&sp, "a=0");
    sp.peer.unlisted = 0;
    script_advance(&sp.peer, 3000);
    script_fates_are(&sp, "a=0 b=0");
    sp.peer.topics[0].epoch++;
    sp.hint_leader = 9; /* no such broker */
    sp.hint_epoch = sp.peer.topics[0].epoch;
    script_fault(&sp, SCRIPT_ERROR, KCI_NOT_LEADER_OR_FOLLOWER);
    script_send(&sp, 0, "c");
    script_advance(&sp.peer, 3000);
    script_fates_are(&sp, "a=0 b=0 c=1");
    script_producer_destroy(&sp);
}

/* At most max.in.flight.requests.per.connection requests await their answer; the rest waits in batches that grow. */
static void test_requests_in_flight_are_limited(void **state)
{
    (void)state;
    sp.settings.max_in_flight_requests_per_connection = 2;
    script_producer_create(&sp);
    script_warm_up(&sp, 3);
    uint64_t produced = atomic_load(&sp.producer->counters.requests);
    struct kci_producer_wait why;
    for (int i = 0; i < 12; i++)
        script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(script_queue(&sp, 1, "x", &why, NULL), KC_OK);
        script_settle(&sp.peer);
    }
    assert_int_equal(atomic_load(&sp.producer->counters.requests) - produced, 2);
    sp.fault_first = sp.fault_count = 0;
    for (struct script_request *r; (r = script_pending(&sp.peer, NULL, KCI_API_PRODUCE)) != NULL;)
        script_serve_now(&sp, r, true, KCI_NONE);
    script_settle(&sp.peer);
    assert_int_equal(sp.fate_count, 13);
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_where_records_go, setup),
        cmocka_unit_test_setup(test_idle_ones_are_closed, setup),
        cmocka_unit_test_setup(test_a_broker_that_is_away_is_not_hammered, setup),
        cmocka_unit_test_setup(test_a_broker_moves, setup),
        cmocka_unit_test_setup(test_a_name_moves, setup),
        cmocka_unit_test_setup(test_a_leader_that_nobody_lists, setup),
        cmocka_unit_test_setup(test_requests_in_flight_are_limited, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
