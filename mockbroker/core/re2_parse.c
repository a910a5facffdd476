/* The RE2 syntax, read from left to right as RE2/J reads it, so that what is refused is refused with its words and for the
 * first thing that is wrong.  Nothing recurses: an open group is an entry of a list.
 *
 * A branch of a group is a run of pieces; of these only the last one can be repeated:
 *
 *      ... ( branch | branch | piece piece piece
 *            '- group.begin    '- group.branch '- group.last
 *
 * At a "|" the branch so far gets a SPLIT before it and a JUMP behind it; these jumps are a chain until the group ends. */
#include "mockbroker/core/re2_text.h"

#define REPEAT_MAX 1000

#define BAD_NAME   "invalid named capture"
#define BAD_PERL   "invalid or unsupported Perl syntax"
#define BAD_NEST   "invalid nested repetition operator"
#define BAD_COUNT  "invalid repeat count"
#define NO_PAREN   "missing closing )"
#define NO_OPEN    "regexp/syntax: internal error" /* what RE2/J says to a ")" too many */
#define NO_OPERAND "missing argument to repetition operator"
#define TWICE      "duplicate capture group name"

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
    struct mb_re2_text in;
    int32_t *text;        /* owned: what is read */
    struct group *groups; /* owned; [0] is the whole pattern */
    size_t depth;
    struct name *names; /* owned */
    size_t name_count;
    bool repeated; /* what was just read is a repetition */
};

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
    if (p->in.flags & MB_RE2_FOLD)
        mb_re2_class_fold(&set);
    put_class(p, &set);
}

static bool put_repeat(struct parser *p, int32_t minimum, int32_t maximum, bool after_another)
{
    const struct group *group = open_group(p);
    if (mb_re2_more(&p->in) && p->in.text[p->in.at] == '?') /* lazy */
        p->in.at++;
    if (after_another)
        return mb_re2_fail(&p->in, BAD_NEST);
    if (group->last == NO_STEP)
        return mb_re2_fail(&p->in, NO_OPERAND);
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
        return mb_re2_fail(&p->in, NO_OPEN);
    end_group(p);
    p->in.flags = open_group(p)->flags;
    p->depth--;
    return true;
}

/* (?P<name> and (?<name> */
static bool named_group(struct parser *p)
{
    size_t begin = p->in.at + (p->in.text[p->in.at + 2] == 'P' ? 4 : 3), end = mb_re2_find(&p->in, begin, '>');
    bool good = end < p->in.size && end > begin;
    for (size_t i = begin; good && i < end; i++)
        good = mb_re2_is_name(p->in.text[i]);
    if (!good)
        return mb_re2_fail(&p->in, BAD_NAME);
    struct name name = { begin, end - begin };
    for (size_t i = 0; i < p->name_count; i++)
        if (p->names[i].size == name.size &&
            memcmp(&p->in.text[p->names[i].at], &p->in.text[begin], name.size * sizeof *p->text) == 0)
            return mb_re2_fail(&p->in, TWICE);
    p->names[p->name_count++] = name;
    p->in.at = end + 1;
    enter(p, p->in.flags);
    return true;
}

/* (?flags) and (?flags: with flags such as i, ms, i-s */
static bool flag_group(struct parser *p)
{
    int on = 0, off = 0, *to = &on;
    bool saw = true; /* a flag since the minus */
    for (p->in.at += 2; mb_re2_more(&p->in);) {
        int32_t c = p->in.text[p->in.at++];
        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            *to |= c == 'i' ? MB_RE2_FOLD : c == 'm' ? MB_RE2_LINES : c == 's' ? MB_RE2_DOT_ALL : 0;
            saw = true;
        } else if (c == '-' && to == &on) {
            to = &off;
            saw = false;
        } else if ((c == ':' || c == ')') && saw) {
            int flags = (p->in.flags | on) & ~off;
            if (c == ':')
                enter(p, p->in.flags);
            p->in.flags = flags;
            return true;
        } else {
            break;
        }
    }
    return mb_re2_fail(&p->in, BAD_PERL);
}

static bool parenthesis(struct parser *p)
{
    if (mb_re2_looking_at(&p->in, "(?P<") || mb_re2_looking_at(&p->in, "(?<"))
        return named_group(p);
    if (mb_re2_looking_at(&p->in, "(?"))
        return flag_group(p);
    p->in.at++;
    enter(p, p->in.flags);
    return true;
}

/* ---- counts ---- */

/* -1: no number; -2: too large to be one. */
static int32_t read_number(struct parser *p)
{
    size_t begin = p->in.at;
    int32_t value = 0;
    for (; mb_re2_more(&p->in) && p->in.text[p->in.at] >= '0' && p->in.text[p->in.at] <= '9'; p->in.at++)
        if (p->in.at - begin < 8)
            value = value * 10 + (p->in.text[p->in.at] - '0');
    size_t digits = p->in.at - begin;
    if (digits == 0 || (digits > 1 && p->in.text[begin] == '0'))
        return -1;
    return digits > 8 ? -2 : value;
}

/* {2} {2,} {2,3}; false: it is none, and the brace means itself. */
static bool read_counts(struct parser *p, int32_t *minimum, int32_t *maximum)
{
    p->in.at++;
    *minimum = read_number(p);
    *maximum = *minimum;
    if (*minimum == -1 || !mb_re2_more(&p->in))
        return false;
    if (p->in.text[p->in.at] == ',') {
        p->in.at++;
        if (!mb_re2_more(&p->in))
            return false;
        bool open_ended = p->in.text[p->in.at] == '}';
        *maximum = open_ended ? -1 : read_number(p);
        if (!open_ended && *maximum == -1)
            return false;
    }
    if (!mb_re2_more(&p->in) || p->in.text[p->in.at] != '}')
        return false;
    p->in.at++;
    return true;
}

static bool brace(struct parser *p, bool after_another)
{
    size_t begin = p->in.at;
    int32_t minimum, maximum;
    if (!read_counts(p, &minimum, &maximum)) {
        p->in.at = begin + 1;
        put_literal(p, '{');
        p->repeated = true; /* nothing repeats it, either */
        return true;
    }
    if (minimum < 0 || minimum > REPEAT_MAX || maximum < -1 || maximum > REPEAT_MAX ||
        (maximum >= 0 && minimum > maximum))
        return mb_re2_fail(&p->in, BAD_COUNT);
    return put_repeat(p, minimum, maximum, after_another);
}

static bool bracket(struct parser *p)
{
    struct mb_re2_class set = { .long_s = false };
    if (!mb_re2_read_bracket(&p->in, &set))
        return false;
    put_class(p, &set);
    return true;
}

/* \Q: literally, up to \E or to the end. */
static void quoted(struct parser *p)
{
    for (p->in.at += 2; mb_re2_more(&p->in) && !mb_re2_looking_at(&p->in, "\\E"); p->in.at++)
        put_literal(p, p->in.text[p->in.at]);
    p->in.at = mb_re2_more(&p->in) ? p->in.at + 2 : p->in.size;
}

static bool backslash(struct parser *p)
{
    static const char letters[] = "AbBz";
    static const enum mb_re2_operation places[] = { MB_RE2_BEGIN, MB_RE2_EDGE, MB_RE2_NO_EDGE, MB_RE2_END };
    int32_t c = p->in.at + 1 < p->in.size ? p->in.text[p->in.at + 1] : 0;
    const char *place = c > 0 && c < 128 ? strchr(letters, c) : NULL;
    struct mb_re2_class set = { .long_s = false };
    if (place) {
        put_place(p, places[place - letters]);
        p->in.at += 2;
        return true;
    }
    if (c == 'Q') {
        quoted(p);
        return true;
    }
    if (c == 'p' || c == 'P') {
        if (!mb_re2_read_unicode(&p->in, &set))
            return false;
        put_class(p, &set);
        return true;
    }
    if (mb_re2_read_perl(&p->in, &set)) {
        put_class(p, &set);
        return true;
    }
    if (!mb_re2_read_character(&p->in, &c))
        return false;
    put_literal(p, c);
    return true;
}

/* ---- the pattern ---- */

static void dot(const struct parser *p)
{
    struct mb_re2_class set = { .long_s = false };
    if (!(p->in.flags & MB_RE2_DOT_ALL))
        mb_re2_class_range(&set, '\n', '\n');
    mb_re2_class_negate(&set);
    put_class(p, &set);
}

/* One element; after_another: behind a repetition. */
static bool element(struct parser *p, bool after_another)
{
    int32_t c = p->in.text[p->in.at];
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
    p->in.at++;
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
        p.in.text = p.text;
        p.in.size = decode(pattern, p.text);
        for (bool good = true; good && mb_re2_more(&p.in);) {
            bool after_another = p.repeated;
            p.repeated = false;
            good = element(&p, after_another);
        }
        if (!p.in.why && p.depth)
            mb_re2_fail(&p.in, NO_PAREN);
        end_group(&p);
    }
    kci_alloc_free(re2->alloc, p.text);
    kci_alloc_free(re2->alloc, p.groups);
    kci_alloc_free(re2->alloc, p.names);
    return p.in.why;
}
