/* The gate: threads wait for a counter to rise; no wake is lost, and a time limit is kept. */
#include "runtime/runtime.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WAITERS 4
#define ROUNDS  2000

static void waiting_returns_at_once_when_it_has_moved(void **state)
{
    struct kci_gate *gate = kci_gate_new(kci_heap_alloc());
    (void)state;
    uint64_t seen = kci_gate_now(gate);
    kci_gate_open(gate);
    kci_gate_wait(gate, seen, KCI_NEVER);
    assert_true(kci_gate_now(gate) == seen + 1);
    kci_gate_destroy(gate);
    kci_gate_destroy(NULL);
}

static void a_time_limit_is_kept(void **state)
{
    struct kci_gate *gate = kci_gate_new(kci_heap_alloc());
    (void)state;
    int64_t until = kci_clock_us() + 5000;
    kci_gate_wait(gate, kci_gate_now(gate), until);
    assert_true(kci_clock_us() >= until);
    kci_gate_wait(gate, kci_gate_now(gate), 0); /* long ago, and before the clock began */
    kci_gate_wait(gate, kci_gate_now(gate), -1);
    kci_gate_destroy(gate);
}

struct relay {
    struct kci_gate *forth, *back;
    _Atomic int turn;    /* raised by the main thread */
    _Atomic int arrived; /* waiters that saw it */
};

static void *follow(void *argument)
{
    struct relay *relay = argument;
    for (int i = 1; i <= ROUNDS; i++) {
        uint64_t seen = kci_gate_now(relay->forth);
        while (atomic_load(&relay->turn) < i) {
            kci_gate_wait(relay->forth, seen, KCI_NEVER);
            seen = kci_gate_now(relay->forth);
        }
        atomic_fetch_add(&relay->arrived, 1);
        kci_gate_open(relay->back);
    }
    return NULL;
}

/* All waiters see every opening; a single lost wake would hang this. */
static void every_waiter_is_woken_every_time(void **state)
{
    struct relay relay = { kci_gate_new(kci_heap_alloc()), kci_gate_new(kci_heap_alloc()), 0, 0 };
    pthread_t threads[WAITERS];
    (void)state;
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, follow, &relay), 0);
    for (int i = 1; i <= ROUNDS; i++) {
        uint64_t seen = kci_gate_now(relay.back);
        atomic_store(&relay.turn, i);
        kci_gate_open(relay.forth);
        while (atomic_load(&relay.arrived) < i * WAITERS) {
            kci_gate_wait(relay.back, seen, KCI_NEVER);
            seen = kci_gate_now(relay.back);
        }
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    kci_gate_destroy(relay.forth);
    kci_gate_destroy(relay.back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_returns_at_once_when_it_has_moved),
        cmocka_unit_test(a_time_limit_is_kept),
        cmocka_unit_test(every_waiter_is_woken_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
