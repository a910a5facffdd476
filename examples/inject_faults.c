/* How does your code take a broker that writes and does not say so?  The first Produce request is applied and its
 * connection breaks before the answer; the producer tries again, and the record is in the log once.
 *
 *     inject_faults                                          (exit status 0: passed)
 */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <stdio.h>

int main(void)
{
    char text[2000];
    int32_t fault;
    kc_error error;
    kc_mock *cluster;
    kc_producer *producer;
    kc_mock_partition orders;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.topics = "orders";
    options.journal_bytes = 1 << 20;
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        return fprintf(stderr, "%s\n", text), 1;
    if (kc_mock_fault_add(cluster,
                          "{\"match\": {\"api\": \"Produce\", \"topic\": \"orders\"}, \"count\": 1,"
                          " \"action\": {\"type\": \"disconnect\", \"when\": \"after\"}}",
                          &fault, text, sizeof text) != 0)
        return fprintf(stderr, "%s\n", text), 1;

    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_record record = KC_RECORD_INIT;
    record.topic = "orders";
    record.value = (kc_bytes){ "42", 2 };
    kc_producer_send(producer, &record, 1, NULL, &error);
    int flushed = kc_producer_flush(producer, 30000, &error) == KC_OK;
    kc_producer_close(producer, 5000);

    kc_mock_describe(cluster, "orders", 0, &orders);
    int twice = kc_mock_verify(cluster, "{\"match\": {\"api\": \"Produce\"}, \"count\": 2}", text, sizeof text) == 0;
    int ok = flushed && orders.log_end == 1 && twice && kc_mock_fault_hits(cluster, fault) == 1;
    printf("%s: sent twice, written once%s%s\n", ok ? "ok" : "FAILED", twice ? "" : ": ", twice ? "" : text);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
    return ok ? 0 : 1;
}
