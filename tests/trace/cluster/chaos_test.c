/* Everything at once, from a seed: names that do not resolve, refused and broken connections, slow and short writes,
 * answers that are late, cut into pieces, throttled, malformed or missing, brokers that move, calls given up.  Whatever
 * happens, every call comes back exactly once and never after its time; when the weather clears, everything works.  The
 * same seed gives the same story. */
#include "base/prng.h"
#include "support/rounds.h"
#include "support/script_cluster.h"

#define CALLS   40
#define SEEDS   TEST_ROUNDS(150)
#define STORM_S 30

static struct script_peer peer;
static struct script_cluster sc;
static struct script_call calls[CALLS];
static struct kci_prng prng;
static uint64_t trace; /* hash of all that happened */
static size_t finished, succeeded;
static uint64_t seed_now; /* 0: no storm is going on */

static bool chance(uint64_t percent)
{
    return kci_prng_chance(&prng, percent, 100);
}

static void note(uint64_t what)
{
    trace = (trace ^ what) * 0x9E3779B97F4A7C15u;
    trace ^= trace >> 29;
}

static void came_back(struct script_call *call, const struct kci_reply *reply, int64_t now)
{
    assert_int_equal(call->done, 1);
    assert_true(now <= (int64_t)(intptr_t)call->context);
    assert_true(reply->error == KC_OK || reply->text != NULL);
    assert_true((reply->response != NULL) == (reply->error == KC_OK));
    finished++;
    succeeded += reply->error == KC_OK;
    note((uint64_t)now);
    note((uint64_t)(int64_t)reply->error);
}

static void start(struct script_call *call)
{
    static const int32_t targets[] = { 1, 2, 3, KCI_NODE_ANY, KCI_NODE_ANY, KCI_NODE_CONTROLLER, 9 };
    script_call_init(call);
    call->call.timeout_ms = (int32_t)kci_prng_below(&prng, 8000);
    call->context = (void *)(intptr_t)(peer.now + (int64_t)call->call.timeout_ms * 1000);
    call->then = came_back;
    kci_cluster_call(sc.cluster, targets[kci_prng_below(&prng, 7)], &call->call, peer.now);
    assert_int_equal(call->done, 0); /* never from within */
}

static void resolve_some(void)
{
    while (script_resolving(&peer)) {
        if (chance(20)) {
            script_resolved(&peer, 0, "no such host");
        } else {
            char a[64], b[64];
            snprintf(a, sizeof a, "%.40s:1", script_resolving(&peer));
            snprintf(b, sizeof b, "%.40s:2", script_resolving(&peer));
            script_resolved(&peer, 1 + kci_prng_below(&prng, 2), a, b);
        }
    }
}

static void disturb(struct script_conn *c)
{
    if (c->state == SCRIPT_OPENING) {
        if (chance(40))
            script_open(&peer, c);
        else if (chance(20))
            script_close(&peer, c, "connection refused");
        return;
    }
    if (c->state != SCRIPT_OPEN)
        return;
    c->take = chance(30) ? 1 + kci_prng_below(&prng, 40) : SIZE_MAX;
    if (c->full && chance(70))
        script_sent(&peer, c);
    if (c->state == SCRIPT_OPEN && chance(3))
        script_close(&peer, c, "connection reset by peer");
    else if (c->state == SCRIPT_OPEN && chance(1))
        script_bytes(&peer, c, "\0\0\0\x05what?", 9);
}

/* One byte of the answer is not what it was: size, correlation id, error or tags (a throttle time would be honoured).
 */
static void answer_damaged(struct script_request *r)
{
    struct kci_heartbeat_response response;
    size_t size;
    kci_codec_init(&kci_heartbeat_response_schema, &response);
    uint8_t *bytes = script_encode(&peer, r, r->header.version, &response, &size);
    size_t at = kci_prng_below(&prng, size - 4);
    bytes[at < 9 ? at : at + 4] ^= (uint8_t)(1 + kci_prng_below(&prng, 255));
    r->taken = r->answered = true;
    script_deliver_(&peer, r->conn, bytes, size);
    free(bytes);
}

static void answer_some(void)
{
    for (size_t i = peer.request_first; i < peer.request_count; i++) {
        struct script_request *r = &peer.requests[i];
        if (r->answered || r->conn->state != SCRIPT_OPEN || !script_in_order_(&peer, r) || chance(50))
            continue;
        peer.segment = chance(50) ? 1 + kci_prng_below(&prng, 30) : 0;
        if (r->header.api_key == KCI_API_API_VERSIONS) {
            script_answer_versions(&peer, r);
        } else if (r->header.api_key == KCI_API_METADATA) {
            peer.brokers = 2 + (int32_t)kci_prng_below(&prng, 2);
            peer.controller = (int32_t)kci_prng_below(&prng, 4);
            peer.topics[0].epoch += chance(30);
            script_answer_metadata(&peer, r);
        } else if (chance(3)) {
            answer_damaged(r);
        } else {
            script_answer_heartbeat(&peer, r, chance(10) ? 500 : 0);
        }
    }
    script_settle(&peer);
}

static void storm(void)
{
    for (int64_t end = peer.now + STORM_S * 1000000ll; peer.now < end && peer.conn_count < SCRIPT_CONNS - 50;) {
        for (size_t i = 0; i < CALLS; i++) {
            if (calls[i].call.stage == 0 && chance(5))
                start(&calls[i]);
            else if (calls[i].call.stage != 0 && chance(1))
                kci_cluster_cancel(sc.cluster, &calls[i].call, peer.now);
        }
        script_settle(&peer);
        resolve_some();
        for (size_t i = 0; i < peer.conn_count; i++)
            disturb(&peer.conns[i]);
        answer_some();
        if (chance(2))
            kci_cluster_refresh(sc.cluster, "a test", peer.now);
        if (chance(1))
            kci_cluster_node_hint(sc.cluster, 2, kci_str_of(chance(50) ? "b2" : "b2new"), 9092, kci_str_of(NULL),
                                  peer.now);
        script_advance(&peer, (int64_t)kci_prng_below(&prng, 120));
        note(peer.conn_count);
    }
}

static bool serve(struct script_peer *p, struct script_request *r)
{
    script_answer_heartbeat(p, r, 0);
    return true;
}

/* All is well: within half a minute, calls to every broker succeed and the topic is known. */
static void heal(void)
{
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.serve = serve;
    peer.brokers = 3;
    peer.controller = 1;
    peer.segment = 0;
    peer.topics[0].epoch++;
    for (size_t i = 0; i < peer.request_count; i++)
        if (!peer.requests[i].answered)
            peer.requests[i].taken = false;
    for (size_t i = 0; i < peer.conn_count; i++) {
        peer.conns[i].take = SIZE_MAX;
        if (peer.conns[i].state == SCRIPT_OPEN && peer.conns[i].full)
            script_sent(&peer, &peer.conns[i]);
    }
    kci_cluster_refresh(sc.cluster, "the weather cleared", peer.now);
    script_advance(&peer, 30000);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(calls[i].call.stage, 0);
    for (int32_t node = 1; node <= 3; node++) {
        script_call_init(&calls[0]);
        script_call(&sc, node, &calls[0]);
        assert_int_equal(calls[0].done, 1);
        if (calls[0].error)
            fail_msg("broker %d: %s", node, calls[0].text);
    }
    const struct kci_topic_info *t = kci_cluster_topic(sc.cluster, kci_str_of("t"));
    assert_int_equal(t->partition_count, 6);
    assert_int_equal(t->partitions[5].leader, 3);
    assert_int_equal(t->error, KCI_NONE);
}

static uint64_t run(uint64_t seed)
{
    kci_prng_seed(&prng, seed);
    trace = finished = 0;
    memset(calls, 0, sizeof calls);
    script_cluster_init(&sc, &peer);
    sc.settings.bootstrap_servers = "b1:9092,boot:9092";
    script_topic(&peer, "t", 6);
    script_cluster_create(&sc);
    kci_cluster_want_topic(sc.cluster, kci_str_of("t"), peer.now);
    storm();
    heal();
    script_cluster_destroy(&sc);
    return trace;
}

static void test_storms(void **state)
{
    size_t total = 0;
    (void)state;
    succeeded = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        seed_now = seed;
        uint64_t first = run(seed);
        total += finished;
        if (seed % 10 == 0)
            assert_true(run(seed) == first);
    }
    seed_now = 0;
    assert_true(total > SEEDS * 50);
    assert_true(succeeded > total / 20); /* a storm, not the end of the world */
}

static int name_the_seed(void **state)
{
    (void)state;
    if (seed_now)
        print_message("the seed is %llu\n", (unsigned long long)seed_now);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(test_storms, name_the_seed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
