/* More than a thousand connections do to a broker whatever a client must not do, and a producer and a consumer go on as if
 * they were alone: what they write and read arrives, and the broker's memory stays bounded. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <kclient/kclient.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "support/patience.h"
#include "support/process.h"

enum {
    CONNECTIONS = 1200, /* open at the same time; who is thrown out comes again */
    LARGE = 12,         /* of them announce a large request that is allowed */
    ROUNDS = 8,
    BURST = 200,          /* records of the good client in each round */
    DESCRIPTORS = 200,    /* that the process needs besides */
    RESIDENT_KB = 1 << 20 /* of the broker, with a sanitizer too; what is announced here is above 100 GB */
};

enum manner { HALF_OPEN, SLOW, NEGATIVE, HUGE_SIZE, LARGE_SIZE, RANDOM, NEVER_READS, MANNERS };

struct hostile {
    enum manner manner;
    int fd; /* -1: to be opened */
    size_t sent;
    uint64_t random; /* the state of its noise */
};

/* Metadata v1 of all topics, as a frame. */
static const uint8_t metadata[] = { 0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0, 0, 0xff, 0xff, 0xff, 0xff };

static uint8_t noise(struct hostile *hostile)
{
    hostile->random = hostile->random * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(hostile->random >> 56);
}

static void reopen(struct hostile *hostile, uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (hostile->fd >= 0)
        close(hostile->fd);
    hostile->sent = 0;
    hostile->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(hostile->fd >= 0);
    assert_int_equal(connect(hostile->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(hostile->fd, F_SETFL, O_NONBLOCK), 0);
}

/* false: the broker has closed the connection. */
static bool put(struct hostile *hostile, const void *bytes, size_t size)
{
    ssize_t done = send(hostile->fd, bytes, size, MSG_NOSIGNAL);
    hostile->sent += done > 0 ? (size_t)done : 0;
    return done >= 0 || errno == EAGAIN || errno == EWOULDBLOCK;
}

/* One more misdeed. false: thrown out. */
static bool act(struct hostile *hostile)
{
    static const uint8_t half[] = { 0, 0 }, negative[] = { 0xff, 0xff, 0xff, 0xf0 },
                         huge[] = { 0x7f, 0xff, 0xff, 0xff },
                         large[] = { 3, 0, 0, 0, 0, 3, 0, 1 }; /* 48 MB of Metadata */
    uint8_t bytes[300];
    switch (hostile->manner) {
    case HALF_OPEN:
        return hostile->sent || put(hostile, half, sizeof half);
    case SLOW:
        return put(hostile, &metadata[hostile->sent % sizeof metadata], 1);
    case NEGATIVE:
        return put(hostile, negative, sizeof negative);
    case HUGE_SIZE:
        return put(hostile, huge, sizeof huge);
    case LARGE_SIZE:
        return hostile->sent ? put(hostile, half, 1) : put(hostile, large, sizeof large);
    case RANDOM:
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = noise(hostile);
        return put(hostile, bytes, 1 + noise(hostile));
    default: { /* a request after the other, each with an answer that nobody takes */
        bool ok = true;
        for (int i = 0; ok && i < 10; i++) {
            size_t from = hostile->sent % sizeof metadata;
            ok = put(hostile, metadata + from, sizeof metadata - from);
        }
        return ok;
    }
    }
}

static int64_t resident_kb(const struct process *process)
{
    char path[64], line[200];
    long long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %lld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

static void send_burst(kc_producer *producer, int *sent)
{
    kc_error error;
    for (int i = 0; i < BURST; i++, (*sent)++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = "good";
        record.value = (kc_bytes){ sent, sizeof *sent };
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            fail_msg("%s", error.text);
    }
    if (kc_producer_flush(producer, WAIT_MS, &error) != KC_OK)
        fail_msg("%s", error.text);
}

/* In order, each once. */
static void read_up_to(kc_consumer *consumer, int *read, int wanted)
{
    for (int64_t begun = now_ms(); *read < wanted; be_patient(begun)) {
        kc_error error;
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 200, &error) != KC_OK)
            fail_msg("%s", error.text);
        for (; kc_records_next(records, &view); (*read)++)
            assert_memory_equal(view.value.data, read, sizeof *read);
        kc_records_release(records);
    }
}

static kc_producer *open_producer(const kc_config *config)
{
    kc_error error;
    kc_producer *producer;
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        fail_msg("%s", error.text);
    return producer;
}

static kc_consumer *open_consumer(const kc_config *config)
{
    kc_error error;
    kc_consumer *consumer;
    const char *topic = "good";
    if (kc_consumer_create(&consumer, config, &error) != KC_OK ||
        kc_consumer_subscribe(consumer, &topic, 1, NULL, &error) != KC_OK)
        fail_msg("%s", error.text);
    return consumer;
}

/* The good client works while each of the others does its worst, round after round. How many were thrown out. */
static int besiege(const struct process *process, struct hostile *hostiles, uint16_t port, const kc_config *config)
{
    kc_producer *producer = open_producer(config);
    kc_consumer *consumer = open_consumer(config);
    int thrown_out = 0, sent = 0, read = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++)
            if (!act(&hostiles[i])) {
                reopen(&hostiles[i], port);
                thrown_out++;
            }
        send_burst(producer, &sent);
        read_up_to(consumer, &read, sent);
        assert_in_range(resident_kb(process), 1, RESIDENT_KB);
    }
    kc_producer_close(producer, WAIT_MS);
    kc_consumer_close(consumer, WAIT_MS);
    return thrown_out;
}

static void others_are_not_disturbed(void **state)
{
    static struct hostile hostiles[CONNECTIONS];
    struct process process;
    struct rlimit limit;
    char bootstrap[200], text[4000];
    unsigned port;
    kc_error error;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < CONNECTIONS + DESCRIPTORS)
        skip(); /* this machine does not let one process have so many */
    if (limit.rlim_cur < CONNECTIONS + DESCRIPTORS) {
        limit.rlim_cur = CONNECTIONS + DESCRIPTORS;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    process_start_and_wait(&process, (const char *[]){ "--listen", "127.0.0.1:0", "--control", "off", "--log", "error",
                                                       "--topic", "good:1:1", NULL });
    assert_int_equal(sscanf(strstr(process.line, "\"bootstrap\":"), "\"bootstrap\":\"%199[^\"]", bootstrap), 1);
    assert_int_equal(sscanf(bootstrap, "127.0.0.1:%u", &port), 1);
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set(config, "bootstrap.servers", bootstrap, &error), KC_OK);
    assert_int_equal(kc_config_set(config, "group.id", "readers", &error), KC_OK);
    assert_int_equal(kc_config_set(config, "auto.offset.reset", "earliest", &error), KC_OK);
    for (int i = 0; i < CONNECTIONS; i++) {
        int manner = i % MANNERS;
        hostiles[i] = (struct hostile){ .manner = (enum manner)manner, .fd = -1, .random = (uint64_t)i };
        if (manner == LARGE_SIZE && i / MANNERS >= LARGE)
            hostiles[i].manner = HALF_OPEN;
        reopen(&hostiles[i], (uint16_t)port);
    }
    int thrown_out = besiege(&process, hostiles, (uint16_t)port, config);
    assert_true(thrown_out > CONNECTIONS / MANNERS); /* who announced nonsense, each time; so there were thousands */
    for (int i = 0; i < CONNECTIONS; i++)
        close(hostiles[i].fd);
    kc_config_destroy(config);
    if (process_stop(&process, SIGTERM, text, sizeof text) != 0)
        fail_msg("%s", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_not_disturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
