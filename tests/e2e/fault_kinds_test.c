/* One language for faults: whatever kind it is, the same JSON goes through a file of the command line, HTTP and the C
 * API, and all three tell the same of it afterwards.  A kind that is added to the broker's table without a row here
 * fails the first story. */
#define _GNU_SOURCE /* mkdtemp */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "mockbroker/core/fault.h"
#include "mockbroker/mockbroker.h"
#include "support/process.h"

#define BYTES_MAX 65536 /* of all faults as JSON */

/* Each kind, with everything that it takes, and a match. */
static const struct {
    const char *kind, *json;
} rows[] = {
    { "error",
      "{\"name\":\"e\",\"match\":{\"api\":\"Produce\",\"topic\":\"t\"},\"count\":3,\"action\":"
      "{\"type\":\"error\",\"error\":\"NOT_LEADER_OR_FOLLOWER\",\"when\":\"after\",\"level\":\"partition\"}}" },
    { "coordinator_loading",
      "{\"match\":{\"api\":\"JoinGroup\",\"group\":\"g*\"},\"action\":\"coordinator_loading\"}" },
    { "coordinator_moved", "{\"match\":{\"api\":[\"JoinGroup\",\"Heartbeat\"]},\"action\":\"coordinator_moved\"}" },
    { "delay", "{\"match\":{\"version\":[3,9],\"nth\":2},\"action\":"
               "{\"type\":\"delay\",\"ms\":500,\"jitter_ms\":20,\"when\":\"before\"}}" },
    { "barrier", "{\"match\":{\"client_id\":\"nobody\"},\"action\":{\"type\":\"barrier\",\"when\":\"after\"}}" },
    { "disconnect", "{\"match\":{\"transactional_id\":\"x\"},\"action\":{\"type\":\"disconnect\",\"bytes\":9}}" },
    { "silence",
      "{\"match\":{\"probability\":0.5,\"seed\":7,\"client_id\":\"nobody\"},\"duration_ms\":60000,\"action\":"
      "{\"type\":\"silence\",\"when\":\"before\"}}" },
    { "slow_write", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"slow_write\",\"bytes\":3,\"ms\":1}}" },
    { "throttle", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"throttle\",\"ms\":100}}" },
    { "corrupt", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"corrupt\",\"bytes\":2,\"offset\":8}}" },
    { "wrong_correlation", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"wrong_correlation\",\"by\":5}}" },
    { "truncate", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"truncate\",\"bytes\":10}}" },
    { "duplicate", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"duplicate\",\"by\":1}}" },
    { "raw", "{\"match\":{\"api\":\"Fetch\"},\"action\":{\"type\":\"raw\",\"hex\":\"7fFFffff00\"}}" },
    { "versions", "{\"match\":{\"broker\":1},\"action\":{\"type\":\"versions\",\"api\":\"Fetch\",\"max\":11}}" },
    { "stale_metadata", "{\"match\":{\"broker\":1},\"action\":\"stale_metadata\"}" },
    { "no_leader", "{\"match\":{\"topic\":\"t\",\"partition\":0},\"action\":\"no_leader\"}" },
    { "missing_topic", "{\"match\":{\"topic\":\"t\"},\"action\":\"missing_topic\"}" },
    { "empty_metadata", "{\"match\":{\"client_id\":\"nobody\"},\"action\":\"empty_metadata\"}" },
    { "contradictory_metadata", "{\"match\":{\"topic\":\"t\"},\"action\":\"contradictory_metadata\"}" },
    { "hidden_broker", "{\"match\":{\"client_id\":\"nobody\"},\"action\":{\"type\":\"hidden_broker\",\"broker\":1}}" },
    { "refuse", "{\"match\":{\"broker\":1},\"action\":\"refuse\"}" },
    { "black_hole", "{\"match\":{\"broker\":1},\"action\":\"black_hole\"}" },
    { "slow_read", "{\"match\":{\"broker\":1},\"action\":{\"type\":\"slow_read\",\"bytes\":4,\"ms\":2}}" },
    { "cut_read", "{\"match\":{\"broker\":1},\"action\":{\"type\":\"cut_read\",\"bytes\":4}}" },
    { "storage_full", "{\"match\":{\"topic\":\"t\"},\"action\":{\"type\":\"storage_full\",\"bytes\":1000}}" },
    { "write_error", "{\"match\":{\"topic\":\"t\",\"partition\":0},\"action\":\"write_error\"}" },
    { "torn_write", "{\"match\":{\"topic\":\"t\"},\"action\":{\"type\":\"torn_write\",\"bytes\":10}}" },
    { "read_error", "{\"match\":{\"topic\":\"t\"},\"action\":\"read_error\"}" },
    { "sync_error", "{\"match\":{\"broker\":1},\"action\":\"sync_error\"}" },
    { "slow_sync", "{\"match\":{\"topic\":\"t\"},\"action\":{\"type\":\"slow_sync\",\"ms\":5}}" },
    { "lost_tail", "{\"match\":{\"topic\":\"t\"},\"action\":\"lost_tail\"}" },
};
#define ROWS (sizeof rows / sizeof rows[0])

/* The broker's table and this one have the same kinds in the same order. */
static void every_kind_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS || mb_fault_kind_at(i); i++) {
        if (i >= ROWS || !mb_fault_kind_at(i))
            fail_msg("kind \"%s\" is in one of the tables only", i < ROWS ? rows[i].kind : mb_fault_kind_at(i));
        assert_string_equal(rows[i].kind, mb_fault_kind_at(i));
        assert_non_null(strstr(rows[i].json, rows[i].kind));
    }
}

/* Without what is between the words: one side writes for people. */
static char *without_blanks(char *text)
{
    char *out = text;
    bool quoted = false;
    for (const char *at = text; *at; at++) {
        quoted ^= *at == '"';
        if (quoted || (*at != ' ' && *at != '\n' && *at != '\r'))
            *out++ = *at;
    }
    *out = '\0';
    return text;
}

/* All of them as one array. */
static void all_rows(char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < ROWS; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "[", rows[i].json);
    snprintf(out + used, size - used, "]");
}

static void http(const char *line, const char *request_line, const char *body, char *answer, size_t size)
{
    char request[2000];
    const char *url = strstr(line, "http://127.0.0.1:");
    assert_non_null(url);
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons((uint16_t)strtol(url + strlen("http://127.0.0.1:"), NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int length = snprintf(request, sizeof request, "%s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", request_line,
                          strlen(body), body);
    assert_true(length > 0 && (size_t)length < sizeof request);
    assert_int_equal(write(fd, request, (size_t)length), length);
    process_read_all(fd, answer, size, '\0');
    close(fd);
    char *text = strstr(answer, "\r\n\r\n");
    assert_non_null(text);
    memmove(answer, text + 4, strlen(text + 4) + 1);
}

/* What GET /v1/faults says of all. */
static void told_by_http(const char *line, char *out)
{
    http(line, "GET /v1/faults", "", out, BYTES_MAX);
    without_blanks(out);
}

static void by_the_c_api(const char *folder, char *out)
{
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.data_dir = folder;
    char why[256];
    kc_mock *cluster;
    assert_int_equal(kc_mock_start(&cluster, &options, why, sizeof why), 0);
    for (size_t i = 0; i < ROWS; i++) {
        int32_t id;
        if (kc_mock_fault_add(cluster, rows[i].json, &id, why, sizeof why))
            fail_msg("%s: %s", rows[i].kind, why);
        assert_int_equal(id, (int32_t)i + 1);
        assert_int_equal(kc_mock_fault_hits(cluster, id), 0);
    }
    char *told = kc_mock_faults(cluster, 0);
    assert_non_null(told);
    assert_true(strlen(told) < BYTES_MAX);
    strcpy(out, told);
    without_blanks(out);
    kc_mock_text_free(told);
    kc_mock_stop(cluster);
}

static void by_a_file(const char *folder, char *out)
{
    static char json[BYTES_MAX];
    char path[100], text[2000];
    struct process process;
    snprintf(path, sizeof path, "%s/faults.json", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    all_rows(json, sizeof json);
    fputs(json, file);
    assert_int_equal(fclose(file), 0);
    process_start_and_wait(&process, (const char *[]){ "--listen", "127.0.0.1:0", "--log", "off", "--data-dir", folder,
                                                       "--faults", path, NULL });
    told_by_http(process.line, out);
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
    remove(path);
}

static void by_http(const char *folder, char *out)
{
    char answer[2000];
    struct process process;
    process_start_and_wait(&process,
                           (const char *[]){ "--listen", "127.0.0.1:0", "--log", "off", "--data-dir", folder, NULL });
    for (size_t i = 0; i < ROWS; i++) {
        char expected[40];
        http(process.line, "POST /v1/faults", rows[i].json, answer, sizeof answer);
        snprintf(expected, sizeof expected, "{\"id\":%zu,\"ids\":[%zu]}", i + 1, i + 1);
        assert_string_equal(without_blanks(answer), expected);
    }
    told_by_http(process.line, out);
    assert_int_equal(process_stop(&process, SIGTERM, answer, sizeof answer), 0);
}

/* All three tell the same: what was asked for, no hits, and each id among those that never fired. */
static void three_ways_one_language(void **state)
{
    static char api[BYTES_MAX], file[BYTES_MAX], web[BYTES_MAX], never[1000];
    size_t used = (size_t)snprintf(never, sizeof never, "\"never_fired\":[");
    (void)state;
    char folder[] = "/tmp/fault-kinds-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder)); /* each starts with what the one before left: nothing */
    by_the_c_api(folder, api);
    by_a_file(folder, file);
    by_http(folder, web);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_string_equal(api, file);
    assert_string_equal(api, web);
    for (size_t i = 0; i < ROWS; i++)
        used += (size_t)snprintf(never + used, sizeof never - used, "%s%zu", i ? "," : "", i + 1);
    snprintf(never + used, sizeof never - used, "]");
    assert_non_null(strstr(api, never));
    assert_non_null(strstr(api, "\"hits\":0"));
}

/* What happened is counted, and is no longer among what never did. */
static void a_hit_is_counted(void **state)
{
    static char told[BYTES_MAX];
    static const uint8_t ask[] = { 0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 7, 0, 1, 'x' }; /* ApiVersions v0 */
    char text[2000];
    unsigned port;
    struct process process;
    uint8_t byte;
    (void)state;
    process_start_and_wait(&process, (const char *[]){ "--listen", "127.0.0.1:0", "--log", "off", NULL });
    http(process.line, "POST /v1/faults",
         "[{\"match\":{\"api\":\"ApiVersions\"},\"action\":\"disconnect\"},"
         "{\"match\":{\"api\":\"Fetch\"},\"action\":\"silence\"}]",
         told, sizeof told);
    assert_int_equal(sscanf(process.line, "{\"bootstrap\":\"127.0.0.1:%u", &port), 1);
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, ask, sizeof ask), sizeof ask);
    assert_true(read(fd, &byte, 1) <= 0);
    close(fd);
    told_by_http(process.line, told);
    assert_non_null(strstr(told, "\"hits\":1"));
    assert_non_null(strstr(told, "\"never_fired\":[2]"));
    http(process.line, "GET /v1/faults/1", "", told, sizeof told);
    assert_non_null(strstr(without_blanks(told), "\"matched\":1,\"hits\":1"));
    http(process.line, "DELETE /v1/faults/1", "", told, sizeof told);
    http(process.line, "GET /v1/faults/1", "", told, sizeof told);
    assert_non_null(strstr(told, "there is no fault 1"));
    assert_int_equal(process_stop(&process, SIGTERM, text, sizeof text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test(three_ways_one_language),
        cmocka_unit_test(a_hit_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
