/* State machines as tables: which states there are, which may follow which, what must hold on entry.  The same table
 * draws the diagram in the docs.  A move that the table does not allow is our own bug and aborts, also in release
 * builds. */
#ifndef KCI_BASE_STATES_H
#define KCI_BASE_STATES_H

#include "base/bytes.h"

#define KCI_STATES_MAX 16

struct kci_state_row {
    const char *name;                 /* as documented and logged */
    uint32_t next;                    /* bit i: state i may follow */
    bool (*invariant)(const void *x); /* checked after entering; NULL: none */
};

struct kci_state_table {
    const char *machine; /* "connection" */
    uint32_t count;
    struct kci_state_row rows[KCI_STATES_MAX];
};

/* Set *state to next; aborts with machine, both names, if the table or the invariant forbids it. */
void kci_states_move(const struct kci_state_table *table, int *state, int next, const void *x);
static inline const char *kci_states_name(const struct kci_state_table *table, int state)
{
    return table->rows[state].name;
}
/* Graphviz text of the table, for docs; returns bytes written without the NUL (snprintf's rule). */
size_t kci_states_draw(const struct kci_state_table *table, char *out, size_t size);

#endif
