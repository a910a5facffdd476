/* shown(now) = shown + (now - real) * rate, or shown while frozen; each change of the rule first moves the pair (real,
 * shown) to the present, so that shown time never jumps back.  A deadline of the engine is translated to the real time
 * at which shown time reaches it; while frozen that is never, unless it has been reached. */
#include "mockbroker/clock.h"

void mb_clock_init(struct mb_clock *clock, int64_t real)
{
    *clock = (struct mb_clock){ .real = real, .shown = real, .rate = 1 };
}

int64_t mb_clock_now(const struct mb_clock *clock, int64_t real)
{
    if (clock->frozen || real < clock->real)
        return clock->shown;
    return clock->shown + (int64_t)((double)(real - clock->real) * clock->rate);
}

static void settle(struct mb_clock *clock, int64_t real)
{
    clock->shown = mb_clock_now(clock, real);
    clock->real = real;
}

void mb_clock_freeze(struct mb_clock *clock, int64_t real)
{
    settle(clock, real);
    clock->frozen = true;
}

void mb_clock_advance(struct mb_clock *clock, int64_t real, int64_t us)
{
    settle(clock, real);
    int64_t target = clock->shown + us;
    const struct kci_engine *inner = &clock->inner;
    for (;;) {
        int64_t due = inner->ops->deadline(inner->self);
        if (due > target)
            break;
        int64_t before = clock->shown;
        clock->shown = due > before ? due : before;
        inner->ops->step(inner->self, clock->shown);
        /* due now and still due after a step: it waits for the world, not for time */
        if (clock->shown == before && inner->ops->deadline(inner->self) <= before)
            break;
    }
    clock->shown = target;
    inner->ops->step(inner->self, clock->shown);
}

bool mb_clock_set_rate(struct mb_clock *clock, int64_t real, double rate)
{
    if (!(rate >= MB_CLOCK_RATE_MIN && rate <= MB_CLOCK_RATE_MAX))
        return false;
    settle(clock, real);
    clock->rate = rate;
    return true;
}

void mb_clock_resume(struct mb_clock *clock, int64_t real)
{
    settle(clock, real);
    clock->rate = 1;
    clock->frozen = false;
}

/* ---- the engine's face ---- */

static void step(void *self, int64_t now)
{
    struct mb_clock *clock = self;
    clock->inner.ops->step(clock->inner.self, mb_clock_now(clock, now));
}

static int64_t deadline(void *self)
{
    struct mb_clock *clock = self;
    int64_t due = clock->inner.ops->deadline(clock->inner.self);
    if (due == KCI_NEVER)
        return KCI_NEVER;
    if (due <= clock->shown)
        return clock->real;
    if (clock->frozen)
        return KCI_NEVER;
    if (clock->rate == 1)
        return due - clock->shown > KCI_NEVER - clock->real ? KCI_NEVER : clock->real + (due - clock->shown);
    double wait = (double)(due - clock->shown) / clock->rate + 1; /* rounded up: not a turn too early */
    return wait > 9e18 ? KCI_NEVER : clock->real + (int64_t)wait;
}

static void *on_accept(void *self, kci_conn conn, void *user, const struct kci_address *peer,
                       const struct kci_address *local, int64_t now)
{
    struct mb_clock *clock = self;
    return clock->inner.ops->on_accept(clock->inner.self, conn, user, peer, local, mb_clock_now(clock, now));
}

static void *on_space(void *self, kci_conn conn, void *user, size_t *size)
{
    struct mb_clock *clock = self;
    return clock->inner.ops->on_space(clock->inner.self, conn, user, size);
}

static void on_bytes(void *self, kci_conn conn, void *user, size_t size, int64_t now)
{
    struct mb_clock *clock = self;
    clock->inner.ops->on_bytes(clock->inner.self, conn, user, size, mb_clock_now(clock, now));
}

static void on_sent(void *self, kci_conn conn, void *user, int64_t now)
{
    struct mb_clock *clock = self;
    clock->inner.ops->on_sent(clock->inner.self, conn, user, mb_clock_now(clock, now));
}

static void on_close(void *self, kci_conn conn, void *user, const char *reason, int64_t now)
{
    struct mb_clock *clock = self;
    clock->inner.ops->on_close(clock->inner.self, conn, user, reason, mb_clock_now(clock, now));
}

static const struct kci_engine_ops ops = {
    .step = step,
    .deadline = deadline,
    .on_accept = on_accept,
    .on_space = on_space,
    .on_bytes = on_bytes,
    .on_sent = on_sent,
    .on_close = on_close,
};

struct kci_engine mb_clock_engine(struct mb_clock *clock, const struct kci_engine *inner)
{
    clock->inner = *inner;
    return (struct kci_engine){ clock, &ops };
}
