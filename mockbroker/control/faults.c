/* /v1/faults, /v1/clock, /v1/requests, /v1/verify, /v1/reset: texts for the core, which has the grammar. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/fault.h"
#include "mockbroker/core/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX ((size_t)256 << 20)

static const char FAULT_FORM[] =
    "{\"match\": {\"api\": \"Produce\", \"topic\": \"t\"}, \"count\": 1, \"action\": {\"type\": \"error\", \"error\": "
    "\"NOT_LEADER_OR_FOLLOWER\"}}";

static struct kci_writer new_writer(void)
{
    return kci_writer_of(kci_heap_alloc(), ANSWER_BYTES_MAX);
}

/* Answer with what the core has written. */
static void answer_writer(struct mb_control_request *request, unsigned status, struct kci_writer *w)
{
    json_error_t error;
    mb_control_answer(request, status, w->failed ? NULL : json_loadb((const char *)w->data, w->size, 0, &error));
    kci_writer_destroy(w);
}

/* The body as text again, to be freed; NULL: none, and answered. */
static char *body_text(struct mb_control_request *request, const char *form)
{
    char *text = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    if (!text)
        mb_control_fail(request, 400, form, "it is described in the body");
    return text;
}

/* ---- faults ---- */

void mb_control_get_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct kci_writer w = new_writer();
    (void)now;
    mb_fault_print(cluster, 0, &w);
    answer_writer(request, 200, &w);
}

void mb_control_post_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    char why[MB_SHELL_TEXT_MAX];
    int32_t first = 0;
    char *text = body_text(request, FAULT_FORM);
    if (!text)
        return;
    int error = mb_fault_add(cluster, kci_str_of(text), &first, why, sizeof why, now);
    free(text);
    json_t *ids = error ? NULL : json_array();
    for (int32_t id = first; ids && id <= cluster->faults->last_id; id++)
        json_array_append_new(ids, json_integer(id));
    if (error)
        mb_control_fail(request, 400, FAULT_FORM, "%s", why);
    else
        mb_control_answer(request, 201, json_pack("{s:i, s:o}", "id", (int)first, "ids", ids));
}

/* The id in the path; false: answered. */
static bool fault_id(struct mb_control_request *request, int32_t *id)
{
    int64_t number;
    if (!mb_control_number(request, "fault", request->segments[2], INT32_MAX, &number))
        return false;
    *id = number ? (int32_t)number : -1;
    return true;
}

static void no_fault(struct mb_control_request *request)
{
    mb_control_fail(request, 404, "GET /v1/faults lists them", "there is no fault %s", request->segments[2]);
}

void mb_control_get_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t id;
    struct kci_writer w = new_writer();
    (void)now;
    if (!fault_id(request, &id))
        return;
    if (id > 0 && mb_fault_print(cluster, id, &w))
        answer_writer(request, 200, &w);
    else
        no_fault(request);
}

void mb_control_delete_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t id;
    if (!fault_id(request, &id))
        return;
    if (mb_fault_remove(cluster, id, now))
        mb_control_answer_code(request, 0);
    else
        no_fault(request);
}

/* POST /v1/faults/ID/on and /off */
static void switch_fault(struct mb_control_request *request, struct mb_cluster *cluster, bool on, int64_t now)
{
    int32_t id;
    if (!fault_id(request, &id))
        return;
    if (mb_fault_switch(cluster, id, on, now))
        mb_control_answer_code(request, 0);
    else
        no_fault(request);
}

void mb_control_fault_on(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    switch_fault(request, cluster, true, now);
}

void mb_control_fault_off(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    switch_fault(request, cluster, false, now);
}

void mb_control_delete_faults(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    mb_fault_remove_all(cluster, now);
    mb_control_answer_code(request, 0);
}

void mb_control_release_fault(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    int32_t id;
    json_int_t count = -1;
    if (!fault_id(request, &id))
        return;
    if (request->body && (json_unpack(request->body, "{s?I!}", "count", &count) || count < -1)) {
        mb_control_fail(request, 400, "{\"count\": 1}, or no body for all", "count is a number");
        return;
    }
    int64_t released = mb_fault_release(cluster, id, count, now);
    if (released < 0)
        mb_control_fail(request, 404, "GET /v1/faults lists them", "there is no barrier %s", request->segments[2]);
    else
        mb_control_answer(request, 200, json_pack("{s:I}", "released", (json_int_t)released));
}

/* ---- clock ---- */

static void answer_clock(struct mb_control_request *request, struct mb_cluster *cluster)
{
    const struct mb_clock *clock = mb_shell_clock(request->shell);
    int64_t now = mb_clock_now(clock, kci_clock_us());
    mb_control_answer(request, 200,
                      json_pack("{s:I, s:b, s:f}", "now_ms", (json_int_t)mb_cluster_wall_ms(cluster, now), "frozen",
                                (int)clock->frozen, "rate", clock->rate));
}

void mb_control_get_clock(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    (void)now;
    answer_clock(request, cluster);
}

void mb_control_post_clock(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    const char *verb = request->segments[2];
    struct mb_clock *clock = mb_shell_clock(request->shell);
    json_int_t ms = -1;
    double rate = 0;
    (void)now;
    if (strcmp(verb, "freeze") == 0) {
        mb_clock_freeze(clock, kci_clock_us());
    } else if (strcmp(verb, "resume") == 0) {
        mb_clock_resume(clock, kci_clock_us());
    } else if (strcmp(verb, "advance") == 0) {
        if (!request->body || json_unpack(request->body, "{s:I!}", "ms", &ms) || ms < 0 ||
            ms > MB_CLOCK_ADVANCE_MS_MAX) {
            mb_control_fail(request, 400, "{\"ms\": 30000}", "ms is a number from 0 to %lld",
                            (long long)MB_CLOCK_ADVANCE_MS_MAX);
            return;
        }
        mb_clock_advance(clock, kci_clock_us(), ms * 1000);
    } else if (strcmp(verb, "rate") == 0) {
        if (!request->body || json_unpack(request->body, "{s:F!}", "rate", &rate) ||
            !mb_clock_set_rate(clock, kci_clock_us(), rate)) {
            mb_control_fail(request, 400, "{\"rate\": 60}", "rate is a number from %g to %g", MB_CLOCK_RATE_MIN,
                            MB_CLOCK_RATE_MAX);
            return;
        }
    } else {
        mb_control_fail(request, 404, "freeze, advance, rate, resume", "the clock cannot be asked to \"%s\"", verb);
        return;
    }
    answer_clock(request, cluster);
}

/* ---- journal ---- */

void mb_control_post_journal(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    json_int_t bytes = -1;
    (void)now;
    if (!request->body || json_unpack(request->body, "{s:I!}", "bytes", &bytes) || bytes < 0 ||
        mb_journal_set(cluster, (size_t)bytes)) {
        mb_control_fail(request, 400, "{\"bytes\": 16777216}, or 0 to switch it off",
                        "bytes is 0, or a number from %zu to %zu", MB_JOURNAL_BYTES_MIN, MB_JOURNAL_BYTES_MAX);
        return;
    }
    mb_control_answer_code(request, 0);
}

/* The match that the query spells. */
static json_t *query_match(struct mb_control_request *request)
{
    static const char *const texts[] = { "api", "client_id", "topic", "group", "outcome" };
    static const char *const numbers[] = { "since", "broker", "version", "fault" };
    json_t *match = json_object();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (request->query(request, texts[i]))
            json_object_set_new(match, texts[i], json_string(request->query(request, texts[i])));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *text = request->query(request, numbers[i]);
        int64_t value;
        if (!text)
            continue;
        if (!mb_control_number(request, numbers[i], text, INT64_MAX, &value)) {
            json_decref(match);
            return NULL;
        }
        json_object_set_new(match, numbers[i], json_integer(value));
    }
    return match;
}

/* JSON lines -> {"requests": [...]}. NULL: no memory. */
static json_t *lines_json(const struct kci_writer *w)
{
    json_t *all = json_array();
    for (const uint8_t *at = w->data, *end = w->data + w->size; all && at && at < end;) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
        json_error_t error;
        json_t *one = json_loadb((const char *)at, (size_t)(line - at), 0, &error);
        if (json_array_append_new(all, one)) {
            json_decref(all);
            return NULL;
        }
        at = line + 1;
    }
    return json_pack("{s:o}", "requests", all);
}

void mb_control_get_requests(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct kci_writer w = new_writer();
    char why[MB_SHELL_TEXT_MAX];
    const char *format = request->query(request, "format");
    json_t *match = query_match(request);
    (void)now;
    if (!match)
        return;
    char *text = json_dumps(match, JSON_COMPACT);
    json_decref(match);
    if (!text || mb_journal_print(cluster, kci_str_of(text), &w, why, sizeof why)) {
        mb_control_fail(request,
                        text && cluster->journal ? 400
                        : text                   ? 409
                                                 : 500,
                        "POST /v1/journal {\"bytes\": 16777216} switches the journal on", "%s",
                        text ? why : "out of memory");
    } else if (format && strcmp(format, "jsonl") == 0) {
        kci_writer_i8(&w, 0);
        request->text = w.failed ? NULL : malloc(w.size);
        request->type = "application/x-ndjson";
        request->status = 200;
        if (request->text)
            memcpy(request->text, w.data, w.size);
        else
            mb_control_fail(request, 500, NULL, "out of memory");
    } else {
        mb_control_answer(request, 200, lines_json(&w));
    }
    free(text);
    kci_writer_destroy(&w);
}

void mb_control_post_verify(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    static const char form[] = "{\"match\": {\"api\": \"Produce\"}, \"count\": 3}";
    struct kci_writer w = new_writer();
    char why[MB_SHELL_TEXT_MAX];
    bool ok = false;
    char *text = body_text(request, form);
    (void)now;
    if (!text)
        return;
    if (mb_journal_verify(cluster, kci_str_of(text), &ok, &w, why, sizeof why)) {
        kci_writer_destroy(&w);
        mb_control_fail(request, 400, form, "%s", why);
    } else {
        answer_writer(request, ok ? 200 : 409, &w);
    }
    free(text);
}

void mb_control_post_reset(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    mb_cluster_reset(cluster, now);
    mb_control_answer_code(request, 0);
}
