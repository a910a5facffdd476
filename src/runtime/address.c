/* Addresses and the system's error numbers, as text for people.  The texts end up in the reasons of failed sends and in
 * the doctor's advice, so the common ones are spelled out here and do not depend on libc or locale. */
#ifdef __linux__
#define _GNU_SOURCE /* EAI_NODATA */
#endif
#include "runtime/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((struct kci_address *)0)->bytes), "an IPv6 address must fit");

void kci_address_from(struct kci_address *out, const struct sockaddr *address, socklen_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    memset(out, 0, sizeof *out);
    if (size > sizeof out->bytes)
        size = sizeof out->bytes;
    memcpy(out->bytes, address, size);
    out->size = (uint32_t)size;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, out->bytes, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        snprintf(out->text, sizeof out->text, "%s:%u", host, (unsigned)ntohs(v4.sin_port));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, out->bytes, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        snprintf(out->text, sizeof out->text, "[%s]:%u", host, (unsigned)ntohs(v6.sin6_port));
    } else {
        snprintf(out->text, sizeof out->text, "(address family %d)", (int)address->sa_family);
    }
}

struct text_of {
    int code;
    const char *text;
};

static const struct text_of errors[] = {
    { ECONNREFUSED, "connection refused" },
    { ECONNRESET, "connection reset by peer" },
    { EPIPE, "closed by the peer" },
    { ETIMEDOUT, "connection timed out" },
    { ENETUNREACH, "network unreachable" },
    { EHOSTUNREACH, "host unreachable" },
    { ENETDOWN, "network is down" },
    { EADDRNOTAVAIL, "no local address or port left to connect from" },
    { EAFNOSUPPORT, "address family not supported by this system" },
    { EACCES, "not permitted by this system (a firewall rule?)" },
    { EPERM, "not permitted by this system (a firewall rule?)" },
    { EMFILE, "too many open descriptors in this process" },
    { ENFILE, "too many open descriptors in this system" },
    { ENOMEM, "out of memory" },
    { ENOBUFS, "out of socket memory" },
};

static const struct text_of lookup_errors[] = {
    { EAI_NONAME, "no such host name" },
#ifdef EAI_NODATA
    { EAI_NODATA, "the host name has no address" },
#endif
    { EAI_AGAIN, "the name server did not answer (temporary failure)" },
    { EAI_FAIL, "the name server failed" },
    { EAI_MEMORY, "out of memory" },
};

static const char *find(const struct text_of *rows, size_t count, int code)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].code == code)
            return rows[i].text;
    return NULL;
}

const char *kci_address_error(int error, char *text, size_t size)
{
    const char *known = find(errors, sizeof errors / sizeof errors[0], error);
    if (known)
        return known;
    snprintf(text, size, "system error %d", error);
    return text;
}

const char *kci_address_lookup_error(int code, int error, char *text, size_t size)
{
    const char *known = find(lookup_errors, sizeof lookup_errors / sizeof lookup_errors[0], code);
    if (known)
        return known;
    if (code == EAI_SYSTEM)
        return kci_address_error(error, text, size);
    snprintf(text, size, "%s", gai_strerror(code));
    return text;
}
