// SPDX-License-Identifier: Apache-2.0
internal import Rollout

// What a member's record must say before something is told, and how it may change.

extension Node {
  /// From the record before to this one nothing is taken back.
  func checkGrowth(to record: ParticipantRecord, _ out: inout Outbox) {
    if record.highestEpoch < known.highestEpoch {
      out.violate(
        .onlyGrows, "m\(index)'s epoch falls from \(known.highestEpoch) to \(record.highestEpoch)")
    }
    guard let old = known.active else { return }
    let rollout = Names.place(old.rollout.id)
    guard let new = record.active, new.rollout.id == old.rollout.id else {
      checkEnd(of: old, in: record, &out)
      return
    }
    if new.promised < old.promised {
      out.violate(.onlyGrows, "m\(index)'s promise for r\(rollout) falls")
    }
    switch (old.stage, new.stage) {
    case (.prepared, .prepared), (.prepared, .accepted), (.prepared, .committed),
      (.accepted, .committed), (.committed, .watching):
      break
    case (.accepted(let before), .accepted(let after)):
      if after.ballot < before.ballot {
        out.violate(.onlyGrows, "m\(index) accepts a lower ballot for r\(rollout) than before")
      }
    case (.committed(let before, _), .committed(let after, _)):
      if before != after { out.violate(.onlyGrows, "m\(index)'s instant of r\(rollout) changes") }
    case (.watching(let before), .watching(let after)):
      if before != after { out.violate(.onlyGrows, "m\(index)'s report of r\(rollout) changes") }
    default: out.violate(.onlyGrows, "m\(index) goes back in r\(rollout)")
    }
    if case .accepted(let value) = new.stage, new.promised < value.ballot {
      out.violate(.onlyGrows, "m\(index) accepts a ballot for r\(rollout) and does not promise it")
    }
  }

  private func checkEnd(
    of old: ActiveRollout, in record: ParticipantRecord, _ out: inout Outbox
  ) {
    let isAborted = record.last?.outcome.kind == .aborted
    var isKept = record.last?.rollout == old.rollout
    switch old.stage {
    case .prepared, .accepted: isKept = isKept && isAborted
    case .committed, .watching:
      isKept = isKept && !isAborted && record.lastCommitted == record.last
    }
    if !isKept { out.violate(.onlyGrows, "m\(index)'s record forgets \(old.rollout.id)") }
  }

  /// The member answers somebody who asks about the rollout: what it says is durable.
  func check(_ reply: ParticipantReply, _ out: inout Outbox) {
    let active = durable.active
    let isDurable =
      switch reply {
      case .promised(let value):
        if case .accepted(let accepted)? = active?.stage {
          accepted == value
        } else {
          active != nil && value == nil
        }
      case .accepted: if case .accepted? = active?.stage { true } else { false }
      case .outranked(let ballot): active.map { $0.promised >= ballot } ?? (durable.last != nil)
      case .committed:
        switch active?.stage {
        case .committed, .watching: true
        case .prepared, .accepted: false
        // The end was written, and is not known to be.
        case nil: durable.lastCommitted != nil
        }
      case .ended, .neverVoted, .replaced: true
      }
    if !isDurable { out.violate(.durableFirst, "m\(index) answers \(reply)") }
  }

  /// The same for an answer that only its question makes whole.
  mutating func check(
    _ reply: ParticipantReply, to content: Message.Content, _ course: Course, _ rollout: Int,
    _ out: inout Outbox
  ) {
    if reply == .neverVoted {
      host.neverVoted.insert(rollout)
      if durable.highestEpoch < course.rollout.epoch {
        out.violate(
          .durableFirst, "m\(index) says that it never voted on r\(rollout), and may do so yet")
      }
    }
    if reply != .replaced, course.keys[index].addressee != incarnation {
      out.violate(.neverIsNever, "m\(index) answers in the place of the incarnation before")
    }
    guard let active = active(rollout) else { return }
    switch (content, reply) {
    case (.ask(.promise(let ballot)), .promised):
      if active.promised < ballot {
        out.violate(.durableFirst, "m\(index) promises, which is not in its record")
      }
    case (.ask(.accept(let value)), .accepted), (.accept(let value), .accepted):
      if case .accepted(let accepted) = active.stage, accepted == value { break }
      out.violate(.durableFirst, "m\(index) accepts, which is not in its record")
    default: break
    }
  }

  /// A member asks the others only what it has done itself.
  func checkQuestion(_ question: RecoveryQuestion, _ rollout: Int, _ out: inout Outbox) {
    let isDurable =
      switch question {
      case .promise(let ballot): active(rollout).map { $0.promised >= ballot } ?? false
      case .accept(let value): active(rollout).map { $0.promised >= value.ballot } ?? false
      case .decide(.commit, _):
        switch active(rollout)?.stage {
        case .committed, .watching: true
        case .prepared, .accepted, nil: false
        }
      case .decide(.abort, _): active(rollout) == nil
      }
    if !isDurable {
      out.violate(.durableFirst, "m\(index) asks \(question), and has not done so itself")
    }
  }
}
