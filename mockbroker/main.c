/* mockbroker, the program: start, say in one line of JSON where everything is, wait for a signal, stop.
 *
 * Signals are blocked in every thread and taken with sigwait by this one, so there is no handler and no half-done work.
 */
#include "mockbroker/api_page.h"
#include "mockbroker/command_line.h"
#include "mockbroker/control/control.h"
#include "mockbroker/core/fault.h"
#include "mockbroker/core/persona.h"
#include "mockbroker/host_port.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_BAD_OPTION = 2 };

static void write_log(void *context, enum kci_log_level level, const char *facility, const char *text)
{
    static const char *const names[] = { "", "", "", "error", "warn", "", "info", "debug" };
    (void)context;
    fprintf(stderr, "mockbroker: %s: %s: %s\n", names[level], facility, text);
}

/* The line that scripts wait for. */
static bool announce(const struct mb_shell *shell, const struct mb_control *control, json_t *brokers)
{
    json_t *all = json_pack("{s:s, s:s?, s:O, s:i}", "bootstrap", mb_shell_bootstrap(shell), "control",
                            control ? mb_control_url(control) : NULL, "brokers", brokers, "pid", (int)getpid());
    bool ok = all && json_dumpf(all, stdout, JSON_COMPACT) == 0 && fputc('\n', stdout) != EOF && fflush(stdout) == 0;
    json_decref(all);
    return ok;
}

/* Before anybody can move one. */
static json_t *list_brokers(const struct mb_shell *shell)
{
    json_t *brokers = json_array();
    for (int32_t id = 1; id <= mb_shell_brokers(shell); id++) {
        const char *host;
        uint16_t port;
        mb_shell_address(shell, id, &host, &port);
        if (!port)
            continue;
        json_array_append_new(brokers, json_pack("{s:i, s:s, s:i}", "id", (int)id, "host", host, "port", (int)port));
    }
    return brokers;
}

static void block_signals(sigset_t *awaited)
{
    sigemptyset(awaited);
    sigaddset(awaited, SIGTERM);
    sigaddset(awaited, SIGINT);
    pthread_sigmask(SIG_BLOCK, awaited, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader of stdout or of the control plane may go away */
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a storage error like any other */
}

/* A whole file as text, to be freed. NULL with the reason in text. */
static char *read_file(const char *path, char *text, size_t text_size)
{
    FILE *file = fopen(path, "rb");
    char *content = file ? malloc(MB_FAULT_JSON_BYTES_MAX + 2) : NULL;
    size_t size = content ? fread(content, 1, MB_FAULT_JSON_BYTES_MAX + 1, file) : 0;
    if (!content || ferror(file)) {
        snprintf(text, text_size, "cannot read %s: %s", path, strerror(errno));
        free(content);
        content = NULL;
    } else {
        content[size] = '\0';
    }
    if (file)
        fclose(file);
    return content;
}

static int run(struct mb_command_line *line)
{
    char text[MB_SHELL_TEXT_MAX];
    struct mb_shell *shell = NULL;
    struct mb_control *control = NULL;
    sigset_t awaited;
    int got;
    block_signals(&awaited);
    line->shell.logger = (struct kci_logger){ line->log_level ? write_log : NULL, NULL, line->log_level };
    char *faults = line->faults_path ? read_file(line->faults_path, text, sizeof text) : NULL;
    line->shell.faults = faults;
    bool ok = !line->faults_path || faults;
    ok = ok && mb_shell_start(&shell, &line->shell, text, sizeof text) == 0;
    free(faults);
    json_t *brokers = ok ? list_brokers(shell) : NULL;
    if (ok && line->control)
        ok = mb_control_start(&control, shell, line->control_host, line->control_port, text, sizeof text) == 0;
    if (!ok)
        fprintf(stderr, "mockbroker: %s\n", text);
    if (ok && !announce(shell, control, brokers))
        fprintf(stderr, "mockbroker: nobody reads the line of JSON on stdout\n"); /* and goes on: it may be wanted so */
    if (ok)
        sigwait(&awaited, &got);
    json_decref(brokers);
    mb_control_stop(control);
    mb_shell_stop(shell);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Frames come and go by the hundred megabytes a second: keep freed memory instead of giving it back and faulting it in
 * anew. Measured at 100-byte records: a fifth of the broker's time. */
static void keep_freed_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

int main(int argc, char **argv)
{
    keep_freed_memory();
    static struct mb_command_line line; /* too large for a stack */
    char text[MB_SHELL_TEXT_MAX];
    if (mb_command_line_parse(&line, argc, argv, text, sizeof text)) {
        fprintf(stderr, "mockbroker: %s\n", text);
        return EXIT_BAD_OPTION;
    }
    if (line.command == MB_COMMAND_HELP) {
        mb_command_line_help(stdout);
        return EXIT_SUCCESS;
    }
    if (line.command == MB_COMMAND_VERSION) {
        printf("mockbroker %s (plays Kafka %s)\n", MB_VERSION, mb_persona_name(MB_PERSONAS - 1));
        return EXIT_SUCCESS;
    }
    if (line.command == MB_COMMAND_APIS) {
        mb_api_page_print(stdout);
        return EXIT_SUCCESS;
    }
    return run(&line);
}
