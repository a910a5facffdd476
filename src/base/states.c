/* Checks every move of every state machine, in release builds too: a machine in a state that nobody thought of loses
 * data later and elsewhere, so it stops here.  The core prints nothing: the reason stands in `kci_states_failure`,
 * where a debugger or a core dump shows it. */
#include "base/states.h"

#include <stdio.h>
#include <stdlib.h>

extern char kci_states_failure[256]; /* looked at with a debugger: it must not be optimised away */
char kci_states_failure[256];

static const char *name_of(const struct kci_state_table *table, int state)
{
    return state >= 0 && (uint32_t)state < table->count ? table->rows[state].name : "(no such state)";
}

static void fail(const struct kci_state_table *table, int from, int to, const char *what)
{
    snprintf(kci_states_failure, sizeof kci_states_failure, "%s: %s -> %s: %s", table->machine, name_of(table, from),
             name_of(table, to), what);
    abort();
}

void kci_states_move(const struct kci_state_table *table, int *state, int next, const void *x)
{
    int from = *state;
    if (from < 0 || (uint32_t)from >= table->count || next < 0 || (uint32_t)next >= table->count)
        fail(table, from, next, "out of range");
    if (!(table->rows[from].next & 1u << next))
        fail(table, from, next, "not allowed by the table");
    *state = next;
    if (table->rows[next].invariant && !table->rows[next].invariant(x))
        fail(table, from, next, "the invariant does not hold");
}

/* snprintf at `used` within out[size]; returns the bytes that this piece needs. */
#define DRAW(...) snprintf(used < size ? out + used : NULL, used < size ? size - used : 0, __VA_ARGS__)

size_t kci_states_draw(const struct kci_state_table *table, char *out, size_t size)
{
    size_t used = 0;
    used += (size_t)DRAW("digraph \"%s\" {\n", table->machine);
    for (uint32_t from = 0; from < table->count; from++) {
        used += (size_t)DRAW("  \"%s\";\n", table->rows[from].name);
        for (uint32_t to = 0; to < table->count; to++)
            if (table->rows[from].next & 1u << to)
                used += (size_t)DRAW("  \"%s\" -> \"%s\";\n", table->rows[from].name, table->rows[to].name);
    }
    used += (size_t)DRAW("}\n");
    return used;
}
