/* mockbroker as a script sees it: one line of JSON, real sockets, clean ends, and errors that say what to do. */
#define _GNU_SOURCE /* mkdtemp */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/process.h"

/* The number behind "name": of the line. */
static long number_in(const char *line, const char *name)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *found = strstr(line, wanted);
    assert_non_null(found);
    return strtol(found + strlen(wanted), NULL, 10);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void receive(int fd, uint8_t *data, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t some = read(fd, data + got, size - got);
        assert_true(some > 0);
        got += (size_t)some;
    }
}

/* ApiVersions v0 by hand: size, key 18, version 0, correlation 7, client id "x"; the answer carries the correlation,
 * error 0 and a list. */
static void expect_api_versions(uint16_t port)
{
    static const uint8_t request[] = { 0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 7, 0, 1, 'x' };
    uint8_t answer[14];
    int fd = connect_to(port);
    assert_int_equal(write(fd, request, sizeof request), sizeof request);
    receive(fd, answer, sizeof answer);
    assert_memory_equal(answer + 4, ((uint8_t[]){ 0, 0, 0, 7, 0, 0 }), 6);
    assert_true(answer[12] || answer[13] > 5); /* number of APIs */
    close(fd);
}

/* Start on free ports, answer, and end with 0 on either signal. */
static void a_life(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT };
    char text[1000];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct process process;
        process_start_and_wait(&process, (const char *[]){ "--brokers", "3", "--listen", "127.0.0.1:0", "--topic",
                                                           "orders:3:3:retention.ms=1000,cleanup.policy=compact,delete",
                                                           "--topic=events", NULL });
        assert_int_equal(number_in(process.line, "pid"), process.pid);
        assert_non_null(strstr(process.line, "\"bootstrap\":\"127.0.0.1:"));
        assert_non_null(strstr(process.line, "\"control\":\"http://127.0.0.1:"));
        expect_api_versions((uint16_t)number_in(process.line, "port"));
        assert_int_equal(process_stop(&process, signals[i], text, sizeof text), 0);
        assert_string_equal(text, ""); /* nothing to complain about */
    }
}

/* Listening everywhere, it tells each client the address that this client came by; --advertise overrides that.
 * Metadata v1 by hand, for no topic; the answer holds the host as text. */
static void expect_advertised(const char *line, const char *host)
{
    static const uint8_t request[] = { 0, 0, 0, 15, 0, 3, 0, 1, 0, 0, 0, 9, 0, 1, 'x', 0, 0, 0, 0 };
    uint8_t answer[200], size[4];
    uint32_t length;
    int fd = connect_to((uint16_t)number_in(line, "port"));
    assert_int_equal(write(fd, request, sizeof request), sizeof request);
    receive(fd, size, sizeof size);
    length = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3];
    assert_true(length < sizeof answer);
    receive(fd, answer, length);
    assert_int_equal(answer[13], strlen(host)); /* behind correlation, count of brokers, id */
    assert_memory_equal(answer + 14, host, strlen(host));
    close(fd);
}

static void advertised_addresses(void **state)
{
    struct process process;
    char text[1000];
    (void)state;
    process_start_and_wait(&process, (const char *[]){ "--listen", "0.0.0.0:0", NULL });
    assert_non_null(strstr(process.line, "\"bootstrap\":\"127.0.0.1:"));
    expect_advertised(process.line, "127.0.0.1");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    process_start_and_wait(&process, (const char *[]){ "--listen", "127.0.0.1:0", "--advertise", "broker.test", NULL });
    assert_non_null(strstr(process.line, "\"bootstrap\":\"broker.test:"));
    expect_advertised(process.line, "broker.test");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    process_start_and_wait(&process, (const char *[]){ "--brokers", "2", "--listen", "127.0.0.1:0", "--advertise",
                                                       "broker.test:19092", NULL });
    assert_non_null(strstr(process.line, "\"bootstrap\":\"broker.test:19092,broker.test:19093\""));
    assert_non_null(strstr(process.line, "{\"id\":2,\"host\":\"broker.test\",\"port\":19093}"));
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
}

/* An answer of the control plane, headers and all. */
static void http(const char *line, const char *request_line, const char *body, char *answer, size_t size)
{
    char request[1000];
    const char *url = strstr(line, "http://127.0.0.1:");
    assert_non_null(url);
    int fd = connect_to((uint16_t)strtol(url + strlen("http://127.0.0.1:"), NULL, 10));
    snprintf(request, sizeof request, "%s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", request_line, strlen(body), body);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    process_read_all(fd, answer, size, '\0');
    close(fd);
}

static void expect_http(const char *line, const char *request_line, const char *body, const char *status,
                        const char *part)
{
    char answer[8192];
    http(line, request_line, body, answer, sizeof answer);
    if (!strstr(answer, status) || !strstr(answer, part))
        fail_msg("%s %s: expected %s and %s in\n%s", request_line, body, status, part, answer);
}

/* The control plane steers the cluster, and says what is wrong with what it is asked. */
static void the_control_plane(void **state)
{
    struct process process;
    char text[2000];
    (void)state;
    process_start_and_wait(&process, (const char *[]){ "--brokers", "2", "--listen", "127.0.0.1:0", "--topic",
                                                       "orders:1:2", "--log", "off", NULL });
    const char *at = process.line;
    expect_http(at, "GET /v1/cluster", "", " 200 ", "\"state\": \"running\"");
    expect_http(at, "GET /v1/topics", "", " 200 ", "\"name\": \"orders\"");
    expect_http(at, "POST /v1/topics", "{\"name\": \"new\", \"partitions\": 4, \"configs\": {\"retention.ms\": 5}}",
                " 201 ", "true");
    expect_http(at, "POST /v1/topics", "{\"name\": \"new\"}", " 409 ", "TOPIC_ALREADY_EXISTS");
    expect_http(at, "POST /v1/topics", "{\"name\": \"x\", \"configs\": {\"no.such\": 5}}", " 400 ", "INVALID_CONFIG");
    expect_http(at, "POST /v1/topics", "{\"nam\": \"x\"}", " 400 ", "\"hint\"");
    expect_http(at, "POST /v1/topics", "{\"nam", " 400 ", "\"hint\"");
    expect_http(at, "GET /v1/topics/new/3", "", " 200 ", "\"high_watermark\": 0");
    expect_http(at, "GET /v1/topics/new/4", "", " 404 ", "UNKNOWN_TOPIC_OR_PARTITION");
    expect_http(at, "GET /v1/topics/new/x", "", " 400 ", "not a number");
    expect_http(at, "GET /v1/topics/new/0/records?max=2", "", " 200 ", "\"records\": []");
    expect_http(at, "DELETE /v1/topics/new", "", " 200 ", "true");
    expect_http(at, "DELETE /v1/topics/new", "", " 404 ", "UNKNOWN_TOPIC_OR_PARTITION");
    expect_http(at, "POST /v1/topics/orders/0/leader", "{\"broker\": 2}", " 200 ", "true");
    expect_http(at, "GET /v1/topics/orders/0", "", " 200 ", "\"leader\": 2");
    expect_http(at, "POST /v1/brokers/2/kill", "", " 200 ", "true");
    expect_http(at, "GET /v1/topics/orders/0", "", " 200 ", "\"leader\": 1");
    expect_http(at, "GET /v1/cluster", "", " 200 ", "\"state\": \"stopped\"");
    expect_http(at, "POST /v1/brokers/2/start", "", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/3/start", "", " 404 ", "no broker 3");
    expect_http(at, "POST /v1/brokers/2/kill", "", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/2/start", "{\"port\": 65536}", " 400 ", "0 to 65535");
    expect_http(at, "POST /v1/brokers/2/start", "{\"port\": 0}", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/2/pause", "", " 200 ", "true");
    expect_http(at, "GET /v1/cluster", "", " 200 ", "\"state\": \"paused\"");
    expect_http(at, "POST /v1/brokers/2/resume", "", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/1/dance", "", " 404 ", "stop, kill, start");
    expect_http(at, "GET /v1/transactions", "", " 200 ", "\"transactions\": []");
    expect_http(at, "GET /v1/groups", "", " 200 ", "\"groups\": []");
    expect_http(at, "GET /v1/groups/g", "", " 404 ", "no group g");
    expect_http(at, "POST /v1/groups/g/rebalance", "", " 404 ", "GROUP_ID_NOT_FOUND");
    expect_http(at, "POST /v1/groups/g/kick", "{}", " 400 ", "member");
    expect_http(at, "GET /v1/topics/orders", "", " 200 ", "\"partitions\": [");
    expect_http(at, "GET /v1/topics/nothing", "", " 404 ", "UNKNOWN_TOPIC_OR_PARTITION");
    expect_http(at, "POST /v1/faults/7/off", "", " 404 ", "no fault 7");
    expect_http(at, "GET /", "", " 200 ", "<title>mockbroker</title>");
    expect_http(at, "GET /metrics", "", " 200 ", "mockbroker_broker_running{broker=\"2\"} 1");
    expect_http(at, "POST /v1/brokers", "", " 201 ", "\"id\": 3");
    expect_http(at, "POST /v1/brokers/9/decommission", "", " 404 ", "no broker 9");
    expect_http(at, "POST /v1/brokers/2/decommission", "{\"move\": 1}", " 400 ", "true or false");
    expect_http(at, "POST /v1/brokers/2/decommission", "", " 409 ", "broker 2 holds 1 replicas");
    expect_http(at, "POST /v1/brokers/3/kill", "", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/2/decommission", "{\"move\": true}", " 409 ", "waits for broker 3");
    expect_http(at, "POST /v1/brokers/3/start", "", " 200 ", "true");
    expect_http(at, "POST /v1/brokers/2/decommission", "{\"move\": true}", " 200 ", "\"moving\": 1");
    expect_http(at, "POST /v1/brokers/3/decommission", "{\"move\": true}", " 409 ", "orders-0 ");
    expect_http(at, "GET /nowhere", "", " 404 ", "\"hint\"");
    expect_http(at, "PUT /v1/topics", "", " 405 ", "POST");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
}

struct press {
    size_t number;
    uint16_t port;
    bool answered; /* at all */
};

/* One thread of several that use the control plane; no asserts here: they belong to the test's own thread. */
static void *press(void *context)
{
    static const char *const orders[][2] = { { "GET /v1/cluster", "" },
                                             { "GET /metrics", "" },
                                             { "POST /v1/topics", "{\"name\": \"new\"}" },
                                             { "POST /v1/topics/orders/0/leader", "{\"broker\": 2}" },
                                             { "POST /v1/brokers/1/kill", "" },
                                             { "GET /v1/requests", "" },
                                             { "POST /v1/brokers/1/start", "" },
                                             { "DELETE /v1/topics/new", "" },
                                             { "POST /v1/clock/advance", "{\"ms\": 10}" },
                                             { "POST /v1/reset", "" } };
    struct press *it = context;
    for (size_t i = 0; i < 3 * sizeof orders / sizeof orders[0]; i++) {
        char request[300], answer[64];
        const char *const *order = orders[(i + it->number) % (sizeof orders / sizeof orders[0])];
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(it->port) };
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        snprintf(request, sizeof request, "%s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", order[0], strlen(order[1]),
                 order[1]);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            write(fd, request, strlen(request)) == (ssize_t)strlen(request))
            for (ssize_t got; (got = read(fd, answer, sizeof answer)) > 0;)
                it->answered |= memcmp(answer, "HTTP/1", 6) == 0;
        close(fd);
    }
    return NULL;
}

/* Several threads steer it at the same time: HTTP has one thread, the brokers have another, and a sanitizer in the
 * program tells of what both touch by the exit code. */
static void a_control_plane_that_many_use(void **state)
{
    struct process process;
    struct press pressing[3];
    pthread_t threads[3];
    char text[4000];
    (void)state;
    process_start_and_wait(&process, (const char *[]){ "--brokers", "2", "--listen", "127.0.0.1:0", "--topic",
                                                       "orders:1:2", "--log", "off", NULL });
    const char *url = strstr(process.line, "http://127.0.0.1:");
    assert_non_null(url);
    for (size_t i = 0; i < 3; i++) {
        pressing[i] = (struct press){ i, (uint16_t)strtol(url + strlen("http://127.0.0.1:"), NULL, 10), false };
        assert_int_equal(pthread_create(&threads[i], NULL, press, &pressing[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(pressing[i].answered);
    }
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
}

/* Send one request by hand, and take its answer. */
static void exchange(int fd, const uint8_t *request, size_t size)
{
    uint8_t prefix[4] = { 0, 0, 0, (uint8_t)size }, answer[1000];
    assert_int_equal(write(fd, prefix, sizeof prefix), sizeof prefix);
    assert_int_equal(write(fd, request, size), (ssize_t)size);
    receive(fd, prefix, sizeof prefix);
    assert_true(prefix[0] == 0 && prefix[1] == 0 && prefix[2] < 3);
    receive(fd, answer, (size_t)prefix[2] * 256 + prefix[3]);
}

/* A group whose id is no text is told of, with a sign in place of what cannot be shown. */
static void names_that_are_no_text(void **state)
{
    static const uint8_t find[] = { 0, 10, 0, 1, 0, 0, 0, 7, 0, 1, 'x', 0, 2, 'g', 0xff, 0 };
    static const uint8_t commit[] = { 0,    8,    0,    2,    0, 0, 0,    8,    0,    1,    'x',  0,    2,
                                      'g',  0xff, /* of no generation */
                                      0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0,    0,    0,    1, 0, 1,    't',  0,    0,    0,    1,    0,
                                      0,    0,    0,    0,    0, 0, 0,    0,    0,    0,    5,    0,    0 };
    struct process process;
    unsigned port;
    char text[2000];
    (void)state;
    process_start_and_wait(&process,
                           (const char *[]){ "--listen", "127.0.0.1:0", "--topic", "t", "--log", "off", NULL });
    assert_int_equal(sscanf(process.line, "{\"bootstrap\":\"127.0.0.1:%u", &port), 1);
    int fd = connect_to((uint16_t)port);
    exchange(fd, find, sizeof find);
    exchange(fd, commit, sizeof commit);
    close(fd);
    expect_http(process.line, "GET /v1/groups", "", " 200 ", "\"group\": \"g\xef\xbf\xbd\"");
    expect_http(process.line, "GET /v1/groups/g%ff", "", " 200 ", "\"offset\": 5");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
}

/* A bad option is named, with the form that is expected; exit 2, nothing on stdout. */
static void bad_options(void **state)
{
    static const struct {
        const char *option, *value, *expected;
    } bad[] = {
        { "--brokres", "3", "unknown option \"--brokres\"" },
        { "orders", NULL, "unknown option \"orders\"" },
        { "--brokers", "0", "expected: --brokers N" },
        { "--brokers", "three", "expected: --brokers N" },
        { "--brokers", NULL, "--brokers needs a value" },
        { "--listen", "9092", "expected: --listen HOST:PORT" },
        { "--listen", "localhost:99999", "expected: --listen HOST:PORT" },
        { "--advertise", "broker:", "expected: --advertise HOST[:PORT]" },
        { "--topic", "orders:none", "number of partitions" },
        { "--topic", "orders:1:1:retention", "key=value" },
        { "--topic=orders", "--topic=orders:3", "given before" },
        { "--config", "x", "expected: --config key=value" },
        { "--control", "maybe", "expected: --control HOST:PORT|off" },
        { "--as-version", "3.10", "not one of 2.1, 2.8, 3.3, 3.9, 4.0 to 4.4" },
        { "--seed", "-1", "expected: --seed N" },
        { "--journal", "3", "expected: --journal BYTES" },
        { "--log", "loud", "expected: --log off|error|warn|info|debug" },
        { "--help=me", NULL, "unknown option" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct process process;
        char text[1000], out[100];
        process_start(&process, (const char *[]){ bad[i].option, bad[i].value, NULL });
        process_read_all(process.out, out, sizeof out, '\n');
        assert_string_equal(out, "");
        assert_int_equal(process_finish(&process, text, sizeof text), 2);
        if (!strstr(text, bad[i].expected))
            fail_msg("\"%s\" is not in: %s", bad[i].expected, text);
    }
}

/* What cannot be started says why, and exits with 1. */
static void expect_failure(const char *const *arguments, const char *expected)
{
    struct process process;
    char text[1000];
    process_start(&process, arguments);
    assert_int_equal(process_finish(&process, text, sizeof text), 1);
    if (!strstr(text, expected))
        fail_msg("\"%s\" is not in: %s", expected, text);
}

static void what_cannot_be_started(void **state)
{
    struct process process;
    char at[40], expected[100], text[1000];
    (void)state;
    process_start_and_wait(&process, (const char *[]){ "--listen", "127.0.0.1:0", NULL });
    snprintf(at, sizeof at, "127.0.0.1:%ld", number_in(process.line, "port"));
    snprintf(expected, sizeof expected, "cannot listen on %s: address already in use", at);
    expect_failure((const char *[]){ "--listen", at, NULL }, expected);
    snprintf(expected, sizeof expected, "cannot listen on %s (--control): address already in use", at);
    expect_failure((const char *[]){ "--listen", "127.0.0.1:0", "--control", at, NULL }, expected);
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);

    expect_failure((const char *[]){ "--listen", "192.0.2.1:0", NULL }, "not an address of this machine");
    expect_failure((const char *[]){ "--listen", "127.0.0.1:0", "--data-dir", "/proc/no", NULL },
                   "data directory /proc/no");
    expect_failure((const char *[]){ "--listen", "127.0.0.1:0", "--config", "no.such.property=1", NULL },
                   "no.such.property");
    expect_failure(
        (const char *[]){ "--listen", "127.0.0.1:0", "--config", "advertised.listeners=PLAINTEXT://x:1", NULL },
        "--advertise says what clients are told");
    expect_failure((const char *[]){ "--listen", "127.0.0.1:0", "--topic", "bad name", NULL }, "topic \"bad name\"");
    expect_failure((const char *[]){ "--listen", "127.0.0.1:0", "--topic", "t:1:5", NULL }, "topic \"t:1:5\"");
}

/* A data directory outlives the process: topics are there again, and naming them again is fine. */
static void a_data_directory(void **state)
{
    struct process process;
    char directory[] = "/tmp/mockbroker-data-XXXXXX", text[1000], command[100];
    const char *arguments[] = { "--listen", "127.0.0.1:0", "--data-dir", directory, "--topic", "orders:3", NULL };
    (void)state;
    assert_non_null(mkdtemp(directory));
    process_start_and_wait(&process, arguments);
    expect_failure(arguments, "in use by another process");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    process_start_and_wait(&process, arguments);
    expect_http(process.line, "GET /v1/topics", "", " 200 ", "\"partitions\": 3");
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    assert_string_equal(text, ""); /* nothing to complain about */
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

static void help_and_version(void **state)
{
    static const char *const expected[] = { "--listen HOST:PORT", "mockbroker 0." };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct process process;
        char out[8192], text[100];
        process_start(&process, (const char *[]){ i ? "--version" : "--help", NULL });
        process_read_all(process.out, out, sizeof out, '\0');
        assert_non_null(strstr(out, expected[i]));
        assert_int_equal(process_finish(&process, text, sizeof text), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(advertised_addresses),
        cmocka_unit_test(the_control_plane),
        cmocka_unit_test(a_control_plane_that_many_use),
        cmocka_unit_test(names_that_are_no_text),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(what_cannot_be_started),
        cmocka_unit_test(a_data_directory),
        cmocka_unit_test(help_and_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
