/* A test of your own code against a whole Kafka cluster inside the test process: three brokers, real replication, and a
 * broker that stops in the middle. Nothing to install, no container, no fixed port.
 *
 *     embed_mockbroker                                       (exit status 0: passed)
 */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <stdio.h>

#define RECORDS 1000

static int check(int ok, const char *what)
{
    printf("%s: %s\n", ok ? "ok" : "FAILED", what);
    return ok ? 0 : 1;
}

int main(void)
{
    char text[200];
    kc_error error;
    kc_mock *cluster;
    kc_producer *producer;
    kc_mock_partition before, after;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 3;
    options.topics = "orders:1:3:min.insync.replicas=2";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        return fprintf(stderr, "%s\n", text), 1;

    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    if (kc_producer_create(&producer, config, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;

    /* the code under test: every order must reach the log, whatever happens to a broker */
    kc_mock_describe(cluster, "orders", 0, &before);
    for (int i = 0; i < RECORDS; i++) {
        kc_record record = KC_RECORD_INIT;
        record.topic = "orders";
        record.value = (kc_bytes){ &i, sizeof i };
        if (kc_producer_send(producer, &record, 1, NULL, &error) != KC_OK)
            return fprintf(stderr, "%s\n", error.text), 1;
        if (i == RECORDS / 2)
            kc_mock_broker_kill(cluster, before.leader);
    }
    int failed = check(kc_producer_flush(producer, 30000, &error) == KC_OK, "all orders were acknowledged");
    kc_mock_describe(cluster, "orders", 0, &after);
    failed += check(after.leader != before.leader, "another broker leads now");
    failed += check(after.high_watermark == RECORDS, "each order is in the log exactly once");

    kc_producer_close(producer, 5000);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
    return failed;
}
