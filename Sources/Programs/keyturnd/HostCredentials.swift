// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import Files
import Model
import Secrets
import TLS
import Threads

/// The agent's certificate and key: those that a person put on the host, or those that they were renewed by, which are
/// a record in the state directory. Of the two the one that was issued last counts.
struct HostCredentials: CredentialPort {
  let identity: TLSIdentity
  private let state: String
  /// The last request, until its certificate is there. A restart forgets it, and it is made again.
  private let pending = Lock<CertificateRequest?>(nil)

  /// Certificate and key, PEM, one after the other.
  private static let record = "certificate"
  private var path: String { "\(state)/\(Self.record)" }

  /// - Parameters:
  ///   - issued: what a person put on the host.
  ///   - state: the state directory, which need not be there yet.
  ///   - log: gets a line if there is a renewed certificate that cannot be used.
  init(issued: TLSContext, state: String, log: (_ priority: LogPriority, _ message: String) -> Void)
  {
    self.state = state
    var context = issued
    do {
      if let bytes = try DurableRecord.read("\(state)/\(Self.record)"),
        let renewed = try Self.renewed(bytes, issued)
      {
        context = renewed
      }
    } catch {
      log(
        .error,
        "the renewed certificate in \(state) is not used, but the one that was put on the host (valid until \(issued.own.notAfterText)): \(error); keyturn pki renew makes another one"
      )
    }
    identity = TLSIdentity(context)
  }

  /// Nil if the one that was put on the host was issued later.
  private static func renewed(
    _ bytes: [UInt8], _ issued: TLSContext
  ) throws(CertificateFailure) -> TLSContext? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard try CertificateInfo(pem: text).notBefore >= issued.own.notBefore else { return nil }
    return try issued.renewed(certificatePEM: text, keyPEM: bytes.withUnsafeBytes(Secret.init))
  }

  var certificate: OwnCertificate { identity.context.ownCertificate }

  func request() throws(Refusal) -> CertificateRequestAnswer {
    let context = identity.context
    do throws(CertificateFailure) {
      let request = try CertificateRequest(for: context.principal)
      pending.update { $0 = request }
      return CertificateRequestAnswer(
        request: request.pem, certificate: context.certificatePEM)
    } catch { throw Refusal(.failed, error.description) }
  }

  func install(_ certificate: String) throws(Refusal) {
    let name = identity.context.principal.name
    guard let request = pending.withLock({ $0 }) else {
      throw Refusal(
        .validation,
        "install a certificate on \(name): it has asked for none since its start; ask again")
    }
    let context: TLSContext
    do throws(CertificateFailure) {
      context = try identity.context.renewed(certificatePEM: certificate, keyPEM: request.keyPEM)
    } catch { throw Refusal(.validation, "install a certificate on \(name): \(error)") }
    do throws(FileFailure) {
      try DurableRecord.makeDirectory(state)
      try DurableRecord.write(
        path, Array(context.certificatePEM.utf8) + request.keyPEM.withBytes(Array.init))
    } catch { throw Refusal(.file, error.message) }
    identity.replace(by: context)
    pending.update { $0 = $0?.pem == request.pem ? nil : $0 }
  }
}
