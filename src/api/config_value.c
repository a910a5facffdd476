/* One configuration value between its text and its field, as its row of the table says (config_table.c): parsed and
 * range-checked when it is set, printed as it would be set. */
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
                        value, kci_config_words(row, words, sizeof words));
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

/* Is each part of the list, between commas, a word of the row? An empty list is. */
static bool list_ok(const struct kci_config_row *row, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, ",");
        if (!choice_of(row, text, size))
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

kc_err kci_config_parse(struct kci_settings *settings, const struct kci_config_row *row, const char *value,
                        kc_error *error)
{
    void *field = kci_config_field(settings, row);
    if (row->type == KCI_TYPE_LIST && !list_ok(row, value))
        return bad_value(row, value, error);
    if (kci_config_is_text(row)) {
        char *copy = kci_config_copy_text(value);
        if (!copy)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while setting %s", row->key);
        kci_alloc_free(kci_heap_alloc(), *(char **)field);
        *(const char **)field = copy;
        return KC_OK;
    }
    if (row->type == KCI_TYPE_BOOL) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return bad_value(row, value, error);
        *(bool *)field = value[0] == 't';
        return KC_OK;
    }
    if (row->type == KCI_TYPE_CHOICE) {
        const char *colon = strchr(value, ':');
        const struct kci_config_choice *choice =
            choice_of(row, value, colon ? (size_t)(colon - value) + 1 : strlen(value));
        if (choice && colon && !take_argument(settings, row, choice, colon + 1))
            choice = NULL;
        if (!choice)
            return bad_value(row, value, error);
        *(int32_t *)field = choice->value;
        return KC_OK;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < row->minimum || number > row->maximum)
        return bad_value(row, value, error);
    if (row->type == KCI_TYPE_INT32)
        *(int32_t *)field = (int32_t)number;
    else
        *(int64_t *)field = number;
    return KC_OK;
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
