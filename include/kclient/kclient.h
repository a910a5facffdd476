/* kclient: a Kafka client in C.  Include this, or the parts that you use.  Start reading at producer.h and consumer.h.
 */
#ifndef KCLIENT_KCLIENT_H
#define KCLIENT_KCLIENT_H

#include <kclient/admin.h>
#include <kclient/consumer.h>
#include <kclient/groups.h>
#include <kclient/metrics.h>
#include <kclient/producer.h>
#include <kclient/serializer.h>
#include <kclient/settings.h>
#include <kclient/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KC_VERSION_TEXT "0.1.0"
/* The version of the library that is linked, "0.1.0". Static storage. */
KC_EXPORT const char *kc_version(void);

#ifdef __cplusplus
}
#endif
#endif
