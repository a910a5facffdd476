/* A fault as JSON -> struct.  Strict: an unknown member, a wrong type or a member that the action has no use for is an
 * error that names it, because a fault that silently does something else makes a test lie.
 *
 *      {"match": {...}, "count": n, "duration_ms": n, "action": "silence" or {"type": "delay", ...}} */
#include "mockbroker/core/fault_parse.h"

#include <stdio.h>

#define ERROR_CODES_END 1000 /* Kafka's numbers are far below */

struct parse {
    struct mb_fault *fault;
    char *why;
    size_t why_size;
};

static bool wrong(struct parse *p, const char *name, const char *expected)
{
    snprintf(p->why, p->why_size, "\"%s\": %s", name, expected);
    return false;
}

/* ---- values ---- */

static bool take_number(struct parse *p, const struct mb_json *value, int64_t min, int64_t max, int64_t *out)
{
    char text[100], name[60];
    if (value->kind == MB_JSON_NUMBER && value->whole && value->integer >= min && value->integer <= max) {
        *out = value->integer;
        return true;
    }
    snprintf(name, sizeof name, "%.*s", (int)(value->key.size < 50 ? value->key.size : 50), value->key.data);
    snprintf(text, sizeof text, "a number from %lld to %lld is expected", (long long)min, (long long)max);
    return wrong(p, name, text);
}

static bool take_name(struct parse *p, const struct mb_json *value, char *out)
{
    if (value->kind != MB_JSON_STRING || !value->text.size || value->text.size >= MB_FAULT_TEXT_MAX)
        return wrong(p, value->key.data, "a text of 1 to 249 bytes is expected");
    memcpy(out, value->text.data, value->text.size + 1);
    return true;
}

static bool take_api(struct parse *p, const struct mb_json *value)
{
    const struct kci_api *api = value->kind == MB_JSON_STRING ? kci_api_find_name(value->text) : NULL;
    if (value->kind == MB_JSON_NUMBER && value->whole && value->integer >= 0 && value->integer < 128)
        api = kci_api_find((int16_t)value->integer);
    if (!api || !mb_api_row(api->key))
        return wrong(p, "api", "the name of an API that this broker serves, or an array of such names, is expected");
    p->fault->match.apis[api->key / 64] |= (uint64_t)1 << (api->key % 64);
    return true;
}

static bool take_apis(struct parse *p, const struct mb_json *value)
{
    bool ok = value->kind != MB_JSON_ARRAY ? take_api(p, value)
              : value->count               ? true
                                           : wrong(p, "api", "an empty array");
    for (const struct mb_json *one = value->kind == MB_JSON_ARRAY ? value->members : NULL; ok && one; one = one->next)
        ok = take_api(p, one);
    return ok;
}

static bool take_version(struct parse *p, const struct mb_json *value)
{
    int64_t min, max;
    bool range = value->kind == MB_JSON_ARRAY && value->count == 2;
    bool ok = range ? take_number(p, value->members, 0, INT16_MAX, &min) &&
                          take_number(p, value->members->next, min, INT16_MAX, &max)
                    : take_number(p, value, 0, INT16_MAX, &min);
    if (!ok)
        return wrong(p, "version", "a version, or [lowest, highest], is expected");
    p->fault->match.version_min = (int16_t)min;
    p->fault->match.version_max = (int16_t)(range ? max : min);
    return true;
}

static bool take_probability(struct parse *p, const struct mb_json *value)
{
    bool ok = value->kind == MB_JSON_NUMBER && value->number >= 0 && value->number <= 1;
    p->fault->match.probability_ppm = ok ? (uint32_t)(value->number * 1000000 + 0.5) : 0;
    return ok || wrong(p, "probability", "a number from 0 to 1 is expected");
}

bool mb_fault_parse_match_member(struct mb_fault *fault, const struct mb_json *m, char *why, size_t why_size)
{
    struct parse parse = { fault, why, why_size }, *p = &parse;
    struct mb_fault_match *out = &fault->match;
    const char *name = m->key.data;
    int64_t number = 0;
    if (strcmp(name, "api") == 0)
        return take_apis(p, m);
    if (strcmp(name, "version") == 0)
        return take_version(p, m);
    if (strcmp(name, "client_id") == 0)
        return take_name(p, m, out->client_id);
    if (strcmp(name, "topic") == 0)
        return take_name(p, m, out->topic);
    if (strcmp(name, "group") == 0)
        return take_name(p, m, out->group);
    if (strcmp(name, "transactional_id") == 0)
        return take_name(p, m, out->transactional_id);
    if (strcmp(name, "nth") == 0)
        return take_number(p, m, 1, INT64_MAX, &out->nth);
    if (strcmp(name, "probability") == 0)
        return take_probability(p, m);
    if (strcmp(name, "broker") == 0) {
        bool ok = take_number(p, m, 1, fault->faults->cluster->broker_count, &number);
        out->broker = (int32_t)number;
        return ok;
    }
    if (strcmp(name, "partition") == 0) {
        bool ok = take_number(p, m, 0, INT32_MAX, &number);
        out->partition = (int32_t)number;
        return ok;
    }
    if (strcmp(name, "seed") == 0) {
        bool ok = take_number(p, m, 0, INT64_MAX, &number);
        kci_prng_seed(&fault->prng, (uint64_t)number);
        return ok;
    }
    return wrong(p, name, "a match has no such member");
}

void mb_fault_parse_match_init(struct mb_fault *fault)
{
    fault->match =
        (struct mb_fault_match){ .version_max = INT16_MAX, .partition = -1, .nth = 1, .probability_ppm = 1000000 };
}

static bool take_match(struct parse *p, const struct mb_json *match)
{
    bool ok = match->kind == MB_JSON_OBJECT || wrong(p, "match", "an object is expected");
    for (const struct mb_json *m = ok ? match->members : NULL; ok && m; m = m->next)
        ok = mb_fault_parse_match_member(p->fault, m, p->why, p->why_size);
    if (ok && p->fault->match.partition >= 0 && !p->fault->match.topic[0])
        ok = wrong(p, "partition", "a partition goes with a topic");
    return ok;
}

/* ---- actions ---- */

enum {
    M_WHEN = 1,
    M_ERROR = 2,
    M_LEVEL = 4,
    M_MS = 8,
    M_JITTER = 16,
    M_BYTES = 32,
    M_OFFSET = 64,
    M_BROKER = 128,
    M_BY = 256,
    M_RAW = 512,
    M_API = 1024,
    M_MAX = 2048
};

static const struct kind_row {
    const char *name;
    enum mb_fault_kind kind;
    int takes, needs; /* M_* */
    int16_t error;    /* of the shorthands for an error; 0: says its own */
} kinds[] = {
    { "error", MB_FAULT_ERROR, M_WHEN | M_ERROR | M_LEVEL, M_ERROR, 0 },
    { "coordinator_loading", MB_FAULT_ERROR, 0, 0, KCI_COORDINATOR_LOAD_IN_PROGRESS },
    { "coordinator_moved", MB_FAULT_ERROR, 0, 0, KCI_NOT_COORDINATOR },
    { "delay", MB_FAULT_DELAY, M_WHEN | M_MS | M_JITTER, M_MS, 0 },
    { "barrier", MB_FAULT_BARRIER, M_WHEN, 0, 0 },
    { "disconnect", MB_FAULT_DISCONNECT, M_WHEN | M_BYTES, 0, 0 },
    { "silence", MB_FAULT_SILENCE, M_WHEN, 0, 0 },
    { "slow_write", MB_FAULT_SLOW_WRITE, M_BYTES | M_MS, 0, 0 },
    { "throttle", MB_FAULT_THROTTLE, M_MS, M_MS, 0 },
    { "corrupt", MB_FAULT_CORRUPT, M_BYTES | M_OFFSET, 0, 0 },
    { "wrong_correlation", MB_FAULT_WRONG_CORRELATION, M_BY, 0, 0 },
    { "truncate", MB_FAULT_TRUNCATE, M_BYTES, 0, 0 },
    { "duplicate", MB_FAULT_DUPLICATE, M_BY, 0, 0 },
    { "raw", MB_FAULT_RAW, M_RAW, M_RAW, 0 },
    { "versions", MB_FAULT_VERSIONS, M_API | M_MAX, M_API | M_MAX, 0 },
    { "stale_metadata", MB_FAULT_STALE_METADATA, 0, 0, 0 },
    { "no_leader", MB_FAULT_NO_LEADER, 0, 0, 0 },
    { "missing_topic", MB_FAULT_MISSING_TOPIC, 0, 0, 0 },
    { "empty_metadata", MB_FAULT_EMPTY_METADATA, 0, 0, 0 },
    { "contradictory_metadata", MB_FAULT_CONTRADICTORY_METADATA, 0, 0, 0 },
    { "hidden_broker", MB_FAULT_HIDDEN_BROKER, M_BROKER, M_BROKER, 0 },
    { "refuse", MB_FAULT_REFUSE, 0, 0, 0 },
    { "black_hole", MB_FAULT_BLACK_HOLE, 0, 0, 0 },
    { "slow_read", MB_FAULT_SLOW_READ, M_BYTES | M_MS, 0, 0 },
    { "cut_read", MB_FAULT_CUT_READ, M_BYTES, 0, 0 },
    { "storage_full", MB_FAULT_STORAGE_FULL, M_BYTES, 0, 0 },
    { "write_error", MB_FAULT_WRITE_ERROR, 0, 0, 0 },
    { "torn_write", MB_FAULT_TORN_WRITE, M_BYTES, 0, 0 },
    { "read_error", MB_FAULT_READ_ERROR, 0, 0, 0 },
    { "sync_error", MB_FAULT_SYNC_ERROR, 0, 0, 0 },
    { "slow_sync", MB_FAULT_SLOW_SYNC, M_MS, M_MS, 0 },
    { "lost_tail", MB_FAULT_LOST_TAIL, 0, 0, 0 },
};

const char *mb_fault_kind_name(enum mb_fault_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "?";
}

const char *mb_fault_kind_at(size_t i)
{
    return i < sizeof kinds / sizeof kinds[0] ? kinds[i].name : NULL;
}

static const struct kind_row *find_kind(struct kci_str name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kci_str_equal(name, kci_str_of(kinds[i].name)))
            return &kinds[i];
    return NULL;
}

static bool take_error(struct parse *p, const struct mb_json *value)
{
    if (value->kind == MB_JSON_NUMBER && value->whole && value->integer >= INT16_MIN && value->integer <= INT16_MAX &&
        value->integer != 0) {
        p->fault->action.error = (int16_t)value->integer; /* also one that Kafka does not have: clients must bear it */
        return true;
    }
    for (int16_t code = -1; value->kind == MB_JSON_STRING && code < ERROR_CODES_END; code++)
        if (code != 0 && strcmp(kci_error_name(code), "UNKNOWN_ERROR_CODE") != 0 &&
            kci_str_equal(value->text, kci_str_of(kci_error_name(code)))) {
            p->fault->action.error = code;
            return true;
        }
    return wrong(p, "error",
                 "one of Kafka's error names, such as \"NOT_LEADER_OR_FOLLOWER\", or its number is expected");
}

/* The index of a word, or -1. */
static int take_word(const struct mb_json *value, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (value->kind == MB_JSON_STRING && kci_str_equal(value->text, kci_str_of(words[i])))
            return i;
    return -1;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* "hex": two digits a byte; "text": as it stands. */
static bool take_raw(struct parse *p, const struct mb_json *value, bool hex)
{
    struct mb_fault_action *out = &p->fault->action;
    size_t digits = hex ? 2 : 1, size = value->kind == MB_JSON_STRING ? value->text.size / digits : 0;
    bool ok = size > 0 && size <= MB_FAULT_RAW_MAX && value->text.size % digits == 0;
    for (size_t i = 0; ok && i < size; i++) {
        const char *at = value->text.data + i * digits;
        int high = hex ? hex_digit(at[0]) : 0, low = hex ? hex_digit(at[1]) : 0;
        ok = high >= 0 && low >= 0;
        out->raw[i] = hex ? (uint8_t)(high * 16 + low) : (uint8_t)at[0];
    }
    out->raw_size = size;
    return ok || wrong(p, value->key.data,
                       hex ? "1 to 500 bytes of two hexadecimal digits each are expected"
                           : "a text of 1 to 500 bytes is expected");
}

static bool take_told_api(struct parse *p, const struct mb_json *value)
{
    const struct kci_api *api = value->kind == MB_JSON_STRING ? kci_api_find_name(value->text) : NULL;
    if (!api || !mb_api_row(api->key))
        return wrong(p, "api", "the name of an API that this broker serves is expected");
    p->fault->action.number = api->key;
    return true;
}

/* One member of an action; returns its M_* bit, 0 with `why` set. */
static int take_member(struct parse *p, const struct mb_json *m)
{
    static const char *const whens[] = { "before", "after" };
    static const char *const levels[] = { "auto", "top", "topic", "partition" };
    struct mb_fault_action *out = &p->fault->action;
    const char *name = m->key.data;
    int64_t number = 0;
    int word;
    if (strcmp(name, "when") == 0) {
        word = take_word(m, whens, 2);
        out->after = word == 1;
        return word >= 0 || wrong(p, name, "\"before\" or \"after\" is expected") ? M_WHEN : 0;
    }
    if (strcmp(name, "error") == 0)
        return take_error(p, m) ? M_ERROR : 0;
    if (strcmp(name, "level") == 0) {
        word = take_word(m, levels, 4);
        out->level = word >= 0 ? (enum mb_fault_level)word : MB_LEVEL_AUTO;
        return word >= 0 || wrong(p, name, "\"top\", \"topic\" or \"partition\" is expected") ? M_LEVEL : 0;
    }
    if (strcmp(name, "ms") == 0) {
        bool ok = take_number(p, m, 0, MB_FAULT_TIME_MS_MAX, &number);
        out->time_us = number * 1000;
        out->number = (int32_t)number;
        return ok ? M_MS : 0;
    }
    if (strcmp(name, "jitter_ms") == 0) {
        bool ok = take_number(p, m, 0, MB_FAULT_TIME_MS_MAX, &number);
        out->jitter_us = number * 1000;
        return ok ? M_JITTER : 0;
    }
    if (strcmp(name, "bytes") == 0)
        return take_number(p, m, 0, INT32_MAX, &out->bytes) ? M_BYTES : 0;
    if (strcmp(name, "offset") == 0)
        return take_number(p, m, 0, INT32_MAX, &out->offset) ? M_OFFSET : 0;
    if (strcmp(name, "broker") == 0 || strcmp(name, "by") == 0) {
        bool is_by = name[1] == 'y';
        bool ok = take_number(p, m, is_by ? INT32_MIN : 1, is_by ? INT32_MAX : p->fault->faults->cluster->broker_count,
                              &number);
        out->number = (int32_t)number;
        return ok ? (is_by ? M_BY : M_BROKER) : 0;
    }
    if (strcmp(name, "hex") == 0 || strcmp(name, "text") == 0)
        return take_raw(p, m, name[0] == 'h') ? M_RAW : 0;
    if (strcmp(name, "api") == 0)
        return take_told_api(p, m) ? M_API : 0;
    if (strcmp(name, "max") == 0) {
        bool ok = take_number(p, m, -1, INT16_MAX, &number);
        out->max = (int16_t)number;
        return ok ? M_MAX : 0;
    }
    wrong(p, name, "an action has no such member");
    return 0;
}

static void set_defaults(struct mb_fault_action *out, int given)
{
    if (out->kind == MB_FAULT_SLOW_WRITE && !(given & M_BYTES))
        out->bytes = 1;
    bool reads = out->kind == MB_FAULT_SLOW_READ || out->kind == MB_FAULT_CUT_READ;
    if ((reads || out->kind == MB_FAULT_CORRUPT) && !(given & M_BYTES))
        out->bytes = 1;
    if (out->kind == MB_FAULT_SLOW_READ && !(given & M_MS))
        out->time_us = 1000;
    if (out->kind == MB_FAULT_TRUNCATE && !(given & M_BYTES))
        out->bytes = -1; /* half of it */
    if (out->kind == MB_FAULT_DISCONNECT && given & M_BYTES)
        out->after = true; /* there is an answer only after applying */
    if (out->kind == MB_FAULT_WRONG_CORRELATION && !(given & M_BY))
        out->number = 1;
}

static const char *needed(int missing)
{
    return missing & M_ERROR ? "\"error\""
           : missing & M_MS  ? "\"ms\""
           : missing & M_RAW ? "\"hex\" or \"text\""
           : missing & M_API ? "\"api\""
           : missing & M_MAX ? "\"max\""
                             : "\"broker\"";
}

static bool take_action(struct parse *p, const struct mb_json *action)
{
    const struct mb_json *type = action->kind == MB_JSON_STRING ? action : mb_json_get(action, "type");
    const struct kind_row *row = type && type->kind == MB_JSON_STRING ? find_kind(type->text) : NULL;
    struct mb_fault_action *out = &p->fault->action;
    int given = 0;
    if (!row) {
        size_t used = (size_t)snprintf(p->why, p->why_size, "\"action\": its type is one of");
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && used < p->why_size; i++)
            used += (size_t)snprintf(p->why + used, p->why_size - used, " %s", kinds[i].name);
        return false;
    }
    *out = (struct mb_fault_action){ .kind = row->kind, .error = row->error, .bytes = -1, .offset = -1 };
    for (const struct mb_json *m = action->kind == MB_JSON_OBJECT ? action->members : NULL; m; m = m->next) {
        if (m == type)
            continue;
        int bit = take_member(p, m);
        if (!bit)
            return false;
        if (!(row->takes & bit)) {
            snprintf(p->why, p->why_size, "\"%s\" has no use for \"%s\"", row->name, m->key.data);
            return false;
        }
        given |= bit;
    }
    if (row->needs & ~given) {
        snprintf(p->why, p->why_size, "\"%s\" needs %s", row->name, needed(row->needs & ~given));
        return false;
    }
    set_defaults(out, given);
    bool some = out->kind == MB_FAULT_SLOW_WRITE || out->kind == MB_FAULT_SLOW_READ || out->kind == MB_FAULT_CUT_READ;
    return !some || out->bytes > 0 || wrong(p, "bytes", "at least 1 is expected");
}

/* ---- the whole ---- */

/* What the match and the action say of each other. */
static bool check_together(struct parse *p)
{
    static const int16_t group_apis[] = { KCI_API_JOIN_GROUP,  KCI_API_SYNC_GROUP,    KCI_API_HEARTBEAT,
                                          KCI_API_LEAVE_GROUP, KCI_API_OFFSET_COMMIT, KCI_API_OFFSET_FETCH };
    struct mb_fault_match *match = &p->fault->match;
    const struct mb_fault_action *action = &p->fault->action;
    bool any_api = !match->apis[0] && !match->apis[1];
    bool of_request = match->client_id[0] || match->group[0] || match->transactional_id[0] || !any_api ||
                      match->version_max != INT16_MAX || match->version_min;
    if (action->kind >= MB_FAULT_REFUSE && of_request)
        return wrong(p, "match", "a fault of connections or of storage is not about requests");
    if (action->kind >= MB_FAULT_REFUSE && action->kind < MB_FAULT_STORAGE_FULL && match->topic[0])
        return wrong(p, "match", "a connection belongs to a broker, not to a topic");
    if (action->kind >= MB_FAULT_STORAGE_FULL && action->kind != MB_FAULT_LOST_TAIL && !p->fault->faults->cluster->disk)
        return wrong(p, "action", "there is no storage to fail: the logs are in memory (--data-dir)");
    bool metadata = action->kind >= MB_FAULT_STALE_METADATA && action->kind <= MB_FAULT_HIDDEN_BROKER;
    uint64_t only_metadata = (uint64_t)1 << KCI_API_METADATA;
    if (metadata && !any_api && (match->apis[0] != only_metadata || match->apis[1]))
        return wrong(p, "api", "this action is about Metadata");
    if (metadata)
        match->apis[0] = only_metadata;
    uint64_t only_versions = (uint64_t)1 << KCI_API_API_VERSIONS;
    if (action->kind == MB_FAULT_VERSIONS && !any_api && (match->apis[0] != only_versions || match->apis[1]))
        return wrong(p, "api", "this action is about ApiVersions");
    if (action->kind == MB_FAULT_VERSIONS)
        match->apis[0] = only_versions;
    if (any_api && (action->error == KCI_COORDINATOR_LOAD_IN_PROGRESS || action->error == KCI_NOT_COORDINATOR))
        for (size_t i = 0; i < sizeof group_apis / sizeof group_apis[0]; i++)
            match->apis[group_apis[i] / 64] |= (uint64_t)1 << (group_apis[i] % 64);
    else if (any_api && action->kind == MB_FAULT_ERROR)
        return wrong(p, "api", "an error needs to know of which API");
    return true;
}

bool mb_fault_parse(struct mb_fault *fault, const struct mb_json *spec, char *why, size_t why_size)
{
    struct parse p = { fault, why, why_size };
    const struct mb_json *action = NULL;
    int64_t number = 0;
    bool ok = spec->kind == MB_JSON_OBJECT;
    snprintf(why, why_size, "a fault is an object: {\"match\": {\"api\": \"Produce\"}, \"action\": \"silence\"}");
    fault->count = fault->duration_us = -1;
    mb_fault_parse_match_init(fault);
    kci_prng_seed(&fault->prng, 1);
    for (const struct mb_json *m = ok ? spec->members : NULL; ok && m; m = m->next) {
        if (strcmp(m->key.data, "match") == 0) {
            ok = take_match(&p, m);
        } else if (strcmp(m->key.data, "count") == 0) {
            ok = take_number(&p, m, 1, INT64_MAX, &fault->count);
        } else if (strcmp(m->key.data, "duration_ms") == 0) {
            ok = take_number(&p, m, 0, MB_FAULT_TIME_MS_MAX, &number);
            fault->duration_us = number * 1000;
        } else if (strcmp(m->key.data, "action") == 0) {
            action = m;
            ok = take_action(&p, m);
        } else if (strcmp(m->key.data, "name") != 0) {
            ok = wrong(&p, m->key.data, "a fault has no such member");
        }
    }
    if (ok && !action)
        ok = wrong(&p, "action", "what is to happen?");
    if (ok && !mb_json_get(spec, "count") && mb_json_get(mb_json_get(spec, "match"), "nth"))
        fault->count = 1; /* the nth, and no other */
    return ok && check_together(&p);
}
