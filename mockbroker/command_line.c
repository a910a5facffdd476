/* Options as a table: name, form of the value, meaning, and the function that takes it.  The help is printed from the
 * same table.  An error names the option and the form that is expected. */
#include "mockbroker/command_line.h"

#include "mockbroker/core/journal.h"
#include "mockbroker/core/persona.h"
#include "mockbroker/core/sasl.h"
#include "mockbroker/host_port.h"
#include "mockbroker/topic_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAYED "2.1, 2.8, 3.3, 3.9, 4.0 to 4.4" /* releases: core/persona.c has them */

struct option {
    const char *name;
    const char *form; /* of the value; NULL: takes none */
    const char *help;
    /* NULL, or what is wrong with the value. */
    const char *(*take)(struct mb_command_line *line, const char *value);
};

static bool parse_number(const char *value, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    *out = number;
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 && number <= max;
}

static const char *take_brokers(struct mb_command_line *line, const char *value)
{
    uint64_t number;
    if (!parse_number(value, MB_SHELL_BROKERS_MAX, &number) || number == 0)
        return "not a number from 1 to 100";
    line->shell.brokers = (int32_t)number;
    return NULL;
}

static const char *take_listen(struct mb_command_line *line, const char *value)
{
    char host[MB_SHELL_HOST_MAX];
    uint16_t port;
    line->shell.listen = value;
    return mb_host_port_parse(value, host, sizeof host, &port) ? NULL : "not an address and a port from 0 to 65535";
}

static const char *take_topic(struct mb_command_line *line, const char *value)
{
    struct mb_topic_spec spec;
    size_t name = strcspn(value, ":");
    for (size_t i = 0; i < line->shell.topic_count; i++)
        if (strcspn(line->topics[i], ":") == name && memcmp(line->topics[i], value, name) == 0)
            return "a topic of this name was given before";
    if (line->shell.topic_count == MB_COMMAND_LINE_TOPICS_MAX)
        return "more than 1000 topics";
    line->topics[line->shell.topic_count++] = value;
    return mb_topic_spec_parse(&spec, value, strlen(value));
}

static const char *take_data_dir(struct mb_command_line *line, const char *value)
{
    line->shell.data_dir = value;
    return value[0] ? NULL : "empty";
}

static const char *take_config(struct mb_command_line *line, const char *value)
{
    size_t used = strlen(line->config), size = strlen(value);
    if (!strchr(value, '=') || value[0] == '=')
        return "not a key and a value";
    if (strpbrk(value, " \t\r\n"))
        return "a value with blanks in it is not supported";
    if (used + size + 2 > sizeof line->config)
        return "too much configuration";
    memcpy(line->config + used, value, size);
    memcpy(line->config + used + size, "\n", 2);
    return NULL;
}

static const char *take_control(struct mb_command_line *line, const char *value)
{
    line->control = strcmp(value, "off") != 0;
    if (!line->control)
        return NULL;
    return mb_host_port_parse(value, line->control_host, sizeof line->control_host, &line->control_port)
               ? NULL
               : "neither \"off\" nor an address and a port";
}

static const char *take_as_version(struct mb_command_line *line, const char *value)
{
    char property[32];
    int persona = mb_persona_find(kci_str_of(value));
    if (persona < 0)
        return "not one of " PLAYED;
    snprintf(property, sizeof property, "mock.as.version=%s", mb_persona_name((size_t)persona));
    return take_config(line, property);
}

static const char *take_sasl(struct mb_command_line *line, const char *value)
{
    char property[128];
    int known = 0;
    for (const char *at = value; *at; known++) {
        struct kci_str word = { at, strcspn(at, ",") };
        if (mb_sasl_mechanism_find(word) < 0 || known == MB_SASL_MECHANISMS)
            return "neither PLAIN, SCRAM-SHA-256 nor SCRAM-SHA-512";
        at += word.size + (at[word.size] == ',');
    }
    if (!known)
        return "empty";
    snprintf(property, sizeof property, "sasl.enabled.mechanisms=%s", value);
    return take_config(line, property);
}

static const char *take_sasl_user(struct mb_command_line *line, const char *value)
{
    size_t used = strlen(line->sasl_users), size = strlen(value);
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1] || strpbrk(value, ", \t\r\n"))
        return "not a name and a password without blanks and commas";
    if (used + size + 2 > sizeof line->sasl_users)
        return "too many users";
    snprintf(line->sasl_users + used, sizeof line->sasl_users - used, "%s%s", used ? "," : "", value);
    return NULL;
}

static const char *take_seed(struct mb_command_line *line, const char *value)
{
    return parse_number(value, UINT64_MAX, &line->shell.seed) ? NULL : "not a number from 0 to 18446744073709551615";
}

static const char *take_faults(struct mb_command_line *line, const char *value)
{
    line->faults_path = value;
    return value[0] ? NULL : "empty";
}

static const char *take_journal(struct mb_command_line *line, const char *value)
{
    uint64_t number;
    if (!parse_number(value, MB_JOURNAL_BYTES_MAX, &number) || (number && number < MB_JOURNAL_BYTES_MIN))
        return "neither 0 nor a number of bytes from 65536 to 4294967296";
    line->shell.journal_bytes = (size_t)number;
    return NULL;
}

static const char *take_log(struct mb_command_line *line, const char *value)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = { { "off", 0 },
                   { "error", KCI_LOG_ERROR },
                   { "warn", KCI_LOG_WARN },
                   { "info", KCI_LOG_INFO },
                   { "debug", KCI_LOG_DEBUG } };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(value, levels[i].name) == 0) {
            line->log_level = (enum kci_log_level)levels[i].level;
            return NULL;
        }
    return "no such level";
}

static const char *take_advertise(struct mb_command_line *line, const char *value)
{
    char host[MB_SHELL_HOST_MAX];
    uint16_t port;
    line->shell.advertise = value;
    return mb_host_port_advertised(value, host, sizeof host, &port)
               ? NULL
               : "not a host, nor a host and a port from 1 to 65535";
}

static const char *take_help(struct mb_command_line *line, const char *value)
{
    (void)value;
    line->command = MB_COMMAND_HELP;
    return NULL;
}

static const char *take_apis(struct mb_command_line *line, const char *value)
{
    (void)value;
    line->command = MB_COMMAND_APIS;
    return NULL;
}

static const char *take_version(struct mb_command_line *line, const char *value)
{
    (void)value;
    line->command = MB_COMMAND_VERSION;
    return NULL;
}

static const struct option options[] = {
    { "--brokers", "N", "brokers of the cluster, ids 1 to N (1)", take_brokers },
    { "--listen", "HOST:PORT", "address of broker 1, the others take the next ports; 0: free ones (127.0.0.1:9092)",
      take_listen },
    { "--advertise", "HOST[:PORT]",
      "where clients are told to connect to (where they connected to); PORT: of broker 1, the others take the next",
      take_advertise },
    { "--topic", "NAME[:PARTITIONS[:RF[:key=value,...]]]", "make a topic; may be repeated", take_topic },
    { "--data-dir", "DIR", "keep the logs in files (in memory)", take_data_dir },
    { "--config", "key=value", "a broker property; may be repeated", take_config },
    { "--control", "HOST:PORT|off", "address of the HTTP control plane (127.0.0.1:0, a free port)", take_control },
    { "--as-version", "RELEASE", "Kafka release to play: " PLAYED " (4.4)", take_as_version },
    { "--sasl", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512", "let clients authenticate, by any of these (nobody has to)",
      take_sasl },
    { "--sasl-user", "NAME=PASSWORD", "who can log in from the start, by each of them; may be repeated",
      take_sasl_user },
    { "--seed", "N", "of everything random (1)", take_seed },
    { "--faults", "FILE.json", "faults to inject from the start; POST /v1/faults adds others", take_faults },
    { "--journal", "BYTES", "keep the latest requests and answers, decoded (0: off, it costs time)", take_journal },
    { "--log", "off|error|warn|info|debug", "what to log on stderr (warn)", take_log },
    { "--apis", NULL, "the page docs/apis.md: which APIs are served, in which versions", take_apis },
    { "--help", NULL, "this text", take_help },
    { "--version", NULL, "the version", take_version },
};

void mb_command_line_help(FILE *stream)
{
    fprintf(stream, "mockbroker: a Kafka cluster in one process, for tests.\n\nusage: mockbroker [option]...\n\n");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        fprintf(stream, "  %s%s%s\n        %s\n", options[i].name, options[i].form ? " " : "",
                options[i].form ? options[i].form : "", options[i].help);
    fprintf(stream,
            "\nWhen all listeners are open it prints one line of JSON on stdout:\n"
            "  {\"bootstrap\":\"127.0.0.1:9092\",\"control\":\"http://127.0.0.1:8090\",\"brokers\":[{\"id\":1,...}],"
            "\"pid\":123}\n"
            "SIGTERM or SIGINT end it: exit 0. A bad option: exit 2. Anything else that goes wrong: exit 1.\n"
            "\nBroker properties have Kafka's names and defaults, but for one: group.initial.rebalance.delay.ms is 0\n"
            "instead of 3000, so that groups in tests form at once.\n");
}

static const struct option *find_option(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

/* All of them are one property. */
static int add_sasl_users(struct mb_command_line *line, char *text, size_t text_size)
{
    char property[sizeof line->sasl_users + 32];
    if (!line->sasl_users[0])
        return 0;
    snprintf(property, sizeof property, "mock.sasl.users=%s", line->sasl_users);
    const char *wrong = take_config(line, property);
    if (wrong)
        snprintf(text, text_size, "--sasl-user: %s", wrong);
    return wrong ? -1 : 0;
}

int mb_command_line_parse(struct mb_command_line *out, int argc, char *const *argv, char *text, size_t text_size)
{
    memset(out, 0, sizeof *out);
    out->shell = (struct mb_shell_options){ .brokers = 1, .listen = "127.0.0.1:9092", .seed = 1 };
    out->shell.topics = out->topics;
    out->shell.config = out->config;
    out->log_level = KCI_LOG_WARN;
    take_control(out, "127.0.0.1:0");
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t size = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct option *option = find_option(argv[i], size);
        if (!option || (equals && !option->form)) {
            snprintf(text, text_size, "unknown option \"%s\"; --help lists them", argv[i]);
            return -1;
        }
        const char *value = equals ? equals + 1 : option->form && i + 1 < argc ? argv[++i] : NULL;
        if (option->form && !value) {
            snprintf(text, text_size, "%s needs a value: %s %s", option->name, option->name, option->form);
            return -1;
        }
        const char *wrong = option->take(out, value);
        if (wrong) {
            snprintf(text, text_size, "%s %s: %s; expected: %s %s", option->name, value, wrong, option->name,
                     option->form);
            return -1;
        }
    }
    return add_sasl_users(out, text, text_size);
}
