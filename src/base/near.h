/* The known name that is most like a mistyped one, for "did you mean". */
#ifndef KCI_BASE_NEAR_H
#define KCI_BASE_NEAR_H

#include "base/bytes.h"

#define KCI_NEAR_BYTES_MAX 64 /* longer names are not compared */

struct kci_near {
    struct kci_str name; /* as it was typed; borrowed */
    const char *best;    /* the most alike of those that were offered, the first of equals; NULL: none is; borrowed */
    size_t limit;        /* edits (insert, delete, replace): fewer than that is more alike than best */
};

/* A third of the name may be wrong; further away is a different word. */
struct kci_near kci_near_of(struct kci_str name);
void kci_near_offer(struct kci_near *near, const char *known);

#endif
