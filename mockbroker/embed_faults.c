/* Faults, clock and journal of include/mockbroker/mockbroker.h: texts in, texts out, each one call on the broker's
 * thread. */
#include "mockbroker/core/fault.h"
#include "mockbroker/core/journal.h"
#include "mockbroker/embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)1 << 30) /* of an answer */

struct call {
    kc_mock *mock;
    struct kci_str json; /* what is asked */
    int32_t id;
    int64_t number;
    double rate;
    bool ok; /* of a verification */
    struct kci_writer out;
    char why[MB_SHELL_TEXT_MAX];
    int result;
};

static int make(struct call *call, void (*run)(struct mb_cluster *cluster, void *context, int64_t now), char *text,
                size_t text_size)
{
    snprintf(call->why, sizeof call->why, "out of memory");
    call->result = -1;
    call->out = kci_writer_of(kci_heap_alloc(), TEXT_BYTES_MAX);
    if (mb_shell_call(call->mock->shell, run, call))
        call->result = -1;
    if (text && text_size)
        snprintf(text, text_size, "%s", call->result ? call->why : "");
    return call->result;
}

/* The answer as a text of the caller's, or NULL. */
static char *take(struct call *call)
{
    kci_writer_i8(&call->out, 0);
    char *text = call->out.failed || call->result ? NULL : malloc(call->out.size);
    if (text)
        memcpy(text, call->out.data, call->out.size);
    kci_writer_destroy(&call->out);
    return text;
}

void kc_mock_text_free(char *text)
{
    free(text);
}

/* ---- faults ---- */

static void add(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    call->result = mb_fault_add(cluster, call->json, &call->id, call->why, sizeof call->why, now);
}

int kc_mock_fault_add(kc_mock *mock, const char *json, int32_t *id, char *text, size_t text_size)
{
    struct call call = { .mock = mock, .json = kci_str_of(json) };
    int result = make(&call, add, text, text_size);
    if (!result && id)
        *id = call.id;
    return result;
}

static void remove_one(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    if (call->id == 0)
        mb_fault_remove_all(cluster, now);
    call->result = call->id == 0 || mb_fault_remove(cluster, call->id, now) ? 0 : -1;
}

int kc_mock_fault_remove(kc_mock *mock, int32_t id)
{
    struct call call = { .mock = mock, .id = id };
    return make(&call, remove_one, NULL, 0);
}

static void release(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    call->number = mb_fault_release(cluster, call->id, call->number, now);
    call->result = call->number < 0 ? -1 : 0;
}

int kc_mock_fault_release(kc_mock *mock, int32_t id, int32_t count)
{
    struct call call = { .mock = mock, .id = id, .number = count };
    return make(&call, release, NULL, 0) ? -1 : (int)call.number;
}

static void print(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)now;
    call->result = mb_fault_print(cluster, call->id, &call->out) ? 0 : -1;
}

char *kc_mock_faults(kc_mock *mock, int32_t id)
{
    struct call call = { .mock = mock, .id = id };
    make(&call, print, NULL, 0);
    return take(&call);
}

/* The number behind "name": in our own printing of a fault. */
static int64_t number_in(const char *text, const char *name)
{
    const char *at = text ? strstr(text, name) : NULL;
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

int64_t kc_mock_fault_hits(kc_mock *mock, int32_t id)
{
    char *text = id > 0 ? kc_mock_faults(mock, id) : NULL;
    int64_t hits = number_in(text, "\"hits\":");
    free(text);
    return hits;
}

int64_t kc_mock_fault_held(kc_mock *mock, int32_t id)
{
    char *text = id > 0 ? kc_mock_faults(mock, id) : NULL;
    int64_t held = number_in(text, "\"held\":");
    free(text);
    return held;
}

/* ---- clock ---- */

static void freeze(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)cluster, (void)now;
    mb_clock_freeze(mb_shell_clock(call->mock->shell), kci_clock_us());
    call->result = 0;
}

int kc_mock_clock_freeze(kc_mock *mock)
{
    struct call call = { .mock = mock };
    return make(&call, freeze, NULL, 0);
}

static void advance(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)cluster, (void)now;
    call->result = call->number < 0 || call->number > MB_CLOCK_ADVANCE_MS_MAX ? -1 : 0;
    if (!call->result)
        mb_clock_advance(mb_shell_clock(call->mock->shell), kci_clock_us(), call->number * 1000);
}

int kc_mock_clock_advance(kc_mock *mock, int64_t ms)
{
    struct call call = { .mock = mock, .number = ms };
    return make(&call, advance, NULL, 0);
}

static void set_rate(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)cluster, (void)now;
    call->result = mb_clock_set_rate(mb_shell_clock(call->mock->shell), kci_clock_us(), call->rate) ? 0 : -1;
}

int kc_mock_clock_rate(kc_mock *mock, double rate)
{
    struct call call = { .mock = mock, .rate = rate };
    return make(&call, set_rate, NULL, 0);
}

static void resume(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)cluster, (void)now;
    mb_clock_resume(mb_shell_clock(call->mock->shell), kci_clock_us());
    call->result = 0;
}

int kc_mock_clock_resume(kc_mock *mock)
{
    struct call call = { .mock = mock };
    return make(&call, resume, NULL, 0);
}

static void wall(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    call->number = mb_cluster_wall_ms(cluster, now);
    call->result = 0;
}

int64_t kc_mock_clock_now_ms(kc_mock *mock)
{
    struct call call = { .mock = mock };
    return make(&call, wall, NULL, 0) ? -1 : call.number;
}

/* ---- journal ---- */

static void set_journal(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)now;
    call->result = call->number < 0 ? -1 : mb_journal_set(cluster, (size_t)call->number);
}

int kc_mock_journal(kc_mock *mock, int64_t bytes)
{
    struct call call = { .mock = mock, .number = bytes };
    return make(&call, set_journal, NULL, 0);
}

static void requests(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)now;
    call->result = mb_journal_print(cluster, call->json, &call->out, call->why, sizeof call->why);
}

char *kc_mock_requests(kc_mock *mock, const char *match, char *text, size_t text_size)
{
    struct call call = { .mock = mock, .json = kci_str_of(match) };
    make(&call, requests, text, text_size);
    return take(&call);
}

static void verify(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    (void)now;
    call->result = mb_journal_verify(cluster, call->json, &call->ok, &call->out, call->why, sizeof call->why);
}

int kc_mock_verify(kc_mock *mock, const char *question, char *text, size_t text_size)
{
    struct call call = { .mock = mock, .json = kci_str_of(question) };
    int result = make(&call, verify, text, text_size);
    char *answer = take(&call);
    if (result)
        return -1;
    if (text && text_size)
        snprintf(text, text_size, "%s", answer ? answer : "out of memory");
    free(answer);
    return call.ok ? 0 : 1;
}

static void reset(struct mb_cluster *cluster, void *context, int64_t now)
{
    struct call *call = context;
    mb_cluster_reset(cluster, now);
    call->result = 0;
}

int kc_mock_reset(kc_mock *mock)
{
    struct call call = { .mock = mock };
    return make(&call, reset, NULL, 0);
}
