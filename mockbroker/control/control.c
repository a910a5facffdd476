/* HTTP for the control plane: libmicrohttpd on one thread of its own reads requests and writes answers; routes.c
 * decides what they mean.  A request waits for the broker's thread, which takes microseconds, so one thread is enough.
 */
#include "mockbroker/control/control.h"

#include "mockbroker/control/routes.h"
#include "mockbroker/host_port.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX          (1u << 20) /* bytes of a request */
#define CONNECTIONS_MAX   64         /* at the same time */
#define IDLE_TIMEOUT_S    60u        /* until an idle connection is closed */
#define CONTENT_TYPE_JSON "application/json"
#define CONTENT_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8" /* Prometheus' exposition format */

struct mb_control {
    struct mb_shell *shell;
    struct MHD_Daemon *daemon;
    char url[MB_SHELL_HOST_MAX + 32];
};

/* A request whose body is still coming. */
struct upload {
    char *data; /* malloc */
    size_t size;
    bool too_large;
};

static const char *query(const struct mb_control_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool add_to_upload(struct upload *upload, const char *data, size_t size)
{
    if (upload->size + size > BODY_MAX) {
        upload->too_large = true; /* read on, so that the client gets to see the answer */
        return true;
    }
    char *grown = realloc(upload->data, upload->size + size);
    if (!grown)
        return false;
    memcpy(grown + upload->size, data, size);
    upload->data = grown;
    upload->size += size;
    return true;
}

static void free_upload(void *context, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code)
{
    struct upload *upload = *state;
    (void)context, (void)connection, (void)code;
    if (upload)
        free(upload->data);
    free(upload);
    *state = NULL;
}

/* With a newline at the end, for people with curl. NULL: no memory. */
static char *print_json(const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    size_t size = text ? strlen(text) : 0;
    char *longer = text ? realloc(text, size + 2) : NULL;
    if (!longer) {
        free(text);
        return NULL;
    }
    memcpy(longer + size, "\n", 2);
    return longer;
}

static enum MHD_Result respond(struct MHD_Connection *connection, const struct mb_control_request *request)
{
    char *text = request->text ? request->text : print_json(request->answer);
    const char *type = !request->text ? CONTENT_TYPE_JSON : request->type ? request->type : CONTENT_TYPE_TEXT;
    if (!text)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result result = MHD_queue_response(connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result serve(struct mb_control *control, struct MHD_Connection *connection, const char *url,
                             const char *method, const struct upload *upload)
{
    struct mb_control_request request = { .shell = control->shell, .query = query, .connection = connection };
    json_error_t error;
    if (upload->size)
        request.body = json_loadb(upload->data, upload->size, 0, &error);
    if (upload->too_large)
        mb_control_fail(&request, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "the body is larger than %u bytes", BODY_MAX);
    else if (upload->size && !request.body)
        mb_control_fail(&request, MHD_HTTP_BAD_REQUEST, "the body must be a JSON object", "line %d: %s", error.line,
                        error.text);
    else
        mb_control_dispatch(&request, method, url);
    enum MHD_Result result = respond(connection, &request);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

/* Called once when the headers are there, once for each piece of the body, and once at its end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *data_size, void **state)
{
    struct upload *upload = *state;
    (void)version;
    if (!upload) {
        *state = calloc(1, sizeof *upload);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*data_size) {
        bool ok = add_to_upload(upload, data, *data_size);
        *data_size = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    return serve(context, connection, url, method, upload);
}

static int start_daemon(struct mb_control *control, const struct addrinfo *at)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | (at->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    errno = 0;
    control->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, control, /* options: */
                         MHD_OPTION_SOCK_ADDR, at->ai_addr, MHD_OPTION_NOTIFY_COMPLETED, free_upload, NULL,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         IDLE_TIMEOUT_S, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
    return control->daemon ? 0 : errno ? errno : EINVAL;
}

int mb_control_start(struct mb_control **out, struct mb_shell *shell, const char *host, uint16_t port, char *text,
                     size_t text_size)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    char service[8], at[MB_SHELL_HOST_MAX + 16];
    struct mb_control *control = calloc(1, sizeof *control);
    mb_host_port_print(at, sizeof at, host, port);
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (control)
        control->shell = shell; /* before the daemon's thread looks */
    int error = control ? getaddrinfo(host, service, &hints, &found) ? EADDRNOTAVAIL : 0 : ENOMEM;
    if (!error)
        error = start_daemon(control, found);
    if (found)
        freeaddrinfo(found);
    if (error) {
        snprintf(text, text_size, "cannot listen on %s (--control): %s", at, mb_shell_listen_error(error));
        free(control);
        return -1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(control->daemon, MHD_DAEMON_INFO_BIND_PORT);
    mb_host_port_print(at, sizeof at, mb_host_port_reachable(host), info ? info->port : port);
    snprintf(control->url, sizeof control->url, "http://%s", at);
    *out = control;
    return 0;
}

void mb_control_stop(struct mb_control *control)
{
    if (!control)
        return;
    MHD_stop_daemon(control->daemon);
    free(control);
}

const char *mb_control_url(const struct mb_control *control)
{
    return control->url;
}
