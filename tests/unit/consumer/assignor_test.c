/* Assignors against the examples of Kafka's own tests (RangeAssignorTest, RoundRobinAssignorTest). */
#include "consumer/assignor.h"
#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

#define MEMBERS_MAX 4

static struct test_alloc memory;
static struct kci_alloc alloc;
static struct kci_arena arena;
static struct kci_member members[MEMBERS_MAX];
static struct kci_str topic_lists[MEMBERS_MAX][4];
static size_t member_count;

/* A member by a line "c1 t1 t2"; with "id=instance" as its name a static one. Topics are in order. */
static void member(char *line)
{
    struct kci_member *m = &members[member_count];
    memset(m, 0, sizeof *m);
    char *name = strtok(line, " "), *instance = strchr(name, '=');
    if (instance) {
        *instance = 0;
        m->instance_id = kci_str_of(instance + 1);
    }
    m->id = kci_str_of(name);
    m->topics = topic_lists[member_count];
    for (char *topic; (topic = strtok(NULL, " "));)
        topic_lists[member_count][m->topic_count++] = kci_str_of(topic);
    member_count++;
}

static void begin(void)
{
    memory = (struct test_alloc){ 0 };
    alloc = test_alloc_counting(&memory);
    arena = kci_arena_of(&alloc, 1 << 20);
    member_count = 0;
}

static void expect(const struct kci_assignor *assignor, int32_t t1, int32_t t2, const char *expected)
{
    struct kci_group_topic topics[] = { { kci_str_of("t1"), t1, NULL }, { kci_str_of("t2"), t2, NULL } };
    char text[500] = "";
    assert_true(assignor->assign(&arena, members, member_count, topics, 2));
    for (size_t m = 0; m < member_count; m++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s{", m ? " " : "", (int)members[m].id.size,
                 members[m].id.data);
        for (size_t i = 0; i < members[m].assigned_count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%st%u-%d", i ? "," : "",
                     (unsigned)members[m].assigned[i].topic + 1, (int)members[m].assigned[i].partition);
        strcat(text, "}");
    }
    assert_string_equal(text, expected);
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

/* Each topic is split by itself, the first members get one more. */
static void test_range(void **state)
{
    (void)state;
    begin();
    member((char[]){ "c1 t1" });
    member((char[]){ "c2 t1" });
    expect(&kci_assignor_range, 1, 0, "c1{t1-0} c2{}");
    begin();
    member((char[]){ "c1 t1" });
    member((char[]){ "c2 t1" });
    expect(&kci_assignor_range, 2, 0, "c1{t1-0} c2{t1-1}");
    begin();
    member((char[]){ "c1 t1" });
    member((char[]){ "c2 t1 t2" });
    member((char[]){ "c3 t1" });
    expect(&kci_assignor_range, 3, 2, "c1{t1-0} c2{t1-1,t2-0,t2-1} c3{t1-2}");
    begin();
    member((char[]){ "c1 t1 t2" });
    member((char[]){ "c2 t1 t2" });
    expect(&kci_assignor_range, 3, 3, "c1{t1-0,t1-1,t2-0,t2-1} c2{t1-2,t2-2}");
}

/* Partitions of all topics are dealt out in turn. */
static void test_roundrobin(void **state)
{
    (void)state;
    begin();
    member((char[]){ "c1 t1" });
    member((char[]){ "c2 t1 t2" });
    member((char[]){ "c3 t1" });
    expect(&kci_assignor_roundrobin, 3, 2, "c1{t1-0} c2{t1-1,t2-0,t2-1} c3{t1-2}");
    begin();
    member((char[]){ "c1 t1 t2" });
    member((char[]){ "c2 t1 t2" });
    expect(&kci_assignor_roundrobin, 3, 3, "c1{t1-0,t1-2,t2-1} c2{t1-1,t2-0,t2-2}");
}

/* Static members come first, by instance id; dynamic ones by member id: whatever order the coordinator lists them in.
 */
static void test_order(void **state)
{
    (void)state;
    begin();
    member((char[]){ "z t1" });
    member((char[]){ "a t1" });
    member((char[]){ "y=2 t1" });
    member((char[]){ "x=1 t1" });
    expect(&kci_assignor_range, 5, 0, "z{t1-4} a{t1-3} y{t1-2} x{t1-0,t1-1}");
}

/* Nobody, or nobody who wants a topic. */
static void test_nobody(void **state)
{
    (void)state;
    begin();
    expect(&kci_assignor_roundrobin, 3, 3, "");
    begin();
    member((char[]){ "c1 t1" });
    expect(&kci_assignor_roundrobin, 1, 3, "c1{t1-0}");
    begin();
    member((char[]){ "c1 t1" });
    expect(&kci_assignor_range, 0, 3, "c1{}");
}

/* Names, also those of the Java client, without blanks between them, as the configuration keeps a list; an unknown one
 * refuses the whole list. */
static void test_names(void **state)
{
    const struct kci_assignor *list[KCI_ASSIGNORS_MAX];
    struct kci_assignor room[KCI_ASSIGNORS_MAX];
    (void)state;
    assert_int_equal(
        kci_assignor_list("roundrobin,org.apache.kafka.clients.consumer.RangeAssignor", NULL, 0, room, list), 2);
    assert_ptr_equal(list[0], &kci_assignor_roundrobin);
    assert_ptr_equal(list[1], &kci_assignor_range);
    assert_int_equal(kci_assignor_list("range,cooperative-sticky", NULL, 0, room, list), 2);
    assert_ptr_equal(list[1], &kci_assignor_cooperative_sticky);
    assert_int_equal(kci_assignor_list("org.apache.kafka.clients.consumer.StickyAssignor", NULL, 0, room, list), 1);
    assert_ptr_equal(list[0], &kci_assignor_sticky);
    assert_int_equal(kci_assignor_list("range,best", NULL, 0, room, list), 0);
    assert_int_equal(kci_assignor_list("", NULL, 0, room, list), 0);
}

/* The arena's limit holds: out of memory is an answer. */
static void test_memory(void **state)
{
    struct kci_group_topic topics[] = { { kci_str_of("t1"), 1000000, NULL } };
    (void)state;
    begin();
    member((char[]){ "c1 t1" });
    assert_false(kci_assignor_range.assign(&arena, members, 1, topics, 1));
    kci_arena_destroy(&arena);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),  cmocka_unit_test(test_roundrobin), cmocka_unit_test(test_order),
        cmocka_unit_test(test_nobody), cmocka_unit_test(test_names),      cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
