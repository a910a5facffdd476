/* "range" against what Kafka's own assignor answered to 150 random groups with racks: java_assignments.txt, written by
 * MakeAssignments.java. */
#include "consumer/assignor.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

#define TOPICS_MAX     4
#define MEMBERS_MAX    8
#define PARTITIONS_MAX 8

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;
static struct kci_group_topic topics[TOPICS_MAX];
static struct kci_member members[MEMBERS_MAX];
static size_t topic_count, member_count, result_count, cases;

static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 1 << 20);
    memset(topics, 0, sizeof topics);
    memset(members, 0, sizeof members);
    topic_count = member_count = result_count = 0;
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

/* "R id t-p t-p ...": the first one runs the assignor. */
static void take_result(void)
{
    char expected[500] = "", found[500] = "";
    const char *word = strtok(NULL, " \n");
    if (result_count == 0)
        assert_true(kci_assignor_range.assign(&arena, members, member_count, topics, topic_count));
    struct kci_member *member = &members[result_count++];
    assert_string_equal(word, member->id.data);
    while ((word = strtok(NULL, " \n")))
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), " %s", word);
    for (size_t i = 0; i < member->assigned_count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), " %s-%d",
                 topics[member->assigned[i].topic].name.data, (int)member->assigned[i].partition);
    if (strcmp(found, expected) != 0)
        fail_msg("group %zu, member %s:%s instead of%s", cases, member->id.data, found, expected);
    if (result_count == member_count) {
        cases++;
        end();
        begin();
    }
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
        if (*kind == 'T')
            take_topic();
        else if (*kind == 'M')
            take_member();
        else
            take_result();
    }
    fclose(file);
    end();
    assert_int_equal(cases, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_java),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
