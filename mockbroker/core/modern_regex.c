/* Topic patterns: Kafka compiles them with RE2/J, which has no back references, no look-around and no recursion, and
 * so costs time that is linear in the name.  PCRE2 knows a superset: what RE2 does not have is refused here, and the
 * cost of a match is bounded, so that no client can keep the broker busy with a pattern.
 *
 * PCRE2 takes its memory from the broker's allocator. */
#include "mockbroker/core/modern_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_STEPS_MAX 20000 /* names are short: more steps mean that the pattern backtracks without end */
#define MATCH_HEAP_KB   1024
#define NESTING_MAX     50

struct mb_modern_regex {
    const struct kci_alloc *alloc; /* borrowed */
    pcre2_general_context *memory; /* all below are owned */
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void *take(PCRE2_SIZE size, void *owner)
{
    return kci_alloc_new(owner, size);
}

static void give_back(void *block, void *owner)
{
    kci_alloc_free(owner, block);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* After "(": only groups that RE2 has: (?:  (?P<name>  (?<name>  (?flags)  (?flags: */
static bool group_ok(struct kci_str rest)
{
    char next = rest.size > 1 ? rest.data[1] : 0, after = rest.size > 2 ? rest.data[2] : 0;
    if (rest.size && rest.data[0] == '*')
        return false;
    if (rest.size == 0 || rest.data[0] != '?')
        return true;
    if (next == 'P')
        return after == '<';
    if (next == '<')
        return is_word(after);
    return next && strchr("imsU-:", next) != NULL;
}

/* \1 .. \9, \g, \k, \C, \G, \K, \R, \X, \Z and the like are not of RE2. */
static bool escape_ok(char c)
{
    return !(c >= '1' && c <= '9') && !strchr("gkCGKRXZhHNVceu", c);
}

/* In RE2, a quantifier has no further "+" (possessive). */
static bool quantifier_ok(struct kci_str pattern, size_t at)
{
    return !(at > 0 && pattern.data[at] == '+' && strchr("*+?}", pattern.data[at - 1]) &&
             !(at > 1 && pattern.data[at - 2] == '\\'));
}

static bool is_re2(struct kci_str pattern)
{
    bool in_class = false;
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.data[i];
        if (c == '\\') {
            if (++i == pattern.size || (pattern.data[i] && !escape_ok(pattern.data[i])) || !pattern.data[i])
                return false;
        } else if (in_class) {
            in_class = c != ']' || pattern.data[i - 1] == '[';
        } else if (c == '[') {
            in_class = true;
        } else if (c == '(' && !group_ok((struct kci_str){ pattern.data + i + 1, pattern.size - i - 1 })) {
            return false;
        } else if (!quantifier_ok(pattern, i)) {
            return false;
        }
    }
    return true;
}

struct mb_modern_regex *mb_modern_regex_compile(const struct kci_alloc *alloc, struct kci_str pattern, bool *bad)
{
    int error = 0;
    PCRE2_SIZE at = 0;
    *bad = pattern.size > MB_REGEX_BYTES_MAX || !is_re2(pattern);
    struct mb_modern_regex *regex = *bad ? NULL : kci_alloc_zero(alloc, 1, sizeof *regex);
    if (!regex)
        return NULL;
    regex->alloc = alloc;
    regex->memory = pcre2_general_context_create(take, give_back, (void *)(uintptr_t)alloc);
    pcre2_compile_context *how = regex->memory ? pcre2_compile_context_create(regex->memory) : NULL;
    if (how) {
        pcre2_set_parens_nest_limit(how, NESTING_MAX);
        regex->code =
            pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size,
                          PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &at, how);
        *bad = !regex->code && error != PCRE2_ERROR_HEAP_FAILED;
        pcre2_compile_context_free(how);
    }
    if (regex->code) {
        regex->data = pcre2_match_data_create_from_pattern(regex->code, regex->memory);
        regex->limits = pcre2_match_context_create(regex->memory);
    }
    if (!regex->data || !regex->limits) {
        mb_modern_regex_free(regex);
        return NULL;
    }
    pcre2_set_match_limit(regex->limits, MATCH_STEPS_MAX);
    pcre2_set_heap_limit(regex->limits, MATCH_HEAP_KB);
    return regex;
}

bool mb_modern_regex_match(struct mb_modern_regex *regex, struct kci_str name)
{
    return pcre2_match(regex->code, (PCRE2_SPTR)name.data, name.size, 0, 0, regex->data, regex->limits) >= 0;
}

void mb_modern_regex_free(struct mb_modern_regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    kci_alloc_free(regex->alloc, regex);
}

bool mb_modern_regex_matches(const struct kci_alloc *alloc, struct kci_str pattern, struct kci_str name)
{
    bool bad;
    struct mb_modern_regex *regex = mb_modern_regex_compile(alloc, pattern, &bad);
    bool matches = regex && mb_modern_regex_match(regex, name);
    mb_modern_regex_free(regex);
    return matches;
}
