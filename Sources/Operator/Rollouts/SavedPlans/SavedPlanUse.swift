// SPDX-License-Identifier: Apache-2.0

/// What a command does with a plan in a file.
enum SavedPlanUse: Sendable {
  /// Saves it there.
  case save(String, keepsSettings: Bool)
  /// Does what it says, or nothing; it comes from that file.
  case follow(SavedPlan, String)
}
