/* How tests with threads and sockets wait: for a condition, never for a time.  The limits only turn a hang into a
 * failure, so they lie far beyond what a loaded machine with sanitizers needs; what a function promises to end within
 * N ms is asserted as N ms + SLACK_MS, which still tells it from one that waits for a request or a delivery time-out.
 *
 * Included by a test file, after cmocka. */
#ifndef TESTS_SUPPORT_PATIENCE_H
#define TESTS_SUPPORT_PATIENCE_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

enum { WAIT_MS = 240000, SLACK_MS = 20000 };

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One turn of a loop that waits: others get the processor.  Fails once the loop has begun more than WAIT_MS ago. */
static inline void be_patient(int64_t begun_ms)
{
    if (now_ms() - begun_ms > WAIT_MS)
        fail_msg("what was waited for did not come within %d s", WAIT_MS / 1000);
    sched_yield();
}

#endif
