/* Where a broker was expected, something else answers: the client says what it met, keeps its time limits, and can be
 * closed. The peer is a thread with a real socket that answers each connection in one wrong way. */
#include <arpa/inet.h>
#include <kclient/kclient.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/patience.h"

enum { READY_MS = 300, BLOCK_MS = 300, CLOSE_MS = 200, BACKOFF_MS = 50 };

struct peer {
    int listener;
    pthread_t thread;
    char address[32];
    const void *answer; /* sent to whatever is received first */
    size_t answer_size;
    bool close_after; /* the answer; else the connection is kept open in silence */
    atomic_int connections;
};

static void *serve(void *argument)
{
    struct peer *peer = argument;
    int open_fds[256], count = 0;
    for (int fd; (fd = accept(peer->listener, NULL, NULL)) >= 0;) {
        char request[4096];
        atomic_fetch_add(&peer->connections, 1);
        ssize_t got = recv(fd, request, sizeof request, 0);
        if (got > 0 && peer->answer_size)
            send(fd, peer->answer, peer->answer_size, MSG_NOSIGNAL);
        if (peer->close_after || count == 256)
            close(fd);
        else
            open_fds[count++] = fd;
    }
    while (count)
        close(open_fds[--count]);
    return NULL;
}

/* A socket with a free port of its own, and its address as text. */
static int take_port(char *text, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(text, size, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void peer_start(struct peer *peer, const void *answer, size_t size, bool close_after)
{
    memset(peer, 0, sizeof *peer);
    peer->answer = answer;
    peer->answer_size = size;
    peer->close_after = close_after;
    peer->listener = take_port(peer->address, sizeof peer->address);
    assert_int_equal(listen(peer->listener, 64), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

static void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

static kc_config *config_for(const char *bootstrap)
{
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "request.timeout.ms", "300", NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "max.block.ms", "300", NULL), KC_OK);
    return config;
}

/* Ask whether the cluster is ready, send one record, close: each must come back in time, and the text must hold
 * `words`, once there was time to meet the peer: a loaded machine may need more than one READY_MS. */
static void meet(const char *bootstrap, const char *words)
{
    kc_error error;
    kc_producer *producer;
    kc_config *config = config_for(bootstrap);
    assert_int_equal(kc_producer_create(&producer, config, &error), KC_OK);
    int64_t first = now_ms(), begun;
    do {
        begun = now_ms();
        if (begun - first > WAIT_MS)
            fail_msg("\"%s\" is not in \"%s\"", words, error.text);
        assert_int_not_equal(kc_producer_ready(producer, NULL, READY_MS, &error), KC_OK);
        assert_true(now_ms() - begun < READY_MS + SLACK_MS);
    } while (!strstr(error.text, words));
    kc_record record = KC_RECORD_INIT;
    record.topic = "orders";
    record.value = (kc_bytes){ "x", 1 };
    begun = now_ms();
    assert_int_not_equal(kc_producer_send(producer, &record, 1, NULL, &error), KC_OK);
    assert_true(now_ms() - begun < BLOCK_MS + SLACK_MS);
    begun = now_ms();
    kc_producer_close(producer, CLOSE_MS);
    assert_true(now_ms() - begun < CLOSE_MS + SLACK_MS);
    kc_config_destroy(config);
}

static void meet_peer(const void *answer, size_t size, bool close_after, const char *words)
{
    struct peer peer;
    int64_t begun = now_ms();
    peer_start(&peer, answer, size, close_after);
    meet(peer.address, words);
    /* back-off with its jitter: no storm of connections */
    assert_in_range(atomic_load(&peer.connections), 1, 20 + (now_ms() - begun) * 2 / BACKOFF_MS);
    peer_stop(&peer);
}

static void an_http_server_is_recognised(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    (void)state;
    meet_peer(answer, sizeof answer - 1, true, "HTTP");
}

static void a_tls_server_is_recognised(void **state)
{
    static const unsigned char alert[] = { 0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46 };
    (void)state;
    meet_peer(alert, sizeof alert, true, "TLS");
}

static void a_negative_frame_size_is_refused(void **state)
{
    static const unsigned char answer[] = { 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0 };
    (void)state;
    meet_peer(answer, sizeof answer, false, "-2");
}

static void a_huge_frame_size_is_refused(void **state)
{
    static const unsigned char answer[] = { 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
    (void)state;
    meet_peer(answer, sizeof answer, false, "2147483647");
}

static void a_broker_that_closes_in_mid_response_is_named(void **state)
{
    static const unsigned char answer[] = { 0, 0, 1, 0, 0, 0, 0, 0, 0 };
    (void)state;
    meet_peer(answer, sizeof answer, true, "mid-response: 9 of 260 bytes");
}

static void a_broker_that_closes_at_once_is_named(void **state)
{
    (void)state;
    meet_peer("", 0, true, "closed");
}

/* ApiVersions that counts two thousand million ranges. */
static void a_count_beyond_the_frame_is_refused(void **state)
{
    static const unsigned char answer[] = { 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
    (void)state;
    meet_peer(answer, sizeof answer, false, "127.0.0.1");
}

static void silence_ends_with_the_time_limit(void **state)
{
    (void)state;
    meet_peer("", 0, false, "127.0.0.1");
}

static void nobody_listens(void **state)
{
    char address[32];
    (void)state;
    int fd = take_port(address, sizeof address); /* ours, so that nobody else listens there */
    meet(address, "refused");
    close(fd);
}

static void a_name_without_an_address(void **state)
{
    (void)state;
    meet("no-such-host.invalid:9092", "no-such-host.invalid");
}

/* The consumer keeps its limits, too: poll returns, close returns. */
static void a_consumer_of_an_http_server_does_not_hang(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct peer peer;
    kc_error error;
    kc_consumer *consumer;
    const char *topic = "orders";
    (void)state;
    peer_start(&peer, answer, sizeof answer - 1, true);
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", peer.address, NULL), KC_OK);
    assert_int_equal(kc_config_set(config, "group.id", "readers", NULL), KC_OK);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, NULL, &error), KC_OK);
    int64_t begun = now_ms();
    kc_records *records = NULL;
    kc_consumer_poll(consumer, &records, 500, &error);
    assert_null(records);
    assert_true(now_ms() - begun < 500 + SLACK_MS);
    begun = now_ms();
    kc_consumer_close(consumer, 500);
    assert_true(now_ms() - begun < 500 + SLACK_MS);
    kc_config_destroy(config);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_http_server_is_recognised),
        cmocka_unit_test(a_tls_server_is_recognised),
        cmocka_unit_test(a_negative_frame_size_is_refused),
        cmocka_unit_test(a_huge_frame_size_is_refused),
        cmocka_unit_test(a_broker_that_closes_in_mid_response_is_named),
        cmocka_unit_test(a_broker_that_closes_at_once_is_named),
        cmocka_unit_test(a_count_beyond_the_frame_is_refused),
        cmocka_unit_test(silence_ends_with_the_time_limit),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(a_name_without_an_address),
        cmocka_unit_test(a_consumer_of_an_http_server_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
