/* How fast connections are taken: the part of a listener that Kafka calls its acceptor. */
#ifndef MB_CORE_ACCEPTOR_H
#define MB_CORE_ACCEPTOR_H

#include "mockbroker/core/connection.h"

/* A connection was made: let it go on now, later, or not at all. */
void mb_acceptor_took(struct mb_connection *connection, int64_t now);

#endif
