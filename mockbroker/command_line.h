/* The command line of mockbroker. */
#ifndef MB_COMMAND_LINE_H
#define MB_COMMAND_LINE_H

#include "mockbroker/core/properties.h"
#include "mockbroker/shell.h"

#include <stdio.h>

#define MB_COMMAND_LINE_TOPICS_MAX 1000      /* --topic given more often is refused */
#define MB_COMMAND_LINE_CONFIG_MAX (1 << 16) /* bytes of all --config together, with the NUL */

enum mb_command { MB_COMMAND_RUN, MB_COMMAND_HELP, MB_COMMAND_VERSION, MB_COMMAND_APIS };

struct mb_command_line {
    enum mb_command command;
    struct mb_shell_options shell; /* logger is not set */
    enum kci_log_level log_level;  /* 0: nothing */
    const char *faults_path;       /* file with JSON; NULL: none */
    bool control;                  /* with the HTTP plane */
    char control_host[MB_SHELL_HOST_MAX];
    uint16_t control_port;
    const char *topics[MB_COMMAND_LINE_TOPICS_MAX];
    char config[MB_COMMAND_LINE_CONFIG_MAX]; /* key=value lines */
    char sasl_users[MB_CONFIG_VALUE_MAX];    /* name=password, commas between them */
};

/* 0, or -1 with what is wrong in text. */
int mb_command_line_parse(struct mb_command_line *out, int argc, char *const *argv, char *text, size_t text_size);
void mb_command_line_help(FILE *stream);

#endif
