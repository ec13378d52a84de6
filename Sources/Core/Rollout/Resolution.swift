public import Model

/// What a member knows of a rollout whose coordinator is gone, as it answered a promise.
public enum Knowledge: Sendable, Hashable {
  /// It is prepared, will accept nothing of a lower ballot any more, and has accepted this.
  case promised(Proposal?)
  /// Commit is known there.
  case committed
  /// It has ended there.
  case ended(Outcome)
  /// It was never voted on there, and never will be.
  case unknown
  /// A higher ballot was promised: somebody else resolves it.
  case outranked(Ballot)
  /// The member did not answer; says what was tried.
  case unreachable(String)
}

/// What becomes of a rollout whose coordinator is gone, when every member has been asked. Pure.
///
/// Only the coordinator proposes commit, at round 0, and only after every member voted yes; it never
/// aborts after that. So when all members have promised a higher ballot: if none has accepted commit
/// and none knows it, commit can no longer be chosen, and abort is safe; if one has, nobody can have
/// aborted, and commit is the decision. As every member is asked, everyone who resolves sees the
/// same and decides the same. (Recovery with a majority alone, by the members themselves, is the
/// protocol's later part.)
public enum Resolution {
  /// The decision, or why there can be none now.
  public static func decision(
    _ answers: [(member: String, knowledge: Knowledge)]
  ) -> Result<Decision, Refusal> {
    var isCommitted = false
    for (member, knowledge) in answers {
      switch knowledge {
      case .unreachable(let reason):
        return .failure(
          Refusal(
            .unreachable,
            "\(member): \(reason); a rollout is resolved when every member answers, since each of them may know the decision"
          ))
      case .outranked:
        return .failure(
          Refusal(.busy, "\(member) is being asked by somebody else too; try again in a moment"))
      case .promised(let proposal): isCommitted = isCommitted || proposal?.decision == .commit
      case .ended(let outcome): isCommitted = isCommitted || outcome.kind != .aborted
      case .committed: isCommitted = true
      case .unknown: break
      }
    }
    return .success(isCommitted ? .commit : .abort)
  }
}
