/* The sticky assignors: the examples of Kafka's own documentation, and what must hold for any group. */
#include "base/prng.h"
#include "consumer/assignor.h"
#include "support/rounds.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

#define MEMBERS_MAX    12
#define TOPICS_MAX     6
#define PARTITIONS_MAX 16
#define NOBODY         (-1)

static const char *const names[TOPICS_MAX] = { "t0", "t1", "t2", "t3", "t4", "t5" };

/* A group as a test sees it, and the members that the assignor is handed. */
struct group {
    int32_t counts[TOPICS_MAX]; /* partitions of each topic; the topics are a prefix of names */
    size_t topics;
    size_t members;
    char ids[MEMBERS_MAX][8];
    bool reads[MEMBERS_MAX][TOPICS_MAX];
    bool has[MEMBERS_MAX][TOPICS_MAX][PARTITIONS_MAX]; /* what it claims, and then: what it was given */
    int32_t generation[MEMBERS_MAX];
    struct kci_str read_names[MEMBERS_MAX][TOPICS_MAX];
    struct kci_member_owned owned[MEMBERS_MAX][TOPICS_MAX];
    int32_t numbers[MEMBERS_MAX][TOPICS_MAX][PARTITIONS_MAX];
    uint8_t user_data[MEMBERS_MAX][2048];
    bool racks;                                   /* are known, of ... */
    char rack[MEMBERS_MAX][2];                    /* members: a letter, or nothing */
    int32_t replicas[TOPICS_MAX][PARTITIONS_MAX]; /* and replicas: a set of them, bit 0 is "a" */
};

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;

static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 64u << 20);
}

static void set_topics(struct group *g, size_t topics, const int32_t *counts)
{
    memset(g, 0, sizeof *g);
    g->topics = topics;
    memcpy(g->counts, counts, topics * sizeof *counts);
}

static size_t add_member(struct group *g, const char *id, unsigned reads)
{
    snprintf(g->ids[g->members], sizeof g->ids[0], "%s", id);
    for (size_t t = 0; t < g->topics; t++)
        g->reads[g->members][t] = reads >> t & 1;
    return g->members++;
}

/* What a member says of itself: as "sticky" in its user data (version 0 without a generation), else as owned. */
static void describe(struct group *g, size_t m, struct kci_member *to, bool cooperative)
{
    struct kci_writer w = kci_writer_fixed(g->user_data[m], sizeof g->user_data[m]);
    *to = (struct kci_member){ .id = kci_str_of(g->ids[m]), .topics = g->read_names[m], .generation = -1 };
    for (size_t t = 0; t < g->topics; t++)
        if (g->reads[m][t])
            g->read_names[m][to->topic_count++] = kci_str_of(names[t]);
    for (size_t t = 0; t < g->topics; t++) {
        struct kci_member_owned *owned = &g->owned[m][to->owned_count];
        *owned = (struct kci_member_owned){ kci_str_of(names[t]), g->numbers[m][t], 0 };
        for (int32_t p = 0; p < PARTITIONS_MAX; p++)
            if (g->has[m][t][p])
                g->numbers[m][t][owned->partition_count++] = p;
        to->owned_count += owned->partition_count > 0;
    }
    to->owned = g->owned[m];
    if (g->racks && g->rack[m][0])
        to->rack = kci_str_of(g->rack[m]);
    if (cooperative) {
        to->generation = g->generation[m];
        return;
    }
    kci_writer_i32(&w, to->owned_count);
    for (int32_t i = 0; i < to->owned_count; i++) {
        kci_writer_i16(&w, (int16_t)to->owned[i].topic.size);
        kci_writer_bytes(&w, to->owned[i].topic.data, to->owned[i].topic.size);
        kci_writer_i32(&w, to->owned[i].partition_count);
        for (int32_t p = 0; p < to->owned[i].partition_count; p++)
            kci_writer_i32(&w, to->owned[i].partitions[p]);
    }
    if (g->generation[m] >= 0)
        kci_writer_i32(&w, g->generation[m]);
    assert_false(w.failed);
    to->owned_count = 0;
    to->user_data = (struct kci_bytes){ w.data, w.size };
}

/* The racks of the replicas of a topic; `room` has a place for each partition. */
static const struct kci_replica_racks *describe_racks(const struct group *g, size_t t, struct kci_replica_racks *room)
{
    static const struct kci_str letters[3] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
    static struct kci_str lists[8][3];
    for (int32_t p = 0; p < g->counts[t]; p++) {
        int32_t set = g->replicas[t][p];
        room[p] = (struct kci_replica_racks){ lists[set], 0 };
        for (int bit = 0; bit < 3; bit++)
            if (set >> bit & 1)
                lists[set][room[p].count++] = letters[bit];
    }
    return g->racks ? room : NULL;
}

/* Assign; g->has becomes what each was given. `rotate`: the coordinator lists the members from this one on. */
static void assign(struct group *g, const struct kci_assignor *assignor, size_t rotate)
{
    struct kci_group_topic topics[TOPICS_MAX];
    struct kci_member members[MEMBERS_MAX];
    struct kci_replica_racks racks[TOPICS_MAX][PARTITIONS_MAX];
    for (size_t t = 0; t < g->topics; t++)
        topics[t] = (struct kci_group_topic){ kci_str_of(names[t]), g->counts[t], describe_racks(g, t, racks[t]) };
    for (size_t i = 0; i < g->members; i++)
        describe(g, (i + rotate) % g->members, &members[i], assignor->cooperative);
    begin();
    assert_true(assignor->assign(&arena, members, g->members, topics, g->topics));
    memset(g->has, 0, sizeof g->has);
    for (size_t i = 0; i < g->members; i++)
        for (size_t k = 0; k < members[i].assigned_count; k++) {
            const struct kci_member_partition *given = &members[i].assigned[k];
            size_t m = (i + rotate) % g->members;
            assert_true(given->topic < g->topics && given->partition < g->counts[given->topic]);
            assert_false(g->has[m][given->topic][given->partition]);
            g->has[m][given->topic][given->partition] = true;
        }
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

static void expect(const struct group *g, const char *expected)
{
    char text[1000] = "";
    for (size_t m = 0; m < g->members; m++) {
        const char *comma = "";
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s{", m ? " " : "", g->ids[m]);
        for (size_t t = 0; t < g->topics; t++)
            for (int32_t p = 0; p < g->counts[t]; p++)
                if (g->has[m][t][p]) {
                    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%sp%d", comma, names[t], (int)p);
                    comma = ",";
                }
        strcat(text, "}");
    }
    assert_string_equal(text, expected);
}

static void remove_member(struct group *g, size_t m)
{
    size_t last = --g->members;
    memmove(g->ids[m], g->ids[m + 1], (last - m) * sizeof g->ids[0]);
    memmove(g->reads[m], g->reads[m + 1], (last - m) * sizeof g->reads[0]);
    memmove(g->has[m], g->has[m + 1], (last - m) * sizeof g->has[0]);
    memmove(&g->generation[m], &g->generation[m + 1], (last - m) * sizeof g->generation[0]);
}

/* Three members read four topics alike; one leaves, and the others keep what they have. */
static void test_a_member_leaves(void **state)
{
    struct group g;
    (void)state;
    for (int cooperative = 0; cooperative < 2; cooperative++) {
        const struct kci_assignor *assignor = cooperative ? &kci_assignor_cooperative_sticky : &kci_assignor_sticky;
        set_topics(&g, 4, (int32_t[]){ 2, 2, 2, 2 });
        add_member(&g, "C0", 15);
        add_member(&g, "C1", 15);
        add_member(&g, "C2", 15);
        assign(&g, assignor, 0);
        expect(&g, "C0{t0p0,t1p1,t3p0} C1{t0p1,t2p0,t3p1} C2{t1p0,t2p1}");
        remove_member(&g, 1);
        assign(&g, assignor, 1);
        expect(&g, "C0{t0p0,t0p1,t1p1,t3p0} C2{t1p0,t2p0,t2p1,t3p1}");
    }
}

/* Each reads other topics: who can read more leaves the few to those who can read only those; then one leaves. */
static void test_different_tastes(void **state)
{
    struct group g;
    (void)state;
    set_topics(&g, 3, (int32_t[]){ 1, 2, 3 });
    add_member(&g, "C0", 1);
    add_member(&g, "C1", 3);
    add_member(&g, "C2", 7);
    assign(&g, &kci_assignor_sticky, 0);
    expect(&g, "C0{t0p0} C1{t1p0,t1p1} C2{t2p0,t2p1,t2p2}");
    remove_member(&g, 0);
    assign(&g, &kci_assignor_sticky, 0);
    expect(&g, "C1{t0p0,t1p0,t1p1} C2{t2p0,t2p1,t2p2}");
}

/* A member joins: cooperative leaves out what changes hands; when all come again without it, it is given. */
static void test_cooperative_takes_two_rounds(void **state)
{
    struct group g;
    (void)state;
    set_topics(&g, 1, (int32_t[]){ 4 });
    add_member(&g, "a", 1);
    assign(&g, &kci_assignor_cooperative_sticky, 0);
    expect(&g, "a{t0p0,t0p1,t0p2,t0p3}");
    add_member(&g, "b", 1);
    assign(&g, &kci_assignor_cooperative_sticky, 0);
    expect(&g, "a{t0p0,t0p1} b{}");
    assign(&g, &kci_assignor_cooperative_sticky, 0);
    expect(&g, "a{t0p0,t0p1} b{t0p2,t0p3}");
}

/* Two claim the same: the later generation wins; in the same one neither does, and cooperative leaves it out. */
static void test_claims_contradict(void **state)
{
    struct group g;
    (void)state;
    for (int tied = 0; tied < 2; tied++)
        for (size_t rotate = 0; rotate < 2; rotate++) {
            set_topics(&g, 1, (int32_t[]){ 4 });
            add_member(&g, "a", 1);
            add_member(&g, "b", 1);
            g.generation[0] = 5;
            g.generation[1] = tied ? 5 : 6;
            g.has[0][0][0] = g.has[0][0][1] = g.has[1][0][1] = g.has[1][0][2] = true;
            assign(&g, &kci_assignor_cooperative_sticky, rotate);
            expect(&g, tied ? "a{t0p0} b{t0p2,t0p3}" : "a{t0p0,t0p3} b{t0p1,t0p2}");
        }
}

/* Claims of older members: cooperative ones have their generation in the user data. */
static void test_old_cooperative_member(void **state)
{
    static const int32_t both[] = { 0, 1 };
    const struct kci_str reads = kci_str_of("t0");
    const struct kci_member_owned owned = { reads, both, 2 };
    const struct kci_group_topic topic = { reads, 2, NULL };
    struct kci_member members[2] = {
        { .id = kci_str_of("a"),
          .topics = &reads,
          .topic_count = 1,
          .owned = &owned,
          .owned_count = 1,
          .generation = -1,
          .user_data = { (const uint8_t *)"\0\0\0\7", 4 } },
        { .id = kci_str_of("b"),
          .topics = &reads,
          .topic_count = 1,
          .owned = &owned,
          .owned_count = 1,
          .generation = 6 },
    };
    (void)state;
    begin();
    assert_true(kci_assignor_cooperative_sticky.assign(&arena, members, 2, &topic, 1));
    assert_int_equal(members[0].assigned_count, 1);
    assert_int_equal(members[0].assigned[0].partition, 0);
    assert_int_equal(members[1].assigned_count, 0); /* the other one is taken from "a" first */
    kci_arena_destroy(&arena);
}

static size_t load(const struct group *g, size_t m)
{
    size_t count = 0;
    for (size_t t = 0; t < g->topics; t++)
        for (int32_t p = 0; p < g->counts[t]; p++)
            count += g->has[m][t][p];
    return count;
}

static int owner(const struct group *g, size_t t, int32_t p)
{
    int found = NOBODY;
    for (size_t m = 0; m < g->members; m++)
        if (g->has[m][t][p]) {
            assert_int_equal(found, NOBODY);
            found = (int)m;
        }
    return found;
}

static void draw(struct group *g, struct kci_prng *prng, bool alike)
{
    int32_t counts[TOPICS_MAX];
    size_t topics = 1 + kci_prng_below(prng, TOPICS_MAX), members = 1 + kci_prng_below(prng, MEMBERS_MAX - 2);
    for (size_t t = 0; t < topics; t++)
        counts[t] = (int32_t)kci_prng_below(prng, PARTITIONS_MAX + 1);
    set_topics(g, topics, counts);
    for (size_t m = 0; m < members; m++) {
        char id[8];
        snprintf(id, sizeof id, "m%02d", (int)(7 * m % 64));
        add_member(g, id, alike ? 63 : (unsigned)kci_prng_below(prng, 64));
    }
}

/* Someone joins or leaves, a topic grows. */
static void disturb(struct group *g, struct kci_prng *prng, bool alike, int step)
{
    if (g->members > 1 && kci_prng_chance(prng, 1, 3))
        remove_member(g, kci_prng_below(prng, g->members));
    if (g->members < MEMBERS_MAX && kci_prng_chance(prng, 1, 3)) {
        char id[8];
        snprintf(id, sizeof id, "%c%04d", "ln"[kci_prng_below(prng, 2)], step);
        size_t m = add_member(g, id, alike ? 63 : (unsigned)kci_prng_below(prng, 64));
        memset(g->has[m], 0, sizeof g->has[m]);
        g->generation[m] = -1;
    }
    if (kci_prng_chance(prng, 1, 3))
        g->counts[kci_prng_below(prng, g->topics)] = PARTITIONS_MAX;
}

static void expect_balance(const struct group *g, bool alike)
{
    for (size_t t = 0; t < g->topics; t++)
        for (int32_t p = 0; p < g->counts[t]; p++) {
            int m = owner(g, t, p);
            size_t readers = 0;
            for (size_t other = 0; other < g->members; other++) {
                readers += g->reads[other][t];
                if (m != NOBODY && g->reads[other][t] && load(g, (size_t)m) > load(g, other) + 1)
                    fail_msg("%s-%d should move from %s to %s", names[t], (int)p, g->ids[m], g->ids[other]);
            }
            assert_int_equal(m != NOBODY, readers > 0); /* each partition that somebody reads, once */
            assert_true(m == NOBODY || g->reads[m][t]);
        }
    for (size_t m = 0; alike && m + 1 < g->members; m++)
        assert_true(load(g, m) <= load(g, m + 1) + 1 && load(g, m + 1) <= load(g, m) + 1);
}

/* Any group, disturbed again and again: each partition is read once, by somebody who wants it; no single move would
 * balance better; and if all read alike, nobody who stays loses more than balance asks for. Whatever the order in which
 * the coordinator lists the members. */
static void test_properties(void **state)
{
    struct kci_prng prng;
    (void)state;
    kci_prng_seed(&prng, 7);
    for (int round = 0; round < TEST_ROUNDS(3000); round++) {
        bool alike = kci_prng_chance(&prng, 1, 2);
        struct group g, before, turned;
        draw(&g, &prng, alike);
        for (int step = 0; step < 4; step++) {
            before = turned = g;
            assign(&g, &kci_assignor_sticky, 0);
            assign(&turned, &kci_assignor_sticky, kci_prng_below(&prng, g.members));
            assert_memory_equal(g.has, turned.has, sizeof g.has);
            expect_balance(&g, alike);
            size_t all = 0, kept = 0, could = 0, larger = 0;
            for (size_t t = 0; t < g.topics; t++)
                all += (size_t)g.counts[t];
            for (size_t m = 0; m < g.members; m++) {
                size_t had = load(&before, m), share = all / g.members;
                if (had > share && larger < all % g.members && ++larger)
                    share++;
                could += had < share ? had : share;
                for (size_t t = 0; t < g.topics; t++)
                    for (int32_t p = 0; p < g.counts[t]; p++)
                        kept += g.has[m][t][p] && before.has[m][t][p];
            }
            if (alike)
                assert_int_equal(kept, could);
            for (size_t m = 0; m < g.members; m++)
                g.generation[m] = step;
            disturb(&g, &prng, alike, step);
        }
    }
}

/* Cooperative, any group: what is given was free or its owner's; joining again until nothing changes ends in the
 * balance that "sticky" reaches at once, in few rounds. */
static void test_cooperative_properties(void **state)
{
    struct kci_prng prng;
    (void)state;
    kci_prng_seed(&prng, 8);
    for (int round = 0; round < TEST_ROUNDS(2000); round++) {
        bool alike = kci_prng_chance(&prng, 1, 2);
        struct group g, before;
        draw(&g, &prng, alike);
        for (int step = 0; step < 4; step++) {
            int joins = 0;
            do {
                before = g;
                assign(&g, &kci_assignor_cooperative_sticky, 0);
                for (size_t t = 0; t < g.topics; t++)
                    for (int32_t p = 0; p < g.counts[t]; p++)
                        assert_true(owner(&before, t, p) == NOBODY || owner(&g, t, p) == NOBODY ||
                                    owner(&before, t, p) == owner(&g, t, p));
                for (size_t m = 0; m < g.members; m++)
                    g.generation[m] = step;
                assert_true(++joins <= 4);
            } while (memcmp(g.has, before.has, sizeof g.has) != 0);
            expect_balance(&g, alike);
            disturb(&g, &prng, alike, step);
            for (size_t m = 0; m < g.members; m++) /* a topic that is not read any more is given up before the join */
                for (size_t t = 0; t < g.topics; t++)
                    if (!g.reads[m][t])
                        memset(g.has[m][t], 0, sizeof g.has[m][t]);
        }
    }
}

/* With racks, too, joining again until nothing changes ends in balance, in few rounds. */
static void test_racks_come_to_rest(void **state)
{
    struct kci_prng prng;
    (void)state;
    kci_prng_seed(&prng, 9);
    for (int round = 0; round < TEST_ROUNDS(1000); round++) {
        bool alike = kci_prng_chance(&prng, 1, 2);
        struct group g, before;
        int joins = 0;
        draw(&g, &prng, alike);
        g.racks = true;
        for (size_t m = 0; m < g.members; m++)
            snprintf(g.rack[m], sizeof g.rack[m], "%.1s", &"abcd"[kci_prng_below(&prng, 5)]);
        for (size_t t = 0; t < g.topics; t++)
            for (int32_t p = 0; p < g.counts[t]; p++)
                g.replicas[t][p] = (int32_t)kci_prng_below(&prng, 8);
        do {
            before = g;
            assign(&g, &kci_assignor_cooperative_sticky, 0);
            for (size_t m = 0; m < g.members; m++)
                g.generation[m] = 1;
            assert_true(++joins <= 4);
        } while (memcmp(g.has, before.has, sizeof g.has) != 0);
        expect_balance(&g, alike);
    }
}

/* User data of any quality: every prefix and damaged byte. Nothing is read beyond, and all is assigned all the same. */
static void test_hostile_user_data(void **state)
{
    static const uint8_t good[] = { 0, 0, 0, 1, 0, 2, 't', '0', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9 };
    const struct kci_str reads = kci_str_of("t0");
    const struct kci_group_topic topic = { reads, 3, NULL };
    (void)state;
    for (size_t at = 0; at < 2 * sizeof good; at++)
        for (int value = 0; value < 256; value++) {
            bool cut = at >= sizeof good;
            size_t size = cut ? at - sizeof good : sizeof good;
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, good, size);
            if (!cut)
                copy[at] = (uint8_t)value;
            uint8_t *exact = realloc(copy, size ? size : 1); /* so that a sanitizer sees the end */
            struct kci_member members[2] = {
                { .id = kci_str_of("a"), .topics = &reads, .topic_count = 1, .user_data = { exact, size } },
                { .id = kci_str_of("b"), .topics = &reads, .topic_count = 1 },
            };
            begin();
            assert_true(kci_assignor_sticky.assign(&arena, members, 2, &topic, 1));
            assert_int_equal(members[0].assigned_count + members[1].assigned_count, 3);
            assert_true(memory.largest < 1 << 20);
            kci_arena_destroy(&arena);
            free(exact);
        }
}

/* What we say of ourselves is what the leader reads: version 1 of the user data, byte by byte. */
static void test_own_user_data(void **state)
{
    static const uint8_t expected[] = { 0, 0, 0, 2, 0,   1, 'a', 0, 0, 0, 2, 0, 0, 0, 3, 0, 0,
                                        0, 1, 0, 1, 'b', 0, 0,   0, 1, 0, 0, 0, 0, 0, 0, 0, 7 };
    kc_topic_partition items[] = { { .topic = "a", .partition = 3 },
                                   { .topic = "a", .partition = 1 },
                                   { .topic = "b", .partition = 0 } };
    struct kci_partition_list list = { items, 3 };
    uint8_t buffer[100];
    struct kci_writer w = kci_writer_fixed(buffer, sizeof buffer);
    (void)state;
    kci_assignor_sticky.write_user_data(&w, &list, 7);
    assert_int_equal(w.size, sizeof expected);
    assert_memory_equal(buffer, expected, sizeof expected);
    w = kci_writer_fixed(buffer, sizeof buffer);
    kci_assignor_sticky.write_user_data(&w, &list, -1);
    assert_int_equal(w.size, 0);
    w = kci_writer_fixed(buffer, sizeof buffer);
    kci_assignor_cooperative_sticky.write_user_data(&w, &list, 7);
    assert_memory_equal(buffer, "\0\0\0\7", 4);
}

/* The arena's limit holds at every size: out of memory is an answer. */
static void test_memory(void **state)
{
    const struct kci_str reads = kci_str_of("t0");
    const struct kci_group_topic topic = { reads, 1000, NULL };
    bool done = false;
    (void)state;
    for (size_t limit = 0; !done; limit += 64) {
        struct kci_member members[2] = { { .id = kci_str_of("a"), .topics = &reads, .topic_count = 1 },
                                         { .id = kci_str_of("b"), .topics = &reads, .topic_count = limit / 64 % 2 } };
        begin();
        arena.limit = limit;
        done = kci_assignor_sticky.assign(&arena, members, 2, &topic, 1) && limit / 64 % 2;
        assert_true(limit < 1 << 20);
        kci_arena_destroy(&arena);
        assert_int_equal(memory.live_blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_member_leaves),
        cmocka_unit_test(test_different_tastes),
        cmocka_unit_test(test_cooperative_takes_two_rounds),
        cmocka_unit_test(test_claims_contradict),
        cmocka_unit_test(test_old_cooperative_member),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_cooperative_properties),
        cmocka_unit_test(test_racks_come_to_rest),
        cmocka_unit_test(test_hostile_user_data),
        cmocka_unit_test(test_own_user_data),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
