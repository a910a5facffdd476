/* One consumer of the group, a process of its own: poll, write what came to the spool, then commit, and say so on
 * stdout. */
#include "demo.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS   100
#define COMMIT_MS 30000
#define CLOSE_MS  15000

static volatile sig_atomic_t told_to_end;

static void on_term(int signal_number)
{
    (void)signal_number;
    told_to_end = 1;
}

static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)partitions;
    printf("a %zu\n", count);
    fflush(stdout);
}

struct reader {
    kc_consumer *consumer;
    int spool;
    unsigned char *buffer; /* entries of one poll */
    size_t size, capacity;
    unsigned long long records, bytes;
};

static bool put(struct reader *r, const void *data, size_t size)
{
    if (r->size + size > r->capacity) {
        size_t capacity = (r->size + size) * 2;
        unsigned char *grown = realloc(r->buffer, capacity);
        if (!grown)
            return false;
        r->buffer = grown;
        r->capacity = capacity;
    }
    if (size)
        memcpy(r->buffer + r->size, data, size);
    r->size += size;
    return true;
}

static bool spool_record(struct reader *r, const kc_record_view *view)
{
    kc_bytes name, value;
    struct demo_spool_entry entry;
    memset(&entry, 0, sizeof entry);
    if (view->header_count != 1 || kc_record_view_header(view, 0, &name, &value) != KC_OK ||
        value.size != sizeof entry.line.bytes)
        return demo_fail("a record of partition %d at offset %lld is not one of ours", view->partition,
                         (long long)view->offset) == 0;
    entry.offset = view->offset;
    entry.partition = view->partition;
    entry.key_size = (uint32_t)view->key.size;
    entry.value_size = (uint32_t)view->value.size;
    memcpy(entry.line.bytes, value.data, value.size);
    r->records++;
    r->bytes += view->value.size;
    return put(r, &entry, sizeof entry) && put(r, view->key.data, view->key.size) &&
           put(r, view->value.data, view->value.size);
}

static bool write_spool(struct reader *r)
{
    for (size_t done = 0; done < r->size;) {
        ssize_t n = write(r->spool, r->buffer + done, r->size - done);
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    r->size = 0;
    return true;
}

static void report_positions(struct reader *r)
{
    kc_topic_partition mine[DEMO_PARTITIONS];
    size_t count = 0;
    kc_consumer_assignment(r->consumer, mine, DEMO_PARTITIONS, &count);
    for (size_t i = 0; i < count && i < DEMO_PARTITIONS; i++)
        if (mine[i].offset >= 0)
            printf("p %d %lld\n", mine[i].partition, (long long)mine[i].offset);
    printf("r %llu %llu\n", r->records, r->bytes);
    fflush(stdout);
}

static int read_until_told(struct reader *r)
{
    kc_error error;
    while (!told_to_end) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(r->consumer, &records, POLL_MS, &error) != KC_OK) {
            printf("e poll: %s: %s\n", kc_err_name(error.code), error.text);
            fflush(stdout);
            if (!(error.traits & KC_RETRIABLE))
                return 1;
            continue;
        }
        bool ok = true, any = records != NULL;
        while (ok && kc_records_next(records, &view))
            ok = spool_record(r, &view);
        kc_records_release(records);
        if (!ok || !write_spool(r))
            return demo_fail("the spool cannot be written");
        if (any && kc_consumer_commit(r->consumer, NULL, 0, COMMIT_MS, &error) != KC_OK) {
            printf("e commit: %s: %s\n", kc_err_name(error.code), error.text);
            fflush(stdout);
        }
        report_positions(r); /* also of what the last owner had read, and was killed before it said so */
    }
    return 0;
}

int demo_reader(const char *bootstrap, const char *topic, const char *group, const char *spool)
{
    kc_error error;
    struct reader r = { .spool = open(spool, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) };
    struct sigaction action = { 0 };
    action.sa_handler = on_term;
    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN); /* the conductor decides */
    if (r.spool < 0)
        return demo_fail("%s cannot be made", spool);
    kc_config *config = kc_config_new();
    const char *const pairs[][2] = { { "bootstrap.servers", bootstrap },  { "group.id", group },
                                     { "client.id", "demo-reader" },      { "enable.auto.commit", "false" },
                                     { "auto.offset.reset", "earliest" }, { "session.timeout.ms", "6000" },
                                     { "heartbeat.interval.ms", "1000" }, { "max.poll.records", "20000" } };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (kc_config_set(config, pairs[i][0], pairs[i][1], &error) != KC_OK)
            return demo_fail("%s", error.text);
    kc_rebalance_listener listener = { .on_assigned = on_assigned };
    if (kc_consumer_create(&r.consumer, config, &error) != KC_OK ||
        kc_consumer_subscribe(r.consumer, &topic, 1, &listener, &error) != KC_OK)
        return demo_fail("%s", error.text);
    kc_config_destroy(config);
    int status = read_until_told(&r);
    kc_consumer_close(r.consumer, CLOSE_MS);
    close(r.spool);
    free(r.buffer);
    return status;
}
