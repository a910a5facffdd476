/* Stories of health: what stops every record makes a producer unavailable, what stops some makes it degraded, each with
 * its cause by name; what is no trouble is none; and everything that passes is forgotten. */
#include "support/script_producer.h"

static struct script_producer sp;
static kc_health h;

static int setup(void **state)
{
    (void)state;
    script_producer_init(&sp);
    sp.peer.brokers = 3;
    return 0;
}

static void look(void)
{
    kc_health glance;
    kci_producer_health(sp.producer, &h, sp.peer.now);
    kci_health_glance(sp.producer, &glance); /* sees the same, but for ages */
    assert_int_equal(glance.reasons, h.reasons & ~KC_HEALTH_LATE);
    assert_int_equal(glance.brokers_unreachable, h.brokers_unreachable);
    assert_int_equal(glance.partitions_leaderless, h.partitions_leaderless);
}

static void expect(int32_t state, uint32_t reasons, const char *said)
{
    look();
    if (h.state != state || h.reasons != reasons || !strstr(h.text, said))
        fail_msg("state %d, reasons %u: %s", (int)h.state, (unsigned)h.reasons, h.text);
    assert_int_equal(!h.text[0], reasons == 0);
}

/* A connection refused, for every attempt that is under way. */
static void refuse_all(void)
{
    while (sp.peer.resolve_next < sp.peer.resolve_count)
        script_resolved(&sp.peer, 1, "gone:9092");
    for (size_t i = 0; i < sp.peer.conn_count; i++)
        if (sp.peer.conns[i].state == SCRIPT_OPENING)
            script_close(&sp.peer, &sp.peer.conns[i], "connection refused");
}

/* Before the first answer nothing can be done, and the text says at which step it stands; then all is well, also with
 * no connection but idle ones that were closed. */
static void test_from_the_beginning(void **state)
{
    (void)state;
    sp.peer.auto_connect = false;
    sp.settings.metadata_max_age_ms = 10000000;
    script_producer_create(&sp);
    script_step(&sp.peer);
    expect(KC_HEALTH_UNAVAILABLE, KC_HEALTH_NO_BROKER, "bootstrap server b1:9092 is being resolved");
    sp.peer.auto_connect = true;
    script_step(&sp.peer);
    expect(KC_HEALTH_USABLE, 0, "");
    script_send(&sp, 0, "a");
    expect(KC_HEALTH_USABLE, 0, "");
    assert_int_equal(h.partitions, 3);
    assert_int_equal(h.oldest_record_ms, 0);
    script_advance(&sp.peer, 2 * sp.settings.connections_max_idle_ms);
    assert_false(kci_cluster_connected(sp.producer->cluster));
    expect(KC_HEALTH_USABLE, 0, "");
    script_producer_destroy(&sp);
}

/* One broker of three is away: degraded, by its name and what the last attempt met; all of them: unavailable. */
static void test_brokers_away(void **state)
{
    struct kci_producer_wait why;
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 3);
    sp.peer.auto_connect = false;
    for (size_t i = 0; i < sp.peer.conn_count; i++)
        if (sp.peer.conns[i].state == SCRIPT_OPEN && strncmp(sp.peer.conns[i].address, "b2", 2) == 0)
            script_close(&sp.peer, &sp.peer.conns[i], "connection reset by peer");
    expect(KC_HEALTH_USABLE, 0, ""); /* a connection may break: only who cannot be reached again is away */
    assert_int_equal(script_queue(&sp, 1, "b", &why, NULL), KC_OK);
    for (int i = 0; i < 4; i++) {
        script_advance(&sp.peer, 500);
        refuse_all();
    }
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_BROKER_AWAY,
           "broker 2 (b2:9092) cannot be connected to at gone:9092: connection refused");
    assert_int_equal(h.brokers_unreachable, 1);
    assert_in_range(h.oldest_record_ms, 2000, 2001);
    for (size_t i = 0; i < sp.peer.conn_count; i++)
        if (sp.peer.conns[i].state == SCRIPT_OPEN)
            script_close(&sp.peer, &sp.peer.conns[i], "connection reset by peer");
    for (int i = 0; i < 40; i++) {
        script_advance(&sp.peer, 100);
        refuse_all();
    }
    expect(KC_HEALTH_UNAVAILABLE, KC_HEALTH_BROKER_AWAY | KC_HEALTH_NO_BROKER, "broker 2 (b2:9092)");
    sp.peer.auto_connect = true;
    script_advance(&sp.peer, 5000);
    script_send(&sp, 0, "c");
    script_send(&sp, 2, "d");
    expect(KC_HEALTH_USABLE, 0, "");
    script_producer_destroy(&sp);
}

/* Partitions without a leader are counted and named, with since when; a topic that is not used any more is no matter. */
static void test_no_leader(void **state)
{
    struct script_topic_row *row;
    (void)state;
    sp.settings.metadata_max_age_ms = 1000;
    sp.settings.metadata_max_idle_ms = 60000;
    script_producer_create(&sp);
    script_warm_up(&sp, 3);
    row = script_topic_row(&sp.peer, kci_str_of("t"));
    row->leaderless = 2;
    row->epoch++;
    script_advance(&sp.peer, 2500);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_NO_LEADER, "2 of 3 partitions have no leader: t [0] since ");
    assert_non_null(strstr(h.text, ", t [1] since "));
    assert_int_equal(h.partitions_leaderless, 2);
    row->leaderless = 0;
    row->epoch++;
    script_advance(&sp.peer, 2500);
    expect(KC_HEALTH_USABLE, 0, "");
    row->leaderless = 3;
    row->epoch++;
    script_advance(&sp.peer, 2500);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_NO_LEADER, "3 of 3 partitions");
    script_advance(&sp.peer, 120000); /* forgotten: nobody sends to it */
    expect(KC_HEALTH_USABLE, 0, "");
    assert_int_equal(h.partitions, 0);
    row->leaderless = 0;
    row->epoch++;
    script_send(&sp, 0, "b"); /* back again */
    script_advance(&sp.peer, 200);
    expect(KC_HEALTH_USABLE, 0, "");
    assert_int_equal(h.partitions, 3);
    script_producer_destroy(&sp);
}

/* A topic that may not be written is named with the brokers' word for it. */
static void test_topic_refused(void **state)
{
    int32_t count;
    (void)state;
    script_producer_create(&sp);
    script_topic_row(&sp.peer, kci_str_of("t"))->error = KCI_TOPIC_AUTHORIZATION_FAILED;
    assert_int_equal(kci_producer_partitions(sp.producer, "t", &count, NULL), KC_ERR_QUEUE_FULL);
    script_step(&sp.peer);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_TOPIC_REFUSED, "topic t is refused: TOPIC_AUTHORIZATION_FAILED");
    script_topic_row(&sp.peer, kci_str_of("t"))->error = KCI_NONE;
    kci_producer_partitions(sp.producer, "t", &count, NULL);
    script_advance(&sp.peer, 1000);
    expect(KC_HEALTH_USABLE, 0, "");
    script_producer_destroy(&sp);
}

/* Without a producer id nothing is sent. */
static void test_no_producer_id(void **state)
{
    struct kci_producer_wait why;
    (void)state;
    sp.id_error = KCI_COORDINATOR_LOAD_IN_PROGRESS;
    sp.id_errors = 1000;
    script_producer_create(&sp);
    kci_topic_find(sp.producer, "t");
    script_step(&sp.peer);
    assert_int_equal(script_queue(&sp, 0, "a", &why, NULL), KC_OK);
    script_advance(&sp.peer, 1000);
    expect(KC_HEALTH_UNAVAILABLE, KC_HEALTH_NO_PRODUCER_ID, "gives no producer id: COORDINATOR_LOAD_IN_PROGRESS");
    sp.id_errors = 0;
    script_advance(&sp.peer, 2000);
    expect(KC_HEALTH_USABLE, 0, "");
    script_fates_are(&sp, "a=0");
    script_producer_destroy(&sp);
}

/* Records that wait: the memory fills, and half of delivery.timeout.ms goes by. */
static void test_memory_and_late(void **state)
{
    char value[1001] = "";
    struct kci_producer_wait why;
    (void)state;
    sp.settings.buffer_memory = 256 << 10;
    sp.settings.delivery_every_record = false;
    sp.settings.delivery = NULL;
    sp.settings.delivery_timeout_ms = 20000;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    memset(value, 'x', sizeof value - 1);
    script_fault(&sp, SCRIPT_HOLD, KCI_NONE);
    size_t count = 0;
    while (script_queue(&sp, 0, value, &why, NULL) == KC_OK && ++count < 1000)
        ;
    assert_int_equal(why.what, KCI_WAIT_MEMORY);
    script_advance(&sp.peer, 9000);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_MEMORY, "of 262144 bytes of buffer.memory are in use");
    assert_int_equal(h.oldest_record_ms, 9000);
    script_advance(&sp.peer, 2000);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_MEMORY | KC_HEALTH_LATE,
           "the oldest record has waited for 11.0 s of delivery.timeout.ms (20000)");
    script_serve_now(&sp, script_pending(&sp.peer, NULL, KCI_API_PRODUCE), true, KCI_NONE);
    script_advance(&sp.peer, 1000);
    expect(KC_HEALTH_USABLE, 0, "");
    assert_int_equal(h.oldest_record_ms, 0);
    script_producer_destroy(&sp);
}

/* Fenced, or closed: dead for good. */
static void test_dead(void **state)
{
    (void)state;
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    script_fault(&sp, SCRIPT_ERROR, KCI_PRODUCER_FENCED);
    script_send(&sp, 0, "a");
    expect(KC_HEALTH_UNAVAILABLE, KC_HEALTH_DEAD, "PRODUCER_FENCED");
    script_producer_destroy(&sp);
    setup(state);
    script_producer_create(&sp);
    script_warm_up(&sp, 1);
    kci_producer_close(sp.producer);
    expect(KC_HEALTH_UNAVAILABLE, KC_HEALTH_DEAD, "being closed");
    script_producer_destroy(&sp);
}

/* More reasons and names than the text has room for: it is cut, never overrun. */
static void test_long_texts(void **state)
{
    static char names[KCI_TOPIC_NAME_MAX + 1];
    int32_t count;
    (void)state;
    memset(names, 'n', sizeof names - 1);
    script_topic(&sp.peer, names, 9);
    script_topic_row(&sp.peer, kci_str_of(names))->leaderless = 9;
    script_producer_create(&sp);
    kci_producer_partitions(sp.producer, names, &count, NULL);
    script_step(&sp.peer);
    expect(KC_HEALTH_DEGRADED, KC_HEALTH_NO_LEADER, "9 of 9 partitions have no leader: nnn");
    assert_int_equal(strlen(h.text), sizeof h.text - 1);
    script_producer_destroy(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_from_the_beginning, setup),
        cmocka_unit_test_setup(test_brokers_away, setup),
        cmocka_unit_test_setup(test_no_leader, setup),
        cmocka_unit_test_setup(test_topic_refused, setup),
        cmocka_unit_test_setup(test_no_producer_id, setup),
        cmocka_unit_test_setup(test_memory_and_late, setup),
        cmocka_unit_test_setup(test_dead, setup),
        cmocka_unit_test_setup(test_long_texts, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
