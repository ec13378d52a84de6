public import Digests
public import Model

// What the members have been handed by configuration management, and when they begin a rollout by
// themselves (docs/protocol.md, "Intents").
//
// Each member keeps what it was handed and what it last heard from the others. Nothing is promised
// here: at worst two members begin, and the epoch lets one through.
//
// It refuses to: begin while a member is missing or wants something else, before the quiet period is
// over, as anybody but the first of the members, or twice for the same wish.

/// What a member says of its wish: the serial alone once it was withdrawn.
public struct IntentStatement: Sendable, Codable, Hashable {
  /// Grows with every change.
  public var serial: UInt64
  /// The digest of the settings; nil for none.
  public var digest: Digest?

  /// A statement; see the properties.
  public init(serial: UInt64, digest: Digest?) {
    self.serial = serial
    self.digest = digest
  }
}

/// What comes to the intents of a member.
public enum IntentsInput: Sendable, Hashable {
  /// The agent has started.
  case started
  /// A wish was handed to this member; nil withdraws it.
  case proposed(Digest?)
  /// Another member has said what it wishes, in a message or in an answer.
  case heard(member: String, IntentStatement)
  /// The instant of the last ``IntentsEffect/wake(_:)`` has come.
  case woke
  /// The rollout of this wish has ended: committed, or refused for good.
  case ended(Digest)
}

/// What is done about intents, in the order given.
public enum IntentsEffect: Sendable, Hashable {
  /// Make it durable, with the settings themselves, before anybody is told.
  case persist(IntentStatement)
  /// Tell another member; it answers with its own statement.
  case tell(member: String, IntentStatement)
  /// Send ``IntentsInput/woke`` at this instant; takes the place of the wake before.
  case wake(Instant)
  /// All members want this: coordinate a rollout of it.
  case begin(Digest)
}

/// Who holds which wish, as one member knows it; and when it is to begin the rollout.
public struct Intents: Sendable, Hashable {
  /// From the last change to the beginning, milliseconds.
  public static let quietMilliseconds = 2_000
  /// From one round of telling to the next, while a wish is open, milliseconds.
  public static let againMilliseconds = 5_000

  private let member: String
  private let members: [String]
  /// In the order of `members`; nil for one that was not heard of.
  private var statements: [IntentStatement?]
  /// When the last change was heard of.
  private var changed: Instant?
  /// The wish that was begun last, so that it is not begun again.
  private var begun: Digest?

  /// The intents of `member`, one of the sorted `members`, with what was durable.
  public init(member: String, members: [String], own: IntentStatement?) {
    self.member = member
    self.members = members
    statements = members.map { $0 == member ? own : nil }
  }

  /// What this member wishes.
  public var own: IntentStatement { self[member] ?? IntentStatement(serial: 0, digest: nil) }

  /// What a member is known to wish; nil if it was not heard of.
  public subscript(_ name: String) -> IntentStatement? {
    members.firstIndex(of: name).flatMap { statements[$0] }
  }

  /// Who holds nothing or was not heard of.
  public var missing: [String] { zip(members, statements).filter { $0.1?.digest == nil }.map(\.0) }

  /// Who holds another wish than this member.
  public var differing: [String] {
    guard let digest = own.digest else { return [] }
    return zip(members, statements)
      .filter { $0.1?.digest != nil && $0.1?.digest != digest }.map(\.0)
  }

  /// Takes one input; returns what to do, in order.
  public mutating func handle(_ input: IntentsInput, at now: Instant) -> [IntentsEffect] {
    switch input {
    case .started:
      changed = now
      return own.digest == nil ? [] : tellAll(now)
    case .proposed(let digest): return proposed(digest, now)
    case .heard(let name, let statement): return heard(name, statement, now)
    case .woke: return woke(now)
    case .ended(let digest): return own.digest == digest ? proposed(nil, now) : []
    }
  }

  private mutating func proposed(_ digest: Digest?, _ now: Instant) -> [IntentsEffect] {
    if own.digest == digest { return digest == nil ? [] : tellAll(now) }
    let statement = IntentStatement(serial: own.serial + 1, digest: digest)
    set(member, statement, now)
    return [.persist(statement)] + tellAll(now)
  }

  private mutating func heard(
    _ name: String, _ statement: IntentStatement, _ now: Instant
  ) -> [IntentsEffect] {
    guard name != member, members.contains(name), statement.serial > self[name]?.serial ?? 0
    else { return [] }
    set(name, statement, now)
    return own.digest == nil ? [] : [.wake(now.advanced(byMilliseconds: Self.quietMilliseconds))]
  }

  private mutating func woke(_ now: Instant) -> [IntentsEffect] {
    guard let digest = own.digest, let changed else { return [] }
    let isAgreed = statements.allSatisfy { $0?.digest == digest }
    let isQuiet = now.milliseconds(since: changed) >= Self.quietMilliseconds
    guard isAgreed, isQuiet, members.first == member, begun != digest else { return tellAll(now) }
    begun = digest
    return [.begin(digest)]
  }

  private mutating func set(_ name: String, _ statement: IntentStatement, _ now: Instant) {
    guard let index = members.firstIndex(of: name) else { return }
    statements[index] = statement
    changed = now
    // A wish that was changed may be wished again.
    if statement.digest != begun { begun = nil }
  }

  private func tellAll(_ now: Instant) -> [IntentsEffect] {
    let isAgreed = statements.allSatisfy { $0?.digest == own.digest }
    let wait = isAgreed ? Self.quietMilliseconds : Self.againMilliseconds
    return members.filter { $0 != member }.map { .tell(member: $0, own) }
      + (own.digest == nil ? [] : [.wake(now.advanced(byMilliseconds: wait))])
  }
}
