/* The texts of refusals.  A program decides on code and traits; a person who reads the text should not have to look
 * anything up: it names the request and its partition, the broker, Kafka's own word, what that means (error_list.h), and
 * here, what to do about it as the owner of a consumer. */
#include "consumer/blame.h"
#include "consumer/internal.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int16_t error;
    const char *advice;
} rows[] = {
    { KCI_OFFSET_OUT_OF_RANGE, "seek, or set auto.offset.reset" },
    { KCI_OFFSET_METADATA_TOO_LARGE, "shorten it, or raise the brokers' offset.metadata.max.bytes" },
    { KCI_INVALID_TOPIC_EXCEPTION, "correct the topic's name" },
    { KCI_ILLEGAL_GENERATION, "poll, which joins again; the next owner reads from the last commit on" },
    { KCI_INCONSISTENT_GROUP_PROTOCOL,
      "all members of a group need an entry of partition.assignment.strategy in common" },
    { KCI_INVALID_GROUP_ID, "set another group.id" },
    { KCI_UNKNOWN_MEMBER_ID, "poll, which joins again; the next owner reads from the last commit on" },
    { KCI_INVALID_SESSION_TIMEOUT,
      "set session.timeout.ms between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms" },
    { KCI_REBALANCE_IN_PROGRESS, "poll, then commit again" },
    { KCI_INVALID_COMMIT_OFFSET_SIZE, "commit fewer partitions at once, or shorter texts with them" },
    { KCI_TOPIC_AUTHORIZATION_FAILED, "its principal needs READ on the topic" },
    { KCI_GROUP_AUTHORIZATION_FAILED, "its principal needs READ on the group" },
    { KCI_UNSUPPORTED_VERSION, "use what the brokers have, or newer brokers" },
    { KCI_SASL_AUTHENTICATION_FAILED, "correct the credentials" },
    { KCI_GROUP_ID_NOT_FOUND, "poll, which makes the group anew" },
    { KCI_GROUP_MAX_SIZE_REACHED,
      "run fewer members, or raise the brokers' group.max.size (group.consumer.max.size with KIP-848)" },
    { KCI_FENCED_INSTANCE_ID, "close this one, and give each member a group.instance.id of its own" },
    { KCI_FENCED_MEMBER_EPOCH, "poll, which joins again; the next owner reads from the last commit on" },
    { KCI_UNRELEASED_INSTANCE_ID,
      "close this one; another can have the id when its holder has left, or its session has timed out" },
    { KCI_UNSUPPORTED_ASSIGNOR, "set group.remote.assignor to one of the brokers' group.consumer.assignors" },
    { KCI_STALE_MEMBER_EPOCH, "poll, then commit again" },
    { KCI_UNKNOWN_TOPIC_ID, "the topic was deleted, or made anew: begin with the offsets of the new one" },
    { KCI_INVALID_REGULAR_EXPRESSION, "subscribe with a pattern in RE2 syntax" },
};

const char *kci_blame_advice(int16_t error)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].error == error)
            return rows[i].advice;
    return "";
}

static void write_line(const struct kci_consumer *c, char *text, size_t size, int32_t node, int16_t error,
                       const char *what)
{
    const char *advice = kci_blame_advice(error);
    char name[120];
    kci_cluster_node_name(c->cluster, node, name, sizeof name);
    snprintf(text, size, "%s: %s answered %s: %s%s%s", what, name, kci_error_name(error), kci_error_text(error),
             advice[0] ? "; " : "", advice);
}

void kci_blame(const struct kci_consumer *c, char *text, size_t size, int32_t node, int16_t error, const char *what,
               ...)
{
    char tried[400];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(tried, sizeof tried, what, arguments);
    va_end(arguments);
    write_line(c, text, size, node, error, tried);
}

void kci_blame_raise(struct kci_consumer *c, int32_t node, int16_t error, const char *what, ...)
{
    char tried[400], text[KCI_WHY_BYTES];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(tried, sizeof tried, what, arguments);
    va_end(arguments);
    write_line(c, text, sizeof text, node, error, tried);
    kci_consumer_raise(c, (kc_err)error, "%s", text);
}
