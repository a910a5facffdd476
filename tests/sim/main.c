/* sim: runs seeds, and says which one broke what.  A seed that fails is run once more with its last events printed:
 * they are the same. */
#include "plants.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    uint64_t first, seeds;
    uint64_t shard, shards; /* only seeds (or defects) with this remainder */
    unsigned without;       /* bits of enum sim_feature */
    const struct sim_plant *plant;
    const char *page; /* that is to have a row for each defect; NULL: none */
    bool twice, verbose, expect_found, keep_going, planted, memory, regressions;
};

static void print_line(void *context, const char *text)
{
    fprintf(context, "  %s\n", text);
}

/* One seed, with what the options say. */
static void run(uint64_t seed, const struct options *o, struct sim_tail *tail, struct sim_result *result)
{
    struct sim_plants plants = o->plant->plants;
    plants.without |= o->without;
    sim_run(seed, &plants, tail, result);
}

static int help(FILE *out)
{
    fprintf(
        out,
        "usage: sim [--seeds N] [--first S] [--twice] [--plant NAME [--expect-found]] [--planted] [--keep-going]\n"
        "           [--regressions] [--memory] [--shard I/N] [--verbose]\n"
        "Producers, consumers and three brokers in one thread with virtual time. A run is its seed.\n"
        "  --seeds N        how many seeds (200)\n"
        "  --first S        the first one (1)\n"
        "  --shard I/N      of these only every Nth, I from 0\n"
        "  --without LIST   of disk, mixed, recreate, errors, transactions, gaps, herd, cuts: none of those in any "
        "seed,\n"
        "                   to see whether one matters\n"
        "  --twice          run each seed twice and compare what happened\n"
        "  --planted        with each defect on purpose in turn: how many seeds does it take to find it? A table\n"
        "  --memory         a short run for each allocation of a producer, a consumer and the brokers: that one fails\n"
        "  --regressions    the seeds that once found something\n"
        "  --documented F   does the page F have a row for each check and each defect?\n"
        "  --plant NAME     with one of them:\n");
    for (size_t i = 1; i < sim_plant_count; i++)
        fprintf(out, "                     %-4s %-18s %s\n", sim_plant_list[i].property, sim_plant_list[i].name,
                sim_plant_list[i].meaning);
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

static bool shard(const char *text, struct options *o)
{
    char ignored;
    unsigned long long i, n;
    if (!text || sscanf(text, "%llu/%llu%c", &i, &n, &ignored) != 2 || i >= n)
        return false;
    o->shard = i;
    o->shards = n;
    return true;
}

/* "disk,..." */
static bool without(const char *text, struct options *o)
{
    static const char *const names[] = {
        "disk", "mixed", "recreate", "errors", "transactions", "gaps", "herd", "cuts"
    };
    while (text && *text) {
        size_t length = strcspn(text, ","), i = 0;
        while (i < sizeof names / sizeof *names && (strlen(names[i]) != length || strncmp(names[i], text, length) != 0))
            i++;
        if (i == sizeof names / sizeof *names)
            return false;
        o->without |= 1u << i;
        text += length + (text[length] == ',');
    }
    return text != NULL;
}

static const struct sim_plant *plant_named(const char *name)
{
    for (size_t k = 0; name && k < sim_plant_count; k++)
        if (strcmp(name, sim_plant_list[k].name) == 0)
            return &sim_plant_list[k];
    return NULL;
}

/* An option without a value. */
static bool take_flag(const char *word, struct options *o)
{
    const struct {
        const char *word;
        bool *flag;
    } flags[] = { { "--twice", &o->twice },
                  { "--verbose", &o->verbose },
                  { "--expect-found", &o->expect_found },
                  { "--keep-going", &o->keep_going },
                  { "--planted", &o->planted },
                  { "--memory", &o->memory },
                  { "--regressions", &o->regressions } };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(word, flags[i].word) == 0)
            return *flags[i].flag = true;
    return false;
}

static bool parse(int count, char **words, struct options *o)
{
    *o = (struct options){ .first = 1, .seeds = 200, .shards = 1, .plant = &sim_plant_list[0] };
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        if (take_flag(word, o))
            continue;
        bool ok = strcmp(word, "--seeds") == 0        ? number(value, &o->seeds)
                  : strcmp(word, "--first") == 0      ? number(value, &o->first)
                  : strcmp(word, "--shard") == 0      ? shard(value, o)
                  : strcmp(word, "--documented") == 0 ? (o->page = value) != NULL
                  : strcmp(word, "--without") == 0    ? without(value, o)
                  : strcmp(word, "--plant") == 0      ? (o->plant = plant_named(value)) != NULL
                                                      : false;
        if (!ok)
            return false;
        i++;
    }
    return true;
}

static void explain(uint64_t seed, const struct options *o, const struct sim_result *result)
{
    static struct sim_tail tail;
    struct sim_workload workload;
    struct sim_result again;
    bool plain = o->plant == sim_plant_list;
    sim_workload_draw(&workload, seed, o->plant->plants.without | o->without);
    printf("seed %llu%s%s violates %s: %s\n", (unsigned long long)seed, plain ? "" : " with ",
           plain ? "" : o->plant->name, result->verdict.property, result->verdict.text);
    sim_workload_tell(&workload, print_line, stdout);
    memset(&tail, 0, sizeof tail);
    tail.engine_logs = true;
    run(seed, o, &tail, &again);
    printf("the last events (all of them: sim --first %llu --seeds 1%s%s --verbose):\n", (unsigned long long)seed,
           plain ? "" : " --plant ", plain ? "" : o->plant->name);
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

/* A defect may break more than the promise that it is planted for. */
static bool violates(const struct sim_result *result, const char *property)
{
    char word[8];
    snprintf(word, sizeof word, " %s ", property);
    return strstr(result->verdict.all, word) != NULL;
}

static void run_twice(uint64_t seed, const struct options *o, struct sim_result *result, uint64_t trace_before)
{
    struct sim_result second;
    run(seed, o, NULL, &second);
    if (second.trace != result->trace || second.events != result->events)
        sim_violation(&result->verdict, "S1", "two runs differ: trace %016llx and %016llx",
                      (unsigned long long)result->trace, (unsigned long long)second.trace);
    if (result->trace == trace_before)
        sim_violation(&result->verdict, "S1", "the trace is that of the seed before");
}

/* One seed; false: a violation. */
static bool run_seed(uint64_t seed, const struct options *o, struct sim_result *total, uint64_t *trace_before)
{
    struct sim_result result;
    struct sim_tail *tail = NULL;
    if (o->verbose) {
        tail = calloc(1, sizeof *tail);
        if (!tail)
            return false;
        tail->print = tail->engine_logs = true;
    }
    run(seed, o, tail, &result);
    free(tail);
    total->virtual_us += result.virtual_us;
    total->records += result.records;
    total->delivered += result.delivered;
    total->acked += result.acked;
    total->events += result.events;
    if (o->twice)
        run_twice(seed, o, &result, *trace_before);
    *trace_before = result.trace;
    total->trace = total->trace * UINT64_C(0x9e3779b97f4a7c15) + result.trace;
    bool ok = result.verdict.violations == 0;
    if (o->expect_found) {
        ok = !violates(&result, o->plant->property);
        if (!ok)
            printf("%s is found by seed %llu, which violates%s: %s\n", o->plant->name, (unsigned long long)seed,
                   result.verdict.all, result.verdict.text);
    } else if (!ok) {
        explain(seed, o, &result);
    }
    fflush(stdout);
    return ok;
}

/* The table of docs/simulation.md: which defect is found, by how many seeds. true: all are. */
static bool run_planted(const struct options *o)
{
    bool all = true;
    printf("| property | planted defect | found by seed | which says |\n|---|---|---|---|\n");
    for (size_t i = 1 + (size_t)o->shard; i < sim_plant_count; i += (size_t)o->shards) {
        const struct sim_plant *plant = &sim_plant_list[i];
        struct sim_result result = { .trace = 0 };
        uint64_t seed = o->first;
        while (seed < o->first + o->seeds && (sim_run(seed, &plant->plants, NULL, &result), true) &&
               !violates(&result, plant->property))
            seed++;
        bool found = seed < o->first + o->seeds;
        printf("| %s | %s: %s | ", plant->property, plant->name, plant->meaning);
        if (found)
            printf("%llu |%s|\n", (unsigned long long)seed, result.verdict.all);
        else
            printf("NOT FOUND in %llu | |\n", (unsigned long long)o->seeds);
        fflush(stdout);
        all &= found;
    }
    return all;
}

/* R4: out of memory at every place is an error that is survived. true: it is. */
static bool run_memory(const struct options *o)
{
    static const char *const names[] = { "", "producer", "consumer", "brokers" };
    size_t bad = 0;
    for (int who = SIM_STARVE_PRODUCER; who <= SIM_STARVE_BROKERS; who++) {
        struct sim_result result = { .starved = true };
        size_t n = 1;
        for (; result.starved && (!bad || o->keep_going); n++) {
            struct sim_plants plants = { .starve = (enum sim_starved)who, .starve_at = n };
            struct sim_plant plant = { "R4", "memory", plants, "" };
            struct options with = *o;
            with.plant = &plant;
            sim_run(o->first, &plants, NULL, &result);
            if (result.verdict.violations) {
                bad++;
                printf("allocation %zu of the %s fails\n", n, names[who]);
                explain(o->first, &with, &result);
            }
        }
        printf("%s: %zu allocations, each of which failed once\n", names[who], n - 2);
        fflush(stdout);
    }
    return bad == 0;
}

static bool has_row(const char *page, const char *row)
{
    if (!strstr(page, row))
        printf("there is no row that begins with \"%s\"\n", row + 1);
    return strstr(page, row) != NULL;
}

/* docs/simulation.md keeps up with the lists. */
static bool run_documented(const char *path)
{
    static char page[1 << 16];
    char row[300];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(page, 1, sizeof page - 1, file) : 0;
    bool all = size > 0;
    if (file)
        fclose(file);
    for (size_t i = 0; i < sim_check_count; i++) {
        snprintf(row, sizeof row, "\n| %s", sim_checks[i].property);
        all &= has_row(page, row);
    }
    for (size_t i = 1; i < sim_plant_count; i++) {
        const struct sim_plant *plant = &sim_plant_list[i];
        snprintf(row, sizeof row, "\n| %s | %s: %s | ", plant->property, plant->name, plant->meaning);
        all &= has_row(page, row);
    }
    return all;
}

/* true: none of them finds anything. */
static bool run_regressions(const struct options *o)
{
    size_t bad = 0;
    for (size_t i = 0; i < sim_regression_count; i++) {
        struct sim_result total = { .trace = 0 };
        uint64_t trace = 0;
        struct options with = *o;
        with.without = ~sim_regression_list[i].features;
        bad += !run_seed(sim_regression_list[i].seed, &with, &total, &trace);
    }
    printf("%zu seeds that once found something, %zu do now\n", sim_regression_count, bad);
    return bad == 0;
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
    if (o.memory)
        return run_memory(&o) ? 0 : 1;
    if (o.planted)
        return run_planted(&o) ? 0 : 1;
    if (o.page)
        return run_documented(o.page) ? 0 : 1;
    if (o.regressions)
        return run_regressions(&o) ? 0 : 1;
    for (uint64_t i = o.shard; i < o.seeds && (bad == 0 || o.keep_going); i += o.shards, done++) {
        bad += !run_seed(o.first + i, &o, &total, &trace);
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
