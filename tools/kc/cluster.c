/* kc cluster: which brokers there are. */
#include "kc.h"
#include <getopt.h>

static const char help[] = "kc cluster -b ADDR          id, controller, and each broker with address and rack\n"
                           "\n"
                           "  -T MS           give up after this time (default 30000)\n"
                           "  -X KEY=VALUE    any configuration key; repeatable\n"
                           "  -v              log warnings to stderr; -vv info, -vvv debug\n";

static int show(const kc_config *config, int32_t timeout_ms)
{
    kc_error error;
    kc_admin *admin;
    kc_cluster *cluster;
    const char *none = "";
    if (kc_admin_create(&admin, config, &error) != KC_OK)
        return kct_fail_error("connecting", &error);
    kc_err err = kc_admin_describe(admin, &none, 0, timeout_ms, &cluster, &error);
    kc_admin_close(admin);
    if (err != KC_OK)
        return kct_fail_error("asking for the cluster", &error);
    printf("# cluster %s\n", cluster->cluster_id ? cluster->cluster_id : "-");
    for (size_t i = 0; i < cluster->broker_count; i++) {
        const kc_broker_description *b = &cluster->brokers[i];
        printf("%d\t%s:%u\t%s%s\n", b->id, b->host, (unsigned)b->port, b->rack ? b->rack : "-",
               b->id == cluster->controller ? "\tcontroller" : "");
    }
    kc_cluster_release(cluster);
    return KC_EXIT_OK;
}

int kct_cluster(int argc, char **argv)
{
    kc_config *config = kct_config();
    struct kct_common common = { "cluster", config, 30000, 0 };
    int status = config ? KC_EXIT_OK : kct_fail(KC_EXIT_FAILED, "out of memory"), option;
    static const struct option names[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    while (status == KC_EXIT_OK && (option = getopt_long(argc, argv, "b:T:X:vh", names, NULL)) != -1) {
        if (kct_common_option(&common, option, optarg, &status))
            continue;
        if (option == 'h') {
            fputs(help, stdout);
            kc_config_destroy(config);
            return KC_EXIT_OK;
        } else
            status = kct_usage("cluster", "unknown option");
    }
    if (common.verbose)
        kct_verbose(config, common.verbose);
    if (status == KC_EXIT_OK && optind < argc)
        status = kct_usage("cluster", "it takes options only");
    if (status == KC_EXIT_OK)
        status = show(config, (int32_t)common.timeout_ms);
    kc_config_destroy(config);
    return status;
}
