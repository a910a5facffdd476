/* How many connections are taken, and how fast: the part of a listener that Kafka calls its acceptor. */
#ifndef MB_CORE_ACCEPTOR_H
#define MB_CORE_ACCEPTOR_H

#include "mockbroker/core/connection.h"

/* A connection was made: let it go on now, later, or not at all. */
void mb_acceptor_took(struct mb_connection *connection, int64_t now);
/* It is closed, and no longer in the list: its place is free. */
void mb_acceptor_left(struct mb_connection *connection, int64_t now);
/* Those that wait come in as far as there is room. */
void mb_acceptor_look(struct mb_cluster *cluster, int32_t broker, int64_t now);
/* Settings of brokers are not what they were. Closes connections: not from within the request of one. */
void mb_acceptor_altered(struct mb_cluster *cluster, int64_t now);

#endif
