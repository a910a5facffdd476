/* kc_config from inside: what the files of its functions share. */
#ifndef KCI_API_CONFIG_HANDLE_H
#define KCI_API_CONFIG_HANDLE_H

#include "api/config.h"
#include "runtime/runtime.h"

struct kc_config {
    struct kci_settings settings;
    bool set[KCI_CONFIG_ROWS_MAX]; /* explicitly, by row */
};

/* Was this key, which the table has, set explicitly? */
static inline bool kci_config_was_set(const kc_config *config, const char *key)
{
    return config->set[kci_config_find(key) - kci_config_rows];
}

/* config_value.c: one value between its text and its field. */
/* Parse into `settings`; a text is copied and replaces (and frees) what was there. KC_ERR_CONFIG with what is needed
 * instead, KC_ERR_NO_MEMORY; then nothing has changed. */
kc_err kci_config_parse(struct kci_settings *settings, const struct kci_config_row *row, const char *value,
                        kc_error *error);
/* The value as text, NUL-terminated, cut to size. */
void kci_config_print(const struct kci_settings *settings, const struct kci_config_row *row, char *value, size_t size);
/* Is the field a text that the settings own? */
static inline bool kci_config_is_text(const struct kci_config_row *row)
{
    return row->type == KCI_TYPE_TEXT || row->type == KCI_TYPE_LIST;
}
static inline void *kci_config_field(struct kci_settings *settings, const struct kci_config_row *row)
{
    return (char *)settings + row->offset;
}
char *kci_config_copy_text(const char *text); /* NULL: out of memory */

/* config_check.c: the settings of one role as a whole: keys that exclude each other, and defaults that follow from
 * others, which are filled in. `config` is asked which keys were set explicitly. KC_ERR_CONFIG. */
kc_err kci_config_check(const kc_config *config, enum kci_config_role role, struct kci_settings *settings,
                        kc_error *error);

#endif
