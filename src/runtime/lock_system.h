/* The two ways to sleep on a lock word; kci_lock_system() names the one of this platform. */
#ifndef KCI_RUNTIME_LOCK_SYSTEM_H
#define KCI_RUNTIME_LOCK_SYSTEM_H

#include "base/lock.h"

extern const struct kci_lock_ops kci_lock_portable; /* a few mutexes and conditions, shared by address */
#ifdef __linux__
extern const struct kci_lock_ops kci_lock_futex;
#endif

#endif
