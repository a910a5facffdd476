/* What may stand in bootstrap.servers, and what is said of the rest. */
#include "cluster/bootstrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void expect(struct kci_bootstrap *b, const char *host, uint16_t port)
{
    assert_int_equal(kci_bootstrap_next(b), 1);
    assert_true(kci_str_equal(b->host, kci_str_of(host)));
    assert_int_equal(b->port, port);
}

static void expect_bad(const char *list, const char *entry, const char *problem)
{
    struct kci_bootstrap b = kci_bootstrap_of(list);
    int found;
    while ((found = kci_bootstrap_next(&b)) > 0) {
    }
    assert_int_equal(found, -1);
    assert_true(kci_str_equal(b.entry, kci_str_of(entry)));
    if (!strstr(b.problem, problem))
        fail_msg("\"%s\" does not say \"%s\"", b.problem, problem);
}

/* Names, numbers, IPv6 in brackets, blanks, a scheme and a trailing comma are all fine. */
static void test_good(void **state)
{
    struct kci_bootstrap b =
        kci_bootstrap_of(" b1:9092, 10.0.0.1:1 ,[::1]:65535,PLAINTEXT://b2:9093,,[fe80::1%eth0]:5,");
    (void)state;
    expect(&b, "b1", 9092);
    expect(&b, "10.0.0.1", 1);
    expect(&b, "::1", 65535);
    expect(&b, "b2", 9093);
    expect(&b, "fe80::1%eth0", 5);
    assert_int_equal(kci_bootstrap_next(&b), 0);
    assert_int_equal(kci_bootstrap_next(&b), 0);
}

/* The entry at fault is named, and so is the fault. */
static void test_bad(void **state)
{
    (void)state;
    expect_bad("", "", "names no server");
    expect_bad(NULL, "", "names no server");
    expect_bad(" , ,", "", "names no server");
    expect_bad("b1:9092,b2", "b2", "port is missing");
    expect_bad("b1:", "b1:", "1 to 65535");
    expect_bad("b1:0", "b1:0", "1 to 65535");
    expect_bad("b1:65536", "b1:65536", "1 to 65535");
    expect_bad("b1:99999999999", "b1:99999999999", "1 to 65535");
    expect_bad("b1:90x", "b1:90x", "1 to 65535");
    expect_bad(":9092", ":9092", "host name is empty");
    expect_bad("::1:9092", "::1:9092", "brackets");
    expect_bad("[::1:9092", "[::1:9092", "bracket is missing");
    expect_bad("[::1]", "[::1]", "port must follow");
    expect_bad("[]:9092", "[]:9092", "host name is empty");
    expect_bad("a b:9092", "a b:9092", "characters");
    expect_bad("user@b1:9092", "user@b1:9092", "characters");
}

/* A host name has at most 255 bytes. */
static void test_long_host(void **state)
{
    char list[400];
    (void)state;
    snprintf(list, sizeof list, "%0255d:9092", 0);
    struct kci_bootstrap b = kci_bootstrap_of(list);
    assert_int_equal(kci_bootstrap_next(&b), 1);
    snprintf(list, sizeof list, "%0256d:9092", 0);
    b = kci_bootstrap_of(list);
    assert_int_equal(kci_bootstrap_next(&b), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
