/* kc group: look at consumer groups, move and delete their offsets. */
#include "group.h"
#include <string.h>

static const char help[] =
    "kc group list           -b ADDR                    id, state, type\n"
    "kc group describe       -b ADDR GROUP...           state, assignor, members and what they read\n"
    "kc group lag            -b ADDR GROUP [--watch]    per partition: committed, end, lag, member, state\n"
    "kc group reset          -b ADDR GROUP -t TOPIC[:PARTITION]... -o WHERE [--dry-run]\n"
    "kc group delete         -b ADDR GROUP...           with its offsets; must have no members\n"
    "kc group delete-offsets -b ADDR GROUP -t TOPIC[:PARTITION]...\n"
    "\n"
    "  -o WHERE        beginning, end, an OFFSET, @MS (the first record at or after that time, ms since 1970),\n"
    "                  +N or -N from what is committed; all are kept between beginning and end\n"
    "  -n, --dry-run   print what reset would do, and do nothing\n"
    "  -w, --watch     look again every -i MS (default 2000); says for how long a partition has not moved\n"
    "  -T MS           give up after this time (default 30000)\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n"
    "\n"
    "reset changes a group without members only: stop its consumers first.\n";

static int list(const struct group_command *c)
{
    kc_error error;
    kc_group_list *groups;
    if (kc_admin_list_groups(c->admin, c->timeout_ms, &groups, &error) != KC_OK)
        return kct_fail_error("listing groups", &error);
    for (size_t i = 0; i < groups->count; i++)
        printf("%s\t%s\t%s\n", groups->groups[i].group, groups->groups[i].state, groups->groups[i].type);
    kc_group_list_release(groups);
    return KC_EXIT_OK;
}

static void print_member(const kc_group_member *m)
{
    printf("  %s\t%s\t%s", m->member_id, m->client_id, m->client_host);
    if (m->instance_id)
        printf("\tinstance %s", m->instance_id);
    if (m->epoch >= 0)
        printf("\tepoch %d", m->epoch);
    for (size_t i = 0; i < m->assigned_count; i++) {
        const kc_topic_partition *p = &m->assigned[i];
        if (i > 0 && strcmp(p->topic, m->assigned[i - 1].topic) == 0)
            printf(",%d", p->partition);
        else
            printf("\t%s:%d", p->topic, p->partition);
    }
    printf("\n");
}

static int describe(const struct group_command *c, const char *id)
{
    kc_error error;
    kc_group_description *group;
    if (kc_admin_describe_group(c->admin, id, c->timeout_ms, &group, &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    printf("%s\t%s\t%s\tassignor %s\t%zu member%s", group->group, group->state, group->type,
           *group->assignor ? group->assignor : "-", group->member_count, group->member_count == 1 ? "" : "s");
    if (group->epoch >= 0)
        printf("\tepoch %d", group->epoch);
    printf("\n");
    for (size_t i = 0; i < group->member_count; i++)
        print_member(&group->members[i]);
    kc_group_description_release(group);
    return KC_EXIT_OK;
}

static int delete_group(const struct group_command *c, const char *id)
{
    kc_error error;
    if (kc_admin_delete_group(c->admin, id, c->timeout_ms, &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    return KC_EXIT_OK;
}

/* Verbs that take one group, or several where the last column says so. */
static const struct {
    const char *name;
    int (*run)(const struct group_command *c, const char *group);
    bool many;
} verbs[] = {
    { "describe", describe, true },      { "lag", kct_group_lag, false },
    { "reset", kct_group_reset, false }, { "delete", delete_group, true },
    { "offsets", kct_group_lag, false }, { "delete-offsets", kct_group_delete_offsets, false },
};

static int run_verb(struct group_command *c, const char *verb, char **groups, int count)
{
    if (strcmp(verb, "list") == 0)
        return count == 0 ? list(c) : kct_usage("group", "list takes no GROUP");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].name) != 0)
            continue;
        int status = KC_EXIT_OK;
        if (count < 1 || (count > 1 && !verbs[i].many))
            return kct_usage("group", verbs[i].many ? "a GROUP is needed" : "one GROUP is needed");
        for (int j = 0; j < count; j++) {
            int one = verbs[i].run(c, groups[j]);
            status = one != KC_EXIT_OK ? one : status;
        }
        return status;
    }
    return kct_usage("group", "list, describe, lag, reset, delete or delete-offsets is needed");
}

static void take_option(struct group_command *c, struct kct_command *k, int option)
{
    long long number = c->interval_ms;
    switch (option) {
    case 't':
        if (c->topic_count == GROUP_TOPICS_MAX)
            kct_misused(k, "-t may be given at most 64 times");
        else
            c->topics[c->topic_count++] = optarg;
        break;
    case 'o':
        c->to = optarg;
        break;
    case 'n':
        c->dry_run = true;
        break;
    case 'w':
        c->watch = true;
        break;
    case 'i':
        kct_take_number(k, "-i", 0, INT32_MAX, &number);
        c->interval_ms = (int32_t)number;
    }
}

int kct_group(int argc, char **argv)
{
    struct kct_command k = kct_begin("group", help);
    struct group_command c = { .interval_ms = 2000, .config = k.config };
    static const struct option names[] = { { "help", no_argument, NULL, 'h' },
                                           { "dry-run", no_argument, NULL, 'n' },
                                           { "watch", no_argument, NULL, 'w' },
                                           { NULL, 0, NULL, 0 } };
    k.timeout_ms = 30000;
    for (int option; (option = kct_option(&k, argc, argv, "t:o:nwi:T:", names)) != -1;)
        take_option(&c, &k, option);
    c.timeout_ms = (int32_t)k.timeout_ms;
    if (optind == argc)
        kct_misused(&k, "list, describe, lag, reset, delete or delete-offsets is needed");
    kc_error error;
    if (k.status == KC_EXIT_OK && kc_admin_create(&c.admin, c.config, &error) != KC_OK)
        k.status = kct_fail_error("connecting", &error);
    if (k.status == KC_EXIT_OK)
        k.status = run_verb(&c, argv[optind], argv + optind + 1, argc - optind - 1);
    kc_admin_close(c.admin);
    return kct_end(&k);
}
