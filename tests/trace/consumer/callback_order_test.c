/* What the application is told, side by side: the same story under the eager, the cooperative and the KIP-848 protocol.
 *
 * A member has partitions 0 and 1; then it is to have 1 and 2; then it is cut off; then it is back, with 0.  Printed as
 * a table: `trace_consumer_callback_order_test`. */
#include "support/script_group.h"

enum { FIRST, MOVED, CUT_OFF, BACK, PHASES };
static const char *const phases[PHASES] = { "0 and 1 come", "1 and 2 now", "cut off", "back, with 0" };

static struct script_peer peer;
static struct script_consumer sc;

static void classic_rebalance(int32_t generation, const char *partitions)
{
    script_answer_join(&sc, KCI_NONE, generation, "other");
    script_answer_sync(&sc, KCI_NONE, partitions);
    script_poll_all(&sc);
}

static void eager(int phase)
{
    if (phase == FIRST) {
        script_join(&sc, 1, "01");
        return;
    }
    if (phase != BACK) {
        script_advance(&peer, 3000);
        script_beat(&sc, phase == MOVED ? KCI_REBALANCE_IN_PROGRESS : KCI_UNKNOWN_MEMBER_ID);
        script_poll_all(&sc);
    }
    if (phase == MOVED)
        classic_rebalance(2, "12");
    else if (phase == BACK)
        classic_rebalance(3, "0");
}

/* Two rebalances: what goes is given up with the first, what comes is there with the second. */
static void cooperative(int phase)
{
    if (phase != MOVED) {
        eager(phase);
        return;
    }
    script_advance(&peer, 3000);
    script_beat(&sc, KCI_REBALANCE_IN_PROGRESS);
    script_poll_all(&sc);
    classic_rebalance(2, "1");
    classic_rebalance(3, "12");
}

static void modern(int phase)
{
    static const char *const partitions[PHASES] = { "01", "12", NULL, "0" };
    if (phase == FIRST) {
        script_subscribe(&sc);
        script_poll(&sc);
    } else if (phase != BACK) {
        script_advance(&peer, 5000);
    }
    script_answer_modern(&sc, phase == CUT_OFF ? KCI_UNKNOWN_MEMBER_ID : KCI_NONE, phase + 1, partitions[phase]);
    script_poll_all(&sc);
    if (phase != CUT_OFF)
        script_answer_modern(&sc, KCI_NONE, phase + 1, NULL); /* what it owns was acknowledged */
}

static const struct {
    const char *name, *assignor;
    void (*run)(int phase);
    const char *told[PHASES];
} protocols[] = {
    { "eager",
      "range",
      eager,
      { "assigned(t-0,t-1)", "revoked(t-0,t-1) assigned(t-1,t-2)", "lost(t-1,t-2)", "assigned(t-0)" } },
    { "cooperative",
      "cooperative-sticky",
      cooperative,
      { "assigned(t-0,t-1)", "revoked(t-0) assigned() assigned(t-2)", "lost(t-1,t-2)", "assigned(t-0)" } },
    { "KIP-848",
      NULL,
      modern,
      { "assigned(t-0,t-1)", "revoked(t-0) assigned(t-2)", "lost(t-1,t-2)", "assigned(t-0)" } },
};

static void the_order_under_each_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        script_consumer_init(&sc, &peer);
        peer.topics[0].partitions = 3;
        if (protocols[i].assignor)
            sc.settings.partition_assignment_strategy = protocols[i].assignor;
        else
            sc.settings.group_protocol_consumer = 1;
        script_consumer_create(&sc);
        for (int phase = 0; phase < PHASES; phase++) {
            protocols[i].run(phase);
            print_message("%-12s %-13s %s\n", protocols[i].name, phases[phase], sc.seen);
            assert_noted(&sc, protocols[i].told[phase]);
        }
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_order_under_each_protocol) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
