/* "HOST:PORT" and "[IPV6]:PORT", there and back. */
#ifndef MB_HOST_PORT_H
#define MB_HOST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false: not of this form, or it does not fit. */
bool mb_host_port_parse(const char *text, char *host, size_t host_size, uint16_t *port);
/* "HOST", "HOST:PORT", "[IPV6]:PORT" or a bare IPv6 address: *port is 0 where none is given. */
bool mb_host_port_advertised(const char *text, char *host, size_t host_size, uint16_t *port);
/* snprintf's rule. */
int mb_host_port_print(char *out, size_t size, const char *host, uint16_t port);
/* Where something that listens on `host` can be reached from this machine: a wildcard becomes the loopback address. */
const char *mb_host_port_reachable(const char *host);

#endif
