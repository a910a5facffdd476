/* What somebody else's program looks like: one record to the address given, and back again. */
#include <kclient/kclient.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    kc_error error;
    kc_producer *producer;
    kc_consumer *consumer;
    kc_config *config = kc_config_new();
    kc_topic_partition all = { .topic = "installed", .offset = KC_OFFSET_BEGINNING, .leader_epoch = -1 };
    kc_record record = KC_RECORD_INIT;
    kc_record_view view;
    kc_records *records = NULL;
    if (argc != 2 || kc_config_set(config, "bootstrap.servers", argv[1], &error) != KC_OK ||
        kc_config_set(config, "compression.type", "zstd", &error) != KC_OK ||
        kc_producer_create(&producer, config, &error) != KC_OK ||
        kc_consumer_create(&consumer, config, &error) != KC_OK)
        return 1;
    record.topic = "installed";
    record.value = (kc_bytes){ "hello", 5 };
    if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK ||
        kc_producer_flush(producer, 10000, &error) != KC_OK || kc_consumer_assign(consumer, &all, 1, &error) != KC_OK ||
        kc_consumer_poll(consumer, &records, 10000, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    while (records && kc_records_next(records, &view))
        printf("%.*s from kclient %s\n", (int)view.value.size, (const char *)view.value.data, kc_version());
    kc_records_release(records);
    kc_consumer_close(consumer, 5000);
    kc_producer_close(producer, 5000);
    kc_config_destroy(config);
    return 0;
}
