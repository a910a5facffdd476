/* include/mockbroker/mockbroker.h over the shell: every function is one call on the broker's thread. */
#include "mockbroker/embed.h"

#include "protocol/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS_MAX 1000 /* named in the options; more can be created afterwards */

static void write_log(void *context, enum kci_log_level level, const char *facility, const char *text)
{
    char line[1200];
    kc_mock *mock = context;
    snprintf(line, sizeof line, "%s: %s", facility, text);
    mock->log(mock->log_context, (int)level, line);
}

/* ---- start ---- */

/* Cut `text` at blanks into topics. Their number, or -1 if there are too many. */
static int split_topics(char *text, const char **topics)
{
    static const char blanks[] = " \t\r\n";
    int count = 0;
    for (char *at = text + strspn(text, blanks); *at; at += strspn(at, blanks)) {
        if (count == TOPICS_MAX)
            return -1;
        topics[count++] = at;
        at += strcspn(at, blanks);
        if (*at)
            *at++ = '\0';
    }
    return count;
}

static int start_shell(kc_mock *mock, const kc_mock_options *options, char *topics, char *text, size_t text_size)
{
    const char *names[TOPICS_MAX];
    int count = split_topics(topics, names);
    if (count < 0) {
        snprintf(text, text_size, "more than %d topics", TOPICS_MAX);
        return -1;
    }
    struct mb_shell_options shell_options = {
        .brokers = options->brokers,
        .listen = options->listen ? options->listen : "127.0.0.1:0",
        .topics = names,
        .topic_count = (size_t)count,
        .config = options->config,
        .data_dir = options->data_dir,
        .seed = options->seed,
        .faults = options->faults,
        .journal_bytes = options->journal_bytes,
        .logger = { options->log ? write_log : NULL, mock, (enum kci_log_level)options->log_level },
    };
    return mb_shell_start(&mock->shell, &shell_options, text, text_size);
}

int kc_mock_start(kc_mock **out, const kc_mock_options *options, char *text, size_t text_size)
{
    char reason[MB_SHELL_TEXT_MAX] = "out of memory";
    const char *given = options->topics ? options->topics : "";
    kc_mock *mock = calloc(1, sizeof *mock);
    char *topics = malloc(strlen(given) + 1);
    int error = -1;
    if (mock && topics) {
        mock->log = options->log;
        mock->log_context = options->log_context;
        memcpy(topics, given, strlen(given) + 1);
        error = start_shell(mock, options, topics, reason, sizeof reason);
    }
    free(topics);
    if (error) {
        free(mock);
        if (text && text_size)
            snprintf(text, text_size, "%s", reason);
        return error;
    }
    *out = mock;
    return 0;
}

void kc_mock_stop(kc_mock *mock)
{
    if (!mock)
        return;
    mb_shell_stop(mock->shell);
    free(mock);
}

const char *kc_mock_bootstrap(const kc_mock *mock)
{
    return mb_shell_bootstrap(mock->shell);
}

/* ---- steering ---- */

struct order {
    struct kci_str topic;
    int32_t partition, broker, partitions;
    int16_t replication_factor;
    bool clean;
    kc_mock_partition *out;
    int16_t error;
};

static int give(kc_mock *mock, void (*run)(struct mb_cluster *cluster, void *context, int64_t now), struct order *order)
{
    return mb_shell_call(mock->shell, run, order) ? -1 : order->error;
}

static void create_topic(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    order->error =
        mb_cluster_create_topic(cluster, order->topic, order->partitions, order->replication_factor, NULL, 0, now);
}

int kc_mock_create_topic(kc_mock *mock, const char *name, int32_t partitions, int16_t replication_factor)
{
    struct order order = { .topic = kci_str_of(name),
                           .partitions = partitions,
                           .replication_factor = replication_factor };
    return give(mock, create_topic, &order);
}

static void delete_topic(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    order->error = mb_cluster_delete_topic(cluster, order->topic, now);
}

int kc_mock_delete_topic(kc_mock *mock, const char *name)
{
    struct order order = { .topic = kci_str_of(name) };
    return give(mock, delete_topic, &order);
}

static void stop_broker(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    order->error = mb_cluster_broker_stop(cluster, order->broker, order->clean, now);
}

int kc_mock_broker_stop(kc_mock *mock, int32_t broker)
{
    struct order order = { .broker = broker, .clean = true };
    return give(mock, stop_broker, &order);
}

int kc_mock_broker_kill(kc_mock *mock, int32_t broker)
{
    struct order order = { .broker = broker };
    return give(mock, stop_broker, &order);
}

int kc_mock_broker_start(kc_mock *mock, int32_t broker)
{
    char text[MB_SHELL_TEXT_MAX];
    return mb_shell_broker_start(mock->shell, broker, -1, text, sizeof text);
}

int kc_mock_broker_start_at(kc_mock *mock, int32_t broker, uint16_t port)
{
    char text[MB_SHELL_TEXT_MAX];
    return mb_shell_broker_start(mock->shell, broker, port, text, sizeof text);
}

static void move_leader(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    order->error = mb_cluster_move_leader(cluster, order->topic, order->partition, order->broker, now);
}

int kc_mock_move_leader(kc_mock *mock, const char *topic, int32_t partition, int32_t broker)
{
    struct order order = { .topic = kci_str_of(topic), .partition = partition, .broker = broker };
    return give(mock, move_leader, &order);
}

static void describe(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct order *order = context;
    struct mb_partition_view view;
    (void)now;
    order->error = mb_cluster_partition(cluster, order->topic, order->partition, &view);
    if (order->error)
        return;
    *order->out = (kc_mock_partition){ .leader = view.leader,
                                       .leader_epoch = view.leader_epoch,
                                       .isr_count = view.isr_count,
                                       .log_start = view.log_start,
                                       .high_watermark = view.high_watermark,
                                       .log_end = view.log_end };
}

int kc_mock_describe(kc_mock *mock, const char *topic, int32_t partition, kc_mock_partition *out)
{
    struct order order = { .topic = kci_str_of(topic), .partition = partition, .out = out };
    return give(mock, describe, &order);
}
