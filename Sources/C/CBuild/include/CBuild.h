// SPDX-License-Identifier: Apache-2.0
// What the build is of. Apart, so that a commit compiles this and nothing else again.
#ifndef KT_BUILD_H
#define KT_BUILD_H

/// The first digits of the commit, with a "+" if there were changes beside it; "" if the build was not told (scripts/build).
const char *kt_commit(void);

#endif
