/* Somebody else's test: a cluster inside the process, with kclient or alone. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <stdio.h>

int main(void)
{
    char text[200];
    kc_mock *cluster;
    kc_admin *admin;
    kc_error error;
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    kc_new_topic topic = { .name = "t", .partitions = 3, .replication_factor = 1 };
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        return fprintf(stderr, "%s\n", text), 1;
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    if (kc_admin_create(&admin, config, &error) != KC_OK ||
        kc_admin_create_topic(admin, &topic, 10000, &error) != KC_OK)
        return fprintf(stderr, "%s\n", error.text), 1;
    kc_admin_close(admin);
    kc_config_destroy(config);
    kc_mock_stop(cluster);
    puts("hello from kclient and mockbroker");
    return 0;
}
