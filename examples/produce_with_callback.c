/* Produce a few records and learn the fate of each.
 *
 *     produce_with_callback BOOTSTRAP TOPIC [COUNT]          (default: 10 records)
 */
#include <kclient/kclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs on the sender thread; `opaque` is what the record carried. */
static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    int *failed = context;
    for (size_t i = 0; i < count; i++) {
        const kc_delivery *d = &deliveries[i];
        if (d->code == KC_OK) {
            printf("%s -> %s [%d] at offset %lld, time %lld\n", (const char *)d->opaque, d->topic, d->partition,
                   (long long)d->offset, (long long)d->timestamp_ms);
        } else {
            printf("%s failed: %s: %s%s\n", (const char *)d->opaque, kc_err_name(d->code), d->text,
                   d->traits & KC_MAYBE_APPLIED ? " (it may be in the log all the same)" : "");
            ++*failed;
        }
    }
}

int main(int argc, char **argv)
{
    kc_error error;
    kc_producer *producer;
    int failed = 0, count = argc > 3 ? atoi(argv[3]) : 10;
    static char names[1000][32];
    if (argc < 3 || count < 1 || count > 1000)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC [COUNT up to 1000]\n", argv[0]), 2;

    kc_config *config = kc_config_new();
    if (kc_config_set(config, "bootstrap.servers", argv[1], &error) != KC_OK ||
        kc_config_set(config, "linger.ms", "5", &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_config_set_delivery(config, on_delivery, &failed, 0);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_config_destroy(config); /* it was copied */

    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "record %d", i);
        kc_record record = KC_RECORD_INIT;
        record.topic = argv[2];
        record.key = (kc_bytes){ &i, sizeof i };
        record.value = (kc_bytes){ names[i], strlen(names[i]) };
        record.opaque = names[i];
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            return fprintf(stderr, "send: %s\n", error.text), 1;
    }

    if (kc_producer_flush(producer, 30000, &error) != KC_OK)
        fprintf(stderr, "flush: %s\n", error.text);
    kc_producer_close(producer, 5000);
    return failed ? 1 : 0;
}
