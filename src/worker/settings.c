/* Options of a worker: checked here, once, and copied, so that the caller's memory is his again. */
#include "worker/internal.h"

#include <stdio.h>

#define TOPICS_MAX       10000
#define THREADS_MAX      256
#define OPEN_RECORDS_MAX 1000000
#define RETRIES_MAX      100
#define DELAY_MS_MAX     (7 * 24 * 3600 * 1000) /* longer is a job for a table with dates, not for a queue */
#define COMMIT_MS_MAX    (3600 * 1000)
#define GROUP_BYTES_MAX  1000

static kc_err wrong(kc_error *error, const char *what)
{
    return kci_fail(error, KC_ERR_ARGUMENT, 0, "worker options: %s", what);
}

static kc_err check_retries(const kc_worker_options *o, kc_error *error)
{
    for (size_t i = 0; i < o->retry_count; i++) {
        const kc_retry_step *step = &o->retries[i];
        if (step->delay_ms < 0 || step->delay_ms > DELAY_MS_MAX)
            return wrong(error, "the delay of a retry is from 0 to 7 days");
        if (step->topic && !*step->topic)
            return wrong(error, "the topic of a retry is empty: NULL means in place");
        for (size_t j = 0; step->topic && j < i; j++)
            if (o->retries[j].topic && strcmp(o->retries[j].topic, step->topic) == 0 &&
                o->retries[j].delay_ms != step->delay_ms)
                return wrong(error, "one retry topic has two delays: the shorter would wait behind the longer");
        for (size_t j = 0; step->topic && j < o->topic_count; j++)
            if (strcmp(o->topics[j], step->topic) == 0)
                return wrong(error, "a topic cannot be its own retry topic");
    }
    return KC_OK;
}

/* What is dead must not come again by itself. */
static bool reads_dead_topic(const kc_worker_options *o)
{
    for (size_t i = 0; o->dead_topic && i < o->topic_count; i++)
        if (strcmp(o->topics[i], o->dead_topic) == 0)
            return true;
    for (size_t i = 0; o->dead_topic && i < o->retry_count; i++)
        if (o->retries[i].topic && strcmp(o->retries[i].topic, o->dead_topic) == 0)
            return true;
    return false;
}

static kc_err check(const kc_worker_options *o, kc_error *error)
{
    if (!o || !o->config || !o->handle)
        return wrong(error, "config and handle must be given");
    if (!o->topics || o->topic_count < 1 || o->topic_count > TOPICS_MAX)
        return wrong(error, "from 1 to 10000 topics are needed");
    for (size_t i = 0; i < o->topic_count; i++)
        if (!o->topics[i] || !*o->topics[i])
            return wrong(error, "a topic is empty");
    if (o->threads < 1 || o->threads > THREADS_MAX)
        return wrong(error, "threads is from 1 to 256");
    if (o->open_records < 1 || o->open_records > OPEN_RECORDS_MAX)
        return wrong(error, "open_records is from 1 to 1000000");
    if (o->retry_count > RETRIES_MAX || (o->retry_count && !o->retries))
        return wrong(error, "at most 100 retries");
    if (o->commit_interval_ms < 0 || o->commit_interval_ms > COMMIT_MS_MAX)
        return wrong(error, "commit_interval_ms is from 0 to an hour");
    if (o->drain_ms < 0)
        return wrong(error, "drain_ms must not be negative");
    if (o->dead_topic && !*o->dead_topic)
        return wrong(error, "dead_topic is empty: NULL means none");
    if (o->seen && (!o->seen->contains || !o->seen->add))
        return wrong(error, "a seen store needs contains and add");
    if (reads_dead_topic(o))
        return wrong(error, "dead_topic is read by the same workers: dead records would go round for ever");
    return check_retries(o, error);
}

static bool has_topic(const struct kci_worker_settings *s, const char *topic)
{
    for (size_t i = 0; i < s->topic_count; i++)
        if (strcmp(s->topics[i], topic) == 0)
            return true;
    return false;
}

/* A copy in the arena; *failed when there is no memory. NULL stays NULL. */
static const char *keep(struct kci_worker_settings *s, const char *text, bool *failed)
{
    const char *copy = text ? kci_arena_text(&s->arena, kci_str_of(text)) : NULL;
    *failed |= text && !copy;
    return copy;
}

static bool copy_lists(struct kci_worker_settings *to, const kc_worker_options *from)
{
    bool failed = false;
    to->topics = kci_arena_array(&to->arena, from->topic_count + from->retry_count, sizeof *to->topics);
    to->retries = kci_arena_array(&to->arena, from->retry_count + 1, sizeof *to->retries);
    if (!to->topics || !to->retries)
        return false;
    for (size_t i = 0; !failed && i < from->topic_count; i++)
        if (!has_topic(to, from->topics[i]))
            to->topics[to->topic_count++] = keep(to, from->topics[i], &failed);
    to->retry_count = from->retry_count;
    for (size_t i = 0; !failed && i < from->retry_count; i++) {
        to->retries[i].topic = keep(to, from->retries[i].topic, &failed);
        to->retries[i].delay_ms = from->retries[i].delay_ms;
        if (!failed && to->retries[i].topic && !has_topic(to, to->retries[i].topic))
            to->topics[to->topic_count++] = to->retries[i].topic;
    }
    to->dead_topic = keep(to, from->dead_topic, &failed);
    to->id_header = keep(to, from->id_header, &failed);
    return !failed;
}

static bool sends_on(const kc_worker_options *o)
{
    for (size_t i = 0; i < o->retry_count; i++)
        if (o->retries[i].topic)
            return true;
    return o->dead_topic != NULL;
}

/* A record that goes to another topic is written there as it was; and one that cannot be read is a handler's to judge,
 * not the end of its partition. */
static void bytes_stay_bytes(struct kci_worker_settings *to)
{
    kc_config_set_key_deserializer(to->consumer_config, NULL);
    kc_config_set_value_deserializer(to->consumer_config, NULL);
    if (!to->producer_config)
        return;
    kc_config_set_key_serializer(to->producer_config, NULL);
    kc_config_set_value_serializer(to->producer_config, NULL);
    kc_config_set(to->producer_config, "key.serializer", "bytes", NULL);
    kc_config_set(to->producer_config, "value.serializer", "bytes", NULL);
}

static kc_err copy_configs(struct kci_worker_settings *to, const kc_worker_options *from, kc_error *error)
{
    char group[GROUP_BYTES_MAX] = "";
    bool failed = false;
    kc_config_get(from->config, "group.id", group, sizeof group);
    if (!group[0])
        return wrong(error, "config needs a group.id");
    to->group = keep(to, group, &failed);
    to->consumer_config = kc_config_copy(from->config);
    to->producer_config =
        sends_on(from) ? kc_config_copy(from->producer_config ? from->producer_config : from->config) : NULL;
    if (failed || !to->consumer_config || (sends_on(from) && !to->producer_config))
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while copying the options of a worker");
    bytes_stay_bytes(to);
    kc_err result = kc_config_set(to->consumer_config, "enable.auto.commit", "false", error);
    /* what is done is known here; with explicit ones poll would wait for acknowledgements that nobody gives */
    return result ? result : kc_config_set(to->consumer_config, "acknowledgement.mode", "implicit", error);
}

kc_err kci_worker_settings_copy(struct kci_worker_settings *to, const kc_worker_options *from, kc_error *error)
{
    *to = (struct kci_worker_settings){ .arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX) };
    if (from && from->seen)
        to->seen = *from->seen; /* ours to close from here on */
    kc_err result = check(from, error);
    if (result != KC_OK)
        return result;
    to->threads = from->threads;
    to->open_records = from->open_records;
    to->handle = from->handle;
    to->context = from->context;
    to->commit_interval_ms = from->commit_interval_ms;
    to->drain_ms = from->drain_ms;
    if (!copy_lists(to, from))
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while copying the options of a worker");
    return copy_configs(to, from, error);
}

void kci_worker_settings_free(struct kci_worker_settings *s)
{
    if (s->seen.close)
        s->seen.close(s->seen.context);
    kc_config_destroy(s->consumer_config);
    kc_config_destroy(s->producer_config);
    kci_arena_destroy(&s->arena);
}
