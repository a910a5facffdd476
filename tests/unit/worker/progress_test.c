/* What may be committed: everything before the first record that is not done, and never more. */
#include "worker/progress.h"

#include "support/unit.h"

#define MARKS 200

static struct kci_progress progress;
static struct kci_mark marks[MARKS];

static void begin(size_t count)
{
    progress = kci_progress_of();
    for (size_t i = 0; i < count; i++)
        kci_progress_begin(&progress, &marks[i], (int64_t)(10 + 3 * i), (int32_t)i); /* 10, 13, 16: with gaps */
}

static size_t advance(void)
{
    size_t taken = 0;
    while (kci_progress_advance(&progress))
        taken++;
    return taken;
}

/* Nothing began: there is nothing to commit, and nothing to take. */
static void empty_has_no_position(void **state)
{
    (void)state;
    begin(0);
    assert_null(kci_progress_advance(&progress));
    assert_int_equal(progress.position, -1);
}

/* The second is done before the first: the position waits, then passes both, and the gaps between their offsets. */
static void position_waits_for_the_first(void **state)
{
    (void)state;
    begin(3);
    kci_progress_finish(&marks[1], true);
    assert_int_equal(advance(), 0);
    assert_int_equal(progress.position, -1);
    kci_progress_finish(&marks[0], true);
    assert_int_equal(advance(), 2);
    assert_int_equal(progress.position, 14);
    assert_int_equal(progress.leader_epoch, 1);
    assert_int_equal(progress.open, 1);
    kci_progress_finish(&marks[2], true);
    assert_int_equal(advance(), 1);
    assert_int_equal(progress.position, 17);
    assert_null(progress.first);
    assert_null(progress.last);
}

/* One that was abandoned is never passed by the position, though what is behind it is taken out as it is finished. */
static void abandoned_ends_progress(void **state)
{
    (void)state;
    begin(4);
    kci_progress_finish(&marks[3], true);
    kci_progress_finish(&marks[1], false);
    kci_progress_finish(&marks[0], true);
    assert_int_equal(advance(), 2);
    assert_int_equal(progress.position, 11);
    kci_progress_finish(&marks[2], true);
    assert_int_equal(advance(), 2);
    assert_int_equal(progress.position, 11);
    assert_int_equal(progress.open, 0);
}

/* A mark that was taken out serves again. */
static void marks_are_used_again(void **state)
{
    (void)state;
    begin(1);
    for (int64_t offset = 11; offset < 1000; offset++) {
        kci_progress_finish(&marks[0], true);
        assert_ptr_equal(kci_progress_advance(&progress), &marks[0]);
        assert_int_equal(progress.position, offset);
        kci_progress_begin(&progress, &marks[0], offset, 0);
    }
}

/* In whatever order they are finished: the position is always behind the longest run of finished ones from the first.
 */
static void any_order(void **state)
{
    uint32_t random = 12345;
    (void)state;
    for (int round = 0; round < 50; round++) {
        bool done[MARKS] = { false };
        begin(MARKS);
        for (size_t left = MARKS; left > 0; left--) {
            random = random * 1664525u + 1013904223u;
            size_t at = random % MARKS, run = 0;
            while (done[at])
                at = (at + 1) % MARKS;
            done[at] = true;
            kci_progress_finish(&marks[at], true);
            advance();
            while (run < MARKS && done[run])
                run++;
            assert_int_equal(progress.position, run ? marks[run - 1].offset + 1 : -1);
            assert_int_equal(progress.open, MARKS - run);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_no_position),
        cmocka_unit_test(position_waits_for_the_first),
        cmocka_unit_test(abandoned_ends_progress),
        cmocka_unit_test(marks_are_used_again),
        cmocka_unit_test(any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
