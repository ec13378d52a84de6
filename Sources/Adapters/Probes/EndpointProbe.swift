internal import Digests
internal import KeyManager
internal import LinuxIO
internal import Model
internal import TLS
internal import Wire

/// The probe of one endpoint, stage by stage, as the server would reach it at its start (facts,
/// section B.7).
///
/// It asks and never creates or changes: KEY:CREATE is not among what it can send.
struct EndpointProbe: Sendable {
  /// What the enclave is asked for; nil where there are no settings.
  struct Subject: Sendable {
    var enclave: String
    var sseKey: String
  }

  /// The endpoint as the report names it.
  let endpoint: String
  /// What is dialled.
  let target: HostPort
  /// The TLS of the server's client, or why it could not be set up.
  let context: Result<ProbeTLSContext, CertificateFailure>
  let subject: Subject?
  let deadline: Instant

  /// Blocks until every stage was probed, one has failed, or the deadline has come.
  func run() -> EndpointReport {
    var run = ProbeRun(self)
    run.allStages()
    return run.report
  }
}

/// One run of a probe: what it has seen so far.
private struct ProbeRun {
  private let probe: EndpointProbe
  private var stages: [StageResult] = []
  private var address: SocketAddress?
  private var connection: ProbeConnection?
  private var stageStart = Clock.now()

  init(_ probe: EndpointProbe) { self.probe = probe }

  var report: EndpointReport {
    let failed = stages.first { $0.verdict == .failed }
    let all = ProbeStage.allCases.map { stage in
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
    return EndpointReport(endpoint: probe.endpoint, address: address?.text, stages: all)
  }

  mutating func allStages() {
    guard let addresses = resolve(), let socket = connect(addresses), secure(socket),
      askVersion(), askReady(.ready)
    else { return }
    if let subject = probe.subject { askKey(subject) }
    connection?.close(until: probe.deadline)
  }

  // MARK: the way there

  private mutating func resolve() -> [SocketAddress]? {
    do throws(SocketFailure) {
      let addresses = try Resolver.resolve(
        probe.target.host, port: probe.target.port, until: probe.deadline)
      note(.dns, .fine, addresses.map(\.host).joined(separator: ", "))
      return addresses
    } catch {
      note(.dns, ProbeFailure(error))
      return nil
    }
  }

  /// A connection to the first address that takes one.
  private mutating func connect(_ addresses: [SocketAddress]) -> Socket? {
    let attempt = ConnectionAttempt(to: addresses, until: probe.deadline)
    note(.tcp, attempt.verdict, attempt.detail, reason: attempt.reason)
    address = attempt.socket?.peer
    return attempt.socket
  }

  private mutating func secure(_ socket: Socket) -> Bool {
    do throws(ProbeFailure) {
      let session = try handshake(socket)
      let expiry = session.peerCertificate.map { ", certificate valid until \($0.notAfterText)" }
      connection = ProbeConnection(session, host: probe.target.text)
      note(.tls, .fine, "it is \(probe.target.host)\(expiry ?? "")")
      return true
    } catch {
      note(.tls, error)
      return false
    }
  }

  private func handshake(_ socket: Socket) throws(ProbeFailure) -> TLSSession {
    let context: ProbeTLSContext
    do throws(CertificateFailure) { context = try probe.context.get() } catch {
      throw ProbeFailure(error.description)
    }
    // A dot at the end is for the resolver; no certificate has it.
    let host = probe.target.host
    do throws(TLSFailure) {
      return try context.connect(
        over: socket, host: host.hasSuffix(".") ? String(host.dropLast()) : host,
        until: probe.deadline)
    } catch { throw ProbeFailure(error) }
  }

  /// The answer to a request, over the connection that there is or, if the host has closed it, over
  /// another.
  private mutating func ask(_ request: HTTPRequest) throws(ProbeFailure) -> HTTPResponse {
    if let connection, connection.staysOpen {
      return try connection.ask(request, until: probe.deadline)
    }
    guard let address else { preconditionFailure("a request comes after the connection") }
    let socket: Socket
    do throws(SocketFailure) {
      socket = try Socket.connect(to: address, until: probe.deadline)
    } catch { throw ProbeFailure(error) }
    let next = ProbeConnection(try handshake(socket), host: probe.target.text)
    connection = next
    return try next.ask(request, until: probe.deadline)
  }

  // MARK: what every client may ask

  private mutating func askVersion() -> Bool {
    do throws(ProbeFailure) {
      let response = try ask(HTTPRequest("GET", "/version", headers: ["accept": "application/*"]))
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
      let name = version.host.isEmpty ? "" : ", its name for itself is \(printable(version.host))"
      note(.version, .fine, printable(version.version) + name)
      return true
    } catch {
      note(.version, error)
      return false
    }
  }

  private mutating func askReady(_ stage: ProbeStage) -> Bool {
    do throws(ProbeFailure) {
      let response = try ask(
        HTTPRequest(
          "GET", "/v1/health/ready", query: stage == .write ? [(name: "write", value: "")] : []))
      switch response.status {
      case 200: note(stage, .fine, "ready")
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

  private mutating func askKey(_ subject: EndpointProbe.Subject) {
    do throws(ProbeFailure) {
      let status = Frame(.keyStatus, KeyStatusRequest(name: subject.sseKey))
      var answer = try send(status, to: subject.enclave)
      var how = "KEY:STATUS is answered"
      if case .denied = answer {
        // A minimal policy may lack KEY:STATUS. What the server will send at its start is the last
        // word.
        let generate = Frame(.keyGenerate, GenerateKeyRequest.asAtStart(name: subject.sseKey))
        answer = try send(generate, to: subject.enclave)
        how = "KEY:GENERATE is allowed (KEY:STATUS is not)"
      }
      switch answer {
      case .found(let detail):
        note(.identity, .fine, how)
        note(.enclave, .fine, "exists")
        note(.key, .fine, detail)
      case .denied(let text): note(.identity, .failed, text, reason: .denied)
      case .enclaveMissing(let text): note(.enclave, .failed, text, reason: .enclaveMissing)
      case .keyMissing(let text):
        note(.identity, .fine, how)
        note(.enclave, .fine, "exists")
        note(.key, .failed, text, reason: .keyMissing)
        _ = askReady(.write)
      case .other(let text): note(.key, .failed, text)
      }
    } catch { note(.key, error) }
  }

  private mutating func send(
    _ frame: Frame, to enclave: String
  ) throws(ProbeFailure) -> KeyManagerAnswer {
    let request = HTTPRequest(
      "POST", "/v1/kms/\(enclave)",
      headers: ["content-type": "application/octet-stream", "accept": "application/*"],
      body: frame.encoded())
    var response = try ask(request)
    // It may hold a data key in the clear.
    defer { response.body.wipe() }
    return KeyManagerAnswer(response, to: frame.command)
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
