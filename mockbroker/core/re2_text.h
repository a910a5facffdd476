/* A pattern while it is read from left to right.  re2_parse.c reads how it is built, re2_text.c what stands for characters
 * in it. */
#ifndef MB_CORE_RE2_TEXT_H
#define MB_CORE_RE2_TEXT_H

#include "mockbroker/core/re2_program.h"

enum { MB_RE2_FOLD = 1, MB_RE2_LINES = 2, MB_RE2_DOT_ALL = 4 };

struct mb_re2_text {
    const int32_t *text; /* code points */
    size_t size, at;
    int flags;
    const char *why; /* the first thing that is wrong */
};

bool mb_re2_fail(struct mb_re2_text *p, const char *why); /* false */
bool mb_re2_more(const struct mb_re2_text *p);
bool mb_re2_looking_at(const struct mb_re2_text *p, const char *text);
/* Where `c` is, at `from` or behind it; the size when nowhere. */
size_t mb_re2_find(const struct mb_re2_text *p, size_t from, int32_t c);
bool mb_re2_is_name(int32_t c); /* a character of a name */

/* Each reads what is there and goes on behind it. False: it is wrong, or, of the Perl classes, it is none. */
bool mb_re2_read_character(struct mb_re2_text *p, int32_t *out); /* a backslash and what it makes of the next one */
bool mb_re2_read_unicode(struct mb_re2_text *p, struct mb_re2_class *out);
bool mb_re2_read_perl(struct mb_re2_text *p, struct mb_re2_class *out);
bool mb_re2_read_bracket(struct mb_re2_text *p, struct mb_re2_class *out);

#endif
