/* One configuration value between its text and its field, as its row of the table says (config_table.c): parsed and
 * range-checked when it is set, printed as it would be set.
 *
 * Values come from files and from the environment as often as from programs, so Java's leniency is ours: blanks around
 * a value and around the parts of a list do not count, nor does the case of true and false. */
#include "api/config_handle.h"
#include "api/duration.h"
#include "cluster/cluster.h"
#include "protocol/compress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

char *kci_config_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kci_alloc_new(kci_heap_alloc(), size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static kc_err bad_value(const struct kci_config_row *row, const char *value, kc_error *error)
{
    if (row->type == KCI_TYPE_BOOL)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: true or false is needed", row->key, value);
    char words[320];
    if (row->type == KCI_TYPE_CHOICE)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: one of %s is needed", row->key, value,
                        kci_config_words(row, words, sizeof words));
    if (row->type == KCI_TYPE_LIST)
        return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: a list of %s, separated by commas, is needed", row->key,
                        value, row->choices ? kci_config_words(row, words, sizeof words) : "names");
    return kci_fail(error, KC_ERR_CONFIG, 0, "%s=%.60s: a whole number from %lld to %lld is needed", row->key, value,
                    (long long)row->minimum, (long long)row->maximum);
}

/* The choice that `size` bytes name, or NULL. A Java class may come without its package, as in StringSerializer. */
static const struct kci_config_choice *choice_of(const struct kci_config_row *row, const char *text, size_t size)
{
    for (const struct kci_config_choice *c = row->choices; c->word; c++) {
        const char *dot = strrchr(c->word, '.');
        if ((strlen(c->word) == size && memcmp(c->word, text, size) == 0) ||
            (dot && strlen(dot + 1) == size && memcmp(dot + 1, text, size) == 0))
            return c;
    }
    return NULL;
}

/* Is each part of the list, between commas, a word of the row (any word where it offers none)? An empty list is. */
static bool list_ok(const struct kci_config_row *row, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, ",");
        if (row->choices ? !choice_of(row, text, size) : size == 0)
            return false;
        text += size;
        if (*text && !*++text)
            return false; /* ends with a comma */
    }
    return true;
}

/* What stands behind "word:"; only by_duration has something there. */
static bool take_argument(struct kci_settings *settings, const struct kci_config_row *row,
                          const struct kci_config_choice *choice, const char *argument)
{
    bool by_duration = kci_config_field(settings, row) == (void *)&settings->auto_offset_reset &&
                       choice->value == KCI_RESET_BY_DURATION;
    return by_duration && kci_duration_parse(argument, &settings->auto_offset_reset_by_ms);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* A copy without the blanks that do not count; NULL: no memory. */
static char *copy_tidy(const struct kci_config_row *row, const char *value)
{
    char *copy = kci_config_copy_text(value + strspn(value, " \t\r\n"));
    if (!copy)
        return NULL;
    size_t used = 0;
    bool list = row->type == KCI_TYPE_LIST;
    for (const char *p = copy; *p; p++) {
        while (list && *p == ',' && used && is_blank(copy[used - 1]))
            used--;
        if (!(list && is_blank(*p) && used && copy[used - 1] == ','))
            copy[used++] = *p;
    }
    while (used && is_blank(copy[used - 1]))
        used--;
    copy[used] = 0;
    return copy;
}

/* true or false, in any case? */
static bool bool_of(const char *text, bool *out)
{
    static const char *const words[] = { "false", "true" };
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        while (text[at] && (text[at] | 0x20) == words[i][at])
            at++;
        if (!text[at] && !words[i][at]) {
            *out = i == 1;
            return true;
        }
    }
    return false;
}

/* `value` is tidy; of a text or a list the field takes it over, and *value is NULL then. */
static kc_err take_value(struct kci_settings *settings, const struct kci_config_row *row, char **value, kc_error *error)
{
    void *field = kci_config_field(settings, row);
    if (row->type == KCI_TYPE_LIST && !list_ok(row, *value))
        return bad_value(row, *value, error);
    if (kci_config_is_text(row)) {
        kci_alloc_free(kci_heap_alloc(), *(char **)field);
        *(const char **)field = *value;
        *value = NULL;
        return KC_OK;
    }
    if (row->type == KCI_TYPE_BOOL)
        return bool_of(*value, field) ? KC_OK : bad_value(row, *value, error);
    if (row->type == KCI_TYPE_CHOICE) {
        const char *colon = strchr(*value, ':');
        const struct kci_config_choice *choice =
            choice_of(row, *value, colon ? (size_t)(colon - *value) + 1 : strlen(*value));
        if (choice && colon && !take_argument(settings, row, choice, colon + 1))
            choice = NULL;
        if (!choice)
            return bad_value(row, *value, error);
        *(int32_t *)field = choice->value;
        return KC_OK;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(*value, &end, 10);
    if (end == *value || *end || errno || number < row->minimum || number > row->maximum)
        return bad_value(row, *value, error);
    if (row->type == KCI_TYPE_INT32)
        *(int32_t *)field = (int32_t)number;
    else
        *(int64_t *)field = number;
    return KC_OK;
}

kc_err kci_config_parse(struct kci_settings *settings, const struct kci_config_row *row, const char *value,
                        kc_error *error)
{
    char *tidy = copy_tidy(row, value);
    if (!tidy)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while setting %s", row->key);
    kc_err result = take_value(settings, row, &tidy, error);
    kci_alloc_free(kci_heap_alloc(), tidy);
    return result;
}

void kci_config_print(const struct kci_settings *settings, const struct kci_config_row *row, char *value, size_t size)
{
    const void *field = (const char *)settings + row->offset;
    switch (row->type) {
    case KCI_TYPE_TEXT:
    case KCI_TYPE_LIST:
        snprintf(value, size, "%s", *(const char *const *)field ? *(const char *const *)field : "");
        break;
    case KCI_TYPE_BOOL:
        snprintf(value, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case KCI_TYPE_CHOICE:
        for (const struct kci_config_choice *c = row->choices; c->word; c++)
            if (c->value == *(const int32_t *)field) {
                char duration[40];
                bool argument = c->word[0] && c->word[strlen(c->word) - 1] == ':';
                snprintf(value, size, "%s%s", c->word,
                         argument ? kci_duration_text(settings->auto_offset_reset_by_ms, duration, sizeof duration)
                                  : "");
                break;
            }
        break;
    case KCI_TYPE_INT32:
        if (*(const int32_t *)field == KCI_LEVEL_DEFAULT)
            snprintf(value, size, "%s", "");
        else
            snprintf(value, size, "%lld", (long long)*(const int32_t *)field);
        break;
    case KCI_TYPE_INT64:
        snprintf(value, size, "%lld", (long long)*(const int64_t *)field);
        break;
    }
}
