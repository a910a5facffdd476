/* sim: runs seeds, and says which one broke what.  A seed that fails is run once more with its last events printed:
 * they are the same. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct plant {
    const char *name;
    struct sim_plants plants;
    const char *property; /* that it violates */
    const char *meaning;
};

static const struct plant plants[] = {
    { "none", { 0 }, "", "no defect" },
    { "fresh-sequence", { .producer = 1 }, "P2", "a retry takes a new sequence number" },
    { "overtake", { .producer = 2 }, "P3", "new batches pass one that is to be sent again" },
    { "ack-before-sent", { .producer = 3 }, "P1", "a lost connection counts as success" },
    { "two-fates", { .producer = 4 }, "P5", "a failed record is reported twice" },
    { "forget-expired", { .producer = 5 }, "P5", "what expires is not reported" },
    { "wrong-offset", { .producer = 6 }, "P7", "reported offsets are one too high" },
    { "sure-of-timeout", { .producer = 7 }, "P4", "what got no answer is reported as surely not written" },
    { "commit-ahead", { .consumer = 1 }, "G3", "commits what was fetched, not what was returned" },
    { "stale-fetch", { .consumer = 2 }, "F1", "a fetch from before a seek is returned" },
    { "commit-after-lost", { .consumer = 4 }, "G2", "commits in a new generation what was read in an old one" },
    { "hw-ahead", { .broker = 1 }, "P1", "the high watermark does not wait for the ISR" },
    { "no-dedup", { .broker = 2 }, "P2", "the broker does not look at sequences" },
};

struct options {
    uint64_t first, seeds;
    const struct plant *plant;
    bool twice, verbose, expect_found, keep_going;
};

static void print_line(void *context, const char *text)
{
    fprintf(context, "  %s\n", text);
}

static int help(FILE *out)
{
    fprintf(out,
            "usage: sim [--seeds N] [--first S] [--twice] [--plant NAME [--expect-found]] [--keep-going] [--verbose]\n"
            "Producers, consumers and three brokers in one thread with virtual time. A run is its seed.\n"
            "  --seeds N        how many seeds (200)\n"
            "  --first S        the first one (1)\n"
            "  --twice          run each seed twice and compare what happened\n"
            "  --plant NAME     with a defect on purpose:\n");
    for (size_t i = 1; i < sizeof plants / sizeof *plants; i++)
        fprintf(out, "                     %-18s %s (%s)\n", plants[i].name, plants[i].meaning, plants[i].property);
    fprintf(out, "  --expect-found   succeed when a violation of that property is found, fail when none is\n"
                 "  --keep-going     do not stop at the first violation\n"
                 "  --verbose        print every event of every run, with the logs of all engines\n"
                 "Exit status: 0 all well, 1 a violation, 2 bad usage.\n");
    return out == stdout ? 0 : 2;
}

static bool number(const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    if (!text || text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoull(text, &end, 0);
    return errno == 0 && *end == '\0';
}

static bool parse(int count, char **words, struct options *o)
{
    *o = (struct options){ .first = 1, .seeds = 200, .plant = &plants[0] };
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(word, "--twice") == 0) {
            o->twice = true;
        } else if (strcmp(word, "--verbose") == 0) {
            o->verbose = true;
        } else if (strcmp(word, "--expect-found") == 0) {
            o->expect_found = true;
        } else if (strcmp(word, "--keep-going") == 0) {
            o->keep_going = true;
        } else if (strcmp(word, "--seeds") == 0 && number(value, &o->seeds)) {
            i++;
        } else if (strcmp(word, "--first") == 0 && number(value, &o->first)) {
            i++;
        } else if (strcmp(word, "--plant") == 0 && value) {
            o->plant = NULL;
            for (size_t k = 0; k < sizeof plants / sizeof *plants; k++)
                if (strcmp(value, plants[k].name) == 0)
                    o->plant = &plants[k];
            if (!o->plant)
                return false;
            i++;
        } else {
            return false;
        }
    }
    return true;
}

static void explain(uint64_t seed, const struct options *o, const struct sim_result *result)
{
    static struct sim_tail tail;
    struct sim_workload workload;
    struct sim_result again;
    sim_workload_draw(&workload, seed);
    printf("seed %llu%s%s violates %s: %s\n", (unsigned long long)seed, o->plant == plants ? "" : " with ",
           o->plant == plants ? "" : o->plant->name, result->verdict.property, result->verdict.text);
    sim_workload_tell(&workload, print_line, stdout);
    memset(&tail, 0, sizeof tail);
    tail.engine_logs = true;
    sim_run(seed, &o->plant->plants, &tail, &again);
    printf("the last events (all of them: sim --first %llu --seeds 1 --verbose):\n", (unsigned long long)seed);
    for (uint64_t i = tail.count > 40 ? tail.count - 40 : 0; i < tail.count; i++)
        printf("  %s\n", tail.lines[i % SIM_TAIL_LINES]);
    if (again.trace != result->trace)
        printf("NOT DETERMINISTIC: trace %016llx, then %016llx\n", (unsigned long long)result->trace,
               (unsigned long long)again.trace);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One seed; false: a violation. */
static bool run_seed(uint64_t seed, const struct options *o, struct sim_result *total, uint64_t *trace_before)
{
    struct sim_result result, second;
    struct sim_tail *tail = NULL;
    if (o->verbose) {
        tail = calloc(1, sizeof *tail);
        if (!tail)
            return false;
        tail->print = tail->engine_logs = true;
    }
    sim_run(seed, &o->plant->plants, tail, &result);
    free(tail);
    total->virtual_us += result.virtual_us;
    total->records += result.records;
    total->delivered += result.delivered;
    total->acked += result.acked;
    total->events += result.events;
    if (o->twice) {
        sim_run(seed, &o->plant->plants, NULL, &second);
        if (second.trace != result.trace || second.events != result.events)
            sim_violation(&result.verdict, "S1", "two runs differ: trace %016llx and %016llx",
                          (unsigned long long)result.trace, (unsigned long long)second.trace);
        if (result.trace == *trace_before)
            sim_violation(&result.verdict, "S1", "the trace is that of the seed before");
    }
    *trace_before = result.trace;
    total->trace = total->trace * UINT64_C(0x9e3779b97f4a7c15) + result.trace;
    bool ok = result.verdict.violations == 0;
    if (o->expect_found) { /* a defect may break more than the promise that it is planted for */
        char word[8];
        snprintf(word, sizeof word, " %s ", o->plant->property);
        ok = !strstr(result.verdict.all, word);
        if (!ok)
            printf("%s is found by seed %llu, which violates%s: %s\n", o->plant->name, (unsigned long long)seed,
                   result.verdict.all, result.verdict.text);
    } else if (!ok) {
        explain(seed, o, &result);
    }
    fflush(stdout);
    return ok;
}

int main(int count, char **words)
{
    struct options o;
    struct sim_result total = { .trace = 0 };
    uint64_t done = 0, bad = 0, trace = 0;
    double begin = seconds(), said = begin;
    if (count == 2 && strcmp(words[1], "--help") == 0)
        return help(stdout);
    if (!parse(count, words, &o))
        return help(stderr);
    for (; done < o.seeds && (bad == 0 || o.keep_going); done++) {
        bad += !run_seed(o.first + done, &o, &total, &trace);
        if (seconds() - said > 10) {
            said = seconds();
            fprintf(stderr, "%llu seeds, %llu with a violation\n", (unsigned long long)done + 1,
                    (unsigned long long)bad);
        }
    }
    double took = seconds() - begin;
    printf("%llu seeds (%llu with a violation) in %.1f s: %.0f seeds/s, %.0f virtual s/s, %.0f events/s; "
           "%zu records sent, %zu acknowledged, %zu delivered; all traces together %016llx\n",
           (unsigned long long)done, (unsigned long long)bad, took, (double)done / took,
           (double)total.virtual_us / 1e6 / took, (double)total.events / took, total.records, total.acked,
           total.delivered, (unsigned long long)total.trace);
    return o.expect_found ? bad == 0 : bad > 0;
}
