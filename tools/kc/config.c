/* kc config: look at the settings of topics, brokers and groups, and alter them. */
#include "kc.h"
#include <string.h>

static const char help[] =
    "kc config describe -b ADDR RESOURCE [NAME...]           settings that somebody has set; with names, those\n"
    "kc config set      -b ADDR RESOURCE key=value...        the others stay as they are\n"
    "kc config unset    -b ADDR RESOURCE key...              back to the default\n"
    "\n"
    "RESOURCE is topic:NAME, broker:ID, broker: (all brokers), group:NAME or metrics:NAME.\n"
    "\n"
    "  -a              describe: also what nobody has set\n"
    "  -n              set, unset: only look whether it would be possible\n"
    "  -T MS           give up after this time (default 30000)\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n";

#define ALTERATIONS_MAX 200
#define KEY_MAX         250

struct config_command {
    kc_admin *admin;
    kc_resource_type type;
    const char *name; /* of the resource */
    bool all, validate_only;
    int32_t timeout_ms;
};

static bool read_resource(struct config_command *c, const char *text)
{
    static const struct {
        const char *prefix;
        kc_resource_type type;
    } kinds[] = { { "topic:", KC_RESOURCE_TOPIC },
                  { "broker:", KC_RESOURCE_BROKER },
                  { "group:", KC_RESOURCE_GROUP },
                  { "metrics:", KC_RESOURCE_CLIENT_METRICS } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            c->type = kinds[i].type;
            c->name = text + strlen(kinds[i].prefix);
            return true;
        }
    return false;
}

static int describe(const struct config_command *c, const char *const *names, size_t count)
{
    kc_error error;
    kc_setting_list *list;
    if (kc_admin_describe_settings(c->admin, c->type, c->name, count ? names : NULL, count, c->timeout_ms, &list,
                                   &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    for (size_t i = 0; i < list->count; i++) {
        const kc_setting *s = &list->settings[i];
        if (c->all || count || !s->is_default)
            printf("%s=%s\t%s%s%s\n", s->name, s->value ? s->value : "", s->source, s->sensitive ? "\tsecret" : "",
                   s->read_only ? "\tread-only" : "");
    }
    kc_setting_list_release(list);
    return KC_EXIT_OK;
}

static int alter(const struct config_command *c, bool set, const char *const *pairs, size_t count)
{
    static char keys[ALTERATIONS_MAX][KEY_MAX];
    kc_setting_alteration alterations[ALTERATIONS_MAX];
    kc_error error;
    if (count < 1 || count > ALTERATIONS_MAX)
        return kct_usage("config", set ? "set needs key=value" : "unset needs keys");
    for (size_t i = 0; i < count; i++) {
        size_t size = set ? strcspn(pairs[i], "=") : strlen(pairs[i]);
        if (size == 0 || size >= KEY_MAX || (set && !pairs[i][size]))
            return kct_usage("config", set ? "set needs key=value" : "unset needs keys");
        memcpy(keys[i], pairs[i], size);
        keys[i][size] = '\0';
        alterations[i] = (kc_setting_alteration){ keys[i], set ? KC_SETTING_SET : KC_SETTING_DELETE,
                                                  set ? pairs[i] + size + 1 : NULL };
    }
    if (kc_admin_alter_settings(c->admin, c->type, c->name, alterations, count, c->validate_only, c->timeout_ms,
                                &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    return KC_EXIT_OK;
}

static int run(struct config_command *c, const kc_config *config, const char *verb, const char *const *rest,
               size_t count)
{
    kc_error error;
    if (kc_admin_create(&c->admin, config, &error) != KC_OK)
        return kct_fail_error("connecting", &error);
    int status;
    if (strcmp(verb, "describe") == 0)
        status = describe(c, rest, count);
    else
        status = alter(c, strcmp(verb, "set") == 0, rest, count);
    kc_admin_close(c->admin);
    return status;
}

static bool is_verb(const char *text)
{
    return strcmp(text, "describe") == 0 || strcmp(text, "set") == 0 || strcmp(text, "unset") == 0;
}

int kct_config_command(int argc, char **argv)
{
    struct config_command c = { .all = false };
    struct kct_command k = kct_begin("config", help);
    k.timeout_ms = 30000;
    for (int option; (option = kct_option(&k, argc, argv, "anT:", NULL)) != -1;) {
        c.all |= option == 'a';
        c.validate_only |= option == 'n';
    }
    c.timeout_ms = (int32_t)k.timeout_ms;
    const char *const *rest = (const char *const *)argv + optind;
    if (optind == argc || !is_verb(rest[0]))
        kct_misused(&k, "describe, set or unset is needed");
    if (k.status == KC_EXIT_OK && (argc - optind < 2 || !read_resource(&c, rest[1])))
        kct_misused(&k, "a resource is needed: topic:NAME, broker:ID, group:NAME or metrics:NAME");
    if (k.status == KC_EXIT_OK)
        k.status = run(&c, k.config, rest[0], rest + 2, (size_t)(argc - optind - 2));
    return kct_end(&k);
}
