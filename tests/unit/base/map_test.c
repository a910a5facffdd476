/* The map against a plain array, its order, and what happens to it while it is walked. */
#include "base/map.h"
#include "base/prng.h"

#include "support/test_alloc.h"
#include "support/unit.h"

#include <stdio.h>

#define KEYS 400

static void *value_of(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

/* Thousands of random moves; after each few, everything that a plain array says is true of the map, in the same order.
 */
static void it_behaves_like_an_array(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_map map = kci_map_of(&alloc, 42);
    struct kci_prng prng;
    int64_t order[KEYS]; /* the live keys in order of insertion */
    size_t count = 0;
    (void)state;
    kci_prng_seed(&prng, 3);
    for (int move = 0; move < 20000; move++) {
        int64_t key = (int64_t)kci_prng_below(&prng, KEYS);
        size_t place = 0;
        while (place < count && order[place] != key)
            place++;
        assert_ptr_equal(kci_map_get_int(&map, key), place < count ? value_of((size_t)key) : NULL);
        if (kci_prng_chance(&prng, (uint64_t)(move / 1000 % 2) + 1, 3)) {
            assert_true(kci_map_set_int(&map, key, value_of((size_t)key)));
            if (place == count)
                order[count++] = key;
        } else {
            assert_ptr_equal(kci_map_remove_int(&map, key), place < count ? value_of((size_t)key) : NULL);
            if (place < count)
                memmove(&order[place], &order[place + 1], (--count - place) * sizeof *order);
        }
        assert_int_equal(map.count, count);
        if (move % 64)
            continue;
        size_t at = 0, seen = 0;
        for (struct kci_map_entry *e; (e = kci_map_next(&map, &at)); seen++)
            assert_memory_equal(e->key, &order[seen], sizeof *order);
        assert_int_equal(seen, count);
    }
    assert_true(map.entry_capacity <= 1024); /* holes are used again */
    kci_map_destroy(&map);
    kci_map_destroy(NULL);
    assert_int_equal(memory.live_blocks, 0);
}

static void keys_are_copied_and_replaced_in_place(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_map map = kci_map_of(&alloc, 1);
    char name[] = "orders";
    size_t at = 0;
    (void)state;
    assert_null(kci_map_get(&map, "orders", 6));
    assert_null(kci_map_remove(&map, "orders", 6));
    kci_map_set(&map, name, 6, value_of(1));
    kci_map_set(&map, "payments", 8, value_of(2));
    kci_map_set(&map, "", 0, value_of(3));
    name[0] = 'X';
    kci_map_set(&map, "orders", 6, value_of(4));
    assert_ptr_equal(kci_map_get_str(&map, kci_str_of("orders")), value_of(4));
    assert_ptr_equal(kci_map_get(&map, NULL, 0), value_of(3));
    assert_null(kci_map_get(&map, "order", 5));
    assert_string_equal(kci_map_next(&map, &at)->key, "orders");
    assert_string_equal(kci_map_next(&map, &at)->key, "payments");
    assert_string_equal(kci_map_next(&map, &at)->key, "");
    assert_null(kci_map_next(&map, &at));
    kci_map_destroy(&map);
    assert_int_equal(memory.live_blocks, 0);
}

/* Removing the current entry, by its own key, or any other, does not disturb a walk. */
static void removing_while_walking_is_safe(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_map map = kci_map_of(&alloc, 9);
    size_t at = 0, seen = 0;
    (void)state;
    for (int64_t key = 0; key < 1000; key++)
        kci_map_set_int(&map, key, value_of((size_t)key));
    for (struct kci_map_entry *e; (e = kci_map_next(&map, &at)); seen++) {
        int64_t key;
        memcpy(&key, e->key, sizeof key);
        assert_true(key % 2 == 0);
        assert_non_null(kci_map_remove(&map, e->key, e->key_size));
        assert_non_null(kci_map_remove_int(&map, key + 1));
    }
    assert_int_equal(seen, 500);
    assert_int_equal(map.count, 0);
    assert_true(kci_map_set_int(&map, 5, value_of(5)));
    assert_ptr_equal(kci_map_get_int(&map, 5), value_of(5));
    kci_map_destroy(&map);
}

/* The seed decides where keys lie, never their order. */
static void the_seed_changes_hashes_not_order(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct kci_map one = kci_map_of(&alloc, 1), two = kci_map_of(&alloc, 2);
    size_t at_one = 0, at_two = 0, same = 0;
    char key[40];
    (void)state;
    for (int i = 0; i < 300; i++) {
        int size = snprintf(key, sizeof key, "a-topic-with-a-longer-name-%d", i);
        kci_map_set(&one, key, (size_t)size, value_of(1));
        kci_map_set(&two, key, (size_t)size, value_of(1));
    }
    for (struct kci_map_entry *e; (e = kci_map_next(&one, &at_one));) {
        struct kci_map_entry *f = kci_map_next(&two, &at_two);
        assert_string_equal(e->key, f->key);
        same += e->hash == f->hash ? 1 : 0;
    }
    assert_int_equal(same, 0);
    kci_map_destroy(&one);
    kci_map_destroy(&two);
}

/* An insertion that fails leaves every earlier entry where it was. */
static void out_of_memory_changes_nothing(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    TEST_ALLOC_EACH_FAILURE(&memory)
    {
        struct kci_map map = kci_map_of(&alloc, 5);
        bool in[100];
        for (int64_t key = 0; key < 100; key++)
            in[key] = kci_map_set_int(&map, key, value_of((size_t)key));
        for (int64_t key = 0; key < 100; key++)
            assert_ptr_equal(kci_map_get_int(&map, key), in[key] ? value_of((size_t)key) : NULL);
        kci_map_destroy(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_behaves_like_an_array),       cmocka_unit_test(keys_are_copied_and_replaced_in_place),
        cmocka_unit_test(removing_while_walking_is_safe), cmocka_unit_test(the_seed_changes_hashes_not_order),
        cmocka_unit_test(out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
