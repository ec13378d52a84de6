// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Glibc
internal import HTTP
internal import HTTPS
internal import KeyManager
internal import Model
internal import Sockets
internal import TLS
internal import Threads

/// The probe of one address of an endpoint: what it has seen so far. It belongs to one thread.
struct AddressProbe {
  private let probe: EndpointProbe
  private let address: SocketAddress
  private var stages: [StageResult] = []
  private var link: SecuredLink?
  private var sight = KeyManagerSight()
  private var openings = ProofOpenings()
  private var session: KeyManagerSession
  private var stageStart = Clock.now()

  init(_ probe: EndpointProbe, _ address: SocketAddress) {
    self.probe = probe
    self.address = address
    session = KeyManagerSession(probe, address)
  }

  /// Blocks until every stage was probed, one has failed, or the deadline has come.
  func run() -> AddressReport {
    var run = self
    run.allStages()
    return run.report
  }

  private var report: AddressReport {
    let failed = stages.first { $0.verdict == .failed }
    let all = ProbeStage.allCases.filter { $0 != .dns }.map { stage in
      if let result = stages.first(where: { $0.stage == stage }) { return result }
      let why =
        if stage == .write, failed?.reason != .keyMissing {
          "asked only where the key does not exist"
        } else if let failed {
          "\(failed.stage.title) failed"
        } else {
          "there are no settings to ask with"
        }
      return StageResult(stage, .notChecked, detail: why)
    }
    // What was told over another connection may be another host's.
    var sight = sight
    if session.hasReconnected { sight.host = nil }
    return AddressReport(
      address: address.text, stages: all, link: link, sight: sight, openings: openings)
  }

  private mutating func allStages() {
    guard let socket = connect(), secure(socket), askVersion(), askHealth(.live), askHealth(.ready)
    else { return }
    if let subject = probe.subject { askEnclave(subject) }
    session.close()
  }

  // MARK: the way there

  private mutating func connect() -> Socket? {
    do throws(ProbeFailure) {
      let socket = try session.dial()
      let through = probe.proxy.map { _ in ", which leads to \(probe.target.text)" } ?? ""
      note(.tcp, .fine, "connected to \(address)\(through)")
      return socket
    } catch {
      note(.tcp, error)
      return nil
    }
  }

  private mutating func secure(_ socket: Socket) -> Bool {
    do throws(ProbeFailure) {
      let tls = try session.secure(socket)
      var detail = [tls.protocolVersion]
      var verdict = ProbeVerdict.fine
      if let certificate = tls.peerCertificate {
        let now = Int64(time(nil))
        let link = SecuredLink(
          protocolVersion: tls.protocolVersion, serverKey: certificate.publicKeyText,
          notAfter: certificate.notAfter, daysLeft: certificate.daysLeft(at: now))
        self.link = link
        detail += [link.serverKey, "certificate \(certificate.validityText(at: now))"]
        if link.daysLeft < SecuredLink.warningDays { verdict = .degraded }
      }
      if !probe.roots.unreadable.isEmpty {
        verdict = .degraded
        detail += probe.roots.unreadable
      }
      note(.tls, verdict, detail.joined(separator: ", "))
      return true
    } catch {
      note(.tls, error)
      return false
    }
  }

  // MARK: what every client may ask

  private mutating func askVersion() -> Bool {
    do throws(ProbeFailure) {
      let response = try session.ask(
        HTTPRequest("GET", "/version", headers: ["accept": "application/*"]))
      if response.status == 403 || response.status == 401 {
        note(.version, .degraded, "not permitted: \(KeyManagerAnswer.error(response))")
        return true
      }
      guard response.status == 200 else {
        note(.version, .failed, KeyManagerAnswer.error(response))
        return false
      }
      guard let version = KeyManagerAnswer.version(response), !version.version.isEmpty else {
        note(.version, .failed, "answered 200 with something that is not a Key Manager's version")
        return false
      }
      let (release, host) = (printable(version.version), printable(version.host))
      sight.release = release
      if !host.isEmpty { sight.host = host }
      let name = host.isEmpty ? "" : ", its name for itself is \(host)"
      if !["", "v1"].contains(version.apiVersion) {
        note(
          .version, .degraded,
          "\(release)\(name), it speaks \(printable(version.apiVersion)) and the server v1")
      } else {
        note(.version, .fine, release + name)
      }
      return true
    } catch {
      note(.version, error)
      return false
    }
  }

  private mutating func askHealth(_ stage: ProbeStage) -> Bool {
    let request = HTTPRequest(
      "GET", stage == .live ? "/v1/health/live" : "/v1/health/ready",
      query: stage == .write ? [(name: "write", value: "")] : [])
    do throws(ProbeFailure) {
      let response = try session.ask(request)
      switch response.status {
      case 200: note(stage, .fine, stage == .live ? "alive" : "ready")
      case 401, 403: note(stage, .degraded, "not permitted: \(KeyManagerAnswer.error(response))")
      default:
        note(stage, .failed, KeyManagerAnswer.error(response))
        return false
      }
      return true
    } catch {
      note(stage, error)
      return false
    }
  }

  // MARK: what the API key may ask

  /// Asks for the identity and the key, and last for what decides: the data key that the server
  /// asks for at its start.
  private mutating func askEnclave(_ subject: EndpointProbe.Subject) {
    do throws(ProbeFailure) {
      guard let who = try askIdentity(subject) else { return }
      let status = try session.send(
        Frame(.keyStatus, KeyStatusRequest(name: subject.sseKey)), subject)
      var what = "KEY:STATUS is not allowed"
      switch status {
      case .told(let payload):
        let key: KeyFingerprint
        do throws(KeyManagerAnswer.Problem) { key = try KeyManagerAnswer.key(payload) } catch {
          return noteAdmitted(who, .key, .failed, "KEY:STATUS: \(error.text)")
        }
        what = key.text
        sight.key = .exists(key)
      // A minimal policy may lack it; what the server will send decides.
      case .denied: sight.key = .usable
      default: return conclude(status, who)
      }
      let generate = Frame(.keyGenerate, GenerateKeyRequest.asAtStart(name: subject.sseKey))
      let answer = try session.send(generate, subject)
      if case .told = answer {
        noteAdmitted(who, .key, .fine, "\(what), and KEY:GENERATE gives a data key")
        openProofs(subject)
      } else {
        sight.key = nil
        conclude(answer, who)
      }
    } catch {
      sight.key = nil
      note(.key, error)
    }
  }

  /// What is known of the identity, for people; nil if the probe is over.
  private mutating func askIdentity(
    _ subject: EndpointProbe.Subject
  ) throws(ProbeFailure) -> String? {
    var answer = try session.send(Frame(.identityStatus, IdentityRequest()), subject)
    if case .other = answer {
      // Before release 2025-08-18 an identity must be named (docs/facts.md,
      // "Key Manager messages").
      answer = try session.send(
        Frame(.identityStatus, IdentityRequest(identity: subject.identity.text)), subject)
    }
    switch answer {
    case .told(let payload):
      guard let found = try? IdentityResponse(decoding: payload) else {
        note(.identity, .failed, "IDENTITY:STATUS: the answer is not one")
        return nil
      }
      if Identity(found.identity) != subject.identity {
        note(
          .identity, .failed,
          "the Key Manager takes the server for \(printable(found.identity)): something on the way "
            + "ends TLS and shows a certificate of its own")
        return nil
      }
      let policy = found.policy.isEmpty ? "no policy" : "policy \(printable(found.policy))"
      return switch found.privilege {
      case 1: "a system administrator"
      case 2: "an administrator of the enclave"
      default: "a user with \(policy)"
      }
    case .enclaveMissing:
      conclude(answer, "")
      return nil
    // It need not be allowed to ask for itself, only to use the key.
    case .denied, .keyMissing, .notAuthentic, .other: return "it may not ask for itself"
    }
  }

  /// An answer that ends the probe.
  private mutating func conclude(_ answer: KeyManagerAnswer, _ who: String) {
    switch answer {
    case .told: preconditionFailure("what was told is not the end")
    case .denied(let text): note(.identity, .failed, text, reason: .denied)
    case .enclaveMissing(let text): note(.enclave, .failed, text, reason: .enclaveMissing)
    case .keyMissing(let text):
      sight.key = .missing
      noteAdmitted(who, .key, .failed, text, reason: .keyMissing)
      _ = askHealth(.write)
    case .notAuthentic(let text), .other(let text): note(.key, .failed, text)
    }
  }

  /// Opens the key proofs, one after the other; one that another key has encrypted is the verdict, or else the first
  /// that does not open.
  private mutating func openProofs(_ subject: EndpointProbe.Subject) {
    guard !subject.proofs.isEmpty else {
      return note(.proof, .notChecked, "this node has no key proof yet")
    }
    var (other, unopened): (Unopened?, Unopened?)
    var failure: ProbeFailure?
    do throws(ProbeFailure) {
      for proof in subject.proofs {
        let opening = try session.open(proof, subject)
        switch opening {
        case .opened: openings.opened.append(proof.digest)
        case .otherKey, .versionMissing:
          openings.other.append(proof.digest)
          other = other ?? (opening, proof)
        case .denied, .failed: unopened = unopened ?? (opening, proof)
        }
      }
    } catch { failure = error }
    if let (opening, proof) = other ?? unopened { return note(.proof, opening, of: proof) }
    if let failure { return note(.proof, failure) }
    let count = subject.proofs.count
    note(.proof, .fine, count == 1 ? "the key proof opens" : "\(count) key proofs open")
  }

  private typealias Unopened = (KeyManagerSession.Opening, KeyProof)

  private mutating func note(
    _ stage: ProbeStage, _ opening: KeyManagerSession.Opening, of proof: KeyProof
  ) {
    let which = "the key proof of version \(proof.version)"
    switch opening {
    case .opened: preconditionFailure("what has opened is noted for all")
    case .otherKey(let text): note(stage, .failed, "\(which): \(text)", reason: .otherKey)
    case .versionMissing(let text):
      note(stage, .failed, "\(which): \(text)", reason: .versionMissing)
    case .denied(let text): note(stage, .failed, text, reason: .denied)
    case .failed(let text): note(stage, .failed, text)
    }
  }

  private mutating func noteAdmitted(
    _ who: String, _ stage: ProbeStage, _ verdict: ProbeVerdict, _ detail: String,
    reason: ProbeReason? = nil
  ) {
    note(.identity, .fine, who)
    note(.enclave, .fine, "exists")
    note(stage, verdict, detail, reason: reason)
  }

  // MARK: notes

  private mutating func note(
    _ stage: ProbeStage, _ verdict: ProbeVerdict, _ detail: String, reason: ProbeReason? = nil
  ) {
    let now = Clock.now()
    stages.append(
      StageResult(
        stage, verdict, reason: reason, milliseconds: now.milliseconds(since: stageStart),
        detail: detail))
    stageStart = now
  }

  private mutating func note(_ stage: ProbeStage, _ failure: ProbeFailure) {
    note(stage, .failed, failure.text, reason: failure.isTimeout ? .timeout : nil)
  }
}
