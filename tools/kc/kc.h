/* kc, the command-line tool: one file per command, what they share here.  It uses the public headers and nothing else.
 */
#ifndef KC_TOOL_H
#define KC_TOOL_H

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
/* What commands that ask the cluster have in common: -b ADDR, -T MS, -X KEY=VALUE, -v. */
struct kct_common {
    const char *command;
    kc_config *config;
    long long timeout_ms;
    int verbose;
};
/* Take one of those options. false: it is another one; else *status is as before, or says that the value is wrong. */
bool kct_common_option(struct kct_common *common, int option, const char *value, int *status);
/* Apply "-X key=value". 0, or an exit status. */
int kct_set_pair(kc_config *config, const char *pair);
/* A configuration with bootstrap.servers and client.id=kc; log lines of warnings and worse go to stderr with -v, debug
 * with -vv. NULL: out of memory. */
kc_config *kct_config(void);
void kct_verbose(kc_config *config, int level);
/* Parse a whole number within limits; false and a usage message otherwise. */
bool kct_number(const char *command, const char *option, const char *text, long long minimum, long long maximum,
                long long *out);
/* "\n", "\t", "\\", "\xHH" and other characters as they are, in place; returns the new size. */
size_t kct_unescape(char *text);
double kct_seconds(void); /* monotonic */
/* All partitions of a topic at `offset`; *out is from malloc, topic names point to `topic`. 0 or an exit status. */
int kct_all_partitions(const kc_config *config, const char *topic, int64_t offset, kc_topic_partition **out,
                       size_t *count);

#endif
