/* What a consumer costs its brokers when there is nothing to gain: everything paused, or a group that never comes to
 * rest.  Both are bounds per virtual time. */
#include "support/script_group.h"

static struct script_peer peer;
static struct script_consumer sc;

static size_t sent(int16_t api)
{
    size_t count = 0;
    for (size_t i = 0; i < peer.request_count; i++)
        count += peer.requests[i].header.api_key == api;
    return count;
}

static void pause_all(bool pause)
{
    const kc_topic_partition items[] = { { "t", 0, 0, -1, NULL, KC_OK }, { "t", 1, 0, -1, NULL, KC_OK } };
    assert_int_equal(kci_consumer_pause(sc.core, items, 2, pause, NULL), KC_OK);
    script_step(&peer);
}

static const struct {
    bool modern;
    int16_t beat;
    int64_t interval_ms;
} protocols[] = {
    { false, KCI_API_HEARTBEAT, 3000 },
    { true, KCI_API_CONSUMER_GROUP_HEARTBEAT, 5000 },
};

static void join(bool modern)
{
    script_consumer_init(&sc, &peer);
    sc.settings.group_protocol_consumer = modern;
    script_consumer_create(&sc);
    script_append(&sc, 0, 1);
    script_append(&sc, 1, 1);
    if (!modern) {
        script_join(&sc, 1, "01");
    } else {
        script_subscribe(&sc);
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, "01");
        script_poll(&sc);
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
    }
    script_poll_all(&sc);
    assert_noted(&sc, "assigned(t-0,t-1) t-1:0 t-0:0");
}

static bool beat(bool modern)
{
    if (!script_waits(&sc, modern ? KCI_API_CONSUMER_GROUP_HEARTBEAT : KCI_API_HEARTBEAT))
        return false;
    if (modern)
        script_answer_modern(&sc, KCI_NONE, 1, NULL);
    else
        script_beat(&sc, KCI_NONE);
    return true;
}

/* Ten minutes inside one poll with everything paused: nothing is fetched, though there are records; the engine stirs
 * for heartbeats and metadata only. */
static void test_all_paused(void **state)
{
    const int64_t minutes = 10;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        join(protocols[i].modern);
        pause_all(true);
        script_advance(&peer, 2000); /* the fetches that were under way are over */
        script_append(&sc, 0, 1);
        script_append(&sc, 1, 1);
        kci_consumer_poll_enter(sc.core, peer.now);
        size_t requests = peer.request_count, steps = peer.steps, fetches = sent(KCI_API_FETCH);
        size_t beats = sent(protocols[i].beat), metadata = sent(KCI_API_METADATA);
        for (int64_t at = 0; at < minutes * 60000; at += protocols[i].interval_ms) {
            script_advance(&peer, protocols[i].interval_ms);
            beat(protocols[i].modern);
        }
        kci_consumer_poll_leave(sc.core, peer.now);
        beats = sent(protocols[i].beat) - beats;
        metadata = sent(KCI_API_METADATA) - metadata;
        assert_int_equal(sent(KCI_API_FETCH), fetches);
        assert_in_range(beats, 1, minutes * 60000 / protocols[i].interval_ms);
        assert_in_range(metadata, 1, minutes / 5 + 1); /* metadata.max.age.ms is five minutes */
        assert_int_equal(peer.request_count - requests, beats + metadata);
        assert_in_range(peer.steps - steps, 1, 8 * (beats + metadata)); /* also what the test's own calls cost */
        assert_seen(&sc, "");
        pause_all(false);
        script_advance(&peer, 600);
        assert_seen(&sc, "t-0:1 t-1:1");
        script_consumer_end(&sc);
    }
}

/* ---- a group that never comes to rest ---- */

#define CHURN_MS 10000

enum churn { JOIN_FAILS, SYNC_FAILS, BEAT_FAILS };

static const struct {
    const char *name;
    enum churn churn;
    int16_t error;
    size_t per_second; /* JoinGroups, at most */
} churns[] = {
    { "join: a rebalance is under way", JOIN_FAILS, KCI_REBALANCE_IN_PROGRESS, 5 },
    { "join: unknown member", JOIN_FAILS, KCI_UNKNOWN_MEMBER_ID, 5 },
    { "join: not the coordinator", JOIN_FAILS, KCI_NOT_COORDINATOR, 5 },
    { "sync: not the coordinator", SYNC_FAILS, KCI_NOT_COORDINATOR, 5 },
    { "sync: the coordinator loads", SYNC_FAILS, KCI_COORDINATOR_LOAD_IN_PROGRESS, 5 },
    { "join: the coordinator loads", JOIN_FAILS, KCI_COORDINATOR_LOAD_IN_PROGRESS, 5 },
    { "sync: a rebalance is under way", SYNC_FAILS, KCI_REBALANCE_IN_PROGRESS, 5 },
    { "sync: unknown member", SYNC_FAILS, KCI_UNKNOWN_MEMBER_ID, 13 }, /* retry.backoff.ms, less a fifth */
    { "sync: illegal generation", SYNC_FAILS, KCI_ILLEGAL_GENERATION, 13 },
    { "heartbeat: a rebalance is under way", BEAT_FAILS, KCI_REBALANCE_IN_PROGRESS, 1 },
    { "heartbeat: unknown member", BEAT_FAILS, KCI_UNKNOWN_MEMBER_ID, 1 },
    { "heartbeat: illegal generation", BEAT_FAILS, KCI_ILLEGAL_GENERATION, 1 },
};

/* Answer what waits, at once; false: nothing did. */
static bool answer_churn(enum churn churn, int16_t error)
{
    static int32_t generation;
    if (script_waits(&sc, KCI_API_JOIN_GROUP))
        script_answer_join(&sc, churn == JOIN_FAILS ? error : KCI_NONE, ++generation, "other");
    else if (script_waits(&sc, KCI_API_SYNC_GROUP))
        script_answer_sync(&sc, churn == SYNC_FAILS ? error : KCI_NONE, "0");
    else if (script_waits(&sc, KCI_API_HEARTBEAT))
        script_beat(&sc, error);
    else
        return false;
    return true;
}

/* Coordinators that answer at once, and always so that the member has to join again; an application that polls all the
 * time: each second has no more than so many JoinGroups. */
static void test_rebalances_without_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof churns / sizeof churns[0]; i++) {
        size_t before = 0, most = 0;
        script_consumer_init(&sc, &peer);
        script_consumer_create(&sc);
        script_subscribe(&sc);
        for (int ms = 0; ms < CHURN_MS; ms += 10) {
            for (int n = 0; n < 5 && answer_churn(churns[i].churn, churns[i].error); n++)
                ;
            script_poll(&sc);
            sc.seen[0] = 0;
            script_advance(&peer, 10);
            if (ms % 1000 == 990) {
                size_t now = sent(KCI_API_JOIN_GROUP);
                most = now - before > most ? now - before : most;
                before = now;
            }
        }
        assert_true(before > 2); /* it goes on trying */
        if (most > churns[i].per_second)
            fail_msg("%s: %zu JoinGroups in a second", churns[i].name, most);
        script_consumer_end(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_paused),
        cmocka_unit_test(test_rebalances_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
