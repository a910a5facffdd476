/* Whether other threads wait inside a producer: a close may only meet calls that have begun, and the public functions
 * cannot tell.  The one place where an end-to-end test looks into a handle.
 *
 * Included by a test file, after support/patience.h. */
#ifndef TESTS_SUPPORT_WAITERS_H
#define TESTS_SUPPORT_WAITERS_H

#include "api/producer_handle.h"

/* Until `count` calls wait in the producer. */
static inline void wait_for_waiters(const kc_producer *producer, int32_t count)
{
    int64_t begun = now_ms();
    while (atomic_load(&producer->waiters) < count)
        be_patient(begun);
}

#endif
