/* Questions to the journal.
 *
 *      match      what a fault's match may say of requests (api, version, broker, client_id, topic, group,
 *                 transactional_id: none here), and: since (sequence number), outcome, fault (id), request, response
 *                 (what the JSON of the message includes)
 *      question   {"match": {...}, "count" or "min" and/or "max": n}      how many entries match
 *                 {"match": {...}, "in_order": [{match}, ...]}            among those that match, these come in this order */
#include "mockbroker/core/journal.h"

#include "mockbroker/core/fault_parse.h"

#include <stdio.h>

struct filter {
    struct mb_fault base;                     /* only its match */
    int64_t since, fault;                     /* since: greater sequence numbers; fault: id, 0: any */
    int outcome;                              /* -1: any */
    const struct mb_json *request, *response; /* NULL: any */
};

static const char *const outcomes[] = { "pending", "answered", "unanswered", "disconnected", "gone" };

static bool filter_number(const struct mb_json *m, int64_t *out)
{
    *out = m->integer;
    return m->kind == MB_JSON_NUMBER && m->whole && m->integer >= 0;
}

static bool read_filter(struct mb_cluster *cluster, const struct mb_json *match, struct filter *out, char *why,
                        size_t why_size)
{
    struct mb_faults none = { .cluster = cluster };
    *out = (struct filter){ .base.faults = &none, .outcome = -1 };
    mb_fault_parse_match_init(&out->base);
    if (!match)
        return true; /* everything */
    if (match->kind != MB_JSON_OBJECT) {
        snprintf(why, why_size, "a match is an object");
        return false;
    }
    for (const struct mb_json *m = match->members; m; m = m->next) {
        bool ok = true;
        if (strcmp(m->key.data, "since") == 0) {
            ok = filter_number(m, &out->since);
        } else if (strcmp(m->key.data, "fault") == 0) {
            ok = filter_number(m, &out->fault);
        } else if (strcmp(m->key.data, "outcome") == 0) {
            for (int i = 0; i < 5; i++)
                if (m->kind == MB_JSON_STRING && kci_str_equal(m->text, kci_str_of(outcomes[i])))
                    out->outcome = i;
            ok = out->outcome >= 0;
        } else if (strcmp(m->key.data, "request") == 0) {
            out->request = m;
        } else if (strcmp(m->key.data, "response") == 0) {
            out->response = m;
        } else if (strcmp(m->key.data, "nth") == 0 || strcmp(m->key.data, "probability") == 0 ||
                   strcmp(m->key.data, "seed") == 0 || strcmp(m->key.data, "partition") == 0 ||
                   strcmp(m->key.data, "transactional_id") == 0) {
            snprintf(why, why_size, "\"%s\": not a question to the journal; use \"request\"", m->key.data);
            return false;
        } else if (!mb_fault_parse_match_member(&out->base, m, why, why_size)) {
            return false;
        }
        if (!ok) {
            snprintf(why, why_size, "\"%s\": a value that cannot be", m->key.data);
            return false;
        }
    }
    return true;
}

static bool has_name(const char *names, char kind, const char *pattern)
{
    for (const char *at = names; at && *at;) {
        size_t size = strcspn(at, "\n");
        if (at[0] == kind && mb_fault_name_matches(pattern, (struct kci_str){ at + 2, size - 2 }))
            return true;
        at += size + (at[size] != '\0');
    }
    return false;
}

static bool includes(struct kci_arena *arena, const char *text, const struct mb_json *part)
{
    char why[100];
    if (!part)
        return true;
    const struct mb_json *whole = text ? mb_json_parse(arena, kci_str_of(text), why, sizeof why) : NULL;
    return whole && mb_json_includes(whole, part);
}

static bool entry_matches(struct mb_cluster *cluster, const struct mb_journal_entry *entry, const struct filter *filter)
{
    const struct mb_fault_match *match = &filter->base.match;
    bool ok = (int64_t)entry->seq > filter->since && mb_fault_has_api(match, entry->api->key) &&
              entry->version >= match->version_min && entry->version <= match->version_max &&
              (!match->broker || match->broker == entry->broker) &&
              (!match->client_id[0] || mb_fault_name_matches(match->client_id, kci_str_of(entry->client_id))) &&
              (!match->topic[0] || has_name(entry->names, 't', match->topic)) &&
              (!match->group[0] || has_name(entry->names, 'g', match->group)) &&
              (filter->outcome < 0 || filter->outcome == (int)entry->outcome);
    bool met = filter->fault == 0;
    for (size_t i = 0; i < entry->fault_count; i++)
        met |= entry->faults[i] == filter->fault;
    if (!ok || !met)
        return false;
    struct kci_arena arena = kci_arena_of(cluster->alloc, MB_FAULT_ARENA_BYTES);
    ok = includes(&arena, entry->request_json, filter->request) &&
         includes(&arena, entry->response_json, filter->response);
    kci_arena_destroy(&arena);
    return ok;
}

/* ---- writing ---- */

static void put_number(struct kci_writer *w, const char *name, int64_t value)
{
    mb_json_put(w, name);
    mb_json_put_integer(w, value);
}

static void put_text(struct kci_writer *w, const char *name, const char *text)
{
    mb_json_put(w, name);
    mb_json_put_string(w, kci_str_of(text));
}

static void put_entry(struct kci_writer *w, const struct mb_journal_entry *entry, bool messages)
{
    put_number(w, "{\"seq\":", (int64_t)entry->seq);
    put_number(w, ",\"time_ms\":", entry->at_wall_ms);
    put_number(w, ",\"took_us\":", entry->took_us);
    put_number(w, ",\"broker\":", entry->broker);
    put_number(w, ",\"connection\":", (int64_t)entry->connection);
    put_text(w, ",\"client\":", entry->client_host);
    put_text(w, ",\"client_id\":", entry->client_id);
    put_text(w, ",\"api\":", entry->api->name);
    put_number(w, ",\"version\":", entry->version);
    put_number(w, ",\"correlation\":", entry->correlation);
    put_text(w, ",\"outcome\":", outcomes[entry->outcome]);
    mb_json_put(w, ",\"faults\":[");
    for (size_t i = 0; i < entry->fault_count; i++)
        put_number(w, i ? "," : "", entry->faults[i]);
    mb_json_put(w, "]");
    if (messages) {
        mb_json_put(w, ",\"request\":");
        mb_json_put(w, entry->request_json ? entry->request_json : "null");
        mb_json_put(w, ",\"response\":");
        mb_json_put(w, entry->response_json ? entry->response_json : "null");
    }
    mb_json_put(w, "}");
}

#define EACH_ENTRY(node, cluster) KCI_LIST_EACH(node, &(cluster)->journal->entries)

static const char OFF[] = "the journal is off: start with --journal BYTES, or switch it on";

int mb_journal_print(struct mb_cluster *cluster, struct kci_str match, struct kci_writer *w, char *why, size_t why_size)
{
    struct kci_arena arena = kci_arena_of(cluster->alloc, MB_FAULT_ARENA_BYTES);
    struct filter filter;
    const struct mb_json *root = match.size ? mb_json_parse(&arena, match, why, why_size) : NULL;
    bool ok = (!match.size || root) && read_filter(cluster, root, &filter, why, why_size);
    if (ok && !cluster->journal) {
        snprintf(why, why_size, "%s", OFF);
        ok = false;
    }
    if (ok)
        EACH_ENTRY(node, cluster)
        {
            const struct mb_journal_entry *entry = KCI_CONTAINER(node, struct mb_journal_entry, link);
            if (!entry_matches(cluster, entry, &filter))
                continue;
            put_entry(w, entry, true);
            kci_writer_i8(w, '\n');
        }
    if (ok && w->failed)
        snprintf(why, why_size, "the answer is too large: ask for less");
    kci_arena_destroy(&arena);
    return ok && !w->failed ? 0 : -1;
}

/* ---- verifying ---- */

/* Up to MB_JOURNAL_FOUND_MAX entries after `since` that match, in short. */
static void put_found(struct mb_cluster *cluster, struct kci_writer *w, const struct filter *filter, uint64_t since)
{
    int shown = 0;
    mb_json_put(w, "[");
    EACH_ENTRY(node, cluster)
    {
        const struct mb_journal_entry *entry = KCI_CONTAINER(node, struct mb_journal_entry, link);
        if (shown == MB_JOURNAL_FOUND_MAX || entry->seq <= since || !entry_matches(cluster, entry, filter))
            continue;
        mb_json_put(w, shown++ ? "," : "");
        put_entry(w, entry, false);
    }
    mb_json_put(w, "]");
}

struct bounds {
    int64_t min, max;
};

static bool verify_count(struct mb_cluster *cluster, const struct filter *filter, struct bounds bounds,
                         struct kci_writer *w)
{
    struct filter near = *filter;
    int64_t count = 0;
    char text[160];
    EACH_ENTRY(node, cluster)
    count += entry_matches(cluster, KCI_CONTAINER(node, struct mb_journal_entry, link), filter);
    bool ok = count >= bounds.min && count <= bounds.max;
    put_number(w, ok ? "{\"ok\":true,\"count\":" : "{\"ok\":false,\"count\":", count);
    if (!ok) {
        if (bounds.min == bounds.max)
            snprintf(text, sizeof text, "%lld requests match, %lld were expected", (long long)count,
                     (long long)bounds.min);
        else if (bounds.max == INT64_MAX)
            snprintf(text, sizeof text, "%lld requests match, at least %lld were expected", (long long)count,
                     (long long)bounds.min);
        else
            snprintf(text, sizeof text, "%lld requests match, %lld to %lld were expected", (long long)count,
                     (long long)bounds.min, (long long)bounds.max);
        put_text(w, ",\"why\":", text);
        mb_json_put(w, ",\"matching\":");
        put_found(cluster, w, filter, 0);
        /* what nearly matches: the same API, whatever the rest says */
        near.request = near.response = NULL;
        near.fault = near.since = 0;
        near.outcome = -1;
        uint64_t apis[2] = { near.base.match.apis[0], near.base.match.apis[1] };
        mb_fault_parse_match_init(&near.base);
        memcpy(near.base.match.apis, apis, sizeof apis);
        mb_json_put(w, ",\"of_these_apis\":");
        put_found(cluster, w, &near, 0);
    }
    put_number(w, ",\"evicted\":", (int64_t)cluster->journal->evicted);
    mb_json_put(w, "}");
    return ok;
}

/* -1: a step of the question is wrong. */
static int verify_order(struct mb_cluster *cluster, const struct filter *filter, const struct mb_json *steps,
                        struct kci_writer *w, char *why, size_t why_size)
{
    uint64_t last = 0;
    size_t number = 0;
    for (const struct mb_json *step = steps->members; step; step = step->next) {
        struct filter wanted;
        uint64_t found = 0;
        char text[160];
        number++;
        if (!read_filter(cluster, step, &wanted, why, why_size))
            return -1;
        EACH_ENTRY(node, cluster)
        {
            const struct mb_journal_entry *entry = KCI_CONTAINER(node, struct mb_journal_entry, link);
            if (!found && entry->seq > last && entry_matches(cluster, entry, filter) &&
                entry_matches(cluster, entry, &wanted))
                found = entry->seq;
        }
        if (found) {
            last = found;
            continue;
        }
        snprintf(text, sizeof text, "step %zu of %zu does not come after request %llu", number, steps->count,
                 (unsigned long long)last);
        put_text(w, "{\"ok\":false,\"why\":", text);
        mb_json_put(w, ",\"missing\":");
        kci_writer_bytes(w, step->raw.data, step->raw.size);
        mb_json_put(w, ",\"after_it\":");
        put_found(cluster, w, filter, last);
        put_number(w, ",\"evicted\":", (int64_t)cluster->journal->evicted);
        mb_json_put(w, "}");
        return 0;
    }
    put_number(w, "{\"ok\":true,\"count\":", (int64_t)steps->count);
    mb_json_put(w, "}");
    return 1;
}

/* The members of a question; false: why. */
static bool read_question(const struct mb_json *root, struct bounds *bounds, const struct mb_json **match,
                          const struct mb_json **steps, char *why, size_t why_size)
{
    int counts = 0;
    bool exact = false, ok = root->kind == MB_JSON_OBJECT;
    for (const struct mb_json *m = ok ? root->members : NULL; ok && m; m = m->next) {
        if (strcmp(m->key.data, "match") == 0) {
            *match = m;
        } else if (strcmp(m->key.data, "in_order") == 0) {
            ok = m->kind == MB_JSON_ARRAY && m->count > 0;
            *steps = m;
        } else if (strcmp(m->key.data, "count") == 0) {
            ok = filter_number(m, &bounds->min);
            bounds->max = bounds->min;
            exact = true;
        } else if (strcmp(m->key.data, "min") == 0 || strcmp(m->key.data, "max") == 0) {
            ok = filter_number(m, m->key.data[1] == 'i' ? &bounds->min : &bounds->max);
            counts++;
        } else {
            ok = false;
        }
    }
    ok = ok && (*steps != NULL) + exact + (counts > 0) == 1;
    if (!ok)
        snprintf(
            why, why_size,
            "a question is {\"match\": {...}} with \"count\", with \"min\" and \"max\", or with \"in_order\": [...]");
    return ok;
}

int mb_journal_verify(struct mb_cluster *cluster, struct kci_str question, bool *ok, struct kci_writer *w, char *why,
                      size_t why_size)
{
    struct kci_arena arena = kci_arena_of(cluster->alloc, MB_FAULT_ARENA_BYTES);
    const struct mb_json *root = mb_json_parse(&arena, question, why, why_size), *match = NULL, *steps = NULL;
    struct bounds bounds = { 0, INT64_MAX };
    struct filter filter;
    int result = root && read_question(root, &bounds, &match, &steps, why, why_size) &&
                         read_filter(cluster, match, &filter, why, why_size)
                     ? 0
                     : -1;
    if (result == 0 && !cluster->journal) {
        snprintf(why, why_size, "%s", OFF);
        result = -1;
    }
    if (result == 0 && steps) {
        int verdict = verify_order(cluster, &filter, steps, w, why, why_size);
        *ok = verdict > 0;
        result = verdict < 0 ? -1 : 0;
    } else if (result == 0) {
        *ok = verify_count(cluster, &filter, bounds, w);
    }
    kci_arena_destroy(&arena);
    return result;
}
