/* The demo: text files -> records -> three brokers -> a consumer group -> text files again, with a consumer killed and
 * a broker stopped half-way.  One process conducts and produces; each consumer is a process of its own, so that it can
 * be killed for real.
 *
 *   files.c    which files, their lines and their SHA-256        brokers.c  starts mockbroker, stops and starts one broker
 *   reader.c   a consumer: poll -> spool -> commit               verify.c   spools -> files -> SHA-256 again
 *   main.c     the conductor: order of events, progress, the table
 *
 * A spool entry is what a consumer saw, written before its offset is committed; so after a kill nothing that was
 * committed is missing, and what was seen but not committed comes twice: that is at-least-once, and it is counted. */
#ifndef DEMO_H
#define DEMO_H

#include <kclient/kclient.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define DEMO_PARTITIONS 12
#define DEMO_READERS    2
#define DEMO_PIECE_BYTES_MAX                                                                                           \
    (256 * 1024) /* a longer line is sent in pieces, to stay below max.message.bytes with any settings */

int demo_fail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* prints "demo: ...", returns 1 */
double demo_seconds(void);

/* ---- files ---- */
struct demo_file {
    char *path;
    unsigned char sha256[32];
    unsigned long long records, bytes;
};
struct demo_files {
    struct demo_file *all;
    size_t count, capacity, skipped; /* skipped: not text, unreadable */
    unsigned long long bytes;
};
/* Find all text files below the folder and add them. 0 or 1. */
int demo_files_find(struct demo_files *files, const char *folder);
void demo_files_free(struct demo_files *files);

/* What is in the header "line" of each record. */
struct demo_line {
    unsigned char bytes[9]; /* number of the piece in its file, big-endian; 1 if a newline follows */
};
struct demo_line demo_line_put(unsigned long long number, bool newline);

/* ---- brokers ---- */
struct demo_brokers {
    const char *mockbroker;                   /* path; NULL: the cluster is there already */
    const char *stop_command, *start_command; /* for a cluster that is there already */
    char bootstrap[512];
    char control[128];
    pid_t pid;
};
int demo_brokers_start(struct demo_brokers *brokers); /* 0 or 1 */
int demo_brokers_break(struct demo_brokers *brokers); /* stop broker 2 */
int demo_brokers_heal(struct demo_brokers *brokers);  /* start it again */
void demo_brokers_stop(struct demo_brokers *brokers);

/* ---- reader ---- */
struct demo_spool_entry { /* followed by key and value bytes */
    int64_t offset;
    int32_t partition;
    uint32_t key_size, value_size;
    struct demo_line line;
};
/* The process of a consumer: reads until SIGTERM, reports on stdout. Exit status. */
int demo_reader(const char *bootstrap, const char *topic, const char *group, const char *spool);
/* Its reports, one line each: "r RECORDS BYTES" so far, "p PARTITION POSITION" after a commit, "a" when partitions were
 * assigned, "e TEXT". */

/* ---- verify ---- */
struct demo_verdict {
    size_t files_equal, files_different;
    unsigned long long records, bytes; /* in all spools, without what was read again; bytes of values, with it */
    unsigned long long redelivered, duplicates, lost, out_of_order;
};
/* Put the files together again from the spools, and compare. 0: all equal; 1: see the verdict, what differs is on
 * stderr. */
int demo_verify(const struct demo_files *files, const char *const *spools, size_t spool_count,
                struct demo_verdict *verdict);

#endif
