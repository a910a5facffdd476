/* The store in memory: it knows what was added, and forgets what was not asked for the longest. */
#include <kclient/worker.h>

#include "support/unit.h"

#include <stdio.h>

static kc_seen_store store;

static kc_bytes id_of(int number)
{
    static char text[20];
    return (kc_bytes){ text, (size_t)snprintf(text, sizeof text, "id-%d", number) };
}

static int has(int number)
{
    return store.contains(store.context, id_of(number));
}

static void add(int number)
{
    assert_int_equal(store.add(store.context, id_of(number)), 0);
}

/* Nothing is known before it was added, and adding twice is once. */
static void knows_what_was_added(void **state)
{
    (void)state;
    assert_int_equal(kc_seen_in_memory(&store, 10), KC_OK);
    assert_int_equal(has(1), 0);
    add(1);
    add(1);
    assert_int_equal(has(1), 1);
    assert_int_equal(has(2), 0);
    assert_int_equal(store.add(store.context, (kc_bytes){ "", 0 }), 0);
    assert_int_equal(store.contains(store.context, (kc_bytes){ "", 0 }), 1);
    store.close(store.context);
}

/* Three have room: of four the one goes that was used longest ago, and asking is using. */
static void forgets_the_oldest(void **state)
{
    (void)state;
    assert_int_equal(kc_seen_in_memory(&store, 3), KC_OK);
    add(1);
    add(2);
    add(3);
    assert_int_equal(has(1), 1);
    add(4);
    assert_int_equal(has(2), 0);
    assert_int_equal(has(1), 1);
    assert_int_equal(has(3), 1);
    assert_int_equal(has(4), 1);
    for (int i = 10; i < 10000; i++)
        add(i);
    assert_int_equal(has(9999), 1);
    assert_int_equal(has(9996), 0);
    store.close(store.context);
}

/* What is no capacity, and what is no id. */
static void limits(void **state)
{
    static char long_id[70000];
    (void)state;
    assert_int_equal(kc_seen_in_memory(NULL, 1), KC_ERR_ARGUMENT);
    assert_int_equal(kc_seen_in_memory(&store, 0), KC_ERR_ARGUMENT);
    assert_int_equal(kc_seen_in_memory(&store, 10000001), KC_ERR_ARGUMENT);
    assert_int_equal(kc_seen_in_memory(&store, 1), KC_OK);
    assert_int_equal(store.add(store.context, (kc_bytes){ long_id, sizeof long_id }), -1);
    store.close(store.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_was_added),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
