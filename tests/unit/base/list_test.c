/* The intrusive list: both ends, removal from anywhere, also of the element that is being visited. */
#include "base/list.h"

#include "support/unit.h"

struct item {
    int number;
    struct kci_list node;
};

static int number_of(struct kci_list *node)
{
    return KCI_CONTAINER(node, struct item, node)->number;
}

static void elements_keep_their_order(void **state)
{
    struct kci_list head;
    struct item items[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
    (void)state;
    kci_list_init(&head);
    assert_true(kci_list_empty(&head));
    assert_null(kci_list_first(&head));
    assert_null(kci_list_pop(&head));
    kci_list_push(&head, &items[1].node);
    kci_list_push(&head, &items[2].node);
    kci_list_push_front(&head, &items[0].node);
    kci_list_insert_after(&items[2].node, &items[3].node);
    int expected = 0;
    KCI_LIST_EACH(node, &head)
    assert_int_equal(number_of(node), expected++);
    assert_int_equal(expected, 4);
    kci_list_remove(&items[2].node);
    assert_false(kci_list_linked(&items[2].node));
    kci_list_remove(&items[2].node); /* fine when not linked */
    assert_int_equal(number_of(kci_list_pop(&head)), 0);
    assert_int_equal(number_of(kci_list_pop(&head)), 1);
    assert_int_equal(number_of(kci_list_pop(&head)), 3);
    assert_true(kci_list_empty(&head));
}

static void a_walk_may_remove_where_it_stands(void **state)
{
    struct kci_list head, never_initialised = { NULL, NULL };
    struct item items[10] = { { 0 } };
    int visited = 0;
    (void)state;
    kci_list_init(&head);
    for (int i = 0; i < 10; i++)
        kci_list_push(&head, &items[i].node);
    KCI_LIST_EACH(node, &head)
    {
        visited++;
        kci_list_remove(node);
    }
    assert_int_equal(visited, 10);
    assert_true(kci_list_empty(&head));
    assert_true(kci_list_empty(&never_initialised));
    KCI_LIST_EACH(node, &never_initialised)
    visited++;
    assert_int_equal(visited, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_keep_their_order),
        cmocka_unit_test(a_walk_may_remove_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
