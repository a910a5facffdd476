/* Out of memory at every place of a heartbeat: the member gets an answer or a closed connection, and the group goes on
 * as its log has it, with no partition in two places. */
#include "support/group848_story.h"

#define ALLOCATIONS_MAX 600 /* of one request: more would mean that the loop does not end */

/* One heartbeat with allocation n failing; true: it did fail. */
static bool without(struct member *m, size_t n, int32_t epoch, int what)
{
    struct test_alloc *memory = &m->s->memory;
    member_queue(m, epoch, what);
    memory->count = 0;
    memory->fail_at = n;
    client_push(m->conn, 0);
    bool failed = memory->count >= n;
    memory->fail_at = 0;
    client_push(m->conn, 0); /* what there was no room for is read now */
    const struct kci_consumer_group_heartbeat_response *answer = member_answer(m);
    if (!answer && !m->conn->closed)
        fail_msg("no answer with allocation %zu failing", n);
    return failed;
}

/* Whatever happened: when both join as if nothing had been, they share. */
static void both_can_share(struct member *a, struct member *b)
{
    struct member *both[] = { a, b };
    world_pass(a->s, 100);
    a->conn = group_connect(a->s, 1, "a");
    b->conn = group_connect(b->s, 1, "b");
    member_join(a);
    member_join(b);
    members_beat(both, 2, 5);
    assert_int_equal(a->owned_count, 2);
    assert_int_equal(b->owned_count, 2);
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(a->owned[i / 2], b->owned[i % 2]);
}

static void run(int step)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        static struct world s;
        assert_true(n < ALLOCATIONS_MAX);
        world_open(&s, 1, NULL);
        group_topic(&s, "t", 4);
        struct member a = member_of(&s, 1, "g", "a", "t"), b = member_of(&s, 1, "g", "b", "t");
        b.regex = kci_str_of("t?");
        group_coordinator(&s, "g");
        if (step > 0)
            member_join(&a);
        world_pass(&s, 5000);
        if (step > 1) {
            member_join(&b);
            assert_code(member_call(&a, 2, SAYS_NOTHING), KCI_NONE);
            member_take(&a);
        }
        failed = step == 0   ? without(&a, n, 0, SAYS_ALL)
                 : step == 1 ? without(&b, n, 0, SAYS_ALL)
                 : step == 2 ? without(&a, n, 2, SAYS_OWNED)
                             : without(&a, n, -1, SAYS_NOTHING);
        both_can_share(&a, &b);
        world_close(&s);
    }
}

static void the_first_joins(void **unused)
{
    (void)unused;
    run(0);
}

static void the_second_joins(void **unused)
{
    (void)unused;
    run(1);
}

static void partitions_are_given_up(void **unused)
{
    (void)unused;
    run(2);
}

static void a_member_leaves(void **unused)
{
    (void)unused;
    run(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_joins),
        cmocka_unit_test(the_second_joins),
        cmocka_unit_test(partitions_are_given_up),
        cmocka_unit_test(a_member_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
