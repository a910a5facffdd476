/* What plugged-in functions write into (kc_buffer of plugin.h): serializers of a producer, deserializers of a consumer.
 */
#ifndef KCI_CLUSTER_BUFFER_H
#define KCI_CLUSTER_BUFFER_H

#include "base/cursor.h"
#include <kclient/plugin.h>

struct kc_buffer {
    struct kci_writer writer; /* of whoever calls the function; begins empty */
};

#endif
