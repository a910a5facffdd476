/* mockbroker as a process of its own: started with arguments, ready when it has said its line of JSON, ended by a
 * signal.
 *
 * Included by one test file, after cmocka. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Files of processes started from now on cannot grow beyond this, as on a full disk; 0: no limit. */
static rlim_t process_file_bytes_max;

struct process {
    pid_t pid;
    int out;         /* reading end */
    FILE *err;       /* what it says there never blocks it, however much it is */
    char line[4096]; /* what it said on stdout when it was ready */
};

static inline void process_start(struct process *process, const char *const *arguments)
{
    char path[1024];
    const char *argv[24] = { "mockbroker" };
    int out[2];
    const char *bin = getenv("KCLIENT_BIN");
    snprintf(path, sizeof path, "%s/mockbroker", bin ? bin : ".");
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    assert_int_equal(pipe(out), 0);
    process->err = tmpfile();
    assert_non_null(process->err);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        dup2(out[1], 1);
        dup2(fileno(process->err), 2);
        close(out[0]);
        if (process_file_bytes_max)
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){ process_file_bytes_max, process_file_bytes_max });
        execv(path, (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    process->out = out[0];
}

static inline void process_read_all(int fd, char *text, size_t size, char until)
{
    size_t used = 0;
    while (used + 1 < size && (used == 0 || text[used - 1] != until) && read(fd, text + used, 1) == 1)
        used++;
    text[used] = '\0';
}

static inline void process_start_and_wait(struct process *process, const char *const *arguments)
{
    process_start(process, arguments);
    process_read_all(process->out, process->line, sizeof process->line, '\n');
    assert_non_null(strstr(process->line, "\"pid\":"));
}

/* Wait for its end: the status; what it wrote on stderr in `text`. */
static inline int process_wait(struct process *process, char *text, size_t size)
{
    int status;
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    close(process->out);
    rewind(process->err);
    text[fread(text, 1, size - 1, process->err)] = '\0';
    fclose(process->err);
    return status;
}

/* Its exit code; what it wrote on stderr in `text`. */
static inline int process_finish(struct process *process, char *text, size_t size)
{
    int status = process_wait(process, text, size);
    if (!WIFEXITED(status)) /* a signal, a sanitizer's abort */
        fail_msg("status %d: %s", status, text);
    return WEXITSTATUS(status);
}

/* As a machine that loses its power takes it; it must not have complained before. */
static inline void process_kill(struct process *process)
{
    char text[4096];
    assert_int_equal(kill(process->pid, SIGKILL), 0);
    process_wait(process, text, sizeof text);
    assert_string_equal(text, "");
}

static inline int process_stop(struct process *process, int signal_number, char *text, size_t size)
{
    assert_int_equal(kill(process->pid, signal_number), 0);
    int code = process_finish(process, text, size);
    if (code)
        print_message("exit %d: %s\n", code, text);
    return code;
}

#endif
