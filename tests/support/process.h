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
    int out, err;    /* reading ends */
    char line[4096]; /* what it said on stdout when it was ready */
};

static inline void process_start(struct process *process, const char *const *arguments)
{
    char path[1024];
    const char *argv[24] = { "mockbroker" };
    int out[2], err[2];
    const char *bin = getenv("KCLIENT_BIN");
    snprintf(path, sizeof path, "%s/mockbroker", bin ? bin : ".");
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    assert_int_equal(pipe(out) | pipe(err), 0);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(err[0]);
        if (process_file_bytes_max)
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){ process_file_bytes_max, process_file_bytes_max });
        execv(path, (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    process->out = out[0];
    process->err = err[0];
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

/* Its exit code; what it wrote on stderr in `text`. */
static inline int process_finish(struct process *process, char *text, size_t size)
{
    int status;
    process_read_all(process->err, text, size, '\0');
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    close(process->out);
    close(process->err);
    assert_true(WIFEXITED(status)); /* no signal, no sanitizer's abort */
    return WEXITSTATUS(status);
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
