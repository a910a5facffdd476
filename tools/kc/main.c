/* kc: dispatch, help, and what the commands share. */
#include "kc.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define METADATA_WAIT_MS 30000 /* for the partitions of a topic before reading begins */

volatile int kct_interrupted;

static const char help[] =
    "kc: produce to, consume from and look at a Kafka cluster\n"
    "\n"
    "  kc produce -b ADDR -t TOPIC [-K DELIM] [-H k=v] [-X key=value]...   records from stdin, a line each\n"
    "  kc consume -b ADDR -t TOPIC [-g GROUP] [-o beginning|end|OFFSET|@ms] [-c N] [-e] [-f FORMAT | -J]\n"
    "  kc topic   list|describe|create|delete -b ADDR [TOPIC]\n"
    "  kc group   list|describe|lag|reset|delete|delete-offsets -b ADDR [GROUP] [-t TOPIC] [-o WHERE]\n"
    "  kc cluster -b ADDR                                                   brokers and controller\n"
    "  kc config describe|set|unset -b ADDR topic:NAME|broker:ID|group:NAME  settings of the cluster\n"
    "  kc doctor  -b ADDR [-t TOPIC]                                        the first step that fails, and why\n"
    "  kc perf    produce|consume|latency -b ADDR -t TOPIC [-n N] [-s BYTES] [-X k=v]...   one line of JSON\n"
    "  kc config-reference                                                  docs/configuration.md\n"
    "  kc metrics-reference                                                 docs/metrics.md\n"
    "\n"
    "kc COMMAND --help tells more. Exit status: 0 done, 1 failed, 2 wrong usage.\n";

int kct_fail(int status, const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fputs("kc: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

int kct_fail_error(const char *what, const kc_error *error)
{
    return kct_fail(KC_EXIT_FAILED, "%s: %s: %s", what, kc_err_name(error->code), error->text);
}

int kct_usage(const char *command, const char *mistake)
{
    return kct_fail(KC_EXIT_USAGE, "%s: %s; see kc %s --help", command, mistake, command);
}

size_t kct_unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at != '\\' || !at[1]) {
            *to++ = *at;
            continue;
        }
        at++;
        char hex[3] = { 0 };
        switch (*at) {
        case 'n':
            *to++ = '\n';
            break;
        case 't':
            *to++ = '\t';
            break;
        case 'r':
            *to++ = '\r';
            break;
        case '0':
            *to++ = 0;
            break;
        case 'x':
            memcpy(hex, at + 1, strnlen(at + 1, 2));
            *to++ = (char)strtol(hex, NULL, 16);
            at += strlen(hex);
            break;
        default:
            *to++ = *at;
        }
    }
    *to = 0;
    return (size_t)(to - text);
}

double kct_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int kct_all_partitions(const kc_config *config, const char *topic, int64_t offset, kc_topic_partition **out,
                       size_t *count)
{
    kc_error error;
    kc_admin *admin = NULL;
    kc_cluster *cluster = NULL;
    kc_err err = kc_admin_create(&admin, config, &error);
    if (err == KC_OK)
        err = kc_admin_describe(admin, &topic, 1, METADATA_WAIT_MS, &cluster, &error);
    kc_admin_close(admin);
    if (err != KC_OK)
        return kct_fail_error("asking for the topic's partitions", &error);
    if (cluster->topic_count != 1 || cluster->topics[0].code != KC_OK) {
        kc_err code = cluster->topic_count ? cluster->topics[0].code : KC_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        kc_cluster_release(cluster);
        return kct_fail(KC_EXIT_FAILED, "topic %s: %s: %s", topic, kc_err_name(code), kc_err_text(code));
    }
    *count = cluster->topics[0].partition_count;
    *out = calloc(*count ? *count : 1, sizeof **out);
    for (size_t i = 0; *out && i < *count; i++)
        (*out)[i] = (kc_topic_partition){
            .topic = topic, .partition = cluster->topics[0].partitions[i].id, .offset = offset, .leader_epoch = -1
        };
    kc_cluster_release(cluster);
    return *out ? KC_EXIT_OK : kct_fail(KC_EXIT_FAILED, "out of memory");
}

/* Print what a function of the library writes about itself. */
static int reference(size_t (*describe)(char *text, size_t size))
{
    size_t size = describe(NULL, 0) + 1;
    char *text = malloc(size);
    if (!text)
        return kct_fail(KC_EXIT_FAILED, "out of memory");
    describe(text, size);
    fputs(text, stdout);
    free(text);
    return KC_EXIT_OK;
}

/* The commands that take no options. */
static int tell(const char *command, const char *more)
{
    bool helps = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0;
    bool version = strcmp(command, "--version") == 0, keys = strcmp(command, "config-reference") == 0;
    if (!helps && !version && !keys && strcmp(command, "metrics-reference") != 0)
        return kct_fail(KC_EXIT_USAGE, "there is no command \"%s\"; kc --help lists them", command);
    if (more)
        return kct_fail(KC_EXIT_USAGE, "%s: \"%s\" is too much", command, more);
    if (!helps && !version)
        return reference(keys ? kc_config_describe : kc_metrics_describe);
    if (version)
        printf("kc %s\n", kc_version());
    else
        fputs(help, stdout);
    return KC_EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "produce", kct_produce }, { "consume", kct_consume },       { "topic", kct_topic },   { "group", kct_group },
    { "cluster", kct_cluster }, { "config", kct_config_command }, { "doctor", kct_doctor }, { "perf", kct_perf },
};

static void on_signal(int signal_number)
{
    (void)signal_number;
    kct_interrupted = 1;
}

int main(int argc, char **argv)
{
    struct sigaction action = { 0 };
    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND; /* the second one kills */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);

    const char *command = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(command, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (!*command) {
        fputs(help, stderr);
        return KC_EXIT_USAGE;
    }
    return tell(command, argc > 2 ? argv[2] : NULL);
}
