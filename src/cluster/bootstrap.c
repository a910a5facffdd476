/* Parses bootstrap.servers one entry at a time, strictly, because an entry that is guessed at fails much later and far
 * away.
 *
 *      entry   [scheme://]host:port | [scheme://]'['ipv6']':port        Java takes a scheme and ignores it; so do we */
#include "cluster/bootstrap.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct kci_str trimmed(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return (struct kci_str){ from, (size_t)(to - from) };
}

static bool port_of(struct kci_str digits, uint16_t *port)
{
    uint32_t value = 0;
    if (digits.size == 0 || digits.size > 5)
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= UINT16_MAX;
}

bool kci_host_is_clean(struct kci_str host)
{
    for (size_t i = 0; i < host.size; i++) {
        unsigned char c = (unsigned char)host.data[i];
        if (c <= ' ' || c == 0x7f || c == '/' || c == '@' || c == '[' || c == ']')
            return false;
    }
    return host.size > 0 && host.size <= KCI_HOST_BYTES_MAX;
}

/* What is wrong with the entry, or NULL. */
static const char *parse(struct kci_bootstrap *b)
{
    struct kci_str rest = b->entry;
    for (size_t i = 0; i + 2 < rest.size; i++)
        if (memcmp(rest.data + i, "://", 3) == 0) {
            rest = (struct kci_str){ rest.data + i + 3, rest.size - i - 3 };
            break;
        }
    const char *end = rest.data + rest.size, *colon;
    if (rest.size && rest.data[0] == '[') {
        const char *bracket = memchr(rest.data, ']', rest.size);
        if (!bracket)
            return "the closing bracket is missing";
        b->host = (struct kci_str){ rest.data + 1, (size_t)(bracket - rest.data - 1) };
        colon = bracket + 1;
        if (colon == end || *colon != ':')
            return "a port must follow, as in [::1]:9092";
    } else {
        colon = memchr(rest.data, ':', rest.size);
        if (!colon)
            return "the port is missing: host:port is expected";
        b->host = (struct kci_str){ rest.data, (size_t)(colon - rest.data) };
        if (memchr(colon + 1, ':', (size_t)(end - colon - 1)))
            return "an IPv6 address must stand in brackets, as in [::1]:9092";
    }
    if (!kci_host_is_clean(b->host))
        return "the host name is empty, too long or has characters that no host name has";
    if (!port_of((struct kci_str){ colon + 1, (size_t)(end - colon - 1) }, &b->port))
        return "the port must be a number from 1 to 65535";
    return NULL;
}

int kci_bootstrap_next(struct kci_bootstrap *b)
{
    while (b->at && *b->at) {
        const char *end = strchr(b->at, ',');
        if (!end)
            end = b->at + strlen(b->at);
        b->entry = trimmed(b->at, end);
        b->at = *end ? end + 1 : end;
        if (b->entry.size == 0)
            continue;
        b->any = true;
        b->problem = parse(b);
        return b->problem ? -1 : 1;
    }
    if (b->any)
        return 0;
    b->entry = kci_str_of("");
    b->problem = "it names no server";
    return -1;
}
