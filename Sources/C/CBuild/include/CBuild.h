// SPDX-License-Identifier: Apache-2.0
// The commit that is built, apart, so that another commit compiles only this again.
#ifndef KT_BUILD_H
#define KT_BUILD_H

/// The first digits of the commit, with a "+" for uncommitted changes; "" if scripts/build did not give it.
const char *kt_commit(void);

#endif
