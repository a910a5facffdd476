/* The lock's word, step by step; the world's part (sleep, wake) is played by the test. */
#include "base/lock.h"

#include "support/unit.h"

static struct kci_lock lock;
static int waits, wakes;

/* The other thread lets go while we sleep, but only on the second look: sleeping may end early. */
static void wait_until_released(_Atomic int *word, int expected)
{
    assert_int_equal(atomic_load(word), expected);
    if (++waits == 2)
        kci_lock_release(&lock);
}

static void count_wake(_Atomic int *word)
{
    assert_int_equal(atomic_load(word), 0);
    wakes++;
}

static const struct kci_lock_ops ops = { wait_until_released, count_wake };

static void an_uncontended_lock_never_meets_the_world(void **state)
{
    (void)state;
    waits = wakes = 0;
    kci_lock_init(&lock, &ops);
    kci_lock_take(&lock);
    assert_int_equal(atomic_load(&lock.word), 1);
    kci_lock_release(&lock);
    assert_int_equal(atomic_load(&lock.word), 0);
    assert_int_equal(waits + wakes, 0);
}

static void a_contended_lock_sleeps_and_wakes_the_next(void **state)
{
    (void)state;
    waits = wakes = 0;
    kci_lock_init(&lock, &ops);
    kci_lock_take(&lock); /* by another thread */
    kci_lock_take(&lock); /* by us: returns when the other one has let go */
    assert_int_equal(waits, 2);
    assert_int_equal(wakes, 1);
    assert_int_equal(atomic_load(&lock.word), 2); /* we cannot know that nobody else waits */
    kci_lock_release(&lock);
    assert_int_equal(wakes, 2);
}

static void one_thread_needs_no_world(void **state)
{
    (void)state;
    kci_lock_init(&lock, NULL);
    kci_lock_take(&lock);
    assert_int_equal(atomic_load(&lock.word), 1);
    kci_lock_release(&lock);
    assert_int_equal(atomic_load(&lock.word), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_uncontended_lock_never_meets_the_world),
        cmocka_unit_test(a_contended_lock_sleeps_and_wakes_the_next),
        cmocka_unit_test(one_thread_needs_no_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
