/* Interceptors by name, and one of your own: how old records are when they arrive, who sent them, and a header on each.
 *
 *     interceptors BOOTSTRAP TOPIC AUDIT_TOPIC [COUNT]       (default: 100 records)
 */
#include <kclient/kclient.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs on the thread of kc_producer_send(); `context` is what was given with the table. */
static kc_err add_origin(void *context, kc_record *record)
{
    return kc_record_add_header(record, "origin", (kc_bytes){ context, 6 });
}

static kc_config *config_of(const char *const (*pairs)[2], size_t count)
{
    kc_error error;
    kc_config *config = kc_config_new();
    for (size_t i = 0; i < count; i++)
        if (kc_config_set(config, pairs[i][0], pairs[i][1], &error) != KC_OK) {
            fprintf(stderr, "%s\n", error.text);
            exit(1);
        }
    return config;
}

static void produce(const char *bootstrap, const char *topic, const char *audit_topic, int count)
{
    kc_error error;
    kc_producer *producer;
    kc_config *config = config_of((const char *const[][2]){ { "bootstrap.servers", bootstrap },
                                                            { "interceptor.classes", "latency,audit" },
                                                            { "audit.topic", audit_topic },
                                                            { "value.serializer", "integer" } },
                                  4);
    kc_producer_interceptor mine = { .name = "origin", .context = "berlin", .on_send = add_origin };
    kc_config_add_producer_interceptor(config, &mine);
    if (kc_producer_create(&producer, config, &error) != KC_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    kc_config_destroy(config);
    for (int32_t i = 0; i < count; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = topic;
        record.value = (kc_bytes){ &i, sizeof i };
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            fprintf(stderr, "send: %s\n", error.text);
    }
    kc_producer_close(producer, 30000);
}

static void consume(const char *bootstrap, const char *topic, int count)
{
    kc_error error;
    kc_consumer *consumer;
    kc_latency_stats latency;
    long long sum = 0;
    kc_config *config = config_of((const char *const[][2]){ { "bootstrap.servers", bootstrap },
                                                            { "group.id", "interceptors" },
                                                            { "auto.offset.reset", "earliest" },
                                                            { "interceptor.classes", "latency" } },
                                  4);
    if (kc_consumer_create(&consumer, config, &error) != KC_OK ||
        kc_consumer_subscribe(consumer, &topic, 1, NULL, &error) != KC_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    kc_config_destroy(config);
    for (int left = count; left > 0;) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 500, &error) != KC_OK)
            break;
        for (int32_t number; kc_records_next(records, &view); left--)
            if (kc_int32_from(view.value, &number) == KC_OK)
                sum += number;
        kc_records_release(records);
    }
    if (kc_consumer_get_latency(consumer, &latency) == KC_OK)
        printf("sum %lld; %llu records, p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", sum,
               (unsigned long long)latency.measured, (double)latency.p50_us / 1000, (double)latency.p99_us / 1000,
               (double)latency.max_us / 1000);
    kc_consumer_close(consumer, 10000);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC AUDIT_TOPIC [COUNT]\n", argv[0]), 2;
    int count = argc > 4 ? atoi(argv[4]) : 100;
    produce(argv[1], argv[2], argv[3], count);
    consume(argv[1], argv[2], count);
    return 0;
}
