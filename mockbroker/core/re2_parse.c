/* The RE2 syntax, read from left to right as RE2/J reads it, so that what is refused is refused with its words and for the
 * first thing that is wrong.  Nothing recurses: an open group is an entry of a list.
 *
 * A branch of a group is a run of pieces; of these only the last one can be repeated:
 *
 *      ... ( branch | branch | piece piece piece
 *            '- group.begin    '- group.branch '- group.last
 *
 * At a "|" the branch so far gets a SPLIT before it and a JUMP behind it; these jumps are a chain until the group ends. */
#include "mockbroker/core/re2_program.h"

#define NAME_MAX_BYTES 64 /* of a class; longer ones do not exist */
#define REPEAT_MAX     1000

#define BAD_RANGE  "invalid character class range"
#define BAD_ESCAPE "invalid escape sequence"
#define BAD_NAME   "invalid named capture"
#define BAD_PERL   "invalid or unsupported Perl syntax"
#define BAD_NEST   "invalid nested repetition operator"
#define BAD_COUNT  "invalid repeat count"
#define NO_BRACKET "missing closing ]"
#define NO_PAREN   "missing closing )"
#define NO_OPEN    "regexp/syntax: internal error" /* what RE2/J says to a ")" too many */
#define NO_OPERAND "missing argument to repetition operator"
#define NO_ESCAPED "trailing backslash at end of expression"
#define TWICE      "duplicate capture group name"

enum { FOLD = 1, LINES = 2, DOT_ALL = 4 };

struct group {
    size_t branch; /* step where the branch begins */
    size_t last;   /* step where its last piece begins; NO_STEP: it has none */
    size_t jumps;  /* 1 + the step of the last JUMP to the end; its `to` leads to the one before. 0: none */
    int flags;     /* from the outside, restored at the end */
};

#define NO_STEP SIZE_MAX

struct name { /* of a capture, in the text */
    size_t at, size;
};

struct parser {
    struct mb_re2 *re2;
    int32_t *text; /* owned, code points */
    size_t size, at;
    struct group *groups; /* owned; [0] is the whole pattern */
    size_t depth;
    struct name *names; /* owned */
    size_t name_count;
    int flags;
    bool repeated;   /* what was just read is a repetition */
    const char *why; /* what is wrong */
};

static bool fail(struct parser *p, const char *why)
{
    p->why = p->why ? p->why : why;
    return false;
}

static bool more(const struct parser *p)
{
    return p->at < p->size;
}

static bool looking_at(const struct parser *p, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if (p->at + i >= p->size || p->text[p->at + i] != text[i])
            return false;
    return true;
}

/* Where `c` is, at `from` or behind it; the size when nowhere. */
static size_t find(const struct parser *p, size_t from, int32_t c)
{
    while (from < p->size && p->text[from] != c)
        from++;
    return from;
}

/* The text as a name of a class; false: no class has such a name. */
static bool copy_name(const struct parser *p, size_t from, size_t to, char *name)
{
    size_t n = 0;
    for (; from < to && n + 1 < NAME_MAX_BYTES && p->text[from] > 0 && p->text[from] < 128; from++)
        name[n++] = (char)p->text[from];
    name[n] = 0;
    return from == to;
}

/* ---- pieces ---- */

static struct group *open_group(const struct parser *p)
{
    return &p->groups[p->depth];
}

static void piece(const struct parser *p)
{
    open_group(p)->last = p->re2->count;
}

static void put_class(const struct parser *p, const struct mb_re2_class *set)
{
    piece(p);
    mb_re2_add(p->re2, MB_RE2_SET, 0, set->set);
}

static void put_place(const struct parser *p, enum mb_re2_operation operation)
{
    piece(p);
    mb_re2_add(p->re2, operation, 0, (struct mb_re2_set){ { 0, 0 } });
}

static void put_literal(const struct parser *p, int32_t c)
{
    struct mb_re2_class set = { .long_s = false };
    mb_re2_class_range(&set, c, c);
    if (p->flags & FOLD)
        mb_re2_class_fold(&set);
    put_class(p, &set);
}

static bool put_repeat(struct parser *p, int32_t minimum, int32_t maximum, bool after_another)
{
    const struct group *group = open_group(p);
    if (more(p) && p->text[p->at] == '?') /* lazy */
        p->at++;
    if (after_another)
        return fail(p, BAD_NEST);
    if (group->last == NO_STEP)
        return fail(p, NO_OPERAND);
    p->repeated = true;
    if (!p->re2->no_memory && !p->re2->too_large)
        mb_re2_repeat(p->re2, group->last, minimum, maximum);
    return true;
}

/* ---- groups ---- */

static void enter(struct parser *p, int flags_after)
{
    piece(p); /* the group is one of the outer branch */
    size_t here = p->re2->count;
    p->groups[++p->depth] = (struct group){ .branch = here, .last = NO_STEP, .flags = flags_after };
}

static void end_branch(const struct parser *p)
{
    struct group *group = open_group(p);
    struct mb_re2 *re2 = p->re2;
    size_t size = re2->count - group->branch;
    mb_re2_insert(re2, group->branch, MB_RE2_SPLIT, (int32_t)size + 2);
    mb_re2_add(re2, MB_RE2_JUMP, (int32_t)group->jumps, (struct mb_re2_set){ { 0, 0 } });
    group->jumps = re2->count;
    group->branch = re2->count;
    group->last = NO_STEP;
}

static void end_group(const struct parser *p)
{
    struct mb_re2 *re2 = p->re2;
    if (re2->no_memory || re2->too_large)
        return;
    for (size_t jump = open_group(p)->jumps; jump;) {
        struct mb_re2_step *step = &re2->steps[jump - 1];
        size_t before = (size_t)step->to;
        step->to = (int32_t)(re2->count - (jump - 1));
        jump = before;
    }
}

static bool leave(struct parser *p)
{
    if (p->depth == 0)
        return fail(p, NO_OPEN);
    end_group(p);
    p->flags = open_group(p)->flags;
    p->depth--;
    return true;
}

static bool is_name(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* (?P<name> and (?<name> */
static bool named_group(struct parser *p)
{
    size_t begin = p->at + (p->text[p->at + 2] == 'P' ? 4 : 3), end = find(p, begin, '>');
    bool good = end < p->size && end > begin;
    for (size_t i = begin; good && i < end; i++)
        good = is_name(p->text[i]);
    if (!good)
        return fail(p, BAD_NAME);
    struct name name = { begin, end - begin };
    for (size_t i = 0; i < p->name_count; i++)
        if (p->names[i].size == name.size &&
            memcmp(&p->text[p->names[i].at], &p->text[begin], name.size * sizeof *p->text) == 0)
            return fail(p, TWICE);
    p->names[p->name_count++] = name;
    p->at = end + 1;
    enter(p, p->flags);
    return true;
}

/* (?flags) and (?flags: with flags such as i, ms, i-s */
static bool flag_group(struct parser *p)
{
    int on = 0, off = 0, *to = &on;
    bool saw = true; /* a flag since the minus */
    for (p->at += 2; more(p);) {
        int32_t c = p->text[p->at++];
        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            *to |= c == 'i' ? FOLD : c == 'm' ? LINES : c == 's' ? DOT_ALL : 0;
            saw = true;
        } else if (c == '-' && to == &on) {
            to = &off;
            saw = false;
        } else if ((c == ':' || c == ')') && saw) {
            int flags = (p->flags | on) & ~off;
            if (c == ':')
                enter(p, p->flags);
            p->flags = flags;
            return true;
        } else {
            break;
        }
    }
    return fail(p, BAD_PERL);
}

static bool parenthesis(struct parser *p)
{
    if (looking_at(p, "(?P<") || looking_at(p, "(?<"))
        return named_group(p);
    if (looking_at(p, "(?"))
        return flag_group(p);
    p->at++;
    enter(p, p->flags);
    return true;
}

/* ---- counts ---- */

/* -1: no number; -2: too large to be one. */
static int32_t read_number(struct parser *p)
{
    size_t begin = p->at;
    int32_t value = 0;
    for (; more(p) && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++)
        if (p->at - begin < 8)
            value = value * 10 + (p->text[p->at] - '0');
    size_t digits = p->at - begin;
    if (digits == 0 || (digits > 1 && p->text[begin] == '0'))
        return -1;
    return digits > 8 ? -2 : value;
}

/* {2} {2,} {2,3}; false: it is none, and the brace means itself. */
static bool read_counts(struct parser *p, int32_t *minimum, int32_t *maximum)
{
    p->at++;
    *minimum = read_number(p);
    *maximum = *minimum;
    if (*minimum == -1 || !more(p))
        return false;
    if (p->text[p->at] == ',') {
        p->at++;
        if (!more(p))
            return false;
        bool open_ended = p->text[p->at] == '}';
        *maximum = open_ended ? -1 : read_number(p);
        if (!open_ended && *maximum == -1)
            return false;
    }
    if (!more(p) || p->text[p->at] != '}')
        return false;
    p->at++;
    return true;
}

static bool brace(struct parser *p, bool after_another)
{
    size_t begin = p->at;
    int32_t minimum, maximum;
    if (!read_counts(p, &minimum, &maximum)) {
        p->at = begin + 1;
        put_literal(p, '{');
        p->repeated = true; /* nothing repeats it, either */
        return true;
    }
    if (minimum < 0 || minimum > REPEAT_MAX || maximum < -1 || maximum > REPEAT_MAX ||
        (maximum >= 0 && minimum > maximum))
        return fail(p, BAD_COUNT);
    return put_repeat(p, minimum, maximum, after_another);
}

/* ---- escapes ---- */

static int32_t hex_digit(int32_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind \x: two digits, or any number of them in braces. */
static bool hex(struct parser *p, int32_t *out)
{
    bool braces = more(p) && p->text[p->at] == '{';
    size_t digits = 0, end;
    *out = 0;
    p->at += braces;
    end = braces ? find(p, p->at, '}') : p->at + 2;
    for (; more(p) && p->at < end; p->at++, digits++) {
        int32_t digit = hex_digit(p->text[p->at]);
        *out = *out * 16 + digit;
        if (digit < 0 || *out > 0x10FFFF)
            return fail(p, BAD_ESCAPE);
    }
    if (digits == 0 || p->at < end || (braces && !more(p)))
        return fail(p, BAD_ESCAPE);
    p->at += braces;
    return true;
}

static bool is_octal(const struct parser *p)
{
    return more(p) && p->text[p->at] >= '0' && p->text[p->at] <= '7';
}

/* A backslash and what it makes of the next character. */
static bool escape(struct parser *p, int32_t *out)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    if (++p->at == p->size)
        return fail(p, NO_ESCAPED);
    int32_t c = p->text[p->at++];
    const char *letter = c > 0 && c < 128 ? strchr(letters, c) : NULL;
    *out = c;
    if (c == 'x')
        return hex(p, out);
    if (letter) {
        *out = meanings[letter - letters];
        return true;
    }
    if (c == '0' || (c >= '1' && c <= '7' && is_octal(p))) { /* one digit alone is a back reference */
        *out = c - '0';
        for (int i = 1; i < 3 && is_octal(p); i++)
            *out = *out * 8 + (p->text[p->at++] - '0');
        return true;
    }
    return c == '_' || !is_name(c) || fail(p, BAD_ESCAPE);
}

/* ---- classes ---- */

/* \pN \p{Lu} \P{^Han} */
static bool unicode_class(struct parser *p, struct mb_re2_class *out)
{
    bool negated = p->text[p->at + 1] == 'P', fold = p->flags & FOLD;
    size_t begin = p->at + 2, end = begin + 1;
    char name[NAME_MAX_BYTES];
    struct mb_re2_class set = { .long_s = false };
    if (begin >= p->size)
        return fail(p, BAD_RANGE);
    if (p->text[begin] == '{') {
        end = find(p, ++begin, '}');
        p->at = end + 1;
    } else {
        p->at = end;
    }
    if (end >= p->size && p->at > p->size)
        return fail(p, BAD_RANGE);
    if (begin < end && p->text[begin] == '^') {
        negated = !negated;
        begin++;
    }
    if (!copy_name(p, begin, end, name) || !mb_re2_class_unicode(&set, name, fold))
        return fail(p, BAD_RANGE);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    return true;
}

/* \d \D and the like. */
static bool perl_class(struct parser *p, struct mb_re2_class *out)
{
    int32_t c = p->at + 1 < p->size && p->text[p->at] == '\\' ? p->text[p->at + 1] : 0;
    bool negated = c == 'D' || c == 'S' || c == 'W';
    struct mb_re2_class set = { .long_s = false };
    if (!c || !mb_re2_class_perl(&set, negated ? c + ('a' - 'A') : c))
        return false;
    if (p->flags & FOLD)
        mb_re2_class_fold(&set);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    p->at += 2;
    return true;
}

/* [:alpha:] [:^alpha:]; false: it is none, or it is wrong. */
static bool posix_class(struct parser *p, struct mb_re2_class *out)
{
    size_t begin = p->at + 2, end = p->at + 1;
    char name[NAME_MAX_BYTES];
    struct mb_re2_class set = { .long_s = false };
    while (end + 1 < p->size && !(p->text[end] == ':' && p->text[end + 1] == ']'))
        end++;
    if (end + 1 >= p->size)
        return false;
    bool negated = begin < end && p->text[begin] == '^';
    begin += negated;
    if (end < begin || !copy_name(p, begin, end, name) || !mb_re2_class_posix(&set, name))
        return fail(p, BAD_RANGE);
    if (p->flags & FOLD)
        mb_re2_class_fold(&set);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    p->at = end + 2;
    return true;
}

static bool class_character(struct parser *p, int32_t *out)
{
    if (!more(p))
        return fail(p, NO_BRACKET);
    if (p->text[p->at] == '\\')
        return escape(p, out);
    *out = p->text[p->at++];
    return true;
}

static bool class_range(struct parser *p, struct mb_re2_class *out)
{
    int32_t low, high;
    struct mb_re2_class set = { .long_s = false };
    if (!class_character(p, &low))
        return false;
    high = low;
    if (more(p) && p->text[p->at] == '-' && !looking_at(p, "-]")) {
        p->at++;
        if (!class_character(p, &high))
            return false;
        if (high < low)
            return fail(p, BAD_RANGE);
    }
    mb_re2_class_range(&set, low, high);
    if (p->flags & FOLD)
        mb_re2_class_fold(&set);
    mb_re2_class_merge(out, &set);
    return true;
}

static bool bracket(struct parser *p)
{
    struct mb_re2_class set = { .long_s = false };
    p->at++;
    bool negated = more(p) && p->text[p->at] == '^', first = true;
    p->at += negated;
    while (!more(p) || p->text[p->at] != ']' || first) {
        first = false;
        if (looking_at(p, "[:") && posix_class(p, &set))
            continue;
        if (p->why)
            return false;
        if (looking_at(p, "\\p") || looking_at(p, "\\P")) {
            if (!unicode_class(p, &set))
                return false;
            continue;
        }
        if (!perl_class(p, &set) && !class_range(p, &set))
            return false;
    }
    p->at++;
    if (negated)
        mb_re2_class_negate(&set);
    put_class(p, &set);
    return true;
}

/* \Q: literally, up to \E or to the end. */
static void quoted(struct parser *p)
{
    for (p->at += 2; more(p) && !looking_at(p, "\\E"); p->at++)
        put_literal(p, p->text[p->at]);
    p->at = more(p) ? p->at + 2 : p->size;
}

static bool backslash(struct parser *p)
{
    static const char letters[] = "AbBz";
    static const enum mb_re2_operation places[] = { MB_RE2_BEGIN, MB_RE2_EDGE, MB_RE2_NO_EDGE, MB_RE2_END };
    int32_t c = p->at + 1 < p->size ? p->text[p->at + 1] : 0;
    const char *place = c > 0 && c < 128 ? strchr(letters, c) : NULL;
    struct mb_re2_class set = { .long_s = false };
    if (place) {
        put_place(p, places[place - letters]);
        p->at += 2;
        return true;
    }
    if (c == 'Q') {
        quoted(p);
        return true;
    }
    if (c == 'p' || c == 'P') {
        if (!unicode_class(p, &set))
            return false;
        put_class(p, &set);
        return true;
    }
    if (perl_class(p, &set)) {
        put_class(p, &set);
        return true;
    }
    if (!escape(p, &c))
        return false;
    put_literal(p, c);
    return true;
}

/* ---- the pattern ---- */

static void dot(const struct parser *p)
{
    struct mb_re2_class set = { .long_s = false };
    if (!(p->flags & DOT_ALL))
        mb_re2_class_range(&set, '\n', '\n');
    mb_re2_class_negate(&set);
    put_class(p, &set);
}

/* One element; after_another: behind a repetition. */
static bool element(struct parser *p, bool after_another)
{
    int32_t c = p->text[p->at];
    switch (c) {
    case '(':
        return parenthesis(p);
    case '[':
        return bracket(p);
    case '{':
        return brace(p, after_another);
    case '\\':
        return backslash(p);
    default:
        break;
    }
    p->at++;
    switch (c) {
    case ')':
        return leave(p);
    case '|':
        end_branch(p);
        return true;
    case '^': /* no text has lines, so (?m) makes no difference */
        put_place(p, MB_RE2_BEGIN);
        return true;
    case '$':
        put_place(p, MB_RE2_END);
        return true;
    case '.':
        dot(p);
        return true;
    case '*':
    case '+':
    case '?':
        return put_repeat(p, c == '+', c == '?' ? 1 : -1, after_another);
    default:
        put_literal(p, c);
        return true;
    }
}

/* As many as there are; it is UTF-8 (the codec saw to that), what is not counts byte by byte. */
static size_t decode(struct kci_str text, int32_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size;) {
        uint8_t c = (uint8_t)text.data[i++];
        int more_bytes = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
        int32_t value = more_bytes ? c & (0x3F >> more_bytes) : c;
        for (; more_bytes && i < text.size; more_bytes--)
            value = (int32_t)((uint32_t)value << 6 | ((uint8_t)text.data[i++] & 0x3F));
        out[count++] = value;
    }
    return count;
}

const char *mb_re2_parse(struct mb_re2 *re2, struct kci_str pattern)
{
    struct parser p = { .re2 = re2 };
    p.text = kci_alloc_zero(re2->alloc, pattern.size + 1, sizeof *p.text);
    p.groups = kci_alloc_zero(re2->alloc, pattern.size + 1, sizeof *p.groups);
    p.names = kci_alloc_zero(re2->alloc, pattern.size / 4 + 1, sizeof *p.names); /* each takes "(?<a>" */
    re2->no_memory = !p.text || !p.groups || !p.names;
    if (!re2->no_memory) {
        p.groups[0].last = NO_STEP;
        p.size = decode(pattern, p.text);
        for (bool good = true; good && more(&p);) {
            bool after_another = p.repeated;
            p.repeated = false;
            good = element(&p, after_another);
        }
        if (!p.why && p.depth)
            fail(&p, NO_PAREN);
        end_group(&p);
    }
    kci_alloc_free(re2->alloc, p.text);
    kci_alloc_free(re2->alloc, p.groups);
    kci_alloc_free(re2->alloc, p.names);
    return p.why;
}
