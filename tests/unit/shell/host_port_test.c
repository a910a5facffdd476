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

/* What clients are told: the port may be left to the listener. */
static void what_may_be_advertised(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        { "broker", "broker", 0 }, { "broker:9092", "broker", 9092 }, { "::1", "::1", 0 }, { "[::1]:9092", "::1", 9092 }
    };
    static const char *const bad[] = {
        "", "broker:", "broker:0", "[::1]", "broker:x", ":9092", "a-name-that-is-too-long"
    };
    char host[20];
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(mb_host_port_advertised(good[i].text, host, sizeof host, &port));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mb_host_port_advertised(bad[i], host, sizeof host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(what_may_be_advertised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
