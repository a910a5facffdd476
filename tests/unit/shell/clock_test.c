/* The clock of a cluster: frozen, advanced, at another rate; what is due runs at the time when it is due. */
#include "mockbroker/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)

/* An engine with a timer every second. */
struct ticker {
    int64_t next, last; /* the latest step that ticked */
    int ticks;
};

static void step(void *self, int64_t now)
{
    struct ticker *ticker = self;
    while (now >= ticker->next) {
        ticker->last = ticker->next;
        ticker->next += SECOND;
        ticker->ticks++;
    }
}

static int64_t deadline(void *self)
{
    return ((struct ticker *)self)->next;
}

static const struct kci_engine_ops ops = { .step = step, .deadline = deadline };

static struct kci_engine start(struct mb_clock *clock, struct ticker *ticker)
{
    struct kci_engine inner = { ticker, &ops };
    *ticker = (struct ticker){ .next = 11 * SECOND };
    mb_clock_init(clock, 10 * SECOND);
    return mb_clock_engine(clock, &inner);
}

/* As it is, time is the world's and so are deadlines. */
static void as_it_is(void **state)
{
    struct mb_clock clock;
    struct ticker ticker;
    struct kci_engine engine = start(&clock, &ticker);
    (void)state;
    assert_int_equal(mb_clock_now(&clock, 12 * SECOND), 12 * SECOND);
    assert_int_equal(engine.ops->deadline(engine.self), 11 * SECOND);
    engine.ops->step(engine.self, 13 * SECOND);
    assert_int_equal(ticker.ticks, 3);
}

/* Frozen, nothing becomes due; advancing by an hour runs 3,600 ticks; after that time goes on from there. */
static void frozen_and_advanced(void **state)
{
    struct mb_clock clock;
    struct ticker ticker;
    struct kci_engine engine = start(&clock, &ticker);
    (void)state;
    mb_clock_freeze(&clock, 10 * SECOND);
    assert_true(engine.ops->deadline(engine.self) == KCI_NEVER);
    engine.ops->step(engine.self, 500 * SECOND);
    assert_int_equal(ticker.ticks, 0);
    mb_clock_advance(&clock, 500 * SECOND, 3600 * SECOND);
    assert_int_equal(ticker.ticks, 3600);
    assert_int_equal(mb_clock_now(&clock, 501 * SECOND), 3610 * SECOND);
    mb_clock_resume(&clock, 600 * SECOND);
    assert_int_equal(mb_clock_now(&clock, 601 * SECOND), 3611 * SECOND);
    assert_int_equal(engine.ops->deadline(engine.self), 601 * SECOND);
}

/* Sixty times as fast: a deadline in a second comes in a sixtieth of one. */
static void at_another_rate(void **state)
{
    struct mb_clock clock;
    struct ticker ticker;
    struct kci_engine engine = start(&clock, &ticker);
    (void)state;
    assert_true(mb_clock_set_rate(&clock, 10 * SECOND, 60));
    assert_false(mb_clock_set_rate(&clock, 10 * SECOND, 0));
    assert_false(mb_clock_set_rate(&clock, 10 * SECOND, 1e9));
    int64_t due = engine.ops->deadline(engine.self);
    assert_in_range(due, 10 * SECOND + SECOND / 60, 10 * SECOND + SECOND / 60 + 2);
    assert_true(mb_clock_now(&clock, due) >= 11 * SECOND);
    assert_int_equal(mb_clock_now(&clock, 11 * SECOND), 70 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_is),
        cmocka_unit_test(frozen_and_advanced),
        cmocka_unit_test(at_another_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
