/* kc, the command-line tool: one file per command, what they share here.  It uses the public headers and nothing else.
 */
#ifndef KC_TOOL_H
#define KC_TOOL_H

#include <getopt.h>
#include <kclient/kclient.h>
#include <stdbool.h>
#include <stdio.h>

enum { KC_EXIT_OK = 0, KC_EXIT_FAILED = 1, KC_EXIT_USAGE = 2 };

int kct_produce(int argc, char **argv);
int kct_consume(int argc, char **argv);
int kct_topic(int argc, char **argv);
int kct_group(int argc, char **argv);
int kct_cluster(int argc, char **argv);
int kct_config_command(int argc, char **argv);
int kct_doctor(int argc, char **argv);
int kct_perf(int argc, char **argv);

/* Set by SIGINT and SIGTERM: finish what is under way and end. */
extern volatile int kct_interrupted;

/* Print "kc: ..." on stderr and return `status`. */
int kct_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* kct_fail(KC_EXIT_FAILED) with the text of an error. */
int kct_fail_error(const char *what, const kc_error *error);
/* kct_fail(KC_EXIT_USAGE): names the mistake and the help option. */
int kct_usage(const char *command, const char *mistake);
/* Parse a whole number within limits; false and a usage message otherwise. */
bool kct_number(const char *command, const char *option, const char *text, long long minimum, long long maximum,
                long long *out);

/* One command while it reads its options and runs.
 *
 *      struct kct_command k = kct_begin("topic", help);
 *      for (int option; (option = kct_option(&k, argc, argv, "n:", NULL)) != -1;)
 *          ...
 *      if (k.status == KC_EXIT_OK)
 *          k.status = run(k.config);
 *      return kct_end(&k); */
struct kct_command {
    const char *name, *help;
    kc_config *config;    /* with client.id=kc; owned until kct_end() */
    long long timeout_ms; /* -T, where the command has it */
    int verbose;          /* -v, counted: warnings of the log go to stderr, with -vvv everything */
    int status;           /* an exit status; anything but KC_EXIT_OK: stop */
};
struct kct_command kct_begin(const char *name, const char *help);
/* The next option that is the command's own (getopt's letters and long names; names NULL: --help only), with its value
 * in optarg. -b, -X, -v, -h, and -T if the letters have it, are taken. -1: no more, or the status says stop. */
int kct_option(struct kct_command *command, int argc, char **argv, const char *letters, const struct option *names);
/* kct_usage() as its status, unless it has another. */
void kct_misused(struct kct_command *command, const char *mistake);
/* kct_misused() when there are arguments from the first one on, which nothing takes. */
void kct_no_more(struct kct_command *command, int argc, char **argv, int first);
/* kct_number() of optarg; the status says when it is none. */
void kct_take_number(struct kct_command *command, const char *option, long long minimum, long long maximum,
                     long long *out);
/* Frees the configuration; returns the exit status. */
int kct_end(struct kct_command *command);

/* "\n", "\t", "\\", "\xHH" and other characters as they are, in place; returns the new size. */
size_t kct_unescape(char *text);
double kct_seconds(void); /* monotonic */
/* All partitions of a topic at `offset`; *out is from malloc, topic names point to `topic`. 0 or an exit status. */
int kct_all_partitions(const kc_config *config, const char *topic, int64_t offset, kc_topic_partition **out,
                       size_t *count);

#endif
