/* One line is formatted on the stack and handed over; a longer one is cut and says so.  No timestamp, no newline, no
 * level text: these belong to whoever writes the line. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define LOG_LINE_MAX 1024 /* bytes with the NUL: a causal chain of several errors fits */

void kci_log(const struct kci_logger *logger, enum kci_log_level level, const char *facility, const char *format, ...)
{
    static const char cut[] = "...";
    char line[LOG_LINE_MAX];
    if (!logger || !logger->write || level > logger->level)
        return;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size < 0)
        return;
    if ((size_t)size >= sizeof line)
        memcpy(line + sizeof line - sizeof cut, cut, sizeof cut);
    logger->write(logger->context, level, facility, line);
}
