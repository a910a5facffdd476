/* A snapshot as Prometheus text, and the table of metrics as a page.
 *
 *   # HELP name help
 *   # TYPE name counter|gauge|summary
 *   name{client_id="...",topic="..."} value
 *
 * All samples of a name follow each other, as the format wants, so the walk is over the table first and over brokers,
 * APIs, topics and partitions second. A summary has quantiles, _sum and _count; its maximum is a gauge of its own. */
#include "api/config.h"
#include "api/metrics.h"
#include "plugins/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct output { /* counts on when it is full */
    char *text;
    size_t size, used;
};

static void put(struct output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct output *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool room = out->used < out->size;
    int n = vsnprintf(room ? out->text + out->used : NULL, room ? out->size - out->used : 0, format, args);
    va_end(args);
    out->used += n > 0 ? (size_t)n : 0;
}

/* A label's value. What is not UTF-8 as a whole (only client.id can be such) is written in ASCII. */
static void put_label(struct output *out, const char *name, const char *value)
{
    bool utf8 = kci_utf8_valid(value, strlen(value));
    put(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"')
            put(out, "\\%c", *c);
        else if (*c == '\n')
            put(out, "\\n");
        else
            put(out, "%c", !utf8 && (unsigned char)*c >= 0x80 ? '?' : *c);
    }
    put(out, "\"");
}

/* One thing that a row is about: the client, a broker, an API, a topic, or a partition. */
struct subject {
    const kc_metrics *metrics;
    const char *api;   /* NULL: none */
    const char *topic; /* NULL: none */
    int32_t partition; /* -1: none */
    int32_t broker;    /* 0 and above, or KC_BROKER_...; only for the scope of brokers */
    enum kci_metrics_scope scope;
    const char *fields;
};

static void put_name(struct output *out, const char *name, const char *suffix, const struct subject *s,
                     const char *quantile)
{
    put(out, "%s%s{", name, suffix);
    put_label(out, "client_id", s->metrics->client_id);
    if (s->scope == KCI_SCOPE_BROKER && s->broker < 0)
        put(out, ",broker=\"%s\"", s->broker == KC_BROKER_BOOTSTRAP ? "bootstrap" : "others");
    else if (s->scope == KCI_SCOPE_BROKER)
        put(out, ",broker=\"%d\"", (int)s->broker);
    if (s->api)
        put(out, ",api=\"%s\"", s->api);
    if (s->topic) {
        put(out, ",");
        put_label(out, "topic", s->topic);
    }
    if (s->partition >= 0)
        put(out, ",partition=\"%d\"", (int)s->partition);
    if (quantile)
        put(out, ",quantile=\"%s\"", quantile);
    put(out, "} ");
}

static void put_seconds(struct output *out, uint64_t us)
{
    put(out, "%" PRIu64 ".%06u\n", us / 1000000, (unsigned)(us % 1000000));
}

static void put_times(struct output *out, const struct kci_metrics_row *row, const struct subject *s, const kc_times *t)
{
    const struct {
        const char *text;
        uint64_t us;
    } quantiles[] = { { "0.5", t->p50_us }, { "0.99", t->p99_us }, { "0.999", t->p999_us } };
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        put_name(out, row->name, "", s, quantiles[i].text);
        put_seconds(out, quantiles[i].us);
    }
    put_name(out, row->name, "_sum", s, NULL);
    put_seconds(out, t->sum_us);
    put_name(out, row->name, "_count", s, NULL);
    put(out, "%" PRIu64 "\n", t->count);
}

static void put_sample(struct output *out, const struct kci_metrics_row *row, const struct subject *s)
{
    const void *field = s->fields + row->offset;
    int64_t known = *(const int64_t *)field;
    bool optional = row->type == KCI_METRIC_GAUGE_KNOWN || row->type == KCI_METRIC_GAUGE_SECONDS;
    if (optional && known < 0)
        return;
    if (row->type == KCI_METRIC_TIMES) {
        put_times(out, row, s, field);
        return;
    }
    put_name(out, row->name, "", s, NULL);
    if (row->type == KCI_METRIC_COUNTER_SECONDS || row->type == KCI_METRIC_GAUGE_SECONDS)
        put_seconds(out, (uint64_t)known);
    else if (row->type == KCI_METRIC_GAUGE_REAL)
        put(out, "%.9g\n", *(const double *)field);
    else
        put(out, "%" PRIu64 "\n", *(const uint64_t *)field);
}

static void put_max(struct output *out, const struct kci_metrics_row *row, const struct subject *s)
{
    put_name(out, row->name, "_max", s, NULL);
    put_seconds(out, ((const kc_times *)(const void *)(s->fields + row->offset))->max_us);
}

/* Call for each subject of the row's scope. */
static void each(struct output *out, const struct kci_metrics_row *row, const kc_metrics *m,
                 void (*fn)(struct output *, const struct kci_metrics_row *, const struct subject *))
{
    struct subject s = { .metrics = m, .partition = -1, .scope = row->scope, .fields = (const char *)m };
    if (row->scope == KCI_SCOPE_CLIENT)
        fn(out, row, &s);
    for (size_t i = 0; row->scope == KCI_SCOPE_BROKER && i < m->broker_count; i++) {
        s.broker = m->brokers[i].id;
        s.fields = (const char *)&m->brokers[i];
        fn(out, row, &s);
    }
    for (size_t i = 0; row->scope == KCI_SCOPE_API && i < m->api_count; i++) {
        s.api = m->apis[i].api;
        s.fields = (const char *)&m->apis[i];
        fn(out, row, &s);
    }
    for (size_t i = 0; row->scope == KCI_SCOPE_TOPIC && i < m->topic_count; i++) {
        s.topic = m->topics[i].topic;
        s.fields = (const char *)&m->topics[i];
        fn(out, row, &s);
    }
    for (size_t i = 0; row->scope == KCI_SCOPE_PARTITION && i < m->partition_count; i++) {
        s.topic = m->partitions[i].topic;
        s.partition = m->partitions[i].partition;
        s.fields = (const char *)&m->partitions[i];
        fn(out, row, &s);
    }
}

static int role_of(const kc_metrics *metrics)
{
    return strcmp(metrics->role, "producer") == 0   ? KCI_ROLE_PRODUCER
           : strcmp(metrics->role, "consumer") == 0 ? KCI_ROLE_CONSUMER
                                                    : KCI_ROLE_ADMIN;
}

static const char *type_text(enum kci_metrics_type type)
{
    return type == KCI_METRIC_TIMES                                           ? "summary"
           : type == KCI_METRIC_COUNTER || type == KCI_METRIC_COUNTER_SECONDS ? "counter"
                                                                              : "gauge";
}

static size_t count_of(const kc_metrics *m, enum kci_metrics_scope scope)
{
    return scope == KCI_SCOPE_CLIENT   ? 1
           : scope == KCI_SCOPE_BROKER ? m->broker_count
           : scope == KCI_SCOPE_API    ? m->api_count
           : scope == KCI_SCOPE_TOPIC  ? m->topic_count
                                       : m->partition_count;
}

size_t kc_metrics_text(const kc_metrics *metrics, char *text, size_t size)
{
    struct output out = { text, size, 0 };
    if (size)
        text[0] = 0;
    if (!metrics)
        return 0;
    int role = role_of(metrics);
    for (size_t i = 0; i < kci_metrics_row_count; i++) {
        const struct kci_metrics_row *row = &kci_metrics_rows[i];
        if (!(row->roles & role) || !count_of(metrics, row->scope))
            continue;
        put(&out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, type_text(row->type));
        each(&out, row, metrics, put_sample);
        if (row->type != KCI_METRIC_TIMES)
            continue;
        put(&out, "# HELP %s_max The largest of them.\n# TYPE %s_max gauge\n", row->name, row->name);
        each(&out, row, metrics, put_max);
    }
    return out.used;
}

size_t kc_metrics_describe(char *text, size_t size)
{
    static const char *const labels[] = { "client", "broker", "api", "topic", "partition" };
    struct output out = { text, size, 0 };
    put(&out,
        "# Metrics\n\nMade by `kc metrics-reference` from the table in `src/api/metrics_table.c`. P producer, C "
        "consumer, "
        "A admin.\n\n"
        "`kc_producer_metrics()`, `kc_consumer_metrics()` and `kc_admin_metrics()` take a snapshot "
        "(`include/kclient/metrics.h`): a struct\nwith these numbers in sum, per broker, per API, per topic and per "
        "partition. "
        "`kc_metrics_text()` writes it for Prometheus under the names below, each\nwith the label `client_id` and "
        "those of its "
        "scope. Any thread may do both at any time; neither waits for the client's thread.\n\n"
        "Counting is done once per request, batch or poll, never per record. 128 brokers and, of a producer, 1,000 "
        "topics "
        "are counted by themselves;\nthe rest together as broker `others` and topic `\"\"`. Quantiles are within 3 %% "
        "and "
        "since the creation of the client.\n\n"
        "| name | for | scope | type | Java | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < kci_metrics_row_count; i++) {
        const struct kci_metrics_row *row = &kci_metrics_rows[i];
        put(&out, "| `%s` | %s%s%s | %s | %s | %s | %s |\n", row->name, row->roles & KCI_ROLE_PRODUCER ? "P" : "",
            row->roles & KCI_ROLE_CONSUMER ? "C" : "", row->roles & KCI_ROLE_ADMIN ? "A" : "", labels[row->scope],
            type_text(row->type), row->java ? row->java : "", row->help);
    }
    return out.used;
}
