/* A typing error finds the name that was meant; another word finds none. */
#include "base/near.h"

#include "support/unit.h"

static const char *nearest(const char *typed)
{
    static const char *const known[] = { "num.partitions", "num.io.threads", "min.insync.replicas", "acks" };
    struct kci_near near = kci_near_of(kci_str_of(typed));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        kci_near_offer(&near, known[i]);
    return near.best;
}

static void typing_errors_are_forgiven(void **state)
{
    (void)state;
    assert_string_equal(nearest("num.partitons"), "num.partitions");
    assert_string_equal(nearest("num.partitionss"), "num.partitions");
    assert_string_equal(nearest("nam.partitions"), "num.partitions");
    assert_string_equal(nearest("min.isr.replicas"), "min.insync.replicas");
    assert_string_equal(nearest("ack"), "acks");
}

static void other_words_are_not(void **state)
{
    char longer[KCI_NEAR_BYTES_MAX + 2] = "acks";
    struct kci_near near;
    (void)state;
    assert_null(nearest("qwertyuiop"));
    assert_null(nearest(""));
    memset(longer, 'a', KCI_NEAR_BYTES_MAX + 1); /* not compared, however like it is */
    near = kci_near_of(kci_str_of(longer));
    kci_near_offer(&near, longer);
    assert_null(near.best);
    longer[KCI_NEAR_BYTES_MAX] = '\0';
    near = kci_near_of(kci_str_of(longer));
    kci_near_offer(&near, longer);
    assert_ptr_equal(near.best, longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_errors_are_forgiven),
        cmocka_unit_test(other_words_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
