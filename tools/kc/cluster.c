/* kc cluster: which brokers there are. */
#include "kc.h"

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
    struct kct_command k = kct_begin("cluster", help);
    k.timeout_ms = 30000;
    while (kct_option(&k, argc, argv, "T:", NULL) != -1)
        ;
    if (optind < argc)
        kct_misused(&k, "it takes options only");
    if (k.status == KC_EXIT_OK)
        k.status = show(k.config, (int32_t)k.timeout_ms);
    return kct_end(&k);
}
