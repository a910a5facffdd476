/* HOST:PORT there and back, with the brackets that IPv6 needs. */
#include "mockbroker/host_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
    static const char *const good[] = { "127.0.0.1:9092", "localhost:0", "[::1]:65535", "[::]:1" };
    char host[20], text[40];
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(mb_host_port_parse(good[i], host, sizeof host, &port));
        mb_host_port_print(text, sizeof text, host, port);
        assert_string_equal(text, good[i]);
    }
    assert_string_equal(host, "::");
    assert_string_equal(mb_host_port_reachable(host), "::1");
    assert_string_equal(mb_host_port_reachable("0.0.0.0"), "127.0.0.1");
    assert_string_equal(mb_host_port_reachable("broker"), "broker");
}

static void what_is_no_address(void **state)
{
    static const char *const bad[] = { "",     ":",       ":1",   "host",   "host:", "host:x",
                                       "h:1x", "h:65536", "h:-1", "::1:80", "[]:1",  "a-name-that-is-too-long:1" };
    char host[20];
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mb_host_port_parse(bad[i], host, sizeof host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(what_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
