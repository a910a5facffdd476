/* Log lines leave the core through a table; nothing is printed.  Formatting happens in the callee's buffer, only when
 * the level is wanted. */
#ifndef KCI_BASE_LOG_H
#define KCI_BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>

enum kci_log_level { KCI_LOG_ERROR = 3, KCI_LOG_WARN = 4, KCI_LOG_INFO = 6, KCI_LOG_DEBUG = 7 }; /* syslog's numbers */

struct kci_logger {
    /* text is borrowed for the call; facility is a short constant such as "conn" or "group". May be NULL. */
    void (*write)(void *context, enum kci_log_level level, const char *facility, const char *text);
    void *context;
    enum kci_log_level level; /* lines above it are not even formatted */
};

void kci_log(const struct kci_logger *logger, enum kci_log_level level, const char *facility, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
