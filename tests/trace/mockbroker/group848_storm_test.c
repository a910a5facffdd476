/* KIP-848 groups in bad weather, from a seed: members join, crash, leave, come back as the same instance, lose answers,
 * take their time to revoke, while coordinators move and brokers are killed; then the weather clears.
 *
 * At all times (G1): no partition is with two members.  In the end (G7): every partition is with one, all members are
 * at one epoch, the group is Stable.
 *
 * STORM_SEED=n repeats one seed. */
#include "support/group848_story.h"
#include "support/rounds.h"

#include "base/prng.h"

#define PLAYERS    6
#define SEEDS      TEST_ROUNDS(120)
#define PARTITIONS 40 /* at most */
#define STORM_MS   120000
#define HEAL_MS    200000 /* sessions of the dead, then four rounds */
#define TICK_MS    100
#define CAUTION_MS 44000 /* a session is 45 s */

enum { NOBODY = -1 };

struct player {
    struct member m; /* owned: what it works on; given: what it was told last */
    bool in;         /* wants to be a member */
    bool waits;      /* for an answer */
    bool full;       /* the next request says all: an answer was lost */
    bool owes;       /* it was told something that it has not done yet */
    bool leaves;     /* the request under way is its last */
    int64_t beat_at, reconcile_at;
    int64_t sent_at, sure_at; /* the last request; the last that was answered well */
    int lives;
    char id[24], instance[16];
};

struct storm {
    struct world s;
    struct kci_prng prng;
    uint64_t seed;
    struct player players[PLAYERS];
    int owner[PARTITIONS];
    bool stopped[4];
    bool calm;
    int32_t partitions;
};

static int64_t ms_now(const struct storm *storm)
{
    return storm->s.now / MS;
}

static int64_t random_ms(struct storm *storm, int64_t below)
{
    return (int64_t)kci_prng_below(&storm->prng, (uint64_t)below);
}

static void drop_all(struct storm *storm, int who)
{
    for (int p = 0; p < PARTITIONS; p++)
        if (storm->owner[p] == who)
            storm->owner[p] = NOBODY;
    storm->players[who].m.owned_count = 0;
    storm->players[who].owes = false;
}

static void hang_up(struct player *p)
{
    if (p->m.conn && !p->m.conn->closed)
        client_hang_up(p->m.conn);
    p->m.conn = NULL;
    p->full |= p->waits;
    p->waits = false;
}

/* A new process. */
static void be_born(struct storm *storm, int who)
{
    struct player *p = &storm->players[who];
    bool is_static = who < 2;
    snprintf(p->id, sizeof p->id, "p%d-%d", who, ++p->lives);
    snprintf(p->instance, sizeof p->instance, "i%d", who);
    p->m = (struct member){
        .s = &storm->s, .group = kci_str_of("g"), .topic_count = 1, .rebalance_ms = 60000, .version = 1
    };
    p->m.id = kci_str_of(p->id);
    if (is_static)
        p->m.instance_id = kci_str_of(p->instance);
    p->m.topics[0] = kci_str_of("t");
    if (who == 5) {
        p->m.topic_count = -1;
        p->m.regex = kci_str_of("t+");
    }
    p->in = p->full = true;
    p->waits = p->owes = p->leaves = false;
    p->beat_at = p->sure_at = ms_now(storm);
}

static bool connected(struct storm *storm, struct player *p)
{
    static const struct kci_str group = { "g", 1 };
    if (p->m.conn && !p->m.conn->closed)
        return true;
    p->m.conn = NULL;
    struct kci_str topic = kci_str_of("__consumer_offsets");
    int32_t count = mb_cluster_topic_partitions(storm->s.cluster, topic);
    int32_t leader = count > 0 ? mb_internal_leader(storm->s.cluster, topic, group.data[0] % count, storm->s.now) : 1;
    if (leader < 0 || storm->stopped[leader] || storm->s.client_count > WORLD_CLIENTS - 10)
        return false;
    p->m.conn = group_connect(&storm->s, leader, "storm");
    return !p->m.conn->closed;
}

static void take(struct storm *storm, int who)
{
    struct member *m = &storm->players[who].m;
    for (int p = 0; p < PARTITIONS; p++)
        if (storm->owner[p] == who)
            storm->owner[p] = NOBODY;
    for (int32_t i = 0; i < m->given_count; i++) {
        int p = m->given[i];
        if (storm->owner[p] != NOBODY)
            fail_msg("seed %llu at %lld ms: partition %d is with players %d and %d", (unsigned long long)storm->seed,
                     (long long)ms_now(storm), p, storm->owner[p], who);
        storm->owner[p] = who;
    }
    member_take(m);
    storm->players[who].owes = false;
}

static void hear(struct storm *storm, int who)
{
    struct player *p = &storm->players[who];
    if (!p->waits)
        return;
    if (!p->m.conn || p->m.conn->closed) {
        hang_up(p);
        p->beat_at = ms_now(storm) + 500;
        return;
    }
    const struct kci_consumer_group_heartbeat_response *answer = member_answer(&p->m);
    if (!answer)
        return;
    p->waits = false;
    p->beat_at = ms_now(storm) + 2000 + random_ms(storm, 3000);
    switch (answer->error_code) {
    case KCI_NONE:
        p->full = false;
        p->sure_at = p->sent_at;
        if (p->leaves) {
            p->in = p->leaves = false;
            hang_up(p);
        } else if (p->m.told) {
            p->owes = true;
            p->reconcile_at = ms_now(storm) + random_ms(storm, storm->calm ? 100 : 9000);
        }
        break;
    case KCI_FENCED_MEMBER_EPOCH:
    case KCI_UNKNOWN_MEMBER_ID:
    case KCI_FENCED_INSTANCE_ID:
    case KCI_GROUP_ID_NOT_FOUND:
        drop_all(storm, who);
        p->m.epoch = 0;
        p->beat_at = ms_now(storm);
        p->full = true;
        if (p->leaves)
            p->in = p->leaves = false;
        break;
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
        hang_up(p);
        p->full = true;
        p->beat_at = ms_now(storm) + 300;
        break;
    case KCI_COORDINATOR_LOAD_IN_PROGRESS:
    case KCI_UNRELEASED_INSTANCE_ID: /* its former life has not timed out */
        p->full = true;
        p->beat_at = ms_now(storm) + 1000;
        break;
    default:
        fail_msg("seed %llu: %s", (unsigned long long)storm->seed, kci_error_name(answer->error_code));
    }
}

static void speak(struct storm *storm, int who)
{
    struct player *p = &storm->players[who];
    if (ms_now(storm) > p->sure_at + CAUTION_MS) { /* it may have been fenced since: it stops working, and asks */
        drop_all(storm, who);
        p->full = true;
    }
    bool done = p->owes && ms_now(storm) >= p->reconcile_at;
    if (!p->in || p->waits || (!done && ms_now(storm) < p->beat_at) || !connected(storm, p))
        return;
    if (done) {
        take(storm, who);
        p->beat_at = 0;
    }
    if (p->leaves)
        drop_all(storm, who);
    int32_t leave = p->m.instance_id.data && kci_prng_chance(&storm->prng, 1, 2) ? -2 : -1;
    member_send(&p->m, p->leaves ? leave : p->m.epoch, p->full || p->m.epoch == 0 ? SAYS_ALL : done ? SAYS_OWNED : 0);
    p->waits = true;
    p->sent_at = ms_now(storm);
}

static void misfortune(struct storm *storm)
{
    int who = (int)random_ms(storm, PLAYERS);
    struct player *p = &storm->players[who];
    switch (random_ms(storm, 9)) {
    case 0: /* it dies */
        hang_up(p);
        drop_all(storm, who);
        p->in = false;
        break;
    case 1:
    case 2:
        if (!p->in)
            be_born(storm, who);
        break;
    case 3:
        p->leaves = p->in && p->m.epoch > 0 && !p->waits;
        break;
    case 4: /* its answer is lost */
        hang_up(p);
        break;
    case 5: /* it is cut off for a while, shorter than its session */
        p->beat_at = ms_now(storm) + 20000 + random_ms(storm, 18000);
        break;
    case 6:
        if (storm->partitions < PARTITIONS) {
            char text[100];
            storm->partitions += 1 + (int32_t)random_ms(storm, 3);
            if (storm->partitions > PARTITIONS)
                storm->partitions = PARTITIONS;
            assert_code(mb_topic_grow(mb_topic_find(storm->s.cluster, kci_str_of("t")), storm->partitions, NULL, false,
                                      text, sizeof text, storm->s.now),
                        KCI_NONE);
        }
        break;
    case 7: {
        struct kci_str topic = kci_str_of("__consumer_offsets");
        int32_t to = 1 + (int32_t)random_ms(storm, 3);
        if (!storm->stopped[to] && mb_cluster_topic_partitions(storm->s.cluster, topic) > 0)
            mb_cluster_move_leader(storm->s.cluster, topic, 'g' % 50, to, storm->s.now);
        break;
    }
    case 8: {
        int32_t which = 1 + (int32_t)random_ms(storm, 3);
        bool others = storm->stopped[1] || storm->stopped[2] || storm->stopped[3];
        if (storm->stopped[which])
            mb_cluster_broker_start(storm->s.cluster, which, storm->s.now);
        else if (!others)
            mb_cluster_broker_stop(storm->s.cluster, which, kci_prng_chance(&storm->prng, 1, 2), storm->s.now);
        else
            break;
        storm->stopped[which] = !storm->stopped[which];
        break;
    }
    }
}

static void go_on(struct storm *storm, int64_t ms)
{
    for (int64_t until = ms_now(storm) + ms; ms_now(storm) < until;) {
        world_pass(&storm->s, TICK_MS);
        for (int i = 0; i < PLAYERS; i++)
            hear(storm, i);
        if (!storm->calm && kci_prng_chance(&storm->prng, 1, 15))
            misfortune(storm);
        for (int i = 0; i < PLAYERS; i++)
            speak(storm, i);
    }
}

static void clear_up(struct storm *storm)
{
    storm->calm = true;
    for (int32_t b = 1; b <= 3; b++)
        if (storm->stopped[b]) {
            mb_cluster_broker_start(storm->s.cluster, b, storm->s.now);
            storm->stopped[b] = false;
        }
    for (int i = 0; i < PLAYERS; i++) {
        storm->players[i].leaves = false;
        if (!storm->players[i].in)
            be_born(storm, i);
    }
}

static void must_have_settled(struct storm *storm)
{
    int held[PLAYERS] = { 0 };
    for (int i = 1; i < PLAYERS; i++)
        if (storm->players[i].m.epoch != storm->players[0].m.epoch)
            fail_msg("seed %llu: epochs %d and %d", (unsigned long long)storm->seed, storm->players[i].m.epoch,
                     storm->players[0].m.epoch);
    for (int p = 0; p < storm->partitions; p++) {
        if (storm->owner[p] == NOBODY)
            fail_msg("seed %llu: nobody has partition %d", (unsigned long long)storm->seed, p);
        held[storm->owner[p]]++;
    }
    for (int i = 0; i < PLAYERS; i++)
        assert_in_range(held[i], storm->partitions / PLAYERS, storm->partitions / PLAYERS + 1);
    assert_true(connected(storm, &storm->players[0]));
    const struct kci_consumer_group_describe_response__described_group *seen =
        members_describe(storm->players[0].m.conn, "g");
    assert_str(seen->group_state, "Stable");
    assert_int_equal(seen->members_count, PLAYERS);
}

static void run(uint64_t seed)
{
    static struct storm storm;
    memset(&storm, 0, sizeof storm);
    storm.seed = seed;
    storm.partitions = 7;
    kci_prng_seed(&storm.prng, seed);
    for (int p = 0; p < PARTITIONS; p++)
        storm.owner[p] = NOBODY;
    world_open_with(&storm.s,
                    (struct mb_options){ .brokers = 3,
                                         .seed = seed,
                                         .replication_delay_us = kci_prng_chance(&storm.prng, 1, 2) ? 0 : 300 * MS });
    world_topic(&storm.s, "t", storm.partitions, 3, NULL);
    for (int i = 0; i < PLAYERS; i++)
        be_born(&storm, i);
    go_on(&storm, STORM_MS);
    clear_up(&storm);
    go_on(&storm, HEAL_MS);
    for (int i = 0; i < PLAYERS; i++)
        while (storm.players[i].waits) {
            world_pass(&storm.s, TICK_MS);
            hear(&storm, i);
        }
    must_have_settled(&storm);
    world_close(&storm.s);
}

static void storms_end_well(void **unused)
{
    const char *one = getenv("STORM_SEED");
    (void)unused;
    if (one) {
        run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(storms_end_well) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
