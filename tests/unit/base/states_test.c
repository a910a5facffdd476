/* A machine goes where its table lets it, and aborts the process when our own code sends it elsewhere. */
#include "base/states.h"

#include "support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLOSED, OPENING, OPEN };

static bool has_socket(const void *x)
{
    return *(const int *)x > 0;
}

static const struct kci_state_table door = {
    "door",
    3,
    { { "closed", 1u << OPENING, NULL },
      { "opening", 1u << OPEN | 1u << CLOSED, NULL },
      { "open", 1u << CLOSED, has_socket } },
};

extern char kci_states_failure[];
static sigjmp_buf aborted;

static void on_abort(int number)
{
    (void)number;
    siglongjmp(aborted, 1);
}

/* Does the move abort? */
static bool aborts(int *state, int next, const int *sockets)
{
    struct sigaction catch = { .sa_handler = on_abort }, before;
    volatile bool result = true;
    sigaction(SIGABRT, &catch, &before);
    if (sigsetjmp(aborted, 1) == 0) {
        kci_states_move(&door, state, next, sockets);
        result = false;
    }
    sigaction(SIGABRT, &before, NULL);
    return result;
}

static void allowed_moves_happen(void **unused)
{
    int state = CLOSED, sockets = 1;
    (void)unused;
    kci_states_move(&door, &state, OPENING, &sockets);
    kci_states_move(&door, &state, OPEN, &sockets);
    assert_int_equal(state, OPEN);
    assert_string_equal(kci_states_name(&door, state), "open");
    kci_states_move(&door, &state, CLOSED, NULL);
}

static void forbidden_moves_abort_and_say_why(void **unused)
{
    int state = CLOSED, sockets = 1, nowhere = 7;
    (void)unused;
    assert_true(aborts(&state, OPEN, &sockets));
    assert_string_equal(kci_states_failure, "door: closed -> open: not allowed by the table");
    assert_int_equal(state, CLOSED);
    assert_true(aborts(&state, CLOSED, &sockets)); /* staying is a move like any other */
    assert_true(aborts(&state, 3, &sockets));
    assert_true(aborts(&state, -1, &sockets));
    assert_true(aborts(&nowhere, OPEN, &sockets));
    assert_string_equal(kci_states_failure, "door: (no such state) -> open: out of range");
}

static void a_broken_invariant_aborts(void **unused)
{
    int state = OPENING, sockets = 0;
    (void)unused;
    assert_true(aborts(&state, OPEN, &sockets));
    assert_string_equal(kci_states_failure, "door: opening -> open: the invariant does not hold");
}

static void the_table_draws_itself(void **unused)
{
    static const char expected[] = "digraph \"door\" {\n"
                                   "  \"closed\";\n  \"closed\" -> \"opening\";\n"
                                   "  \"opening\";\n  \"opening\" -> \"closed\";\n  \"opening\" -> \"open\";\n"
                                   "  \"open\";\n  \"open\" -> \"closed\";\n}\n";
    char text[400], small[20];
    (void)unused;
    assert_int_equal(kci_states_draw(&door, text, sizeof text), sizeof expected - 1);
    assert_string_equal(text, expected);
    assert_int_equal(kci_states_draw(&door, small, sizeof small), sizeof expected - 1);
    assert_int_equal(kci_states_draw(&door, NULL, 0), sizeof expected - 1);
    assert_memory_equal(small, expected, sizeof small - 1);
    assert_int_equal(small[sizeof small - 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_moves_happen),
        cmocka_unit_test(forbidden_moves_abort_and_say_why),
        cmocka_unit_test(a_broken_invariant_aborts),
        cmocka_unit_test(the_table_draws_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
