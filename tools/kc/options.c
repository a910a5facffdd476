/* The options of a command: those that all have in common are taken here, the command sees its own. */
#include "kc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELPED      (-1) /* a status: the help was printed, nothing else is to be done */
#define LETTERS_MAX 64

static void print_log(void *context, int level, const char *facility, const char *text)
{
    (void)context;
    fprintf(stderr, "kc: %s: %s: %s\n",
            level <= 3   ? "error"
            : level <= 4 ? "warning"
            : level <= 6 ? "info"
                         : "debug",
            facility, text);
}

struct kct_command kct_begin(const char *name, const char *help)
{
    struct kct_command command = { .name = name, .help = help, .config = kc_config_new() };
    if (command.config)
        kc_config_set(command.config, "client.id", "kc", NULL);
    else
        command.status = kct_fail(KC_EXIT_FAILED, "out of memory");
    return command;
}

static int set_pair(kc_config *config, const char *pair)
{
    kc_error error;
    if (kc_config_set_pair(config, pair, &error) != KC_OK)
        return kct_fail(KC_EXIT_USAGE, "-X: %s", error.text); /* which names the key */
    return KC_EXIT_OK;
}

/* getopt found an option that is none (?), or one without its value (:). It says nothing itself: one line is enough. */
static void refuse_option(struct kct_command *command, int mistake, char **argv)
{
    char letter[3] = { '-', (char)optopt }, text[256];
    const char *name = optopt ? letter : argv[optind - 1];
    if (mistake == ':')
        snprintf(text, sizeof text, "%s needs a value", name);
    else
        snprintf(text, sizeof text, "unknown option %s", name);
    kct_misused(command, text);
}

/* Take an option that commands have in common; false: it is another one. */
static bool take_common(struct kct_command *command, int option, char **argv)
{
    switch (option) {
    case 'b':
        kc_config_set(command->config, "bootstrap.servers", optarg, NULL);
        return true;
    case 'T':
        kct_take_number(command, "-T", 0, INT32_MAX, &command->timeout_ms);
        return true;
    case 'X':
        command->status = set_pair(command->config, optarg);
        return true;
    case 'v':
        command->verbose++;
        return true;
    case 'h':
        fputs(command->help, stdout);
        command->status = HELPED;
        return true;
    case '?':
    case ':':
        refuse_option(command, option, argv);
        return true;
    default:
        return false;
    }
}

int kct_option(struct kct_command *command, int argc, char **argv, const char *letters, const struct option *names)
{
    static const struct option help_only[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    char all[LETTERS_MAX];
    snprintf(all, sizeof all, ":b:X:vh%s", letters);
    opterr = 0;
    while (command->status == KC_EXIT_OK) {
        int option = getopt_long(argc, argv, all, names ? names : help_only, NULL);
        if (option == -1)
            break;
        if (!take_common(command, option, argv))
            return option;
    }
    if (command->verbose)
        kc_config_set_log(command->config, print_log, NULL, command->verbose >= 3 ? 7 : command->verbose == 2 ? 6 : 4);
    return -1;
}

int kct_end(struct kct_command *command)
{
    kc_config_destroy(command->config);
    return command->status == HELPED ? KC_EXIT_OK : command->status;
}

void kct_misused(struct kct_command *command, const char *mistake)
{
    if (command->status == KC_EXIT_OK)
        command->status = kct_usage(command->name, mistake);
}

void kct_no_more(struct kct_command *command, int argc, char **argv, int first)
{
    char text[256];
    snprintf(text, sizeof text, "\"%s\" is too much", first < argc ? argv[first] : "");
    if (first < argc)
        kct_misused(command, text);
}

bool kct_number(const char *command, const char *option, const char *text, long long minimum, long long maximum,
                long long *out)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && number >= minimum && number <= maximum) {
        *out = number;
        return true;
    }
    kct_fail(KC_EXIT_USAGE, "%s: %s %s: a whole number from %lld to %lld is needed", command, option, text, minimum,
             maximum);
    return false;
}

void kct_take_number(struct kct_command *command, const char *option, long long minimum, long long maximum,
                     long long *out)
{
    if (!kct_number(command->name, option, optarg, minimum, maximum, out))
        command->status = KC_EXIT_USAGE;
}
