// SPDX-License-Identifier: Apache-2.0
import Testing

/// Everything that needs real hosts, one test after the other.
@Suite(.serialized, .enabled(if: Lab.isWanted, "needs root and KEYTURN_LAB=1"))
enum LabTests {}
