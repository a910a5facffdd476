/* The one place that knows that an IPv6 address stands in brackets before a port. */
#include "mockbroker/host_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mb_host_port_parse(const char *text, char *host, size_t host_size, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    char *end;
    if (!colon || colon == text || colon[1] < '0' || colon[1] > '9')
        return false;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end || number > UINT16_MAX)
        return false;
    size_t size = (size_t)(colon - text);
    bool brackets = text[0] == '[' && text[size - 1] == ']';
    if (brackets) {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= host_size || (!brackets && memchr(text, ':', size)))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool mb_host_port_advertised(const char *text, char *host, size_t host_size, uint16_t *port)
{
    const char *colon = strchr(text, ':');
    size_t size = strlen(text);
    if (colon && (text[0] == '[' || !strchr(colon + 1, ':')))
        return mb_host_port_parse(text, host, host_size, port) && *port;
    if (!size || size >= host_size)
        return false;
    memcpy(host, text, size + 1);
    *port = 0;
    return true;
}

int mb_host_port_print(char *out, size_t size, const char *host, uint16_t port)
{
    return snprintf(out, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}

const char *mb_host_port_reachable(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(host, "::") == 0 ? "::1" : host;
}
