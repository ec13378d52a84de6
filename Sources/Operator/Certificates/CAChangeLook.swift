// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model

/// The two CAs of a change.
struct CAChange: Sendable {
  var former: AuthorityCertificate
  var next: AuthorityCertificate

  var both: [AuthorityCertificate] { [former, next] }
}

/// What all agents and witnesses say of the CAs, and what follows from it. Pure.
struct CAChangeLook: Sendable {
  struct Row: Sendable {
    var holder: CertificateHolder
    var answer: Result<AuthoritiesAnswer, Refusal>
  }
  var rows: [Row]
  var change: CAChange

  var answers: [(name: String, answer: AuthoritiesAnswer)] {
    rows.compactMap { row in (try? row.answer.get()).map { (row.holder.name, $0) } }
  }
  var silent: [(name: String, refusal: Refusal)] {
    rows.compactMap { row in
      if case .failure(let refusal) = row.answer { (row.holder.name, refusal) } else { nil }
    }
  }

  /// Those that trust the new CA not yet.
  var withoutNext: [String] {
    answers.filter { !$0.answer.trusted.contains(change.next.key) }.map(\.name)
  }
  /// Those that do not trust exactly these.
  func trustingOthers(than target: [AuthorityCertificate]) -> [CertificateHolder] {
    let keys = Set(target.map(\.key))
    return rows.compactMap { row in
      guard let answer = try? row.answer.get(), Set(answer.trusted) != keys else { return nil }
      return row.holder
    }
  }
  /// Those that trust another CA than these.
  func trustingMore(than target: [AuthorityCertificate]) -> [String] {
    let keys = Set(target.map(\.key))
    return answers.filter { !Set($0.answer.trusted).isSubset(of: keys) }.map(\.name)
  }
  /// Those whose certificate in use is not of the new CA.
  var showingFormer: [CertificateHolder] {
    rows.compactMap { row in
      guard let answer = try? row.answer.get(), answer.own != change.next.key else { return nil }
      return row.holder
    }
  }
  /// Those whose list of revoked certificates is not signed by the new CA.
  var withFormerList: [String] {
    answers.filter { row in row.answer.revocations.map { $0 != change.next.key } ?? false }
      .map(\.name)
  }

  /// Why a list of these CAs must not be given to anybody; nil if it may: no CA is taken from a host's trust while a
  /// certificate of it is shown, or could be.
  func obstacle(to target: [AuthorityCertificate]) -> Refusal? {
    let keys = Set(target.map(\.key))
    let showing = answers.filter { row in row.answer.own.map { !keys.contains($0) } ?? true }
    if !showing.isEmpty {
      return Refusal(
        .validation,
        "\(NodeNames.folded(showing.map(\.name))): the certificate in use is of neither CA: another change of the CA is not finished there; see that --pki and --new are right; nothing was changed"
      )
    }
    let losing = answers.filter { !Set($0.answer.trusted).isSubset(of: keys) }
    if losing.isEmpty || silent.isEmpty { return nil }
    return Refusal(
      .unreachable,
      "\(NodeNames.folded(losing.map(\.name))) would lose the trust in a CA whose certificate \(NodeNames.folded(silent.map(\.name))), which does not answer, may show: run it again once all answer; nothing was changed"
    )
  }

  /// The number of a list of these CAs: that of the one that is in force already, else the next.
  func number(of target: [AuthorityCertificate]) -> Int {
    let highest = answers.map(\.answer.number).max() ?? 0
    let keys = Set(target.map(\.key))
    let isInForce = answers.allSatisfy {
      $0.answer.number < highest || Set($0.answer.trusted) == keys
    }
    return highest > 0 && isInForce ? highest : highest + 1
  }

  // MARK: people

  /// Who was seen with a certificate of none of these CAs that is still valid.
  ///
  /// - Parameter now: seconds since 1970-01-01 UTC.
  func people(ofOthersThan target: [AuthorityCertificate], _ now: Int64) -> [String] {
    let keys = Set(target.map(\.key))
    let seen = answers.flatMap(\.answer.people)
      .filter { !keys.contains($0.authority) && $0.validUntil > now }
    return Set(seen.map { "\($0.role.rawValue) \($0.name)" }).sorted()
  }

  struct Person: Sendable, Hashable {
    var role: Role
    var name: String
    /// When a certificate of another CA than the new was shown last, seconds since 1970-01-01 UTC.
    var at: Int64

    var text: String { "\(role.rawValue) \(name) (\(CalendarTime.text(seconds: at)))" }
  }

  /// A program with a certificate of the old CA may run beside one with a new certificate of the same name.
  private static let recentSeconds: Int64 = 120

  /// Whose certificates of another CA than the new are in use, as far as the hosts have seen it.
  ///
  /// - Parameter now: seconds since 1970-01-01 UTC.
  func people(_ now: Int64) -> [Person] {
    let seen = answers.flatMap(\.answer.people).filter { $0.validUntil > now }
    struct Name: Hashable {
      var role: Role
      var name: String
    }
    var last: [Name: (former: Int64?, next: Int64?)] = [:]
    for person in seen {
      let name = Name(role: person.role, name: person.name)
      var times = last[name] ?? (nil, nil)
      if person.authority == change.next.key {
        times.next = max(times.next ?? person.at, person.at)
      } else {
        times.former = max(times.former ?? person.at, person.at)
      }
      last[name] = times
    }
    return last.compactMap { name, times in
      guard let former = times.former else { return nil }
      let isLast = times.next.map { former > $0 } ?? true
      guard isLast || now - former < Self.recentSeconds else { return nil }
      return Person(role: name.role, name: name.name, at: former)
    }.sorted { ($0.role.rawValue, $0.name) < ($1.role.rawValue, $1.name) }
  }
}
