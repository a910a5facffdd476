/* Why is there nothing to read? At every stop of a consumer's way the state names what it waits for, and for how long.
 */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

/* "group for ms, since poll ms; position for ms +bytes ahead" of partition 0 */
static void expect(const char *expected)
{
    kc_consumer_state state;
    char text[200];
    kci_consumer_state(sc.core, "t", 0, peer.now, &state);
    snprintf(text, sizeof text, "%s %lld, %lld; %s %lld%s%s%s", state.group, (long long)state.group_for_ms,
             (long long)state.since_poll_ms, state.position ? state.position : "-", (long long)state.position_for_ms,
             state.paused ? " paused" : "", state.revoking ? " revoking" : "", state.ahead_bytes ? " ahead" : "");
    assert_string_equal(text, expected);
}

static void test_the_way_of_a_member(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.manual = KCI_API_OFFSET_FETCH;
    sc.settings.max_poll_records = 1;
    script_consumer_create(&sc);
    script_append(&sc, 0, 2);
    expect("IDLE -1, -1; - 0");
    script_subscribe(&sc);
    script_advance(&peer, 70);
    expect("UNJOINED 70, -1; - 0"); /* nobody polls */
    script_poll(&sc);
    script_advance(&peer, 30);
    expect("JOINING 30, 30; - 0"); /* the other members do not come */
    script_answer_join(&sc, KCI_NONE, 1, "other");
    script_advance(&peer, 20);
    expect("SYNCING 20, 50; - 0"); /* the leader does not answer */
    script_answer_sync(&sc, KCI_NONE, "0");
    expect("ASSIGNING 0, 50; - 0"); /* on_assigned waits for a poll */
    script_poll(&sc);
    script_advance(&peer, 40);
    expect("STABLE 40, 40; COMMITTED 40"); /* the coordinator owes us the committed offset */
    sc.manual = -1;
    script_answer_offset_fetch(&sc, script_expect(&sc, KCI_API_OFFSET_FETCH));
    script_step(&peer);
    script_advance(&peer, 100);
    expect("STABLE 140, 140; READY 100 ahead"); /* only a poll is missing */
    script_poll(&sc);
    kc_topic_partition item = { .topic = "t", .partition = 0 };
    assert_int_equal(kci_consumer_pause(sc.core, &item, 1, true, NULL), KC_OK);
    expect("STABLE 140, 0; READY 100 paused ahead");
    script_consumer_end(&sc);
}

/* Cooperative: a partition that goes to another member says so. */
static void test_what_goes(void **state)
{
    (void)state;
    script_consumer_init(&sc, &peer);
    sc.settings.partition_assignment_strategy = "cooperative-sticky";
    script_consumer_create(&sc);
    script_join(&sc, 1, "0");
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll(&sc);
    script_answer_join(&sc, KCI_NONE, 2, "other");
    script_answer_sync(&sc, KCI_NONE, "");
    expect("YIELDING 0, 0; READY 3000 revoking");
    script_consumer_end(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_way_of_a_member),
        cmocka_unit_test(test_what_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
