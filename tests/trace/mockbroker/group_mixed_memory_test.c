/* Out of memory at every place of what makes, keeps and ends a mixed group: whoever asked gets an answer or a closed
 * connection, and afterwards the group can be used as if nothing had been. */
#include "support/group_mixed_story.h"

#define ALLOCATIONS_MAX 800 /* of one request: more would mean that the loop does not end */

enum what { UPGRADE, JOIN, REJOIN, SYNC, LEAVE, DOWNGRADE };

struct story {
    struct world s;
    struct classic x, y;
    struct member a;
};

/* Up to the place where the request of the step comes. */
static void begin(struct story *it, enum what what)
{
    struct member *members[] = { &it->a };
    struct classic *classics[] = { &it->x };
    world_open(&it->s, 1, NULL);
    group_topic(&it->s, "t", 4);
    it->x = classic_of(&it->s, 1, "x");
    it->y = classic_of(&it->s, 1, "y");
    it->y.c.instance_id = kci_str_of("one");
    it->a = member_of(&it->s, 1, "g", "a", "t");
    classic_settle(&it->x, "0123", NULL, NULL);
    if (what == UPGRADE)
        return;
    member_join(&it->a);
    if (what != REJOIN)
        beat_all(members, 1, classics, 1, 4);
    classic_speak(what == JOIN ? &it->y : &it->x);
}

/* The request of the step; true: an allocation failed in it. */
static bool ask(struct story *it, enum what what, size_t n)
{
    struct test_alloc *memory = &it->s.memory;
    struct client *conn = what == UPGRADE || what == DOWNGRADE ? it->a.conn
                          : what == JOIN                       ? it->y.c.conn
                                                               : it->x.c.conn;
    size_t waiting = conn->waiting.size; /* the test's own bytes: room for them is there */
    assert_non_null(kci_writer_room(&conn->waiting, 4000));
    conn->waiting.size = waiting;
    memory->count = 0;
    memory->fail_at = n;
    if (what == UPGRADE)
        member_send(&it->a, 0, SAYS_ALL);
    else if (what == JOIN)
        group_send_join(&it->y.c);
    else if (what == REJOIN)
        group_send_join(&it->x.c);
    else if (what == SYNC)
        group_send_sync(&it->x.c, NULL, 0);
    else if (what == LEAVE) {
        struct kci_leave_group_request__member_identity who = { .member_id = it->x.c.member_id };
        struct kci_leave_group_request body = { .group_id = it->x.c.group, .members = &who, .members_count = 1 };
        client_send(conn, KCI_API_LEAVE_GROUP, 5, &body);
    } else {
        member_send(&it->a, -1, SAYS_NOTHING);
    }
    bool failed = memory->count >= n;
    memory->fail_at = 0;
    client_push(conn, 0); /* what there was no room for is read now */
    bool answered = what == UPGRADE || what == DOWNGRADE ? member_answer(&it->a) != NULL
                    : what == JOIN                       ? group_joined(&it->y.c) != NULL
                    : what == REJOIN                     ? group_joined(&it->x.c) != NULL
                    : what == SYNC                       ? group_synced(&it->x.c) != NULL
                                                         : client_answer(conn, KCI_API_LEAVE_GROUP, 5) != NULL;
    if (!answered && !conn->closed)
        fail_msg("step %d: no answer with allocation %zu failing", (int)what, n);
    return failed;
}

/* Whatever it came to: a new member of each kind come, and share all of it in the end. */
static void it_can_be_used(struct story *it)
{
    world_pass(&it->s, 60000); /* who is still in it is silent, and out */
    struct member b = member_of(&it->s, 1, "g", "b", "t"), *members[] = { &b };
    struct classic z = classic_of(&it->s, 1, "z"), *classics[] = { &z };
    member_join(&b);
    classic_rejoin(&z);
    beat_all(members, 1, classics, 1, 5);
    assert_int_equal(b.owned_count, 2);
    assert_int_equal(z.owned_count, 2);
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(b.owned[i / 2], z.owned[i % 2]);
}

static void run(enum what what)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        static struct story it;
        assert_true(n < ALLOCATIONS_MAX);
        begin(&it, what);
        failed = ask(&it, what, n);
        assert_true(failed || n > 3); /* it does need memory */
        it_can_be_used(&it);
        world_close(&it.s);
    }
}

static void a_group_is_upgraded(void **unused)
{
    (void)unused;
    run(UPGRADE);
}

static void a_classic_member_comes(void **unused)
{
    (void)unused;
    run(JOIN);
}

static void a_classic_member_gives_up(void **unused)
{
    (void)unused;
    run(REJOIN);
}

static void a_classic_member_asks_for_its_part(void **unused)
{
    (void)unused;
    run(SYNC);
}

static void a_classic_member_leaves(void **unused)
{
    (void)unused;
    run(LEAVE);
}

static void a_group_is_downgraded(void **unused)
{
    (void)unused;
    run(DOWNGRADE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_upgraded),       cmocka_unit_test(a_classic_member_comes),
        cmocka_unit_test(a_classic_member_gives_up), cmocka_unit_test(a_classic_member_asks_for_its_part),
        cmocka_unit_test(a_classic_member_leaves),   cmocka_unit_test(a_group_is_downgraded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
