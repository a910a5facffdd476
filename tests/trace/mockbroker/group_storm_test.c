/* Groups in bad weather, from a seed: clients come, crash, leave and come back while leaders move and brokers stop;
 * then the weather clears and everybody must settle.
 *
 * What must hold at all times: who gets an assignment gets its own, of the generation that it joined; no request goes
 * without an answer while its connection lives; a commit that was acknowledged is never lost, and never undone by an
 * older one.  What must hold in the end: one generation, all members in it, Stable.
 *
 * STORM_SEED=n repeats one seed. */
#include "support/group_story.h"

#include "base/prng.h"
#include "support/rounds.h"

#define PLAYERS     6
#define SEEDS       TEST_ROUNDS(150)
#define PARTS_MAX   64 /* members of one generation, the dead among them */
#define STORM_MS    60000
#define HEAL_MS     240000
#define TICK_MS     50
#define BEAT_MS     1000
#define PATIENCE_MS 120000 /* longer than any rebalance of these clients: an answer that is later will not come */

enum phase { OUT, FIND, JOIN, SYNC, IN, LEAVE };

struct player {
    struct group_client c; /* conn NULL: none */
    enum phase phase;
    int16_t waits_for, version; /* API of the request under way; -1: none */
    int64_t asked_at, next_at;  /* milliseconds */
    int64_t committing;         /* the offset under way; 0: none */
    bool is_static;
    char name[16];
    char id[128];                                                        /* memory of c.member_id */
    struct kci_join_group_response__join_group_response_member *members; /* what it leads */
    int32_t member_count;
};

struct storm {
    struct world s;
    struct kci_prng prng;
    uint64_t seed;
    struct player players[PLAYERS];
    bool calm;
    int64_t next_offset, acked_offset; /* of all commits */
    bool stopped[4];
};

static int64_t ms_now(const struct storm *storm)
{
    return storm->s.now / MS;
}

static void set_phase(struct storm *storm, struct player *p, enum phase phase, int64_t in_ms)
{
    p->phase = phase;
    p->next_at = ms_now(storm) + in_ms;
}

static void drop(struct player *p)
{
    if (p->c.conn && !p->c.conn->closed)
        client_hang_up(p->c.conn);
    p->c.conn = NULL;
    p->waits_for = -1;
    p->committing = 0;
}

static void remember_id(struct player *p, struct kci_str id)
{
    assert_true(id.size < sizeof p->id);
    memcpy(p->id, id.data, id.size);
    p->c.member_id = (struct kci_str){ p->id, id.size };
}

static void sent(struct storm *storm, struct player *p, int16_t key, int16_t version)
{
    p->waits_for = key;
    p->version = version;
    p->asked_at = ms_now(storm);
}

static int32_t some_running_broker(struct storm *storm)
{
    int32_t broker;
    do
        broker = 1 + (int32_t)kci_prng_below(&storm->prng, 3);
    while (storm->stopped[broker]);
    return broker;
}

static void ask_for_coordinator(struct storm *storm, struct player *p)
{
    drop(p);
    if (storm->s.client_count > WORLD_CLIENTS - 4)
        return; /* no more connections in this world: it stays out */
    p->c.conn = group_connect(&storm->s, some_running_broker(storm), p->name);
    struct kci_find_coordinator_request body = { .coordinator_keys = &p->c.group, .coordinator_keys_count = 1 };
    client_send(p->c.conn, KCI_API_FIND_COORDINATOR, 4, &body);
    sent(storm, p, KCI_API_FIND_COORDINATOR, 4);
}

static void act(struct storm *storm, struct player *p)
{
    struct group_part parts[PARTS_MAX];
    if (p->waits_for >= 0 || ms_now(storm) < p->next_at)
        return;
    if (!p->c.conn || p->c.conn->closed)
        p->phase = FIND;
    switch (p->phase) {
    case OUT:
    case FIND:
        ask_for_coordinator(storm, p);
        break;
    case JOIN:
        group_send_join(&p->c);
        sent(storm, p, KCI_API_JOIN_GROUP, 9);
        break;
    case SYNC: {
        int32_t count = 0;
        assert_true(p->member_count <= PARTS_MAX);
        for (; count < p->member_count; count++) {
            char *text = kci_arena_take(&storm->s.arena, 160);
            snprintf(text, 160, "%.*s@%d", (int)p->members[count].member_id.size, p->members[count].member_id.data,
                     p->c.generation);
            parts[count] = (struct group_part){ p->members[count].member_id, text };
        }
        group_send_sync(&p->c, parts, count);
        sent(storm, p, KCI_API_SYNC_GROUP, 5);
        break;
    }
    case IN:
        if (kci_prng_chance(&storm->prng, 1, 3)) {
            struct kci_offset_commit_request__offset_commit_request_partition one = {
                .committed_offset = p->committing = ++storm->next_offset, .commit_timestamp = -1
            };
            struct kci_offset_commit_request__offset_commit_request_topic t = { .name = kci_str_of("t"),
                                                                                .partitions = &one,
                                                                                .partitions_count = 1 };
            struct kci_offset_commit_request body = { .group_id = p->c.group,
                                                      .generation_id_or_member_epoch = p->c.generation,
                                                      .member_id = p->c.member_id,
                                                      .group_instance_id = p->c.instance_id,
                                                      .retention_time_ms = -1,
                                                      .topics = &t,
                                                      .topics_count = 1 };
            client_send(p->c.conn, KCI_API_OFFSET_COMMIT, 9, &body);
            sent(storm, p, KCI_API_OFFSET_COMMIT, 9);
        } else {
            struct kci_heartbeat_request body = { .group_id = p->c.group,
                                                  .generation_id = p->c.generation,
                                                  .member_id = p->c.member_id,
                                                  .group_instance_id = p->c.instance_id };
            client_send(p->c.conn, KCI_API_HEARTBEAT, 4, &body);
            sent(storm, p, KCI_API_HEARTBEAT, 4);
        }
        break;
    case LEAVE: {
        struct kci_leave_group_request__member_identity who = { .member_id = p->c.member_id };
        struct kci_leave_group_request body = { .group_id = p->c.group, .members = &who, .members_count = 1 };
        client_send(p->c.conn, KCI_API_LEAVE_GROUP, 5, &body);
        sent(storm, p, KCI_API_LEAVE_GROUP, 5);
        break;
    }
    }
}

/* What the Java client does with each error (PROTOCOL.md 3.5). */
static void on_error(struct storm *storm, struct player *p, int16_t error)
{
    switch (error) {
    case KCI_NOT_COORDINATOR:
    case KCI_COORDINATOR_NOT_AVAILABLE:
        set_phase(storm, p, FIND, 100);
        break;
    case KCI_COORDINATOR_LOAD_IN_PROGRESS:
        p->next_at = ms_now(storm) + 100;
        break;
    case KCI_REBALANCE_IN_PROGRESS:
        set_phase(storm, p, JOIN, 0);
        break;
    case KCI_UNKNOWN_MEMBER_ID:
    case KCI_FENCED_INSTANCE_ID:
        p->c.member_id = kci_str_of("");
        set_phase(storm, p, JOIN, 0);
        break;
    case KCI_ILLEGAL_GENERATION:
        set_phase(storm, p, JOIN, 0);
        break;
    default:
        fail_msg("seed %llu: %s hears %s", (unsigned long long)storm->seed, p->name, kci_error_name(error));
    }
}

static void on_join(struct storm *storm, struct player *p, const struct kci_join_group_response *answer)
{
    if (answer->error_code == KCI_MEMBER_ID_REQUIRED) {
        remember_id(p, answer->member_id);
    } else if (answer->error_code) {
        on_error(storm, p, answer->error_code);
    } else {
        remember_id(p, answer->member_id);
        p->c.generation = answer->generation_id;
        p->members = answer->skip_assignment ? NULL : answer->members;
        p->member_count = answer->skip_assignment ? 0 : answer->members_count;
        set_phase(storm, p, SYNC, 0);
    }
}

static void on_sync(struct storm *storm, struct player *p, const struct kci_sync_group_response *answer)
{
    char expected[160];
    if (answer->error_code) {
        on_error(storm, p, answer->error_code);
        return;
    }
    /* its own part; a static member that came back within a generation has the part of its former id */
    int n =
        snprintf(expected, sizeof expected, "%.*s@%d", (int)p->c.member_id.size, p->c.member_id.data, p->c.generation);
    bool own = answer->assignment.size == (size_t)n && memcmp(answer->assignment.data, expected, (size_t)n) == 0;
    size_t prefix = p->is_static ? p->c.instance_id.size : 0;
    bool former =
        p->is_static &&
        (answer->assignment.size == 0 ||
         (answer->assignment.size > prefix && memcmp(answer->assignment.data, p->c.instance_id.data, prefix) == 0));
    if (!own && !former)
        fail_msg("seed %llu: %s has %.*s", (unsigned long long)storm->seed, expected, (int)answer->assignment.size,
                 (const char *)answer->assignment.data);
    set_phase(storm, p, IN, BEAT_MS);
}

static void on_commit(struct storm *storm, struct player *p, int16_t error)
{
    if (!error && p->committing > storm->acked_offset)
        storm->acked_offset = p->committing;
    p->committing = 0;
    p->next_at = ms_now(storm) + BEAT_MS / 4;
    if (error)
        on_error(storm, p, error);
}

static void listen_to(struct storm *storm, struct player *p)
{
    if (p->waits_for < 0)
        return;
    const void *answer = p->c.conn->closed ? NULL : client_answer(p->c.conn, p->waits_for, p->version);
    if (!answer && p->c.conn->closed) {
        p->c.conn = NULL;
        p->waits_for = -1;
        p->committing = 0;
        set_phase(storm, p, FIND, 100);
    }
    if (!answer && p->waits_for >= 0 && ms_now(storm) > p->asked_at + PATIENCE_MS)
        fail_msg("seed %llu: %s waits for an answer for ever", (unsigned long long)storm->seed, p->name);
    if (!answer)
        return;
    int16_t key = p->waits_for;
    p->waits_for = -1;
    if (key == KCI_API_FIND_COORDINATOR) {
        const struct kci_find_coordinator_response *found = answer;
        drop(p);
        if (found->coordinators[0].error_code || storm->stopped[found->coordinators[0].node_id] ||
            storm->s.client_count > WORLD_CLIENTS - 4) {
            set_phase(storm, p, FIND, 200);
        } else {
            p->c.conn = group_connect(&storm->s, found->coordinators[0].node_id, p->name);
            set_phase(storm, p, JOIN, 0);
        }
    } else if (key == KCI_API_JOIN_GROUP) {
        on_join(storm, p, answer);
    } else if (key == KCI_API_SYNC_GROUP) {
        on_sync(storm, p, answer);
    } else if (key == KCI_API_OFFSET_COMMIT) {
        on_commit(storm, p, ((const struct kci_offset_commit_response *)answer)->topics[0].partitions[0].error_code);
    } else if (key == KCI_API_HEARTBEAT) {
        p->next_at = ms_now(storm) + BEAT_MS;
        int16_t error = ((const struct kci_heartbeat_response *)answer)->error_code;
        if (error)
            on_error(storm, p, error);
    } else {
        p->c.member_id = kci_str_of("");
        set_phase(storm, p, JOIN, (int64_t)kci_prng_below(&storm->prng, 5000));
    }
}

static void move_coordinator(struct storm *storm)
{
    int32_t target = some_running_broker(storm);
    int32_t partition = (int32_t)('g') % 50; /* the hash of "g" is its only character */
    mb_cluster_move_leader(storm->s.cluster, kci_str_of("__consumer_offsets"), partition, target, storm->s.now);
}

static void stop_or_start(struct storm *storm)
{
    int32_t down = 0;
    for (int32_t b = 1; b <= 3; b++)
        if (storm->stopped[b])
            down = b;
    if (down) {
        assert_code(mb_cluster_broker_start(storm->s.cluster, down, storm->s.now), KCI_NONE);
        storm->stopped[down] = false;
        return;
    }
    int32_t broker = 1 + (int32_t)kci_prng_below(&storm->prng, 3);
    bool clean = kci_prng_chance(&storm->prng, 1, 2);
    assert_code(mb_cluster_broker_stop(storm->s.cluster, broker, clean, storm->s.now), KCI_NONE);
    storm->stopped[broker] = true;
}

static void weather(struct storm *storm)
{
    struct player *p = &storm->players[kci_prng_below(&storm->prng, PLAYERS)];
    if (!kci_prng_chance(&storm->prng, 1, 12))
        return;
    switch (kci_prng_below(&storm->prng, 5)) {
    case 0: /* crash; comes back as a new process */
        drop(p);
        if (kci_prng_chance(&storm->prng, 1, 2))
            p->c.member_id = kci_str_of("");
        set_phase(storm, p, FIND, (int64_t)kci_prng_below(&storm->prng, 15000));
        break;
    case 1:
        if (p->phase == IN && p->waits_for < 0 && !p->is_static)
            set_phase(storm, p, LEAVE, 0);
        break;
    case 2: /* changes its mind */
        p->c.metadata = kci_prng_chance(&storm->prng, 1, 2) ? "m" : "other";
        if (p->phase == IN && p->waits_for < 0)
            set_phase(storm, p, JOIN, 0);
        break;
    case 3:
        move_coordinator(storm);
        break;
    default:
        if (kci_prng_chance(&storm->prng, 1, 4))
            stop_or_start(storm);
    }
}

static void play(struct storm *storm, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += TICK_MS) {
        if (!storm->calm)
            weather(storm);
        for (int i = 0; i < PLAYERS; i++)
            act(storm, &storm->players[i]);
        world_pass(&storm->s, TICK_MS);
        for (int i = 0; i < PLAYERS; i++)
            listen_to(storm, &storm->players[i]);
    }
}

static void run_seed(uint64_t seed)
{
    static struct storm storm;
    memset(&storm, 0, sizeof storm);
    storm.seed = seed;
    kci_prng_seed(&storm.prng, seed);
    world_open_with(&storm.s,
                    (struct mb_options){ .brokers = 3,
                                         .seed = seed,
                                         .replication_delay_us = (int64_t)kci_prng_below(&storm.prng, 3) * 60 * MS });
    group_topic(&storm.s, "t", 1);
    for (int i = 0; i < PLAYERS; i++) {
        struct player *p = &storm.players[i];
        snprintf(p->name, sizeof p->name, "p%d", i);
        p->c = (struct group_client){ .s = &storm.s,
                                      .group = kci_str_of("g"),
                                      .member_id = kci_str_of(""),
                                      .generation = -1,
                                      .session_ms = 10000,
                                      .rebalance_ms = 15000,
                                      .protocols = { "range" },
                                      .metadata = "m",
                                      .protocol_type = "consumer",
                                      .join_version = 9 };
        p->is_static = i >= PLAYERS - 2;
        if (p->is_static)
            p->c.instance_id = kci_str_of(p->name);
        p->waits_for = -1;
        set_phase(&storm, p, FIND, (int64_t)kci_prng_below(&storm.prng, 10000));
    }
    play(&storm, STORM_MS);
    for (int32_t b = 1; b <= 3; b++)
        if (storm.stopped[b])
            stop_or_start(&storm);
    storm.calm = true;
    play(&storm, HEAL_MS);
    int in = 0;
    for (int i = 0; i < PLAYERS; i++)
        in += storm.players[i].phase == IN && storm.players[i].c.generation == storm.players[0].c.generation;
    int32_t home = group_coordinator(&storm.s, "g");
    struct group_client judge = group_client_of(&storm.s, home, "g", "judge");
    const struct kci_describe_groups_response__described_group *seen = group_describe(&judge);
    if (in != PLAYERS || seen->members_count != PLAYERS)
        fail_msg("seed %llu: %d of %d players are in; the broker knows %d, %.*s", (unsigned long long)seed, in, PLAYERS,
                 seen->members_count, (int)seen->group_state.size, seen->group_state.data);
    assert_str(seen->group_state, "Stable");
    int64_t committed = group_committed(&judge, "t", 0);
    if (committed < storm.acked_offset || committed > storm.next_offset)
        fail_msg("seed %llu: committed %lld, acknowledged %lld, sent %lld", (unsigned long long)seed,
                 (long long)committed, (long long)storm.acked_offset, (long long)storm.next_offset);
    world_close(&storm.s);
}

static void everybody_settles_after_the_storm(void **unused)
{
    const char *one = getenv("STORM_SEED");
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        if (!one || strtoull(one, NULL, 10) == seed)
            run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everybody_settles_after_the_storm) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
