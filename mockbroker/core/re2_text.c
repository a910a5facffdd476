/* What stands for characters in a pattern: one of them, escaped or not, and classes of them, by name or in brackets. */
#include "mockbroker/core/re2_text.h"

#define NAME_MAX_BYTES 64 /* of a class; longer ones do not exist */

#define BAD_RANGE  "invalid character class range"
#define BAD_ESCAPE "invalid escape sequence"
#define NO_BRACKET "missing closing ]"
#define NO_ESCAPED "trailing backslash at end of expression"

bool mb_re2_fail(struct mb_re2_text *p, const char *why)
{
    p->why = p->why ? p->why : why;
    return false;
}

bool mb_re2_more(const struct mb_re2_text *p)
{
    return p->at < p->size;
}

bool mb_re2_looking_at(const struct mb_re2_text *p, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if (p->at + i >= p->size || p->text[p->at + i] != text[i])
            return false;
    return true;
}

size_t mb_re2_find(const struct mb_re2_text *p, size_t from, int32_t c)
{
    while (from < p->size && p->text[from] != c)
        from++;
    return from;
}

bool mb_re2_is_name(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The text as a name of a class; false: no class has such a name. */
static bool copy_name(const struct mb_re2_text *p, size_t from, size_t to, char *name)
{
    size_t n = 0;
    for (; from < to && n + 1 < NAME_MAX_BYTES && p->text[from] > 0 && p->text[from] < 128; from++)
        name[n++] = (char)p->text[from];
    name[n] = 0;
    return from == to;
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
static bool hex(struct mb_re2_text *p, int32_t *out)
{
    bool braces = mb_re2_more(p) && p->text[p->at] == '{';
    size_t digits = 0, end;
    *out = 0;
    p->at += braces;
    end = braces ? mb_re2_find(p, p->at, '}') : p->at + 2;
    for (; mb_re2_more(p) && p->at < end; p->at++, digits++) {
        int32_t digit = hex_digit(p->text[p->at]);
        *out = *out * 16 + digit;
        if (digit < 0 || *out > 0x10FFFF)
            return mb_re2_fail(p, BAD_ESCAPE);
    }
    if (digits == 0 || p->at < end || (braces && !mb_re2_more(p)))
        return mb_re2_fail(p, BAD_ESCAPE);
    p->at += braces;
    return true;
}

static bool is_octal(const struct mb_re2_text *p)
{
    return mb_re2_more(p) && p->text[p->at] >= '0' && p->text[p->at] <= '7';
}

bool mb_re2_read_character(struct mb_re2_text *p, int32_t *out)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    if (++p->at == p->size)
        return mb_re2_fail(p, NO_ESCAPED);
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
    return c == '_' || !mb_re2_is_name(c) || mb_re2_fail(p, BAD_ESCAPE);
}

/* ---- classes ---- */

/* \pN \p{Lu} \P{^Han} */
bool mb_re2_read_unicode(struct mb_re2_text *p, struct mb_re2_class *out)
{
    bool negated = p->text[p->at + 1] == 'P', fold = p->flags & MB_RE2_FOLD;
    size_t begin = p->at + 2, end = begin + 1;
    char name[NAME_MAX_BYTES];
    struct mb_re2_class set = { .long_s = false };
    if (begin >= p->size)
        return mb_re2_fail(p, BAD_RANGE);
    if (p->text[begin] == '{') {
        end = mb_re2_find(p, ++begin, '}');
        p->at = end + 1;
    } else {
        p->at = end;
    }
    if (end >= p->size && p->at > p->size)
        return mb_re2_fail(p, BAD_RANGE);
    if (begin < end && p->text[begin] == '^') {
        negated = !negated;
        begin++;
    }
    if (!copy_name(p, begin, end, name) || !mb_re2_class_unicode(&set, name, fold))
        return mb_re2_fail(p, BAD_RANGE);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    return true;
}

/* \d \D and the like. */
bool mb_re2_read_perl(struct mb_re2_text *p, struct mb_re2_class *out)
{
    int32_t c = p->at + 1 < p->size && p->text[p->at] == '\\' ? p->text[p->at + 1] : 0;
    bool negated = c == 'D' || c == 'S' || c == 'W';
    struct mb_re2_class set = { .long_s = false };
    if (!c || !mb_re2_class_perl(&set, negated ? c + ('a' - 'A') : c))
        return false;
    if (p->flags & MB_RE2_FOLD)
        mb_re2_class_fold(&set);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    p->at += 2;
    return true;
}

/* [:alpha:] [:^alpha:]; false: it is none, or it is wrong. */
static bool posix_class(struct mb_re2_text *p, struct mb_re2_class *out)
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
        return mb_re2_fail(p, BAD_RANGE);
    if (p->flags & MB_RE2_FOLD)
        mb_re2_class_fold(&set);
    if (negated)
        mb_re2_class_negate(&set);
    mb_re2_class_merge(out, &set);
    p->at = end + 2;
    return true;
}

static bool class_character(struct mb_re2_text *p, int32_t *out)
{
    if (!mb_re2_more(p))
        return mb_re2_fail(p, NO_BRACKET);
    if (p->text[p->at] == '\\')
        return mb_re2_read_character(p, out);
    *out = p->text[p->at++];
    return true;
}

static bool class_range(struct mb_re2_text *p, struct mb_re2_class *out)
{
    int32_t low, high;
    struct mb_re2_class set = { .long_s = false };
    if (!class_character(p, &low))
        return false;
    high = low;
    if (mb_re2_more(p) && p->text[p->at] == '-' && !mb_re2_looking_at(p, "-]")) {
        p->at++;
        if (!class_character(p, &high))
            return false;
        if (high < low)
            return mb_re2_fail(p, BAD_RANGE);
    }
    mb_re2_class_range(&set, low, high);
    if (p->flags & MB_RE2_FOLD)
        mb_re2_class_fold(&set);
    mb_re2_class_merge(out, &set);
    return true;
}

bool mb_re2_read_bracket(struct mb_re2_text *p, struct mb_re2_class *out)
{
    p->at++;
    bool negated = mb_re2_more(p) && p->text[p->at] == '^', first = true;
    p->at += negated;
    while (!mb_re2_more(p) || p->text[p->at] != ']' || first) {
        first = false;
        if (mb_re2_looking_at(p, "[:") && posix_class(p, out))
            continue;
        if (p->why)
            return false;
        if (mb_re2_looking_at(p, "\\p") || mb_re2_looking_at(p, "\\P")) {
            if (!mb_re2_read_unicode(p, out))
                return false;
            continue;
        }
        if (!mb_re2_read_perl(p, out) && !class_range(p, out))
            return false;
    }
    p->at++;
    if (negated)
        mb_re2_class_negate(out);
    return true;
}
