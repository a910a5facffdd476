/* Consume as a member of a group, committing what was processed.
 *
 *     consume_in_group BOOTSTRAP TOPIC GROUP [COUNT]         (ends after COUNT records; default: never)
 */
#include <kclient/kclient.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "now ours: %s [%d]\n", partitions[i].topic, partitions[i].partition);
}

static void on_revoked(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    (void)partitions;
    fprintf(stderr, "%zu partitions go to somebody else\n", count);
}

int main(int argc, char **argv)
{
    kc_error error;
    kc_consumer *consumer;
    long left = argc > 4 ? atol(argv[4]) : -1;
    if (argc < 4)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC GROUP [COUNT]\n", argv[0]), 2;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    kc_config *config = kc_config_new();
    const char *const pairs[][2] = { { "bootstrap.servers", argv[1] },
                                     { "group.id", argv[3] },
                                     { "auto.offset.reset", "earliest" },
                                     { "enable.auto.commit", "false" } };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (kc_config_set(config, pairs[i][0], pairs[i][1], &error) != KC_OK)
            return fprintf(stderr, "%s\n", error.text), 1;
    if (kc_consumer_create(&consumer, config, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_config_destroy(config);

    const char *topics[] = { argv[2] };
    kc_rebalance_listener listener = { NULL, on_assigned, on_revoked, NULL };
    if (kc_consumer_subscribe(consumer, topics, 1, &listener, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;

    while (!ended && left != 0) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 500, &error) != KC_OK) {
            fprintf(stderr, "poll: %s\n", error.text);
            if (error.traits & KC_RETRIABLE)
                continue;
            break;
        }
        while (kc_records_next(records, &view)) {
            printf("%s [%d] %lld: %.*s\n", view.topic, view.partition, (long long)view.offset, (int)view.value.size,
                   (const char *)view.value.data);
            left -= left > 0;
        }
        fflush(stdout); /* what is committed must be done */
        if (records && kc_consumer_commit(consumer, NULL, 0, 10000, &error) != KC_OK)
            fprintf(stderr, "commit: %s (what is not committed will come again)\n", error.text);
        kc_records_release(records);
    }
    return kc_consumer_close(consumer, 10000) == KC_OK ? 0 : 1;
}
