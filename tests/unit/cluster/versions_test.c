/* Which version of a request is used. */
#include "cluster/versions.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kci_versions versions_of(int16_t api, int16_t min, int16_t max)
{
    struct kci_versions versions;
    struct kci_api_versions_response__api_version key = { .api_key = api, .min_version = min, .max_version = max };
    struct kci_api_versions_response response = { .api_keys = &key, .api_keys_count = 1 };
    kci_versions_set(&versions, &response);
    return versions;
}

/* The highest version that the caller, the broker and the schema have. */
static void test_common(void **state)
{
    struct kci_versions v = versions_of(KCI_API_PRODUCE, 3, 11);
    (void)state;
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 3, 13), 11);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 3, 9), 9);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 3), 3);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 2), -1);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 12, 13), -1);
    assert_int_equal(kci_versions_common(&v, KCI_API_FETCH, 0, 20), -1);
    assert_int_equal(kci_versions_common(&v, 99, 0, 20), -1);
    assert_int_equal(kci_versions_common(&v, -1, 0, 20), -1);
    v = versions_of(KCI_API_PRODUCE, 0, 30000);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 30000), kci_api_find(KCI_API_PRODUCE)->version_max);
}

/* Ranges that make no sense, and keys beyond the table, are as if they were not there. */
static void test_nonsense(void **state)
{
    struct kci_versions v = versions_of(30000, 0, 5);
    (void)state;
    assert_int_equal(kci_versions_common(&v, 30000, 0, 5), -1);
    v = versions_of(-1, 0, 5);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 5), -1);
    v = versions_of(KCI_API_PRODUCE, 5, 3);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 13), -1);
    v = versions_of(KCI_API_PRODUCE, -7, 3);
    assert_int_equal(kci_versions_common(&v, KCI_API_PRODUCE, 0, 13), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
