/* The cluster of the demo: a mockbroker process steered over HTTP, or a cluster that is there already, steered by
 * commands. */
#include "demo.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKER 2 /* the one that is stopped */

/* The text value of a key in a line of JSON. */
static bool json_text(const char *json, const char *key, char *out, size_t size)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *at = strstr(json, pattern);
    const char *end = at ? strchr(at + strlen(pattern), '"') : NULL;
    if (!end || (size_t)(end - at) - strlen(pattern) >= size)
        return false;
    at += strlen(pattern);
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = 0;
    return true;
}

int demo_brokers_start(struct demo_brokers *brokers)
{
    int out[2];
    char line[4096] = "";
    if (!brokers->mockbroker)
        return 0;
    if (pipe(out) != 0)
        return demo_fail("no pipe for the brokers");
    brokers->pid = fork();
    if (brokers->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(brokers->mockbroker, brokers->mockbroker, "--brokers", "3", "--listen", "127.0.0.1:0", "--control",
              "127.0.0.1:0", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    bool ok = brokers->pid > 0 && lines && fgets(line, sizeof line, lines) &&
              json_text(line, "bootstrap", brokers->bootstrap, sizeof brokers->bootstrap) &&
              json_text(line, "control", brokers->control, sizeof brokers->control);
    if (lines)
        fclose(lines);
    return ok ? 0 : demo_fail("%s did not start: \"%.200s\"", brokers->mockbroker, line);
}

static int connect_to(const char *url)
{
    char host[64];
    unsigned port;
    if (sscanf(url, "http://%63[^:/]:%u", host, &port) != 2)
        return -1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = inet_pton(AF_INET, host, &address.sin_addr) == 1 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int post(const struct demo_brokers *brokers, const char *verb)
{
    char text[512] = "";
    int fd = connect_to(brokers->control);
    if (fd < 0)
        return demo_fail("the control address %s does not answer", brokers->control);
    int size = snprintf(
        text, sizeof text,
        "POST /v1/brokers/%d/%s HTTP/1.1\r\nHost: mockbroker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", BROKER,
        verb);
    ssize_t sent = write(fd, text, (size_t)size);
    ssize_t got = sent == size ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return strstr(text, " 200 ") || strstr(text, " 204 ") ? 0
                                                          : demo_fail("%s of broker %d: %.100s", verb, BROKER, text);
}

static int run(const char *command)
{
    int status = command ? system(command) : 0;
    return status == 0 ? 0 : demo_fail("\"%s\" ended with status %d", command, status);
}

int demo_brokers_break(struct demo_brokers *brokers)
{
    return brokers->mockbroker ? post(brokers, "stop") : run(brokers->stop_command);
}

int demo_brokers_heal(struct demo_brokers *brokers)
{
    return brokers->mockbroker ? post(brokers, "start") : run(brokers->start_command);
}

void demo_brokers_stop(struct demo_brokers *brokers)
{
    if (brokers->pid > 0) {
        kill(brokers->pid, SIGTERM);
        waitpid(brokers->pid, NULL, 0);
    }
}
