/* kc doctor: why can this machine not use that cluster?  Each step needs the one before; the first that fails is told
 * with its reason and what to look at, and ends with status 1.
 *
 *      name -> addresses -> TCP -> Kafka's handshake and metadata        of each bootstrap server
 *      advertised name -> addresses -> TCP                              of each broker that the metadata names
 *      topic: does it exist, does each partition have a leader and all its replicas             with -t */
#include "kc.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char help[] =
    "kc doctor -b ADDR [-t TOPIC]    the first step that fails, and why: names, TCP, Kafka, brokers, topic\n"
    "\n"
    "  -T MS           for each step (default 5000)\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n";

#define HOST_BYTES    256
#define SERVERS_BYTES 4096

static void ok(const char *step, const char *what, double began)
{
    printf("ok      %-10s %s (%.1f ms)\n", step, what, (kct_seconds() - began) * 1000);
    fflush(stdout);
}

static int failed(const char *step, const char *what, const char *why, const char *hint)
{
    printf("FAILED  %-10s %s: %s\n        %s\n", step, what, why, hint);
    fflush(stdout);
    return KC_EXIT_FAILED;
}

/* Connect to one address; 0 or an errno value. */
static int try_connect(const struct addrinfo *address, int32_t timeout_ms)
{
    int fd = socket(address->ai_family, SOCK_STREAM, 0), error = 0;
    socklen_t size = sizeof error;
    if (fd < 0)
        return errno;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        struct pollfd waited = { fd, POLLOUT, 0 };
        if (errno != EINPROGRESS)
            error = errno;
        else if (poll(&waited, 1, timeout_ms) != 1)
            error = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    close(fd);
    return error;
}

static const char *tcp_hint(int error)
{
    if (error == ECONNREFUSED)
        return "nothing listens there: does the broker run, and on this port and interface?";
    if (error == ETIMEDOUT)
        return "no answer at all: a firewall, a security group, or an address of another network";
    if (error == EHOSTUNREACH || error == ENETUNREACH)
        return "no route: this machine is not in that network";
    return "ask whoever runs that network";
}

/* The name has addresses, and one of them accepts. */
static int check_reachable(const char *host, const char *port, int32_t timeout_ms, const char *advertised_hint)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    char what[HOST_BYTES + 120], numeric[64];
    double began = kct_seconds();
    int error = getaddrinfo(host, port, &hints, &found), last = 0;
    if (error != 0)
        return failed("name", host, gai_strerror(error),
                      advertised_hint ? advertised_hint : "is it spelt rightly, and does this machine's DNS know it?");
    ok("name", host, began);
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        began = kct_seconds();
        if (getnameinfo(a->ai_addr, a->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST) != 0)
            snprintf(numeric, sizeof numeric, "?");
        snprintf(what, sizeof what, "%s:%s (%s)", host, port, numeric);
        last = try_connect(a, timeout_ms);
        if (last == 0)
            break;
        printf("        %-10s %s: %s\n", "tcp", what, strerror(last));
    }
    freeaddrinfo(found);
    if (last != 0)
        return failed("tcp", what, strerror(last), advertised_hint ? advertised_hint : tcp_hint(last));
    ok("tcp", what, began);
    return KC_EXIT_OK;
}

/* "host:port" or "[v6]:port"; a name of a listener in front is not ours to understand. */
static bool split(const char *server, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(server, ':');
    size_t length = colon ? (size_t)(colon - server) : 0;
    if (!length || !colon[1])
        return false;
    bool bracketed = server[0] == '[' && server[length - 1] == ']';
    snprintf(host, size, "%.*s", (int)(bracketed ? length - 2 : length), bracketed ? server + 1 : server);
    *port = colon + 1;
    return true;
}

static int check_bootstrap(const char *servers, int32_t timeout_ms)
{
    char list[SERVERS_BYTES], host[HOST_BYTES], *rest = list;
    const char *port;
    int usable = 0, status = KC_EXIT_OK;
    snprintf(list, sizeof list, "%s", servers);
    for (char *server; (server = strtok_r(rest, ", ", &rest)) != NULL;) {
        if (!split(server, host, sizeof host, &port))
            return failed("address", server, "it is not HOST:PORT", "bootstrap.servers is a list of HOST:PORT");
        int one = check_reachable(host, port, timeout_ms, NULL);
        usable += one == KC_EXIT_OK;
        status = one != KC_EXIT_OK ? one : status;
    }
    if (usable > 0 && status != KC_EXIT_OK)
        printf("        %d bootstrap server%s can be reached, which is enough to go on\n", usable,
               usable == 1 ? "" : "s");
    return usable > 0 ? KC_EXIT_OK : status;
}

static int check_brokers(const kc_cluster *cluster, int32_t timeout_ms)
{
    int status = KC_EXIT_OK;
    for (size_t i = 0; i < cluster->broker_count; i++) {
        char port[8], hint[400];
        const kc_broker_description *b = &cluster->brokers[i];
        snprintf(port, sizeof port, "%u", (unsigned)b->port);
        snprintf(
            hint, sizeof hint,
            "broker %d advertises %s:%s, and this machine cannot use that: set advertised.listeners of the broker to "
            "a name that its clients can reach",
            b->id, b->host, port);
        if (check_reachable(b->host, port, timeout_ms, hint) != KC_EXIT_OK)
            status = KC_EXIT_FAILED;
    }
    return status;
}

static int check_topic(const kc_topic_description *topic)
{
    char what[HOST_BYTES + 40];
    int status = KC_EXIT_OK;
    if (topic->code != KC_OK)
        return failed("topic", topic->name, kc_err_text(topic->code),
                      "kc topic list shows what there is, kc topic create makes one");
    for (size_t i = 0; i < topic->partition_count; i++) {
        const kc_partition_description *p = &topic->partitions[i];
        snprintf(what, sizeof what, "%s [%d]", topic->name, p->id);
        if (p->leader < 0)
            status =
                failed("leader", what, "it has no leader", "all brokers of its replicas are down, or being elected");
        else if (p->isr_count < p->replica_count)
            printf("        %-10s %s: %zu of %zu replicas are in sync\n", "replicas", what, p->isr_count,
                   p->replica_count);
    }
    if (status == KC_EXIT_OK)
        ok("topic", topic->name, kct_seconds());
    return status;
}

static int examine(const kc_config *config, const char *topic, int32_t timeout_ms)
{
    char servers[SERVERS_BYTES], what[200];
    kc_error error;
    kc_admin *admin;
    kc_cluster *cluster;
    kc_config_get(config, "bootstrap.servers", servers, sizeof servers);
    if (!servers[0])
        return kct_usage("doctor", "-b ADDR is needed");
    int status = check_bootstrap(servers, timeout_ms);
    if (status != KC_EXIT_OK)
        return status;
    double began = kct_seconds();
    if (kc_admin_create(&admin, config, &error) != KC_OK)
        return failed("settings", servers, error.text, "the configuration contradicts itself");
    if (kc_admin_describe(admin, &topic, topic ? 1 : 0, timeout_ms, &cluster, &error) != KC_OK) {
        kc_admin_close(admin);
        return failed(
            "kafka", servers, error.text,
            "something listens there; whether it is Kafka, and which listener (plain, TLS, SASL), the text says");
    }
    snprintf(what, sizeof what, "cluster %s, %zu brokers, controller %d",
             cluster->cluster_id ? cluster->cluster_id : "?", cluster->broker_count, cluster->controller);
    if (cluster->broker_count == 0)
        status = failed("kafka", what, "it names no broker",
                        "what answered is no broker of a running cluster; ask again, or another bootstrap server");
    else
        ok("kafka", what, began);
    if (status == KC_EXIT_OK)
        status = check_brokers(cluster, timeout_ms);
    if (status == KC_EXIT_OK && topic && cluster->topic_count == 1)
        status = check_topic(&cluster->topics[0]);
    kc_cluster_release(cluster);
    kc_admin_close(admin);
    if (status == KC_EXIT_OK)
        printf("ok      everything that was looked at\n");
    return status;
}

int kct_doctor(int argc, char **argv)
{
    const char *topic = NULL;
    struct kct_command k = kct_begin("doctor", help);
    k.timeout_ms = 5000;
    while (kct_option(&k, argc, argv, "t:T:", NULL) != -1)
        topic = optarg;
    if (optind < argc)
        kct_misused(&k, "it takes options only");
    if (k.timeout_ms == 0)
        kct_misused(&k, "-T: each step needs some time");
    if (k.status == KC_EXIT_OK)
        k.status = examine(k.config, topic, (int32_t)k.timeout_ms);
    return kct_end(&k);
}
