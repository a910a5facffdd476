/* The conductor: finds the files, starts brokers and readers, produces, breaks things half-way, waits until all is
 * read, verifies, and prints the table. Exit status 1 if anything differs. */
#include "demo.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "demo [FOLDER...] [options]: stream every text file below the folders, line by line, through a Kafka cluster and "
    "back\n"
    "\n"
    "  FOLDER               default: /usr/include and /usr/share/doc\n"
    "  --mockbroker PATH    start three brokers with this program (default, when --bootstrap is not given)\n"
    "  --bootstrap ADDR     use the cluster at this address instead\n"
    "  --stop-command CMD   ... and stop a broker of it with this command, half-way\n"
    "  --start-command CMD  ... and start it again with this one\n"
    "  --topic NAME         default: demo-PID\n"
    "  --limit MB           take no more than this of the files\n";

#define STUCK_S       90.0 /* no progress of the readers for this long is a failure */
#define FLUSH_MS      180000
#define READERS_END_S 30.0
#define SEND_BATCH    256
#define PATHS_DEFAULT 2
#define LIMIT_MB_MAX  1000000000ull /* so that it can be counted in bytes */

struct reader_process {
    pid_t pid;
    int out; /* its reports */
    char line[1024];
    size_t filled;
    char spool[128];
    unsigned long long records, bytes;
    size_t share; /* partitions assigned to it */
};

struct demo {
    struct demo_files files;
    struct demo_brokers brokers;
    struct reader_process readers[DEMO_READERS];
    char topic[128], group[160], folder[64];
    kc_producer *producer;
    kc_config *config;
    unsigned long long produced, produced_bytes, rebalances;
    _Atomic unsigned long long failed; /* by the sender thread */
    int64_t positions[DEMO_PARTITIONS], ends[DEMO_PARTITIONS];
    double begun, produced_in, consumed_in, last_shown;
    int broken; /* 0 not yet, 1 broker down, 2 broker back */
    kc_record batch[SEND_BATCH];
    kc_header headers[SEND_BATCH];
    struct demo_line lines[SEND_BATCH];
    size_t batched;
};

int demo_fail(const char *format, ...)
{
    va_list arguments;
    fputs("demo: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 1;
}

double demo_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    struct demo *demo = context;
    for (size_t i = 0; i < count; i++)
        if (deliveries[i].code != KC_OK && demo->failed++ < 3)
            demo_fail("a record failed: %s: %s", kc_err_name(deliveries[i].code),
                      deliveries[i].text ? deliveries[i].text : "");
}

/* ---- readers ---- */

static int start_reader(struct demo *demo, size_t index, const char *self)
{
    struct reader_process *reader = &demo->readers[index];
    int out[2];
    snprintf(reader->spool, sizeof reader->spool, "%s/reader-%zu", demo->folder, index);
    if (pipe(out) != 0)
        return demo_fail("no pipe for a reader: %s", strerror(errno));
    reader->pid = fork();
    if (reader->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(self, self, "--reader", demo->brokers.bootstrap, demo->topic, demo->group, reader->spool, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    reader->out = out[0];
    fcntl(reader->out, F_SETFL, O_NONBLOCK);
    fcntl(reader->out, F_SETFD, FD_CLOEXEC);
    return reader->pid > 0 ? 0 : demo_fail("a reader cannot be started: %s", strerror(errno));
}

static void take_report(struct demo *demo, struct reader_process *reader, const char *line)
{
    int partition;
    long long position;
    unsigned long long records, bytes;
    if (sscanf(line, "r %llu %llu", &records, &bytes) == 2) {
        reader->records = records;
        reader->bytes = bytes;
    } else if (sscanf(line, "p %d %lld", &partition, &position) == 2) {
        if (partition >= 0 && partition < DEMO_PARTITIONS && position > demo->positions[partition])
            demo->positions[partition] = position;
    } else if (sscanf(line, "a %zu", &reader->share) == 1) {
        demo->rebalances++;
    } else if (line[0] == 'e') {
        fprintf(stderr, "\n  reader %d: %s\n", (int)reader->pid, line + 2);
    }
}

/* Take what the readers have reported; waits up to wait_ms for something. */
static void listen_to_readers(struct demo *demo, int wait_ms)
{
    struct pollfd fds[DEMO_READERS];
    for (size_t i = 0; i < DEMO_READERS; i++)
        fds[i] = (struct pollfd){ demo->readers[i].out, POLLIN, 0 };
    poll(fds, DEMO_READERS, wait_ms);
    for (size_t i = 0; i < DEMO_READERS; i++) {
        struct reader_process *reader = &demo->readers[i];
        ssize_t got;
        while (reader->out >= 0 && (got = read(reader->out, reader->line + reader->filled,
                                               sizeof reader->line - 1 - reader->filled)) != -1) {
            if (got == 0) {
                close(reader->out);
                reader->out = -1;
                break;
            }
            reader->filled += (size_t)got;
            reader->line[reader->filled] = 0;
            char *at = reader->line, *end;
            while ((end = strchr(at, '\n'))) {
                *end = 0;
                take_report(demo, reader, at);
                at = end + 1;
            }
            reader->filled = strlen(at);
            memmove(reader->line, at, reader->filled + 1);
        }
    }
}

static unsigned long long consumed(const struct demo *demo)
{
    unsigned long long sum = 0;
    for (size_t i = 0; i < DEMO_READERS; i++)
        sum += demo->readers[i].records;
    return sum;
}

static void show_progress(struct demo *demo, const char *what)
{
    double now = demo_seconds();
    bool terminal = isatty(STDERR_FILENO);
    if (now - demo->last_shown < (terminal ? 0.2 : 2.0))
        return;
    demo->last_shown = now;
    kc_producer_stats stats = { 0 };
    if (demo->producer)
        kc_producer_get_stats(demo->producer, &stats);
    fprintf(stderr,
            "%s  %5.1f s  %-10s sent %llu records, %.1f MB; acknowledged %llu; read %llu; rebalances %llu, leader "
            "changes %llu  %s",
            terminal ? "\r" : "", now - demo->begun, what, demo->produced, (double)demo->produced_bytes / 1e6,
            (unsigned long long)stats.records_delivered, consumed(demo), demo->rebalances,
            (unsigned long long)stats.leader_changes, terminal ? "" : "\n");
}

/* ---- producing ---- */

static int send_batch(struct demo *demo)
{
    for (size_t done = 0; done < demo->batched;) {
        kc_error error;
        size_t accepted = 0;
        kc_err err = kc_producer_send(demo->producer, demo->batch + done, demo->batched - done, &accepted, &error);
        done += accepted;
        if (err != KC_OK && err != KC_ERR_QUEUE_FULL)
            return demo_fail("send: %s: %s", kc_err_name(err), error.text);
    }
    demo->batched = 0;
    return 0;
}

static int add_piece(struct demo *demo, struct demo_file *file, const char *data, size_t size, bool newline)
{
    size_t i = demo->batched++;
    demo->lines[i] = demo_line_put(file->records++, newline);
    demo->headers[i] = (kc_header){ "line", { demo->lines[i].bytes, sizeof demo->lines[i].bytes } };
    demo->batch[i] = (kc_record)KC_RECORD_INIT;
    demo->batch[i].topic = demo->topic;
    demo->batch[i].key = (kc_bytes){ file->path, strlen(file->path) };
    demo->batch[i].value = (kc_bytes){ data, size };
    demo->batch[i].headers = &demo->headers[i];
    demo->batch[i].header_count = 1;
    demo->produced++;
    demo->produced_bytes += size;
    return demo->batched == SEND_BATCH ? send_batch(demo) : 0;
}

static int produce_file(struct demo *demo, struct demo_file *file, EVP_MD_CTX *hash)
{
    FILE *in = fopen(file->path, "rb");
    char *content = NULL;
    if (!in)
        return demo_fail("%s: %s", file->path, strerror(errno));
    /* the size may have changed since it was found: what is read now counts */
    size_t size = 0, capacity = (size_t)file->bytes + 1, got;
    content = malloc(capacity);
    while (content && (got = fread(content + size, 1, capacity - size, in)) > 0) {
        size += got;
        if (size == capacity) {
            char *grown = realloc(content, capacity * 2);
            if (!grown)
                free(content);
            content = grown;
            capacity *= 2;
        }
    }
    fclose(in);
    if (!content)
        return demo_fail("out of memory");
    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    EVP_DigestUpdate(hash, content, size);
    EVP_DigestFinal_ex(hash, file->sha256, NULL);
    int status = 0;
    for (size_t at = 0; at < size && status == 0;) {
        const char *end = memchr(content + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (content + at)) : size - at;
        bool newline = end != NULL;
        if (length > DEMO_PIECE_BYTES_MAX) {
            length = DEMO_PIECE_BYTES_MAX;
            newline = false;
        }
        status = add_piece(demo, file, content + at, length, newline);
        at += length + newline;
    }
    if (status == 0)
        status = send_batch(demo); /* before its bytes go */
    free(content);
    return status;
}

static int half_way(struct demo *demo)
{
    demo->broken = 1;
    fprintf(stderr, "\n  half-way: killing reader %d and stopping a broker\n", (int)demo->readers[0].pid);
    kill(demo->readers[0].pid, SIGKILL);
    return demo_brokers_break(&demo->brokers);
}

static int produce_all(struct demo *demo, unsigned long long limit)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned long long done = 0, total = demo->files.bytes < limit ? demo->files.bytes : limit;
    int status = hash ? 0 : demo_fail("out of memory");
    size_t i = 0;
    for (; status == 0 && i < demo->files.count && done < limit; i++) {
        status = produce_file(demo, &demo->files.all[i], hash);
        done += demo->files.all[i].bytes;
        if (status == 0 && demo->broken == 0 && done >= total / 2)
            status = half_way(demo);
        else if (status == 0 && demo->broken == 1 && done >= total / 4 * 3) {
            demo->broken = 2;
            fprintf(stderr, "\n  the broker comes back\n");
            status = demo_brokers_heal(&demo->brokers);
        }
        listen_to_readers(demo, 0);
        show_progress(demo, "producing");
    }
    for (size_t rest = i; rest < demo->files.count; rest++)
        free(demo->files.all[rest].path);
    demo->files.count = i;
    EVP_MD_CTX_free(hash);
    kc_error error;
    if (status == 0 && kc_producer_flush(demo->producer, FLUSH_MS, &error) != KC_OK)
        status = demo_fail("flush: %s", error.text);
    demo->produced_in = demo_seconds() - demo->begun;
    if (status == 0 && demo->broken == 1)
        status = demo_brokers_heal(&demo->brokers);
    return status;
}

/* ---- the rest ---- */

/* Both readers are in the group and share the partitions before anything is produced. */
static int wait_for_shares(struct demo *demo)
{
    double begun = demo_seconds();
    while (demo->readers[0].share + demo->readers[1].share != DEMO_PARTITIONS || !demo->readers[0].share ||
           !demo->readers[1].share) {
        if (demo_seconds() - begun > STUCK_S)
            return demo_fail("the readers did not share the partitions within %.0f s", STUCK_S);
        listen_to_readers(demo, 100);
        show_progress(demo, "joining");
    }
    return 0;
}

static int find_ends(struct demo *demo)
{
    kc_error error;
    kc_consumer *consumer;
    int64_t low;
    if (kc_consumer_create(&consumer, demo->config, &error) != KC_OK)
        return demo_fail("%s", error.text);
    int status = 0;
    for (int p = 0; p < DEMO_PARTITIONS && status == 0; p++)
        if (kc_consumer_watermarks(consumer, demo->topic, p, &low, &demo->ends[p], 30000, &error) != KC_OK)
            status = demo_fail("the end of partition %d: %s", p, error.text);
    kc_consumer_close(consumer, 1000);
    return status;
}

static int wait_for_readers(struct demo *demo)
{
    unsigned long long last = 0;
    double since = demo_seconds();
    for (;;) {
        int left = 0;
        for (int p = 0; p < DEMO_PARTITIONS; p++)
            left += demo->positions[p] < demo->ends[p];
        if (!left)
            break;
        if (consumed(demo) != last) {
            last = consumed(demo);
            since = demo_seconds();
        }
        if (demo_seconds() - since > STUCK_S)
            return demo_fail("the readers make no progress for %.0f s; %d partitions are not read to their end",
                             STUCK_S, left);
        listen_to_readers(demo, 100);
        show_progress(demo, "reading");
    }
    demo->consumed_in = demo_seconds() - demo->begun;
    return 0;
}

static void end_readers(struct demo *demo)
{
    for (size_t i = 0; i < DEMO_READERS; i++)
        if (demo->readers[i].pid > 0)
            kill(demo->readers[i].pid, SIGTERM);
    double begun = demo_seconds();
    while ((demo->readers[0].out >= 0 || demo->readers[1].out >= 0) && demo_seconds() - begun < READERS_END_S)
        listen_to_readers(demo, 100);
    for (size_t i = 0; i < DEMO_READERS; i++)
        if (demo->readers[i].pid > 0) {
            if (demo->readers[i].out >= 0)
                kill(demo->readers[i].pid, SIGKILL);
            waitpid(demo->readers[i].pid, NULL, 0);
        }
}

static void print_table(const struct demo *demo, const struct demo_verdict *v, const kc_producer_stats *stats, bool ok)
{
    unsigned long long read =
        v->records + v->redelivered; /* from the spools: the killed reader could not report its last */
    printf("\n%-28s %15s %15s\n", "", "produced", "consumed");
    printf("%-28s %15llu %15llu\n", "records", demo->produced, read);
    printf("%-28s %15llu %15llu\n", "bytes", demo->produced_bytes, v->bytes);
    printf("%-28s %15.1f %15.1f\n", "seconds", demo->produced_in, demo->consumed_in);
    printf("%-28s %15.0f %15.0f\n", "records/s", (double)demo->produced / demo->produced_in,
           (double)read / demo->consumed_in);
    printf("%-28s %15.1f %15.1f\n\n", "MB/s", (double)demo->produced_bytes / demo->produced_in / 1e6,
           (double)v->bytes / demo->consumed_in / 1e6);
    printf("%-44s %15llu\n", "rebalances (assignments received)", demo->rebalances);
    printf("%-44s %15llu\n", "leader changes seen by the producer", (unsigned long long)stats->leader_changes);
    printf("%-44s %15llu\n", "batches sent again", (unsigned long long)stats->batches_retried);
    printf("%-44s %15llu\n", "records read again (at-least-once)", v->redelivered);
    printf("%-44s %15llu\n", "records lost", v->lost + demo->failed);
    printf("%-44s %15llu\n", "records twice in the log", v->duplicates);
    printf("%-44s %15zu\n", "files different", v->files_different);
    printf("%-44s %11zu/%zu\n", "files verified by SHA-256", v->files_equal, demo->files.count);
    printf("\n%s\n", ok ? "all files are equal, nothing was lost" : "FAILED: see above");
}

static int run(struct demo *demo, const char *self, unsigned long long limit)
{
    kc_error error;
    demo->config = kc_config_new();
    demo->begun = demo_seconds();
    if (demo_brokers_start(&demo->brokers) != 0)
        return 1;
    kc_config_set_delivery(demo->config, on_delivery, demo, 0);
    if (kc_config_set(demo->config, "bootstrap.servers", demo->brokers.bootstrap, &error) != KC_OK ||
        kc_config_set(demo->config, "client.id", "demo", &error) != KC_OK)
        return demo_fail("%s", error.text);
    kc_admin *admin;
    kc_new_topic topic = { .name = demo->topic, .partitions = DEMO_PARTITIONS, .replication_factor = 3 };
    if (kc_admin_create(&admin, demo->config, &error) != KC_OK ||
        kc_admin_create_topic(admin, &topic, 60000, &error) != KC_OK)
        return demo_fail("%s", error.text);
    kc_admin_close(admin);
    fprintf(stderr, "  %zu files, %.1f MB (%zu others skipped); cluster %s\n", demo->files.count,
            (double)demo->files.bytes / 1e6, demo->files.skipped, demo->brokers.bootstrap);
    for (size_t i = 0; i < DEMO_READERS; i++)
        if (start_reader(demo, i, self) != 0)
            return 1;
    if (kc_producer_create(&demo->producer, demo->config, &error) != KC_OK)
        return demo_fail("%s", error.text);
    if (wait_for_shares(demo) != 0)
        return 1;
    demo->begun = demo_seconds();
    if (produce_all(demo, limit) != 0 || find_ends(demo) != 0 || wait_for_readers(demo) != 0)
        return 1;
    kc_producer_stats stats;
    kc_producer_get_stats(demo->producer, &stats);
    kc_producer_close(demo->producer, 5000);
    demo->producer = NULL;
    end_readers(demo);
    struct demo_verdict verdict = { 0 };
    const char *spools[DEMO_READERS];
    for (size_t i = 0; i < DEMO_READERS; i++)
        spools[i] = demo->readers[i].spool;
    fprintf(stderr, "\n  comparing %zu files\n", demo->files.count);
    int status = demo_verify(&demo->files, spools, DEMO_READERS, &verdict);
    if (demo->failed || verdict.files_equal != demo->files.count)
        status = 1;
    print_table(demo, &verdict, &stats, status == 0);
    return status;
}

static void clean_up(struct demo *demo)
{
    end_readers(demo);
    kc_producer_close(demo->producer, 0);
    demo_brokers_stop(&demo->brokers);
    for (size_t i = 0; i < DEMO_READERS; i++)
        if (demo->readers[i].spool[0])
            unlink(demo->readers[i].spool);
    rmdir(demo->folder);
    kc_config_destroy(demo->config);
    demo_files_free(&demo->files);
}

/* 0: not a number, or too many. */
static unsigned long long megabytes(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && number <= LIMIT_MB_MAX ? number : 0;
}

int main(int argc, char **argv)
{
    static struct demo demo;
    static const struct option names[] = { { "mockbroker", required_argument, NULL, 'm' },
                                           { "bootstrap", required_argument, NULL, 'b' },
                                           { "stop-command", required_argument, NULL, 's' },
                                           { "start-command", required_argument, NULL, 'S' },
                                           { "topic", required_argument, NULL, 't' },
                                           { "limit", required_argument, NULL, 'l' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    const char *defaults[PATHS_DEFAULT] = { "/usr/include", "/usr/share/doc" };
    unsigned long long limit = ~0ull;
    int option, status = 0;
    if (argc == 6 && strcmp(argv[1], "--reader") == 0)
        return demo_reader(argv[2], argv[3], argv[4], argv[5]);
    signal(SIGPIPE, SIG_IGN);
    snprintf(demo.topic, sizeof demo.topic, "demo-%d", (int)getpid());
    for (size_t i = 0; i < DEMO_READERS; i++)
        demo.readers[i].out = -1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (option == 'm')
            demo.brokers.mockbroker = optarg;
        else if (option == 'b')
            snprintf(demo.brokers.bootstrap, sizeof demo.brokers.bootstrap, "%s", optarg);
        else if (option == 's')
            demo.brokers.stop_command = optarg;
        else if (option == 'S')
            demo.brokers.start_command = optarg;
        else if (option == 't')
            snprintf(demo.topic, sizeof demo.topic, "%s", optarg);
        else if (option == 'l' && megabytes(optarg))
            limit = megabytes(optarg) * 1000000;
        else if (option == 'h')
            return fputs(help, stdout) == EOF;
        else {
            demo_fail(option == 'l' ? "--limit %s: a whole number from 1 is needed; see --help"
                                    : "%s: no such option, or its value is missing; see --help",
                      option == 'l' ? optarg : argv[optind - 1]);
            return 2;
        }
    }
    if (demo.brokers.bootstrap[0])
        demo.brokers.mockbroker = NULL;
    else if (!demo.brokers.mockbroker)
        return demo_fail("--mockbroker or --bootstrap is needed; see --help");
    snprintf(demo.group, sizeof demo.group, "%s-group", demo.topic);
    const char *tmp = getenv("TMPDIR");
    snprintf(demo.folder, sizeof demo.folder, "%.40s/demo-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(demo.folder))
        return demo_fail("%s: %s", demo.folder, strerror(errno));
    for (int i = optind; status == 0 && i < argc; i++)
        status = demo_files_find(&demo.files, argv[i]);
    for (size_t i = 0; status == 0 && optind == argc && i < PATHS_DEFAULT; i++)
        status = demo_files_find(&demo.files, defaults[i]);
    if (status == 0 && demo.files.count == 0)
        status = demo_fail("there is no text file below the folder");
    if (status == 0)
        status = run(&demo, argv[0], limit);
    clean_up(&demo);
    return status;
}
