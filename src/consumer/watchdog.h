/* Looks from time to time whether everything that should move does. */
#ifndef KCI_CONSUMER_WATCHDOG_H
#define KCI_CONSUMER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct kci_consumer;

struct kci_watchdog {
    int64_t due;                 /* when to look next, microseconds; 0: at once */
    int64_t coordinator_good_at; /* when the coordinator was last known, or not needed; 0: not looked yet */
    int64_t group_good_at;       /* when the membership was last seen where it may stay */
    bool told_group;             /* a stall of the group was reported and is not over */
};

/* In each step; under the lock. */
void kci_watchdog_step(struct kci_consumer *c, int64_t now);

#endif
