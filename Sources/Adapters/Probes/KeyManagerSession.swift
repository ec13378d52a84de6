// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import HTTPS
internal import KeyManager
internal import Model
internal import OpenSSL
internal import Sockets
internal import TLS

/// What is asked of one address of a Key Manager: over one connection, or, if the host has closed it, over the next. It
/// belongs to one thread.
struct KeyManagerSession {
  private let probe: EndpointProbe
  private let address: SocketAddress
  private var connection: ProbeConnection?
  /// Whether it had to connect once more: behind a load balancer that may be another host.
  private(set) var hasReconnected = false
  /// Whether every question must go to the same host.
  private let staysOnHost: Bool

  init(_ probe: EndpointProbe, _ address: SocketAddress, staysOnHost: Bool = false) {
    self.staysOnHost = staysOnHost
    self.probe = probe
    self.address = address
  }

  // MARK: the way there

  /// Connects, through the proxy if there is one. Blocks until the deadline at the longest.
  func dial() throws(ProbeFailure) -> Socket {
    let socket: Socket
    do throws(SocketFailure) {
      socket = try Socket.connect(to: address, until: probe.deadline)
    } catch { throw ProbeFailure(error) }
    if let proxy = probe.proxy {
      do throws(HTTPSFailure) {
        try ProxyTunnel.open(over: socket, proxy, to: probe.target, until: probe.deadline)
      } catch { throw ProbeFailure(error) }
    }
    return socket
  }

  /// Makes the handshake; what is asked from now on goes over this connection. Blocks as long.
  mutating func secure(_ socket: Socket) throws(ProbeFailure) -> TLSSession {
    let session = try handshake(socket)
    connection = ProbeConnection(.tls(session), host: probe.target.text)
    return session
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
    } catch {
      var failure = ProbeFailure(error)
      if error.kind == .unknownAuthority {
        let why = probe.roots.unreadable + probe.roots.absent
        failure.text = ([failure.text] + why).joined(separator: "; ")
      }
      throw failure
    }
  }

  /// Ends the connection in order.
  func close() { connection?.close(until: probe.deadline) }

  // MARK: questions

  /// The answer to a request. Blocks until it is there, or the deadline.
  mutating func ask(_ request: HTTPRequest) throws(ProbeFailure) -> HTTPResponse {
    if let connection, connection.staysOpen {
      return try connection.ask(request, until: probe.deadline)
    }
    if connection != nil {
      if staysOnHost {
        throw ProbeFailure(
          "it has ended the connection between two questions, and the next one may reach another host"
        )
      }
      hasReconnected = true
    }
    let next = ProbeConnection(.tls(try handshake(try dial())), host: probe.target.text)
    connection = next
    return try next.ask(request, until: probe.deadline)
  }

  /// The answer to a command of the enclave. Blocks as long.
  ///
  /// - Parameter use: what a data key in the clear is for; it is wiped afterwards.
  mutating func send(
    _ frame: Frame, _ subject: EndpointProbe.Subject,
    _ use: KeyManagerAnswer.DataKeyUse = { _ in }
  ) throws(ProbeFailure) -> KeyManagerAnswer {
    let request = HTTPRequest(
      "POST", "/v1/kms/\(subject.enclave)",
      headers: ["content-type": "application/octet-stream", "accept": "application/*"],
      body: frame.encoded())
    var response = try ask(request)
    // It may hold a data key in the clear.
    defer { response.body.wipe() }
    return KeyManagerAnswer(response, to: frame.command, use)
  }

  /// What came of the question for the data key of a key proof.
  enum Opening {
    /// It is the one that was committed to.
    case opened
    /// It cannot be decrypted, or is another one: this Key Manager has another key of that name.
    case otherKey(String)
    /// This Key Manager has no key of that name and version.
    case versionMissing(String)
    case denied(String)
    case failed(String)
  }

  /// Has a key proof decrypted. Blocks until that is answered, or the deadline.
  mutating func open(
    _ proof: KeyProof, _ subject: EndpointProbe.Subject
  ) throws(ProbeFailure) -> Opening {
    var isOpened = false
    let question = Frame(.keyDecrypt, proof.question(keyName: subject.sseKey))
    let answer = try send(question, subject) { isOpened = proof.isOpened(by: $0.plaintext) }
    return switch answer {
    case .told where isOpened: .opened
    case .told: .otherKey("KEY:DECRYPT gives another data key than the one that was proven")
    case .notAuthentic(let text): .otherKey(text)
    case .keyMissing(let text): .versionMissing(text)
    case .denied(let text): .denied(text)
    case .enclaveMissing(let text), .other(let text): .failed(text)
    }
  }
}
