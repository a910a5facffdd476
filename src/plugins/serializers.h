/* The serializers that come with the library, by the number that key.serializer and value.serializer have in the
 * settings. */
#ifndef KCI_PLUGINS_SERIALIZERS_H
#define KCI_PLUGINS_SERIALIZERS_H

#include "cluster/settings.h"

/* The table of functions; all zero for KCI_FORMAT_BYTES, which needs none. No context, nothing to close. */
kc_serializer kci_serializers_of(enum kci_format format);

#endif
