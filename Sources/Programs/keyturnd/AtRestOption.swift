// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import JSONCoding
import Rollout

/// `keyturnd --at-rest`: whether a restart of the agent meets no rollout, for the packages' scripts.
enum AtRestOption {
  private static let inRollout: Int32 = 1
  private static let unknown: Int32 = 2

  /// The exit status; what it says is for people.
  static func answer(state: String, _ say: (String) -> Void) -> Int32 {
    do {
      guard let bytes = try DurableRecord.read("\(state)/rollout") else {
        say("in no rollout\n")
        return EXIT_SUCCESS
      }
      let record = try JSON.decode(ParticipantRecord.self, from: bytes)
      guard let active = record.active else {
        say("in no rollout\n")
        return EXIT_SUCCESS
      }
      say("in rollout \(active.rollout.id)\n")
      return inRollout
    } catch {
      say("whether it is in a rollout is not known: \(error)\n")
      return unknown
    }
  }
}
