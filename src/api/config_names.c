/* Finding keys: exact, by alias, by likeness, and those that exist elsewhere but not here. */
#include "api/config.h"
#include "base/near.h"
#include <stdio.h>

const struct kci_config_row *kci_config_find(const char *key)
{
    for (size_t i = 0; i < kci_config_row_count; i++) {
        const struct kci_config_row *row = &kci_config_rows[i];
        if (strcmp(row->key, key) == 0 || (row->alias && strcmp(row->alias, key) == 0))
            return row;
    }
    return NULL;
}

const char *kci_config_nearest(const char *key)
{
    struct kci_near near = kci_near_of(kci_str_of(key));
    for (size_t i = 0; i < kci_config_row_count; i++)
        kci_near_offer(&near, kci_config_rows[i].key);
    return near.best;
}

const char *kci_config_known_elsewhere(const char *key)
{
    static const char *const rows[][2] = {
        { "security.protocol", "only PLAINTEXT is in this version" },
        { "sasl.", "SASL is not in this version" },
        { "ssl.", "TLS is not in this version" },
        { "transactional.id", "transactions are not in this version" },
        { "transaction.timeout.ms", "transactions are not in this version" },
        { "metric.reporters", "ask kc_producer_metrics() or kc_consumer_metrics()" },
        { "enable.metrics.push", "telemetry is not pushed in this version: ask kc_producer_metrics() or "
                                 "kc_consumer_metrics()" },
        { "sticky.partitioning.linger.ms", "batch.size decides when the sticky partition changes (KIP-794)" },
        { "metrics.", "ask kc_producer_metrics() or kc_consumer_metrics()" },
        { "queue.buffering.max.messages", "set buffer.memory (bytes)" },
        { "queue.buffering.max.kbytes", "set buffer.memory (bytes)" },
        { "batch.num.messages", "set batch.size (bytes)" },
        { "queued.max.messages.kbytes", "set fetch.memory.max (bytes)" },
        { "bootstrap.resolve.timeout.ms", "names are resolved anew as long as a call may wait (max.block.ms, "
                                          "default.api.timeout.ms), so there is nothing to set" },
        { "metadata.cluster.check.enable",
          "brokers are not asked for the id of their cluster in this version (KIP-1242): "
          "only false" },
        { "client.dns.lookup", "only use_all_dns_ips is in this version" },
        { "auto.include.jmx.reporter", "there is no JMX here: ask kc_producer_metrics() or kc_consumer_metrics()" },
        { "delivery.report.only.error", "false is what delivery.report.every.record=true does, true is what happens "
                                        "when it is false and records have no opaque" },
        { "statistics.interval.ms", "ask kc_producer_metrics() or kc_consumer_metrics() when you want to know" },
        { "queuing.strategy", "records of a partition are always sent in order (fifo)" },
        { "debug", "give a function and level 7 to kc_config_set_log()" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = strlen(rows[i][0]);
        if (strncmp(key, rows[i][0], size) == 0 && (rows[i][0][size - 1] == '.' || !key[size]))
            return rows[i][1];
    }
    return NULL;
}

const char *kci_config_words(const struct kci_config_row *row, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (const struct kci_config_choice *c = row->choices; c->word && used < size; c++)
        if (!strchr(c->word, '.'))
            used += (size_t)snprintf(text + used, size - used, "%s%s%s", used ? ", " : "", c->word,
                                     c->value == KCI_RESET_BY_DURATION && strchr(c->word, ':') ? "PT2H" : "");
    return text;
}

static const char *type_text(const struct kci_config_row *row, char *text, size_t size)
{
    switch (row->type) {
    case KCI_TYPE_BOOL:
        return "true, false";
    case KCI_TYPE_TEXT:
        return "text";
    case KCI_TYPE_CHOICE:
        return kci_config_words(row, text, size);
    case KCI_TYPE_LIST: {
        if (!row->choices)
            return "list of names";
        int used = snprintf(text, size, "list of ");
        kci_config_words(row, text + used, size - (size_t)used);
        return text;
    }
    default:
        snprintf(text, size, "%lld .. %lld", (long long)row->minimum, (long long)row->maximum);
        return text;
    }
}

/* Keys whose only accepted value is what we do anyway. value "*": any. */
static const char *const harmless_pairs[][2] = {
    { "api.version.request", "true" },
    { "auto.include.jmx.reporter", "*" },
    { "client.dns.lookup", "use_all_dns_ips" },
    { "enable.metrics.push", "false" },
    { "metadata.cluster.check.enable", "false" },
    { "metric.reporters", "" },
    { "metrics.num.samples", "*" },
    { "metrics.recording.level", "*" },
    { "metrics.sample.window.ms", "*" },
    { "security.protocol", "PLAINTEXT" },
    { "security.protocol", "plaintext" },
    { "socket.keepalive.enable", "true" },
    { "socket.nagle.disable", "true" },
    { "statistics.interval.ms", "0" },
    { "transaction.timeout.ms", "60000" },
    { "transactional.id", "" },
};

bool kci_config_harmless(const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof harmless_pairs / sizeof harmless_pairs[0]; i++) {
        const char *const *pair = harmless_pairs[i];
        if (strcmp(key, pair[0]) == 0 && (strcmp(pair[1], "*") == 0 || strcmp(value, pair[1]) == 0))
            return true;
    }
    return false;
}

size_t kc_config_describe(char *text, size_t size)
{
    size_t used = 0;
    char words[320];
#define ADD(...) used += (size_t)snprintf(used < size ? text + used : NULL, used < size ? size - used : 0, __VA_ARGS__)
    ADD("# Configuration\n\nMade by `kc config-reference` from the table in `src/api/config_table.c`. P producer, C "
        "consumer, A admin.\n"
        "Names and defaults are those of the Java client; the second name of a key, where it has one, is "
        "librdkafka's. Where words are listed that name\na class in Java, the class name is accepted, too.\n\n"
        "| key | for | values | default | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < kci_config_row_count; i++) {
        const struct kci_config_row *row = &kci_config_rows[i];
        ADD("| `%s`", row->key);
        if (row->alias)
            ADD("<br>`%s`", row->alias);
        ADD(" | %s%s%s | %s | %s | %s |\n", row->roles & KCI_ROLE_PRODUCER ? "P" : "",
            row->roles & KCI_ROLE_CONSUMER ? "C" : "", row->roles & KCI_ROLE_ADMIN ? "A" : "",
            type_text(row, words, sizeof words), row->default_text ? row->default_text : "", row->meaning);
    }
    ADD("\n## Accepted without effect\n\n"
        "So that a configuration of another client can be used unchanged. Any other value of these keys is refused.\n\n"
        "| key | value |\n|---|---|\n");
    for (size_t i = 0; i < sizeof harmless_pairs / sizeof harmless_pairs[0]; i++) {
        const char *value = harmless_pairs[i][1];
        ADD(value[0] && value[0] != '*' ? "| `%s` | `%s` |\n" : "| `%s` | %s |\n", harmless_pairs[i][0],
            value[0] == '*' ? "any"
            : value[0]      ? value
                            : "(empty)");
    }
#undef ADD
    return used;
}
