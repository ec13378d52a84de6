// SPDX-License-Identifier: Apache-2.0
// What Swift cannot import of libsystemd (macros, variadic functions) is here as static inline functions with the
// prefix kt_.
#pragma once
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
