/* The door of a handle: see runtime.h.
 *
 *      word = 2 * threads inside + (1: shut)
 *
 * Who leaves last through a shut door wakes the one who waits.  By then the handle may be gone already: the word is not
 * looked at any more, and its address is only a name for whoever sleeps there. */
#include "runtime/runtime.h"

enum { SHUT = 1, ONE = 2 };

bool kci_door_enter(struct kci_door *door)
{
    if (!(atomic_fetch_add(&door->word, ONE) & SHUT))
        return true;
    kci_door_leave(door);
    return false;
}

void kci_door_leave(struct kci_door *door)
{
    if (atomic_fetch_sub(&door->word, ONE) == (ONE | SHUT))
        kci_lock_system()->wake(&door->word);
}

void kci_door_shut(struct kci_door *door)
{
    atomic_fetch_or(&door->word, SHUT);
}

void kci_door_wait(struct kci_door *door)
{
    kci_door_shut(door);
    for (int word; (word = atomic_load(&door->word)) != SHUT;)
        kci_lock_system()->wait(&door->word, word);
}
