/* Objects of your own instead of bytes: orders that are written "ITEM AMOUNT PRICE", and what to do with those that are not.
 *
 *     deserializer BOOTSTRAP TOPIC COUNT          (ends after COUNT records, good or bad)
 */
#include <kclient/kclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order {
    char item[32];
    int amount;
    double price;
};

static long left;

/* On the thread of poll, once per record. */
static kc_err to_order(void *context, const kc_record_view *record, kc_bytes bytes, kc_buffer *out)
{
    struct order order;
    char text[100];
    (void)context, (void)record;
    if (bytes.size >= sizeof text)
        return KC_ERR_MALFORMED;
    memcpy(text, bytes.data, bytes.size);
    text[bytes.size] = 0;
    if (sscanf(text, "%31s %d %lf", order.item, &order.amount, &order.price) != 3)
        return KC_ERR_MALFORMED;
    return kc_buffer_append(out, &order, sizeof order);
}

/* A record that is no order: say so, and go on behind it. */
static void step_over(void *context, const kc_notice *notice)
{
    kc_consumer *consumer = *(kc_consumer **)context;
    kc_error error;
    if (notice->kind != KC_NOTICE_UNREADABLE)
        return;
    printf("no order: %s [%d] at offset %lld\n", notice->topic, (int)notice->partition, (long long)notice->from_offset);
    left--;
    if (kc_consumer_seek(consumer, notice->topic, notice->partition, notice->from_offset + 1, &error) != KC_OK)
        fprintf(stderr, "seek: %s\n", error.text);
}

int main(int argc, char **argv)
{
    kc_error error;
    kc_consumer *consumer;
    double total = 0;
    if (argc != 4)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC COUNT\n", argv[0]), 2;
    left = atol(argv[3]);

    kc_config *config = kc_config_new();
    const char *const pairs[][2] = { { "bootstrap.servers", argv[1] },
                                     { "group.id", "orders" },
                                     { "auto.offset.reset", "earliest" } };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (kc_config_set(config, pairs[i][0], pairs[i][1], &error) != KC_OK)
            return fprintf(stderr, "%s\n", error.text), 1;
    kc_deserializer deserializer = { .name = "order", .deserialize = to_order };
    kc_config_set_value_deserializer(config, &deserializer);
    kc_config_set_notice(config, step_over, &consumer);
    const char *topics[] = { argv[2] };
    if (kc_consumer_create(&consumer, config, &error) != KC_OK ||
        kc_consumer_subscribe(consumer, topics, 1, NULL, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_config_destroy(config);

    while (left > 0) {
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(consumer, &records, 500, &error) != KC_OK) {
            fprintf(stderr, "poll: %s\n", error.text);
            if (error.traits & KC_RETRIABLE)
                continue;
            return 1;
        }
        for (; kc_records_next(records, &view); left--) {
            const struct order *order = view.value.data; /* fits any type, lives as long as the records */
            if (order)                                   /* a null stays null */
                total += order->amount * order->price;
        }
        kc_records_release(records);
    }
    printf("total %.2f\n", total);
    return kc_consumer_close(consumer, 10000) == KC_OK ? 0 : 1;
}
