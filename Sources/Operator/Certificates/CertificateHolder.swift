// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

/// An agent or witness that has a certificate, and the way to it.
struct CertificateHolder: Sendable {
  var principal: Principal
  var link: any AgentLink

  var name: String { principal.name }

  /// For each question.
  private static let answerMilliseconds = 10_000

  /// Blocks until the answer.
  func ask<Answer>(_ request: AgentRequest<Answer>) throws(Refusal) -> Answer {
    do throws(LinkFailure) {
      return try link.call(
        request, lane: .control, deadline: .inMilliseconds(Self.answerMilliseconds))
    } catch { throw error.refusal }
  }

  /// A request for a certificate, and the one in use. Blocks until the answer.
  func request() throws(Refusal) -> CertificateRequestAnswer {
    let answer = try ask(.requestCertificate)
    guard answer.request.utf8.count <= Limits.certificateBytes,
      answer.certificate.utf8.count <= Limits.certificateFileChainBytes
    else { throw Refusal(.failed, "its request is larger than any can be: nothing was signed") }
    return answer
  }

  /// Blocks until it is in use there.
  func install(_ certificate: String) throws(Refusal) -> CertificateAnswer {
    try ask(.install(NewCertificate(certificate: certificate)))
  }
}

extension Cluster {
  /// All nodes, then all witnesses.
  var certificateHolders: [CertificateHolder] {
    func holder(_ role: Role, _ name: String, _ link: any AgentLink) -> CertificateHolder {
      CertificateHolder(
        principal: Principal(cluster: inventory.cluster, role: role, name: name), link: link)
    }
    return members.map { holder(.node, $0.name, $0.link) }
      + connections.witnesses.map { holder(.witness, $0.name, $0.link) }
  }
}
