/* "range" and "sticky" against what Kafka's own assignors answered to random groups, with racks and without:
 * java_assignments.txt, written by MakeAssignments.java.
 *
 * "range", and "sticky" when all members read the same: partition by partition. Where members read different topics,
 * Kafka's result depends on the order in which it tries moves: there ours is as balanced, group by group, and over all
 * groups keeps at least as many partitions where they were; no more are far from their reader, but for as many that
 * were kept. "cooperative-sticky" gives what "sticky" gives, without what changes hands. */
#include "consumer/assignor.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

#define TOPICS_MAX     4
#define MEMBERS_MAX    8
#define PARTITIONS_MAX 8
#define NOBODY         (-1)

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;
static struct kci_group_topic topics[TOPICS_MAX];
static struct kci_member members[MEMBERS_MAX];
static size_t topic_count, member_count, result_count, cases;
static int kept, far;                                          /* partitions: ours less Kafka's, in all groups */
static bool sticky;                                            /* the group is one of "sticky" */
static uint8_t user_data[MEMBERS_MAX][1000];                   /* of "sticky" */
static struct kci_member_owned owned[MEMBERS_MAX][TOPICS_MAX]; /* the same for "cooperative-sticky" */
static int32_t had[TOPICS_MAX][PARTITIONS_MAX];                /* who had it: index of a member */
static int32_t java[TOPICS_MAX][PARTITIONS_MAX];               /* who has it now, as Kafka says */
static int32_t ours[TOPICS_MAX][PARTITIONS_MAX];               /* and as we say */

static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 1 << 20);
    memset(topics, 0, sizeof topics);
    memset(members, 0, sizeof members);
    memset(owned, 0, sizeof owned);
    memset(had, NOBODY, sizeof had);
    memset(java, NOBODY, sizeof java);
    topic_count = member_count = result_count = 0;
    sticky = false;
}

static void end(void)
{
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

static struct kci_str keep(const char *text, size_t size)
{
    struct kci_str str = { kci_arena_text(&arena, (struct kci_str){ text, size }), size };
    assert_non_null(str.data);
    return str;
}

/* "T name racks racks ..." */
static void take_topic(void)
{
    struct kci_group_topic *topic = &topics[topic_count++];
    struct kci_replica_racks *racks = kci_arena_array(&arena, PARTITIONS_MAX, sizeof *racks);
    const char *name = strtok(NULL, " \n");
    topic->name = keep(name, strlen(name));
    for (const char *word; (word = strtok(NULL, " \n")); topic->partition_count++) {
        struct kci_str *list = kci_arena_array(&arena, 4, sizeof *list);
        struct kci_replica_racks *to = &racks[topic->partition_count];
        for (; *word && *word != '-'; word++)
            list[to->count++] = keep(word, 1);
        to->racks = list;
    }
    topic->racks = racks;
}

static size_t topic_of(const char *word)
{
    size_t size = strcspn(word, "-");
    for (size_t t = 0; t < topic_count; t++)
        if (topics[t].name.size == size && memcmp(topics[t].name.data, word, size) == 0)
            return t;
    fail_msg("%s: no such topic", word);
    return 0;
}

/* " topic-partition ..." into who[][]. */
static void take_partitions(int32_t who[TOPICS_MAX][PARTITIONS_MAX], int32_t member)
{
    for (const char *word; (word = strtok(NULL, " \n"));) {
        int32_t *owner = &who[topic_of(word)][atoi(strchr(word, '-') + 1)];
        assert_int_equal(*owner, NOBODY);
        *owner = member;
    }
}

/* "O id generation t-p ...": of the member before. */
static void take_owned(void)
{
    struct kci_member *member = &members[member_count - 1];
    struct kci_writer w = kci_writer_fixed(user_data[member_count - 1], sizeof user_data[0]);
    strtok(NULL, " \n");
    member->generation = atoi(strtok(NULL, " \n"));
    take_partitions(had, (int32_t)member_count - 1);
    member->owned = owned[member_count - 1];
    for (size_t t = 0; t < topic_count; t++) {
        struct kci_member_owned *of = &owned[member_count - 1][member->owned_count];
        int32_t *list = kci_arena_array(&arena, PARTITIONS_MAX, sizeof *list);
        *of = (struct kci_member_owned){ topics[t].name, list, 0 };
        for (int32_t p = 0; p < topics[t].partition_count; p++)
            if (had[t][p] == (int32_t)member_count - 1)
                list[of->partition_count++] = p;
        member->owned_count += of->partition_count > 0;
    }
    kci_writer_i32(&w, member->owned_count);
    for (int32_t i = 0; i < member->owned_count; i++) {
        kci_writer_i16(&w, (int16_t)member->owned[i].topic.size);
        kci_writer_bytes(&w, member->owned[i].topic.data, member->owned[i].topic.size);
        kci_writer_i32(&w, member->owned[i].partition_count);
        for (int32_t p = 0; p < member->owned[i].partition_count; p++)
            kci_writer_i32(&w, member->owned[i].partitions[p]);
    }
    kci_writer_i32(&w, member->generation);
    assert_false(w.failed);
    member->user_data = (struct kci_bytes){ w.data, w.size };
}

/* "M id rack topic ..." */
static void take_member(void)
{
    struct kci_member *member = &members[member_count++];
    struct kci_str *list = kci_arena_array(&arena, TOPICS_MAX, sizeof *list);
    const char *word = strtok(NULL, " \n");
    member->id = keep(word, strlen(word));
    word = strtok(NULL, " \n");
    if (*word != '-')
        member->rack = keep(word, 1);
    member->topics = list;
    while ((word = strtok(NULL, " \n")))
        list[member->topic_count++] = keep(word, strlen(word));
}

/* ---- what is compared ---- */

static void run(const struct kci_assignor *assignor)
{
    memset(ours, NOBODY, sizeof ours);
    for (size_t m = 0; m < member_count; m++) {
        members[m].assigned = NULL;
        members[m].assigned_count = members[m].assigned_capacity = 0;
    }
    assert_true(assignor->assign(&arena, members, member_count, topics, topic_count));
    for (size_t m = 0; m < member_count; m++)
        for (size_t i = 0; i < members[m].assigned_count; i++) {
            const struct kci_member_partition *given = &members[m].assigned[i];
            assert_true(kci_member_subscribes(&members[m], topics[given->topic].name));
            assert_int_equal(ours[given->topic][given->partition], NOBODY);
            ours[given->topic][given->partition] = (int32_t)m;
        }
}

static bool far_from(int32_t m, size_t t, int32_t p)
{
    const struct kci_replica_racks *replicas = &topics[t].racks[p];
    bool near = !members[m].rack.data;
    for (int32_t r = 0; r < replicas->count; r++)
        near = near || kci_str_equal(replicas->racks[r], members[m].rack);
    return !near;
}

struct quality {
    int imbalance; /* sum of the squares of the loads */
    int far;       /* partitions without a replica where their reader is */
    int kept;      /* partitions that stay with who had them */
};

static struct quality quality_of(int32_t who[TOPICS_MAX][PARTITIONS_MAX])
{
    struct quality q = { 0 };
    int loads[MEMBERS_MAX] = { 0 };
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++) {
            assert_int_not_equal(who[t][p], NOBODY);
            loads[who[t][p]]++;
            q.far += far_from(who[t][p], t, p);
            q.kept += who[t][p] == had[t][p];
        }
    for (size_t m = 0; m < member_count; m++)
        q.imbalance += loads[m] * loads[m];
    return q;
}

static void expect_the_same(void)
{
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++)
            if (ours[t][p] != java[t][p])
                fail_msg("group %zu: member %d gets %s-%d instead of member %d", cases, ours[t][p], topics[t].name.data,
                         p, java[t][p]);
}

static bool all_read_the_same(void)
{
    for (size_t m = 1; m < member_count; m++)
        if (members[m].topic_count != members[0].topic_count)
            return false;
    return (size_t)members[0].topic_count == topic_count;
}

static void compare_sticky(void)
{
    int32_t whole[TOPICS_MAX][PARTITIONS_MAX];
    run(&kci_assignor_sticky);
    struct quality we = quality_of(ours), they = quality_of(java);
    memcpy(whole, ours, sizeof whole);
    if (all_read_the_same())
        expect_the_same();
    assert_int_equal(we.imbalance, they.imbalance);
    kept += we.kept - they.kept;
    far += we.far - they.far;
    run(&kci_assignor_cooperative_sticky);
    for (size_t t = 0; t < topic_count; t++)
        for (int32_t p = 0; p < topics[t].partition_count; p++)
            assert_int_equal(ours[t][p], had[t][p] == NOBODY || had[t][p] == whole[t][p] ? whole[t][p] : NOBODY);
}

/* "R id t-p t-p ...": after the last one the group is complete. */
static void take_result(void)
{
    assert_string_equal(strtok(NULL, " \n"), members[result_count].id.data);
    take_partitions(java, (int32_t)result_count);
    if (++result_count < member_count)
        return;
    if (sticky) {
        compare_sticky();
    } else {
        run(&kci_assignor_range);
        expect_the_same();
    }
    cases++;
    end();
    begin();
}

static void test_as_java(void **state)
{
    const char *source = getenv("KCLIENT_SOURCE");
    char path[500], line[500];
    (void)state;
    snprintf(path, sizeof path, "%s/tests/unit/consumer/java_assignments.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be opened", path);
    begin();
    while (fgets(line, sizeof line, file)) {
        const char *kind = strtok(line, " \n");
        if (*kind == 'A')
            sticky = true;
        else if (*kind == 'O')
            take_owned();
        else if (*kind == 'T')
            take_topic();
        else if (*kind == 'M')
            take_member();
        else
            take_result();
    }
    fclose(file);
    end();
    assert_int_equal(cases, 150 + 300);
    print_message("kept %+d, far %+d\n", kept, far);
    assert_true(kept >= 0 && far <= kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_java),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
