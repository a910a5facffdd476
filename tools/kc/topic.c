/* kc topic: list, describe, create and delete topics. */
#include "kc.h"
#include <string.h>

static const char help[] =
    "kc topic list     -b ADDR                                    names and partition counts\n"
    "kc topic describe -b ADDR [TOPIC...]                         partitions with leader, replicas, ISR\n"
    "kc topic create   -b ADDR TOPIC [-n PARTITIONS] [-r REPLICATION] [-c key=value]...\n"
    "kc topic delete   -b ADDR TOPIC...\n"
    "\n"
    "  -T MS           give up after this time (default 30000)\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n";

#define CONFIGS_MAX 64

struct topic_command {
    kc_admin *admin;
    int32_t timeout_ms;
    kc_new_topic new_topic;
    const char *configs[CONFIGS_MAX];
};

static void print_ids(const char *label, const int32_t *ids, size_t count)
{
    printf("%s", label);
    for (size_t i = 0; i < count; i++)
        printf("%s%d", i ? "," : "", ids[i]);
}

static int describe(struct topic_command *c, const char *const *names, size_t count, bool details)
{
    kc_error error;
    kc_cluster *cluster;
    if (kc_admin_describe(c->admin, count ? names : NULL, count, c->timeout_ms, &cluster, &error) != KC_OK)
        return kct_fail_error("asking for the topics", &error);
    int status = KC_EXIT_OK;
    for (size_t i = 0; i < cluster->topic_count; i++) {
        const kc_topic_description *topic = &cluster->topics[i];
        if (topic->code != KC_OK) {
            status = kct_fail(KC_EXIT_FAILED, "topic %s: %s: %s", topic->name, kc_err_name(topic->code),
                              kc_err_text(topic->code));
            continue;
        }
        printf("%s\t%zu partition%s%s\n", topic->name, topic->partition_count, topic->partition_count == 1 ? "" : "s",
               topic->internal ? "\tinternal" : "");
        for (size_t j = 0; details && j < topic->partition_count; j++) {
            const kc_partition_description *p = &topic->partitions[j];
            printf("  %d\tleader %d\tepoch %d", p->id, p->leader, p->leader_epoch);
            print_ids("\treplicas ", p->replicas, p->replica_count);
            print_ids("\tisr ", p->isr, p->isr_count);
            printf("%s%s\n", p->code ? "\t" : "", p->code ? kc_err_name(p->code) : "");
        }
    }
    kc_cluster_release(cluster);
    return status;
}

static int create(struct topic_command *c, const char *const *names)
{
    kc_error error;
    c->new_topic.name = names[0];
    c->new_topic.configs = c->configs;
    if (kc_admin_create_topic(c->admin, &c->new_topic, c->timeout_ms, &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    return KC_EXIT_OK;
}

static int delete_all(struct topic_command *c, const char *const *names, size_t count)
{
    int status = KC_EXIT_OK;
    for (size_t i = 0; i < count; i++) {
        kc_error error;
        if (kc_admin_delete_topic(c->admin, names[i], c->timeout_ms, &error) != KC_OK)
            status = kct_fail(KC_EXIT_FAILED, "%s", error.text);
    }
    return status;
}

static int run(struct topic_command *c, kc_config *config, const char *verb, const char *const *names, size_t count)
{
    kc_error error;
    if (kc_admin_create(&c->admin, config, &error) != KC_OK)
        return kct_fail_error("connecting", &error);
    int status;
    if (strcmp(verb, "list") == 0)
        status = describe(c, NULL, 0, false);
    else if (strcmp(verb, "describe") == 0)
        status = describe(c, names, count, true);
    else if (strcmp(verb, "create") == 0)
        status = create(c, names);
    else
        status = delete_all(c, names, count);
    kc_admin_close(c->admin);
    return status;
}

/* What can be told without a cluster. */
static void check(const struct topic_command *c, struct kct_command *k, int argc, char **argv)
{
    const char *verb = argv[optind];
    int names = argc - optind - 1;
    bool creates = strcmp(verb, "create") == 0, deletes = strcmp(verb, "delete") == 0;
    if (strcmp(verb, "list") == 0)
        kct_no_more(k, argc, argv, optind + 1);
    else if (!creates && !deletes && strcmp(verb, "describe") != 0)
        kct_misused(k, "list, describe, create or delete is needed");
    if (creates && names != 1)
        kct_misused(k, "create needs one TOPIC");
    if (deletes && names == 0)
        kct_misused(k, "delete needs a TOPIC");
    for (size_t i = 0; i < c->new_topic.config_count; i++)
        if (!strchr(c->configs[i], '='))
            kct_misused(k, "-c needs key=value");
    if (!creates && (c->new_topic.partitions > 0 || c->new_topic.replication_factor > 0 || c->new_topic.config_count))
        kct_misused(k, "only create takes -n, -r and -c");
}

int kct_topic(int argc, char **argv)
{
    struct topic_command c = { .new_topic = { .partitions = -1, .replication_factor = -1 } };
    struct kct_command k = kct_begin("topic", help);
    long long partitions = -1, replicas = -1;
    k.timeout_ms = 30000;
    for (int option; (option = kct_option(&k, argc, argv, "n:r:c:T:", NULL)) != -1;) {
        if (option == 'n')
            kct_take_number(&k, "-n", 1, 100000, &partitions);
        else if (option == 'r')
            kct_take_number(&k, "-r", 1, 1000, &replicas);
        else if (c.new_topic.config_count < CONFIGS_MAX)
            c.configs[c.new_topic.config_count++] = optarg;
        else
            kct_misused(&k, "-c may be given at most 64 times");
    }
    c.new_topic.partitions = (int32_t)partitions;
    c.new_topic.replication_factor = (int16_t)replicas;
    c.timeout_ms = (int32_t)k.timeout_ms;
    const char *const *rest = (const char *const *)argv + optind;
    if (optind == argc)
        kct_misused(&k, "list, describe, create or delete is needed");
    else
        check(&c, &k, argc, argv);
    if (k.status == KC_EXIT_OK)
        k.status = run(&c, k.config, rest[0], rest + 1, (size_t)(argc - optind - 1));
    return kct_end(&k);
}
