/* Inside of kc_config: a copy of the settings with every value parsed when it is set.  The table of keys is
 * config_table.c. */
#ifndef KCI_API_CONFIG_H
#define KCI_API_CONFIG_H

#include "base/log.h"
#include "cluster/settings.h"

enum kci_config_role { KCI_ROLE_PRODUCER = 1, KCI_ROLE_CONSUMER = 2, KCI_ROLE_ADMIN = 4 };

enum kci_config_type { KCI_TYPE_INT32, KCI_TYPE_INT64, KCI_TYPE_BOOL, KCI_TYPE_TEXT, KCI_TYPE_CHOICE, KCI_TYPE_LIST };

/* One word of a KCI_TYPE_CHOICE or KCI_TYPE_LIST key and its number. */
struct kci_config_choice {
    const char *word; /* one with a dot in it is a Java class: accepted, but neither offered nor documented */
    int32_t value;
};

/* One key: what docs/configuration.md says of it, and where its value goes. */
struct kci_config_row {
    const char *key;   /* Kafka's name */
    const char *alias; /* librdkafka's name, or NULL */
    int roles;         /* KCI_ROLE_* bits of those who read it */
    enum kci_config_type type;
    size_t offset;            /* in struct kci_settings */
    int64_t minimum, maximum; /* of integers */
    const char *default_text; /* NULL: none (text: not set) */
    /* of KCI_TYPE_CHOICE and KCI_TYPE_LIST; ends with word NULL. NULL: any words */
    const struct kci_config_choice *choices;
    const char *meaning; /* one or two sentences */
};
#define KCI_CONFIG_ROWS_MAX 128 /* room for what was set explicitly */
extern const struct kci_config_row kci_config_rows[];
extern const size_t kci_config_row_count;
/* The row of a key or alias, or NULL. */
const struct kci_config_row *kci_config_find(const char *key);
/* The known key that looks most like a mistyped one, or NULL when none is near. */
const char *kci_config_nearest(const char *key);
/* Keys of the Java client or librdkafka that are understood but not available here; NULL, or why and what to do
 * instead. */
const char *kci_config_known_elsewhere(const char *key);

/* The words that are offered, "a, b, c", NUL-terminated (cut to size). Returns text. */
const char *kci_config_words(const struct kci_config_row *row, char *text, size_t size);
/* Keys whose only accepted value is what happens anyway, so that common configurations work unchanged. */
bool kci_config_harmless(const char *key, const char *value);

/* A copy with the same keys and log function, but without any other function that the user has set. NULL: no memory. */
kc_config *kci_config_copy_plain(const kc_config *config);

/* The settings of a handle that is about to be created, checked as a whole (required keys, keys that exclude each
 * other, defaults that depend on others: PROTOCOL 2.1, 3.1). *out is an independent copy; free it with
 * kci_config_settings_free. KC_ERR_CONFIG with a text that names the keys; KC_ERR_NO_MEMORY. */
kc_err kci_config_settings(const kc_config *config, enum kci_config_role role, struct kci_settings **out,
                           kc_error *error);
void kci_config_settings_free(struct kci_settings *settings); /* NULL is fine */

/* The write function of a struct kci_logger whose context is the settings: passes lines on to the user's function. */
void kci_config_write_log(void *settings, enum kci_log_level level, const char *facility, const char *text);
/* Is this thread inside a user's log function?  Locks may be held then, so handles refuse to be called. */
bool kci_config_is_logging(void);

#endif
