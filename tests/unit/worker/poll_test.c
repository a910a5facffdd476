/* What a worker has to commit: each partition's progress once, and again if asked for; without memory nothing is taken
 * for said. */
#include "worker/internal.h"

#include "support/test_alloc.h"
#include "support/unit.h"

static struct kci_list parts;
static struct kci_part part[3];
static char names[][4] = { "a", "b", "c" };

/* "a" is done up to 7, "b" up to 9 and committed, "c" has not begun. */
static void begin(void)
{
    kci_list_init(&parts);
    for (int i = 0; i < 3; i++) {
        part[i] = (struct kci_part){ .topic = names[i], .partition = i, .committed = -1 };
        part[i].progress.position = i == 2 ? -1 : 7 + 2 * i;
        kci_list_push(&parts, &part[i].link);
    }
    part[1].committed = 9;
}

static void what_is_new(void **state)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    kc_topic_partition *offsets;
    size_t count;
    (void)state;
    begin();
    assert_true(kci_poll_gather(&alloc, &parts, false, &offsets, &count));
    assert_int_equal(count, 1);
    assert_string_equal(offsets[0].topic, "a");
    assert_int_equal(offsets[0].offset, 7);
    kci_alloc_free(&alloc, offsets);
    assert_true(kci_poll_gather(&alloc, &parts, false, &offsets, &count));
    assert_null(offsets); /* it was said */
    assert_true(kci_poll_gather(&alloc, &parts, true, &offsets, &count));
    assert_int_equal(count, 2);
    kci_alloc_free(&alloc, offsets);
    assert_int_equal(memory.live_blocks, 0);
}

/* No memory is not the same as nothing to commit: it is told, and the next time everything is still there. */
static void no_memory(void **state)
{
    struct test_alloc memory = { .fail_at = 1 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    kc_topic_partition *offsets;
    size_t count;
    (void)state;
    begin();
    assert_false(kci_poll_gather(&alloc, &parts, true, &offsets, &count));
    assert_null(offsets);
    assert_int_equal(part[0].committed, -1);
    assert_true(kci_poll_gather(&alloc, &parts, false, &offsets, &count));
    assert_int_equal(count, 1);
    kci_alloc_free(&alloc, offsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_new),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
