/* JSON, strictly: no comments, no trailing commas, no duplicate members, nothing behind the value.  Straight recursive
 * descent with a bound on the depth; memory is the caller's arena with its ceiling, so a hostile text costs what the
 * arena allows. */
#include "mockbroker/core/json.h"

#include <stdio.h>

struct parser {
    struct kci_arena *arena;
    const char *start, *at, *end;
    const char *wrong; /* NULL so far */
};

static struct mb_json *parse_value(struct parser *p, int depth);

static void *fail(struct parser *p, const char *wrong)
{
    if (!p->wrong)
        p->wrong = wrong;
    return NULL;
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int32_t take_hex4(struct parser *p)
{
    int32_t value = 0;
    if (p->end - p->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*p->at++);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(char *out, uint32_t c)
{
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (size == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> size) | c);
    return size;
}

/* \uXXXX, with its second half if it is a surrogate. 0: nonsense (or NUL, which no name of Kafka's holds). */
static uint32_t take_escape_u(struct parser *p)
{
    int32_t c = take_hex4(p);
    if (c >= 0xd800 && c < 0xdc00 && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u') {
        p->at += 2;
        int32_t low = take_hex4(p);
        return low >= 0xdc00 && low < 0xe000 ? 0x10000u + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00) : 0;
    }
    return c <= 0 || (c >= 0xd800 && c < 0xe000) ? 0 : (uint32_t)c;
}

static bool parse_string(struct parser *p, struct kci_str *out)
{
    const char *from = ++p->at; /* behind the quote */
    while (p->at < p->end && *p->at != '"')
        p->at += *p->at == '\\' && p->at + 1 < p->end ? 2 : 1;
    char *text = kci_arena_take(p->arena, (size_t)(p->at - from) + 1);
    if (p->at >= p->end || !text)
        return fail(p, text ? "a string without its end" : "too much JSON") != NULL;
    size_t size = 0;
    const char *stop = p->at;
    for (p->at = from; p->at < stop;) {
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        char c = *p->at++;
        if ((unsigned char)c < 0x20)
            return fail(p, "a control character in a string") != NULL;
        if (c != '\\') {
            text[size++] = c;
            continue;
        }
        c = *p->at++;
        const char *name = c ? strchr(names, c) : NULL;
        uint32_t code = name ? 1 : c == 'u' ? take_escape_u(p) : 0;
        if (!code)
            return fail(p, "a bad escape in a string") != NULL;
        if (name)
            text[size++] = values[name - names];
        else
            size += put_utf8(text + size, code);
    }
    p->at = stop + 1;
    *out = (struct kci_str){ text, size };
    return true;
}

/* ---- numbers ---- */

static bool is_digit(const struct parser *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static void *parse_number(struct parser *p, struct mb_json *out)
{
    bool negative = *p->at == '-', exact = true;
    uint64_t value = 0;
    double scale = 1;
    p->at += negative;
    if (!is_digit(p))
        return fail(p, "a value is expected");
    const char *first = p->at;
    for (; is_digit(p); p->at++) {
        uint64_t digit = (uint64_t)(*p->at - '0');
        exact = exact && value <= (INT64_MAX - digit) / 10;
        value = value * 10 + digit;
        out->number = out->number * 10 + (double)digit;
    }
    if (*first == '0' && p->at - first > 1)
        return fail(p, "a number with a leading zero");
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        if (!is_digit(p))
            return fail(p, "digits are expected behind the point");
        exact = false;
        for (; is_digit(p); p->at++)
            out->number += (*p->at - '0') * (scale /= 10);
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E'))
        return fail(p, "numbers with an exponent are not taken here");
    out->kind = MB_JSON_NUMBER;
    out->whole = exact;
    out->integer = exact ? (negative ? -(int64_t)value : (int64_t)value) : 0;
    if (negative)
        out->number = -out->number;
    return out;
}

/* ---- the rest ---- */

static void *parse_word(struct parser *p, struct mb_json *out, const char *word, enum mb_json_kind kind, bool truth)
{
    size_t size = strlen(word);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0)
        return fail(p, "a value is expected");
    p->at += size;
    out->kind = kind;
    out->truth = truth;
    return out;
}

static void *parse_members(struct parser *p, struct mb_json *out, int depth)
{
    bool object = *p->at++ == '{';
    char close = object ? '}' : ']';
    struct mb_json **tail = &out->members;
    out->kind = object ? MB_JSON_OBJECT : MB_JSON_ARRAY;
    if (depth == MB_JSON_DEPTH_MAX)
        return fail(p, "too many arrays and objects within each other");
    if (take(p, close))
        return out;
    do {
        struct kci_str key = { NULL, 0 };
        skip_blanks(p);
        if (object && (p->at == p->end || *p->at != '"'))
            return fail(p, "a name in quotes is expected");
        if (object && (!parse_string(p, &key) || !take(p, ':')))
            return fail(p, "a colon is expected");
        for (const struct mb_json *other = out->members; object && other; other = other->next)
            if (kci_str_equal(other->key, key))
                return fail(p, "a name is there twice");
        struct mb_json *member = parse_value(p, depth + 1);
        if (!member)
            return NULL;
        member->key = key;
        *tail = member;
        tail = &member->next;
        out->count++;
    } while (take(p, ','));
    return take(p, close) ? out : fail(p, object ? "a comma or } is expected" : "a comma or ] is expected");
}

static struct mb_json *parse_value(struct parser *p, int depth)
{
    struct mb_json *out = kci_arena_take(p->arena, sizeof *out);
    void *ok;
    skip_blanks(p);
    if (!out)
        return fail(p, "too much JSON");
    if (p->at == p->end)
        return fail(p, "a value is expected");
    const char *from = p->at;
    switch (*p->at) {
    case '{':
    case '[':
        ok = parse_members(p, out, depth);
        break;
    case '"':
        out->kind = MB_JSON_STRING;
        ok = parse_string(p, &out->text) ? out : NULL;
        break;
    case 't':
        ok = parse_word(p, out, "true", MB_JSON_BOOL, true);
        break;
    case 'f':
        ok = parse_word(p, out, "false", MB_JSON_BOOL, false);
        break;
    case 'n':
        ok = parse_word(p, out, "null", MB_JSON_NULL, false);
        break;
    default:
        ok = parse_number(p, out);
        break;
    }
    out->raw = (struct kci_str){ from, (size_t)(p->at - from) };
    return ok;
}

const struct mb_json *mb_json_parse(struct kci_arena *arena, struct kci_str text, char *why, size_t why_size)
{
    struct parser p = { arena, text.data, text.data, text.data ? text.data + text.size : NULL, NULL };
    struct mb_json *root = parse_value(&p, 0);
    skip_blanks(&p);
    if (root && p.at < p.end)
        root = fail(&p, "there is something behind the end");
    if (!root) {
        int line = 1;
        for (const char *at = p.start; at && at < p.at; at++)
            line += *at == '\n';
        snprintf(why, why_size, "JSON, line %d: %s", line, p.wrong);
    }
    return root;
}

const struct mb_json *mb_json_get(const struct mb_json *object, const char *key)
{
    if (!object || object->kind != MB_JSON_OBJECT)
        return NULL;
    for (const struct mb_json *member = object->members; member; member = member->next)
        if (kci_str_equal(member->key, kci_str_of(key)))
            return member;
    return NULL;
}

static bool includes_all(const struct mb_json *whole, const struct mb_json *part)
{
    const struct mb_json *at = whole->members;
    for (const struct mb_json *wanted = part->members; wanted; wanted = wanted->next) {
        while (at && !mb_json_includes(at, wanted))
            at = at->next;
        if (!at)
            return false;
        at = at->next;
    }
    return true;
}

bool mb_json_includes(const struct mb_json *whole, const struct mb_json *part)
{
    if (!whole || whole->kind != part->kind)
        return false;
    switch (part->kind) {
    case MB_JSON_NULL:
        return true;
    case MB_JSON_BOOL:
        return whole->truth == part->truth;
    case MB_JSON_NUMBER:
        return part->whole && whole->whole ? part->integer == whole->integer
                                           : !(part->number < whole->number) && !(part->number > whole->number);
    case MB_JSON_STRING:
        return kci_str_equal(whole->text, part->text);
    case MB_JSON_ARRAY:
        return includes_all(whole, part);
    case MB_JSON_OBJECT:
        for (const struct mb_json *wanted = part->members; wanted; wanted = wanted->next) {
            const struct mb_json *found = whole->members;
            while (found && !kci_str_equal(found->key, wanted->key))
                found = found->next;
            if (!mb_json_includes(found, wanted))
                return false;
        }
        return true;
    }
    return false;
}

/* ---- writing ---- */

void mb_json_put(struct kci_writer *w, const char *text)
{
    kci_writer_bytes(w, text, strlen(text));
}

void mb_json_put_integer(struct kci_writer *w, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    mb_json_put(w, text);
}

static size_t sequence_size(const uint8_t *p, size_t left)
{
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (!size || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
                   (p[0] == 0xf4 && p[1] > 0x8f)
               ? 0
               : size;
}

void mb_json_put_string(struct kci_writer *w, struct kci_str text)
{
    const uint8_t *p = (const uint8_t *)text.data;
    if (!p) {
        mb_json_put(w, "null");
        return;
    }
    kci_writer_i8(w, '"');
    for (size_t i = 0; i < text.size && !w->failed;) {
        size_t size = sequence_size(p + i, text.size - i);
        char escape[8];
        if (!size) {
            mb_json_put(w, "\\ufffd");
        } else if (p[i] == '"' || p[i] == '\\' || p[i] < 0x20) {
            snprintf(escape, sizeof escape, p[i] < 0x20 ? "\\u%04x" : "\\%c", p[i]);
            mb_json_put(w, escape);
        } else {
            kci_writer_bytes(w, p + i, size);
        }
        i += size ? size : 1;
    }
    kci_writer_i8(w, '"');
}
