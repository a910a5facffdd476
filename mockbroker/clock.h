/* The time that a cluster sees: the true one, or frozen, or at another rate, or advanced by hand.  It stands between
 * the loop and the engine and translates every time in both directions, so nothing behind it knows. */
#ifndef MB_CLOCK_H
#define MB_CLOCK_H

#include "base/engine.h"

#define MB_CLOCK_RATE_MIN       0.001
#define MB_CLOCK_RATE_MAX       100000.0
#define MB_CLOCK_ADVANCE_MS_MAX (INT64_C(10) * 366 * 86400 * 1000) /* ten years, in one go */

/* All of it on the broker's thread. */
struct mb_clock {
    struct kci_engine inner; /* the cluster's */
    int64_t real, shown;     /* at the same moment; microseconds */
    double rate;             /* shown time per real time */
    bool frozen;
};

/* Time as it is. */
void mb_clock_init(struct mb_clock *clock, int64_t real);
/* The engine for the loop. */
struct kci_engine mb_clock_engine(struct mb_clock *clock, const struct kci_engine *inner);
int64_t mb_clock_now(const struct mb_clock *clock, int64_t real);

void mb_clock_freeze(struct mb_clock *clock, int64_t real);
/* Frozen or not: go on by so much at once; all that is due meanwhile runs at the time when it is due. */
void mb_clock_advance(struct mb_clock *clock, int64_t real, int64_t us);
/* false: not a rate. A frozen clock stays frozen, and has it when it goes on. */
bool mb_clock_set_rate(struct mb_clock *clock, int64_t real, double rate);
/* Thaw, at rate 1. Time does not jump. */
void mb_clock_resume(struct mb_clock *clock, int64_t real);

#endif
